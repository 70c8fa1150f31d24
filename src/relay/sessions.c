// SPDX-License-Identifier: Apache-2.0
// The home loop's side of sessions: opening them where there is room, handing them work, and what
// is left when they end.
#include "relay/relay_internal.h"

#include <stdlib.h>

// --- Opening -----------------------------------------------------------------------------

static struct relay_session **slot(struct relay *relay, uint32_t number) {
    if (number >= relay->sessions_size) {
        size_t size = size_max(256, (size_t)number * 2);
        relay->sessions = mem_realloc(relay->sessions, size * sizeof(struct relay_session *));
        for (size_t i = relay->sessions_size; i < size; i++)
            relay->sessions[i] = NULL;
        relay->sessions_size = size;
    }
    return &relay->sessions[number];
}

struct relay_session *relay_session_of(struct relay *relay, uint32_t number) {
    return *slot(relay, number);
}

static struct relay_worker *idlest_worker(struct relay *relay) {
    struct relay_worker *idlest = &relay->workers[0];
    for (size_t i = 1; i < relay->n_workers; i++)
        if (relay->workers[i].n_sessions < idlest->n_sessions)
            idlest = &relay->workers[i];
    return idlest;
}

// Clear text is tried only a retry interval after a handshake that failed, on a new connection.
static bool may_fall_back(struct relay *relay, const struct route *route, uint32_t lane) {
    const struct relay_place *place = relay_place_find(&relay->lanes, lane);
    if (place == NULL || !route->connector->tls_fallback)
        return false;
    const struct fact *fact = &place->record.fact;
    return fact->stage == FACT_STAGE_TLS || fact->stage == FACT_STAGE_STARTTLS ||
           fact->kind == FACT_KIND_TLS;
}

void relay_session_open(struct relay *relay, const struct schedule_action *action) {
    struct relay_session *session = mem_alloc_zero(sizeof *session);
    struct relay_worker *worker = idlest_worker(relay);
    session->relay = relay;
    session->worker = worker;
    session->number = action->session;
    session->lane = action->lane;
    session->route = route_ref(action->route);
    session->config = config_ref(session->route->config);
    session->may_fall_back = may_fall_back(relay, session->route, action->lane);
    session->order = (struct relay_order){.kind = RELAY_ORDER_OPEN, .session = session};
    session->want.kind = RELAY_EVENT_WANT;
    session->ended.kind = RELAY_EVENT_ENDED;
    arena_init(&session->arena, 1 << 20);
    *slot(relay, action->session) = session;
    worker->n_sessions++;
    relay->counts.sessions++;
    io_mailbox_post(worker->mailbox, &session->order.mail);
}

// --- Items -------------------------------------------------------------------------------

// One piece of memory for a transaction: its recipients, results, texts and indices follow the
// struct.
static struct relay_item *make_item(struct relay_session *session,
                                    const struct schedule_transaction *transaction) {
    struct relay *relay = session->relay;
    size_t n = transaction->n_rcpts;
    size_t rcpts_bytes = (n * sizeof(uint32_t) * 2 + 15) & ~(size_t)15;
    size_t bytes = offsetof(struct relay_item, rcpts) + rcpts_bytes + 16 +
                   n * (sizeof(struct fact) + sizeof(char *));
    struct relay_item *item = mem_alloc_zero(bytes);
    item->event.kind = RELAY_EVENT_SETTLED;
    item->session = session;
    item->item.id = transaction->id;
    item->item.owner = item;
    item->item.n_rcpts = n;
    item->item.rcpt_indices = item->rcpts + n;
    uintptr_t behind = ((uintptr_t)(item->rcpts + 2 * n) + 15) & ~(uintptr_t)15;
    item->item.results = (struct fact *)behind;
    item->item.result_texts = (char **)(void *)(item->item.results + n);
    for (size_t i = 0; i < n; i++) {
        item->rcpts[i] = transaction->rcpts[i];
        struct schedule_rcpt_info info;
        schedule_rcpt(relay->schedule, transaction->rcpts[i], &info);
        item->item.rcpt_indices[i] = info.index;
    }
    struct relay_fresh *fresh = relay_fresh_find(relay, transaction->tag, transaction->id);
    if (fresh == NULL)
        return item;
    fresh->refs++;
    item->fresh = fresh;
    item->item.envelope = &fresh->envelope;
    item->item.body = fresh->body;
    return item;
}

void relay_item_free(struct relay_item *item) {
    for (size_t i = 0; i < item->item.n_rcpts; i++)
        free(item->item.result_texts[i]);
    if (item->fresh != NULL)
        relay_fresh_unref(item->fresh);
    else
        arena_finish(&item->arena);
    free(item);
}

// --- Work --------------------------------------------------------------------------------

static void give(struct relay_session *session, struct relay_item *items, bool is_end) {
    ASSERT(session->is_wanting);
    session->is_wanting = false;
    session->given = items;
    session->is_given_end = is_end;
    session->order.kind = RELAY_ORDER_WORK;
    io_mailbox_post(session->worker->mailbox, &session->order.mail);
}

void relay_session_answer(struct relay_session *session) {
    struct relay *relay = session->relay;
    struct schedule_hand hand = {.transactions = relay->transactions, .max = RELAY_BATCH_ITEMS_MAX};
    bool is_ahead = session->is_asking_ahead;
    enum schedule_take take =
        is_ahead ? schedule_take_ahead(relay->schedule, session->number, &hand, io_now())
                 : schedule_take(relay->schedule, session->number, &hand, io_now());
    struct relay_item *items = NULL, **end = &items;
    for (size_t i = 0; i < hand.n; i++, end = &(*end)->next)
        *end = make_item(session, &hand.transactions[i]);
    relay->counts.transactions += hand.n;
    if (take != SCHEDULE_TAKE_WAIT || is_ahead)
        give(session, items, take == SCHEDULE_TAKE_END);
}

void relay_session_wanted(struct relay_session *session) {
    session->is_wanting = true;
    relay_session_answer(session);
}

void relay_session_close(struct relay *relay, uint32_t number) {
    struct relay_session *session = relay_session_of(relay, number);
    if (session->is_wanting)
        give(session, NULL, true);
}

// --- The end -----------------------------------------------------------------------------

static enum schedule_session_end end_of(enum deliver_end end) {
    switch (end) {
    case DELIVER_END_DONE: return SCHEDULE_SESSION_DONE;
    case DELIVER_END_FAILED: return SCHEDULE_SESSION_FAILED;
    case DELIVER_END_LOST: return SCHEDULE_SESSION_LOST;
    case DELIVER_END_CANCELED: break;
    }
    return SCHEDULE_SESSION_CANCELED;
}

// The lane's last failure is remembered; its note says until when it backs off.
static void remember(struct relay *relay, struct relay_session *session,
                     const struct schedule_lane_info *info) {
    struct relay_record record;
    relay_record_init(&record);
    record.fact = session->report.fact;
    record.host = view_of(session->host);
    record.peer = session->peer;
    record.source = session->source;
    record.greeting = view_of(session->greeting);
    record.tried_ms = io_wall_ms();
    record.rounds = info->backoff.rounds;
    record.since_ms = info->backoff.since_ms;
    record.next_ms = io_wall_ms() + int64_max(0, info->backoff.until - io_now());
    relay_place_failed(relay, &relay->lanes, session->lane, info->key, &record);
}

void relay_session_finished(struct relay_session *session) {
    struct relay *relay = session->relay;
    const struct deliver_report *report = &session->report;
    struct schedule_lane_info before, after;
    schedule_lane(relay->schedule, session->lane, io_now(), &before);
    bool has_domains = before.n_domains > 0 || before.n_sessions > 1;
    relay->counts.sessions_failed += report->end == DELIVER_END_FAILED;
    schedule_session_ended(relay->schedule, session->number, end_of(report->end),
                           relay_fact_is_local(&report->fact), io_now());
    if (has_domains && !fact_is_ok(&report->fact) && report->fact.kind != FACT_KIND_NONE) {
        schedule_lane(relay->schedule, session->lane, io_now(), &after);
        if (after.backoff.rounds > before.backoff.rounds)
            remember(relay, session, &after);
    }
    *slot(relay, session->number) = NULL;
    session->worker->n_sessions--;
    route_unref(session->route);
    config_unref(session->config);
    arena_finish(&session->arena);
    free(session);
    io_event_set(&relay->quiet);
}
