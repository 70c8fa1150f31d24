// SPDX-License-Identifier: Apache-2.0
// Bodies as they arrive. Memory is taken from two budgets, the client's and everybody's. Where they
// are used up a body keeps no memory at all: each piece goes to disk before spool_body_append
// returns, so the reader is as slow as the disk, and no body ever waits for memory that another one
// holds.
#include "spool/body.h"

#include "base/crc32c.h"
#include "spool/store.h"

#include <stdlib.h>

struct spool_client {
    struct hash_node node;
    struct spool_bodies *bodies;
    struct address address;
    uint32_t refs; // under the lock
    atomic_uint_fast64_t memory_bytes;
};

void spool_bodies_init(struct spool_bodies *bodies, const struct spool_options *options) {
    bodies->memory_max = options->memory_bytes;
    bodies->client_memory_max = options->client_memory_bytes;
    atomic_init(&bodies->memory_bytes, 0);
    pthread_mutex_init(&bodies->lock, NULL);
    hash_table_init(&bodies->clients);
    hash_table_init(&bodies->residents);
}

void spool_bodies_finish(struct spool_bodies *bodies) {
    ASSERT(bodies->clients.n_nodes == 0 && bodies->residents.n_nodes == 0);
    hash_table_finish(&bodies->clients);
    hash_table_finish(&bodies->residents);
    pthread_mutex_destroy(&bodies->lock);
}

// --- Clients and their budgets -------------------------------------------------------------------
struct spool_client *spool_client_get(struct spool *spool, const struct address *address) {
    struct spool_bodies *bodies = &spool->bodies;
    uint64_t hash = address_hash(address);
    struct spool_client *client = NULL;
    pthread_mutex_lock(&bodies->lock);
    struct hash_node *node = hash_table_first(&bodies->clients, hash);
    for (; node && !client; node = hash_table_next(node)) {
        client = CONTAINER_OF(node, struct spool_client, node);
        if (!address_equals(&client->address, address))
            client = NULL;
    }
    if (!client) {
        client = mem_alloc_zero(sizeof(*client));
        client->bodies = bodies;
        client->address = *address;
        hash_table_insert(&bodies->clients, &client->node, hash);
    }
    client->refs++;
    pthread_mutex_unlock(&bodies->lock);
    return client;
}

void spool_client_put(struct spool_client *client) {
    if (!client)
        return;
    struct spool_bodies *bodies = client->bodies;
    pthread_mutex_lock(&bodies->lock);
    ASSERT(client->refs > 0);
    bool is_last = --client->refs == 0;
    if (is_last)
        hash_table_remove(&bodies->clients, &client->node);
    pthread_mutex_unlock(&bodies->lock);
    if (is_last)
        free(client);
}

static bool take_from(atomic_uint_fast64_t *used, uint64_t bytes, uint64_t limit) {
    if (atomic_fetch_add_explicit(used, bytes, memory_order_relaxed) + bytes <= limit)
        return true;
    atomic_fetch_sub_explicit(used, bytes, memory_order_relaxed);
    return false;
}

static void give_back(struct spool_body *body, uint64_t bytes) {
    ASSERT(body->counted_bytes >= bytes);
    body->counted_bytes -= bytes;
    atomic_fetch_sub_explicit(&body->spool->bodies.memory_bytes, bytes, memory_order_relaxed);
    if (body->client)
        atomic_fetch_sub_explicit(&body->client->memory_bytes, bytes, memory_order_relaxed);
}

static bool take_memory(struct spool_body *body, uint64_t bytes) {
    struct spool_bodies *bodies = &body->spool->bodies;
    if (!take_from(&bodies->memory_bytes, bytes, bodies->memory_max))
        return false;
    if (body->client && !take_from(&body->client->memory_bytes, bytes, bodies->client_memory_max)) {
        atomic_fetch_sub_explicit(&bodies->memory_bytes, bytes, memory_order_relaxed);
        return false;
    }
    body->counted_bytes += bytes;
    return true;
}

// --- Life ----------------------------------------------------------------------------------------
struct spool_body *spool_body_make(struct spool *spool, struct spool_client *client) {
    struct spool_body *body = mem_alloc_zero(sizeof(*body));
    atomic_init(&body->refs, 1);
    body->spool = spool;
    body->client = client;
    return body;
}

struct spool_body *spool_body_create(struct spool *spool, struct spool_client *client) {
    if (client) {
        pthread_mutex_lock(&spool->bodies.lock);
        client->refs++;
        pthread_mutex_unlock(&spool->bodies.lock);
    }
    return spool_body_make(spool, client);
}

uint64_t spool_body_size(const struct spool_body *body) {
    return body->size;
}

struct spool_body *spool_body_ref(struct spool_body *body) {
    unsigned before = atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return body;
}

static void drop_memory(struct spool_body *body) {
    for (uint32_t i = body->n_pieces - body->n_in_memory; i < body->n_pieces; i++) {
        struct spool_body_piece *piece = &body->pieces[i];
        give_back(body, piece->size);
        free(piece->memory);
        piece->memory = NULL;
        piece->size = 0;
    }
    body->n_in_memory = 0;
}

static bool is_listed(const struct spool_body *body) {
    return body->is_committed && body->n_in_memory > 0;
}

// The segments of its chunks are kept by the message from now on, or by nobody.
static void end_arrival(struct spool_body *body) {
    for (uint32_t i = 0; i < body->n_pieces; i++)
        if (body->pieces[i].is_arriving) {
            atomic_fetch_sub(&body->pieces[i].file->n_arriving, 1);
            body->pieces[i].is_arriving = false;
        }
}

void spool_body_unref(struct spool_body *body) {
    if (!body || atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct spool_bodies *bodies = &body->spool->bodies;
    if (is_listed(body)) {
        pthread_mutex_lock(&bodies->lock);
        hash_table_remove(&bodies->residents, &body->resident);
        pthread_mutex_unlock(&bodies->lock);
    }
    drop_memory(body);
    end_arrival(body);
    for (uint32_t i = 0; i < body->n_pieces; i++)
        spool_file_unref(body->pieces[i].file);
    spool_client_put(body->client);
    free(body->pieces);
    free(body);
}

static struct spool_body_piece *new_piece(struct spool_body *body) {
    if (body->n_pieces == body->size_pieces) {
        body->size_pieces = body->size_pieces ? body->size_pieces * 2 : 1;
        body->pieces = mem_realloc(body->pieces, body->size_pieces * sizeof(*body->pieces));
    }
    struct spool_body_piece *piece = &body->pieces[body->n_pieces++];
    memset(piece, 0, sizeof(*piece));
    piece->at = body->size;
    return piece;
}

void spool_body_add_piece(struct spool_body *body, const struct spool_piece *piece,
                          struct spool_file *file, uint64_t offset) {
    ASSERT(body->n_in_memory == 0 && file);
    struct spool_body_piece *added = new_piece(body);
    added->len = piece->len;
    added->crc = piece->crc;
    added->file = spool_file_ref(file);
    added->offset = offset;
    body->size += piece->len;
}

// --- To disk -------------------------------------------------------------------------------------
enum spool_status spool_chunk_write(struct spool *spool, struct spool_chunk *chunk) {
    struct spool_waiter waiter;
    ASSERT(chunk->n_parts > 0 && chunk->n_parts <= SPOOL_CHUNK_PARTS_MAX);
    spool_waiter_init(&waiter);
    chunk->work.kind = SPOOL_WORK_CHUNK;
    chunk->waiter = &waiter;
    spool_post(spool, &chunk->work);
    spool_waiter_wait(&waiter);
    return chunk->status;
}

static void add_part(struct spool_chunk *chunk, const char *bytes, uint32_t len, uint32_t crc) {
    ASSERT(chunk->n_parts < SPOOL_CHUNK_PARTS_MAX && len > 0);
    chunk->parts[chunk->n_parts++] = (struct spool_chunk_part){bytes, len, crc};
    chunk->bytes += len;
}

static void place_memory(struct spool_body *body, struct spool_file *file, uint64_t offset) {
    for (uint32_t i = body->n_pieces - body->n_in_memory; i < body->n_pieces; i++) {
        body->pieces[i].file = spool_file_ref(file);
        body->pieces[i].offset = offset;
        offset += body->pieces[i].len;
    }
}

// The committer counted the chunk's parts as arriving, and gave a reference.
static void take_over(struct spool_body *body, uint32_t first, struct spool_chunk *chunk) {
    ASSERT(body->n_pieces - first == chunk->n_parts);
    for (uint32_t i = first; i < body->n_pieces; i++)
        body->pieces[i].is_arriving = true;
    spool_file_unref(chunk->file);
}

enum spool_status spool_body_spill(struct spool_body *body) {
    uint32_t first = body->n_pieces - body->n_in_memory;
    struct spool_chunk chunk = {.is_ours = !body->client};
    for (uint32_t i = first; i < body->n_pieces; i++)
        add_part(&chunk, body->pieces[i].memory, body->pieces[i].len, body->pieces[i].crc);
    if (chunk.n_parts == 0)
        return SPOOL_OK;
    enum spool_status status = spool_chunk_write(body->spool, &chunk);
    if (status != SPOOL_OK)
        return status;
    place_memory(body, chunk.file, chunk.offset);
    drop_memory(body);
    take_over(body, first, &chunk);
    return SPOOL_OK;
}

// Without memory of our own: the caller's bytes are written while it waits.
static enum spool_status write_through(struct spool_body *body, struct view *bytes) {
    struct spool_chunk chunk = {.is_ours = !body->client};
    struct view rest = *bytes;
    while (rest.len > 0 && chunk.n_parts < SPOOL_CHUNK_PARTS_MAX) {
        struct view part = view_take(rest, SPOOL_PIECE_BYTES);
        add_part(&chunk, part.ptr, (uint32_t)part.len, crc32c(0, part.ptr, part.len));
        rest = view_skip(rest, part.len);
    }
    enum spool_status status = spool_chunk_write(body->spool, &chunk);
    if (status != SPOOL_OK)
        return status;
    uint64_t offset = chunk.offset;
    uint32_t first = body->n_pieces;
    for (uint32_t i = 0; i < chunk.n_parts; i++) {
        struct spool_piece piece = {.len = chunk.parts[i].len, .crc = chunk.parts[i].crc};
        spool_body_add_piece(body, &piece, chunk.file, offset);
        offset += piece.len;
    }
    take_over(body, first, &chunk);
    *bytes = rest;
    return SPOOL_OK;
}

// --- Arriving ------------------------------------------------------------------------------------
static struct spool_body_piece *last_in_memory(struct spool_body *body) {
    return body->n_in_memory > 0 ? &body->pieces[body->n_pieces - 1] : NULL;
}

// Room for at least one more byte in memory; false when the budgets say no.
static bool make_room(struct spool_body *body, size_t wanted) {
    enum { ROUND = 1024 };
    struct spool_body_piece *piece = last_in_memory(body);
    if (piece && piece->len < piece->size)
        return true;
    if (!piece || piece->size == SPOOL_PIECE_BYTES) {
        size_t size = size_min((wanted + ROUND - 1) / ROUND * ROUND, SPOOL_PIECE_BYTES);
        if (!take_memory(body, size))
            return false;
        piece = new_piece(body);
        piece->memory = mem_alloc(size);
        piece->size = (uint32_t)size;
        body->n_in_memory++;
        return true;
    }
    size_t size = size_max((piece->size + wanted + ROUND - 1) / ROUND * ROUND, 2 * piece->size);
    size = size_min(size, SPOOL_PIECE_BYTES);
    if (!take_memory(body, size - piece->size))
        return false;
    piece->memory = mem_realloc(piece->memory, size);
    piece->size = (uint32_t)size;
    return true;
}

static void fill(struct spool_body *body, struct view *bytes) {
    ASSERT(body->n_in_memory > 0);
    struct spool_body_piece *piece = &body->pieces[body->n_pieces - 1];
    uint32_t len = (uint32_t)size_min(piece->size - piece->len, bytes->len);
    memcpy(piece->memory + piece->len, bytes->ptr, len);
    piece->crc = crc32c(piece->crc, bytes->ptr, len);
    piece->len += len;
    body->size += len;
    *bytes = view_skip(*bytes, len);
}

static bool is_chunk_full(const struct spool_body *body) {
    return body->n_in_memory == SPOOL_CHUNK_PARTS_MAX &&
           body->pieces[body->n_pieces - 1].len == SPOOL_PIECE_BYTES;
}

// Before a wait: whether the caller still wants it.
static enum spool_status may_wait(io_time deadline) {
    if (io_is_canceled())
        return SPOOL_CANCELED;
    return io_now() >= deadline ? SPOOL_TIMED_OUT : SPOOL_OK;
}

static enum spool_status append_some(struct spool_body *body, struct view *bytes,
                                     io_time deadline) {
    bool is_full = is_chunk_full(body);
    if (!is_full && make_room(body, bytes->len)) {
        fill(body, bytes);
        return SPOOL_OK;
    }
    enum spool_status status = may_wait(deadline);
    if (status == SPOOL_OK)
        status = spool_body_spill(body);
    if (status == SPOOL_OK && !is_full)
        status = write_through(body, bytes);
    return status;
}

enum spool_status spool_body_append(struct spool_body *body, struct view bytes, io_time deadline) {
    struct spool *spool = body->spool;
    ASSERT(!body->is_committed);
    enum spool_status status = SPOOL_OK;
    if (body->client)
        status = (enum spool_status)atomic_load_explicit(&spool->refusal, memory_order_relaxed);
    if (status == SPOOL_OK && bytes.len > spool->options.message_bytes_max - body->size)
        status = SPOOL_TOO_BIG;
    while (status == SPOOL_OK && bytes.len > 0)
        status = append_some(body, &bytes, deadline);
    return status;
}

// --- Committed -----------------------------------------------------------------------------------
void spool_body_committed(struct spool_body *body, struct spool_id id, struct spool_file *file,
                          uint64_t offset) {
    struct spool_bodies *bodies = &body->spool->bodies;
    if (body->is_committed)
        return;
    body->id = id;
    end_arrival(body);
    if (body->n_in_memory < body->n_pieces) {
        place_memory(body, file, offset);
        drop_memory(body);
    }
    body->is_committed = true;
    if (!is_listed(body))
        return;
    pthread_mutex_lock(&bodies->lock);
    hash_table_insert(&bodies->residents, &body->resident, spool_id_hash(id));
    pthread_mutex_unlock(&bodies->lock);
}

static bool ref_unless_gone(struct spool_body *body) {
    unsigned refs = atomic_load(&body->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&body->refs, &refs, refs + 1))
            return true;
    return false;
}

struct spool_body *spool_body_find_resident(struct spool *spool, struct spool_id id) {
    struct spool_bodies *bodies = &spool->bodies;
    struct spool_body *found = NULL;
    pthread_mutex_lock(&bodies->lock);
    struct hash_node *node = hash_table_first(&bodies->residents, spool_id_hash(id));
    for (; node && !found; node = hash_table_next(node)) {
        struct spool_body *body = CONTAINER_OF(node, struct spool_body, resident);
        if (spool_id_equals(body->id, id) && ref_unless_gone(body))
            found = body;
    }
    pthread_mutex_unlock(&bodies->lock);
    return found;
}
