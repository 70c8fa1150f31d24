// SPDX-License-Identifier: Apache-2.0
// An arena: memory that lives as long as its owner (a session, a round) and goes in one step.
// `arena_mark` and `arena_reset` give back what was taken since the mark. It has a maximum, set
// where it is made; beyond it arena_alloc returns NULL, and the caller says what was too big.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/view.h"

struct arena {
    struct arena_block *blocks; // newest first
    size_t used_total;
    size_t size_max;
};

struct arena_mark {
    struct arena_block *block;
    size_t used;
    size_t used_total;
};

// No memory is taken before the first allocation.
void arena_init(struct arena *arena, size_t size_max);
void arena_finish(struct arena *arena);
// Aligned for any type, zeroed; NULL when the maximum would be passed.
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
// A NUL-terminated copy; a view with ptr NULL when the maximum would be passed.
struct view arena_copy(struct arena *arena, struct view view) MUST_CHECK;
struct view arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
struct arena_mark arena_mark(const struct arena *arena);
void arena_reset(struct arena *arena, struct arena_mark mark);

#endif
