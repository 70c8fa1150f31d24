// SPDX-License-Identifier: Apache-2.0
// The mail that a report is about, as far as the report gives it back: attached, or behind a line
// that announces it, or simply beginning with its header.
#include "readers/notice.h"

// Lines that announce the returned mail, without the signs that frame them.
static const struct view announcements[] = {
    {"below this line is a copy of", 28},
    {"below is a copy of", 18},
    {"this is a copy of", 17},
    {"this is the original message", 28},
    {"original message", 16},
    {"original mail", 13},
    {"message headers follow", 22},
    {"message header follow", 21},
    {"message text follows", 20},
    {"unsent message", 14},
    {"returned message", 16},
    {"returned text follows", 21},
    {"enclosed is a copy of", 21},
    {"included is a copy of", 21},
    {"the header of the original", 26},
    {"header of the original", 22},
    {"start of returned message", 25},
    {"start of message", 16},
    {"headers of the message", 22},
    {"headers of the original", 23},
    {"copy of the message", 19},
    {"copy of the original", 20},
    {"copy of your message", 20},
    {"original text follows", 21},
    {"message contents follow", 23},
    {"the message headers", 19},
    {"undelivered message follows", 27},
    {"here is a copy of the first", 27},
};

static bool announces(struct view line) {
    static const char frame[] = " \t-=*|_#+:.";
    while (line.len && line.ptr[0] && strchr(frame, line.ptr[0]))
        line = view_skip(line, 1);
    for (size_t i = 0; i < ARRAY_LEN(announcements); i++) {
        if (!view_starts_with_nocase(line, announcements[i]))
            continue;
        // A sentence that goes on for long only speaks of it: "The original message was received".
        struct view rest = view_skip(line, announcements[i].len);
        return view_find_nocase(rest, VIEW(" was ")) == rest.len &&
               view_find_nocase(rest, VIEW(" details")) == rest.len;
    }
    return false;
}

// "Return-Path: <a@b>" at the start of a line; a sentence with a colon is no field.
static bool is_header_line(struct view line) {
    static const struct view names[] = {{"Return-Path:", 12},
                                        {"Received:", 9},
                                        {"Message-ID:", 11},
                                        {"DKIM-Signature:", 15},
                                        {"Date:", 5},
                                        {"From:", 5},
                                        {"To:", 3},
                                        {"Subject:", 8},
                                        {"MIME-Version:", 13},
                                        {"Content-Type:", 13},
                                        {"DomainKey-Signature:", 20}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (view_starts_with_nocase(line, names[i]))
            return true;
    return false;
}

static struct view line_at(struct view text, size_t at) {
    struct view rest = view_skip(text, at);
    return view_take(rest, view_find_char(rest, '\n'));
}

// A summary of the mail for people ("Subject: ...", "Date: ...") is no header: one begins with its
// trace, its id or who it is from.
static bool is_first_header_line(struct view line) {
    static const struct view names[] = {
        {"Return-Path:", 12},        {"Received:", 9}, {"Message-ID:", 11},
        {"DKIM-Signature:", 15},     {"From:", 5},     {"MIME-Version:", 13},
        {"DomainKey-Signature:", 20}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (view_starts_with_nocase(line, names[i]))
            return true;
    return false;
}

// Two fields of a header in a row, behind an empty line.
static bool begins_header(struct view text, size_t at, bool after_blank) {
    struct view line = line_at(text, at);
    if (!after_blank || !is_first_header_line(line))
        return false;
    for (int i = 0; i < 4; i++) { // folded lines between them
        at += line.len + 1;
        line = line_at(text, at);
        if (at >= text.len || !(line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t')))
            break;
    }
    return is_header_line(line) || view_starts_with_nocase(line, VIEW("x-")) ||
           view_starts_with_nocase(line, VIEW("sender:")) ||
           view_starts_with_nocase(line, VIEW("reply-to:"));
}

size_t reader_original_find(struct view text, size_t *original_at) {
    bool after_blank = true;
    for (size_t at = 0; at < text.len;) {
        struct view line = line_at(text, at);
        size_t next = size_min(at + line.len + 1, text.len);
        if (announces(line)) {
            *original_at = next;
            return at;
        }
        if (at > 0 && begins_header(text, at, after_blank)) {
            *original_at = at;
            return at;
        }
        after_blank = view_trim(line).len == 0;
        at = next;
    }
    *original_at = text.len;
    return text.len;
}

// The header may stand a few lines below what announces it.
static struct view to_header(struct view original) {
    struct view rest = original;
    for (int i = 0; i < 8 && rest.len; i++) {
        struct view line = line_at(rest, 0);
        if (is_header_line(line) || view_find_char(line, ':') < size_min(line.len, 40))
            return rest;
        rest = view_skip(rest, line.len + 1);
    }
    return original;
}

struct view reader_id_clean(struct view id) {
    id = view_trim(id);
    if (id.len > 1 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>')
        return view_take(view_skip(id, 1), id.len - 2);
    return id;
}

void reader_original_read(struct reader_report *report) {
    struct reader_head head;
    struct reader_reading *reading = report->reading;
    reader_head_read(to_header(report->original), report->arena, &head);
    reading->message_id = reader_id_clean(head.message_id);
    reading->subject = head.subject;
    reading->sender = mail_address_find(head.from);
    // The report answers the mail.
    if (reading->message_id.len == 0)
        reading->message_id = reader_id_clean(report->head.in_reply_to);
    report->original_to = head.to;
}
