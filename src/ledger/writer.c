// SPDX-License-Identifier: Apache-2.0
// The writer: callbacks on a loop thread of its own, so that SQLite may block there and has a whole
// thread's stack. What it takes from the queue stays with it until a commit holds it; after a
// failure it tries again, while the callers fold.
#include "ledger/ledger_internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// Audit lines outlive attempts: a year at least.
#define AUDIT_RETENTION_MS ((int64_t)365 * 24 * 3600 * 1000)

static void set_health(struct ledger *ledger, bool is_healthy, const char *reason) {
    pthread_mutex_lock(&ledger->lock);
    bool was_healthy = ledger->counts.is_healthy;
    ledger->counts.is_healthy = is_healthy;
    snprintf(ledger->counts.reason, sizeof(ledger->counts.reason), "%s", reason);
    pthread_mutex_unlock(&ledger->lock);
    if (was_healthy && !is_healthy)
        log_warning("ledger", "history is not written, mail goes on: %s", reason);
    else if (!was_healthy && is_healthy)
        log_info("ledger", "history is written again");
}

// --- Opening, setting aside ---------------------------------------------------------------------

static enum ledger_status open_store(struct ledger *ledger) {
    pthread_mutex_lock(&ledger->index_lock);
    ledger_postings_finish(&ledger->postings);
    enum ledger_status status =
        ledger_store_open(&ledger->store, ledger->path, ledger->part_entries, &ledger->postings);
    pthread_mutex_unlock(&ledger->index_lock);
    return status;
}

static bool is_useless(enum ledger_status status) {
    return status == LEDGER_STATUS_DAMAGED || status == LEDGER_STATUS_FOREIGN;
}

// Queries wait here for as long as the files are exchanged.
static enum ledger_status begin_anew(struct ledger *ledger) {
    char name[64], why[sizeof(ledger->store.reason)];
    int64_t now_ms = io_wall_ms();
    memcpy(why, ledger->store.reason, sizeof(why));
    pthread_mutex_lock(&ledger->read_lock);
    ledger_reader_close(&ledger->reader);
    ledger_store_close(&ledger->store);
    bool moved = ledger_store_set_aside(ledger->path, now_ms, name);
    enum ledger_status status = open_store(ledger);
    atomic_store(&ledger->is_damaged, false);
    pthread_mutex_unlock(&ledger->read_lock);
    if (moved)
        log_error("ledger", "%s cannot be used (%s): it was renamed to %s and history begins anew",
                  ledger->path, why, name);
    if (status == LEDGER_STATUS_OK)
        status = ledger_store_hole(&ledger->store, now_ms);
    return status;
}

enum ledger_status ledger_writer_open(struct ledger *ledger) {
    enum ledger_status status = open_store(ledger);
    if (is_useless(status))
        status = begin_anew(ledger);
    if (status == LEDGER_STATUS_OK)
        set_health(ledger, true, "");
    else
        set_health(ledger, false, ledger->store.reason);
    return status;
}

// --- Writing -------------------------------------------------------------------------------------

static void take_queue(struct ledger *ledger) {
    struct ledger_queue *queue = &ledger->queue, *writing = &ledger->writing;
    pthread_mutex_lock(&ledger->lock);
    *writing->last = queue->first;
    if (queue->first)
        writing->last = queue->last;
    *writing->last_audit = queue->first_audit;
    if (queue->first_audit)
        writing->last_audit = queue->last_audit;
    ledger_queue_init(queue);
    if (ledger->writing_folds.n_folds == 0)
        ledger_folds_take(&ledger->folds, &ledger->writing_folds);
    ledger->wake = LEDGER_WAKE_NONE;
    pthread_mutex_unlock(&ledger->lock);
}

// One transaction: some attempts, all audit lines, all counters, and a step of forgetting.
struct batch {
    struct ledger_record *end; // the first that is not in it
    uint64_t n_records, n_bytes;
    uint64_t n_refused;
    bool seals;
};

static enum ledger_status put_attempts(struct ledger *ledger, struct batch *batch) {
    enum ledger_status status = LEDGER_STATUS_OK;
    struct ledger_record *record = ledger->writing.first;
    while (record && batch->n_records < LEDGER_TRANSACTION_RECORDS) {
        status = ledger_store_attempt(&ledger->store, record);
        batch->n_refused += status == LEDGER_STATUS_REFUSED;
        if (status != LEDGER_STATUS_OK && status != LEDGER_STATUS_REFUSED)
            return status;
        batch->n_records++;
        batch->n_bytes += record->size;
        record = record->next;
    }
    batch->end = record;
    return LEDGER_STATUS_OK;
}

static enum ledger_status put_small(struct ledger *ledger) {
    enum ledger_status status = LEDGER_STATUS_OK;
    struct ledger_audit_record *audit = ledger->writing.first_audit;
    for (; audit && status == LEDGER_STATUS_OK; audit = audit->next) {
        status = ledger_store_audit(&ledger->store, &audit->audit);
        if (status == LEDGER_STATUS_REFUSED)
            status = LEDGER_STATUS_OK; // stored before, or impossible for ever
    }
    LIST_FOR_EACH (link, &ledger->writing_folds.all) {
        const struct ledger_fold *fold = CONTAINER_OF(link, struct ledger_fold, link);
        if (status == LEDGER_STATUS_OK)
            status = ledger_store_fold(&ledger->store, fold);
    }
    return status;
}

// A full partition is sorted as a copy: queries go on reading the original until the commit.
static enum ledger_status seal(struct ledger *ledger, struct batch *batch) {
    if (!ledger_postings_is_full(&ledger->postings))
        return LEDGER_STATUS_OK;
    struct ledger_postings sorted = ledger->postings;
    sorted.entries = mem_alloc(sorted.n_entries * sizeof(*sorted.entries));
    memcpy(sorted.entries, ledger->postings.entries, sorted.n_entries * sizeof(*sorted.entries));
    ledger_postings_sort(&sorted);
    enum ledger_status status = ledger_store_part(&ledger->store, &sorted);
    free(sorted.entries);
    batch->seals = status == LEDGER_STATUS_OK;
    return status;
}

static enum ledger_status forget(struct ledger *ledger, const struct batch *batch) {
    int64_t now_ms = io_wall_ms();
    struct ledger_limits limits = {
        .keep_from_ms = now_ms - ledger->retention_ms,
        .size_bytes_max = ledger->size_bytes_max,
        .n_rows_max = int64_max(200, 2 * (int64_t)batch->n_records),
    };
    if (io_now() < ledger->tidy_at)
        return ledger_store_forget(&ledger->store, &limits);
    ledger->tidy_at = io_after(LEDGER_TIDY_MS);
    int64_t audits_from_ms = now_ms - int64_max(ledger->retention_ms, AUDIT_RETENTION_MS);
    enum ledger_status status =
        ledger_store_forget_small(&ledger->store, limits.keep_from_ms, audits_from_ms);
    return status == LEDGER_STATUS_OK ? ledger_store_forget(&ledger->store, &limits) : status;
}

static enum ledger_status write_batch(struct ledger *ledger, struct batch *batch) {
    struct ledger_store *store = &ledger->store;
    int64_t last_id = store->last_id, last_part = store->last_part;
    enum ledger_status status = ledger_store_begin(store, ledger->writing.first_audit != NULL);
    if (status == LEDGER_STATUS_OK)
        status = seal(ledger, batch);
    if (batch->seals)
        store->last_part++;
    if (status == LEDGER_STATUS_OK)
        status = put_attempts(ledger, batch);
    if (status == LEDGER_STATUS_OK)
        status = put_small(ledger);
    if (status == LEDGER_STATUS_OK)
        status = forget(ledger, batch);
    if (status == LEDGER_STATUS_OK)
        status = ledger_store_commit(store);
    if (status != LEDGER_STATUS_OK) {
        ledger_store_rollback(store);
        store->last_id = last_id;
        store->last_part = last_part;
    }
    return status;
}

// --- After the commit ----------------------------------------------------------------------------

static void index_batch(struct ledger *ledger, const struct batch *batch) {
    pthread_mutex_lock(&ledger->index_lock);
    if (batch->seals)
        ledger_postings_clear(&ledger->postings);
    for (struct ledger_record *record = ledger->writing.first; record != batch->end;
         record = record->next)
        if (record->id) // a refused one has none
            ledger_postings_add(&ledger->postings, record);
    pthread_mutex_unlock(&ledger->index_lock);
}

static uint64_t release_audits(struct ledger *ledger) {
    struct ledger_queue *writing = &ledger->writing;
    uint64_t n_bytes = 0;
    while (writing->first_audit) {
        struct ledger_audit_record *audit = writing->first_audit;
        writing->first_audit = audit->next;
        n_bytes += audit->size;
        if (audit->mailbox)
            io_mailbox_post(audit->mailbox, audit->stored);
        free(audit);
    }
    writing->last_audit = &writing->first_audit;
    return n_bytes;
}

static void release_batch(struct ledger *ledger, struct batch *batch) {
    struct ledger_queue *writing = &ledger->writing;
    while (writing->first != batch->end) {
        struct ledger_record *record = writing->first;
        writing->first = record->next;
        free(record);
    }
    if (!writing->first)
        writing->last = &writing->first;
    batch->n_bytes += release_audits(ledger);
    ledger_folds_finish(&ledger->writing_folds);
    atomic_fetch_add(&ledger->n_written, batch->n_records);
    atomic_fetch_sub(&ledger->queued_bytes, batch->n_bytes);
    pthread_mutex_lock(&ledger->lock);
    ledger->counts.stored += batch->n_records - batch->n_refused;
    ledger->counts.dropped += batch->n_refused;
    pthread_mutex_unlock(&ledger->lock);
}

static void note_file_size(struct ledger *ledger) {
    char wal[4096];
    struct stat of_file = {0}, of_wal = {0};
    snprintf(wal, sizeof(wal), "%s-wal", ledger->path);
    stat(ledger->path, &of_file);
    stat(wal, &of_wal);
    pthread_mutex_lock(&ledger->lock);
    ledger->counts.file_bytes = (uint64_t)of_file.st_size + (uint64_t)of_wal.st_size;
    pthread_mutex_unlock(&ledger->lock);
}

// --- Rounds --------------------------------------------------------------------------------------

static void go_unhealthy(struct ledger *ledger, enum ledger_status status) {
    set_health(ledger, false,
               status == LEDGER_STATUS_FULL ? "no room on the disk" : ledger->store.reason);
    if (status == LEDGER_STATUS_FULL && ledger->store.db)
        ledger_store_checkpoint(&ledger->store);
    ledger->retry_ms = ledger->retry_ms == 0 ? LEDGER_RETRY_MS_MIN
                                             : int64_min(ledger->retry_ms * 2, LEDGER_RETRY_MS_MAX);
}

static enum ledger_status check_store(struct ledger *ledger) {
    if (!ledger->store.db)
        return ledger_writer_open(ledger);
    if (!atomic_load(&ledger->is_damaged))
        return LEDGER_STATUS_OK;
    snprintf(ledger->store.reason, sizeof(ledger->store.reason), "a query found it damaged");
    return LEDGER_STATUS_DAMAGED;
}

static enum ledger_status write_some(struct ledger *ledger) {
    struct batch batch = {0};
    enum ledger_status status = check_store(ledger);
    if (status == LEDGER_STATUS_OK)
        status = write_batch(ledger, &batch);
    if (status == LEDGER_STATUS_OK) {
        index_batch(ledger, &batch);
        release_batch(ledger, &batch);
    }
    return status;
}

// A file that fails is set aside once in a round; one that fails again waits for the next.
static bool write_all(struct ledger *ledger) {
    bool is_anew = false;
    take_queue(ledger);
    do {
        enum ledger_status status = write_some(ledger);
        if (is_useless(status) && !is_anew) {
            is_anew = true;
            status = begin_anew(ledger);
        }
        if (status != LEDGER_STATUS_OK) {
            go_unhealthy(ledger, status);
            return false;
        }
    } while (ledger->writing.first || ledger->writing.first_audit);
    return true;
}

static void fire(void *arg) {
    ledger_writer_write(arg);
}

void ledger_writer_write(void *arg) {
    struct ledger *ledger = arg;
    if (!ledger->timer.fire)
        io_timer_init(&ledger->timer, fire, ledger);
    if (ledger->is_finished || (ledger->retry_ms && heap_contains(&ledger->timer.node)))
        return; // the retry's time has not come
    bool tidies = io_now() >= ledger->tidy_at;
    if (!write_all(ledger)) {
        io_timer_set(&ledger->timer, io_after(ledger->retry_ms));
        return;
    }
    if (ledger->retry_ms)
        set_health(ledger, true, "");
    ledger->retry_ms = 0;
    bool has_more = ledger->store.has_more_to_forget;
    if (!has_more)
        has_more = ledger_store_shrink(&ledger->store);
    if (tidies)
        note_file_size(ledger);
    // Forgetting goes on while nothing comes, in small steps.
    io_timer_set(&ledger->timer, io_after(has_more ? LEDGER_BATCH_MS : LEDGER_IDLE_MS));
}

void ledger_writer_wake(void *arg) {
    struct ledger *ledger = arg;
    if (!ledger->timer.fire)
        io_timer_init(&ledger->timer, fire, ledger);
    if (!ledger->is_finished && !ledger->retry_ms)
        io_timer_set(&ledger->timer, io_after(LEDGER_BATCH_MS));
}

void ledger_writer_finish(void *arg) {
    struct ledger *ledger = arg;
    if (ledger->timer.fire)
        io_timer_stop(&ledger->timer);
    write_all(ledger);
    ledger_store_close(&ledger->store);
    pthread_mutex_lock(&ledger->lock);
    ledger->is_finished = true;
    pthread_cond_signal(&ledger->finished);
    pthread_mutex_unlock(&ledger->lock);
}
