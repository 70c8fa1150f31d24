// SPDX-License-Identifier: Apache-2.0
// Lanes: the domains on them, their class, their limits and their back-off.
//
//   NEW     never tried, or nothing heard for a minute while sessions run: one connection
//   GOOD    success since the last failure: grows to the connector's limit
//   FAILED  a round failed since the last success: one connection, after the back-off
#include "schedule/schedule_internal.h"

#include <stdlib.h>

enum { LANE_KEPT_MS = 10 * 60 * 1000 }; // for domains that are routed anew

uint32_t schedule_lane_find(const struct schedule *s, struct view key) {
    uint64_t hash = hash_bytes_keyed(s->hash_key, key, false);
    for (uint32_t at = index_first(&s->by_lane, hash); at != 0; at = index_next(&s->by_lane, at)) {
        const struct lane *lane = lane_at(s, at);
        if (lane->hash == hash && view_equals(view_from(lane->key, lane->key_len), key))
            return at;
    }
    return 0;
}

static char *copy_text(struct view text, size_t *len) {
    char *copy = mem_alloc(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *len = text.len;
    return copy;
}

static struct lane *lane_make(struct schedule *s, const struct schedule_routed *routed) {
    uint32_t number = slab_take(&s->lanes);
    struct lane *lane = lane_at(s, number);
    lane->number = number;
    lane->hash = hash_bytes_keyed(s->hash_key, routed->lane_key, false);
    lane->key = copy_text(routed->lane_key, &lane->key_len);
    lane->connector = copy_text(routed->connector, &lane->connector_len);
    lane->class = CLASS_NEW;
    lane->limit = 1;
    list_init(&lane->domains);
    list_init(&lane->ring);
    list_init(&lane->warm);
    list_init(&lane->wanting);
    index_insert(&s->by_lane, number);
    return lane;
}

uint32_t lane_intern(struct schedule *s, const struct schedule_routed *routed, bool *is_new) {
    uint32_t number = schedule_lane_find(s, routed->lane_key);
    *is_new = number == 0;
    struct lane *lane = number == 0 ? lane_make(s, routed) : lane_at(s, number);
    lane->way = *routed->way;
    ASSERT(lane->way.rate_events == 0 || lane->way.rate_period_ms > 0);
    return lane->number;
}

static void lane_free(struct schedule *s, struct lane *lane) {
    ASSERT(lane->n_domains == 0 && lane->n_sessions == 0);
    if (s->options.lane_gone != NULL)
        s->options.lane_gone(s->options.arg, lane->number, view_from(lane->key, lane->key_len));
    heap_remove(&s->lane_timers, &lane->timer);
    list_remove(&lane->wanting);
    index_remove(&s->by_lane, lane->number);
    free(lane->key);
    free(lane->connector);
    slab_give(&s->lanes, lane->number);
}

void lane_maybe_free(struct schedule *s, struct lane *lane) {
    if (lane->n_domains == 0 && lane->n_sessions == 0 && lane->kept_until <= s->now)
        lane_free(s, lane);
}

// A route that is too old is looked up anew and mostly leads back here. The back-off must not end
// with the route's TTL: the lane outlives its last domain for a while.
void lane_drop_stale(struct schedule *s, struct lane *lane, struct domain *domain) {
    bool is_by_age = domain->generation >= s->options.settings.generation;
    ASSERT(domain->lane == lane->number);
    if (is_by_age && lane->backoff.rounds > 0) {
        lane->kept_until = s->now + LANE_KEPT_MS;
        lane->kept_generation = (int64_t)s->options.settings.generation;
        lane_wake_at(s, lane, lane->kept_until);
    }
    domain_set_phase(s, domain, PHASE_QUEUED);
}

// Not what was kept under another configuration: a new one may be the cure.
static void end_keeping(struct schedule *s, struct lane *lane) {
    bool is_outdated = lane->kept_generation < (int64_t)s->options.settings.generation;
    if (lane->kept_until != 0 && is_outdated && lane->n_sessions == 0) {
        lane->backoff = (struct schedule_backoff){0};
        lane_set_class(s, lane, CLASS_NEW);
    }
    lane->kept_until = 0;
}

void lane_attach(struct schedule *s, struct lane *lane, struct domain *domain) {
    ASSERT(domain->phase == PHASE_IDLE && !list_is_linked(&domain->of_lane));
    end_keeping(s, lane);
    domain->phase = PHASE_LANE;
    domain->lane = lane->number;
    domain->lane_hash = lane->hash;
    list_append(&lane->domains, &domain->of_lane);
    lane->n_domains++;
    lane->n_ready += domain_ready(domain);
    lane->n_rcpts += domain->all.n;
}

// The caller gives the domain its next phase at once.
void lane_detach(struct schedule *s, struct domain *domain) {
    struct lane *lane = lane_at(s, domain->lane);
    list_remove(&domain->queue);
    list_remove(&domain->of_lane);
    lane->n_domains--;
    lane->n_ready -= domain_ready(domain);
    lane->n_rcpts -= domain->all.n;
    domain->lane = 0;
    domain->phase = PHASE_IDLE;
    lane_maybe_free(s, lane);
}

// --- Class and limits --------------------------------------------------------------------

void lane_want(struct schedule *s, struct lane *lane) {
    if (!list_is_linked(&lane->wanting))
        list_append(&s->wanting[lane->class], &lane->wanting);
}

void lane_set_class(struct schedule *s, struct lane *lane, enum lane_class class) {
    if (lane->class == class)
        return;
    ASSERT(s->n_sessions_of[lane->class] >= lane->n_sessions);
    s->n_sessions_of[lane->class] -= lane->n_sessions;
    s->n_sessions_of[class] += lane->n_sessions;
    lane->class = class;
    lane->limit = 1;
    if (list_is_linked(&lane->wanting)) {
        list_remove(&lane->wanting);
        lane_want(s, lane);
    }
}

unsigned lane_limit(const struct lane *lane) {
    unsigned most = lane->way.max_connections > 0 ? lane->way.max_connections : 1;
    if (lane->class != CLASS_GOOD)
        return 1;
    return lane->limit < most ? lane->limit : most;
}

io_time lane_rate_until(const struct schedule *s, const struct lane *lane) {
    if (lane->way.rate_events == 0 || lane->rate_due_us <= s->now * 1000)
        return 0;
    return (lane->rate_due_us + 999) / 1000;
}

// --- Timer -------------------------------------------------------------------------------

void lane_wake_at(struct schedule *s, struct lane *lane, io_time at) {
    if (heap_contains(&lane->timer)) {
        if (lane->timer.key <= at)
            return;
        heap_remove(&s->lane_timers, &lane->timer);
    }
    heap_insert(&s->lane_timers, &lane->timer, at);
}

void lane_fire(struct schedule *s, struct lane *lane) {
    if (lane->n_domains == 0 && lane->n_sessions == 0) {
        if (lane->kept_until > s->now)
            lane_wake_at(s, lane, lane->kept_until);
        lane_maybe_free(s, lane);
        return;
    }
    if (lane->n_ready > 0)
        lane_want(s, lane);
    if (lane->class != CLASS_GOOD || lane->n_sessions == lane->n_warm)
        return;
    io_time proof_until = lane->last_success + PROOF_MS;
    if (proof_until > s->now)
        lane_wake_at(s, lane, proof_until);
    else
        lane_set_class(s, lane, CLASS_NEW); // its sessions hang: they no longer count as proven
}

// --- Failure and success -----------------------------------------------------------------

void lane_failed(struct schedule *s, struct lane *lane, bool is_local) {
    lane->last_failure = s->now;
    lane->is_local = is_local;
    backoff_fail(s, &lane->backoff, &lane->way.retry);
    lane_set_class(s, lane, CLASS_FAILED);
    lane_wake_at(s, lane, lane->backoff.until);
}

void schedule_lane_restore(struct schedule *s, uint32_t number,
                           const struct schedule_backoff *backoff) {
    struct lane *lane = lane_at(s, number);
    lane->backoff = *backoff;
    lane->backoff.until = int64_min(backoff->until, s->now + WAIT_RESTORED_MS_MAX);
    if (lane->backoff.rounds > 0)
        lane_set_class(s, lane, CLASS_FAILED);
    lane_want(s, lane);
}

void schedule_retry_lane(struct schedule *s, uint32_t number, io_time now) {
    schedule_advance(s, now);
    struct lane *lane = lane_at(s, number);
    lane->backoff = (struct schedule_backoff){0};
    lane->limit_held_until = 0;
    if (lane->class == CLASS_FAILED)
        lane_set_class(s, lane, CLASS_NEW);
    lane_want(s, lane);
}
