// SPDX-License-Identifier: Apache-2.0
#include "io_test.h"

static void sleep_10(void *arg) {
    io_time before = io_now();
    struct io_result result = io_sleep(before + 10);
    assert_int_equal(result.status, IO_TIMEOUT);
    assert_true(io_now() >= before + 10);
    *(int *)arg += 1;
}

static void sleeping(void **state) {
    int n = 0;
    run_fiber(sleep_10, &n);
    assert_int_equal(n, 1);
}

struct pair {
    struct io_event ping, pong;
    int n;
};

static void ponger(void *arg) {
    struct pair *pair = arg;
    for (int i = 0; i < 1000; i++) {
        assert_true(io_is_ok(io_event_wait(&pair->ping, io_after(5000))));
        io_event_clear(&pair->ping);
        pair->n++;
        io_event_set(&pair->pong);
    }
}

static void pinger(void *arg) {
    struct pair *pair = arg;
    io_event_init(&pair->ping);
    io_event_init(&pair->pong);
    io_spawn("ponger", ponger, pair);
    for (int i = 0; i < 1000; i++) {
        io_event_set(&pair->ping);
        assert_true(io_is_ok(io_event_wait(&pair->pong, io_after(5000))));
        io_event_clear(&pair->pong);
    }
}

static void ping_pong(void **state) {
    struct pair pair = {.n = 0};
    run_fiber(pinger, &pair);
    assert_int_equal(pair.n, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sleeping), cmocka_unit_test(ping_pong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
