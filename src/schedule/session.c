// SPDX-License-Identifier: Apache-2.0
// Sessions pull their work: the next transaction is put together when one asks for it, from the
// domains of its lane in turn, fresh mail and retries alternating.
#include "schedule/schedule_internal.h"

enum { SIBLINGS_LOOKED_AT_MAX = 1000, RATE_BURST_US = 1000 * 1000 };

// --- Life of a session -------------------------------------------------------------------

uint32_t session_open(struct schedule *s, struct lane *lane) {
    uint32_t number = slab_take(&s->sessions);
    struct session *session = session_at(s, number);
    session->number = number;
    session->lane = lane->number;
    session->state = SESSION_OPENING;
    session->opened_at = s->now;
    list_init(&session->warm);
    list_init(&session->queue);
    if (s->now - lane->last_success > PROOF_MS)
        lane->limit = 1; // what it could bear an hour ago says little
    lane_wake_at(s, lane, s->now + PROOF_MS);
    lane->n_sessions++;
    lane->n_hungry++;
    s->n_sessions++;
    s->n_sessions_of[lane->class]++;
    return number;
}

static void leave_warm(struct schedule *s, struct session *session) {
    ASSERT(session->state == SESSION_WARM);
    list_remove(&session->warm);
    list_remove(&session->queue);
    heap_remove(&s->session_timers, &session->timer);
    lane_at(s, session->lane)->n_warm--;
}

uint32_t session_wake(struct schedule *s, struct lane *lane) {
    ASSERT(!list_is_empty(&lane->warm));
    // The one that was used last: its connection is the likeliest to stand.
    struct session *session = CONTAINER_OF(lane->warm.prev, struct session, warm);
    leave_warm(s, session);
    session->state = SESSION_WOKEN;
    lane_wake_at(s, lane, s->now + PROOF_MS);
    lane->n_hungry++;
    return session->number;
}

void session_close(struct schedule *s, struct session *session) {
    leave_warm(s, session);
    session->state = SESSION_ENDING;
    list_append(&s->closing, &session->queue);
}

void session_free(struct schedule *s, struct session *session) {
    struct lane *lane = lane_at(s, session->lane);
    if (session->state == SESSION_WARM)
        leave_warm(s, session);
    if (session->state == SESSION_OPENING || session->state == SESSION_WOKEN)
        lane->n_hungry--;
    list_remove(&session->queue);
    ASSERT(lane->n_sessions > 0 && s->n_sessions_of[lane->class] > 0);
    lane->n_sessions--;
    s->n_sessions--;
    s->n_sessions_of[lane->class]--;
    slab_give(&s->sessions, session->number);
}

// --- Taking ------------------------------------------------------------------------------

static void take_rcpt(struct schedule *s, struct schedule_transaction *transaction,
                      uint32_t number) {
    rcpt_move(s, number, SCHEDULE_OUT);
    transaction->rcpts[transaction->n_rcpts++] = number;
}

static bool goes_along(const struct schedule *s, const struct rcpt *rcpt, uint32_t lane) {
    if (rcpt->state != SCHEDULE_READY)
        return false;
    const struct domain *domain = domain_at(s, rcpt->domain);
    return domain->phase == PHASE_LANE && domain->lane == lane && !domain_is_stale(s, domain);
}

// The other recipients of the message that go the same way now.
static void take_siblings(struct schedule *s, struct schedule_transaction *transaction,
                          uint32_t first, uint32_t lane) {
    const struct chain *all = &message_at(s, transaction->message)->rcpts;
    unsigned looks = 0;
    for (uint32_t at = chain_link(of_message(s), first)->next;
         at != first && looks < SIBLINGS_LOOKED_AT_MAX; looks++) {
        if (at == 0) {
            at = all->first;
            continue;
        }
        if (transaction->n_rcpts == SCHEDULE_TRANSACTION_RCPTS_MAX)
            return;
        if (goes_along(s, rcpt_at(s, at), lane))
            take_rcpt(s, transaction, at);
        at = chain_link(of_message(s), at)->next;
    }
}

static uint32_t next_of_domain(struct domain *domain) {
    bool takes_retry = domain->fresh.n == 0 || (domain->takes_retry && domain->retry.n > 0);
    domain->takes_retry = !takes_retry;
    return takes_retry ? domain->retry.first : domain->fresh.first;
}

static bool take_one(struct schedule *s, struct lane *lane,
                     struct schedule_transaction *transaction) {
    while (!list_is_empty(&lane->ring)) {
        struct domain *domain = CONTAINER_OF(lane->ring.next, struct domain, queue);
        if (domain_is_stale(s, domain)) {
            lane_drop_stale(s, lane, domain);
            continue; // the lane stays: this session is on it
        }
        list_remove(&domain->queue);
        list_append(&lane->ring, &domain->queue);
        uint32_t number = next_of_domain(domain);
        const struct rcpt *rcpt = rcpt_at(s, number);
        const struct message *message = message_at(s, rcpt->message);
        transaction->id = message->id;
        transaction->message = rcpt->message;
        transaction->tag = message->tag;
        transaction->domain = domain->number;
        transaction->n_rcpts = 0;
        take_rcpt(s, transaction, number);
        if (message->rcpts.n > 1)
            take_siblings(s, transaction, number, lane->number);
        return true;
    }
    return false;
}

static bool rate_allows(struct schedule *s, struct lane *lane) {
    return lane_rate_until(s, lane) == 0;
}

// A bucket that holds one second's worth, counted by the time at which the next is due.
static void rate_count(struct schedule *s, struct lane *lane) {
    if (lane->way.rate_events == 0)
        return;
    int64_t each_us = lane->way.rate_period_ms * 1000 / (int64_t)lane->way.rate_events;
    int64_t floor_us = s->now * 1000 - RATE_BURST_US;
    lane->rate_due_us = int64_max(lane->rate_due_us, floor_us) + int64_max(1, each_us);
}

// Many at once only while every session of the lane gets as many.
static size_t fair_share(const struct lane *lane, size_t max) {
    if (lane->class != CLASS_GOOD)
        return 1;
    size_t share = lane->n_ready / lane_limit(lane);
    return size_max(1, size_min(share, max));
}

static bool must_end(const struct schedule *s, const struct lane *lane,
                     const struct session *session) {
    if (s->stop != SCHEDULE_RUNS)
        return true;
    unsigned most = lane->way.max_messages_per_connection;
    if (most > 0 && session->n_taken >= most)
        return true;
    return session->n_taken > 0 && s->now - session->opened_at >= SESSION_TURN_MS &&
           slots_are_pressed(s);
}

static enum schedule_take rest(struct schedule *s, struct lane *lane, struct session *session) {
    if (session->n_taken == 0 || slots_are_pressed(s)) {
        session->state = SESSION_ENDING;
        return SCHEDULE_TAKE_END;
    }
    session->state = SESSION_WARM;
    list_append(&lane->warm, &session->warm);
    list_append(&s->warm, &session->queue);
    lane->n_warm++;
    heap_insert(&s->session_timers, &session->timer, s->now + WARM_MS);
    return SCHEDULE_TAKE_WAIT;
}

static void take_some(struct schedule *s, struct lane *lane, struct session *session,
                      struct schedule_hand *hand) {
    size_t share = fair_share(lane, hand->max);
    if (lane->way.max_messages_per_connection > 0)
        share = size_min(share, lane->way.max_messages_per_connection - session->n_taken);
    while (hand->n < share && rate_allows(s, lane) &&
           take_one(s, lane, &hand->transactions[hand->n])) {
        rate_count(s, lane);
        hand->n++;
    }
    session->n_taken += (unsigned)hand->n;
    if (lane->n_ready > 0)
        lane_want(s, lane);
}

enum schedule_take schedule_take(struct schedule *s, uint32_t number, struct schedule_hand *hand,
                                 io_time now) {
    ASSERT(hand->max > 0);
    schedule_advance(s, now);
    hand->n = 0;
    struct session *session = session_at(s, number);
    struct lane *lane = lane_at(s, session->lane);
    if (session->state == SESSION_ENDING)
        return SCHEDULE_TAKE_END;
    if (session->state == SESSION_WARM)
        leave_warm(s, session);
    if (session->state == SESSION_OPENING || session->state == SESSION_WOKEN)
        lane->n_hungry--;
    session->state = SESSION_BUSY;
    if (must_end(s, lane, session)) {
        session->state = SESSION_ENDING;
        return SCHEDULE_TAKE_END;
    }
    take_some(s, lane, session, hand);
    return hand->n > 0 ? SCHEDULE_TAKE_WORK : rest(s, lane, session);
}

enum schedule_take schedule_take_ahead(struct schedule *s, uint32_t number,
                                       struct schedule_hand *hand, io_time now) {
    ASSERT(hand->max > 0);
    schedule_advance(s, now);
    hand->n = 0;
    struct session *session = session_at(s, number);
    struct lane *lane = lane_at(s, session->lane);
    ASSERT(session->state == SESSION_BUSY);
    // Only what no other session of the lane could take at once.
    if (!must_end(s, lane, session) && lane->n_ready >= lane_limit(lane) && lane->n_warm == 0)
        take_some(s, lane, session, hand);
    return hand->n > 0 ? SCHEDULE_TAKE_WORK : SCHEDULE_TAKE_WAIT;
}

// --- Results -----------------------------------------------------------------------------

// After a second loss behind the final dot, two hours, doubling: each try may deliver it again.
static int64_t wait_ms(struct schedule *s, const struct rcpt *rcpt) {
    const struct domain *domain = domain_at(s, rcpt->domain);
    int64_t wait = retry_delay_ms(s, domain_retry(s, domain), rcpt->rounds);
    if (rcpt->dot_losses >= 2) {
        unsigned doublings = rcpt->dot_losses < 6 ? rcpt->dot_losses - 2U : 4U;
        wait = int64_max(wait, (int64_t)DOT_LOSS_WAIT_MS << doublings);
    }
    return wait;
}

static void count_failure(struct schedule *s, struct rcpt *rcpt,
                          const struct schedule_result *result) {
    rcpt->tried = second_of(s, s->now);
    rcpt->is_released = false;
    rcpt->cause = result->cause;
    rcpt->is_local = result->is_local;
    if (rcpt->rounds < UINT16_MAX)
        rcpt->rounds++;
    if (result->is_dot_lost && rcpt->dot_losses < UINT8_MAX)
        rcpt->dot_losses++;
}

struct schedule_deferral schedule_defer(struct schedule *s, const struct schedule_result *result,
                                        io_time now) {
    schedule_advance(s, now);
    struct rcpt *rcpt = rcpt_at(s, result->rcpt);
    ASSERT(rcpt->state == SCHEDULE_OUT && !rcpt->is_leaving);
    if (result->was_tried)
        count_failure(s, rcpt, result);
    struct schedule_deferral deferral = {.rounds = rcpt->rounds,
                                         .dot_losses = rcpt->dot_losses,
                                         .next = s->now,
                                         .is_unwanted = rcpt->is_wanted_gone};
    deferral.is_expired = !deferral.is_unwanted && result->was_tried && life_is_over(s, rcpt);
    if (deferral.is_unwanted || deferral.is_expired) {
        rcpt_send_off(s, result->rcpt);
        return deferral;
    }
    rcpt_leave(s, result->rcpt);
    if (rcpt->is_wanted_held) {
        rcpt->is_wanted_held = false;
        deferral.is_held = true;
        rcpt->node.due = second_of(s, s->now);
        rcpt_enter(s, result->rcpt, SCHEDULE_HELD, PLACE_TAIL);
    } else if (result->was_tried) {
        deferral.next = s->now + wait_ms(s, rcpt);
        rcpt->node.due = second_after(s, deferral.next);
        rcpt_enter(s, result->rcpt, SCHEDULE_WAITING, PLACE_TAIL);
    } else {
        rcpt_enter(s, result->rcpt, SCHEDULE_READY, PLACE_HEAD);
    }
    return deferral;
}

void schedule_session_progress(struct schedule *s, uint32_t number, io_time now) {
    schedule_advance(s, now);
    struct session *session = session_at(s, number);
    struct lane *lane = lane_at(s, session->lane);
    session->is_progressing = true;
    lane->last_success = s->now;
    lane->last_round = s->now;
    lane->is_local = false;
    if (lane->backoff.rounds > 0)
        lane->backoff = (struct schedule_backoff){0};
    lane_set_class(s, lane, CLASS_GOOD);
    lane_wake_at(s, lane, s->now + PROOF_MS);
    if (lane->limit < lane->way.max_connections && s->now >= lane->limit_held_until) {
        lane->limit++;
        if (lane->n_ready > 0)
            lane_want(s, lane);
    }
}

// Others of the lane worked while this one failed: too many at once, rather than a dead site.
static void session_failed(struct schedule *s, struct lane *lane, bool others_worked,
                           io_time opened_at, bool is_local) {
    lane->last_round = s->now;
    if (others_worked) {
        lane->limit = lane->n_sessions > 1 ? lane->n_sessions : 1;
        lane->limit_held_until = s->now + PROOF_MS;
    } else if (opened_at >= lane->last_failure) {
        lane_failed(s, lane, is_local); // those that were opened before count as the same round
    }
}

void schedule_session_ended(struct schedule *s, uint32_t number, enum schedule_session_end end,
                            bool is_local, io_time now) {
    schedule_advance(s, now);
    struct session *session = session_at(s, number);
    struct lane *lane = lane_at(s, session->lane);
    io_time opened_at = session->opened_at;
    bool progressed = session->is_progressing;
    session_free(s, session);
    bool others_worked = lane->n_sessions > 0 && lane->last_success > opened_at && !progressed;
    if (end == SCHEDULE_SESSION_FAILED || (end == SCHEDULE_SESSION_LOST && !progressed))
        session_failed(s, lane, others_worked, opened_at, is_local);
    else if (end == SCHEDULE_SESSION_LOST)
        lane->limit = lane->limit > 1 ? lane->limit / 2 : 1;
    if (lane->n_ready > 0)
        lane_want(s, lane);
    lane_maybe_free(s, lane);
}
