// SPDX-License-Identifier: Apache-2.0
// Threads with a loop of their own.
#include "io/epoll_internal.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

struct thread_start {
    const struct io_loop_options *options;
    struct error *error;
    struct io_loop *loop; // NULL: could not be made
    sem_t is_made;
};

// The thread gives back all it has but the handle: who joins it may still be calling io_loop_stop.
static void *thread_main(void *arg) {
    struct thread_start *start = arg;
    signals_block();
    struct io_loop *loop = io_loop_create(start->options, start->error);
    if (loop)
        loop->is_serving = true;
    start->loop = loop;
    sem_post(&start->is_made); // from here on `start` is gone
    if (!loop)
        return NULL;
    io_loop_run(loop);
    loop_finish(loop);
    return NULL;
}

static bool create_thread(pthread_t *thread, struct thread_start *start) {
    int failed = pthread_create(thread, NULL, thread_main, start);
    if (failed)
        return error_set_errno(start->error, failed, "a loop thread cannot be started");
    return true;
}

static void name_thread(pthread_t thread, const char *name) {
    char cut[16]; // more is an error
    snprintf(cut, sizeof(cut), "%.15s", name);
    pthread_setname_np(thread, cut);
}

struct io_loop *thread_start(const struct io_loop_options *options, struct error *error) {
    struct thread_start start = {.options = options, .error = error};
    pthread_t thread;
    ASSERT(sem_init(&start.is_made, 0, 0) == 0);
    if (create_thread(&thread, &start)) {
        while (sem_wait(&start.is_made) != 0)
            ASSERT(errno == EINTR);
        if (start.loop) {
            start.loop->thread = thread;
            name_thread(thread, options && options->name ? options->name : "loop");
        } else {
            pthread_join(thread, NULL);
        }
    }
    sem_destroy(&start.is_made);
    return start.loop;
}

void thread_join(struct io_loop *loop) {
    ASSERT(loop->real == loop && loop != io_this_loop);
    io_loop_stop(loop);
    ASSERT(pthread_join(loop->thread, NULL) == 0);
    loop_free_handle(loop);
}
