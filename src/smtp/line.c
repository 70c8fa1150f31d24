// SPDX-License-Identifier: Apache-2.0
// Lines off a stream. Every outcome but TOO_LONG ends behind an LF, so that a refused line can
// never leave its tail behind to be read as the next command.
#include "smtp/smtp.h"

static enum smtp_line judge(struct view line, bool has_cr, size_t max) {
    if (line.len > max)
        return SMTP_LINE_TOO_LONG;
    if (view_find_char(line, '\0') < line.len)
        return SMTP_LINE_NUL;
    // RFC 5321 2.3.8: CR and LF stand only together.
    if (!has_cr || view_find_char(line, '\r') < line.len)
        return SMTP_LINE_BARE;
    return SMTP_LINE_READY;
}

enum smtp_line smtp_line_take(struct view bytes, size_t max, struct view *line, size_t *used) {
    ASSERT(max > 0 && max < SIZE_MAX - 2);
    size_t at = view_find_char(bytes, '\n');
    *line = VIEW_NONE;
    *used = 0;
    if (at == bytes.len) {
        if (bytes.len < max + 2)
            return SMTP_LINE_MORE;
        *line = view_take(bytes, max);
        *used = bytes.len;
        return SMTP_LINE_TOO_LONG;
    }
    bool has_cr = at > 0 && bytes.ptr[at - 1] == '\r';
    struct view whole = view_take(bytes, has_cr ? at - 1 : at);
    *line = view_take(whole, max);
    *used = at + 1;
    ASSERT(*used <= bytes.len);
    return judge(whole, has_cr, max);
}
