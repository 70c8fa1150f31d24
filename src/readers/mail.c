// SPDX-License-Identifier: Apache-2.0
// One message: which of its parts say what, what kind of report it is, and who it is about.
#include "readers/notice.h"

enum { ENCLOSED_MAX = 3 };

// --- Line ends -----------------------------------------------------------------------------------
// A file whose lines end with CR alone has no LF near its beginning.
static struct view with_line_ends(struct view message, struct arena *arena) {
    struct view head = view_take(message, 64 << 10);
    if (view_find_char(head, '\n') < head.len || view_find_char(head, '\r') == head.len)
        return message;
    struct view copy = arena_copy(arena, message);
    char *bytes = (char *)(uintptr_t)copy.ptr;
    for (size_t i = 0; i < copy.len; i++)
        if (bytes[i] == '\r')
            bytes[i] = '\n';
    return copy.ptr ? copy : message;
}

// --- Parts ---------------------------------------------------------------------------------------
static bool is_type(const struct mail_part *part, const char *type) {
    return view_equals(part->type, view_of(type));
}

// An attached mail, or its header, however its type is spelled.
static bool is_original(const struct mail_part *part) {
    static const struct view types[] = {{"message/rfc822", 14},
                                        {"text/rfc822", 11},
                                        {"message/partial", 15},
                                        {"message/global", 14},
                                        {"message/header", 14}};
    if (is_type(part, "message/global-delivery-status"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (view_starts_with(part->type, types[i]))
            return true;
    return false;
}

// Some systems put the mail behind a boundary without saying what it is: its own header then stands
// where the part's should.
static bool is_bare_original(const struct mail_part *part) {
    struct mail_field field;
    struct view rest = part->header;
    if (part->depth == 0)
        return false;
    while (mail_field_take(&rest, &field))
        if (view_equals_nocase(field.name, VIEW("Return-Path")) ||
            view_equals_nocase(field.name, VIEW("Received")) ||
            view_equals_nocase(field.name, VIEW("Message-ID")))
            return true;
    return false;
}

static struct view whole_part(const struct mail_part *part) {
    return view_from(part->header.ptr, part->header.len + part->body.len);
}

static void take_original(struct reader_report *report, struct view original) {
    if (report->original.len == 0)
        report->original = original;
}

static bool is_status(const struct mail_part *part) {
    return is_type(part, "message/delivery-status") ||
           is_type(part, "message/global-delivery-status");
}

static bool holds_header(struct view text) {
    struct mail_field field;
    struct view rest = text;
    return mail_field_take(&rest, &field) && field.name.ptr == text.ptr &&
           view_find(text, VIEW("\nFrom:")) < text.len;
}

static void add_text(struct buffer *text, struct view part) {
    if (text->len)
        buffer_append_view(text, VIEW("\n\n"));
    buffer_append_view(text, part);
}

static void take_text(struct reader_report *report, const struct mail_part *part,
                      struct buffer *text) {
    struct view bytes = mail_part_text(part, READER_TEXT_BYTES_MAX / 2, report->arena);
    if (part->is_attachment && holds_header(bytes))
        take_original(report, bytes);
    else
        add_text(text, bytes);
}

static void take_part(struct reader_report *report, const struct mail_part *part,
                      struct buffer *text, struct buffer *html) {
    enum { STATUS_BYTES_MAX = 1 << 20 };
    if (is_status(part) && report->delivery_status.len == 0)
        report->delivery_status = mail_part_text(part, STATUS_BYTES_MAX, report->arena);
    else if (is_type(part, "message/feedback-report"))
        report->feedback = mail_part_text(part, STATUS_BYTES_MAX, report->arena);
    else if (is_original(part))
        take_original(report, part->encoding.len
                                  ? mail_part_text(part, READER_TEXT_BYTES_MAX, report->arena)
                                  : part->body);
    else if (is_bare_original(part))
        take_original(report, whole_part(part));
    else if (is_type(part, "text/html"))
        add_text(html, mail_part_text(part, READER_TEXT_BYTES_MAX / 2, report->arena));
    else if (view_starts_with(part->type, VIEW("text/")) && report->original.len == 0)
        take_text(report, part, text);
}

static void take_parts(struct reader_report *report) {
    struct buffer text, html;
    buffer_init(&text, READER_TEXT_BYTES_MAX);
    buffer_init(&html, READER_TEXT_BYTES_MAX);
    for (size_t i = 0; i < report->parts.n; i++)
        if (!view_starts_with(report->parts.parts[i].type, VIEW("multipart/")))
            take_part(report, &report->parts.parts[i], &text, &html);
    report->text = arena_copy(report->arena, buffer_view(&text));
    if (view_trim(report->text).len == 0)
        report->text = reader_html_text(buffer_view(&html), report->arena);
    buffer_finish(&text);
    buffer_finish(&html);
}

// What the reporting system wrote ends where the returned mail begins.
static void cut_text(struct reader_report *report) {
    size_t original_at = 0, end = reader_original_find(report->text, &original_at);
    take_original(report, view_skip(report->text, original_at));
    report->text = view_take(report->text, end);
}

// --- What kind of mail it is ---------------------------------------------------------------------
static bool is_from_daemon(const struct reader_head *head) {
    static const struct view names[] = {
        {"mailer-daemon", 13},        {"mailer_daemon", 13}, {"postmaster", 10},
        {"post_master", 11},          {"mail delivery", 13}, {"mail administrator", 18},
        {"delivery system", 15},      {"maildelivery", 12},  {"mail system", 11},
        {"system administrator", 20}, {"mmsc ndr", 8},       {"bounce", 6}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (view_find_nocase(head->from, names[i]) < head->from.len)
            return true;
    return false;
}

static bool has_bounce_subject(struct view subject) {
    static const struct view words[] = {{"undeliver", 9},
                                        {"delivery status", 15},
                                        {"delivery failure", 16},
                                        {"delivery failed", 15},
                                        {"failure notice", 14},
                                        {"returned mail", 13},
                                        {"mail delivery", 13},
                                        {"delivery report", 15},
                                        {"delivery notification", 21},
                                        {"could not be delivered", 22},
                                        {"not delivered", 13},
                                        {"non-delivery", 12},
                                        {"nondeliverable", 14},
                                        {"error sending your mail", 23},
                                        {"mail failure", 12},
                                        {"returning to sender", 19},
                                        {"returning message", 17},
                                        {"delayed", 7},
                                        {"mail system error", 17},
                                        {"email delivery", 14},
                                        {"failed mail to", 14},
                                        {"user unknown", 12},
                                        {"message you sent blocked", 24}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (view_find_nocase(subject, words[i]) < subject.len)
            return true;
    return false;
}

// RFC 5321 4.5.5: notices have no return path.
static bool has_null_path(const struct reader_head *head) {
    return view_equals(head->return_path, VIEW("<>")) ||
           view_find_nocase(head->return_path, VIEW("mailer-daemon")) < head->return_path.len;
}

static bool speaks_as_notice(const struct reader_report *report) {
    static const struct view words[] = {
        {"error message below:", 20},   {"could not be delivered", 22},
        {"wasn't able to deliver", 22}, {"unable to deliver", 17},
        {"undeliverable", 13},          {"did not receive a copy", 22},
        {"no such user here", 17}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (view_find_nocase(report->text, words[i]) < report->text.len)
            return true;
    return false;
}

static bool tells_of_failure(const struct reader_report *report) {
    return has_bounce_subject(report->head.subject) || speaks_as_notice(report);
}

static bool is_notice(const struct reader_report *report) {
    const struct reader_head *head = &report->head;
    return is_from_daemon(head) || has_null_path(head) || head->failed.len ||
           tells_of_failure(report);
}

static bool is_complaint(const struct reader_report *report) {
    return report->feedback.len || report->head.feedback_loop.len ||
           view_equals(report->parts.parts[0].report_type, VIEW("feedback-report")) ||
           view_starts_with_nocase(report->head.subject, VIEW("complaint about message from"));
}

// --- What becomes of the message -----------------------------------------------------------------
static bool text_says_delayed(const struct reader_report *report) {
    static const struct view words[] = {
        {"delayed", 7},           {"not yet been delivered", 22}, {"warning message only", 20},
        {"will be retried", 15},  {"still trying", 12},           {"temporary failure report", 24},
        {"warning: message", 16}, {"will keep trying", 16}};
    struct view places[] = {report->head.subject, report->text};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (size_t k = 0; k < ARRAY_LEN(places); k++)
            if (view_find_nocase(places[k], words[i]) < places[k].len)
                return true;
    return false;
}

static void set_kind(struct reader_report *report) {
    struct reader_reading *reading = report->reading;
    size_t n_failed = 0, n_delayed = 0;
    bool is_delayed = false, is_asked = false;
    for (size_t i = 0; i < reading->n_recipients; i++) {
        struct reader_recipient *recipient = &reading->recipients[i];
        if (recipient->action == READER_ACTION_UNSAID && !is_asked) {
            is_delayed = text_says_delayed(report);
            is_asked = true;
        }
        if (recipient->action == READER_ACTION_UNSAID)
            recipient->action = is_delayed ? READER_ACTION_DELAYED : READER_ACTION_FAILED;
        n_failed += recipient->action == READER_ACTION_FAILED;
        n_delayed += recipient->action == READER_ACTION_DELAYED;
    }
    reading->kind = n_failed ? READER_BOUNCE : n_delayed ? READER_DELAY : READER_OTHER;
}

// "To: user@example.org" in the text, where no more of the mail is given back.
static struct view quoted_to(struct view text) {
    struct view rest = text, line;
    while (view_split(&rest, '\n', &line)) {
        line = view_trim(line);
        struct view address = view_starts_with_nocase(line, VIEW("To:"))
                                  ? mail_address_find(view_skip(line, 3))
                                  : VIEW_NONE;
        if (address.len)
            return address;
    }
    return VIEW_NONE;
}

// A notice that names nobody is about whom the mail was for.
static void add_from_original(struct reader_report *report) {
    struct view address = mail_address_find(report->original_to);
    if (address.len == 0)
        address = quoted_to(report->text);
    if (report->reading->n_recipients > 0 || address.len == 0)
        return;
    struct reader_recipient *recipient = reader_recipient_add(report);
    if (recipient)
        recipient->address = address;
}

// A program, or no address at all: the one that the header names was meant.
static void put_addresses_right(struct reader_report *report) {
    struct reader_reading *reading = report->reading;
    struct view listed = reader_address_clean(report->head.failed);
    for (size_t i = 0; i < reading->n_recipients; i++) {
        struct reader_recipient *recipient = &reading->recipients[i];
        bool is_address = view_find_char(recipient->address, '@') < recipient->address.len &&
                          recipient->address.ptr[0] != '|';
        if (is_address || listed.len == 0 || reading->n_recipients > 1)
            continue;
        recipient->original = recipient->address;
        recipient->address = listed;
    }
}

static void set_times(struct reader_report *report) {
    struct reader_reading *reading = report->reading;
    for (size_t i = 0; i < reading->n_recipients; i++) {
        struct reader_recipient *recipient = &reading->recipients[i];
        if (recipient->last_attempt_ms == 0)
            recipient->last_attempt_ms = report->head.at_ms;
        recipient->words.fact.at_ms = recipient->last_attempt_ms;
    }
}

// --- The whole -----------------------------------------------------------------------------------
static void read_bounce(struct reader_report *report) {
    bool has_fields =
        report->delivery_status.len && reader_status_read(report, report->delivery_status);
    put_addresses_right(report);
    reader_original_read(report);
    if (!has_fields && !is_notice(report))
        return;
    // "Technical report": the fields stand in the text itself.
    if (!has_fields &&
        view_find_nocase(report->text, VIEW("\nFinal-Recipient:")) < report->text.len)
        (void)reader_status_read(report, report->text);
    reader_notice_read(report);
    if (report->reading->n_recipients == 0)
        add_from_original(report);
    if (report->reading->n_recipients && report->reading->recipients[0].words.text.len == 0)
        reader_notice_read(report);
    set_kind(report);
    set_times(report);
}

static void read_auto_reply(struct reader_report *report) {
    struct reader_recipient *recipient = reader_recipient_add(report);
    report->reading->kind = READER_AUTO_REPLY;
    if (!recipient)
        return;
    recipient->address = mail_address_find(report->head.from);
    recipient->words.fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    recipient->last_attempt_ms = report->head.at_ms;
    reader_original_read(report);
}

static void read_report(struct reader_report *report) {
    if (is_complaint(report)) {
        report->reading->kind = READER_FEEDBACK;
        reader_original_read(report);
        reader_feedback_read(report);
        return;
    }
    if (reader_notification_read(report, report->text))
        return;
    bool is_daemon = is_from_daemon(&report->head) || report->head.failed.len;
    if (report->delivery_status.len == 0 && !is_daemon &&
        reader_is_auto_reply(report, tells_of_failure(report))) {
        read_auto_reply(report);
        return;
    }
    cut_text(report);
    read_bounce(report);
}

static void skip_mailbox_line(struct view *message) {
    while (view_starts_with(*message, VIEW("From ")) || view_starts_with(*message, VIEW(">From ")))
        *message = view_skip(*message, view_find_char(*message, '\n') + 1);
}

// Sent by a mail system, not by a person who forwards what one sent.
static bool is_systems_own(const struct reader_report *report) {
    return is_from_daemon(&report->head) || has_null_path(&report->head) ||
           report->head.failed.len || report->delivery_status.len || report->feedback.len;
}

// A gateway puts a report unchanged into a mail that has its header and says nothing.
static bool is_envelope(const struct reader_report *report) {
    return report->head.failed.len == 0 && report->delivery_status.len == 0 &&
           report->feedback.len == 0 && view_trim(report->text).len == 0;
}

static bool is_answer(const struct reader_reading *reading) {
    return reading->kind == READER_BOUNCE || reading->kind == READER_DELAY ||
           reading->kind == READER_FEEDBACK;
}

static struct reader_report *open_report(struct view message, struct arena *arena,
                                         struct reader_reading *reading) {
    struct reader_report *report = arena_alloc(arena, sizeof(*report));
    if (!report)
        return NULL;
    skip_mailbox_line(&message);
    *report = (struct reader_report){.arena = arena, .reading = reading};
    reader_head_read(view_take(message, mail_header_len(message)), arena, &report->head);
    mail_parts_read(message, arena, &report->parts);
    take_parts(report);
    return report;
}

void reader_mail_read(struct view message, struct arena *arena, struct reader_reading *reading) {
    struct reader_report *reports[ENCLOSED_MAX + 1];
    size_t n = 0;
    *reading = (struct reader_reading){.kind = READER_OTHER};
    message = with_line_ends(message, arena);
    while (n < ARRAY_LEN(reports) && (reports[n] = open_report(message, arena, reading)) != NULL) {
        message = reports[n++]->original;
        bool is_last = is_systems_own(reports[n - 1]) && !is_envelope(reports[n - 1]);
        if (is_last || message.len == 0)
            break;
    }
    // What somebody forwarded counts before what he wrote about it.
    while (n > 0 && !is_answer(reading)) {
        *reading = (struct reader_reading){.kind = READER_OTHER};
        read_report(reports[--n]);
    }
}
