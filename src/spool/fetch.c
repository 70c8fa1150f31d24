// SPDX-License-Identifier: Apache-2.0
// Reading segments for a start. While one is replayed the next one is on its way.
#include "spool/fetch.h"

#include "base/crc32c.h"

#include <errno.h>

static bool read_into(const struct spool_segment *segment, uint64_t at, uint64_t len,
                      struct buffer *out, int *sys_errno) {
    buffer_clear(out);
    char *room = buffer_reserve(out, len);
    if (!room) {
        *sys_errno = EFBIG;
        return false;
    }
    struct io_result result = io_file_read(segment->file->file, room, len, at);
    buffer_advance(out, size_min(result.bytes, len));
    *sys_errno = result.sys_errno;
    return result.status != IO_ERROR;
}

bool spool_segment_load(const struct spool_segment *segment, uint64_t end, struct buffer *file,
                        int *sys_errno) {
    return read_into(segment, 0, end ? end : segment->file_bytes, file, sys_errno);
}

static bool load_footer(const struct spool_segment *segment, struct spool_footer *footer) {
    char bytes[SPOOL_FOOTER_BYTES];
    uint64_t size = segment->file_bytes;
    return size >= SPOOL_DATA_AT + SPOOL_FOOTER_BYTES &&
           io_is_ok(
               io_file_read(segment->file->file, bytes, sizeof(bytes), size - sizeof(bytes))) &&
           spool_footer_read(segment->file->secret, view_from(bytes, sizeof(bytes)), size, footer);
}

bool spool_sealed_load(struct spool_segment *segment, struct buffer *storage, struct view *image,
                       bool *is_damaged) {
    struct spool_footer footer;
    int sys_errno = 0;
    *is_damaged = false;
    if (!load_footer(segment, &footer))
        return false;
    if (!read_into(segment, footer.index_at, footer.index_bytes, storage, &sys_errno) ||
        storage->len != footer.index_bytes ||
        crc32c(segment->file->secret.seed, storage->ptr, storage->len) != footer.index_crc) {
        *is_damaged = true;
        return false;
    }
    *image = view_skip(buffer_view(storage), SPOOL_ENTRY_BYTES); // behind the mark
    segment->end = footer.data_end;
    segment->first_sequence = footer.first_sequence;
    segment->last_sequence = footer.last_sequence;
    segment->newest_ms = footer.newest_ms;
    return true;
}

// --- Ahead ---------------------------------------------------------------------------------------
void spool_fetch_init(struct spool_fetch *fetch) {
    *fetch = (struct spool_fetch){0};
    buffer_init(&fetch->bytes, SPOOL_FILE_BYTES_MAX);
    io_group_init(&fetch->group);
}

void spool_fetch_finish(struct spool_fetch *fetch) {
    spool_fetch_wait(fetch);
    buffer_finish(&fetch->bytes);
}

static void fetch_main(void *arg) {
    struct spool_fetch *fetch = arg;
    struct spool_segment *segment = fetch->segment;
    fetch->sys_errno = 0;
    fetch->is_sealed = spool_sealed_load(segment, &fetch->bytes, &fetch->view, &fetch->is_damaged);
    fetch->is_read =
        fetch->is_sealed || spool_segment_load(segment, 0, &fetch->bytes, &fetch->sys_errno);
    if (!fetch->is_sealed)
        fetch->view = buffer_view(&fetch->bytes);
}

void spool_fetch_begin(struct spool_fetch *fetch, struct spool_segment *segment) {
    ASSERT(fetch->group.n_members == 0);
    fetch->segment = segment;
    io_group_spawn(&fetch->group, "spool-fetch", fetch_main, fetch);
}

// Disk verbs end by themselves, so this is no wait that a cancel could cut short.
void spool_fetch_wait(struct spool_fetch *fetch) {
    bool was_canceled = false;
    while (fetch->group.n_members > 0)
        if (io_group_wait(&fetch->group, IO_NEVER).status == IO_CANCELED) {
            was_canceled = true;
            io_cancel_clear();
        }
    if (was_canceled)
        io_cancel(io_fiber_current());
}
