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

// "host tag pid msgid [data] text" (RFC 5424 6), as syslog-ng can be told to write it.
static bool take_5424(struct view rest, struct log_line *line) {
    struct view msgid;
    if (!view_split(&rest, ' ', &line->host) || !view_split(&rest, ' ', &line->tag) ||
        !view_split(&rest, ' ', &line->pid) || !view_split(&rest, ' ', &msgid))
        return false;
    size_t end = LOG_STARTS(rest, "[") ? view_find(rest, VIEW("] ")) + 2 : 2; // or "- "
    line->text = view_skip(rest, end);
    if (LOG_STARTS(line->text, "\xef\xbb\xbf"))
        line->text = view_skip(line->text, 3);
    return line->text.len > 0;
}

// Exim and Postrider write their own time, too, also where a syslog takes their lines.
static void take_own_time(struct reader_log *log, struct log_line *line) {
    size_t len = reader_log_time_take(&log->clock, line->text, &line->at_ms);
    if (len && len < line->text.len && line->text.ptr[len] == ' ')
        line->text = view_skip(line->text, len + 1);
}

static enum log_told read_program(struct reader_log *log, struct log_line *line) {
    if (memchr(line->tag.ptr, '/', line->tag.len))
        return reader_log_postfix_read(log, line);
    if (view_equals(line->tag, VIEW("smtpd")))
        return reader_log_opensmtpd_read(log, line);
    if (reader_log_symantec_is(line->text))
        return reader_log_symantec_read(log, line);
    if (LOG_STARTS(line->tag, "exim")) {
        take_own_time(log, line);
        return reader_log_exim_read(log, line);
    }
    if (LOG_STARTS(line->tag, "postrider")) {
        take_own_time(log, line);
        return reader_log_postrider_read(log, line);
    }
    return reader_log_sendmail_read(log, line); // under any name: by its shape
}

// --- Other beginnings ---------------------------------------------------------------------------
// The level is the first word of Postrider's own lines.
static bool is_postrider(struct view rest) {
    static const struct view levels[] = {
        {"info ", 5}, {"warning ", 8}, {"error ", 6}, {"debug ", 6}};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (log_starts(rest, levels[i]))
            return memchr(rest.ptr, ':', rest.len) != NULL;
    return false;
}

// "2026-05-12T10:42:00.123Z,": a row of Exchange's.
static bool is_row(struct view text, size_t time_len) {
    return text.ptr[10] == 'T' && time_len < text.len && text.ptr[time_len] == ',';
}

static enum log_told read_without_time(struct reader_log *log, struct log_line *line) {
    struct view text = line->whole;
    if (LOG_STARTS(text, "\xef\xbb\xbf"))
        text = view_skip(text, 3);
    if (text.len && text.ptr[0] == '#') {
        reader_log_columns_read(&log->columns, text);
        return LOG_TOLD_NOISE;
    }
    if (text.len && text.ptr[0] == '{') {
        if (!reader_log_journal_read(&log->copy, text, line))
            return LOG_HAS(text, "\"MESSAGE\"") ? LOG_TOLD_UNREAD : LOG_TOLD_NOISE;
        note_time(log, line->at_ms);
        return read_program(log, line);
    }
    line->text = text;
    return reader_log_symantec_is(text) ? reader_log_symantec_read(log, line) : LOG_TOLD_NOISE;
}

static enum log_told read_line(struct reader_log *log, struct view text) {
    struct log_line line = {.whole = text};
    text = skip_priority(text);
    bool is_5424 = text.ptr != line.whole.ptr && LOG_STARTS(text, "1 ");
    text = view_skip(text, is_5424 ? 2 : 0);
    size_t len = reader_log_time_take(&log->clock, text, &line.at_ms);
    if (len == 0)
        return read_without_time(log, &line);
    if (is_row(text, len)) {
        note_time(log, line.at_ms);
        return reader_log_row_read(log, &line);
    }
    if (len + 1 >= text.len || text.ptr[len] != ' ')
        return LOG_TOLD_NOISE;
    note_time(log, line.at_ms);
    struct view rest = view_from(text.ptr + len + 1, text.len - len - 1);
    line.text = rest;
    if (ascii_is_digit(text.ptr[0]) && text.ptr[10] == ' ')
        return reader_log_exim_read(log, &line);
    if (ascii_is_digit(text.ptr[0]) && is_postrider(rest))
        return reader_log_postrider_read(log, &line);
    if (is_5424)
        return take_5424(rest, &line) ? read_program(log, &line) : LOG_TOLD_NOISE;
    return take_program(rest, &line) ? read_program(log, &line) : LOG_TOLD_NOISE;
}

void reader_log_line_read(struct reader_log *log, struct view line) {
    switch (read_line(log, line)) {
    case LOG_TOLD_NOISE: log->totals.n_other++; break;
    case LOG_TOLD_INBOUND: log->totals.n_inbound++; break;
    case LOG_TOLD_UNREAD: log->totals.n_unread++; break;
    case LOG_TOLD_DELIVERY: break; // counted by system
    }
}
