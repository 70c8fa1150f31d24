// SPDX-License-Identifier: Apache-2.0
// Masks for people who show an answer to others. It works on the finished answer, so nothing slips
// through a member that somebody forgot: whoever has an "@" behind him gets a mask, and his name is
// masked wherever else it stands as a word; names and addresses of the inside are hidden. What the
// other side said, and its public names, stay.
#include "readers/redact.h"

#include "mail/mail.h"

#include <stdlib.h>

struct reader_redaction *reader_redaction_create(void) {
    struct reader_redaction *redaction = mem_alloc_zero(sizeof(*redaction));
    arena_init(&redaction->arena, 8 << 20);
    return redaction;
}

void reader_redaction_destroy(struct reader_redaction *redaction) {
    if (!redaction)
        return;
    arena_finish(&redaction->arena);
    free(redaction);
}

void reader_redaction_add_subject(struct reader_redaction *redaction, struct view subject) {
    subject = view_trim(subject);
    if (subject.len >= REDACT_NAME_BYTES_MIN && redaction->n_subjects < REDACT_SUBJECTS_MAX)
        redaction->subjects[redaction->n_subjects++] = arena_copy(&redaction->arena, subject);
}

// --- Words ---------------------------------------------------------------------------------------
bool redact_is_word_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-_.+", c)) ||
           (unsigned char)c >= 0x80;
}

bool redact_is_word_begin(const struct redact_spot *spot) {
    return spot->at == 0 || !redact_is_word_char(spot->text.ptr[spot->at - 1]);
}

struct view redact_word(const struct redact_spot *spot) {
    struct view rest = redact_rest(spot);
    size_t len = 0;
    while (len < rest.len && redact_is_word_char(rest.ptr[len]))
        len++;
    while (len > 0 && rest.ptr[len - 1] == '.') // the end of a sentence
        len--;
    return view_take(rest, len);
}

bool redact_follows(const struct redact_spot *spot, const struct view *marks, size_t n) {
    struct view before = redact_before(spot);
    for (size_t i = 0; i < n; i++)
        if (view_ends_with_nocase(before, marks[i]))
            return true;
    return false;
}

// "=?utf-8?B?...?=" (RFC 2047): a subject or a person's name.
static size_t encoded_word_len(const struct redact_spot *spot) {
    struct view rest = redact_rest(spot);
    size_t charset = view_find_char(view_skip(rest, 2), '?') + 2;
    if (!view_starts_with(rest, VIEW("=?")) || charset + 3 >= rest.len ||
        rest.ptr[charset + 2] != '?')
        return 0;
    size_t end = view_find(view_skip(rest, charset + 3), VIEW("?=")) + charset + 3;
    return end < rest.len ? end + 2 : 0;
}

// --- Rules ---------------------------------------------------------------------------------------
// Writes the mask of what begins here and returns its length; zero: it may be shown.
static size_t put_special(struct reader_redaction *redaction, const struct redact_spot *spot,
                          struct buffer *out) {
    size_t len = redact_subject_len(redaction, spot);
    const char *mask = "[subject]";
    if (len == 0)
        len = encoded_word_len(spot);
    if (len == 0 && (len = redact_directory_name_len(spot)) > 0)
        mask = "CN=[name]";
    if (len == 0 && (len = redact_display_name_len(spot)) > 0)
        mask = "[name]";
    if (len == 0 && (len = redact_account_len(spot)) > 0)
        mask = "[account]";
    bool is_inside = false;
    if (len == 0 && (len = redact_ipv6_len(spot, &is_inside)) > 0) {
        if (!is_inside) {
            buffer_append_view(out, view_take(redact_rest(spot), len));
            return len;
        }
        mask = "[inside-address]";
    }
    if (len == 0 && (len = redact_user_field_len(spot)) > 0)
        redact_put_mask(redaction, view_take(redact_rest(spot), len), out);
    else if (len > 0)
        buffer_printf(out, "%s", mask);
    return len;
}

static void put_word(struct reader_redaction *redaction, const struct redact_spot *spot,
                     struct view word, struct buffer *out) {
    // "?user=anna%40example.org" in an address of the web.
    struct view behind = view_skip(spot->text, spot->at + word.len);
    if (redact_is_inside_address(word))
        buffer_append_view(out, VIEW("[inside-address]"));
    else if (redact_is_inside_host(redaction, word) || redact_is_host_place(spot, word))
        buffer_append_view(out, VIEW("[inside-host]"));
    else if (redact_is_person(redaction, word) || view_starts_with_nocase(behind, VIEW("%40")))
        redact_put_mask(redaction, word, out);
    else if (redact_is_part_of_person(redaction, word))
        buffer_append_view(out, VIEW("[name]"));
    else
        buffer_append_view(out, word);
}

static size_t put_next(struct reader_redaction *redaction, const struct redact_spot *spot,
                       struct buffer *out) {
    bool is_begin = redact_is_word_begin(spot);
    size_t len =
        is_begin || redact_rest(spot).ptr[0] == '"' ? put_special(redaction, spot, out) : 0;
    if (len > 0)
        return len;
    struct view word = redact_word(spot);
    if (word.len && is_begin) {
        put_word(redaction, spot, word, out);
        return word.len;
    }
    buffer_append_char(out, redact_rest(spot).ptr[0]);
    return 1;
}

// --- The walk ------------------------------------------------------------------------------------
// "user1@example.org"; a domain without a dot is a machine of the inside.
static void put_address(struct reader_redaction *redaction, struct view address,
                        struct buffer *out) {
    size_t at = view_find_last_char(address, '@');
    struct view domain = view_skip(address, at + 1);
    bool is_literal = domain.len > 1 && domain.ptr[0] == '[';
    struct view literal = is_literal ? view_take(view_skip(domain, 1), domain.len - 2) : domain;
    if (view_starts_with_nocase(literal, VIEW("IPv6:")))
        literal = view_skip(literal, 5);
    redact_put_mask(redaction, view_take(address, at), out);
    buffer_append_char(out, '@');
    if (redact_is_inside_address(literal))
        buffer_append_view(out, VIEW("[inside-address]"));
    else if (!is_literal && (view_find_char(domain, '.') == domain.len ||
                             redact_is_inside_host(redaction, domain)))
        buffer_append_view(out, VIEW("[inside-host]"));
    else
        buffer_append_view(out, domain);
}

static void put_text(struct reader_redaction *redaction, struct view text, struct buffer *out) {
    struct redact_spot spot = {.text = text};
    while (spot.at < text.len) {
        struct view address = mail_address_find(view_skip(text, spot.at));
        spot.end = address.len ? (size_t)(address.ptr - text.ptr) : text.len;
        while (spot.at < spot.end)
            spot.at += put_next(redaction, &spot, out);
        if (address.len)
            put_address(redaction, address, out);
        spot.at = spot.end + address.len;
    }
}

void reader_redact(struct reader_redaction *redaction, struct view text, struct buffer *out) {
    redact_learn_people(redaction, text);
    redact_learn_hosts(redaction, text);
    put_text(redaction, text, out);
}

// --- JSON ----------------------------------------------------------------------------------------
// The end of the string whose quote stands at `at`.
static size_t string_end(struct view json, size_t at) {
    for (at++; at < json.len && json.ptr[at] != '"'; at++)
        at += json.ptr[at] == '\\';
    return size_min(at, json.len);
}

static void append_escape(struct buffer *out, struct view escape) {
    uint32_t code = 0;
    for (size_t i = 1; i < escape.len; i++) {
        char c = ascii_lower(escape.ptr[i]);
        code = code * 16 + (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    // The writer of the answer escapes controls alone; all else stands as UTF-8.
    buffer_append_char(out, code < 0x80 ? (char)code : '?');
}

// The inside of a string as it was before it was written (RFC 8259 7).
static void unescape(struct view text, struct buffer *out) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\' || i + 1 == text.len) {
            buffer_append_char(out, text.ptr[i]);
            continue;
        }
        char c = text.ptr[++i];
        if (c == 'u' && i + 4 < text.len) {
            append_escape(out, view_take(view_skip(text, i), 5));
            i += 4;
        } else {
            buffer_append_char(out, (char)(c == 'n'   ? '\n'
                                           : c == 'r' ? '\r'
                                           : c == 't' ? '\t'
                                                      : c));
        }
    }
}

// Each value that is a string is handed over, unescaped; `out` NULL: only to learn from it.
static void each_string(struct reader_redaction *redaction, struct view json, struct buffer *out) {
    struct buffer plain, masked;
    buffer_init(&plain, json.len + 1);
    buffer_init(&masked, 4 * json.len + 4096);
    for (size_t at = 0; at < json.len; at++) {
        size_t end = json.ptr[at] == '"' ? string_end(json, at) : at;
        struct view inside = view_take(view_skip(json, at + 1), end > at ? end - at - 1 : 0);
        bool is_value = end > at && end + 1 <= json.len && view_skip(json, end + 1).len > 0 &&
                        json.ptr[end + 1] != ':';
        buffer_clear(&plain);
        buffer_clear(&masked);
        if (is_value)
            unescape(inside, &plain);
        if (is_value && !out) {
            redact_learn_people(redaction, buffer_view(&plain));
            redact_learn_hosts(redaction, buffer_view(&plain));
        } else if (is_value) {
            struct json_writer writer;
            put_text(redaction, buffer_view(&plain), &masked);
            json_begin(&writer, out);
            json_add_string(&writer, buffer_view(&masked));
        } else if (out) {
            buffer_append_view(out, view_take(view_skip(json, at), end - at + 1));
        }
        at = end;
    }
    buffer_finish(&plain);
    buffer_finish(&masked);
}

void reader_redact_json(struct reader_redaction *redaction, struct view json, struct buffer *out) {
    each_string(redaction, json, NULL);
    each_string(redaction, json, out);
}
