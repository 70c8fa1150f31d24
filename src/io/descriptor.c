// SPDX-License-Identifier: Apache-2.0
#include "io/epoll_internal.h"

#include <unistd.h>

void descriptor_init(struct descriptor *descriptor, int number) {
    *descriptor = (struct descriptor){.number = number};
    list_init(&descriptor->readers);
    list_init(&descriptor->writers);
}

static bool control(struct descriptor *descriptor, int operation, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = descriptor};
    if (epoll_ctl(descriptor->loop->epoll->number, operation, descriptor->number, &event) != 0)
        return false;
    descriptor->events = events;
    return true;
}

bool descriptor_register(struct descriptor *descriptor, uint32_t events) {
    ASSERT(io_this_loop && io_this_loop->epoll && !descriptor->events && events);
    descriptor->loop = io_this_loop;
    return control(descriptor, EPOLL_CTL_ADD, events);
}

bool descriptor_change(struct descriptor *descriptor, uint32_t events) {
    ASSERT(descriptor->loop == io_this_loop && descriptor->events && events);
    return control(descriptor, EPOLL_CTL_MOD, events);
}

void descriptor_close(struct descriptor *descriptor) {
    ASSERT(list_is_empty(&descriptor->readers)); // cancel the fiber that waits before closing
    ASSERT(list_is_empty(&descriptor->writers));
    close(descriptor->number);
    descriptor->number = -1;
}

void descriptor_check(const struct descriptor *descriptor, const struct list *waiters) {
    ASSERT(descriptor->loop == io_this_loop);
    ASSERT(list_is_empty(waiters));
}

enum io_status descriptor_await_read(struct descriptor *descriptor, io_time deadline, bool *is_last,
                                     const char *what) {
    if (*is_last)
        return IO_TIMEOUT;
    enum io_status status = fiber_wait(&descriptor->readers, deadline, what);
    if (status != IO_TIMEOUT)
        return status;
    *is_last = true;
    descriptor->is_readable = true;
    return IO_OK;
}

// EPOLLOUT is asked for only once a write had to wait: most sockets never do, and each that is
// registered with it costs one needless wake-up.
enum io_status descriptor_await_write(struct descriptor *descriptor, io_time deadline,
                                      const char *what) {
    descriptor->is_writable = false;
    if (!(descriptor->events & EPOLLOUT) &&
        !descriptor_change(descriptor, descriptor->events | EPOLLOUT))
        return IO_ERROR;
    return fiber_wait(&descriptor->writers, deadline, what);
}
