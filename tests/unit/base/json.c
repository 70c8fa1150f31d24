// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_strings(void **state) {
    static const struct {
        struct view value;
        const char *written;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"\"\\/", 3}, "\"\\\"\\\\/\""},
        {{"\n\r\t", 3}, "\"\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {{"gr\xc3\xbcn \xe2\x82\xac \xf0\x9f\x93\xac", 14},
         "\"gr\xc3\xbcn \xe2\x82\xac \xf0\x9f\x93\xac\""},
        // What is no UTF-8 (RFC 3629): stray, cut, overlong, surrogate, beyond the last
        {{"\xff", 1}, "\"\xef\xbf\xbd\""},
        {{"\x80x", 2}, "\"\xef\xbf\xbdx\""},
        {{"\xe2\x82", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xc0\xaf", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xe0\x80\xaf", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xf4\x90\x80\x80", 4}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xc3\xbc\xc3", 3}, "\"\xc3\xbc\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_writer json;
        struct buffer out;
        buffer_init(&out, 256);
        json_begin(&json, &out);
        json_add_string(&json, rows[i].value);
        if (!view_equals(buffer_view(&out), view_of(rows[i].written)))
            fail_msg("row %zu: %.*s", i, (int)out.len, out.ptr);
        buffer_finish(&out);
    }
}

static void check_fractions(void) {
    static const struct {
        double value;
        const char *written;
    } rows[] = {{0, "0.0"},     {1, "1.0"},        {0.5, "0.5"},   {0.25, "0.25"},  {0.999, "1.0"},
                {-0.5, "-0.5"}, {-1.25, "-1.25"},  {100, "100.0"}, {0.05, "0.05"},  {0.001, "0.0"},
                {NAN, "0.0"},   {INFINITY, "0.0"}, {1e300, "0.0"}, {12.34, "12.34"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_writer json;
        struct buffer out;
        buffer_init(&out, 64);
        json_begin(&json, &out);
        json_add_fraction(&json, rows[i].value);
        if (!view_equals(buffer_view(&out), view_of(rows[i].written)))
            fail_msg("%f: %.*s", rows[i].value, (int)out.len, out.ptr);
        buffer_finish(&out);
    }
}

static void test_fractions(void **state) {
    check_fractions();
    // Where the language writes a comma, JSON keeps its point.
    if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE"))
        check_fractions();
    setlocale(LC_ALL, "C");
}

static void test_nesting(void **state) {
    struct json_writer json;
    struct buffer out;
    buffer_init(&out, 4096);
    json_begin(&json, &out);
    json_object_begin(&json);
    json_put_int(&json, "a", INT64_MIN);
    json_key(&json, "list");
    json_array_begin(&json);
    json_add_int(&json, 1);
    json_object_begin(&json);
    json_object_end(&json);
    json_array_begin(&json);
    json_array_end(&json);
    json_add_null(&json);
    json_array_end(&json);
    json_put_bool(&json, "b", true);
    json_put_string(&json, "empty", VIEW_NONE);
    json_put_time(&json, "at", 1778582520000);
    json_put_time(&json, "never", 0);
    json_object_end(&json);
    assert_true(view_equals(
        buffer_view(&out), VIEW("{\"a\":-9223372036854775808,\"list\":[1,{},[],null],\"b\":true,"
                                "\"empty\":null,\"at\":\"2026-05-12T10:42:00Z\",\"never\":null}")));
    buffer_finish(&out);
}

static void test_full_buffers(void **state) {
    struct json_writer json;
    struct buffer out;
    buffer_init(&out, 16);
    json_begin(&json, &out);
    json_object_begin(&json);
    json_put_string(&json, "key", VIEW("much more than there is room for"));
    json_object_end(&json);
    assert_true(out.overflow);
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_full_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
