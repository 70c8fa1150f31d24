// SPDX-License-Identifier: Apache-2.0
// Listeners and the life of sessions on one loop: each listener and each session is a fiber.
#include "serve/session.h"

#include "base/log.h"

#include <stdlib.h>

enum {
    STOP_GRACE_MS = 5000,       // behind the deadline: what was canceled unwinds
    ACCEPT_COMPLAINT_MS = 60000 // between log lines of one listener
};

struct listening {
    struct list link;
    struct serve *serve;
    char *name;
    struct io_listener *listener;
    struct io_fiber *fiber;
    io_time complained_at;
};

struct serve *serve_create(const struct serve_options *options, struct serve_limits *limits) {
    ASSERT(options->spool && options->config && options->tls);
    ASSERT(options->hooks.accepted && options->hooks.refuses);
    struct serve *serve = mem_alloc_zero(sizeof(*serve));
    serve->options = *options;
    serve->limits = limits;
    list_init(&serve->listenings);
    list_init(&serve->sessions);
    io_group_init(&serve->listening_group);
    io_group_init(&serve->session_group);
    return serve;
}

// Sessions that could not be unwound (a disk that never answers) keep what they point to.
void serve_destroy(struct serve *serve) {
    if (!serve)
        return;
    if (serve->session_group.n_members || serve->listening_group.n_members) {
        log_warning("serve", "%zu sessions did not end", serve->session_group.n_members);
        return;
    }
    free(serve);
}

static void complain(struct listening *listening, const struct io_result *result) {
    if (listening->complained_at && io_now() < listening->complained_at + ACCEPT_COMPLAINT_MS)
        return;
    listening->complained_at = io_now();
    log_error("serve", "listener %s cannot accept: %s", listening->name,
              strerror(result->sys_errno));
}

static IO_WAITS void accept_all(void *arg) {
    struct listening *listening = arg;
    struct serve *serve = listening->serve;
    struct io_result result = {.status = IO_OK};
    while (result.status != IO_CANCELED) {
        struct io_stream *stream = NULL;
        result = io_accept(listening->listener, IO_NEVER, &stream);
        if (io_is_ok(result)) {
            struct session *session = session_create(serve, listening->name, stream);
            session->fiber =
                io_group_spawn(&serve->session_group, "smtp session", session_run, session);
        } else if (result.status == IO_ERROR) {
            complain(listening, &result);
        }
    }
    io_listener_close(listening->listener);
    list_remove(&listening->link);
    free(listening->name);
    free(listening);
}

void serve_listen(struct serve *serve, struct io_listener *listener, const char *name) {
    struct listening *listening = mem_alloc_zero(sizeof(*listening));
    ASSERT(!serve->is_stopping);
    io_listener_adopt(listener);
    listening->serve = serve;
    listening->name = mem_copy_string(name);
    listening->listener = listener;
    list_init(&listening->link);
    list_append(&serve->listenings, &listening->link);
    listening->fiber =
        io_group_spawn(&serve->listening_group, "smtp listener", accept_all, listening);
}

void serve_unlisten(struct serve *serve, const char *name) {
    LIST_FOR_EACH (link, &serve->listenings) {
        struct listening *listening = CONTAINER_OF(link, struct listening, link);
        if (strcmp(listening->name, name) == 0)
            io_cancel(listening->fiber);
    }
}

// Resting sessions leave at once; those that are in a transaction hear of it at their next command.
static void dismiss_resting(struct serve *serve) {
    LIST_FOR_EACH (link, &serve->sessions) {
        struct session *session = CONTAINER_OF(link, struct session, link);
        if (session->is_resting)
            io_cancel(session->fiber);
    }
}

void serve_stop(struct serve *serve, io_time deadline) {
    serve->is_stopping = true;
    io_group_cancel(&serve->listening_group);
    dismiss_resting(serve);
    io_group_wait(&serve->listening_group, deadline);
    if (io_is_ok(io_group_wait(&serve->session_group, deadline)))
        return;
    io_group_cancel(&serve->session_group);
    io_group_wait(&serve->session_group, io_after(STOP_GRACE_MS));
}

struct serve_counts serve_counts(const struct serve *serve) {
    return (struct serve_counts){
        .sessions_now = atomic_load(&serve->counts.sessions_now),
        .sessions = atomic_load(&serve->counts.sessions),
        .messages = atomic_load(&serve->counts.messages),
        .recipients = atomic_load(&serve->counts.recipients),
        .bytes = atomic_load(&serve->counts.bytes),
        .refused = atomic_load(&serve->counts.refused),
        .rejected_messages = atomic_load(&serve->counts.rejected_messages),
    };
}
