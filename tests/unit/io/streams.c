// SPDX-License-Identifier: Apache-2.0
// Streams over both back ends.
#include "io_test.h"

#include <limits.h>

enum { BIG_BYTES = 8 * 1024 * 1024 };

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

static void addresses_are_told(void *arg) {
    struct ends ends = ends_open();
    assert_true(address_equals_port(&ends.near->peer, &ends.far->local));
    assert_true(address_equals_port(&ends.near->local, &ends.far->peer));
    assert_int_not_equal(ends.near->local.port, 0);
    ends_close(&ends);
}

// --- Reading ----------------------------------------------------------------------------------

static void end_of_stream(void *arg) {
    struct ends ends = ends_open();
    char bytes[16];
    assert_ok(io_write(ends.far, "bye", 3, io_after(5000)));
    io_close(ends.far);
    assert_ok(read_all(ends.near, bytes, 3));
    assert_memory_equal(bytes, "bye", 3);
    for (int i = 0; i < 2; i++) // and it stays so
        assert_int_equal(io_read(ends.near, bytes, sizeof(bytes), io_after(5000)).status, IO_EOF);
    io_close(ends.near);
}

static void write_then_close(void *arg) {
    struct io_stream *stream = arg;
    io_sleep(io_after(20));
    assert_ok(io_write(stream, "bye", 3, io_after(5000)));
    io_close(stream);
}

// The last bytes and the FIN come together to a fiber that waits: one edge for both.
static void end_of_stream_while_waiting(void *arg) {
    for (int i = 0; i < 5; i++) {
        struct ends ends = ends_open();
        char bytes[16];
        io_spawn("writer", write_then_close, ends.far);
        io_time start = io_now();
        struct io_result got = io_read(ends.near, bytes, sizeof(bytes), io_after(20000));
        assert_ok(got); // shorter than asked for, which alone would mean: nothing more is there
        assert_int_equal(got.bytes, 3);
        struct io_result end = io_read(ends.near, bytes, sizeof(bytes), io_after(20000));
        assert_int_equal(end.status, IO_EOF);
        assert_true(io_now() - start < 15000);
        io_close(ends.near);
    }
}

static void reads_time_out(void *arg) {
    struct ends ends = ends_open();
    char byte;
    io_time before = io_now();
    assert_int_equal(io_read(ends.near, &byte, 1, before + 20).status, IO_TIMEOUT);
    assert_waited(before, 20);
    assert_int_equal(io_read(ends.near, &byte, 1, before).status, IO_TIMEOUT);
    assert_ok(io_write(ends.far, "xy", 2, io_after(1000)));
    io_sleep(io_after(5));
    // What is there is given even past the deadline.
    assert_ok(io_read(ends.near, &byte, 1, before));
    assert_ok(io_read(ends.near, &byte, 1, before));
    assert_int_equal(io_read(ends.near, &byte, 1, before).status, IO_TIMEOUT);
    ends_close(&ends);
}

static void write_at_deadline(void *arg) {
    struct io_stream *stream = arg;
    io_sleep(io_after(20));
    io_write(stream, "x", 1, io_after(1000));
}

// Readiness and deadline in the same moment: either answer is right, but the byte is not lost.
static void deadline_and_byte_at_once(void *arg) {
    for (int i = 0; i < 5; i++) {
        struct ends ends = ends_open();
        struct io_group group;
        char byte = 0;
        io_group_init(&group);
        io_group_spawn(&group, "writer", write_at_deadline, ends.far);
        struct io_result got = io_read(ends.near, &byte, 1, io_after(20));
        assert_true(got.status == IO_OK || got.status == IO_TIMEOUT);
        if (got.status == IO_TIMEOUT)
            assert_ok(io_read(ends.near, &byte, 1, io_after(1000)));
        assert_int_equal(byte, 'x');
        assert_ok(io_group_wait(&group, io_after(1000)));
        ends_close(&ends);
    }
}

// --- Writing ----------------------------------------------------------------------------------

struct drain {
    struct io_stream *stream;
    size_t n_expected;
    int64_t pause_ms;
    uint64_t sum;
    size_t n_read;
};

static uint64_t sum_up(uint64_t sum, const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void drain(void *arg) {
    struct drain *drain = arg;
    static unsigned char bytes[100000];
    io_sleep(io_after(drain->pause_ms));
    while (drain->n_read < drain->n_expected) {
        struct io_result got = io_read(drain->stream, bytes, sizeof(bytes), io_after(5000));
        assert_ok(got);
        drain->sum = sum_up(drain->sum, bytes, got.bytes);
        drain->n_read += got.bytes;
    }
}

static unsigned char *pattern(size_t len) {
    unsigned char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    return bytes;
}

static void check_write(const struct iovec *parts, int n_parts) {
    struct ends ends = ends_open();
    struct drain drained = {.stream = ends.far, .pause_ms = 10};
    uint64_t sum = 0;
    struct io_group group;
    for (int i = 0; i < n_parts; i++) {
        drained.n_expected += parts[i].iov_len;
        sum = sum_up(sum, parts[i].iov_base, parts[i].iov_len);
    }
    io_group_init(&group);
    io_group_spawn(&group, "drain", drain, &drained);
    struct io_result result = io_writev(ends.near, parts, n_parts, io_after(5000));
    assert_ok(result);
    assert_int_equal(result.bytes, drained.n_expected);
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_true(drained.sum == sum);
    ends_close(&ends);
}

static void big_writes(void *arg) {
    unsigned char *bytes = pattern(BIG_BYTES);
    struct iovec whole = {bytes, BIG_BYTES};
    check_write(&whole, 1);
    struct iovec parts[] = {
        {bytes, 3}, {bytes, 0}, {bytes + 3, BIG_BYTES / 2}, {NULL, 0}, {bytes + 9, BIG_BYTES / 3},
        {bytes, 1}, {NULL, 0}};
    check_write(parts, ARRAY_LEN(parts));
    free(bytes);
}

static void more_parts_than_iov_max(void *arg) {
    enum { N_PARTS = 3 * IOV_MAX + 7, PART_BYTES = 1500 };
    unsigned char *bytes = pattern(PART_BYTES + N_PARTS);
    struct iovec *parts = calloc(N_PARTS, sizeof(*parts));
    for (int i = 0; i < N_PARTS; i++)
        parts[i] = (struct iovec){bytes + i, (size_t)(i % PART_BYTES)};
    check_write(parts, N_PARTS);
    free(parts);
    free(bytes);
}

static void empty_writes(void *arg) {
    struct ends ends = ends_open();
    struct iovec none[] = {{NULL, 0}, {NULL, 0}};
    assert_ok(io_writev(ends.near, none, 0, io_after(1000)));
    assert_ok(io_writev(ends.near, none, 2, io_after(1000)));
    assert_ok(io_write(ends.near, "", 0, io_after(1000)));
    ends_close(&ends);
}

static void writes_time_out(void *arg) {
    struct ends ends = ends_open();
    unsigned char *bytes = pattern(4 * BIG_BYTES);
    io_time before = io_now();
    struct io_result result = io_write(ends.near, bytes, 4 * BIG_BYTES, before + 50);
    assert_int_equal(result.status, IO_TIMEOUT);
    assert_true(result.bytes > 0 && result.bytes < 4 * BIG_BYTES);
    assert_waited(before, 50);
    free(bytes);
    ends_close(&ends);
}

static void both_ways_at_once(void *arg) {
    struct ends ends = ends_open();
    unsigned char *bytes = pattern(BIG_BYTES);
    struct drain drains[] = {{.stream = ends.far, .n_expected = BIG_BYTES},
                             {.stream = ends.near, .n_expected = BIG_BYTES}};
    struct io_group group;
    io_group_init(&group);
    io_group_spawn(&group, "drain", drain, &drains[0]);
    io_group_spawn(&group, "drain", drain, &drains[1]);
    assert_ok(io_write(ends.near, bytes, BIG_BYTES, io_after(5000)));
    assert_ok(io_write(ends.far, bytes, BIG_BYTES, io_after(5000)));
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_true(drains[0].sum == drains[1].sum);
    free(bytes);
    ends_close(&ends);
}

// --- How connections end ----------------------------------------------------------------------

// Neither a signal nor an endless success.
static void writes_to_a_closed_peer_fail(void *arg) {
    struct ends ends = ends_open();
    io_close(ends.far);
    struct io_result result = {.status = IO_OK};
    for (int i = 0; i < 100 && io_is_ok(result); i++) {
        io_sleep(io_after(2));
        result = io_write(ends.near, "x", 1, io_after(1000));
    }
    assert_int_equal(result.status, IO_ERROR);
    assert_true(result.sys_errno == EPIPE || result.sys_errno == ECONNRESET);
    io_close(ends.near);
}

static void abort_resets(void *arg) {
    struct ends ends = ends_open();
    char byte;
    ends.far->ops->set_abort(ends.far);
    io_close(ends.far);
    struct io_result result = io_read(ends.near, &byte, 1, io_after(1000));
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, ECONNRESET);
    io_close(ends.near);
}

// A close with bytes unread is a reset, yet what had come before it can be read.
static void close_with_unread_bytes_resets(void *arg) {
    struct ends ends = ends_open();
    char bytes[8];
    assert_ok(io_write(ends.near, "unread", 6, io_after(1000)));
    assert_ok(io_write(ends.far, "421", 3, io_after(1000)));
    io_sleep(io_after(10));
    io_close(ends.far);
    io_sleep(io_after(10));
    assert_ok(read_all(ends.near, bytes, 3));
    struct io_result result = io_read(ends.near, bytes, 1, io_after(1000));
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, ECONNRESET);
    io_close(ends.near);
}

static void reset_ends_a_waiting_write(void *arg) {
    struct ends ends = ends_open();
    unsigned char *bytes = pattern(4 * BIG_BYTES);
    struct io_group group;
    io_group_init(&group);
    ends.far->ops->set_abort(ends.far);
    io_group_spawn(&group, "closer", write_then_close, ends.far);
    struct io_result result = io_write(ends.near, bytes, 4 * BIG_BYTES, io_after(5000));
    assert_int_equal(result.status, IO_ERROR);
    assert_true(result.sys_errno == ECONNRESET || result.sys_errno == EPIPE);
    assert_ok(io_group_wait(&group, io_after(1000)));
    free(bytes);
    io_close(ends.near);
}

// --- Connecting -------------------------------------------------------------------------------

static void refused_connections(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address gone = io_listener_address(listener);
    struct io_stream *stream = (struct io_stream *)&gone;
    io_listener_close(listener);
    struct io_result result = io_connect(&gone, NULL, io_after(5000), &stream);
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, ECONNREFUSED);
    assert_null(stream);
    struct fact fact = io_fact(FACT_STAGE_CONNECT, result);
    assert_int_equal(fact.kind, FACT_KIND_ERRNO);
    assert_int_equal(fact.sys_errno, ECONNREFUSED);
    assert_true(fact.at_ms > 0);
}

static void source_address(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_connect_options options = {.source = address_of("127.0.0.9", 0), .mss_clamp = 1000};
    struct io_stream *near, *far;
    assert_ok(io_connect(&where, &options, io_after(5000), &near));
    assert_ok(io_accept(listener, io_after(5000), &far));
    assert_true(address_equals(&far->peer, &options.source));
    assert_true(address_equals_port(&far->peer, &near->local));
    io_close(near);
    io_close(far);
    io_listener_close(listener);
}

static void accept_times_out(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct io_stream *stream;
    io_time before = io_now();
    assert_int_equal(io_accept(listener, before + 20, &stream).status, IO_TIMEOUT);
    assert_waited(before, 20);
    assert_null(stream);
    io_listener_close(listener);
}

static void many_wait_to_be_accepted(void *arg) {
    enum { N = 50 };
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_stream *near[N], *far[N];
    for (int i = 0; i < N; i++)
        assert_ok(io_connect(&where, NULL, io_after(5000), &near[i]));
    for (int i = 0; i < N; i++)
        assert_ok(io_accept(listener, io_after(5000), &far[i]));
    for (int i = 0; i < N; i++) {
        io_close(near[i]);
        io_close(far[i]);
    }
    io_listener_close(listener);
}

static void unaccepted_connections_are_reset(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_stream *near;
    char byte;
    assert_ok(io_connect(&where, NULL, io_after(5000), &near));
    io_listener_close(listener);
    struct io_result result = io_read(near, &byte, 1, io_after(5000));
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, ECONNRESET);
    io_close(near);
}

static void unix_sockets(void *arg) {
    char path[] = "/tmp/io-test-XXXXXX";
    struct error error;
    struct io_stream *near, *far;
    uid_t uid;
    gid_t gid;
    assert_non_null(mkdtemp(path));
    char socket[64];
    snprintf(socket, sizeof(socket), "%s/s", path);
    assert_int_equal(io_connect_unix(socket, io_after(1000), &near).sys_errno, ENOENT);
    struct io_listener *listener = io_listen_unix(socket, 0600, &error);
    assert_non_null(listener);
    assert_int_equal(io_listener_address(listener).family, ADDRESS_UNIX);
    assert_null(io_listen_unix(socket, 0600, &error)); // in use
    assert_int_equal(error.sys_errno, EADDRINUSE);
    assert_ok(io_connect_unix(socket, io_after(1000), &near));
    assert_ok(io_accept(listener, io_after(1000), &far));
    assert_int_equal(near->peer.family, ADDRESS_UNIX);
    assert_true(io_stream_peer_ids(far, &uid, &gid));
    assert_int_equal(uid, geteuid());
    struct ends ends = {near, far};
    struct io_tcp_info info;
    char bytes[4];
    assert_ok(io_write(near, "unix", 4, io_after(1000)));
    assert_ok(read_all(far, bytes, 4));
    assert_false(io_stream_tcp_info(near, &info));
    ends_close(&ends);
    io_listener_close(listener);
    rmdir(path);
}

static void addresses_in_use(void *arg) {
    struct error error;
    struct io_listener *first = listen_anywhere();
    struct address where = io_listener_address(first);
    assert_null(io_listen(&where, false, &error));
    assert_int_equal(error.sys_errno, EADDRINUSE);
    assert_non_null(strstr(error.text, "127.0.0.1:"));
    io_listener_close(first);
    struct io_listener *shared[2];
    for (int i = 0; i < 2; i++) {
        shared[i] = io_listen(&where, true, &error);
        assert_non_null(shared[i]);
    }
    io_listener_close(shared[0]);
    io_listener_close(shared[1]);
}

static void ipv6_and_wildcard(void *arg) {
    struct error error;
    struct address any = address_of("::", 0);
    struct io_listener *listener = io_listen(&any, false, &error);
    assert_non_null(listener);
    struct address where = address_of("::1", io_listener_address(listener).port);
    struct io_stream *near, *far;
    assert_ok(io_connect(&where, NULL, io_after(5000), &near));
    assert_ok(io_accept(listener, io_after(5000), &far));
    assert_true(address_equals_port(&far->local, &where)); // not the wildcard
    io_close(near);
    io_close(far);
    io_listener_close(listener);
}

// --- Facts ------------------------------------------------------------------------------------

static void facts_of_results(void **state) {
    static const struct {
        struct io_result result;
        enum fact_kind kind;
        int detail;
    } rows[] = {
        {{IO_OK, 0, -1, -1, 5}, FACT_KIND_OK, 0},
        {{IO_EOF, 0, -1, -1, 0}, FACT_KIND_CLOSED, 0},
        {{IO_TIMEOUT, 0, -1, -1, 0}, FACT_KIND_SILENT, 0},
        {{IO_CANCELED, 0, -1, -1, 0}, FACT_KIND_CANCELED, 0},
        {{IO_ERROR, ECONNRESET, -1, -1, 0}, FACT_KIND_ERRNO, 0},
        {{IO_ERROR, EHOSTUNREACH, 3, 1, 0}, FACT_KIND_ERRNO, 0},
        {{IO_ERROR, EMFILE, -1, -1, 0}, FACT_KIND_LOCAL, FACT_LOCAL_DESCRIPTORS},
        {{IO_ERROR, ENFILE, -1, -1, 0}, FACT_KIND_LOCAL, FACT_LOCAL_DESCRIPTORS},
        {{IO_ERROR, ENOMEM, -1, -1, 0}, FACT_KIND_LOCAL, FACT_LOCAL_MEMORY},
        {{IO_ERROR, ENOBUFS, -1, -1, 0}, FACT_KIND_LOCAL, FACT_LOCAL_MEMORY},
        {{IO_ERROR, EADDRNOTAVAIL, -1, -1, 0}, FACT_KIND_LOCAL, FACT_LOCAL_SOURCE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fact fact = io_fact(FACT_STAGE_CONNECT, rows[i].result);
        assert_int_equal(fact.stage, FACT_STAGE_CONNECT);
        assert_int_equal(fact.kind, rows[i].kind);
        assert_int_equal(fact.detail, rows[i].detail);
        assert_int_equal(fact.sys_errno, rows[i].result.sys_errno);
        assert_int_equal(fact.icmp_type, rows[i].result.icmp_type);
        assert_int_equal(fact.icmp_code, rows[i].result.icmp_code);
        assert_true(fact.at_ms > 1600000000000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(echoing),
        ON_BOTH(addresses_are_told),
        ON_BOTH(end_of_stream),
        ON_BOTH(end_of_stream_while_waiting),
        ON_BOTH(reads_time_out),
        ON_BOTH(deadline_and_byte_at_once),
        ON_BOTH(big_writes),
        ON_BOTH(more_parts_than_iov_max),
        ON_BOTH(empty_writes),
        ON_BOTH(writes_time_out),
        ON_BOTH(both_ways_at_once),
        ON_BOTH(writes_to_a_closed_peer_fail),
        ON_BOTH(abort_resets),
        ON_BOTH(close_with_unread_bytes_resets),
        ON_BOTH(reset_ends_a_waiting_write),
        ON_BOTH(refused_connections),
        ON_BOTH(source_address),
        ON_BOTH(accept_times_out),
        ON_BOTH(many_wait_to_be_accepted),
        ON_BOTH(unaccepted_connections_are_reset),
        ON_BOTH(unix_sockets),
        ON_BOTH(addresses_in_use),
        ON_BOTH(ipv6_and_wildcard),
        cmocka_unit_test(facts_of_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
