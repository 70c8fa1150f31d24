// SPDX-License-Identifier: Apache-2.0
#include "spool/notes.h"

#include <stdlib.h>

struct note_node {
    struct hash_node node;
    struct list removed;
    struct spool_place place;
    uint64_t since;
    struct view key, value; // one block behind this struct
};

void spool_notes_init(struct spool_notes *notes, struct spool_segments *segments) {
    pthread_mutex_init(&notes->lock, NULL);
    notes->segments = segments;
    hash_table_init(&notes->table);
    list_init(&notes->removed);
}

static void free_node(struct hash_node *node, void *arg) {
    free(CONTAINER_OF(node, struct note_node, node));
}

void spool_notes_finish(struct spool_notes *notes) {
    hash_table_each(&notes->table, free_node, NULL);
    hash_table_finish(&notes->table);
    pthread_mutex_destroy(&notes->lock);
}

static struct note_node *find(const struct spool_notes *notes, struct view key) {
    struct hash_node *node = hash_table_first(&notes->table, view_hash(key));
    for (; node; node = hash_table_next(node)) {
        struct note_node *note = CONTAINER_OF(node, struct note_node, node);
        if (view_equals(note->key, key))
            return note;
    }
    return NULL;
}

static uint64_t stored_bytes(const struct note_node *note) {
    return SPOOL_STATE_BYTES + note->key.len + note->value.len;
}

static void drop(struct spool_notes *notes, struct note_node *note) {
    hash_table_remove(&notes->table, &note->node);
    list_remove(&note->removed);
    spool_segment_unpin(notes->segments, note->place.slot, stored_bytes(note));
    free(note);
}

static struct note_node *make(const struct spool_note *note, struct spool_place place) {
    struct note_node *made = mem_alloc_zero(sizeof(*made) + note->key.len + note->value.len);
    char *bytes = (char *)(made + 1);
    memcpy(bytes, note->key.ptr, note->key.len);
    if (note->value.len)
        memcpy(bytes + note->key.len, note->value.ptr, note->value.len);
    made->key = view_from(bytes, note->key.len);
    made->value = view_from(bytes + note->key.len, note->value.len);
    made->place = place;
    made->since = note->since;
    list_init(&made->removed);
    return made;
}

void spool_notes_set(struct spool_notes *notes, const struct spool_note *note,
                     struct spool_place place) {
    ASSERT(note->key.len > 0 && place.slot > 0);
    struct note_node *made = make(note, place);
    pthread_mutex_lock(&notes->lock);
    struct note_node *old = find(notes, note->key);
    if (old)
        drop(notes, old);
    hash_table_insert(&notes->table, &made->node, view_hash(made->key));
    spool_segment_pin(notes->segments, place.slot, stored_bytes(made));
    if (made->value.len == 0)
        list_append(&notes->removed, &made->removed);
    pthread_mutex_unlock(&notes->lock);
}

struct spool_place spool_notes_place(const struct spool_notes *notes, struct view key) {
    const struct note_node *note = find(notes, key);
    return note ? note->place : (struct spool_place){0};
}

// Older values stand in segments up to the one that was current at the removal. The segment of the
// removal itself may be one of these: it goes as a whole.
static bool is_forgotten(const struct spool_notes *notes, const struct note_node *note) {
    const struct spool_segments *segments = notes->segments;
    for (size_t i = 0; i < segments->n_ordered; i++) {
        const struct spool_segment *segment = segments->ordered[i];
        if (segment->file->number > note->since)
            return true;
        if (segment->slot != note->place.slot)
            return false;
    }
    return true;
}

void spool_notes_forget(struct spool_notes *notes) {
    pthread_mutex_lock(&notes->lock);
    LIST_FOR_EACH_SAFE (node, next, &notes->removed) {
        struct note_node *note = CONTAINER_OF(node, struct note_node, removed);
        if (is_forgotten(notes, note))
            drop(notes, note);
    }
    pthread_mutex_unlock(&notes->lock);
}

struct collected {
    struct buffer bytes; // u32 lengths are kept beside: key, value, key, value
    size_t *lengths;
    size_t n, size;
};

static void collect(struct hash_node *node, void *arg) {
    struct collected *all = arg;
    struct note_node *note = CONTAINER_OF(node, struct note_node, node);
    if (note->value.len == 0)
        return;
    if (all->n + 2 > all->size) {
        all->size = size_max(all->size * 2, 64);
        all->lengths = mem_realloc(all->lengths, all->size * sizeof(*all->lengths));
    }
    all->lengths[all->n++] = note->key.len;
    all->lengths[all->n++] = note->value.len;
    buffer_append_view(&all->bytes, note->key);
    buffer_append_view(&all->bytes, note->value);
}

void spool_notes_visit(struct spool_notes *notes,
                       void (*visit)(struct view key, struct view value, void *arg), void *arg) {
    struct collected all = {0};
    buffer_init(&all.bytes, SIZE_MAX / 2);
    pthread_mutex_lock(&notes->lock);
    hash_table_each(&notes->table, collect, &all);
    pthread_mutex_unlock(&notes->lock);
    const char *at = all.bytes.ptr;
    for (size_t i = 0; i < all.n; i += 2) {
        visit(view_from(at, all.lengths[i]), view_from(at + all.lengths[i], all.lengths[i + 1]),
              arg);
        at += all.lengths[i] + all.lengths[i + 1];
    }
    free(all.lengths);
    buffer_finish(&all.bytes);
}
