// SPDX-License-Identifier: Apache-2.0
#include "spool/draft.h"

#include "spool/encode.h"
#include "spool/scan.h"
#include "spool/store.h"

#include <stdlib.h>

static const char padding[SPOOL_UNIT_BYTES];

void spool_draft_init(struct spool_draft *draft, struct spool *spool) {
    *draft = (struct spool_draft){.spool = spool};
    buffer_init(&draft->meta, SPOOL_FILE_BYTES_MAX);
    spool_changes_init(&draft->changes, &spool->index);
}

void spool_draft_finish(struct spool_draft *draft) {
    buffer_finish(&draft->meta);
    free(draft->parts);
    free(draft->vectors);
    free(draft->frames);
    free(draft->notes);
    spool_changes_finish(&draft->changes);
}

static void add_part(struct spool_draft *draft, const char *memory, size_t len) {
    if (draft->n_parts == draft->size_parts) {
        draft->size_parts = size_max(draft->size_parts * 2, 256);
        draft->parts = mem_realloc(draft->parts, draft->size_parts * sizeof(*draft->parts));
    }
    draft->parts[draft->n_parts++] = (struct spool_draft_part){memory, draft->meta.len, len};
}

void spool_draft_begin(struct spool_draft *draft, struct spool_segment *segment,
                       uint64_t sequence) {
    ASSERT(draft->changes.n == 0 && segment->state == SPOOL_SEGMENT_CURRENT);
    buffer_clear(&draft->meta);
    draft->n_parts = draft->n_frames = draft->n_notes = 0;
    draft->segment = segment;
    draft->sequence = sequence;
    draft->length = SPOOL_BATCH_BYTES;
    draft->wall_ms = io_wall_ms();
    char room[SPOOL_BATCH_BYTES] = {0};
    add_part(draft, NULL, sizeof(room));
    buffer_append(&draft->meta, room, sizeof(room));
}

// --- Frames --------------------------------------------------------------------------------------
static struct spool_draft_frame *begin_frame(struct spool_draft *draft, struct spool_work *work) {
    if (draft->n_frames == draft->size_frames) {
        draft->size_frames = size_max(draft->size_frames * 2, 64);
        draft->frames = mem_realloc(draft->frames, draft->size_frames * sizeof(*draft->frames));
    }
    uint64_t at = draft->segment->end + draft->length;
    ASSERT(at % SPOOL_UNIT_BYTES == 0);
    char room[SPOOL_FRAME_BYTES] = {0};
    add_part(draft, NULL, 0);
    buffer_append(&draft->meta, room, sizeof(room));
    struct spool_draft_frame *frame = &draft->frames[draft->n_frames++];
    *frame = (struct spool_draft_frame){
        .work = work, .unit = (uint32_t)(at / SPOOL_UNIT_BYTES), .meta_at = draft->meta.len};
    return frame;
}

// `first_part` is the frame's own; the bodies follow it.
static bool end_frame(struct spool_draft *draft, size_t first_part) {
    struct spool_draft_frame *frame = &draft->frames[draft->n_frames - 1];
    size_t begin = frame->meta_at - SPOOL_FRAME_BYTES;
    ASSERT(!draft->meta.overflow && draft->parts[first_part].at == begin);
    if (draft->meta.len == frame->meta_at) {
        ASSERT(draft->n_parts == first_part + 1);
        draft->meta.len = begin;
        draft->n_parts--;
        draft->n_frames--;
        return false;
    }
    frame->meta_bytes = (uint32_t)(draft->meta.len - frame->meta_at);
    draft->parts[first_part].len = SPOOL_FRAME_BYTES + frame->meta_bytes;
    struct spool_frame header = {draft->sequence, frame->unit, frame->meta_bytes,
                                 frame->data_bytes};
    spool_frame_write(draft->segment->file->secret, &header, draft->meta.ptr + begin);
    uint64_t bytes = (uint64_t)SPOOL_FRAME_BYTES + frame->meta_bytes + frame->data_bytes;
    if (bytes % SPOOL_UNIT_BYTES)
        add_part(draft, padding, SPOOL_UNIT_BYTES - bytes % SPOOL_UNIT_BYTES);
    draft->length += spool_frame_total(&header);
    return true;
}

void spool_encode_data(struct spool_encoder *encoder, const char *memory, uint32_t len) {
    add_part(encoder->draft, memory, len);
    encoder->draft->frames[encoder->draft->n_frames - 1].data_bytes += len;
}

void spool_encode_note(struct spool_encoder *encoder, const struct spool_note *note) {
    struct spool_draft *draft = encoder->draft;
    if (draft->n_notes == draft->size_notes) {
        draft->size_notes = size_max(draft->size_notes * 2, 16);
        draft->notes = mem_realloc(draft->notes, draft->size_notes * sizeof(*draft->notes));
    }
    draft->notes[draft->n_notes++] = (struct spool_draft_note){*note, encoder->place};
}

bool spool_draft_add_tx(struct spool_draft *draft, struct spool_tx *tx) {
    size_t first_part = draft->n_parts;
    struct spool_draft_frame *frame = begin_frame(draft, &tx->work);
    struct spool_encoder encoder = {.draft = draft,
                                    .tx = tx,
                                    .out = &draft->meta,
                                    .place = {draft->segment->slot, frame->unit}};
    spool_encode_tx(&encoder);
    return end_frame(draft, first_part);
}

void spool_draft_add_chunk(struct spool_draft *draft, struct spool_chunk *chunk) {
    size_t first_part = draft->n_parts;
    begin_frame(draft, &chunk->work);
    struct spool_encoder encoder = {.draft = draft};
    size_t begin = spool_record_begin(&draft->meta, SPOOL_RECORD_CHUNK, (struct spool_id){0});
    for (uint32_t i = 0; i < chunk->n_parts; i++) {
        struct spool_piece piece = {.len = chunk->parts[i].len, .crc = chunk->parts[i].crc};
        spool_piece_write(&piece, &draft->meta);
        spool_encode_data(&encoder, chunk->parts[i].bytes, piece.len);
    }
    spool_record_end(&draft->meta, begin);
    bool has_frame = end_frame(draft, first_part);
    ASSERT(has_frame);
}

int spool_draft_vectors(struct spool_draft *draft, struct iovec **vectors) {
    struct spool_batch header = {.sequence = draft->sequence,
                                 .wall_ms = draft->wall_ms,
                                 .length = (uint32_t)draft->length,
                                 .n_frames = (uint32_t)draft->n_frames,
                                 .unit = (uint32_t)(draft->segment->end / SPOOL_UNIT_BYTES)};
    ASSERT(draft->n_frames > 0 && draft->length <= UINT32_MAX);
    spool_batch_write(draft->segment->file->secret, &header, (unsigned char *)draft->meta.ptr);
    if (draft->size_vectors < draft->n_parts) {
        draft->size_vectors = draft->size_parts;
        draft->vectors = mem_realloc(draft->vectors, draft->size_vectors * sizeof(struct iovec));
    }
    for (size_t i = 0; i < draft->n_parts; i++) {
        const struct spool_draft_part *part = &draft->parts[i];
        const char *from = part->memory ? part->memory : draft->meta.ptr + part->at;
        draft->vectors[i] = (struct iovec){(void *)(uintptr_t)from, part->len};
    }
    *vectors = draft->vectors;
    return (int)draft->n_parts;
}

// --- Afterwards ----------------------------------------------------------------------------------
static void settle_tx(const struct spool_draft_frame *frame, struct spool_file *file,
                      uint64_t data_at) {
    const struct spool_tx *tx = CONTAINER_OF(frame->work, struct spool_tx, work);
    for (size_t i = 0; i < tx->n_ops; i++) {
        const struct spool_op *op = &tx->ops[i];
        if (!op->body || op->is_skipped)
            continue;
        uint64_t in_memory = 0;
        for (uint32_t n = op->body->n_pieces - op->body->n_in_memory; n < op->body->n_pieces; n++)
            in_memory += op->body->pieces[n].len;
        spool_body_committed(op->body, op->id, file, data_at);
        data_at += in_memory;
    }
}

static void settle_frame(struct spool_draft *draft, const struct spool_draft_frame *frame) {
    struct spool_segment *segment = draft->segment;
    struct view records = view_from(draft->meta.ptr + frame->meta_at, frame->meta_bytes);
    uint64_t data_at =
        (uint64_t)frame->unit * SPOOL_UNIT_BYTES + SPOOL_FRAME_BYTES + frame->meta_bytes;
    if (frame->work->kind == SPOOL_WORK_CHUNK) {
        struct spool_chunk *chunk = CONTAINER_OF(frame->work, struct spool_chunk, work);
        chunk->file = spool_file_ref(segment->file);
        atomic_fetch_add(&segment->file->n_arriving, chunk->n_parts);
        chunk->offset = data_at;
        return; // an index holds everything but bodies
    }
    settle_tx(frame, segment->file, data_at);
    spool_image_append(&segment->image, frame->unit, records);
}

void spool_draft_settle(struct spool_draft *draft) {
    struct spool_segment *segment = draft->segment;
    struct spool *spool = draft->spool;
    ASSERT(draft->n_frames > 0);
    for (size_t i = 0; i < draft->n_frames; i++)
        settle_frame(draft, &draft->frames[i]);
    for (size_t i = 0; i < draft->n_notes; i++)
        spool_notes_set(&spool->notes, &draft->notes[i].note, draft->notes[i].place);
    spool_changes_settle(&draft->changes);
    segment->end += draft->length;
    if (segment->first_sequence == 0)
        segment->first_sequence = draft->sequence;
    segment->last_sequence = draft->sequence;
    segment->newest_ms = draft->wall_ms;
    spool_segment_grow(&spool->segments, segment, segment->end);
}

void spool_draft_take_back(struct spool_draft *draft) {
    for (size_t i = 0; i < draft->n_frames; i++) {
        if (draft->frames[i].work->kind != SPOOL_WORK_TX)
            continue;
        struct spool_tx *tx = CONTAINER_OF(draft->frames[i].work, struct spool_tx, work);
        for (size_t n = 0; n < tx->n_ops; n++)
            tx->ops[n].is_skipped = false;
    }
    spool_changes_take_back(&draft->changes);
}
