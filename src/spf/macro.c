// SPDX-License-Identifier: Apache-2.0
// Macros (RFC 7208 7): "%{ir}.%{v}._spf.%{d2}".
#include "base/buffer.h"
#include "spf/spf_internal.h"

#include <stdio.h>

enum { PARTS_MAX = 128, LABELS_DIGITS_MAX = 3 };
#define DELIMITERS ".-+,/_="

struct macro {
    char letter;     // in lower case
    bool is_escaped; // it stood there in upper case: escaped as in a URL
    uint64_t n_kept; // labels on the right; zero: all
    bool is_reversed;
    struct view delimiters; // empty: the dot
};

// `text` begins behind "%{"; the length up to and with "}", or zero.
static size_t read_macro(struct view text, struct macro *macro) {
    size_t end = view_find_char(text, '}'), at = 1;
    *macro = (struct macro){0};
    if (end == text.len || end == 0)
        return 0;
    macro->letter = ascii_lower(text.ptr[0]);
    macro->is_escaped = text.ptr[0] != macro->letter;
    // The letters c, r and t are for explanations, which nobody reads here.
    if (view_find_char(VIEW("slodipvh"), macro->letter) == sizeof("slodipvh") - 1)
        return 0;
    while (at < end && ascii_is_digit(text.ptr[at]))
        at++;
    struct view digits = view_from(text.ptr + 1, at - 1);
    if (digits.len && (digits.len > LABELS_DIGITS_MAX || !view_to_u64(digits, &macro->n_kept) ||
                       macro->n_kept == 0))
        return 0;
    macro->is_reversed = at < end && ascii_lower(text.ptr[at]) == 'r';
    at += macro->is_reversed;
    macro->delimiters = view_from(text.ptr + at, end - at);
    for (; at < end; at++)
        if (view_find_char(VIEW(DELIMITERS), text.ptr[at]) == sizeof(DELIMITERS) - 1)
            return 0;
    return end + 1;
}

// Bytes of one piece: a macro, an escape or a plain character; zero: it cannot be.
static size_t read_piece(struct view text, struct macro *macro) {
    macro->letter = '\0';
    if (text.ptr[0] != '%')
        return text.ptr[0] > ' ' && text.ptr[0] < 0x7f;
    if (text.len < 2)
        return 0;
    if (text.ptr[1] == '%' || text.ptr[1] == '_' || text.ptr[1] == '-')
        return 2;
    size_t len = text.ptr[1] == '{' ? read_macro(view_skip(text, 2), macro) : 0;
    return len ? len + 2 : 0;
}

bool spf_macro_is_well(struct view text) {
    struct macro macro;
    while (text.len) {
        size_t len = read_piece(text, &macro);
        if (len == 0)
            return false;
        text = view_skip(text, len);
    }
    return true;
}

// --- Expansion --------------------------------------------------------------------------------
// RFC 7208 7.3: IPv4 as it is, IPv6 nibble by nibble.
static void write_address(const struct address *address, struct buffer *out) {
    char text[ADDRESS_TEXT_SIZE];
    if (address->family == ADDRESS_IPV4) {
        address_format(address, text, sizeof(text));
        buffer_append_view(out, view_of(text));
        return;
    }
    for (size_t i = 0; i < 16; i++)
        buffer_printf(out, "%s%x.%x", i ? "." : "", address->bytes[i] >> 4,
                      address->bytes[i] & 15U);
}

static void write_value(char letter, const struct spf_macros *macros, struct buffer *out) {
    size_t at = view_find_last_char(macros->sender, '@');
    switch (letter) {
    case 's': buffer_append_view(out, macros->sender); break;
    case 'l': buffer_append_view(out, view_take(macros->sender, at)); break;
    case 'o': buffer_append_view(out, view_skip(macros->sender, at + 1)); break;
    case 'd': buffer_append_view(out, macros->domain); break;
    case 'i': write_address(macros->source, out); break;
    case 'h': buffer_append_view(out, macros->helo); break;
    case 'v':
        buffer_printf(out, "%s", macros->source->family == ADDRESS_IPV4 ? "in-addr" : "ip6");
        break;
    default: buffer_append_view(out, macros->validated.len ? macros->validated : VIEW("unknown"));
    }
}

static size_t split_parts(struct view text, struct view delimiters, struct view *parts) {
    size_t n = 0, begun = 0;
    for (size_t i = 0; i <= text.len && n < PARTS_MAX; i++) {
        bool ends = i == text.len || view_find_char(delimiters, text.ptr[i]) < delimiters.len;
        if (!ends)
            continue;
        parts[n++] = view_from(text.ptr + begun, i - begun);
        begun = i + 1;
    }
    return n;
}

static void write_escaped(struct view text, bool is_escaped, struct buffer *out) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = ascii_is_alpha(c) || ascii_is_digit(c) ||
                        view_find_char(VIEW("-._~"), c) < sizeof("-._~") - 1;
        if (is_plain || !is_escaped)
            buffer_append_char(out, c);
        else
            buffer_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void write_macro(const struct macro *macro, const struct spf_macros *macros,
                        struct buffer *out) {
    struct view parts[PARTS_MAX];
    struct buffer value;
    buffer_init(&value, 4096);
    write_value(macro->letter, macros, &value);
    struct view delimiters = macro->delimiters.len ? macro->delimiters : VIEW(".");
    size_t n = split_parts(buffer_view(&value), delimiters, parts);
    size_t n_kept = macro->n_kept && macro->n_kept < n ? (size_t)macro->n_kept : n;
    for (size_t i = n - n_kept; i < n; i++) {
        // Reversed first, then the rightmost are kept.
        const struct view *part = &parts[macro->is_reversed ? n - 1 - i : i];
        if (i > n - n_kept)
            buffer_append_char(out, '.');
        write_escaped(*part, macro->is_escaped, out);
    }
    buffer_finish(&value);
}

// RFC 7208 7.3: a name that has become too long loses labels on the left.
static struct view fit(struct view name) {
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    while (name.len > SPF_NAME_BYTES_MAX) {
        size_t dot = view_find_char(name, '.');
        name = view_skip(name, dot + 1);
    }
    return name;
}

struct view spf_macro_expand(struct view text, const struct spf_macros *macros,
                             struct arena *arena) {
    enum { EXPANDED_BYTES_MAX = 16 << 10 };
    struct buffer out;
    struct macro macro;
    buffer_init(&out, EXPANDED_BYTES_MAX);
    while (text.len) {
        size_t len = read_piece(text, &macro);
        ASSERT(len > 0); // the parser has seen to it
        if (macro.letter)
            write_macro(&macro, macros, &out);
        else if (len == 2)
            buffer_append_view(&out, text.ptr[1] == '%'   ? VIEW("%")
                                     : text.ptr[1] == '_' ? VIEW(" ")
                                                          : VIEW("%20"));
        else
            buffer_append_char(&out, text.ptr[0]);
        text = view_skip(text, len);
    }
    struct view name = arena_copy(arena, fit(buffer_view(&out)));
    buffer_finish(&out);
    return name;
}
