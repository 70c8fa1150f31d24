// SPDX-License-Identifier: Apache-2.0
// Exchange message tracking: one row an event and message, with its recipients and their states
// after one another. SEND and DELIVER end well, DEFER is tried again, FAIL is the end.
#include "readers/log.h"

static bool outcome_of(struct view event, enum outcome *outcome) {
    static const struct {
        struct view event;
        enum outcome outcome;
    } rows[] = {{{"SEND", 4}, OUTCOME_DELIVERED},
                {{"SENDEXTERNAL", 12}, OUTCOME_DELIVERED},
                {{"DELIVER", 7}, OUTCOME_DELIVERED},
                {{"DEFER", 5}, OUTCOME_TEMPORARY_FAILURE},
                {{"FAIL", 4}, OUTCOME_PERMANENT_FAILURE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_equals_nocase(event, rows[i].event)) {
            *outcome = rows[i].outcome;
            return true;
        }
    return false;
}

// Up to the next ";" outside of braces, in which Exchange keeps its own ("{LED=...};{MSG=}").
static bool take_part(struct view *rest, struct view *part) {
    size_t at = 0;
    int depth = 0;
    if (rest->ptr == NULL)
        return false;
    for (; at < rest->len && (depth > 0 || rest->ptr[at] != ';'); at++)
        depth += (rest->ptr[at] == '{' || rest->ptr[at] == '[') -
                 (depth > 0 && (rest->ptr[at] == '}' || rest->ptr[at] == ']'));
    *part = view_take(*rest, at);
    *rest = at < rest->len ? view_skip(*rest, at + 1) : VIEW_NONE;
    return true;
}

static size_t count_parts(struct view text) {
    size_t n = 0;
    for (struct view part; take_part(&text, &part);)
        n++;
    return n;
}

// The states of the recipients, one each or one for all; a DEFER tells it in source-context too.
struct states {
    struct view rest, all;
    bool is_one_each;
};

static struct states states_of(const struct log_row *row) {
    struct states states = {.rest = row->columns[LOG_COLUMN_STATUS]};
    states.all = states.rest.len ? states.rest : row->columns[LOG_COLUMN_SOURCE_CONTEXT];
    size_t n = count_parts(row->columns[LOG_COLUMN_RECIPIENTS]);
    states.is_one_each = n > 1 && count_parts(states.rest) == n;
    return states;
}

// "2026-05-12T10:00:00.000Z;LSRV=ex1:TOTAL-HUB=0.5": when the message came into the organization.
static void take_origin(struct reader_log *log, const struct log_row *row,
                        struct reader_entry *entry) {
    struct log_clock clock = log->clock; // keeps the second of the rows
    int64_t origin_ms;
    if (reader_log_time_take(&clock, row->columns[LOG_COLUMN_INFO], &origin_ms))
        entry->arrived_ms = reader_log_arrival_bound(origin_ms, entry->at_ms);
}

static void tell_one(struct reader_log *log, const struct log_line *line, const struct log_row *row,
                     struct view recipient, struct view status) {
    struct reader_entry entry;
    struct view message_id = row->columns[LOG_COLUMN_MESSAGE_ID];
    reader_log_entry_begin(log, line, READER_LOG_EXCHANGE_TRACKING, &entry);
    (void)outcome_of(row->columns[LOG_COLUMN_EVENT_ID], &entry.outcome);
    entry.queue_id = row->columns[LOG_COLUMN_INTERNAL_ID];
    entry.message_id = reader_log_bare(message_id);
    entry.sender = row->columns[LOG_COLUMN_SENDER];
    reader_log_entry_recipient(log, recipient, &entry);
    take_origin(log, row, &entry);
    if (entry.outcome == OUTCOME_DELIVERED) {
        entry.host = row->columns[LOG_COLUMN_SERVER_HOSTNAME];
        (void)address_parse(row->columns[LOG_COLUMN_SERVER_IP], &entry.peer);
    } else {
        reader_log_entry_failed(log, status, entry.outcome, &entry);
    }
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, reader_log_hash(message_id, 2)),
                          &entry);
}

// The Message-ID stays the same on all servers that the message passes.
static void note_arrival(struct reader_log *log, const struct log_line *line,
                         const struct log_row *row) {
    uint64_t key = reader_log_hash(row->columns[LOG_COLUMN_MESSAGE_ID], 2);
    if (!reader_log_follow_find(&log->follow, key))
        (void)reader_log_follow_start(&log->follow, key, line->at_ms);
}

enum log_told reader_log_tracking_read(struct reader_log *log, const struct log_line *line,
                                       const struct log_row *row) {
    struct view event = row->columns[LOG_COLUMN_EVENT_ID], recipient, status;
    struct view recipients = row->columns[LOG_COLUMN_RECIPIENTS];
    enum outcome outcome;
    if (view_equals_nocase(event, VIEW("RECEIVE")))
        note_arrival(log, line, row);
    if (!outcome_of(event, &outcome))
        return LOG_TOLD_NOISE;
    if (recipients.len == 0)
        return LOG_TOLD_UNREAD;
    struct states states = states_of(row);
    while (take_part(&recipients, &recipient)) {
        status = states.all;
        if (states.is_one_each)
            (void)take_part(&states.rest, &status);
        tell_one(log, line, row, view_trim(recipient), status);
    }
    return LOG_TOLD_DELIVERY;
}
