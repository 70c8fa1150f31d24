// SPDX-License-Identifier: Apache-2.0
// Loops and fibers from inside: what the parts of io share. A fiber is in one list at most, and the
// list is its state: the loop's `ready`, a list of waiters, or none while it runs.
#ifndef IO_FIBER_INTERNAL_H
#define IO_FIBER_INTERNAL_H

#include "io/io.h"
#include "io/stack_internal.h"

#include <pthread.h>
#include <stdatomic.h>

struct io_backend;
struct sim_process;

// An order to a loop from any thread: the memory is the sender's until `call` runs.
struct note {
    struct note *next;
    void (*call)(struct note *note);
    struct io_loop *home;
};

struct io_fiber {
    struct context context; // first: tools/gdb_fibers.py reads it
    struct list node;       // ready, or among waiters
    const char *name;
    const char *waits_for; // NULL unless parked and not yet woken
    struct io_loop *home;
    enum io_status wake_status;
    bool is_canceled;
    bool is_wait_cancelable;
    bool is_killed;   // with its process, in the simulator
    io_time deadline; // of the present wait
    // May be set earlier than `deadline`: it is moved when it fires, not at each wait.
    struct io_timer timer;
    struct list sibling; // in the home's `fibers`, or free
    struct io_group *group;
    struct list group_node;
    void (*run)(void *arg);
    void *arg;
    uint64_t serial;
    struct stack stack;
};

// Threads that wait in poll leave INBOX_SLEEPING in the inbox; whoever takes it out must wake them.
struct inbox {
    _Atomic(struct note *) head;
};

struct io_loop {
    struct io_loop *real; // itself; in the simulator the one loop behind every handle
    const struct io_backend *backend;
    struct io_loop_options options;
    struct list everywhere; // in io_all_loops, for gdb
    struct list fibers;     // whose home this is
    struct list idle;       // fibers that wait for `fibers` to end or for io_loop_stop (simulator)
    size_t n_fibers;
    atomic_bool is_stopping;
    bool is_serving; // runs without fibers, until stopped
    bool is_ending;  // new fibers are born canceled
    bool is_killed;  // with its process, in the simulator: orders to it are dropped
    struct sim_process *process;
    pthread_t thread; // of io_loop_start_thread

    // From here on: of a real loop only.
    struct context context; // of the thread
    struct io_fiber *current;
    struct io_loop *callback_home; // whose callback runs outside fibers
    struct io_fiber *dead;         // has ended; its stack is free once the thread has left it
    struct list ready;
    struct list *(*choose)(struct io_loop *loop); // takes one of `ready`; NULL: the first
    struct list warm, cold; // free fibers: with the pages of their stacks, and without
    size_t n_warm;
    struct heap timers;
    struct stack_pool stacks;
    io_time now; // when the last poll returned
    unsigned slices_left;
    unsigned operations_left;
    uint64_t next_serial;
    struct inbox inbox;
    size_t n_notes_due;   // notes that other threads are about to send to a mailbox of ours
    uint64_t n_wakes_due; // calls of `wake` that others began since the loop was made
    _Atomic uint64_t fibers_now, fibers_peak, switches, wakeups;
    struct epoll_set *epoll;
    struct sim *sim;
};

extern _Thread_local struct io_loop *io_this_loop; // the real one
extern struct list io_all_loops;

// --- fiber.c
// The start of each verb that waits: asserts the rules, returns IO_CANCELED or IO_OK.
enum io_status fiber_enter_wait(void);
// Parks the running fiber among `waiters` (NULL: none) until fiber_wake or the deadline. `what` is
// static and names the wait.
enum io_status fiber_wait(struct list *waiters, io_time deadline, const char *what);
// The same, but cancel does not end it: for waits on memory that others write to.
enum io_status fiber_wait_anyway(struct list *waiters, io_time deadline, const char *what);
void fiber_wake(struct io_fiber *fiber, enum io_status status);
void fiber_wake_all(struct list *waiters);
// After a verb that did not have to wait: lets others run once in a while.
void fiber_spend(struct io_loop *loop);
struct io_fiber *fiber_create(struct io_loop *home, const char *name, void (*run)(void *arg),
                              void *arg);
// Takes a fiber out of every book, without unwinding it (killed, or it would not end). Stacks hold
// nodes of each other's lists: all are discarded before any is recycled; the running one is left.
void fiber_discard(struct io_fiber *fiber, struct list *discarded);
void fiber_recycle_all(struct io_loop *loop, struct list *discarded);
_Noreturn void fiber_leave(struct io_fiber *fiber);
void fiber_free_all(struct io_loop *loop);
// From the loop's own context.
void fiber_run_ready(struct io_loop *loop);

static inline struct io_fiber *fiber_of_node(struct list *node) {
    return CONTAINER_OF(node, struct io_fiber, node);
}

// --- loop.c
struct io_loop *loop_create_real(const struct io_backend *backend,
                                 const struct io_loop_options *options);
void loop_init_handle(struct io_loop *loop, struct io_loop *real,
                      const struct io_loop_options *options);
void loop_free_handle(struct io_loop *loop);
// Unwinds what is left and gives back all but the handle. On the loop's own thread.
void loop_finish(struct io_loop *real);
// One round: orders, timers, fibers.
void loop_turn(struct io_loop *loop);
// Cancels the fibers of `home` until they have ended; those that do not are reported and discarded.
void loop_unwind(struct io_loop *home);
void loop_send(struct io_loop *real, struct note *note);
bool loop_has_notes(struct io_loop *real);
// Around the sleep of a poll; false: there is something to do.
bool loop_begin_sleep(struct io_loop *real);
void loop_end_sleep(struct io_loop *real);
struct io_loop *loop_home(struct io_loop *real);

// --- timer.c
void timer_set_home(struct io_timer *timer, struct io_loop *home, io_time at);
void timer_fire_due(struct io_loop *loop);
// When the next timer that matters is due; IO_NEVER: none.
io_time timer_next(struct io_loop *loop);
void fiber_timer_arm(struct io_loop *loop, struct io_fiber *fiber);

// --- clock.c
void clock_refresh(struct io_loop *loop);

static inline void count_up(_Atomic uint64_t *count) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline struct io_result result_of(enum io_status status) {
    return (struct io_result){.status = status, .icmp_type = -1, .icmp_code = -1};
}
static inline struct io_result result_moved(enum io_status status, size_t bytes) {
    return (struct io_result){.status = status, .icmp_type = -1, .icmp_code = -1, .bytes = bytes};
}
static inline struct io_result result_errno(int sys_errno) {
    return (struct io_result){
        .status = IO_ERROR, .sys_errno = sys_errno, .icmp_type = -1, .icmp_code = -1};
}

#endif
