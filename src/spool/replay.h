// SPDX-License-Identifier: Apache-2.0
// Private to spool. Replays images into the index, in the order of the log, with no I/O. Whatever
// the bytes say, it ends, and what makes no sense is counted and skipped.
#ifndef SPOOL_REPLAY_H
#define SPOOL_REPLAY_H

#include "spool/index.h"
#include "spool/notes.h"
#include "spool/scan.h"

// A message that a damaged frame named: lost, unless a copy lives or it had died anyway.
struct spool_missing {
    struct spool_id id;
    uint64_t segment; // where it should have been
    bool is_dead;
};

struct spool_bad_range { // bytes of bodies that failed their check
    uint64_t segment, at, end;
};

struct spool_replay {
    struct spool_index *index;
    struct spool_notes *notes;
    struct spool_changes changes;
    uint64_t n_bad; // records that make no sense
    struct spool_missing *missing;
    size_t n_missing, size_missing;
    struct spool_bad_range *bad;
    size_t n_bad_ranges, size_bad;
};
void spool_replay_init(struct spool_replay *replay, struct spool_index *index,
                       struct spool_notes *notes);
void spool_replay_finish(struct spool_replay *replay);
void spool_replay_image(struct spool_replay *replay, struct spool_segment *segment,
                        struct view image);
// A frame whose records are whole while some body is not: it does not count. `meta` holds them.
void spool_replay_damaged(struct spool_replay *replay, const struct spool_segment *segment,
                          const struct spool_damage *damage, struct view meta);

// Whether this record is the latest word: what an index keeps, what cleaning moves, what is
// visited.
bool spool_record_is_live(const struct spool_index *index, const struct spool_notes *notes,
                          struct spool_place place, const struct spool_record *record);

#endif
