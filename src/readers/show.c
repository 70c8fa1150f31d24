// SPDX-License-Identifier: Apache-2.0
// A reading for people. A bounce may name fifty recipients that failed in one way: they are told
// once.
#include "readers/show.h"

#include "base/units.h"
#include "mail/mail.h"

// --- Whose turn it is ----------------------------------------------------------------------------
static bool is_for_side(enum remedy_who who, enum reader_side side) {
    return side == READER_SIDE_RECEIVER ? who == REMEDY_RECEIVING_SIDE || who == REMEDY_DNS_OWNER
                                        : who == REMEDY_SENDING_SIDE || who == REMEDY_NETWORK;
}

// Stable: what is for the reader first, each part in its own order.
void reader_order_advice(enum reader_side side, struct verdict *verdict) {
    struct remedy ordered[VERDICT_REMEDIES_MAX];
    size_t n = 0;
    if (side == READER_SIDE_UNSAID)
        return;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < verdict->n_remedies; i++)
            if (is_for_side(verdict->remedies[i].who, side) == (pass == 0))
                ordered[n++] = verdict->remedies[i];
    ASSERT(n == verdict->n_remedies);
    if (n)
        memcpy(verdict->remedies, ordered, n * sizeof(ordered[0]));
}

struct view reader_turn(enum blame blame, enum reader_side side) {
    bool theirs = blame == BLAME_DESTINATION;
    bool ours = blame == BLAME_LOCAL || blame == BLAME_SENDER;
    if (side == READER_SIDE_UNSAID)
        return VIEW_NONE;
    if (blame == BLAME_PATH)
        return VIEW("the way between both sides: look at your own firewall first");
    if (blame == BLAME_RECIPIENT)
        return side == READER_SIDE_SENDER
                   ? VIEW("correct the address or reach the person otherwise")
                   : VIEW("look at this mailbox and its address");
    if (ours || theirs)
        return ours == (side == READER_SIDE_SENDER)
                   ? VIEW("this is yours to put right")
                   : VIEW("the other side must act; send them what is said here");
    return VIEW_NONE;
}

// --- Parts ---------------------------------------------------------------------------------------
static void put_printable(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c == 0x7f)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append_char(out, (char)c);
    }
}

enum { COLUMNS = 100, LABEL_COLUMNS = 14 };

void reader_put_labelled(struct buffer *out, const char *label, struct view text) {
    struct view word;
    size_t at = LABEL_COLUMNS;
    if (text.len == 0)
        return;
    buffer_printf(out, "  %-12s", label);
    while (view_split(&text, ' ', &word)) {
        bool starts_line = at == LABEL_COLUMNS;
        if (!starts_line && at + 1 + word.len > COLUMNS) {
            buffer_printf(out, "\n%*s", LABEL_COLUMNS, "");
            at = LABEL_COLUMNS;
            starts_line = true;
        }
        if (!starts_line)
            buffer_append_char(out, ' ');
        put_printable(out, word);
        at += word.len + !starts_line;
    }
    buffer_append_char(out, '\n');
}

void reader_put_time(struct buffer *out, const char *label, int64_t at_ms) {
    char text[UNITS_TIME_SIZE];
    if (at_ms == 0)
        return;
    size_t len = units_format_time(at_ms, text, sizeof(text));
    reader_put_labelled(out, label, view_from(text, len));
}

void reader_put_verdict(const struct reader_recipient *recipient, const struct reader_show *show,
                        struct buffer *out) {
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    reader_verdict(recipient, &arena, &verdict);
    reader_order_advice(show->side, &verdict);
    verdict_write_text(&verdict, out);
    reader_put_labelled(out, "Mind", cause_info(verdict.cause)->note);
    reader_put_labelled(out, "For you", reader_turn(verdict.blame, show->side));
    if (show->letter) {
        buffer_append_char(out, '\n');
        (void)verdict_write_letter(&verdict, out);
    }
    arena_finish(&arena);
}

// --- Recipients ----------------------------------------------------------------------------------
static bool same_story(const struct reader_recipient *a, const struct reader_recipient *b) {
    return a->action == b->action && view_equals(a->words.code, b->words.code) &&
           view_equals(reader_reported_enhanced(a), reader_reported_enhanced(b)) &&
           view_equals_nocase(a->words.host, b->words.host) &&
           address_equals(&a->words.peer, &b->words.peer) &&
           reader_words_cause(&a->words) == reader_words_cause(&b->words);
}

static void put_recipient(const struct reader_recipient *recipient, struct buffer *out) {
    put_printable(out, recipient->address.len ? recipient->address : VIEW("(no address)"));
    if (recipient->original.len) {
        buffer_append_view(out, VIEW(" (written to "));
        put_printable(out, recipient->original);
        buffer_append_char(out, ')');
    }
}

static void put_reported(const struct reader_recipient *recipient, struct buffer *out) {
    struct view action = reader_action_word(recipient->action);
    struct view enhanced = reader_reported_enhanced(recipient);
    buffer_printf(out, ": %.*s", VIEW_ARG(action.len ? action : VIEW("no action told")));
    if (recipient->words.code.len || enhanced.len)
        buffer_printf(out, ", reported as %.*s%s%.*s", VIEW_ARG(recipient->words.code),
                      recipient->words.code.len && enhanced.len ? " " : "", VIEW_ARG(enhanced));
    buffer_append_char(out, '\n');
}

static void put_story(const struct reader_reading *reading, size_t first,
                      const struct reader_show *show, struct buffer *out) {
    enum { NAMED_MAX = 20 };
    const struct reader_recipient *recipient = &reading->recipients[first];
    size_t n_more = 0, n = 0;
    buffer_append_char(out, '\n');
    for (size_t i = first; i < reading->n_recipients; i++) {
        if (!same_story(recipient, &reading->recipients[i]))
            continue;
        if (++n > NAMED_MAX) {
            n_more++;
            continue;
        }
        buffer_append_view(out, n > 1 ? VIEW(", ") : VIEW(""));
        put_recipient(&reading->recipients[i], out);
    }
    if (n_more)
        buffer_printf(out, " and %zu more", n_more);
    put_reported(recipient, out);
    reader_put_verdict(recipient, show, out);
    reader_put_time(out, "Last try", recipient->last_attempt_ms);
    reader_put_time(out, "Tried until", recipient->retry_until_ms);
    if (show->sisimai_names)
        reader_put_labelled(out, "Sisimai", reader_sisimai_name(reading, recipient));
}

static bool was_told(const struct reader_reading *reading, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (same_story(&reading->recipients[i], &reading->recipients[index]))
            return true;
    return false;
}

static struct view kind_sentence(enum reader_kind kind) {
    switch (kind) {
    case READER_BOUNCE: return VIEW("a bounce: mail that went back");
    case READER_DELAY: return VIEW("a delay notice: the mail is still being tried");
    case READER_AUTO_REPLY: return VIEW("an automatic answer: the mail has arrived");
    case READER_FEEDBACK: return VIEW("a complaint or report about mail that was delivered");
    default: return VIEW("nothing about a failed delivery");
    }
}

static void put_head(const struct reader_reading *reading, const struct reader_show *show,
                     struct buffer *out) {
    if (show->file.len) {
        put_printable(out, show->file);
        buffer_append_view(out, VIEW(": "));
    }
    buffer_append_view(out, kind_sentence(reading->kind));
    buffer_append_char(out, '\n');
    reader_put_labelled(out, "Written by", reading->reporting_server);
    reader_put_labelled(out, "About", reading->message_id);
    reader_put_labelled(out, "Subject", reading->subject);
    reader_put_labelled(out, "From", reading->sender);
    if (reading->n_recipients)
        reader_put_time(out, "Since", reading->recipients[0].first_attempt_ms);
}

static void put_line_reading(const struct reader_reading *reading, const struct reader_show *show,
                             struct buffer *out) {
    const struct reader_recipient *recipient = &reading->recipients[0];
    reader_put_verdict(recipient, show, out);
    reader_put_labelled(out, "Recipient", recipient->address);
    reader_put_time(out, "Last try", recipient->last_attempt_ms);
    if (recipient->words.is_suppression)
        reader_put_labelled(out, "Mind",
                            VIEW("nothing was tried at this moment: it repeats an "
                                 "earlier failure"));
    if (show->sisimai_names)
        reader_put_labelled(out, "Sisimai", reader_sisimai_name(reading, recipient));
}

void reader_write_text(const struct reader_reading *reading, const struct reader_show *show,
                       struct buffer *out) {
    if (reading->kind == READER_LINE && reading->n_recipients) {
        put_line_reading(reading, show, out);
        return;
    }
    put_head(reading, show, out);
    bool has_failures = reading->kind == READER_BOUNCE || reading->kind == READER_DELAY;
    for (size_t i = 0; i < reading->n_recipients; i++) {
        if (has_failures && !was_told(reading, i))
            put_story(reading, i, show, out);
        else if (!has_failures)
            reader_put_labelled(out, "Recipient", reading->recipients[i].address);
    }
    if (reading->is_cut)
        buffer_append_view(out, VIEW("  There are more recipients than are shown.\n"));
}
