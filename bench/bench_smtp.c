// SPDX-License-Identifier: Apache-2.0
// bench_smtp [SECONDS]: how fast a body passes the reader and the writer of DATA on one core, in
// GB/s (10^9 bytes of wire), whole and in pieces as a socket gives them. memchr over the same bytes
// stands beside them as the bound of what memory gives.
#include "smtp/smtp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BODY_BYTES = 100 * 1024, ROUNDS_A_LOOK = 16 };

struct body {
    const char *name;
    size_t line_len;   // between two CRLF
    unsigned dot_rate; // one line in so many begins with a dot; zero: none
    bool is_8bit;
};

struct tally {
    uint64_t n_bytes, n_pieces;
};

static void count(struct view piece, void *arg) {
    struct tally *tally = arg;
    tally->n_bytes += piece.len;
    tally->n_pieces++;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fill(struct buffer *out, const struct body *body) {
    unsigned n = 0;
    while (out->len + body->line_len + 2 <= BODY_BYTES) {
        bool has_dot = body->dot_rate && ++n % body->dot_rate == 0;
        for (size_t i = 0; i < body->line_len; i++)
            buffer_append_char(out, i == 0 && has_dot          ? '.'
                                    : body->is_8bit && i == 20 ? '\xe4'
                                                               : (char)('a' + i % 26));
        buffer_append_view(out, VIEW("\r\n"));
    }
}

static void read_body(struct view wire, size_t piece, struct tally *tally) {
    struct smtp_data_reader reader;
    size_t used = 0;
    smtp_data_reader_init(&reader);
    for (size_t at = 0; at < wire.len; at += used)
        smtp_data_read(&reader, view_take(view_skip(wire, at), piece), &used, count, tally);
}

static void write_body(struct view body, size_t piece, struct tally *tally) {
    struct smtp_data_writer writer;
    smtp_data_writer_init(&writer);
    for (size_t at = 0; at < body.len; at += piece)
        smtp_data_write(&writer, view_take(view_skip(body, at), piece), count, tally);
    count(smtp_data_end(&writer), tally);
}

static void find_lines(struct view body, size_t piece, struct tally *tally) {
    while (body.len) {
        size_t at = view_find_char(body, '\n');
        count(view_take(body, at + 1), tally);
        body = view_skip(body, at + 1);
    }
}

// The best of many looks: what else runs on the machine only makes a look slower.
static void measure(const char *what, struct view bytes, size_t piece, double seconds,
                    void (*pass)(struct view, size_t, struct tally *)) {
    struct tally tally = {0};
    uint64_t rounds = 0;
    double begin = seconds_now(), now = begin, best = 1e9;
    while (now - begin < seconds) {
        double look = now;
        for (int i = 0; i < ROUNDS_A_LOOK; i++)
            pass(bytes, piece, &tally);
        now = seconds_now();
        best = now - look < best ? now - look : best;
        rounds += ROUNDS_A_LOOK;
    }
    best /= ROUNDS_A_LOOK;
    printf("  %-24s %6.2f GB/s  %7.2f us a body  %8" PRIu64 " pieces a body\n", what,
           (double)bytes.len / best / 1e9, best * 1e6, tally.n_pieces / rounds);
}

int main(int argc, char **argv) {
    static const struct body bodies[] = {
        {"lines of 76 bytes", 76, 0, false},           {"lines of 76 bytes, 8-bit", 76, 0, true},
        {"lines of 20 bytes", 20, 0, false},           {"lines of 998 bytes", 998, 0, false},
        {"every 20th line with a dot", 76, 20, false}, {"every line with a dot", 76, 1, false},
    };
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct buffer body, wire;
        struct smtp_data_writer writer;
        buffer_init(&body, BODY_BYTES);
        buffer_init(&wire, 2 * BODY_BYTES);
        fill(&body, &bodies[i]);
        smtp_data_writer_init(&writer);
        buffer_append_view(&wire, buffer_view(&body));
        buffer_append_view(&wire, smtp_data_end(&writer));
        printf("%s, %zu bytes\n", bodies[i].name, body.len);
        measure("memchr for each line", buffer_view(&body), 0, seconds, find_lines);
        measure("read, whole", buffer_view(&wire), SIZE_MAX, seconds, read_body);
        measure("read, pieces of 16 KB", buffer_view(&wire), 16384, seconds, read_body);
        measure("write, whole", buffer_view(&body), SIZE_MAX / 2, seconds, write_body);
        measure("write, pieces of 16 KB", buffer_view(&body), 16384, seconds, write_body);
        buffer_finish(&body);
        buffer_finish(&wire);
    }
    return 0;
}
