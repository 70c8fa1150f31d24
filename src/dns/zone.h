// SPDX-License-Identifier: Apache-2.0
// A resolver that answers from a table, with TTLs and faults: the simulator's side of the seam in
// dns/dns.h, and handy for tests of routing. The program never includes it.
#ifndef DNS_ZONE_H
#define DNS_ZONE_H

#include "dns/dns.h"

// Answers take `latency_ms`. Names that are not in the table are NXDOMAIN.
struct dns_resolver *dns_zone_create(int64_t latency_ms);
void dns_zone_add_mx(struct dns_resolver *zone, const char *name, unsigned preference,
                     const char *host, uint32_t ttl_s);
void dns_zone_add_address(struct dns_resolver *zone, const char *name, const char *address,
                          uint32_t ttl_s);
void dns_zone_add_alias(struct dns_resolver *zone, const char *name, const char *target,
                        uint32_t ttl_s);
void dns_zone_add_text(struct dns_resolver *zone, const char *name, const char *text,
                       uint32_t ttl_s);
// `data` must stay.
void dns_zone_add_tlsa(struct dns_resolver *zone, const char *name, const struct dns_tlsa *record,
                       uint32_t ttl_s);
// From now on every question for `name` ends so (FACT_DNS_OK: healthy again).
void dns_zone_fail(struct dns_resolver *zone, const char *name, enum fact_dns status);
// The same for questions of one type alone.
void dns_zone_fail_mx(struct dns_resolver *zone, const char *name, enum fact_dns status);
void dns_zone_fail_addresses(struct dns_resolver *zone, const char *name,
                             enum address_family family, enum fact_dns status);
// Answers for `name` count as DNSSEC-validated.
void dns_zone_set_secure(struct dns_resolver *zone, const char *name, bool is_secure);
// Every question ends with FACT_LOCAL_RESOLVER: our own resolver cannot be asked.
void dns_zone_set_dead(struct dns_resolver *zone, bool is_dead);
uint64_t dns_zone_questions(struct dns_resolver *zone); // asked so far
void dns_zone_remove(struct dns_resolver *zone, const char *name);

#endif
