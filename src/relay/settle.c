// SPDX-License-Identifier: Apache-2.0
// Settlements go to the spool in batches: what one turn of the home loop brings is one transaction.
// A recipient is dropped when its settlement is durable, not before; what the spool refuses is
// handed in again until it takes it, for mail that was delivered must not be sent twice.
#include "relay/relay_internal.h"

#include <stdlib.h>

static struct relay_batch *batch(struct relay *relay) {
    if (relay->batch == NULL) {
        relay->batch = mem_alloc_zero(sizeof *relay->batch);
        relay->batch->tx = spool_tx_create(relay->spool);
        relay->batch->done.arg = relay->batch;
    }
    return relay->batch;
}

struct spool_tx *relay_batch_tx(struct relay *relay) {
    batch(relay)->n_records++;
    return relay->batch->tx;
}

static void settle_in(struct relay *relay, struct relay_batch *to, uint32_t rcpt) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    ASSERT(info.state == SCHEDULE_OUT);
    spool_tx_settle(to->tx, info.id, info.index);
    to->n_records++;
}

void relay_settle(struct relay *relay, uint32_t rcpt) {
    struct relay_batch *to = batch(relay);
    if (to->n_rcpts == to->size) {
        to->size = to->size ? to->size * 2 : 16;
        to->rcpts = mem_realloc(to->rcpts, to->size * sizeof(uint32_t));
    }
    to->rcpts[to->n_rcpts++] = rcpt;
    settle_in(relay, to, rcpt);
}

void relay_update(struct relay *relay, uint32_t rcpt, const struct relay_record *record) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    struct buffer state;
    buffer_init(&state, RELAY_RECORD_BYTES_MAX);
    relay_record_encode(record, &state);
    spool_tx_update(relay_batch_tx(relay), info.id, info.index, buffer_view(&state));
    buffer_finish(&state);
}

static void hand_in(struct relay *relay, struct relay_batch *ready) {
    struct spool_tx *tx = ready->tx;
    ready->tx = NULL;
    relay->n_batches++;
    relay->n_settling += ready->n_rcpts;
    spool_submit(tx, relay->done, &ready->done);
}

void relay_flush(struct relay *relay) {
    struct relay_batch *ready = relay->batch;
    if (ready == NULL)
        return;
    relay->batch = NULL;
    ASSERT(ready->n_records > 0);
    hand_in(relay, ready);
}

// --- When it is durable, or refused ------------------------------------------------------

void relay_dropped(struct relay *relay, uint32_t rcpt) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    uint32_t tag = schedule_message_tag(relay->schedule, info.message);
    schedule_drop(relay->schedule, rcpt);
    if (tag != 0 && schedule_find(relay->schedule, info.id) == 0)
        relay_fresh_forget(relay, tag, info.id);
}

static void batch_free(struct relay_batch *done) {
    free(done->rcpts);
    free(done);
}

// Settlements are tried again; states are not: they only tell when to try, and memory knows that.
static void again_run(void *arg) {
    struct relay_batch *refused = arg;
    struct relay *relay = refused->done.arg;
    io_sleep(io_after(RELAY_AGAIN_MS));
    refused->done.arg = refused;
    refused->tx = spool_tx_create(relay->spool);
    refused->n_records = 0;
    for (size_t i = 0; i < refused->n_rcpts; i++)
        settle_in(relay, refused, refused->rcpts[i]);
    hand_in(relay, refused);
}

static void batch_done(struct relay *relay, struct relay_batch *done) {
    relay->n_batches--;
    relay->n_settling -= done->n_rcpts;
    if (done->done.status != SPOOL_OK) {
        relay_check_health(relay);
        if (done->n_rcpts > 0 && !relay->gives_up) {
            done->done.arg = relay;
            io_group_spawn(&relay->helpers, "settle again", again_run, done);
            return;
        }
    } else {
        relay->counts.settled += done->n_rcpts;
        for (size_t i = 0; i < done->n_rcpts; i++)
            relay_dropped(relay, done->rcpts[i]);
    }
    batch_free(done);
}

void relay_done_run(void *arg) {
    struct relay *relay = arg;
    while (!relay->is_finished || relay->n_batches > 0) {
        struct io_mail *mail = io_mailbox_take_all(relay->done, IO_NEVER);
        while (mail != NULL) {
            struct spool_done *done = CONTAINER_OF(mail, struct spool_done, mail);
            mail = mail->next;
            batch_done(relay, done->arg);
        }
        if (!relay->is_finished)
            relay_step(relay);
        io_event_set(&relay->quiet);
    }
}
