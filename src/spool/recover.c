// SPDX-License-Identifier: Apache-2.0
#include "spool/recover.h"

#include "base/log.h"
#include "spool/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// --- What is damaged -----------------------------------------------------------------------------
void spool_quarantine(struct spool *spool, const struct spool_segment *segment,
                      const struct spool_scan *scan, struct view file) {
    char name[SPOOL_NAME_SIZE], head[128];
    struct io_file *out;
    uint64_t at = 0;
    snprintf(name, sizeof(name), "quarantine-%016llx", (unsigned long long)segment->file->number);
    struct io_result result =
        io_file_open(spool->dir, name, IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &out);
    for (size_t i = 0; i < scan->n_damages && io_is_ok(result); i++) {
        const struct spool_damage *damage = &scan->damages[i];
        struct view bytes = view_take(view_skip(file, damage->at), damage->len);
        int n = snprintf(head, sizeof(head), "\n%llu bytes from offset %llu:\n",
                         (unsigned long long)bytes.len, (unsigned long long)damage->at);
        struct iovec parts[] = {{head, (size_t)n}, {(void *)(uintptr_t)bytes.ptr, bytes.len}};
        result = io_file_writev(out, parts, bytes.len ? 2 : 1, at);
        at += (size_t)n + bytes.len;
    }
    if (io_is_ok(result))
        result = io_file_sync(out);
    io_file_close(out);
    if (!io_is_ok(result))
        log_error("spool", "%s cannot be written (errno %d)", name, result.sys_errno);
}

// --- Opening segments ----------------------------------------------------------------------------
// A crash while it was made: nothing was ever written behind, and nothing acknowledged.
static bool is_unborn(struct view head) {
    for (size_t i = 0; i < head.len; i++)
        if (head.ptr[i] != 0)
            return false;
    return true;
}

static bool set_aside(struct spool_start *start, const char *name, const char *why) {
    char aside[SPOOL_NAME_SIZE + 16];
    start->report->damaged_records++;
    log_error("spool", "%s: %s; it is kept as quarantine-%s", name, why, name);
    snprintf(aside, sizeof(aside), "quarantine-%s", name);
    struct io_result result = io_dir_rename(start->spool->dir, name, aside);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot rename %s", name);
    return true;
}

struct opened {
    char name[SPOOL_NAME_SIZE];
    uint64_t number, size;
    struct io_file *file; // NULL once it was handed on
    struct spool_header header;
};

static void note_failures(struct spool_start *start, const struct spool_header *header) {
    for (size_t i = 0; i < header->failures.n; i++)
        spool_failures_add(&start->failures, header->failures.list[i].segment,
                           header->failures.list[i].sequence);
}

static bool remove_empty(struct spool_start *start, const struct opened *opened) {
    struct io_result result = io_dir_unlink(start->spool->dir, opened->name);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot remove %s", opened->name);
    return true;
}

static bool judge_segment(struct spool_start *start, struct opened *opened, struct view head) {
    bool used_copy = false, is_valid = spool_header_read(head, &opened->header, &used_copy);
    if (is_valid && opened->header.version <= SPOOL_FORMAT_VERSION)
        note_failures(start, &opened->header);
    if (opened->size <= SPOOL_DATA_AT || is_unborn(head))
        return remove_empty(start, opened);
    if (opened->size > SPOOL_FILE_BYTES_MAX)
        return set_aside(start, opened->name, "larger than a segment can be");
    if (!is_valid)
        return set_aside(start, opened->name, "both copies of the header are damaged");
    if (opened->header.version > SPOOL_FORMAT_VERSION)
        return error_set(start->error, "%s/%s was written by a later version (format %u)",
                         start->spool->path, opened->name, opened->header.version);
    if (opened->header.number != opened->number)
        return set_aside(start, opened->name, "its header has another number");
    if (used_copy) {
        start->report->damaged_records++;
        log_error("spool", "%s: the first copy of the header is damaged", opened->name);
    }
    struct spool_segment *segment =
        spool_segments_add(&start->spool->segments,
                           spool_file_create(opened->file, &opened->header), SPOOL_SEGMENT_CLOSED);
    opened->file = NULL;
    spool_segment_grow(&start->spool->segments, segment, opened->size);
    return true;
}

static bool open_segment(struct spool_start *start, uint64_t number) {
    struct opened opened = {.number = number};
    spool_segment_name(number, opened.name);
    struct io_result result =
        io_file_open(start->spool->dir, opened.name, IO_OPEN_READ | IO_OPEN_WRITE, &opened.file);
    if (io_is_ok(result))
        result = io_file_size(opened.file, &opened.size);
    char *head = mem_alloc(SPOOL_DATA_AT);
    if (io_is_ok(result))
        result = io_file_read(opened.file, head, SPOOL_DATA_AT, 0);
    bool is_ok = result.status == IO_OK || result.status == IO_EOF;
    if (!is_ok)
        error_set_errno(start->error, result.sys_errno, "cannot read %s/%s", start->spool->path,
                        opened.name);
    else
        is_ok = judge_segment(start, &opened, view_from(head, result.bytes));
    free(head);
    io_file_close(opened.file);
    return is_ok;
}

// --- Reading segments ----------------------------------------------------------------------------
// Its last batch may be torn: no later segment of the same start was written to.
static bool is_last_of_epoch(const struct spool_start *start, size_t place) {
    const struct spool_segments *segments = &start->spool->segments;
    uint64_t epoch = segments->ordered[place]->file->number >> 32;
    for (size_t i = place + 1; i < segments->n_ordered; i++) {
        const struct spool_segment *later = segments->ordered[i];
        if (later->file->number >> 32 != epoch)
            return true;
        if (later->file_bytes > SPOOL_DATA_AT)
            return false;
    }
    return true;
}

static struct view meta_at(const struct spool_scan *scan, struct view file, uint64_t at) {
    struct spool_frame frame;
    struct view meta = VIEW_NONE;
    spool_frame_read(scan->secret, view_skip(file, at), &frame, &meta);
    return meta;
}

static void judge_damages(struct spool_start *start, struct spool_replay *replay, size_t place,
                          const struct spool_scan *scan, struct view file) {
    const struct spool_segment *segment = start->spool->segments.ordered[place];
    bool may_be_torn = is_last_of_epoch(start, place), is_torn = false, is_corrupt = false;
    for (size_t i = 0; i < scan->n_damages; i++) {
        const struct spool_damage *damage = &scan->damages[i];
        if (scan->abandoned_from && damage->sequence >= scan->abandoned_from)
            continue; // of a batch that nobody was told is there
        // Behind the last batch: torn, or an index that was not finished. Where a batch is missing
        // there, the next segment's sequence tells.
        if (damage->sequence > scan->last_sequence ||
            (may_be_torn && damage->sequence == scan->last_sequence)) {
            is_torn = true;
            continue;
        }
        is_corrupt = true;
        start->report->damaged_records++;
        log_error("spool", "segment %016llx: %llu bytes at %llu are damaged",
                  (unsigned long long)segment->file->number, (unsigned long long)damage->len,
                  (unsigned long long)damage->at);
        struct view meta = damage->is_frame ? meta_at(scan, file, damage->at) : VIEW_NONE;
        spool_replay_damaged(replay, segment, damage, meta);
    }
    start->report->torn_batches += is_torn;
    if (is_corrupt || is_torn)
        spool_quarantine(start->spool, segment, scan, file);
}

static void scan_segment(struct spool_start *start, struct spool_replay *replay, size_t place,
                         struct view file) {
    struct spool_segment *segment = start->spool->segments.ordered[place];
    uint64_t failed_from = spool_failures_find(&start->failures, segment->file->number);
    struct spool_scan scan = {
        .secret = segment->file->secret, .abandoned_from = failed_from, .image = &segment->image};
    spool_scan_run(&scan, file);
    start->report->bytes_scanned += file.len;
    judge_damages(start, replay, place, &scan, file);
    // A seal that was cut short, or its footer is damaged; the data tells everything.
    start->report->torn_batches += scan.has_index_mark && scan.n_damages == 0;
    segment->end = scan.end;
    segment->first_sequence = scan.first_sequence;
    segment->last_sequence = scan.last_sequence;
    segment->newest_ms = scan.newest_ms;
    if (failed_from)
        spool_segment_become(segment, SPOOL_SEGMENT_FAILED);
    spool_scan_finish(&scan);
}

// What was written but perhaps never synced is synced now, before anybody builds on it.
static bool sync_unsealed(struct spool_start *start, const struct spool_segment *segment) {
    if (segment->state == SPOOL_SEGMENT_FAILED) // I6
        return true;
    struct io_result result = io_file_sync(segment->file->file);
    if (io_is_ok(result))
        return true;
    return error_set_errno(start->error, result.sys_errno, "cannot sync segment %016llx",
                           (unsigned long long)segment->file->number);
}

static bool replay_segment(struct spool_start *start, struct spool_replay *replay, size_t place,
                           const struct spool_fetch *fetch) {
    struct spool_segment *segment = fetch->segment;
    bool is_ok = true;
    if (!fetch->is_read)
        return error_set_errno(start->error, fetch->sys_errno, "cannot read segment %016llx",
                               (unsigned long long)segment->file->number);
    start->report->damaged_records += fetch->is_damaged;
    if (fetch->is_sealed) {
        spool_segment_become(segment, SPOOL_SEGMENT_SEALED);
        spool_replay_image(replay, segment, fetch->view);
    } else {
        scan_segment(start, replay, place, fetch->view);
        is_ok = sync_unsealed(start, segment);
        spool_replay_image(replay, segment, buffer_view(&segment->image));
    }
    if (segment->last_sequence > start->last_sequence)
        start->last_sequence = segment->last_sequence;
    if (segment->newest_ms > start->report->newest_ms)
        start->report->newest_ms = segment->newest_ms;
    return is_ok;
}

static bool replay_all(struct spool_start *start, struct spool_replay *replay) {
    const struct spool_segments *segments = &start->spool->segments;
    struct spool_fetch fetches[2]; // one is replayed, the other one arrives
    bool is_ok = true;
    spool_fetch_init(&fetches[0]);
    spool_fetch_init(&fetches[1]);
    if (segments->n_ordered > 0)
        spool_fetch_begin(&fetches[0], segments->ordered[0]);
    for (size_t i = 0; i < segments->n_ordered && is_ok; i++) {
        spool_fetch_wait(&fetches[i % 2]);
        if (i + 1 < segments->n_ordered)
            spool_fetch_begin(&fetches[(i + 1) % 2], segments->ordered[i + 1]);
        io_yield(); // it begins
        is_ok = replay_segment(start, replay, i, &fetches[i % 2]);
    }
    spool_fetch_finish(&fetches[0]);
    spool_fetch_finish(&fetches[1]);
    return is_ok;
}

// Neighbours of one start follow each other without a gap, but where the first one failed.
static void check_sequences(struct spool_start *start) {
    const struct spool_segments *segments = &start->spool->segments;
    for (size_t i = 0; i + 1 < segments->n_ordered; i++) {
        const struct spool_segment *one = segments->ordered[i], *next = segments->ordered[i + 1];
        if (one->file->number + 1 != next->file->number || one->state == SPOOL_SEGMENT_FAILED ||
            !one->last_sequence || !next->first_sequence ||
            one->last_sequence + 1 == next->first_sequence)
            continue;
        start->report->damaged_records++;
        log_error("spool", "segment %016llx: batches are missing at its end",
                  (unsigned long long)one->file->number);
    }
}

static void count_lost(struct spool_start *start, const struct spool_replay *replay) {
    char text[SPOOL_ID_TEXT_SIZE];
    for (size_t i = 0; i < replay->n_missing; i++) {
        const struct spool_missing *missing = &replay->missing[i];
        if (missing->is_dead || spool_index_find(&start->spool->index, missing->id))
            continue;
        spool_id_format(missing->id, text);
        log_error("spool", "message %s is lost: its body in segment %016llx is damaged", text,
                  (unsigned long long)missing->segment);
        start->report->lost_messages++;
    }
}

bool spool_start_recover(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct spool_replay replay;
    bool is_ok = true;
    for (size_t i = 0; i < start->n_numbers && is_ok; i++)
        is_ok = open_segment(start, start->numbers[i]);
    spool_replay_init(&replay, &spool->index, &spool->notes);
    is_ok = is_ok && replay_all(start, &replay);
    if (is_ok) {
        check_sequences(start);
        count_lost(start, &replay);
        start->report->damaged_records += replay.n_bad;
        start->report->segments = spool->segments.n_ordered;
    }
    spool_replay_finish(&replay);
    return is_ok && spool_visit_all(start);
}
