// SPDX-License-Identifier: Apache-2.0
#include "spool/keeper.h"

#include "base/log.h"
#include "spool/scan.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 250,
    TICK_IDLE_MS = 4000,  // while nothing is written: others may fill the disk, too
    SEAL_AFTER_MS = 2000, // most segments are dead by then and need no index
    TRY_AGAIN_MS = 60000,
    CLOSED_MAX = 8,         // so many wait at most: their images are in memory
    SLACK_SEGMENTS = 6,     // disk use beyond twice what is alive, before cleaning begins
    SMALL_SEGMENTS_MAX = 64 // beyond what their bytes would fill
};

struct spool_keeper {
    struct spool *spool;
    struct io_event wake;
    bool is_stopping;
    io_time measure_at;
    uint64_t batches_seen;
    struct spool_waiter *stopped;
};

// --- Choosing (on the committer) -----------------------------------------------------------------
struct job {
    enum { JOB_NONE, JOB_SEAL, JOB_CLEAN, JOB_RESERVE } kind;
    struct spool_segment *segment;
    int reserve;
    bool is_last; // before a stop: seal whatever is needed, clean nothing
};

static bool is_idle(const struct spool_segment *segment) {
    return !segment->is_busy && segment->idle_until <= io_now() &&
           segment->state != SPOOL_SEGMENT_CURRENT && segment->state != SPOOL_SEGMENT_DOOMED &&
           spool_segment_is_needed(segment);
}

static struct spool_segment *choose_seal(const struct spool *spool, bool is_last) {
    const struct spool_segments *segments = &spool->segments;
    struct spool_segment *oldest = NULL;
    size_t n_closed = 0;
    for (size_t i = segments->n_ordered; i > 0; i--) {
        struct spool_segment *segment = segments->ordered[i - 1];
        if (segment->state != SPOOL_SEGMENT_CLOSED || !is_idle(segment) ||
            segment->closed_at > io_now())
            continue;
        if (segment->is_evacuated) // an index would not tell a restart that messages moved out
            continue;
        oldest = segment;
        n_closed++;
    }
    bool is_due = oldest && (is_last || n_closed > CLOSED_MAX ||
                             io_now() - oldest->closed_at >= SEAL_AFTER_MS);
    return is_due ? oldest : NULL;
}

// Beyond what twice the live bytes and the slack may take, some segment is less than half alive.
static bool is_over_limit(const struct spool *spool) {
    const struct spool_segments *segments = &spool->segments;
    return segments->file_bytes >
           2 * segments->pinned_bytes + SLACK_SEGMENTS * spool->options.segment_bytes;
}

// Many starts leave many small segments.
static bool are_too_many(const struct spool *spool) {
    const struct spool_segments *segments = &spool->segments;
    uint64_t n_full = segments->file_bytes / spool->options.segment_bytes;
    return segments->n_ordered - segments->n_doomed > 2 * n_full + SMALL_SEGMENTS_MAX;
}

// On a full disk every bit is welcome, as long as it helps: what does not fit together better is
// left alone for a while.
static bool is_full_and_helped(struct spool *spool) {
    enum { REST_MS = 10000 };
    struct spool_log *log = spool->log;
    uint64_t bytes = spool->segments.file_bytes, before = log->bytes_before_cleaning;
    if (!log->is_full || log->cleaning_rests_until > io_now())
        return false;
    bool has_helped = bytes + spool->options.segment_bytes / 4 <= before;
    if (before && !has_helped)
        log->cleaning_rests_until = io_after(REST_MS);
    log->bytes_before_cleaning = before && !has_helped ? 0 : bytes;
    return !before || has_helped;
}

// The part that may be alive in a segment that is cleaned now; zero: nothing is.
static double alive_limit(struct spool *spool) {
    if (is_over_limit(spool))
        return 0.5;
    if (are_too_many(spool))
        return 0.9;
    return is_full_and_helped(spool) ? 0.75 : 0; // zero: but for one that failed
}

// The one with the least alive for its size: that frees the most for what has to be written again.
static struct spool_segment *choose_clean(const struct spool *spool, double least) {
    const struct spool_segments *segments = &spool->segments;
    struct spool_segment *best = NULL;
    for (size_t i = 0; i < segments->n_ordered; i++) {
        struct spool_segment *segment = segments->ordered[i];
        double alive = (double)segment->live_bytes / (double)segment->file_bytes;
        if (segment->state == SPOOL_SEGMENT_FAILED)
            alive = -1; // away from there, whatever it costs
        if (!is_idle(segment) || alive >= least)
            continue;
        best = segment;
        least = alive;
    }
    return best;
}

static int missing_reserve(const struct spool *spool) {
    const struct spool_options *options = &spool->options;
    uint64_t wanted =
        options->floor_free_bytes + options->floor_free_bytes / 4 + options->segment_bytes;
    for (int i = 0; i < SPOOL_RESERVES; i++)
        if (!spool->log->has_reserve[i] && spool->health.bytes_free > wanted)
            return i;
    return -1;
}

static void choose(struct spool *spool, void *arg) {
    struct job *job = arg;
    struct spool_log *log = spool->log;
    job->kind = JOB_NONE;
    spool_log_doom(log);
    if (log->has_failed)
        return;
    if (!log->is_full)
        job->segment = choose_seal(spool, job->is_last);
    if (job->segment) {
        job->kind = JOB_SEAL;
    } else if (!job->is_last && log->current) {
        job->segment = choose_clean(spool, alive_limit(spool));
        job->kind = job->segment ? JOB_CLEAN : JOB_NONE;
    }
    if (job->segment)
        job->segment->is_busy = true;
    job->reserve = missing_reserve(spool);
    if (job->kind == JOB_NONE && job->reserve >= 0 && !job->is_last)
        job->kind = JOB_RESERVE;
}

// --- Sealing -------------------------------------------------------------------------------------
struct sealed {
    struct spool_segment *segment;
    struct io_result result;
};

static void note_sealed(struct spool *spool, void *arg) {
    struct sealed *sealed = arg;
    struct spool_segment *segment = sealed->segment;
    segment->is_busy = false;
    spool->segments.has_unpinned = true; // it may have died meanwhile
    if (io_is_ok(sealed->result)) {
        spool_segment_become(segment, SPOOL_SEGMENT_SEALED);
        buffer_finish(&segment->image);
    } else if (sealed->result.status != IO_ERROR || spool_is_out_of_space(sealed->result)) {
        segment->closed_at = io_after(TRY_AGAIN_MS);
    } else {
        spool_log_fail(spool->log, segment, sealed->result);
    }
    spool_log_doom(spool->log);
    spool_log_publish(spool->log);
}

static void seal(struct spool *spool, struct spool_segment *segment) {
    struct sealed sealed = {segment, spool_seal(spool, segment)};
    spool_ask(spool, note_sealed, &sealed);
}

// --- Cleaning ------------------------------------------------------------------------------------
static void note_cleaned(struct spool *spool, void *arg) {
    struct spool_segment *segment = arg;
    segment->is_busy = false;
    if (spool_segment_is_needed(segment)) // damaged, or of a body that is still arriving
        segment->idle_until = io_after(TRY_AGAIN_MS);
    spool->segments.has_unpinned = true;
    spool_log_doom(spool->log);
    spool_log_publish(spool->log);
}

// --- The fiber -----------------------------------------------------------------------------------
struct reserve_made {
    int which;
    bool is_made;
};

static void note_reserve(struct spool *spool, void *arg) {
    const struct reserve_made *made = arg;
    spool->log->has_reserve[made->which] = made->is_made;
}

// The disk may fill up while there is much to do.
static void measure_if_due(struct spool_keeper *keeper) {
    if (keeper->is_stopping || io_now() < keeper->measure_at)
        return;
    spool_space_measure(keeper->spool);
    keeper->measure_at = io_after(TICK_MS);
}

static bool work_once(struct spool_keeper *keeper) {
    struct job job = {.is_last = keeper->is_stopping};
    struct spool *spool = keeper->spool;
    spool_ask(spool, choose, &job);
    switch (job.kind) {
    case JOB_NONE: return false;
    case JOB_SEAL: seal(spool, job.segment); return true;
    case JOB_CLEAN:
        spool_clean(spool, job.segment);
        spool_ask(spool, note_cleaned, job.segment);
        return true;
    case JOB_RESERVE: {
        struct reserve_made made = {job.reserve, spool_reserve_make(spool, job.reserve)};
        spool_ask(spool, note_reserve, &made);
        return made.is_made;
    }
    }
    return false;
}

static void close_current(struct spool *spool, void *arg) {
    if (spool->log->current)
        spool_log_close_current(spool->log);
}

static void close_books(struct spool *spool, void *arg) {
    spool->log->is_closing = true;
}

// Seldom while nothing is written and nothing waits for room; a segment that closes wakes it.
static int64_t tick_ms(struct spool_keeper *keeper) {
    struct spool_health health = spool_health(keeper->spool);
    bool is_quiet = health.batches == keeper->batches_seen && health.accepts;
    keeper->batches_seen = health.batches;
    return is_quiet ? TICK_IDLE_MS : TICK_MS;
}

static void keeper_main(void *arg) {
    struct spool_keeper *keeper = arg;
    while (!keeper->is_stopping) {
        struct io_result result = io_event_wait(&keeper->wake, io_after(tick_ms(keeper)));
        if (result.status == IO_CANCELED)
            return;
        io_event_clear(&keeper->wake);
        measure_if_due(keeper);
        while (!keeper->is_stopping && work_once(keeper))
            measure_if_due(keeper);
    }
    spool_ask(keeper->spool, close_current, NULL);
    while (work_once(keeper))
        continue;
    spool_ask(keeper->spool, close_books, NULL);
    spool_waiter_wake(keeper->stopped);
}

struct spool_keeper *spool_keeper_create(struct spool *spool) {
    struct spool_keeper *keeper = mem_alloc_zero(sizeof(*keeper));
    keeper->spool = spool;
    io_event_init(&keeper->wake);
    io_spawn_on(spool->helper_loop, "spool-keeper", keeper_main, keeper);
    return keeper;
}

void spool_keeper_destroy(struct spool_keeper *keeper) {
    free(keeper);
}

static void rouse(void *arg) {
    struct spool_keeper *keeper = arg;
    io_event_set(&keeper->wake);
}

void spool_keeper_wake(struct spool_keeper *keeper) {
    if (keeper)
        io_loop_post(keeper->spool->helper_loop, rouse, keeper);
}

static void tell_to_stop(void *arg) {
    struct spool_keeper *keeper = arg;
    keeper->is_stopping = true;
    io_event_set(&keeper->wake);
}

void spool_keeper_stop(struct spool_keeper *keeper) {
    struct spool_waiter waiter;
    spool_waiter_init(&waiter);
    keeper->stopped = &waiter;
    io_loop_post(keeper->spool->helper_loop, tell_to_stop, keeper);
    spool_waiter_wait(&waiter);
}
