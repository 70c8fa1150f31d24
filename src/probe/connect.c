// SPDX-License-Identifier: Apache-2.0
// Every address of the route, in the relay's order (by host, within a host the families in turn as
// in RFC 8305 4), called a few at a time. A call that stands waits for a session to take it.
#include "probe/probe_internal.h"

// Without a source of its family an address is not called, as the relay would not.
static void add_way(struct probe *probe, const struct route_host *host,
                    const struct address *address) {
    struct probe_way way = {.host = host, .connect = fact_make(FACT_STAGE_CONNECT, FACT_KIND_NONE)};
    if (!address)
        return;
    if (probe->n_ways == PROBE_WAYS_MAX) {
        probe->n_left_out++;
        return;
    }
    way.address = *address;
    if (!route_source_for(probe->connector, address->family, &way.source)) {
        way.connect = fact_make(FACT_STAGE_CONNECT, FACT_KIND_LOCAL);
        way.connect.detail = FACT_LOCAL_SOURCE;
        way.connect.at_ms = io_wall_ms();
        way.connect.text = VIEW("no source address of this family is configured");
    }
    probe->ways[probe->n_ways++] = way;
}

void probe_ways_init(struct probe *probe) {
    const struct route *route = probe->route;
    size_t n = 0;
    for (size_t i = 0; i < route->n_hosts; i++)
        n += route->hosts[i].n_addresses;
    n = size_min(size_max(n, 1), PROBE_WAYS_MAX);
    probe->ways = arena_alloc(probe->arena, n * sizeof(*probe->ways));
    ASSERT(probe->ways != NULL);
    for (size_t i = 0; i < route->n_hosts; i++)
        for (size_t k = 0; k < route->hosts[i].n_addresses; k++) {
            add_way(probe, &route->hosts[i], route_host_address(&route->hosts[i], ADDRESS_IPV6, k));
            add_way(probe, &route->hosts[i], route_host_address(&route->hosts[i], ADDRESS_IPV4, k));
        }
}

IO_WAITS static void call(struct probe *probe, struct probe_way *way) {
    struct io_connect_options options = {.source = way->source};
    struct io_tcp_info info;
    probe_watch_packets(probe, &way->address);
    int64_t began_us = io_now_us();
    int64_t limit_ms = probe_limit_ms(probe, probe->connector->connect_timeout_ms);
    io_time deadline = int64_min(io_after(limit_ms), probe->deadline);
    struct io_result result = io_connect(&way->address, &options, deadline, &way->stream);
    way->connect = io_fact(FACT_STAGE_CONNECT, result);
    way->connect.elapsed_ms = (io_now_us() - began_us) / 1000;
    way->connect.limit_ms = way->connect.kind == FACT_KIND_SILENT ? limit_ms : 0;
    if (way->stream)
        way->rtt_us = io_stream_tcp_info(way->stream, &info) && info.rtt_us
                          ? (int64_t)info.rtt_us
                          : io_now_us() - began_us;
}

static void call_next(void *arg) {
    struct probe *probe = arg;
    while (probe->next_way < probe->n_ways) {
        struct probe_way *way = &probe->ways[probe->next_way++];
        if (way->connect.kind == FACT_KIND_NONE)
            call(probe, way);
    }
}

static void record(struct probe *probe) {
    bool has_first = false;
    for (size_t i = 0; i < probe->n_ways; i++) {
        const struct probe_way *way = &probe->ways[i];
        struct probe_step *step = probe_step_add(probe, "connect", &way->connect);
        struct view place = probe_place(probe, way->host->name, &way->address);
        struct view clause = fact_describe(&step->fact, probe->arena);
        step->host = way->host->name;
        step->peer = way->address;
        step->n_round_trips = i == 0;
        step->is_beside = has_first && fact_is_ok(&way->connect);
        has_first = has_first || fact_is_ok(&way->connect);
        if (fact_is_ok(&way->connect))
            probe_step_words(probe, step, "%.*s", VIEW_ARG(place));
        else
            probe_step_words(probe, step, "%.*s: %.*s", VIEW_ARG(place), VIEW_ARG(clause));
    }
}

void probe_call_all(struct probe *probe) {
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < size_min(probe->n_ways, PROBE_CALLS_AT_ONCE); i++)
        io_group_spawn(&group, "probe-call", call_next, probe);
    // Each call has its own deadline. The group lives on this stack: it must be over.
    probe_wait_all(&group);
    record(probe);
}

void probe_hang_up(struct probe *probe) {
    for (size_t i = 0; i < probe->n_ways; i++) {
        io_close(probe->ways[i].stream);
        probe->ways[i].stream = NULL;
    }
}
