// SPDX-License-Identifier: Apache-2.0
// What a session brought back: delivered, refused for good, or to be tried again.
#include "relay/relay_internal.h"

bool relay_fact_is_local(const struct fact *fact) {
    if (fact->kind == FACT_KIND_OK || fact->kind == FACT_KIND_NONE)
        return false;
    return cause_info(cause_of(fact))->blame == BLAME_LOCAL;
}

// A reply to a transaction says that the server works; 421 says that it is leaving (RFC 5321 3.8).
static bool speaks_for_the_lane(const struct fact *fact) {
    return fact->kind == FACT_KIND_OK || (fact->kind == FACT_KIND_REPLY && fact->reply_code != 421);
}

static bool is_dot_lost(const struct fact *fact) {
    return (fact->flags & FACT_FLAG_DOT_SENT) != 0 && fact->kind != FACT_KIND_OK &&
           fact->kind != FACT_KIND_REPLY;
}

static void fill_record(const struct relay_item *item, const struct fact *fact,
                        const struct schedule_deferral *deferral, struct relay_record *record) {
    relay_record_init(record);
    record->fact = *fact;
    record->host = item->item.host;
    record->peer = item->item.peer;
    record->source = item->item.source;
    record->greeting = view_of(item->item.greeting);
    record->tried_ms = io_wall_ms();
    record->rounds = deferral->rounds;
    record->dot_losses = deferral->dot_losses;
    record->next_ms = io_wall_ms() + int64_max(0, deferral->next - io_now());
    if (deferral->is_held)
        record->held_since_ms = io_wall_ms();
}

static void defer(struct relay_item *item, size_t i, const struct fact *fact) {
    struct relay *relay = item->session->relay;
    uint32_t rcpt = item->rcpts[i];
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    bool was_tried = fact->kind != FACT_KIND_NONE && fact->kind != FACT_KIND_CANCELED;
    struct schedule_result result = {.rcpt = rcpt,
                                     .was_tried = was_tried || is_dot_lost(fact),
                                     .is_local = was_tried && relay_fact_is_local(fact),
                                     .is_dot_lost = is_dot_lost(fact),
                                     .cause = was_tried ? (uint16_t)cause_of(fact) : info.cause};
    struct schedule_deferral deferral = schedule_defer(relay->schedule, &result, io_now());
    if (deferral.is_unwanted) {
        relay->counts.removed++;
        relay_settle(relay, rcpt);
        return;
    }
    struct relay_record record;
    fill_record(item, fact, &deferral, &record);
    record.is_warned = info.is_warned;
    record.is_hold_warned = info.is_hold_warned;
    if (deferral.is_expired) {
        relay_end_rcpt(relay, rcpt, RELAY_EXPIRED, &record);
        return;
    }
    if (!result.was_tried && !deferral.is_held)
        return;
    relay->counts.deferred++;
    relay_update(relay, rcpt, &record);
}

static void say_unreadable(const struct relay_item *item, const struct fact *fact) {
    char id[SPOOL_ID_TEXT_SIZE];
    if (fact->kind != FACT_KIND_LOCAL || fact->detail != FACT_LOCAL_SPOOL)
        return;
    spool_id_format(item->item.id, id);
    log_error("relay",
              "%s: the stored message is damaged and cannot be read; it stays in the queue", id);
}

static void end_one(struct relay_item *item, size_t i) {
    struct relay *relay = item->session->relay;
    const struct fact *fact = &item->item.results[i];
    say_unreadable(item, fact);
    if (fact->kind == FACT_KIND_OK) {
        relay->counts.delivered++;
        relay_settle(relay, item->rcpts[i]);
    } else if (fact->kind != FACT_KIND_NONE && fact_is_permanent(fact, false)) {
        struct relay_record record;
        struct schedule_deferral none = {0};
        fill_record(item, fact, &none, &record);
        relay_end_rcpt(relay, item->rcpts[i], RELAY_REFUSED, &record);
    } else {
        defer(item, i, fact);
    }
}

static void lane_works(struct relay *relay, const struct relay_session *session) {
    schedule_session_progress(relay->schedule, session->number, io_now());
    if (relay_place_find(&relay->lanes, session->lane) == NULL)
        return;
    struct schedule_lane_info lane;
    schedule_lane(relay->schedule, session->lane, io_now(), &lane);
    relay_place_recovered(relay, &relay->lanes, session->lane, lane.key);
}

void relay_item_settled(struct relay_item *item) {
    struct relay *relay = item->session->relay;
    bool works = false, is_retained = false;
    for (size_t i = 0; i < item->item.n_rcpts; i++) {
        const struct fact *fact = &item->item.results[i];
        works |= speaks_for_the_lane(fact);
        is_retained |= fact->kind == FACT_KIND_NONE;
        end_one(item, i);
    }
    if (works)
        lane_works(relay, item->session);
    // Its first attempt is over: what is left of it is read from the spool.
    if (item->fresh != NULL && !is_retained &&
        item->item.n_rcpts == item->fresh->envelope.n_recipients)
        relay_fresh_forget(relay, item->fresh->tag, item->fresh->id);
    relay_item_free(item);
}
