// SPDX-License-Identifier: Apache-2.0
// Any bytes as an answer: the first says for which type, the rest is the message. Whatever is read
// from it must be whole, sorted and within its bounds.
#include "dns/message_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const struct dns_reply *reply, unsigned type) {
    ASSERT((reply->status == FACT_DNS_OK) == (reply->status == FACT_DNS_OK && reply->n_records));
    ASSERT(reply->n_records <= DNS_MX_MAX && reply->canonical.len < DNS_NAME_TEXT_SIZE);
    ASSERT(type != DNS_TYPE_TLSA || reply->n_records <= DNS_TLSA_MAX);
    for (size_t i = 0; type == DNS_TYPE_MX && i < reply->n_records; i++) {
        ASSERT(reply->mx[i].name.len < DNS_NAME_TEXT_SIZE);
        ASSERT(i == 0 || reply->mx[i - 1].preference <= reply->mx[i].preference);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const unsigned types[] = {DNS_TYPE_A,      DNS_TYPE_AAAA, DNS_TYPE_MX,  DNS_TYPE_PTR,
                                     DNS_TYPE_DNSKEY, DNS_TYPE_TXT,  DNS_TYPE_TLSA};
    struct arena arena;
    struct dns_reply reply;
    if (len == 0)
        return 0;
    unsigned type = types[bytes[0] % ARRAY_LEN(types)];
    arena_init(&arena, 64 << 10);
    dns_reply_read(view_from(bytes + 1, len - 1), VIEW("a.test"), type, &arena, &reply);
    check(&reply, type);
    arena_finish(&arena);
    return 0;
}
