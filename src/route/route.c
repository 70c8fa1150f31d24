// SPDX-License-Identifier: Apache-2.0
#include "route/route_internal.h"

#include <stdlib.h>

static struct route *route_create(struct config *config, struct view domain) {
    struct route *route = mem_alloc_zero(sizeof(*route));
    atomic_init(&route->refs, 1);
    arena_init(&route->arena, ROUTE_ARENA_BYTES_MAX);
    if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    char *lower = arena_alloc(&route->arena, domain.len + 1);
    ASSERT(lower != NULL);
    for (size_t i = 0; i < domain.len; i++)
        lower[i] = ascii_lower(domain.ptr[i]);
    route->config = config_ref(config);
    route->domain = view_from(lower, domain.len);
    route->fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_NONE);
    route->made_ms = io_wall_ms();
    return route;
}

// As long as the DNS allows, within bounds: often enough that a change is seen, seldom enough that
// the resolver is not asked for each message. What failed is asked again soon.
static io_time valid_until(const struct build *build) {
    const struct route *route = build->route;
    uint32_t ttl_s = build->ttl_s;
    if (!fact_is_ok(&route->fact) && !route->is_permanent && ttl_s > ROUTE_FAILURE_TTL_S)
        ttl_s = ROUTE_FAILURE_TTL_S;
    if (ttl_s < ROUTE_TTL_S_MIN)
        ttl_s = ROUTE_TTL_S_MIN;
    return io_after((int64_t)ttl_s * 1000);
}

// `route` knows its domain and connector.
IO_WAITS static struct route *resolve(const struct router *router, struct route *route,
                                      io_time deadline) {
    struct build build = {
        .route = route, .router = router, .deadline = deadline, .ttl_s = ROUTE_TTL_S_MAX};
    arena_init(&build.scratch, ROUTE_SCRATCH_BYTES_MAX);
    if (route_find_hosts(&build)) {
        if (route_find_addresses(&build))
            route_judge(&build);
        else
            route->fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_CANCELED);
    }
    // Its words must outlive the scratch memory.
    route->fact.text = arena_copy(&route->arena, route->fact.text);
    route->valid_until = valid_until(&build);
    arena_finish(&build.scratch);
    ASSERT(route->fact.kind != FACT_KIND_NONE);
    ASSERT(!fact_is_ok(&route->fact) || route->n_hosts > 0);
    return route;
}

struct route *route_resolve(const struct router *router, struct config *config, struct view domain,
                            io_time deadline) {
    ASSERT(router->resolver && domain.len <= ROUTE_DOMAIN_BYTES_MAX);
    struct route *route = route_create(config, domain);
    route->connector = config_connector_for(config, route->domain);
    return resolve(router, route, deadline);
}

struct route *route_resolve_by(const struct router *router, const struct route_wish *wish,
                               io_time deadline) {
    ASSERT(router->resolver && wish->domain.len <= ROUTE_DOMAIN_BYTES_MAX);
    struct route *route = route_create(wish->config, wish->domain);
    route->connector = wish->connector;
    return resolve(router, route, deadline);
}

struct route *route_ref(struct route *route) {
    unsigned before = atomic_fetch_add(&route->refs, 1);
    ASSERT(before > 0 && before < 1U << 31);
    return route;
}

void route_unref(struct route *route) {
    if (!route)
        return;
    unsigned before = atomic_fetch_sub(&route->refs, 1);
    ASSERT(before > 0);
    if (before > 1)
        return;
    config_unref(route->config);
    arena_finish(&route->arena);
    free(route);
}
