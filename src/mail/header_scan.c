// SPDX-License-Identifier: Apache-2.0
// One pass over a header while it arrives. Only the first bytes of each line are kept, so a line
// without end costs nothing; a message without an empty line stays a header to its end.
#include "mail/field.h"
#include "mail/mail.h"

enum field { FIELD_OTHER, FIELD_RECEIVED, FIELD_MESSAGE_ID, FIELD_DATE, FIELD_FROM, FIELD_AUTO };

enum { MESSAGE_ID_BYTES_MAX = 250 };

void mail_header_scan_init(struct mail_header_scan *scan) {
    *scan = (struct mail_header_scan){0};
}

static enum field field_from_name(struct view name) {
    static const struct {
        struct view name;
        enum field field;
    } table[] = {{{"Received", 8}, FIELD_RECEIVED},
                 {{"Message-ID", 10}, FIELD_MESSAGE_ID},
                 {{"Date", 4}, FIELD_DATE},
                 {{"From", 4}, FIELD_FROM},
                 {{"Auto-Submitted", 14}, FIELD_AUTO}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_equals_nocase(name, table[i].name))
            return table[i].field;
    return FIELD_OTHER;
}

static void begin_field(struct mail_header_scan *scan, struct view name) {
    scan->n_fields++;
    scan->field = field_from_name(name);
    scan->n_received += scan->field == FIELD_RECEIVED;
    scan->has_date |= scan->field == FIELD_DATE;
    scan->has_from |= scan->field == FIELD_FROM;
    if (scan->field != FIELD_MESSAGE_ID)
        return;
    if (scan->has_message_id) // the first one counts
        scan->field = FIELD_OTHER;
    scan->has_message_id = true;
}

static struct view line_head(const struct mail_header_scan *scan) {
    return view_from(scan->line, size_min(scan->line_len, sizeof(scan->line)));
}

static bool is_folded(const struct mail_header_scan *scan) {
    return scan->line_len && (scan->line[0] == ' ' || scan->line[0] == '\t');
}

// Where the value begins in the line: behind the colon, or at once in a continuation line.
static size_t value_at(const struct mail_header_scan *scan) {
    return is_folded(scan) ? 0 : view_find_char(line_head(scan), ':') + 1;
}

static void name_line(struct mail_header_scan *scan) {
    struct view head = line_head(scan);
    if (scan->is_named || head.len == 0)
        return;
    if (is_folded(scan)) {
        scan->is_named = true;
    } else if (view_find_char(head, ':') < head.len) {
        struct view name = mail_field_name(head);
        scan->is_named = true;
        scan->field = FIELD_OTHER;
        if (name.len)
            begin_field(scan, name);
    } else if (head.len == sizeof(scan->line)) { // no name that we know is as long
        scan->is_named = true;
        scan->field = FIELD_OTHER;
    }
}

// The first word of the value.
static void capture_message_id(struct mail_header_scan *scan, struct view bytes) {
    for (size_t i = 0; i < bytes.len && scan->field == FIELD_MESSAGE_ID; i++) {
        char c = bytes.ptr[i];
        bool is_blank = c == ' ' || c == '\t' || c == '\r';
        if (is_blank && scan->message_id_len == 0)
            continue;
        if (is_blank || scan->message_id_len == MESSAGE_ID_BYTES_MAX) {
            scan->field = FIELD_OTHER;
            return;
        }
        bool is_control = (unsigned char)c < ' ' || c == 0x7f;
        scan->message_id[scan->message_id_len++] = is_control ? '?' : c;
    }
}

static void add_to_line(struct mail_header_scan *scan, struct view part) {
    size_t before = scan->line_len;
    if (part.len && before < sizeof(scan->line))
        memcpy(scan->line + before, part.ptr, size_min(part.len, sizeof(scan->line) - before));
    scan->line_len += part.len;
    name_line(scan);
    if (scan->is_named && scan->field == FIELD_MESSAGE_ID) {
        size_t from = value_at(scan);
        capture_message_id(scan, view_skip(part, from > before ? from - before : 0));
    }
}

// RFC 3834 5: every value but "no" is the work of a program.
static void judge_auto_submitted(struct mail_header_scan *scan) {
    struct view value = view_trim(view_skip(line_head(scan), value_at(scan)));
    size_t len = 0;
    while (len < value.len && !memchr(" \t;(", value.ptr[len], 4))
        len++;
    if (value.len == 0)
        return;
    scan->is_auto_submitted |= !view_equals_nocase(view_take(value, len), VIEW("no"));
    scan->field = FIELD_OTHER;
}

static void end_line(struct mail_header_scan *scan) {
    bool is_empty = scan->line_len == 0 || (scan->line_len == 1 && scan->line[0] == '\r');
    scan->is_done = is_empty;
    if (!scan->is_named) // neither a field nor its continuation
        scan->field = FIELD_OTHER;
    if (scan->field == FIELD_AUTO)
        judge_auto_submitted(scan);
    scan->line_len = 0;
    scan->is_named = false;
}

void mail_header_scan_feed(struct mail_header_scan *scan, struct view bytes) {
    while (bytes.len && !scan->is_done) {
        size_t at = view_find_char(bytes, '\n');
        bool has_end = at < bytes.len;
        add_to_line(scan, view_take(bytes, at));
        scan->header_bytes += has_end ? at + 1 : at;
        bytes = view_skip(bytes, at + 1);
        if (has_end)
            end_line(scan);
    }
    ASSERT(scan->message_id_len < sizeof(scan->message_id));
}
