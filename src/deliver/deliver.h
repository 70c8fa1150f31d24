// SPDX-License-Identifier: Apache-2.0
// A lane's session: the hosts of a route in order, a conversation over talk/, transactions one
// after another on it, and an attempt for each host address tried. It decides nothing about
// retries: it reports, and asks for more work until there is none.
#ifndef DELIVER_DELIVER_H
#define DELIVER_DELIVER_H

#include "catalog/catalog.h"
#include "route/route.h"
#include "spool/spool.h"
#include "talk/talk.h"

// One transaction: a message and those of its recipients that go this way together.
struct deliver_item {
    struct spool_id id;
    struct spool_body *body;        // counted by the maker; NULL: read from the spool by id
    struct mail_envelope *envelope; // with its own arena, see `arena`
    struct arena *arena;            // owns envelope; freed with the item by its maker
    uint32_t *rcpt_indices;
    size_t n_rcpts;
    // n_rcpts each, zeroed by the maker (kind NONE), filled by the session.
    //   NONE    not tried: may be taken again at once, nothing is known about it
    //   OK      delivered; the reply to the final dot
    //   DEMAND with FACT_DEMAND_TLS_POLICY: this domain needs a session that is opened for it
    //   with FACT_FLAG_DOT_SENT and not OK or REPLY: it may be delivered; no other host straight
    //   after
    struct fact *results;
    char **result_texts; // copies of the facts' texts (malloc); freed with the item
    struct view host;    // the server that the results come from: a name of the route
    struct address peer, source;
    char greeting[128]; // the first line of the peer's greeting, cut
    void *owner;        // the maker's
};

// Dead addresses are remembered for all lanes, and so is which address failed its TLS handshake.
// Shared by loops; one short mutex, never held across a wait.
struct deliver_memory;
struct deliver_memory *deliver_memory_create(void);
void deliver_memory_destroy(struct deliver_memory *memory);
// The configuration changed or an operator asked for a retry: forget.
void deliver_memory_clear(struct deliver_memory *memory);

enum deliver_end {
    DELIVER_END_DONE,   // no more work, the connection's message limit is reached, or the peer had
                        // ended an idle connection (the item that found out is NONE)
    DELIVER_END_FAILED, // no host could be used: `fact` is the failure that came furthest
    DELIVER_END_LOST,   // it broke after MAIL: `fact`, and the results of what was in flight
    DELIVER_END_CANCELED
};

struct deliver_report {
    enum deliver_end end;
    struct fact fact; // of the lane; text belongs to the report's arena
    bool any_success; // at least one recipient was delivered or a transaction completed
    unsigned n_attempts;
};

enum deliver_ask {
    DELIVER_ASK_WAIT,  // may wait (a short idle time on a warm connection); NULL ends the session
    DELIVER_ASK_FIRST, // the first one, asked for when a host is ready
    DELIVER_ASK_NOW    // must not wait; NULL: none at this moment. Also asked before a final dot
                       // goes out: the next envelope rides behind it
};

struct deliver_hooks { // called on the session's loop
    // Next transaction for this lane, or NULL.
    IO_WAITS struct deliver_item *(*next)(void *arg, enum deliver_ask ask);
    // The item's results are final. Ownership goes back.
    void (*settled)(void *arg, struct deliver_item *item);
    // One address was tried, or a connection ended. Valid only during the call; the ledger copies
    // it.
    void (*attempted)(void *arg, const struct attempt *attempt);
    void *arg;
};

struct deliver_job {
    struct route *route; // counted by the caller for the length of the call
    struct spool *spool;
    struct tls_context *tls;
    struct deliver_memory *memory;
    struct view hostname;
    io_time round_deadline; // 10 min from the start of the round
    bool may_fall_back;     // clear text is allowed now after a failed handshake
    struct address avoid;   // after a loss behind the final dot: not this host straight away
    struct deliver_hooks hooks;
};

// Runs one session on the calling fiber.
IO_WAITS void deliver_session(const struct deliver_job *job, struct arena *arena,
                              struct deliver_report *report);

#endif
