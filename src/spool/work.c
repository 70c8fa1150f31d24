// SPDX-License-Identifier: Apache-2.0
#include "spool/work.h"

#include "spool/store.h"

void spool_waiter_init(struct spool_waiter *waiter) {
    waiter->loop = io_loop_current();
    waiter->next = NULL;
    io_event_init(&waiter->event);
    ASSERT(waiter->loop);
}

void spool_waiter_wait(struct spool_waiter *waiter) {
    bool was_canceled = false;
    while (!waiter->event.is_set)
        if (io_event_wait(&waiter->event, IO_NEVER).status == IO_CANCELED) {
            was_canceled = true;
            io_cancel_clear();
        }
    if (was_canceled)
        io_cancel(io_fiber_current());
}

// On the loop of the waiters, outside fibers: none of them runs before this returns.
static void set_chain(void *arg) {
    struct spool_waiter *waiter = arg;
    while (waiter) {
        struct spool_waiter *next = waiter->next;
        io_event_set(&waiter->event);
        waiter = next;
    }
}

void spool_waiter_wake(struct spool_waiter *waiter) {
    waiter->next = NULL;
    io_loop_post(waiter->loop, set_chain, waiter);
}

void spool_waiters_wake(struct spool_waiter *chain) {
    while (chain) {
        struct io_loop *loop = chain->loop;
        struct spool_waiter *same = NULL, **same_end = &same, *others = NULL,
                            **others_end = &others;
        for (struct spool_waiter *waiter = chain, *next; waiter; waiter = next) {
            next = waiter->next;
            waiter->next = NULL;
            struct spool_waiter ***end = waiter->loop == loop ? &same_end : &others_end;
            **end = waiter;
            *end = &waiter->next;
        }
        io_loop_post(loop, set_chain, same);
        chain = others;
    }
}

void spool_post(struct spool *spool, struct spool_work *work) {
    io_mailbox_post(spool->inbox, &work->mail);
}

void spool_ask(struct spool *spool, void (*run)(struct spool *spool, void *arg), void *arg) {
    struct spool_waiter waiter;
    spool_waiter_init(&waiter);
    struct spool_call call = {
        .work.kind = SPOOL_WORK_CALL, .run = run, .arg = arg, .waiter = &waiter};
    spool_post(spool, &call.work);
    spool_waiter_wait(&waiter);
}
