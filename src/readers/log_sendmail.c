// SPDX-License-Identifier: Apache-2.0
// Sendmail: "QID: to=<a>,<b>, ..., relay=h. [a], dsn=4.0.0, stat=words", one line an attempt with
// all its recipients; who sent it stands in "QID: from=<s>, ...". A bare "stat=Deferred" comes from
// the remembered state of the host: nothing was tried.
#include "readers/log.h"

struct attempt_line {
    struct view recipients, relay, dsn, delay, reply, stat;
};

static bool take_attempt(struct view text, struct attempt_line *attempt) {
    size_t end = view_find(text, VIEW(", "));
    struct view rest = view_skip(text, end);
    size_t stat = view_find(rest, VIEW(" stat="));
    struct view fields = view_take(rest, stat);
    if (stat == rest.len)
        return false;
    attempt->recipients = view_take(text, end);
    attempt->stat = view_skip(rest, stat + 6);
    attempt->relay = reader_log_field(fields, VIEW(" relay="), ',');
    attempt->dsn = reader_log_field(fields, VIEW(" dsn="), ',');
    attempt->delay = reader_log_field(fields, VIEW(" delay="), ',');
    attempt->reply = view_skip(fields, view_find(fields, VIEW(" reply=")) + 7);
    if (attempt->reply.len && attempt->reply.ptr[attempt->reply.len - 1] == ',')
        attempt->reply.len--;
    return true;
}

static enum outcome outcome_of(const struct attempt_line *attempt) {
    if (LOG_STARTS(attempt->stat, "Sent"))
        return OUTCOME_DELIVERED;
    bool is_temporary = LOG_STARTS(attempt->stat, "Deferred") || LOG_STARTS(attempt->dsn, "4");
    return is_temporary ? OUTCOME_TEMPORARY_FAILURE : OUTCOME_PERMANENT_FAILURE;
}

// "stat=Deferred: Connection refused by h", too, may be what was remembered.
static bool is_remembered(const struct attempt_line *attempt, const struct reader_entry *entry) {
    if (entry->outcome != OUTCOME_TEMPORARY_FAILURE || LOG_HAS(attempt->relay, " ["))
        return false;
    return view_equals(attempt->stat, VIEW("Deferred")) ||
           (attempt->relay.len && LOG_STARTS(attempt->stat, "Deferred: Connection "));
}

static void tell_one(struct reader_log *log, const struct log_line *line, struct view id,
                     const struct attempt_line *attempt, struct view recipient) {
    struct reader_entry entry;
    uint64_t key = reader_log_key(log, line, id);
    reader_log_entry_begin(log, line, READER_LOG_SENDMAIL, &entry);
    entry.queue_id = id;
    entry.outcome = outcome_of(attempt);
    reader_log_entry_recipient(log, reader_log_bare(recipient), &entry);
    reader_log_entry_host(attempt->relay, &entry);
    reader_log_entry_delay(attempt->delay, &entry);
    if (entry.outcome != OUTCOME_DELIVERED)
        reader_log_entry_failed(log, attempt->reply.len ? attempt->reply : attempt->stat,
                                entry.outcome, &entry);
    if (is_remembered(attempt, &entry))
        entry.kind = READER_ENTRY_SUPPRESSED;
    if (entry.words && entry.words->fact.stage == FACT_STAGE_DNS)
        entry.host = VIEW_NONE; // the domain stands for it
    if (LOG_STARTS(attempt->stat, "Cannot send message"))
        entry.kind = READER_ENTRY_EXPIRED;
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
}

static enum log_told read_attempt(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view text) {
    struct attempt_line attempt;
    if (!take_attempt(view_skip(text, 3), &attempt))
        return LOG_TOLD_UNREAD;
    if (LOG_STARTS(attempt.stat, "queued"))
        return LOG_TOLD_NOISE;
    struct view recipient, rest = attempt.recipients;
    while (view_split(&rest, ',', &recipient))
        tell_one(log, line, id, &attempt, recipient);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_arrival(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view text) {
    struct view sender = view_skip(text, 5);
    sender = view_take(sender, view_find(sender, VIEW(", ")));
    struct log_followed *message =
        reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    reader_log_followed_set_sender(message, reader_log_bare(sender));
    struct view message_id = reader_log_field(text, VIEW(" msgid=<"), '>');
    reader_log_followed_set_id(message, message_id);
    return LOG_TOLD_NOISE;
}

// "QID: NEWID: sender notify: Cannot send message for 5 days": its recipients stand in the notice.
static enum log_told read_given_up(struct reader_log *log, const struct log_line *line,
                                   struct view id) {
    reader_log_entry_expired(log, line, READER_LOG_SENDMAIL, id);
    return LOG_TOLD_DELIVERY;
}

// "to=..., stat=..." without an end is a line that was cut.
static bool is_attempt(struct view text) {
    return LOG_STARTS(text, "to=") && (LOG_HAS(text, "mailer=") || LOG_HAS(text, " stat="));
}

enum log_told reader_log_sendmail_read(struct reader_log *log, const struct log_line *line) {
    struct view text = line->text, id = VIEW_NONE;
    bool has_id = reader_log_id_take(&text, &id);
    if (LOG_STARTS(text, "ruleset=check_") || LOG_STARTS(text, "Milter: "))
        return LOG_HAS(text, "reject=") ? LOG_TOLD_INBOUND : LOG_TOLD_NOISE;
    if (!has_id)
        return LOG_TOLD_NOISE;
    if (is_attempt(text))
        return read_attempt(log, line, id, text);
    if (LOG_STARTS(text, "from=") && LOG_HAS(text, ", size="))
        return read_arrival(log, line, id, text);
    if (LOG_STARTS(text, "done; "))
        reader_log_follow_end(&log->follow, reader_log_key(log, line, id));
    if (LOG_HAS(text, "sender notify: Cannot send message"))
        return read_given_up(log, line, id);
    return LOG_TOLD_NOISE;
}
