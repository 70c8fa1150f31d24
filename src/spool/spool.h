// SPDX-License-Identifier: Apache-2.0
// The durable message store: an append-only log in segments, one committer, group commit.
//
// Invariants (numbers are cited in the code; the format and the state diagram stand in format.h)
//  I1  A transaction is durable before its waiter is told: all records of it, or none.
//  I2  A message exists only with its commit record (envelope, chunk list, length, hash).
//  I3  Nothing acknowledged is lost: a segment is unlinked only when no live message, no live
//      state and no settlement that still voids an older copy is in it; the directory is synced
//      after each.
//  I4  A message id (node, boot epoch, counter) is never used twice; the epoch is durable before
//      the first id.
//  I5  A recipient is settled once. A message is gone when no recipient is open.
//  I6  After a failed sync that segment is never written or synced again.
//  I7  A damaged record is set aside and counted; the rest runs on.
//  I8  No body can forge a record: checksums are seeded with a secret of the segment.
//
// Any loop may call in; the committer's own loop thread owns the log. No lock is held across a
// wait.
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "io/io.h"
#include "mail/mail.h"

// --- Identity ------------------------------------------------------------------------------------
struct spool_id {
    uint64_t hi; // node (32 bits), then the boot epoch (31 bits) or the derived mark
    uint64_t lo; // counter, or hash of what it was derived from
};
enum { SPOOL_ID_TEXT_SIZE = 32 };
// Short, upper-case, without letters that people mistake for digits; NUL-terminated.
size_t spool_id_format(struct spool_id id, char out[SPOOL_ID_TEXT_SIZE]);
bool spool_id_parse(struct view text, struct spool_id *id);
static inline bool spool_id_equals(struct spool_id a, struct spool_id b) {
    return a.hi == b.hi && a.lo == b.lo;
}
static inline bool spool_id_is_none(struct spool_id id) {
    return id.hi == 0 && id.lo == 0;
}
uint64_t spool_id_hash(struct spool_id id);
// The id of a notice: the same (message, recipients, kind) gives the same id, so a repeat is the
// same message and is committed once.
struct spool_id spool_id_derive(struct spool_id origin, const uint32_t *indices, size_t n_indices,
                                unsigned kind);

// --- Life ----------------------------------------------------------------------------------------
struct spool;

struct spool_options {
    const char *path;             // directory, made where missing
    uint64_t segment_bytes;       // zero: 64 MB
    uint64_t memory_bytes;        // bodies in memory that are not sent yet; zero: 256 MB
    uint64_t client_memory_bytes; // per client of that; zero: 64 MB
    unsigned warn_free_percent;   // zero: 15
    uint64_t floor_free_bytes;    // below: 452; zero: two segments and 1 % of the disk
    uint64_t message_bytes_max;   // zero: 64 MB
};

enum spool_rcpt_mark { SPOOL_RCPT_OPEN, SPOOL_RCPT_SETTLED };

struct spool_entry { // one live message
    struct spool_id id;
    uint64_t body_bytes;
    struct view envelope; // encoded (mail_envelope_decode)
    uint32_t n_rcpts;
    // One for each recipient: settled or open, and the state that its owner stored last (opaque
    // here; empty: as it arrived, or settled).
    const enum spool_rcpt_mark *marks;
    const struct view *states;
};

struct spool_recovery { // what a start found
    uint64_t messages, recipients, segments, bytes_scanned;
    uint64_t torn_batches, damaged_records;
    uint64_t lost_messages; // named by a record, body unreadable
    int64_t newest_ms;      // wall clock of the newest record; zero: empty
    int64_t elapsed_ms;
};

// Opens or makes the store: locks the directory (a second instance gets a clear error), recovers,
// calls `visit` for each live message in no order (views hold only during the call), then starts
// the committer.
IO_WAITS struct spool *spool_open(const struct spool_options *options,
                                  void (*visit)(const struct spool_entry *entry, void *arg),
                                  void *arg, struct spool_recovery *recovery, struct error *error);
// Commits what was handed in, stops the committer, seals. No call may be in progress.
IO_WAITS void spool_close(struct spool *spool);

// --- Bodies --------------------------------------------------------------------------------------
// Immutable once committed, counted, shared between loops. Small ones stay in memory until sent;
// above 256 KB they go to disk as chunks while they arrive.
struct spool_client; // a budget of memory, one for each client address
struct spool_client *spool_client_get(struct spool *spool, const struct address *client);
void spool_client_put(struct spool_client *client);

struct spool_body;
// `client` is NULL for our own notices: they count for the common budget alone, and are taken also
// while new mail is refused.
struct spool_body *spool_body_create(struct spool *spool, struct spool_client *client);
// Waits while a chunk goes to disk. Where a budget is used up that is each piece, so that the
// reader is as slow as the disk; no body waits for memory that another one holds.
enum spool_status {
    SPOOL_OK,
    SPOOL_TOO_BIG, // message_bytes_max
    SPOOL_FULL,    // 452 4.3.1: disk under the floor, or ENOSPC
    SPOOL_FAILED,  // 451 4.3.0: a sync or write failed; new mail is refused until restart
    SPOOL_TIMED_OUT,
    SPOOL_CANCELED,
    SPOOL_NOT_FOUND,
    SPOOL_DAMAGED // the record or body does not pass its checksum
};
IO_WAITS enum spool_status spool_body_append(struct spool_body *body, struct view bytes,
                                             io_time deadline);
uint64_t spool_body_size(const struct spool_body *body);
struct spool_body *spool_body_ref(struct spool_body *body);
void spool_body_unref(struct spool_body *body); // NULL is accepted; an uncommitted one is forgotten
// True while the bytes are in memory (reading does not touch the disk).
bool spool_body_is_resident(const struct spool_body *body);
// The body of a committed message, resident or to be read from its segments, which are held.
// `*body` is NULL unless SPOOL_OK.
IO_WAITS enum spool_status spool_body_open(struct spool *spool, struct spool_id id,
                                           struct spool_body **body);
// Up to `max` bytes at `offset`: a view of resident memory, or read into `scratch` (of `max`
// bytes). An empty view at the end.
IO_WAITS enum spool_status spool_body_read(struct spool_body *body, uint64_t offset, size_t max,
                                           char *scratch, struct view *piece);

// --- Transactions --------------------------------------------------------------------------------
// A unit of commit: several records, all or nothing.
struct spool_tx;
struct spool_tx *spool_tx_create(struct spool *spool);
void spool_tx_destroy(struct spool_tx *tx); // one that was never committed
// A fresh id, for the Received field before the message is complete.
struct spool_id spool_id_next(struct spool *spool);
// Takes a reference of `body`. A derived id that exists already is not added again.
void spool_tx_add(struct spool_tx *tx, struct spool_id id, const struct mail_envelope *envelope,
                  struct spool_body *body);
// First state of a recipient of a message of this transaction, or a new state of an open one.
void spool_tx_update(struct spool_tx *tx, struct spool_id id, uint32_t rcpt_index,
                     struct view state);
void spool_tx_settle(struct spool_tx *tx, struct spool_id id, uint32_t rcpt_index);
// Small keyed values that live until replaced or removed (empty value): the last fact of a lane,
// audit lines that the ledger has not stored yet, the clock's alarm.
void spool_tx_note(struct spool_tx *tx, struct view key, struct view value);

// Hands in and waits until durable, also where the fiber is canceled: the answer is always the
// truth. The transaction is freed. What is so already (settled twice, unknown message) is no error.
IO_WAITS enum spool_status spool_commit(struct spool_tx *tx);
// Hands in without waiting; `done` is posted to `mailbox` when it is durable or refused.
struct spool_done {
    struct io_mail mail;
    enum spool_status status;
    void *arg;
};
void spool_submit(struct spool_tx *tx, struct io_mailbox *mailbox, struct spool_done *done);

// --- Reading -------------------------------------------------------------------------------------
// `entry` and what it points to come from `arena`.
IO_WAITS enum spool_status spool_lookup(struct spool *spool, struct spool_id id,
                                        struct arena *arena, struct spool_entry *entry);
void spool_notes_each(struct spool *spool,
                      void (*visit)(struct view key, struct view value, void *arg), void *arg);

struct spool_health {
    bool accepts; // new mail
    bool settles; // settlements are durable: deliveries may start
    bool is_low;  // under warn_free_percent
    uint64_t bytes_total, bytes_free;
    uint64_t messages, segments, log_bytes, live_bytes;
    uint64_t syncs, commits, batches, bytes_written;
    uint64_t memory_bytes; // bodies resident now
    char reason[160];      // why accepts or settles is false
};
struct spool_health spool_health(struct spool *spool); // from any loop

#endif
