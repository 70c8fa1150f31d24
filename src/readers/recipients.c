// SPDX-License-Identifier: Apache-2.0
// The recipients that a report speaks of: each once, in the order in which they are named.
#include "readers/report.h"

struct reader_recipient *reader_recipient_add(struct reader_report *report) {
    struct reader_reading *reading = report->reading;
    if (reading->n_recipients == READER_RECIPIENTS_MAX) {
        reading->is_cut = true;
        return NULL;
    }
    if (reading->n_recipients == report->recipients_size) {
        size_t size = size_min(size_max(4, report->recipients_size * 2), READER_RECIPIENTS_MAX);
        struct reader_recipient *grown = arena_alloc(report->arena, size * sizeof(*grown));
        if (!grown) {
            reading->is_cut = true;
            return NULL;
        }
        if (reading->n_recipients)
            memcpy(grown, reading->recipients, reading->n_recipients * sizeof(*grown));
        reading->recipients = grown;
        report->recipients_size = size;
    }
    ASSERT(reading->n_recipients < report->recipients_size);
    return &reading->recipients[reading->n_recipients++];
}

struct reader_recipient *reader_recipient_find(const struct reader_report *report,
                                               struct view address) {
    struct reader_reading *reading = report->reading;
    for (size_t i = 0; i < reading->n_recipients && address.len; i++)
        if (view_equals_nocase(reading->recipients[i].address, address) ||
            view_equals_nocase(reading->recipients[i].original, address))
            return &reading->recipients[i];
    return NULL;
}

struct view reader_address_clean(struct view text) {
    text = view_trim(text);
    size_t type = view_find_char(text, ';');
    if (type < text.len && type < 20 && view_find_char(view_take(text, type), '@') == type)
        text = view_trim(view_skip(text, type + 1));
    struct view address = mail_address_find(text);
    bool is_command =
        text.len && (text.ptr[0] == '|' || text.ptr[0] == '"') && view_find_char(text, '|') < 2;
    // RFC 5321 C: the route before an address is passed over by most, but it is what was reported.
    bool has_route = text.len && (text.ptr[0] == '@' || view_starts_with(text, VIEW("<@")));
    if (address.len && !is_command && !has_route)
        return address;
    if (text.len > 1 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>')
        text = view_take(view_skip(text, 1), text.len - 2);
    return text;
}
