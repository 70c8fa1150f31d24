// SPDX-License-Identifier: Apache-2.0
// Fibers: how one starts, parks, wakes and ends. A parked fiber hands the thread straight to the
// next ready one; only after a number of slices, or when none is ready, does the loop get its turn.
#include "io/fiber_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICES_A_TURN = 128,     // fibers run between two looks at the network and the clock
    OPERATIONS_A_SLICE = 64, // verbs that need not wait before a fiber lets others run
    WARM_STACKS = 256        // free stacks that keep their pages
};

_Thread_local struct io_loop *io_this_loop;
static _Thread_local unsigned no_switch_depth;
static struct list killed_fibers = {&killed_fibers, &killed_fibers};

void io_no_switch_begin(void) {
    no_switch_depth++;
}

void io_no_switch_end(void) {
    ASSERT(no_switch_depth > 0);
    no_switch_depth--;
}

struct io_fiber *io_fiber_current(void) {
    return io_this_loop ? io_this_loop->current : NULL;
}

static void group_forget(struct io_fiber *fiber) {
    struct io_group *group = fiber->group;
    if (!group)
        return;
    ASSERT(group->n_members > 0);
    list_remove(&fiber->group_node);
    fiber->group = NULL;
    if (--group->n_members == 0)
        fiber_wake_all(&group->waiters);
}

// Out of every book; the stack is still there.
static void sign_off(struct io_fiber *fiber) {
    struct io_loop *home = fiber->home, *loop = home->real;
    heap_remove(&loop->timers, &fiber->timer.node);
    list_remove(&fiber->node);
    list_remove(&fiber->sibling);
    ASSERT(home->n_fibers > 0);
    home->n_fibers--;
    atomic_store_explicit(&loop->fibers_now, loop->fibers_now - 1, memory_order_relaxed);
    group_forget(fiber);
    fiber->waits_for = NULL;
    fiber_wake_all(&home->idle);
}

_Noreturn void fiber_leave(struct io_fiber *fiber) {
    struct io_loop *loop = fiber->home->real;
    ASSERT(loop == io_this_loop && loop->current == fiber);
    loop->dead = fiber;
    loop->current = NULL;
    context_leave(&fiber->context, &loop->context);
}

static void fiber_main(void *arg) {
    struct io_fiber *fiber = arg;
    fiber->run(fiber->arg);
    ASSERT(no_switch_depth == 0);
    struct io_loop *loop = fiber->home->real;
    ASSERT(loop == io_this_loop && loop->current == fiber);
    sign_off(fiber);
    fiber_leave(fiber);
}

static struct io_fiber *take_free(struct io_loop *loop) {
    struct list *node = list_pop(&loop->warm);
    if (node)
        loop->n_warm--;
    else
        node = list_pop(&loop->cold);
    if (node)
        return CONTAINER_OF(node, struct io_fiber, sibling);
    struct io_fiber *fiber = mem_alloc_zero(sizeof(*fiber));
    if (!stack_pool_cut(&loop->stacks, &fiber->stack)) {
        log_error("io", "no memory for the stack of one more fiber: %s", strerrordesc_np(errno));
        abort();
    }
    list_init(&fiber->sibling);
    return fiber;
}

struct io_fiber *fiber_create(struct io_loop *home, const char *name, void (*run)(void *arg),
                              void *arg) {
    struct io_loop *loop = home->real;
    ASSERT(loop == io_this_loop && run);
    struct io_fiber *fiber = take_free(loop);
    list_init(&fiber->node);
    list_init(&fiber->group_node);
    fiber->name = name;
    fiber->home = home;
    fiber->run = run;
    fiber->arg = arg;
    fiber->group = NULL;
    fiber->waits_for = NULL;
    fiber->is_canceled = home->is_ending;
    fiber->is_killed = false;
    fiber->serial = loop->next_serial++;
    fiber->timer = (struct io_timer){.fire = NULL, .arg = fiber, .home = home};
    context_init(&fiber->context, fiber->stack.bottom, fiber->stack.size, fiber_main, fiber);
    list_append(&home->fibers, &fiber->sibling);
    list_append(&loop->ready, &fiber->node);
    home->n_fibers++;
    uint64_t now = loop->fibers_now + 1;
    atomic_store_explicit(&loop->fibers_now, now, memory_order_relaxed);
    if (now > loop->fibers_peak)
        atomic_store_explicit(&loop->fibers_peak, now, memory_order_relaxed);
    return fiber;
}

struct io_fiber *io_spawn(const char *name, void (*run)(void *arg), void *arg) {
    ASSERT(io_this_loop);
    return fiber_create(loop_home(io_this_loop), name, run, arg);
}

static void fiber_recycle(struct io_loop *loop, struct io_fiber *fiber) {
    context_finish(&fiber->context);
    if (IO_ASAN && fiber->is_killed) {
        // Its memory was not unwound and is no leak: it stays in sight of the tool.
        loop->stacks.is_kept = true;
        list_append(&killed_fibers, &fiber->sibling);
        return;
    }
    stack_unpoison(&fiber->stack);
    // A tool that looks for leaks must not find pointers on dead stacks.
    if (IO_ASAN || loop->n_warm >= WARM_STACKS) {
        stack_release_pages(&fiber->stack);
        list_prepend(&loop->cold, &fiber->sibling);
        return;
    }
    list_prepend(&loop->warm, &fiber->sibling);
    loop->n_warm++;
}

void fiber_discard(struct io_fiber *fiber, struct list *discarded) {
    sign_off(fiber);
    list_append(discarded, &fiber->sibling);
}

void fiber_recycle_all(struct io_loop *loop, struct list *discarded) {
    struct list *node;
    while ((node = list_pop(discarded)))
        fiber_recycle(loop, CONTAINER_OF(node, struct io_fiber, sibling));
}

void fiber_free_all(struct io_loop *loop) {
    struct list *node;
    list_append_all(&loop->cold, &loop->warm);
    while ((node = list_pop(&loop->cold)))
        free(CONTAINER_OF(node, struct io_fiber, sibling));
    loop->n_warm = 0;
}

static void switch_to(struct io_loop *loop, struct io_fiber *to) {
    struct context *from = loop->current ? &loop->current->context : &loop->context;
    loop->current = to;
    loop->operations_left = OPERATIONS_A_SLICE;
    count_up(&loop->switches);
    context_switch(from, to ? &to->context : &loop->context);
}

static struct io_fiber *take_ready(struct io_loop *loop) {
    struct list *node = loop->choose ? loop->choose(loop) : list_pop(&loop->ready);
    ASSERT(node && loop->slices_left > 0);
    loop->slices_left--;
    return fiber_of_node(node);
}

void fiber_run_ready(struct io_loop *loop) {
    ASSERT(!loop->current);
    loop->slices_left = SLICES_A_TURN;
    while (!list_is_empty(&loop->ready) && loop->slices_left > 0) {
        switch_to(loop, take_ready(loop));
        if (loop->dead)
            fiber_recycle(loop, loop->dead);
        loop->dead = NULL;
    }
}

// Returns when the fiber has been taken from the ready list again.
static void park(struct io_loop *loop, struct io_fiber *self) {
    struct io_fiber *next = NULL;
    if (loop->slices_left > 0 && !list_is_empty(&loop->ready))
        next = take_ready(loop);
    if (next == self)
        loop->operations_left = OPERATIONS_A_SLICE;
    else
        switch_to(loop, next);
    ASSERT(loop->current == self);
}

static struct io_loop *loop_of_waiter(void) {
    struct io_loop *loop = io_this_loop;
    ASSERT(loop && loop->current); // a function marked IO_WAITS was called outside a fiber
    ASSERT(no_switch_depth == 0);  // or within a library call or callback
    return loop;
}

enum io_status fiber_enter_wait(void) {
    struct io_loop *loop = loop_of_waiter();
    if (!loop->current->is_canceled)
        return IO_OK;
    fiber_spend(loop);
    return IO_CANCELED;
}

// Parks the running fiber; it is woken by fiber_wake.
static enum io_status wait_in(struct io_loop *loop, struct list *waiters, io_time deadline,
                              const char *what) {
    struct io_fiber *self = loop->current;
    self->waits_for = what;
    self->deadline = deadline;
    if (waiters)
        list_append(waiters, &self->node);
    fiber_timer_arm(loop, self);
    park(loop, self);
    ASSERT(!self->waits_for);
    return self->wake_status;
}

enum io_status fiber_wait(struct list *waiters, io_time deadline, const char *what) {
    struct io_loop *loop = loop_of_waiter();
    struct io_fiber *self = loop->current;
    if (self->is_canceled || deadline <= loop->now) {
        fiber_spend(loop);
        return self->is_canceled ? IO_CANCELED : IO_TIMEOUT;
    }
    self->is_wait_cancelable = true;
    return wait_in(loop, waiters, deadline, what);
}

enum io_status fiber_wait_anyway(struct list *waiters, io_time deadline, const char *what) {
    struct io_loop *loop = loop_of_waiter();
    loop->current->is_wait_cancelable = false;
    return wait_in(loop, waiters, deadline, what);
}

void fiber_wake(struct io_fiber *fiber, enum io_status status) {
    struct io_loop *loop = fiber->home->real;
    ASSERT(loop == io_this_loop && fiber->waits_for);
    list_remove(&fiber->node);
    fiber->waits_for = NULL;
    fiber->wake_status = status;
    list_append(&loop->ready, &fiber->node);
}

void fiber_wake_all(struct list *waiters) {
    while (!list_is_empty(waiters))
        fiber_wake(fiber_of_node(waiters->next), IO_OK);
}

void io_yield(void) {
    struct io_loop *loop = loop_of_waiter();
    list_append(&loop->ready, &loop->current->node);
    park(loop, loop->current);
}

void fiber_spend(struct io_loop *loop) {
    if (--loop->operations_left == 0)
        io_yield();
}

struct io_result io_sleep(io_time until) {
    return result_of(fiber_wait(NULL, until, "sleep"));
}

void io_cancel(struct io_fiber *fiber) {
    ASSERT(fiber->home->real == io_this_loop);
    fiber->is_canceled = true;
    if (fiber->waits_for && fiber->is_wait_cancelable)
        fiber_wake(fiber, IO_CANCELED);
}

bool io_is_canceled(void) {
    return io_fiber_current() && io_fiber_current()->is_canceled;
}

void io_cancel_clear(void) {
    ASSERT(io_fiber_current());
    io_fiber_current()->is_canceled = false;
}
