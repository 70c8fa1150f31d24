// SPDX-License-Identifier: Apache-2.0
// A view: bytes that somebody else owns. It may hold NUL bytes and has no terminator. Whoever makes
// a view says how long it lives (an arena, a session, a static table).
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include "base/base.h"

#include <string.h>

struct view {
    const char *ptr;
    size_t len;
};

#define VIEW(literal) ((struct view){"" literal, sizeof(literal) - 1})
#define VIEW_NONE ((struct view){NULL, 0})
// For printf's "%.*s".
#define VIEW_ARG(view) (int)(view).len, (view).ptr ? (view).ptr : ""

static inline struct view view_of(const char *text) {
    return (struct view){text, text ? strlen(text) : 0};
}
static inline struct view view_from(const void *ptr, size_t len) {
    return (struct view){ptr, len};
}
static inline bool view_is_empty(struct view view) {
    return view.len == 0;
}

bool view_equals(struct view a, struct view b);
// ASCII only, as mail keywords and domain names are compared (RFC 4343, RFC 5321 2.4).
bool view_equals_nocase(struct view a, struct view b);
bool view_starts_with(struct view view, struct view prefix);
bool view_starts_with_nocase(struct view view, struct view prefix);
bool view_ends_with_nocase(struct view view, struct view suffix);
// Index of the first match, or `view.len` when there is none.
size_t view_find_char(struct view view, char wanted);
size_t view_find_last_char(struct view view, char wanted);
size_t view_find(struct view view, struct view wanted);
size_t view_find_nocase(struct view view, struct view wanted);
// From `from` (clamped) to the end; the first `len` bytes (clamped).
struct view view_skip(struct view view, size_t from);
struct view view_take(struct view view, size_t len);
// Without SP, HT, CR and LF at both ends.
struct view view_trim(struct view view);
// Cuts `rest` at the first `separator` and returns what stood before it; false when `rest` was used
// up.
bool view_split(struct view *rest, char separator, struct view *part);
// Decimal digits only, no sign, no overflow; false leaves `value` alone.
bool view_to_u64(struct view view, uint64_t *value);
// Length of the UTF-8 sequence of two or more bytes at the start (RFC 3629); zero: there is none.
size_t view_utf8_len(struct view view);
// A NUL-terminated copy, cut at `size - 1`; returns false when it was cut.
bool view_copy_string(struct view view, char *out, size_t size);
int view_compare(struct view a, struct view b);
// Not keyed: for tables whose keys we chose. `nocase` folds ASCII.
uint64_t view_hash(struct view view);
uint64_t view_hash_nocase(struct view view);

static inline char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline bool ascii_is_digit(char c) {
    return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
