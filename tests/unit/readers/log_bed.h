// SPDX-License-Identifier: Apache-2.0
// A log in, what it tells out: one line an entry, to be compared as text.
#ifndef TESTS_UNIT_READERS_LOG_BED_H
#define TESTS_UNIT_READERS_LOG_BED_H

#include "base/units.h"
#include "readers/readers.h"

#include <stdio.h>

static const char *const log_bed_kinds[READER_ENTRY_KIND_COUNT] = {"attempt", "suppressed",
                                                                   "expired"};

struct log_bed {
    struct reader_log *log;
    struct buffer out;
    uint64_t messages[64]; // in the order of their appearance
    size_t n_messages;
};

static inline size_t log_bed_number(struct log_bed *bed, uint64_t message) {
    size_t i = 0;
    while (i < bed->n_messages && bed->messages[i] != message)
        i++;
    if (i == bed->n_messages && i < ARRAY_LEN(bed->messages))
        bed->messages[bed->n_messages++] = message;
    return i + 1;
}

// "12:00:01 attempt delivered - #1 QID from=<s> (<id>) to=<r>/domain via host 192.0.2.1, 5 s"
static inline void log_bed_entry(const struct reader_entry *entry, void *arg) {
    struct log_bed *bed = arg;
    char at[UNITS_TIME_SIZE], peer[ADDRESS_TEXT_SIZE] = "-";
    units_format_time(entry->at_ms, at, sizeof(at));
    if (entry->peer.family != ADDRESS_NONE)
        address_format(&entry->peer, peer, sizeof(peer));
    ASSERT((entry->cause == CAUSE_NONE) == (entry->words == NULL));
    ASSERT((entry->outcome == OUTCOME_DELIVERED) == (entry->cause == CAUSE_NONE));
    struct view cause = entry->cause ? cause_info(entry->cause)->id : VIEW("-");
    struct view outcome = outcome_word(entry->outcome);
    buffer_printf(&bed->out, "%s %s %.*s %.*s #%zu %.*s", at, log_bed_kinds[entry->kind],
                  VIEW_ARG(outcome), VIEW_ARG(cause),
                  entry->message ? log_bed_number(bed, entry->message) : 0,
                  VIEW_ARG(entry->queue_id));
    buffer_printf(&bed->out, " from=<%.*s> %.*s to=<%.*s>/%.*s via %.*s %s",
                  VIEW_ARG(entry->sender), VIEW_ARG(entry->message_id), VIEW_ARG(entry->recipient),
                  VIEW_ARG(entry->domain), VIEW_ARG(entry->host), peer);
    if (entry->arrived_ms)
        buffer_printf(&bed->out, ", %lld s", (long long)(entry->at_ms - entry->arrived_ms) / 1000);
    buffer_append_char(&bed->out, '\n');
}

static inline void log_bed_begin(struct log_bed *bed, const char *now, size_t followed_max) {
    *bed = (struct log_bed){0};
    struct reader_log_options options = {
        .followed_max = followed_max, .on_entry = log_bed_entry, .arg = bed};
    ASSERT(units_parse_time(view_of(now), &options.now_ms));
    buffer_init(&bed->out, 1 << 20);
    bed->log = reader_log_create(&options);
    reader_log_file(bed->log, VIEW("mail.log"));
}

static inline void log_bed_end(struct log_bed *bed) {
    reader_log_destroy(bed->log);
    buffer_finish(&bed->out);
}

// Reads `text` in pieces of `piece` bytes.
static inline const char *log_bed_read(struct log_bed *bed, struct view text, size_t piece) {
    while (text.len) {
        reader_log_feed(bed->log, view_take(text, piece));
        text = view_skip(text, piece);
    }
    reader_log_end(bed->log);
    return buffer_string(&bed->out);
}

// A table's row: what a log tells, whole and in pieces of seven bytes.
struct log_bed_row {
    const char *name, *log, *told;
};

static inline void log_bed_check(const struct log_bed_row *row, const char *now) {
    static const size_t pieces[] = {1 << 20, 7};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct log_bed bed;
        log_bed_begin(&bed, now, 0);
        const char *told = log_bed_read(&bed, view_of(row->log), pieces[i]);
        if (strcmp(told, row->told) != 0)
            fprintf(stderr, "%s, in pieces of %zu:\n%s", row->name, pieces[i], told);
        assert_string_equal(told, row->told);
        log_bed_end(&bed);
    }
}

#endif
