// SPDX-License-Identifier: Apache-2.0
#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_varints(void **state) {
    static const struct {
        uint64_t value;
        size_t len;
    } rows[] = {{0, 1},     {1, 1},          {127, 1},        {128, 2},         {16383, 2},
                {16384, 3}, {UINT32_MAX, 5}, {1ULL << 62, 9}, {1ULL << 63, 10}, {UINT64_MAX, 10}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer out;
        uint64_t back = 0;
        buffer_init(&out, 64);
        codec_put_varint(&out, rows[i].value);
        assert_int_equal(out.len, rows[i].len);
        struct view rest = buffer_view(&out);
        assert_true(codec_get_varint(&rest, &back));
        assert_true(back == rows[i].value);
        assert_int_equal(rest.len, 0);
        for (size_t len = 0; len < out.len; len++) {
            rest = view_from(out.ptr, len);
            assert_false(codec_get_varint(&rest, &back));
            assert_int_equal(rest.len, len); // nothing was taken
        }
        buffer_finish(&out);
    }
}

static void test_varints_have_a_bound(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
        bool well;
    } rows[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false}, // 65 bits
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, false},
        {"\x80\x00", 2, true}, // longer than needed, still zero
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view rest = view_from(rows[i].bytes, rows[i].len);
        uint64_t value = 0;
        assert_int_equal(codec_get_varint(&rest, &value), rows[i].well);
    }
}

static void test_numbers(void **state) {
    static const int64_t values[] = {0, 1, -1, 63, -64, 64, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buffer out;
        struct codec_field field;
        int64_t back = 0;
        buffer_init(&out, 64);
        codec_put_int(&out, 7, values[i]);
        struct view rest = buffer_view(&out);
        assert_true(codec_get(&rest, &field));
        assert_int_equal(field.tag, 7);
        assert_true(codec_field_int(&field, &back));
        assert_true(back == values[i]);
        assert_false(codec_get(&rest, &field));
        assert_int_equal(rest.len, 0);
        buffer_finish(&out);
    }
}

static void test_fields(void **state) {
    struct buffer out;
    struct codec_field field;
    int64_t number = 5;
    buffer_init(&out, 4096);
    codec_put_bytes(&out, 1, VIEW("a\0b"));
    codec_put_bytes(&out, UINT32_MAX, VIEW_NONE);
    struct view rest = buffer_view(&out);
    assert_true(codec_get(&rest, &field));
    assert_true(view_equals(field.bytes, VIEW("a\0b")));
    assert_false(codec_field_int(&field, &number)); // bytes are left over
    assert_true(codec_get(&rest, &field));
    assert_true(field.tag == UINT32_MAX);
    assert_int_equal(field.bytes.len, 0);
    assert_false(codec_field_int(&field, &number));
    assert_int_equal(number, 5);
    buffer_finish(&out);
}

static void test_damage_keeps_the_rest(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x01", 1}, // no length
        {"\x01\x05"
         "abc",
         5},                                                  // longer than what is there
        {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, // longer than memory
        {"\x80\x80\x80\x80\x10\x00", 6},                      // a tag of more than 32 bits
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view rest = view_from(rows[i].bytes, rows[i].len);
        struct codec_field field;
        assert_false(codec_get(&rest, &field));
        assert_int_equal(rest.len, rows[i].len);
    }
}

static void test_fixed_numbers(void **state) {
    unsigned char bytes[8];
    codec_store_u64(bytes, 0x0102030405060708U);
    assert_int_equal(bytes[0], 8);
    assert_int_equal(bytes[7], 1);
    assert_true(codec_load_u64(bytes) == 0x0102030405060708U);
    codec_store_u32(bytes, 0xfffefdfcU);
    assert_true(codec_load_u32(bytes) == 0xfffefdfcU);
    assert_int_equal(bytes[4], 4); // nothing behind it was touched
}

static void test_full_buffers(void **state) {
    struct buffer out;
    buffer_init(&out, 8);
    codec_put_bytes(&out, 1, VIEW("a text of more than eight bytes"));
    assert_true(out.overflow);
    assert_true(out.len <= 8);
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_varints_have_a_bound),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_damage_keeps_the_rest),
        cmocka_unit_test(test_fixed_numbers),
        cmocka_unit_test(test_full_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
