// SPDX-License-Identifier: Apache-2.0
// The message between 354 and the final dot, and what is said to it. It goes to the spool as it
// arrives, behind a Received field with the spool's id (RFC 5321 4.4). Nothing else is added and
// nothing is changed: what the client sent is what the next server gets, byte for byte.
//
// Unstuffing happens in the input buffer, where the bytes behind the reading place are free. So the
// body is copied once, into the spool.
#include "serve/session.h"

#include "base/log.h"

#include <stdio.h>

enum message_fault {
    MESSAGE_WELL,
    MESSAGE_BARE_LINE_END,
    MESSAGE_TOO_BIG,
    MESSAGE_LOOP,
    MESSAGE_NOT_STORED
};

struct message {
    struct session *session;
    struct spool_id id;
    char id_text[SPOOL_ID_TEXT_SIZE];
    int64_t at_ms;
    struct spool_body *body;  // NULL once it is clear that it will be refused
    enum spool_status status; // the first that was not SPOOL_OK
    struct smtp_data_reader reader;
    struct mail_header_scan scan;
};

// --- What is wrong with it -----------------------------------------------------------------------

// Of several faults the one that is told is the same however the bytes came in pieces.
static enum message_fault judge(const struct message *message) {
    const struct smtp_data_reader *reader = &message->reader;
    if (reader->saw_bare_cr || reader->saw_bare_lf)
        return MESSAGE_BARE_LINE_END;
    if (reader->n_bytes > message->session->config->max_message_size ||
        message->status == SPOOL_TOO_BIG)
        return MESSAGE_TOO_BIG;
    if (message->scan.n_received > SESSION_RECEIVED_MAX)
        return MESSAGE_LOOP;
    return message->status == SPOOL_OK ? MESSAGE_WELL : MESSAGE_NOT_STORED;
}

static const char *explain_status(enum spool_status status) {
    switch (status) {
    case SPOOL_FULL: return "452 4.3.1 Not enough room on the disk, try again later";
    case SPOOL_TIMED_OUT: return "452 4.3.1 Too much mail at once, try again later";
    default: return "451 4.3.0 The message could not be stored, try again later";
    }
}

static const char *explain(const struct message *message, enum message_fault fault) {
    switch (fault) {
    case MESSAGE_BARE_LINE_END:
        // RFC 5321 2.3.8. Not mended: what we would mend, the next server may read otherwise.
        return message->reader.saw_bare_lf
                   ? "550 5.6.0 Message refused: a line ends in LF without CR"
                   : "550 5.6.0 Message refused: a CR stands without LF";
    case MESSAGE_TOO_BIG: return "552 5.3.4 Message too big for this server";
    case MESSAGE_LOOP: return "554 5.4.6 Too many Received fields: the message goes in a circle";
    default: return explain_status(message->status);
    }
}

// --- Into the spool ------------------------------------------------------------------------------

// What cannot be kept is read to its end, so that the client hears why; its memory is given back
// at once.
static IO_WAITS void append(struct message *message, struct view bytes) {
    if (message->body && judge(message) == MESSAGE_WELL)
        message->status = spool_body_append(message->body, bytes, io_after(SESSION_BLOCK_MS));
    if (judge(message) == MESSAGE_WELL)
        return;
    spool_body_unref(message->body);
    message->body = NULL;
}

static IO_WAITS void write_trace(struct message *message) {
    struct session *session = message->session;
    struct mail_envelope *envelope = &session->envelope;
    struct mail_received received = {
        .client_name = view_of(session->helo),
        .client = session->peer,
        .hostname = view_of(session->config->hostname),
        // RFC 3848.
        .protocol = session->is_tls     ? VIEW("ESMTPS")
                    : session->is_esmtp ? VIEW("ESMTP")
                                        : VIEW("SMTP"),
        .tls = view_of(session->tls),
        .id = view_of(message->id_text),
        .recipient = envelope->n_recipients == 1 ? envelope->recipients[0].address : VIEW_NONE,
        .at_ms = message->at_ms,
    };
    buffer_clear(&session->trace);
    mail_received_write(&received, &session->trace);
    append(message, buffer_view(&session->trace));
}

// --- The bytes -----------------------------------------------------------------------------------

// Gathers the unstuffed pieces of one read where they stand.
struct gathering {
    struct view input; // the bytes being read
    char *begin, *end;
};

static void gather(struct view piece, void *arg) {
    struct gathering *gathering = arg;
    // From outside of the input comes only what makes it clear that the message is refused.
    if ((uintptr_t)piece.ptr - (uintptr_t)gathering->input.ptr >= gathering->input.len)
        return;
    if (!gathering->begin)
        gathering->begin = gathering->end = (char *)(uintptr_t)piece.ptr;
    if (gathering->end != piece.ptr)
        memmove(gathering->end, piece.ptr, piece.len);
    gathering->end += piece.len;
}

// Uses what is in the input buffer.
static IO_WAITS enum smtp_data_event take_input(struct message *message) {
    struct session *session = message->session;
    struct gathering gathering = {.input = session_input(session)};
    size_t used = 0;
    enum smtp_data_event event =
        smtp_data_read(&message->reader, gathering.input, &used, gather, &gathering);
    session_use(session, used);
    if (!gathering.begin)
        return event;
    struct view bytes = view_from(gathering.begin, (size_t)(gathering.end - gathering.begin));
    if (!message->scan.is_done)
        mail_header_scan_feed(&message->scan, bytes);
    append(message, bytes);
    return event;
}

// False: the client went away, was too slow, or sends without end.
static IO_WAITS bool read_to_the_dot(struct message *message) {
    struct session *session = message->session;
    io_time end = io_after(SESSION_MESSAGE_MS);
    while (take_input(message) != SMTP_DATA_END) {
        if (message->reader.n_bytes / 4 > session->config->max_message_size) {
            session_reply(session, VIEW("552 5.3.4 Message too big for this server"));
            session_dismiss(session, "4.3.4", "Message without end");
            return false;
        }
        io_time deadline = io_after(SESSION_BLOCK_MS);
        if (!session_read_more(session, deadline < end ? deadline : end))
            return false;
    }
    return true;
}

// --- The answer ----------------------------------------------------------------------------------

static void fill_envelope(struct message *message) {
    struct session *session = message->session;
    struct mail_envelope *envelope = &session->envelope;
    envelope->arrived_ms = message->at_ms;
    envelope->size_bytes = spool_body_size(message->body);
    envelope->has_8bit = message->reader.has_8bit;
    envelope->client_name = view_of(session->helo);
    envelope->listener = view_of(session->listener_name);
    envelope->tls = view_of(session->tls);
    envelope->n_received = message->scan.n_received;
    envelope->message_id = view_of(message->scan.message_id);
}

// Waits until the message is on disk.
static IO_WAITS enum spool_status store(struct message *message) {
    struct serve *serve = message->session->serve;
    struct spool_tx *tx = spool_tx_create(serve->options.spool);
    fill_envelope(message);
    spool_tx_add(tx, message->id, &message->session->envelope, message->body);
    return spool_commit(tx);
}

static void count(atomic_uint_fast64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void refuse(struct message *message, const char *reply) {
    struct session *session = message->session;
    count(&session->serve->counts.rejected_messages, 1);
    session_log_refused(session, reply);
    session_reply(session, view_of(reply));
}

static void accept_message(struct message *message) {
    struct session *session = message->session;
    struct serve *serve = session->serve;
    struct mail_envelope *envelope = &session->envelope;
    char client[ADDRESS_TEXT_SIZE];
    address_format(&session->peer, client, sizeof(client));
    serve->options.hooks.accepted(serve->options.hooks.arg, message->id, envelope, message->body);
    log_info("serve", "%s: from=<%.*s> rcpts=%zu size=%llu client=%s helo=%s listener=%s tls=%s",
             message->id_text, VIEW_ARG(envelope->sender), envelope->n_recipients,
             (unsigned long long)envelope->size_bytes, client, session->helo,
             session->listener_name, session->is_tls ? session->tls : "no");
    count(&serve->counts.messages, 1);
    count(&serve->counts.recipients, envelope->n_recipients);
    count(&serve->counts.bytes, envelope->size_bytes);
    session->n_errors = 0;
    session->fruitless_since = io_now();
    session_reply_printf(session, "250 2.0.0 Ok: queued as %s", message->id_text);
}

static IO_WAITS void answer(struct message *message) {
    enum message_fault fault = judge(message);
    if (fault == MESSAGE_WELL) {
        message->status = store(message);
        fault = judge(message);
    }
    if (fault == MESSAGE_WELL)
        accept_message(message);
    else
        refuse(message, explain(message, fault));
}

void session_receive_message(struct session *session) {
    struct spool *spool = session->serve->options.spool;
    struct message message = {.session = session, .at_ms = io_wall_ms(), .status = SPOOL_OK};
    ASSERT(session->has_mail && session->envelope.n_recipients > 0);
    message.id = spool_id_next(spool);
    spool_id_format(message.id, message.id_text);
    message.body = spool_body_create(spool, session->client);
    smtp_data_reader_init(&message.reader);
    mail_header_scan_init(&message.scan);
    write_trace(&message);
    if (read_to_the_dot(&message))
        answer(&message);
    spool_body_unref(message.body);
}
