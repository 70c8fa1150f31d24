// SPDX-License-Identifier: Apache-2.0
// Verdicts for people: on a terminal of 100 columns, and as a letter to the other side. Everything
// passes append_printable, so nothing that a peer said reaches a terminal as a command.
#include "catalog/catalog_internal.h"

#include "base/units.h"

enum { TERMINAL_COLUMNS = 100, LETTER_COLUMNS = 72 };

// A paragraph being written: words are put behind one another until the line is full.
struct paragraph {
    struct buffer *out;
    size_t columns, indent, at;
};

static size_t columns_of(struct view word) {
    size_t n = 0;
    for (size_t i = 0; i < word.len; i++)
        n += ((unsigned char)word.ptr[i] & 0xc0) != 0x80; // continuation bytes take no room
    return n;
}

static void put_blanks(struct buffer *out, size_t count) {
    while (count--)
        buffer_append_char(out, ' ');
}

enum { LABEL_AT = 2, TEXT_AT = 14 };

// A label in front of the first line; all lines of the text begin at `indent`.
static struct paragraph paragraph_begin(struct buffer *out, size_t columns, size_t indent,
                                        struct view label) {
    size_t at = label.len ? LABEL_AT + label.len : 0;
    put_blanks(out, label.len ? LABEL_AT : 0);
    buffer_append_view(out, label);
    put_blanks(out, indent > at ? indent - at : label.len > 0);
    return (struct paragraph){out, columns, indent, indent};
}

static void put_word(struct paragraph *paragraph, struct view word) {
    size_t width = columns_of(word);
    bool starts_line = paragraph->at == paragraph->indent;
    if (!starts_line && paragraph->at + 1 + width > paragraph->columns) {
        buffer_append_char(paragraph->out, '\n');
        put_blanks(paragraph->out, paragraph->indent);
        paragraph->at = paragraph->indent;
        starts_line = true;
    }
    if (!starts_line)
        buffer_append_char(paragraph->out, ' ');
    buffer_append_view(paragraph->out, word);
    paragraph->at += width + !starts_line;
}

static void put_text(struct paragraph *paragraph, struct view text) {
    struct buffer shown;
    struct view rest, word;
    buffer_init(&shown, 16 * FACT_TEXT_BYTES_MAX);
    append_printable(&shown, text);
    rest = buffer_view(&shown);
    while (view_split(&rest, ' ', &word))
        if (word.len)
            put_word(paragraph, word);
    buffer_finish(&shown);
}

static void paragraph_end(struct paragraph *paragraph) {
    buffer_append_char(paragraph->out, '\n');
}

static void put_paragraph(struct buffer *out, size_t columns, struct view label, struct view text) {
    struct paragraph paragraph = paragraph_begin(out, columns, TEXT_AT, label);
    put_text(&paragraph, text);
    paragraph_end(&paragraph);
}

static void put_indented(struct buffer *out, size_t columns, size_t indent, struct view text) {
    struct paragraph paragraph = paragraph_begin(out, columns, indent, VIEW_NONE);
    put_text(&paragraph, text);
    paragraph_end(&paragraph);
}

// --- For a terminal ----------------------------------------------------------------------------
static void put_line(struct buffer *out, struct view label, struct view text) {
    put_paragraph(out, TERMINAL_COLUMNS, label, text);
}

static void put_lines(struct buffer *out, struct view label, const struct view *lines,
                      size_t count) {
    for (size_t i = 0; i < count; i++)
        put_line(out, i ? VIEW_NONE : label, lines[i]);
}

static void put_code_line(const struct verdict *verdict, struct buffer *out) {
    append_printable(out, verdict->code);
    if (verdict->code_is_ours)
        buffer_append_view(out, VIEW(" [postrider]"));
    buffer_append_char(out, ' ');
    buffer_append_view(out, cause_info(verdict->cause)->title);
    buffer_append_view(out, VIEW(" (RFC 3463: "));
    append_printable(out, verdict->enhanced);
    buffer_append_view(out, VIEW(")\n"));
}

static struct view whose_part(enum blame blame) {
    static const struct view words[BLAME_COUNT] = {
        [BLAME_UNKNOWN] = TEXT("not known yet"),
        [BLAME_LOCAL] = TEXT("ours: this machine or its network"),
        [BLAME_SENDER] = TEXT("ours as the sender: identity, rate or content"),
        [BLAME_PATH] = TEXT("the way between: network or firewall"),
        [BLAME_DESTINATION] = TEXT("theirs: the receiving side's servers or DNS"),
        [BLAME_RECIPIENT] = TEXT("the recipient's address or mailbox"),
        [BLAME_POLICY] = TEXT("a rule: a demand of ours or of the receiver"),
        [BLAME_NOBODY] = TEXT("nobody's"),
    };
    return words[blame];
}

static struct view how_sure(double confidence) {
    if (confidence >= 0.9)
        return VIEW("sure");
    if (confidence >= 0.75)
        return VIEW("very likely");
    return confidence >= 0.6 ? VIEW("likely")
           : confidence > 0  ? VIEW("weak evidence")
                             : VIEW("not known");
}

static int percent(double confidence) {
    return (int)(confidence * 100 + 0.5);
}

static void put_fault(const struct verdict *verdict, struct buffer *out) {
    struct buffer line;
    buffer_init(&line, 256);
    buffer_printf(&line, "%.*s (%.*s, %d %%)", VIEW_ARG(whose_part(verdict->blame)),
                  VIEW_ARG(how_sure(verdict->confidence)), percent(verdict->confidence));
    put_line(out, VIEW("Whose fault"), buffer_view(&line));
    buffer_finish(&line);
}

static void put_candidates(const struct verdict *verdict, struct buffer *out) {
    enum { PERCENT_COLUMNS = 5 };
    struct buffer line;
    buffer_init(&line, 1024);
    for (size_t i = 0; i < verdict->n_candidates; i++) {
        const struct candidate *candidate = &verdict->candidates[i];
        const struct cause_info *info = cause_info(candidate->cause);
        buffer_clear(&line);
        buffer_printf(&line, "%2d %% %.*s (%.*s)", percent(candidate->confidence),
                      VIEW_ARG(info->title), VIEW_ARG(info->id));
        put_line(out, i ? VIEW_NONE : VIEW("Could be"), buffer_view(&line));
        buffer_clear(&line);
        buffer_printf(&line, "What decides: %.*s", VIEW_ARG(candidate->decide_by));
        put_indented(out, TERMINAL_COLUMNS, TEXT_AT + PERCENT_COLUMNS, buffer_view(&line));
    }
    buffer_finish(&line);
}

static struct view actor_words(enum remedy_who who) {
    static const struct view words[] = {
        [REMEDY_SENDING_SIDE] = TEXT("Sender:"),
        [REMEDY_RECEIVING_SIDE] = TEXT("Receiver:"),
        [REMEDY_NETWORK] = TEXT("Network:"),
        [REMEDY_DNS_OWNER] = TEXT("DNS owner:"),
    };
    return words[who];
}

static void put_remedies(const struct verdict *verdict, struct buffer *out) {
    enum { STEP_AT = TEXT_AT + 3 };
    for (size_t i = 0; i < verdict->n_remedies; i++) {
        const struct remedy *remedy = &verdict->remedies[i];
        struct paragraph paragraph =
            paragraph_begin(out, TERMINAL_COLUMNS, TEXT_AT, i ? VIEW_NONE : VIEW("What to do"));
        buffer_printf(out, "%zu. ", (i + 1) % 10);
        paragraph.indent = paragraph.at = STEP_AT;
        put_text(&paragraph, actor_words(remedy->who));
        put_text(&paragraph, remedy->what);
        paragraph_end(&paragraph);
        if (remedy->verify.len == 0)
            continue;
        paragraph = paragraph_begin(out, TERMINAL_COLUMNS, STEP_AT, VIEW_NONE);
        put_text(&paragraph, VIEW("Check:"));
        put_text(&paragraph, remedy->verify);
        paragraph_end(&paragraph);
    }
}

static void put_caller(const struct verdict *verdict, struct buffer *out) {
    struct buffer line;
    char source[ADDRESS_TEXT_SIZE] = "our address";
    if (verdict->source.family == ADDRESS_NONE && verdict->helo.len == 0)
        return;
    if (verdict->source.family != ADDRESS_NONE)
        address_format(&verdict->source, source, sizeof(source));
    buffer_init(&line, 1024);
    buffer_printf(&line, "%s%s%.*s", source, verdict->helo.len ? " as " : "",
                  VIEW_ARG(verdict->helo));
    put_line(out, VIEW("Called from"), buffer_view(&line));
    buffer_finish(&line);
}

void verdict_write_text(const struct verdict *verdict, struct buffer *out) {
    put_code_line(verdict, out);
    put_indented(out, TERMINAL_COLUMNS, LABEL_AT, verdict->summary);
    buffer_append_char(out, '\n');
    if (verdict->outcome != OUTCOME_DELIVERED) {
        put_line(out, VIEW("Meaning"), cause_info(verdict->cause)->meaning);
        put_fault(verdict, out);
    }
    put_lines(out, VIEW("Evidence"), verdict->evidence, verdict->n_evidence);
    put_caller(verdict, out);
    put_lines(out, VIEW("Ruled out"), verdict->ruled_out, verdict->n_ruled_out);
    put_candidates(verdict, out);
    for (size_t i = 0; i < verdict->n_warnings; i++)
        put_line(out, i ? VIEW_NONE : VIEW("Warning"), verdict->warnings[i].summary);
    put_remedies(verdict, out);
}

void cause_write_text(enum cause cause, struct buffer *out) {
    const struct cause_info *info = cause_info(cause);
    struct verdict verdict = {.cause = cause, .outcome = OUTCOME_UNKNOWN};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    verdict_add_advice(&cast_generic, &arena, &verdict);
    buffer_printf(out, "%.*s: %.*s\n", VIEW_ARG(info->id), VIEW_ARG(info->title));
    put_indented(out, TERMINAL_COLUMNS, LABEL_AT, info->meaning);
    buffer_append_char(out, '\n');
    put_line(out, VIEW("Code"), info->family_code.len ? info->family_code : info->enhanced);
    put_line(out, VIEW("Whose fault"), whose_part(info->blame));
    put_line(out, VIEW("Proved by"), info->proved_by);
    put_line(out, VIEW("Ruled out"), info->ruled_out_by);
    if (info->note.len)
        put_line(out, VIEW("Mind"), info->note);
    put_candidates(&verdict, out);
    put_remedies(&verdict, out);
    arena_finish(&arena);
}

// --- For the other side ------------------------------------------------------------------------
static bool is_for_them(const struct remedy *remedy) {
    return remedy->who == REMEDY_RECEIVING_SIDE || remedy->who == REMEDY_DNS_OWNER;
}

static struct view their_name(const struct verdict *verdict) {
    if (verdict->server_name.len)
        return verdict->server_name;
    return verdict->domain.len ? verdict->domain : VIEW("your mail system");
}

static void letter_line(struct buffer *out, const char *label, struct view text) {
    if (text.len)
        put_paragraph(out, LETTER_COLUMNS, view_of(label), text);
}

static void letter_text(struct buffer *out, struct view text) {
    put_indented(out, LETTER_COLUMNS, 0, text);
    buffer_append_char(out, '\n');
}

static void letter_places(const struct verdict *verdict, struct buffer *out) {
    char time[UNITS_TIME_SIZE], address[ADDRESS_TEXT_SIZE];
    size_t len = units_format_time(verdict->at_ms, time, sizeof(time));
    if (verdict->at_ms)
        letter_line(out, "Time", view_from(time, len));
    if (verdict->source.family != ADDRESS_NONE) {
        len = address_format(&verdict->source, address, sizeof(address));
        letter_line(out, "From", view_from(address, len));
    }
    letter_line(out, "EHLO name", verdict->helo);
    letter_line(out, "To host", verdict->server_name);
    if (verdict->server.family != ADDRESS_NONE) {
        len = address_format_port(&verdict->server, address, sizeof(address));
        letter_line(out, "To address", view_from(address, len));
    }
    letter_line(out, "Domain", verdict->domain);
}

static void letter_facts(const struct verdict *verdict, struct buffer *out) {
    letter_line(out, "Step", fact_stage_word(verdict->stage));
    for (size_t i = 0; i < verdict->n_evidence; i++)
        letter_line(out, i ? "" : "Seen", verdict->evidence[i]);
    for (size_t i = 0; i < verdict->n_ruled_out; i++)
        letter_line(out, i ? "" : "Ruled out", verdict->ruled_out[i]);
    buffer_append_char(out, '\n');
}

static void letter_requests(const struct verdict *verdict, struct buffer *out) {
    for (size_t i = 0; i < verdict->n_remedies; i++) {
        if (!is_for_them(&verdict->remedies[i]))
            continue;
        struct paragraph paragraph = {out, LETTER_COLUMNS, 4, 4};
        buffer_append_view(out, VIEW("  - "));
        put_text(&paragraph, verdict->remedies[i].what);
        paragraph_end(&paragraph);
    }
    buffer_append_char(out, '\n');
}

static void letter_head(const struct verdict *verdict, struct buffer *out) {
    buffer_append_view(out, VIEW("Subject: Mail from us to "));
    append_printable(out, their_name(verdict));
    buffer_append_view(out, VIEW(" fails: "));
    buffer_append_view(out, cause_info(verdict->cause)->title);
    buffer_append_view(out, VIEW("\n\nTo the administrators of "));
    append_printable(out, their_name(verdict));
    buffer_append_view(out, VIEW("\n\n"));
}

bool verdict_write_letter(const struct verdict *verdict, struct buffer *out) {
    size_t n = 0;
    for (size_t i = 0; i < verdict->n_remedies; i++)
        n += is_for_them(&verdict->remedies[i]);
    if (n == 0 || verdict->outcome == OUTCOME_DELIVERED)
        return false;
    letter_head(verdict, out);
    letter_text(out, VIEW("Mail from our server to yours does not get through. This is what we "
                          "see from our side:"));
    letter_text(out, cause_info(verdict->cause)->meaning);
    letter_places(verdict, out);
    letter_facts(verdict, out);
    letter_text(out, verdict->confidence < 0.6
                         ? VIEW("This does not prove where the fault lies. Please help us to find "
                                "it:")
                         : VIEW("Please help us:"));
    letter_requests(verdict, out);
    letter_text(out, VIEW("We go on trying and can repeat the test at any time that you name. "
                          "Thank you."));
    return !out->overflow;
}
