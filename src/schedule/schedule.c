// SPDX-License-Identifier: Apache-2.0
// The step: timers, then what is due, then actions, each part bounded.
#include "schedule/schedule_internal.h"

#include <stdlib.h>

static uint64_t hash_of_message(const void *item) {
    return id_hash(((const struct message *)item)->id);
}
static uint64_t hash_of_sender(const void *item) {
    return ((const struct sender *)item)->hash;
}
static uint64_t hash_of_domain(const void *item) {
    return ((const struct domain *)item)->hash;
}
static uint64_t hash_of_lane(const void *item) {
    return ((const struct lane *)item)->hash;
}

static void init_tables(struct schedule *s) {
    slab_init(&s->messages, sizeof(struct message));
    slab_init(&s->rcpts, sizeof(struct rcpt));
    slab_init(&s->senders, sizeof(struct sender));
    slab_init(&s->domains, sizeof(struct domain));
    slab_init(&s->lanes, sizeof(struct lane));
    slab_init(&s->sessions, sizeof(struct session));
    index_init(&s->by_id, &s->messages, offsetof(struct message, id_next), hash_of_message);
    index_init(&s->by_sender, &s->senders, offsetof(struct sender, hash_next), hash_of_sender);
    index_init(&s->by_domain, &s->domains, offsetof(struct domain, hash_next), hash_of_domain);
    index_init(&s->by_lane, &s->lanes, offsetof(struct lane, hash_next), hash_of_lane);
    heap_init(&s->domain_timers);
    heap_init(&s->lane_timers);
    heap_init(&s->session_timers);
}

static void init_lists(struct schedule *s) {
    struct list *heads[] = {&s->cursors,  &s->routing_fresh, &s->routing_retry, &s->failing,
                            &s->flushing, &s->idle,          &s->warm,          &s->closing};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        list_init(heads[i]);
    for (int i = 0; i < CLASS_COUNT; i++)
        list_init(&s->wanting[i]);
}

struct schedule *schedule_create(const struct schedule_options *options, io_time now,
                                 int64_t wall_ms) {
    ASSERT(options->settings.slots > 0 && options->settings.routes > 0);
    ASSERT(options->route_release != NULL);
    struct schedule *s = mem_alloc_zero(sizeof *s);
    s->options = *options;
    rng_init(&s->rng, options->seed);
    s->hash_key[0] = rng_next(&s->rng);
    s->hash_key[1] = rng_next(&s->rng);
    s->now = s->started_at = now;
    s->epoch = now - EPOCH_BEFORE_START_MS;
    s->wall_offset_ms = wall_ms - now;
    init_tables(s);
    init_lists(s);
    wheel_init(&s->waiting, &s->rcpts, offsetof(struct rcpt, node), second_of(s, now));
    wheel_init(&s->life, &s->messages, offsetof(struct message, life), second_of(s, now));
    schedule_trust_clock(s, now, wall_ms);
    s->clock_is_told = true;
    return s;
}

static void finish_domains(struct schedule *s) {
    for (uint32_t i = 1; i < s->domains.n_numbers; i++) {
        struct domain *domain = domain_at(s, i);
        if (domain->name == NULL)
            continue;
        if (domain->route != NULL)
            s->options.route_release(domain->route);
        free(domain->name);
    }
}

static void finish_lanes(struct schedule *s) {
    for (uint32_t i = 1; i < s->lanes.n_numbers; i++) {
        free(lane_at(s, i)->key);
        free(lane_at(s, i)->connector);
    }
}

void schedule_destroy(struct schedule *s) {
    if (s == NULL)
        return;
    finish_domains(s);
    finish_lanes(s);
    struct slab *slabs[] = {&s->messages, &s->rcpts, &s->senders,
                            &s->domains,  &s->lanes, &s->sessions};
    struct index *indexes[] = {&s->by_id, &s->by_sender, &s->by_domain, &s->by_lane};
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++)
        index_finish(indexes[i]);
    for (size_t i = 0; i < ARRAY_LEN(slabs); i++)
        slab_finish(slabs[i]);
    heap_finish(&s->domain_timers);
    heap_finish(&s->lane_timers);
    heap_finish(&s->session_timers);
    free(s);
}

void schedule_configure(struct schedule *s, const struct schedule_settings *settings, io_time now) {
    schedule_advance(s, now);
    ASSERT(settings->slots > 0 && settings->routes > 0);
    ASSERT(settings->generation >= s->options.settings.generation);
    if (settings->generation > s->options.settings.generation)
        s->reroute_at = 1;
    s->options.settings = *settings;
}

void schedule_set_stop(struct schedule *s, enum schedule_stop stop) {
    s->stop = stop;
}

// --- Timers ------------------------------------------------------------------------------

static struct heap_node *pop_due(struct heap *heap, io_time now) {
    struct heap_node *node = heap_first(heap);
    if (node == NULL || node->key > now)
        return NULL;
    heap_remove(heap, node);
    return node;
}

static void fire_some(struct schedule *s, unsigned budget) {
    struct heap_node *node;
    while (budget > 0 && (node = pop_due(&s->session_timers, s->now)) != NULL) {
        struct session *session = CONTAINER_OF(node, struct session, timer);
        session_close(s, session);
        budget--;
    }
    while (budget > 0 && (node = pop_due(&s->lane_timers, s->now)) != NULL) {
        lane_fire(s, CONTAINER_OF(node, struct lane, timer));
        budget--;
    }
    while (budget > 0 && (node = pop_due(&s->domain_timers, s->now)) != NULL) {
        domain_fire(s, CONTAINER_OF(node, struct domain, timer));
        budget--;
    }
}

static void wake_some(struct schedule *s) {
    unsigned budget = STEP_RCPTS_MAX;
    uint32_t number;
    while ((number = wheel_pop(&s->waiting, second_of(s, s->now), &budget)) != 0) {
        // The wheel has let it go: it only enters the next state.
        s->n_waiting--;
        rcpt_enter(s, number, SCHEDULE_READY, PLACE_TAIL);
    }
    s->is_behind |= budget == 0;
}

// --- The step ----------------------------------------------------------------------------

size_t schedule_step(struct schedule *s, io_time now, int64_t wall_ms,
                     struct schedule_action *actions, size_t max) {
    ASSERT(max >= SCHEDULE_STEP_ACTIONS_MIN);
    schedule_advance(s, now);
    s->wall_offset_ms = wall_ms - s->now;
    s->is_behind = false;
    clock_check(s);
    fire_some(s, STEP_TIMERS_MAX);
    wake_some(s);
    unsigned budget = STEP_RCPTS_MAX;
    reroute_some(s, &budget);
    flush_some(s, &budget);
    size_t n = 0;
    if (s->clock_is_told != s->clock_is_trusted)
        actions[n++] = (struct schedule_action){.kind = SCHEDULE_ACT_CLOCK};
    s->clock_is_told = s->clock_is_trusted;
    n += dispatch_some(s, actions + n, max - n);
    n += route_some(s, actions + n, max - n);
    n += fail_some(s, actions + n, max - n);
    n += life_some(s, actions + n, max - n);
    s->is_behind |= n == max || s->reroute_at != 0 || !list_is_empty(&s->flushing);
    return n;
}

static io_time heap_due(const struct heap *heap) {
    const struct heap_node *node = heap_first(heap);
    return node == NULL ? IO_NEVER : node->key;
}

static io_time wheel_due(const struct schedule *s, const struct wheel *wheel) {
    uint32_t second = wheel_next(wheel);
    return second == UINT32_MAX ? IO_NEVER : time_of(s, second);
}

static bool has_work_now(const struct schedule *s) {
    if (s->is_behind || s->reroute_at != 0 || !list_is_empty(&s->flushing) ||
        !list_is_empty(&s->closing))
        return true;
    if (s->stop != SCHEDULE_RUNS)
        return !list_is_empty(&s->warm);
    if (!list_is_empty(&s->failing) && s->n_leaving < LEAVING_MAX)
        return true;
    for (enum lane_class class = CLASS_GOOD; class < CLASS_COUNT; class ++)
        if (!list_is_empty(&s->wanting[class]) && slots_allow(s, class))
            return true;
    unsigned most = s->options.settings.routes;
    return s->n_routing < most &&
           (!list_is_empty(&s->routing_fresh) ||
            (!list_is_empty(&s->routing_retry) && s->n_routing_retry < (most >= 4 ? most / 4 : 1)));
}

io_time schedule_next(const struct schedule *s) {
    if (has_work_now(s))
        return s->now;
    io_time next = int64_min(heap_due(&s->session_timers), heap_due(&s->lane_timers));
    next = int64_min(next, heap_due(&s->domain_timers));
    next = int64_min(next, wheel_due(s, &s->waiting));
    if (s->clock_is_trusted && s->stop == SCHEDULE_RUNS && s->n_leaving < LEAVING_MAX)
        next = int64_min(next, wheel_due(s, &s->life));
    return int64_max(s->now, int64_min(next, clock_next(s)));
}
