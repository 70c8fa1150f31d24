// SPDX-License-Identifier: Apache-2.0
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_everything(void **state) {
    struct smtp_extensions e;
    smtp_extensions_parse(
        VIEW("mx.example.org Hello [192.0.2.1]\nPIPELINING\nsize 36700160\n8BITMIME\n"
             "SMTPUTF8\nENHANCEDSTATUSCODES\nSTARTTLS\nDSN\nCHUNKING\nBINARYMIME\n"
             "REQUIRETLS\nLIMITS RCPTMAX=100 MAILMAX=20 RCPTDOMAINMAX=1\n"
             "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 GSSAPI\nX-ANYTHING at all"),
        &e);
    assert_true(e.pipelining && e.size && e.eightbitmime && e.smtputf8 && e.enhanced_status &&
                e.starttls && e.dsn && e.chunking && e.binarymime && e.requiretls && e.limits);
    assert_int_equal(e.size_max, 36700160);
    assert_int_equal(e.limit_rcptmax, 100);
    assert_int_equal(e.limit_mailmax, 20);
    assert_int_equal(e.auth, SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN | SMTP_AUTH_CRAM_MD5 |
                                 SMTP_AUTH_XOAUTH2 | SMTP_AUTH_OTHER);
    assert_true(view_equals(e.name, VIEW("mx.example.org")));
    assert_int_equal(e.n_keywords, 13);
    assert_int_equal(e.n_masked, 0);
}

static void test_size(void **state) {
    static const struct {
        struct view text;
        bool size;
        uint64_t size_max;
    } rows[] = {
        {VIEW("mx"), false, 0},
        {VIEW("mx\nSIZE"), true, 0},
        {VIEW("mx\nSIZE 0"), true, 0},
        {VIEW("mx\nSIZE  1000 "), true, 1000},
        {VIEW("mx\nSIZE=1000"), true, 1000},
        {VIEW("mx\nSIZE x"), true, 0},
        {VIEW("mx\nSIZE 99999999999999999999"), true, 0},
        {VIEW("mx\nSIZE 1000\nSIZE 500"), true, 500},
        {VIEW("mx\nSIZE 500\nSIZE 1000\nSIZE"), true, 500},
        {VIEW("mx\nSIZES 5"), false, 0},
        {VIEW("SIZE 5"), false, 0}, // the greeting line is no keyword
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_extensions e;
        smtp_extensions_parse(rows[i].text, &e);
        if (e.size != rows[i].size || e.size_max != rows[i].size_max)
            fail_msg("row %zu", i);
    }
}

static void test_auth(void **state) {
    static const struct {
        struct view text;
        unsigned auth;
    } rows[] = {
        {VIEW("mx\nAUTH"), 0},
        {VIEW("mx\nAUTH PLAIN"), SMTP_AUTH_PLAIN},
        {VIEW("mx\nauth plain login"), SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN},
        {VIEW("mx\nAUTH=LOGIN PLAIN"), SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN},
        {VIEW("mx\nAUTH=LOGIN"), SMTP_AUTH_LOGIN},
        {VIEW("mx\nAUTH="), 0},
        {VIEW("mx\nAUTH PLAIN\nAUTH=LOGIN"), SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN},
        {VIEW("mx\nAUTH NTLM"), SMTP_AUTH_OTHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_extensions e;
        smtp_extensions_parse(rows[i].text, &e);
        if (e.auth != rows[i].auth)
            fail_msg("row %zu: %u", i, e.auth);
    }
}

static void test_limits(void **state) {
    struct smtp_extensions e;
    smtp_extensions_parse(VIEW("mx\nLIMITS"), &e);
    assert_true(e.limits && e.limit_rcptmax == 0 && e.limit_mailmax == 0);
    smtp_extensions_parse(VIEW("mx\nLIMITS rcptmax=7 MAILMAX=0 MAILMAXX=3 MAILMAX"), &e);
    assert_int_equal(e.limit_rcptmax, 7);
    assert_int_equal(e.limit_mailmax, 0);
}

static void test_masked(void **state) {
    struct smtp_extensions e;
    smtp_extensions_parse(VIEW("mx\nXXXXXXXA\nSIZE 5\nXXXB\nXCLIENT NAME\nXX\nXXa\nXXXC"), &e);
    assert_int_equal(e.n_masked, 3);
    assert_int_equal(e.n_keywords, 7);
    assert_false(e.starttls);
}

static void test_odd_shapes(void **state) {
    struct smtp_extensions e;
    smtp_extensions_parse(VIEW_NONE, &e);
    assert_true(view_is_empty(e.name));
    smtp_extensions_parse(VIEW("\n\n  \nPIPELINING\n"), &e);
    assert_true(e.pipelining);
    assert_int_equal(e.n_keywords, 1);
    smtp_extensions_parse(VIEW("a\nPIPELINING extra words\nSTARTTLS\nSTARTTLS"), &e);
    assert_true(e.pipelining && e.starttls);
    smtp_extensions_parse(VIEW("a\n=\n==\n\xff\xfe\n\0"), &e);
    assert_int_equal(e.n_masked, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_size),
        cmocka_unit_test(test_auth),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_masked),     cmocka_unit_test(test_odd_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
