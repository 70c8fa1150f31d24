// SPDX-License-Identifier: Apache-2.0
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_command_parse(void **state) {
    static const struct {
        struct view line;
        enum smtp_verb verb;
        struct view text, rest;
    } rows[] = {
        {VIEW("QUIT"), SMTP_VERB_QUIT, VIEW("QUIT"), VIEW("")},
        {VIEW("quit"), SMTP_VERB_QUIT, VIEW("quit"), VIEW("")},
        {VIEW("QuIt  "), SMTP_VERB_QUIT, VIEW("QuIt"), VIEW("")},
        {VIEW("EHLO  a.example \t"), SMTP_VERB_EHLO, VIEW("EHLO"), VIEW("a.example")},
        {VIEW("MAIL\tFROM:<>"), SMTP_VERB_MAIL, VIEW("MAIL"), VIEW("FROM:<>")},
        {VIEW("MAIL FROM:<a@b> SIZE=1"), SMTP_VERB_MAIL, VIEW("MAIL"), VIEW("FROM:<a@b> SIZE=1")},
        {VIEW("STARTTLS"), SMTP_VERB_STARTTLS, VIEW("STARTTLS"), VIEW("")},
        {VIEW("LHLO x"), SMTP_VERB_LHLO, VIEW("LHLO"), VIEW("x")},
        {VIEW("QUITX"), SMTP_VERB_UNKNOWN, VIEW("QUITX"), VIEW("")},
        {VIEW("QUI"), SMTP_VERB_UNKNOWN, VIEW("QUI"), VIEW("")},
        {VIEW(""), SMTP_VERB_UNKNOWN, VIEW(""), VIEW("")},
        {VIEW(" QUIT"), SMTP_VERB_UNKNOWN, VIEW(""), VIEW("QUIT")},
        {VIEW("GET / HTTP/1.1"), SMTP_VERB_UNKNOWN, VIEW("GET"), VIEW("/ HTTP/1.1")},
        {VIEW("\x16\x03\x01"), SMTP_VERB_UNKNOWN, VIEW("\x16\x03\x01"), VIEW("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_command command = smtp_command_parse(rows[i].line);
        if (command.verb != rows[i].verb || !view_equals(command.verb_text, rows[i].text) ||
            !view_equals(command.rest, rows[i].rest))
            fail_msg("row %zu", i);
    }
}

static void test_helo_parse(void **state) {
    static const struct {
        struct view rest, name;
        bool is_literal, is_valid;
    } rows[] = {
        {VIEW("mail.example.org"), VIEW("mail.example.org"), false, true},
        {VIEW("localhost"), VIEW("localhost"), false, true},
        {VIEW(" a.example "), VIEW("a.example"), false, true},
        {VIEW("[192.0.2.1]"), VIEW("[192.0.2.1]"), true, true},
        {VIEW("[IPv6:2001:db8::1]"), VIEW("[IPv6:2001:db8::1]"), true, true},
        {VIEW("192.0.2.1"), VIEW("192.0.2.1"), false, false},
        {VIEW("[192.0.2]"), VIEW("[192.0.2]"), false, false},
        {VIEW("a b"), VIEW("a b"), false, false},
        {VIEW("DESKTOP_7.local"), VIEW("DESKTOP_7.local"), false, true},
        {VIEW(""), VIEW(""), false, false},
        {VIEW("a\xc3\xa4.example"), VIEW("a\xc3\xa4.example"), false, false},
        {VIEW("(evil)"), VIEW("(evil)"), false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_helo helo = smtp_helo_parse(rows[i].rest);
        if (!view_equals(helo.name, rows[i].name) || helo.is_literal != rows[i].is_literal ||
            helo.is_valid != rows[i].is_valid)
            fail_msg("row %zu", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_parse),
        cmocka_unit_test(test_helo_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
