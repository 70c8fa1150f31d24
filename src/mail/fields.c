// SPDX-License-Identifier: Apache-2.0
// Fields of mail that others wrote: one pass over a header, values in one line, encoded words,
// addresses.
#include "mail/field.h"
#include "mail/mail.h"
#include "mail/write.h"

enum { WORDS_BYTES_MAX = 8192 };

bool mail_field_take(struct view *rest, struct mail_field *field) {
    struct view line = VIEW_NONE;
    while (mail_line_take(rest, &line) && line.len) {
        field->name = mail_field_name(line);
        if (field->name.len == 0)
            continue;
        const char *begin = line.ptr + view_find_char(line, ':') + 1;
        const char *end = line.ptr + line.len;
        while (rest->len && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
            (void)mail_line_take(rest, &line);
            end = line.ptr + line.len;
        }
        ASSERT(begin <= end);
        field->value = view_trim(view_from(begin, (size_t)(end - begin)));
        return true;
    }
    return false;
}

struct view mail_unfold(struct view value, struct arena *arena) {
    value = view_trim(value);
    if (view_find_char(value, '\n') == value.len)
        return value;
    char *copy = arena_alloc(arena, value.len);
    size_t len = 0;
    if (!copy)
        return view_take(value, view_find_char(value, '\n'));
    // The line end and the blanks around it become one blank.
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool is_line_end = c == '\n' || c == '\r';
        if (is_line_end)
            while (len && (copy[len - 1] == ' ' || copy[len - 1] == '\t'))
                len--;
        while (is_line_end && i + 1 < value.len && memchr(" \t\r\n", value.ptr[i + 1], 4))
            i++;
        copy[len++] = is_line_end ? ' ' : c;
    }
    return view_trim(view_from(copy, len));
}

struct view mail_field_text(struct view value, struct arena *arena) {
    struct buffer words;
    value = mail_unfold(value, arena);
    if (view_find(value, VIEW("=?")) == value.len)
        return value;
    buffer_init(&words, WORDS_BYTES_MAX);
    bool is_known = mail_decode_words(value, &words) && !words.overflow;
    struct view text = is_known ? arena_copy(arena, buffer_view(&words)) : value;
    buffer_finish(&words);
    return text;
}

// What can stand in an address that is not quoted; more than RFC 5322 3.4.1 allows, as mail systems
// report what they were given.
static bool is_address_char(char c) {
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("<>()[]\",;:", c);
}

static bool is_domain_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
           (unsigned char)c >= 0x80;
}

// Where the local part that ends before the "@" at `at` begins; `at` where there is none.
static size_t local_part_begin(struct view text, size_t at) {
    size_t from = at;
    if (at > 1 && text.ptr[at - 1] == '"') {
        for (from = at - 1; from > 0; from--)
            if (text.ptr[from - 1] == '"' && (from < 2 || text.ptr[from - 2] != '\\'))
                return from - 1;
        return at;
    }
    while (from > 0 && is_address_char(text.ptr[from - 1]) && text.ptr[from - 1] != '@')
        from--;
    return from;
}

static size_t domain_end(struct view text, size_t from) {
    size_t end = from;
    if (end < text.len && text.ptr[end] == '[') { // RFC 5321 4.1.3
        struct view literal = view_skip(text, end);
        size_t len = view_find_char(literal, ']');
        return len < literal.len ? end + len + 1 : from;
    }
    while (end < text.len && is_domain_char(text.ptr[end]))
        end++;
    while (end > from && text.ptr[end - 1] == '.') // the end of a sentence
        end--;
    return end;
}

struct view mail_address_find(struct view value) {
    for (size_t at = view_find_char(value, '@'); at < value.len;) {
        size_t from = local_part_begin(value, at), end = domain_end(value, at + 1);
        // "a@b"@example.org: this one is quoted, and part of the local part.
        bool is_quoted = end + 1 < value.len && value.ptr[end] == '"' && value.ptr[end + 1] == '@';
        // 'user@example.org' in a sentence; elsewhere the sign belongs to a name,
        // o'neil@example.org.
        bool is_framed = end < value.len && value.ptr[end] == '\'' && value.ptr[from] == '\'';
        from += is_framed && from + 1 < at;
        if (from < at && end > at + 1 && !is_quoted)
            return view_take(view_skip(value, from), end - from);
        at += 1 + view_find_char(view_skip(value, at + 1), '@');
    }
    return VIEW_NONE;
}
