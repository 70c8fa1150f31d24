// SPDX-License-Identifier: Apache-2.0
// Encoded words (RFC 2047), read only as far as a notice needs them: to show the subject of the
// message that it is about.
#include "mail/write.h"

struct encoded_word {
    struct view charset, text;
    char encoding;
};

// "=?charset?B?text?=" at the start of `from`; returns its length, zero when there is none.
static size_t word_parse(struct view from, struct encoded_word *word) {
    struct view rest = view_skip(from, 2), encoding = VIEW_NONE;
    if (!view_starts_with(from, VIEW("=?")) || !view_split(&rest, '?', &word->charset) ||
        !view_split(&rest, '?', &encoding) || encoding.len != 1)
        return 0;
    size_t end = view_find(rest, VIEW("?="));
    if (end == rest.len || view_find_char(view_take(rest, end), ' ') < end)
        return 0;
    word->text = view_take(rest, end);
    word->encoding = ascii_lower(encoding.ptr[0]);
    // RFC 2231 5 puts a language behind the character set.
    word->charset = view_take(word->charset, view_find_char(word->charset, '*'));
    return (size_t)(rest.ptr + end + 2 - from.ptr);
}

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void decode_base64(struct view text, struct buffer *out) {
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

static void decode_quoted(struct view text, struct buffer *out) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i] == '_' ? ' ' : text.ptr[i];
        if (c == '=' && text.len - i > 2 && hex_value(text.ptr[i + 1]) >= 0 &&
            hex_value(text.ptr[i + 2]) >= 0) {
            c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        }
        buffer_append_char(out, c);
    }
}

static bool put_charset(struct view charset, struct view bytes, struct buffer *out) {
    if (view_equals_nocase(charset, VIEW("utf-8")) ||
        view_equals_nocase(charset, VIEW("us-ascii"))) {
        buffer_append_view(out, bytes);
        return true;
    }
    if (!view_equals_nocase(charset, VIEW("iso-8859-1")))
        return false;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c >= 0x80)
            buffer_append_char(out, (char)(0xc0 | c >> 6));
        buffer_append_char(out, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
    return true;
}

static bool put_word(const struct encoded_word *word, struct buffer *out) {
    struct buffer bytes;
    buffer_init(&bytes, size_max(word->text.len, 1));
    bool is_known = word->encoding == 'b' || word->encoding == 'q';
    if (word->encoding == 'b')
        decode_base64(word->text, &bytes);
    else if (word->encoding == 'q')
        decode_quoted(word->text, &bytes);
    is_known = is_known && put_charset(word->charset, buffer_view(&bytes), out);
    buffer_finish(&bytes);
    return is_known;
}

bool mail_decode_words(struct view value, struct buffer *out) {
    bool after_word = false;
    while (value.len) {
        struct encoded_word word;
        size_t plain = view_find(value, VIEW("=?"));
        // RFC 2047 6.2: blanks between two encoded words are not shown.
        if (!after_word || plain == value.len || view_trim(view_take(value, plain)).len)
            buffer_append_view(out, view_take(value, plain));
        value = view_skip(value, plain);
        size_t len = word_parse(value, &word);
        if (len && !put_word(&word, out))
            return false;
        after_word = len > 0;
        if (len == 0) {
            len = size_min(value.len, 2);
            buffer_append_view(out, view_take(value, len));
        }
        value = view_skip(value, len);
    }
    return true;
}
