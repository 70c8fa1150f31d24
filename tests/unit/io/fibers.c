// SPDX-License-Identifier: Apache-2.0
// Fibers, their waits, groups and events, on both back ends.
#include "io_test.h"

static void wait_until(io_time at) {
    while (io_now() < at)
        io_sleep(at);
}

// --- Sleep and order --------------------------------------------------------------------------

static void sleeping(void *arg) {
    io_time before = io_now();
    assert_int_equal(io_sleep(before + 20).status, IO_TIMEOUT);
    assert_waited(before, 20);
    assert_int_equal(io_sleep(before).status, IO_TIMEOUT); // long past
}

struct sleeper {
    int64_t ms;
    int id;
    char *log;
};

static void sleep_and_log(void *arg) {
    struct sleeper *sleeper = arg;
    io_sleep(io_after(sleeper->ms));
    size_t len = strlen(sleeper->log);
    sleeper->log[len] = (char)('0' + sleeper->id);
    sleeper->log[len + 1] = '\0';
}

static void sleepers_wake_in_order(void *arg) {
    char log[8] = "";
    struct sleeper sleepers[] = {{60, 3, log}, {20, 1, log}, {40, 2, log}, {80, 4, log}};
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++)
        io_group_spawn(&group, "sleeper", sleep_and_log, &sleepers[i]);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_string_equal(log, "1234");
}

static void log_turn(void *arg) {
    struct sleeper *self = arg;
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(self->log);
        self->log[len] = (char)('0' + self->id);
        self->log[len + 1] = '\0';
        io_yield();
    }
}

static void yields_take_turns(void *arg) {
    char log[8] = "";
    struct sleeper selves[] = {{0, 1, log}, {0, 2, log}, {0, 3, log}};
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < ARRAY_LEN(selves); i++)
        io_group_spawn(&group, "turn", log_turn, &selves[i]);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_string_equal(log, "123123");
}

static void spawn_more(void *arg) {
    int *n_left = arg;
    if (--*n_left > 0)
        io_spawn("more", spawn_more, n_left);
}

static void spawned_fibers_spawn(void *arg) {
    int n_left = 1000;
    io_spawn("more", spawn_more, &n_left);
    while (n_left > 0)
        io_yield();
}

static void count_one(void *arg) {
    ++*(int *)arg;
    io_sleep(io_after(10));
}

// More than one slab of stacks, used twice.
static void many_fibers(void *arg) {
    int n = 0;
    for (int round = 0; round < 2; round++) {
        struct io_group group;
        io_group_init(&group);
        for (int i = 0; i < 300; i++)
            io_group_spawn(&group, "one of many", count_one, &n);
        assert_ok(io_group_wait(&group, io_after(5000)));
    }
    assert_int_equal(n, 600);
    assert_true(io_loop_counts(io_loop_current()).fibers_peak >= 301);
}

static void use_stack(void *arg) {
    volatile char deep[48 * 1024];
    for (size_t i = 0; i < sizeof(deep); i += 512)
        deep[i] = (char)i;
    io_yield();
    assert_int_equal(deep[512 * 3], (char)(512 * 3));
}

static void stacks_hold_48_kb(void *arg) {
    struct io_group group;
    io_group_init(&group);
    for (int i = 0; i < 40; i++)
        io_group_spawn(&group, "deep", use_stack, NULL);
    assert_ok(io_group_wait(&group, io_after(5000)));
}

static void registers_survive(void *arg) {
    double sum = 0.5;
    int64_t a = 1, b = 2, c = 3, d = 4, e = 5;
    for (int i = 0; i < 1000; i++) {
        io_yield();
        sum += 1.25;
        a += b, b += c, c += d, d += e, e += 1;
    }
    assert_true(sum == 1250.5);
    assert_int_equal(e, 1005);
    *(int64_t *)arg += a + b + c + d;
}

static void registers_are_kept_apart(void *arg) {
    int64_t sums[3] = {0};
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < ARRAY_LEN(sums); i++)
        io_group_spawn(&group, "registers", registers_survive, &sums[i]);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_true(sums[0] == sums[1] && sums[1] == sums[2] && sums[0] != 0);
}

// --- Events -----------------------------------------------------------------------------------

struct waiter {
    struct io_event *event;
    io_time deadline;
    struct io_result result;
};

static void wait_event(void *arg) {
    struct waiter *waiter = arg;
    waiter->result = io_event_wait(waiter->event, waiter->deadline);
}

static void events_wake_all(void *arg) {
    struct io_event event;
    struct io_group group;
    struct waiter waiters[3] = {{&event, io_after(5000), {IO_ERROR}},
                                {&event, IO_NEVER, {IO_ERROR}},
                                {&event, io_after(5000), {IO_ERROR}}};
    io_event_init(&event);
    io_group_init(&group);
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        io_group_spawn(&group, "waiter", wait_event, &waiters[i]);
    io_yield();
    io_event_set(&event);
    io_event_clear(&event); // who waited is woken all the same
    assert_ok(io_group_wait(&group, io_after(1000)));
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        assert_ok(waiters[i].result);
    assert_int_equal(io_event_wait(&event, io_after(5)).status, IO_TIMEOUT);
    io_event_set(&event);
    assert_ok(io_event_wait(&event, io_now() - 1)); // set: the deadline does not matter
}

struct pair {
    struct io_event ping, pong;
    int n;
};

static void ponger(void *arg) {
    struct pair *pair = arg;
    for (int i = 0; i < 1000; i++) {
        assert_ok(io_event_wait(&pair->ping, io_after(5000)));
        io_event_clear(&pair->ping);
        pair->n++;
        io_event_set(&pair->pong);
    }
}

static void ping_pong(void *arg) {
    struct pair pair = {.n = 0};
    io_event_init(&pair.ping);
    io_event_init(&pair.pong);
    io_spawn("ponger", ponger, &pair);
    for (int i = 0; i < 1000; i++) {
        io_event_set(&pair.ping);
        assert_ok(io_event_wait(&pair.pong, io_after(5000)));
        io_event_clear(&pair.pong);
    }
    assert_int_equal(pair.n, 1000);
}

// A timer that stayed from a wait with an earlier deadline must neither end a later wait too soon
// nor make it too long.
static void deadlines_move(void *arg) {
    struct io_event event;
    io_event_init(&event);
    static const int64_t waits_ms[] = {5, 40, 10, 60, 1};
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        io_event_set(&event);
        assert_ok(io_event_wait(&event, io_after(1000)));
        io_event_clear(&event);
        io_time before = io_now();
        assert_int_equal(io_event_wait(&event, before + waits_ms[i]).status, IO_TIMEOUT);
        assert_waited(before, waits_ms[i]);
    }
}

static void set_event(void *arg) {
    io_event_set(arg);
}

static void sleep_a_second(void *arg) {
    io_sleep(io_after(1000));
}

// Woken long before its deadline, then waiting with a later and with an earlier one, while another
// fiber's deadline lies between.
static void deadlines_left_behind(void *arg) {
    struct io_event event;
    struct io_fiber *between = io_spawn("between", sleep_a_second, NULL);
    io_event_init(&event);
    io_spawn("setter", set_event, &event);
    assert_ok(io_event_wait(&event, io_after(20)));
    io_event_clear(&event);
    io_time before = io_now();
    assert_int_equal(io_event_wait(&event, before + 60).status, IO_TIMEOUT);
    assert_waited(before, 60);
    io_spawn("setter", set_event, &event);
    assert_ok(io_event_wait(&event, io_after(5000)));
    io_event_clear(&event);
    before = io_now();
    assert_int_equal(io_event_wait(&event, before + 10).status, IO_TIMEOUT);
    assert_waited(before, 10);
    io_cancel(between);
}

// --- Cancel -----------------------------------------------------------------------------------

struct io_mail_pair {
    struct io_mailbox *mailbox;
    struct io_mail *taken;
};

struct canceled {
    const char *name;
    struct io_result (*wait)(struct canceled *self);
    struct io_event event;
    struct io_group group;
    struct io_stream *stream;
    struct io_listener *listener;
    struct io_result result;
};

static struct io_result wait_sleep(struct canceled *self) {
    return io_sleep(IO_NEVER);
}

static struct io_result wait_for_event(struct canceled *self) {
    return io_event_wait(&self->event, IO_NEVER);
}

static struct io_result wait_group(struct canceled *self) {
    return io_group_wait(&self->group, IO_NEVER);
}

static struct io_result wait_mailbox(struct canceled *self) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    assert_null(io_mailbox_take_all(mailbox, IO_NEVER));
    io_mailbox_destroy(mailbox);
    return (struct io_result){.status = io_is_canceled() ? IO_CANCELED : IO_OK};
}

static struct io_result wait_read(struct canceled *self) {
    char byte;
    return io_read(self->stream, &byte, 1, IO_NEVER);
}

static struct io_result wait_write(struct canceled *self) {
    static const char bytes[1 << 20];
    struct io_result result = {.status = IO_OK};
    while (io_is_ok(result))
        result = io_write(self->stream, bytes, sizeof(bytes), IO_NEVER);
    return result;
}

static struct io_result wait_accept(struct canceled *self) {
    struct io_stream *stream;
    return io_accept(self->listener, IO_NEVER, &stream);
}

static void run_canceled(void *arg) {
    struct canceled *self = arg;
    self->result = self->wait(self);
    // Every later wait ends in the same way, also one that could have succeeded.
    struct io_event set;
    io_event_init(&set);
    io_event_set(&set);
    assert_int_equal(io_event_wait(&set, IO_NEVER).status, IO_CANCELED);
    assert_int_equal(io_sleep(IO_NEVER).status, IO_CANCELED);
    io_cancel_clear();
    assert_ok(io_event_wait(&set, IO_NEVER));
    assert_int_equal(io_sleep(io_after(1)).status, IO_TIMEOUT);
}

static void sleep_for_ever(void *arg) {
    assert_int_equal(io_sleep(IO_NEVER).status, IO_CANCELED);
}

static void check_canceled(struct canceled *self, bool is_before) {
    struct ends ends = ends_open();
    struct io_group group;
    io_event_init(&self->event);
    io_group_init(&self->group);
    io_group_init(&group);
    io_group_spawn(&self->group, "member", sleep_for_ever, NULL);
    self->stream = ends.near;
    self->listener = listen_anywhere();
    struct io_fiber *fiber = io_group_spawn(&group, self->name, run_canceled, self);
    if (!is_before)
        io_sleep(io_after(20));
    io_cancel(fiber);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_int_equal(self->result.status, IO_CANCELED);
    io_group_cancel(&self->group);
    assert_ok(io_group_wait(&self->group, io_after(5000)));
    io_listener_close(self->listener);
    ends_close(&ends);
}

static void cancel_ends_each_wait(void *arg) {
    struct canceled rows[] = {{"sleep", wait_sleep},  {"event", wait_for_event},
                              {"group", wait_group},  {"mailbox", wait_mailbox},
                              {"read", wait_read},    {"write", wait_write},
                              {"accept", wait_accept}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_canceled(&rows[i], false);
        check_canceled(&rows[i], true);
    }
}

static void cancel_self(void *arg) {
    assert_false(io_is_canceled());
    io_cancel(io_fiber_current());
    assert_true(io_is_canceled());
    assert_int_equal(io_sleep(IO_NEVER).status, IO_CANCELED);
    io_yield(); // goes on
    io_cancel_clear();
    assert_int_equal(io_sleep(io_after(1)).status, IO_TIMEOUT);
}

static void group_times_out(void *arg) {
    struct io_group group;
    io_group_init(&group);
    assert_ok(io_group_wait(&group, io_after(10))); // empty
    io_group_spawn(&group, "for ever", sleep_for_ever, NULL);
    io_group_spawn(&group, "for ever", sleep_for_ever, NULL);
    assert_int_equal(io_group_wait(&group, io_after(10)).status, IO_TIMEOUT);
    assert_int_equal(group.n_members, 2);
    io_group_cancel(&group);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_int_equal(group.n_members, 0);
}

// --- Fairness ---------------------------------------------------------------------------------

static void stop_later(void *arg) {
    io_sleep(io_after(20));
    *(bool *)arg = true;
}

// A fiber whose waits always succeed at once still lets timers and others run.
static void no_fiber_starves_the_loop(void *arg) {
    struct io_event set;
    bool is_over = false;
    io_event_init(&set);
    io_event_set(&set);
    io_spawn("stopper", stop_later, &is_over);
    io_time give_up = io_after(5000);
    while (!is_over && io_now() < give_up)
        assert_ok(io_event_wait(&set, IO_NEVER));
    assert_true(is_over);
}

static void ignore_cancel(void *arg) {
    while (!*(bool *)arg)
        io_sleep(IO_NEVER);
}

static void canceled_fiber_that_goes_on_does_not_starve(void *arg) {
    bool is_over = false;
    struct io_fiber *fiber = io_spawn("stubborn", ignore_cancel, &is_over);
    io_yield();
    io_cancel(fiber);
    wait_until(io_after(10));
    is_over = true;
    io_yield();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(sleeping),
        ON_BOTH(sleepers_wake_in_order),
        ON_BOTH(yields_take_turns),
        ON_BOTH(spawned_fibers_spawn),
        ON_BOTH(many_fibers),
        ON_BOTH(stacks_hold_48_kb),
        ON_BOTH(registers_are_kept_apart),
        ON_BOTH(events_wake_all),
        ON_BOTH(ping_pong),
        ON_BOTH(deadlines_move),
        ON_BOTH(deadlines_left_behind),
        ON_BOTH(cancel_ends_each_wait),
        ON_BOTH(cancel_self),
        ON_BOTH(group_times_out),
        ON_BOTH(no_fiber_starves_the_loop),
        ON_BOTH(canceled_fiber_that_goes_on_does_not_starve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
