// SPDX-License-Identifier: Apache-2.0
// Masks, the order of advice, and the JSON of an answer.
#include "readers/readers.h"

#include <jansson.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_redaction(void **state) {
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"bob@dest.example and carol@dest.example, again bob@dest.example",
         "user1@dest.example and user2@dest.example, again user1@dest.example"},
        {"User bob (bob@dest.example) is unknown, bobby is not",
         "User user1 (user1@dest.example) is unknown, bobby is not"},
        {"<jo@dest.example>: jo is unknown, no@dest.example has no mailbox",
         "<user1@dest.example>: user1 is unknown, user2@dest.example has no mailbox"},
        {"postmaster@dest.example", "postmaster@dest.example"},
        {"from 10.1.2.3 via 192.168.0.1. to 192.0.2.25",
         "from [inside-address] via [inside-address]. to 192.0.2.25"},
        {"fd00::1 and 2001:db8::25", "[inside-address] and 2001:db8::25"},
        {"mail01.corp.local said", "[inside-host] said"},
        {"Subject Offer 4711 ends", "Subject [subject] ends"},
        {"Evidence Offer\n            4711 ends", "Evidence [subject] ends"},
        {"Anna Smith <anna.smith@dest.example>", "[name] <user1@dest.example>"},
        {"http://x.example/?u=anna%40dest.example", "http://x.example/?u=user1%40dest.example"},
        {"/O=FIRM/CN=RECIPIENTS/CN=ANNA", "/O=FIRM/CN=[name]/CN=[name]"},
        {"\"recipient\":\"bob@dest.example\"", "\"recipient\":\"user1@dest.example\""},
        {"host mx1.dest.example[192.0.2.25] said: 550 5.1.1",
         "host mx1.dest.example[192.0.2.25] said: 550 5.1.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader_redaction *redaction = reader_redaction_create();
        struct buffer out;
        buffer_init(&out, 4096);
        reader_redaction_add_subject(redaction, VIEW("Offer 4711"));
        reader_redact(redaction, view_of(rows[i].text), &out);
        assert_string_equal(buffer_string(&out), rows[i].masked);
        buffer_finish(&out);
        reader_redaction_destroy(redaction);
    }
}

static void read_reading(const char *line, struct arena *arena, struct reader_reading *reading) {
    reader_line_read(view_of(line), arena, reading);
}

static const char *first_actor(json_t *root) {
    json_t *recipient = json_array_get(json_object_get(root, "recipients"), 0);
    json_t *remedy = json_array_get(json_object_get(recipient, "remedies"), 0);
    return json_string_value(json_object_get(remedy, "who"));
}

static void test_advice_is_ordered_for_a_side(void **state) {
    static const struct {
        enum reader_side side;
        const char *who;
    } rows[] = {{READER_SIDE_SENDER, "sending-side"}, {READER_SIDE_RECEIVER, "receiving-side"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader_show show = {.side = rows[i].side};
        struct reader_reading reading;
        struct arena arena;
        struct buffer out;
        arena_init(&arena, 1 << 20);
        buffer_init(&out, 1 << 20);
        read_reading("connect to mx1.dest.example[192.0.2.25]:25: Connection refused", &arena,
                     &reading);
        reader_write_json(&reading, &show, &out);
        json_t *root = json_loads(buffer_string(&out), 0, NULL);
        assert_non_null(root);
        assert_string_equal(first_actor(root), rows[i].who);
        json_decref(root);
        buffer_finish(&out);
        arena_finish(&arena);
    }
}

static void test_json_keeps_reported_and_inferred_apart(void **state) {
    struct reader_show show = {.file = VIEW("x"), .sisimai_names = true};
    struct reader_reading reading;
    struct arena arena;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 1 << 20);
    read_reading("status=bounced (connect to mx1.dest.example[192.0.2.25]:25: Connection refused)",
                 &arena, &reading);
    reader_write_json(&reading, &show, &out);
    json_t *root = json_loads(buffer_string(&out), 0, NULL);
    json_t *recipient = json_array_get(json_object_get(root, "recipients"), 0);
    json_t *reported = json_object_get(recipient, "reported");
    assert_string_equal(json_string_value(json_object_get(root, "kind")), "line");
    assert_string_equal(json_string_value(json_object_get(recipient, "cause")), "conn-refused");
    assert_string_equal(json_string_value(json_object_get(recipient, "code")), "550 5.4.316");
    assert_string_equal(json_string_value(json_object_get(recipient, "code_from")), "postrider");
    assert_string_equal(json_string_value(json_object_get(recipient, "outcome")),
                        "permanent-failure");
    assert_string_equal(json_string_value(json_object_get(recipient, "sisimai")), "networkerror");
    assert_true(json_is_null(json_object_get(reported, "code")));
    assert_true(json_is_null(json_object_get(reported, "enhanced")));
    json_decref(root);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void test_recipients_with_one_story_are_told_once(void **state) {
    struct reader_show show = {0};
    struct reader_reading reading;
    struct arena arena;
    struct buffer out;
    arena_init(&arena, 8 << 20);
    buffer_init(&out, 1 << 20);
    reader_mail_read(VIEW("From: MAILER-DAEMON@mx.sender.example\n\n<bob@dest.example>: 550 5.1.1 "
                          "unknown user\n<carol@dest.example>: 550 5.1.1 unknown user\n"
                          "<dora@dest.example>: 552 5.2.2 mailbox full\n"),
                     &arena, &reading);
    reader_write_text(&reading, &show, &out);
    const char *text = buffer_string(&out);
    assert_non_null(
        strstr(text, "bob@dest.example, carol@dest.example: failed, reported as 550 5.1.1"));
    assert_non_null(strstr(text, "dora@dest.example: failed, reported as 552 5.2.2"));
    buffer_finish(&out);
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_advice_is_ordered_for_a_side),
        cmocka_unit_test(test_json_keeps_reported_and_inferred_apart),
        cmocka_unit_test(test_recipients_with_one_story_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
