// SPDX-License-Identifier: Apache-2.0
// The production back end: one epoll set a loop, edge-triggered.
#include "io/epoll_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_A_POLL = 256,
    // Epoll's time stands still while the machine sleeps; ours does not.
    SLEEP_MS_MAX = 10000
};

static int64_t read_clock(clockid_t clock, int64_t units_a_second) {
    struct timespec time;
    ASSERT(clock_gettime(clock, &time) == 0);
    return time.tv_sec * units_a_second + time.tv_nsec / (1000000000 / units_a_second);
}

static int64_t epoll_now_us(void) {
    return read_clock(CLOCK_BOOTTIME, 1000000);
}

static int64_t epoll_wall_ms(void) {
    return read_clock(CLOCK_REALTIME, 1000);
}

static void epoll_random(void *out, size_t len) {
    unsigned char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

static void epoll_wake(struct io_loop *loop) {
    static const uint64_t one = 1;
    ssize_t written;
    do
        written = write(loop->epoll->waker.number, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
    ASSERT(written == sizeof(one));
}

static void note_edges(struct descriptor *descriptor, uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        descriptor->is_hung_up = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        descriptor->is_readable = true;
        fiber_wake_all(&descriptor->readers);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        descriptor->is_writable = true;
        fiber_wake_all(&descriptor->writers);
    }
}

// Callbacks come last: one may close a stream that this batch names too.
static void take_events(struct epoll_event *events, int n_events) {
    int n_callbacks = 0;
    for (int i = 0; i < n_events; i++) {
        struct descriptor *descriptor = events[i].data.ptr;
        if (descriptor->on_events)
            events[n_callbacks++] = events[i];
        else
            note_edges(descriptor, events[i].events);
    }
    for (int i = 0; i < n_callbacks; i++) {
        struct descriptor *descriptor = events[i].data.ptr;
        descriptor->on_events(descriptor, events[i].events);
    }
}

static int sleep_ms(const struct io_loop *loop, io_time until) {
    if (until <= loop->now)
        return 0;
    return (int)int64_min(until - loop->now, SLEEP_MS_MAX);
}

static void free_removed(struct epoll_set *set) {
    struct list *node;
    while ((node = list_pop(&set->removed)))
        watch_free(node);
}

static void epoll_poll(struct io_loop *loop, io_time until) {
    struct epoll_event events[EVENTS_A_POLL];
    if (until > loop->now)
        clock_refresh(loop); // the fibers took their time
    int timeout_ms = sleep_ms(loop, until);
    bool is_asleep = timeout_ms > 0 && loop_begin_sleep(loop);
    int n_events =
        epoll_wait(loop->epoll->number, events, EVENTS_A_POLL, is_asleep ? timeout_ms : 0);
    if (is_asleep) {
        loop_end_sleep(loop);
        count_up(&loop->wakeups);
    }
    ASSERT(n_events >= 0 || errno == EINTR);
    clock_refresh(loop);
    take_events(events, n_events);
    free_removed(loop->epoll);
}

static void ignore_events(struct descriptor *waker, uint32_t events) {
}

static bool open_set(struct epoll_set *set) {
    set->number = epoll_create1(EPOLL_CLOEXEC);
    descriptor_init(&set->waker, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    set->waker.on_events = ignore_events;
    list_init(&set->removed);
    return set->number >= 0 && set->waker.number >= 0;
}

static void close_set(struct epoll_set *set) {
    int saved = errno;
    if (set->waker.number >= 0)
        close(set->waker.number);
    if (set->number >= 0)
        close(set->number);
    free(set);
    errno = saved;
}

static struct io_loop *epoll_create_loop(const struct io_loop_options *options,
                                         struct error *error) {
    struct epoll_set *set = mem_alloc_zero(sizeof(*set));
    if (!open_set(set)) {
        close_set(set);
        error_set_errno(error, errno, "an event loop cannot be made");
        return NULL;
    }
    struct io_loop *loop = loop_create_real(&io_backend_epoll, options);
    loop->epoll = set;
    clock_refresh(loop);
    ASSERT(descriptor_register(&set->waker, EPOLLIN));
    pool_hold(loop->options.pool_threads);
    return loop;
}

// A thread that began a wake may not have written yet; its number must not be closed under it.
static void await_wakes(struct io_loop *loop) {
    struct pollfd waker = {.fd = loop->epoll->waker.number, .events = POLLIN};
    for (uint64_t n_seen = 0, n; n_seen < loop->n_wakes_due;)
        if (poll(&waker, 1, 1000) > 0 && read(waker.fd, &n, sizeof(n)) == sizeof(n))
            n_seen += n;
}

static void epoll_finish(struct io_loop *loop) {
    await_wakes(loop);
    signals_close(loop->epoll);
    free_removed(loop->epoll);
    close_set(loop->epoll);
    loop->epoll = NULL;
    pool_release();
}

const struct io_backend io_backend_epoll = {
    .name = "epoll",
    .now_us = epoll_now_us,
    .wall_ms = epoll_wall_ms,
    .random = epoll_random,
    .poll = epoll_poll,
    .wake = epoll_wake,
    .finish = epoll_finish,
    .create = epoll_create_loop,
    .start_thread = thread_start,
    .join_thread = thread_join,
    .watch_signals = signals_watch,
    .connect = socket_connect,
    .connect_unix = socket_connect_unix,
    .listen = socket_listen,
    .listen_unix = socket_listen_unix,
    .tcp_info = socket_tcp_info,
    .peer_ids = socket_peer_ids,
    .descriptor = socket_descriptor,
    .offload = pool_offload,
    .disk = disk_posix,
    .close_dir = disk_posix_close_dir,
    .close_file = disk_posix_close_file,
};
