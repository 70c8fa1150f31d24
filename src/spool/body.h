// SPDX-License-Identifier: Apache-2.0
// Private to spool. Bodies: pieces in memory, on disk, or both, and the budgets of that memory.
#ifndef SPOOL_BODY_H
#define SPOOL_BODY_H

#include "base/hash.h"
#include "spool/segment.h"
#include "spool/work.h"

#include <pthread.h>

enum {
    SPOOL_PIECE_BYTES = 64 << 10, // at most; also what a reader checks at a time
    SPOOL_CHUNK_BYTES = 256 << 10 // bodies above go to disk while they arrive, so much at a time
};

struct spool_body_piece {
    uint64_t at; // in the body
    uint32_t len, size, crc;
    char *memory;            // NULL: on disk only
    struct spool_file *file; // NULL: in memory only
    uint64_t offset;         // in the file
    bool is_arriving;        // counted in its file's n_arriving
    atomic_bool is_checked;  // what the disk holds passed its CRC once
};

struct spool_body {
    atomic_uint refs;
    struct spool *spool;
    struct spool_client *client; // NULL: our own
    uint64_t size;
    struct spool_body_piece *pieces;
    uint32_t n_pieces, size_pieces;
    uint32_t n_in_memory;   // pieces, the last ones
    uint64_t counted_bytes; // of memory
    bool is_committed;
    struct spool_id id; // once committed
    struct hash_node resident;
};

struct spool_bodies {
    uint64_t memory_max, client_memory_max;
    atomic_uint_fast64_t memory_bytes;
    pthread_mutex_t lock; // of both tables
    struct hash_table clients;
    struct hash_table residents; // committed and in memory, by id; not counted as references
};
void spool_bodies_init(struct spool_bodies *bodies, const struct spool_options *options);
void spool_bodies_finish(struct spool_bodies *bodies);

// A body that is on disk; pieces are added with spool_body_add_piece.
struct spool_body *spool_body_make(struct spool *spool, struct spool_client *client);
// Takes its own reference of `file`.
void spool_body_add_piece(struct spool_body *body, const struct spool_piece *piece,
                          struct spool_file *file, uint64_t offset);
// What is in memory goes to disk; the memory is free again.
IO_WAITS enum spool_status spool_body_spill(struct spool_body *body);
// By the committer, once durable: small ones can be found in memory, others give it back. What was
// in memory stands at `offset` of `file` now.
void spool_body_committed(struct spool_body *body, struct spool_id id, struct spool_file *file,
                          uint64_t offset);
// A reference, or NULL.
struct spool_body *spool_body_find_resident(struct spool *spool, struct spool_id id);

// Pieces of a body on their way to disk (SPOOL_WORK_CHUNK). Their memory is referenced, not copied,
// so whoever hands them in waits. The committer fills in the status and where the bytes are.
enum { SPOOL_CHUNK_PARTS_MAX = SPOOL_CHUNK_BYTES / SPOOL_PIECE_BYTES };
struct spool_chunk_part {
    const char *bytes;
    uint32_t len, crc;
};
struct spool_chunk {
    struct spool_work work;
    struct spool_chunk_part parts[SPOOL_CHUNK_PARTS_MAX];
    uint32_t n_parts, bytes;
    struct spool_waiter *waiter;
    enum spool_status status;
    bool is_ours; // a notice, or a message that moves: written also where new mail is refused
    struct spool_file *file; // a reference, when SPOOL_OK; each part counts as arriving there
    uint64_t offset;
};
IO_WAITS enum spool_status spool_chunk_write(struct spool *spool, struct spool_chunk *chunk);

#endif
