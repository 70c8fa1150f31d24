// SPDX-License-Identifier: Apache-2.0
#include "spool/index.h"

#include <stdlib.h>

enum { BUCKETS_FIRST = 64 };

void spool_index_init(struct spool_index *index, struct spool_segments *segments) {
    *index = (struct spool_index){.segments = segments};
    list_init(&index->large);
    index->n_buckets = index->size_buckets = BUCKETS_FIRST;
    index->buckets = mem_alloc_zero(BUCKETS_FIRST * sizeof(*index->buckets));
}

// --- Items ---------------------------------------------------------------------------------------
static struct spool_item *item_at(const struct spool_index *index, uint32_t handle) {
    ASSERT(handle > 0 && (handle - 1) / SPOOL_ITEMS_A_SLAB < index->n_slabs);
    return &index->slabs[(handle - 1) / SPOOL_ITEMS_A_SLAB][(handle - 1) % SPOOL_ITEMS_A_SLAB];
}

static void add_slab(struct spool_index *index) {
    if (index->n_slabs == index->size_slabs) {
        index->size_slabs = size_max(index->size_slabs * 2, 64);
        index->slabs = mem_realloc(index->slabs, index->size_slabs * sizeof(struct spool_item *));
    }
    size_t n = SPOOL_ITEMS_A_SLAB;
    uint32_t first = (uint32_t)(index->n_slabs * n) + 1;
    ASSERT(index->n_slabs < UINT32_MAX / SPOOL_ITEMS_A_SLAB - 1);
    index->slabs[index->n_slabs++] = mem_alloc_zero(n * sizeof(struct spool_item));
    for (size_t i = n; i > 0; i--) {
        item_at(index, first + (uint32_t)i - 1)->next = index->free;
        index->free = first + (uint32_t)i - 1;
    }
}

static uint32_t take_item(struct spool_index *index) {
    if (!index->free)
        add_slab(index);
    uint32_t handle = index->free;
    index->free = item_at(index, handle)->next;
    return handle;
}

static void free_more(struct spool_more *more) {
    if (!more)
        return;
    list_remove(&more->large);
    free(more->settled);
    free(more->extents);
    free(more);
}

static void give_item(struct spool_index *index, uint32_t handle) {
    struct spool_item *item = item_at(index, handle);
    if (item->has_more)
        free_more(item->more);
    *item = (struct spool_item){.next = index->free};
    index->free = handle;
}

// --- Finding -------------------------------------------------------------------------------------
// Linear hashing: as many buckets as items, the bucket to split next being n_buckets minus the
// power of two below it. Growth is spread over the insertions, so that no commit waits for it.
static size_t bucket_of(const struct spool_index *index, struct spool_id id) {
    uint64_t hash = spool_id_hash(id);
    size_t low = (size_t)1 << (63 - __builtin_clzll(index->n_buckets));
    size_t bucket = hash & (2 * low - 1);
    return bucket < index->n_buckets ? bucket : bucket - low;
}

static void split_bucket(struct spool_index *index) {
    if (index->n_buckets == index->size_buckets) {
        index->size_buckets *= 2;
        index->buckets = mem_realloc(index->buckets, index->size_buckets * sizeof(*index->buckets));
    }
    size_t low = (size_t)1 << (63 - __builtin_clzll(index->n_buckets));
    uint32_t *source = &index->buckets[index->n_buckets - low];
    uint32_t handle = *source;
    *source = 0;
    index->buckets[index->n_buckets++] = 0;
    while (handle) {
        struct spool_item *item = item_at(index, handle);
        uint32_t next = item->next;
        uint32_t *bucket = &index->buckets[bucket_of(index, item->id)];
        item->next = *bucket;
        *bucket = handle;
        handle = next;
    }
}

static void link_item(struct spool_index *index, uint32_t handle) {
    if (index->n_items >= index->n_buckets)
        split_bucket(index);
    struct spool_item *item = item_at(index, handle);
    uint32_t *bucket = &index->buckets[bucket_of(index, item->id)];
    item->next = *bucket;
    *bucket = handle;
    index->n_items++;
}

static uint32_t unlink_item(struct spool_index *index, struct spool_id id) {
    uint32_t *link = &index->buckets[bucket_of(index, id)];
    while (!spool_id_equals(item_at(index, *link)->id, id))
        link = &item_at(index, *link)->next;
    uint32_t handle = *link;
    *link = item_at(index, handle)->next;
    index->n_items--;
    return handle;
}

struct spool_item *spool_index_find(const struct spool_index *index, struct spool_id id) {
    uint32_t handle = index->buckets[bucket_of(index, id)];
    while (handle) {
        struct spool_item *item = item_at(index, handle);
        if (spool_id_equals(item->id, id))
            return item;
        handle = item->next;
    }
    return NULL;
}

void spool_index_finish(struct spool_index *index) {
    for (size_t slab = 0; slab < index->n_slabs; slab++) {
        for (size_t i = 0; i < SPOOL_ITEMS_A_SLAB; i++)
            if (index->slabs[slab][i].has_more)
                free_more(index->slabs[slab][i].more);
        free(index->slabs[slab]);
    }
    free(index->slabs);
    free(index->buckets);
    *index = (struct spool_index){0};
}

uint64_t spool_index_memory(const struct spool_index *index) {
    return index->n_slabs * SPOOL_ITEMS_A_SLAB * sizeof(struct spool_item) +
           index->size_buckets * sizeof(*index->buckets);
}

// --- Recipients ----------------------------------------------------------------------------------
enum { WORD_BITS = 64 };

static struct spool_rcpt *rcpt_of(struct spool_item *item, uint32_t rcpt) {
    ASSERT(rcpt < item->n_rcpts);
    return item->has_more ? &item->more->rcpts[rcpt] : &item->rcpt;
}

struct spool_place spool_item_rcpt_place(const struct spool_item *item, uint32_t rcpt) {
    ASSERT(rcpt < item->n_rcpts);
    return item->has_more ? item->more->rcpts[rcpt].place : item->rcpt.place;
}

bool spool_item_is_settled(const struct spool_item *item, uint32_t rcpt) {
    ASSERT(rcpt < item->n_rcpts);
    if (item->n_open == 0)
        return true;
    return item->n_rcpts > 1 && item->more->settled[rcpt / WORD_BITS] >> rcpt % WORD_BITS & 1;
}

static void mark_settled(struct spool_item *item, uint32_t rcpt, bool is_settled) {
    uint64_t bit = (uint64_t)1 << rcpt % WORD_BITS;
    item->n_open += is_settled ? -1U : 1U;
    if (item->n_rcpts == 1)
        return;
    uint64_t *word = &item->more->settled[rcpt / WORD_BITS];
    *word = is_settled ? *word | bit : *word & ~bit;
}

static void pin_place(struct spool_index *index, struct spool_place place, uint64_t bytes) {
    if (place.slot)
        spool_segment_pin(index->segments, place.slot, bytes);
}

static void unpin_place(struct spool_index *index, struct spool_place place, uint64_t bytes) {
    if (place.slot)
        spool_segment_unpin(index->segments, place.slot, bytes);
}

static void pin_item(struct spool_index *index, const struct spool_item *item) {
    pin_place(index, item->home, item->stored_bytes);
    for (uint32_t i = 0; i < item->n_rcpts; i++)
        pin_place(index, spool_item_rcpt_place(item, i), SPOOL_STATE_BYTES);
    for (uint32_t i = 0; item->has_more && i < item->more->n_extents; i++)
        spool_segment_pin(index->segments, item->more->extents[i].slot,
                          item->more->extents[i].bytes);
}

static void unpin_item(struct spool_index *index, const struct spool_item *item) {
    unpin_place(index, item->home, item->stored_bytes);
    for (uint32_t i = 0; i < item->n_rcpts; i++)
        unpin_place(index, spool_item_rcpt_place(item, i), SPOOL_STATE_BYTES);
    for (uint32_t i = 0; item->has_more && i < item->more->n_extents; i++)
        spool_segment_unpin(index->segments, item->more->extents[i].slot,
                            item->more->extents[i].bytes);
}

// --- Changes -------------------------------------------------------------------------------------
void spool_changes_init(struct spool_changes *changes, struct spool_index *index) {
    *changes = (struct spool_changes){.index = index};
}

void spool_changes_finish(struct spool_changes *changes) {
    ASSERT(changes->n == 0);
    free(changes->list);
}

static struct spool_change *remember(struct spool_changes *changes, struct spool_change change) {
    if (changes->n == changes->size) {
        changes->size = size_max(changes->size * 2, 64);
        changes->list = mem_realloc(changes->list, changes->size * sizeof(*changes->list));
    }
    changes->list[changes->n] = change;
    return &changes->list[changes->n++];
}

static struct spool_more *make_more(struct spool_item *item, const struct spool_new_item *new) {
    struct spool_more *more =
        mem_alloc_zero(sizeof(*more) + new->n_rcpts * sizeof(struct spool_rcpt));
    list_init(&more->large);
    more->item = item;
    more->settled = mem_alloc_zero((new->n_rcpts / WORD_BITS + 1) * sizeof(*more->settled));
    more->n_extents = new->n_extents;
    if (new->n_extents) {
        more->extents = mem_alloc(new->n_extents * sizeof(*more->extents));
        memcpy(more->extents, new->extents, new->n_extents * sizeof(*more->extents));
    }
    return more;
}

static void fill_item(struct spool_index *index, struct spool_item *item,
                      const struct spool_new_item *new) {
    ASSERT(new->n_rcpts > 0 && new->n_rcpts <= MAIL_RECIPIENTS_MAX);
    uint32_t next = item->next;
    *item = (struct spool_item){.id = new->id,
                                .next = next,
                                .n_rcpts = new->n_rcpts & 0x3fffffff,
                                .n_open = new->n_rcpts,
                                .is_moved = new->is_moved,
                                .stored_bytes = (uint32_t) new->stored_bytes,
                                .home = new->home};
    if (new->n_rcpts > 1 || new->n_extents > 0) {
        item->more = make_more(item, new);
        item->has_more = 1;
        if (new->n_extents > 0)
            list_append(&index->large, &item->more->large);
    }
    pin_item(index, item);
}

struct spool_item *spool_index_add(struct spool_changes *changes,
                                   const struct spool_new_item *new) {
    struct spool_index *index = changes->index;
    ASSERT(!spool_index_find(index, new->id));
    uint32_t handle = take_item(index);
    struct spool_item *item = item_at(index, handle);
    fill_item(index, item, new);
    link_item(index, handle);
    remember(changes, (struct spool_change){.kind = SPOOL_CHANGE_ADD, .item = item});
    return item;
}

void spool_index_move(struct spool_changes *changes, struct spool_item *item,
                      const struct spool_new_item *new) {
    ASSERT(spool_id_equals(item->id, new->id) && item->n_open > 0);
    struct spool_item *before = mem_alloc(sizeof(*before));
    *before = *item;
    if (item->has_more)
        list_remove(&item->more->large);
    spool_segments_at(changes->index->segments, item->home.slot)->is_evacuated = true;
    fill_item(changes->index, item, new);
    unpin_item(changes->index, before);
    remember(changes,
             (struct spool_change){.kind = SPOOL_CHANGE_MOVE, .item = item, .before = before});
}

static void change_rcpt(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                        struct spool_place place) {
    struct spool_rcpt *state = rcpt_of(item, rcpt);
    remember(changes, (struct spool_change){.kind = SPOOL_CHANGE_RCPT,
                                            .rcpt = rcpt,
                                            .item = item,
                                            .was_open = !spool_item_is_settled(item, rcpt),
                                            .old = state->place});
    pin_place(changes->index, place, SPOOL_STATE_BYTES);
    unpin_place(changes->index, state->place, SPOOL_STATE_BYTES);
    state->place = place;
}

void spool_index_state(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                       struct spool_place place) {
    ASSERT(!spool_item_is_settled(item, rcpt));
    change_rcpt(changes, item, rcpt, place);
}

void spool_index_settle(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                        struct spool_place place) {
    ASSERT(!spool_item_is_settled(item, rcpt));
    change_rcpt(changes, item, rcpt, place);
    mark_settled(item, rcpt, true);
}

void spool_index_resettle(struct spool_changes *changes, struct spool_item *item, uint32_t rcpt,
                          struct spool_place place) {
    ASSERT(item->n_open > 0 && spool_item_is_settled(item, rcpt));
    change_rcpt(changes, item, rcpt, place);
}

void spool_index_kill(struct spool_changes *changes, struct spool_item *item) {
    item->n_open = 0; // a restart reads DEAD alone
    unpin_item(changes->index, item);
    remember(changes, (struct spool_change){.kind = SPOOL_CHANGE_DIE, .item = item});
}

void spool_changes_settle(struct spool_changes *changes) {
    for (size_t i = 0; i < changes->n; i++) {
        struct spool_change *change = &changes->list[i];
        if (change->kind == SPOOL_CHANGE_MOVE) {
            if (change->before->has_more)
                free_more(change->before->more);
            free(change->before);
        } else if (change->kind == SPOOL_CHANGE_DIE) {
            give_item(changes->index, unlink_item(changes->index, change->item->id));
        }
    }
    changes->n = 0;
}

static void take_back_move(struct spool_index *index, struct spool_change *change) {
    struct spool_item *item = change->item;
    uint32_t next = item->next;
    unpin_item(index, item);
    if (item->has_more)
        free_more(item->more);
    *item = *change->before;
    item->next = next;
    pin_item(index, item);
    if (item->has_more && item->more->n_extents)
        list_append(&index->large, &item->more->large);
    free(change->before);
}

static void take_back_rcpt(struct spool_index *index, struct spool_change *change) {
    struct spool_rcpt *state = rcpt_of(change->item, change->rcpt);
    pin_place(index, change->old, SPOOL_STATE_BYTES);
    unpin_place(index, state->place, SPOOL_STATE_BYTES);
    state->place = change->old;
    if (change->was_open && spool_item_is_settled(change->item, change->rcpt))
        mark_settled(change->item, change->rcpt, false);
}

void spool_changes_take_back(struct spool_changes *changes) {
    struct spool_index *index = changes->index;
    while (changes->n > 0) {
        struct spool_change *change = &changes->list[--changes->n];
        switch (change->kind) {
        case SPOOL_CHANGE_ADD:
            unpin_item(index, change->item);
            give_item(index, unlink_item(index, change->item->id));
            break;
        case SPOOL_CHANGE_MOVE: take_back_move(index, change); break;
        case SPOOL_CHANGE_RCPT: take_back_rcpt(index, change); break;
        case SPOOL_CHANGE_DIE: pin_item(index, change->item); break;
        }
    }
}
