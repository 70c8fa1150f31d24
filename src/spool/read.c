// SPDX-License-Identifier: Apache-2.0
#include "spool/read.h"

#include "base/codec.h"

#include <stdlib.h>

// --- Where things are ----------------------------------------------------------------------------
static void hold(const struct spool *spool, struct spool_found *found, uint32_t slot) {
    if (slot == 0 || spool_found_file(found, slot))
        return;
    found->held = mem_realloc(found->held, (found->n_held + 1) * sizeof(*found->held));
    struct spool_file *file = spool_segments_at(&spool->segments, slot)->file;
    found->held[found->n_held++] = (struct spool_held){slot, spool_file_ref(file)};
}

void spool_found_fill(const struct spool *spool, const struct spool_item *item,
                      struct spool_found *found) {
    *found = (struct spool_found){.id = item->id,
                                  .n_rcpts = item->n_rcpts,
                                  .stored_bytes = item->stored_bytes,
                                  .home = item->home};
    found->places = mem_alloc(item->n_rcpts * sizeof(*found->places));
    found->is_settled = mem_alloc(item->n_rcpts * sizeof(*found->is_settled));
    hold(spool, found, item->home.slot);
    for (uint32_t i = 0; i < item->n_rcpts; i++) {
        found->places[i] = spool_item_rcpt_place(item, i);
        found->is_settled[i] = spool_item_is_settled(item, i);
        hold(spool, found, found->places[i].slot);
    }
    for (uint32_t i = 0; item->has_more && i < item->more->n_extents; i++)
        hold(spool, found, item->more->extents[i].slot);
}

static void find(struct spool *spool, void *arg) {
    struct spool_found *found = arg;
    struct spool_item *item = spool_index_find(&spool->index, found->id);
    if (item && item->n_open > 0)
        spool_found_fill(spool, item, found);
}

void spool_found_ask(struct spool *spool, struct spool_id id, struct spool_found *found) {
    *found = (struct spool_found){.id = id};
    spool_ask(spool, find, found);
}

void spool_found_finish(struct spool_found *found) {
    for (size_t i = 0; i < found->n_held; i++)
        spool_file_unref(found->held[i].file);
    free(found->held);
    free(found->places);
    free(found->is_settled);
    *found = (struct spool_found){0};
}

struct spool_file *spool_found_file(const struct spool_found *found, uint32_t slot) {
    for (size_t i = 0; i < found->n_held; i++)
        if (found->held[i].slot == slot)
            return found->held[i].file;
    return NULL;
}

struct spool_file *spool_found_number(const struct spool_found *found, uint64_t number) {
    for (size_t i = 0; i < found->n_held; i++)
        if (found->held[i].file->number == number)
            return found->held[i].file;
    return NULL;
}

// --- Frames --------------------------------------------------------------------------------------
// So many bytes of the frame are in the buffer afterwards, or fewer at the end of the file.
static bool read_up_to(struct spool_file *file, uint64_t at, uint64_t len, struct buffer *bytes) {
    if (len <= bytes->len)
        return true;
    size_t missing = (size_t)len - bytes->len;
    char *room = buffer_reserve(bytes, missing);
    if (!room)
        return false;
    struct io_result result = io_file_read(file->file, room, missing, at + bytes->len);
    buffer_advance(bytes, size_min(result.bytes, missing));
    return result.status == IO_OK || result.status == IO_EOF;
}

enum spool_status spool_frame_load(struct spool_file *file, uint32_t unit,
                                   struct spool_loaded *loaded) {
    enum { FIRST_READ_BYTES = 2048 }; // most frames without their data
    struct spool_frame *frame = &loaded->frame;
    uint64_t at = (uint64_t)unit * SPOOL_UNIT_BYTES;
    buffer_clear(&loaded->bytes);
    if (!read_up_to(file, at, FIRST_READ_BYTES, &loaded->bytes) ||
        !spool_frame_peek(file->secret, buffer_view(&loaded->bytes), frame) || frame->unit != unit)
        return SPOOL_DAMAGED;
    uint64_t wanted = (uint64_t)SPOOL_FRAME_BYTES + frame->meta_bytes;
    if (!read_up_to(file, at, wanted, &loaded->bytes) || loaded->bytes.len < wanted ||
        !spool_frame_read(file->secret, buffer_view(&loaded->bytes), frame, &loaded->meta))
        return SPOOL_DAMAGED;
    return SPOOL_OK;
}

bool spool_find_message(struct view meta, struct spool_id id, struct view *payload) {
    struct spool_record record;
    while (spool_record_next(&meta, &record))
        if (record.kind == SPOOL_RECORD_MESSAGE && spool_id_equals(record.id, id)) {
            *payload = record.payload;
            return true;
        }
    return false;
}

bool spool_find_state(struct view meta, struct spool_id id, uint32_t rcpt, struct view *state) {
    struct spool_record record;
    bool is_found = false;
    while (spool_record_next(&meta, &record)) {
        if (record.kind != SPOOL_RECORD_STATE || !spool_id_equals(record.id, id) ||
            record.payload.len < 4 || codec_load_u32(record.payload.ptr) != rcpt)
            continue;
        *state = view_skip(record.payload, 4);
        is_found = true;
    }
    return is_found;
}

static enum spool_status copy_state(const struct spool_loaded *loaded,
                                    const struct spool_found *found, uint32_t rcpt,
                                    struct arena *storage, struct view *state) {
    struct view bytes = VIEW_NONE;
    if (!spool_find_state(loaded->meta, found->id, rcpt, &bytes))
        return SPOOL_DAMAGED;
    *state = arena_copy(storage, bytes);
    return state->ptr ? SPOOL_OK : SPOOL_TOO_BIG;
}

enum spool_status spool_states_load(const struct spool_found *found, struct arena *storage,
                                    struct view *states) {
    struct spool_place loaded_place = {0}; // states that were stored together stand together
    struct spool_loaded loaded = {0};
    enum spool_status status = SPOOL_OK;
    buffer_init(&loaded.bytes, SPOOL_FILE_BYTES_MAX);
    for (uint32_t i = 0; i < found->n_rcpts && status == SPOOL_OK; i++) {
        struct spool_place place = found->places[i];
        states[i] = VIEW_NONE;
        if (place.slot == 0 || found->is_settled[i])
            continue;
        if (!spool_place_equals(place, loaded_place))
            status = spool_frame_load(spool_found_file(found, place.slot), place.unit, &loaded);
        loaded_place = place;
        if (status == SPOOL_OK)
            status = copy_state(&loaded, found, i, storage, &states[i]);
    }
    buffer_finish(&loaded.bytes);
    return status;
}

// --- Looking up ----------------------------------------------------------------------------------
static enum spool_status load_message(const struct spool_found *found, struct spool_loaded *loaded,
                                      struct spool_message *message) {
    struct view payload = VIEW_NONE;
    enum spool_status status =
        spool_frame_load(spool_found_file(found, found->home.slot), found->home.unit, loaded);
    if (status == SPOOL_OK &&
        (!spool_find_message(loaded->meta, found->id, &payload) ||
         !spool_message_read(payload, message) || message->n_rcpts != found->n_rcpts))
        status = SPOOL_DAMAGED;
    return status;
}

static enum spool_status fill_entry(const struct spool_found *found,
                                    const struct spool_message *message, struct arena *arena,
                                    struct spool_entry *entry) {
    size_t n = found->n_rcpts;
    enum spool_rcpt_mark *marks = arena_alloc(arena, n * sizeof(*marks));
    struct view *states = arena_alloc(arena, n * sizeof(*states));
    struct view envelope = arena_copy(arena, message->envelope);
    if (!marks || !states || !envelope.ptr)
        return SPOOL_TOO_BIG;
    for (size_t i = 0; i < n; i++)
        marks[i] = found->is_settled[i] ? SPOOL_RCPT_SETTLED : SPOOL_RCPT_OPEN;
    *entry = (struct spool_entry){.id = found->id,
                                  .body_bytes = message->body_bytes,
                                  .envelope = envelope,
                                  .n_rcpts = found->n_rcpts,
                                  .marks = marks,
                                  .states = states};
    return spool_states_load(found, arena, states);
}

enum spool_status spool_lookup(struct spool *spool, struct spool_id id, struct arena *arena,
                               struct spool_entry *entry) {
    struct spool_found found;
    struct spool_loaded loaded = {0};
    struct spool_message message;
    spool_found_ask(spool, id, &found);
    if (found.n_rcpts == 0)
        return SPOOL_NOT_FOUND;
    buffer_init(&loaded.bytes, SPOOL_FILE_BYTES_MAX);
    enum spool_status status = load_message(&found, &loaded, &message);
    if (status == SPOOL_OK)
        status = fill_entry(&found, &message, arena, entry);
    buffer_finish(&loaded.bytes);
    spool_found_finish(&found);
    return status;
}

static enum spool_status add_pieces(struct spool_body *body, const struct spool_found *found,
                                    const struct spool_loaded *loaded, struct view pieces) {
    struct spool_file *home = spool_found_file(found, found->home.slot);
    struct spool_piece piece;
    uint32_t used = 0;
    while (pieces.len > 0) {
        if (!spool_piece_next(&pieces, &used, &piece))
            return SPOOL_DAMAGED;
        struct spool_file *file =
            piece.is_elsewhere ? spool_found_number(found, piece.segment) : home;
        if (!file || piece.len > SPOOL_PIECE_BYTES)
            return SPOOL_DAMAGED;
        uint64_t base = piece.is_elsewhere ? 0 : spool_frame_data_at(&loaded->frame);
        spool_body_add_piece(body, &piece, file, base + piece.offset);
    }
    return SPOOL_OK;
}

static enum spool_status open_found(struct spool *spool, const struct spool_found *found,
                                    struct spool_body **body) {
    struct spool_loaded loaded = {0};
    struct spool_message message;
    buffer_init(&loaded.bytes, SPOOL_FILE_BYTES_MAX);
    struct spool_body *made = spool_body_make(spool, NULL);
    made->is_committed = true;
    enum spool_status status = load_message(found, &loaded, &message);
    if (status == SPOOL_OK)
        status = add_pieces(made, found, &loaded, message.pieces);
    if (status == SPOOL_OK && made->size != message.body_bytes)
        status = SPOOL_DAMAGED;
    if (status == SPOOL_OK)
        *body = spool_body_ref(made);
    spool_body_unref(made);
    buffer_finish(&loaded.bytes);
    return status;
}

enum spool_status spool_body_open(struct spool *spool, struct spool_id id,
                                  struct spool_body **body) {
    struct spool_found found;
    *body = spool_body_find_resident(spool, id);
    if (*body)
        return SPOOL_OK;
    spool_found_ask(spool, id, &found);
    if (found.n_rcpts == 0)
        return SPOOL_NOT_FOUND;
    enum spool_status status = open_found(spool, &found, body);
    spool_found_finish(&found);
    return status;
}

void spool_notes_each(struct spool *spool,
                      void (*visit)(struct view key, struct view value, void *arg), void *arg) {
    spool_notes_visit(&spool->notes, visit, arg);
}
