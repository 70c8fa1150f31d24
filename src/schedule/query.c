// SPDX-License-Identifier: Apache-2.0
// Questions: each is answered from what the lists say, in time that does not grow with the queue.
#include "schedule/schedule_internal.h"

enum { OLDEST_DOMAINS_MAX = 256 };

uint32_t schedule_find(const struct schedule *s, struct spool_id id) {
    for (uint32_t at = index_first(&s->by_id, id_hash(id)); at != 0; at = index_next(&s->by_id, at))
        if (spool_id_equals(message_at(s, at)->id, id))
            return at;
    return 0;
}

uint32_t schedule_message_rcpt(const struct schedule *s, uint32_t message) {
    return message_at(s, message)->rcpts.first;
}

uint32_t schedule_next_rcpt(const struct schedule *s, uint32_t rcpt) {
    return rcpt_at(s, rcpt)->of_message.next;
}

uint32_t schedule_message_tag(const struct schedule *s, uint32_t message) {
    return message_at(s, message)->tag;
}

void schedule_rcpt(const struct schedule *s, uint32_t number, struct schedule_rcpt_info *info) {
    const struct rcpt *rcpt = rcpt_at(s, number);
    const struct message *message = message_at(s, rcpt->message);
    *info = (struct schedule_rcpt_info){.id = message->id,
                                        .message = rcpt->message,
                                        .domain = rcpt->domain,
                                        .index = rcpt->node.spare,
                                        .state = rcpt->state,
                                        .arrived_ms = message->arrived_ms,
                                        .expires_ms = life_expires_ms(s, rcpt),
                                        .rounds = rcpt->rounds,
                                        .cause = rcpt->cause,
                                        .dot_losses = rcpt->dot_losses,
                                        .is_wanted_gone = rcpt->is_wanted_gone,
                                        .is_wanted_held = rcpt->is_wanted_held,
                                        .is_local = rcpt->is_local,
                                        .is_warned = message->is_warned,
                                        .is_hold_warned = message->is_hold_warned,
                                        .address_hash = rcpt->address_hash};
    info->sender_hash = ((const struct sender *)slab_at(&s->senders, message->sender))->hash;
    if (rcpt->state == SCHEDULE_WAITING)
        info->next = time_of(s, rcpt->node.due);
    if (rcpt->state == SCHEDULE_HELD)
        info->held_since_ms = wall_of(s, time_of(s, rcpt->node.due));
    if (rcpt->tried != 0)
        info->tried_ms = wall_of(s, time_of(s, rcpt->tried));
}

// --- Bindings ----------------------------------------------------------------------------

static struct schedule_binding binding(enum schedule_binding_kind kind, io_time until) {
    return (struct schedule_binding){kind, until};
}

static struct schedule_binding lane_binding(const struct schedule *s, const struct lane *lane,
                                            io_time now) {
    if (s->stop != SCHEDULE_RUNS)
        return binding(SCHEDULE_BIND_SPOOL_FAILED, IO_NEVER);
    if (lane->backoff.until > now)
        return binding(SCHEDULE_BIND_LANE_BACKOFF, lane->backoff.until);
    io_time rate_until = lane_rate_until(s, lane);
    if (rate_until > now)
        return binding(SCHEDULE_BIND_RATE, rate_until);
    if (lane->n_sessions > 0 && lane->n_sessions >= lane_limit(lane))
        return binding(SCHEDULE_BIND_CONCURRENCY, IO_NEVER);
    return binding(SCHEDULE_BIND_SLOTS, IO_NEVER);
}

static struct schedule_binding ready_binding(const struct schedule *s, const struct rcpt *rcpt,
                                             io_time now) {
    const struct domain *domain = domain_at(s, rcpt->domain);
    if (s->stop != SCHEDULE_RUNS)
        return binding(SCHEDULE_BIND_SPOOL_FAILED, IO_NEVER);
    if (domain->phase == PHASE_LANE)
        return lane_binding(s, lane_at(s, domain->lane), now);
    io_time until = domain->phase == PHASE_BACKOFF ? domain->backoff.until : IO_NEVER;
    return binding(SCHEDULE_BIND_ROUTING, until);
}

struct schedule_binding schedule_binding(const struct schedule *s, uint32_t number, io_time now) {
    const struct rcpt *rcpt = rcpt_at(s, number);
    if (rcpt->state == SCHEDULE_OUT)
        return binding(SCHEDULE_BIND_IN_FLIGHT, IO_NEVER);
    int64_t expires_ms = life_expires_ms(s, rcpt);
    if (!s->clock_is_trusted && now + s->wall_offset_ms >= expires_ms)
        return binding(SCHEDULE_BIND_CLOCK, clock_next(s));
    if (rcpt->state == SCHEDULE_HELD)
        return binding(SCHEDULE_BIND_HOLD, expires_ms - s->wall_offset_ms);
    if (rcpt->state == SCHEDULE_WAITING)
        return binding(SCHEDULE_BIND_RETRY_TIME, time_of(s, rcpt->node.due));
    return ready_binding(s, rcpt, now);
}

// --- Domains and lanes -------------------------------------------------------------------

void schedule_domain(const struct schedule *s, uint32_t number, struct schedule_domain_info *info) {
    const struct domain *domain = domain_at(s, number);
    ASSERT(domain->name != NULL);
    *info = (struct schedule_domain_info){.name = view_from(domain->name, domain->name_len),
                                          .lane = domain->lane,
                                          .is_routing = domain->phase == PHASE_ROUTING,
                                          .is_failed_for_good = domain->phase == PHASE_DEAD,
                                          .backoff = domain->backoff,
                                          .n_rcpts = domain->all.n,
                                          .n_ready = domain_ready(domain),
                                          .n_held = domain->held.n,
                                          .n_out = domain->out.n};
    if (domain->all.n > 0)
        info->oldest_ms = message_at(s, rcpt_at(s, domain->all.first)->message)->arrived_ms;
}

bool schedule_domain_is_known(const struct schedule *s, uint32_t number) {
    return number != 0 && number < s->domains.n_numbers && domain_at(s, number)->name != NULL;
}

uint32_t schedule_next_domain(const struct schedule *s, uint32_t number) {
    for (uint32_t at = number + 1; at < s->domains.n_numbers; at++) {
        const struct domain *domain = domain_at(s, at);
        if (domain->name != NULL && domain->all.n > 0)
            return at;
    }
    return 0;
}

uint32_t schedule_next_lane(const struct schedule *s, uint32_t number) {
    for (uint32_t at = number + 1; at < s->lanes.n_numbers; at++)
        if (lane_at(s, at)->key != NULL)
            return at;
    return 0;
}

bool schedule_lane_is_known(const struct schedule *s, uint32_t number) {
    return number != 0 && number < s->lanes.n_numbers && lane_at(s, number)->key != NULL;
}

struct view schedule_lane_connector(const struct schedule *s, uint32_t number) {
    const struct lane *lane = lane_at(s, number);
    return view_from(lane->connector, lane->connector_len);
}

static int64_t oldest_of(const struct schedule *s, const struct lane *lane) {
    int64_t oldest_ms = 0;
    unsigned n = 0;
    LIST_FOR_EACH (link, &lane->domains) {
        const struct domain *domain = CONTAINER_OF(link, struct domain, of_lane);
        if (domain->all.n == 0)
            continue;
        int64_t arrived_ms = message_at(s, rcpt_at(s, domain->all.first)->message)->arrived_ms;
        if (oldest_ms == 0 || arrived_ms < oldest_ms)
            oldest_ms = arrived_ms;
        if (++n == OLDEST_DOMAINS_MAX)
            break;
    }
    return oldest_ms;
}

// Without anybody who could leave now, no slot and no connection is what a lane waits for.
static struct schedule_binding whole_lane_binding(const struct schedule *s, const struct lane *lane,
                                                  io_time now) {
    struct schedule_binding of_next = lane_binding(s, lane, now);
    bool is_for_room = of_next.kind == SCHEDULE_BIND_SLOTS ||
                       of_next.kind == SCHEDULE_BIND_CONCURRENCY ||
                       of_next.kind == SCHEDULE_BIND_RATE;
    if (lane->n_ready > 0 || !is_for_room)
        return of_next;
    bool is_working = lane->n_sessions > lane->n_warm;
    return binding(is_working ? SCHEDULE_BIND_IN_FLIGHT : SCHEDULE_BIND_RETRY_TIME, IO_NEVER);
}

void schedule_lane(const struct schedule *s, uint32_t number, io_time now,
                   struct schedule_lane_info *info) {
    const struct lane *lane = lane_at(s, number);
    ASSERT(lane->key != NULL);
    *info =
        (struct schedule_lane_info){.key = view_from(lane->key, lane->key_len),
                                    .connector = view_from(lane->connector, lane->connector_len),
                                    .backoff = lane->backoff,
                                    .n_sessions = lane->n_sessions,
                                    .n_warm = lane->n_warm,
                                    .limit = lane_limit(lane),
                                    .is_proven = lane->class == CLASS_GOOD,
                                    .n_domains = lane->n_domains,
                                    .n_ready = lane->n_ready,
                                    .n_rcpts = lane->n_rcpts,
                                    .oldest_ms = oldest_of(s, lane),
                                    .binding = whole_lane_binding(s, lane, now)};
}

uint32_t schedule_lane_domain(const struct schedule *s, uint32_t number, uint32_t after) {
    const struct lane *lane = lane_at(s, number);
    ASSERT(lane->key != NULL);
    struct list *next = after == 0 ? lane->domains.next : domain_at(s, after)->of_lane.next;
    return next == &lane->domains ? 0 : CONTAINER_OF(next, struct domain, of_lane)->number;
}

// --- Counts ------------------------------------------------------------------------------

static size_t slab_memory(const struct slab *slab) {
    return (size_t)slab->n_chunks * SLAB_CHUNK_ITEMS * slab->item_size;
}

struct schedule_counts schedule_counts(const struct schedule *s) {
    size_t memory_bytes = slab_memory(&s->messages) + slab_memory(&s->rcpts) +
                          slab_memory(&s->senders) + slab_memory(&s->domains) +
                          slab_memory(&s->lanes) + slab_memory(&s->sessions) +
                          index_memory(&s->by_id) + index_memory(&s->by_sender) +
                          index_memory(&s->by_domain) + index_memory(&s->by_lane);
    return (struct schedule_counts){.messages = s->messages.n_live,
                                    .rcpts = s->rcpts.n_live,
                                    .ready = s->n_ready,
                                    .waiting = s->n_waiting,
                                    .held = s->n_held,
                                    .out = s->n_out,
                                    .domains = s->domains.n_live,
                                    .lanes = s->lanes.n_live,
                                    .sessions = s->n_sessions,
                                    .sessions_unproven = s->n_sessions_of[CLASS_NEW] +
                                                         s->n_sessions_of[CLASS_FAILED],
                                    .routing = s->n_routing,
                                    .clock_is_trusted = s->clock_is_trusted,
                                    .memory_bytes = memory_bytes};
}
