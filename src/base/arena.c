// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Many arenas hold a few names and no more.
enum { ARENA_FIRST_BYTES = 1024, ARENA_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t size_max) {
    ASSERT(size_max > 0);
    *arena = (struct arena){.size_max = size_max};
}

void arena_finish(struct arena *arena) {
    arena_reset(arena, (struct arena_mark){0});
}

static size_t round_up(size_t size) {
    size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

static bool grow(struct arena *arena, size_t size) {
    size_t usual = arena->blocks ? ARENA_BLOCK_BYTES : ARENA_FIRST_BYTES;
    size_t bytes = size_max(size, usual - sizeof(struct arena_block));
    struct arena_block *block = mem_alloc(sizeof(*block) + bytes);
    *block = (struct arena_block){.older = arena->blocks, .size = bytes};
    arena->blocks = block;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > arena->size_max)
        return NULL;
    size = round_up(size_max(size, 1));
    if (arena->used_total + size > arena->size_max)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        grow(arena, size);
        block = arena->blocks;
    }
    void *pointer = block->bytes + block->used;
    block->used += size;
    arena->used_total += size;
    return memset(pointer, 0, size);
}

struct view arena_copy(struct arena *arena, struct view view) {
    char *copy = arena_alloc(arena, view.len + 1);
    if (!copy)
        return VIEW_NONE;
    if (view.len)
        memcpy(copy, view.ptr, view.len);
    return view_from(copy, view.len);
}

// Most texts are short: they are made once and copied, only longer ones are made twice.
struct view arena_printf(struct arena *arena, const char *format, ...) {
    char piece[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text && (size_t)len < sizeof(piece))
        memcpy(text, piece, (size_t)len + 1);
    else if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text ? view_from(text, (size_t)len) : VIEW_NONE;
}

struct arena_mark arena_mark(const struct arena *arena) {
    struct arena_block *block = arena->blocks;
    return (struct arena_mark){block, block ? block->used : 0, arena->used_total};
}

void arena_reset(struct arena *arena, struct arena_mark mark) {
    while (arena->blocks != mark.block) {
        struct arena_block *block = arena->blocks;
        ASSERT(block != NULL);
        arena->blocks = block->older;
        free(block);
    }
    if (mark.block)
        mark.block->used = mark.used;
    arena->used_total = mark.used_total;
}
