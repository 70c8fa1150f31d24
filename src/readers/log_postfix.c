// SPDX-License-Identifier: Apache-2.0
// Postfix. A delivery agent writes one line a recipient and attempt, "QID: to=<r>, relay=h[a]:25,
// ..., status=deferred (words)"; who sent it stands in qmgr's line, when it came in smtpd's or
// pickup's. What precedes the status of an attempt over several servers ("connect to h[a]:25:
// Connection refused") names the servers, and is no attempt of its own here.
#include "readers/log.h"

enum service {
    SERVICE_OTHER,
    SERVICE_DELIVERY,
    SERVICE_QMGR,
    SERVICE_CLEANUP,
    SERVICE_SMTPD,
    SERVICE_PICKUP,
    SERVICE_POSTSCREEN
};

// The program is what follows the last slash: "postfix-out/smtp", "postfix/submission/smtpd".
static enum service service_of(struct view tag) {
    static const struct {
        struct view name;
        enum service service;
    } rows[] = {{{"smtp", 4}, SERVICE_DELIVERY},    {{"qmgr", 4}, SERVICE_QMGR},
                {{"smtpd", 5}, SERVICE_SMTPD},      {{"cleanup", 7}, SERVICE_CLEANUP},
                {{"lmtp", 4}, SERVICE_DELIVERY},    {{"error", 5}, SERVICE_DELIVERY},
                {{"retry", 5}, SERVICE_DELIVERY},   {{"local", 5}, SERVICE_DELIVERY},
                {{"virtual", 7}, SERVICE_DELIVERY}, {{"pipe", 4}, SERVICE_DELIVERY},
                {{"discard", 7}, SERVICE_DELIVERY}, {{"pickup", 6}, SERVICE_PICKUP},
                {{"nqmgr", 5}, SERVICE_QMGR},       {{"postscreen", 10}, SERVICE_POSTSCREEN}};
    size_t from = tag.len;
    while (from > 0 && tag.ptr[from - 1] != '/')
        from--;
    struct view name = view_from(tag.ptr + from, tag.len - from);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (name.len == rows[i].name.len && memcmp(name.ptr, rows[i].name.ptr, name.len) == 0)
            return rows[i].service;
    return SERVICE_OTHER;
}

static bool is_no_queue(struct view id) {
    return id.len == 7 && memcmp(id.ptr, "NOQUEUE", 7) == 0;
}

// "<a@b>" at the start: the address and what follows. A local part in quotes may hold anything
// (RFC 5321 4.1.2).
static bool take_bracketed(struct view *text, struct view *address) {
    size_t at = 1;
    bool is_quoted = text->len > 1 && text->ptr[1] == '"';
    if (text->len < 2 || text->ptr[0] != '<')
        return false;
    for (at += is_quoted; is_quoted && at < text->len && text->ptr[at] != '"'; at++)
        at += text->ptr[at] == '\\';
    at = size_min(at, text->len);
    const char *close = memchr(text->ptr + at, '>', text->len - at);
    if (!close)
        return false;
    *address = view_from(text->ptr + 1, (size_t)(close - text->ptr) - 1);
    *text = view_from(close + 1, text->len - address->len - 2);
    return true;
}

// --- Warnings -----------------------------------------------------------------------------------
static uint64_t process_of(const struct log_line *line) {
    return reader_log_hash(line->pid, reader_log_hash(line->host, 1));
}

// The server that a line without a status is about.
static void note_warning(struct reader_log *log, const struct log_line *line, struct view text) {
    static const struct view marks[] = {
        {"connect to ", 11},           {"host ", 5},
        {"lost connection with ", 21}, {"conversation with ", 18},
        {"SSL_connect error to ", 21}, {"certificate verification failed for ", 36}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (!view_starts_with(text, marks[i]))
            continue;
        struct view server = view_skip(text, marks[i].len);
        reader_log_warning_note(log, process_of(line), line->at_ms,
                                view_take(server, view_find_char(server, ']') + 1));
        return;
    }
}

// --- Deliveries ---------------------------------------------------------------------------------
struct status {
    struct view word;  // "deferred"
    struct view words; // in the parentheses
    struct view relay;
    struct view delay; // "1.2", seconds since the arrival
};

// " relay=h[a]:25, delay=1.2, ..., status=sent (250 ok)"
static bool take_status(struct view rest, struct status *status) {
    *status = (struct status){0};
    while (rest.len > 2 && rest.ptr[0] == ',' && rest.ptr[1] == ' ') {
        rest = view_from(rest.ptr + 2, rest.len - 2);
        if (LOG_STARTS(rest, "status=")) {
            rest = view_skip(rest, 7);
            status->word = view_take(rest, view_find_char(rest, ' '));
            rest = view_skip(rest, status->word.len + 1);
            if (rest.len && rest.ptr[0] == '(')
                rest = view_skip(rest, 1);
            bool is_closed = rest.len && rest.ptr[rest.len - 1] == ')';
            status->words = view_take(rest, rest.len - is_closed);
            return true;
        }
        const char *comma = memchr(rest.ptr, ',', rest.len);
        struct view field = view_from(rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len);
        if (LOG_STARTS(field, "relay="))
            status->relay = view_skip(field, 6);
        else if (LOG_STARTS(field, "delay="))
            status->delay = view_skip(field, 6);
        rest = view_skip(rest, field.len);
    }
    return false;
}

static bool outcome_of(struct view word, enum outcome *outcome) {
    if (LOG_STARTS(word, "sent") || LOG_STARTS(word, "deliverable"))
        *outcome = OUTCOME_DELIVERED;
    else if (LOG_STARTS(word, "deferred"))
        *outcome = OUTCOME_TEMPORARY_FAILURE;
    else if (LOG_STARTS(word, "bounced") || LOG_STARTS(word, "undeliverable") ||
             LOG_STARTS(word, "expired"))
        *outcome = OUTCOME_PERMANENT_FAILURE;
    else
        return false;
    return true;
}

static bool take_recipient(struct view *text, struct view *recipient) {
    struct view original;
    *text = view_skip(*text, 3); // to=
    if (!take_bracketed(text, recipient))
        return false;
    if (LOG_STARTS(*text, ", orig_to=")) {
        *text = view_skip(*text, 10);
        return take_bracketed(text, &original);
    }
    return true;
}

static enum log_told read_delivery(struct reader_log *log, const struct log_line *line,
                                   struct view id, struct view text) {
    struct reader_entry entry;
    struct status status;
    struct view recipient;
    if (!take_recipient(&text, &recipient) || !take_status(text, &status))
        return LOG_TOLD_UNREAD;
    reader_log_entry_begin(log, line, READER_LOG_POSTFIX, &entry);
    if (!outcome_of(status.word, &entry.outcome))
        return LOG_TOLD_UNREAD;
    entry.queue_id = id;
    reader_log_entry_recipient(log, recipient, &entry);
    if (view_find_char(status.relay, '[') < status.relay.len) // else "none", "local", "dovecot"
        reader_log_entry_host(status.relay, &entry);
    reader_log_entry_delay(status.delay, &entry);
    uint64_t key = reader_log_key(log, line, id);
    if (entry.outcome != OUTCOME_DELIVERED)
        reader_log_entry_failed(log, status.words, entry.outcome, &entry);
    reader_log_warning_use(log, process_of(line), key, &entry);
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
    return LOG_TOLD_DELIVERY;
}

// --- Messages -----------------------------------------------------------------------------------
static enum log_told read_expired(struct reader_log *log, const struct log_line *line,
                                  struct view id) {
    reader_log_entry_expired(log, line, READER_LOG_POSTFIX, id);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_qmgr(struct reader_log *log, const struct log_line *line, struct view id,
                               struct view text) {
    struct view sender;
    uint64_t key = reader_log_key(log, line, id);
    if (LOG_STARTS(text, "removed")) {
        reader_log_follow_end(&log->follow, key);
        return LOG_TOLD_NOISE;
    }
    if (!LOG_STARTS(text, "from="))
        return LOG_STARTS(text, "to=<") ? read_delivery(log, line, id, text) : LOG_TOLD_NOISE;
    text = view_skip(text, 5);
    if (!take_bracketed(&text, &sender))
        return LOG_TOLD_UNREAD;
    reader_log_followed_set_sender(reader_log_follow_get(&log->follow, key), sender);
    if (LOG_STARTS(text, ", status=expired") || LOG_STARTS(text, ", status=force-expired"))
        return read_expired(log, line, id);
    return LOG_TOLD_NOISE;
}

static bool is_reject(struct view text) {
    return LOG_STARTS(text, "reject: ") || LOG_STARTS(text, "milter-reject: ") ||
           LOG_STARTS(text, "reject_warning: ");
}

// cleanup says the Message-ID once a message: a second one is another message, with its id used
// again. Notices that Postfix makes itself begin here.
static enum log_told read_cleanup(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view text) {
    struct view message_id;
    if (is_reject(text))
        return LOG_TOLD_INBOUND;
    if (!LOG_STARTS(text, "message-id="))
        return LOG_TOLD_NOISE;
    text = view_skip(text, 11);
    if (!take_bracketed(&text, &message_id))
        message_id = text;
    uint64_t key = reader_log_key(log, line, id);
    struct log_followed *message = reader_log_follow_find(&log->follow, key);
    if (!message || message->id_len)
        message = reader_log_follow_start(&log->follow, key, line->at_ms);
    reader_log_followed_set_id(message, message_id);
    return LOG_TOLD_NOISE;
}

static enum log_told read_arrival(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view text) {
    if (LOG_STARTS(text, "client=") || LOG_STARTS(text, "uid="))
        reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    return is_reject(text) ? LOG_TOLD_INBOUND : LOG_TOLD_NOISE;
}

enum log_told reader_log_postfix_read(struct reader_log *log, const struct log_line *line) {
    enum service service = service_of(line->tag);
    struct view id = VIEW_NONE, text = line->text;
    if (service == SERVICE_OTHER)
        return LOG_TOLD_NOISE;
    bool has_id = reader_log_id_take(&text, &id);
    if (has_id && is_no_queue(id))
        return is_reject(text) ? LOG_TOLD_INBOUND : LOG_TOLD_NOISE;
    if (service == SERVICE_DELIVERY) {
        if (has_id && LOG_STARTS(text, "to=<"))
            return read_delivery(log, line, id, text);
        note_warning(log, line, text);
        return LOG_TOLD_NOISE;
    }
    if (!has_id)
        return LOG_TOLD_NOISE;
    switch (service) {
    case SERVICE_QMGR: return read_qmgr(log, line, id, text);
    case SERVICE_CLEANUP: return read_cleanup(log, line, id, text);
    default: return read_arrival(log, line, id, text);
    }
}
