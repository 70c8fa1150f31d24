// SPDX-License-Identifier: Apache-2.0
// The road: which addresses a session may try, host by host (RFC 5321 5.1), and within a host the
// families in turn, IPv6 first (RFC 8305 4). What is left out is left out here, with its reason.
#include "deliver/deliver_internal.h"

static bool is_usable(struct road *road, const struct deliver_job *job, struct target *target) {
    const struct config_connector *connector = job->route->connector;
    struct fact why = fact_make(FACT_STAGE_ROUTE, FACT_KIND_ROUTE), dead;
    why.detail = FACT_ROUTE_HOSTS_DEAD;
    why.at_ms = io_wall_ms();
    why.text = target->host->name;
    if (!route_source_for(connector, target->address.family, &target->source)) {
        why.kind = FACT_KIND_LOCAL;
        why.detail = FACT_LOCAL_SOURCE;
    } else if (address_equals_port(&target->address, &job->avoid)) {
        why.flags |= FACT_FLAG_DOT_SENT;
    } else if (memory_is_dead(job->memory, &target->address, &dead)) {
        why.sys_errno = dead.sys_errno;
        why.limit_ms = dead.limit_ms;
    } else {
        return true;
    }
    road->skipped = why;
    return false;
}

static void add_address(struct road *road, const struct deliver_job *job,
                        const struct route_host *host, const struct address *address) {
    struct target *target = &road->targets[road->n_targets];
    if (!address)
        return;
    *target = (struct target){.host = host, .address = *address};
    target->in_clear = job->may_fall_back && route_demand_allows_clear(job->route->connector) &&
                       memory_tls_failed(job->memory, address);
    if (is_usable(road, job, target))
        road->n_targets++;
}

// RFC 8305 4: one of each family in turn.
static void add_host(struct road *road, const struct deliver_job *job,
                     const struct route_host *host) {
    for (size_t i = 0; i < host->n_addresses; i++) {
        add_address(road, job, host, route_host_address(host, ADDRESS_IPV6, i));
        add_address(road, job, host, route_host_address(host, ADDRESS_IPV4, i));
    }
}

// A machine without IPv6 would fail at once with every address of that family, and say so in every
// attempt. Once known, such addresses are tried only where there are no others.
static void drop_unrouted(struct road *road, const struct deliver_job *job) {
    size_t n_kept = 0;
    bool has_other = false;
    for (size_t i = 0; i < road->n_targets; i++)
        has_other |= !memory_is_unrouted(job->memory, road->targets[i].address.family);
    for (size_t i = 0; has_other && i < road->n_targets; i++)
        if (!memory_is_unrouted(job->memory, road->targets[i].address.family))
            road->targets[n_kept++] = road->targets[i];
    if (has_other)
        road->n_targets = n_kept;
}

void road_init(struct road *road, const struct deliver_job *job, struct arena *arena) {
    const struct route *route = job->route;
    size_t n_addresses = 1; // add_address writes before it decides
    for (size_t i = 0; i < route->n_hosts; i++)
        n_addresses += route->hosts[i].n_addresses;
    ASSERT(n_addresses <= ROUTE_HOSTS_MAX * ROUTE_ADDRESSES_MAX);
    *road = (struct road){.skipped = fact_make(FACT_STAGE_ROUTE, FACT_KIND_ROUTE)};
    road->skipped.detail = FACT_ROUTE_NO_ADDRESS;
    road->targets = arena_alloc(arena, n_addresses * sizeof(struct target));
    if (!road->targets)
        return;
    for (size_t i = 0; i < route->n_hosts; i++)
        add_host(road, job, &route->hosts[i]);
    drop_unrouted(road, job);
}

size_t road_next(const struct road *road, struct target **first) {
    size_t at = 0, n = 0;
    while (at < road->n_targets && road->targets[at].is_tried)
        at++;
    *first = &road->targets[at];
    while (at + n < road->n_targets && road->targets[at + n].host == (*first)->host &&
           !road->targets[at + n].is_tried)
        n++;
    return n;
}
