// SPDX-License-Identifier: Apache-2.0
// The loop: orders from other threads, due timers, ready fibers, then a wait in the back end. A
// loop is stopped, unwound and freed by the thread that made it; loops of threads are freed by the
// joiner.
#include "io/backend_internal.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

enum { UNWIND_MS_MAX = 5000, UNWIND_AGAIN_MS_MAX = 500, UNWIND_TURNS_MIN = 64 };

// Every loop and handle, for gdb. Walked by nothing in the program.
struct list io_all_loops = {&io_all_loops, &io_all_loops};
static pthread_mutex_t all_loops_lock = PTHREAD_MUTEX_INITIALIZER;

static struct note inbox_sleeping;
#define INBOX_SLEEPING (&inbox_sleeping)

// --- Orders -----------------------------------------------------------------------------------

void loop_send(struct io_loop *real, struct note *note) {
    struct note *head = atomic_load_explicit(&real->inbox.head, memory_order_relaxed);
    do
        note->next = head == INBOX_SLEEPING ? NULL : head;
    while (!atomic_compare_exchange_weak_explicit(&real->inbox.head, &head, note,
                                                  memory_order_acq_rel, memory_order_relaxed));
    if (head == INBOX_SLEEPING)
        real->backend->wake(real);
}

static void wake_if_asleep(struct io_loop *real) {
    struct note *asleep = INBOX_SLEEPING;
    if (atomic_compare_exchange_strong(&real->inbox.head, &asleep, NULL))
        real->backend->wake(real);
}

bool loop_has_notes(struct io_loop *real) {
    struct note *head = atomic_load_explicit(&real->inbox.head, memory_order_relaxed);
    return head && head != INBOX_SLEEPING;
}

bool loop_begin_sleep(struct io_loop *real) {
    struct note *none = NULL;
    if (!atomic_compare_exchange_strong(&real->inbox.head, &none, INBOX_SLEEPING))
        return false;
    // Who sets the flag later than this line sees the sleeper.
    if (!atomic_load(&real->is_stopping))
        return true;
    loop_end_sleep(real);
    return false;
}

void loop_end_sleep(struct io_loop *real) {
    struct note *asleep = INBOX_SLEEPING;
    if (!atomic_compare_exchange_strong(&real->inbox.head, &asleep, NULL))
        real->n_wakes_due++;
}

static void take_orders(struct io_loop *real) {
    if (!loop_has_notes(real))
        return;
    struct note *newest = atomic_exchange_explicit(&real->inbox.head, NULL, memory_order_acquire);
    struct note *oldest = NULL;
    while (newest) {
        struct note *note = newest;
        newest = note->next;
        note->next = oldest;
        oldest = note;
    }
    while (oldest) {
        struct note *note = oldest;
        oldest = note->next; // the call may free it
        real->callback_home = note->home;
        note->call(note);
    }
    real->callback_home = real;
}

struct posted {
    struct note note;
    const char *fiber_name; // NULL: a plain call
    void (*call)(void *arg);
    void *arg;
};

static void run_posted(struct note *note) {
    struct posted *posted = CONTAINER_OF(note, struct posted, note);
    if (note->home->is_killed) {
        free(posted);
        return;
    }
    if (posted->fiber_name)
        fiber_create(note->home, posted->fiber_name, posted->call, posted->arg);
    else
        posted->call(posted->arg);
    free(posted);
}

static void send_posted(struct io_loop *loop, const char *fiber_name, void (*call)(void *arg),
                        void *arg) {
    struct posted *posted = mem_alloc_zero(sizeof(*posted));
    posted->note.call = run_posted;
    posted->note.home = loop;
    posted->fiber_name = fiber_name;
    posted->call = call;
    posted->arg = arg;
    loop_send(loop->real, &posted->note);
}

void io_loop_post(struct io_loop *loop, void (*call)(void *arg), void *arg) {
    ASSERT(loop && call);
    send_posted(loop, NULL, call, arg);
}

void io_spawn_on(struct io_loop *loop, const char *name, void (*run)(void *arg), void *arg) {
    ASSERT(loop && name && run);
    send_posted(loop, name, run, arg);
}

// --- Life -------------------------------------------------------------------------------------

void loop_init_handle(struct io_loop *loop, struct io_loop *real,
                      const struct io_loop_options *options) {
    loop->real = real;
    loop->backend = real->backend;
    if (options)
        loop->options = *options;
    list_init(&loop->fibers);
    list_init(&loop->idle);
    list_init(&loop->everywhere);
    pthread_mutex_lock(&all_loops_lock);
    list_append(&io_all_loops, &loop->everywhere);
    pthread_mutex_unlock(&all_loops_lock);
}

void loop_free_handle(struct io_loop *loop) {
    pthread_mutex_lock(&all_loops_lock);
    list_remove(&loop->everywhere);
    pthread_mutex_unlock(&all_loops_lock);
    free(loop);
}

struct io_loop *loop_create_real(const struct io_backend *backend,
                                 const struct io_loop_options *options) {
    ASSERT(!io_this_loop);
    struct io_loop *loop = mem_alloc_zero(sizeof(*loop));
    loop->backend = backend;
    loop_init_handle(loop, loop, options);
    context_init_thread(&loop->context);
    loop->callback_home = loop;
    list_init(&loop->ready);
    list_init(&loop->warm);
    list_init(&loop->cold);
    heap_init(&loop->timers);
    io_this_loop = loop;
    log_set_clock(io_wall_ms);
    return loop;
}

struct io_loop *loop_home(struct io_loop *real) {
    return real->current ? real->current->home : real->callback_home;
}

struct io_loop *io_loop_current(void) {
    return io_this_loop ? loop_home(io_this_loop) : NULL;
}

struct io_loop *io_loop_create(const struct io_loop_options *options, struct error *error) {
    if (io_this_loop && io_this_loop->backend->create_inside)
        return io_this_loop->backend->create_inside(options);
    return io_backend_epoll.create(options, error);
}

struct io_loop *io_loop_start_thread(const struct io_loop_options *options, struct error *error) {
    return backend_here()->start_thread(options, error);
}

void io_loop_join_thread(struct io_loop *loop) {
    if (loop)
        loop->backend->join_thread(loop);
}

void io_loop_watch_signals(struct io_loop *loop, void (*handler)(int signal, void *arg),
                           void *arg) {
    ASSERT(loop->real == io_this_loop && handler);
    loop->backend->watch_signals(loop, handler, arg);
}

struct io_loop_counts io_loop_counts(const struct io_loop *loop) {
    const struct io_loop *real = loop->real;
    return (struct io_loop_counts){
        .fibers_now = atomic_load_explicit(&real->fibers_now, memory_order_relaxed),
        .fibers_peak = atomic_load_explicit(&real->fibers_peak, memory_order_relaxed),
        .switches = atomic_load_explicit(&real->switches, memory_order_relaxed),
        .wakeups = atomic_load_explicit(&real->wakeups, memory_order_relaxed)};
}

// --- Running ----------------------------------------------------------------------------------

void loop_turn(struct io_loop *loop) {
    take_orders(loop);
    timer_fire_due(loop);
    fiber_run_ready(loop);
}

static bool may_sleep(struct io_loop *loop) {
    return list_is_empty(&loop->ready) && !loop_has_notes(loop);
}

void io_loop_run(struct io_loop *loop) {
    if (loop->backend->run_inside) {
        loop->backend->run_inside(loop);
        return;
    }
    ASSERT(loop == io_this_loop && !loop->current);
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_acquire)) {
        loop_turn(loop);
        if (loop->n_fibers == 0 && !loop->is_serving && !loop_has_notes(loop))
            break;
        loop->backend->poll(loop, may_sleep(loop) ? timer_next(loop) : loop->now);
    }
    atomic_store(&loop->is_stopping, false);
}

void io_loop_stop(struct io_loop *loop) {
    atomic_store(&loop->is_stopping, true);
    if (loop == io_this_loop)
        return;
    if (loop->real == io_this_loop)
        fiber_wake_all(&loop->idle);
    else
        wake_if_asleep(loop);
}

static void discard_rest(struct io_loop *home) {
    struct list discarded;
    list_init(&discarded);
    while (!list_is_empty(&home->fibers)) {
        struct io_fiber *fiber = CONTAINER_OF(home->fibers.next, struct io_fiber, sibling);
        log_error("io", "fiber %s does not end when it is canceled (it waits for: %s)", fiber->name,
                  fiber->waits_for ? fiber->waits_for : "its turn");
        fiber_discard(fiber, &discarded);
    }
    fiber_recycle_all(home->real, &discarded);
}

// Others write to the stack of such a fiber: it cannot be discarded.
static bool is_uncancelable(const struct io_fiber *fiber) {
    return fiber->waits_for && !fiber->is_wait_cancelable;
}

// One that clears its cancel has more to do; one that does not and goes on all the same is
// stubborn.
static bool is_worth_waiting(const struct io_loop *home, bool is_late) {
    LIST_FOR_EACH (node, &home->fibers) {
        struct io_fiber *fiber = CONTAINER_OF(node, struct io_fiber, sibling);
        if (is_uncancelable(fiber) || (!fiber->is_canceled && !is_late))
            return true;
    }
    return false;
}

static void cancel_all(struct io_loop *home) {
    LIST_FOR_EACH (node, &home->fibers)
        io_cancel(CONTAINER_OF(node, struct io_fiber, sibling));
}

// Runs the loop until the home has no fiber left or the time is over.
static void run_out(struct io_loop *home, int64_t ms_max) {
    struct io_loop *real = home->real;
    io_time give_up = io_after(ms_max);
    for (int turns = 0;; turns++) {
        loop_turn(real);
        if (home->n_fibers == 0 && !loop_has_notes(real))
            return;
        if (turns >= UNWIND_TURNS_MIN && !is_worth_waiting(home, real->now >= give_up))
            return;
        io_time until = int64_min(timer_next(real), give_up);
        real->backend->poll(real, may_sleep(real) ? until : real->now);
    }
}

void loop_unwind(struct io_loop *home) {
    ASSERT(home->real == io_this_loop && !home->real->current);
    home->is_ending = true;
    cancel_all(home);
    run_out(home, UNWIND_MS_MAX); // one that clears its cancel may say good-bye first
    cancel_all(home);
    run_out(home, UNWIND_AGAIN_MS_MAX);
    discard_rest(home);
    home->is_ending = false;
}

void loop_finish(struct io_loop *real) {
    ASSERT(real == io_this_loop && real->real == real);
    loop_unwind(real);
    while (real->n_notes_due > 0) {
        take_orders(real);
        real->backend->poll(real, real->now + 1);
    }
    real->backend->finish(real);
    fiber_free_all(real);
    stack_pool_finish(&real->stacks);
    heap_finish(&real->timers);
    io_this_loop = NULL;
}

void io_loop_destroy(struct io_loop *loop) {
    if (!loop)
        return;
    if (loop->backend->destroy_inside) {
        loop->backend->destroy_inside(loop);
        return;
    }
    loop_finish(loop);
    loop_free_handle(loop);
}
