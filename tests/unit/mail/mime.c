// SPDX-License-Identifier: Apache-2.0
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>

// The tree as text: type, depth, and the first bytes of the decoded body.
static void describe(struct view message, char *out, size_t size) {
    struct mail_parts parts;
    struct arena arena;
    size_t len = 0;
    arena_init(&arena, 8 << 20);
    mail_parts_read(message, &arena, &parts);
    *out = '\0';
    for (size_t i = 0; i < parts.n && len < size; i++) {
        const struct mail_part *part = &parts.parts[i];
        struct view text = mail_part_text(part, 4096, &arena);
        bool is_leaf = !view_starts_with(part->type, VIEW("multipart/"));
        text = view_take(is_leaf ? view_trim(text) : VIEW(""), 40);
        len += (size_t)snprintf(out + len, size - len, "%u %.*s{%.*s} ", part->depth,
                                VIEW_ARG(part->type), VIEW_ARG(text));
    }
    arena_finish(&arena);
}

static void test_parts(void **state) {
    static const struct {
        const char *message, *tree;
    } rows[] = {
        {"Subject: x\n\nhello\n", "0 text/plain{hello} "},
        {"\n\n", "0 text/plain{} "},
        {"", "0 text/plain{} "},
        {"Content-Type: TEXT/HTML; charset=\"x\"\n\n<p>", "0 text/html{<p>} "},
        {"Content-Type: text\n\nx", "0 text/plain{x} "},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
         "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\npost\r\n",
         "0 multipart/mixed{} 1 text/plain{one} 1 message/rfc822{Subject: y\n\nz} "},
        // nested, with a boundary that begins like the outer one
        {"Content-Type: multipart/mixed; boundary=\"==a\"\n\n--==a\n"
         "Content-Type: multipart/alternative;\n\tboundary=\"==a-1\"\n\n--==a-1\n\none\n--==a-1--\n"
         "--==a\n\ntwo\n--==a--\n",
         "0 multipart/mixed{} 1 multipart/alternative{} 2 text/plain{one} 1 text/plain{two} "},
        // no end, no boundary, a boundary that never comes, an empty multipart
        {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n",
         "0 multipart/mixed{} 1 text/plain{one} "},
        {"Content-Type: multipart/mixed\n\nbare\n", "0 text/plain{bare} "},
        {"Content-Type: multipart/mixed; boundary=zz\n\nbare\n", "0 text/plain{bare} "},
        {"Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "0 text/plain{--b--} "},
        // a parameter that lost the blank before it
        {"Content-Type: multipart/mixed;\nboundary=\"==b\"\n\n--==b\n\none\n--==b--\n",
         "0 multipart/mixed{} 1 text/plain{one} "},
        // a boundary inside a line is none
        {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx --b y\n--b z\n--b--\n",
         "0 multipart/mixed{} 1 text/plain{x --b y\n--b z} "},
        // blanks where none belong
        {"Content-Type: multipart/report ; report-type = delivery-status ;boundary=b\n\n--b  "
         "\n\nx\n"
         "--b--  \n",
         "0 multipart/report{} 1 text/plain{x} "},
    };
    char tree[1024];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        describe(view_of(rows[i].message), tree, sizeof(tree));
        if (strcmp(tree, rows[i].tree) != 0)
            fail_msg("%s\n  expected %s\n  found    %s", rows[i].message, rows[i].tree, tree);
    }
}

static void test_text(void **state) {
    static const struct {
        const char *fields, *body, *text;
    } rows[] = {
        {"", "a\r\nb\rc\n", "a\nb\nc\n"},
        {"Content-Transfer-Encoding: base64\n", "aGVs\r\nbG8=\r\n", "hello"},
        {"Content-Transfer-Encoding: BASE64 \n", "!aGVs bG8", "hello"},
        {"Content-Transfer-Encoding: quoted-printable\n",
         "a=\r\nb=3Dc=\n=C3=A4 =XY=", "ab=c\xc3\xa4 =XY"},
        {"Content-Transfer-Encoding: x-uuencode\n", "begin 644 x\n%:&5L;&\\ \n`\nend\nrest",
         "hello"},
        {"Content-Transfer-Encoding: 8bit\nContent-Type: text/plain; charset=iso-8859-1\n", "\xe4",
         "\xc3\xa4"},
        {"Content-Type: text/plain; charset=\"ISO-2022-JP\"\n", "\x1b$B%/\x1b(B", "\xe3\x82\xaf"},
        {"Content-Type: text/plain; charset=unicode-1-1-utf-7\n", "Hi +AOQ-", "Hi \xc3\xa4"},
        {"Content-Type: text/plain; charset=us-ascii\n", "a\xe4z", "a\xef\xbf\xbdz"},
        {"Content-Type: text/plain; charset=no-such-set\n", "a\xe4z", "a\xef\xbf\xbdz"},
        {"Content-Type: text/plain; charset=../../etc\n", "a\xe4z", "a\xef\xbf\xbdz"},
        {"Content-Type: text/plain; charset=utf-8\n", "a\xc3\xa4z\xc3", "a\xc3\xa4z\xef\xbf\xbd"},
        {"Content-Type: text/plain; charset=shift_jis\n", "\x83\x4e\xff!",
         "\xe3\x82\xaf\xef\xbf\xbd!"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char message[512];
        struct mail_parts parts;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        snprintf(message, sizeof(message), "%s\n%s", rows[i].fields, rows[i].body);
        mail_parts_read(view_of(message), &arena, &parts);
        struct view text = mail_part_text(&parts.parts[0], 4096, &arena);
        if (!view_equals(text, view_of(rows[i].text)))
            fail_msg("%s: \"%.*s\"", message, VIEW_ARG(text));
        arena_finish(&arena);
    }
}

static void test_text_has_a_bound(void **state) {
    struct arena arena;
    struct mail_parts parts;
    struct buffer message;
    arena_init(&arena, 64 << 20);
    buffer_init(&message, 20 << 20);
    buffer_append_view(&message, VIEW("Content-Type: text/plain; charset=iso-8859-1\n\n"));
    for (int i = 0; i < 15 << 20; i++)
        buffer_append_char(&message, '\xe4');
    mail_parts_read(buffer_view(&message), &arena, &parts);
    assert_int_equal(mail_part_text(&parts.parts[0], 1000, &arena).len, 2000);
    buffer_finish(&message);
    arena_finish(&arena);
}

static void test_depth_and_number_have_a_bound(void **state) {
    struct arena arena;
    struct mail_parts parts;
    struct buffer message;
    arena_init(&arena, 8 << 20);
    buffer_init(&message, 1 << 20);
    buffer_append_view(&message, VIEW("Content-Type: multipart/mixed; boundary=b\n\n"));
    for (int i = 0; i < 1000; i++)
        buffer_append_view(&message, VIEW("--b\n\nx\n"));
    mail_parts_read(buffer_view(&message), &arena, &parts);
    assert_int_equal(parts.n, MAIL_PARTS_MAX);
    buffer_clear(&message);
    for (int i = 0; i < 100; i++)
        buffer_printf(&message, "Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i);
    mail_parts_read(buffer_view(&message), &arena, &parts);
    assert_true(parts.is_cut);
    assert_true(parts.n <= MAIL_PART_DEPTH_MAX);
    buffer_finish(&message);
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_has_a_bound),
        cmocka_unit_test(test_depth_and_number_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
