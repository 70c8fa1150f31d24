// SPDX-License-Identifier: Apache-2.0
// The addresses of all hosts. A and AAAA of several hosts are asked for at the same time, each by a
// fiber of its own, a bounded number of them at once.
#include "route/route_internal.h"

enum { LOOKUPS_AT_ONCE_MAX = 16 };

static void look_up(void *arg) {
    struct lookup *lookup = arg;
    struct build *build = lookup->build;
    dns_addresses(build->router->resolver, lookup->candidate->host.name, build->deadline,
                  &build->scratch, &lookup->answer);
}

// Ends all fibers of the group before `build` goes away under them, also when this one is canceled.
static bool wait_for_all(struct io_group *group) {
    struct io_result result = io_group_wait(group, IO_NEVER); // each has the deadline of the route
    if (io_is_ok(result))
        return true;
    io_group_cancel(group);
    io_cancel_clear();
    result = io_group_wait(group, IO_NEVER);
    ASSERT(io_is_ok(result));
    io_cancel(io_fiber_current()); // whoever canceled us means the caller, too
    return false;
}

static void spawn(struct build *build, struct io_group *group, struct candidate *candidate,
                  struct lookup *lookup) {
    bool is_ipv4 = lookup == &candidate->ipv4;
    lookup->build = build;
    lookup->candidate = candidate;
    lookup->answer.family = is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
    io_group_spawn(group, is_ipv4 ? "route-a" : "route-aaaa", look_up, lookup);
}

static bool ask_for_some(struct build *build, size_t from, size_t to) {
    struct io_group group;
    io_group_init(&group);
    for (size_t i = from; i < to; i++) {
        struct candidate *candidate = &build->candidates[i];
        if (candidate->is_resolved)
            continue;
        spawn(build, &group, candidate, &candidate->ipv4);
        spawn(build, &group, candidate, &candidate->ipv6);
    }
    return wait_for_all(&group);
}

// --- What came of it ----------------------------------------------------------------------------

// In random order, as some servers give the same order to everybody.
static void take_addresses(struct candidate *candidate, const struct dns_address_answer *answer) {
    size_t first = candidate->host.n_addresses;
    size_t n = size_min(answer->n_addresses, ROUTE_FAMILY_ADDRESSES_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t at = first + route_random_below(i + 1);
        candidate->host.addresses[first + i] = candidate->host.addresses[at];
        candidate->host.addresses[at] = answer->addresses[i];
        candidate->host.addresses[at].port = candidate->port;
    }
    candidate->host.n_addresses += n;
}

static bool is_absent(const struct dns_address_answer *answer) {
    const struct fact *fact = &answer->answer.fact;
    return fact->kind == FACT_KIND_DNS &&
           (fact->detail == FACT_DNS_NODATA || fact->detail == FACT_DNS_NXDOMAIN);
}

// One family that fails does not spoil the other. Without any address, trouble of the moment weighs
// more than "there is none": it may hide an address.
static struct fact fact_of(const struct candidate *candidate) {
    const struct dns_address_answer *ipv4 = &candidate->ipv4.answer,
                                    *ipv6 = &candidate->ipv6.answer;
    if (candidate->host.n_addresses > 0)
        return fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK);
    if (!is_absent(ipv4) || is_absent(ipv6))
        return ipv4->answer.fact;
    return ipv6->answer.fact;
}

static void note_answer(struct build *build, const struct dns_address_answer *answer,
                        bool has_other) {
    if (!fact_is_ok(&answer->answer.fact) && !is_absent(answer))
        route_note_ttl(build, ROUTE_PARTIAL_TTL_S_MAX);
    else if (fact_is_ok(&answer->answer.fact) || !has_other)
        route_note_ttl(build, answer->answer.ttl_s);
}

static void take_answers(struct build *build, struct candidate *candidate) {
    const struct dns_address_answer *ipv4 = &candidate->ipv4.answer,
                                    *ipv6 = &candidate->ipv6.answer;
    struct route_host *host = &candidate->host;
    host->addresses =
        arena_alloc(&build->scratch, 2 * ROUTE_FAMILY_ADDRESSES_MAX * sizeof(*host->addresses));
    ASSERT(host->addresses != NULL);
    take_addresses(candidate, ipv6);
    take_addresses(candidate, ipv4);
    note_answer(build, ipv4, ipv6->n_addresses > 0);
    note_answer(build, ipv6, ipv4->n_addresses > 0);
    host->fact = fact_of(candidate);
    host->is_secure = (ipv4->n_addresses == 0 || ipv4->answer.is_secure) &&
                      (ipv6->n_addresses == 0 || ipv6->answer.is_secure) && host->n_addresses > 0;
}

bool route_find_addresses(struct build *build) {
    for (size_t i = 0; i < build->n_candidates; i += LOOKUPS_AT_ONCE_MAX / 2) {
        size_t to = size_min(i + LOOKUPS_AT_ONCE_MAX / 2, build->n_candidates);
        if (!ask_for_some(build, i, to))
            return false;
    }
    for (size_t i = 0; i < build->n_candidates; i++)
        if (!build->candidates[i].is_resolved)
            take_answers(build, &build->candidates[i]);
    return true;
}
