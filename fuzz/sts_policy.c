// SPDX-License-Identifier: Apache-2.0
// Any text as a record and as a policy of MTA-STS.
#include "sts/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view text = view_from(bytes, len), id;
    struct sts_policy policy;
    struct error error = {0};
    if (sts_record_parse(text, &id))
        ASSERT(id.len > 0 && id.len <= 32);
    bool is_well = sts_policy_parse(text, &policy, &error);
    ASSERT(is_well || error.text[0] != '\0');
    ASSERT(policy.n_mx <= STS_MX_MAX);
    for (size_t i = 0; is_well && i < policy.n_mx; i++)
        ASSERT(policy.mx[i].len > 0);
    sts_policy_allows(&policy, VIEW("mx.example.org"));
    return 0;
}
