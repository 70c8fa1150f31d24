// SPDX-License-Identifier: Apache-2.0
// The verb of a command line (RFC 5321 2.4, 4.1.1), and the name that HELO and EHLO give.
#include "smtp/smtp.h"

#include "smtp/grammar.h"

static enum smtp_verb verb_from_text(struct view text) {
    static const struct {
        struct view name;
        enum smtp_verb verb;
    } table[] = {
#define X(name) {{#name, sizeof(#name) - 1}, SMTP_VERB_##name},
        SMTP_VERBS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_equals_nocase(text, table[i].name))
            return table[i].verb;
    return SMTP_VERB_UNKNOWN;
}

struct smtp_command smtp_command_parse(struct view line) {
    size_t end = 0;
    while (end < line.len && line.ptr[end] != ' ' && line.ptr[end] != '\t')
        end++;
    struct view text = view_take(line, end);
    return (struct smtp_command){
        .verb = verb_from_text(text), .verb_text = text, .rest = view_trim(view_skip(line, end))};
}

struct smtp_helo smtp_helo_parse(struct view rest) {
    struct smtp_helo helo = {.name = view_trim(rest)};
    struct view inner = VIEW_NONE;
    // RFC 5321 4.1.1.1: a domain, or an address literal where the client has no name.
    helo.is_literal = smtp_literal_parse(helo.name, &inner);
    helo.is_valid = helo.is_literal || smtp_domain_is_valid(helo.name);
    return helo;
}
