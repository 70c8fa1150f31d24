// SPDX-License-Identifier: Apache-2.0
// What operators do to recipients, and cursors over those they choose.
#include "schedule/schedule_internal.h"

void schedule_hold(struct schedule *s, uint32_t number, int64_t wall_ms) {
    struct rcpt *rcpt = rcpt_at(s, number);
    if (rcpt->state == SCHEDULE_OUT) {
        rcpt->is_wanted_held = !rcpt->is_leaving;
        return;
    }
    if (rcpt->state == SCHEDULE_HELD)
        return;
    rcpt_leave(s, number);
    rcpt->node.due = second_of(s, wall_ms - s->wall_offset_ms);
    rcpt_enter(s, number, SCHEDULE_HELD, PLACE_TAIL);
}

void schedule_release(struct schedule *s, uint32_t number, io_time now) {
    schedule_advance(s, now);
    struct rcpt *rcpt = rcpt_at(s, number);
    rcpt->is_wanted_held = false;
    if (rcpt->state != SCHEDULE_HELD)
        return;
    rcpt_move(s, number, SCHEDULE_READY);
    rcpt->is_released = true; // it gets a round, however old it is
    rcpt->node.due = second_of(s, s->now);
}

void schedule_retry(struct schedule *s, uint32_t number, io_time now) {
    schedule_advance(s, now);
    if (rcpt_at(s, number)->state == SCHEDULE_WAITING)
        rcpt_move(s, number, SCHEDULE_READY);
}

bool schedule_take_out(struct schedule *s, uint32_t number) {
    struct rcpt *rcpt = rcpt_at(s, number);
    if (rcpt->state == SCHEDULE_OUT) {
        rcpt->is_wanted_gone = !rcpt->is_leaving;
        return false;
    }
    rcpt_send_off(s, number);
    return true;
}

void schedule_put_back(struct schedule *s, uint32_t number) {
    struct rcpt *rcpt = rcpt_at(s, number);
    ASSERT(rcpt->state == SCHEDULE_OUT && rcpt->is_leaving && s->n_leaving > 0);
    rcpt->is_leaving = false;
    s->n_leaving--;
    rcpt_move(s, number, SCHEDULE_READY);
}

// --- Cursors -----------------------------------------------------------------------------

static uint32_t first_from_domain(const struct schedule *s, uint32_t domain) {
    for (; domain != 0 && domain < s->domains.n_numbers; domain++) {
        const struct domain *candidate = domain_at(s, domain);
        if (candidate->name != NULL && candidate->all.n > 0)
            return candidate->all.first;
    }
    return 0;
}

void schedule_cursor_open(struct schedule *s, struct schedule_cursor *cursor,
                          enum schedule_select select, uint64_t key) {
    *cursor = (struct schedule_cursor){.select = select};
    list_init(&cursor->link);
    list_append(&s->cursors, &cursor->link);
    if (select == SCHEDULE_SELECT_ALL)
        cursor->at = first_from_domain(s, 1);
    else if (select == SCHEDULE_SELECT_DOMAIN && key != 0)
        cursor->at = domain_at(s, (uint32_t)key)->all.first;
    else if (select == SCHEDULE_SELECT_SENDER && sender_find(s, key) != 0) {
        const struct sender *sender = slab_at(&s->senders, sender_find(s, key));
        cursor->at = message_at(s, sender->messages.first)->rcpts.first;
    }
}

static uint32_t after(struct schedule *s, const struct schedule_cursor *cursor, uint32_t number) {
    const struct rcpt *rcpt = rcpt_at(s, number);
    if (cursor->select == SCHEDULE_SELECT_SENDER) {
        uint32_t sibling = chain_link(of_message(s), number)->next;
        if (sibling != 0)
            return sibling;
        uint32_t message = chain_link(of_sender(s), rcpt->message)->next;
        return message == 0 ? 0 : message_at(s, message)->rcpts.first;
    }
    uint32_t next = chain_link(of_domain(s), number)->next;
    if (next == 0 && cursor->select == SCHEDULE_SELECT_ALL)
        return first_from_domain(s, rcpt->domain + 1);
    return next;
}

uint32_t schedule_cursor_next(struct schedule *s, struct schedule_cursor *cursor) {
    ASSERT(list_is_linked(&cursor->link));
    uint32_t number = cursor->at;
    if (number != 0)
        cursor->at = after(s, cursor, number);
    return number;
}

void schedule_cursor_close(struct schedule_cursor *cursor) {
    list_remove(&cursor->link);
}

uint32_t schedule_scan(const struct schedule *s, uint32_t address_hash, unsigned budget,
                       uint32_t *at) {
    for (; budget > 0; budget--) {
        uint32_t number = *at + 1;
        if (number >= s->rcpts.n_numbers) {
            *at = 0;
            return 0;
        }
        *at = number;
        const struct rcpt *rcpt = rcpt_at(s, number);
        if (rcpt->message != 0 && rcpt->address_hash == address_hash)
            return number;
    }
    return 0;
}
