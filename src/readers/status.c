// SPDX-License-Identifier: Apache-2.0
// The machine-readable part of a delivery status notification (RFC 3464). Blank lines divide it
// into groups, but many systems leave them out or put them between the fields of one recipient: a
// group ends where a field comes that it has already.
#include "readers/report.h"

enum status_field {
    FIELD_OTHER,
    FIELD_REPORTING,
    FIELD_ARRIVAL,
    FIELD_FINAL,
    FIELD_ORIGINAL,
    FIELD_ACTUAL,
    FIELD_ACTION,
    FIELD_STATUS,
    FIELD_REMOTE,
    FIELD_DIAGNOSTIC,
    FIELD_LAST_ATTEMPT,
    FIELD_RETRY_UNTIL,
    FIELD_COUNT
};

struct group {
    struct view values[FIELD_COUNT]; // unfolded; empty: not there
};

static enum status_field field_from_name(struct view name) {
    static const struct {
        struct view name;
        enum status_field field;
    } rows[] = {{{"Reporting-MTA", 13}, FIELD_REPORTING},
                {{"Arrival-Date", 12}, FIELD_ARRIVAL},
                {{"Final-Recipient", 15}, FIELD_FINAL},
                {{"Original-Recipient", 18}, FIELD_ORIGINAL},
                {{"X-Actual-Recipient", 18}, FIELD_ACTUAL},
                {{"Action", 6}, FIELD_ACTION},
                {{"Status", 6}, FIELD_STATUS},
                {{"Remote-MTA", 10}, FIELD_REMOTE},
                {{"Diagnostic-Code", 15}, FIELD_DIAGNOSTIC},
                {{"Last-Attempt-Date", 17}, FIELD_LAST_ATTEMPT},
                {{"Will-Retry-Until", 16}, FIELD_RETRY_UNTIL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_equals_nocase(name, rows[i].name))
            return rows[i].field;
    return FIELD_OTHER;
}

// "dns; mx.example.org", "rfc822;user@example.org": what stands behind the type.
static struct view without_type(struct view value) {
    size_t at = view_find_char(value, ';');
    return view_trim(at < value.len && at < 32 ? view_skip(value, at + 1) : value);
}

static struct view first_word(struct view text) {
    return view_take(text, view_find_char(text, ' '));
}

static enum reader_action action_from_word(struct view word) {
    static const struct {
        struct view word;
        enum reader_action action;
    } rows[] = {{{"failed", 6}, READER_ACTION_FAILED},
                {{"failure", 7}, READER_ACTION_FAILED},
                {{"undeliverable", 13}, READER_ACTION_FAILED},
                {{"expired", 7}, READER_ACTION_FAILED},
                {{"delayed", 7}, READER_ACTION_DELAYED},
                {{"deferred", 8}, READER_ACTION_DELAYED},
                {{"delivered", 9}, READER_ACTION_DELIVERED},
                {{"deliverable", 11}, READER_ACTION_DELIVERED},
                {{"relayed", 7}, READER_ACTION_RELAYED},
                {{"expanded", 8}, READER_ACTION_EXPANDED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_starts_with_nocase(word, rows[i].word))
            return rows[i].action;
    return READER_ACTION_UNSAID;
}

// "5.1.1 (mailbox does not exist)", also without the comment.
static struct view status_code(struct view value) {
    size_t len = 0;
    while (len < value.len && (ascii_is_digit(value.ptr[len]) || value.ptr[len] == '.'))
        len++;
    struct view code = view_take(value, len);
    size_t first = view_find_char(code, '.');
    bool has_three = first == 1 && view_find_last_char(code, '.') > first &&
                     view_find_last_char(code, '.') + 1 < code.len;
    return has_three && strchr("245", code.ptr[0]) ? code : VIEW_NONE;
}

static int64_t date_of(struct view value) {
    int64_t at_ms = 0;
    return value.len && mail_date_parse(value, &at_ms) ? at_ms : 0;
}

// "dns; mx.example.org (192.0.2.1, the server for the domain)", "dns;[192.0.2.1]".
static void take_remote(struct view value, struct reader_words *words) {
    struct view name = without_type(value);
    size_t end = 0;
    while (end < name.len && !strchr(" \t(", name.ptr[end]))
        end++;
    struct view rest = view_skip(name, end);
    name = view_take(name, end);
    if (view_starts_with(name, VIEW("[")))
        name = view_take(view_skip(name, 1), view_find_char(name, ']') - 1);
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (address_parse(name, &words->peer))
        return;
    words->host = name;
    size_t open = view_find_char(rest, '('), bracket = view_find_char(rest, '[');
    rest = view_skip(rest, size_min(open, bracket) + 1);
    end = 0;
    while (end < rest.len && !strchr("),] |", rest.ptr[end]))
        end++;
    (void)address_parse(view_take(rest, end), &words->peer);
}

// Where the diagnostic says nothing, the comment of the Status field may: "5.4.4 (Illegal host)".
static struct view diagnostic_of(const struct group *group) {
    struct view diagnostic = without_type(group->values[FIELD_DIAGNOSTIC]);
    struct view status = group->values[FIELD_STATUS];
    // RFC 3464 2.3.6: the type says who speaks. A program's output is no word of a mail server.
    if (view_starts_with_nocase(group->values[FIELD_DIAGNOSTIC], VIEW("x-unix")))
        return group->values[FIELD_DIAGNOSTIC];
    if (diagnostic.len)
        return diagnostic;
    size_t open = view_find_char(status, '('), close = view_find_last_char(status, ')');
    return open < close && close < status.len
               ? view_trim(view_take(view_skip(status, open + 1), close - open - 1))
               : VIEW_NONE;
}

static void take_words(const struct group *group, struct reader_recipient *recipient) {
    struct reader_words remote = {0};
    struct view diagnostic = diagnostic_of(group);
    (void)reader_words_read(diagnostic, &recipient->words);
    take_remote(group->values[FIELD_REMOTE], &remote);
    if (remote.host.len || remote.peer.family != ADDRESS_NONE) {
        recipient->words.host = remote.host;
        recipient->words.peer = remote.peer;
    }
    if (diagnostic.len)
        recipient->evidence = group->values[FIELD_DIAGNOSTIC].len
                                  ? VIEW("Diagnostic-Code of the delivery report")
                                  : VIEW("Status of the delivery report");
}

static bool has_recipient_fields(const struct group *group) {
    return group->values[FIELD_FINAL].len || group->values[FIELD_ORIGINAL].len ||
           group->values[FIELD_ACTION].len || group->values[FIELD_STATUS].len ||
           group->values[FIELD_DIAGNOSTIC].len;
}

// Sendmail's X-Actual-Recipient and Exchange's Original-Recipient name the same mailbox in another
// way; the recipient is the one that the sender wrote to when the final one is no address.
static void take_addresses(const struct group *group, struct reader_recipient *recipient) {
    struct view final = reader_address_clean(group->values[FIELD_FINAL]);
    struct view original = reader_address_clean(group->values[FIELD_ORIGINAL]);
    bool is_address =
        view_find_char(final, '@') < final.len && final.ptr[0] != '@' && final.ptr[0] != '|';
    bool has_other = view_find_char(original, '@') < original.len;
    recipient->address = is_address || !has_other ? final : original;
    if (recipient->address.len == 0)
        recipient->address = original;
    if (original.len == 0) // Sendmail: where an alias or a list led to
        original = mail_address_find(group->values[FIELD_ACTUAL]);
    if (!view_equals(recipient->address, original))
        recipient->original = original;
}

// Blank lines between the fields of one recipient: what says nothing of whom goes on with the one
// before, as far as that has no such field.
static bool goes_on(const struct reader_reading *reading, const struct group *group) {
    const struct reader_recipient *last =
        reading->n_recipients ? &reading->recipients[reading->n_recipients - 1] : NULL;
    bool has_name = group->values[FIELD_FINAL].len || group->values[FIELD_ORIGINAL].len ||
                    group->values[FIELD_ACTION].len;
    return last && !has_name && has_recipient_fields(group) &&
           !(last->status.len && group->values[FIELD_STATUS].len) &&
           !(last->words.text.len && group->values[FIELD_DIAGNOSTIC].len);
}

static void go_on(struct reader_recipient *recipient, const struct group *group) {
    if (recipient->status.len == 0)
        recipient->status = status_code(group->values[FIELD_STATUS]);
    if (recipient->words.text.len == 0)
        take_words(group, recipient);
}

static void end_group(struct reader_report *report, struct group *group) {
    struct reader_reading *reading = report->reading;
    if (group->values[FIELD_REPORTING].len && reading->reporting_server.len == 0)
        reading->reporting_server = first_word(without_type(group->values[FIELD_REPORTING]));
    if (goes_on(reading, group)) {
        go_on(&reading->recipients[reading->n_recipients - 1], group);
    } else if (has_recipient_fields(group)) {
        struct reader_recipient *recipient = reader_recipient_add(report);
        if (!recipient)
            return;
        take_addresses(group, recipient);
        recipient->action = action_from_word(group->values[FIELD_ACTION]);
        recipient->status = status_code(group->values[FIELD_STATUS]);
        recipient->last_attempt_ms = date_of(group->values[FIELD_LAST_ATTEMPT]);
        recipient->retry_until_ms = date_of(group->values[FIELD_RETRY_UNTIL]);
        recipient->first_attempt_ms = date_of(group->values[FIELD_ARRIVAL]);
        take_words(group, recipient);
    }
    struct view arrival = group->values[FIELD_ARRIVAL];
    *group = (struct group){0};
    group->values[FIELD_ARRIVAL] = arrival; // holds for all that follow
}

// True when the group cannot be about the recipient that this field speaks of.
static bool begins_group(const struct group *group, enum status_field field) {
    if (field == FIELD_OTHER || group->values[field].len == 0)
        return false;
    return field != FIELD_ARRIVAL && field != FIELD_REPORTING;
}

bool reader_status_read(struct reader_report *report, struct view text) {
    struct group group = {0};
    size_t before = report->reading->n_recipients;
    while (text.len) {
        struct mail_field field;
        struct view block = view_take(text, mail_header_len(text));
        text = view_skip(text, block.len);
        while (mail_field_take(&block, &field)) {
            enum status_field kind = field_from_name(field.name);
            if (begins_group(&group, kind))
                end_group(report, &group);
            if (kind != FIELD_OTHER && field.value.len)
                group.values[kind] = mail_unfold(field.value, report->arena);
        }
        // A blank line ends a group that knows its recipient and what became of it.
        bool is_whole = group.values[FIELD_FINAL].len && group.values[FIELD_ACTION].len;
        if (is_whole || !has_recipient_fields(&group))
            end_group(report, &group);
    }
    end_group(report, &group);
    return report->reading->n_recipients > before;
}
