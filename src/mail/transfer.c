// SPDX-License-Identifier: Apache-2.0
// Transfer encodings (RFC 2045 6). Mail that was cut, folded anew or edited is decoded as far as it
// goes.
#include "mail/transfer.h"

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void mail_decode_base64(struct view text, struct buffer *out) {
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            continue;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buffer_append_char(out, (char)(bits >> n_bits & 0xff));
        }
    }
}

static int hex_value(char c) {
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Length of a soft line break at "=", blanks before the line end included; zero: there is none.
static size_t soft_break_len(struct view text) {
    size_t at = 1;
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
        at++;
    if (at < text.len && text.ptr[at] == '\r')
        at++;
    if (at == text.len)
        return at;
    return text.ptr[at] == '\n' ? at + 1 : 0;
}

// What stands at "=": an octet, a soft line break, or an equals sign that means itself.
static size_t take_escape(struct view text, bool is_word, struct buffer *out) {
    if (text.len > 2 && hex_value(text.ptr[1]) >= 0 && hex_value(text.ptr[2]) >= 0) {
        buffer_append_char(out, (char)(hex_value(text.ptr[1]) * 16 + hex_value(text.ptr[2])));
        return 3;
    }
    size_t len = is_word ? 0 : soft_break_len(text);
    if (len)
        return len;
    buffer_append_char(out, '=');
    return 1;
}

void mail_decode_quoted(struct view text, bool is_word, struct buffer *out) {
    while (text.len) {
        size_t plain = is_word ? 0 : view_find_char(text, '=');
        if (is_word && text.ptr[0] != '=') {
            buffer_append_char(out, text.ptr[0] == '_' ? ' ' : text.ptr[0]);
            text = view_skip(text, 1);
            continue;
        }
        buffer_append_view(out, view_take(text, plain));
        text = view_skip(text, plain);
        if (text.len)
            text = view_skip(text, take_escape(text, is_word, out));
    }
}

static void decode_uu_line(struct view line, struct buffer *out) {
    size_t len = line.len ? (size_t)((line.ptr[0] - ' ') & 63) : 0;
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 1; i < line.len && len > 0; i++) {
        bits = (bits << 6 | (unsigned)((line.ptr[i] - ' ') & 63)) & 0xffff;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        buffer_append_char(out, (char)(bits >> n_bits & 0xff));
        len--;
    }
}

void mail_decode_uu(struct view text, struct buffer *out) {
    struct view line = VIEW_NONE;
    bool is_inside = false;
    while (view_split(&text, '\n', &line)) {
        line = view_ends_with_nocase(line, VIEW("\r")) ? view_take(line, line.len - 1) : line;
        if (is_inside && view_equals(line, VIEW("end")))
            return;
        if (is_inside)
            decode_uu_line(line, out);
        is_inside = is_inside || view_starts_with(line, VIEW("begin "));
    }
}
