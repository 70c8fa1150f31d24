// SPDX-License-Identifier: Apache-2.0
// Which of the hosts may be used, in which order, and what it means when none may.
#include "route/route_internal.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SITE_BYTES_MAX = 512 };

struct fact route_fact(enum fact_route detail, struct view text) {
    struct fact fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_ROUTE);
    fact.detail = (int)detail;
    fact.at_ms = io_wall_ms();
    fact.text = text;
    return fact;
}

// --- Our own addresses --------------------------------------------------------------------------

// A listener on every address of this machine ("0.0.0.0:25") is met at least on loopback.
static bool is_own_listener(const struct address *own, const struct address *address) {
    if (own->port != address->port)
        return false;
    return address_equals(own, address) ||
           (address_is_unspecified(own) && address_is_loopback(address));
}

static bool is_own(const struct router *router, const struct address *address) {
    for (size_t i = 0; i < router->n_own; i++)
        if (is_own_listener(&router->own[i], address))
            return true;
    return false;
}

// Takes out what must not be called, and says so where nothing is left.
static void filter_addresses(struct build *build, struct candidate *candidate) {
    struct route_host *host = &candidate->host;
    size_t n_kept = 0;
    bool is_private = false;
    for (size_t i = 0; i < host->n_addresses; i++) {
        bool is_ours = is_own(build->router, &host->addresses[i]);
        bool is_outside = host->is_named_by_operator || address_is_global(&host->addresses[i]);
        candidate->is_own = candidate->is_own || is_ours;
        is_private = is_private || (!is_ours && !is_outside);
        if (!is_ours && is_outside)
            host->addresses[n_kept++] = host->addresses[i];
    }
    if (n_kept == 0 && host->n_addresses > 0)
        host->fact =
            route_fact(is_private ? FACT_ROUTE_MX_PRIVATE : FACT_ROUTE_MX_SELF, host->name);
    else if (n_kept > 0)
        host->fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK);
    host->n_addresses = n_kept;
}

// RFC 5321 5.1: when we are among the MX hosts, the hosts of our preference and worse are dropped:
// they would send the mail back to us.
static void drop_behind_us(struct build *build) {
    unsigned ours = UINT32_MAX;
    size_t n_kept = 0;
    for (size_t i = 0; i < build->n_candidates; i++) {
        const struct candidate *candidate = &build->candidates[i];
        if (candidate->is_own && !candidate->host.is_named_by_operator &&
            candidate->host.preference < ours)
            ours = candidate->host.preference;
    }
    for (size_t i = 0; i < build->n_candidates; i++)
        if (build->candidates[i].host.preference < ours ||
            build->candidates[i].host.is_named_by_operator)
            build->candidates[n_kept++] = build->candidates[i];
    build->n_candidates = n_kept;
}

// --- Order --------------------------------------------------------------------------------------

// RFC 5321 5.1: hosts of equal preference are tried in random order.
static void shuffle_equals(struct candidate *candidates, size_t n) {
    for (size_t first = 0, next; first < n; first = next) {
        next = first + 1;
        while (next < n && candidates[next].host.preference == candidates[first].host.preference)
            next++;
        for (size_t i = next - first; i > 1; i--) {
            size_t at = first + route_random_below(i);
            struct candidate moved = candidates[at];
            candidates[at] = candidates[first + i - 1];
            candidates[first + i - 1] = moved;
        }
    }
}

// --- When none may be used ----------------------------------------------------------------------

// The lower, the more it explains.
static int rank_of(const struct fact *fact) {
    if (fact->kind == FACT_KIND_LOCAL)
        return 0;
    if (fact->kind == FACT_KIND_DNS)
        return fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA ? 3 : 1;
    return 2; // of routing: private, invalid, ourselves
}

static const struct candidate *find_reason(const struct build *build) {
    const struct candidate *reason = &build->candidates[0];
    for (size_t i = 1; i < build->n_candidates; i++)
        if (rank_of(&build->candidates[i].host.fact) < rank_of(&reason->host.fact))
            reason = &build->candidates[i];
    return reason;
}

static void explain(struct build *build) {
    struct route *route = build->route;
    if (build->n_candidates == 0) {
        route->fact = route_fact(FACT_ROUTE_MX_SELF, route->domain);
        return;
    }
    const struct candidate *reason = find_reason(build);
    const struct fact *fact = &reason->host.fact;
    ASSERT(!fact_is_ok(fact) && fact->kind != FACT_KIND_NONE);
    route->fact = *fact;
    if (rank_of(fact) != 3)
        return;
    if (build->is_implicit) {
        // Neither MX nor address: nobody takes mail there (RFC 5321 5.1).
        route->is_permanent = true;
        return;
    }
    // The domain exists and names hosts; that these have no address may be mended.
    route->fact = route_fact(FACT_ROUTE_NO_ADDRESS, reason->host.name);
    route->fact.dns_rcode = fact->dns_rcode;
}

// --- The site -----------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b) {
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

static struct view name_with_port(struct build *build, const struct candidate *candidate) {
    struct view name = candidate->host.name.len ? candidate->host.name : VIEW(".");
    if (candidate->port == 25)
        return name;
    return arena_printf(&build->scratch, "%.*s:%u", VIEW_ARG(name), (unsigned)candidate->port);
}

// Long sets are cut where a name ends; the hash of the whole keeps them apart.
static struct view cut_site(struct build *build, struct view site) {
    struct view head = view_take(site, SITE_BYTES_MAX);
    head = view_take(head, view_find_last_char(head, ','));
    return arena_printf(&build->scratch, "%.*s,+%016llx", VIEW_ARG(head),
                        (unsigned long long)view_hash(site));
}

static void name_site(struct build *build) {
    struct view *names = arena_alloc(&build->scratch, build->n_candidates * sizeof(*names));
    struct buffer text;
    ASSERT(names != NULL);
    buffer_init(&text, ROUTE_ARENA_BYTES_MAX);
    for (size_t i = 0; i < build->n_candidates; i++)
        names[i] = name_with_port(build, &build->candidates[i]);
    qsort(names, build->n_candidates, sizeof(*names), compare_names);
    for (size_t i = 0; i < build->n_candidates; i++)
        if (i == 0 || !view_equals(names[i], names[i - 1])) {
            buffer_append_view(&text, text.len ? VIEW(",") : VIEW(""));
            buffer_append_view(&text, names[i]);
        }
    struct view site = buffer_view(&text);
    if (site.len > SITE_BYTES_MAX)
        site = cut_site(build, site);
    build->route->site = arena_copy(&build->route->arena, site);
    buffer_finish(&text);
}

// --- The result ---------------------------------------------------------------------------------

// False when the route may hold no more addresses.
static bool copy_host(struct route *route, struct route_host *to, const struct route_host *from,
                      size_t *n_addresses) {
    size_t n = size_min(from->n_addresses, ROUTE_ADDRESSES_MAX - *n_addresses);
    *to = *from;
    to->name = arena_copy(&route->arena, from->name);
    to->fact.text = arena_copy(&route->arena, from->fact.text);
    to->n_addresses = n;
    to->addresses = arena_alloc(&route->arena, n * sizeof(*to->addresses));
    ASSERT(to->name.ptr != NULL && to->addresses != NULL);
    if (n > 0)
        memcpy(to->addresses, from->addresses, n * sizeof(*to->addresses));
    *n_addresses += n;
    return *n_addresses < ROUTE_ADDRESSES_MAX;
}

static void copy_hosts(struct build *build) {
    struct route *route = build->route;
    size_t n_addresses = 0;
    route->hosts = arena_alloc(&route->arena, build->n_candidates * sizeof(*route->hosts));
    ASSERT(route->hosts != NULL);
    bool has_room = true;
    for (size_t i = 0; i < build->n_candidates && has_room; i++)
        has_room = copy_host(route, &route->hosts[route->n_hosts++], &build->candidates[i].host,
                             &n_addresses);
}

void route_judge(struct build *build) {
    bool is_usable = false;
    for (size_t i = 0; i < build->n_candidates; i++)
        filter_addresses(build, &build->candidates[i]);
    drop_behind_us(build);
    for (size_t i = 0; i < build->n_candidates; i++)
        is_usable = is_usable || build->candidates[i].host.n_addresses > 0;
    build->route->fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK);
    if (!is_usable)
        explain(build);
    shuffle_equals(build->candidates, build->n_candidates);
    if (build->n_candidates > 0) {
        copy_hosts(build);
        name_site(build);
    }
}
