// SPDX-License-Identifier: Apache-2.0
// A few threads, one set a process, for work that blocks: disk, RSA, libraries without a loop. It
// starts with the first work and ends with the last loop.
#include "io/socket_internal.h"

#include <pthread.h>

enum { POOL_THREADS_DEFAULT = 2, POOL_THREADS_MAX = 64 };

struct job {
    struct list node;
    struct note done;
    struct io_loop *loop;
    struct io_fiber *fiber;
    void (*work)(void *arg);
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    pthread_cond_t has_ended;
    struct list jobs;
    unsigned n_loops, n_wanted, n_threads, n_idle, n_jobs;
    bool is_ending;
    pthread_t threads[POOL_THREADS_MAX];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .has_work = PTHREAD_COND_INITIALIZER,
          .has_ended = PTHREAD_COND_INITIALIZER,
          .jobs = {&pool.jobs, &pool.jobs}};

static void job_done(struct note *note) {
    fiber_wake(CONTAINER_OF(note, struct job, done)->fiber, IO_OK);
}

static void *pool_main(void *arg) {
    signals_block();
    pthread_mutex_lock(&pool.lock);
    while (!pool.is_ending) {
        struct list *node = list_pop(&pool.jobs);
        if (!node) {
            pool.n_idle++;
            pthread_cond_wait(&pool.has_work, &pool.lock);
            pool.n_idle--;
            continue;
        }
        pool.n_jobs--;
        pthread_mutex_unlock(&pool.lock);
        struct job *job = CONTAINER_OF(node, struct job, node);
        job->work(job->arg);
        loop_send(job->loop, &job->done); // the job is on the fiber's stack: gone from here on
        pthread_mutex_lock(&pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

void pool_hold(unsigned n_threads) {
    if (n_threads > POOL_THREADS_MAX)
        n_threads = POOL_THREADS_MAX;
    pthread_mutex_lock(&pool.lock);
    while (pool.is_ending)
        pthread_cond_wait(&pool.has_ended, &pool.lock);
    pool.n_loops++;
    if (n_threads > pool.n_wanted)
        pool.n_wanted = n_threads;
    pthread_mutex_unlock(&pool.lock);
}

void pool_release(void) {
    pthread_mutex_lock(&pool.lock);
    ASSERT(pool.n_loops > 0);
    bool is_last = --pool.n_loops == 0;
    unsigned n_threads = is_last ? pool.n_threads : 0;
    pool.is_ending = is_last;
    pthread_cond_broadcast(&pool.has_work);
    pthread_mutex_unlock(&pool.lock);
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(pool.threads[i], NULL);
    if (!is_last)
        return;
    pthread_mutex_lock(&pool.lock);
    pool.is_ending = false;
    pool.n_threads = pool.n_wanted = 0;
    pthread_cond_broadcast(&pool.has_ended);
    pthread_mutex_unlock(&pool.lock);
}

// With the lock held.
static void start_thread_if_short(void) {
    unsigned n_max = pool.n_wanted ? pool.n_wanted : POOL_THREADS_DEFAULT;
    if (pool.n_idle > pool.n_jobs || pool.n_threads >= n_max)
        return;
    int failed = pthread_create(&pool.threads[pool.n_threads], NULL, pool_main, NULL);
    ASSERT(failed == 0 || pool.n_threads > 0); // with none at all the work would wait for ever
    if (failed == 0)
        pool.n_threads++;
}

void pool_offload(void (*work)(void *arg), void *arg) {
    struct job job = {.done = {.call = job_done, .home = loop_home(io_this_loop)},
                      .loop = io_this_loop,
                      .fiber = io_fiber_current(),
                      .work = work,
                      .arg = arg};
    list_init(&job.node);
    pthread_mutex_lock(&pool.lock);
    start_thread_if_short();
    list_append(&pool.jobs, &job.node);
    pool.n_jobs++;
    pthread_cond_signal(&pool.has_work);
    pthread_mutex_unlock(&pool.lock);
    fiber_wait_anyway(NULL, IO_NEVER, "pool");
}
