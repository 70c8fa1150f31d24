// SPDX-License-Identifier: Apache-2.0
// Bytes off the stream. A session at work has one large buffer, so that a group of commands or a
// small message is one read; a session that rests has given it back and waits with a few bytes.
#include "serve/session.h"

#include "base/log.h"

#include <stdlib.h>

static void make_room(struct session *session) {
    if (!session->bytes) {
        session->bytes = mem_alloc(SESSION_INPUT_BYTES);
        session->begin = session->end = 0;
    }
    if (session->begin == session->end) {
        session->begin = session->end = 0;
    } else if (session->end == SESSION_INPUT_BYTES) {
        struct view left = session_input(session);
        memmove(session->bytes, left.ptr, left.len);
        session->begin = 0;
        session->end = left.len;
    }
    ASSERT(session->end < SESSION_INPUT_BYTES);
}

static void say_lost(struct session *session, const struct io_result *result) {
    char client[ADDRESS_TEXT_SIZE];
    if (!session->has_mail)
        return;
    address_format(&session->peer, client, sizeof(client));
    log_info("serve",
             "lost: client=%s helo=%s from=<%.*s>: the connection ended inside a transaction%s%s",
             client, session->helo, VIEW_ARG(session->envelope.sender),
             result->status == IO_ERROR ? ": " : "",
             result->status == IO_ERROR ? strerror(result->sys_errno) : "");
}

// What a read that brought nothing means for the session.
static void end_session(struct session *session, const struct io_result *result) {
    switch (result->status) {
    case IO_TIMEOUT: session_dismiss(session, "4.4.2", "Waited too long"); break;
    case IO_CANCELED: session_dismiss(session, "4.3.2", "Shutting down"); break; // serve_stop
    default: say_lost(session, result); break;
    }
    session->is_over = true;
}

static IO_WAITS struct io_result read_bytes(struct session *session, io_time deadline) {
    make_room(session);
    struct io_result result = io_read(session->stream, session->bytes + session->end,
                                      SESSION_INPUT_BYTES - session->end, deadline);
    session->end += result.bytes;
    return result;
}

bool session_read_more(struct session *session, io_time deadline) {
    if (!session_flush(session))
        return false;
    struct io_result result = read_bytes(session, deadline);
    if (result.bytes == 0)
        end_session(session, &result);
    return !session->is_over;
}

// --- Rest ----------------------------------------------------------------------------------------

static void give_back(struct session *session) {
    ASSERT(session->begin == session->end && session->output.len == 0);
    free(session->bytes);
    session->bytes = NULL;
    session->begin = session->end = 0;
    buffer_finish(&session->output);
    buffer_finish(&session->trace);
    if (!session->has_mail)
        arena_finish(&session->arena);
}

// Waits with little memory, once a second has brought nothing.
static IO_WAITS struct io_result rest(struct session *session, io_time deadline) {
    struct io_result result = read_bytes(session, io_after(SESSION_REST_MS));
    if (result.status != IO_TIMEOUT || io_now() >= deadline)
        return result;
    give_back(session);
    result = io_read(session->stream, session->rest, sizeof(session->rest), deadline);
    make_room(session);
    memcpy(session->bytes + session->end, session->rest, result.bytes);
    session->end += result.bytes;
    return result;
}

static IO_WAITS bool await_command(struct session *session, io_time deadline) {
    if (session->begin != session->end || deadline <= io_after(SESSION_REST_MS))
        return session_read_more(session, deadline);
    if (!session_flush(session))
        return false;
    if (session->serve->is_stopping && !session->has_mail) {
        session_dismiss(session, "4.3.2", "Shutting down");
        return false;
    }
    session->is_resting = !session->has_mail;
    struct io_result result = rest(session, deadline);
    session->is_resting = false;
    if (result.bytes == 0)
        end_session(session, &result);
    return !session->is_over;
}

// --- Lines ---------------------------------------------------------------------------------------

// True when the rest of an endless line has passed.
static bool skip_line(struct session *session) {
    struct view input = session_input(session);
    size_t at = view_find_char(input, '\n');
    session->is_skipping = at == input.len;
    session_use(session, session->is_skipping ? input.len : at + 1);
    return !session->is_skipping;
}

static enum session_line refuse_line(struct session *session, enum smtp_line kind) {
    switch (kind) {
    case SMTP_LINE_TOO_LONG:
        session_fault(session, VIEW("500 5.5.2 Line too long")); // RFC 5321 4.5.3.1.9
        break;
    case SMTP_LINE_NUL: session_fault(session, VIEW("500 5.5.2 NUL in a command")); break;
    default:
        // RFC 5321 2.3.8: CR and LF stand only together. Whoever means a line end by less may mean
        // two commands where we would see one.
        session_fault(session, VIEW("500 5.5.2 A line ends with CR and LF together"));
        break;
    }
    return session->is_over ? SESSION_LINE_NONE : SESSION_LINE_BAD;
}

static io_time command_deadline(const struct session *session) {
    int64_t patience_ms = session->may_relay ? SESSION_FRUITLESS_MS : SESSION_STRANGER_MS;
    return int64_min(io_after(SESSION_COMMAND_MS), session->fruitless_since + patience_ms);
}

enum session_line session_read_line(struct session *session, struct view *line) {
    io_time deadline = command_deadline(session);
    for (;;) {
        size_t used = 0;
        enum smtp_line kind = SMTP_LINE_MORE;
        if (!session->is_skipping || skip_line(session))
            kind = smtp_line_take(session_input(session), SMTP_COMMAND_BYTES_MAX, line, &used);
        if (kind == SMTP_LINE_MORE) {
            if (!await_command(session, deadline))
                return SESSION_LINE_NONE;
            continue;
        }
        struct view taken = view_take(session_input(session), used);
        session_use(session, used);
        session->is_skipping = taken.ptr[taken.len - 1] != '\n';
        return kind == SMTP_LINE_READY ? SESSION_LINE_READY : refuse_line(session, kind);
    }
}
