// SPDX-License-Identifier: Apache-2.0
// The one place that moves recipients between lists: a recipient's state is the list it is in, and
// the counters of domains and lanes follow here and nowhere else.
#include "schedule/schedule_internal.h"

static struct chain *ready_chain(struct domain *domain, const struct rcpt *rcpt) {
    return rcpt->rounds == 0 ? &domain->fresh : &domain->retry;
}

static struct chain *chain_of(struct domain *domain, const struct rcpt *rcpt) {
    switch ((enum schedule_state)rcpt->state) {
    case SCHEDULE_READY: return ready_chain(domain, rcpt);
    case SCHEDULE_HELD: return &domain->held;
    case SCHEDULE_OUT: return &domain->out;
    case SCHEDULE_WAITING: break;
    }
    return NULL;
}

static uint64_t *count_of(struct schedule *s, enum schedule_state state) {
    switch (state) {
    case SCHEDULE_READY: return &s->n_ready;
    case SCHEDULE_WAITING: return &s->n_waiting;
    case SCHEDULE_HELD: return &s->n_held;
    case SCHEDULE_OUT: break;
    }
    return &s->n_out;
}

static void count_ready(struct schedule *s, struct domain *domain, int change) {
    if (domain->phase == PHASE_LANE)
        lane_at(s, domain->lane)->n_ready += (uint32_t)change;
}

// A recipient that waits has its `due` set before.
void rcpt_enter(struct schedule *s, uint32_t number, enum schedule_state state,
                enum rcpt_place place) {
    struct rcpt *rcpt = rcpt_at(s, number);
    struct domain *domain = domain_at(s, rcpt->domain);
    rcpt->state = (uint8_t)state;
    ++*count_of(s, state);
    if (state == SCHEDULE_WAITING) {
        wheel_insert(&s->waiting, number, rcpt->node.due);
        return;
    }
    if (place == PLACE_HEAD)
        chain_prepend(of_state(s), chain_of(domain, rcpt), number);
    else
        chain_append(of_state(s), chain_of(domain, rcpt), number);
    if (state != SCHEDULE_READY)
        return;
    count_ready(s, domain, 1);
    domain_rouse(s, domain);
}

void rcpt_leave(struct schedule *s, uint32_t number) {
    struct rcpt *rcpt = rcpt_at(s, number);
    struct domain *domain = domain_at(s, rcpt->domain);
    --*count_of(s, rcpt->state);
    if (rcpt->state == SCHEDULE_WAITING) {
        wheel_remove(&s->waiting, number);
        return;
    }
    chain_remove(of_state(s), chain_of(domain, rcpt), number);
    if (rcpt->state != SCHEDULE_READY)
        return;
    count_ready(s, domain, -1);
    if (domain_ready(domain) == 0)
        domain_calm(s, domain);
}

void rcpt_send_off(struct schedule *s, uint32_t number) {
    struct rcpt *rcpt = rcpt_at(s, number);
    ASSERT(!rcpt->is_leaving);
    if (rcpt->state != SCHEDULE_OUT)
        rcpt_move(s, number, SCHEDULE_OUT);
    rcpt->is_leaving = true;
    s->n_leaving++;
}

// --- Messages ----------------------------------------------------------------------------

uint32_t sender_find(const struct schedule *s, uint64_t hash) {
    for (uint32_t at = index_first(&s->by_sender, hash); at != 0;
         at = index_next(&s->by_sender, at)) {
        const struct sender *sender = slab_at(&s->senders, at);
        if (sender->hash == hash)
            return at;
    }
    return 0;
}

static uint32_t sender_intern(struct schedule *s, uint64_t hash) {
    uint32_t number = sender_find(s, hash);
    if (number != 0)
        return number;
    number = slab_take(&s->senders);
    struct sender *sender = slab_at(&s->senders, number);
    sender->hash = hash;
    index_insert(&s->by_sender, number);
    return number;
}

static void add_rcpt(struct schedule *s, uint32_t message_number,
                     const struct schedule_add_rcpt *add) {
    ASSERT(add->index <= UINT16_MAX);
    struct domain *domain = domain_at(s, domain_intern(s, add->domain));
    uint32_t number = slab_take(&s->rcpts);
    struct rcpt *rcpt = rcpt_at(s, number);
    *rcpt = (struct rcpt){.domain = domain->number,
                          .message = message_number,
                          .address_hash = add->address_hash,
                          .rounds = add->rounds,
                          .cause = add->cause,
                          .dot_losses = add->dot_losses,
                          .is_local = add->is_local};
    rcpt->node.spare = (uint16_t)add->index;
    chain_append(of_message(s), &message_at(s, message_number)->rcpts, number);
    domain_gain(s, domain, number);
    int64_t wall_ms = wall_of(s, s->now);
    if (add->tried_ms != 0)
        rcpt->tried = second_of(s, s->now - int64_max(0, wall_ms - add->tried_ms));
    if (add->held_since_ms != 0) {
        rcpt->node.due = second_of(s, s->now - int64_max(0, wall_ms - add->held_since_ms));
        rcpt_enter(s, number, SCHEDULE_HELD, PLACE_TAIL);
    } else if (add->next_ms > wall_ms) {
        // A clock that was set back must not make mail wait for ever.
        int64_t wait_ms = int64_min(add->next_ms - wall_ms, WAIT_RESTORED_MS_MAX);
        rcpt->node.due = second_after(s, s->now + wait_ms);
        rcpt_enter(s, number, SCHEDULE_WAITING, PLACE_TAIL);
    } else {
        rcpt_enter(s, number, SCHEDULE_READY, PLACE_TAIL);
    }
}

bool schedule_add(struct schedule *s, const struct schedule_add *add, io_time now) {
    ASSERT(add->n_rcpts > 0 && !spool_id_is_none(add->id));
    schedule_advance(s, now);
    if (schedule_find(s, add->id) != 0)
        return false;
    uint32_t number = slab_take(&s->messages);
    struct message *message = message_at(s, number);
    message->id = add->id;
    message->arrived_ms = add->arrived_ms;
    message->tag = add->tag;
    message->is_warned = add->is_warned;
    message->is_hold_warned = add->is_hold_warned;
    message->sender = sender_intern(s, add->sender_hash);
    struct sender *sender = slab_at(&s->senders, message->sender);
    chain_append(of_sender(s), &sender->messages, number);
    index_insert(&s->by_id, number);
    for (size_t i = 0; i < add->n_rcpts; i++)
        add_rcpt(s, number, &add->rcpts[i]);
    life_start(s, number);
    return true;
}

static void message_destroy(struct schedule *s, uint32_t number) {
    struct message *message = message_at(s, number);
    uint32_t sender_number = message->sender;
    struct sender *sender = slab_at(&s->senders, sender_number);
    chain_remove(of_sender(s), &sender->messages, number);
    if (sender->messages.n == 0) {
        index_remove(&s->by_sender, sender_number);
        slab_give(&s->senders, sender_number);
    }
    wheel_remove(&s->life, number);
    index_remove(&s->by_id, number);
    slab_give(&s->messages, number);
}

static void cursors_skip(struct schedule *s, uint32_t rcpt_number) {
    LIST_FOR_EACH (link, &s->cursors) {
        struct schedule_cursor *cursor = CONTAINER_OF(link, struct schedule_cursor, link);
        if (cursor->at == rcpt_number)
            schedule_cursor_next(s, cursor);
    }
}

void rcpt_destroy(struct schedule *s, uint32_t number) {
    struct rcpt *rcpt = rcpt_at(s, number);
    ASSERT(rcpt->state == SCHEDULE_OUT);
    cursors_skip(s, number);
    if (rcpt->is_leaving) {
        ASSERT(s->n_leaving > 0);
        s->n_leaving--;
    }
    rcpt_leave(s, number);
    uint32_t message_number = rcpt->message;
    struct message *message = message_at(s, message_number);
    domain_lose(s, domain_at(s, rcpt->domain), number);
    chain_remove(of_message(s), &message->rcpts, number);
    slab_give(&s->rcpts, number);
    if (message->rcpts.n == 0)
        message_destroy(s, message_number);
}

void schedule_drop(struct schedule *s, uint32_t rcpt) {
    rcpt_destroy(s, rcpt);
}
