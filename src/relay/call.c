// SPDX-License-Identifier: Apache-2.0
// Calls from any loop that run as a fiber of the home loop, while the caller waits.
#include "relay/relay_internal.h"

struct call {
    struct relay *relay;
    void (*run)(struct relay *relay, void *arg);
    void *arg;
    struct io_loop *caller;
    struct io_event done;
};

static void set_done(void *arg) {
    struct call *call = arg;
    io_event_set(&call->done);
}

static void run_call(void *arg) {
    struct call *call = arg;
    call->run(call->relay, call->arg);
    io_loop_post(call->caller, set_done, call);
}

// The call lives on the caller's stack: it is waited for even when the caller is canceled.
void relay_call_home(struct relay *relay, void (*run)(struct relay *relay, void *arg), void *arg) {
    struct call call = {.relay = relay, .run = run, .arg = arg, .caller = io_loop_current()};
    io_event_init(&call.done);
    io_spawn_on(relay->home, "relay call", run_call, &call);
    bool was_canceled = false;
    while (!io_is_ok(io_event_wait(&call.done, IO_NEVER))) {
        was_canceled = true;
        io_cancel_clear();
    }
    if (was_canceled)
        io_cancel(io_fiber_current());
}
