// SPDX-License-Identifier: Apache-2.0
#include "io_test.h"

static struct address loopback(uint16_t port) {
    struct address address;
    assert_true(address_parse(view_of("127.0.0.1"), &address));
    address.port = port;
    return address;
}

static void echo(void *arg) {
    struct io_listener *listener = arg;
    struct io_stream *stream;
    char bytes[4096];
    assert_true(io_is_ok(io_accept(listener, io_after(5000), &stream)));
    for (;;) {
        struct io_result got = io_read(stream, bytes, sizeof(bytes), io_after(5000));
        if (got.status == IO_EOF)
            break;
        assert_true(io_is_ok(got));
        assert_true(io_is_ok(io_write(stream, bytes, got.bytes, io_after(5000))));
    }
    io_close(stream);
    io_listener_close(listener);
}

static void talk(void *arg) {
    struct error error;
    struct address any = loopback(0);
    struct io_listener *listener = io_listen(&any, false, &error);
    struct address where = io_listener_address(listener);
    struct io_stream *stream;
    char bytes[64];
    io_spawn("echo", echo, listener);
    assert_true(io_is_ok(io_connect(&where, NULL, io_after(5000), &stream)));
    for (int i = 0; i < 100; i++) {
        assert_true(io_is_ok(io_write(stream, "hello", 5, io_after(5000))));
        struct io_result got = io_read(stream, bytes, sizeof(bytes), io_after(5000));
        assert_true(io_is_ok(got));
        assert_int_equal(got.bytes, 5);
    }
    io_close(stream);
}

static void echoing(void **state) {
    run_fiber(talk, NULL);
}

static void read_file(void *arg) {
    struct io_dir *dir;
    struct io_file *file;
    char bytes[8] = "";
    struct iovec part = {(void *)(uintptr_t)"abcdef", 6};
    assert_true(io_is_ok(io_dir_open("/tmp/postrider-test-io", true, &dir)));
    assert_true(io_is_ok(io_dir_lock(dir)));
    assert_true(io_is_ok(
        io_file_open(dir, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file)));
    assert_true(io_is_ok(io_file_writev(file, &part, 1, 0)));
    assert_true(io_is_ok(io_file_sync(file)));
    assert_int_equal(io_file_read(file, bytes, 8, 2).status, IO_EOF);
    assert_string_equal(bytes, "cdef");
    io_file_close(file);
    assert_true(io_is_ok(io_dir_unlink(dir, "a")));
    io_dir_close(dir);
}

static void files(void **state) {
    run_fiber(read_file, NULL);
}

static void refused(void *arg) {
    struct io_stream *stream;
    struct address nobody = loopback(1);
    struct io_result result = io_connect(&nobody, NULL, io_after(5000), &stream);
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, 111);
    assert_null(stream);
}

static void refusing(void **state) {
    run_fiber(refused, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(echoing), cmocka_unit_test(files),
                                       cmocka_unit_test(refusing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
