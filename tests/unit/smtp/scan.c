// SPDX-License-Identifier: Apache-2.0
// The masks of a block, in both implementations, against a look at each byte.
#include "smtp/scan.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_masks(const char *bytes, struct smtp_scan_masks masks) {
    bool any_8bit = false, any_nul = false;
    for (size_t i = 0; i < SMTP_SCAN_BLOCK_BYTES; i++) {
        assert_int_equal(masks.cr >> i & 1, bytes[i] == '\r');
        assert_int_equal(masks.lf >> i & 1, bytes[i] == '\n');
        assert_int_equal(masks.dot >> i & 1, bytes[i] == '.');
        any_8bit |= (unsigned char)bytes[i] >= 0x80;
        any_nul |= bytes[i] == '\0';
    }
    assert_int_equal(masks.any_8bit, any_8bit);
    assert_int_equal(masks.any_nul, any_nul);
}

static void test_masks(void **state) {
    struct rng rng;
    rng_init(&rng, 64);
    for (size_t round = 0; round < 20000; round++) {
        char bytes[SMTP_SCAN_BLOCK_BYTES];
        // Values near the wanted ones are where arithmetic on words goes wrong.
        static const char values[] = "\r\n.\x0c\x0e\x09\x0b-/\x8d\x8a\xae\x01\x80";
        bool has_nul = rng_chance(&rng, 1, 4), has_8bit = rng_chance(&rng, 1, 2);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            char c = values[rng_below(&rng, sizeof(values))];
            bool is_unwanted = (c == '\0' && !has_nul) || ((unsigned char)c >= 0x80 && !has_8bit);
            bytes[i] = is_unwanted ? 'x' : c;
        }
        check_masks(bytes, smtp_scan_block(bytes));
        check_masks(bytes, smtp_scan_block_portable(bytes));
    }
}

static void test_every_byte_value(void **state) {
    char bytes[SMTP_SCAN_BLOCK_BYTES];
    for (int value = 0; value < 256; value++) {
        for (size_t at = 0; at < sizeof(bytes); at++) {
            memset(bytes, 'x', sizeof(bytes));
            bytes[at] = (char)value;
            check_masks(bytes, smtp_scan_block(bytes));
            check_masks(bytes, smtp_scan_block_portable(bytes));
        }
    }
}

static void test_stops_at_odd_bytes(void **state) {
    static const struct {
        enum smtp_scan_place before;
        struct view bytes;
        size_t passed;
        enum smtp_scan_place after;
    } rows[] = {
        {SMTP_SCAN_START, VIEW(""), 0, SMTP_SCAN_START},
        {SMTP_SCAN_START, VIEW("abc"), 3, SMTP_SCAN_INSIDE},
        {SMTP_SCAN_START, VIEW(".abc"), 0, SMTP_SCAN_START},
        {SMTP_SCAN_INSIDE, VIEW(".abc"), 4, SMTP_SCAN_INSIDE},
        {SMTP_SCAN_INSIDE, VIEW("abc\r"), 4, SMTP_SCAN_AFTER_CR},
        {SMTP_SCAN_AFTER_CR, VIEW("\n"), 1, SMTP_SCAN_START},
        {SMTP_SCAN_AFTER_CR, VIEW("\n.x"), 1, SMTP_SCAN_START},
        {SMTP_SCAN_AFTER_CR, VIEW("x"), 0, SMTP_SCAN_AFTER_CR},
        {SMTP_SCAN_AFTER_CR, VIEW("\r\n"), 0, SMTP_SCAN_AFTER_CR},
        {SMTP_SCAN_INSIDE, VIEW("a\r\n\r\nb\r\n"), 8, SMTP_SCAN_START},
        {SMTP_SCAN_INSIDE, VIEW("a\r\n\n"), 3, SMTP_SCAN_START},
        {SMTP_SCAN_INSIDE, VIEW("a\rb"), 2, SMTP_SCAN_AFTER_CR},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_scan scan = {.place = rows[i].before, .line_len = 1};
        assert_int_equal(smtp_scan_run(&scan, rows[i].bytes), rows[i].passed);
        assert_int_equal(scan.place, rows[i].after);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_every_byte_value),
        cmocka_unit_test(test_stops_at_odd_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
