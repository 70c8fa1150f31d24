// SPDX-License-Identifier: Apache-2.0
// Never too many at one address, nobody left behind, and no two that wait for each other.
#include "probe/crowd_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs those before it.
#include <cmocka.h>

enum { VISITORS = 200, AT_ONCE = 2, PLACES = 3 };

static struct probe_crowd *crowd;
static unsigned n_inside[PLACES], n_most, n_done;

static struct address place(unsigned n) {
    return (struct address){.family = ADDRESS_IPV4, .bytes = {192, 0, 2, (unsigned char)n}};
}

// Two addresses of three each, in one order or the other.
static void visit(void *arg) {
    unsigned number = (unsigned)(uintptr_t)arg, a = number % PLACES, b = (number / 2 + 1) % PLACES;
    struct address both[2] = {place(a), place(b)};
    size_t n = a == b ? 1 : 2;
    if (!probe_crowd_enter(crowd, both, n, io_after(20000)))
        return;
    unsigned *counts[2] = {&n_inside[a], &n_inside[b]};
    for (size_t i = 0; i < n; i++) {
        ++*counts[i];
        n_most = *counts[i] > n_most ? *counts[i] : n_most;
    }
    io_sleep(io_after(number % 3));
    for (size_t i = 0; i < n; i++)
        --*counts[i];
    probe_crowd_leave(crowd, both, n);
    n_done++;
}

static void run_visits(void *arg) {
    struct io_group group;
    io_group_init(&group);
    for (uintptr_t i = 0; i < VISITORS; i++)
        io_group_spawn(&group, "visit", visit, (void *)i);
    io_group_wait(&group, io_after(30000));
}

// Waits without end are ended by a deadline and by cancelation, and others have their turn then.
static void run_deadline(void *arg) {
    struct address here = place(1);
    struct io_group group;
    assert_true(probe_crowd_enter(crowd, &here, 1, IO_NEVER));
    assert_true(probe_crowd_enter(crowd, &here, 1, IO_NEVER));
    assert_false(probe_crowd_enter(crowd, &here, 1, io_after(20)));
    io_group_init(&group);
    io_group_spawn(&group, "visit", visit, (void *)(uintptr_t)1);
    io_yield();
    io_group_cancel(&group);
    io_group_wait(&group, io_after(1000));
    probe_crowd_leave(crowd, &here, 1);
    assert_true(probe_crowd_enter(crowd, &here, 1, io_after(20)));
    probe_crowd_leave(crowd, &here, 1);
    probe_crowd_leave(crowd, &here, 1);
}

static void run(void (*body)(void *arg)) {
    struct error error;
    struct io_loop *loop = io_loop_create(NULL, &error);
    assert_non_null(loop);
    crowd = probe_crowd_create(AT_ONCE);
    io_spawn("test", body, NULL);
    io_loop_run(loop);
    probe_crowd_destroy(crowd); // asserts that nobody is left
    io_loop_destroy(loop);
}

static void test_turns(void **state) {
    run(run_visits);
    assert_int_equal(n_done, VISITORS);
    assert_int_equal(n_most, AT_ONCE);
}

static void test_deadline(void **state) {
    n_done = 0;
    run(run_deadline);
    assert_int_equal(n_done, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns),
                                       cmocka_unit_test(test_deadline)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
