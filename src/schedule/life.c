// SPDX-License-Identifier: Apache-2.0
// Every message has a bounded life: warnings, expiry, the bound of a hold. Stored times are wall
// clock, so all of it pauses while the clock is not trusted; a fault of ours delays expiry, too.
#include "schedule/schedule_internal.h"

enum { LOOK_FIRST_S = 60, LOOK_EVERY_S = 3600 };

// --- The clock ---------------------------------------------------------------------------

static void distrust(struct schedule *s) {
    s->clock_is_trusted = false;
    s->clock_stable_since = s->now;
    s->clock_last_offset_ms = s->wall_offset_ms;
}

static bool parted(int64_t a_ms, int64_t b_ms) {
    return a_ms - b_ms > CLOCK_STEP_MS || b_ms - a_ms > CLOCK_STEP_MS;
}

void clock_check(struct schedule *s) {
    if (s->clock_is_trusted) {
        if (parted(s->wall_offset_ms, s->clock_offset_ms))
            distrust(s);
        else if (s->now - s->clock_stable_since >= CLOCK_STABLE_MS) {
            s->clock_offset_ms = s->wall_offset_ms; // what NTP slews is no step
            s->clock_stable_since = s->now;
        }
        return;
    }
    if (parted(s->wall_offset_ms, s->clock_last_offset_ms))
        distrust(s);
    else if (s->now - s->clock_stable_since >= CLOCK_STABLE_MS)
        schedule_trust_clock(s, s->now, wall_of(s, s->now));
}

io_time clock_next(const struct schedule *s) {
    return s->clock_is_trusted ? IO_NEVER : s->clock_stable_since + CLOCK_STABLE_MS;
}

void schedule_trust_clock(struct schedule *s, io_time now, int64_t wall_ms) {
    schedule_advance(s, now);
    s->wall_offset_ms = wall_ms - s->now;
    s->clock_offset_ms = s->wall_offset_ms;
    s->clock_is_trusted = true;
    s->clock_stable_since = s->now;
}

void schedule_check_start(struct schedule *s, int64_t newest_ms, io_time now, int64_t wall_ms) {
    schedule_advance(s, now);
    if (newest_ms != 0 && (wall_ms < newest_ms || wall_ms > newest_ms + DAY_MS))
        distrust(s);
}

// --- One recipient -----------------------------------------------------------------------

static const struct config_retry *retry_of(const struct schedule *s, const struct rcpt *rcpt) {
    return domain_retry(s, domain_at(s, rcpt->domain));
}

int64_t life_expires_ms(const struct schedule *s, const struct rcpt *rcpt) {
    const struct config_retry *retry = retry_of(s, rcpt);
    if (rcpt->state == SCHEDULE_HELD)
        return wall_of(s, time_of(s, rcpt->node.due)) + retry->hold_expire_ms;
    return message_at(s, rcpt->message)->arrived_ms + retry->expire_ms;
}

static bool is_past_last_bound(const struct schedule *s, const struct rcpt *rcpt) {
    const struct config_retry *retry = retry_of(s, rcpt);
    int64_t bound_ms = int64_max(retry->expire_ms, retry->expire_max_ms);
    return wall_of(s, s->now) >= message_at(s, rcpt->message)->arrived_ms + bound_ms;
}

static bool is_our_fault(const struct schedule *s, const struct rcpt *rcpt) {
    const struct domain *domain = domain_at(s, rcpt->domain);
    return rcpt->is_local || domain->is_local ||
           (domain->phase == PHASE_LANE && lane_at(s, domain->lane)->is_local);
}

bool life_is_over(const struct schedule *s, const struct rcpt *rcpt) {
    if (!s->clock_is_trusted || wall_of(s, s->now) < life_expires_ms(s, rcpt))
        return false;
    return !is_our_fault(s, rcpt) || is_past_last_bound(s, rcpt);
}

// One more round comes first, unless one was made a moment ago; and rounds must have been possible.
static bool had_its_round(const struct schedule *s, const struct rcpt *rcpt) {
    int64_t longest_ms = retry_of(s, rcpt)->longest_ms;
    io_time last = domain_last_round(s, domain_at(s, rcpt->domain));
    if (rcpt->tried != 0)
        last = int64_max(last, time_of(s, rcpt->tried));
    if (rcpt->dot_losses >= 2)
        return true; // it may have arrived already: nobody is helped by one more
    if (rcpt->is_released && last < time_of(s, rcpt->node.due))
        return false;
    if (last != 0 && s->now - last <= longest_ms + LONGEST_SLACK_MS)
        return true;
    return is_past_last_bound(s, rcpt) && s->now - s->started_at > 2 * longest_ms;
}

// What is due for one recipient now; the time of the next look is lowered where needed.
struct look {
    int64_t wall_ms, next_ms;
    bool warns, hold_warns;
};

static void look_later(struct look *look, int64_t at_ms) {
    look->next_ms = int64_min(look->next_ms, at_ms);
}

static bool look_at_held(const struct schedule *s, const struct rcpt *rcpt, struct look *look) {
    int64_t expires_ms = life_expires_ms(s, rcpt);
    if (look->wall_ms >= expires_ms)
        return true;
    look_later(look, expires_ms);
    int64_t warn_ms = expires_ms - DAY_MS;
    bool can_warn =
        retry_of(s, rcpt)->hold_expire_ms > DAY_MS && !message_at(s, rcpt->message)->is_hold_warned;
    if (can_warn && look->wall_ms >= warn_ms)
        look->hold_warns = true;
    else if (can_warn)
        look_later(look, warn_ms);
    return false;
}

static bool look_at_queued(struct schedule *s, uint32_t number, struct look *look) {
    const struct rcpt *rcpt = rcpt_at(s, number);
    int64_t warn_after_ms = retry_of(s, rcpt)->warn_ms;
    const struct message *message = message_at(s, rcpt->message);
    if (warn_after_ms > 0 && !message->is_warned) {
        if (look->wall_ms >= message->arrived_ms + warn_after_ms)
            look->warns = true;
        else
            look_later(look, message->arrived_ms + warn_after_ms);
    }
    if (look->wall_ms < life_expires_ms(s, rcpt)) {
        look_later(look, life_expires_ms(s, rcpt));
        return false;
    }
    bool is_over = life_is_over(s, rcpt);
    if (is_over && had_its_round(s, rcpt))
        return true;
    look_later(look, look->wall_ms + RECHECK_S * 1000);
    if (is_over && rcpt->state == SCHEDULE_WAITING)
        rcpt_move(s, number, SCHEDULE_READY);
    return false;
}

// --- Messages ----------------------------------------------------------------------------

void life_start(struct schedule *s, uint32_t message) {
    // The first look comes early: by then the connector, and with it the bounds, is known.
    const struct config_retry *retry = &s->options.settings.retry;
    int64_t age_ms = wall_of(s, s->now) - message_at(s, message)->arrived_ms;
    int64_t wait_ms = int64_max(0, retry->expire_ms - age_ms);
    wait_ms = int64_min(wait_ms, LOOK_FIRST_S * 1000);
    wheel_insert(&s->life, message, second_after(s, s->now + wait_ms));
}

static size_t look_at_message(struct schedule *s, uint32_t number, struct schedule_action *actions,
                              size_t max) {
    size_t n = 0;
    struct look look = {.wall_ms = wall_of(s, s->now)};
    look.next_ms = look.wall_ms + LOOK_EVERY_S * 1000;
    struct message *message = message_at(s, number);
    uint32_t following;
    for (uint32_t at = message->rcpts.first; at != 0; at = following) {
        following = chain_link(of_message(s), at)->next;
        const struct rcpt *rcpt = rcpt_at(s, at);
        if (rcpt->state == SCHEDULE_OUT) {
            look_later(&look, look.wall_ms + RECHECK_S * 1000);
            continue;
        }
        bool is_held = rcpt->state == SCHEDULE_HELD;
        if (!(is_held ? look_at_held(s, rcpt, &look) : look_at_queued(s, at, &look)))
            continue;
        if (n + 2 >= max || s->n_leaving >= LEAVING_MAX) { // two places are kept for warnings
            look_later(&look, look.wall_ms + 1000);
            break;
        }
        rcpt_send_off(s, at);
        actions[n++] = (struct schedule_action){.kind = is_held ? SCHEDULE_ACT_HOLD_EXPIRE
                                                                : SCHEDULE_ACT_EXPIRE,
                                                .rcpt = at,
                                                .message = number,
                                                .domain = rcpt->domain};
    }
    if (look.warns)
        actions[n++] = (struct schedule_action){.kind = SCHEDULE_ACT_WARN, .message = number};
    if (look.hold_warns)
        actions[n++] = (struct schedule_action){.kind = SCHEDULE_ACT_HOLD_WARN, .message = number};
    message->is_warned |= look.warns;
    message->is_hold_warned |= look.hold_warns;
    wheel_insert(&s->life, number, second_after(s, s->now + (look.next_ms - look.wall_ms)));
    return n;
}

size_t life_some(struct schedule *s, struct schedule_action *actions, size_t max) {
    size_t n = 0;
    unsigned budget = STEP_RCPTS_MAX;
    while (n + 3 <= max && s->clock_is_trusted && s->stop == SCHEDULE_RUNS &&
           s->n_leaving < LEAVING_MAX) {
        uint32_t number = wheel_pop(&s->life, second_of(s, s->now), &budget);
        if (number == 0)
            break;
        n += look_at_message(s, number, actions + n, max - n);
        unsigned cost = message_at(s, number)->rcpts.n;
        budget -= cost < budget ? cost : budget;
    }
    s->is_behind |= budget == 0;
    return n;
}
