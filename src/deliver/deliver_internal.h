// SPDX-License-Identifier: Apache-2.0
// The state of a delivery session, and the parts that session.c tells its story with.
//
//   road         the addresses of a route in the order in which they are tried
//   race         connections to the addresses of one host, the first that stands wins
//   transaction  one MAIL, its recipients, the body
//   record       the attempt as it will be told
#ifndef DELIVER_DELIVER_INTERNAL_H
#define DELIVER_DELIVER_INTERNAL_H

#include "deliver/deliver.h"

#include <stdlib.h>

enum {
    DELIVER_RCPTS_MAX = 100,         // RFC 5321 4.5.3.1.8: what every server takes
    DELIVER_PIECE_BYTES = 64 * 1024, // of a body that is read from the disk
    DELIVER_RECORD_RESULTS_MAX = 64, // told together
    DELIVER_RECORD_BYTES_MAX = 512 * 1024,
    DELIVER_STAGGER_MS = 250, // RFC 8305 5
    DELIVER_RACE_MAX = 8,
    DELIVER_DEAD_MS = 60 * 1000,
    DELIVER_TLS_FAILED_MS = 60 * 60 * 1000,
    DELIVER_ENVELOPE_MS = 10 * 60 * 1000, // for MAIL and DATA, and for each recipient:
    DELIVER_RCPT_MS = 30 * 1000,
    DELIVER_BODY_MS = 10 * 60 * 1000, // and a millisecond for each byte
    DELIVER_MEMORY_ENTRIES_MAX = 65536
};

// --- road.c -----------------------------------------------------------------------------------
struct target {
    const struct route_host *host;
    struct address address;
    struct address source;
    bool is_tried;
    bool in_clear; // its handshake failed before, and clear text is allowed now
};

struct road {
    struct target *targets;
    size_t n_targets;
    struct fact skipped; // why the last one that is missing was left out
};

// `job->route` has hosts. Memory comes from `arena`.
void road_init(struct road *road, const struct deliver_job *job, struct arena *arena);
// The untried addresses of the first host that has any; zero: none is left.
size_t road_next(const struct road *road, struct target **first);

// --- race.c -----------------------------------------------------------------------------------
struct session;
// Connects to `n` targets of one host; the winner is marked tried, and so are those that failed
// (each is recorded). NULL: none stands, and `*fact` is the last failure.
IO_WAITS struct io_stream *race_run(struct session *session, struct target *targets, size_t n,
                                    struct target **winner, struct fact *fact);

// --- memory.c ---------------------------------------------------------------------------------
bool memory_is_dead(struct deliver_memory *memory, const struct address *address,
                    struct fact *fact);
void memory_note_dead(struct deliver_memory *memory, const struct address *address,
                      const struct fact *fact);
bool memory_tls_failed(struct deliver_memory *memory, const struct address *address);
void memory_note_tls_failed(struct deliver_memory *memory, const struct address *address);
// A family without a route out of here.
bool memory_is_unrouted(struct deliver_memory *memory, enum address_family family);
void memory_note_unrouted(struct deliver_memory *memory, enum address_family family);

// --- record.c ---------------------------------------------------------------------------------
struct record {
    struct arena arena;
    struct attempt_result *results;
    size_t n_results;
    io_time began;
    bool is_told; // an attempt was told for this connection
};
void record_init(struct record *record);
void record_finish(struct record *record);
void record_begin(struct session *session);
// Tells the attempt so far when it has become large.
void record_result(struct session *session, const struct deliver_item *item, size_t position,
                   const struct fact *fact);
// An attempt with the results since the last one.
void record_tell(struct session *session, const struct fact *fact);
// One that failed to connect.
void record_tell_connect(struct session *session, const struct target *target,
                         const struct fact *fact);

// --- transaction.c ----------------------------------------------------------------------------
struct transaction {
    struct deliver_item *item; // NULL: none
    struct spool_body *body;
    bool owns_body;
    bool is_sent;                          // its envelope rode behind the last dot
    bool was_answered;                     // any reply to it came
    uint32_t positions[DELIVER_RCPTS_MAX]; // of its recipients in the item
    bool accepted[DELIVER_RCPTS_MAX];
    size_t n_rcpts, n_accepted;
};
// Takes the recipients of `item` that have no result yet. Those that this peer cannot be given get
// theirs here. False: none is left.
IO_WAITS bool transaction_begin(struct session *session, struct transaction *transaction,
                                struct deliver_item *item);
void transaction_end(struct transaction *transaction);
// Queues MAIL, RCPT and DATA as one group.
void transaction_send_envelope(struct session *session, struct transaction *transaction);
// Until the peer waits for the body (OK), or says no (REPLY), or the conversation is over.
IO_WAITS struct fact transaction_envelope(struct session *session, struct transaction *transaction);
IO_WAITS struct fact transaction_body(struct session *session, struct transaction *transaction);
// The result of all recipients that were accepted, or (everyone) of all of the transaction's that
// have none.
void transaction_result(struct session *session, struct transaction *transaction,
                        const struct fact *fact, bool everyone);

// --- session.c --------------------------------------------------------------------------------
struct session {
    const struct deliver_job *job;
    const struct config_connector *connector;
    struct arena *arena; // the report's
    struct deliver_report *report;
    struct view helo;
    struct view domain; // whose demands the connection is opened for
    struct talk_timeouts timeouts;
    struct road road;
    struct record record;
    char *scratch; // DELIVER_PIECE_BYTES, taken when needed

    // The present connection.
    struct talk *talk; // NULL: none
    struct target *target;
    unsigned n_transactions; // begun with MAIL
    unsigned n_completed;    // with a reply to their dot
    size_t rcpts_max;        // that the peer takes at once
    bool needs_rset;         // before the next MAIL
    bool is_spoiled;         // half a body was sent: it can only be dropped

    // What was in flight when a connection broke so early that another host may still take it.
    struct transaction carried;
    struct fact carried_fact;
};

#endif
