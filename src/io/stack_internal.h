// SPDX-License-Identifier: Apache-2.0
// Stacks of fibers: 64 KB of lazily touched memory above a guard page, cut from slabs. A slab is
// one mapping where the kernel has light guard pages (MADV_GUARD_INSTALL, Linux 6.13); before that
// each stack takes two of vm.max_map_count.
#ifndef IO_STACK_INTERNAL_H
#define IO_STACK_INTERNAL_H

#include "io/context_internal.h"

struct stack {
    unsigned char *bottom; // above the guard page
    size_t size;           // from there; differs a little between stacks to spread cache sets
    unsigned valgrind_id;
};

struct stack_slab;
struct stack_pool {
    struct stack_slab *slabs;
    size_t n_cut; // stacks handed out of the newest slab
    bool is_kept; // never unmapped: a tool must go on seeing what killed fibers point to
};

void stack_pool_finish(struct stack_pool *pool);
// False with errno when the kernel gives no memory.
bool stack_pool_cut(struct stack_pool *pool, struct stack *stack);
// Gives its pages back to the kernel; the stack can be used again.
void stack_release_pages(const struct stack *stack);
// Forgets what a context that never returned left in ASan's shadow.
void stack_unpoison(const struct stack *stack);

#endif
