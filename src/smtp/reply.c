// SPDX-License-Identifier: Apache-2.0
// Replies (RFC 5321 4.2) with their enhanced codes (RFC 2034, RFC 3463). What a peer says is kept
// as bytes; whoever prints it escapes it.
#include "smtp/smtp.h"

void smtp_reply_init(struct smtp_reply *reply) {
    *reply = (struct smtp_reply){0};
    buffer_init(&reply->text, SMTP_REPLY_TEXT_BYTES_MAX);
}

void smtp_reply_finish(struct smtp_reply *reply) {
    buffer_finish(&reply->text);
}

void smtp_reply_clear(struct smtp_reply *reply) {
    struct buffer text = reply->text;
    buffer_clear(&text);
    *reply = (struct smtp_reply){.text = text};
}

// "5", "1" to three digits; returns their number.
static size_t number_parse(struct view text, int *number) {
    size_t len = 0;
    *number = 0;
    while (len < text.len && len < 3 && ascii_is_digit(text.ptr[len]))
        *number = *number * 10 + (text.ptr[len++] - '0');
    return len;
}

static bool is_boundary(char c) {
    return c == ' ' || c == '\t' || c == ':' || c == ';' || c == ',' || c == '<' || c == '(';
}

// RFC 3463 2: class "." subject "." detail. IronPort writes "#5.1.0".
size_t smtp_enhanced_parse(struct view text, int enhanced[3]) {
    int numbers[3];
    size_t at = text.len && text.ptr[0] == '#' ? 1 : 0;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && (at >= text.len || text.ptr[at++] != '.'))
            return 0;
        size_t len = number_parse(view_skip(text, at), &numbers[i]);
        if (len == 0 || (i == 0 && len > 1))
            return 0;
        at += len;
    }
    if (numbers[0] != 2 && numbers[0] != 4 && numbers[0] != 5)
        return 0;
    if (at < text.len && !is_boundary(text.ptr[at]))
        return 0;
    memcpy(enhanced, numbers, sizeof(numbers));
    return at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t') ? at + 1 : at;
}

// Joins lines with LF and keeps what fits.
static void keep_text(struct smtp_reply *reply, struct view text) {
    size_t room = reply->text.size_max - reply->text.len;
    size_t separator = reply->n_lines > 1 ? 1 : 0;
    if (text.len + separator > room)
        reply->was_cut = true;
    if (separator && room > 0) {
        buffer_append_char(&reply->text, '\n');
        room--;
    }
    buffer_append_view(&reply->text, view_take(text, room));
    ASSERT(!reply->text.overflow);
}

static enum smtp_reply_state keep_garbled(struct smtp_reply *reply, struct view line) {
    keep_text(reply, line);
    return SMTP_REPLY_GARBLED;
}

static int code_parse(struct view line) {
    int code = 0;
    if (number_parse(line, &code) != 3 || code < 200 || code > 599)
        return 0;
    return code;
}

static void keep_line(struct smtp_reply *reply, struct view text) {
    int enhanced[3];
    size_t len = smtp_enhanced_parse(text, enhanced);
    // RFC 2034 4: the class agrees with the reply code; what does not is plain text.
    if (len && enhanced[0] == reply->code / 100) {
        memcpy(reply->enhanced, enhanced, sizeof(enhanced));
        text = view_skip(text, len);
    }
    keep_text(reply, text);
}

enum smtp_reply_state smtp_reply_feed(struct smtp_reply *reply, struct view line) {
    int code = code_parse(line);
    // RFC 5321 4.2.1: a code alone ends a reply too. Firewalls that mask a greeting may overwrite
    // the space behind the code ("220****").
    char mark = line.len > 3 ? line.ptr[3] : ' ';
    bool is_last = mark == ' ' || mark == '\t' || mark == '*';
    ASSERT(reply->text.size_max > 0);
    reply->n_lines++;
    if (code == 0 || (!is_last && mark != '-') || reply->n_lines > SMTP_REPLY_LINES_MAX)
        return keep_garbled(reply, line);
    if (reply->n_lines > 1 && code != reply->code)
        return keep_garbled(reply, line);
    reply->code = code;
    keep_line(reply, view_skip(line, mark == '*' ? 3 : 4));
    return is_last ? SMTP_REPLY_DONE : SMTP_REPLY_MORE;
}
