// SPDX-License-Identifier: Apache-2.0
// What the tests of io share: a body that runs in a first fiber, on either back end, until every
// fiber has ended. A case is a row: ON_BOTH(body) makes two.
#ifndef TESTS_IO_TEST_H
#define TESTS_IO_TEST_H

#include "io/io.h"
#include "io/sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_simulated;

static inline void run_on_epoll(void **state) {
    is_simulated = false;
    struct error error;
    struct io_loop_options options = {.name = "test"};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", (void (*)(void *)) * state, NULL);
    io_loop_run(loop);
    assert_int_equal(io_loop_counts(loop).fibers_now, 0);
    io_loop_destroy(loop);
}

static inline void run_on_sim(void **state) {
    is_simulated = true;
    struct sim *sim = sim_create(1);
    io_spawn("body", (void (*)(void *)) * state, NULL);
    sim_run(sim, IO_NEVER);
    assert_int_equal(io_loop_counts(io_loop_current()).fibers_now, 0);
    sim_destroy(sim);
}

#define ON_EPOLL(body)                                                                             \
    { #body " (epoll)", run_on_epoll, NULL, NULL, (void *)(body) }
#define ON_SIM(body)                                                                               \
    { #body " (sim)", run_on_sim, NULL, NULL, (void *)(body) }
#define ON_BOTH(body) ON_EPOLL(body), ON_SIM(body)

#define assert_ok(result) assert_int_equal((result).status, IO_OK)

// Exact in the simulator; a real machine may be busy.
static inline void assert_waited(io_time since, int64_t ms) {
    assert_in_range(io_now() - since, ms, ms + (is_simulated ? 0 : 3000));
}

static inline struct address address_of(const char *text, uint16_t port) {
    struct address address;
    assert_true(address_parse(view_of(text), &address));
    address.port = port;
    return address;
}

static inline struct io_listener *listen_anywhere(void) {
    struct error error;
    struct address any = address_of("127.0.0.1", 0);
    struct io_listener *listener = io_listen(&any, false, &error);
    assert_non_null(listener);
    return listener;
}

// Two ends of one connection.
struct ends {
    struct io_stream *near; // connected
    struct io_stream *far;  // accepted
};

static inline void ends_accept(void *arg) {
    void **pair = arg;
    assert_ok(io_accept(pair[0], io_after(5000), &((struct ends *)pair[1])->far));
}

static inline struct ends ends_open(void) {
    struct ends ends = {NULL, NULL};
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    void *pair[2] = {listener, &ends};
    struct io_group group;
    io_group_init(&group);
    io_group_spawn(&group, "accept", ends_accept, pair);
    assert_ok(io_connect(&where, NULL, io_after(5000), &ends.near));
    assert_ok(io_group_wait(&group, io_after(5000)));
    io_listener_close(listener);
    return ends;
}

static inline void ends_close(struct ends *ends) {
    io_close(ends->near);
    io_close(ends->far);
}

// Reads exactly `len` bytes.
static inline struct io_result read_all(struct io_stream *stream, void *out, size_t len) {
    struct io_result result = {.status = IO_OK};
    for (size_t done = 0; done < len; done += result.bytes) {
        result = io_read(stream, (char *)out + done, len - done, io_after(5000));
        if (!io_is_ok(result))
            return result;
    }
    return result;
}

#endif
