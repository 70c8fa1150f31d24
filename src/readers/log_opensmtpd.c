// SPDX-License-Identifier: Apache-2.0
// OpenSMTPD: "SESSION mta delivery evpid=ID from=<s> to=<r> rcpt=<o> source=\"a\" relay=\"a (h)\"
// delay=0s result=\"TempFail\" stat=\"words\"", before 6.4 with "event=delivery". The first eight
// digits of an envelope's id are those of its message.
#include "readers/log.h"

enum { MESSAGE_ID_LEN = 8 };

// "192.0.2.1 (mx1.example.org)"
static void take_relay(struct view relay, struct reader_entry *entry) {
    size_t open = view_find(relay, VIEW(" ("));
    struct view name = view_skip(relay, open + 2);
    if (!address_parse(view_take(relay, open), &entry->peer))
        entry->host = view_take(relay, open);
    if (open < relay.len)
        entry->host = view_take(name, view_find_char(name, ')'));
}

static bool outcome_of(struct view result, enum outcome *outcome) {
    *outcome = OUTCOME_PERMANENT_FAILURE;
    if (view_equals(result, VIEW("Ok")))
        *outcome = OUTCOME_DELIVERED;
    else if (view_equals(result, VIEW("TempFail")))
        *outcome = OUTCOME_TEMPORARY_FAILURE;
    else
        return view_equals(result, VIEW("PermFail")) || view_equals(result, VIEW("Loop")) ||
               view_equals(result, VIEW("Expire"));
    return true;
}

static enum log_told read_delivery(struct reader_log *log, const struct log_line *line) {
    struct reader_entry entry;
    struct view text = line->text, id = reader_log_field(text, VIEW(" evpid="), ' ');
    struct view result = reader_log_field(text, VIEW(" result=\""), '"');
    size_t at = view_find(text, VIEW(" stat=\""));
    struct view stat = view_skip(text, at + 7);
    reader_log_entry_begin(log, line, READER_LOG_OPENSMTPD, &entry);
    if (at == text.len || id.len < MESSAGE_ID_LEN || !outcome_of(result, &entry.outcome))
        return LOG_TOLD_UNREAD;
    entry.queue_id = id;
    entry.sender = reader_log_field(text, VIEW(" from=<"), '>');
    reader_log_entry_recipient(log, reader_log_field(text, VIEW(" to=<"), '>'), &entry);
    take_relay(reader_log_field(text, VIEW(" relay=\""), '"'), &entry);
    stat = view_take(stat, view_find_last_char(stat, '"'));
    if (entry.outcome != OUTCOME_DELIVERED)
        reader_log_entry_failed(log, stat, entry.outcome, &entry);
    if (view_equals(result, VIEW("Expire")) || LOG_HAS(stat, "Envelope expired"))
        entry.kind = READER_ENTRY_EXPIRED;
    uint64_t key = reader_log_key(log, line, view_take(id, MESSAGE_ID_LEN));
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_arrival(struct reader_log *log, const struct log_line *line) {
    struct view id = reader_log_field(line->text, VIEW(" msgid="), ' ');
    if (id.len != MESSAGE_ID_LEN)
        return LOG_TOLD_NOISE;
    (void)reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    return LOG_TOLD_NOISE;
}

enum log_told reader_log_opensmtpd_read(struct reader_log *log, const struct log_line *line) {
    struct view text = view_skip(line->text, view_find_char(line->text, ' ') + 1); // the session
    if (LOG_STARTS(text, "mta ") || LOG_STARTS(text, "mda ") || LOG_STARTS(text, "bounce ")) {
        text = view_skip(text, view_find_char(text, ' ') + 1);
        return LOG_STARTS(text, "delivery ") || LOG_STARTS(text, "event=delivery ")
                   ? read_delivery(log, line)
                   : LOG_TOLD_NOISE;
    }
    if (LOG_STARTS(text, "smtp message ") || LOG_STARTS(text, "smtp event=message "))
        return read_arrival(log, line);
    if (LOG_STARTS(text, "smtp failed-command ") || LOG_STARTS(text, "smtp event=failed-command "))
        return LOG_TOLD_INBOUND;
    return LOG_TOLD_NOISE;
}
