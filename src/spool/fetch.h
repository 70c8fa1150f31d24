// SPDX-License-Identifier: Apache-2.0
// Private to spool. Segments from disk to memory: the index of a sealed one, else all of it.
#ifndef SPOOL_FETCH_H
#define SPOOL_FETCH_H

#include "spool/segment.h"

// The entries of a segment's index, in `storage`. False: there is none, or it is damaged.
IO_WAITS bool spool_sealed_load(struct spool_segment *segment, struct buffer *storage,
                                struct view *image, bool *is_damaged);
// A segment's bytes up to `end` (zero: all of the file).
IO_WAITS bool spool_segment_load(const struct spool_segment *segment, uint64_t end,
                                 struct buffer *file, int *sys_errno);

struct spool_fetch {
    struct spool_segment *segment;
    struct buffer bytes;
    struct view view;                    // entries of the index, or the file
    bool is_read, is_sealed, is_damaged; // damaged: the index
    int sys_errno;
    struct io_group group;
};
void spool_fetch_init(struct spool_fetch *fetch);
IO_WAITS void spool_fetch_finish(struct spool_fetch *fetch);
void spool_fetch_begin(struct spool_fetch *fetch, struct spool_segment *segment);
IO_WAITS void spool_fetch_wait(struct spool_fetch *fetch);

#endif
