// SPDX-License-Identifier: Apache-2.0
// The executor around schedule/: new mail and results go in as events, its actions come out as
// routing, sessions, settlements and notices. Operator actions and the questions behind `queue` and
// `why` are answered here, because the relay owns the scheduler.
//
// One home loop owns everything; other loops reach it by message. A start is: relay_create,
// spool_open with relay_load as its visitor, relay_start. An end is: relay_stop, ledger_close (so
// that nothing is posted any more), relay_destroy, spool_close.
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/json.h"
#include "config/config.h"
#include "deliver/deliver.h"
#include "dns/dns.h"
#include "ledger/ledger.h"
#include "schedule/schedule.h"
#include "spool/spool.h"
#include "tls/tls.h"

struct relay;

enum { RELAY_OWN_MAX = 1024 }; // addresses that we listen on

struct relay_options {
    struct config *config; // counted by the relay
    struct ledger *ledger;
    struct tls_context *tls;       // of clients; counted by the relay
    struct dns_resolver *resolver; // of the home loop; the caller destroys it after the relay
    struct io_loop *const *loops;  // where sessions run; may hold the home loop
    size_t n_loops;
    const struct address *own; // our listeners: never connected to; copied
    size_t n_own;
    uint64_t seed;        // of jitter; simulations: from theirs
    uint64_t fresh_bytes; // mail kept in memory until its first attempt; zero: 48 MB
};

// In a fiber of the home loop, which is where relay_load, relay_start, relay_stop and relay_destroy
// are called, too.
struct relay *relay_create(const struct relay_options *options);
// The visitor for spool_open; `arg` is the relay.
void relay_load(const struct spool_entry *entry, void *arg);
void relay_start(struct relay *relay, struct spool *spool, const struct spool_recovery *recovery);
// Opens no more sessions, waits for those that run (until `deadline`, or longer where a final dot
// was sent: at most its own time-out), and for every settlement to be durable.
IO_WAITS void relay_stop(struct relay *relay, io_time deadline);
void relay_destroy(struct relay *relay); // stopped, or never started; serve/ has ended

// From any thread.
void relay_reload(struct relay *relay, struct config *config, struct tls_context *tls);
// The listeners changed. On the home loop's thread.
void relay_set_own(struct relay *relay, const struct address *own, size_t n_own);
struct config *relay_config(struct relay *relay); // the newest, counted for the caller

// --- Hooks for serve/ (any session's loop; they do not wait) -----------------------------
void relay_accepted(void *relay, struct spool_id id, const struct mail_envelope *envelope,
                    struct spool_body *body);
bool relay_refuses(void *relay, struct view domain, struct view *reason);

// --- Questions (any loop) ----------------------------------------------------------------
// Which recipients:
// everything that is said must hold. A connector means the lanes that mail is on now; a cause is
// that of the recipient's or its lane's last failure.
struct relay_selector {
    const struct spool_id *ids;
    size_t n_ids;
    struct view domain, connector, sender; // sender: an address; "<>" for the empty one
    struct view cause;                     // "conn-refused"
    bool all;                              // nothing else needs to be said
    bool held_only;
};

enum relay_question {
    RELAY_QUESTION_LANES, // `queue`: one object a lane and a domain in routing
    RELAY_QUESTION_LIST,  // `queue list`: recipients of a selection
    RELAY_QUESTION_SHOW,  // `queue show`: one message, whole
    RELAY_QUESTION_WHY,   // `why`: an id, an address or a domain in `text`
    RELAY_QUESTION_STATUS // counters for `status` and metrics
};
struct relay_ask {
    enum relay_question question;
    struct relay_selector selector; // LIST
    struct view text;               // SHOW: id; WHY: id, address or domain
    struct view cursor;             // LIST, WHY: "next" of the answer before; empty: the beginning
    size_t limit;                   // zero: 100
    bool with_ages;                 // LANES: the columns of qshape
};
// Appends one JSON object (docs/json.md) to `out`. False: nothing is known of what was asked (the
// object says so), or the question is wrong; `error` says what.
IO_WAITS bool relay_answer(struct relay *relay, const struct relay_ask *ask, struct buffer *out,
                           struct error *error);

// --- Actions (any loop) ------------------------------------------------------------------
enum relay_action {
    RELAY_ACTION_HOLD,
    RELAY_ACTION_RELEASE,
    RELAY_ACTION_RETRY,  // forgets back-off and dead hosts, and makes waiting recipients due
    RELAY_ACTION_REMOVE, // settles without a notice
    RELAY_ACTION_REJECT  // settles with a notice to the sender
};
struct relay_act {
    enum relay_action action;
    struct relay_selector selector;
    struct view who;    // for the audit: "uid 0 (root)"
    struct view reason; // what the operator said; may be empty
    bool dry_run;       // counts only
    // More recipients than this: nothing is done, `outcome` counts. Zero: no bound.
    uint64_t expect_max;
};
struct relay_outcome {
    uint64_t n_matched; // recipients
    uint64_t n_messages;
    uint64_t n_done;
    uint64_t n_in_flight; // a session had them: the action follows if they are not delivered
    bool is_refused;      // more than expect_max
};
// Waits until everything is durable, the audit note in the same transactions.
IO_WAITS bool relay_perform(struct relay *relay, const struct relay_act *act,
                            struct relay_outcome *outcome, struct error *error);
// The clock is right: expiry goes on.
IO_WAITS bool relay_trust_clock(struct relay *relay, struct view who, struct error *error);

struct relay_counts {
    struct schedule_counts schedule;
    uint64_t delivered, deferred, bounced, expired, removed, settled;
    uint64_t notices, notices_suppressed;
    uint64_t sessions, sessions_failed, transactions, settlements_waiting, fresh_bytes;
    bool settles;
};
struct relay_counts relay_counts(struct relay *relay); // from any loop; a moment old

#endif
