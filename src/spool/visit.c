// SPDX-License-Identifier: Apache-2.0
// Visits every live message once, in one pass over the segments from the newest to the oldest: a
// state never stands before its message, so it is at hand when the message comes.
#include "base/codec.h"
#include "spool/fetch.h"
#include "spool/recover.h"

#include <stdlib.h>

struct pending_state { // of a message that comes later
    struct hash_node node;
    struct spool_id id;
    uint32_t rcpt;
    size_t len;
    char bytes[];
};

struct visitor {
    struct spool_start *start;
    struct hash_table pending;
    struct buffer sealed;        // the index of one segment
    enum spool_rcpt_mark *marks; // of one message
    struct view *states;
    struct pending_state **used;
    size_t size;
};

static void free_pending(struct hash_node *node, void *arg) {
    free(CONTAINER_OF(node, struct pending_state, node));
}

static bool is_live(const struct visitor *visitor, struct spool_place place,
                    const struct spool_record *record) {
    const struct spool *spool = visitor->start->spool;
    return spool_record_is_live(&spool->index, &spool->notes, place, record);
}

static uint64_t hash_of(struct spool_id id, uint32_t rcpt) {
    return spool_id_hash(id) ^ hash_u64(rcpt);
}

static struct pending_state *find_pending(struct visitor *visitor, struct spool_id id,
                                          uint32_t rcpt) {
    struct hash_node *node = hash_table_first(&visitor->pending, hash_of(id, rcpt));
    for (; node; node = hash_table_next(node)) {
        struct pending_state *state = CONTAINER_OF(node, struct pending_state, node);
        if (spool_id_equals(state->id, id) && state->rcpt == rcpt)
            return state;
    }
    return NULL;
}

static void keep_state(struct visitor *visitor, const struct spool_record *record) {
    struct view bytes = view_skip(record->payload, 4);
    uint32_t rcpt = codec_load_u32(record->payload.ptr);
    struct pending_state *earlier = find_pending(visitor, record->id, rcpt);
    if (earlier) { // twice in one frame: the later one counts
        hash_table_remove(&visitor->pending, &earlier->node);
        free(earlier);
    }
    struct pending_state *state = mem_alloc(sizeof(*state) + bytes.len);
    state->id = record->id;
    state->rcpt = rcpt;
    state->len = bytes.len;
    if (bytes.len)
        memcpy(state->bytes, bytes.ptr, bytes.len);
    hash_table_insert(&visitor->pending, &state->node, hash_of(record->id, rcpt));
}

static void make_room(struct visitor *visitor, size_t n_rcpts) {
    if (n_rcpts <= visitor->size)
        return;
    visitor->size = n_rcpts;
    visitor->marks = mem_realloc(visitor->marks, n_rcpts * sizeof(*visitor->marks));
    visitor->states = mem_realloc(visitor->states, n_rcpts * sizeof(*visitor->states));
    visitor->used = mem_realloc(visitor->used, n_rcpts * sizeof(struct pending_state *));
}

static size_t take_states(struct visitor *visitor, const struct spool_item *item) {
    size_t n_used = 0;
    for (uint32_t i = 0; i < item->n_rcpts; i++) {
        struct pending_state *state = NULL;
        if (spool_item_rcpt_place(item, i).slot)
            state = find_pending(visitor, item->id, i);
        if (!state)
            continue;
        hash_table_remove(&visitor->pending, &state->node);
        visitor->states[i] = view_from(state->bytes, state->len);
        visitor->used[n_used++] = state;
    }
    return n_used;
}

static void visit_message(struct visitor *visitor, const struct spool_record *record) {
    struct spool_start *start = visitor->start;
    const struct spool_item *item = spool_index_find(&start->spool->index, record->id);
    struct spool_message message;
    if (!spool_message_read(record->payload, &message) || message.n_rcpts != item->n_rcpts)
        return;
    make_room(visitor, item->n_rcpts);
    for (uint32_t i = 0; i < item->n_rcpts; i++) {
        bool is_settled = spool_item_is_settled(item, i);
        visitor->marks[i] = is_settled ? SPOOL_RCPT_SETTLED : SPOOL_RCPT_OPEN;
        visitor->states[i] = VIEW_NONE;
    }
    size_t n_used = take_states(visitor, item);
    struct spool_entry entry = {.id = record->id,
                                .body_bytes = message.body_bytes,
                                .envelope = message.envelope,
                                .n_rcpts = item->n_rcpts,
                                .marks = visitor->marks,
                                .states = visitor->states};
    start->report->messages++;
    start->report->recipients += item->n_open;
    if (start->visit)
        start->visit(&entry, start->arg);
    for (size_t i = 0; i < n_used; i++)
        free(visitor->used[i]);
}

static void visit_kind(struct visitor *visitor, const struct spool_segment *segment,
                       struct view image, enum spool_record_kind kind) {
    struct spool_record record;
    struct view records;
    uint32_t unit;
    while (spool_image_next(&image, &unit, &records)) {
        struct spool_place place = {segment->slot, unit};
        while (spool_record_next(&records, &record)) {
            if (record.kind != kind || !is_live(visitor, place, &record))
                continue;
            if (kind == SPOOL_RECORD_STATE)
                keep_state(visitor, &record);
            else
                visit_message(visitor, &record);
        }
    }
}

static bool visit_segment(struct visitor *visitor, struct spool_segment *segment) {
    bool is_damaged = false;
    struct view image = buffer_view(&segment->image);
    if (segment->n_pins == 0)
        return true;
    if (segment->state == SPOOL_SEGMENT_SEALED &&
        !spool_sealed_load(segment, &visitor->sealed, &image, &is_damaged))
        return error_set(visitor->start->error, "segment %016llx cannot be read twice",
                         (unsigned long long)segment->file->number);
    visit_kind(visitor, segment, image, SPOOL_RECORD_STATE);
    visit_kind(visitor, segment, image, SPOOL_RECORD_MESSAGE);
    return true;
}

bool spool_visit_all(struct spool_start *start) {
    struct visitor visitor = {.start = start};
    struct spool_segments *segments = &start->spool->segments;
    bool is_ok = true;
    hash_table_init(&visitor.pending);
    buffer_init(&visitor.sealed, SPOOL_FILE_BYTES_MAX);
    for (size_t i = segments->n_ordered; i > 0 && is_ok; i--)
        is_ok = visit_segment(&visitor, segments->ordered[i - 1]);
    hash_table_each(&visitor.pending, free_pending, NULL);
    hash_table_finish(&visitor.pending);
    buffer_finish(&visitor.sealed);
    free(visitor.marks);
    free(visitor.states);
    free(visitor.used);
    return is_ok;
}
