// SPDX-License-Identifier: Apache-2.0
// The simulator's clock, loop handles and run. Time stands still while fibers run and jumps to the
// next timer when none is ready; packets and disk delays are timers like any other, so that the
// order of all that happens comes from one heap and one generator.
#include "io/sim_internal.h"

#include "base/hash.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    START_MS = 1000000,
    OFFLOAD_MS_MAX = 5,
    UNWIND_MS_MAX = 5000,
    // Fibers that yield to each other for ever would stop the clock; a turn that they fill weighs
    // more.
    TURNS_STILL_MAX = 20000,
    BUSY_TURN_WEIGHT = 400
};
static const int64_t wall_start_ms = 1767225600000; // so that runs do not depend on the day

// --- Clock and chance -------------------------------------------------------------------------

static int64_t sim_now_us(void) {
    return sim_here()->now * 1000;
}

static int64_t sim_wall_ms(void) {
    return sim_here()->now - START_MS + sim_here()->wall_offset_ms;
}

static void sim_random(void *out, size_t len) {
    unsigned char *at = out;
    for (size_t i = 0; i < len; i++)
        at[i] = (unsigned char)rng_next(&sim_here()->rng);
}

uint64_t sim_random_below(struct sim *sim, uint64_t limit) {
    return rng_below(&sim->rng, limit);
}

int64_t sim_random_between(struct sim *sim, int64_t low, int64_t high) {
    ASSERT(low <= high);
    return low == high ? low : low + (int64_t)rng_below(&sim->rng, (uint64_t)(high - low) + 1);
}

bool sim_chance(struct sim *sim, unsigned parts_of_10000) {
    return parts_of_10000 > 0 && rng_chance(&sim->rng, parts_of_10000, 10000);
}

void sim_trace(struct sim *sim, uint64_t what, uint64_t number) {
    sim->trace = hash_u64(sim->trace ^ hash_u64(what ^ hash_u64(number)));
}

uint64_t sim_fingerprint(const struct sim *sim) {
    return hash_u64(sim->trace ^ (uint64_t)sim->now ^ sim->rng.state[0]);
}

void sim_wall_step(struct sim *sim, int64_t delta_ms) {
    sim->wall_offset_ms += delta_ms;
}

void sim_delay(io_time until, const char *what) {
    fiber_wait_anyway(NULL, until, what);
}

static void sim_offload(void (*work)(void *arg), void *arg) {
    struct sim *sim = sim_here();
    sim_delay(sim->now + sim_random_between(sim, 0, OFFLOAD_MS_MAX), "pool");
    io_no_switch_begin(); // a pool thread has no fibers either
    work(arg);
    io_no_switch_end();
}

// --- Running ----------------------------------------------------------------------------------

static void move_clock(struct sim *sim, io_time to) {
    ASSERT(to != IO_NEVER);
    if (to > sim->now) {
        sim->now = to;
        sim->n_turns_still = 0;
    } else {
        sim->n_turns_still += sim->loop->slices_left == 0 ? BUSY_TURN_WEIGHT : 1;
    }
    if (sim->n_turns_still > TURNS_STILL_MAX) {
        sim->now++;
        sim->n_turns_still = 0;
    }
    sim->loop->now = sim->now;
    sim_trace(sim, (uint64_t)sim->now, sim->loop->switches);
}

static void sim_poll(struct io_loop *loop, io_time until) {
    move_clock(loop->sim, until);
}

static void sim_wake(struct io_loop *loop) {
    ASSERT(loop == io_this_loop); // a simulated run has one thread
}

// To the next thing that happens; false: there is none until then.
static bool advance(struct sim *sim, io_time until) {
    struct io_loop *loop = sim->loop;
    bool is_busy = !list_is_empty(&loop->ready) || loop_has_notes(loop);
    io_time next = is_busy ? sim->now : timer_next(loop);
    if (next > until && until != IO_NEVER)
        move_clock(sim, until);
    if (next > until || next == IO_NEVER)
        return false;
    move_clock(sim, next);
    return true;
}

void sim_run(struct sim *sim, io_time until) {
    ASSERT(sim->loop == io_this_loop && !sim->loop->current);
    sim->is_stopped = false;
    do
        loop_turn(sim->loop);
    while (!sim->is_stopped && (sim->loop->fibers_now > 0 || loop_has_notes(sim->loop)) &&
           advance(sim, until));
}

static struct list *choose_ready(struct io_loop *loop) {
    struct list *node = loop->ready.next;
    ASSERT(node != &loop->ready);
    while (node->next != &loop->ready && sim_chance(loop->sim, loop->sim->shuffle))
        node = node->next;
    list_remove(node);
    return node;
}

void sim_shuffle(struct sim *sim, unsigned parts_of_10000) {
    ASSERT(parts_of_10000 < 10000); // or the first would never run
    sim->shuffle = parts_of_10000;
    sim->loop->choose = parts_of_10000 > 0 ? choose_ready : NULL;
}

void sim_stop(struct sim *sim) {
    sim->is_stopped = true;
}

// A fiber that runs its own loop waits for the others.
static size_t n_callers(const struct io_loop *home) {
    return io_this_loop->current && io_this_loop->current->home == home ? 1 : 0;
}

static bool goes_on(struct io_loop *home, size_t n_rest) {
    return !atomic_load(&home->is_stopping) && home->n_fibers > n_rest;
}

static void sim_run_inside(struct io_loop *home) {
    size_t n_rest = n_callers(home);
    if (io_this_loop->current) {
        while (goes_on(home, n_rest))
            if (fiber_wait(&home->idle, IO_NEVER, "loop") == IO_CANCELED)
                break;
    } else {
        do
            loop_turn(home->real);
        while (goes_on(home, n_rest) && advance(home->real->sim, IO_NEVER));
    }
    atomic_store(&home->is_stopping, false);
}

// --- Handles ----------------------------------------------------------------------------------

static struct io_loop *create_home(struct sim *sim, const struct io_loop_options *options,
                                   struct sim_process *process) {
    struct sim_home *home = mem_alloc_zero(sizeof(*home));
    loop_init_handle(&home->loop, sim->loop, options);
    home->loop.process = process;
    list_init(&home->node);
    list_append(&sim->homes, &home->node);
    return &home->loop;
}

struct sim_process *sim_process_here(void) {
    return loop_home(io_this_loop)->process;
}

// The program makes its loop where it already stands on one.
static struct io_loop *sim_create_inside(const struct io_loop_options *options) {
    return loop_home(io_this_loop);
}

static struct io_loop *sim_start_thread(const struct io_loop_options *options,
                                        struct error *error) {
    return create_home(sim_here(), options, sim_process_here());
}

static void discard_others(struct io_loop *home) {
    struct list discarded;
    list_init(&discarded);
    LIST_FOR_EACH_SAFE (node, following, &home->fibers) {
        struct io_fiber *fiber = CONTAINER_OF(node, struct io_fiber, sibling);
        if (fiber != home->real->current)
            fiber_discard(fiber, &discarded);
    }
    fiber_recycle_all(home->real, &discarded);
}

// What loop_unwind does, for a fiber that must not hold up the one thread: it parks meanwhile.
static void unwind_from_fiber(struct io_loop *home) {
    size_t n_rest = n_callers(home);
    io_time give_up = io_after(UNWIND_MS_MAX);
    home->is_ending = true;
    LIST_FOR_EACH (node, &home->fibers) {
        struct io_fiber *fiber = CONTAINER_OF(node, struct io_fiber, sibling);
        if (fiber != home->real->current)
            io_cancel(fiber);
    }
    while (home->n_fibers > n_rest && home->real->now < give_up)
        fiber_wait_anyway(&home->idle, give_up, "end of a loop");
    discard_others(home);
    home->is_ending = false;
}

static void sim_destroy_inside(struct io_loop *home) {
    if (io_this_loop->current)
        unwind_from_fiber(home);
    else
        loop_unwind(home);
}

// The handle itself stays until the end of the run: orders on their way may name it.
static void sim_join_thread(struct io_loop *home) {
    ASSERT(home->real != home && n_callers(home) == 0);
    sim_destroy_inside(home);
    home->is_killed = true;
}

static void sim_watch_signals(struct io_loop *loop, void (*handler)(int signal, void *arg),
                              void *arg) {
}

static bool sim_tcp_info(struct io_stream *stream, struct io_tcp_info *info) {
    return false;
}

static bool sim_peer_ids(struct io_stream *stream, uid_t *uid, gid_t *gid) {
    if (stream->peer.family != ADDRESS_UNIX)
        return false;
    *uid = geteuid();
    *gid = getegid();
    return true;
}

static int sim_descriptor(struct io_stream *stream) {
    return -1;
}

static void sim_finish(struct io_loop *loop) {
}

// --- Processes --------------------------------------------------------------------------------

struct sim_process *sim_process_start(struct sim *sim, const char *name, void (*run)(void *arg),
                                      void *arg) {
    ASSERT(sim->loop == io_this_loop && run);
    struct sim_process *process = mem_alloc_zero(sizeof(*process));
    process->sim = sim;
    process->name = name;
    list_init(&process->node);
    list_append(&sim->processes, &process->node);
    process->root = create_home(sim, &(struct io_loop_options){.name = name}, process);
    fiber_create(process->root, name, run, arg);
    return process;
}

static bool is_home_of(const struct sim_home *home, const struct sim_process *process) {
    return home->loop.process == process;
}

bool sim_process_is_running(const struct sim_process *process) {
    LIST_FOR_EACH (node, &process->sim->homes) {
        struct sim_home *home = CONTAINER_OF(node, struct sim_home, node);
        if (is_home_of(home, process) && home->loop.n_fibers > 0)
            return true;
    }
    return false;
}

void sim_process_kill_at_disk_op(struct sim_process *process, uint64_t n, bool power_cut) {
    process->n_disk_ops_left = n;
    process->is_power_cut = power_cut;
}

static void kill_fibers(struct io_loop *home, struct list *discarded) {
    home->is_killed = true;
    while (!list_is_empty(&home->fibers)) {
        struct io_fiber *fiber = CONTAINER_OF(home->fibers.next, struct io_fiber, sibling);
        fiber->is_killed = true;
        fiber_discard(fiber, discarded);
    }
}

static void kill_timers(struct io_loop *real, const struct sim_process *process) {
    for (size_t i = 0; i < real->timers.n_nodes;) {
        struct io_timer *timer = CONTAINER_OF(real->timers.nodes[i], struct io_timer, node);
        if (timer->home->process == process) {
            heap_remove(&real->timers, &timer->node);
            i = 0; // the heap has moved
        } else {
            i++;
        }
    }
}

void sim_process_kill(struct sim_process *process, bool power_cut) {
    struct sim *sim = process->sim;
    struct io_fiber *self = sim->loop->current;
    bool is_suicide = self && self->home->process == process;
    struct list discarded;
    if (process->is_killed)
        return;
    list_init(&discarded);
    process->is_killed = true;
    sim_trace(sim, 'k', power_cut);
    LIST_FOR_EACH (node, &sim->homes) {
        struct sim_home *home = CONTAINER_OF(node, struct sim_home, node);
        if (is_home_of(home, process))
            kill_fibers(&home->loop, &discarded);
    }
    kill_timers(sim->loop, process);
    sim_net_kill(sim, process);
    sim_disk_kill(sim, process, power_cut);
    if (is_suicide)
        list_remove(&self->sibling);
    fiber_recycle_all(sim->loop, &discarded);
    if (is_suicide)
        fiber_leave(self);
}

// --- Life -------------------------------------------------------------------------------------

const struct io_backend io_backend_sim = {
    .name = "sim",
    .now_us = sim_now_us,
    .wall_ms = sim_wall_ms,
    .random = sim_random,
    .poll = sim_poll,
    .wake = sim_wake,
    .finish = sim_finish,
    .create_inside = sim_create_inside,
    .run_inside = sim_run_inside,
    .destroy_inside = sim_destroy_inside,
    .start_thread = sim_start_thread,
    .join_thread = sim_join_thread,
    .watch_signals = sim_watch_signals,
    .connect = sim_connect,
    .connect_unix = sim_connect_unix,
    .listen = sim_listen,
    .listen_unix = sim_listen_unix,
    .offload = sim_offload,
    .tcp_info = sim_tcp_info,
    .peer_ids = sim_peer_ids,
    .descriptor = sim_descriptor,
    .disk = sim_disk,
    .close_dir = sim_close_dir,
    .close_file = sim_close_file,
};

struct sim *sim_create(uint64_t seed) {
    struct sim *sim = mem_alloc_zero(sizeof(*sim));
    rng_init(&sim->rng, seed);
    sim->trace = seed;
    sim->now = START_MS;
    sim->wall_offset_ms = wall_start_ms;
    list_init(&sim->homes);
    list_init(&sim->processes);
    list_init(&sim->rules);
    list_init(&sim->listeners);
    list_init(&sim->connections);
    list_init(&sim->folders);
    list_init(&sim->inodes);
    list_init(&sim->open_dirs);
    list_init(&sim->open_files);
    sim->loop = loop_create_real(&io_backend_sim, &(struct io_loop_options){.name = "sim"});
    sim->loop->sim = sim;
    sim->loop->now = sim->now;
    return sim;
}

static void free_homes(struct sim *sim) {
    struct list *node;
    while ((node = list_pop(&sim->homes)))
        loop_free_handle(&CONTAINER_OF(node, struct sim_home, node)->loop);
    while ((node = list_pop(&sim->processes)))
        free(CONTAINER_OF(node, struct sim_process, node));
}

void sim_destroy(struct sim *sim) {
    struct io_loop *real = sim->loop;
    ASSERT(real == io_this_loop && !real->current);
    LIST_FOR_EACH (node, &sim->homes)
        loop_unwind(&CONTAINER_OF(node, struct sim_home, node)->loop);
    loop_unwind(real);
    sim_net_free(sim);
    sim_disk_free(sim);
    loop_finish(real);
    loop_free_handle(real);
    free_homes(sim);
    free(sim);
}
