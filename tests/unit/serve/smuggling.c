// SPDX-License-Identifier: Apache-2.0
// Ends of messages that another server may see and we must not: whatever stands around the dot,
// only CRLF . CRLF ends a message, and a message with any other line end is refused once and kept
// never.
#include "unit/serve/serve_test.h"

// Each stands where the attacker's own message should end for the next server.
static const struct {
    const char *bytes;
    const char *name;
} ends[] = {
    {"\n.\n", "LF . LF"},
    {"\n.\r\n", "LF . CRLF"},
    {"\r\n.\n", "CRLF . LF"},
    {"\r.\r", "CR . CR"},
    {"\r.\r\n", "CR . CRLF"},
    {"\r\n.\r", "CRLF . CR"},
    {"\r.\n", "CR . LF"},
    {"\n.\r", "LF . CR"},
    {"\n\n.\r\n", "LF LF . CRLF"},
    {"\r\r.\r\n", "CR CR . CRLF"},
    {"\n\r.\r\n", "LF CR . CRLF"},
    {"\n\r.\n\r", "LF CR . LF CR"},
    {"\r\n.\r\r\n", "CRLF . CR CRLF"},
    {"\r\n.\n\r\n", "CRLF . LF CRLF"},
    {"\r\n.\r\r", "CRLF . CR CR"},
    {"\r\n\r.\r\n", "CRLF CR . CRLF"},
    {"\r\n\n.\r\n", "CRLF LF . CRLF"},
    {"\r\n.\r.\r\n", "CRLF . CR . CRLF"},
    {"\n..\r\n", "LF .. CRLF"},
    {"\r\n..\n", "CRLF .. LF"},
    {"\n.\n\r\n", "LF . LF CRLF"},
    {"\n", "LF"},
    {"\r", "CR"},
    {"\n\r", "LF CR"},
    {"\r\r", "CR CR"},
    {"\n\n", "LF LF"},
};

// Where in the message it stands.
static const struct {
    const char *before;
    const char *name;
} places[] = {
    {"", "at the start"},
    {"Subject: x", "in the header"},
    {"Subject: x\r\n\r\n", "at the start of the body"},
    {"Subject: x\r\n\r\nbody", "in the body"},
    {"Subject: x\r\n\r\nbody\r\n..", "behind a dot"},
};

static const char smuggled[] = "MAIL FROM:<ceo@b.example>\r\nRCPT TO:<victim@b.example>\r\nDATA\r\n"
                               "Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n";

struct attempt_to_smuggle {
    struct bed_client client;
    struct buffer bytes;
};

static void try_one(struct attempt_to_smuggle *try, const char *place, const char *end) {
    buffer_clear(&try->bytes);
    buffer_printf(&try->bytes, "%s%s%s", place, end, smuggled);
    begin_message(&try->client);
    assert_true(bed_send(&try->client, buffer_view(&try->bytes)));
    assert_starts(bed_read_reply(&try->client), "550 5.6.0 Message refused: ");
    assert_in_step(&try->client);
    assert_int_equal(try->client.bed->n_messages, 0);
}

static void try_all(struct bed *bed, void *arg) {
    struct attempt_to_smuggle try = {0};
    buffer_init(&try.bytes, 4096);
    for (size_t at = 0; at < ARRAY_LEN(places); at++) {
        bed_client_greet(&try.client, bed);
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            if (getenv("VERBOSE"))
                print_message("%s %s\n", ends[i].name, places[at].name);
            try_one(&try, places[at].before, ends[i].bytes);
        }
        bed_client_close(&try.client);
    }
    buffer_finish(&try.bytes);
    assert_int_equal(serve_counts(bed->serve).rejected_messages,
                     ARRAY_LEN(places) * ARRAY_LEN(ends));
}

static void nothing_is_smuggled(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        run_in_pieces(pieces[i], try_all, NULL);
}

// A dot with more on its line is no end either, and no reason to refuse.
static void harmless(struct bed *bed, void *arg) {
    static const char *const lines[] = {". ", ".\t", ".\v", ".\f", ".\x80", ".\x85", "..", ".\x1a"};
    struct bed_client client;
    bed_client_greet(&client, bed);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        begin_message(&client);
        assert_true(bed_send(&client, view_of(lines[i])));
        assert_starts(bed_ask(&client, "\r\nMAIL FROM:<ceo@b.example>\r\n."), "250 2.0.0 ");
        assert_in_step(&client);
        assert_int_equal(bed->n_messages, i + 1);
    }
    bed_client_close(&client);
}

static void a_dot_with_company_ends_nothing(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        run_in_pieces(pieces[i], harmless, NULL);
}

// The same in commands: a bare CR or LF makes one line and one reply.
static void in_commands(struct bed *bed, void *arg) {
    static const char *const lines[] = {"MAIL FROM:<a@a.example>\nRCPT TO:<b@b.example>",
                                        "MAIL FROM:<a@a.example>\rNOOP",
                                        "NOOP\r",
                                        "\rNOOP",
                                        "NOOP\n\r\nNOOP\r",
                                        "EHLO x\n"};
    static const unsigned n_replies[] = {2, 1, 1, 1, 3, 2};
    struct bed_client client;
    bed_client_greet(&client, bed);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_starts(bed_ask(&client, lines[i]), "500 5.5.2 ");
        for (unsigned n = 1; n < n_replies[i]; n++)
            bed_read_reply(&client);
        assert_in_step(&client);
    }
    bed_client_close(&client);
}

static void commands_are_one_line(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        run_in_pieces(pieces[i], in_commands, NULL);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_smuggled),
        cmocka_unit_test(a_dot_with_company_ends_nothing),
        cmocka_unit_test(commands_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
