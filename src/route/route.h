// SPDX-License-Identifier: Apache-2.0
// Routing: from a recipient domain to a site, its hosts in order, the policy, and until when that
// is valid (RFC 5321 5.1, RFC 7505). Decided anew at each attempt, so that fixing the configuration
// or the DNS frees the mail that is already queued. A route is immutable, counted, and may cross
// loops.
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "config/config.h"
#include "dns/dns.h"
#include "tls/tls.h"

#include <stdatomic.h>

enum { ROUTE_HOSTS_MAX = 64, ROUTE_ADDRESSES_MAX = 256 };

struct route_host {
    struct view name;          // MX or smart host name; for an address literal "[192.0.2.1]"
    unsigned preference;       // smart hosts: their place in the list
    bool is_named_by_operator; // smart host: loopback and private addresses are allowed
    struct address *addresses; // with ports; those allowed only
    size_t n_addresses;
    struct fact fact; // OK, or why it has no usable address
    bool is_secure;   // its addresses were DNSSEC-validated
};

struct route {
    atomic_uint refs;
    struct config *config;                    // the snapshot it was made from (counted)
    const struct config_connector *connector; // in it; NULL when no connector takes the domain
    struct view domain;                       // lower case
    struct view site;  // sorted host names with ports where not 25, joined with ","; names the lane
    struct fact fact;  // OK: hosts may be tried; else why routing says no
    bool is_permanent; // null MX, NXDOMAIN, no data of the recipient domain
    bool is_secure_mx; // the MX set was DNSSEC-validated
    struct route_host *hosts; // by preference; equal ones in random order (RFC 5321 5.1)
    size_t n_hosts;
    io_time valid_until;
    int64_t made_ms; // wall clock
    struct arena arena;
};

struct router {
    struct dns_resolver *resolver; // of the calling loop
    // Our listeners: never connected to. One on every address ("0.0.0.0:25") stands for loopback
    // only: add the addresses of this machine to it.
    const struct address *own;
    size_t n_own;
};

// Never NULL; the caller owns one reference. `domain` is an ASCII domain or "[address]".
IO_WAITS struct route *route_resolve(const struct router *router, struct config *config,
                                     struct view domain, io_time deadline);
// The same through a connector that the caller chose and keeps as long as the route; `domain` may
// be empty where the connector has smart hosts.
struct route_wish {
    struct config *config;
    const struct config_connector *connector;
    struct view domain;
};
IO_WAITS struct route *route_resolve_by(const struct router *router, const struct route_wish *wish,
                                        io_time deadline);
struct route *route_ref(struct route *route);
void route_unref(struct route *route); // NULL is accepted

// --- What a connector wants of a session (demand.c) ---------------------------------------------
enum { ROUTE_DEMAND_NAME_BYTES_MAX = 256 };
struct route_demand {
    struct tls_policy policy; // points into this struct
    struct view names[1];
    char name[ROUTE_DEMAND_NAME_BYTES_MAX];
};
// What the connector demands of TLS with `host` for mail to `domain`.
void route_demand_init(struct route_demand *demand, const struct config_connector *connector,
                       const struct route_host *host, struct view domain);
// True when another domain than the session's needs a look at the certificate of its own.
bool route_demand_is_by_domain(const struct config_connector *connector);
bool route_demand_allows_clear(const struct config_connector *connector);
// The operator's source address of that family; NONE: the kernel chooses. False: with sources
// given, a family that has none is not used, as its mail would leave from an address that nobody
// vouches for.
bool route_source_for(const struct config_connector *connector, enum address_family family,
                      struct address *source);

// The nth address of the family, from 0; NULL when there are no more.
const struct address *route_host_address(const struct route_host *host, enum address_family family,
                                         size_t nth);

#endif
