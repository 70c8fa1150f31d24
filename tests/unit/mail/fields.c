// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_field_take(void **state) {
    static const char header[] = "From sender Tue May 12 10:42:00 2026\n"
                                 "Subject: one\r\n"
                                 "\ttwo\r\n"
                                 "garbage without colon\n"
                                 "Empty:\n"
                                 "Last : x\n"
                                 "\n"
                                 "Body: no\n";
    static const struct {
        const char *name, *value;
    } expected[] = {{"Subject", "one\r\n\ttwo"}, {"Empty", ""}, {"Last", "x"}};
    struct view rest = view_of(header);
    struct mail_field field;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(mail_field_take(&rest, &field));
        assert_true(view_equals(field.name, view_of(expected[i].name)));
        assert_true(view_equals(field.value, view_of(expected[i].value)));
    }
    assert_false(mail_field_take(&rest, &field));
}

static void test_unfold_and_words(void **state) {
    static const struct {
        const char *value, *unfolded, *text;
    } rows[] = {{"plain", "plain", "plain"},
                {"one \r\n\t two\n three", "one two three", "one two three"},
                {"=?utf-8?Q?a=C3=A4?=\r\n =?utf-8?Q?b?= c", "=?utf-8?Q?a=C3=A4?= =?utf-8?Q?b?= c",
                 "a\xc3\xa4\x62 c"},
                {"=?nothing?Q?=E4?=", "=?nothing?Q?=E4?=", "=?nothing?Q?=E4?="},
                {"", "", ""}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view value = view_of(rows[i].value);
        assert_true(view_equals(mail_unfold(value, &arena), view_of(rows[i].unfolded)));
        assert_true(view_equals(mail_field_text(value, &arena), view_of(rows[i].text)));
    }
    arena_finish(&arena);
}

static void test_addresses(void **state) {
    static const struct {
        const char *value, *address;
    } rows[] = {{"Anna <anna@a.example> (work)", "anna@a.example"},
                {"rfc822;anna@a.example", "anna@a.example"},
                {"rfc822; <anna@a.example>", "anna@a.example"},
                {"anna@a.example.", "anna@a.example"},
                {"\"a \\\"b@c\"@a.example", "\"a \\\"b@c\"@a.example"},
                {"anna+tag=x/y@a.example, bert@b.example", "anna+tag=x/y@a.example"},
                {"anna@[192.0.2.1]", "anna@[192.0.2.1]"},
                {"j\xc3\xbcrg@m\xc3\xbc.example", "j\xc3\xbcrg@m\xc3\xbc.example"},
                {"for 'anna.o'neil@a.example',", "anna.o'neil@a.example"},
                {"'t-shop@a.example", "'t-shop@a.example"},
                {"no address at all", ""},
                {"@", ""},
                {"a@", ""},
                {"@b", ""},
                {"a@[192", ""},
                {"\"@x", ""},
                {"mailer-daemon", ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view found = mail_address_find(view_of(rows[i].value));
        if (!view_equals(found, view_of(rows[i].address)))
            fail_msg("%s: %.*s", rows[i].value, VIEW_ARG(found));
    }
}

static void test_dates(void **state) {
    static const struct {
        const char *text, *time; // NULL: no date
    } rows[] = {{"Tue, 12 May 2026 10:42:00 +0200", "2026-05-12T08:42:00Z"},
                {"12 May 2026 10:42:00 -0330 (NST)", "2026-05-12T14:12:00Z"},
                {"Tue,12 May 2026 10:42 GMT", "2026-05-12T10:42:00Z"},
                {"Tue May 12 10:42:00 2026", "2026-05-12T10:42:00Z"},
                {"Tue May 12 10:42:00 PDT 2026", "2026-05-12T17:42:00Z"},
                {"Thu, 29 Feb 24 00:00:00 JST", "2024-02-28T15:00:00Z"},
                {"1 Jan 99 00:00:00 +0000", "1999-01-01T00:00:00Z"},
                {"2026-05-12T10:42:00+02:00", "2026-05-12T08:42:00Z"},
                {"Wed, 30 Feb 2026 10:42:00 +0000", NULL},
                {"Tue, 12 May 2026", NULL},
                {"25:61:61 12 May 2026", NULL},
                {"yesterday", NULL},
                {"", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[UNITS_TIME_SIZE] = "";
        int64_t wall_ms = 0;
        bool is_date = mail_date_parse(view_of(rows[i].text), &wall_ms);
        units_format_time(wall_ms, text, sizeof(text));
        if (is_date != (rows[i].time != NULL) || (is_date && strcmp(text, rows[i].time) != 0))
            fail_msg("%s: %d %s", rows[i].text, is_date, text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field_take),
        cmocka_unit_test(test_unfold_and_words),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
