// SPDX-License-Identifier: Apache-2.0
// Cleaning: what is alive in a segment is written again at the end of the log, so that the segment
// can be unlinked. The committer says what is alive and the keeper reads it; when the committer
// writes it, it looks again, and what changed meanwhile stays for another time. A few messages go
// with each commit, so that new mail does not wait.
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "spool/keeper.h"
#include "spool/read.h"
#include "spool/replay.h"
#include "spool/tx.h"

#include <stdlib.h>

enum {
    MESSAGES_A_TURN = 64,
    BYTES_A_TURN = 4 << 20,
    FRAMES_A_TURN = 500,
    STATES_BYTES_MAX = 64 << 20,
    PASSES_MAX = 3 // what changed while it was moved is tried again
};

struct cleaning {
    struct spool *spool;
    struct spool_segment *segment;
    struct io_mailbox *answers;
    // One turn.
    struct view rest; // of the image
    struct spool_found found[MESSAGES_A_TURN];
    size_t n_found;
    uint64_t bytes;
    size_t n_alive;         // of this pass
    bool has_deaths;        // DEAD records were carried by an earlier pass
    struct spool_tx *small; // states, settlements, notes and deaths
    bool is_ok;
};

// --- What is alive (on the committer) ------------------------------------------------------------
static void carry_rcpt(struct cleaning *cleaning, const struct spool_record *record,
                       struct spool_place place) {
    bool is_state = record->kind == SPOOL_RECORD_STATE;
    struct view rest = record->payload;
    for (; rest.len >= 4; rest = view_skip(rest, 4)) {
        struct spool_op *op = spool_tx_op(
            cleaning->small, is_state ? SPOOL_OP_RESTATE : SPOOL_OP_RESETTLE, record->id);
        op->rcpt = codec_load_u32(rest.ptr);
        op->old = place;
        if (!is_state)
            continue;
        buffer_append_view(&cleaning->small->bytes, view_skip(rest, 4));
        spool_tx_op_end(cleaning->small, op);
        return;
    }
}

static void carry_small(struct cleaning *cleaning, const struct spool_record *record,
                        struct spool_place place) {
    struct spool_tx *tx = cleaning->small;
    struct spool_note note;
    if (record->kind == SPOOL_RECORD_DEAD) {
        struct spool_op *op = spool_tx_op(tx, SPOOL_OP_REDEAD, record->id);
        op->old = place;
        buffer_append_view(&tx->bytes, record->payload);
        spool_tx_op_end(tx, op);
    } else if (record->kind == SPOOL_RECORD_NOTE && spool_note_read(record->payload, &note)) {
        struct spool_op *op = spool_tx_op(tx, SPOOL_OP_RENOTE, record->id);
        op->old = place;
        op->since = note.since;
        op->key_len = note.key.len;
        buffer_append_view(&tx->bytes, note.key);
        buffer_append_view(&tx->bytes, note.value);
        spool_tx_op_end(tx, op);
    } else if (record->kind == SPOOL_RECORD_STATE || record->kind == SPOOL_RECORD_SETTLED) {
        carry_rcpt(cleaning, record, place);
    }
}

static void take_message(struct cleaning *cleaning, const struct spool_item *item) {
    struct spool_found *found = &cleaning->found[cleaning->n_found++];
    spool_found_fill(cleaning->spool, item, found);
    cleaning->bytes += found->stored_bytes;
}

static void take_frame(struct cleaning *cleaning, uint32_t unit, struct view records) {
    struct spool *spool = cleaning->spool;
    struct spool_place place = {cleaning->segment->slot, unit};
    struct spool_record record;
    while (spool_record_next(&records, &record)) {
        if (!spool_record_is_live(&spool->index, &spool->notes, place, &record))
            continue;
        if (record.kind == SPOOL_RECORD_DEAD && cleaning->has_deaths)
            continue;
        cleaning->n_alive++;
        if (record.kind != SPOOL_RECORD_MESSAGE)
            carry_small(cleaning, &record, place);
        else if (cleaning->n_found < MESSAGES_A_TURN)
            take_message(cleaning, spool_index_find(&spool->index, record.id));
    }
}

static bool is_turn_full(const struct cleaning *cleaning) {
    return cleaning->n_found == MESSAGES_A_TURN ||
           cleaning->bytes + cleaning->small->bytes.len >= BYTES_A_TURN;
}

static void take_turn(struct spool *spool, void *arg) {
    struct cleaning *cleaning = arg;
    struct view records;
    uint32_t unit;
    for (int i = 0; i < FRAMES_A_TURN && !is_turn_full(cleaning); i++) {
        if (!spool_image_next(&cleaning->rest, &unit, &records)) {
            cleaning->rest = VIEW_NONE;
            return;
        }
        take_frame(cleaning, unit, records);
    }
}

// Messages whose home is elsewhere, with pieces of their bodies here.
static void take_large(struct spool *spool, void *arg) {
    struct cleaning *cleaning = arg;
    LIST_FOR_EACH (node, &spool->index.large) {
        const struct spool_more *more = CONTAINER_OF(node, struct spool_more, large);
        bool is_here = false;
        for (uint32_t i = 0; i < more->n_extents; i++)
            is_here |= more->extents[i].slot == cleaning->segment->slot;
        if (is_here && more->item->n_open > 0 && cleaning->n_found < MESSAGES_A_TURN)
            take_message(cleaning, more->item);
    }
}

// --- Reading a message, and its body into a new one ----------------------------------------------
struct moving {
    struct cleaning *cleaning;
    const struct spool_found *found;
    struct spool_carried carried;
    struct arena storage;
    struct spool_tx *tx;
    struct spool_done done;
};

// Pieces that stay where they are keep their place; the others are read and arrive again.
static enum spool_status move_piece(struct moving *moving, struct spool_body *body,
                                    const struct spool_piece *piece, uint64_t home_data_at) {
    const struct spool_found *found = moving->found;
    struct spool_file *home = spool_found_file(found, found->home.slot);
    struct spool_file *file =
        piece->is_elsewhere ? spool_found_number(found, piece->segment) : home;
    if (!file || piece->len > SPOOL_PIECE_BYTES)
        return SPOOL_DAMAGED;
    if (piece->is_elsewhere && file != moving->cleaning->segment->file) {
        enum spool_status status = spool_body_spill(body);
        if (status == SPOOL_OK)
            spool_body_add_piece(body, piece, file, piece->offset);
        return status;
    }
    uint64_t at = piece->offset + (piece->is_elsewhere ? 0 : home_data_at);
    char *bytes = mem_alloc(piece->len);
    enum spool_status status = SPOOL_DAMAGED;
    if (io_is_ok(io_file_read(file->file, bytes, piece->len, at)) &&
        crc32c(0, bytes, piece->len) == piece->crc)
        status = spool_body_append(body, view_from(bytes, piece->len), IO_NEVER);
    free(bytes);
    return status;
}

static enum spool_status move_body(struct moving *moving, const struct spool_loaded *loaded,
                                   struct view pieces, struct spool_body *body) {
    enum spool_status status = SPOOL_OK;
    struct spool_piece piece;
    uint32_t used = 0;
    while (pieces.len > 0 && status == SPOOL_OK) {
        if (!spool_piece_next(&pieces, &used, &piece))
            return SPOOL_DAMAGED;
        status = move_piece(moving, body, &piece, spool_frame_data_at(&loaded->frame));
    }
    return status;
}

static enum spool_status load_carried(struct moving *moving) {
    const struct spool_found *found = moving->found;
    arena_init(&moving->storage, STATES_BYTES_MAX);
    struct view *states = arena_alloc(&moving->storage, found->n_rcpts * sizeof(*states));
    ASSERT(states);
    moving->carried = (struct spool_carried){.n_rcpts = found->n_rcpts,
                                             .places = found->places,
                                             .states = states,
                                             .is_settled = found->is_settled};
    return spool_states_load(found, &moving->storage, states);
}

static void make_tx(struct moving *moving, struct view payload, struct spool_body *body) {
    const struct spool_found *found = moving->found;
    moving->tx = spool_tx_create(moving->cleaning->spool);
    struct spool_op *op = spool_tx_op(moving->tx, SPOOL_OP_MOVE, found->id);
    op->rcpt = found->n_rcpts;
    op->old = found->home;
    op->carried = &moving->carried;
    op->body = spool_body_ref(body);
    spool_message_copy(payload, &moving->tx->bytes);
    spool_tx_op_end(moving->tx, op);
    moving->tx->body_bytes = body->size;
}

static enum spool_status load_moving(struct moving *moving) {
    const struct spool_found *found = moving->found;
    struct spool_message message;
    struct spool_loaded loaded = {0};
    struct view payload = VIEW_NONE;
    buffer_init(&loaded.bytes, SPOOL_FILE_BYTES_MAX);
    struct spool_body *body = spool_body_make(moving->cleaning->spool, NULL);
    enum spool_status status =
        spool_frame_load(spool_found_file(found, found->home.slot), found->home.unit, &loaded);
    if (status == SPOOL_OK && (!spool_find_message(loaded.meta, found->id, &payload) ||
                               !spool_message_read(payload, &message)))
        status = SPOOL_DAMAGED;
    if (status == SPOOL_OK)
        status = load_carried(moving);
    if (status == SPOOL_OK)
        status = move_body(moving, &loaded, message.pieces, body);
    if (status == SPOOL_OK)
        make_tx(moving, payload, body);
    spool_body_unref(body);
    buffer_finish(&loaded.bytes);
    return status;
}

static void say_damaged(const struct spool_found *found) {
    char text[SPOOL_ID_TEXT_SIZE];
    spool_id_format(found->id, text);
    log_error("spool", "message %s cannot be moved: it cannot be read", text);
}

// --- One turn ------------------------------------------------------------------------------------
static size_t submit_moving(struct cleaning *cleaning, struct moving *moving) {
    size_t n_submitted = 0;
    for (size_t i = 0; i < cleaning->n_found; i++) {
        moving[i].cleaning = cleaning;
        moving[i].found = &cleaning->found[i];
        enum spool_status status = load_moving(&moving[i]);
        if (status == SPOOL_DAMAGED)
            say_damaged(&cleaning->found[i]);
        if (status != SPOOL_OK) {
            cleaning->is_ok = false;
            continue;
        }
        spool_submit(moving[i].tx, cleaning->answers, &moving[i].done);
        n_submitted++;
    }
    return n_submitted;
}

static void await_answers(struct cleaning *cleaning, size_t n) {
    while (n > 0) {
        struct io_mail *chain = io_mailbox_take_all(cleaning->answers, IO_NEVER);
        if (!chain && io_is_canceled()) // the answers are on this stack: they are waited for
            io_cancel_clear();
        for (; chain; chain = chain->next, n--) {
            const struct spool_done *done = CONTAINER_OF(chain, struct spool_done, mail);
            cleaning->is_ok &= done->status == SPOOL_OK;
        }
    }
}

static void move_turn(struct cleaning *cleaning) {
    struct moving *moving = mem_alloc_zero(MESSAGES_A_TURN * sizeof(*moving));
    struct spool_done small_done = {0};
    size_t n_submitted = submit_moving(cleaning, moving);
    spool_submit(cleaning->small, cleaning->answers, &small_done);
    await_answers(cleaning, n_submitted + 1);
    for (size_t i = 0; i < cleaning->n_found; i++) {
        arena_finish(&moving[i].storage);
        spool_found_finish(&cleaning->found[i]);
    }
    free(moving);
    cleaning->n_found = 0;
    cleaning->bytes = 0;
}

// Returns how many messages it was about.
static size_t run_turn(struct cleaning *cleaning, void (*take)(struct spool *spool, void *arg)) {
    cleaning->small = spool_tx_create(cleaning->spool);
    spool_ask(cleaning->spool, take, cleaning);
    size_t n = cleaning->n_found;
    move_turn(cleaning);
    return n;
}

static bool clean_large(struct cleaning *cleaning) {
    for (int pass = 0; pass < PASSES_MAX && cleaning->is_ok; pass++) {
        size_t n = run_turn(cleaning, take_large);
        while (n == MESSAGES_A_TURN && cleaning->is_ok)
            n = run_turn(cleaning, take_large);
        if (n == 0)
            break;
    }
    return cleaning->is_ok;
}

// Its DEAD records stand elsewhere now, durable.
static void let_go_of_deaths(struct spool *spool, void *arg) {
    spool_segment_forget_kills(arg);
}

bool spool_clean(struct spool *spool, struct spool_segment *segment) {
    struct buffer storage;
    struct view image;
    struct cleaning *cleaning = mem_alloc_zero(sizeof(*cleaning));
    cleaning->spool = spool;
    cleaning->segment = segment;
    cleaning->answers = io_mailbox_create(spool->helper_loop);
    buffer_init(&storage, SPOOL_FILE_BYTES_MAX);
    cleaning->is_ok = spool_image_get(spool, segment, &storage, &image);
    for (int pass = 0; pass < PASSES_MAX && cleaning->is_ok; pass++) {
        cleaning->rest = image;
        cleaning->n_alive = 0;
        while (cleaning->rest.len > 0 && cleaning->is_ok)
            run_turn(cleaning, take_turn);
        cleaning->has_deaths = true;
        if (cleaning->n_alive == 0)
            break;
    }
    bool is_ok = cleaning->is_ok && clean_large(cleaning);
    if (is_ok)
        spool_ask(spool, let_go_of_deaths, segment);
    buffer_finish(&storage);
    io_mailbox_destroy(cleaning->answers);
    free(cleaning);
    return is_ok;
}
