// SPDX-License-Identifier: Apache-2.0
// Names: resolving and validating through libunbound on our loop, with typed answers. What went
// wrong is told by kind; "no answer" is never mistaken for "does not exist".
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "base/arena.h"
#include "base/fact.h"
#include "io/io.h"

enum {
    DNS_MX_MAX = 64,
    DNS_ADDRESSES_MAX = 64,
    DNS_TEXTS_MAX = 64,
    DNS_TLSA_MAX = 16,
    DNS_REVERSED_SIZE = 80
};

struct dns_mx {
    unsigned preference;
    struct view name; // lower case, without the trailing dot; empty: the root (null MX)
};

// Any answer: `fact` is OK, or of kind DNS (detail: enum fact_dns), LOCAL or CANCELED; its text is
// the name that was asked for.
struct dns_answer {
    struct fact fact;
    bool is_secure;        // DNSSEC validated
    uint32_t ttl_s;        // of the answer, or of the SOA for negative ones
    struct view canonical; // after CNAMEs, where it differs
    bool via_cname;
};
struct dns_mx_answer {
    struct dns_answer answer;
    struct dns_mx *records; // by preference, then name
    size_t n_records;
};
struct dns_address_answer {
    enum address_family family; // set by the caller: ADDRESS_IPV4 asks for A, ADDRESS_IPV6 for AAAA
    struct dns_answer answer;
    struct address *addresses; // port zero
    size_t n_addresses;
};
struct dns_name_answer { // PTR
    struct dns_answer answer;
    struct view *names;
    size_t n_names;
};
struct dns_text_answer { // TXT: the strings of a record are joined (RFC 7208 3.3)
    struct dns_answer answer;
    struct view *texts;
    size_t n_texts;
};
struct dns_tlsa { // RFC 6698 2.1
    uint8_t usage, selector, matching;
    struct view data;
};
struct dns_tlsa_answer {
    struct dns_answer answer;
    struct dns_tlsa *records;
    size_t n_records;
};

// The seam: libunbound in production, a seeded zone in simulations.
struct dns_resolver;
struct dns_ops {
    IO_WAITS void (*mx)(struct dns_resolver *resolver, struct view name, io_time deadline,
                        struct arena *arena, struct dns_mx_answer *answer);
    IO_WAITS void (*addresses)(struct dns_resolver *resolver, struct view name, io_time deadline,
                               struct arena *arena, struct dns_address_answer *answer);
    IO_WAITS void (*names)(struct dns_resolver *resolver, const struct address *address,
                           io_time deadline, struct arena *arena, struct dns_name_answer *answer);
    IO_WAITS void (*texts)(struct dns_resolver *resolver, struct view name, io_time deadline,
                           struct arena *arena, struct dns_text_answer *answer);
    IO_WAITS void (*tlsa)(struct dns_resolver *resolver, struct view name, io_time deadline,
                          struct arena *arena, struct dns_tlsa_answer *answer);
    void (*destroy)(struct dns_resolver *resolver);
    // Whom it asks; NULL: nobody that could be asked directly.
    size_t (*servers)(const struct dns_resolver *resolver, struct address *out, size_t max);
};
struct dns_resolver {
    const struct dns_ops *ops;
};

struct dns_options {
    const struct address *servers; // none: /etc/resolv.conf
    size_t n_servers;
    const char *trust_anchor; // NULL: Debian's dns-root-data; without either: no validation
    const char *stub_zone;    // tests: answers for this zone come from `stub`
    struct address stub;
};
// One for each loop; belongs to the calling thread's loop. Destroyed when no fiber asks any more.
struct dns_resolver *dns_resolver_create(const struct dns_options *options, struct error *error);
void dns_resolver_destroy(struct dns_resolver *resolver);

// `name` is a host or domain name, "." the root. Records and views come from `arena`. An existing
// name without the type asked for is FACT_DNS_NODATA. A deadline further away than two minutes, or
// IO_NEVER, counts as two minutes. FACT_LOCAL_RESOLVER: no server is configured, none of them gives
// any sign of life, or they fail for the root as well and have answered nothing lately; its text
// says which, with the question.
IO_WAITS void dns_mx(struct dns_resolver *resolver, struct view name, io_time deadline,
                     struct arena *arena, struct dns_mx_answer *answer);
IO_WAITS void dns_addresses(struct dns_resolver *resolver, struct view name, io_time deadline,
                            struct arena *arena, struct dns_address_answer *answer);
IO_WAITS void dns_names(struct dns_resolver *resolver, const struct address *address,
                        io_time deadline, struct arena *arena, struct dns_name_answer *answer);
IO_WAITS void dns_texts(struct dns_resolver *resolver, struct view name, io_time deadline,
                        struct arena *arena, struct dns_text_answer *answer);
// `name` is the whole one: "_25._tcp.mx.example.org" (RFC 7672 2.2.3).
IO_WAITS void dns_tlsa(struct dns_resolver *resolver, struct view name, io_time deadline,
                       struct arena *arena, struct dns_tlsa_answer *answer);

// An address as the labels below "in-addr.arpa", "ip6.arpa" or a block list (RFC 5782 2.1):
// "1.2.0.192".
void dns_reversed(const struct address *address, char out[DNS_REVERSED_SIZE]);

// --- One server, asked directly ---------------------------------------------------------------
// Past our resolver and its cache: what an authoritative server says, or what our resolver says
// when it must not check signatures. Never decides where mail goes.
enum dns_server_type {
    DNS_SERVER_A,
    DNS_SERVER_AAAA,
    DNS_SERVER_NS,
    DNS_SERVER_SOA,
    DNS_SERVER_MX,
    DNS_SERVER_DS,
    DNS_SERVER_DNSKEY
};
enum { DNS_SERVER_NAMES_MAX = 16, DNS_SERVER_SIGNERS_MAX = 24 };

// A DS record (RFC 4034 5.1); or, where keys were asked for, what it would be for one of them.
struct dns_signer {
    unsigned key_tag, algorithm, digest_type;
    struct view digest;
};

struct dns_server_question {
    struct address server; // with port
    struct view name;
    enum dns_server_type type;
    bool wants_recursion;   // RD: for resolvers
    bool checking_disabled; // CD (RFC 4035 3.2.2)
    bool wants_dnssec;      // EDNS with DO: signatures and extended errors come with the answer
    bool over_tcp;          // and not over UDP first
    io_time deadline;
};
struct dns_server_answer {
    // OK (at least an alias was given), of kind DNS, or SILENT, ERRNO, CLOSED: nothing was said.
    struct fact fact;
    bool is_authoritative; // AA
    bool is_referral;      // no answer but the names of other servers, in `names`
    bool was_truncated;    // over UDP; asked again over TCP
    uint32_t serial, ttl_s;
    struct dns_mx *records; // by preference, then name
    size_t n_records;
    struct view *names; // of NS records
    size_t n_names;
    struct address *addresses; // of the answer; of a referral: glue, in no order
    size_t n_addresses;
    struct dns_signer *signers; // of DS; of DNSKEY three for each key, one a digest type
    size_t n_signers;
    // The time in which all signatures of the answer hold; zero: there is none.
    int64_t signed_from_s, signed_until_s;
};
IO_WAITS void dns_ask_server(const struct dns_server_question *question, struct arena *arena,
                             struct dns_server_answer *answer);
// The servers that the resolver asks; zero where there are none.
size_t dns_resolver_servers(const struct dns_resolver *resolver, struct address *out, size_t max);

#endif
