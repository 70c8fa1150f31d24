// SPDX-License-Identifier: Apache-2.0
// The parts that the answers share: a recipient, a lane, a domain in routing, what binds and what
// failed.
#include "relay/answer.h"

enum { DOMAINS_SHOWN_MAX = 5 };

struct view relay_state_word(enum schedule_state state) {
    switch (state) {
    case SCHEDULE_READY: return VIEW("queued");
    case SCHEDULE_WAITING: return VIEW("deferred");
    case SCHEDULE_HELD: return VIEW("held");
    case SCHEDULE_OUT: break;
    }
    return VIEW("in-flight");
}

void relay_put_time(struct json_writer *json, const char *key, io_time at) {
    if (at == IO_NEVER || at == 0)
        json_put_null(json, key);
    else
        json_put_time(json, key, io_wall_ms() + (at - io_now()));
}

// --- What binds --------------------------------------------------------------------------

static struct view binding_word(enum schedule_binding_kind kind) {
    switch (kind) {
    case SCHEDULE_BIND_ROUTING: return VIEW("routing");
    case SCHEDULE_BIND_RETRY_TIME: return VIEW("retry-time");
    case SCHEDULE_BIND_LANE_BACKOFF: return VIEW("lane-backoff");
    case SCHEDULE_BIND_CONCURRENCY: return VIEW("concurrency");
    case SCHEDULE_BIND_RATE: return VIEW("rate");
    case SCHEDULE_BIND_SLOTS: return VIEW("slots");
    case SCHEDULE_BIND_HOLD: return VIEW("hold");
    case SCHEDULE_BIND_IN_FLIGHT: return VIEW("in-flight");
    case SCHEDULE_BIND_SPOOL_FAILED: return VIEW("spool-failed");
    case SCHEDULE_BIND_CLOCK: break;
    }
    return VIEW("clock");
}

static void describe_lane_binding(struct relay *relay, enum schedule_binding_kind kind,
                                  uint32_t lane_number, struct buffer *out) {
    struct schedule_lane_info lane;
    schedule_lane(relay->schedule, lane_number, io_now(), &lane);
    if (kind == SCHEDULE_BIND_LANE_BACKOFF)
        buffer_printf(out, "%u round%s to this destination failed in a row", lane.backoff.rounds,
                      lane.backoff.rounds == 1 ? "" : "s");
    else if (kind == SCHEDULE_BIND_CONCURRENCY)
        buffer_printf(out, "%u of %u connections to this destination are in use", lane.n_sessions,
                      lane.limit);
    else if (kind == SCHEDULE_BIND_RATE)
        buffer_printf(out, "the rate of connector %.*s is used up", VIEW_ARG(lane.connector));
}

static void describe_binding(struct relay *relay, const struct schedule_binding *binding,
                             const struct schedule_domain_info *domain, struct buffer *out) {
    switch (binding->kind) {
    case SCHEDULE_BIND_LANE_BACKOFF:
    case SCHEDULE_BIND_CONCURRENCY:
    case SCHEDULE_BIND_RATE: describe_lane_binding(relay, binding->kind, domain->lane, out); break;
    case SCHEDULE_BIND_ROUTING:
        buffer_printf(out, "%s",
                      domain->backoff.rounds > 0 ? "no way to the domain was found yet"
                                                 : "the way to the domain is being looked up");
        break;
    case SCHEDULE_BIND_RETRY_TIME: buffer_printf(out, "it waits for its own next attempt"); break;
    case SCHEDULE_BIND_SLOTS: {
        struct schedule_counts counts = schedule_counts(relay->schedule);
        buffer_printf(out, "%u of %u outgoing connections are in use", counts.sessions,
                      relay->config->max_deliveries);
        break;
    }
    case SCHEDULE_BIND_HOLD: buffer_printf(out, "an operator put it on hold"); break;
    case SCHEDULE_BIND_IN_FLIGHT: buffer_printf(out, "a session has it now"); break;
    case SCHEDULE_BIND_SPOOL_FAILED:
        buffer_printf(out, "%s",
                      relay->is_stopping ? "the relay is ending"
                                         : "the spool cannot store results: see status");
        break;
    case SCHEDULE_BIND_CLOCK:
        buffer_printf(out, "its time is up, but the clock jumped and is not trusted yet");
        break;
    }
}

void relay_put_binding(struct relay *relay, const struct schedule_binding *binding,
                       const struct schedule_domain_info *domain, struct json_writer *json) {
    struct buffer detail;
    buffer_init(&detail, 1024);
    describe_binding(relay, binding, domain, &detail);
    json_key(json, "binding");
    json_object_begin(json);
    json_put_string(json, "kind", binding_word(binding->kind));
    relay_put_time(json, "until", binding->until);
    json_put_string(json, "detail", buffer_view(&detail));
    json_object_end(json);
    buffer_finish(&detail);
}

// --- What failed -------------------------------------------------------------------------

void relay_put_failure(const struct relay_record *failure, struct view domain, struct arena *arena,
                       struct json_writer *json) {
    if (failure->fact.kind == FACT_KIND_NONE) {
        json_put_null(json, "status");
        json_put_null(json, "verdict");
        return;
    }
    struct attempt attempt = {.domain = domain,
                              .host = failure->host,
                              .peer = failure->peer,
                              .source = failure->source,
                              .greeting = failure->greeting,
                              .at_ms = failure->tried_ms,
                              .fact = failure->fact};
    struct verdict verdict;
    verdict_of_fact(&failure->fact, &attempt, false, arena, &verdict);
    json_put_string(json, "status", verdict_code_line(&verdict, arena));
    json_key(json, "verdict");
    verdict_write_json(&verdict, json);
}

// --- A recipient -------------------------------------------------------------------------

static bool show_fresh(struct relay *relay, struct arena *arena, struct relay_shown *shown) {
    uint32_t tag = schedule_message_tag(relay->schedule, shown->info.message);
    const struct relay_fresh *fresh = relay_fresh_find(relay, tag, shown->info.id);
    if (fresh == NULL)
        return false;
    shown->address = arena_copy(arena, fresh->envelope.recipients[shown->info.index].address);
    shown->sender = arena_copy(arena, fresh->envelope.sender);
    shown->size_bytes = fresh->envelope.size_bytes;
    return true;
}

IO_WAITS static void show_stored(struct relay *relay, struct arena *arena,
                                 struct relay_shown *shown) {
    struct spool_entry entry;
    struct mail_envelope envelope;
    uint32_t index = shown->info.index;
    if (spool_lookup(relay->spool, shown->info.id, arena, &entry) != SPOOL_OK)
        return;
    if (mail_envelope_decode(entry.envelope, arena, &envelope) && index < envelope.n_recipients) {
        shown->address = envelope.recipients[index].address;
        shown->sender = envelope.sender;
        shown->size_bytes = envelope.size_bytes;
    }
    if (index < entry.n_rcpts)
        relay_record_decode(entry.states[index], &shown->failure);
}

void relay_show(struct relay *relay, uint32_t rcpt, struct arena *arena,
                struct relay_shown *shown) {
    *shown = (struct relay_shown){.rcpt = rcpt};
    schedule_rcpt(relay->schedule, rcpt, &shown->info);
    relay_record_init(&shown->failure);
    if (!show_fresh(relay, arena, shown))
        show_stored(relay, arena, shown);
    // The queue moved on meanwhile: what is told of it is told of now.
    shown->rcpt = relay_rcpt_find(relay, shown->info.id, shown->info.index);
    if (shown->rcpt == 0)
        return;
    schedule_rcpt(relay->schedule, shown->rcpt, &shown->info);
    schedule_domain(relay->schedule, shown->info.domain, &shown->domain);
    relay_newest_failure(relay, shown->rcpt, &shown->failure);
}

uint32_t relay_rcpt_find(struct relay *relay, struct spool_id id, uint32_t index) {
    uint32_t message = schedule_find(relay->schedule, id);
    uint32_t rcpt = message == 0 ? 0 : schedule_message_rcpt(relay->schedule, message);
    for (; rcpt != 0; rcpt = schedule_next_rcpt(relay->schedule, rcpt)) {
        struct schedule_rcpt_info info;
        schedule_rcpt(relay->schedule, rcpt, &info);
        if (info.index == index)
            return rcpt;
    }
    return 0;
}

// The members, inside an object that the caller has begun.
void relay_put_recipient(struct relay *relay, const struct relay_shown *shown, struct arena *arena,
                         struct json_writer *json) {
    const struct schedule_rcpt_info *info = &shown->info;
    char id[SPOOL_ID_TEXT_SIZE];
    json_put_string(json, "id", view_from(id, spool_id_format(info->id, id)));
    json_put_string(json, "recipient", shown->address);
    json_key(json, "sender");
    json_add_string(json, shown->sender);
    json_put_string(json, "state", relay_state_word(info->state));
    json_put_time(json, "queued_at", info->arrived_ms);
    json_put_int(json, "size", (int64_t)shown->size_bytes);
    json_put_int(json, "tries", info->rounds);
    json_put_int(json, "may_be_delivered", info->dot_losses);
    if (info->state == SCHEDULE_HELD)
        json_put_time(json, "held_since", info->held_since_ms);
    struct schedule_binding binding = {SCHEDULE_BIND_IN_FLIGHT, IO_NEVER};
    if (shown->rcpt != 0)
        binding = schedule_binding(relay->schedule, shown->rcpt, io_now());
    bool has_time = info->state == SCHEDULE_READY || info->state == SCHEDULE_WAITING;
    relay_put_time(json, "next_attempt", has_time ? binding.until : IO_NEVER);
    json_put_time(json, "expires_at", info->expires_ms);
    relay_put_binding(relay, &binding, &shown->domain, json);
    relay_put_failure(&shown->failure, shown->domain.name, arena, json);
}

// --- Lanes and domains -------------------------------------------------------------------

static struct view lane_state(const struct schedule_lane_info *lane) {
    if (lane->backoff.rounds > 0)
        return lane->n_sessions > 0 ? VIEW("retrying") : VIEW("backing-off");
    if (lane->n_sessions > lane->n_warm)
        return VIEW("active");
    return lane->n_rcpts > 0 ? VIEW("waiting") : VIEW("idle");
}

static void put_domains(struct relay *relay, uint32_t lane, struct json_writer *json) {
    json_key(json, "domains");
    json_array_begin(json);
    uint32_t domain = schedule_lane_domain(relay->schedule, lane, 0);
    for (unsigned n = 0; domain != 0 && n < DOMAINS_SHOWN_MAX; n++) {
        struct schedule_domain_info info;
        schedule_domain(relay->schedule, domain, &info);
        json_add_string(json, info.name);
        domain = schedule_lane_domain(relay->schedule, lane, domain);
    }
    json_array_end(json);
}

// What is told of a lane is told of its domain, where it has but one.
static struct view only_domain(struct relay *relay, uint32_t lane,
                               const struct schedule_lane_info *info) {
    struct schedule_domain_info domain = {0};
    if (info->n_domains == 1)
        schedule_domain(relay->schedule, schedule_lane_domain(relay->schedule, lane, 0), &domain);
    return domain.name;
}

// Who must act where the fault is not ours, and how to reach them, as the configuration says.
static void put_owner(const struct config_connector *connector, struct json_writer *json) {
    bool is_known = connector != NULL;
    json_put_string(json, "owner", is_known ? view_of(connector->owner) : VIEW_NONE);
    json_put_string(json, "contact", is_known ? view_of(connector->contact) : VIEW_NONE);
}

static void put_expiry(struct relay *relay, struct view connector, int64_t oldest_ms,
                       struct json_writer *json) {
    const struct config_connector *found = config_connector_named(relay->config, connector);
    const struct config_retry *retry = found != NULL ? &found->retry : &relay->config->retry;
    json_put_time(json, "oldest", oldest_ms);
    json_put_time(json, "first_expiry", oldest_ms == 0 ? 0 : oldest_ms + retry->expire_ms);
}

void relay_put_lane(struct relay *relay, uint32_t number, struct arena *arena,
                    struct json_writer *json) {
    struct schedule_lane_info lane;
    schedule_lane(relay->schedule, number, io_now(), &lane);
    const struct relay_place *place = relay_place_find(&relay->lanes, number);
    struct relay_record failure;
    relay_record_init(&failure);
    if (place != NULL)
        failure = place->record;
    struct schedule_domain_info domain = {.lane = number};
    json_put_string(json, "kind", VIEW("lane"));
    json_put_string(json, "connector", lane.connector);
    json_put_string(json, "destination", relay_lane_site(lane.key));
    put_owner(config_connector_named(relay->config, lane.connector), json);
    put_domains(relay, number, json);
    json_put_int(json, "n_domains", lane.n_domains);
    json_put_int(json, "waiting", lane.n_rcpts);
    json_put_int(json, "ready", lane.n_ready);
    put_expiry(relay, lane.connector, lane.oldest_ms, json);
    json_put_string(json, "state", lane_state(&lane));
    json_put_time(json, "since", lane.backoff.since_ms);
    json_put_int(json, "rounds", lane.backoff.rounds);
    json_put_int(json, "connections", lane.n_sessions);
    json_put_int(json, "connections_limit", lane.limit);
    bool is_backing_off = lane.binding.kind == SCHEDULE_BIND_LANE_BACKOFF;
    relay_put_time(json, "next_attempt", is_backing_off ? lane.binding.until : IO_NEVER);
    relay_put_binding(relay, &lane.binding, &domain, json);
    relay_put_failure(&failure, only_domain(relay, number, &lane), arena, json);
}

void relay_put_domain(struct relay *relay, uint32_t number, struct arena *arena,
                      struct json_writer *json) {
    struct schedule_domain_info domain;
    schedule_domain(relay->schedule, number, &domain);
    const struct relay_place *place = relay_place_find(&relay->domains, number);
    const struct config_connector *connector = config_connector_for(relay->config, domain.name);
    struct relay_record failure;
    relay_record_init(&failure);
    if (place != NULL)
        failure = place->record;
    bool backs_off = domain.backoff.until > io_now();
    json_put_string(json, "kind", VIEW("routing"));
    json_put_string(json, "connector", connector ? view_of(connector->name) : VIEW_NONE);
    json_put_string(json, "destination", domain.name);
    put_owner(connector, json);
    json_key(json, "domains");
    json_array_begin(json);
    json_add_string(json, domain.name);
    json_array_end(json);
    json_put_int(json, "n_domains", 1);
    json_put_int(json, "waiting", domain.n_rcpts);
    json_put_int(json, "ready", domain.n_ready);
    put_expiry(relay, connector ? view_of(connector->name) : VIEW_NONE, domain.oldest_ms, json);
    json_put_string(json, "state", backs_off ? VIEW("backing-off") : VIEW("routing"));
    json_put_time(json, "since", domain.backoff.since_ms);
    json_put_int(json, "rounds", domain.backoff.rounds);
    json_put_int(json, "connections", 0);
    json_put_int(json, "connections_limit", 0);
    relay_put_time(json, "next_attempt", backs_off ? domain.backoff.until : IO_NEVER);
    struct schedule_binding binding = {SCHEDULE_BIND_ROUTING,
                                       backs_off ? domain.backoff.until : IO_NEVER};
    relay_put_binding(relay, &binding, &domain, json);
    relay_put_failure(&failure, domain.name, arena, json);
}
