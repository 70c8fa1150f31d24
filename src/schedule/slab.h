// SPDX-License-Identifier: Apache-2.0
// Memory for millions of small things named by 32-bit numbers: half the size of pointers, so that a
// queued message costs little. A slab hands out numbered items that never move; lists and the index
// link items by number. Private to schedule/.
#ifndef SCHEDULE_SLAB_H
#define SCHEDULE_SLAB_H

#include "base/base.h"

enum { SLAB_CHUNK_BITS = 12, SLAB_CHUNK_ITEMS = 1 << SLAB_CHUNK_BITS };

// Item zero is never handed out: number zero means none.
struct slab {
    char **chunks;
    uint32_t n_chunks, chunks_size;
    uint32_t n_numbers; // numbers ever handed out, zero included
    uint32_t free_head; // chained through the items' first four bytes
    uint32_t n_live;
    uint32_t item_size;
};

void slab_init(struct slab *slab, size_t item_size);
void slab_finish(struct slab *slab);
uint32_t slab_take(struct slab *slab); // zeroed
void slab_give(struct slab *slab, uint32_t number);

static inline void *slab_at(const struct slab *slab, uint32_t number) {
    ASSERT(number != 0 && number < slab->n_numbers);
    return slab->chunks[number >> SLAB_CHUNK_BITS] +
           (size_t)(number & (SLAB_CHUNK_ITEMS - 1)) * slab->item_size;
}

// --- Lists of items ----------------------------------------------------------------------
struct chain_link { // in the item
    uint32_t next, prev;
};
struct chain {
    uint32_t first, last, n;
};
// Which link of which items a chain runs through.
struct chain_type {
    struct slab *slab;
    uint32_t offset;
};
static inline struct chain_link *chain_link(struct chain_type type, uint32_t number) {
    return (struct chain_link *)(void *)((char *)slab_at(type.slab, number) + type.offset);
}
void chain_append(struct chain_type type, struct chain *chain, uint32_t number);
void chain_prepend(struct chain_type type, struct chain *chain, uint32_t number);
void chain_remove(struct chain_type type, struct chain *chain, uint32_t number);

// --- Index -------------------------------------------------------------------------------
// Linear hashing: grows by one bucket an insertion, so that no insertion takes long.
enum { INDEX_SEGMENTS = 27, INDEX_FIRST_BITS = 6 };
struct index {
    struct slab *slab;
    uint32_t next_offset; // of the item's uint32_t chain
    uint64_t (*hash)(const void *item);
    uint32_t *segments[INDEX_SEGMENTS]; // the first 64 buckets, then 64, 128, 256, ...
    uint32_t n_buckets, n_items;
};
void index_init(struct index *index, struct slab *slab, size_t next_offset,
                uint64_t (*hash)(const void *item));
void index_finish(struct index *index);
void index_insert(struct index *index, uint32_t number);
void index_remove(struct index *index, uint32_t number);
// First item of the bucket of `hash`, then the following ones: compare each with your key.
uint32_t index_first(const struct index *index, uint64_t hash);
uint32_t index_next(const struct index *index, uint32_t number);
size_t index_memory(const struct index *index);

#endif
