// SPDX-License-Identifier: Apache-2.0
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static enum smtp_syntax mail(const char *params_text, struct smtp_mail_params *params) {
    static char line[4096]; // views of the parameters point into it
    struct smtp_path path;
    int len = snprintf(line, sizeof(line), "FROM:<a@b.example>%s", params_text);
    return smtp_mail_parse(view_from(line, (size_t)len), &path, params);
}

static void test_mail_syntax(void **state) {
    static const struct {
        const char *params;
        enum smtp_syntax syntax;
    } rows[] = {
        {"", SMTP_SYNTAX_OK},
        {"   ", SMTP_SYNTAX_OK},
        {" SIZE=0", SMTP_SYNTAX_OK},
        {"  size=12  BODY=7BIT ", SMTP_SYNTAX_OK},
        {"SIZE=1", SMTP_SYNTAX_PARAMETER},
        {" SIZE=", SMTP_SYNTAX_PARAMETER},
        {" SIZE", SMTP_SYNTAX_PARAMETER},
        {" SIZE=-1", SMTP_SYNTAX_PARAMETER},
        {" SIZE=1x", SMTP_SYNTAX_PARAMETER},
        {" SIZE=111111111111111111111", SMTP_SYNTAX_PARAMETER},
        {" SIZE=1 SIZE=1", SMTP_SYNTAX_PARAMETER},
        {" size=1 SIZE=2", SMTP_SYNTAX_PARAMETER},
        {" BODY", SMTP_SYNTAX_PARAMETER},
        {" BODY=9BIT", SMTP_SYNTAX_PARAMETER},
        {" SMTPUTF8=1", SMTP_SYNTAX_PARAMETER},
        {" REQUIRETLS=yes", SMTP_SYNTAX_PARAMETER},
        {" RET=ALL", SMTP_SYNTAX_PARAMETER},
        {" RET", SMTP_SYNTAX_PARAMETER},
        {" ENVID=", SMTP_SYNTAX_PARAMETER},
        {" ENVID=a+4", SMTP_SYNTAX_PARAMETER},
        {" ENVID=a=b", SMTP_SYNTAX_PARAMETER},
        {" ENVID=a\xc3\xa4", SMTP_SYNTAX_PARAMETER},
        {" ENVID=a\tb", SMTP_SYNTAX_PARAMETER},
        {" AUTH=<>", SMTP_SYNTAX_OK},
        {" AUTH=a+3Db@c", SMTP_SYNTAX_OK},
        {" AUTH=", SMTP_SYNTAX_PARAMETER},
        {" XYZ", SMTP_SYNTAX_UNKNOWN},
        {" XYZ=1", SMTP_SYNTAX_UNKNOWN},
        {" SIZES=1", SMTP_SYNTAX_UNKNOWN},
        {" =1", SMTP_SYNTAX_UNKNOWN},
        {" NOTIFY=NEVER", SMTP_SYNTAX_UNKNOWN},
        {"x SIZE=1", SMTP_SYNTAX_PARAMETER},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_mail_params params;
        enum smtp_syntax syntax = mail(rows[i].params, &params);
        if (syntax != rows[i].syntax)
            fail_msg("%s: %d", rows[i].params, syntax);
    }
}

static void test_mail_values(void **state) {
    struct smtp_mail_params params;
    assert_int_equal(mail(" SIZE=104857600 BODY=8bitmime SMTPUTF8 REQUIRETLS RET=full"
                          " ENVID=QQ+2B314 AUTH=e+3Dmc2@example.com",
                          &params),
                     SMTP_SYNTAX_OK);
    assert_true(params.has_size && params.has_body && params.body_8bitmime && params.smtputf8 &&
                params.requiretls && params.has_ret && params.ret_full);
    assert_false(params.body_binarymime);
    assert_int_equal(params.size, 104857600);
    assert_true(view_equals(params.envid, VIEW("QQ+2B314")));
    assert_true(view_equals(params.auth, VIEW("e+3Dmc2@example.com")));

    assert_int_equal(mail(" BODY=BINARYMIME RET=HDRS", &params), SMTP_SYNTAX_OK);
    assert_true(params.body_binarymime && !params.body_8bitmime && !params.ret_full);
    assert_false(params.has_size);
    // Twenty digits are legal; a number beyond 64 bits is "too large", not "wrong".
    assert_int_equal(mail(" SIZE=99999999999999999999", &params), SMTP_SYNTAX_OK);
    assert_true(params.size == UINT64_MAX);
}

static void test_many_parameters(void **state) {
    struct smtp_mail_params params;
    char text[2001];
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(mail(text, &params), SMTP_SYNTAX_OK);
    for (size_t i = 1; i < sizeof(text) - 1; i += 2)
        text[i] = 'x';
    assert_int_equal(mail(text, &params), SMTP_SYNTAX_UNKNOWN);
}

static void test_rcpt(void **state) {
    static const struct {
        const char *params;
        enum smtp_syntax syntax;
        unsigned notify;
        struct view orcpt;
    } rows[] = {
        {"", SMTP_SYNTAX_OK, 0, VIEW("")},
        {" NOTIFY=NEVER", SMTP_SYNTAX_OK, 1, VIEW("")},
        {" notify=success,Failure,DELAY", SMTP_SYNTAX_OK, 14, VIEW("")},
        {" NOTIFY=FAILURE,FAILURE", SMTP_SYNTAX_OK, 4, VIEW("")},
        {" NOTIFY=NEVER,DELAY", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" NOTIFY=", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" NOTIFY=DELAY,", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" NOTIFY=MAYBE", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" NOTIFY=DELAY NOTIFY=DELAY", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" ORCPT=rfc822;a+2Bb@c", SMTP_SYNTAX_OK, 0, VIEW("rfc822;a+2Bb@c")},
        {" ORCPT=utf-8;\xc3\xa4@c NOTIFY=DELAY", SMTP_SYNTAX_OK, 8, VIEW("utf-8;\xc3\xa4@c")},
        {" ORCPT=a@c", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" ORCPT=;a@c", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" ORCPT=rfc822;", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" ORCPT=rfc822;a+zz", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" ORCPT=utf-8;\xff", SMTP_SYNTAX_PARAMETER, 0, VIEW("")},
        {" SIZE=1", SMTP_SYNTAX_UNKNOWN, 0, VIEW("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256];
        struct smtp_path path;
        struct smtp_rcpt_params params;
        int len = snprintf(line, sizeof(line), "TO:<a@b.example>%s", rows[i].params);
        enum smtp_syntax syntax = smtp_rcpt_parse(view_from(line, (size_t)len), &path, &params);
        if (syntax != rows[i].syntax)
            fail_msg("%s: %d", line, syntax);
        if (syntax != SMTP_SYNTAX_OK)
            continue;
        assert_int_equal(params.notify, rows[i].notify);
        assert_int_equal(params.has_notify, rows[i].notify != 0);
        assert_true(view_equals(params.orcpt, rows[i].orcpt));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_syntax),
        cmocka_unit_test(test_mail_values),
        cmocka_unit_test(test_many_parameters),
        cmocka_unit_test(test_rcpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
