// SPDX-License-Identifier: Apache-2.0
// Lines of "journalctl -o json": one object, whose MESSAGE is what the program wrote. Only the
// values of the outer object are looked at; a message that is no UTF-8 comes as an array of bytes.
#include "readers/log.h"

enum { JOURNAL_NUMBER_MAX = 20 };

static size_t skip_blanks(struct view text, size_t at) {
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
        at++;
    return at;
}

// The end of the string that begins at `at` with its quote; the length of `text` where it is cut.
static size_t string_end(struct view text, size_t at) {
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        at += text.ptr[at] == '\\';
    return size_min(at, text.len);
}

static size_t value_end(struct view text, size_t at) {
    if (at < text.len && text.ptr[at] == '"')
        return string_end(text, at) + 1;
    if (at < text.len && text.ptr[at] == '[')
        return at + view_find_char(view_skip(text, at), ']') + 1;
    while (at < text.len && text.ptr[at] != ',' && text.ptr[at] != '}')
        at++;
    return at;
}

// --- Values -------------------------------------------------------------------------------------
static int hex_digit(char c) {
    return ascii_is_digit(c)                                ? c - '0'
           : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
                                                            : -1;
}

static bool take_hex(struct view text, unsigned *code) {
    *code = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < text.len ? hex_digit(text.ptr[i]) : -1;
        if (digit < 0)
            return false;
        *code = *code * 16 + (unsigned)digit;
    }
    return true;
}

// Characters beyond the basic plane come as two escapes; each is written by itself, as no address
// or word of ours lies there.
static void append_code(struct buffer *out, unsigned code) {
    if (code < 0x80) {
        buffer_append_char(out, (char)(code == '\n' ? ' ' : code));
    } else if (code < 0x800) {
        buffer_append_char(out, (char)(0xc0 | code >> 6));
        buffer_append_char(out, (char)(0x80 | (code & 0x3f)));
    } else {
        buffer_append_char(out, (char)(0xe0 | code >> 12));
        buffer_append_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
        buffer_append_char(out, (char)(0x80 | (code & 0x3f)));
    }
}

// `text` is the inside of a string (RFC 8259 7).
static void append_string(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned code;
        if (text.ptr[i] != '\\' || i + 1 == text.len) {
            buffer_append_char(out, text.ptr[i]);
            continue;
        }
        switch (text.ptr[++i]) {
        case 'n':
        case 'r':
        case 't': buffer_append_char(out, ' '); break;
        case 'u':
            if (take_hex(view_skip(text, i + 1), &code)) {
                append_code(out, code);
                i += 4;
            }
            break;
        default: buffer_append_char(out, text.ptr[i]);
        }
    }
}

// "[72,101,108]"
static void append_bytes(struct buffer *out, struct view text) {
    struct view number;
    uint64_t byte;
    while (view_split(&text, ',', &number))
        if (view_to_u64(view_trim(number), &byte) && byte < 256)
            buffer_append_char(out, byte == '\n' ? ' ' : (char)byte);
}

static void append_value(struct buffer *out, struct view value) {
    if (value.len < 2)
        return;
    struct view inside = view_take(view_skip(value, 1), value.len - 2);
    if (value.ptr[0] == '"')
        append_string(out, inside);
    else if (value.ptr[0] == '[')
        append_bytes(out, inside);
}

// --- The object ---------------------------------------------------------------------------------
struct fields {
    struct view host, tag, pid, message, time;
};

static void take_field(struct fields *fields, struct view name, struct view value) {
    const struct {
        struct view name;
        struct view *value;
    } rows[] = {{{"_HOSTNAME", 9}, &fields->host},
                {{"SYSLOG_IDENTIFIER", 17}, &fields->tag},
                {{"_PID", 4}, &fields->pid},
                {{"MESSAGE", 7}, &fields->message},
                {{"__REALTIME_TIMESTAMP", 20}, &fields->time}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_equals(name, rows[i].name))
            *rows[i].value = value;
}

static bool split(struct view json, struct fields *fields) {
    size_t at = skip_blanks(json, 1);
    *fields = (struct fields){0};
    while (at < json.len && json.ptr[at] == '"') {
        size_t end = string_end(json, at);
        struct view name = view_take(view_skip(json, at + 1), end - at - 1);
        at = skip_blanks(json, end + 1);
        if (at >= json.len || json.ptr[at] != ':')
            return false;
        at = skip_blanks(json, at + 1);
        end = value_end(json, at);
        if (end >= json.len)
            return false;
        take_field(fields, name, view_take(view_skip(json, at), end - at));
        at = skip_blanks(json, end);
        if (json.ptr[at < json.len ? at : 0] == '}')
            return at < json.len;
        at = skip_blanks(json, at + 1);
    }
    return false;
}

// A part of `text` from `begin` on.
static struct view append(struct buffer *text, struct view value) {
    size_t begin = text->len;
    append_value(text, value);
    return view_skip(buffer_view(text), begin);
}

bool reader_log_journal_read(struct buffer *text, struct view json, struct log_line *line) {
    struct fields fields;
    uint64_t us;
    buffer_clear(text);
    if (!buffer_reserve(text, json.len + 16) || !split(json, &fields)) // views into it must stay
        return false;
    struct view time = append(text, fields.time);
    if (!view_to_u64(time, &us) || time.len > JOURNAL_NUMBER_MAX || us > INT64_MAX)
        return false;
    buffer_clear(text);
    line->at_ms = (int64_t)(us / 1000);
    line->host = append(text, fields.host);
    buffer_append_char(text, ' ');
    line->tag = append(text, fields.tag);
    buffer_append_char(text, '[');
    line->pid = append(text, fields.pid);
    buffer_append_view(text, VIEW("]: "));
    line->text = append(text, fields.message);
    line->whole = buffer_view(text);
    return !text->overflow && line->text.len > 0;
}
