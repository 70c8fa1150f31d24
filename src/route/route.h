// SPDX-License-Identifier: Apache-2.0
// Routing: from a recipient domain to a site, its hosts in order, the policy, and until when that
// is valid (RFC 5321 5.1, RFC 7505). Decided anew at each attempt, so that fixing the configuration
// or the DNS frees the mail that is already queued. A route is immutable, counted, and may cross
// loops.
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "config/config.h"
#include "dns/dns.h"

#include <stdatomic.h>

enum { ROUTE_HOSTS_MAX = 64, ROUTE_ADDRESSES_MAX = 256 };

struct route_host {
    struct view name;          // MX or smart host name; for an address literal "[192.0.2.1]"
    unsigned preference;       // smart hosts: their place in the list
    bool is_named_by_operator; // smart host: loopback and private addresses are allowed
    struct address *addresses; // with ports; those allowed only
    size_t n_addresses;
    struct fact fact; // OK, or why it has no usable address
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
struct route *route_ref(struct route *route);
void route_unref(struct route *route); // NULL is accepted

#endif
