// SPDX-License-Identifier: Apache-2.0
// Private to spool. The committer: one fiber that owns the end of the log. It takes everything that
// waits, writes it as one batch, syncs once, and wakes who waited; meanwhile the next batch
// gathers.
#ifndef SPOOL_COMMIT_H
#define SPOOL_COMMIT_H

#include "spool/draft.h"
#include "spool/helper.h"
#include "spool/store.h"

enum { SPOOL_BATCH_BYTES_MAX = 8 << 20, SPOOL_BATCH_FRAMES_MAX = 4096, SPOOL_RESERVES = 2 };

struct spool_log {
    struct spool *spool;
    struct spool_work *queue, **queue_end;
    struct spool_work *taken, **taken_end;   // what the draft is made of
    struct spool_waiter *woken, **woken_end; // whom to wake when the batch is through
    struct spool_draft draft;
    struct spool_segment *current; // NULL: nothing can be written
    uint64_t sequence;             // of the latest batch
    uint32_t counter;              // of the latest segment
    struct spool_make make;        // the next segment, made by the helper meanwhile
    bool has_reserve[SPOOL_RESERVES];
    bool is_rolling; // the next segment is awaited; that there is no current one means nothing yet
    bool is_due;     // no segment can be had; the keeper says that it is time to try again
    bool is_full;    // under the floor, or a write said ENOSPC
    bool has_failed; // a write or sync failed: no new mail until restart
    bool is_rescued; // the one fresh segment after that was tried
    bool is_lost;    // it failed too: nothing is written any more
    struct spool_failures failures; // for the headers of new segments
    uint64_t bytes_before_cleaning; // on a full disk: does it help?
    io_time cleaning_rests_until;
    bool is_closing; // nothing more is handed to the helper
    bool is_stopping;
    struct spool_waiter *stopped;
    char reason[sizeof(((struct spool_health *)0)->reason)];
};

struct spool_log *spool_log_create(struct spool *spool);
void spool_log_destroy(struct spool_log *log);
// The fiber; ends after spool_log_stop.
IO_WAITS void spool_log_main(void *log);
// Sees to it that a segment is current, made anew if need be. False: none can be had.
IO_WAITS bool spool_log_roll(struct spool_log *log);
void spool_log_close_current(struct spool_log *log);
// After a failed write or sync of `segment` with `result`.
IO_WAITS void spool_log_fail(struct spool_log *log, struct spool_segment *segment,
                             struct io_result result);
// What new mail is told, and the published health.
void spool_log_publish(struct spool_log *log);
bool spool_is_out_of_space(struct io_result result);
// Segments that nothing needs any more go to the helper.
void spool_log_doom(struct spool_log *log);
// Everything in the inbox: calls are run, the rest is queued.
IO_WAITS void spool_log_take(struct spool_log *log, io_time deadline);

#endif
