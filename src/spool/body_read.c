// SPDX-License-Identifier: Apache-2.0
// Reading bodies. The first read of a piece from disk checks all of it; after that, parts are read
// alone. A reader holds the files, so a segment may be unlinked meanwhile.
#include "base/crc32c.h"
#include "spool/body.h"
#include "spool/store.h"

#include <stdlib.h>

bool spool_body_is_resident(const struct spool_body *body) {
    return body->n_in_memory == body->n_pieces;
}

static struct spool_body_piece *piece_at(struct spool_body *body, uint64_t offset) {
    uint32_t low = 0, high = body->n_pieces;
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;
        if (body->pieces[middle].at <= offset)
            low = middle;
        else
            high = middle;
    }
    return &body->pieces[low];
}

static enum spool_status read_file(const struct spool_body_piece *piece, uint32_t from, char *out,
                                   size_t len) {
    ASSERT(from + len <= piece->len);
    struct io_result result = io_file_read(piece->file->file, out, len, piece->offset + from);
    return io_is_ok(result) ? SPOOL_OK : SPOOL_DAMAGED;
}

static enum spool_status read_checked(struct spool_body_piece *piece, char *out) {
    enum spool_status status = read_file(piece, 0, out, piece->len);
    if (status == SPOOL_OK && crc32c(0, out, piece->len) != piece->crc)
        status = SPOOL_DAMAGED;
    if (status == SPOOL_OK)
        atomic_store_explicit(&piece->is_checked, true, memory_order_relaxed);
    return status;
}

static enum spool_status read_part(struct spool_body_piece *piece, uint32_t from, char *out,
                                   size_t len) {
    if (from == 0 && len == piece->len)
        return read_checked(piece, out);
    if (atomic_load_explicit(&piece->is_checked, memory_order_relaxed))
        return read_file(piece, from, out, len);
    char *whole = mem_alloc(piece->len);
    enum spool_status status = read_checked(piece, whole);
    if (status == SPOOL_OK)
        memcpy(out, whole + from, len);
    free(whole);
    return status;
}

enum spool_status spool_body_read(struct spool_body *body, uint64_t offset, size_t max,
                                  char *scratch, struct view *piece) {
    *piece = VIEW_NONE;
    if (offset >= body->size || max == 0)
        return SPOOL_OK;
    struct spool_body_piece *found = piece_at(body, offset);
    uint32_t from = (uint32_t)(offset - found->at);
    size_t len = size_min(max, found->len - from);
    ASSERT(from < found->len);
    if (found->memory) {
        *piece = view_from(found->memory + from, len);
        return SPOOL_OK;
    }
    enum spool_status status = read_part(found, from, scratch, len);
    if (status == SPOOL_OK)
        *piece = view_from(scratch, len);
    return status;
}
