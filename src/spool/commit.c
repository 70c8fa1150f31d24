// SPDX-License-Identifier: Apache-2.0
#include "spool/commit.h"

#include "base/log.h"

#include <stdlib.h>

struct spool_log *spool_log_create(struct spool *spool) {
    struct spool_log *log = mem_alloc_zero(sizeof(*log));
    log->spool = spool;
    log->queue_end = &log->queue;
    log->taken_end = &log->taken;
    log->woken_end = &log->woken;
    spool_draft_init(&log->draft, spool);
    return log;
}

void spool_log_destroy(struct spool_log *log) {
    if (!log)
        return;
    ASSERT(!log->queue && !log->taken);
    spool_file_unref(log->make.file);
    spool_draft_finish(&log->draft);
    free(log);
}

// --- The queue -----------------------------------------------------------------------------------
static void push(struct spool_work ***end, struct spool_work *work) {
    work->next = NULL;
    **end = work;
    *end = &work->next;
}

static struct spool_work *pop(struct spool_work **first, struct spool_work ***end) {
    struct spool_work *work = *first;
    *first = work->next;
    if (!*first)
        *end = first;
    return work;
}

static void run_call(struct spool_log *log, struct spool_call *call) {
    struct spool_waiter *waiter = call->waiter;
    call->run(log->spool, call->arg); // may free the call
    if (waiter)
        spool_waiter_wake(waiter);
}

void spool_log_take(struct spool_log *log, io_time deadline) {
    struct io_mail *chain = io_mailbox_take_all(log->spool->inbox, deadline);
    while (chain) {
        struct spool_work *work = CONTAINER_OF(chain, struct spool_work, mail);
        chain = chain->next;
        if (work->kind == SPOOL_WORK_CALL)
            run_call(log, CONTAINER_OF(work, struct spool_call, work));
        else
            push(&log->queue_end, work);
    }
}

// --- Answers -------------------------------------------------------------------------------------
static void wake_later(struct spool_log *log, struct spool_waiter *waiter) {
    waiter->next = NULL;
    *log->woken_end = waiter;
    log->woken_end = &waiter->next;
}

static void answer_tx(struct spool_log *log, struct spool_tx *tx, enum spool_status status) {
    tx->status = status;
    if (tx->waiter) {
        wake_later(log, tx->waiter);
        return;
    }
    struct spool_done *done = tx->done;
    struct io_mailbox *mailbox = tx->mailbox;
    spool_tx_destroy(tx);
    done->status = status;
    io_mailbox_post(mailbox, &done->mail);
}

static void answer(struct spool_log *log, struct spool_work *work, enum spool_status status) {
    if (work->kind == SPOOL_WORK_TX) {
        answer_tx(log, CONTAINER_OF(work, struct spool_tx, work), status);
        return;
    }
    struct spool_chunk *chunk = CONTAINER_OF(work, struct spool_chunk, work);
    chunk->status = status;
    wake_later(log, chunk->waiter);
}

static void answer_taken(struct spool_log *log, enum spool_status status) {
    while (log->taken)
        answer(log, pop(&log->taken, &log->taken_end), status);
}

// --- What may be written -------------------------------------------------------------------------
static uint64_t bytes_max(struct spool_work *work) {
    if (work->kind == SPOOL_WORK_TX)
        return spool_tx_bytes_max(CONTAINER_OF(work, struct spool_tx, work));
    const struct spool_chunk *chunk = CONTAINER_OF(work, struct spool_chunk, work);
    return chunk->bytes + SPOOL_FRAME_BYTES + SPOOL_RECORD_BYTES + 8 * chunk->n_parts +
           SPOOL_UNIT_BYTES;
}

static bool is_new_mail(struct spool_work *work) {
    if (work->kind == SPOOL_WORK_CHUNK)
        return !CONTAINER_OF(work, struct spool_chunk, work)->is_ours;
    return CONTAINER_OF(work, struct spool_tx, work)->has_new_mail;
}

static enum spool_status admit(const struct spool_log *log, struct spool_work *work) {
    enum { TX_BYTES_MAX = 1 << 30 };
    if (log->is_lost || (log->has_failed && is_new_mail(work)))
        return SPOOL_FAILED;
    if (!log->current || (log->is_full && is_new_mail(work)))
        return SPOOL_FULL;
    if (bytes_max(work) > TX_BYTES_MAX)
        return SPOOL_TOO_BIG;
    if (work->kind == SPOOL_WORK_TX && CONTAINER_OF(work, struct spool_tx, work)->bytes.overflow)
        return SPOOL_TOO_BIG;
    return SPOOL_OK;
}

static void draft_add(struct spool_log *log, struct spool_work *work) {
    push(&log->taken_end, work);
    if (work->kind == SPOOL_WORK_TX)
        spool_draft_add_tx(&log->draft, CONTAINER_OF(work, struct spool_tx, work));
    else
        spool_draft_add_chunk(&log->draft, CONTAINER_OF(work, struct spool_chunk, work));
}

static bool fits_batch(const struct spool_log *log, uint64_t bytes) {
    const struct spool_draft *draft = &log->draft;
    return draft->n_frames == 0 || (draft->n_frames < SPOOL_BATCH_FRAMES_MAX &&
                                    draft->length + bytes <= SPOOL_BATCH_BYTES_MAX);
}

// One that is larger than a segment gets a segment of its own.
static bool fits_segment(const struct spool_log *log, uint64_t bytes) {
    uint64_t used = log->current->end + log->draft.length;
    bool is_fresh = log->current->end == SPOOL_DATA_AT && log->draft.n_frames == 0;
    return is_fresh || used + bytes <= log->spool->options.segment_bytes;
}

// Moves what fits from the queue into the draft. False: the segment is full.
static bool gather(struct spool_log *log) {
    while (log->queue) {
        enum spool_status status = admit(log, log->queue);
        if (status != SPOOL_OK) {
            answer(log, pop(&log->queue, &log->queue_end), status);
            continue;
        }
        uint64_t bytes = bytes_max(log->queue);
        if (!fits_batch(log, bytes))
            return true;
        if (!fits_segment(log, bytes))
            return false;
        draft_add(log, pop(&log->queue, &log->queue_end));
    }
    return true;
}

// --- One batch -----------------------------------------------------------------------------------
static struct io_result write_batch(struct spool_log *log, bool *is_written) {
    struct spool_segment *segment = log->current;
    struct iovec *vectors;
    int n_vectors = spool_draft_vectors(&log->draft, &vectors);
    struct io_result result = io_file_writev(segment->file->file, vectors, n_vectors, segment->end);
    *is_written = io_is_ok(result);
    return *is_written ? io_file_sync(segment->file->file) : result;
}

static void batch_is_durable(struct spool_log *log) {
    struct spool_health *health = &log->spool->health;
    pthread_mutex_lock(&log->spool->health_lock);
    health->syncs++;
    health->batches++;
    health->bytes_written += log->draft.length;
    for (struct spool_work *work = log->taken; work; work = work->next)
        health->commits += work->kind == SPOOL_WORK_TX;
    pthread_mutex_unlock(&log->spool->health_lock);
    log->sequence = log->draft.sequence;
    spool_draft_settle(&log->draft);
    spool_log_publish(log); // who is told finds it so
    answer_taken(log, SPOOL_OK);
}

static void batch_failed(struct spool_log *log, struct io_result result) {
    spool_draft_take_back(&log->draft);
    log->has_failed = true;
    spool_log_publish(log);
    answer_taken(log, SPOOL_FAILED);
    spool_failures_add(&log->failures, log->current->file->number, log->draft.sequence);
    log->sequence = log->draft.sequence; // I6: its number is used up
    spool_log_fail(log, log->current, result);
}

// The segment ends before this batch, durably so: its number goes to another one. What may be
// written to the reserve is tried there.
static void batch_found_no_space(struct spool_log *log) {
    struct spool_segment *segment = log->current;
    struct io_result result = io_file_truncate(segment->file->file, segment->end);
    if (io_is_ok(result))
        result = io_file_sync(segment->file->file);
    if (!io_is_ok(result)) {
        batch_failed(log, result);
        return;
    }
    if (!log->is_full)
        log_warning("spool", "the disk is full: new mail gets 452, settlements use the reserve");
    spool_draft_take_back(&log->draft);
    log->is_full = true;
    spool_log_close_current(log);
    // Back to the head of the queue; the draft had at least one frame.
    *log->taken_end = log->queue;
    if (!log->queue)
        log->queue_end = log->taken_end;
    log->queue = log->taken;
    log->taken = NULL;
    log->taken_end = &log->taken;
    spool_log_roll(log);
}

static void finish_batch(struct spool_log *log) {
    if (log->draft.n_frames == 0) {
        ASSERT(log->draft.changes.n == 0);
        answer_taken(log, SPOOL_OK);
        return;
    }
    bool is_written = false;
    struct io_result result = write_batch(log, &is_written);
    if (io_is_ok(result))
        batch_is_durable(log);
    else if (!is_written && spool_is_out_of_space(result))
        batch_found_no_space(log);
    else
        batch_failed(log, result);
}

static void wake_answered(struct spool_log *log) {
    spool_waiters_wake(log->woken);
    log->woken = NULL;
    log->woken_end = &log->woken;
}

static void run_batch(struct spool_log *log) {
    bool has_room = true;
    if (!log->current && log->is_due)
        spool_log_roll(log);
    if (log->current) {
        spool_draft_begin(&log->draft, log->current, log->sequence + 1);
        has_room = gather(log);
        finish_batch(log);
    } else {
        gather(log);
    }
    wake_answered(log);
    if (!has_room && log->current) {
        spool_log_close_current(log);
        spool_log_roll(log);
    }
    spool_log_doom(log);
    spool_log_publish(log);
}

void spool_log_main(void *arg) {
    struct spool_log *log = arg;
    while (!log->is_stopping || log->queue) {
        spool_log_take(log, log->queue ? 0 : IO_NEVER);
        if (log->queue)
            run_batch(log);
        else if (io_is_canceled())
            return;
    }
    if (log->stopped)
        spool_waiter_wake(log->stopped);
}
