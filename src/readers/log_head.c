// SPDX-License-Identifier: Apache-2.0
// Whose line it is: its time, host and program, and by them the reader that knows the rest.
#include "readers/log.h"

static void note_time(struct reader_log *log, int64_t at_ms) {
    if (log->last_ms && at_ms < log->last_ms - LOG_JUMP_MS)
        log->totals.n_clock_jumps++;
    log->last_ms = at_ms;
}

// "<22>" before the time (RFC 3164 4.1.1), as some collectors keep it.
static struct view skip_priority(struct view line) {
    size_t close = line.len && line.ptr[0] == '<' ? view_find_char(view_take(line, 5), '>') : 5;
    return close < size_min(line.len, 5) ? view_skip(line, close + 1) : line;
}

// "host tag[pid]: text" or "host tag: text" (RFC 3164 4.1.2, 4.1.3).
static bool take_program(struct view rest, struct log_line *line) {
    const char *at = rest.ptr, *end = rest.ptr + rest.len;
    while (at < end && *at != ' ')
        at++;
    line->host = view_from(rest.ptr, (size_t)(at - rest.ptr));
    const char *tag = at < end ? ++at : at;
    while (at < end && *at != '[' && *at != ':' && *at != ' ')
        at++;
    line->tag = view_from(tag, (size_t)(at - tag));
    if (at < end && *at == '[') {
        const char *pid = ++at;
        while (at < end && *at != ']')
            at++;
        line->pid = view_from(pid, (size_t)(at - pid));
        at += at < end;
    }
    if (end - at < 2 || at[0] != ':' || at[1] != ' ')
        return false;
    line->text = view_from(at + 2, (size_t)(end - at - 2));
    return line->host.len > 0 && line->tag.len > 0;
}

static enum log_told read_syslog(struct reader_log *log, struct log_line *line, struct view rest) {
    if (!take_program(rest, line))
        return LOG_TOLD_NOISE;
    if (memchr(line->tag.ptr, '/', line->tag.len))
        return reader_log_postfix_read(log, line);
    return LOG_TOLD_NOISE;
}

static enum log_told read_line(struct reader_log *log, struct view text) {
    struct log_line line = {.whole = text};
    text = skip_priority(text);
    size_t len = reader_log_time_take(&log->clock, text, &line.at_ms);
    if (len == 0 || len + 1 >= text.len || text.ptr[len] != ' ')
        return LOG_TOLD_NOISE;
    note_time(log, line.at_ms);
    return read_syslog(log, &line, view_from(text.ptr + len + 1, text.len - len - 1));
}

void reader_log_line_read(struct reader_log *log, struct view line) {
    switch (read_line(log, line)) {
    case LOG_TOLD_NOISE: log->totals.n_other++; break;
    case LOG_TOLD_INBOUND: log->totals.n_inbound++; break;
    case LOG_TOLD_UNREAD: log->totals.n_unread++; break;
    case LOG_TOLD_DELIVERY: break; // counted by system
    }
}
