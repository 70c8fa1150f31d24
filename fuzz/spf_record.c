// SPDX-License-Identifier: Apache-2.0
// Any text as an SPF record, and its macros with the sender of a stranger.
#include "spf/spf_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void expand(struct view text, struct arena *arena) {
    static const struct address source = {.family = ADDRESS_IPV6, .bytes = {0x20, 1, 0xd, 0xb8}};
    struct spf_macros macros = {.source = &source,
                                .sender = VIEW("strong-bad@email.example.com"),
                                .domain = VIEW("email.example.com"),
                                .helo = VIEW("mx.example.org")};
    if (text.len == 0)
        return;
    struct view name = spf_macro_expand(text, &macros, arena);
    ASSERT(name.len <= SPF_NAME_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static struct spf_record record;
    struct view text = view_from(bytes, len), wrong = VIEW_NONE;
    struct arena arena;
    if (!spf_record_is(text))
        return 0;
    arena_init(&arena, 1 << 20);
    bool is_well = spf_record_parse(text, &record, &wrong);
    ASSERT(is_well || wrong.len > 0);
    for (size_t i = 0; i < record.n_terms; i++) {
        ASSERT(record.terms[i].bits4 <= 32 && record.terms[i].bits6 <= 128);
        expand(record.terms[i].domain, &arena);
    }
    if (is_well)
        expand(record.redirect, &arena);
    arena_finish(&arena);
    return 0;
}
