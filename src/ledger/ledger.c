// SPDX-License-Identifier: Apache-2.0
// The callers' side: what happens goes into a queue, in its stored form, and the writer's loop is
// woken once a batch. When the queue grows because the disk cannot follow, detail is given up in
// this order: successes become counters, then lane failures that repeat, then whatever comes.
#include "ledger/ledger_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    AUDIT_BYTES_MAX = 64 << 10,
    PART_ENTRIES_MIN = 128 << 10,
    PART_ENTRIES_MAX = 4 << 20,
    BYTES_PER_PART_ENTRY = 16 << 10 // of the file's maximum: bounds the number of partitions
};

// --- Queue ---------------------------------------------------------------------------------------

void ledger_queue_init(struct ledger_queue *queue) {
    queue->first = NULL;
    queue->last = &queue->first;
    queue->first_audit = NULL;
    queue->last_audit = &queue->first_audit;
}

void ledger_queue_free(struct ledger_queue *queue) {
    while (queue->first) {
        struct ledger_record *record = queue->first;
        queue->first = record->next;
        free(record);
    }
    while (queue->first_audit) {
        struct ledger_audit_record *audit = queue->first_audit;
        queue->first_audit = audit->next;
        free(audit);
    }
    ledger_queue_init(queue);
}

// --- Life ----------------------------------------------------------------------------------------

static struct ledger *create(void) {
    struct ledger *ledger = mem_alloc_zero(sizeof(*ledger));
    ASSERT(pthread_mutex_init(&ledger->lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&ledger->index_lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&ledger->read_lock, NULL) == 0);
    ASSERT(pthread_cond_init(&ledger->finished, NULL) == 0);
    ledger_queue_init(&ledger->queue);
    ledger_queue_init(&ledger->writing);
    ledger_queue_init(&ledger->kept);
    ledger_folds_init(&ledger->folds);
    ledger_folds_init(&ledger->writing_folds);
    ledger->counts.is_healthy = true;
    ledger->queue_bytes_max = 16 << 20;
    return ledger;
}

static void destroy(struct ledger *ledger) {
    ledger_reader_close(&ledger->reader);
    ledger_postings_finish(&ledger->postings);
    ledger_folds_finish(&ledger->folds);
    ledger_folds_finish(&ledger->writing_folds);
    ledger_queue_free(&ledger->queue);
    ledger_queue_free(&ledger->writing);
    ledger_queue_free(&ledger->kept);
    pthread_cond_destroy(&ledger->finished);
    pthread_mutex_destroy(&ledger->read_lock);
    pthread_mutex_destroy(&ledger->index_lock);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger->path);
    free(ledger);
}

struct ledger *ledger_open_memory(void) {
    struct ledger *ledger = create();
    ledger->is_memory = true;
    return ledger;
}

static char *file_in(const char *directory) {
    static const char name[] = "/ledger.sqlite";
    size_t size = strlen(directory) + sizeof(name);
    char *path = mem_alloc(size);
    snprintf(path, size, "%s%s", directory, name);
    return path;
}

static void set_limits(struct ledger *ledger, const struct ledger_options *options) {
    ledger->retention_ms =
        options->retention_ms ? options->retention_ms : (int64_t)30 * 24 * 3600 * 1000;
    ledger->size_bytes_max = options->size_bytes_max ? options->size_bytes_max : 2ULL << 30;
    if (options->queue_bytes_max)
        ledger->queue_bytes_max = options->queue_bytes_max;
    uint64_t entries = ledger->size_bytes_max / BYTES_PER_PART_ENTRY;
    ledger->part_entries = entries < PART_ENTRIES_MIN   ? PART_ENTRIES_MIN
                           : entries > PART_ENTRIES_MAX ? PART_ENTRIES_MAX
                                                        : (size_t)entries;
}

// A file that cannot be used is no reason to fail: the writer sets it aside or tries again. A
// directory that cannot be is a mistake of the configuration.
struct ledger *ledger_open(const struct ledger_options *options, struct error *error) {
    if (mkdir(options->path, 0700) != 0 && errno != EEXIST) {
        error_set_errno(error, errno, "cannot make the ledger's directory %s", options->path);
        return NULL;
    }
    struct ledger *ledger = create();
    ledger->path = file_in(options->path);
    set_limits(ledger, options);
    ledger_writer_open(ledger);
    struct io_loop_options loop = {.name = "ledger", .is_disk_inline = true};
    ledger->loop = io_loop_start_thread(&loop, error);
    if (!ledger->loop) {
        ledger_store_close(&ledger->store);
        destroy(ledger);
        return NULL;
    }
    io_loop_post(ledger->loop, ledger_writer_wake, ledger); // age and size from the start
    return ledger;
}

void ledger_close(struct ledger *ledger) {
    if (!ledger)
        return;
    if (!ledger->is_memory) {
        io_loop_post(ledger->loop, ledger_writer_finish, ledger);
        pthread_mutex_lock(&ledger->lock);
        while (!ledger->is_finished)
            pthread_cond_wait(&ledger->finished, &ledger->lock);
        pthread_mutex_unlock(&ledger->lock);
        io_loop_join_thread(ledger->loop);
    }
    destroy(ledger);
}

// --- Attempts ------------------------------------------------------------------------------------

enum fold_level { FOLD_NOTHING, FOLD_SUCCESSES, FOLD_REPEATS, FOLD_ALL };

static enum fold_level fold_level(struct ledger *ledger) {
    uint64_t queued = atomic_load_explicit(&ledger->queued_bytes, memory_order_relaxed);
    if (queued < ledger->queue_bytes_max / 2)
        return FOLD_NOTHING;
    if (queued < ledger->queue_bytes_max / 4 * 3)
        return FOLD_SUCCESSES;
    return queued < ledger->queue_bytes_max ? FOLD_REPEATS : FOLD_ALL;
}

struct tally {
    uint64_t successes, failures; // recipients, and the lane itself where it failed
    bool lane_failed;
};

static struct tally tally_of(const struct attempt *attempt) {
    struct tally tally = {.lane_failed = ledger_fact_failed(&attempt->fact)};
    for (size_t i = 0; i < attempt->n_results; i++) {
        bool failed = ledger_fact_failed(&attempt->results[i].fact);
        tally.failures += failed;
        tally.successes += !failed;
    }
    tally.successes += attempt->n_folded;
    return tally;
}

static void count_fold(struct ledger *ledger, const struct attempt *attempt,
                       const struct ledger_fold *numbers) {
    struct ledger_fold fold = *numbers;
    fold.minute_ms = attempt->at_ms - attempt->at_ms % 60000;
    fold.connector = attempt->connector;
    fold.site = attempt->site;
    pthread_mutex_lock(&ledger->lock);
    ledger_folds_count(&ledger->folds, &fold);
    ledger->counts.folded_successes += fold.successes;
    ledger->counts.folded_failures += fold.failures;
    ledger->counts.dropped += fold.dropped;
    pthread_mutex_unlock(&ledger->lock);
}

// The same lane failing in the same way within the same minute.
static bool is_repeat(struct ledger *ledger, const struct attempt *attempt) {
    const struct fact *fact = &attempt->fact;
    uint64_t hash = view_hash(attempt->connector) ^ hash_u64(view_hash(attempt->site));
    hash = hash_u64(hash ^ (uint64_t)(attempt->at_ms / 60000));
    hash = hash_u64(
        hash ^ ((uint64_t)fact->stage << 32 | (uint64_t)fact->kind << 16 | (uint16_t)fact->detail));
    hash = hash_u64(
        hash ^ ((uint64_t)(unsigned)fact->sys_errno << 32 | (uint64_t)(unsigned)fact->reply_code));
    pthread_mutex_lock(&ledger->lock);
    bool repeat = ledger_folds_is_repeat(&ledger->folds, hash);
    pthread_mutex_unlock(&ledger->lock);
    return repeat;
}

// True when nothing of the attempt is left to keep.
static bool fold_attempt(struct ledger *ledger, const struct attempt *attempt,
                         enum fold_level level) {
    struct tally tally = tally_of(attempt);
    if (tally.failures == 0 && !tally.lane_failed) {
        count_fold(ledger, attempt, &(struct ledger_fold){.successes = tally.successes});
        return true;
    }
    if (level >= FOLD_REPEATS && tally.failures == 0 && is_repeat(ledger, attempt)) {
        count_fold(ledger, attempt,
                   &(struct ledger_fold){.successes = tally.successes, .failures = 1});
        return true;
    }
    if (level == FOLD_ALL) {
        uint64_t dropped = tally.failures + tally.lane_failed;
        count_fold(ledger, attempt,
                   &(struct ledger_fold){.successes = tally.successes, .dropped = dropped});
        return true;
    }
    if (tally.successes)
        count_fold(ledger, attempt, &(struct ledger_fold){.successes = tally.successes});
    return false;
}

// Wakes the writer's loop at most twice a batch: for its first item, and when it is large enough.
static void wake_writer(struct ledger *ledger, enum ledger_wake wanted) {
    if (wanted == LEDGER_WAKE_NOW)
        io_loop_post(ledger->loop, ledger_writer_write, ledger);
    else if (wanted == LEDGER_WAKE_TIMED)
        io_loop_post(ledger->loop, ledger_writer_wake, ledger);
}

// Under the lock: what the writer has to be told.
static enum ledger_wake wake_for(struct ledger *ledger, uint64_t queued_bytes) {
    enum ledger_wake wanted =
        queued_bytes >= LEDGER_BATCH_BYTES ? LEDGER_WAKE_NOW : LEDGER_WAKE_TIMED;
    if (wanted <= ledger->wake)
        return LEDGER_WAKE_NONE;
    ledger->wake = wanted;
    return wanted;
}

static void enqueue(struct ledger *ledger, struct ledger_record *record) {
    pthread_mutex_lock(&ledger->lock);
    *ledger->queue.last = record;
    ledger->queue.last = &record->next;
    uint64_t queued = atomic_fetch_add(&ledger->queued_bytes, record->size) + record->size;
    atomic_fetch_add(&ledger->n_taken_in, 1);
    enum ledger_wake wanted = wake_for(ledger, queued);
    pthread_mutex_unlock(&ledger->lock);
    wake_writer(ledger, wanted);
}

void ledger_attempt(struct ledger *ledger, const struct attempt *attempt) {
    ASSERT(attempt->n_results == 0 || attempt->results != NULL);
    enum fold_level level = ledger->is_memory ? FOLD_NOTHING : fold_level(ledger);
    if (level != FOLD_NOTHING && fold_attempt(ledger, attempt, level))
        return;
    struct ledger_record *record = ledger_record_create(attempt, level == FOLD_NOTHING);
    if (record->n_dropped)
        count_fold(ledger, attempt, &(struct ledger_fold){.dropped = record->n_dropped});
    if (ledger->is_memory)
        ledger_memory_attempt(ledger, record);
    else
        enqueue(ledger, record);
}

// --- Audit ---------------------------------------------------------------------------------------

static struct view move(char **at, struct view view) {
    struct view moved = view_from(*at, view.len);
    if (view.len)
        memcpy(*at, view.ptr, view.len);
    *at += view.len;
    return moved;
}

static struct ledger_audit_record *copy_audit(const struct ledger_audit *audit) {
    struct view detail = audit->detail.len > AUDIT_BYTES_MAX ? VIEW_NONE : audit->detail;
    size_t size = sizeof(struct ledger_audit_record) + audit->key.len + audit->who.len +
                  audit->action.len + audit->target.len + detail.len;
    struct ledger_audit_record *record = mem_alloc_zero(size);
    char *at = (char *)(record + 1);
    record->size = size;
    record->audit = *audit;
    record->audit.key = move(&at, audit->key);
    record->audit.who = move(&at, audit->who);
    record->audit.action = move(&at, audit->action);
    record->audit.target = move(&at, audit->target);
    record->audit.detail = move(&at, detail);
    return record;
}

// Audit lines are few and are never folded: the bound does not hold for them.
void ledger_audit(struct ledger *ledger, const struct ledger_audit *audit,
                  struct io_mailbox *mailbox, struct io_mail *stored) {
    ASSERT(audit->key.len > 0);
    ASSERT((mailbox == NULL) == (stored == NULL));
    struct ledger_audit_record *record = copy_audit(audit);
    record->mailbox = mailbox;
    record->stored = stored;
    if (ledger->is_memory) {
        ledger_memory_audit(ledger, record);
        return;
    }
    pthread_mutex_lock(&ledger->lock);
    *ledger->queue.last_audit = record;
    ledger->queue.last_audit = &record->next;
    uint64_t queued = atomic_fetch_add(&ledger->queued_bytes, record->size) + record->size;
    enum ledger_wake wanted = wake_for(ledger, queued);
    pthread_mutex_unlock(&ledger->lock);
    wake_writer(ledger, wanted);
}

struct ledger_counts ledger_counts(struct ledger *ledger) {
    pthread_mutex_lock(&ledger->lock);
    struct ledger_counts counts = ledger->counts;
    pthread_mutex_unlock(&ledger->lock);
    counts.queued_bytes = atomic_load(&ledger->queued_bytes);
    return counts;
}
