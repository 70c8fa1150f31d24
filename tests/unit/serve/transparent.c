// SPDX-License-Identifier: Apache-2.0
// What goes in comes out byte for byte behind one Received field, whatever it is made of and
// however it comes in pieces; through memory, and through the chunks of the spool.
#include "unit/serve/serve_test.h"

enum { BODY_BYTES_MAX = 1 << 20 };

// CRLF lines of all that may stand in a line, often of dots.
static void make_body(struct sim *sim, struct buffer *body, size_t n_lines, size_t line_max) {
    static const char seldom[] = ".\0\x80\xff\t \x1a\x7f";
    buffer_clear(body);
    for (size_t line = 0; line < n_lines; line++) {
        size_t len = sim_random_below(sim, 3) ? sim_random_below(sim, line_max + 1)
                                              : sim_random_below(sim, 4);
        for (size_t i = 0; i < len; i++) {
            bool is_dot = i < 3 && sim_random_below(sim, 3) == 0;
            char c = (char)('a' + sim_random_below(sim, 26));
            if (sim_random_below(sim, 20) == 0)
                c = seldom[sim_random_below(sim, sizeof(seldom) - 1)];
            buffer_append_char(body, is_dot ? '.' : c);
        }
        buffer_append(body, "\r\n", 2);
    }
    ASSERT(!body->overflow);
}

static void stuff(struct view body, struct buffer *wire) {
    buffer_clear(wire);
    bool is_start = true;
    for (size_t i = 0; i < body.len; i++) {
        if (is_start && body.ptr[i] == '.')
            buffer_append_char(wire, '.');
        buffer_append_char(wire, body.ptr[i]);
        is_start = body.ptr[i] == '\n';
    }
    buffer_append(wire, ".\r\n", 3);
    ASSERT(!wire->overflow);
}

static void compare(const struct bed_message *message, struct view body) {
    size_t len = 0;
    char *kept = bed_read_body(message, &len);
    const char *behind = bed_behind_received(kept);
    len -= (size_t)(behind - kept);
    assert_int_equal(len, body.len);
    assert_memory_equal(behind, body.ptr, len);
    free(kept);
}

struct shape {
    size_t n_messages, n_lines, line_max;
};

static void send_many(struct bed *bed, void *arg) {
    const struct shape *shape = arg;
    struct buffer body, wire;
    struct bed_client client;
    buffer_init(&body, BODY_BYTES_MAX);
    buffer_init(&wire, 2 * BODY_BYTES_MAX);
    bed_client_greet(&client, bed);
    for (size_t i = 0; i < shape->n_messages; i++) {
        make_body(bed->sim, &body, sim_random_below(bed->sim, shape->n_lines + 1), shape->line_max);
        stuff(buffer_view(&body), &wire);
        begin_message(&client);
        assert_true(bed_send(&client, buffer_view(&wire)));
        assert_starts(bed_read_reply(&client), "250 2.0.0 Ok: queued as ");
        compare(bed->newest, buffer_view(&body));
    }
    assert_in_step(&client);
    bed_client_close(&client);
    buffer_finish(&body);
    buffer_finish(&wire);
}

static void small(void **state) {
    struct shape shape = {30, 12, 60};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        run_in_pieces(pieces[i], send_many, &shape);
}

// Larger than the input buffer, and than what the spool keeps in memory.
static void large(void **state) {
    struct shape shape = {4, 1000, 900};
    run_in_pieces(0, send_many, &shape);
    run_in_pieces(40000, send_many, &shape);
    run_in_pieces(1000, send_many, &shape);
}

// RFC 5321 has lines of 998 bytes at most, and the world has longer ones: they are none of ours.
static void long_lines(void **state) {
    struct shape shape = {2, 4, 200000};
    run_in_pieces(0, send_many, &shape);
    run_in_pieces(5000, send_many, &shape);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small),
        cmocka_unit_test(large),
        cmocka_unit_test(long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
