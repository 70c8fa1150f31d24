// SPDX-License-Identifier: Apache-2.0
// A lane for tests of deliver/: a route to peers that play a script, messages, and what came of
// them. The settings of a script that it knows:
//
//     host: mx1.b.example A B refused    its addresses: peers of the script, or nobody there;
//                                        "A/6" is reached over IPv6
//     domain: b.example                  that the route is for
//     connector: tls=required tls_min=1.3 tls_domain=x fallback=no username=u password=p
//                max_messages=2 helo=x smart timeout=200
//     certificate: mx.b.example          that the peers show
//     job: may_fall_back avoid=A
//     message: ann@a.example bob@b.example cat@b.example [8bit utf8 dsn size=9 body=text disk
//              missing damaged=3 large=200000]
//     lazy: yes                          the next message is not there before the last is done
//     only: sim                          (or loopback)
//     net: A latency=400                 (or drop, cut; the simulator's)
//     expect: item 1 rcpt 2 rcpt reply code=550 ...
//     expect: report lost dot closed
//     expect: attempt 1 A greeting reply code=554 results=0
//     expect: attempts 2
#ifndef TESTS_DIALOGUE_LANE_H
#define TESTS_DIALOGUE_LANE_H

#include "deliver/deliver.h"
#include "dialogue/authority.h"
#include "dialogue/play.h"
#include "io/sim.h"

enum {
    LANE_PEERS_MAX = 8,
    LANE_ITEMS_MAX = 200,
    LANE_RCPTS_MAX = 300,
    LANE_ATTEMPTS_MAX = 64,
    LANE_HOSTS_MAX = 8
};

struct lane_peer {
    struct lane *lane;
    struct view name;
    struct io_listener *listener;
    struct address address;
    size_t n_accepted, n_playing;
    bool has_failed;
    char why[512];
};

struct lane_attempt { // copied out of the callback
    struct attempt attempt;
    char text[256], host[128], helo[128], greeting[256], tls[128], domain[128];
};

struct lane {
    struct play *play;
    struct sim *sim; // NULL: loopback
    struct authority *authority;
    struct tls_context *server_tls, *client_tls;
    struct lane_peer peers[LANE_PEERS_MAX];
    size_t n_peers;
    struct io_group group;

    struct config_connector connector;
    struct route route;
    struct route_host hosts[LANE_HOSTS_MAX];
    struct address addresses[LANE_HOSTS_MAX][LANE_PEERS_MAX];
    struct deliver_memory *memory;
    struct deliver_job job;
    struct arena arena; // of texts that the settings gave

    struct deliver_item *items[LANE_ITEMS_MAX];
    size_t n_items, n_given, n_settled;
    bool is_settled[LANE_ITEMS_MAX];
    bool is_lazy;
    struct lane_attempt attempts[LANE_ATTEMPTS_MAX];
    size_t n_attempts;
    struct deliver_report report;
    struct arena report_arena;
};

// Needs a fiber. The peers are listening when it returns.
struct lane *lane_create(struct play *play, struct sim *sim, struct authority *authority);
IO_WAITS void lane_run(struct lane *lane);
// Waits for the peers, then holds everything that is expected against what came; false: `why`.
IO_WAITS bool lane_check(struct lane *lane, char *why, size_t size);
void lane_destroy(struct lane *lane);

// lane_setup.c, lane_check.c
void lane_read_settings(struct lane *lane);
bool lane_check_expectations(const struct lane *lane, char *why, size_t size);
// "key=value" among words; a key alone has an empty value.
bool lane_option(struct view words, const char *key, struct view *value);
bool lane_take_word(struct view *rest, struct view *word);
_Noreturn void lane_complain(const struct lane *lane, unsigned line, const char *what,
                             struct view about);

#endif
