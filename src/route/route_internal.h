// SPDX-License-Identifier: Apache-2.0
// A route while it is being made.
//
//   route.c  the order of the steps, and the life of a route
//   hosts.c  which hosts: smart hosts, MX, the domain itself, an address literal
//   names.c  their addresses, asked for at the same time
//   judge.c  which hosts may be used, and what it means when none may
#ifndef ROUTE_ROUTE_INTERNAL_H
#define ROUTE_ROUTE_INTERNAL_H

#include "route/route.h"

enum {
    ROUTE_DOMAIN_BYTES_MAX = 1024,   // what the grammar of mail lets through is shorter
    ROUTE_FAMILY_ADDRESSES_MAX = 16, // of one family of one host
    ROUTE_ARENA_BYTES_MAX = 1 << 20,
    ROUTE_SCRATCH_BYTES_MAX = 8 << 20,
    ROUTE_TTL_S_MIN = 30,
    ROUTE_TTL_S_MAX = 3600,
    ROUTE_PARTIAL_TTL_S_MAX = 300, // some host could not be resolved just now
    ROUTE_FAILURE_TTL_S = 60
};

struct lookup {
    struct build *build;
    struct candidate *candidate;
    struct dns_address_answer answer; // asked.family NONE: not asked
};

// A host that may become one of the route.
struct candidate {
    struct route_host host; // views and addresses in the scratch arena
    uint16_t port;
    bool is_own;      // it has an address of one of our listeners
    bool is_resolved; // its addresses need no question
    struct lookup ipv4, ipv6;
};

struct build {
    struct route *route;
    const struct router *router;
    io_time deadline;
    struct arena scratch; // DNS answers; gone when the route is made
    struct candidate *candidates;
    size_t n_candidates;
    bool is_implicit; // the domain itself is its only host (RFC 5321 5.1)
    struct fact mx;   // what the question for MX brought
    uint32_t ttl_s;   // the least so far
};

// hosts.c: fills `candidates`. False: the route's fact says why there are none.
IO_WAITS bool route_find_hosts(struct build *build);
// names.c: asks for the addresses of all candidates. False when canceled.
IO_WAITS bool route_find_addresses(struct build *build);
// judge.c: chooses among the candidates, sets the route's hosts, site, fact and is_permanent.
void route_judge(struct build *build);

struct fact route_fact(enum fact_route detail, struct view text);
static inline size_t route_random_below(size_t limit) {
    return (size_t)(io_random_u64() % limit); // the bias of so small a limit is of no account
}
static inline void route_note_ttl(struct build *build, uint32_t ttl_s) {
    build->ttl_s = ttl_s < build->ttl_s ? ttl_s : build->ttl_s;
}

#endif
