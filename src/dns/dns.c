// SPDX-License-Identifier: Apache-2.0
// The seam of dns/dns.h: hands each call to whatever resolver stands behind it.
#include "dns/message_internal.h"

#include <stdio.h>

void dns_mx(struct dns_resolver *resolver, struct view name, io_time deadline, struct arena *arena,
            struct dns_mx_answer *answer) {
    *answer = (struct dns_mx_answer){0};
    resolver->ops->mx(resolver, name, deadline, arena, answer);
    ASSERT(answer->answer.fact.kind != FACT_KIND_NONE);
    ASSERT(fact_is_ok(&answer->answer.fact) == (answer->n_records > 0));
}

void dns_addresses(struct dns_resolver *resolver, struct view name, io_time deadline,
                   struct arena *arena, struct dns_address_answer *answer) {
    enum address_family family = answer->family;
    ASSERT(family == ADDRESS_IPV4 || family == ADDRESS_IPV6);
    *answer = (struct dns_address_answer){.family = family};
    resolver->ops->addresses(resolver, name, deadline, arena, answer);
    ASSERT(answer->answer.fact.kind != FACT_KIND_NONE);
    ASSERT(fact_is_ok(&answer->answer.fact) == (answer->n_addresses > 0));
}

void dns_names(struct dns_resolver *resolver, const struct address *address, io_time deadline,
               struct arena *arena, struct dns_name_answer *answer) {
    ASSERT(address->family == ADDRESS_IPV4 || address->family == ADDRESS_IPV6);
    *answer = (struct dns_name_answer){0};
    resolver->ops->names(resolver, address, deadline, arena, answer);
    ASSERT(answer->answer.fact.kind != FACT_KIND_NONE);
    ASSERT(fact_is_ok(&answer->answer.fact) == (answer->n_names > 0));
}

void dns_texts(struct dns_resolver *resolver, struct view name, io_time deadline,
               struct arena *arena, struct dns_text_answer *answer) {
    ASSERT(name.len > 0);
    *answer = (struct dns_text_answer){0};
    resolver->ops->texts(resolver, name, deadline, arena, answer);
    ASSERT(answer->answer.fact.kind != FACT_KIND_NONE);
    ASSERT(fact_is_ok(&answer->answer.fact) == (answer->n_texts > 0));
}

void dns_tlsa(struct dns_resolver *resolver, struct view name, io_time deadline,
              struct arena *arena, struct dns_tlsa_answer *answer) {
    ASSERT(name.len > 0);
    *answer = (struct dns_tlsa_answer){0};
    resolver->ops->tlsa(resolver, name, deadline, arena, answer);
    ASSERT(answer->answer.fact.kind != FACT_KIND_NONE);
    ASSERT(fact_is_ok(&answer->answer.fact) == (answer->n_records > 0));
}

void dns_resolver_destroy(struct dns_resolver *resolver) {
    if (resolver)
        resolver->ops->destroy(resolver);
}

size_t dns_resolver_servers(const struct dns_resolver *resolver, struct address *out, size_t max) {
    return resolver->ops->servers ? resolver->ops->servers(resolver, out, max) : 0;
}

void dns_reversed(const struct address *address, char out[DNS_REVERSED_SIZE]) {
    size_t at = 0;
    if (address->family == ADDRESS_IPV4) {
        const unsigned char *b = address->bytes;
        snprintf(out, DNS_REVERSED_SIZE, "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
        return;
    }
    for (int i = 15; i >= 0; i--) {
        unsigned byte = address->bytes[i];
        at += (size_t)snprintf(out + at, DNS_REVERSED_SIZE - at, "%x.%x%s", byte & 15, byte >> 4,
                               i ? "." : "");
    }
}

// RFC 1035 3.5 and RFC 3596 2.5.
void dns_reverse_name(const struct address *address, char out[DNS_REVERSE_SIZE]) {
    char labels[DNS_REVERSED_SIZE];
    dns_reversed(address, labels);
    snprintf(out, DNS_REVERSE_SIZE, "%s.%s", labels,
             address->family == ADDRESS_IPV4 ? "in-addr.arpa" : "ip6.arpa");
}
