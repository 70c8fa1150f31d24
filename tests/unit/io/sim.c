// SPDX-License-Identifier: Apache-2.0
// The simulator: clock, network faults, processes, and that a seed makes one run.
#include "io_test.h"

static struct sim *sim;

static void run_body(void (*body)(void *arg), void *arg, uint64_t seed) {
    sim = sim_create(seed);
    io_spawn("body", body, arg);
    sim_run(sim, IO_NEVER);
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 0);
    sim_destroy(sim);
}

static void run_case(void **state) {
    run_body((void (*)(void *)) * state, NULL, 7);
}

// --- Clock ------------------------------------------------------------------------------------

static void sleep_long(void *arg) {
    io_time before = io_now();
    int64_t wall = io_wall_ms();
    io_sleep(before + 86400000);
    assert_int_equal(io_now() - before, 86400000);
    assert_int_equal(io_wall_ms() - wall, 86400000);
    sim_wall_step(sim, -3600000);
    assert_int_equal(io_wall_ms() - wall, 82800000);
    assert_int_equal(io_now() - before, 86400000);
}

static void spin(void *arg) {
    io_time end = io_after(3);
    while (io_now() < end)
        io_yield();
}

static void run_stops_where_it_is_told(void **state) {
    sim = sim_create(1);
    io_time start = io_now();
    io_spawn("sleeper", sleep_long, NULL);
    sim_run(sim, start + 1000);
    assert_int_equal(io_now(), start + 1000);
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 1);
    sim_run(sim, start + 2000);
    assert_int_equal(io_now(), start + 2000);
    sim_run(sim, IO_NEVER);
    assert_int_equal(io_now(), start + 86400000);
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 0);
    sim_destroy(sim);
    assert_null(io_loop_current());
}

static void stop_run(void *arg) {
    io_sleep(io_after(10));
    sim_stop(sim);
    io_sleep(io_after(10));
}

static void wait_for_nothing(void *arg) {
    io_sleep(IO_NEVER);
}

static void run_ends_by_itself(void **state) {
    sim = sim_create(1);
    io_time start = io_now();
    io_spawn("stopper", stop_run, NULL);
    sim_run(sim, IO_NEVER);
    assert_int_equal(io_now(), start + 10);
    io_spawn("waiter", wait_for_nothing, NULL);
    sim_run(sim, IO_NEVER); // nothing can happen any more
    assert_int_equal(io_now(), start + 20);
    sim_destroy(sim); // cancels the waiter
}

// --- Network ----------------------------------------------------------------------------------

static struct io_listener *listen_on(const char *text, uint16_t port) {
    struct error error;
    struct address where = address_of(text, port);
    struct io_listener *listener = io_listen(&where, false, &error);
    assert_non_null(listener);
    return listener;
}

static struct io_result connect_to(const char *text, uint16_t port, int64_t ms,
                                   struct io_stream **stream) {
    struct address where = address_of(text, port);
    return io_connect(&where, NULL, ms == IO_NEVER ? IO_NEVER : io_after(ms), stream);
}

static struct ends ends_under(const struct sim_net_rule *rule) {
    struct ends ends;
    struct address where = address_of("192.0.2.25", 25);
    sim_net_rule(sim, &where, rule);
    struct io_listener *listener = listen_on("192.0.2.25", 25);
    assert_ok(connect_to("192.0.2.25", 25, 60000, &ends.near));
    assert_ok(io_accept(listener, io_after(1000), &ends.far));
    io_listener_close(listener);
    return ends;
}

static void latency(void *arg) {
    struct sim_net_rule rule = {.latency_ms_min = 100, .latency_ms_max = 100};
    io_time start = io_now();
    struct ends ends = ends_under(&rule);
    assert_int_equal(io_now() - start, 200);
    char byte;
    assert_ok(io_write(ends.near, "x", 1, io_after(1000)));
    assert_int_equal(io_now() - start, 200);
    assert_int_equal(io_read(ends.far, &byte, 1, io_after(99)).status, IO_TIMEOUT);
    assert_ok(io_read(ends.far, &byte, 1, io_after(5)));
    assert_int_equal(io_now() - start, 300);
    ends_close(&ends);
}

static void failed_connects(void *arg) {
    struct io_stream *stream;
    struct address where = address_of("192.0.2.25", 0); // every port
    struct address exact = address_of("192.0.2.25", 465);
    struct io_listener *listener = listen_on("192.0.2.25", 25);
    struct io_listener *other = listen_on("192.0.2.25", 465);
    sim_net_rule(sim, &where, &(struct sim_net_rule){.refuse = 10000});
    sim_net_rule(sim, &exact, &(struct sim_net_rule){.unreachable = 10000});
    assert_int_equal(connect_to("192.0.2.25", 25, 1000, &stream).sys_errno, ECONNREFUSED);
    struct io_result result = connect_to("192.0.2.25", 465, 1000, &stream);
    assert_int_equal(result.sys_errno, EHOSTUNREACH);
    assert_int_equal(result.icmp_type, 3);
    assert_int_equal(result.icmp_code, 1);
    sim_net_rule(sim, &where, &(struct sim_net_rule){.drop_connect = 10000});
    io_time start = io_now();
    assert_int_equal(connect_to("192.0.2.25", 25, 1000, &stream).status, IO_TIMEOUT);
    assert_int_equal(io_now() - start, 1000);
    assert_int_equal(connect_to("192.0.2.25", 25, IO_NEVER, &stream).sys_errno, ETIMEDOUT);
    assert_int_equal(io_now() - start, 128000);
    sim_net_rule(sim, &where, &(struct sim_net_rule){.latency_ms_max = 0});
    assert_ok(connect_to("192.0.2.25", 25, 1000, &stream));
    io_close(stream);
    assert_int_equal(connect_to("192.0.2.26", 25, 1000, &stream).sys_errno, ECONNREFUSED);
    sim_net_default(sim, &(struct sim_net_rule){.unreachable = 10000});
    assert_int_equal(connect_to("192.0.2.26", 25, 1000, &stream).sys_errno, EHOSTUNREACH);
    io_listener_close(listener);
    io_listener_close(other);
}

static void connect_gives_up_on_the_way(void *arg) {
    struct address where = address_of("192.0.2.25", 25);
    struct io_listener *listener = listen_on("192.0.2.25", 25);
    struct io_stream *stream, *far;
    char byte;
    sim_net_rule(sim, &where, &(struct sim_net_rule){.latency_ms_min = 50, .latency_ms_max = 50});
    assert_int_equal(connect_to("192.0.2.25", 25, 70, &stream).status, IO_TIMEOUT);
    assert_null(stream);
    assert_ok(io_accept(listener, io_after(1000), &far)); // it had come, and is gone
    assert_int_equal(io_read(far, &byte, 1, io_after(1000)).sys_errno, ECONNRESET);
    io_close(far);
    io_listener_close(listener);
}

static void resets_hit_both_ends(void *arg) {
    struct ends ends = ends_under(&(struct sim_net_rule){.reset = 10000, .latency_ms_max = 5});
    char byte;
    assert_ok(io_write(ends.near, "x", 1, io_after(1000)));
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(1000)).sys_errno, ECONNRESET);
    assert_int_equal(io_read(ends.far, &byte, 1, io_after(1000)).sys_errno, ECONNRESET);
    assert_int_equal(io_write(ends.far, "x", 1, io_after(1000)).sys_errno, ECONNRESET);
    ends_close(&ends);
}

static void half_open_peers_are_silent(void *arg) {
    struct ends ends = ends_under(&(struct sim_net_rule){.half_open = 10000});
    static const char bytes[1024 * 1024];
    char byte;
    assert_ok(io_write(ends.near, "x", 1, io_after(1000)));
    assert_int_equal(io_read(ends.far, &byte, 1, io_after(600000)).status, IO_TIMEOUT);
    // Nobody acknowledges: at last the window is full.
    assert_int_equal(io_write(ends.near, bytes, sizeof(bytes), io_after(1000)).status, IO_TIMEOUT);
    io_close(ends.near); // the FIN does not arrive either
    assert_int_equal(io_read(ends.far, &byte, 1, io_after(600000)).status, IO_TIMEOUT);
    io_close(ends.far);
}

static void the_road_closes_in_order(void *arg) {
    struct ends ends = ends_under(&(struct sim_net_rule){.close = 10000, .latency_ms_max = 3});
    char bytes[64];
    struct io_result got;
    assert_ok(io_write(ends.near, "0123456789", 10, io_after(1000)));
    size_t n = 0;
    while (io_is_ok(got = io_read(ends.far, bytes, sizeof(bytes), io_after(1000))))
        n += got.bytes;
    assert_int_equal(got.status, IO_EOF);
    assert_true(n <= 10);
    assert_int_equal(io_read(ends.near, bytes, 1, io_after(1000)).status, IO_EOF);
    assert_ok(io_write(ends.near, "x", 1, io_after(1000))); // answered by RST
    io_sleep(io_after(10));
    assert_int_equal(io_write(ends.near, "x", 1, io_after(1000)).sys_errno, EPIPE);
    ends_close(&ends);
}

static void chunks(void *arg) {
    struct sim_net_rule rule = {.chunk_max = 7, .latency_ms_max = 20};
    struct ends ends = ends_under(&rule);
    char sent[500], bytes[500];
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)i;
    assert_ok(io_write(ends.near, sent, sizeof(sent), io_after(1000)));
    io_close(ends.near);
    size_t n = 0, n_reads = 0;
    struct io_result got;
    while (io_is_ok(got = io_read(ends.far, bytes + n, sizeof(bytes) - n + 1, io_after(10000)))) {
        assert_in_range(got.bytes, 1, 7);
        n += got.bytes;
        n_reads++;
    }
    assert_int_equal(got.status, IO_EOF);
    assert_int_equal(n, sizeof(sent));
    assert_memory_equal(sent, bytes, sizeof(sent));
    assert_true(n_reads > 70);
    io_close(ends.far);
}

enum { TOLD_BYTES = 3000 };

static void tell(void *arg) {
    char bytes[TOLD_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    struct io_stream *stream = arg;
    for (size_t done = 0; done < sizeof(bytes); done += 100)
        if (!io_is_ok(io_write(stream, bytes + done, 100, io_after(1000))))
            break;
    io_close(stream);
}

// Whatever befalls a connection: bytes come in order, none twice, none from nowhere. An orderly end
// before the last byte is the road's doing alone.
static void what_arrives_is_a_beginning(void *arg) {
    int n_whole = 0, n_reset = 0, n_silent = 0, n_early = 0;
    for (int i = 0; i < 300; i++) {
        struct sim_net_rule rule = {.latency_ms_max = 30, .chunk_max = 60, .reset = 50};
        rule.half_open = rule.close = 50;
        struct ends ends = ends_under(&rule);
        char bytes[64];
        size_t n = 0;
        struct io_result got;
        io_spawn("tell", tell, ends.near);
        while (io_is_ok(got = io_read(ends.far, bytes, sizeof(bytes), io_after(5000))))
            for (size_t k = 0; k < got.bytes; k++)
                assert_int_equal(bytes[k], (char)(n++ * 7));
        io_close(ends.far);
        assert_true(n <= TOLD_BYTES);
        n_whole += n == TOLD_BYTES;
        n_early += got.status == IO_EOF && n < TOLD_BYTES;
        n_silent += got.status == IO_TIMEOUT;
        n_reset += got.status == IO_ERROR;
    }
    assert_true(n_whole > 10 && n_early > 10 && n_silent > 10 && n_reset > 10);
}

static void cuts_are_silent(void *arg) {
    struct ends ends = ends_under(&(struct sim_net_rule){.latency_ms_min = 5, .latency_ms_max = 5});
    struct address there = address_of("192.0.2.25", 0);
    char byte;
    assert_ok(io_write(ends.near, "x", 1, io_after(1000)));
    sim_net_cut(sim, &there); // also what is on its way
    assert_int_equal(io_read(ends.far, &byte, 1, io_after(1000)).status, IO_TIMEOUT);
    assert_ok(io_write(ends.far, "x", 1, io_after(1000)));
    assert_int_equal(io_read(ends.near, &byte, 1, io_after(1000)).status, IO_TIMEOUT);
    ends_close(&ends);
}

// --- Loops ------------------------------------------------------------------------------------

struct worker {
    struct io_mailbox *mailbox;
    struct io_loop *loop;
    int n_done;
};

static void work(void *arg) {
    struct worker *worker = arg;
    assert_ptr_equal(io_loop_current(), worker->loop);
    while (!io_is_canceled()) {
        struct io_mail *mail = io_mailbox_take_all(worker->mailbox, io_after(1000));
        for (; mail; mail = mail->next)
            worker->n_done++;
    }
}

// A "thread" of the program is a handle of the one loop; joining it ends its fibers while the
// joiner's fiber parks.
static void threads_are_handles(void *arg) {
    struct error error;
    struct worker worker = {0};
    struct io_mail mails[3];
    struct io_loop *own = io_loop_create(&(struct io_loop_options){.name = "main"}, &error);
    assert_ptr_equal(own, io_loop_current());
    worker.loop = io_loop_start_thread(&(struct io_loop_options){.name = "worker"}, &error);
    assert_ptr_not_equal(worker.loop, own);
    worker.mailbox = io_mailbox_create(worker.loop);
    io_spawn_on(worker.loop, "worker", work, &worker);
    for (int i = 0; i < 3; i++)
        io_mailbox_post(worker.mailbox, &mails[i]);
    io_sleep(io_after(5));
    assert_int_equal(worker.n_done, 3);
    io_loop_join_thread(worker.loop);
    io_mailbox_destroy(worker.mailbox);
    io_loop_post(worker.loop, wait_for_nothing, NULL); // late orders are dropped
    io_loop_destroy(own);
}

static void stop_own(void *arg) {
    io_sleep(io_after(50));
    io_loop_stop(arg);
    io_sleep(IO_NEVER);
}

// main() of a program: makes a loop, runs it until it is stopped, destroys it.
static void program_main(void *arg) {
    struct error error;
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){.name = "main"}, &error);
    io_time start = io_now();
    io_spawn("stopper", stop_own, loop);
    io_loop_run(loop);
    assert_int_equal(io_now() - start, 50);
    io_loop_destroy(loop);
    io_spawn("sleeper", sleep_long, NULL);
    io_loop_run(loop); // until no other fiber is left
    assert_int_equal(io_now() - start, 86400050);
    *(bool *)arg = true;
}

static void programs_run_whole(void **state) {
    bool is_done = false;
    sim = sim_create(1);
    struct sim_process *process = sim_process_start(sim, "program", program_main, &is_done);
    assert_true(sim_process_is_running(process));
    sim_run(sim, IO_NEVER);
    assert_true(is_done);
    assert_false(sim_process_is_running(process));
    sim_destroy(sim);
}

static void loops_run_outside_fibers(void **state) {
    struct error error;
    sim = sim_create(1);
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){.name = "main"}, &error);
    io_spawn("sleeper", sleep_long, NULL);
    io_loop_run(loop);
    assert_int_equal(io_loop_counts(loop).fibers_now, 0);
    struct io_loop *other = io_loop_start_thread(NULL, &error);
    io_spawn_on(other, "waiter", wait_for_nothing, NULL);
    sim_run(sim, io_after(10));
    io_loop_join_thread(other);
    assert_int_equal(io_loop_counts(loop).fibers_now, 0);
    io_loop_destroy(loop);
    sim_destroy(sim);
}

// --- Processes --------------------------------------------------------------------------------

struct server {
    struct io_loop *helper;
    int n_ticks, n_returned;
    struct io_timer timer;
};

static void tick(void *arg) {
    struct server *server = arg;
    server->n_ticks++;
    io_timer_set(&server->timer, io_after(10));
}

static void tick_fiber(void *arg) {
    struct server *server = arg;
    for (;;) {
        if (io_sleep(io_after(10)).status == IO_CANCELED)
            break;
        server->n_ticks++;
    }
    server->n_returned++;
}

static void serve_one(void *arg) {
    struct io_stream *stream = arg;
    char *heap = malloc(100), bytes[100]; // owned by a stack that is never unwound
    for (;;) {
        struct io_result got = io_read(stream, bytes, sizeof(bytes), IO_NEVER);
        if (!io_is_ok(got))
            break;
        memcpy(heap, bytes, got.bytes);
        io_write(stream, heap, got.bytes, io_after(1000));
    }
    free(heap);
    io_close(stream);
}

static void serve(void *arg) {
    struct server *server = arg;
    struct error error;
    struct io_dir *dir;
    struct io_listener *listener = listen_on("192.0.2.25", 25);
    assert_ok(io_dir_open("/spool", true, &dir));
    assert_ok(io_dir_lock(dir));
    server->helper = io_loop_start_thread(NULL, &error);
    io_spawn_on(server->helper, "ticker", tick_fiber, server);
    io_timer_init(&server->timer, tick, server);
    io_timer_set(&server->timer, io_after(10));
    for (;;) {
        struct io_stream *stream;
        if (!io_is_ok(io_accept(listener, IO_NEVER, &stream)))
            break;
        io_spawn("session", serve_one, stream);
    }
    io_listener_close(listener);
    io_dir_close(dir);
    server->n_returned++;
}

static void must_not_run(void *arg) {
    fail();
}

static void check_killed(void *arg) {
    struct server server = {0}, second = {0};
    struct io_stream *stream, *unaccepted;
    char bytes[8];
    struct sim_process *process = sim_process_start(sim, "server", serve, &server);
    io_sleep(io_after(100));
    assert_int_equal(server.n_ticks, 18);
    assert_ok(connect_to("192.0.2.25", 25, 1000, &stream));
    assert_ok(io_write(stream, "hello", 5, io_after(1000)));
    assert_ok(read_all(stream, bytes, 5));
    assert_ok(connect_to("192.0.2.25", 25, 1000, &unaccepted));
    sim_process_kill(process, arg != NULL);
    assert_false(sim_process_is_running(process));
    int n_ticks = server.n_ticks;
    io_loop_post(server.helper, must_not_run, NULL);
    io_spawn_on(server.helper, "late", must_not_run, NULL);
    assert_int_equal(io_read(stream, bytes, 1, io_after(1000)).sys_errno, ECONNRESET);
    assert_int_equal(io_read(unaccepted, bytes, 1, io_after(1000)).sys_errno, ECONNRESET);
    io_close(stream);
    io_close(unaccepted);
    assert_int_equal(connect_to("192.0.2.25", 25, 1000, &stream).sys_errno, ECONNREFUSED);
    io_sleep(io_after(1000));
    assert_int_equal(server.n_ticks, n_ticks);
    assert_int_equal(server.n_returned, 0); // stopped where they stood
    // The next one finds port, lock and name free.
    process = sim_process_start(sim, "server", serve, &second);
    io_sleep(io_after(100));
    assert_ok(connect_to("192.0.2.25", 25, 1000, &stream));
    io_close(stream);
    sim_process_kill(process, false);
    sim_process_kill(process, false); // once is enough
}

static void kill_stops_a_process(void *arg) {
    check_killed(NULL);
}

static void power_cut_stops_a_process(void *arg) {
    check_killed(sim);
}

static void nest(void *arg) {
    struct io_group group; // on this stack, with nodes of another's
    int depth = *(int *)arg - 1;
    io_group_init(&group);
    if (depth > 0)
        io_group_spawn(&group, "nested", nest, &depth);
    else
        io_group_spawn(&group, "innermost", wait_for_nothing, NULL);
    io_group_wait(&group, IO_NEVER);
}

static void fibers_that_hold_each_other_die_together(void *arg) {
    int depth = 600; // more than keep the pages of their stacks
    struct sim_process *process = sim_process_start(sim, "nested", nest, &depth);
    io_sleep(io_after(10));
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 602);
    sim_process_kill(process, false);
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 1);
    depth = 600;
    process = sim_process_start(sim, "nested", nest, &depth);
    io_sleep(io_after(10));
    sim_process_kill(process, false);
}

static struct sim_process *self_killed;

static void kill_self(void *arg) {
    int *n_lines = arg;
    io_spawn("other", wait_for_nothing, NULL);
    io_yield();
    ++*n_lines;
    sim_process_kill(self_killed, false);
    ++*n_lines;
}

static void a_process_kills_itself(void *arg) {
    int n_lines = 0;
    self_killed = sim_process_start(sim, "suicide", kill_self, &n_lines);
    io_sleep(io_after(10));
    assert_int_equal(n_lines, 1);
    assert_false(sim_process_is_running(self_killed));
}

static void write_for_ever(void *arg) {
    struct io_dir *dir;
    struct io_file *file;
    int *n_done = arg;
    assert_ok(io_dir_open("/spool", true, &dir));
    assert_ok(io_file_open(dir, "log", IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file));
    for (uint64_t at = 0;; at += 10) {
        struct iovec part = {(void *)(uintptr_t) "0123456789", 10};
        if (!io_is_ok(io_file_writev(file, &part, 1, at)))
            break;
        ++*n_done;
    }
}

static void kill_at_the_nth_disk_operation(void *arg) {
    for (uint64_t n = 1; n <= 5; n++) {
        int n_done = 0;
        struct sim_process *process = sim_process_start(sim, "writer", write_for_ever, &n_done);
        sim_process_kill_at_disk_op(process, n, false);
        io_sleep(io_after(1000));
        assert_false(sim_process_is_running(process));
        assert_int_equal(n_done, n - 1);
    }
    int n_done = 0;
    struct sim_process *process = sim_process_start(sim, "writer", write_for_ever, &n_done);
    sim_process_kill_at_disk_op(process, 3, false);
    sim_process_kill_at_disk_op(process, 0, false);
    io_sleep(io_after(1000));
    assert_true(sim_process_is_running(process));
    sim_process_kill(process, false);
}

// --- One seed, one run ------------------------------------------------------------------------

static void chatter(void *arg) {
    struct io_stream *stream;
    char bytes[300];
    for (int i = 0; i < 20; i++) {
        if (!io_is_ok(connect_to("192.0.2.25", 25, 1000, &stream)))
            continue;
        io_write(stream, bytes, 1 + io_random_u64() % 200, io_after(100));
        io_read(stream, bytes, sizeof(bytes), io_after(100));
        io_close(stream);
        io_sleep(io_after((int64_t)(io_random_u64() % 30)));
    }
}

static uint64_t fingerprint_of(uint64_t seed) {
    struct server server = {0};
    int n_done = 0;
    sim = sim_create(seed);
    sim_net_default(sim, &(struct sim_net_rule){.latency_ms_max = 20,
                                                .refuse = 500,
                                                .drop_connect = 500,
                                                .reset = 300,
                                                .half_open = 300,
                                                .close = 300,
                                                .chunk_max = 50});
    sim_disk_rule(sim, &(struct sim_disk_rule){.write_error = 10, .sync_ms_max = 5});
    sim_process_start(sim, "server", serve, &server);
    struct sim_process *writer = sim_process_start(sim, "writer", write_for_ever, &n_done);
    sim_process_kill_at_disk_op(writer, 300, true);
    for (int i = 0; i < 5; i++)
        io_spawn("chatter", chatter, NULL);
    sim_run(sim, io_after(20000));
    uint64_t fingerprint = sim_fingerprint(sim);
    sim_destroy(sim);
    return fingerprint;
}

static void a_seed_makes_one_run(void **state) {
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t first = fingerprint_of(seed);
        char *shift = malloc((size_t)seed * 5000); // other addresses, the same run
        assert_true(fingerprint_of(seed) == first);
        free(shift);
        assert_true(first != last);
        last = first;
    }
}

static void note_turn(void *arg) {
    char *log = *(char **)arg;
    log[strlen(log)] = (char)('0' + ((char **)arg)[1][0]);
}

// The order in which ten fibers that are ready together run.
static void run_order(uint64_t seed, unsigned shuffle, char log[16]) {
    char numbers[10];
    char *args[10][2];
    memset(log, 0, 16);
    sim = sim_create(seed);
    sim_shuffle(sim, shuffle);
    for (int i = 0; i < 10; i++) {
        numbers[i] = (char)i;
        args[i][0] = log;
        args[i][1] = &numbers[i];
        io_spawn("turn", note_turn, args[i]);
    }
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

static void the_seed_shuffles_who_is_ready(void **state) {
    char first[16], again[16];
    int n_sorted = 0;
    run_order(1, 0, first);
    assert_string_equal(first, "0123456789");
    for (uint64_t seed = 1; seed <= 50; seed++) {
        run_order(seed, 5000, first);
        run_order(seed, 5000, again);
        assert_string_equal(first, again);
        assert_int_equal(strlen(first), 10);
        n_sorted += strcmp(first, "0123456789") == 0;
    }
    assert_in_range(n_sorted, 0, 5);
}

static void faults_happen_as_often_as_told(void *arg) {
    struct address where = address_of("192.0.2.25", 25);
    struct io_listener *listener = listen_on("192.0.2.25", 25);
    struct io_stream *stream;
    int n_refused = 0;
    sim_net_rule(sim, &where, &(struct sim_net_rule){.refuse = 2500});
    for (int i = 0; i < 2000; i++) {
        n_refused += connect_to("192.0.2.25", 25, 1000, &stream).sys_errno == ECONNREFUSED;
        io_close(stream);
    }
    assert_in_range(n_refused, 400, 600);
    io_listener_close(listener);
}

#define SIM_CASE(body)                                                                             \
    { #body, run_case, NULL, NULL, (void *)(body) }

int main(void) {
    const struct CMUnitTest tests[] = {
        SIM_CASE(sleep_long),
        SIM_CASE(spin),
        cmocka_unit_test(run_stops_where_it_is_told),
        cmocka_unit_test(run_ends_by_itself),
        SIM_CASE(latency),
        SIM_CASE(failed_connects),
        SIM_CASE(connect_gives_up_on_the_way),
        SIM_CASE(resets_hit_both_ends),
        SIM_CASE(half_open_peers_are_silent),
        SIM_CASE(the_road_closes_in_order),
        SIM_CASE(chunks),
        SIM_CASE(what_arrives_is_a_beginning),
        SIM_CASE(cuts_are_silent),
        SIM_CASE(threads_are_handles),
        cmocka_unit_test(programs_run_whole),
        cmocka_unit_test(loops_run_outside_fibers),
        SIM_CASE(kill_stops_a_process),
        SIM_CASE(power_cut_stops_a_process),
        SIM_CASE(fibers_that_hold_each_other_die_together),
        SIM_CASE(a_process_kills_itself),
        SIM_CASE(kill_at_the_nth_disk_operation),
        cmocka_unit_test(a_seed_makes_one_run),
        cmocka_unit_test(the_seed_shuffles_who_is_ready),
        SIM_CASE(faults_happen_as_often_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
