// SPDX-License-Identifier: Apache-2.0
#include "catalog/pattern.h"

#include <stdlib.h>

enum { GROUP_LEN = 4 };

static unsigned group_hash(const char *at) {
    uint32_t letters;
    memcpy(&letters, at, GROUP_LEN);
    return (letters * 2654435761U) >> 17; // PATTERN_SLOTS values
}

static bool has_wildcard(const char *at) {
    return memchr(at, '*', GROUP_LEN) != NULL;
}

// The group of letters in `pattern` that the fewest others have, or NULL where it has no four
// letters in a row.
static const char *rarest_group(struct view pattern, const uint16_t *counts) {
    const char *rarest = NULL;
    for (size_t i = 0; i + GROUP_LEN <= pattern.len; i++) {
        const char *at = pattern.ptr + i;
        if (!has_wildcard(at) && (!rarest || counts[group_hash(at)] < counts[group_hash(rarest)]))
            rarest = at;
    }
    return rarest;
}

static void count_groups(struct view pattern, uint16_t *counts) {
    for (size_t i = 0; i + GROUP_LEN <= pattern.len; i++)
        if (!has_wildcard(pattern.ptr + i) && counts[group_hash(pattern.ptr + i)] < UINT16_MAX)
            counts[group_hash(pattern.ptr + i)]++;
}

void pattern_index_build(struct pattern_index *index, struct view (*pattern_at)(size_t), size_t n) {
    uint16_t *counts = mem_alloc_zero(PATTERN_SLOTS * sizeof(*counts)); // too much for a stack
    ASSERT(n <= PATTERNS_MAX);
    memset(index, 0, sizeof(*index));
    index->n = n;
    for (size_t i = 0; i < n; i++)
        count_groups(pattern_at(i), counts);
    for (size_t i = 0; i < n; i++) {
        const char *group = rarest_group(pattern_at(i), counts);
        if (!group) {
            index->always[i / 64] |= 1ULL << (i % 64);
            continue;
        }
        unsigned slot = group_hash(group);
        index->used[slot / 64] |= 1ULL << (slot % 64);
        index->next[i] = index->first[slot];
        index->first[slot] = (uint16_t)(i + 1);
    }
    free(counts);
}

void pattern_index_search(const struct pattern_index *index, struct view text,
                          struct pattern_hits *hits) {
    memcpy(hits->bits, index->always, sizeof(hits->bits));
    for (size_t i = 0; i + GROUP_LEN <= text.len; i++) {
        unsigned slot = group_hash(text.ptr + i);
        if (!(index->used[slot / 64] >> (slot % 64) & 1))
            continue;
        for (size_t at = index->first[slot]; at; at = index->next[at - 1])
            hits->bits[(at - 1) / 64] |= 1ULL << ((at - 1) % 64);
    }
}

bool pattern_hits_next(const struct pattern_hits *hits, size_t n, size_t *at, size_t *found) {
    ASSERT(n <= PATTERNS_MAX);
    while (*at < n) {
        uint64_t word = hits->bits[*at / 64] >> (*at % 64);
        if (word) {
            *found = *at + (size_t)__builtin_ctzll(word);
            *at = *found + 1;
            return *found < n;
        }
        *at = (*at / 64 + 1) * 64;
    }
    return false;
}

bool pattern_matches(struct view pattern, struct view text) {
    struct view part;
    while (view_split(&pattern, '*', &part)) {
        if (part.len == 0)
            continue;
        // The leftmost place is as good as any: what follows has the more room.
        size_t at = view_find(text, part);
        if (at == text.len)
            return false;
        text = view_skip(text, at + part.len);
    }
    return true;
}
