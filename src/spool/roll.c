// SPDX-License-Identifier: Apache-2.0
// From one segment to the next, and what is left when the disk is full or broken.
//   full    the next segment is made of the reserve, for settlements and cleaning only
//   failed  I6: the segment that failed is left alone; one fresh segment is tried, for settlements
//           only; if that fails too, nothing is written until restart
#include "base/log.h"
#include "spool/commit.h"
#include "spool/keeper.h"

#include <errno.h>
#include <stdio.h>

bool spool_is_out_of_space(struct io_result result) {
    return result.status == IO_ERROR && (result.sys_errno == ENOSPC || result.sys_errno == EDQUOT);
}

// What says nothing about the disk, and may be over in a moment.
static bool is_passing(struct io_result result) {
    return spool_is_out_of_space(result) || result.sys_errno == EMFILE ||
           result.sys_errno == ENFILE || result.sys_errno == ENOMEM;
}

void spool_log_close_current(struct spool_log *log) {
    struct spool_segment *segment = log->current;
    ASSERT(segment);
    log->current = NULL;
    segment->closed_at = io_now();
    spool_segment_become(segment, SPOOL_SEGMENT_CLOSED);
    log->spool->segments.has_unpinned = true; // it may be needless already
    spool_keeper_wake(log->spool->keeper);
}

// --- Making --------------------------------------------------------------------------------------
static void ask_for_segment(struct spool_log *log, int reserve) {
    struct spool_make *make = &log->make;
    const struct spool_node *node = &log->spool->node;
    make->new = (struct spool_new_segment){
        .dir = log->spool->dir,
        .header = {.node = node->node,
                   .number = (uint64_t)node->epoch << 32 | ++log->counter,
                   .failures = log->failures}};
    ASSERT(log->counter != 0);
    if (reserve >= 0) {
        snprintf(make->reserve, sizeof(make->reserve), "reserve-%d", reserve);
        make->new.reserve = make->reserve;
        log->has_reserve[reserve] = false;
    }
    spool_make_ask(log->spool, make);
}

static int next_reserve(const struct spool_log *log) {
    for (int i = 0; i < SPOOL_RESERVES; i++)
        if (log->has_reserve[i])
            return i;
    return -1;
}

// Waits for the file that was asked for; NULL with the reason in make.result.
static struct spool_file *take_made(struct spool_log *log) {
    struct spool_make *make = &log->make;
    while (make->state == SPOOL_MAKE_ASKED) {
        spool_log_take(log, IO_NEVER);
        if (io_is_canceled())
            return NULL;
    }
    struct spool_file *file = make->file;
    make->file = NULL;
    make->state = SPOOL_MAKE_IDLE;
    return file;
}

// The file made in advance knows nothing of the failure: it stays empty, for the next start to
// remove.
static void discard_made(struct spool_log *log) {
    if (log->make.state != SPOOL_MAKE_IDLE)
        spool_file_unref(take_made(log));
}

static struct spool_file *obtain_file(struct spool_log *log) {
    if (log->make.state == SPOOL_MAKE_IDLE)
        ask_for_segment(log, -1);
    struct spool_file *file = take_made(log);
    if (file || !spool_is_out_of_space(log->make.result))
        return file;
    log->is_full = true;
    int reserve = next_reserve(log);
    if (reserve < 0)
        return NULL;
    ask_for_segment(log, reserve);
    return take_made(log);
}

static void say(struct spool_log *log, const char *what, int sys_errno) {
    const char *words = strerrordesc_np(sys_errno);
    snprintf(log->reason, sizeof(log->reason), "%s (%s)", what, words ? words : "unknown error");
    log_error("spool", "%s", log->reason);
}

bool spool_log_roll(struct spool_log *log) {
    ASSERT(!log->current);
    log->is_due = false;
    if (log->is_lost)
        return false;
    log->is_rolling = true;
    struct spool_file *file = obtain_file(log);
    log->is_rolling = false;
    if (!file) {
        say(log, "no new segment can be made", log->make.result.sys_errno);
        if (!is_passing(log->make.result)) {
            log->is_lost = log->has_failed;
            log->has_failed = true;
        }
        return false;
    }
    log->current = spool_segments_add(&log->spool->segments, file, SPOOL_SEGMENT_CURRENT);
    ask_for_segment(log, -1);
    return true;
}

// --- Failing -------------------------------------------------------------------------------------
void spool_log_fail(struct spool_log *log, struct spool_segment *segment, struct io_result result) {
    log->has_failed = true;
    say(log, "a write to the disk failed; new mail is refused until restart", result.sys_errno);
    spool_segment_become(segment, SPOOL_SEGMENT_FAILED);
    if (segment != log->current)
        return;
    log->current = NULL;
    if (log->is_rescued) {
        log->is_lost = true;
        return;
    }
    log->is_rescued = true;
    discard_made(log);
    log->is_lost = !spool_log_roll(log);
}

// --- What others see -----------------------------------------------------------------------------
// Between two segments the work waits, it is not refused.
static bool has_segment(const struct spool_log *log) {
    return log->current || log->is_rolling;
}

static const char *reason_of(const struct spool_log *log) {
    if (log->has_failed || !has_segment(log))
        return log->reason;
    return log->is_full ? "the disk is full" : "";
}

void spool_log_publish(struct spool_log *log) {
    struct spool *spool = log->spool;
    struct spool_health *health = &spool->health;
    enum spool_status refusal = SPOOL_OK;
    if (log->has_failed)
        refusal = SPOOL_FAILED;
    else if (log->is_full || !has_segment(log))
        refusal = SPOOL_FULL;
    atomic_store_explicit(&spool->refusal, refusal, memory_order_relaxed);
    pthread_mutex_lock(&spool->health_lock);
    health->accepts = refusal == SPOOL_OK;
    health->settles = has_segment(log) && !log->is_lost;
    health->messages = spool->index.n_items;
    health->segments = spool->segments.n_ordered;
    health->log_bytes = spool->segments.file_bytes;
    health->live_bytes = spool->segments.pinned_bytes;
    view_copy_string(view_of(reason_of(log)), health->reason, sizeof(health->reason));
    pthread_mutex_unlock(&spool->health_lock);
}

void spool_log_doom(struct spool_log *log) {
    struct spool_segments *segments = &log->spool->segments;
    if (!segments->has_unpinned || log->is_closing)
        return;
    segments->has_unpinned = false;
    spool_notes_forget(&log->spool->notes);
    for (size_t i = 0; i < segments->n_ordered; i++) {
        struct spool_segment *segment = segments->ordered[i];
        if (segment->state == SPOOL_SEGMENT_CURRENT || segment->state == SPOOL_SEGMENT_DOOMED ||
            segment->is_busy || spool_segment_is_needed(segment))
            continue;
        spool_segment_doom(segments, segment);
        spool_unlink_ask(log->spool, segment);
    }
}
