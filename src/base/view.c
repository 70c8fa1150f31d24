// SPDX-License-Identifier: Apache-2.0
#include "base/view.h"

bool view_equals(struct view a, struct view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool view_equals_nocase(struct view a, struct view b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

bool view_starts_with(struct view view, struct view prefix) {
    return view.len >= prefix.len && view_equals(view_take(view, prefix.len), prefix);
}

bool view_starts_with_nocase(struct view view, struct view prefix) {
    return view.len >= prefix.len && view_equals_nocase(view_take(view, prefix.len), prefix);
}

bool view_ends_with_nocase(struct view view, struct view suffix) {
    return view.len >= suffix.len &&
           view_equals_nocase(view_skip(view, view.len - suffix.len), suffix);
}

size_t view_find_char(struct view view, char wanted) {
    const char *found = view.len ? memchr(view.ptr, wanted, view.len) : NULL;
    return found ? (size_t)(found - view.ptr) : view.len;
}

size_t view_find_last_char(struct view view, char wanted) {
    const char *found = view.len ? memrchr(view.ptr, wanted, view.len) : NULL;
    return found ? (size_t)(found - view.ptr) : view.len;
}

// Most texts are short: what memmem() sets up for a search costs more than the search itself.
static size_t find_in_short(struct view view, struct view wanted) {
    const char *at = view.ptr, *last = view.ptr + (view.len - wanted.len);
    while (at <= last && (at = memchr(at, wanted.ptr[0], (size_t)(last - at) + 1)) != NULL) {
        if (memcmp(at, wanted.ptr, wanted.len) == 0)
            return (size_t)(at - view.ptr);
        at++;
    }
    return view.len;
}

size_t view_find(struct view view, struct view wanted) {
    enum { SHORT_BYTES = 512 };
    if (wanted.len == 0 || wanted.len > view.len)
        return view.len;
    if (view.len <= SHORT_BYTES)
        return find_in_short(view, wanted);
    const char *found = memmem(view.ptr, view.len, wanted.ptr, wanted.len);
    return found ? (size_t)(found - view.ptr) : view.len;
}

// A sign that has no case and that few texts have often; NULL where there is none.
static const char *find_sign(struct view wanted) {
    for (size_t i = 0; i < wanted.len; i++)
        if (wanted.ptr[i] > ' ' && wanted.ptr[i] < '@' && !ascii_is_digit(wanted.ptr[i]))
            return wanted.ptr + i;
    return NULL;
}

static size_t find_by_sign(struct view view, struct view wanted, const char *sign) {
    size_t before = (size_t)(sign - wanted.ptr), i = 0;
    while (i + wanted.len <= view.len) {
        const char *room = view.ptr + i + before;
        const char *at = memchr(room, *sign, view.len - wanted.len - i + 1);
        if (!at)
            break;
        i = (size_t)(at - view.ptr) - before;
        if (view_equals_nocase(view_from(view.ptr + i, wanted.len), wanted))
            return i;
        i++;
    }
    return view.len;
}

size_t view_find_nocase(struct view view, struct view wanted) {
    if (wanted.len == 0 || wanted.len > view.len)
        return view.len;
    const char *sign = find_sign(wanted);
    if (sign)
        return find_by_sign(view, wanted, sign);
    // Bit 5 is all that tells small letters from capitals; other characters are compared again.
    unsigned char first = (unsigned char)wanted.ptr[0] | 0x20;
    for (size_t i = 0; i + wanted.len <= view.len; i++)
        if (((unsigned char)view.ptr[i] | 0x20) == first &&
            view_equals_nocase(view_from(view.ptr + i, wanted.len), wanted))
            return i;
    return view.len;
}

struct view view_skip(struct view view, size_t from) {
    from = size_min(from, view.len);
    return (struct view){view.ptr ? view.ptr + from : NULL, view.len - from};
}

struct view view_take(struct view view, size_t len) {
    return (struct view){view.ptr, size_min(len, view.len)};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view view_trim(struct view view) {
    while (view.len && is_blank(view.ptr[view.len - 1]))
        view.len--;
    while (view.len && is_blank(view.ptr[0]))
        view = view_skip(view, 1);
    return view;
}

bool view_split(struct view *rest, char separator, struct view *part) {
    if (!rest->ptr)
        return false;
    size_t at = view_find_char(*rest, separator);
    *part = view_take(*rest, at);
    *rest = at < rest->len ? view_skip(*rest, at + 1) : VIEW_NONE;
    return true;
}

bool view_to_u64(struct view view, uint64_t *value) {
    uint64_t result = 0;
    if (view.len == 0)
        return false;
    for (size_t i = 0; i < view.len; i++) {
        uint64_t digit = (uint64_t)(view.ptr[i] - '0');
        if (!ascii_is_digit(view.ptr[i]) || __builtin_mul_overflow(result, 10U, &result) ||
            __builtin_add_overflow(result, digit, &result))
            return false;
    }
    *value = result;
    return true;
}

size_t view_utf8_len(struct view text) {
    static const struct {
        unsigned char first, last, low, high;
        size_t len;
    } rows[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    for (size_t i = 0; text.len && i < ARRAY_LEN(rows); i++) {
        if (bytes[0] < rows[i].first || bytes[0] > rows[i].last)
            continue;
        if (text.len < rows[i].len || bytes[1] < rows[i].low || bytes[1] > rows[i].high)
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if ((bytes[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

bool view_copy_string(struct view view, char *out, size_t size) {
    ASSERT(size > 0);
    size_t len = size_min(view.len, size - 1);
    if (len)
        memcpy(out, view.ptr, len);
    out[len] = '\0';
    return len == view.len;
}

int view_compare(struct view a, struct view b) {
    size_t len = size_min(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

// FNV-1a.
uint64_t view_hash(struct view view) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < view.len; i++)
        hash = (hash ^ (unsigned char)view.ptr[i]) * 0x100000001b3U;
    return hash;
}

uint64_t view_hash_nocase(struct view view) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < view.len; i++)
        hash = (hash ^ (unsigned char)ascii_lower(view.ptr[i])) * 0x100000001b3U;
    return hash;
}
