// SPDX-License-Identifier: Apache-2.0
// The tables of remedies and candidates, found by cause. They are small and read when somebody
// asks, so a walk through them is fast enough.
#include "catalog/catalog_internal.h"

#define FOR(...)                                                                                   \
    (const enum cause[]) {                                                                         \
        __VA_ARGS__, CAUSE_NONE                                                                    \
    }

static const struct {
    const enum cause *causes;
    const struct remedy *remedies;
} remedy_rows[] = {
#define REMEDIES(causes_, ...) {causes_, (const struct remedy[]){__VA_ARGS__, {.what = {0}}}},
#define DO(who_, what_, verify_, action_)                                                          \
    { REMEDY_##who_, TEXT(what_), TEXT(verify_), TEXT(action_) }
#include "catalog/remedies.inc"
#undef DO
#undef REMEDIES
};

static const struct {
    const enum cause *causes;
    const struct candidate *candidates;
} candidate_rows[] = {
#define MAYBE(causes_, ...)                                                                        \
    {causes_, (const struct candidate[]){__VA_ARGS__, {.cause = CAUSE_NONE}}},
#define GUESS(cause_, percent, decide_by_)                                                         \
    { .cause = cause_, .confidence = percent / 100.0, .decide_by = TEXT(decide_by_) }
#include "catalog/candidates.inc"
#undef GUESS
#undef MAYBE
};

static bool holds(const enum cause *causes, enum cause wanted) {
    for (; *causes != CAUSE_NONE; causes++)
        if (*causes == wanted)
            return true;
    return false;
}

const struct remedy *advice_remedies(enum cause cause) {
    static const struct remedy none[1];
    for (size_t i = 0; i < ARRAY_LEN(remedy_rows); i++)
        if (holds(remedy_rows[i].causes, cause))
            return remedy_rows[i].remedies;
    return none;
}

const struct candidate *advice_candidates(enum cause cause) {
    static const struct candidate none[1];
    for (size_t i = 0; i < ARRAY_LEN(candidate_rows); i++)
        if (holds(candidate_rows[i].causes, cause))
            return candidate_rows[i].candidates;
    return none;
}

struct view remedy_who_word(enum remedy_who who) {
    static const struct view words[] = {
        [REMEDY_SENDING_SIDE] = TEXT("sending-side"),
        [REMEDY_RECEIVING_SIDE] = TEXT("receiving-side"),
        [REMEDY_NETWORK] = TEXT("network"),
        [REMEDY_DNS_OWNER] = TEXT("dns-owner"),
    };
    ASSERT((unsigned)who < ARRAY_LEN(words));
    return words[who];
}
