// SPDX-License-Identifier: Apache-2.0
// Any bytes as the answer of a server that was asked directly: the first says for which type, the
// rest is the message. What is read from it stays within its bounds.
#include "dns/resolver_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_views(const struct dns_server_answer *answer) {
    for (size_t i = 0; i < answer->n_names; i++)
        ASSERT(answer->names[i].len < DNS_NAME_TEXT_SIZE);
    for (size_t i = 0; i < answer->n_records; i++)
        ASSERT(answer->records[i].name.len < DNS_NAME_TEXT_SIZE &&
               (i == 0 || answer->records[i - 1].preference <= answer->records[i].preference));
    for (size_t i = 0; i < answer->n_signers; i++)
        ASSERT(answer->signers[i].digest.len <= UINT16_MAX);
}

static void check(const struct dns_server_answer *answer) {
    ASSERT(answer->fact.kind == FACT_KIND_OK || answer->fact.kind == FACT_KIND_DNS);
    ASSERT(answer->n_records <= DNS_SERVER_NAMES_MAX && answer->n_names <= DNS_SERVER_NAMES_MAX);
    ASSERT(answer->n_addresses <= DNS_SERVER_NAMES_MAX);
    ASSERT(answer->n_signers <= DNS_SERVER_SIGNERS_MAX);
    ASSERT(!answer->is_referral || answer->n_names > 0);
    check_views(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct dns_server_answer answer;
    if (len < 3)
        return 0;
    const struct dns_server_question question = {
        .name = VIEW("a.test"), .type = (enum dns_server_type)(bytes[0] % (DNS_SERVER_DNSKEY + 1))};
    // The question's id is that of the answer: a wrong one is thrown away at once.
    const struct dns_server_read read = {&question, view_from(bytes + 1, 2),
                                         view_from(bytes + 1, len - 1)};
    arena_init(&arena, 1 << 20);
    if (dns_server_answer_init(&answer, &arena)) {
        dns_server_answer_read(&read, &arena, &answer);
        check(&answer);
    }
    arena_finish(&arena);
    return 0;
}
