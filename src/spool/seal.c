// SPDX-License-Identifier: Apache-2.0
// Sealing: the index of a closed segment, of what is alive in it, so that a restart need not read
// the bodies. Most segments die before it is due.
#include "base/codec.h"
#include "base/crc32c.h"
#include "spool/fetch.h"
#include "spool/keeper.h"
#include "spool/replay.h"

#include <errno.h>
#include <stdlib.h>

// --- Images --------------------------------------------------------------------------------------
static bool scan_image(struct spool_segment *segment, struct buffer *storage) {
    struct buffer file;
    int sys_errno = 0;
    buffer_init(&file, SPOOL_FILE_BYTES_MAX);
    bool is_ok = spool_segment_load(segment, segment->end, &file, &sys_errno);
    if (is_ok) {
        struct spool_scan scan = {.secret = segment->file->secret, .image = storage};
        buffer_clear(storage);
        spool_scan_run(&scan, buffer_view(&file));
        spool_scan_finish(&scan);
    }
    buffer_finish(&file);
    return is_ok;
}

bool spool_image_get(struct spool *spool, struct spool_segment *segment, struct buffer *storage,
                     struct view *image) {
    bool is_damaged = false;
    *image = buffer_view(&segment->image);
    if (image->len > 0)
        return true;
    if (segment->state == SPOOL_SEGMENT_SEALED &&
        spool_sealed_load(segment, storage, image, &is_damaged))
        return true;
    bool is_ok = scan_image(segment, storage);
    *image = buffer_view(storage);
    return is_ok;
}

// --- What is alive of it -------------------------------------------------------------------------
enum { RECORDS_A_TURN = 1000 };

struct filter {
    const struct spool_segment *segment;
    struct view rest;
    struct buffer *out;
};

static void filter_frame(const struct spool *spool, struct filter *filter, uint32_t unit,
                         struct view records) {
    struct spool_place place = {filter->segment->slot, unit};
    struct buffer *out = filter->out;
    struct spool_record record;
    size_t begin = out->len;
    spool_image_append(out, unit, VIEW_NONE);
    while (records.len > 0) {
        struct view before = records;
        if (!spool_record_next(&records, &record))
            break;
        if (spool_record_is_live(&spool->index, &spool->notes, place, &record))
            buffer_append_view(out, view_take(before, before.len - records.len));
    }
    size_t kept = out->len - begin - SPOOL_ENTRY_BYTES;
    if (kept == 0)
        out->len = begin;
    else
        codec_store_u32(out->ptr + begin + 4, (uint32_t)kept);
}

// On the committer, a slice at a time: commits go on in between.
static void filter_slice(struct spool *spool, void *arg) {
    struct filter *filter = arg;
    struct view records;
    uint32_t unit;
    for (int i = 0; i < RECORDS_A_TURN && filter->rest.len > 0; i++) {
        if (!spool_image_next(&filter->rest, &unit, &records)) {
            filter->rest = VIEW_NONE;
            return;
        }
        filter_frame(spool, filter, unit, records);
    }
}

// --- Writing -------------------------------------------------------------------------------------
// I6: a sync that failed is never tried again, whatever the reason.
static struct io_result sync_once(struct spool_segment *segment) {
    struct io_result result = io_file_sync(segment->file->file);
    if (spool_is_out_of_space(result))
        result.sys_errno = EIO;
    return result;
}

static struct io_result write_index(struct spool_segment *segment, struct buffer *index) {
    unsigned char footer_bytes[SPOOL_FOOTER_BYTES];
    struct spool_secret secret = segment->file->secret;
    uint64_t at = spool_round_unit(segment->end);
    struct spool_footer footer = {.index_at = at,
                                  .index_bytes = index->len,
                                  .data_end = segment->end,
                                  .first_sequence = segment->first_sequence,
                                  .last_sequence = segment->last_sequence,
                                  .newest_ms = segment->newest_ms,
                                  .index_crc = crc32c(secret.seed, index->ptr, index->len)};
    spool_footer_write(secret, &footer, footer_bytes);
    struct iovec part = {index->ptr, index->len}, last = {footer_bytes, sizeof(footer_bytes)};
    struct io_result result = {.status = IO_OK};
    if (segment->file_bytes > segment->end) // a torn batch, or blocks of the reserve
        result = io_file_truncate(segment->file->file, segment->end);
    if (io_is_ok(result))
        result = io_file_writev(segment->file->file, &part, 1, at);
    // Where there is a footer, the index is whole: else a start could not tell damage from a crash.
    if (io_is_ok(result))
        result = sync_once(segment);
    if (io_is_ok(result))
        result = io_file_writev(segment->file->file, &last, 1, at + index->len);
    if (io_is_ok(result))
        result = sync_once(segment);
    if (spool_is_out_of_space(result)) // of a write: the blocks are given back
        io_file_truncate(segment->file->file, segment->end);
    return result;
}

struct grown {
    struct spool_segment *segment;
    uint64_t file_bytes;
};

static void note_grown(struct spool *spool, void *arg) {
    const struct grown *grown = arg;
    spool_segment_grow(&spool->segments, grown->segment, grown->file_bytes);
}

struct io_result spool_seal(struct spool *spool, struct spool_segment *segment) {
    struct buffer storage, index;
    char mark[SPOOL_ENTRY_BYTES];
    struct filter filter = {.segment = segment, .out = &index};
    struct io_result result = {.status = IO_CANCELED}; // nothing was written
    buffer_init(&storage, SPOOL_FILE_BYTES_MAX);
    buffer_init(&index, SPOOL_FILE_BYTES_MAX);
    codec_store_u64(mark, spool_mark_of(segment->file->secret, SPOOL_MARK_INDEX));
    buffer_append(&index, mark, sizeof(mark));
    if (spool_image_get(spool, segment, &storage, &filter.rest)) {
        while (filter.rest.len > 0)
            spool_ask(spool, filter_slice, &filter);
        result = write_index(segment, &index);
        struct grown grown = {segment, segment->end};
        if (io_is_ok(result))
            grown.file_bytes = spool_round_unit(segment->end) + index.len + SPOOL_FOOTER_BYTES;
        spool_ask(spool, note_grown, &grown);
    }
    buffer_finish(&index);
    buffer_finish(&storage);
    return result;
}
