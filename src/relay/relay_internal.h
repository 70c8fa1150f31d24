// SPDX-License-Identifier: Apache-2.0
// The executor's state, shared by its files. Private to relay/.
//
// Who owns what: everything here belongs to the home loop, but for what is marked as the worker's.
// A session is handed to its worker with an order, and comes back with its last event; between them
// the two sides touch only what the protocol below gives them.
//
//   home   --OPEN-->   worker: starts the session's fiber
//   session --WANT-->  home:   asks for transactions; one question at a time
//   home   --WORK-->   worker: the answer: items, none, or the end; it may take a while (a warm
//   wait) session --SETTLED--> home: an item comes back with its results session --ENDED--> home:
//   the last; every item has come back before
//
// Every mail up is embedded in what it speaks of, so that results never wait for memory or credit.
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"
#include "relay/notice.h"
#include "relay/places.h"
#include "relay/relay.h"

#include <pthread.h>

enum {
    RELAY_BATCH_ITEMS_MAX = 8,       // transactions handed over at once
    RELAY_ROUTES_MAX = 64,           // routings at once
    RELAY_ROUTE_MS = 60 * 1000,      // the longest that one may take
    RELAY_ROUND_MS = 10 * 60 * 1000, // a session's round over its hosts
    RELAY_NOTICES_MAX = 32,          // notices that are written at once
    RELAY_NOTICE_HEADER_MAX = 64 << 10,
    RELAY_AGAIN_MS = 5 * 1000,     // a commit that was refused is tried again after
    RELAY_HEALTH_MS = 1000,        // the spool is asked how it is this often
    RELAY_DOT_MS = 11 * 60 * 1000, // RFC 5321 4.5.3.2.6 and a little
    RELAY_ANSWER_ARENA = 16 << 20,
    RELAY_NOTE_LIFE_MS = 7 * 24 * 60 * 60 * 1000
};

// --- Events and orders -------------------------------------------------------------------
enum relay_event_kind {
    RELAY_EVENT_ARRIVED,
    RELAY_EVENT_WANT,
    RELAY_EVENT_SETTLED,
    RELAY_EVENT_ENDED,
    RELAY_EVENT_WORKER_GONE,
    RELAY_EVENT_RELOAD
};
struct relay_event {
    struct io_mail mail; // first
    enum relay_event_kind kind;
};
enum relay_order_kind { RELAY_ORDER_OPEN, RELAY_ORDER_WORK, RELAY_ORDER_CANCEL, RELAY_ORDER_STOP };
struct relay_order {
    struct io_mail mail; // first
    enum relay_order_kind kind;
    struct relay_session *session;
};

// --- Mail in memory ----------------------------------------------------------------------
// A message that
// arrived in this process, whole, until its first attempt ends or memory is short.
struct relay_fresh {
    struct relay_event event; // first
    struct spool_id id;
    struct mail_envelope envelope; // its views point behind this struct
    struct spool_body *body;
    struct list link; // oldest first, while the table knows it
    uint64_t bytes;
    uint32_t tag;
    unsigned refs; // the table's, and one for each item
};

// A transaction on its way through a session.
struct relay_item {
    struct relay_event event; // first
    struct deliver_item item;
    struct relay_item *next; // in a session's queue
    struct relay_session *session;
    struct relay_fresh *fresh; // or NULL: read from the spool into `arena`
    struct arena arena;
    struct mail_envelope envelope;
    uint32_t rcpts[]; // handles; results, texts and indices follow
};

// --- Sessions ----------------------------------------------------------------------------
struct relay_session {
    struct relay *relay;
    struct relay_worker *worker;
    struct relay_order order;
    struct relay_event want, ended;
    uint32_t number, lane;
    struct route *route;   // counted
    struct config *config; // counted
    bool may_fall_back;
    // home's
    bool is_wanting; // a question is open
    // given with WORK
    struct relay_item *given;
    bool is_given_end;
    // the worker's
    bool is_asking, is_asking_ahead, is_over;
    unsigned n_given; // in the last answer
    struct relay_item *queue;
    struct io_event answered;
    struct io_fiber *fiber;
    struct list link;
    // read by home with ENDED
    struct arena arena;
    struct deliver_report report;
    char host[256], greeting[128]; // of the last attempt
    struct address peer, source;
};

struct relay_worker {
    struct relay *relay;
    struct io_loop *loop;
    struct io_mailbox *mailbox;
    struct relay_order stop, cancel;
    struct relay_event gone;
    struct list sessions; // the worker's
    unsigned n_sessions;  // home's
};

// --- Settling ----------------------------------------------------------------------------
struct relay_batch {
    struct spool_done done;
    struct spool_tx *tx;
    uint32_t *rcpts; // to be dropped when it is durable
    size_t n_rcpts, size;
    unsigned n_records;
};

// --- The relay ---------------------------------------------------------------------------
struct relay {
    struct relay_options options;
    struct address *own; // RELAY_OWN_MAX of them
    size_t n_own;
    struct io_loop *home;
    uint64_t hash_key[2];
    struct schedule *schedule;
    struct spool *spool;
    struct ledger *ledger;
    struct deliver_memory *memory;
    struct io_mailbox *inbox, *done, *stored;
    struct io_group fibers;  // home, done, stored
    struct io_group helpers; // routing, notices
    struct io_event quiet;   // set when something ended that relay_stop may wait for
    io_time sleeping_until;  // the home fiber's
    bool is_started, is_stopping, gives_up, is_finished, settles;
    io_time health_at;

    pthread_mutex_t mutex; // of what other threads read: newest, tls, published
    struct config *newest;
    struct tls_context *tls;
    struct relay_counts published;

    struct config *config; // home's reference of the newest
    struct relay_worker *workers;
    size_t n_workers, n_workers_gone;
    struct relay_session **sessions; // by the scheduler's number
    size_t sessions_size;

    struct relay_fresh **fresh; // by tag
    uint32_t *fresh_free;
    size_t n_fresh_free, fresh_size;
    struct list fresh_oldest;
    uint64_t fresh_bytes;
    struct schedule_transaction transactions[RELAY_BATCH_ITEMS_MAX]; // of one answer

    struct relay_batch *batch; // being filled
    unsigned n_batches;        // handed in and not done
    uint64_t n_settling;       // recipients in them
    struct list notices;       // that wait for a place
    struct relay_notice *gathering;
    unsigned n_notices;

    struct relay_places lanes, domains;
    struct hash_table restored;
    struct arena load_arena;
    uint64_t n_loaded, n_unreadable;
    struct list audits; // that the ledger has not stored
    struct relay_counts counts;
};

// home.c
void relay_home_run(void *arg);
void relay_step(struct relay *relay); // runs the scheduler and hands in what is to be stored
void relay_check_health(struct relay *relay);
struct schedule_settings relay_settings(const struct config *config);

// fresh.c
void relay_fresh_add(struct relay *relay, struct relay_fresh *fresh);
struct relay_fresh *relay_fresh_find(struct relay *relay, uint32_t tag, struct spool_id id);
void relay_fresh_forget(struct relay *relay, uint32_t tag, struct spool_id id);
void relay_fresh_unref(struct relay_fresh *fresh);
struct relay_fresh *relay_fresh_make(struct spool_id id, const struct mail_envelope *envelope,
                                     struct spool_body *body);
void relay_fresh_finish(struct relay *relay);
uint64_t relay_sender_hash(const struct relay *relay, struct view sender);
uint32_t relay_address_hash(const struct relay *relay, struct view address);
struct view relay_domain_of(struct view address, char *scratch, size_t size); // lower case
struct relay_stored { // a message for the scheduler
    struct spool_id id;
    const struct mail_envelope *envelope;
    const enum spool_rcpt_mark *marks; // NULL: all are open
    const struct view *states;         // NULL: as it arrived
    uint32_t tag;
};
void relay_schedule_message(struct relay *relay, const struct relay_stored *stored);

// routing.c
void relay_route_start(struct relay *relay, uint32_t domain);

// worker.c
void relay_worker_run(void *arg);

// events.c
void relay_event_attempt(const struct attempt *attempt);
void relay_event_route(struct view domain, const struct route *route); // that failed

// sessions.c
void relay_session_open(struct relay *relay, const struct schedule_action *action);
void relay_session_answer(struct relay_session *session);       // it may take now
void relay_session_close(struct relay *relay, uint32_t number); // its warm wait is over
void relay_session_wanted(struct relay_session *session);
void relay_session_finished(struct relay_session *session);
struct relay_session *relay_session_of(struct relay *relay, uint32_t number);
void relay_item_free(struct relay_item *item);

// results.c
void relay_item_settled(struct relay_item *item);
bool relay_fact_is_local(const struct fact *fact);

// settle.c
void relay_settle(struct relay *relay, uint32_t rcpt);
struct spool_tx *relay_batch_tx(struct relay *relay); // of the batch being filled
void relay_update(struct relay *relay, uint32_t rcpt, const struct relay_record *record);
void relay_flush(struct relay *relay);
void relay_done_run(void *arg);
// After a commit that a fiber made itself.
void relay_dropped(struct relay *relay, uint32_t rcpt);

// audit.c
struct relay_audit; // a line that the spool keeps until the ledger has stored it
struct relay_audit *relay_audit_make(struct relay *relay, const struct ledger_audit *audit);
void relay_audit_note(struct relay *relay, struct relay_audit *audit, struct spool_tx *tx);
void relay_audit_tell(struct relay *relay, struct relay_audit *audit); // the transaction is durable
void relay_audit_free(struct relay_audit *audit);
void relay_audit_restore(struct relay *relay, struct view key, struct view value);
void relay_stored_run(void *arg);
void relay_audits_finish(struct relay *relay);
void relay_audit_system(struct relay *relay, struct view action, struct view target,
                        struct view detail);

// select.c
struct relay_choice; // the recipients of a selector
struct relay_choice *relay_choice_open(struct relay *relay, const struct relay_selector *selector,
                                       struct error *error);
// The next one, or zero; looks at no more than `budget`, and is zero with `*budget` zero before the
// end.
uint32_t relay_choice_next(struct relay_choice *choice, unsigned *budget);
void relay_choice_close(struct relay_choice *choice);

// call.c
IO_WAITS void relay_call_home(struct relay *relay, void (*run)(struct relay *relay, void *arg),
                              void *arg);

#endif
