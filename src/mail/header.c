// SPDX-License-Identifier: Apache-2.0
// Reading a header that is complete in memory (RFC 5322 2.2).
#include "mail/field.h"
#include "mail/mail.h"

// Blanks before the colon are obsolete (RFC 5322 4.5.3); more of them than this begin no field, so
// that the scan, which keeps the head of a line, sees the same names.
enum { BLANKS_BEFORE_COLON_MAX = 32 };

struct view mail_field_name(struct view line) {
    size_t colon = view_find_char(line, ':');
    if (colon == line.len)
        return VIEW_NONE;
    struct view name = view_take(line, colon);
    while (name.len && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
    if (colon - name.len > BLANKS_BEFORE_COLON_MAX)
        return VIEW_NONE;
    for (size_t i = 0; i < name.len; i++)
        if (!(name.ptr[i] > ' ' && name.ptr[i] < 0x7f))
            return VIEW_NONE;
    return name;
}

bool mail_line_take(struct view *rest, struct view *line) {
    if (rest->len == 0)
        return false;
    size_t at = view_find_char(*rest, '\n');
    *line = view_take(*rest, at);
    *rest = view_skip(*rest, at + 1);
    if (line->len && line->ptr[line->len - 1] == '\r')
        line->len--;
    return true;
}

static bool is_continuation(struct view rest) {
    return rest.len && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
}

// The bytes of a field's value without the line ends inside (RFC 5322 2.2.3).
static bool unfold(struct view raw, struct arena *arena, struct view *value) {
    struct view line = VIEW_NONE;
    char *copy = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    if (!copy)
        return false;
    while (mail_line_take(&raw, &line)) {
        if (line.len)
            memcpy(copy + len, line.ptr, line.len);
        len += line.len;
    }
    *value = view_trim(view_from(copy, len));
    return true;
}

bool mail_header_find(struct view header, struct view name, size_t nth, struct arena *arena,
                      struct view *value) {
    struct view rest = header, line = VIEW_NONE, ignored = VIEW_NONE;
    ASSERT(name.len > 0);
    while (mail_line_take(&rest, &line) && line.len) {
        if (!view_equals_nocase(mail_field_name(line), name) || nth-- > 0)
            continue;
        const char *begin = line.ptr + view_find_char(line, ':') + 1;
        while (is_continuation(rest))
            (void)mail_line_take(&rest, &ignored);
        const char *end = rest.ptr;
        ASSERT(begin <= end && end <= header.ptr + header.len);
        return unfold(view_from(begin, (size_t)(end - begin)), arena, value);
    }
    return false;
}

size_t mail_header_len(struct view message) {
    struct view rest = message, line = VIEW_NONE;
    while (mail_line_take(&rest, &line))
        if (line.len == 0)
            return message.len - rest.len;
    return message.len;
}
