// SPDX-License-Identifier: Apache-2.0
// Streams over both back ends.
#include "io_test.h"

static void echo(void *arg) {
    struct io_stream *stream = arg;
    char bytes[4096];
    for (;;) {
        struct io_result got = io_read(stream, bytes, sizeof(bytes), io_after(5000));
        if (got.status == IO_EOF)
            break;
        assert_ok(got);
        assert_ok(io_write(stream, bytes, got.bytes, io_after(5000)));
    }
    io_close(stream);
}

static void echoing(void *arg) {
    struct ends ends = ends_open();
    char bytes[64];
    io_spawn("echo", echo, ends.far);
    for (int i = 0; i < 100; i++) {
        assert_ok(io_write(ends.near, "hello", 5, io_after(5000)));
        struct io_result got = io_read(ends.near, bytes, sizeof(bytes), io_after(5000));
        assert_ok(got);
        assert_int_equal(got.bytes, 5);
    }
    io_close(ends.near);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(echoing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
