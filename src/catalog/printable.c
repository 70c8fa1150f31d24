// SPDX-License-Identifier: Apache-2.0
// What other systems said, made safe to show. A reply may try to move the cursor, change colours or
// turn the direction of the line; it is shown as what it is, never obeyed.
#include "catalog/catalog_internal.h"

#include "base/units.h"

#include <stdio.h>

// C1 controls, and the marks that turn the direction of text or hide it (U+200B..U+200F,
// U+202A..U+202E, U+2060..U+206F, U+FEFF).
static bool is_deceptive(struct view sequence) {
    const unsigned char *b = (const unsigned char *)sequence.ptr;
    if (sequence.len == 2)
        return b[0] == 0xc2 && b[1] < 0xa0;
    if (sequence.len != 3 || (b[0] != 0xe2 && b[0] != 0xef))
        return false;
    if (b[0] == 0xef)
        return b[1] == 0xbb && b[2] == 0xbf;
    return (b[1] == 0x80 && b[2] >= 0x8b && b[2] <= 0x8f) ||
           (b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) || (b[1] == 0x81 && b[2] >= 0xa0);
}

// Length of what may be shown at the start of `text`, zero where a byte must be escaped.
static size_t shown_len(struct view text) {
    unsigned char c = (unsigned char)text.ptr[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    size_t len = view_utf8_len(text);
    return len && !is_deceptive(view_take(text, len)) ? len : 0;
}

void append_printable(struct buffer *out, struct view text) {
    while (text.len) {
        size_t len = shown_len(text);
        if (len)
            buffer_append(out, text.ptr, len);
        else if (text.ptr[0] == '\n' || text.ptr[0] == '\r' || text.ptr[0] == '\t')
            buffer_append_char(out, ' '); // lines of a reply that goes on
        else
            buffer_printf(out, "\\x%02x", (unsigned char)text.ptr[0]);
        text = view_skip(text, size_max(len, 1));
    }
}

static bool is_printable(struct view text) {
    while (text.len) {
        size_t len = shown_len(text);
        if (len == 0)
            return false;
        text = view_skip(text, len);
    }
    return true;
}

struct view printable(struct view text, struct arena *arena) {
    if (is_printable(text))
        return text;
    struct buffer out;
    buffer_init(&out, 4 * FACT_TEXT_BYTES_MAX);
    append_printable(&out, view_take(text, FACT_TEXT_BYTES_MAX));
    struct view copy = arena_copy(arena, buffer_view(&out));
    buffer_finish(&out);
    return copy;
}

struct view span_words(int64_t duration_ms, struct arena *arena) {
    char text[UNITS_TIME_SIZE];
    const int64_t hour_ms = 3600 * 1000;
    if (duration_ms >= 10 * 1000 && duration_ms < hour_ms)
        return arena_printf(arena, "%lld s", (long long)(duration_ms / 1000));
    if (duration_ms >= 1000 && duration_ms < hour_ms)
        return arena_printf(arena, "%lld.%lld s", (long long)(duration_ms / 1000),
                            (long long)(duration_ms / 100 % 10));
    size_t len = units_format_duration(duration_ms, text, sizeof(text));
    return arena_copy(arena, view_from(text, len));
}
