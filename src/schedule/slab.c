// SPDX-License-Identifier: Apache-2.0
#include "schedule/slab.h"

#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *slab, size_t item_size) {
    ASSERT(item_size >= sizeof(uint32_t) && item_size % sizeof(uint32_t) == 0);
    *slab = (struct slab){.n_numbers = 1, .item_size = (uint32_t)item_size};
}

void slab_finish(struct slab *slab) {
    for (uint32_t i = 0; i < slab->n_chunks; i++)
        free(slab->chunks[i]);
    free(slab->chunks);
    *slab = (struct slab){.n_numbers = 1, .item_size = slab->item_size};
}

static void add_chunk(struct slab *slab) {
    if (slab->n_chunks == slab->chunks_size) {
        slab->chunks_size = slab->chunks_size ? slab->chunks_size * 2 : 16;
        slab->chunks = mem_realloc(slab->chunks, slab->chunks_size * sizeof(char *));
    }
    slab->chunks[slab->n_chunks++] = mem_alloc((size_t)slab->item_size * SLAB_CHUNK_ITEMS);
}

uint32_t slab_take(struct slab *slab) {
    uint32_t number = slab->free_head;
    if (number != 0) {
        memcpy(&slab->free_head, slab_at(slab, number), sizeof(uint32_t));
    } else {
        ASSERT(slab->n_numbers < UINT32_MAX);
        number = slab->n_numbers;
        if (number >> SLAB_CHUNK_BITS >= slab->n_chunks)
            add_chunk(slab);
        slab->n_numbers++;
    }
    slab->n_live++;
    memset(slab_at(slab, number), 0, slab->item_size);
    return number;
}

void slab_give(struct slab *slab, uint32_t number) {
    ASSERT(slab->n_live > 0);
    memset(slab_at(slab, number), 0, slab->item_size);
    memcpy(slab_at(slab, number), &slab->free_head, sizeof(uint32_t));
    slab->free_head = number;
    slab->n_live--;
}

// --- Lists -------------------------------------------------------------------------------

void chain_append(struct chain_type type, struct chain *chain, uint32_t number) {
    struct chain_link *link = chain_link(type, number);
    ASSERT(link->next == 0 && link->prev == 0 && chain->first != number);
    link->prev = chain->last;
    if (chain->last != 0)
        chain_link(type, chain->last)->next = number;
    else
        chain->first = number;
    chain->last = number;
    chain->n++;
}

void chain_prepend(struct chain_type type, struct chain *chain, uint32_t number) {
    struct chain_link *link = chain_link(type, number);
    ASSERT(link->next == 0 && link->prev == 0 && chain->first != number);
    link->next = chain->first;
    if (chain->first != 0)
        chain_link(type, chain->first)->prev = number;
    else
        chain->last = number;
    chain->first = number;
    chain->n++;
}

void chain_remove(struct chain_type type, struct chain *chain, uint32_t number) {
    struct chain_link *link = chain_link(type, number);
    ASSERT(chain->n > 0);
    ASSERT(link->prev != 0 || chain->first == number);
    if (link->prev != 0)
        chain_link(type, link->prev)->next = link->next;
    else
        chain->first = link->next;
    if (link->next != 0)
        chain_link(type, link->next)->prev = link->prev;
    else
        chain->last = link->prev;
    *link = (struct chain_link){0, 0};
    chain->n--;
}

// --- Index -------------------------------------------------------------------------------

static unsigned highest_bit(uint32_t value) {
    ASSERT(value != 0);
    return 31U - (unsigned)__builtin_clz(value);
}

static uint32_t *bucket_at(const struct index *index, uint32_t bucket) {
    if (bucket < 1U << INDEX_FIRST_BITS)
        return &index->segments[0][bucket];
    unsigned bit = highest_bit(bucket);
    return &index->segments[bit - INDEX_FIRST_BITS + 1][bucket - (1U << bit)];
}

static uint32_t *item_next(const struct index *index, uint32_t number) {
    return (uint32_t *)(void *)((char *)slab_at(index->slab, number) + index->next_offset);
}

static uint32_t bucket_of(const struct index *index, uint64_t hash) {
    uint32_t mask = (2U << highest_bit(index->n_buckets)) - 1;
    uint32_t bucket = (uint32_t)hash & mask;
    if (bucket >= index->n_buckets)
        bucket &= mask >> 1;
    return bucket;
}

void index_init(struct index *index, struct slab *slab, size_t next_offset,
                uint64_t (*hash)(const void *item)) {
    *index = (struct index){.slab = slab,
                            .next_offset = (uint32_t)next_offset,
                            .hash = hash,
                            .n_buckets = 1U << INDEX_FIRST_BITS};
    index->segments[0] = mem_alloc_zero(sizeof(uint32_t) << INDEX_FIRST_BITS);
}

void index_finish(struct index *index) {
    for (size_t i = 0; i < INDEX_SEGMENTS; i++)
        free(index->segments[i]);
    memset(index->segments, 0, sizeof index->segments);
}

// Splits one bucket in two: its items are spread by one more bit of their hash.
static void grow(struct index *index) {
    uint32_t fresh = index->n_buckets;
    unsigned bit = highest_bit(fresh);
    uint32_t **segment = &index->segments[bit - INDEX_FIRST_BITS + 1];
    if (*segment == NULL)
        *segment = mem_alloc_zero(sizeof(uint32_t) << bit);
    uint32_t *from = bucket_at(index, fresh - (1U << bit));
    index->n_buckets++;
    uint32_t *to = bucket_at(index, fresh);
    while (*from != 0) {
        uint32_t number = *from;
        uint32_t *next = item_next(index, number);
        if (bucket_of(index, index->hash(slab_at(index->slab, number))) == fresh) {
            *from = *next;
            *next = *to;
            *to = number;
        } else {
            from = next;
        }
    }
}

void index_insert(struct index *index, uint32_t number) {
    if (index->n_items >= index->n_buckets && index->n_buckets < UINT32_MAX / 2)
        grow(index);
    uint32_t *bucket =
        bucket_at(index, bucket_of(index, index->hash(slab_at(index->slab, number))));
    *item_next(index, number) = *bucket;
    *bucket = number;
    index->n_items++;
}

void index_remove(struct index *index, uint32_t number) {
    uint32_t *at = bucket_at(index, bucket_of(index, index->hash(slab_at(index->slab, number))));
    while (*at != number) {
        ASSERT(*at != 0);
        at = item_next(index, *at);
    }
    *at = *item_next(index, number);
    *item_next(index, number) = 0;
    index->n_items--;
}

uint32_t index_first(const struct index *index, uint64_t hash) {
    return *bucket_at(index, bucket_of(index, hash));
}

uint32_t index_next(const struct index *index, uint32_t number) {
    return *item_next(index, number);
}

size_t index_memory(const struct index *index) {
    size_t bytes = sizeof(uint32_t) << INDEX_FIRST_BITS;
    for (unsigned i = 1; i < INDEX_SEGMENTS; i++)
        bytes += index->segments[i] ? sizeof(uint32_t) << (INDEX_FIRST_BITS + i - 1) : 0;
    return bytes;
}
