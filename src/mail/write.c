// SPDX-License-Identifier: Apache-2.0
#include "mail/write.h"

#include "base/units.h"

enum {
    WORD_BYTES_MAX = 200,      // of a field's word; escaping makes it four times as long
    TEXT_WORD_BYTES_MAX = 300, // U+FFFD for each byte makes it three times as long
    ADDRESS_BYTES_MAX = 900,
    INDENT_MAX = 40
};

static bool is_print(char c) {
    return c >= ' ' && c < 0x7f;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool mail_is_ascii(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

bool mail_is_safe_address(struct view address) {
    if (address.len == 0 || address.len > ADDRESS_BYTES_MAX)
        return false;
    while (address.len) {
        size_t len = is_print(address.ptr[0]) ? 1 : view_utf8_len(address);
        if (len == 0)
            return false;
        address = view_skip(address, len);
    }
    return true;
}

void mail_put_escaped(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (is_print(text.ptr[i]))
            buffer_append_char(out, text.ptr[i]);
        else
            buffer_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
    }
}

void mail_put_clean(struct buffer *out, struct view text) {
    while (text.len) {
        size_t len = is_print(text.ptr[0]) ? 1 : view_utf8_len(text);
        if (len)
            buffer_append(out, text.ptr, len);
        else if ((unsigned char)text.ptr[0] < 0x80)
            buffer_append_char(out, '?');
        else
            buffer_append_view(out, VIEW("\xef\xbf\xbd"));
        text = view_skip(text, size_max(len, 1));
    }
}

// The next word, at most `max` bytes of it and no broken UTF-8 sequence at its end.
static bool take_word(struct view *rest, size_t max, struct view *word) {
    size_t len = 0;
    while (rest->len && is_blank(rest->ptr[0]))
        *rest = view_skip(*rest, 1);
    while (len < rest->len && !is_blank(rest->ptr[len]) && len < max)
        len += size_max(view_utf8_len(view_skip(*rest, len)), 1);
    *word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return len > 0;
}

void mail_put_field(struct buffer *out, struct view name, struct view value) {
    struct view word = VIEW_NONE;
    size_t column = name.len + 1;
    bool is_first = true;
    ASSERT(name.len > 0 && name.len < MAIL_LINE_COLUMNS);
    if (view_is_empty(view_trim(value)))
        return;
    buffer_append_view(out, name);
    buffer_append_char(out, ':');
    while (take_word(&value, WORD_BYTES_MAX, &word)) {
        if (!is_first && column + 1 + word.len > MAIL_LINE_COLUMNS) {
            buffer_append_view(out, VIEW("\r\n"));
            column = 0;
        }
        size_t before = out->len;
        buffer_append_char(out, ' ');
        mail_put_escaped(out, word);
        column += out->len - before;
        is_first = false;
    }
    buffer_append_view(out, VIEW("\r\n"));
}

void mail_put_exact_field(struct buffer *out, struct view name, struct view value) {
    if (value.len == 0)
        return;
    buffer_append_view(out, name);
    buffer_append_view(out, VIEW(": "));
    size_t begin = out->len;
    mail_put_escaped(out, view_take(value, ADDRESS_BYTES_MAX));
    out->len = size_min(out->len, begin + ADDRESS_BYTES_MAX);
    buffer_append_view(out, VIEW("\r\n"));
}

void mail_put_date_field(struct buffer *out, struct view name, int64_t wall_ms) {
    char date[UNITS_TIME_SIZE];
    if (wall_ms)
        mail_put_field(out, name,
                       view_from(date, units_format_mail_date(wall_ms, date, sizeof(date))));
}

// As mail_put_clean shows it: a character for each sequence and for each byte that is in none.
static size_t count_columns(struct view text) {
    size_t n = 0;
    for (; text.len; n++)
        text = view_skip(text, size_max(view_utf8_len(text), 1));
    return n;
}

static size_t put_indent(struct buffer *out, size_t indent) {
    for (size_t i = 0; i < indent; i++)
        buffer_append_char(out, ' ');
    return indent;
}

static void wrap_line(struct buffer *out, size_t indent, size_t hang, struct view line) {
    struct view word = VIEW_NONE;
    while (line.len && line.ptr[0] == ' ' && indent < INDENT_MAX) {
        line = view_skip(line, 1);
        indent++;
    }
    hang += view_starts_with(line, VIEW("- ")) ? indent + 2 : indent;
    size_t column = 0;
    while (take_word(&line, TEXT_WORD_BYTES_MAX, &word)) {
        size_t columns = count_columns(word);
        if (column == 0) {
            column = put_indent(out, indent);
        } else if (column + 1 + columns > MAIL_LINE_COLUMNS) {
            buffer_append_view(out, VIEW("\r\n"));
            column = put_indent(out, hang);
        } else {
            buffer_append_char(out, ' ');
            column++;
        }
        mail_put_clean(out, word);
        column += columns;
    }
    buffer_append_view(out, VIEW("\r\n"));
}

void mail_put_wrapped(struct buffer *out, size_t indent, size_t hang, struct view text) {
    struct view line = VIEW_NONE;
    ASSERT(indent + hang < INDENT_MAX);
    while (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    while (text.len && view_split(&text, '\n', &line))
        wrap_line(out, indent, hang, line);
}
