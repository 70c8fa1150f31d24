// SPDX-License-Identifier: Apache-2.0
// Timers of a loop in one heap: the deadline of each waiting fiber and the io_timers of libraries.
// Most waits end long before their deadline and the next one's is later, so a fiber's timer stays
// where it is when the wait ends; it is moved or dropped only when it comes to the top.
#include "io/fiber_internal.h"

static struct io_timer *timer_of(struct heap_node *node) {
    return CONTAINER_OF(node, struct io_timer, node);
}

// A timer without `fire` is a fiber's deadline.
static struct io_fiber *fiber_of(struct io_timer *timer) {
    return timer->fire ? NULL : timer->arg;
}

void fiber_timer_arm(struct io_loop *loop, struct io_fiber *fiber) {
    if (fiber->deadline == IO_NEVER)
        return;
    struct heap_node *node = &fiber->timer.node;
    if (heap_contains(node) && node->key <= fiber->deadline)
        return;
    heap_remove(&loop->timers, node);
    heap_insert(&loop->timers, node, fiber->deadline);
}

// Moves a fiber's timer that came to the top too early; false when it stands as it should.
static bool settle_stale(struct io_loop *loop, struct io_timer *timer) {
    struct io_fiber *fiber = fiber_of(timer);
    if (!fiber || (fiber->waits_for && fiber->deadline == timer->node.key))
        return false;
    heap_remove(&loop->timers, &timer->node);
    if (fiber->waits_for)
        fiber_timer_arm(loop, fiber);
    return true;
}

io_time timer_next(struct io_loop *loop) {
    struct heap_node *node;
    while ((node = heap_first(&loop->timers)))
        if (!settle_stale(loop, timer_of(node)))
            return node->key;
    return IO_NEVER;
}

static void fire(struct io_loop *loop, struct io_timer *timer) {
    heap_remove(&loop->timers, &timer->node);
    struct io_fiber *fiber = fiber_of(timer);
    if (fiber) {
        fiber_wake(fiber, IO_TIMEOUT);
        return;
    }
    loop->callback_home = timer->home;
    timer->fire(timer->arg);
    loop->callback_home = loop;
}

void timer_fire_due(struct io_loop *loop) {
    uint64_t last_order = loop->timers.next_order; // one set meanwhile waits for the next turn
    while (timer_next(loop) <= loop->now) {
        struct heap_node *node = heap_first(&loop->timers);
        if (node->order >= last_order)
            break;
        fire(loop, timer_of(node));
    }
}

void timer_set_home(struct io_timer *timer, struct io_loop *home, io_time at) {
    struct io_loop *loop = home->real;
    ASSERT(loop == io_this_loop && timer->fire);
    heap_remove(&loop->timers, &timer->node);
    timer->home = home;
    if (at != IO_NEVER)
        heap_insert(&loop->timers, &timer->node, at);
}

void io_timer_init(struct io_timer *timer, void (*fire_call)(void *arg), void *arg) {
    ASSERT(fire_call);
    *timer = (struct io_timer){.fire = fire_call, .arg = arg};
}

void io_timer_set(struct io_timer *timer, io_time at) {
    ASSERT(io_this_loop);
    timer_set_home(timer, loop_home(io_this_loop), at);
}

void io_timer_stop(struct io_timer *timer) {
    if (!heap_contains(&timer->node))
        return;
    ASSERT(timer->home->real == io_this_loop);
    heap_remove(&timer->home->real->timers, &timer->node);
}
