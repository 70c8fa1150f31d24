// SPDX-License-Identifier: Apache-2.0
// Exchange's SMTP send log: conversations, line by line, of several connections mixed. Commands
// wait for their replies in order; what a reply means for its recipients is told when it comes. A
// connection that breaks is a failure of the recipients that still wait, or, where there are none
// yet, of the destination.
#include "mail/mail.h"
#include "readers/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SESSIONS = 128,
    SESSION_COMMANDS = 128,
    SESSION_RECIPIENTS = 100,
    SESSION_TEXT = 6000,
    SESSION_NAME = 256
};

enum command { COMMAND_OTHER, COMMAND_MAIL, COMMAND_DATA, COMMAND_BODY, COMMAND_RCPT };

struct log_session {
    uint64_t hash; // zero: free
    uint64_t used; // the row that it was last seen in
    struct address peer;
    char domain[SESSION_NAME], message_id[SESSION_NAME], sender[SESSION_NAME];
    size_t domain_len, message_id_len, sender_len;
    uint16_t commands[SESSION_COMMANDS]; // a ring; COMMAND_RCPT and above: of a recipient
    size_t n_commands, first_command;
    struct {
        uint16_t at, len;
        bool is_over;
    } recipients[SESSION_RECIPIENTS];
    size_t n_recipients, text_len;
    uint64_t message; // number of the transaction
    bool is_told;     // of a failure before any transaction
    char text[SESSION_TEXT];
};

struct log_sessions {
    uint64_t n_rows;
    struct log_session all[SESSIONS];
};

void reader_log_sessions_destroy(struct log_sessions *sessions) {
    free(sessions);
}

// The one of this id, else the one that was silent for the longest time.
static struct log_session *session_of(struct reader_log *log, struct view id) {
    uint64_t hash = reader_log_hash(id, 3) | 1;
    if (!log->sessions)
        log->sessions = mem_alloc_zero(sizeof(*log->sessions));
    struct log_session *all = log->sessions->all, *oldest = &all[0];
    for (size_t i = 0; i < SESSIONS; i++) {
        if (all[i].hash == hash) {
            oldest = &all[i];
            break;
        }
        if (all[i].used < oldest->used)
            oldest = &all[i];
    }
    if (oldest->hash != hash) {
        memset(oldest, 0, offsetof(struct log_session, text));
        oldest->hash = hash;
    }
    oldest->used = ++log->sessions->n_rows;
    return oldest;
}

static void keep(struct view text, char *copy, size_t *len) {
    *len = text.len <= SESSION_NAME ? text.len : 0;
    if (*len)
        memcpy(copy, text.ptr, *len);
}

// --- Telling ------------------------------------------------------------------------------------
struct ending {
    struct reader_log *log;
    const struct log_line *line;
    struct log_session *session;
    struct view words;
    enum outcome outcome;
};

static void tell(const struct ending *ending, struct view recipient) {
    struct log_session *session = ending->session;
    struct reader_entry entry;
    reader_log_entry_begin(ending->log, ending->line, READER_LOG_EXCHANGE_SEND, &entry);
    entry.outcome = ending->outcome;
    entry.peer = session->peer;
    entry.sender = view_from(session->sender, session->sender_len);
    entry.message_id = view_from(session->message_id, session->message_id_len);
    entry.message = session->message;
    if (recipient.len)
        reader_log_entry_recipient(ending->log, recipient, &entry);
    else
        entry.domain = view_from(session->domain, session->domain_len);
    if (entry.outcome != OUTCOME_DELIVERED)
        reader_log_entry_failed(ending->log, ending->words, entry.outcome, &entry);
    reader_log_entry_tell(ending->log, NULL, &entry);
}

static struct view recipient_at(const struct log_session *session, size_t i) {
    return view_from(session->text + session->recipients[i].at, session->recipients[i].len);
}

static enum log_told tell_recipient(const struct ending *ending, size_t i) {
    struct log_session *session = ending->session;
    if (i >= session->n_recipients || session->recipients[i].is_over)
        return LOG_TOLD_NOISE;
    session->recipients[i].is_over = true;
    tell(ending, recipient_at(session, i));
    return LOG_TOLD_DELIVERY;
}

static enum log_told tell_all(const struct ending *ending) {
    enum log_told told = LOG_TOLD_NOISE;
    for (size_t i = 0; i < ending->session->n_recipients; i++)
        if (tell_recipient(ending, i) == LOG_TOLD_DELIVERY)
            told = LOG_TOLD_DELIVERY;
    return told;
}

// A failure with nobody to name is told once a connection.
static enum log_told tell_lane(const struct ending *ending) {
    if (ending->session->is_told)
        return LOG_TOLD_NOISE;
    ending->session->is_told = true;
    ending->session->message = 0;
    tell(ending, VIEW_NONE);
    return LOG_TOLD_DELIVERY;
}

// --- Commands -----------------------------------------------------------------------------------
static void push(struct log_session *session, unsigned command) {
    if (session->n_commands == SESSION_COMMANDS)
        return;
    size_t at = (session->first_command + session->n_commands++) % SESSION_COMMANDS;
    session->commands[at] = (uint16_t)command;
}

static unsigned pop(struct log_session *session) {
    if (session->n_commands == 0)
        return COMMAND_OTHER;
    unsigned command = session->commands[session->first_command];
    session->first_command = (session->first_command + 1) % SESSION_COMMANDS;
    session->n_commands--;
    return command;
}

static struct view path_of(struct view command) {
    struct view path = view_skip(command, view_find_char(command, '<') + 1);
    return view_take(path, view_find_char(path, '>'));
}

static void begin_mail(struct log_session *session, const struct log_line *line,
                       struct view command) {
    keep(path_of(command), session->sender, &session->sender_len);
    session->n_recipients = session->text_len = 0;
    session->message = reader_log_hash(view_from(&line->at_ms, sizeof(line->at_ms)),
                                       session->hash + session->used);
    push(session, COMMAND_MAIL);
}

static void add_recipient(struct log_session *session, struct view command) {
    struct view recipient = path_of(command);
    size_t n = session->n_recipients;
    push(session, COMMAND_RCPT + (unsigned)n);
    if (n == SESSION_RECIPIENTS || recipient.len > SESSION_TEXT - session->text_len)
        return;
    memcpy(session->text + session->text_len, recipient.ptr, recipient.len);
    session->recipients[n].at = (uint16_t)session->text_len;
    session->recipients[n].len = (uint16_t)recipient.len;
    session->recipients[n].is_over = false;
    session->text_len += recipient.len;
    session->n_recipients++;
}

// What is said to the server.
static void read_command(struct log_session *session, const struct log_line *line,
                         struct view command) {
    if (view_starts_with_nocase(command, VIEW("MAIL FROM:")))
        begin_mail(session, line, command);
    else if (view_starts_with_nocase(command, VIEW("RCPT TO:")))
        add_recipient(session, command);
    else if (view_starts_with_nocase(command, VIEW("DATA")))
        push(session, COMMAND_DATA);
    else if (view_starts_with_nocase(command, VIEW("BDAT")))
        push(session,
             view_find_nocase(command, VIEW(" LAST")) < command.len ? COMMAND_BODY : COMMAND_OTHER);
    else
        push(session, COMMAND_OTHER);
}

// --- Replies ------------------------------------------------------------------------------------
static enum log_told read_refusal(struct ending *ending, unsigned command) {
    ending->outcome = ending->words.ptr[0] == '5' && command != COMMAND_OTHER
                          ? OUTCOME_PERMANENT_FAILURE
                          : OUTCOME_TEMPORARY_FAILURE;
    if (command >= COMMAND_RCPT)
        return tell_recipient(ending, command - COMMAND_RCPT);
    if (command != COMMAND_OTHER)
        return tell_all(ending);
    // At the greeting, or to EHLO and its kin, where Exchange tries the next server.
    return ending->session->n_recipients == 0 && LOG_STARTS(ending->words, "4") ? tell_lane(ending)
                                                                                : LOG_TOLD_NOISE;
}

static enum log_told read_reply(struct ending *ending) {
    struct view reply = ending->words;
    if (reply.len < 3 || !ascii_is_digit(reply.ptr[0]))
        return LOG_TOLD_UNREAD;
    if (reply.len > 3 && reply.ptr[3] == '-') // more lines follow
        return LOG_TOLD_NOISE;
    unsigned command =
        reply.ptr[0] == '2' && LOG_STARTS(reply, "220") && ending->session->n_commands == 0
            ? COMMAND_OTHER
            : pop(ending->session);
    if (command == COMMAND_DATA && reply.ptr[0] == '3') {
        push(ending->session, COMMAND_BODY);
        return LOG_TOLD_NOISE;
    }
    if (reply.ptr[0] == '4' || reply.ptr[0] == '5')
        return read_refusal(ending, command);
    ending->outcome = OUTCOME_DELIVERED;
    return command == COMMAND_BODY ? tell_all(ending) : LOG_TOLD_NOISE;
}

// --- Remarks ------------------------------------------------------------------------------------
// "Failed to connect. Winsock error code: 10061, ..., Destination domain: dest.example, Error
// Message: ...", "TLS negotiation failed with error NoCredentials".
static enum log_told read_remark(struct ending *ending, struct view remark) {
    struct log_session *session = ending->session;
    struct view id = reader_log_field(remark, VIEW("InternetMessageId <"), '>');
    struct view domain = reader_log_field(remark, VIEW("Destination domain: "), ',');
    if (id.len)
        keep(id, session->message_id, &session->message_id_len);
    if (domain.len)
        keep(domain, session->domain, &session->domain_len);
    if (!LOG_HAS(remark, "Failed to connect") && !LOG_HAS(remark, "TLS negotiation failed") &&
        !LOG_HAS(remark, "error code:"))
        return LOG_TOLD_NOISE;
    ending->words = remark;
    return session->n_recipients ? tell_all(ending) : tell_lane(ending);
}

// "Remote(ConnectionReset)" in the words that Exchange has for it elsewhere.
static struct view words_of_disconnect(struct view reason, char *out, size_t size) {
    struct view name = reader_log_field(reason, VIEW("("), ')');
    int len = snprintf(out, size, "Connection dropped due to %.*s", VIEW_ARG(view_take(name, 64)));
    return name.len ? view_from(out, (size_t)len) : reason;
}

// "Local" after QUIT is an ordinary end; "Remote(ConnectionReset)" may not be.
static enum log_told read_disconnect(struct ending *ending, struct view reason) {
    struct log_session *session = ending->session;
    enum log_told told = LOG_TOLD_NOISE;
    bool is_broken = LOG_HAS(reason, "(");
    char words[128];
    ending->words = words_of_disconnect(reason, words, sizeof(words));
    if (session->n_recipients && session->n_commands)
        told = tell_all(ending);
    else if (is_broken && session->n_recipients == 0)
        told = tell_lane(ending);
    session->hash = session->used = 0;
    return told;
}

enum log_told reader_log_send_read(struct reader_log *log, const struct log_line *line,
                                   const struct log_row *row) {
    struct view event = row->columns[LOG_COLUMN_EVENT], data = row->columns[LOG_COLUMN_DATA];
    struct view context = row->columns[LOG_COLUMN_CONTEXT];
    struct log_session *session = session_of(log, row->columns[LOG_COLUMN_SESSION]);
    struct ending ending = {.log = log,
                            .line = line,
                            .session = session,
                            .words = data,
                            .outcome = OUTCOME_TEMPORARY_FAILURE};
    if (row->columns[LOG_COLUMN_REMOTE].len)
        (void)address_parse_port(row->columns[LOG_COLUMN_REMOTE], &session->peer);
    if (event.len != 1 || session->n_recipients > SESSION_RECIPIENTS)
        return LOG_TOLD_UNREAD;
    switch (event.ptr[0]) {
    case '>': read_command(session, line, data); return LOG_TOLD_NOISE;
    case '<': return read_reply(&ending);
    case '*': return read_remark(&ending, context.len ? context : data);
    case '-': return read_disconnect(&ending, context.len ? context : data);
    case '+': return LOG_TOLD_NOISE;
    default: return LOG_TOLD_UNREAD;
    }
}
