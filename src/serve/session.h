// SPDX-License-Identifier: Apache-2.0
// One client's session: session.c holds the dialogue, input.c reads, reply.c answers, message.c
// takes the message itself. Private to the folder.
#ifndef SERVE_SESSION_H
#define SERVE_SESSION_H

#include "serve/limits.h"

#include "base/list.h"

#include <stdatomic.h>

enum {
    SESSION_COMMAND_MS = 5 * 60 * 1000,    // RFC 5321 4.5.3.2.7: at least five minutes
    SESSION_BLOCK_MS = 3 * 60 * 1000,      // of a message, as 4.5.3.2.5 has it for the client
    SESSION_MESSAGE_MS = 60 * 60 * 1000,   // a whole message, however steadily it drips
    SESSION_FRUITLESS_MS = 30 * 60 * 1000, // commands without a message
    SESSION_STRANGER_MS = 3 * 60 * 1000,   // the same for who is not in accept_from
    SESSION_TLS_MS = 60 * 1000,            // the handshake
    SESSION_WRITE_MS = 5 * 60 * 1000,      // until a client reads its replies
    SESSION_FAREWELL_MS = 1000,            // the same when we are leaving
    SESSION_REST_MS = 1000,                // idle for so long, a session gives its buffers back
    SESSION_ERRORS_MAX = 20,               // then 421
    SESSION_INPUT_BYTES = 32 << 10,
    SESSION_REST_BYTES = 128, // the input of a resting session
    SESSION_OUTPUT_BYTES_MAX = 64 << 10,
    SESSION_OUTPUT_FLUSH_BYTES = 8 << 10, // replies of one group are written at once up to this
    SESSION_ENVELOPE_BYTES_MAX = 6 << 20, // senders and recipients as text: fits the spool's record
    SESSION_RECEIVED_MAX = 50             // RFC 5321 6.3
};

// One loop's server; see serve.c.
struct serve {
    struct serve_options options;
    struct serve_limits *limits;
    struct list listenings;
    struct list sessions;
    struct io_group listening_group, session_group;
    bool is_stopping;
    struct {
        atomic_uint_fast64_t sessions_now, sessions, messages, recipients, bytes, refused,
            rejected_messages;
    } counts;
};

struct session {
    struct serve *serve;
    struct list link; // of serve->sessions
    struct io_fiber *fiber;
    struct io_stream *stream; // NULL after a failed handshake
    struct address peer;
    struct config *config;
    struct spool_client *client; // the budget of memory of this address
    char listener_name[64];      // a copy: the listener may be closed before the session
    bool offers_tls;
    bool may_relay; // the client is in accept_from; else it is a stranger
    bool is_admitted;
    bool is_over;
    bool is_resting; // waits for a command outside of a transaction: may be asked to leave at once
    bool said_relay_denied;
    unsigned n_errors;
    io_time fruitless_since; // the session's start or its last message

    // Who the client says it is (EHLO), and how we talk.
    bool has_helo, is_esmtp, is_tls;
    char helo[256];
    char tls[96];

    // Input: bytes[begin..end) is what was received and not used yet.
    char *bytes; // SESSION_INPUT_BYTES; NULL while resting
    size_t begin, end;
    bool is_skipping; // the rest of a line that was too long
    char rest[SESSION_REST_BYTES];

    struct buffer output; // replies that were not written yet

    // The transaction between MAIL and the final dot.
    bool has_mail;
    struct arena arena;
    struct mail_envelope envelope;
    size_t recipients_size; // room in envelope.recipients
    struct buffer trace;    // the Received field, kept from message to message
};

// Runs in a fiber of its own and frees the session.
IO_WAITS void session_run(void *session);
// Of the listener `name`; takes the stream.
struct session *session_create(struct serve *serve, const char *name, struct io_stream *stream);

// --- input.c ------------------------------------------------------------------------------------
enum session_line { SESSION_LINE_READY, SESSION_LINE_BAD, SESSION_LINE_NONE };
// The next command without its CRLF, valid until the next read. BAD: it was refused here. NONE: the
// session is over.
IO_WAITS enum session_line session_read_line(struct session *session, struct view *line);
// More bytes behind those that are there; false: the session is over.
IO_WAITS bool session_read_more(struct session *session, io_time deadline);
static inline struct view session_input(const struct session *session) {
    return view_from(session->bytes ? session->bytes + session->begin : NULL,
                     session->end - session->begin);
}
static inline void session_use(struct session *session, size_t n_bytes) {
    ASSERT(n_bytes <= session->end - session->begin);
    session->begin += n_bytes;
}

// --- reply.c ------------------------------------------------------------------------------------
// Replies gather in `output` and leave when input is awaited (RFC 2920 3.2).
void session_reply(struct session *session, struct view line);
void session_reply_printf(struct session *session, const char *format, ...) PRINTF_LIKE(2, 3);
// The same for what the client did wrong; too many of them end the session.
void session_fault(struct session *session, struct view line);
// 421 with our name, and the end of the session: "4.4.2", "Idle for too long".
void session_dismiss(struct session *session, const char *enhanced, const char *why);
IO_WAITS bool session_flush(struct session *session);

// --- message.c ----------------------------------------------------------------------------------
// From 354 to the final dot and its answer. Ends the session when the client goes away.
IO_WAITS void session_receive_message(struct session *session);
void session_reset_transaction(struct session *session);

void session_log_refused(struct session *session, const char *reply);

#endif
