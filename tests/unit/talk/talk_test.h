// SPDX-License-Identifier: Apache-2.0
// What the tests of talk share: a conversation with a peer that plays the server's part of a
// script.
#ifndef TESTS_TALK_TEST_H
#define TESTS_TALK_TEST_H

#include "dialogue/play.h"
#include "talk/talk.h"
#include "unit/io/io_test.h"

enum { TEST_LIMIT_MS = 150 };

struct peer {
    struct play *play;
    struct io_listener *listener;
    struct tls_context *tls;
    struct io_group group;
    bool is_well;
    char why[512];
};

static inline void peer_accept(void *arg) {
    struct peer *peer = arg;
    struct play_part part = {.play = peer->play, .role = 'S', .tls = peer->tls};
    struct io_stream *stream = NULL;
    assert_ok(io_accept(peer->listener, io_after(5000), &stream));
    peer->is_well = play_run(&part, stream, peer->why, sizeof(peer->why));
}

static inline struct address peer_start(struct peer *peer, const char *script) {
    *peer =
        (struct peer){.play = play_parse(view_of(script), "script"), .listener = listen_anywhere()};
    io_group_init(&peer->group);
    io_group_spawn(&peer->group, "peer", peer_accept, peer);
    return io_listener_address(peer->listener);
}

// The script must have been followed to its end.
static inline void peer_finish(struct peer *peer) {
    assert_ok(io_group_wait(&peer->group, io_after(20000)));
    if (!peer->is_well)
        fail_msg("%s", peer->why);
    io_listener_close(peer->listener);
    play_free(peer->play);
}

static inline struct talk *talk_for_test(void) {
    struct talk_options options = {.helo = VIEW("relay.example"), .deadline = IO_NEVER};
    int64_t limit = TEST_LIMIT_MS;
    options.timeouts = (struct talk_timeouts){limit, limit, limit, limit, 2000,  limit,
                                              limit, limit, limit, limit, limit, limit};
    return talk_create(&options);
}

#define assert_kind(fact, wanted) assert_int_equal((fact).kind, FACT_KIND_##wanted)
#define assert_text(fact, words) assert_true(view_equals((fact).text, VIEW(words)))

#endif
