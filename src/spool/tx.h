// SPDX-License-Identifier: Apache-2.0
// Private to spool. A transaction as it is handed to the committer: operations, and the bytes that
// they name. The keeper's own operations move what is alive out of a segment; each of them does
// nothing unless what it saw still holds (`old`).
#ifndef SPOOL_TX_H
#define SPOOL_TX_H

#include "spool/body.h"
#include "spool/index.h"

enum spool_op_kind {
    SPOOL_OP_ADD,
    SPOOL_OP_STATE,
    SPOOL_OP_SETTLE,
    SPOOL_OP_NOTE,
    // The keeper's.
    SPOOL_OP_MOVE,     // the message, with its states, from home `old`
    SPOOL_OP_RESTATE,  // the state that stands at `old`
    SPOOL_OP_RESETTLE, // the settlement that stands at `old`
    SPOOL_OP_RENOTE,   // the note that stands at `old`
    SPOOL_OP_REDEAD    // the numbers of the segments that a DEAD record voids
};

// What a moved message had when it was read.
struct spool_carried {
    uint32_t n_rcpts;
    struct spool_place *places; // of the recipients
    struct view *states;
    bool *is_settled;
};

struct spool_op {
    enum spool_op_kind kind;
    struct spool_id id;
    uint32_t rcpt;  // ADD, MOVE: how many
    size_t at, len; // in `bytes`: fields of the message, state, key and value, numbers
    size_t key_len; // NOTE, RENOTE
    uint64_t since; // RENOTE
    struct spool_body *body;
    struct spool_place old;
    const struct spool_carried *carried;
    bool is_skipped; // by the committer: the id exists already
};

enum { SPOOL_TX_OPS_INLINE = 2 };

struct spool_tx {
    struct spool_work work;
    struct spool *spool;
    struct spool_op *ops;
    size_t n_ops, size_ops;
    struct spool_op inline_ops[SPOOL_TX_OPS_INLINE];
    struct buffer bytes;
    uint64_t body_bytes;
    bool has_new_mail; // a message that is no notice of ours
    enum spool_status status;
    struct spool_waiter *waiter; // one of the two
    struct io_mailbox *mailbox;
    struct spool_done *done;
};

static inline struct view spool_op_bytes(const struct spool_tx *tx, const struct spool_op *op) {
    return view_take(view_skip(buffer_view(&tx->bytes), op->at), op->len);
}
// Room for one more operation with `len` bytes, which the caller appends to `bytes`.
struct spool_op *spool_tx_op(struct spool_tx *tx, enum spool_op_kind kind, struct spool_id id);
void spool_tx_op_end(struct spool_tx *tx, struct spool_op *op);
// Never more bytes of log than this, bodies included.
uint64_t spool_tx_bytes_max(const struct spool_tx *tx);

#endif
