// SPDX-License-Identifier: Apache-2.0
// Domains and their phases. A domain owns the recipients that go to it, so that a new route moves
// all its mail in one step, and a failure of routing is recorded once.
//
//            mail comes                routing slot
//   IDLE ----------------> QUEUED -------------------> ROUTING
//    ^  ^                    ^ ^                       |  |  |
//    |  | no mail     mail   | | route is stale,       |  |  | no for good
//    |  +--- BACKOFF --------+ | new configuration     |  |  +-----------> DEAD --(valid_until)-->
//    IDLE |        ^   temporary    |                       |  | |
//    +----------------|-----------------------+  | |                         +--------- LANE
//    <----------+
//    +---(no mail until valid_until)-------+
#include "schedule/schedule_internal.h"

#include <stdlib.h>

static struct domain *of_queue(struct list *link) {
    return CONTAINER_OF(link, struct domain, queue);
}

// --- Life of a domain --------------------------------------------------------------------

uint32_t schedule_domain_find(const struct schedule *s, struct view name) {
    uint64_t hash = hash_bytes_keyed(s->hash_key, name, false);
    for (uint32_t at = index_first(&s->by_domain, hash); at != 0;
         at = index_next(&s->by_domain, at)) {
        const struct domain *domain = domain_at(s, at);
        if (domain->hash == hash && view_equals(view_from(domain->name, domain->name_len), name))
            return at;
    }
    return 0;
}

uint32_t domain_intern(struct schedule *s, struct view name) {
    uint32_t number = schedule_domain_find(s, name);
    if (number != 0)
        return number;
    number = slab_take(&s->domains);
    struct domain *domain = domain_at(s, number);
    domain->number = number;
    domain->hash = hash_bytes_keyed(s->hash_key, name, false);
    domain->name_len = name.len;
    domain->name = mem_alloc(name.len + 1);
    memcpy(domain->name, name.ptr, name.len);
    domain->name[name.len] = '\0';
    list_init(&domain->queue);
    list_init(&domain->of_lane);
    list_init(&domain->flush);
    list_init(&domain->idle);
    index_insert(&s->by_domain, number);
    return number;
}

void domain_free(struct schedule *s, struct domain *domain) {
    ASSERT(domain->all.n == 0 && domain->phase != PHASE_ROUTING);
    domain_set_phase(s, domain, PHASE_IDLE);
    heap_remove(&s->domain_timers, &domain->timer);
    list_remove(&domain->flush);
    if (list_is_linked(&domain->idle)) {
        list_remove(&domain->idle);
        s->n_idle--;
    }
    if (s->options.domain_gone != NULL)
        s->options.domain_gone(s->options.arg, domain->number,
                               view_from(domain->name, domain->name_len));
    index_remove(&s->by_domain, domain->number);
    free(domain->name);
    slab_give(&s->domains, domain->number);
}

void domain_gain(struct schedule *s, struct domain *domain, uint32_t rcpt) {
    if (list_is_linked(&domain->idle)) {
        list_remove(&domain->idle);
        s->n_idle--;
    }
    chain_append(of_domain(s), &domain->all, rcpt);
    if (domain->phase == PHASE_LANE)
        lane_at(s, domain->lane)->n_rcpts++;
}

// A domain without mail is remembered while what is known of it holds.
static void domain_rest(struct schedule *s, struct domain *domain) {
    ASSERT(domain->all.n == 0 && !list_is_linked(&domain->idle));
    list_append(&s->idle, &domain->idle);
    s->n_idle++;
    io_time until = domain->phase == PHASE_BACKOFF ? domain->backoff.until : domain->valid_until;
    heap_remove(&s->domain_timers, &domain->timer);
    heap_insert(&s->domain_timers, &domain->timer, until);
    if (s->n_idle > DOMAINS_IDLE_MAX)
        domain_free(s, CONTAINER_OF(s->idle.next, struct domain, idle));
}

static void domain_rest_or_go(struct schedule *s, struct domain *domain) {
    if (domain->all.n > 0 || domain->phase == PHASE_ROUTING)
        return;
    if (domain->phase == PHASE_IDLE || domain->phase == PHASE_QUEUED)
        domain_free(s, domain);
    else if (!list_is_linked(&domain->idle))
        domain_rest(s, domain);
}

void domain_lose(struct schedule *s, struct domain *domain, uint32_t rcpt) {
    if (domain->flush_at == rcpt)
        domain->flush_at = chain_link(of_domain(s), rcpt)->next;
    chain_remove(of_domain(s), &domain->all, rcpt);
    if (domain->phase == PHASE_LANE)
        lane_at(s, domain->lane)->n_rcpts--;
    domain_rest_or_go(s, domain);
}

// --- Phases ------------------------------------------------------------------------------

static void leave_phase(struct schedule *s, struct domain *domain) {
    list_remove(&domain->queue);
    heap_remove(&s->domain_timers, &domain->timer);
    if (domain->phase == PHASE_LANE)
        lane_detach(s, domain);
    if (domain->phase == PHASE_ROUTING) {
        s->n_routing--;
        s->n_routing_retry -= domain->backoff.rounds > 0;
    }
}

void domain_set_phase(struct schedule *s, struct domain *domain, enum phase phase) {
    ASSERT(phase != PHASE_LANE); // that is lane_attach
    leave_phase(s, domain);
    if (domain->route != NULL)
        s->options.route_release(domain->route);
    domain->route = NULL;
    domain->phase = phase;
    if (phase == PHASE_QUEUED)
        list_append(domain->backoff.rounds > 0 ? &s->routing_retry : &s->routing_fresh,
                    &domain->queue);
    if (phase == PHASE_ROUTING) {
        s->n_routing++;
        s->n_routing_retry += domain->backoff.rounds > 0;
    }
    if (phase == PHASE_BACKOFF)
        heap_insert(&s->domain_timers, &domain->timer, domain->backoff.until);
    if (phase == PHASE_DEAD)
        heap_insert(&s->domain_timers, &domain->timer, domain->valid_until);
}

void domain_rouse(struct schedule *s, struct domain *domain) {
    if (list_is_linked(&domain->queue))
        return;
    if (domain->phase == PHASE_IDLE)
        domain_set_phase(s, domain, PHASE_QUEUED);
    else if (domain->phase == PHASE_DEAD)
        list_append(&s->failing, &domain->queue);
    else if (domain->phase == PHASE_LANE)
        list_append(&lane_at(s, domain->lane)->ring, &domain->queue);
    if (domain->phase == PHASE_LANE)
        lane_want(s, lane_at(s, domain->lane));
}

void domain_calm(struct schedule *s, struct domain *domain) {
    ASSERT(domain_ready(domain) == 0);
    if (domain->phase == PHASE_QUEUED)
        domain_set_phase(s, domain, PHASE_IDLE);
    else
        list_remove(&domain->queue);
}

static void domain_again(struct schedule *s, struct domain *domain) {
    domain_set_phase(s, domain, domain_ready(domain) > 0 ? PHASE_QUEUED : PHASE_IDLE);
    domain_rest_or_go(s, domain);
}

// The timer: the end of a back-off, of a permanent answer, or of an unused route.
void domain_fire(struct schedule *s, struct domain *domain) {
    if (domain->all.n == 0)
        domain_free(s, domain);
    else if (domain->phase == PHASE_BACKOFF || domain->phase == PHASE_DEAD)
        domain_again(s, domain);
}

bool domain_is_stale(const struct schedule *s, const struct domain *domain) {
    return domain->valid_until <= s->now || domain->generation < s->options.settings.generation;
}

const struct config_retry *domain_retry(const struct schedule *s, const struct domain *domain) {
    return domain->phase == PHASE_LANE ? &lane_at(s, domain->lane)->way.retry
                                       : &s->options.settings.retry;
}

io_time domain_last_round(const struct schedule *s, const struct domain *domain) {
    io_time at = domain->failed_at;
    if (domain->phase == PHASE_LANE)
        at = int64_max(at, lane_at(s, domain->lane)->last_round);
    return at;
}

// --- Routing -----------------------------------------------------------------------------

// Domains whose routing failed before hold at most a quarter of the places.
static struct domain *next_to_route(struct schedule *s) {
    unsigned most = s->options.settings.routes;
    unsigned most_retry = most >= 4 ? most / 4 : 1;
    if (s->n_routing >= most)
        return NULL;
    bool may_retry = !list_is_empty(&s->routing_retry) && s->n_routing_retry < most_retry;
    s->routes_retry = !s->routes_retry;
    if (may_retry && (s->routes_retry || list_is_empty(&s->routing_fresh)))
        return of_queue(s->routing_retry.next);
    return list_is_empty(&s->routing_fresh) ? NULL : of_queue(s->routing_fresh.next);
}

size_t route_some(struct schedule *s, struct schedule_action *actions, size_t max) {
    size_t n = 0;
    while (n < max && s->stop == SCHEDULE_RUNS) {
        struct domain *domain = next_to_route(s);
        if (domain == NULL)
            break;
        domain_set_phase(s, domain, PHASE_ROUTING);
        actions[n++] =
            (struct schedule_action){.kind = SCHEDULE_ACT_ROUTE, .domain = domain->number};
    }
    return n;
}

uint32_t schedule_routed(struct schedule *s, uint32_t number, const struct schedule_routed *routed,
                         io_time now, bool *is_new) {
    schedule_advance(s, now);
    struct domain *domain = domain_at(s, number);
    ASSERT(domain->phase == PHASE_ROUTING && routed->route != NULL);
    struct lane *lane = lane_at(s, lane_intern(s, routed, is_new));
    domain_set_phase(s, domain, PHASE_IDLE);
    domain->route = routed->route;
    domain->valid_until = int64_max(routed->valid_until, s->now + 1);
    // A new way frees what waits because of the old one.
    bool is_moved = domain->lane_hash != 0 && domain->lane_hash != lane->hash;
    domain->generation = routed->generation;
    domain->backoff = (struct schedule_backoff){0};
    domain->is_local = false;
    lane_attach(s, lane, domain);
    if (is_moved)
        domain_flush(s, domain);
    if (domain_ready(domain) > 0)
        domain_rouse(s, domain);
    domain_rest_or_go(s, domain);
    return lane->number;
}

void schedule_route_failed(struct schedule *s, uint32_t number,
                           const struct schedule_route_failure *failure, io_time now) {
    schedule_advance(s, now);
    struct domain *domain = domain_at(s, number);
    ASSERT(domain->phase == PHASE_ROUTING);
    domain->failed_at = s->now;
    domain->is_local = failure->is_local;
    domain->generation = s->options.settings.generation;
    if (failure->is_permanent) {
        domain->valid_until = int64_max(failure->valid_until, s->now + DEAD_ROUTE_MS_MIN);
        domain_set_phase(s, domain, PHASE_DEAD);
        if (domain_ready(domain) > 0)
            domain_rouse(s, domain);
    } else {
        // Leaving the phase counts by the rounds before this one.
        domain_set_phase(s, domain, PHASE_IDLE);
        backoff_fail(s, &domain->backoff, &s->options.settings.retry);
        domain_set_phase(s, domain, PHASE_BACKOFF);
    }
    domain_rest_or_go(s, domain);
}

void schedule_domain_restore(struct schedule *s, uint32_t number,
                             const struct schedule_backoff *backoff) {
    struct domain *domain = domain_at(s, number);
    if (domain->phase != PHASE_IDLE && domain->phase != PHASE_QUEUED)
        return;
    domain->backoff = *backoff;
    domain->backoff.until = int64_min(backoff->until, s->now + WAIT_RESTORED_MS_MAX);
    domain_set_phase(s, domain, PHASE_BACKOFF);
}

// --- Work by cursor ----------------------------------------------------------------------

// Mail of domains that routing refused for good leaves, with a notice each; only so much at a time.
size_t fail_some(struct schedule *s, struct schedule_action *actions, size_t max) {
    size_t n = 0;
    while (n < max && s->n_leaving < LEAVING_MAX && !list_is_empty(&s->failing) &&
           s->stop == SCHEDULE_RUNS) {
        struct domain *domain = of_queue(s->failing.next);
        uint32_t rcpt = domain->fresh.n > 0 ? domain->fresh.first : domain->retry.first;
        uint32_t number = domain->number;
        rcpt_send_off(s, rcpt);
        actions[n++] = (struct schedule_action){.kind = SCHEDULE_ACT_FAIL,
                                                .rcpt = rcpt,
                                                .message = rcpt_at(s, rcpt)->message,
                                                .domain = number};
    }
    return n;
}

void domain_flush(struct schedule *s, struct domain *domain) {
    domain->flush_at = domain->all.first;
    if (domain->flush_at != 0 && !list_is_linked(&domain->flush))
        list_append(&s->flushing, &domain->flush);
}

void flush_some(struct schedule *s, unsigned *budget) {
    while (*budget > 0 && !list_is_empty(&s->flushing)) {
        struct domain *domain = CONTAINER_OF(s->flushing.next, struct domain, flush);
        uint32_t rcpt = domain->flush_at;
        if (rcpt == 0) {
            list_remove(&domain->flush);
            continue;
        }
        domain->flush_at = chain_link(of_domain(s), rcpt)->next;
        if (rcpt_at(s, rcpt)->state == SCHEDULE_WAITING)
            rcpt_move(s, rcpt, SCHEDULE_READY);
        --*budget;
    }
}

// After a new configuration every domain is routed again, those that back off first of all.
void reroute_some(struct schedule *s, unsigned *budget) {
    for (; *budget > 0 && s->reroute_at != 0; --*budget) {
        if (s->reroute_at >= s->domains.n_numbers) {
            s->reroute_at = 0;
            return;
        }
        struct domain *domain = domain_at(s, s->reroute_at++);
        if (domain->name == NULL || domain->phase == PHASE_ROUTING)
            continue;
        if (domain->generation >= s->options.settings.generation)
            continue;
        domain->backoff = (struct schedule_backoff){0};
        domain_again(s, domain);
    }
}

void schedule_retry_domain(struct schedule *s, uint32_t number, io_time now) {
    schedule_advance(s, now);
    struct domain *domain = domain_at(s, number);
    if (domain->phase != PHASE_BACKOFF && domain->phase != PHASE_DEAD)
        return;
    domain->backoff = (struct schedule_backoff){0};
    domain_again(s, domain);
}
