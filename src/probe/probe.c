// SPDX-License-Identifier: Apache-2.0
// A run, from top to bottom: the DNS, every address, one conversation; then what it means. What
// costs more is done only where it decides something (deep.c).
#include "probe/identity_internal.h"
#include "probe/probe_internal.h"

#include <stdio.h>
#include <stdlib.h>

// --- What the options change ------------------------------------------------------------------
static const struct config_connector *base_connector(const struct probe *probe) {
    static const struct config_connector plain = {.name = "probe",
                                                  .port = 25,
                                                  .tls = CONFIG_TLS_OPPORTUNISTIC,
                                                  .tls_fallback = true,
                                                  .connect_timeout_ms = 30 * 1000,
                                                  .greeting_timeout_ms = 5 * 60 * 1000};
    switch (probe->target->kind) {
    case PROBE_CONNECTOR: return probe->target->connector;
    case PROBE_HOST: return &plain;
    default: return config_connector_for(probe->options->config, probe->target->domain);
    }
}

static void aim_at_host(struct probe *probe, struct config_connector *connector) {
    const struct probe_target *target = probe->target;
    uint16_t port = target->port ? target->port : probe->options->port ? probe->options->port : 25;
    probe->smart_host =
        (struct config_smart_host){.name = target->host, .address = target->address, .port = port};
    probe->smart_host.address.port = port;
    connector->smart_hosts = &probe->smart_host;
    connector->n_smart_hosts = 1;
}

static void set_sources(struct probe *probe, struct config_connector *connector) {
    size_t n = 0;
    for (size_t i = 0; i < PROBE_SOURCES_MAX; i++)
        if (probe->options->sources[i].family != ADDRESS_NONE)
            probe->sources[n++] = probe->options->sources[i];
    if (n == 0)
        return;
    connector->sources = probe->sources;
    connector->n_sources = n;
}

static void set_demand(const struct probe_options *options, struct config_connector *connector) {
    if (!options->has_tls)
        return;
    connector->tls = options->tls_demand;
    // As the configuration does it (docs/configuration.md): TLS that is demanded is a modern one.
    bool is_demanded =
        connector->tls != CONFIG_TLS_NONE && connector->tls != CONFIG_TLS_OPPORTUNISTIC;
    if (is_demanded && connector->tls_min == 0)
        connector->tls_min = 0x0303;
    if (!is_demanded)
        connector->tls_min = 0;
}

static void choose_connector(struct probe *probe) {
    const struct probe_options *options = probe->options;
    const struct config_connector *base = base_connector(probe);
    if (!base)
        return;
    struct config_connector *own = arena_alloc(probe->arena, sizeof(*own));
    ASSERT(own != NULL);
    *own = *base;
    if (probe->target->kind == PROBE_HOST)
        aim_at_host(probe, own);
    if (options->port && own->n_smart_hosts == 0)
        own->port = options->port;
    if (options->helo.len)
        own->helo = arena_copy(probe->arena, options->helo).ptr;
    set_sources(probe, own);
    set_demand(options, own);
    probe->connector = own;
}

// --- The DNS ----------------------------------------------------------------------------------
static void list_hosts(struct probe *probe, struct probe_step *step) {
    const struct route *route = probe->route;
    struct buffer text;
    buffer_init(&text, PROBE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < route->n_hosts; i++) {
        const struct route_host *host = &route->hosts[i];
        buffer_printf(&text, "%s", i ? ", " : "");
        if (!host->is_named_by_operator)
            buffer_printf(&text, "%u ", host->preference);
        buffer_append_view(&text, host->name);
        if (host->n_addresses == 0)
            buffer_printf(&text, " (unusable)");
    }
    probe_step_words(probe, step, "%s%.*s%s",
                     probe->connector && probe->connector->n_smart_hosts ? "" : "MX ",
                     VIEW_ARG(buffer_view(&text)), route->is_secure_mx ? ", DNSSEC" : "");
    buffer_finish(&text);
}

IO_WAITS static bool find_route(struct probe *probe) {
    const struct probe_options *options = probe->options;
    bool is_named = probe->target->kind == PROBE_HOST || probe->target->kind == PROBE_CONNECTOR;
    struct router router = {
        .resolver = options->resolver, .own = options->own, .n_own = is_named ? 0 : options->n_own};
    struct route_wish wish = {options->config, probe->connector, probe->target->domain};
    io_time began = io_now();
    io_time deadline = int64_min(io_after(options->timeout_ms), probe->deadline);
    probe->route = route_resolve_by(&router, &wish, deadline);
    struct fact fact = probe->route->fact;
    fact.elapsed_ms = io_now() - began;
    if (fact_is_ok(&fact))
        fact.stage = FACT_STAGE_DNS;
    bool is_dns = fact.stage == FACT_STAGE_DNS;
    struct probe_step *step = probe_step_add(probe, is_dns ? "dns" : "route", &fact);
    step->n_round_trips =
        is_named ? probe->target->kind == PROBE_CONNECTOR || probe->target->host : 2;
    if (fact_is_ok(&fact))
        list_hosts(probe, step);
    else
        step->words = probe_keep(probe, fact_describe(&step->fact, probe->arena));
    return fact_is_ok(&fact);
}

// --- Conversations ----------------------------------------------------------------------------
static struct probe_way *next_standing(struct probe *probe) {
    for (size_t i = 0; i < probe->n_ways; i++)
        if (fact_is_ok(&probe->ways[i].connect) && !probe->ways[i].had_session)
            return &probe->ways[i];
    return NULL;
}

// Only the first call is kept for its session; others would look like clients that never speak.
static void hang_up_others(struct probe *probe, const struct probe_way *kept) {
    for (size_t i = 0; i < probe->n_ways; i++)
        if (&probe->ways[i] != kept) {
            io_close(probe->ways[i].stream);
            probe->ways[i].stream = NULL;
        }
}

static bool is_failed_tls(const struct fact *fact) {
    return (fact->stage == FACT_STAGE_STARTTLS || fact->stage == FACT_STAGE_TLS) &&
           fact->kind != FACT_KIND_LOCAL && fact->kind != FACT_KIND_CANCELED && !fact_is_ok(fact);
}

// RFC 7435: where nothing is demanded the relay goes on in clear text, a retry interval later. Mail
// passes then, and what failed is a warning.
IO_WAITS static struct probe_session *try_in_clear(struct probe *probe, struct probe_way *way,
                                                   struct probe_session *failed) {
    struct fact first = way->session;
    struct probe_session *session = arena_alloc(probe->arena, sizeof(*session));
    if (!session || !is_failed_tls(&failed->fact) || io_is_canceled() ||
        !route_demand_allows_clear(probe->connector))
        return failed;
    session->variant = (struct probe_variant){.in_clear = true};
    probe_session_run(probe, way, session);
    if (!fact_is_ok(&session->fact)) {
        way->session = first;
        return failed;
    }
    probe->failed_tls = failed;
    return session;
}

// Host after host until one is well, as the relay does it; of those that are not, the one that came
// furthest is what the verdict is about.
IO_WAITS static void converse(struct probe *probe) {
    struct probe_session *best = NULL;
    for (size_t n = 0; n < PROBE_SESSIONS_MAX && !io_is_canceled(); n++) {
        struct probe_way *way = next_standing(probe);
        if (!way || io_now() >= probe->deadline)
            break;
        struct probe_session *session = arena_alloc(probe->arena, sizeof(*session));
        ASSERT(session != NULL); // all zero: no variant
        hang_up_others(probe, way);
        probe_session_run(probe, way, session);
        session = try_in_clear(probe, way, session);
        bool is_well = fact_is_ok(&session->fact);
        if (!best || is_well || best->fact.stage <= session->fact.stage)
            best = session;
        if (is_well || !fact_allows_next_host(&session->fact) ||
            session->fact.stage >= FACT_STAGE_BODY)
            break;
    }
    probe->session = best;
}

// What failed beside a road that leads there is a warning.
static void settle_steps(struct probe *probe) {
    bool is_well = probe->result->verdict.cause == CAUSE_NONE;
    enum fact_stage broken = probe->result->verdict.stage;
    for (size_t i = 0; i < probe->result->n_steps; i++) {
        struct probe_step *step = &probe->result->steps[i];
        bool is_passed = step->fact.stage < broken && step->fact.stage != FACT_STAGE_UNKNOWN;
        if ((is_well || is_passed) && step->state == PROBE_FAULT)
            step->state = PROBE_WARNING;
        probe->result->n_round_trips += step->n_round_trips;
    }
}

void probe_run(const struct probe_options *options, const struct probe_target *target,
               struct arena *arena, struct probe_result *result) {
    struct probe *probe = mem_alloc_zero(sizeof(*probe));
    ASSERT(options->timeout_ms > 0 && options->config && options->resolver);
    *result = (struct probe_result){.target = target, .at_ms = io_wall_ms()};
    *probe = (struct probe){.options = options,
                            .target = target,
                            .result = result,
                            .arena = arena,
                            .began = io_now(),
                            .deadline = io_after(PROBE_RUN_TIMES * options->timeout_ms)};
    choose_connector(probe);
    probe_look_at_machine(probe);
    if (find_route(probe)) {
        probe_ways_init(probe);
        probe_take_turn(probe);
        probe->dane = probe_dane_begin(probe);
        probe_call_all(probe);
        probe_look_at_routes(probe);
        struct probe_way *first = next_standing(probe);
        struct probe_own *own = probe_own_begin(probe);
        struct probe_near *near = first ? probe_near_begin(probe, first) : NULL;
        converse(probe);
        probe_dane_end(probe);
        probe_own_end(probe, own);
        probe_near_end(probe, near);
        probe_hang_up(probe);
    }
    probe_judge(probe);
    probe_experiment(probe);
    probe_end_turn(probe);
    probe_read_packets(probe);
    probe_find_limits(probe);
    probe_reason(probe);
    settle_steps(probe);
    probe_collect_facts(probe);
    result->elapsed_ms = io_now() - probe->began;
    result->route = probe->route;
    buffer_finish(&probe->message);
    free(probe);
}

void probe_result_finish(struct probe_result *result) {
    route_unref(result->route);
    result->route = NULL;
}
