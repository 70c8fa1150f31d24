// SPDX-License-Identifier: Apache-2.0
#include "spool/tx.h"

#include "spool/store.h"

#include <stdlib.h>

// A message with the most recipients and their first states fits.
enum { TX_BYTES_MAX = 256 << 20 };

struct spool_tx *spool_tx_create(struct spool *spool) {
    struct spool_tx *tx = mem_alloc_zero(sizeof(*tx));
    tx->work.kind = SPOOL_WORK_TX;
    tx->spool = spool;
    tx->ops = tx->inline_ops;
    tx->size_ops = SPOOL_TX_OPS_INLINE;
    buffer_init(&tx->bytes, TX_BYTES_MAX);
    return tx;
}

void spool_tx_destroy(struct spool_tx *tx) {
    if (!tx)
        return;
    for (size_t i = 0; i < tx->n_ops; i++)
        spool_body_unref(tx->ops[i].body);
    if (tx->ops != tx->inline_ops)
        free(tx->ops);
    buffer_finish(&tx->bytes);
    free(tx);
}

struct spool_op *spool_tx_op(struct spool_tx *tx, enum spool_op_kind kind, struct spool_id id) {
    if (tx->n_ops == tx->size_ops) {
        bool is_inline = tx->ops == tx->inline_ops;
        tx->size_ops *= 2;
        tx->ops = mem_realloc(is_inline ? NULL : tx->ops, tx->size_ops * sizeof(*tx->ops));
        if (is_inline)
            memcpy(tx->ops, tx->inline_ops, sizeof(tx->inline_ops));
    }
    struct spool_op *op = &tx->ops[tx->n_ops++];
    *op = (struct spool_op){.kind = kind, .id = id, .at = tx->bytes.len};
    return op;
}

void spool_tx_op_end(struct spool_tx *tx, struct spool_op *op) {
    ASSERT(tx->bytes.len >= op->at);
    op->len = tx->bytes.len - op->at;
}

static bool is_derived(struct spool_id id) {
    return (id.hi & (1U << 31)) != 0;
}

void spool_tx_add(struct spool_tx *tx, struct spool_id id, const struct mail_envelope *envelope,
                  struct spool_body *body) {
    ASSERT(envelope->n_recipients > 0 && envelope->n_recipients <= MAIL_RECIPIENTS_MAX);
    ASSERT(!spool_id_is_none(id) && body);
    struct buffer encoded;
    buffer_init(&encoded, MAIL_ENVELOPE_BYTES_MAX);
    mail_envelope_encode(envelope, &encoded);
    struct spool_op *op = spool_tx_op(tx, SPOOL_OP_ADD, id);
    op->rcpt = (uint32_t)envelope->n_recipients;
    op->body = spool_body_ref(body);
    struct spool_message message = {.n_rcpts = op->rcpt,
                                    .owner = spool_owner(tx->spool),
                                    .body_bytes = body->size,
                                    .envelope = buffer_view(&encoded)};
    spool_message_write(&message, &tx->bytes);
    spool_tx_op_end(tx, op);
    tx->bytes.overflow |= encoded.overflow;
    tx->body_bytes += body->size;
    tx->has_new_mail |= !is_derived(id);
    buffer_finish(&encoded);
}

void spool_tx_update(struct spool_tx *tx, struct spool_id id, uint32_t rcpt_index,
                     struct view state) {
    struct spool_op *op = spool_tx_op(tx, SPOOL_OP_STATE, id);
    op->rcpt = rcpt_index;
    buffer_append_view(&tx->bytes, state);
    spool_tx_op_end(tx, op);
}

void spool_tx_settle(struct spool_tx *tx, struct spool_id id, uint32_t rcpt_index) {
    spool_tx_op(tx, SPOOL_OP_SETTLE, id)->rcpt = rcpt_index;
}

void spool_tx_note(struct spool_tx *tx, struct view key, struct view value) {
    ASSERT(key.len > 0);
    struct spool_op *op = spool_tx_op(tx, SPOOL_OP_NOTE, (struct spool_id){0});
    op->key_len = key.len;
    buffer_append_view(&tx->bytes, key);
    buffer_append_view(&tx->bytes, value);
    spool_tx_op_end(tx, op);
}

uint64_t spool_tx_bytes_max(const struct spool_tx *tx) {
    // For each operation a record head with what stands beside its bytes, and a DEAD record.
    enum { OP_BYTES_MAX = 2 * SPOOL_RECORD_BYTES + 80, PIECE_BYTES = 20 };
    uint64_t bytes = SPOOL_FRAME_BYTES + tx->bytes.len + tx->body_bytes + SPOOL_UNIT_BYTES;
    for (size_t i = 0; i < tx->n_ops; i++) {
        const struct spool_op *op = &tx->ops[i];
        bytes += OP_BYTES_MAX;
        bytes += op->body ? (uint64_t)op->body->n_pieces * PIECE_BYTES : 0;
        for (uint32_t rcpt = 0; op->carried && rcpt < op->carried->n_rcpts; rcpt++)
            bytes += op->carried->states[rcpt].len + SPOOL_RECORD_BYTES + 4;
    }
    return bytes;
}

// --- Handing in ----------------------------------------------------------------------------------
enum spool_status spool_commit(struct spool_tx *tx) {
    struct spool_waiter waiter;
    spool_waiter_init(&waiter);
    tx->waiter = &waiter;
    spool_post(tx->spool, &tx->work);
    spool_waiter_wait(&waiter);
    enum spool_status status = tx->status;
    spool_tx_destroy(tx);
    return status;
}

void spool_submit(struct spool_tx *tx, struct io_mailbox *mailbox, struct spool_done *done) {
    ASSERT(mailbox && done);
    tx->mailbox = mailbox;
    tx->done = done;
    spool_post(tx->spool, &tx->work);
}

struct spool_id spool_id_next(struct spool *spool) {
    uint64_t counter = atomic_fetch_add_explicit(&spool->next_id, 1, memory_order_relaxed);
    ASSERT(counter != 0);
    return (struct spool_id){spool_owner(spool), counter};
}
