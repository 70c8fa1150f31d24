// SPDX-License-Identifier: Apache-2.0
// A client's bytes: lines, commands, paths and parameters. Views must lie in the input, and what is
// taken for an address must be taken again.
#include "smtp/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_inside(struct view outer, struct view inner) {
    if (inner.len)
        ASSERT(inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

static void check_path(struct view line, const struct smtp_path *path) {
    struct smtp_path again;
    check_inside(line, path->address);
    check_inside(path->address, path->local_part);
    check_inside(path->address, path->domain);
    if (path->domain.len == 0)
        return; // <> or <postmaster>
    ASSERT(smtp_address_parse(path->address, &again));
    ASSERT(view_equals(again.address, path->address));
    ASSERT(view_equals(again.domain, path->domain));
    ASSERT(view_equals(again.local_part, path->local_part));
    ASSERT(again.is_literal == path->is_literal && again.has_utf8 == path->has_utf8);
    struct address address;
    ASSERT(!path->is_literal || address_parse(path->domain, &address));
    for (size_t i = 0; i < path->address.len; i++)
        ASSERT(path->address.ptr[i] != '\r' && path->address.ptr[i] != '\n');
}

static void read_line(struct view line) {
    struct smtp_path path;
    struct smtp_mail_params mail;
    struct smtp_rcpt_params rcpt;
    struct smtp_command command = smtp_command_parse(line);
    check_inside(line, command.verb_text);
    check_inside(line, command.rest);
    if (smtp_mail_parse(command.rest, &path, &mail) == SMTP_SYNTAX_OK) {
        check_path(line, &path);
        check_inside(line, mail.envid);
        check_inside(line, mail.auth);
    }
    if (smtp_rcpt_parse(command.rest, &path, &rcpt) == SMTP_SYNTAX_OK) {
        check_path(line, &path);
        check_inside(line, rcpt.orcpt);
        ASSERT(rcpt.notify <= 14 && (rcpt.notify > 0) == rcpt.has_notify);
    }
    if (smtp_address_parse(line, &path))
        check_path(line, &path);
    struct smtp_helo helo = smtp_helo_parse(command.rest);
    ASSERT(!helo.is_literal || helo.is_valid);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view rest = view_from(bytes, len), line = VIEW_NONE;
    size_t used = 0, max = len ? 1 + bytes[0] : 1;
    while (rest.len) {
        enum smtp_line outcome = smtp_line_take(rest, max, &line, &used);
        ASSERT((outcome == SMTP_LINE_MORE) == (used == 0));
        ASSERT(used <= rest.len && line.len <= max);
        if (outcome == SMTP_LINE_MORE)
            break;
        if (outcome != SMTP_LINE_TOO_LONG)
            ASSERT(rest.ptr[used - 1] == '\n');
        if (outcome == SMTP_LINE_READY)
            ASSERT(line.len + 2 == used && view_find_char(line, '\r') == line.len);
        read_line(line);
        rest = view_skip(rest, used);
    }
    read_line(view_from(bytes, len));
    return 0;
}
