// SPDX-License-Identifier: Apache-2.0
// Postrider's own event log, "TIME level area: text": "deliver" tells each attempt with the cause
// that was found when it happened, "serve" what comes in, "relay" what is given up.
#include "readers/log.h"

// The relay knew it better than the words can say; but rules of a local file come first.
static void set_cause(struct view id, struct reader_entry *entry) {
    struct attempt attempt = {.host = entry->host, .peer = entry->peer};
    if (rules_cause(&entry->words->fact, &attempt) != CAUSE_NONE)
        return;
    (void)cause_from_id(id, &entry->cause);
    if (entry->cause == CAUSE_NONE)
        entry->cause = CAUSE_UNKNOWN;
}

// "deliver: ID: to=<r> server=h[a]:25 connector=c outcome=deferred cause=conn-refused: words"; of a
// server that took no mail at all "deliver: -: domain=d server=..." once.
static enum log_told read_attempt(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view text) {
    struct reader_entry entry;
    size_t at = view_find(text, VIEW(" outcome="));
    struct view head = view_take(text, at), end = view_skip(text, at + 9);
    struct view outcome =
        view_take(view_take(end, view_find_char(end, ' ')), view_find_char(end, ':'));
    struct view cause = reader_log_field(end, VIEW(" cause="), ':');
    struct view words = view_skip(end, view_find(end, VIEW(": ")) + 2);
    reader_log_entry_begin(log, line, READER_LOG_POSTRIDER, &entry);
    if (at == text.len || words.len == 0)
        return LOG_TOLD_UNREAD;
    if (LOG_STARTS(text, "to=<"))
        reader_log_entry_recipient(log, reader_log_field(head, VIEW("to=<"), '>'), &entry);
    else
        entry.domain = reader_log_field(head, VIEW("domain="), ' ');
    reader_log_entry_host(reader_log_field(head, VIEW(" server="), ' '), &entry);
    if (view_equals(outcome, VIEW("deferred")))
        entry.outcome = OUTCOME_TEMPORARY_FAILURE;
    else if (view_equals(outcome, VIEW("bounced")))
        entry.outcome = OUTCOME_PERMANENT_FAILURE;
    else if (!view_equals(outcome, VIEW("delivered")))
        return LOG_TOLD_UNREAD;
    if (entry.outcome != OUTCOME_DELIVERED) {
        reader_log_entry_failed(log, words, entry.outcome, &entry);
        set_cause(cause, &entry);
    }
    struct log_followed *message = NULL;
    if (id.len > 1) {
        entry.queue_id = id;
        message = reader_log_follow_get(&log->follow, reader_log_key(log, line, id));
    }
    reader_log_entry_tell(log, message, &entry);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_expired(struct reader_log *log, const struct log_line *line,
                                  struct view id) {
    reader_log_entry_expired(log, line, READER_LOG_POSTRIDER, id);
    return LOG_TOLD_DELIVERY;
}

static void note_arrival(struct reader_log *log, const struct log_line *line, struct view id,
                         struct view text) {
    struct log_followed *message =
        reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    reader_log_followed_set_sender(message, reader_log_field(text, VIEW("from=<"), '>'));
}

enum log_told reader_log_postrider_read(struct reader_log *log, const struct log_line *line) {
    struct view text = line->text;
    text = view_skip(text, view_find_char(text, ' ') + 1); // the level
    size_t colon = view_find(text, VIEW(": "));
    struct view area = view_take(text, colon), rest = view_skip(text, colon + 2);
    size_t end = view_find(rest, VIEW(": "));
    struct view id = view_take(rest, end);
    rest = view_skip(rest, end + 2);
    if (view_find_char(id, ' ') < id.len || id.len == 0)
        return LOG_TOLD_NOISE;
    if (view_equals(area, VIEW("deliver")))
        return read_attempt(log, line, id, rest);
    if (view_equals(area, VIEW("relay")) && LOG_HAS(rest, " expired"))
        return read_expired(log, line, id);
    if (!view_equals(area, VIEW("serve")))
        return LOG_TOLD_NOISE;
    if (view_equals(id, VIEW("refused")))
        return LOG_TOLD_INBOUND;
    if (LOG_STARTS(rest, "from=<"))
        note_arrival(log, line, id, rest);
    return LOG_TOLD_NOISE;
}
