// SPDX-License-Identifier: Apache-2.0
// Loops in threads, mailboxes between them, the pool, signals, timers and watches.
#include "io_test.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <time.h>

static struct io_loop *start(const char *name) {
    struct error error;
    struct io_loop_options options = {.name = name};
    struct io_loop *loop = io_loop_start_thread(&options, &error);
    assert_non_null(loop);
    return loop;
}

// --- Mailboxes --------------------------------------------------------------------------------

enum { N_POSTERS = 3, N_MAILS = 2000 };

struct letter {
    struct io_mail mail;
    int poster, number;
};

static struct letter *letter_of(struct io_mail *mail) {
    return CONTAINER_OF(mail, struct letter, mail);
}

struct poster {
    struct io_mailbox *mailbox;
    struct letter *letters;
    int64_t pause_every;
};

static void post_all(void *arg) {
    struct poster *poster = arg;
    for (int i = 0; i < N_MAILS; i++) {
        io_mailbox_post(poster->mailbox, &poster->letters[i].mail);
        if (poster->pause_every && i % poster->pause_every == 0)
            io_sleep(io_after(1));
        else if (i % 16 == 0)
            io_yield();
    }
}

// Every letter once, each poster's in order, whether the taker sleeps or not.
static void letters_arrive_in_order(void *arg) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct io_loop *loops[N_POSTERS];
    struct poster posters[N_POSTERS];
    int next[N_POSTERS] = {0};
    for (int i = 0; i < N_POSTERS; i++) {
        loops[i] = start("poster");
        posters[i] = (struct poster){mailbox, calloc(N_MAILS, sizeof(struct letter)), i * 50};
        for (int k = 0; k < N_MAILS; k++)
            posters[i].letters[k].poster = i, posters[i].letters[k].number = k;
        io_spawn_on(loops[i], "poster", post_all, &posters[i]);
    }
    for (int n_left = N_POSTERS * N_MAILS; n_left > 0;) {
        struct io_mail *mail = io_mailbox_take_all(mailbox, io_after(5000));
        assert_non_null(mail);
        for (; mail; mail = mail->next, n_left--) {
            assert_int_equal(letter_of(mail)->number, next[letter_of(mail)->poster]);
            next[letter_of(mail)->poster]++;
        }
    }
    for (int i = 0; i < N_POSTERS; i++) {
        io_loop_join_thread(loops[i]);
        free(posters[i].letters);
    }
    io_mailbox_destroy(mailbox);
}

static void mailbox_times_out_and_wakes(void *arg) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct letter letter;
    io_time before = io_now();
    assert_null(io_mailbox_take_all(mailbox, before + 15));
    assert_waited(before, 15);
    io_mailbox_wake(mailbox);
    io_mailbox_wake(mailbox); // one is enough
    assert_null(io_mailbox_take_all(mailbox, IO_NEVER));
    io_mailbox_wake(mailbox);
    io_mailbox_post(mailbox, &letter.mail);
    assert_ptr_equal(io_mailbox_take_all(mailbox, IO_NEVER), &letter.mail);
    assert_null(io_mailbox_take_all(mailbox, IO_NEVER)); // the wake is not lost
    before = io_now();
    assert_null(io_mailbox_take_all(mailbox, before + 5));
    assert_true(io_now() >= before + 5);
    io_mailbox_wake(mailbox);
    io_mailbox_destroy(mailbox); // a wake is no mail
}

static void wake_soon(void *arg) {
    io_sleep(io_after(10));
    io_mailbox_wake(arg);
}

static void wake_from_another_loop(void *arg) {
    struct io_loop *other = start("waker");
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    io_spawn_on(other, "waker", wake_soon, mailbox);
    io_time before = io_now();
    assert_null(io_mailbox_take_all(mailbox, io_after(5000)));
    assert_waited(before, 10);
    io_loop_join_thread(other);
    io_mailbox_destroy(mailbox);
}

// The owner takes the mail and destroys the mailbox while the poster may still be in its call.
struct single {
    struct io_mailbox *mailbox;
    struct letter letter;
};

static void post_single(void *arg) {
    struct single *single = arg;
    io_mailbox_post(single->mailbox, &single->letter.mail);
}

static void mailboxes_end_as_soon_as_the_mail_is_there(void *arg) {
    struct io_loop *other = start("poster");
    for (int i = 0; i < 2000; i++) {
        struct single single = {.mailbox = io_mailbox_create(io_loop_current())};
        io_loop_post(other, post_single, &single);
        // With a short deadline the owner often wakes by itself while the post is under way.
        struct io_mail *mail;
        do
            mail = io_mailbox_take_all(single.mailbox, i % 2 ? io_now() + 1 : io_after(5000));
        while (!mail);
        assert_ptr_equal(mail, &single.letter.mail);
        io_mailbox_destroy(single.mailbox);
    }
    io_loop_join_thread(other);
}

struct nudge {
    struct io_fiber *owner;
    int n_yields;
};

static void cancel_soon(void *arg) {
    struct nudge *nudge = arg;
    for (int i = 0; i < nudge->n_yields; i++)
        io_yield();
    io_cancel(nudge->owner);
}

// Canceled just when a poster has taken the owner for waiting: its note comes after the mailbox is
// gone.
static void mailboxes_end_while_a_note_is_due(void *arg) {
    struct io_loop *other = start("poster");
    for (int i = 0; i < 1000; i++) {
        struct single single = {.mailbox = io_mailbox_create(io_loop_current())};
        struct nudge nudge = {io_fiber_current(), i * 37 % 4000};
        struct io_group group;
        io_group_init(&group);
        io_group_spawn(&group, "nudge", cancel_soon, &nudge);
        io_loop_post(other, post_single, &single);
        while (!io_mailbox_take_all(single.mailbox, IO_NEVER))
            io_cancel_clear();
        io_mailbox_destroy(single.mailbox);
        while (!io_is_ok(io_group_wait(&group, IO_NEVER)))
            io_cancel_clear();
        io_cancel_clear();
    }
    io_loop_join_thread(other);
}

// --- Loops ------------------------------------------------------------------------------------

static void count(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void wait_for_count(atomic_int *count, int wanted) {
    io_time give_up = io_after(5000);
    while (atomic_load(count) < wanted && io_now() < give_up)
        io_sleep(io_after(1));
    assert_int_equal(atomic_load(count), wanted);
}

static void posts_and_spawns_run_elsewhere(void *arg) {
    struct io_loop *other = start("other");
    atomic_int n = 0;
    for (int i = 0; i < 100; i++) {
        io_loop_post(other, count, &n);
        io_spawn_on(other, "count", count, &n);
    }
    io_loop_post(io_loop_current(), count, &n);
    wait_for_count(&n, 201);
    io_loop_join_thread(other);
}

struct where {
    struct io_loop *loop;
    atomic_int n;
};

static void note_where(void *arg) {
    struct where *where = arg;
    where->loop = io_loop_current();
    io_sleep(io_after(5));
    assert_ptr_equal(where->loop, io_loop_current());
    atomic_fetch_add(&where->n, 1);
}

static void spawn_where(void *arg) {
    io_spawn("where", note_where, arg);
}

static void fibers_know_their_loop(void *arg) {
    struct io_loop *other = start("other");
    struct where spawned = {0}, posted = {0};
    io_spawn_on(other, "where", note_where, &spawned);
    io_loop_post(other, spawn_where, &posted);
    wait_for_count(&spawned.n, 1);
    wait_for_count(&posted.n, 1);
    assert_ptr_equal(spawned.loop, other);
    assert_ptr_equal(posted.loop, other);
    assert_ptr_not_equal(other, io_loop_current());
    io_loop_join_thread(other);
}

static void end_slowly(void *arg) {
    assert_int_equal(io_sleep(IO_NEVER).status, IO_CANCELED);
    io_cancel_clear(); // to say good-bye
    io_sleep(io_after(20));
    count(arg);
}

static void joined_loops_unwind_their_fibers(void *arg) {
    struct io_loop *other = start("other");
    atomic_int n = 0, n_started = 0;
    for (int i = 0; i < 10; i++)
        io_spawn_on(other, "slow", end_slowly, &n);
    io_spawn_on(other, "started", count, &n_started);
    wait_for_count(&n_started, 1);
    io_loop_join_thread(other);
    assert_int_equal(atomic_load(&n), 10);
}

static void loops_start_and_stop_at_once(void *arg) {
    for (int i = 0; i < 50; i++)
        io_loop_join_thread(start("brief"));
}

// Stopped at any moment between looking at the flag and falling asleep: just after an order ran.
static void stops_are_not_slept_through(void *arg) {
    io_time start_ms = io_now();
    for (int i = 0; i < 500; i++) {
        struct io_loop *other = start("sleeper");
        atomic_int n = 0;
        io_loop_post(other, count, &n);
        while (atomic_load(&n) == 0)
            continue;
        for (volatile int spin = 0; spin < i % 100; spin++)
            continue;
        io_loop_join_thread(other);
    }
    assert_true(io_now() - start_ms < 8000);
}

static void stop_current(void *arg) {
    io_loop_stop(arg);
    io_sleep(IO_NEVER);
}

static void stop_ends_a_run(void **state) {
    struct error error;
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){0}, &error);
    io_spawn("stopper", stop_current, loop);
    io_loop_run(loop);
    assert_int_equal(io_loop_counts(loop).fibers_now, 1);
    io_loop_destroy(loop); // unwinds the sleeper
    assert_null(io_loop_current());
}

static void *stop_later(void *arg) {
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    io_loop_stop(arg);
    return NULL;
}

static void sleep_for_ever(void *arg) {
    assert_int_equal(io_sleep(IO_NEVER).status, IO_CANCELED);
}

static void stop_from_a_foreign_thread(void **state) {
    struct error error;
    pthread_t thread;
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){0}, &error);
    io_spawn("sleeper", sleep_for_ever, NULL);
    assert_int_equal(pthread_create(&thread, NULL, stop_later, loop), 0);
    io_loop_run(loop);
    pthread_join(thread, NULL);
    io_loop_destroy(loop);
}

static void ignore_all(void *arg) {
    while (!*(volatile bool *)arg)
        io_sleep(IO_NEVER);
}

static void quiet(enum log_level level, struct view line, void *arg) {
    *(bool *)arg = strstr(line.ptr, "stubborn") != NULL;
}

static void stubborn_fibers_are_reported(void **state) {
    struct error error;
    bool never = false, was_reported = false;
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){0}, &error);
    io_spawn("stubborn", ignore_all, &never);
    io_loop_stop(loop);
    log_set_sink(quiet, &was_reported);
    io_loop_destroy(loop);
    log_set_sink(NULL, NULL);
    assert_true(was_reported);
}

// --- Pool -------------------------------------------------------------------------------------

static void block(void *arg) {
    struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void offload_block(void *arg) {
    io_offload(block, arg);
}

static void work_is_offloaded(void *arg) {
    atomic_int n = 0;
    struct io_group group;
    io_group_init(&group);
    for (int i = 0; i < 20; i++)
        io_group_spawn(&group, "offload", offload_block, &n);
    io_sleep(io_after(1)); // the loop is free meanwhile
    assert_true(atomic_load(&n) < 20);
    io_group_cancel(&group); // does not end what is under way
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_int_equal(atomic_load(&n), 20);
}

static void loops_end_with_work_under_way(void *arg) {
    struct io_loop *other = start("offloader");
    atomic_int n = 0, n_started = 0;
    for (int i = 0; i < 4; i++)
        io_spawn_on(other, "offload", offload_block, &n);
    io_spawn_on(other, "started", count, &n_started);
    wait_for_count(&n_started, 1);
    io_loop_join_thread(other);
    assert_int_equal(atomic_load(&n), 4);
}

// --- Timers, watches, signals, clocks ---------------------------------------------------------

struct timers {
    struct io_timer timers[4];
    char log[16];
    struct io_event is_over;
};

static void fire(struct timers *all, char name) {
    size_t len = strlen(all->log);
    all->log[len] = name;
    all->log[len + 1] = '\0';
}

static void fire_a(void *arg) {
    struct timers *all = arg;
    fire(all, 'a');
    io_timer_set(&all->timers[1], io_now()); // at once, in the next turn
    io_timer_stop(&all->timers[2]);
}

static void fire_b(void *arg) {
    struct timers *all = arg;
    fire(all, 'b');
    if (strlen(all->log) < 5)
        io_timer_set(&all->timers[1], io_now());
}

static void fire_c(void *arg) {
    fire(arg, 'c');
}

static void fire_d(void *arg) {
    struct timers *all = arg;
    fire(all, 'd');
    io_event_set(&all->is_over);
}

static void timers_fire(void *arg) {
    struct timers all = {.log = ""};
    io_event_init(&all.is_over);
    void (*const calls[])(void *) = {fire_a, fire_b, fire_c, fire_d};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        io_timer_init(&all.timers[i], calls[i], &all);
    io_timer_set(&all.timers[0], io_after(5));
    io_timer_set(&all.timers[2], io_after(5));
    io_timer_set(&all.timers[3], io_after(100000));
    io_timer_set(&all.timers[3], io_after(40)); // moved
    assert_ok(io_event_wait(&all.is_over, io_after(5000)));
    assert_string_equal(all.log, "abbbbd");
    io_timer_stop(&all.timers[3]); // harmless
}

struct restless {
    struct io_timer timer;
    int n_fired;
};

static void fire_again(void *arg) {
    struct restless *restless = arg;
    if (++restless->n_fired < 1000000)
        io_timer_set(&restless->timer, io_now());
}

static void restless_timers_let_fibers_run(void *arg) {
    struct restless restless = {.n_fired = 0};
    io_timer_init(&restless.timer, fire_again, &restless);
    io_timer_set(&restless.timer, io_now());
    for (int i = 0; i < 500; i++)
        io_yield();
    io_timer_stop(&restless.timer);
    assert_in_range(restless.n_fired, 1, 1000);
}

struct watched {
    int pipe[2];
    struct io_watch *watch, *other;
    int n_ready;
    struct io_event is_over;
};

static void watch_ready(uint32_t events, void *arg) {
    struct watched *watched = arg;
    assert_true(events & EPOLLIN);
    if (++watched->n_ready < 3)
        return; // level-triggered: called again
    io_watch_remove(watched->watch);
    io_watch_remove(watched->other); // may be in the same batch
    io_event_set(&watched->is_over);
}

static void watches_are_called(void *arg) {
    struct watched watched = {.n_ready = 0};
    io_event_init(&watched.is_over);
    assert_int_equal(pipe(watched.pipe), 0);
    int second = dup(watched.pipe[0]);
    watched.watch = io_watch_add(watched.pipe[0], EPOLLIN, watch_ready, &watched);
    watched.other = io_watch_add(second, 0, watch_ready, &watched);
    io_watch_change(watched.other, EPOLLIN);
    assert_int_equal(write(watched.pipe[1], "x", 1), 1);
    assert_ok(io_event_wait(&watched.is_over, io_after(5000)));
    io_sleep(io_after(5));
    assert_int_equal(watched.n_ready, 3);
    assert_null(io_watch_add(-1, EPOLLIN, watch_ready, &watched));
    close(watched.pipe[0]);
    close(watched.pipe[1]);
    close(second);
}

struct signals {
    int seen[8];
    int n_seen;
};

static void on_signal(int signal, void *arg) {
    struct signals *signals = arg;
    signals->seen[signals->n_seen++] = signal;
}

static void signals_are_watched(void *arg) {
    struct signals signals = {.n_seen = 0};
    io_loop_watch_signals(io_loop_current(), on_signal, &signals);
    struct io_loop *other = start("other"); // its thread does not take them
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGHUP);
    io_time give_up = io_after(5000);
    while (signals.n_seen < 2 && io_now() < give_up)
        io_sleep(io_after(2));
    assert_int_equal(signals.n_seen, 2);
    assert_int_equal(signals.seen[0] + signals.seen[1], SIGTERM + SIGHUP);
    io_loop_join_thread(other);
}

static void clocks_agree(void *arg) {
    io_time before = io_now();
    int64_t before_us = io_now_us(), before_wall = io_wall_ms();
    io_sleep(io_after(30));
    int64_t passed = io_now() - before;
    assert_in_range(passed, 30, 3000);
    assert_in_range(io_now_us() - before_us, passed * 1000 - 2000, passed * 1000 + 100000);
    assert_in_range(io_wall_ms() - before_wall, passed - 5, passed + 100);
    assert_true(io_after(IO_NEVER) == IO_NEVER);
    assert_true(io_after(IO_NEVER - 1) == IO_NEVER);
}

// A long computation must not make deadlines too short.
static void the_clock_is_fresh_after_work(void *arg) {
    struct timespec pause = {.tv_nsec = 30000000};
    io_time before = io_now();
    nanosleep(&pause, NULL);
    assert_true(io_now() >= before + 30);
    io_time start_us = io_now_us();
    assert_int_equal(io_sleep(io_after(20)).status, IO_TIMEOUT);
    assert_true(io_now_us() - start_us >= 19000);
}

static void random_bytes_differ(void *arg) {
    unsigned char a[1000] = {0}, b[1000] = {0};
    io_random_bytes(a, sizeof(a));
    io_random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 992, b + 992, 8);
    assert_true(io_random_u64() != io_random_u64());
    io_random_bytes(a, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(letters_arrive_in_order),
        ON_BOTH(mailbox_times_out_and_wakes),
        ON_BOTH(wake_from_another_loop),
        ON_BOTH(mailboxes_end_as_soon_as_the_mail_is_there),
        ON_BOTH(mailboxes_end_while_a_note_is_due),
        ON_BOTH(posts_and_spawns_run_elsewhere),
        ON_BOTH(fibers_know_their_loop),
        ON_BOTH(joined_loops_unwind_their_fibers),
        ON_BOTH(loops_start_and_stop_at_once),
        ON_EPOLL(stops_are_not_slept_through),
        cmocka_unit_test(stop_ends_a_run),
        cmocka_unit_test(stop_from_a_foreign_thread),
        cmocka_unit_test(stubborn_fibers_are_reported),
        ON_BOTH(work_is_offloaded),
        ON_BOTH(loops_end_with_work_under_way),
        ON_BOTH(timers_fire),
        ON_BOTH(restless_timers_let_fibers_run),
        ON_EPOLL(watches_are_called),
        ON_EPOLL(signals_are_watched),
        ON_BOTH(clocks_agree),
        ON_EPOLL(the_clock_is_fresh_after_work),
        ON_BOTH(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
