// SPDX-License-Identifier: Apache-2.0
#include "io/stack_internal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif
#if IO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    // The tools make frames several times larger.
    STACK_BYTES = (IO_ASAN || IO_TSAN ? 256 : 64) * 1024,
    SLAB_STACKS = 32,
    COLOURS = 16,
    COLOUR_BYTES = 192
};

struct stack_slab {
    struct stack_slab *next;
    unsigned char *memory;
    size_t size;
    size_t guard_bytes;
    struct stack stacks[SLAB_STACKS];
};

static bool install_guard(unsigned char *page, size_t page_bytes) {
    if (madvise(page, page_bytes, MADV_GUARD_INSTALL) == 0)
        return true;
    return mprotect(page, page_bytes, PROT_NONE) == 0;
}

static void announce(struct stack *stack) {
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->bottom, stack->bottom + stack->size);
#if IO_ASAN
    __lsan_register_root_region(stack->bottom, stack->size);
#endif
}

static void withdraw(struct stack *stack) {
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#if IO_ASAN
    __lsan_unregister_root_region(stack->bottom, stack->size);
    __asan_unpoison_memory_region(stack->bottom, stack->size);
#endif
}

static bool add_slab(struct stack_pool *pool) {
    size_t guard_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = SLAB_STACKS * (guard_bytes + STACK_BYTES);
    unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    madvise(memory, size, MADV_NOHUGEPAGE); // a huge page would make 30 stacks resident at once
    struct stack_slab *slab = mem_alloc_zero(sizeof(*slab));
    slab->memory = memory;
    slab->size = size;
    slab->guard_bytes = guard_bytes;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->n_cut = 0;
    return true;
}

bool stack_pool_cut(struct stack_pool *pool, struct stack *stack) {
    if ((!pool->slabs || pool->n_cut == SLAB_STACKS) && !add_slab(pool))
        return false;
    struct stack_slab *slab = pool->slabs;
    unsigned char *guard = slab->memory + pool->n_cut * (slab->guard_bytes + STACK_BYTES);
    if (!install_guard(guard, slab->guard_bytes))
        return false;
    stack->bottom = guard + slab->guard_bytes;
    stack->size = STACK_BYTES - (pool->n_cut % COLOURS) * COLOUR_BYTES;
    announce(stack);
    slab->stacks[pool->n_cut++] = *stack;
    return true;
}

static struct stack_slab *kept_slabs;

static void keep_slabs(struct stack_pool *pool) {
    while (pool->slabs) {
        struct stack_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        slab->next = kept_slabs;
        kept_slabs = slab;
    }
}

void stack_pool_finish(struct stack_pool *pool) {
    if (pool->is_kept)
        keep_slabs(pool);
    size_t n_cut = pool->n_cut;
    while (pool->slabs) {
        struct stack_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        for (size_t i = 0; i < n_cut; i++)
            withdraw(&slab->stacks[i]);
        n_cut = SLAB_STACKS;
        munmap(slab->memory, slab->size);
        free(slab);
    }
    pool->n_cut = 0;
}

void stack_release_pages(const struct stack *stack) {
    madvise(stack->bottom, STACK_BYTES, MADV_DONTNEED);
}

void stack_unpoison(const struct stack *stack) {
#if IO_ASAN
    __asan_unpoison_memory_region(stack->bottom, stack->size);
#endif
    (void)stack;
}
