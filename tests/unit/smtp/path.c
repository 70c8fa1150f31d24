// SPDX-License-Identifier: Apache-2.0
// Paths and host names: what is taken, what is refused, and where the views point.
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// Each row is what stands behind "RCPT TO:".
static const struct {
    struct view path;
    enum smtp_syntax syntax;
    struct view address, local_part, domain;
    bool is_literal, has_utf8;
} rows[] = {
    {VIEW("<a@b.example>"), SMTP_SYNTAX_OK, VIEW("a@b.example"), VIEW("a"), VIEW("b.example")},
    {VIEW(" <a@b.example>"), SMTP_SYNTAX_OK, VIEW("a@b.example"), VIEW("a"), VIEW("b.example")},
    {VIEW("<a@b>"), SMTP_SYNTAX_OK, VIEW("a@b"), VIEW("a"), VIEW("b")},
    {VIEW("<A.B+c@EXAMPLE.org>"), SMTP_SYNTAX_OK, VIEW("A.B+c@EXAMPLE.org"), VIEW("A.B+c"),
     VIEW("EXAMPLE.org")},
    {VIEW("<a@b.example.>"), SMTP_SYNTAX_OK, VIEW("a@b.example"), VIEW("a"), VIEW("b.example")},
    {VIEW("<a..b.@c.example>"), SMTP_SYNTAX_OK, VIEW("a..b.@c.example"), VIEW("a..b."),
     VIEW("c.example")},
    {VIEW("<!#$%&'*+-/=?^_`{|}~@b>"), SMTP_SYNTAX_OK, VIEW("!#$%&'*+-/=?^_`{|}~@b"),
     VIEW("!#$%&'*+-/=?^_`{|}~"), VIEW("b")},
    {VIEW("<\"a b\"@c>"), SMTP_SYNTAX_OK, VIEW("\"a b\"@c"), VIEW("\"a b\""), VIEW("c")},
    {VIEW("<\"a@b>\"@c>"), SMTP_SYNTAX_OK, VIEW("\"a@b>\"@c"), VIEW("\"a@b>\""), VIEW("c")},
    {VIEW("<\"a\\\"b\"@c>"), SMTP_SYNTAX_OK, VIEW("\"a\\\"b\"@c"), VIEW("\"a\\\"b\""), VIEW("c")},
    {VIEW("<\"\"@c>"), SMTP_SYNTAX_OK, VIEW("\"\"@c"), VIEW("\"\""), VIEW("c")},
    {VIEW("<@r1.example,@r2.example:a@b>"), SMTP_SYNTAX_OK, VIEW("a@b"), VIEW("a"), VIEW("b")},
    {VIEW("<a@[192.0.2.1]>"), SMTP_SYNTAX_OK, VIEW("a@[192.0.2.1]"), VIEW("a"), VIEW("192.0.2.1"),
     true},
    {VIEW("<a@[IPv6:2001:db8::1]>"), SMTP_SYNTAX_OK, VIEW("a@[IPv6:2001:db8::1]"), VIEW("a"),
     VIEW("2001:db8::1"), true},
    {VIEW("<\xc3\xa4@b\xc3\xbc.example>"), SMTP_SYNTAX_OK, VIEW("\xc3\xa4@b\xc3\xbc.example"),
     VIEW("\xc3\xa4"), VIEW("b\xc3\xbc.example"), false, true},
    {VIEW("<Postmaster>"), SMTP_SYNTAX_OK, VIEW("Postmaster"), VIEW("Postmaster"), VIEW("")},
    {VIEW("<>"), SMTP_SYNTAX_PATH},
    {VIEW(""), SMTP_SYNTAX_PATH},
    {VIEW("<"), SMTP_SYNTAX_PATH},
    {VIEW("a@b"), SMTP_SYNTAX_PATH},
    {VIEW("<a@b"), SMTP_SYNTAX_PATH},
    {VIEW("a@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<a>"), SMTP_SYNTAX_PATH},
    {VIEW("<@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@.>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@b..c>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@.b>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@b@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<a b@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<<a@b>>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@-b>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@192.0.2.1>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[192.0.2.256]>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[2001:db8::1]>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[IPv6:192.0.2.1]>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[IPv6:fe80::1%2]>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[]>"), SMTP_SYNTAX_PATH},
    {VIEW("<a@[x]>"), SMTP_SYNTAX_PATH},
    {VIEW("<\"a@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<\"a\"b@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<\"a\rb\"@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<a\x01@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<a\x7f@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<\xff@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<\xc0\xaf@c>"), SMTP_SYNTAX_PATH},
    {VIEW("<@r1.example a@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<@:a@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<@r1.example,:a@b>"), SMTP_SYNTAX_PATH},
    {VIEW("<@r1.example:>"), SMTP_SYNTAX_PATH},
};

static void test_paths(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256];
        struct smtp_path path;
        struct smtp_rcpt_params params;
        int len = snprintf(line, sizeof(line), "TO:%.*s", VIEW_ARG(rows[i].path));
        enum smtp_syntax syntax = smtp_rcpt_parse(view_from(line, (size_t)len), &path, &params);
        if (syntax != rows[i].syntax)
            fail_msg("%s: syntax %d", line, syntax);
        if (syntax != SMTP_SYNTAX_OK)
            continue;
        if (!view_equals(path.address, rows[i].address) ||
            !view_equals(path.local_part, rows[i].local_part) ||
            !view_equals(path.domain, rows[i].domain) || path.is_literal != rows[i].is_literal ||
            path.has_utf8 != rows[i].has_utf8)
            fail_msg("%s: wrong parts", line);
    }
}

static enum smtp_syntax path_of_lengths(size_t local_len, size_t label_len, size_t n_labels) {
    char line[4096];
    size_t len = 4;
    memcpy(line, "TO:<", 4);
    memset(line + len, 'l', local_len);
    len += local_len;
    line[len++] = '@';
    for (size_t i = 0; i < n_labels; i++) {
        memset(line + len, 'd', label_len);
        len += label_len;
        line[len++] = i + 1 < n_labels ? '.' : '>';
    }
    struct smtp_path path;
    struct smtp_rcpt_params params;
    return smtp_rcpt_parse(view_from(line, len), &path, &params);
}

static void test_lengths(void **state) {
    assert_int_equal(path_of_lengths(64, 63, 3), SMTP_SYNTAX_OK);
    assert_int_equal(path_of_lengths(SMTP_LOCAL_PART_BYTES_MAX, 63, 3), SMTP_SYNTAX_OK);
    assert_int_equal(path_of_lengths(SMTP_LOCAL_PART_BYTES_MAX + 1, 63, 3), SMTP_SYNTAX_TOO_LONG);
    assert_int_equal(path_of_lengths(1, 63, 4), SMTP_SYNTAX_OK);
    assert_int_equal(path_of_lengths(1, 63, 5), SMTP_SYNTAX_TOO_LONG);
    assert_int_equal(path_of_lengths(1, 64, 1), SMTP_SYNTAX_PATH);
    assert_int_equal(path_of_lengths(2000, 63, 1), SMTP_SYNTAX_TOO_LONG);
}

static void test_null_sender(void **state) {
    struct smtp_path path;
    struct smtp_mail_params params;
    assert_int_equal(smtp_mail_parse(VIEW("FROM:<>"), &path, &params), SMTP_SYNTAX_OK);
    assert_true(view_is_empty(path.address));
    assert_int_equal(smtp_mail_parse(VIEW("FROM: <> SIZE=3"), &path, &params), SMTP_SYNTAX_OK);
    assert_int_equal(params.size, 3);
    // Only a recipient may be the bare postmaster.
    assert_int_equal(smtp_mail_parse(VIEW("FROM:<postmaster>"), &path, &params), SMTP_SYNTAX_PATH);
    assert_int_equal(smtp_mail_parse(VIEW("TO:<a@b>"), &path, &params), SMTP_SYNTAX_PATH);
    assert_int_equal(smtp_mail_parse(VIEW("FROM"), &path, &params), SMTP_SYNTAX_PATH);
}

static void test_address_parse(void **state) {
    static const struct {
        struct view text, address;
    } good[] = {{VIEW("a@b.example"), VIEW("a@b.example")},
                {VIEW(" <a@b.example> "), VIEW("a@b.example")},
                {VIEW("<@r.example:a@b>"), VIEW("a@b")},
                {VIEW("a@b.example."), VIEW("a@b.example")}};
    static const struct view bad[] = {VIEW(""),           VIEW("a"),           VIEW("<>"),
                                      VIEW("a@b c"),      VIEW("<a@b> c"),     VIEW("a@b>"),
                                      VIEW("A <a@b>"),    VIEW("@b"),          VIEW("a@b\r\nRCPT"),
                                      VIEW("postmaster"), VIEW("<postmaster>")};
    struct smtp_path path;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(smtp_address_parse(good[i].text, &path));
        assert_true(view_equals(path.address, good[i].address));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(smtp_address_parse(bad[i], &path));
}

static void test_domains(void **state) {
    static const struct view good[] = {VIEW("a"),        VIEW("a.b"),     VIEW("a.b."),
                                       VIEW("3com.com"), VIEW("1.2.3.x"), VIEW("_dmarc.a"),
                                       VIEW("xn--abc"),  VIEW("a-b.c"),   VIEW("1.2.3.4a")};
    static const struct view bad[] = {VIEW(""),          VIEW("."),       VIEW("a..b"),
                                      VIEW(".a"),        VIEW("a.."),     VIEW("-a.b"),
                                      VIEW("a-.b"),      VIEW("1.2.3.4"), VIEW("a.123"),
                                      VIEW("a b"),       VIEW("a\0b"),    VIEW("\xc3\xa4.example"),
                                      VIEW("[1.2.3.4]"), VIEW("a/b"),     VIEW("a:25")};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!smtp_domain_is_valid(good[i]))
            fail_msg("%s", good[i].ptr);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (smtp_domain_is_valid(bad[i]))
            fail_msg("%s", bad[i].ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),       cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_null_sender), cmocka_unit_test(test_address_parse),
        cmocka_unit_test(test_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
