// SPDX-License-Identifier: Apache-2.0
// Private to spool. How others reach the committer, and how its answer reaches them.
#ifndef SPOOL_WORK_H
#define SPOOL_WORK_H

#include "spool/spool.h"

// One fiber waits on its own loop until somebody else's thread is done.
struct spool_waiter {
    struct io_loop *loop;
    struct io_event event;
    struct spool_waiter *next;
};
void spool_waiter_init(struct spool_waiter *waiter);
// Until woken, also where the fiber is canceled: what it handed in is on its way to the disk, and
// only the answer tells whether it happened. The cancel is in force again afterwards.
IO_WAITS void spool_waiter_wait(struct spool_waiter *waiter);
void spool_waiter_wake(struct spool_waiter *waiter); // from any thread; it may be gone at once
// The same for a chain, with one message a loop.
void spool_waiters_wake(struct spool_waiter *chain);

enum spool_work_kind { SPOOL_WORK_TX, SPOOL_WORK_CHUNK, SPOOL_WORK_CALL };
struct spool_work {
    struct io_mail mail;
    enum spool_work_kind kind;
    struct spool_work *next; // in the committer's queue
};

struct spool_call {
    struct spool_work work;
    void (*run)(struct spool *spool, void *arg);
    void *arg;
    struct spool_waiter *waiter; // NULL: nobody waits, and `run` may free the call
};
// Runs `run(spool, arg)` on the committer between two batches and waits for it. It must not wait.
IO_WAITS void spool_ask(struct spool *spool, void (*run)(struct spool *spool, void *arg),
                        void *arg);
void spool_post(struct spool *spool, struct spool_work *work);

#endif
