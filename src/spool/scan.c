// SPDX-License-Identifier: Apache-2.0
#include "spool/scan.h"

#include "base/codec.h"
#include "base/crc32c.h"

#include <stdlib.h>

// --- Image ---------------------------------------------------------------------------------------
void spool_image_append(struct buffer *image, uint32_t unit, struct view records) {
    char head[SPOOL_ENTRY_BYTES];
    codec_store_u32(head, unit);
    codec_store_u32(head + 4, (uint32_t)records.len);
    buffer_append(image, head, sizeof(head));
    buffer_append_view(image, records);
}

bool spool_image_next(struct view *rest, uint32_t *unit, struct view *records) {
    if (rest->len < SPOOL_ENTRY_BYTES ||
        codec_load_u32(rest->ptr + 4) > rest->len - SPOOL_ENTRY_BYTES)
        return false;
    *unit = codec_load_u32(rest->ptr);
    *records = view_take(view_skip(*rest, SPOOL_ENTRY_BYTES), codec_load_u32(rest->ptr + 4));
    *rest = view_skip(*rest, SPOOL_ENTRY_BYTES + records->len);
    return true;
}

// --- Bodies in a frame ---------------------------------------------------------------------------
static bool pieces_are_whole(struct view pieces, struct view data, uint32_t *used) {
    struct spool_piece piece;
    while (pieces.len > 0) {
        if (!spool_piece_next(&pieces, used, &piece))
            return false;
        if (piece.is_elsewhere)
            continue;
        if (*used > data.len || crc32c(0, data.ptr + piece.offset, piece.len) != piece.crc)
            return false;
    }
    return true;
}

bool spool_scan_data_is_whole(struct view meta, struct view data) {
    struct spool_record record;
    struct spool_message message;
    uint32_t used = 0;
    while (spool_record_next(&meta, &record)) {
        struct view pieces = VIEW_NONE;
        if (record.kind == SPOOL_RECORD_CHUNK)
            pieces = record.payload;
        else if (record.kind == SPOOL_RECORD_MESSAGE &&
                 spool_message_read(record.payload, &message))
            pieces = message.pieces;
        if (!pieces_are_whole(pieces, data, &used))
            return false;
    }
    return meta.len == 0;
}

// --- Scan ----------------------------------------------------------------------------------------
static void add_damage(struct spool_scan *scan, struct spool_damage damage) {
    if (scan->n_damages == SPOOL_DAMAGES_MAX)
        return;
    if (scan->n_damages == scan->size_damages) {
        scan->size_damages = size_max(scan->size_damages * 2, 8);
        scan->damages = mem_realloc(scan->damages, scan->size_damages * sizeof(*scan->damages));
    }
    scan->damages[scan->n_damages++] = damage;
}

static bool is_abandoned(const struct spool_scan *scan, uint64_t sequence) {
    return scan->abandoned_from != 0 && sequence >= scan->abandoned_from;
}

// A structure counts only where it says that it is: a misdirected write does not.
static bool batch_at(const struct spool_scan *scan, struct view file, uint64_t at,
                     struct spool_batch *batch) {
    return spool_batch_read(scan->secret, view_skip(file, at), batch) &&
           batch->unit == at / SPOOL_UNIT_BYTES;
}

static bool frame_at(const struct spool_scan *scan, struct view file, uint64_t at,
                     struct spool_frame *frame, struct view *meta) {
    return spool_frame_read(scan->secret, view_skip(file, at), frame, meta) &&
           frame->unit == at / SPOOL_UNIT_BYTES;
}

static bool index_at(const struct spool_scan *scan, struct view file, uint64_t at) {
    return file.len - at >= 8 &&
           codec_load_u64(file.ptr + at) == spool_mark_of(scan->secret, SPOOL_MARK_INDEX);
}

static void take_sequence(struct spool_scan *scan, uint64_t sequence) {
    if (sequence != scan->sequence)
        scan->frames_left = 0;
    scan->sequence = sequence;
    if (is_abandoned(scan, sequence))
        return;
    if (scan->first_sequence == 0)
        scan->first_sequence = sequence;
    if (sequence > scan->last_sequence)
        scan->last_sequence = sequence;
}

static void take_batch(struct spool_scan *scan, const struct spool_batch *batch) {
    take_sequence(scan, batch->sequence);
    scan->frames_left = batch->n_frames;
    if (is_abandoned(scan, batch->sequence))
        return;
    scan->n_batches++;
    if (batch->wall_ms > scan->newest_ms)
        scan->newest_ms = batch->wall_ms;
}

static uint64_t take_frame(struct spool_scan *scan, struct view file,
                           const struct spool_frame *frame, struct view meta) {
    uint64_t at = (uint64_t)frame->unit * SPOOL_UNIT_BYTES;
    uint64_t next = at + spool_frame_total(frame);
    take_sequence(scan, frame->sequence);
    struct view data = view_take(view_skip(file, spool_frame_data_at(frame)), frame->data_bytes);
    if (is_abandoned(scan, frame->sequence)) {
        // nobody was told that it is there
    } else if (data.len == frame->data_bytes && spool_scan_data_is_whole(meta, data)) {
        spool_image_append(scan->image, frame->unit, meta);
        scan->n_frames++;
        scan->end = next;
    } else {
        uint64_t len = size_min(next, file.len) - at;
        add_damage(scan, (struct spool_damage){at, len, frame->sequence, true});
    }
    if (scan->frames_left > 0)
        scan->frames_left--;
    return next;
}

static bool is_zero(struct view bytes) {
    return bytes.len == 0 ||
           (bytes.ptr[0] == 0 && memcmp(bytes.ptr, bytes.ptr + 1, bytes.len - 1) == 0);
}

// The next place behind `at` where something whole begins; the end of the file where there is none.
static uint64_t resynchronise(const struct spool_scan *scan, struct view file, uint64_t at) {
    uint64_t batch_mark = spool_mark_of(scan->secret, SPOOL_MARK_BATCH);
    uint64_t frame_mark = spool_mark_of(scan->secret, SPOOL_MARK_FRAME);
    struct spool_batch batch;
    struct spool_frame frame;
    struct view meta;
    for (at += SPOOL_UNIT_BYTES; at + 8 <= file.len; at += SPOOL_UNIT_BYTES) {
        uint64_t mark = codec_load_u64(file.ptr + at);
        if ((mark == batch_mark && batch_at(scan, file, at, &batch)) ||
            (mark == frame_mark && frame_at(scan, file, at, &frame, &meta)) ||
            index_at(scan, file, at))
            return at;
    }
    return file.len;
}

// Of what could not be read between the last thing that was whole and the next one.
static uint64_t damaged_sequence(const struct spool_scan *scan, struct view file, uint64_t next) {
    struct spool_batch batch;
    struct spool_frame frame;
    struct view meta;
    if (scan->sequence != 0)
        return scan->sequence + (scan->frames_left == 0); // at a border: of the next batch
    if (batch_at(scan, file, next, &batch))
        return batch.sequence - 1;
    return frame_at(scan, file, next, &frame, &meta) ? frame.sequence : 1;
}

static uint64_t take_damage(struct spool_scan *scan, struct view file, uint64_t at) {
    uint64_t next = resynchronise(scan, file, at);
    bool is_clean_end = next == file.len && scan->frames_left == 0 && is_zero(view_skip(file, at));
    uint64_t sequence = damaged_sequence(scan, file, next);
    if (!is_clean_end)
        add_damage(scan, (struct spool_damage){at, next - at, sequence, false});
    if (next == file.len)
        scan->frames_left = 0;
    return next;
}

// Reads what begins at `at`; returns where the next one must begin.
static uint64_t take_next(struct spool_scan *scan, struct view file, uint64_t at) {
    struct spool_batch batch;
    struct spool_frame frame;
    struct view meta;
    if (batch_at(scan, file, at, &batch)) {
        take_batch(scan, &batch);
        return at + SPOOL_BATCH_BYTES;
    }
    if (frame_at(scan, file, at, &frame, &meta))
        return take_frame(scan, file, &frame, meta);
    if (index_at(scan, file, at)) {
        scan->has_index_mark = true;
        return file.len;
    }
    return take_damage(scan, file, at);
}

void spool_scan_run(struct spool_scan *scan, struct view file) {
    ASSERT(scan->image && file.len <= SPOOL_FILE_BYTES_MAX);
    uint64_t at = SPOOL_DATA_AT;
    scan->end = SPOOL_DATA_AT;
    while (at < file.len)
        at = take_next(scan, file, at);
    if (scan->frames_left > 0)
        add_damage(scan, (struct spool_damage){file.len, 0, scan->sequence, false});
}

void spool_scan_finish(struct spool_scan *scan) {
    free(scan->damages);
    scan->damages = NULL;
    scan->n_damages = scan->size_damages = 0;
}
