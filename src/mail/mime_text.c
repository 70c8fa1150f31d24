// SPDX-License-Identifier: Apache-2.0
// The text of a part: transfer encoding, then character set, then line ends.
#include "mail/mail.h"
#include "mail/transfer.h"

static bool decode_transfer(const struct mail_part *part, struct view body, struct buffer *out) {
    struct view encoding = part->encoding;
    if (view_equals_nocase(encoding, VIEW("base64")))
        mail_decode_base64(body, out);
    else if (view_equals_nocase(encoding, VIEW("quoted-printable")))
        mail_decode_quoted(body, false, out);
    else if (view_equals_nocase(encoding, VIEW("x-uuencode")) ||
             view_equals_nocase(encoding, VIEW("uuencode")) ||
             view_equals_nocase(encoding, VIEW("x-uue")))
        mail_decode_uu(body, out);
    else
        return false;
    return true;
}

// CRLF and lone CR become LF, in place.
static size_t fold_line_ends(char *bytes, size_t len) {
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_crlf = bytes[i] == '\r' && i + 1 < len && bytes[i + 1] == '\n';
        if (!is_crlf)
            bytes[to++] = bytes[i] == '\r' ? '\n' : bytes[i];
    }
    return to;
}

static struct view with_lf(struct view text, struct arena *arena) {
    if (view_find_char(text, '\r') == text.len)
        return text;
    struct view copy = arena_copy(arena, text);
    if (copy.ptr)
        copy.len = fold_line_ends((char *)(uintptr_t)copy.ptr, copy.len);
    return copy;
}

struct view mail_part_text(const struct mail_part *part, size_t max, struct arena *arena) {
    struct buffer decoded, converted;
    // Encoded text is longer than what it says, at most about three times.
    struct view text, body = view_take(part->body, 3 * max);
    ASSERT(max > 0);
    buffer_init(&decoded, 3 * max + 1);
    buffer_init(&converted, 4 * max);
    text = decode_transfer(part, body, &decoded) ? buffer_view(&decoded) : body;
    text = view_take(text, max);
    if (!mail_charset_is_plain(part->charset, text)) {
        if (!mail_charset_append(part->charset, text, &converted))
            (void)mail_charset_append(VIEW("utf-8"), text, &converted);
        text = buffer_view(&converted);
    }
    bool is_copied = text.ptr == decoded.ptr || text.ptr == converted.ptr;
    text = with_lf(is_copied ? arena_copy(arena, text) : text, arena);
    buffer_finish(&decoded);
    buffer_finish(&converted);
    return text;
}
