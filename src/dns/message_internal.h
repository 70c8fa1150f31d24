// SPDX-License-Identifier: Apache-2.0
// DNS messages (RFC 1035 4), as far as mail needs them: a question as bytes, and what an answer
// says to it. Answers are hostile: every length is checked, names are bounded, pointers only go
// back.
#ifndef DNS_MESSAGE_INTERNAL_H
#define DNS_MESSAGE_INTERNAL_H

#include "dns/dns.h"

enum {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_DS = 43,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_DNSKEY = 48,
    DNS_TYPE_TLSA = 52
};

enum {
    DNS_QUERY_BYTES_MAX = 300,
    DNS_NAME_BYTES_MAX = 255,     // RFC 1035 2.3.4, on the wire
    DNS_NAME_TEXT_SIZE = 4 * 256, // every byte may become \DDD
    DNS_CHAIN_MAX = 12,           // CNAMEs after one another
    DNS_NAMES_MAX = 16            // PTR names kept
};

// A name as text: lower case, no trailing dot, "" for the root. Bytes that are no part of host
// names stand as \DDD or \., so that two names are the same exactly when their texts are.
struct dns_name {
    char text[DNS_NAME_TEXT_SIZE];
    size_t len;
};

// What an answer says to (name, type).
struct dns_reply {
    enum fact_dns status;
    int rcode; // with the bits of EDNS; -1: the message could not be read
    int ede;   // RFC 8914; -1: none
    bool is_truncated;
    bool has_edns;  // the server knows EDNS (RFC 6891)
    bool has_rrsig; // a signature stands in the answer section
    bool has_soa;   // of negative answers: the zone that denies is named (RFC 2308 3)
    uint32_t ttl_s; // least along the chain and of the records; of the SOA for negative answers
    bool via_cname;
    struct dns_name canonical; // the name at the end of the chain
    // Those of the type that was asked for.
    union {
        // By preference, then name; the least preferred of too many are gone.
        struct dns_mx mx[DNS_MX_MAX];
        struct address addresses[DNS_ADDRESSES_MAX];
        struct view names[DNS_TEXTS_MAX]; // of PTR records, at most DNS_NAMES_MAX; or texts
        struct dns_tlsa tlsa[DNS_TLSA_MAX];
    };
    size_t n_records;
};

// True when `name` can be asked for: labels of 1 to 63 bytes, 253 in all.
bool dns_name_is_askable(struct view name);

// Writes a question with RD and, for `want_dnssec`, EDNS with DO. Returns the length. The name must
// be askable.
size_t dns_query_write(unsigned char out[DNS_QUERY_BYTES_MAX], uint16_t id, struct view name,
                       unsigned type, bool want_dnssec);

// Reads an answer to (name, type). Views come from `arena`; where it is full the status is
// MALFORMED.
void dns_reply_read(struct view packet, struct view name, unsigned type, struct arena *arena,
                    struct dns_reply *reply);
bool dns_reply_has_id(struct view packet, uint16_t id);

// dns.c: the name whose PTR records an address has.
enum { DNS_REVERSE_SIZE = DNS_REVERSED_SIZE + 16 };
void dns_reverse_name(const struct address *address, char out[DNS_REVERSE_SIZE]);

#endif
