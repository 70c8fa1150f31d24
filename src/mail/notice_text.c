// SPDX-License-Identifier: Apache-2.0
// The part of a notice that its reader sees first, so it says in this order: what happened, to
// whom, why and what to do, which message it is about, and who can help.
#include "mail/notice.h"
#include "mail/write.h"

#include "base/units.h"

enum {
    SENTENCE_BYTES_MAX = 4096,
    FACT_BYTES_MAX = 300,
    HEADER_ARENA_BYTES_MAX = 1 << 20,
    INDENT_RECIPIENT = 2,
    INDENT_REASON = 4,
    INDENT_REPLY = 6
};

static void put_paragraph(struct buffer *out, size_t indent, struct view text) {
    if (view_is_empty(view_trim(text)))
        return;
    mail_put_wrapped(out, indent, 0, text);
    buffer_append_view(out, VIEW("\r\n"));
}

static struct view date_text(int64_t wall_ms, char date[UNITS_TIME_SIZE]) {
    return view_from(date, units_format_mail_date(wall_ms, date, UNITS_TIME_SIZE));
}

// "Label: value" on one line, values under one another.
static void put_fact(struct buffer *out, size_t indent, const char *label, struct view value) {
    if (value.len == 0)
        return;
    buffer_printf(out, "%*s%-13s ", (int)indent, "", label);
    mail_put_clean(out, view_take(value, FACT_BYTES_MAX));
    buffer_append_view(out, VIEW("\r\n"));
}

// --- What happened ------------------------------------------------------------------------------

// "to bob@example.org", or "to the 3 recipients below".
static void add_whom(struct buffer *sentence, const struct mail_notice *notice) {
    if (notice->n_recipients == 1) {
        buffer_append_view(sentence, VIEW("to "));
        buffer_append_view(sentence, notice->recipients[0].recipient);
    } else {
        buffer_printf(sentence, "to the %zu recipients below", notice->n_recipients);
    }
}

static void put_opening(struct buffer *out, const struct mail_notice *notice) {
    struct buffer sentence;
    buffer_init(&sentence, SENTENCE_BYTES_MAX);
    buffer_append_view(&sentence, VIEW("Your message "));
    add_whom(&sentence, notice);
    switch (notice->kind) {
    case MAIL_NOTICE_FAILED:
        buffer_append_view(&sentence,
                           VIEW(" was not delivered, and no further attempt will be made."));
        break;
    case MAIL_NOTICE_DELAYED:
        buffer_append_view(&sentence, VIEW(" has not been delivered yet. We are still trying, so "
                                           "there is no need to send it again."));
        break;
    case MAIL_NOTICE_HELD:
        buffer_append_view(&sentence, VIEW(" is on hold: the administrators of "));
        buffer_append_view(&sentence, notice->reporting_name);
        buffer_append_view(&sentence, VIEW(" keep it here for now. It is not lost, and there is no "
                                           "need to send it again."));
        break;
    }
    put_paragraph(out, 0, buffer_view(&sentence));
    buffer_finish(&sentence);
}

// --- To whom and why ----------------------------------------------------------------------------

static bool is_same_reason(const struct mail_notice_recipient *a,
                           const struct mail_notice_recipient *b) {
    return view_equals(a->text, b->text) && view_equals(a->status, b->status) &&
           view_equals(a->diagnostic, b->diagnostic) &&
           view_equals(a->remote_name, b->remote_name) &&
           view_equals(a->remote_address, b->remote_address) && view_equals(a->cause, b->cause) &&
           a->last_attempt_ms == b->last_attempt_ms &&
           a->will_retry_until_ms == b->will_retry_until_ms;
}

// Only a reply that a server really gave is shown as its words.
static void put_reply(struct buffer *out, const struct mail_notice_recipient *recipient) {
    struct view name = recipient->remote_name, address = recipient->remote_address;
    struct buffer who;
    if (!view_equals_nocase(recipient->diagnostic_type, VIEW("smtp")) ||
        recipient->diagnostic.len == 0)
        return;
    buffer_init(&who, SENTENCE_BYTES_MAX);
    buffer_append_view(&who, name.len ? name : address.len ? address : VIEW("The other server"));
    if (name.len && address.len)
        buffer_printf(&who, " (%.*s)", VIEW_ARG(view_take(address, 64)));
    buffer_append_view(&who, VIEW(" answered:"));
    mail_put_wrapped(out, INDENT_REASON, 0, buffer_view(&who));
    mail_put_wrapped(out, INDENT_REPLY, 2, recipient->diagnostic);
    buffer_append_view(out, VIEW("\r\n"));
    buffer_finish(&who);
}

static void put_outlook(struct buffer *out, const struct mail_notice *notice,
                        const struct mail_notice_recipient *recipient) {
    char date[UNITS_TIME_SIZE];
    struct buffer sentence;
    if (notice->kind == MAIL_NOTICE_FAILED || recipient->will_retry_until_ms == 0)
        return;
    struct view until = date_text(recipient->will_retry_until_ms, date);
    buffer_init(&sentence, SENTENCE_BYTES_MAX);
    if (notice->kind == MAIL_NOTICE_DELAYED)
        buffer_printf(&sentence,
                      "We keep trying until %.*s. If the message cannot be delivered by then, you "
                      "will get another notice.",
                      VIEW_ARG(until));
    else
        buffer_printf(&sentence, "Unless it is released before, it comes back to you on %.*s.",
                      VIEW_ARG(until));
    put_paragraph(out, INDENT_REASON, buffer_view(&sentence));
    buffer_finish(&sentence);
}

static void put_codes(struct buffer *out, const struct mail_notice_recipient *recipient) {
    char date[UNITS_TIME_SIZE];
    put_fact(out, INDENT_REASON, "Status:", recipient->status);
    put_fact(out, INDENT_REASON, "Cause:", recipient->cause);
    if (recipient->last_attempt_ms)
        put_fact(out, INDENT_REASON, "Last attempt:", date_text(recipient->last_attempt_ms, date));
    buffer_append_view(out, VIEW("\r\n"));
}

// Recipients that stand together and share a reason are told it once.
static size_t put_group(struct buffer *out, const struct mail_notice *notice, size_t first) {
    const struct mail_notice_recipient *recipient = &notice->recipients[first];
    size_t end = first;
    while (end < notice->n_recipients && is_same_reason(recipient, &notice->recipients[end]))
        mail_put_wrapped(out, INDENT_RECIPIENT, 0, notice->recipients[end++].recipient);
    ASSERT(end > first);
    buffer_append_view(out, VIEW("\r\n"));
    if (recipient->text.len)
        put_paragraph(out, INDENT_REASON, recipient->text);
    else if (!view_equals_nocase(recipient->diagnostic_type, VIEW("smtp")))
        put_paragraph(out, INDENT_REASON, recipient->diagnostic);
    put_reply(out, recipient);
    put_outlook(out, notice, recipient);
    put_codes(out, recipient);
    return end;
}

// --- Which message ------------------------------------------------------------------------------

static void put_subject(struct buffer *out, struct view value) {
    struct buffer subject;
    buffer_init(&subject, size_max(2 * value.len, 1));
    if (mail_decode_words(value, &subject)) {
        struct view text = buffer_view(&subject);
        size_t len = 0; // cut between characters
        while (len < text.len && len < FACT_BYTES_MAX - 4)
            len += size_max(view_utf8_len(view_skip(text, len)), 1);
        put_fact(out, INDENT_RECIPIENT, "Subject:", view_trim(view_take(text, len)));
    }
    buffer_finish(&subject);
}

static void put_message(struct buffer *out, const struct mail_notice *notice) {
    char date[UNITS_TIME_SIZE];
    struct arena arena;
    struct view value = VIEW_NONE;
    arena_init(&arena, HEADER_ARENA_BYTES_MAX);
    buffer_append_view(out, VIEW("The message:\r\n\r\n"));
    if (mail_header_find(notice->original_header, VIEW("Subject"), 0, &arena, &value))
        put_subject(out, value);
    if (notice->arrived_ms)
        put_fact(out, INDENT_RECIPIENT, "Accepted:", date_text(notice->arrived_ms, date));
    if (mail_header_find(notice->original_header, VIEW("Message-ID"), 0, &arena, &value))
        put_fact(out, INDENT_RECIPIENT, "Message-ID:", value);
    put_fact(out, INDENT_RECIPIENT, "Queue ID:", notice->original_id);
    buffer_append_view(out, VIEW("\r\n"));
    arena_finish(&arena);
}

// --- Who can help -------------------------------------------------------------------------------

static void put_closing(struct buffer *out, const struct mail_notice *notice) {
    struct buffer sentence;
    buffer_init(&sentence, SENTENCE_BYTES_MAX);
    buffer_append_view(&sentence,
                       VIEW("If you need help, show this whole notice to your mail administrator"));
    if (mail_is_safe_address(notice->from))
        buffer_printf(&sentence, " (%.*s)", VIEW_ARG(notice->from));
    buffer_append_view(&sentence, VIEW(". What follows it holds the same facts for programs"));
    if (notice->original_header.len)
        buffer_append_view(&sentence, VIEW(", and the header of your message"));
    buffer_append_view(&sentence, VIEW("."));
    put_paragraph(out, 0, buffer_view(&sentence));
    buffer_append_view(out, VIEW("-- \r\n"));
    buffer_clear(&sentence);
    buffer_append_view(&sentence, VIEW("The mail relay "));
    buffer_append_view(&sentence, notice->reporting_name);
    mail_put_wrapped(out, 0, 0, buffer_view(&sentence));
    buffer_finish(&sentence);
}

void mail_notice_text_write(const struct mail_notice *notice, struct buffer *out) {
    put_opening(out, notice);
    for (size_t i = 0; i < notice->n_recipients;)
        i = put_group(out, notice, i);
    put_message(out, notice);
    put_closing(out, notice);
}
