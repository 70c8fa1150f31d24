// SPDX-License-Identifier: Apache-2.0
// What the tests of serve share: a server on a test bed, and a client at the place where a message
// begins.
#ifndef TESTS_SERVE_TEST_H
#define TESTS_SERVE_TEST_H

#include "dialogue/bed.h"
#include "unit/io/io_test.h"

#include "base/log.h"

// Bytes arrive in pieces of 1 to so many; zero: as they were written.
static const size_t pieces[] = {0, 1, 2, 3, 50};

static inline void run_in_pieces(size_t chunk_max, void (*body)(struct bed *bed, void *arg),
                                 void *arg) {
    struct bed_options options = {
        .seed = chunk_max, .chunk_max = chunk_max, .body = body, .arg = arg};
    bed_run(&options);
}

#define assert_starts(text, start)                                                                 \
    do {                                                                                           \
        const char *text_ = (text);                                                                \
        if (strncmp(text_, start, strlen(start)) != 0)                                             \
            fail_msg("expected \"%s\", got \"%s\"", start, text_);                                 \
    } while (0)

// Up to the reply to DATA.
static inline void begin_message(struct bed_client *client) {
    assert_starts(bed_ask(client, "MAIL FROM:<a@a.example>"), "250 ");
    assert_starts(bed_ask(client, "RCPT TO:<b@b.example>"), "250 ");
    assert_starts(bed_ask(client, "DATA"), "354 ");
}

// Nothing else has been said: the server waits for a command.
static inline void assert_in_step(struct bed_client *client) {
    assert_starts(bed_ask(client, "VRFY x"), "252 ");
    assert_int_equal(client->len, 0);
}

#endif
