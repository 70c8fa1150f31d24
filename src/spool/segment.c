// SPDX-License-Identifier: Apache-2.0
#include "spool/segment.h"

#include <errno.h>
#include <stdlib.h>

// --- File ----------------------------------------------------------------------------------------
struct spool_file *spool_file_create(struct io_file *file, const struct spool_header *header) {
    struct spool_file *counted = mem_alloc_zero(sizeof(*counted));
    atomic_init(&counted->refs, 1);
    atomic_init(&counted->n_arriving, 0);
    counted->file = file;
    counted->number = header->number;
    counted->secret = header->secret;
    return counted;
}

struct spool_file *spool_file_ref(struct spool_file *file) {
    unsigned before = atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return file;
}

void spool_file_unref(struct spool_file *file) {
    if (!file || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
        return;
    io_file_close(file->file);
    free(file);
}

static struct io_result open_new(struct spool_new_segment *new, const char *name,
                                 struct io_file **file) {
    unsigned access = IO_OPEN_READ | IO_OPEN_WRITE;
    if (!new->reserve)
        return io_file_open(new->dir, name, access | IO_OPEN_CREATE, file);
    struct io_result result = io_dir_rename(new->dir, new->reserve, name);
    return io_is_ok(result) ? io_file_open(new->dir, name, access, file) : result;
}

// I3: the name is durable before anything in the segment is acknowledged.
struct io_result spool_file_make(struct spool_new_segment *new, struct spool_file **file) {
    static const size_t bytes = SPOOL_DATA_AT;
    char name[SPOOL_NAME_SIZE];
    spool_segment_name(new->header.number, name);
    new->header.version = SPOOL_FORMAT_VERSION;
    new->header.wall_ms = io_wall_ms();
    io_random_bytes(&new->header.secret.mark, sizeof(new->header.secret.mark));
    io_random_bytes(&new->header.secret.seed, sizeof(new->header.secret.seed));
    unsigned char *block = mem_alloc(bytes);
    spool_header_write(&new->header, block);
    struct io_file *opened = NULL;
    struct iovec part = {block, bytes};
    struct io_result result = open_new(new, name, &opened);
    if (io_is_ok(result))
        result = io_file_writev(opened, &part, 1, 0);
    if (io_is_ok(result))
        result = io_file_sync(opened);
    if (io_is_ok(result))
        result = io_dir_sync(new->dir);
    free(block);
    *file = io_is_ok(result) ? spool_file_create(opened, &new->header) : NULL;
    if (!*file) {
        io_file_close(opened);
        if (opened)
            io_dir_unlink(new->dir, name);
    }
    return result;
}

// --- Segment -------------------------------------------------------------------------------------
enum { WORD_BITS = 64 };

void spool_segments_init(struct spool_segments *segments) {
    *segments = (struct spool_segments){0};
}

static void destroy(struct spool_segment *segment) {
    spool_file_unref(segment->file);
    buffer_finish(&segment->image);
    free(segment->kills);
    free(segment);
}

void spool_segments_finish(struct spool_segments *segments) {
    for (size_t i = 0; i < segments->n_ordered; i++)
        destroy(segments->ordered[i]);
    free(segments->slots);
    free(segments->ordered);
    spool_segments_init(segments);
}

static uint32_t free_slot(struct spool_segments *segments) {
    for (size_t slot = 1; slot < segments->n_slots; slot++)
        if (!segments->slots[slot])
            return (uint32_t)slot;
    size_t bigger = size_max(segments->n_slots * 2, WORD_BITS);
    segments->slots = mem_realloc(segments->slots, bigger * sizeof(struct spool_segment *));
    for (size_t slot = segments->n_slots; slot < bigger; slot++)
        segments->slots[slot] = NULL;
    size_t slot = size_max(segments->n_slots, 1);
    segments->n_slots = bigger;
    return (uint32_t)slot;
}

struct spool_segment *spool_segments_add(struct spool_segments *segments, struct spool_file *file,
                                         enum spool_segment_state state) {
    size_t n = segments->n_ordered;
    ASSERT(n == 0 || segments->ordered[n - 1]->file->number < file->number);
    struct spool_segment *segment = mem_alloc_zero(sizeof(*segment));
    segment->file = file;
    segment->state = state;
    segment->end = segment->file_bytes = SPOOL_DATA_AT;
    segment->slot = free_slot(segments);
    buffer_init(&segment->image, SPOOL_FILE_BYTES_MAX);
    segments->slots[segment->slot] = segment;
    if (n == segments->size_ordered) {
        segments->size_ordered = size_max(2 * n, 16);
        segments->ordered =
            mem_realloc(segments->ordered, segments->size_ordered * sizeof(struct spool_segment *));
    }
    segments->ordered[segments->n_ordered++] = segment;
    segments->file_bytes += segment->file_bytes;
    return segment;
}

static size_t place_of(const struct spool_segments *segments, uint64_t number) {
    size_t low = 0, high = segments->n_ordered;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segments->ordered[middle]->file->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct spool_segment *spool_segments_find(const struct spool_segments *segments, uint64_t number) {
    size_t place = place_of(segments, number);
    bool is_there = place < segments->n_ordered && segments->ordered[place]->file->number == number;
    return is_there ? segments->ordered[place] : NULL;
}

static void forget_kill(struct spool_segment *segment, uint32_t slot) {
    uint64_t bit = (uint64_t)1 << slot % WORD_BITS;
    if (slot / WORD_BITS >= segment->n_kill_words || !(segment->kills[slot / WORD_BITS] & bit))
        return;
    segment->kills[slot / WORD_BITS] &= ~bit;
    segment->n_kills--;
}

void spool_segments_remove(struct spool_segments *segments, struct spool_segment *segment) {
    ASSERT(segment->state == SPOOL_SEGMENT_DOOMED && segment->n_pins == 0);
    size_t place = place_of(segments, segment->file->number);
    ASSERT(segments->ordered[place] == segment);
    segments->n_ordered--;
    for (size_t i = place; i < segments->n_ordered; i++)
        segments->ordered[i] = segments->ordered[i + 1];
    for (size_t i = 0; i < segments->n_ordered; i++)
        forget_kill(segments->ordered[i], segment->slot);
    segments->slots[segment->slot] = NULL;
    segments->n_doomed--;
    segments->has_unpinned = true;
    destroy(segment);
}

void spool_segment_become(struct spool_segment *segment, enum spool_segment_state state) {
    static const bool may[5][5] = {
        [SPOOL_SEGMENT_CURRENT] = {[SPOOL_SEGMENT_CLOSED] = true, [SPOOL_SEGMENT_FAILED] = true},
        [SPOOL_SEGMENT_CLOSED] = {[SPOOL_SEGMENT_SEALED] = true,
                                  [SPOOL_SEGMENT_FAILED] = true,
                                  [SPOOL_SEGMENT_DOOMED] = true},
        [SPOOL_SEGMENT_SEALED] = {[SPOOL_SEGMENT_DOOMED] = true},
        [SPOOL_SEGMENT_FAILED] = {[SPOOL_SEGMENT_DOOMED] = true},
    };
    ASSERT(may[segment->state][state]);
    ASSERT(state != SPOOL_SEGMENT_DOOMED || !spool_segment_is_needed(segment));
    segment->state = state;
}

void spool_segment_doom(struct spool_segments *segments, struct spool_segment *segment) {
    spool_segment_become(segment, SPOOL_SEGMENT_DOOMED);
    buffer_finish(&segment->image);
    segments->file_bytes -= segment->file_bytes;
    segments->n_doomed++;
}

bool spool_segment_is_needed(const struct spool_segment *segment) {
    return segment->n_pins > 0 || segment->n_kills > 0 ||
           atomic_load(&segment->file->n_arriving) > 0;
}

void spool_segment_grow(struct spool_segments *segments, struct spool_segment *segment,
                        uint64_t file_bytes) {
    ASSERT(segment->state != SPOOL_SEGMENT_DOOMED);
    segments->file_bytes += file_bytes - segment->file_bytes;
    segment->file_bytes = file_bytes;
}

void spool_segment_pin(struct spool_segments *segments, uint32_t slot, uint64_t bytes) {
    struct spool_segment *segment = spool_segments_at(segments, slot);
    segment->n_pins++;
    segment->live_bytes += bytes;
    segments->pinned_bytes += bytes;
}

void spool_segment_unpin(struct spool_segments *segments, uint32_t slot, uint64_t bytes) {
    struct spool_segment *segment = spool_segments_at(segments, slot);
    ASSERT(segment->n_pins > 0 && segment->live_bytes >= bytes);
    segment->n_pins--;
    segment->live_bytes -= bytes;
    segments->pinned_bytes -= bytes;
    segments->has_unpinned = true;
}

void spool_segment_kills(struct spool_segment *segment, const struct spool_segment *victim) {
    size_t word = victim->slot / WORD_BITS;
    uint64_t bit = (uint64_t)1 << victim->slot % WORD_BITS;
    if (victim == segment || (word < segment->n_kill_words && segment->kills[word] & bit))
        return;
    if (word >= segment->n_kill_words) {
        segment->kills = mem_realloc(segment->kills, (word + 1) * sizeof(*segment->kills));
        while (segment->n_kill_words <= word)
            segment->kills[segment->n_kill_words++] = 0;
    }
    segment->kills[word] |= bit;
    segment->n_kills++;
}

void spool_segment_forget_kills(struct spool_segment *segment) {
    ASSERT(segment->state != SPOOL_SEGMENT_CURRENT);
    free(segment->kills);
    segment->kills = NULL;
    segment->n_kill_words = segment->n_kills = 0;
}
