// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void view_compares_and_cuts(void **state) {
    (void)state;
    assert_true(view_equals_nocase(VIEW("Example.ORG"), VIEW("eXAMPLE.org")));
    assert_false(view_equals_nocase(VIEW("a"), VIEW("ab")));
    assert_true(view_equals(VIEW_NONE, VIEW("")));
    assert_true(view_ends_with_nocase(VIEW("mx.contoso.COM"), VIEW(".contoso.com")));
    assert_int_equal(view_find(VIEW("abcabc"), VIEW("ca")), 2);
    assert_int_equal(view_find(VIEW("abc"), VIEW("x")), 3);
    assert_int_equal(view_find_nocase(VIEW("xxGreyListed"), VIEW("greylist")), 2);
    assert_int_equal(view_find_last_char(VIEW("a@b@c"), '@'), 3);
    assert_true(view_equals(view_trim(VIEW(" \t a b \r\n")), VIEW("a b")));
    assert_int_equal(view_skip(VIEW("abc"), 9).len, 0);
    assert_true(view_compare(VIEW("ab"), VIEW("abc")) < 0);
    char text[4];
    assert_false(view_copy_string(VIEW("abcd"), text, sizeof(text)));
    assert_string_equal(text, "abc");
}

static void view_splits_every_part(void **state) {
    (void)state;
    static const char *const expected[] = {"a", "", "b", ""};
    struct view rest = VIEW("a,,b,"), part;
    size_t n = 0;
    while (view_split(&rest, ',', &part)) {
        assert_true(n < ARRAY_LEN(expected));
        assert_true(view_equals(part, view_of(expected[n++])));
    }
    assert_int_equal(n, ARRAY_LEN(expected));
}

static void view_reads_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
        uint64_t value;
    } rows[] = {{"0", true, 0},
                {"18446744073709551615", true, UINT64_MAX},
                {"18446744073709551616", false, 7},
                {"", false, 7},
                {"-1", false, 7},
                {"1x", false, 7},
                {"99999999999999999999999", false, 7}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 7;
        assert_int_equal(view_to_u64(view_of(rows[i].text), &value), rows[i].is_number);
        assert_int_equal(value, rows[i].value);
    }
}

static void arena_gives_back_to_a_mark(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 100000);
    assert_non_null(arena_alloc(&arena, 10));
    struct arena_mark mark = arena_mark(&arena);
    size_t used = arena.used_total;
    for (int i = 0; i < 90; i++)
        assert_non_null(arena_alloc(&arena, 1000));
    assert_null(arena_alloc(&arena, 20000));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_reset(&arena, mark);
    assert_int_equal(arena.used_total, used);
    struct view text = arena_printf(&arena, "%s-%d", "x", 42);
    assert_true(view_equals(text, VIEW("x-42")));
    arena_finish(&arena);
    assert_int_equal(arena.used_total, 0);
}

static void buffer_keeps_its_maximum(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    assert_string_equal(buffer_string(&buffer), "");
    buffer_append_view(&buffer, VIEW("12345678"));
    buffer_append_view(&buffer, VIEW("901"));
    assert_true(buffer.overflow);
    assert_string_equal(buffer_string(&buffer), "12345678");
    buffer_consume(&buffer, 3);
    assert_string_equal(buffer_string(&buffer), "45678");
    buffer_clear(&buffer);
    buffer_printf(&buffer, "%s", "1234567890");
    assert_false(buffer.overflow);
    assert_string_equal(buffer_string(&buffer), "1234567890");
    buffer_printf(&buffer, "%s", "x");
    assert_true(buffer.overflow);
    buffer_finish(&buffer);
}

struct number {
    struct hash_node in_table;
    struct heap_node in_heap;
    struct list in_list;
    uint64_t value;
};

static struct number *find(struct hash_table *table, uint64_t value) {
    struct hash_node *node = hash_table_first(table, value / 2);
    for (; node; node = hash_table_next(node))
        if (CONTAINER_OF(node, struct number, in_table)->value == value)
            return CONTAINER_OF(node, struct number, in_table);
    return NULL;
}

static void hash_finds_what_is_in_it(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    struct number *numbers = calloc(COUNT, sizeof(*numbers));
    struct hash_table table;
    hash_table_init(&table);
    assert_null(find(&table, 1));
    for (uint64_t i = 0; i < COUNT; i++) { // two values share each hash
        numbers[i].value = i;
        hash_table_insert(&table, &numbers[i].in_table, i / 2);
    }
    for (uint64_t i = 0; i < COUNT; i += 3)
        hash_table_remove(&table, &numbers[i].in_table);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&table, i), i % 3 ? &numbers[i] : NULL);
    hash_table_finish(&table);
    free(numbers);
}

static void heap_orders_by_key_then_age(void **state) {
    (void)state;
    enum { COUNT = 500 };
    struct number *numbers = calloc(COUNT, sizeof(*numbers));
    struct heap heap;
    struct rng rng;
    heap_init(&heap);
    rng_init(&rng, 3);
    for (size_t i = 0; i < COUNT; i++) {
        numbers[i].value = i;
        heap_insert(&heap, &numbers[i].in_heap, (int64_t)rng_below(&rng, 50));
    }
    for (size_t i = 0; i < COUNT; i += 7)
        heap_remove(&heap, &numbers[i].in_heap);
    heap_remove(&heap, &numbers[0].in_heap);
    int64_t key = -1;
    uint64_t order = 0;
    size_t n = 0;
    for (struct heap_node *node; (node = heap_first(&heap)); n++) {
        assert_true(node->key > key || (node->key == key && node->order > order));
        assert_int_not_equal(CONTAINER_OF(node, struct number, in_heap)->value % 7, 0);
        key = node->key;
        order = node->order;
        heap_remove(&heap, node);
    }
    assert_int_equal(n, COUNT - (COUNT + 6) / 7);
    heap_finish(&heap);
    free(numbers);
}

static void list_moves_members(void **state) {
    (void)state;
    struct number numbers[4];
    struct list a, b;
    list_init(&a);
    list_init(&b);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        list_init(&numbers[i].in_list);
        numbers[i].value = i;
        list_append(i < 2 ? &a : &b, &numbers[i].in_list);
    }
    list_append_all(&a, &b);
    assert_true(list_is_empty(&b));
    list_append_all(&a, &b);
    uint64_t expected = 0;
    LIST_FOR_EACH(node, &a) {
        assert_int_equal(CONTAINER_OF(node, struct number, in_list)->value, expected++);
    }
    assert_int_equal(expected, 4);
    list_remove(&numbers[0].in_list);
    list_remove(&numbers[0].in_list);
    assert_ptr_equal(list_pop(&a), &numbers[1].in_list);
}

static void crc_and_siphash_match_published_values(void **state) {
    (void)state;
    unsigned char zeros[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283U);
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aaU); // RFC 3720 B.4
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43U);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283U);
    uint64_t key[2] = {1, 2}, other[2] = {1, 3};
    assert_int_equal(hash_bytes_keyed(key, VIEW("MX.Example.org"), true),
                     hash_bytes_keyed(key, VIEW("mx.example.ORG"), true));
    assert_int_not_equal(hash_bytes_keyed(key, VIEW("a"), false),
                         hash_bytes_keyed(other, VIEW("a"), false));
    assert_int_not_equal(hash_bytes_keyed(key, VIEW("a\0"), false),
                         hash_bytes_keyed(key, VIEW("a"), false));
}

static void rng_repeats_and_stays_below(void **state) {
    (void)state;
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 1000; i++) {
        uint64_t limit = (uint64_t)i + 1;
        uint64_t value = rng_below(&a, limit);
        assert_true(value < limit);
        assert_int_equal(value, rng_below(&b, limit));
    }
}

static void take_line(enum log_level level, struct view line, void *arg) {
    struct buffer *lines = arg;
    buffer_printf(lines, "%d|%.*s\n", (int)level, VIEW_ARG(line));
}

static void log_lines_cannot_be_forged(void **state) {
    (void)state;
    struct buffer lines;
    buffer_init(&lines, 4096);
    log_set_sink(take_line, &lines);
    log_set_clock(NULL);
    log_warning("serve", "helo %s", "a\r\n1970 error forged");
    log_debug("serve", "not shown");
    assert_string_equal(buffer_string(&lines),
                        "2|warning serve: helo a\\x0d\\x0a1970 error forged\n");
    log_set_sink(NULL, NULL);
    buffer_finish(&lines);
}

static void error_says_what_the_system_said(void **state) {
    (void)state;
    struct error error;
    assert_false(error_set_errno(&error, ENOSPC, "cannot write %s", "x"));
    assert_string_equal(error.text, "cannot write x: No space left on device");
    assert_int_equal(error.sys_errno, ENOSPC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_compares_and_cuts),
        cmocka_unit_test(view_splits_every_part),
        cmocka_unit_test(view_reads_numbers),
        cmocka_unit_test(arena_gives_back_to_a_mark),
        cmocka_unit_test(buffer_keeps_its_maximum),
        cmocka_unit_test(hash_finds_what_is_in_it),
        cmocka_unit_test(heap_orders_by_key_then_age),
        cmocka_unit_test(list_moves_members),
        cmocka_unit_test(crc_and_siphash_match_published_values),
        cmocka_unit_test(rng_repeats_and_stays_below),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(error_says_what_the_system_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
