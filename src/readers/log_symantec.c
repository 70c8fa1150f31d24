// SPDX-License-Identifier: Apache-2.0
// Symantec Messaging Gateway: "EPOCH|AUDIT-ID|EVENT|arguments", with or without a syslog head.
// Words may hold bars, so a failure is taken from both ends: the recipient is the last argument
// with an "@", what precedes it are the words, with the server before them in some releases.
#include "readers/log.h"

enum { EPOCH_LEN = 10, AUDIT_SEED = 4 }; // scanners share the ids

bool reader_log_symantec_is(struct view text) {
    uint64_t epoch;
    return text.len > EPOCH_LEN + 2 && text.ptr[EPOCH_LEN] == '|' &&
           view_to_u64(view_take(text, EPOCH_LEN), &epoch);
}

static bool take_recipient(struct view *rest, struct view *recipient) {
    struct view before = *rest;
    while (before.len) {
        size_t bar = view_find_last_char(before, '|');
        struct view last = bar < before.len ? view_skip(before, bar + 1) : before;
        if (view_find_char(last, '@') < last.len) {
            *recipient = view_trim(last);
            *rest = bar < before.len ? view_take(before, bar) : VIEW_NONE;
            return true;
        }
        if (bar == before.len)
            return false;
        before = view_take(before, bar);
    }
    return false;
}

// "192.0.2.1:25" or "mx1.example.org" in front of the words, which hold blanks.
static void take_target(struct view words, struct reader_entry *entry) {
    size_t bar = view_find_char(words, '|');
    struct view target = view_take(words, bar);
    if (bar == words.len || view_find_char(target, ' ') < target.len)
        return;
    if (!address_parse_port(target, &entry->peer) && !address_parse(target, &entry->peer))
        entry->host = target;
}

static enum log_told read_end(struct reader_log *log, const struct log_line *line, struct view id,
                              struct view arguments, enum outcome outcome) {
    struct reader_entry entry;
    struct view recipient;
    reader_log_entry_begin(log, line, READER_LOG_SYMANTEC, &entry);
    if (!take_recipient(&arguments, &recipient))
        return LOG_TOLD_UNREAD;
    entry.queue_id = id;
    entry.outcome = outcome;
    reader_log_entry_recipient(log, recipient, &entry);
    if (outcome == OUTCOME_DELIVERED) {
        if (!address_parse_port(arguments, &entry.peer))
            reader_log_entry_host(arguments, &entry);
    } else {
        take_target(arguments, &entry);
        reader_log_entry_failed(log, arguments, outcome, &entry);
        if (LOG_HAS(arguments, "exceeded max time without delivery"))
            entry.kind = READER_ENTRY_EXPIRED;
    }
    uint64_t key = reader_log_hash(id, AUDIT_SEED);
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
    return LOG_TOLD_DELIVERY;
}

static void note(struct reader_log *log, const struct log_line *line, struct view id,
                 struct view event, struct view arguments) {
    uint64_t key = reader_log_hash(id, AUDIT_SEED);
    if (view_equals(event, VIEW("ACCEPT")))
        (void)reader_log_follow_start(&log->follow, key, line->at_ms);
    else if (view_equals(event, VIEW("SENDER")))
        reader_log_followed_set_sender(reader_log_follow_get(&log->follow, key), arguments);
    else if (view_equals(event, VIEW("MSGID")))
        reader_log_followed_set_id(reader_log_follow_get(&log->follow, key), arguments);
}

enum log_told reader_log_symantec_read(struct reader_log *log, const struct log_line *line) {
    struct view rest = line->text, epoch, id, event;
    struct log_line at = *line;
    uint64_t seconds = 0;
    if (!view_split(&rest, '|', &epoch) || !view_split(&rest, '|', &id) ||
        !view_split(&rest, '|', &event) || !view_to_u64(epoch, &seconds))
        return LOG_TOLD_UNREAD;
    at.at_ms = (int64_t)seconds * 1000;
    if (view_equals(event, VIEW("DELIVER")))
        return read_end(log, &at, id, rest, OUTCOME_DELIVERED);
    if (view_equals(event, VIEW("DELIVERY_FAILURE")))
        return read_end(log, &at, id, rest, OUTCOME_PERMANENT_FAILURE);
    if (view_equals(event, VIEW("TRANS_FAILURE")))
        return read_end(log, &at, id, rest, OUTCOME_TEMPORARY_FAILURE);
    if (view_equals(event, VIEW("REJECT")))
        return LOG_TOLD_INBOUND;
    note(log, &at, id, event, rest);
    return LOG_TOLD_NOISE;
}
