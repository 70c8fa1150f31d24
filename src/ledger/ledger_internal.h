// SPDX-License-Identifier: Apache-2.0
// The ledger's state and who owns what: callers share the queue under `lock`; the store belongs to
// the writer's loop; the reader's connection is under `read_lock`; the partition being filled is
// written by the writer and read by queries under `index_lock`. Locks are held for a short copy,
// never across a wait, and never two at once except read_lock before index_lock. Private to the
// folder.
#ifndef LEDGER_LEDGER_INTERNAL_H
#define LEDGER_LEDGER_INTERNAL_H

#include "ledger/store.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    LEDGER_BATCH_MS = 100,          // the first of a batch waits this long for others
    LEDGER_BATCH_BYTES = 256 << 10, // or until this much waits
    LEDGER_TRANSACTION_RECORDS = 1000,
    LEDGER_RETRY_MS_MIN = 1000,
    LEDGER_RETRY_MS_MAX = 60000,
    LEDGER_TIDY_MS = 1000, // between looks at counters, audit lines and free pages
    LEDGER_IDLE_MS = 60000
};

struct ledger_queue {
    struct ledger_record *first, **last;
    struct ledger_audit_record *first_audit, **last_audit;
};
void ledger_queue_init(struct ledger_queue *queue);
void ledger_queue_free(struct ledger_queue *queue);

// The reader's connection, opened at the first query.
struct ledger_reader {
    sqlite3 *db;
    sqlite3_stmt *by_id, *walk, *parts, *chunk, *folded, *hole, *audits;
};

enum ledger_wake { LEDGER_WAKE_NONE, LEDGER_WAKE_TIMED, LEDGER_WAKE_NOW };

struct ledger {
    bool is_memory;
    char *path; // of the file
    int64_t retention_ms;
    uint64_t size_bytes_max;
    uint64_t queue_bytes_max;
    size_t part_entries;

    pthread_mutex_t lock;
    struct ledger_queue queue;
    struct ledger_folds folds;
    struct ledger_counts counts; // queued_bytes stands in the atomic
    enum ledger_wake wake;
    bool is_finished;
    pthread_cond_t finished;
    atomic_uint_fast64_t queued_bytes;
    atomic_uint_fast64_t n_taken_in, n_written; // attempts: what a query waits for
    atomic_bool is_damaged;                     // a reader saw it

    // The writer's.
    struct io_loop *loop;
    struct io_timer timer;
    struct ledger_store store;
    struct ledger_queue writing; // taken from the queue, not committed yet
    struct ledger_folds writing_folds;
    int64_t retry_ms; // zero: the last write went well
    io_time tidy_at;

    pthread_mutex_t index_lock;
    struct ledger_postings postings;
    pthread_mutex_t read_lock;
    struct ledger_reader reader;

    // Of a ledger in memory: newest last.
    struct ledger_queue kept;
    uint64_t kept_bytes;
    int64_t last_id;
};

// The writer, on its loop.
void ledger_writer_wake(void *ledger);   // arms the timer of a batch
void ledger_writer_write(void *ledger);  // writes what waits
void ledger_writer_finish(void *ledger); // the same, closes the file and says so
enum ledger_status ledger_writer_open(struct ledger *ledger);

void ledger_reader_close(struct ledger_reader *reader);

// A ledger in memory.
void ledger_memory_attempt(struct ledger *ledger, struct ledger_record *record);
void ledger_memory_audit(struct ledger *ledger, struct ledger_audit_record *audit);
bool ledger_audit_matches(const struct ledger_audit *audit, const struct ledger_query *query);

#endif
