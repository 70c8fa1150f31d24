// SPDX-License-Identifier: Apache-2.0
// Clients that mean harm, or are broken: whatever they send and wherever they stop, the server goes
// on, its memory comes back (the test bed looks), and no message is kept that was not whole.
#include "unit/serve/serve_test.h"

// --- The end at every byte -----------------------------------------------------------------------
static const char whole_session[] = "EHLO client.example\r\n"
                                    "MAIL FROM:<a@a.example>\r\n"
                                    "RCPT TO:<b@b.example>\r\n"
                                    "DATA\r\n"
                                    "Subject: x\r\n"
                                    "\r\n"
                                    "..body\r\n"
                                    ".\r\n"
                                    "QUIT\r\n";

enum ending { ENDS_WITH_CLOSE, ENDS_WITH_RESET, ENDS_IN_SILENCE };

// Waits for 421, or just the end, as long as a server may take.
static void await_end(struct bed_client *client) {
    io_time begun = io_now();
    const char *line;
    do
        line = bed_read_line(client);
    while (line && strncmp(line, "421 ", 4) != 0 && strncmp(line, "221 ", 4) != 0);
    assert_non_null(line);
    assert_true(io_now() - begun <= 301 * 1000);
}

static void end_at(struct bed *bed, size_t at, enum ending ending) {
    struct bed_client client;
    bed_client_open(&client, bed, NULL);
    assert_true(bed_send(&client, view_from(whole_session, at)));
    if (ending == ENDS_IN_SILENCE)
        await_end(&client);
    else
        io_sleep(io_after(2000)); // long enough for all of it
    if (ending == ENDS_WITH_RESET && client.stream->ops->set_abort)
        client.stream->ops->set_abort(client.stream);
    bed_client_close(&client);
}

static void end_everywhere(struct bed *bed, void *arg) {
    size_t dot = (size_t)(strstr(whole_session, "\r\n.\r\n") - whole_session) + 5;
    for (size_t at = 0; at < sizeof(whole_session); at++) {
        unsigned before = bed->n_messages;
        end_at(bed, at, *(enum ending *)arg);
        assert_int_equal(bed->n_messages - before, at >= dot);
        io_sleep(io_after(10));
        assert_int_equal(serve_counts(bed->serve).sessions_now, 0);
    }
}

static void the_end_at_every_byte(void **state) {
    enum ending endings[] = {ENDS_WITH_CLOSE, ENDS_WITH_RESET, ENDS_IN_SILENCE};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        run_in_pieces(0, end_everywhere, &endings[i]);
        run_in_pieces(1, end_everywhere, &endings[i]);
    }
}

// --- Noise ---------------------------------------------------------------------------------------
struct reader {
    struct bed_client *client;
    uint64_t n_lines;
    char last[512];
};

static void read_all_lines(void *arg) {
    struct reader *reader = arg;
    const char *line;
    while ((line = bed_read_line(reader->client))) {
        reader->n_lines++;
        view_copy_string(view_of(line), reader->last, sizeof(reader->last));
    }
}

static void make_noise(struct bed *bed, struct buffer *noise, size_t n_bytes) {
    static const char *const words[] = {"EHLO x",
                                        "MAIL FROM:<a@a.example>",
                                        "RCPT TO:<b@b.example>",
                                        "DATA",
                                        "\r\n",
                                        "\r\n",
                                        "\r\n",
                                        ".",
                                        "\r\n.\r\n",
                                        "RSET",
                                        " ",
                                        "STARTTLS",
                                        "\n",
                                        "\r"};
    buffer_clear(noise);
    while (noise->len < n_bytes) {
        const char *word = words[sim_random_below(bed->sim, ARRAY_LEN(words))];
        buffer_append_view(noise, view_of(word));
        if (sim_random_below(bed->sim, 8) == 0)
            buffer_append_char(noise, (char)sim_random_below(bed->sim, 256));
    }
}

// The bytes are all read, or the session is ended by 421; then another client is served.
static void send_noise(struct bed *bed, void *arg) {
    struct buffer noise;
    buffer_init(&noise, 1 << 20);
    for (int round = 0; round < 40; round++) {
        struct bed_client client;
        struct reader reader = {&client, 0, ""};
        struct io_group group;
        bed_client_open(&client, bed, NULL);
        io_group_init(&group);
        io_group_spawn(&group, "reader", read_all_lines, &reader);
        make_noise(bed, &noise, sim_random_below(bed->sim, 20000));
        bed_send(&client, buffer_view(&noise));
        assert_ok(io_group_wait(&group, io_after(2 * 3600 * 1000)));
        assert_starts(reader.last, "421 ");
        bed_client_close(&client);
        bed_client_greet(&client, bed);
        bed_client_close(&client);
    }
    buffer_finish(&noise);
}

static void noise(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        run_in_pieces(pieces[i], send_noise, NULL);
}

// --- Too much ------------------------------------------------------------------------------------
static void allow_recipients(struct bed *bed, void *arg) {
    bed->config->max_recipients = 10000;
}

// 10,000 recipients in one write, with 500 too many.
static void send_recipients(struct bed *bed, void *arg) {
    struct bed_client client;
    struct buffer group;
    buffer_init(&group, 4 << 20);
    bed_client_greet(&client, bed);
    assert_starts(bed_ask(&client, "MAIL FROM:<a@a.example>"), "250 ");
    struct reader reader = {&client, 0, ""};
    struct io_group reading;
    io_group_init(&reading);
    io_group_spawn(&reading, "reader", read_all_lines, &reader);
    for (unsigned i = 0; i < 10500; i++)
        buffer_printf(&group, "RCPT TO:<recipient-%u@department-%u.example>\r\n", i, i % 100);
    buffer_printf(&group, "DATA\r\nSubject: all\r\n\r\nall\r\n.\r\nQUIT\r\n");
    assert_true(bed_send(&client, buffer_view(&group)));
    assert_ok(io_group_wait(&reading, io_after(3600 * 1000)));
    assert_int_equal(reader.n_lines, 10500 + 3);
    assert_starts(reader.last, "221 ");
    assert_int_equal(serve_counts(bed->serve).recipients, 10000);
    assert_non_null(strstr(bed->newest->envelope, "<recipient-9999@department-99.example> "));
    bed_client_close(&client);
    buffer_finish(&group);
}

static void ten_thousand_recipients(void **state) {
    struct bed_options options = {.prepare = allow_recipients, .body = send_recipients};
    bed_run(&options);
}

// A burst of transactions in one group, each reset by the next.
static void send_burst(struct bed *bed, void *arg) {
    static const char transaction[] =
        "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nRSET\r\n";
    enum { N = 5000 };
    struct bed_client client;
    struct buffer group;
    buffer_init(&group, 4 << 20);
    bed_client_greet(&client, bed);
    struct reader reader = {&client, 0, ""};
    struct io_group reading;
    io_group_init(&reading);
    io_group_spawn(&reading, "reader", read_all_lines, &reader);
    for (unsigned i = 0; i < N; i++)
        buffer_append_view(&group, view_of(transaction));
    buffer_printf(&group, "QUIT\r\n");
    assert_true(bed_send(&client, buffer_view(&group)));
    assert_ok(io_group_wait(&reading, io_after(3600 * 1000)));
    assert_int_equal(reader.n_lines, 3 * N + 1);
    bed_client_close(&client);
    buffer_finish(&group);
}

static void a_burst_of_transactions(void **state) {
    run_in_pieces(0, send_burst, NULL);
    run_in_pieces(5000, send_burst, NULL);
}

// Commands without end, and never a look at the replies: the server stops reading, and leaves.
static void never_read(struct bed *bed, void *arg) {
    struct bed_client client;
    struct buffer group;
    io_time begun = io_now();
    buffer_init(&group, 8 << 20);
    bed_client_greet(&client, bed);
    for (unsigned i = 0; i < 200000; i++)
        buffer_append(&group, "NOOP\r\n", 6);
    assert_false(bed_send(&client, buffer_view(&group)));
    assert_in_range(io_now() - begun, 0, 6 * 60 * 1000);
    io_sleep(io_after(2000));
    assert_int_equal(serve_counts(bed->serve).sessions_now, 0);
    bed_client_close(&client);
    buffer_finish(&group);
}

static void who_never_reads_is_left(void **state) {
    run_in_pieces(0, never_read, NULL);
}

// An envelope that is as large as it can be is bounded in bytes, too.
static void send_long_recipients(struct bed *bed, void *arg) {
    struct bed_client client;
    char line[1200], local[256], domain[256];
    unsigned n = 0;
    memset(local, 'l', 250);
    local[250] = '\0';
    for (size_t i = 0; i < 250; i++)
        domain[i] = i % 50 == 49 ? '.' : 'd';
    domain[249] = '\0';
    bed_client_greet(&client, bed);
    assert_starts(bed_ask(&client, "MAIL FROM:<a@a.example>"), "250 ");
    const char *reply = "250 ";
    for (; n < 12000 && strncmp(reply, "250 ", 4) == 0; n++) {
        snprintf(line, sizeof(line), "RCPT TO:<%s@%s>", local, domain);
        reply = bed_ask(&client, line);
    }
    assert_starts(reply, "452 4.5.3 ");
    assert_in_range(n, 1000, 10001);
    assert_starts(bed_ask(&client, "DATA"), "354 ");
    assert_starts(bed_ask(&client, "x\r\n."), "250 ");
    bed_client_close(&client);
}

static void long_recipients(void **state) {
    struct bed_options options = {.prepare = allow_recipients, .body = send_long_recipients};
    bed_run(&options);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_at_every_byte),   cmocka_unit_test(noise),
        cmocka_unit_test(ten_thousand_recipients), cmocka_unit_test(a_burst_of_transactions),
        cmocka_unit_test(who_never_reads_is_left), cmocka_unit_test(long_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
