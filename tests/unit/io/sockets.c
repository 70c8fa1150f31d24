// SPDX-License-Identifier: Apache-2.0
// What only real sockets do: shortage of descriptors, stale names, the kernel's figures, and the
// rules that end the program when they are broken.
#include "io_test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

// --- Shortage ---------------------------------------------------------------------------------

struct hoard {
    int numbers[4096];
    size_t n;
    struct rlimit limit;
};

// Valgrind has limits of its own.
static bool is_limit_kept(void) {
    return !RUNNING_ON_VALGRIND;
}

// Leaves no descriptor free.
static void hoard_all(struct hoard *hoard) {
    struct rlimit low;
    hoard->n = 0;
    getrlimit(RLIMIT_NOFILE, &hoard->limit);
    low = hoard->limit;
    low.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int number;
    while ((number = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        hoard->numbers[hoard->n++] = number;
    assert_int_equal(errno, EMFILE);
}

static void hoard_release(struct hoard *hoard) {
    for (size_t i = 0; i < hoard->n; i++)
        close(hoard->numbers[i]);
    setrlimit(RLIMIT_NOFILE, &hoard->limit);
}

// The waiting connection is shed and the shortage told; accept neither spins nor stays stuck.
static void accept_survives_a_shortage(void *arg) {
    static struct hoard hoard;
    if (!is_limit_kept())
        return;
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_stream *near[3], *far, *none;
    char byte;
    for (int i = 0; i < 3; i++)
        assert_ok(io_connect(&where, NULL, io_after(1000), &near[i]));
    hoard_all(&hoard);
    for (int i = 0; i < 2; i++) {
        struct io_result result = io_accept(listener, io_after(1000), &far);
        assert_int_equal(result.status, IO_ERROR);
        assert_int_equal(result.sys_errno, EMFILE);
        assert_int_not_equal(io_read(near[i], &byte, 1, io_after(1000)).status, IO_TIMEOUT);
    }
    struct io_result failed = io_connect(&where, NULL, io_after(1000), &none);
    assert_int_equal(failed.sys_errno, EMFILE);
    struct fact fact = io_fact(FACT_STAGE_CONNECT, failed);
    assert_int_equal(fact.kind, FACT_KIND_LOCAL);
    assert_int_equal(fact.detail, FACT_LOCAL_DESCRIPTORS);
    hoard_release(&hoard);
    assert_ok(io_accept(listener, io_after(1000), &far));
    io_close(far);
    for (int i = 0; i < 3; i++)
        io_close(near[i]);
    io_listener_close(listener);
}

static void shortage_does_not_spin(void *arg) {
    static struct hoard hoard;
    if (!is_limit_kept())
        return;
    struct io_listener *listener = listen_anywhere();
    struct io_stream *far;
    hoard_all(&hoard);
    assert_int_equal(io_accept(listener, io_after(30), &far).status, IO_TIMEOUT);
    hoard_release(&hoard);
    io_listener_close(listener);
}

// --- Names and figures ------------------------------------------------------------------------

static void stale_sockets_are_replaced(void *arg) {
    char path[] = "/tmp/io-sockets-XXXXXX";
    struct error error;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat stat_now;
    assert_non_null(mkdtemp(path));
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&name, sizeof(name)), 0);
    close(dead);
    struct io_listener *listener = io_listen_unix(name.sun_path, 0640, &error);
    assert_non_null(listener);
    assert_int_equal(stat(name.sun_path, &stat_now), 0);
    assert_int_equal(stat_now.st_mode & 07777, 0640);
    io_listener_close(listener);
    assert_int_equal(stat(name.sun_path, &stat_now), -1);
    listener = io_listen_unix(name.sun_path, 0640, &error);
    unlink(name.sun_path);
    struct io_listener *successor = io_listen_unix(name.sun_path, 0640, &error);
    assert_non_null(successor);
    io_listener_close(listener); // leaves the other's name
    assert_int_equal(stat(name.sun_path, &stat_now), 0);
    io_listener_close(successor);
    int file = open(name.sun_path, O_CREAT | O_WRONLY, 0600); // no socket: not ours to remove
    close(file);
    assert_null(io_listen_unix(name.sun_path, 0640, &error));
    assert_int_equal(error.sys_errno, EADDRINUSE);
    unlink(name.sun_path);
    rmdir(path);
    char longer[200];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[199] = '\0';
    struct io_stream *stream;
    assert_null(io_listen_unix(longer, 0640, &error));
    assert_int_equal(io_connect_unix(longer, io_after(10), &stream).sys_errno, ENAMETOOLONG);
}

static void full_unix_backlogs_are_waited_for(void *arg) {
    char path[] = "/tmp/io-sockets-XXXXXX";
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct io_stream *streams[8];
    int n = 0;
    assert_non_null(mkdtemp(path));
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", path);
    int full = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(full, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(full, 1), 0);
    struct io_result result = {.status = IO_OK};
    while (n < 8 && io_is_ok(result = io_connect_unix(name.sun_path, io_after(30), &streams[n])))
        n++;
    assert_int_equal(result.status, IO_TIMEOUT);
    assert_in_range(n, 1, 4);
    while (n > 0)
        io_close(streams[--n]);
    close(full);
    unlink(name.sun_path);
    rmdir(path);
}

static void the_kernel_tells(void *arg) {
    struct ends ends = ends_open();
    struct io_tcp_info info;
    uid_t uid;
    gid_t gid;
    assert_true(io_stream_tcp_info(ends.near, &info));
    assert_true(info.snd_mss > 500 && info.snd_cwnd > 0 && !info.is_ended);
    assert_int_equal(info.bytes_unacked, 0);
    struct fact fact = fact_make(FACT_STAGE_BODY, FACT_KIND_SILENT);
    // More than the other end's buffers hold, as nobody reads there.
    static char much[32 << 20];
    io_write(ends.near, much, sizeof(much), io_after(50));
    io_fact_add_tcp(&fact, ends.near);
    assert_true(fact.flags & FACT_FLAG_TCP_KNOWN);
    assert_true(fact.tcp_unacked_bytes > 0 && fact.tcp_segment_bytes > 500);
    assert_true(io_stream_tcp_info(ends.near, &info) && info.bytes_acked > 1000);
    struct fact well = fact_make(FACT_STAGE_BODY, FACT_KIND_OK);
    io_fact_add_tcp(&well, ends.near);
    assert_false(well.flags & FACT_FLAG_TCP_KNOWN);
    assert_false(io_stream_peer_ids(ends.near, &uid, &gid));
    assert_true(io_stream_descriptor(ends.near) > 2);
    int flags = fcntl(io_stream_descriptor(ends.near), F_GETFD);
    assert_true(flags & FD_CLOEXEC);
    assert_true(fcntl(io_stream_descriptor(ends.far), F_GETFD) & FD_CLOEXEC);
    ends_close(&ends);
}

static void mss_is_clamped(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_connect_options options = {.mss_clamp = 800};
    struct io_stream *near, *far;
    struct io_tcp_info info;
    assert_ok(io_connect(&where, &options, io_after(1000), &near));
    assert_ok(io_accept(listener, io_after(1000), &far));
    assert_true(io_stream_tcp_info(near, &info));
    assert_in_range(info.snd_mss, 500, 800);
    io_close(near);
    io_close(far);
    io_listener_close(listener);
}

static void a_foreign_source_is_a_local_fault(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct io_connect_options options = {.source = address_of("198.51.100.7", 0)};
    struct io_stream *stream;
    struct io_result result = io_connect(&where, &options, io_after(1000), &stream);
    assert_int_equal(result.sys_errno, EADDRNOTAVAIL);
    struct fact fact = io_fact(FACT_STAGE_CONNECT, result);
    assert_int_equal(fact.kind, FACT_KIND_LOCAL);
    assert_int_equal(fact.detail, FACT_LOCAL_SOURCE);
    io_listener_close(listener);
}

// A port within the range from which the kernel chooses: a connection may find itself.
static void nobody_connects_to_himself(void *arg) {
    struct address own = address_of("127.0.0.1", 0);
    struct io_stream *stream;
    struct io_listener *listener = listen_anywhere();
    own.port = io_listener_address(listener).port;
    io_listener_close(listener);
    struct io_connect_options options = {.source = own};
    struct io_result result = io_connect(&own, &options, io_after(1000), &stream);
    assert_int_equal(result.sys_errno, ECONNREFUSED);
    assert_null(stream);
}

static struct io_listener *early;

static void accept_early(void *arg) {
    struct io_stream *near, *far;
    struct address where = io_listener_address(early);
    io_listener_adopt(early);
    assert_ok(io_connect(&where, NULL, io_after(1000), &near));
    assert_ok(io_accept(early, io_after(1000), &far));
    io_close(near);
    io_close(far);
    io_listener_close(early);
}

static void listeners_are_made_before_loops(void **state) {
    assert_null(io_loop_current());
    early = listen_anywhere();
    void *body = (void *)accept_early;
    run_on_epoll(&body);
}

// The byte came after the last look at the network, and the deadline is over: the kernel is asked.
static void a_read_asks_once_more_at_its_deadline(void *arg) {
    struct ends ends = ends_open();
    char byte;
    assert_int_equal(io_read(ends.near, &byte, 1, io_now()).status, IO_TIMEOUT);
    assert_ok(io_write(ends.far, "x", 1, io_after(1000)));
    assert_ok(io_read(ends.near, &byte, 1, io_now() - 1));
    ends_close(&ends);
}

struct closer {
    struct io_stream *stream;
    struct io_watch *watch;
    int n_called;
};

static void close_in_callback(uint32_t events, void *arg) {
    struct closer *closer = arg;
    closer->n_called++;
    io_close(closer->stream);
    io_watch_remove(closer->watch);
}

// The stream's edge is in the same batch as the call that closes it, before or after it.
static void callbacks_may_close_streams(void *arg) {
    for (int i = 0; i < 2; i++) {
        struct ends ends = ends_open();
        struct closer closer = {.stream = ends.near};
        int numbers[2];
        assert_int_equal(pipe(numbers), 0);
        closer.watch = io_watch_add(numbers[0], EPOLLIN, close_in_callback, &closer);
        if (i == 0)
            assert_int_equal(write(numbers[1], "x", 1), 1);
        assert_ok(io_write(ends.far, "x", 1, io_after(1000)));
        if (i == 1)
            assert_int_equal(write(numbers[1], "x", 1), 1);
        io_sleep(io_after(5));
        assert_int_equal(closer.n_called, 1);
        io_close(ends.far);
        close(numbers[0]);
        close(numbers[1]);
    }
}

// A thousand sessions: numbers are used again, and no edge of an old one reaches a new one.
static void echo_once(void *arg) {
    struct io_stream *stream = arg;
    char byte;
    if (io_is_ok(io_read(stream, &byte, 1, io_after(5000))))
        assert_ok(io_write(stream, &byte, 1, io_after(5000)));
    io_close(stream);
}

static void accept_many(void *arg) {
    struct io_stream *stream;
    while (io_is_ok(io_accept(arg, IO_NEVER, &stream)))
        io_spawn("echo", echo_once, stream);
}

static void visit(void *arg) {
    struct io_listener *listener = arg;
    struct address where = io_listener_address(listener);
    for (int i = 0; i < 100; i++) {
        struct io_stream *stream;
        char byte = (char)i, back = 0;
        assert_ok(io_connect(&where, NULL, io_after(5000), &stream));
        if (i % 7 == 0)
            stream->ops->set_abort(stream);
        if (i % 5 != 0) {
            assert_ok(io_write(stream, &byte, 1, io_after(5000)));
            assert_ok(io_read(stream, &back, 1, io_after(5000)));
            assert_int_equal(back, byte);
        }
        io_close(stream);
    }
}

static void numbers_are_used_again(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct io_fiber *server = io_spawn("server", accept_many, listener);
    struct io_group group;
    io_group_init(&group);
    for (int i = 0; i < 10; i++)
        io_group_spawn(&group, "visitor", visit, listener);
    assert_ok(io_group_wait(&group, io_after(20000)));
    io_cancel(server);
    io_sleep(io_after(5));
    io_listener_close(listener);
}

// --- Broken rules -----------------------------------------------------------------------------

static void nothing(void *arg) {
}

static void wait_outside_a_fiber(void) {
    io_sleep(io_after(1));
}

static void sleep_in_section(void *arg) {
    io_no_switch_begin();
    io_sleep(io_after(1));
}

static void read_ready_in_section(void *arg) {
    struct io_event event;
    io_event_init(&event);
    io_event_set(&event);
    io_no_switch_begin();
    io_event_wait(&event, IO_NEVER); // would not even have to wait
}

static void sleep_in_callback(void *arg) {
    io_loop_post(io_loop_current(), sleep_in_section, NULL);
    io_sleep(io_after(1000));
}

static void leave_section_open(void *arg) {
    io_no_switch_begin();
}

static void close_section_twice(void *arg) {
    io_no_switch_begin();
    io_no_switch_end();
    io_no_switch_end();
}

static struct ends broken;

static void read_broken(void *arg) {
    char byte;
    io_read(broken.near, &byte, 1, IO_NEVER);
}

static void close_under_a_reader(void *arg) {
    broken = ends_open();
    io_spawn("reader", read_broken, NULL);
    io_sleep(io_after(5));
    io_close(broken.near);
}

static void read_twice_at_once(void *arg) {
    broken = ends_open();
    io_spawn("reader", read_broken, NULL);
    io_spawn("reader", read_broken, NULL);
    io_sleep(io_after(5));
}

static void destroy_full_mailbox(void *arg) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct io_mail mail;
    io_mailbox_post(mailbox, &mail);
    io_mailbox_destroy(mailbox);
}

static void unlink_path(void *arg) {
    struct io_dir *dir;
    io_dir_open("/tmp", false, &dir);
    io_dir_unlink(dir, "../etc/passwd");
}

// Whether the body ends the program with an assertion.
static bool aborts(void (*body)(void *arg)) {
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        alarm(20);
        if (body)
            run_on_epoll((void **)&body);
        else
            wait_outside_a_fiber();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void broken_rules_end_the_program(void **state) {
    static const struct {
        const char *rule;
        void (*body)(void *arg);
    } rows[] = {{"a wait within a no-switch section", sleep_in_section},
                {"a wait that could be met at once, there", read_ready_in_section},
                {"a wait in a callback", sleep_in_callback},
                {"a section left open", leave_section_open},
                {"a section closed twice", close_section_twice},
                {"a close under a reader", close_under_a_reader},
                {"two readers", read_twice_at_once},
                {"a mailbox destroyed with mail", destroy_full_mailbox},
                {"a path for a name", unlink_path},
                {"a wait outside a fiber", NULL}};
    assert_false(aborts(nothing));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!aborts(rows[i].body))
            fail_msg("not noticed: %s", rows[i].rule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_EPOLL(accept_survives_a_shortage),
        ON_EPOLL(shortage_does_not_spin),
        ON_EPOLL(stale_sockets_are_replaced),
        ON_EPOLL(full_unix_backlogs_are_waited_for),
        ON_EPOLL(the_kernel_tells),
        ON_EPOLL(mss_is_clamped),
        ON_EPOLL(a_foreign_source_is_a_local_fault),
        ON_EPOLL(nobody_connects_to_himself),
        cmocka_unit_test(listeners_are_made_before_loops),
        ON_EPOLL(a_read_asks_once_more_at_its_deadline),
        ON_EPOLL(callbacks_may_close_streams),
        ON_EPOLL(numbers_are_used_again),
        cmocka_unit_test(broken_rules_end_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
