// SPDX-License-Identifier: Apache-2.0
// Routing a domain: a fiber asks route/ and tells the scheduler which lane it is.
#include "relay/relay_internal.h"

#include <stdlib.h>

enum { KEY_SIZE = 16 << 10 };

struct routing {
    struct relay *relay;
    uint32_t domain;
    struct config *config; // counted
    char name[256];
};

// --- The lane's key ----------------------------------------------------------------------
// "connector LF site LF the rest": a lane is told apart by who is asked for, and by everything of
// the connector that changes how. So a corrected connector begins with a clean slate.

static void key_address(struct buffer *key, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    buffer_append(key, text, address_format_port(address, text, sizeof text));
    buffer_append_char(key, ' ');
}

static void key_word(struct buffer *key, const char *word) {
    buffer_append_view(key, view_of(word));
    buffer_append_char(key, ' ');
}

static void describe_way(struct buffer *key, const struct config_connector *connector) {
    buffer_printf(key, "%u %d %d %d ", connector->port, (int)connector->tls, connector->tls_min,
                  connector->tls_fallback);
    for (size_t i = 0; i < connector->n_sources; i++)
        key_address(key, &connector->sources[i]);
    key_word(key, connector->tls_domain);
    key_word(key, connector->helo);
    key_word(key, connector->username);
    buffer_printf(key, "%lld ", (long long)connector->password_changed_ns);
}

// Where the recipient's domain is the name in the certificate, domains cannot share a connection.
static bool domain_is_policy(const struct config_connector *connector) {
    return connector->tls == CONFIG_TLS_DOMAIN && connector->tls_domain == NULL &&
           connector->n_smart_hosts == 0;
}

static void write_key(struct buffer *key, const struct route *route) {
    struct buffer way;
    buffer_init(&way, KEY_SIZE);
    describe_way(&way, route->connector);
    buffer_append_view(key, view_of(route->connector->name));
    buffer_append_char(key, '\n');
    buffer_append_view(key, route->site);
    // A hash: the key is stored, and what it is made of may be long.
    buffer_printf(key, "\n%016llx", (unsigned long long)view_hash(buffer_view(&way)));
    if (domain_is_policy(route->connector)) {
        buffer_append_char(key, ' ');
        buffer_append_view(key, route->domain);
    }
    buffer_finish(&way);
}

struct view relay_lane_site(struct view key) {
    struct view connector, site = VIEW_NONE;
    if (view_split(&key, '\n', &connector))
        view_split(&key, '\n', &site);
    return site;
}

// --- One routing -------------------------------------------------------------------------

// The domain has failed for now: an attempt that came to no host. Where it ends recipients, each of
// them has one of its own (notice.c).
static void note_failed(struct relay *relay, struct view domain, const struct route *route) {
    struct attempt attempt = {.at_ms = io_wall_ms() - route->fact.elapsed_ms,
                              .elapsed_ms = route->fact.elapsed_ms,
                              .domain = domain,
                              .fact = route->fact};
    if (route->connector != NULL)
        attempt.connector = view_of(route->connector->name);
    if (!route->is_permanent && route->fact.kind != FACT_KIND_CANCELED)
        ledger_attempt(relay->ledger, &attempt);
}

static void tell_failed(struct relay *relay, uint32_t domain, const struct route *route) {
    struct schedule_domain_info info;
    schedule_domain(relay->schedule, domain, &info);
    struct relay_record record;
    relay_record_init(&record);
    record.fact = route->fact;
    record.tried_ms = io_wall_ms();
    struct schedule_route_failure failure = {.is_permanent = route->is_permanent,
                                             .is_local = relay_fact_is_local(&route->fact),
                                             .valid_until = route->valid_until};
    schedule_route_failed(relay->schedule, domain, &failure, io_now());
    schedule_domain(relay->schedule, domain, &info);
    record.rounds = info.backoff.rounds;
    record.since_ms = info.backoff.since_ms;
    record.next_ms = io_wall_ms() + (info.backoff.until - io_now());
    relay_event_route(info.name, route);
    note_failed(relay, info.name, route);
    relay_place_failed(relay, &relay->domains, domain, info.name, &record);
}

static void restore_lane(struct relay *relay, uint32_t lane, struct view key) {
    struct schedule_backoff backoff;
    if (relay_place_restore(relay, &relay->lanes, lane, key, &backoff))
        schedule_lane_restore(relay->schedule, lane, &backoff);
}

static void tell_routed(struct relay *relay, uint32_t domain, struct route *route) {
    const struct config_connector *connector = route->connector;
    struct schedule_way way = {.max_connections = connector->max_connections,
                               .max_messages_per_connection =
                                   connector->max_messages_per_connection,
                               .rate_events = connector->rate_events,
                               .rate_period_ms = connector->rate_period_ms,
                               .retry = connector->retry};
    struct buffer key;
    buffer_init(&key, KEY_SIZE);
    write_key(&key, route);
    struct schedule_routed routed = {.lane_key = buffer_view(&key),
                                     .connector = view_of(connector->name),
                                     .way = &way,
                                     .valid_until = route->valid_until,
                                     .generation = route->config->generation,
                                     .route = route_ref(route)};
    struct schedule_domain_info info;
    schedule_domain(relay->schedule, domain, &info);
    relay_place_recovered(relay, &relay->domains, domain, info.name);
    bool is_new;
    uint32_t lane = schedule_routed(relay->schedule, domain, &routed, io_now(), &is_new);
    if (is_new)
        restore_lane(relay, lane, buffer_view(&key));
    buffer_finish(&key);
}

static void route_run(void *arg) {
    struct routing *routing = arg;
    struct relay *relay = routing->relay;
    struct router router = {
        .resolver = relay->options.resolver, .own = relay->own, .n_own = relay->n_own};
    struct route *route =
        route_resolve(&router, routing->config, view_of(routing->name), io_after(RELAY_ROUTE_MS));
    if (fact_is_ok(&route->fact) && route->connector != NULL && route->n_hosts > 0)
        tell_routed(relay, routing->domain, route);
    else
        tell_failed(relay, routing->domain, route);
    route_unref(route);
    config_unref(routing->config);
    free(routing);
    relay_step(relay);
    io_event_set(&relay->quiet);
}

void relay_route_start(struct relay *relay, uint32_t domain) {
    struct schedule_domain_info info;
    schedule_domain(relay->schedule, domain, &info);
    struct routing *routing = mem_alloc(sizeof *routing);
    *routing =
        (struct routing){.relay = relay, .domain = domain, .config = config_ref(relay->config)};
    view_copy_string(info.name, routing->name, sizeof routing->name);
    io_group_spawn(&relay->helpers, "route", route_run, routing);
}
