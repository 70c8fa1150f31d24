// SPDX-License-Identifier: Apache-2.0
// Mailbox files (RFC 4155). A body may hold a line that begins with "From " and was not escaped, so
// a message begins only behind an empty line, with an address and a time on its line.
#include "readers/readers.h"

// "From MAILER-DAEMON  Thu Apr 29 23:34:45 2015".
static bool is_from_line(struct view line) {
    static const struct view days[] = {{"Mon ", 4}, {"Tue ", 4}, {"Wed ", 4}, {"Thu ", 4},
                                       {"Fri ", 4}, {"Sat ", 4}, {"Sun ", 4}};
    if (!view_starts_with(line, VIEW("From ")))
        return false;
    struct view rest = view_skip(line, 5);
    size_t colon = view_find_char(rest, ':');
    for (size_t i = 0; i < ARRAY_LEN(days); i++)
        if (view_find(rest, days[i]) < colon && colon < rest.len)
            return true;
    return false;
}

bool reader_mailbox_take(struct view *rest, struct view *message) {
    if (rest->len == 0)
        return false;
    bool is_mailbox = view_starts_with(*rest, VIEW("From "));
    size_t at = 0;
    while (is_mailbox && at < rest->len) {
        struct view tail = view_skip(*rest, at);
        size_t found = view_find(tail, VIEW("\nFrom "));
        if (found == tail.len)
            break;
        at += found + 1;
        bool after_blank =
            at >= 2 && (rest->ptr[at - 2] == '\n' ||
                        (at >= 3 && rest->ptr[at - 2] == '\r' && rest->ptr[at - 3] == '\n'));
        struct view line = view_skip(*rest, at);
        line = view_take(line, view_find_char(line, '\n'));
        if (after_blank && is_from_line(line)) {
            *message = view_take(*rest, at);
            *rest = view_skip(*rest, at);
            return true;
        }
    }
    *message = *rest;
    *rest = VIEW_NONE;
    return true;
}
