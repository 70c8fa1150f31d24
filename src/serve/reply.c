// SPDX-License-Identifier: Apache-2.0
#include "serve/session.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { REPLY_BYTES_MAX = 512 }; // RFC 5321 4.5.3.1.5

void session_reply(struct session *session, struct view line) {
    ASSERT(line.len >= 4 && line.len <= REPLY_BYTES_MAX - 2);
    buffer_append_view(&session->output, line);
    buffer_append_view(&session->output, VIEW("\r\n"));
    ASSERT(!session->output.overflow); // the dialogue flushes long before
}

// What a client said may be part of the text: no control character of it reaches the line.
static void make_printable(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
            *text = '?';
}

void session_reply_printf(struct session *session, const char *format, ...) {
    char line[REPLY_BYTES_MAX - 1];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    make_printable(line);
    session_reply(session, view_of(line));
}

void session_fault(struct session *session, struct view line) {
    session_reply(session, line);
    if (++session->n_errors >= SESSION_ERRORS_MAX)
        session_dismiss(session, "4.7.0", "Too many errors");
}

void session_log_refused(struct session *session, const char *reply) {
    char client[ADDRESS_TEXT_SIZE];
    address_format(&session->peer, client, sizeof(client));
    log_info("serve", "refused: client=%s helo=%s listener=%s from=<%.*s>: %s", client,
             session->helo, session->listener_name, VIEW_ARG(session->envelope.sender), reply);
}

// RFC 5321 3.8: 421 may stand for any reply when the server has to close.
void session_dismiss(struct session *session, const char *enhanced, const char *why) {
    if (session->is_over)
        return;
    char reply[REPLY_BYTES_MAX];
    snprintf(reply, sizeof(reply), "421 %s %.200s %s, closing", enhanced, session->config->hostname,
             why);
    session_reply(session, view_of(reply));
    session_log_refused(session, reply);
    atomic_fetch_add_explicit(&session->serve->counts.refused, 1, memory_order_relaxed);
    session->is_over = true;
}

bool session_flush(struct session *session) {
    struct buffer *output = &session->output;
    if (output->len == 0)
        return true;
    // serve_stop does not wait any more. What was said is sent still: a client that does not hear
    // of its message's 250 sends it again.
    if (io_is_canceled()) {
        io_cancel_clear();
        session_dismiss(session, "4.3.2", "Shutting down");
    }
    int64_t limit_ms = session->is_over ? SESSION_FAREWELL_MS : SESSION_WRITE_MS;
    struct io_result result =
        io_write(session->stream, output->ptr, output->len, io_after(limit_ms));
    buffer_clear(output);
    if (!io_is_ok(result))
        session->is_over = true;
    return io_is_ok(result);
}
