// SPDX-License-Identifier: Apache-2.0
// What the tests of io share: a loop, a first fiber, and the end of both.
#ifndef TESTS_IO_TEST_H
#define TESTS_IO_TEST_H

#include "io/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Runs `body` in a fiber on a loop of its own until every fiber has ended.
static inline void run_fiber(void (*body)(void *arg), void *arg) {
    struct error error;
    struct io_loop_options options = {.name = "test"};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", body, arg);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

#endif
