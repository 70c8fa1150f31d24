// SPDX-License-Identifier: Apache-2.0
// Descriptors of libraries that have an event loop of their own.
#include "io/epoll_internal.h"

#include <stdlib.h>

struct io_watch {
    struct descriptor descriptor;
    struct list node; // among the removed
    void (*ready)(uint32_t epoll_events, void *arg);
    void *arg;
};

static void watch_ready(struct descriptor *descriptor, uint32_t events) {
    struct io_watch *watch = CONTAINER_OF(descriptor, struct io_watch, descriptor);
    if (watch->ready)
        watch->ready(events, watch->arg);
}

// Level-triggered: libraries expect that.
static bool control(struct io_watch *watch, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = &watch->descriptor};
    struct io_loop *loop = watch->descriptor.loop;
    return epoll_ctl(loop->epoll->number, operation, watch->descriptor.number, &event) == 0;
}

struct io_watch *io_watch_add(int number, uint32_t epoll_events,
                              void (*ready)(uint32_t epoll_events, void *arg), void *arg) {
    ASSERT(io_this_loop && io_this_loop->epoll && ready);
    struct io_watch *watch = mem_alloc_zero(sizeof(*watch));
    descriptor_init(&watch->descriptor, number);
    watch->descriptor.on_events = watch_ready;
    watch->descriptor.loop = io_this_loop;
    watch->ready = ready;
    watch->arg = arg;
    list_init(&watch->node);
    if (control(watch, EPOLL_CTL_ADD, epoll_events))
        return watch;
    free(watch);
    return NULL;
}

void io_watch_change(struct io_watch *watch, uint32_t epoll_events) {
    ASSERT(watch->descriptor.loop == io_this_loop);
    ASSERT(control(watch, EPOLL_CTL_MOD, epoll_events));
}

void io_watch_remove(struct io_watch *watch) {
    if (!watch)
        return;
    ASSERT(watch->descriptor.loop == io_this_loop && watch->ready);
    control(watch, EPOLL_CTL_DEL, 0); // fails where the library has closed its number already
    watch->ready = NULL;
    list_append(&io_this_loop->epoll->removed, &watch->node);
}

void watch_free(struct list *removed) {
    free(CONTAINER_OF(removed, struct io_watch, node));
}
