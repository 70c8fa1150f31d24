// SPDX-License-Identifier: Apache-2.0
// Many patterns against one text. A pattern is words in small letters with "*" for anything
// between. Each pattern is filed under one group of four of its letters, the one that the fewest
// others have; one walk over a text then names the few patterns that may be in it. Private to this
// folder.
#ifndef CATALOG_PATTERN_H
#define CATALOG_PATTERN_H

#include "base/view.h"

enum { PATTERNS_MAX = 2048, PATTERN_SLOTS = 32768 };

struct pattern_index {
    size_t n;
    uint64_t used[PATTERN_SLOTS / 64];  // groups that have one: most texts are passed over with it
    uint16_t first[PATTERN_SLOTS];      // pattern + 1 of a group of letters; zero: none
    uint16_t next[PATTERNS_MAX];        // the next one of that group
    uint64_t always[PATTERNS_MAX / 64]; // patterns without four letters in a row
};

// Patterns that may be in a text, as bits.
struct pattern_hits {
    uint64_t bits[PATTERNS_MAX / 64];
};

// `pattern_at` gives the patterns from 0 to `n` - 1.
void pattern_index_build(struct pattern_index *index, struct view (*pattern_at)(size_t), size_t n);
void pattern_index_search(const struct pattern_index *index, struct view text,
                          struct pattern_hits *hits);
// The next hit from `*at` on, which then stands behind it. False when there is none.
bool pattern_hits_next(const struct pattern_hits *hits, size_t n, size_t *at, size_t *found);
// One pass, nothing is tried twice.
bool pattern_matches(struct view pattern, struct view text);

#endif
