// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of rules: read or refused with a line, and what is read can be tested.
#include "catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct error error = {0};
    struct rules *rules = rules_read(view_from(bytes, len), VIEW("rules"), &error);
    ASSERT(rules || error.text[0]);
    if (!rules)
        return 0;
    struct buffer out;
    size_t n_rules = 0, n_tests = 0;
    buffer_init(&out, 1 << 20);
    rules_count(rules, &n_rules, &n_tests);
    ASSERT(rules_test(rules, &out) <= n_tests);
    buffer_finish(&out);
    rules_destroy(rules);
    return 0;
}
