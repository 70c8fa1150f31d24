// SPDX-License-Identifier: Apache-2.0
// Any bytes as the words of a failure: views stay inside, and the fact has a cause.
#include "readers/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_inside(struct view part, struct view text) {
    ASSERT(part.len == 0 || (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct reader_words words;
    struct view text = view_from(bytes, len);
    bool is_known = reader_words_read(text, &words);
    check_inside(words.text, text);
    check_inside(words.code, text);
    check_inside(words.enhanced, text);
    check_inside(words.host, text);
    ASSERT(is_known || words.fact.kind == FACT_KIND_NONE);
    ASSERT((unsigned)reader_words_cause(&words) < CAUSE_COUNT);
    return 0;
}
