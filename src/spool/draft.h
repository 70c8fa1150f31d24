// SPDX-License-Identifier: Apache-2.0
// Private to spool. A draft: the batch that the committer is about to write. Transactions become
// frames, the index changes as they say, and all of it is settled or taken back as one.
#ifndef SPOOL_DRAFT_H
#define SPOOL_DRAFT_H

#include "spool/index.h"
#include "spool/tx.h"

struct spool_draft_part { // of what is written: memory of a body, or (NULL) a stretch of `meta`
    const char *memory;
    size_t at, len;
};

struct spool_draft_frame {
    struct spool_work *work;
    uint32_t unit, meta_bytes, data_bytes;
    size_t meta_at; // of its records in `meta`
};

struct spool_draft_note {
    struct spool_note note;
    struct spool_place place;
};

struct spool_draft {
    struct spool *spool;
    struct spool_segment *segment;
    uint64_t sequence;
    int64_t wall_ms;
    uint64_t length;
    struct buffer meta;
    struct spool_draft_part *parts;
    size_t n_parts, size_parts;
    struct iovec *vectors;
    size_t size_vectors;
    struct spool_draft_frame *frames;
    size_t n_frames, size_frames;
    struct spool_draft_note *notes;
    size_t n_notes, size_notes;
    struct spool_changes changes;
};

void spool_draft_init(struct spool_draft *draft, struct spool *spool);
void spool_draft_finish(struct spool_draft *draft);
void spool_draft_begin(struct spool_draft *draft, struct spool_segment *segment, uint64_t sequence);
// False: it said nothing (all of it was so already), and no frame was made.
bool spool_draft_add_tx(struct spool_draft *draft, struct spool_tx *tx);
void spool_draft_add_chunk(struct spool_draft *draft, struct spool_chunk *chunk);
// To be written at the end of the segment's data; valid until the next begin.
int spool_draft_vectors(struct spool_draft *draft, struct iovec **vectors);
// It is durable. The works still have to be told.
void spool_draft_settle(struct spool_draft *draft);
void spool_draft_take_back(struct spool_draft *draft);

#endif
