// SPDX-License-Identifier: Apache-2.0
// The DNS experiments: a zone, and what each of its servers says.
//
//   authority.c   who speaks for the zone, what each of them says, what our resolver holds
//   resolvers.c   what each of our resolvers says
//   delegation.c  what the zone above says of it: other servers, other keys; signatures; transport
#ifndef PROBE_ZONE_INTERNAL_H
#define PROBE_ZONE_INTERNAL_H

#include "probe/probe_internal.h"

enum {
    PROBE_SERVERS_MAX = 6,
    PROBE_NAMES_TRIED_MAX = 4,
    PROBE_QUESTION_MS = 3 * 1000,
    PROBE_DNS_PORT = 53
};

struct probe_zone;
struct probe_server {
    const struct probe_zone *zone;
    struct probe *probe;
    struct view name;
    struct address address;
    struct dns_server_answer told, soa; // MX or addresses; SOA
    struct dns_server_answer tcp;       // SOA over TCP; its fact is NONE: not asked
};

struct probe_zone {
    struct probe *probe;
    struct address resolver;
    struct view domain; // that the question is about: the recipients', or a host that fails
    enum dns_server_type type;
    struct view name; // that the servers speak for
    struct probe_server servers[PROBE_SERVERS_MAX];
    size_t n_servers;
    struct dns_server_answer held;  // what our resolver says to MX
    struct dns_server_answer above; // the referral of the zone above; no names: it gave none
    struct probe_server parent;     // of the zone above; no name: none answered
};

enum probe_how { PROBE_AS_AUTHORITY, PROBE_AS_CLIENT, PROBE_UNCHECKED };
struct probe_asked {
    const struct address *server;
    struct view name;
    enum dns_server_type type;
    enum probe_how how;
    bool wants_dnssec, over_tcp;
};
IO_WAITS struct dns_server_answer probe_ask(const struct probe *probe,
                                            const struct probe_asked *asked);
static inline bool probe_has_spoken(const struct dns_server_answer *answer) {
    return fact_is_ok(&answer->fact) || answer->fact.kind == FACT_KIND_DNS;
}
static inline bool probe_says(const struct dns_server_answer *answer, enum fact_dns status) {
    return answer->fact.kind == FACT_KIND_DNS && answer->fact.detail == (int)status;
}
// Our resolver's word for a server's name; false: it has none.
IO_WAITS bool probe_address_of(struct probe_zone *zone, struct view name, struct address *address);
IO_WAITS void probe_add_named(struct probe_zone *zone, struct view name);
// NULL: there is no room.
struct probe_server *probe_add_server(struct probe_zone *zone, struct view name,
                                      const struct address *address);

// Once the zone's servers are known, and before they are asked: those that only the zone above
// names are asked too.
IO_WAITS void probe_look_above(struct probe_zone *zone);
// Behind the questions to all of them.
void probe_read_transport(struct probe_zone *zone);
IO_WAITS void probe_read_delegation(struct probe_zone *zone);
IO_WAITS void probe_read_signatures(struct probe_zone *zone);

// --- resolvers.c ------------------------------------------------------------------------------
IO_WAITS void probe_compare_resolvers(struct probe_zone *zone);

#endif
