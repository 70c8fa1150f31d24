// SPDX-License-Identifier: Apache-2.0
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// Lines are written one after another with LF between them; the state is that of the last.
static const struct {
    struct view lines;
    enum smtp_reply_state state;
    int code, enhanced[3];
    struct view text;
} rows[] = {
    {VIEW("250 OK"), SMTP_REPLY_DONE, 250, {0}, VIEW("OK")},
    {VIEW("250"), SMTP_REPLY_DONE, 250, {0}, VIEW("")},
    {VIEW("250 "), SMTP_REPLY_DONE, 250, {0}, VIEW("")},
    {VIEW("250-"), SMTP_REPLY_MORE, 250, {0}, VIEW("")},
    {VIEW("250-a\n250-b\n250 c"), SMTP_REPLY_DONE, 250, {0}, VIEW("a\nb\nc")},
    {VIEW("250-a\n250"), SMTP_REPLY_DONE, 250, {0}, VIEW("a\n")},
    {VIEW("250-\n250-\n250 c"), SMTP_REPLY_DONE, 250, {0}, VIEW("\n\nc")},
    {VIEW("550 5.1.1 no such user"), SMTP_REPLY_DONE, 550, {5, 1, 1}, VIEW("no such user")},
    {VIEW("550 5.1.1"), SMTP_REPLY_DONE, 550, {5, 1, 1}, VIEW("")},
    {VIEW("550-5.1.1 no\n550 5.1.1 user"), SMTP_REPLY_DONE, 550, {5, 1, 1}, VIEW("no\nuser")},
    {VIEW("550-5.7.1 a\n550 5.7.26 b"), SMTP_REPLY_DONE, 550, {5, 7, 26}, VIEW("a\nb")},
    {VIEW("550-5.7.1 a\n550 b"), SMTP_REPLY_DONE, 550, {5, 7, 1}, VIEW("a\nb")},
    {VIEW("450 4.4.318 closed"), SMTP_REPLY_DONE, 450, {4, 4, 318}, VIEW("closed")},
    {VIEW("550 #5.1.0 Address rejected."),
     SMTP_REPLY_DONE,
     550,
     {5, 1, 0},
     VIEW("Address rejected.")},
    {VIEW("550 5.7.1: <a@b>: refused"), SMTP_REPLY_DONE, 550, {5, 7, 1}, VIEW(": <a@b>: refused")},
    // A class that does not agree is part of the text.
    {VIEW("550 4.1.1 x"), SMTP_REPLY_DONE, 550, {0}, VIEW("4.1.1 x")},
    {VIEW("354 2.0.0 go"), SMTP_REPLY_DONE, 354, {0}, VIEW("2.0.0 go")},
    {VIEW("550 5.1.1.1 x"), SMTP_REPLY_DONE, 550, {0}, VIEW("5.1.1.1 x")},
    {VIEW("550 5.1 x"), SMTP_REPLY_DONE, 550, {0}, VIEW("5.1 x")},
    {VIEW("550 5.1234.1 x"), SMTP_REPLY_DONE, 550, {0}, VIEW("5.1234.1 x")},
    {VIEW("550 5.1.1x"), SMTP_REPLY_DONE, 550, {0}, VIEW("5.1.1x")},
    {VIEW("250 a\x01\xff\tb"), SMTP_REPLY_DONE, 250, {0}, VIEW("a\x01\xff\tb")},
    {VIEW("220 ****************"), SMTP_REPLY_DONE, 220, {0}, VIEW("****************")},
    {VIEW("220****************"), SMTP_REPLY_DONE, 220, {0}, VIEW("****************")},
    {VIEW(""), SMTP_REPLY_GARBLED, 0, {0}, VIEW("")},
    {VIEW("25"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("25")},
    {VIEW("2500 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("2500 x")},
    {VIEW("250x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("250x")},
    {VIEW("150 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("150 x")},
    {VIEW("199 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("199 x")},
    {VIEW("600 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("600 x")},
    {VIEW("000 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("000 x")},
    {VIEW(" 250 x"), SMTP_REPLY_GARBLED, 0, {0}, VIEW(" 250 x")},
    {VIEW("250-a\n251 b"), SMTP_REPLY_GARBLED, 250, {0}, VIEW("a\n251 b")},
    {VIEW("250-a\n-b"), SMTP_REPLY_GARBLED, 250, {0}, VIEW("a\n-b")},
    {VIEW("HTTP/1.1 400 Bad Request"),
     SMTP_REPLY_GARBLED,
     0,
     {0},
     VIEW("HTTP/1.1 400 Bad Request")},
    {VIEW("* OK IMAP4 ready"), SMTP_REPLY_GARBLED, 0, {0}, VIEW("* OK IMAP4 ready")},
};

static void test_replies(void **state) {
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view rest = rows[i].lines, line = VIEW_NONE;
        enum smtp_reply_state now = SMTP_REPLY_MORE;
        smtp_reply_clear(&reply);
        while (view_split(&rest, '\n', &line)) {
            assert_int_equal(now, SMTP_REPLY_MORE);
            now = smtp_reply_feed(&reply, line);
        }
        if (now != rows[i].state || reply.code != rows[i].code ||
            memcmp(reply.enhanced, rows[i].enhanced, sizeof(reply.enhanced)) != 0 ||
            !view_equals(buffer_view(&reply.text), rows[i].text))
            fail_msg("%.*s: state %d, code %d, text \"%s\"", VIEW_ARG(rows[i].lines), now,
                     reply.code, buffer_string(&reply.text));
    }
    smtp_reply_finish(&reply);
}

static void test_text_is_cut(void **state) {
    char line[1004];
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    memset(line, 'x', sizeof(line));
    memcpy(line, "550-", 4);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(smtp_reply_feed(&reply, view_from(line, sizeof(line))), SMTP_REPLY_MORE);
        assert_int_equal(reply.was_cut, i >= 4);
    }
    assert_int_equal(smtp_reply_feed(&reply, VIEW("550 5.0.0 end")), SMTP_REPLY_DONE);
    assert_int_equal(reply.text.len, SMTP_REPLY_TEXT_BYTES_MAX);
    assert_int_equal(reply.n_lines, 7);
    assert_int_equal(reply.enhanced[0], 5);
    assert_false(reply.text.overflow);
    smtp_reply_clear(&reply);
    assert_int_equal(smtp_reply_feed(&reply, VIEW("250 ok")), SMTP_REPLY_DONE);
    assert_false(reply.was_cut);
    assert_true(view_equals(buffer_view(&reply.text), VIEW("ok")));
    smtp_reply_finish(&reply);
}

static void test_lines_without_end(void **state) {
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++)
        assert_int_equal(smtp_reply_feed(&reply, VIEW("250-more")), SMTP_REPLY_MORE);
    assert_int_equal(smtp_reply_feed(&reply, VIEW("250-more")), SMTP_REPLY_GARBLED);
    smtp_reply_finish(&reply);
}

static void test_enhanced_len(void **state) {
    static const struct {
        struct view text;
        size_t len;
    } table[] = {{VIEW("5.1.1 x"), 6},   {VIEW("5.1.1"), 5},     {VIEW("5.1.1  x"), 6},
                 {VIEW("#4.4.5 x"), 7},  {VIEW("3.1.1 x"), 0},   {VIEW("55.1.1"), 0},
                 {VIEW(""), 0},          {VIEW("#"), 0},         {VIEW("5."), 0},
                 {VIEW("5.1."), 0},      {VIEW("5.999.999"), 9}, {VIEW("5.1.1234"), 0},
                 {VIEW("5.1.1<a@b>"), 5}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int enhanced[3] = {9, 9, 9};
        assert_int_equal(smtp_enhanced_parse(table[i].text, enhanced), table[i].len);
        assert_true(table[i].len ? enhanced[0] != 9 : enhanced[0] == 9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_text_is_cut),
        cmocka_unit_test(test_lines_without_end),
        cmocka_unit_test(test_enhanced_len),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
