// SPDX-License-Identifier: Apache-2.0
// Texts from outside in messages of ours: wrapped, folded, escaped, decoded.
#include "mail/write.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define A20 "aaaaaaaaaaaaaaaaaaaa"

static void test_fields(void **state) {
    static const struct {
        struct view value;
        const char *expected;
    } rows[] = {
        {VIEW(""), ""},
        {VIEW("  \n "), ""},
        {VIEW("a"), "Name: a\r\n"},
        {VIEW(" a  b\nc\r\n"), "Name: a b c\r\n"},
        {VIEW("a\r\nX: y"), "Name: a X: y\r\n"},
        {VIEW("\xc3\xa4\x01"), "Name: \\xc3\\xa4\\x01\r\n"},
        {VIEW(A20 " " A20 " " A20 " " A20), "Name: " A20 " " A20 " " A20 "\r\n " A20 "\r\n"},
        // A word that is too wide stands on the first line all the same, then is cut.
        {VIEW(A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20),
         "Name: " A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 "\r\n " A20 "\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        mail_put_field(&out, VIEW("Name"), rows[i].value);
        assert_string_equal(buffer_string(&out), rows[i].expected);
        buffer_finish(&out);
    }
}

static void test_wrapping(void **state) {
    static const struct {
        size_t indent, hang;
        struct view text;
        const char *expected;
    } rows[] = {
        {0, 0, VIEW(""), ""},
        {0, 0, VIEW("a\n\nb\n\n"), "a\r\n\r\nb\r\n"},
        {2, 0, VIEW("a\n  b"), "  a\r\n    b\r\n"},
        {0, 0, VIEW(A20 " " A20 " " A20 " " A20), A20 " " A20 " " A20 "\r\n" A20 "\r\n"},
        {0, 2, VIEW(A20 " " A20 " " A20 " " A20), A20 " " A20 " " A20 "\r\n  " A20 "\r\n"},
        {1, 0, VIEW("- " A20 " " A20 " " A20 " " A20),
         " - " A20 " " A20 " " A20 "\r\n   " A20 "\r\n"},
        {0, 0, VIEW("a\tb\rc\x01\xff"), "a b c?\xef\xbf\xbd\r\n"},
        {0, 0, VIEW("\xc3\xa4\xe4"), "\xc3\xa4\xef\xbf\xbd\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        mail_put_wrapped(&out, rows[i].indent, rows[i].hang, rows[i].text);
        assert_string_equal(buffer_string(&out), rows[i].expected);
        buffer_finish(&out);
    }
}

// Bytes that are no UTF-8 take three each.
static void test_long_words(void **state) {
    struct buffer text, out;
    buffer_init(&text, 4096);
    buffer_init(&out, 1 << 16);
    for (int i = 0; i < 2000; i++)
        buffer_append_view(&text, VIEW("\xff"));
    mail_put_wrapped(&out, 10, 10, buffer_view(&text));
    struct view rest = buffer_view(&out), line = VIEW_NONE;
    while (view_split(&rest, '\n', &line))
        assert_true(line.len <= MAIL_LINE_BYTES_MAX);
    assert_true(out.len > 6000);
    buffer_finish(&text);
    buffer_finish(&out);
}

static void test_columns_are_characters(void **state) {
    struct buffer text, out;
    buffer_init(&text, 4096);
    buffer_init(&out, 4096);
    for (int i = 0; i < 20; i++)
        buffer_append_view(&text, VIEW("\xc3\xa4\xc3\xb6\xc3\xbc "));
    mail_put_wrapped(&out, 0, 0, buffer_view(&text));
    // 19 words of three letters and 18 blanks are 75 columns.
    assert_int_equal(view_find(buffer_view(&out), VIEW("\r\n")), 19 * 6 + 18);
    buffer_finish(&text);
    buffer_finish(&out);
}

static void test_encoded_words(void **state) {
    static const struct {
        struct view value;
        bool is_known;
        const char *expected;
    } rows[] = {
        {VIEW(""), true, ""},
        {VIEW("plain text"), true, "plain text"},
        {VIEW("=?utf-8?Q?a_b=C3=A4?="), true, "a b\xc3\xa4"},
        {VIEW("=?UTF-8?b?w6Q=?="), true, "\xc3\xa4"},
        {VIEW("=?utf-8*de?Q?=C3=A4?="), true, "\xc3\xa4"},
        {VIEW("=?iso-8859-1?q?=E4?= x"), true, "\xc3\xa4 x"},
        {VIEW("a =?us-ascii?Q?b?= =?us-ascii?Q?c?= d"), true, "a bc d"},
        {VIEW("=?us-ascii?Q?b?=x=?us-ascii?Q?c?="), true, "bxc"},
        {VIEW("=?koi8-r?Q?=C1?="), true, "\xd0\xb0"},
        {VIEW("=?iso-2022-jp?B?GyRCJS8bKEI=?="), true, "\xe3\x82\xaf"},
        {VIEW("=?x-nowhere?Q?=C1?="), false, ""},
        {VIEW("=?utf-8?X?a?="), false, ""},
        {VIEW("=?utf-8?Q?a"), true, "=?utf-8?Q?a"},
        {VIEW("=?utf-8?Q?a b?="), true, "=?utf-8?Q?a b?="},
        {VIEW("=?=?=?"), true, "=?=?=?"},
        {VIEW("a=?"), true, "a=?"},
        {VIEW("=?utf-8?Q?=4?="), true, "=4"},
        {VIEW("=?utf-8?Q?=?="), true, "="},
        {VIEW("=?utf-8?B?!!?="), true, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        bool is_known = mail_decode_words(rows[i].value, &out);
        if (is_known != rows[i].is_known)
            fail_msg("%s: %d", rows[i].value.ptr, is_known);
        if (is_known)
            assert_string_equal(buffer_string(&out), rows[i].expected);
        buffer_finish(&out);
    }
}

static void test_safe_addresses(void **state) {
    char big[1000];
    memset(big, 'a', sizeof(big));
    assert_true(mail_is_safe_address(VIEW("a b@c")));
    assert_true(mail_is_safe_address(VIEW("\xc3\xa4@c")));
    assert_false(mail_is_safe_address(VIEW("")));
    assert_false(mail_is_safe_address(VIEW("a\n@c")));
    assert_false(mail_is_safe_address(VIEW("a\0@c")));
    assert_false(mail_is_safe_address(VIEW("a\xff@c")));
    assert_false(mail_is_safe_address(view_from(big, sizeof(big))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),        cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_long_words),    cmocka_unit_test(test_columns_are_characters),
        cmocka_unit_test(test_encoded_words), cmocka_unit_test(test_safe_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
