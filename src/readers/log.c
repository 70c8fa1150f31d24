// SPDX-License-Identifier: Apache-2.0
// Lines out of bytes in any pieces. A line is read where it stands; only one that is cut by the end
// of a piece is copied. Lines that are too long to be a log's are counted and passed over.
#include "readers/log.h"

#include <stdlib.h>

static const struct view system_words[READER_LOG_SYSTEM_COUNT] = {
    {"none", 4},           {"postfix", 7},   {"exim", 4},
    {"sendmail", 8},       {"opensmtpd", 9}, {"exchange-tracking", 17},
    {"exchange-send", 13}, {"symantec", 8},  {"postrider", 9}};

struct view reader_log_word(enum reader_log_system system) {
    ASSERT((unsigned)system < READER_LOG_SYSTEM_COUNT);
    return system_words[system];
}

struct reader_log *reader_log_create(const struct reader_log_options *options) {
    ASSERT(options->on_entry);
    struct reader_log *log = mem_alloc_zero(sizeof(*log));
    log->options = *options;
    log->clock.now_ms = options->now_ms;
    log->clock.zone_minutes = options->zone_minutes;
    buffer_init(&log->rest, LOG_LINE_BYTES_MAX);
    buffer_init(&log->copy, 2 * LOG_LINE_BYTES_MAX);
    reader_log_follow_init(&log->follow,
                           options->followed_max ? options->followed_max : LOG_FOLLOWED_MAX);
    log->words = reader_log_words_create();
    return log;
}

void reader_log_destroy(struct reader_log *log) {
    if (!log)
        return;
    buffer_finish(&log->rest);
    buffer_finish(&log->copy);
    reader_log_sessions_destroy(log->sessions);
    reader_log_follow_finish(&log->follow);
    reader_log_words_destroy(log->words);
    free(log);
}

const struct reader_log_totals *reader_log_totals(const struct reader_log *log) {
    return &log->totals;
}

// --- Lines --------------------------------------------------------------------------------------
static void read_line(struct reader_log *log, struct view line) {
    log->totals.n_lines++;
    if (line.len > LOG_LINE_BYTES_MAX) {
        log->totals.n_long++;
        return;
    }
    if (log->has_nul && memchr(line.ptr, '\0', line.len))
        log->totals.n_nul++;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len)
        reader_log_line_read(log, line);
    else
        log->totals.n_other++;
}

static void end_line(struct reader_log *log) {
    bool is_skipping = log->is_skipping;
    struct view line = buffer_view(&log->rest);
    log->is_skipping = false;
    if (is_skipping) {
        log->totals.n_lines++;
        log->totals.n_long++;
    } else if (line.len) {
        log->has_nul = true; // of earlier pieces nothing is known
        read_line(log, line);
    }
    buffer_clear(&log->rest);
}

// The begin of a line, to be continued.
static void keep(struct reader_log *log, struct view piece) {
    if (log->is_skipping)
        return;
    buffer_append_view(&log->rest, piece);
    if (!log->rest.overflow)
        return;
    log->is_skipping = true;
    log->rest.overflow = false;
    buffer_clear(&log->rest);
}

static bool is_line_open(const struct reader_log *log) {
    return log->is_skipping || log->rest.len > 0;
}

void reader_log_feed(struct reader_log *log, struct view bytes) {
    if (bytes.len == 0)
        return;
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
    log->totals.n_bytes += bytes.len;
    if (is_line_open(log)) {
        const char *lf = memchr(at, '\n', bytes.len);
        keep(log, view_from(at, (size_t)((lf ? lf : end) - at)));
        if (!lf)
            return;
        end_line(log);
        at = lf + 1;
    }
    log->has_nul = at < end && memchr(at, '\0', (size_t)(end - at)) != NULL;
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf)
            break;
        read_line(log, view_from(at, (size_t)(lf - at)));
        at = lf + 1;
    }
    if (at < end)
        keep(log, view_from(at, (size_t)(end - at)));
}

void reader_log_end(struct reader_log *log) {
    if (is_line_open(log))
        end_line(log);
}

void reader_log_file(struct reader_log *log, struct view file) {
    reader_log_end(log);
    log->file = file;
    log->last_ms = 0;
    log->columns = (struct log_columns){0};
    log->file_lines = log->totals.n_lines;
}
