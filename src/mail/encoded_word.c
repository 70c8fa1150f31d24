// SPDX-License-Identifier: Apache-2.0
// Encoded words (RFC 2047): to show people the subject of a message, and what another system wrote.
#include "mail/transfer.h"
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

static bool put_word(const struct encoded_word *word, struct buffer *out) {
    struct buffer bytes;
    buffer_init(&bytes, size_max(word->text.len, 1));
    bool is_known = word->encoding == 'b' || word->encoding == 'q';
    if (word->encoding == 'b')
        mail_decode_base64(word->text, &bytes);
    else if (word->encoding == 'q')
        mail_decode_quoted(word->text, true, &bytes);
    is_known = is_known && mail_charset_append(word->charset, buffer_view(&bytes), out);
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
