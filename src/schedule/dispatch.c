// SPDX-License-Identifier: Apache-2.0
// Who gets a slot next. The classes take turns, and in each class its lanes, one slot a turn; new
// lanes and those that failed stay within half of the slots, those that failed within a quarter. So
// a dead or silent destination, or thousands of them, cannot take what a working one needs.
#include "schedule/schedule_internal.h"

static bool quota_allows(const struct schedule *s, enum lane_class class) {
    unsigned slots = s->options.settings.slots;
    unsigned quarter = slots >= 4 ? slots / 4 : 1;
    unsigned half = slots >= 2 ? slots / 2 : 1;
    if (class == CLASS_GOOD)
        return true;
    if (s->n_sessions_of[CLASS_NEW] + s->n_sessions_of[CLASS_FAILED] >= half)
        return false;
    return class == CLASS_NEW || s->n_sessions_of[CLASS_FAILED] < quarter;
}

bool slots_allow(const struct schedule *s, enum lane_class class) {
    return s->n_sessions < s->options.settings.slots && quota_allows(s, class);
}

bool slots_are_pressed(const struct schedule *s) {
    if (s->n_sessions < s->options.settings.slots)
        return false;
    for (enum lane_class class = CLASS_GOOD; class < CLASS_COUNT; class ++)
        if (!list_is_empty(&s->wanting[class]) && quota_allows(s, class))
            return true;
    return false;
}

// Domains whose route is too old leave the lane before anything is sent their way. False: the lane
// went with its last one.
static bool drop_stale(struct schedule *s, uint32_t number) {
    struct lane *lane = lane_at(s, number);
    while (lane->key != NULL && !list_is_empty(&lane->ring)) {
        struct domain *domain = CONTAINER_OF(lane->ring.next, struct domain, queue);
        if (!domain_is_stale(s, domain))
            return true;
        lane_drop_stale(s, lane, domain);
    }
    return lane->key != NULL;
}

// One message to many recipients is one piece of work, not many.
static bool is_one_message(const struct schedule *s, const struct lane *lane) {
    if (lane->n_ready > SCHEDULE_TRANSACTION_RCPTS_MAX)
        return false;
    uint32_t message = 0;
    LIST_FOR_EACH (link, &lane->ring) {
        const struct domain *domain = CONTAINER_OF(link, struct domain, queue);
        const struct chain *chains[] = {&domain->fresh, &domain->retry};
        for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
            if (chains[i]->n == 0)
                continue;
            uint32_t first = rcpt_at(s, chains[i]->first)->message;
            if (message == 0)
                message = first;
            if (first != message || rcpt_at(s, chains[i]->last)->message != message)
                return false;
        }
    }
    return true;
}

static bool wants_more(const struct schedule *s, const struct lane *lane) {
    if (lane->n_ready <= lane->n_hungry)
        return false;
    return lane->n_hungry == 0 || !is_one_message(s, lane);
}

enum verdict { NOTHING, BLOCKED, ACTED };

static enum verdict dispatch_lane(struct schedule *s, struct lane *lane,
                                  struct schedule_action *action) {
    if (list_is_empty(&lane->ring) || !wants_more(s, lane))
        return NOTHING;
    if (lane->backoff.until > s->now) {
        lane_wake_at(s, lane, lane->backoff.until);
        return NOTHING;
    }
    io_time rate_until = lane_rate_until(s, lane);
    if (rate_until > s->now) {
        lane_wake_at(s, lane, rate_until);
        return NOTHING;
    }
    struct domain *domain = CONTAINER_OF(lane->ring.next, struct domain, queue);
    *action = (struct schedule_action){.lane = lane->number, .domain = domain->number};
    if (lane->n_warm > 0) {
        action->kind = SCHEDULE_ACT_WAKE;
        action->session = session_wake(s, lane);
        return ACTED;
    }
    if (lane->n_sessions >= lane_limit(lane))
        return NOTHING;
    if (!slots_allow(s, lane->class))
        return BLOCKED;
    action->kind = SCHEDULE_ACT_OPEN;
    action->session = session_open(s, lane);
    action->route = domain->route;
    return ACTED;
}

// At most one action: the next lane of the class that gets something.
static bool dispatch_class(struct schedule *s, enum lane_class class,
                           struct schedule_action *action) {
    struct list *wanting = &s->wanting[class];
    while (!list_is_empty(wanting)) {
        struct lane *lane = CONTAINER_OF(wanting->next, struct lane, wanting);
        if (!drop_stale(s, lane->number))
            continue;
        enum verdict verdict = dispatch_lane(s, lane, action);
        if (verdict == BLOCKED)
            return false;
        list_remove(&lane->wanting);
        if (verdict == NOTHING)
            continue;
        lane_want(s, lane); // behind the others: one slot a turn
        return true;
    }
    return false;
}

static size_t dispatch_classes(struct schedule *s, struct schedule_action *actions, size_t max) {
    size_t n = 0;
    for (unsigned n_idle = 0; n < max && n_idle < CLASS_COUNT;) {
        s->next_class = (s->next_class + 1) % CLASS_COUNT;
        bool acted = dispatch_class(s, s->next_class, &actions[n]);
        n += acted;
        n_idle = acted ? 0 : n_idle + 1;
    }
    return n;
}

// Warm connections give way when somebody waits for their slot.
static void make_room(struct schedule *s) {
    if (slots_are_pressed(s) && !list_is_empty(&s->warm))
        session_close(s, CONTAINER_OF(s->warm.next, struct session, queue));
}

size_t dispatch_some(struct schedule *s, struct schedule_action *actions, size_t max) {
    size_t n = 0;
    if (s->stop == SCHEDULE_RUNS) {
        n = dispatch_classes(s, actions, max);
        make_room(s);
    }
    while (s->stop != SCHEDULE_RUNS && !list_is_empty(&s->warm))
        session_close(s, CONTAINER_OF(s->warm.next, struct session, queue));
    for (; n < max && !list_is_empty(&s->closing); n++) {
        struct session *session = CONTAINER_OF(list_pop(&s->closing), struct session, queue);
        actions[n] = (struct schedule_action){
            .kind = SCHEDULE_ACT_CLOSE, .session = session->number, .lane = session->lane};
    }
    return n;
}
