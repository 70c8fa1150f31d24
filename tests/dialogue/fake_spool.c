// SPDX-License-Identifier: Apache-2.0
// What deliver/ needs of the spool, in memory, with faults on demand.
#include "dialogue/fake_spool.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

struct spool_body {
    unsigned refs;
    bool is_resident;
    uint64_t fails_at; // offset from which reading fails
    struct buffer bytes;
};

struct spool_body *fake_body(struct view bytes, bool is_resident, uint64_t fails_at) {
    struct spool_body *body = mem_alloc_zero(sizeof(*body));
    body->refs = 1;
    body->is_resident = is_resident;
    body->fails_at = fails_at;
    buffer_init(&body->bytes, 64 << 20);
    buffer_append_view(&body->bytes, bytes);
    return body;
}

static struct spool_body *stored;

void fake_store(struct spool_body *body) {
    stored = body;
}

enum spool_status spool_body_open(struct spool *spool, struct spool_id id,
                                  struct spool_body **body) {
    io_yield();
    *body = stored;
    if (!stored)
        return SPOOL_NOT_FOUND;
    stored->refs++;
    return SPOOL_OK;
}

enum spool_status spool_body_read(struct spool_body *body, uint64_t offset, size_t max,
                                  char *scratch, struct view *piece) {
    struct view rest = view_take(view_skip(buffer_view(&body->bytes), offset), max);
    if (offset + rest.len > body->fails_at)
        return SPOOL_DAMAGED;
    *piece = rest;
    if (body->is_resident || rest.len == 0)
        return SPOOL_OK;
    io_yield();
    memcpy(scratch, rest.ptr, rest.len);
    *piece = view_from(scratch, rest.len);
    return SPOOL_OK;
}

uint64_t spool_body_size(const struct spool_body *body) {
    return body->bytes.len;
}

bool spool_body_is_resident(const struct spool_body *body) {
    return body->is_resident;
}

struct spool_body *spool_body_ref(struct spool_body *body) {
    body->refs++;
    return body;
}

void spool_body_unref(struct spool_body *body) {
    if (!body || --body->refs > 0)
        return;
    buffer_finish(&body->bytes);
    free(body);
}

size_t spool_id_format(struct spool_id id, char out[SPOOL_ID_TEXT_SIZE]) {
    return (size_t)snprintf(out, SPOOL_ID_TEXT_SIZE, "ID%llu", (unsigned long long)id.lo);
}
