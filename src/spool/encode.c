// SPDX-License-Identifier: Apache-2.0
#include "spool/encode.h"

#include "base/codec.h"
#include "spool/store.h"

#include <stdlib.h>

// --- Messages ------------------------------------------------------------------------------------
static uint32_t n_elsewhere(const struct spool_body *body) {
    return body->n_pieces - body->n_in_memory;
}

static void write_pieces(struct spool_encoder *encoder, const struct spool_body *body) {
    enum { HERE_BYTES = 8, ELSEWHERE_BYTES = 20 };
    struct buffer *out = encoder->out;
    codec_put_varint(out, SPOOL_FIELD_PIECES);
    codec_put_varint(out, (uint64_t)n_elsewhere(body) * ELSEWHERE_BYTES +
                              (uint64_t)body->n_in_memory * HERE_BYTES);
    for (uint32_t i = 0; i < body->n_pieces; i++) {
        const struct spool_body_piece *at = &body->pieces[i];
        struct spool_piece piece = {.len = at->len, .crc = at->crc};
        if (i < n_elsewhere(body)) {
            piece.is_elsewhere = true;
            piece.segment = at->file->number;
            piece.offset = (uint32_t)at->offset;
        } else {
            spool_encode_data(encoder, at->memory, at->len);
        }
        spool_piece_write(&piece, out);
    }
}

// The segments of a body's chunks, each once. The caller frees.
static struct spool_extent *extents_of(const struct spool *spool, const struct spool_body *body,
                                       uint32_t *n) {
    struct spool_extent *extents = NULL;
    *n = 0;
    for (uint32_t i = 0; i < n_elsewhere(body); i++) {
        const struct spool_body_piece *piece = &body->pieces[i];
        const struct spool_segment *segment =
            spool_segments_find(&spool->segments, piece->file->number);
        ASSERT(segment); // an arriving piece keeps it
        uint32_t at = 0;
        while (at < *n && extents[at].slot != segment->slot)
            at++;
        if (at == *n) {
            extents = mem_realloc(extents, (size_t)(*n + 1) * sizeof(*extents));
            extents[(*n)++] = (struct spool_extent){.slot = segment->slot};
        }
        extents[at].bytes += piece->len;
    }
    return extents;
}

static uint64_t bytes_in_memory(const struct spool_body *body) {
    uint64_t bytes = 0;
    for (uint32_t i = n_elsewhere(body); i < body->n_pieces; i++)
        bytes += body->pieces[i].len;
    return bytes;
}

// The record of a message, and what the index has to know of it.
static struct spool_new_item write_message(struct spool_encoder *encoder, const struct spool_op *op,
                                           bool is_moved) {
    struct spool_new_item new = {
        .id = op->id, .n_rcpts = op->rcpt, .is_moved = is_moved, .home = encoder->place};
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_MESSAGE, op->id);
    buffer_append_view(encoder->out, spool_op_bytes(encoder->tx, op));
    if (is_moved)
        codec_put_bytes(encoder->out, SPOOL_FIELD_MOVED, VIEW_NONE);
    write_pieces(encoder, op->body);
    spool_record_end(encoder->out, begin);
    new.stored_bytes = encoder->out->len - begin + bytes_in_memory(op->body);
    new.extents = extents_of(encoder->draft->spool, op->body, &new.n_extents);
    return new;
}

static void encode_add(struct spool_encoder *encoder, struct spool_op *op) {
    // A repeated notice: the first one stands, with its states.
    op->is_skipped = spool_index_find(&encoder->draft->spool->index, op->id) != NULL;
    if (op->is_skipped)
        return;
    struct spool_new_item new = write_message(encoder, op, false);
    spool_index_add(&encoder->draft->changes, &new);
    free((void *)(uintptr_t) new.extents);
}

// --- Recipients ----------------------------------------------------------------------------------
static void write_index(struct buffer *out, uint32_t rcpt) {
    char bytes[4];
    codec_store_u32(bytes, rcpt);
    buffer_append(out, bytes, sizeof(bytes));
}

static void write_state(struct spool_encoder *encoder, struct spool_id id, uint32_t rcpt,
                        struct view state) {
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_STATE, id);
    write_index(encoder->out, rcpt);
    buffer_append_view(encoder->out, state);
    spool_record_end(encoder->out, begin);
}

static bool is_about_skipped(const struct spool_tx *tx, const struct spool_op *op) {
    for (const struct spool_op *other = tx->ops; other < op; other++)
        if (other->is_skipped && spool_id_equals(other->id, op->id))
            return true;
    return false;
}

// The message of an operation on an open recipient; NULL where there is none any more.
static struct spool_item *open_item(const struct spool_encoder *encoder,
                                    const struct spool_op *op) {
    struct spool_item *item = spool_index_find(&encoder->draft->spool->index, op->id);
    bool is_open = item && op->rcpt < item->n_rcpts && !spool_item_is_settled(item, op->rcpt);
    return is_open && !is_about_skipped(encoder->tx, op) ? item : NULL;
}

static void encode_state(struct spool_encoder *encoder, const struct spool_op *op) {
    struct spool_item *item = open_item(encoder, op);
    if (!item)
        return;
    write_state(encoder, op->id, op->rcpt, spool_op_bytes(encoder->tx, op));
    spool_index_state(&encoder->draft->changes, item, op->rcpt, encoder->place);
}

static void write_victim(struct spool_encoder *encoder, const struct spool_segment *victim) {
    char bytes[8];
    codec_store_u64(bytes, victim->file->number);
    buffer_append(encoder->out, bytes, sizeof(bytes));
    spool_segment_kills(encoder->draft->segment, victim);
}

// DEAD names every segment that may hold a copy: the home, and where a message was moved, all
// segments that messages were moved out of and that are not gone yet.
static void write_dead(struct spool_encoder *encoder, const struct spool_item *item) {
    const struct spool_segments *segments = &encoder->draft->spool->segments;
    const struct spool_segment *home = spool_segments_at(segments, item->home.slot);
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_DEAD, item->id);
    write_victim(encoder, home);
    for (size_t i = 0; item->is_moved && i < segments->n_ordered; i++)
        if (segments->ordered[i]->is_evacuated && segments->ordered[i] != home)
            write_victim(encoder, segments->ordered[i]);
    spool_record_end(encoder->out, begin);
}

// This settlement and those of the same message that follow it; returns how many.
static size_t encode_settles(struct spool_encoder *encoder, size_t first) {
    const struct spool_tx *tx = encoder->tx;
    const struct spool_op *op = &tx->ops[first];
    struct spool_item *alive = NULL;
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_SETTLED, op->id);
    size_t n = 0;
    for (; first + n < tx->n_ops; n++, op++) {
        if (op->kind != SPOOL_OP_SETTLE || !spool_id_equals(op->id, tx->ops[first].id))
            break;
        struct spool_item *item = open_item(encoder, op);
        if (!item)
            continue;
        alive = item;
        write_index(encoder->out, op->rcpt);
        spool_index_settle(&encoder->draft->changes, item, op->rcpt, encoder->place);
    }
    if (alive && alive->n_open > 0) {
        spool_record_end(encoder->out, begin);
        return n;
    }
    encoder->out->len = begin; // nothing was settled, or everything: DEAD says that
    if (alive) {
        write_dead(encoder, alive);
        spool_index_kill(&encoder->draft->changes, alive);
    }
    return n;
}

// --- Notes ---------------------------------------------------------------------------------------
static void write_note(struct spool_encoder *encoder, const struct spool_op *op, uint64_t since) {
    struct view bytes = spool_op_bytes(encoder->tx, op);
    struct spool_note note = {since, view_take(bytes, op->key_len), view_skip(bytes, op->key_len)};
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_NOTE, op->id);
    spool_note_write(&note, encoder->out);
    spool_record_end(encoder->out, begin);
    spool_encode_note(encoder, &note);
}

// --- What the keeper moves -----------------------------------------------------------------------
static bool still_holds(const struct spool_item *item, const struct spool_op *op) {
    const struct spool_carried *carried = op->carried;
    if (!item || item->n_open == 0 || !spool_place_equals(item->home, op->old) ||
        item->n_rcpts != carried->n_rcpts)
        return false;
    for (uint32_t i = 0; i < item->n_rcpts; i++)
        if (!spool_place_equals(spool_item_rcpt_place(item, i), carried->places[i]) ||
            spool_item_is_settled(item, i) != carried->is_settled[i])
            return false;
    return true;
}

static void encode_move(struct spool_encoder *encoder, struct spool_op *op) {
    struct spool_changes *changes = &encoder->draft->changes;
    struct spool_item *item = spool_index_find(changes->index, op->id);
    const struct spool_carried *carried = op->carried;
    op->is_skipped = !still_holds(item, op);
    if (op->is_skipped)
        return;
    struct spool_new_item new = write_message(encoder, op, true);
    spool_index_move(changes, item, &new);
    free((void *)(uintptr_t) new.extents);
    for (uint32_t i = 0; i < carried->n_rcpts; i++) {
        if (carried->is_settled[i]) {
            size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_SETTLED, op->id);
            write_index(encoder->out, i);
            spool_record_end(encoder->out, begin);
            spool_index_settle(changes, item, i, encoder->place);
        } else if (carried->places[i].slot) {
            write_state(encoder, op->id, i, carried->states[i]);
            spool_index_state(changes, item, i, encoder->place);
        }
    }
}

// The live message whose recipient's latest word stands at `old` and is a settlement, or is not.
static struct spool_item *item_with(const struct spool_encoder *encoder, const struct spool_op *op,
                                    bool is_settled) {
    struct spool_item *item = spool_index_find(&encoder->draft->spool->index, op->id);
    bool holds = item && item->n_open > 0 && op->rcpt < item->n_rcpts &&
                 spool_place_equals(spool_item_rcpt_place(item, op->rcpt), op->old) &&
                 spool_item_is_settled(item, op->rcpt) == is_settled;
    return holds ? item : NULL;
}

static void encode_restate(struct spool_encoder *encoder, const struct spool_op *op) {
    struct spool_item *item = item_with(encoder, op, false);
    if (!item)
        return;
    write_state(encoder, op->id, op->rcpt, spool_op_bytes(encoder->tx, op));
    spool_index_state(&encoder->draft->changes, item, op->rcpt, encoder->place);
}

static void encode_resettle(struct spool_encoder *encoder, const struct spool_op *op) {
    struct spool_item *item = item_with(encoder, op, true);
    if (!item)
        return;
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_SETTLED, op->id);
    write_index(encoder->out, op->rcpt);
    spool_record_end(encoder->out, begin);
    spool_index_resettle(&encoder->draft->changes, item, op->rcpt, encoder->place);
}

static void encode_renote(struct spool_encoder *encoder, const struct spool_op *op) {
    struct view key = view_take(spool_op_bytes(encoder->tx, op), op->key_len);
    if (spool_place_equals(spool_notes_place(&encoder->draft->spool->notes, key), op->old))
        write_note(encoder, op, op->since);
}

// The segments that are left; that of the record itself goes with it.
static void encode_redead(struct spool_encoder *encoder, const struct spool_op *op) {
    const struct spool_segments *segments = &encoder->draft->spool->segments;
    struct view numbers = spool_op_bytes(encoder->tx, op);
    size_t begin = spool_record_begin(encoder->out, SPOOL_RECORD_DEAD, op->id);
    bool is_needed = false;
    for (; numbers.len >= 8; numbers = view_skip(numbers, 8)) {
        const struct spool_segment *victim =
            spool_segments_find(segments, codec_load_u64(numbers.ptr));
        if (!victim || victim->slot == op->old.slot)
            continue;
        write_victim(encoder, victim);
        is_needed = true;
    }
    if (is_needed)
        spool_record_end(encoder->out, begin);
    else
        encoder->out->len = begin;
}

void spool_encode_tx(struct spool_encoder *encoder) {
    struct spool_tx *tx = encoder->tx;
    uint64_t current = encoder->draft->segment->file->number;
    for (size_t i = 0; i < tx->n_ops;) {
        struct spool_op *op = &tx->ops[i];
        size_t taken = 1;
        switch (op->kind) {
        case SPOOL_OP_ADD: encode_add(encoder, op); break;
        case SPOOL_OP_STATE: encode_state(encoder, op); break;
        case SPOOL_OP_SETTLE: taken = encode_settles(encoder, i); break;
        case SPOOL_OP_NOTE: write_note(encoder, op, current); break;
        case SPOOL_OP_MOVE: encode_move(encoder, op); break;
        case SPOOL_OP_RESTATE: encode_restate(encoder, op); break;
        case SPOOL_OP_RESETTLE: encode_resettle(encoder, op); break;
        case SPOOL_OP_RENOTE: encode_renote(encoder, op); break;
        case SPOOL_OP_REDEAD: encode_redead(encoder, op); break;
        }
        i += taken;
    }
}
