// SPDX-License-Identifier: Apache-2.0
// Events and groups: what fibers of one loop wait for among themselves.
#include "io/fiber_internal.h"

void io_event_init(struct io_event *event) {
    event->is_set = false;
    list_init(&event->waiters);
}

void io_event_set(struct io_event *event) {
    event->is_set = true;
    fiber_wake_all(&event->waiters);
}

void io_event_clear(struct io_event *event) {
    event->is_set = false;
}

struct io_result io_event_wait(struct io_event *event, io_time deadline) {
    enum io_status status = fiber_enter_wait();
    if (status != IO_OK)
        return result_of(status);
    if (event->is_set) {
        fiber_spend(io_this_loop);
        return result_of(IO_OK);
    }
    return result_of(fiber_wait(&event->waiters, deadline, "event"));
}

void io_group_init(struct io_group *group) {
    list_init(&group->members);
    list_init(&group->waiters);
    group->n_members = 0;
}

struct io_fiber *io_group_spawn(struct io_group *group, const char *name, void (*run)(void *arg),
                                void *arg) {
    struct io_fiber *fiber = io_spawn(name, run, arg);
    fiber->group = group;
    list_append(&group->members, &fiber->group_node);
    group->n_members++;
    return fiber;
}

void io_group_cancel(struct io_group *group) {
    LIST_FOR_EACH (node, &group->members)
        io_cancel(CONTAINER_OF(node, struct io_fiber, group_node));
}

struct io_result io_group_wait(struct io_group *group, io_time deadline) {
    enum io_status status = fiber_enter_wait();
    while (status == IO_OK && group->n_members > 0)
        status = fiber_wait(&group->waiters, deadline, "group");
    return result_of(status);
}
