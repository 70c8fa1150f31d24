// SPDX-License-Identifier: Apache-2.0
// Private to spool. The index of live messages in memory: where each message and the latest word on
// each of its recipients stand in the log, nothing else (48 bytes a message with one recipient, 4
// to 8 more for finding it). One thread owns it: recovery, then the committer.
//
// A batch changes it before the batch is durable, since a transaction must see those before it.
// Each change is remembered, and either all are settled (spool_changes_settle) or all are taken
// back.
#ifndef SPOOL_INDEX_H
#define SPOOL_INDEX_H

#include "spool/segment.h"

// A frame in a segment. Slot zero: nowhere.
struct spool_place {
    uint32_t slot, unit;
};
static inline bool spool_place_equals(struct spool_place a, struct spool_place b) {
    return a.slot == b.slot && a.unit == b.unit;
}

struct spool_rcpt {
    struct spool_place place; // of its latest state or its settlement; nowhere: as it arrived
};

// Bytes of a large body that stand in one segment.
struct spool_extent {
    uint32_t slot;
    uint64_t bytes;
};

// What does not fit into an item: several recipients, bodies in chunks.
struct spool_more {
    struct list large; // of messages with extents
    struct spool_item *item;
    uint64_t *settled; // a bit each
    struct spool_extent *extents;
    uint32_t n_extents;
    struct spool_rcpt rcpts[];
};

struct spool_item {
    struct spool_id id;
    uint32_t next; // handle in the same bucket
    uint32_t n_rcpts : 30;
    uint32_t has_more : 1;
    uint32_t is_moved : 1;
    uint32_t n_open; // zero: dies with this batch
    uint32_t stored_bytes;
    struct spool_place home;
    union {
        struct spool_rcpt rcpt; // without more
        struct spool_more *more;
    };
};

enum { SPOOL_ITEMS_A_SLAB = 4096, SPOOL_STATE_BYTES = 64 }; // the latter: what a state counts as

struct spool_index {
    struct spool_segments *segments;
    struct spool_item **slabs;
    size_t n_slabs, size_slabs;
    uint32_t free; // chain of unused items
    uint32_t *buckets;
    size_t n_buckets, size_buckets; // linear hashing: one bucket more with each item
    uint64_t n_items;
    struct list large;
};

void spool_index_init(struct spool_index *index, struct spool_segments *segments);
void spool_index_finish(struct spool_index *index);
// Live, or dying in this batch (n_open zero). NULL: unknown.
struct spool_item *spool_index_find(const struct spool_index *index, struct spool_id id);
struct spool_place spool_item_rcpt_place(const struct spool_item *item, uint32_t rcpt);
bool spool_item_is_settled(const struct spool_item *item, uint32_t rcpt);
// Bytes of memory that the index takes.
uint64_t spool_index_memory(const struct spool_index *index);

// --- Changes -------------------------------------------------------------------------------------
struct spool_change {
    enum { SPOOL_CHANGE_ADD, SPOOL_CHANGE_MOVE, SPOOL_CHANGE_RCPT, SPOOL_CHANGE_DIE } kind;
    uint32_t rcpt;
    struct spool_item *item;
    bool was_open;             // RCPT
    struct spool_place old;    // RCPT
    struct spool_item *before; // MOVE: a copy of the item
};
struct spool_changes {
    struct spool_index *index;
    struct spool_change *list;
    size_t n, size;
};
void spool_changes_init(struct spool_changes *changes, struct spool_index *index);
void spool_changes_finish(struct spool_changes *changes);
void spool_changes_settle(struct spool_changes *changes);
void spool_changes_take_back(struct spool_changes *changes);

struct spool_new_item {
    struct spool_id id;
    uint32_t n_rcpts;
    bool is_moved;
    uint64_t stored_bytes; // of its frame
    struct spool_place home;
    const struct spool_extent *extents; // one for each segment, copied
    uint32_t n_extents;
};
// The id must be unknown.
struct spool_item *spool_index_add(struct spool_changes *changes, const struct spool_new_item *new);
// A new home for a live message: every recipient open and unstated again.
void spool_index_move(struct spool_changes *changes, struct spool_item *item,
                      const struct spool_new_item *new);
// The latest word on an open recipient is at `place`.
void spool_index_state(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                       struct spool_place place);
// Open no more; I5: it must be open. The caller kills the message when no recipient is open.
void spool_index_settle(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                        struct spool_place place);
// The settlement of a recipient now stands at `place`.
void spool_index_resettle(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                          struct spool_place place);
void spool_index_kill(struct spool_changes *changes, struct spool_item *item);

#endif
