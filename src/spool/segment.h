// SPDX-License-Identifier: Apache-2.0
// Private to spool. The segments that exist, and what keeps each of them: pins of live data and the
// segments whose dead copies its DEAD records void. All of it belongs to the committer, but for the
// counted file, which readers on any loop hold while they read.
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include "spool/format.h"

#include <stdatomic.h>

// --- File ----------------------------------------------------------------------------------------
struct spool_file {
    atomic_uint refs;
    atomic_uint n_arriving; // pieces of bodies that no message names yet: they keep the segment
    struct io_file *file;
    uint64_t number;
    struct spool_secret secret;
};
struct spool_file *spool_file_create(struct io_file *file, const struct spool_header *header);
struct spool_file *spool_file_ref(struct spool_file *file);
void spool_file_unref(struct spool_file *file); // NULL is accepted; the last one closes

// Makes the file of a new segment: header written and synced, then the directory. With `reserve` (a
// name) that file is renamed instead, so that no block has to be found.
struct spool_new_segment {
    struct io_dir *dir;
    struct spool_header header; // number, node and failed_* are the caller's
    const char *reserve;
};
IO_WAITS struct io_result spool_file_make(struct spool_new_segment *new, struct spool_file **file);

// --- Segment -------------------------------------------------------------------------------------
enum spool_segment_state {
    SPOOL_SEGMENT_CURRENT,
    SPOOL_SEGMENT_CLOSED,
    SPOOL_SEGMENT_SEALED,
    SPOOL_SEGMENT_FAILED,
    SPOOL_SEGMENT_DOOMED
};

struct spool_segment {
    struct spool_file *file;
    uint32_t slot;
    enum spool_segment_state state;
    bool is_busy;      // the keeper works on it: not doomed meanwhile
    bool is_evacuated; // messages were moved out of it: their copies here are void by DEAD only
    uint64_t end;      // of the data: where the next batch goes
    uint64_t file_bytes;
    uint64_t first_sequence, last_sequence;
    int64_t newest_ms;
    uint64_t n_pins, live_bytes;
    uint64_t *kills; // a bit for each slot with copies that DEAD records here void
    size_t n_kill_words, n_kills;
    struct buffer image; // what an index would hold (image.h); empty where it has to be read
    io_time closed_at;
    io_time idle_until; // it could not be sealed or cleaned: not before this is it tried again
};

struct spool_segments {
    struct spool_segment **slots; // slot zero is never used
    size_t n_slots;
    struct spool_segment **ordered; // by number
    size_t n_ordered, size_ordered;
    uint64_t pinned_bytes, file_bytes; // sums; the latter without those that are doomed
    size_t n_doomed;
    bool has_unpinned; // since the last look, some segment lost a pin
};

void spool_segments_init(struct spool_segments *segments);
void spool_segments_finish(struct spool_segments *segments); // unrefs the files
// Takes over the reference of `file`; its number must be the highest so far.
struct spool_segment *spool_segments_add(struct spool_segments *segments, struct spool_file *file,
                                         enum spool_segment_state state);
// Unlinked and synced: forgotten, also in the kills of the others.
void spool_segments_remove(struct spool_segments *segments, struct spool_segment *segment);
struct spool_segment *spool_segments_find(const struct spool_segments *segments, uint64_t number);
static inline struct spool_segment *spool_segments_at(const struct spool_segments *segments,
                                                      uint32_t slot) {
    ASSERT(slot > 0 && slot < segments->n_slots && segments->slots[slot]);
    return segments->slots[slot];
}

void spool_segment_become(struct spool_segment *segment, enum spool_segment_state state);
void spool_segment_doom(struct spool_segments *segments, struct spool_segment *segment);
bool spool_segment_is_needed(const struct spool_segment *segment);
void spool_segment_grow(struct spool_segments *segments, struct spool_segment *segment,
                        uint64_t file_bytes);
void spool_segment_pin(struct spool_segments *segments, uint32_t slot, uint64_t bytes);
void spool_segment_unpin(struct spool_segments *segments, uint32_t slot, uint64_t bytes);
// A DEAD record in `segment` voids copies in `victim`.
void spool_segment_kills(struct spool_segment *segment, const struct spool_segment *victim);
// What its DEAD records void is voided by others now.
void spool_segment_forget_kills(struct spool_segment *segment);

#endif
