// SPDX-License-Identifier: Apache-2.0
// A program to be looked at by gdb: fibers that wait in three ways, on two loops. It says when it
// stands, and ends when its input does.
#include "io/io.h"

#include <stdio.h>
#include <unistd.h>

static struct io_event never;

static void wait_event_deep(void) {
    io_event_wait(&never, io_after(600000));
}

static void wait_event(void *arg) {
    wait_event_deep();
}

static void sleep_on(void *arg) {
    io_sleep(IO_NEVER);
}

static void await_end(void *arg) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

static void run(void *arg) {
    io_event_init(&never);
    struct io_fiber *waiter = io_spawn("waiter", wait_event, NULL);
    io_sleep(io_after(50));
    puts("stands");
    fflush(stdout);
    io_offload(await_end, NULL);
    io_cancel(waiter);
}

int main(void) {
    struct error error;
    struct io_loop *loop = io_loop_create(&(struct io_loop_options){.name = "first"}, &error);
    struct io_loop *other =
        io_loop_start_thread(&(struct io_loop_options){.name = "second"}, &error);
    io_spawn_on(other, "sleeper", sleep_on, NULL);
    io_spawn("root", run, NULL);
    io_loop_run(loop);
    io_loop_join_thread(other);
    io_loop_destroy(loop);
    puts("ended");
    return 0;
}
