// SPDX-License-Identifier: Apache-2.0
// libunbound's event base over io_watch and io_timer. Its events behave as those of its own loop:
// an event with a descriptor stays until it is taken away, a time-out fires once. An event may be
// freed by its own callback, so nothing is touched after one.
#include "dns/resolver_internal.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unbound-event.h>

struct event {
    struct ub_event super;
    int descriptor;
    short bits;
    void (*call)(int descriptor, short bits, void *arg);
    void *arg;
    struct io_watch *watch; // NULL: not active for its descriptor
    struct io_timer timer;
};

static struct event *event_of(struct ub_event *super) {
    return CONTAINER_OF(super, struct event, super);
}

static void run_callback(struct event *event, short bits) {
    // No fiber runs here, and none may be switched to from within the library.
    io_no_switch_begin();
    event->call(event->descriptor, bits, event->arg);
    io_no_switch_end();
}

static void stop(struct event *event) {
    io_watch_remove(event->watch);
    event->watch = NULL;
    io_timer_stop(&event->timer);
}

static void on_ready(uint32_t epoll_events, void *arg) {
    struct event *event = arg;
    short bits = 0;
    if (epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        bits = (short)(bits | (event->bits & UB_EV_READ));
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        bits = (short)(bits | (event->bits & UB_EV_WRITE));
    if (!(event->bits & UB_EV_PERSIST))
        stop(event);
    if (bits)
        run_callback(event, bits);
}

static void on_timer(void *arg) {
    struct event *event = arg;
    if (!(event->bits & UB_EV_PERSIST))
        stop(event);
    run_callback(event, UB_EV_TIMEOUT);
}

static int64_t ms_of(const struct timeval *time) {
    return (int64_t)time->tv_sec * 1000 + (time->tv_usec + 999) / 1000;
}

static int event_del(struct ub_event *super) {
    stop(event_of(super));
    return 0;
}

static int event_add(struct ub_event *super, struct timeval *timeout) {
    struct event *event = event_of(super);
    uint32_t wanted = 0;
    stop(event);
    if (event->bits & UB_EV_READ)
        wanted |= EPOLLIN;
    if (event->bits & UB_EV_WRITE)
        wanted |= EPOLLOUT;
    if (wanted && event->descriptor >= 0) {
        event->watch = io_watch_add(event->descriptor, wanted, on_ready, event);
        if (!event->watch)
            return -1;
    }
    if (timeout)
        io_timer_set(&event->timer, io_after(ms_of(timeout)));
    return 0;
}

static void event_add_bits(struct ub_event *super, short bits) {
    struct event *event = event_of(super);
    event->bits = (short)(event->bits | bits);
}

static void event_del_bits(struct ub_event *super, short bits) {
    struct event *event = event_of(super);
    event->bits = (short)(event->bits & ~bits);
}

static void event_set_descriptor(struct ub_event *super, int descriptor) {
    event_of(super)->descriptor = descriptor;
}

static void event_free(struct ub_event *super) {
    stop(event_of(super));
    free(event_of(super));
}

static int timer_add(struct ub_event *super, struct ub_event_base *base,
                     void (*call)(int descriptor, short bits, void *arg), void *arg,
                     struct timeval *timeout) {
    struct event *event = event_of(super);
    event->call = call;
    event->arg = arg;
    return event_add(super, timeout);
}

static int signal_add(struct ub_event *super, struct timeval *timeout) {
    return -1; // libunbound asks for none
}

static int signal_del(struct ub_event *super) {
    return -1;
}

static void windows_unregister(struct ub_event *super) {
}

static void windows_would_block(struct ub_event *super, int bits) {
}

static struct ub_event *event_create(struct ub_event_base *base, int descriptor, short bits,
                                     void (*call)(int descriptor, short bits, void *arg),
                                     void *arg) {
    static struct ub_event_vmt methods = {
        .add_bits = event_add_bits,
        .del_bits = event_del_bits,
        .set_fd = event_set_descriptor,
        .free = event_free,
        .add = event_add,
        .del = event_del,
        .add_timer = timer_add,
        .del_timer = event_del,
        .add_signal = signal_add,
        .del_signal = signal_del,
        .winsock_unregister_wsaevent = windows_unregister,
        .winsock_tcp_wouldblock = windows_would_block,
    };
    struct event *event = mem_alloc_zero(sizeof(*event));
    event->super.magic = UB_EVENT_MAGIC;
    event->super.vmt = &methods;
    event->descriptor = descriptor;
    event->bits = bits;
    event->call = call;
    event->arg = arg;
    io_timer_init(&event->timer, on_timer, event);
    return &event->super;
}

static struct ub_event *signal_create(struct ub_event_base *base, int number,
                                      void (*call)(int number, short bits, void *arg), void *arg) {
    return NULL;
}

static struct ub_event *windows_create(struct ub_event_base *base, void *wsaevent,
                                       void (*call)(int descriptor, short bits, void *arg),
                                       void *arg) {
    return NULL;
}

static void base_free(struct ub_event_base *base) {
    free(base);
}

static int base_dispatch(struct ub_event_base *base) {
    return -1; // our loop does that
}

static int base_exit(struct ub_event_base *base, struct timeval *timeout) {
    return -1;
}

struct ub_event_base *dns_event_base_create(void) {
    static struct ub_event_base_vmt methods = {
        .free = base_free,
        .dispatch = base_dispatch,
        .loopexit = base_exit,
        .new_event = event_create,
        .new_signal = signal_create,
        .winsock_register_wsaevent = windows_create,
    };
    struct ub_event_base *base = mem_alloc_zero(sizeof(*base));
    base->magic = UB_EVENT_MAGIC;
    base->vmt = &methods;
    return base;
}

void dns_event_base_destroy(struct ub_event_base *base) {
    free(base);
}
