// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"

#include "control/request_internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IDLE_MS = 60 * 1000, WRITE_MS = 30 * 1000, READ_BYTES = 16 << 10 };

struct control {
    struct control_options options;
    struct io_listener *listener;
    struct io_group sessions;
    struct io_group acceptor;
};

struct control_session {
    struct control *control;
    struct io_stream *stream;
    char who[128];
    struct request_peer peer;
};

struct name_lookup {
    uid_t uid;
    char name[64];
};

// May ask a directory service, so it runs in the pool.
static void look_up_name(void *arg) {
    struct name_lookup *lookup = arg;
    struct passwd entry, *found = NULL;
    char space[4096];
    if (getpwuid_r(lookup->uid, &entry, space, sizeof(space), &found) == 0 && found)
        snprintf(lookup->name, sizeof(lookup->name), "%s", found->pw_name);
}

IO_WAITS static bool identify(struct control_session *session) {
    uid_t uid;
    gid_t gid;
    if (!io_stream_peer_ids(session->stream, &uid, &gid))
        return false;
    struct name_lookup lookup = {.uid = uid};
    io_offload(look_up_name, &lookup);
    snprintf(session->who, sizeof(session->who), "uid %u (%s)", (unsigned)uid,
             lookup.name[0] ? lookup.name : "no name");
    session->peer.who = view_of(session->who);
    session->peer.may_act = uid == 0 || uid == geteuid();
    return true;
}

// One line of at most CONTROL_REQUEST_BYTES_MAX; `line` excludes its newline.
IO_WAITS static bool read_line(struct io_stream *stream, struct buffer *input, struct view *line) {
    for (;;) {
        size_t end = view_find_char(buffer_view(input), '\n');
        if (end < input->len) {
            *line = view_take(buffer_view(input), end);
            return true;
        }
        char *room = buffer_reserve(input, READ_BYTES);
        if (!room)
            return false;
        struct io_result result = io_read(stream, room, READ_BYTES, io_after(IDLE_MS));
        if (!io_is_ok(result))
            return false;
        buffer_advance(input, result.bytes);
    }
}

IO_WAITS static void converse(struct control_session *session) {
    struct buffer input, output;
    struct view line;
    buffer_init(&input, CONTROL_REQUEST_BYTES_MAX + READ_BYTES);
    buffer_init(&output, CONTROL_ANSWER_BYTES_MAX);
    while (read_line(session->stream, &input, &line)) {
        buffer_clear(&output);
        request_answer(&session->control->options, &session->peer, line, &output);
        buffer_append_char(&output, '\n');
        buffer_consume(&input, line.len + 1);
        struct view answer = buffer_view(&output);
        if (output.overflow ||
            !io_is_ok(io_write(session->stream, answer.ptr, answer.len, io_after(WRITE_MS))))
            break;
    }
    buffer_finish(&input);
    buffer_finish(&output);
}

static void run_session(void *arg) {
    struct control_session *session = arg;
    if (identify(session))
        converse(session);
    io_close(session->stream);
    free(session);
}

static void accept_sessions(void *arg) {
    struct control *control = arg;
    for (;;) {
        struct io_stream *stream;
        struct io_result result = io_accept(control->listener, IO_NEVER, &stream);
        if (result.status == IO_CANCELED)
            return;
        if (!io_is_ok(result)) {
            io_sleep(io_after(100));
            continue;
        }
        if (control->sessions.n_members >= CONTROL_SESSIONS_MAX) {
            io_close(stream);
            continue;
        }
        struct control_session *session = mem_alloc_zero(sizeof(*session));
        session->control = control;
        session->stream = stream;
        io_group_spawn(&control->sessions, "control", run_session, session);
    }
}

struct control *control_start(const struct control_options *options, struct error *error) {
    ASSERT(options->relay && options->reload && options->status && options->ledger);
    struct io_listener *listener = io_listen_unix(options->path, 0660, error);
    if (!listener)
        return NULL;
    struct control *control = mem_alloc_zero(sizeof(*control));
    control->options = *options;
    control->listener = listener;
    io_group_init(&control->sessions);
    io_group_init(&control->acceptor);
    io_group_spawn(&control->acceptor, "control-accept", accept_sessions, control);
    return control;
}

void control_stop(struct control *control) {
    if (!control)
        return;
    io_group_cancel(&control->acceptor);
    io_group_wait(&control->acceptor, IO_NEVER);
    io_group_wait(&control->sessions, io_after(200));
    io_group_cancel(&control->sessions);
    io_group_wait(&control->sessions, IO_NEVER);
    io_listener_close(control->listener);
    free(control);
}

// --- The commands' side -------------------------------------------------------------------------
static bool explain_failure(const char *path, struct io_result result, struct error *error) {
    if (result.status == IO_ERROR &&
        (result.sys_errno == ENOENT || result.sys_errno == ECONNREFUSED))
        return error_set(error,
                         "no relay answers at %s: start it with `postrider serve`, or name its "
                         "configuration with -c FILE",
                         path);
    if (result.status == IO_ERROR && result.sys_errno == EACCES)
        return error_set(error,
                         "%s: permission denied: the relay answers root, its own user and members "
                         "of its group",
                         path);
    if (result.status == IO_ERROR)
        return error_set_errno(error, result.sys_errno, "%s", path);
    return error_set(error, "%s: the relay %s", path,
                     result.status == IO_TIMEOUT ? "gave no answer in time"
                                                 : "closed the connection without an answer");
}

IO_WAITS static struct io_result exchange(struct io_stream *stream, struct view request,
                                          io_time deadline, struct buffer *answer) {
    char newline = '\n';
    struct iovec parts[2] = {{(void *)(uintptr_t)request.ptr, request.len}, {&newline, 1}};
    struct io_result result = io_writev(stream, parts, 2, deadline);
    while (io_is_ok(result)) {
        char *room = buffer_reserve(answer, READ_BYTES);
        if (!room)
            return (struct io_result){.status = IO_ERROR, .sys_errno = EMSGSIZE};
        result = io_read(stream, room, READ_BYTES, deadline);
        if (!io_is_ok(result))
            break;
        buffer_advance(answer, result.bytes);
        if (answer->ptr[answer->len - 1] == '\n') {
            answer->len--;
            break;
        }
    }
    return result;
}

bool control_call(const char *path, struct view request, io_time deadline, struct buffer *answer,
                  struct error *error) {
    struct io_stream *stream = NULL;
    struct io_result result = io_connect_unix(path, deadline, &stream);
    if (io_is_ok(result))
        result = exchange(stream, request, deadline, answer);
    io_close(stream);
    return io_is_ok(result) || explain_failure(path, result, error);
}
