// SPDX-License-Identifier: Apache-2.0
// The part of a report that is written for people. Where the report has fields for programs too,
// this text adds what they leave out (the whole reply, the command that it answered); elsewhere it
// is all there is. Nothing here knows one mail system by name: they differ in where the address
// stands and in whether the reason follows it, comes before it, or is quoted as a session.
#include "readers/notice.h"
#include "readers/words.h"
#include "smtp/smtp.h"

// Paragraphs are asked about for each recipient and once more for all of them: what they say is
// kept.
enum { MEMORY_MAX = 16 };

struct memory {
    struct view paragraph;
    bool is_known;
    struct reader_words words;
};

struct notice {
    struct reader_report *report;
    struct view text;
    struct mention *mentions;
    size_t n_mentions;
    struct exchange exchanges[EXCHANGES_MAX];
    size_t n_exchanges;
    struct memory memory[MEMORY_MAX];
    size_t n_read; // paragraphs so far; the oldest are forgotten
};

// --- Choosing the recipients ---------------------------------------------------------------------
// The sender gets the notice: his address in it is no recipient, unless there is no other.
static bool is_sender(const struct notice *notice, struct view address) {
    return view_equals_nocase(mail_address_find(notice->report->head.to), address);
}

static enum mention_shape best_shape(const struct notice *notice, bool with_sender) {
    enum mention_shape best = MENTION_NONE;
    for (size_t i = 0; i < notice->n_mentions; i++) {
        const struct mention *mention = &notice->mentions[i];
        enum mention_shape shape = mention->shape;
        if (shape > best && (with_sender || !is_sender(notice, mention->address)))
            best = shape;
    }
    return best;
}

// A sentence about somebody who is listed too tells the reason.
static bool is_chosen(const struct notice *notice, enum mention_shape least, struct view address) {
    for (size_t i = 0; i < notice->n_mentions; i++)
        if (notice->mentions[i].shape >= least &&
            view_equals_nocase(notice->mentions[i].address, address))
            return true;
    return false;
}

static void keep_mentions(struct notice *notice, enum mention_shape least, bool with_sender) {
    size_t n = 0;
    for (size_t i = 0; i < notice->n_mentions; i++) {
        const struct mention *mention = &notice->mentions[i];
        bool is_listed = mention->shape >= least || is_chosen(notice, least, mention->address);
        if (is_listed && (with_sender || !is_sender(notice, mention->address)))
            notice->mentions[n++] = *mention;
    }
    notice->n_mentions = n;
}

// Addresses that other parts of the report name are the recipients; then only they count.
static void keep_known(struct notice *notice) {
    size_t n = 0;
    for (size_t i = 0; i < notice->n_mentions; i++)
        if (reader_recipient_find(notice->report, notice->mentions[i].address))
            notice->mentions[n++] = notice->mentions[i];
    notice->n_mentions = n;
}

static void add_listed(struct reader_report *report) {
    struct view part, list = report->head.failed;
    while (view_split(&list, ',', &part)) {
        struct view address = reader_address_clean(part);
        if (address.len == 0 || reader_recipient_find(report, address))
            continue;
        struct reader_recipient *recipient = reader_recipient_add(report);
        if (recipient)
            recipient->address = address;
    }
}

static void choose(struct notice *notice) {
    struct reader_report *report = notice->report;
    if (report->reading->n_recipients == 0)
        add_listed(report);
    if (report->reading->n_recipients > 0) {
        keep_known(notice);
        return;
    }
    // Who writes to himself is listed; a sentence alone does not make him a recipient.
    bool with_sender =
        best_shape(notice, false) == MENTION_NONE && best_shape(notice, true) > MENTION_SENTENCE;
    enum mention_shape best = best_shape(notice, with_sender);
    // A command in a quoted session counts beside a list of addresses, not against it.
    keep_mentions(notice, best > MENTION_SENTENCE ? MENTION_LINE : best, with_sender);
    for (size_t i = 0; i < notice->n_mentions; i++) {
        struct view address = notice->mentions[i].address;
        struct reader_recipient *recipient =
            reader_recipient_find(report, address) ? NULL : reader_recipient_add(report);
        if (recipient)
            recipient->address = address;
    }
}

// --- The reason ----------------------------------------------------------------------------------
static bool is_known(const struct reader_words *words) {
    return words->fact.kind != FACT_KIND_NONE;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

// Blank lines divide a notice; the reason is one of its paragraphs.
static struct view take_paragraph(struct view *rest) {
    size_t blanks = 0, at = 0;
    while (blanks < rest->len && is_blank(rest->ptr[blanks]))
        blanks++;
    *rest = view_skip(*rest, blanks);
    while (at < rest->len) {
        struct view line = view_skip(*rest, at);
        line = view_take(line, view_find_char(line, '\n'));
        if (view_trim(line).len == 0)
            break;
        at += line.len + 1;
    }
    struct view paragraph = view_trim(view_take(*rest, at));
    *rest = view_skip(*rest, at);
    return paragraph;
}

// "*** Message from InterScan VirusWall ***": the name of a product is no reason.
static bool is_title(struct view paragraph) {
    return view_starts_with(paragraph, VIEW("**")) &&
           view_ends_with_nocase(paragraph, VIEW("**")) &&
           view_find_nocase(paragraph, VIEW(" message from ")) < paragraph.len &&
           view_find_char(paragraph, '\n') == paragraph.len;
}

static bool read_paragraph(struct notice *notice, struct view paragraph,
                           struct reader_words *words) {
    for (size_t i = 0; i < size_min(notice->n_read, MEMORY_MAX); i++) {
        const struct memory *memory = &notice->memory[i];
        if (memory->paragraph.ptr == paragraph.ptr && memory->paragraph.len == paragraph.len) {
            *words = memory->words;
            return memory->is_known;
        }
    }
    struct memory *memory = &notice->memory[notice->n_read++ % MEMORY_MAX];
    memory->paragraph = paragraph;
    memory->is_known = reader_words_read(paragraph, &memory->words);
    *words = memory->words;
    return memory->is_known;
}

// The first paragraph with words that mean something; one with a reply before all others.
static bool read_region(struct notice *notice, struct view region, struct reader_words *words) {
    struct view rest = region;
    bool found = false;
    for (int i = 0; i < 64 && rest.len; i++) {
        struct reader_words here;
        struct view paragraph = take_paragraph(&rest);
        if (paragraph.len == 0 || is_title(paragraph) || !read_paragraph(notice, paragraph, &here))
            continue;
        if (!found || (words->code.len == 0 && here.code.len > 0))
            *words = here;
        found = true;
        if (words->code.len)
            break;
    }
    return found;
}

// What closes an address, and the link that mail programs put behind it.
static struct view skip_closing(struct view rest) {
    while (rest.len && strchr(">\"':", rest.ptr[0]))
        rest = view_skip(rest, 1);
    if (view_starts_with(rest, VIEW("<mailto:")))
        rest = view_skip(rest, view_find_char(rest, '>') + 1);
    return view_trim(rest);
}

// From the end of a mention to the next one of another recipient.
static struct view region_of(const struct notice *notice, size_t index) {
    const struct mention *mention = &notice->mentions[index];
    size_t end = notice->text.len;
    for (size_t i = index + 1; i < notice->n_mentions; i++)
        if (!view_equals_nocase(notice->mentions[i].address, mention->address)) {
            end = notice->mentions[i].line_at;
            break;
        }
    return skip_closing(
        view_take(view_skip(notice->text, mention->end), end - size_min(mention->end, end)));
}

// "550 <user@example.org>... User unknown", "User's mailbox is full: <user@example.org>": the
// reason stands on the line of the address, before it.
static struct view line_of(const struct notice *notice, const struct mention *mention) {
    struct view line = view_skip(notice->text, mention->line_at);
    return view_take(line, view_find_char(line, '\n'));
}

// A line above that ends with a colon introduces it: "mx did not like our RCPT TO:".
static struct view with_introduction(const struct notice *notice, struct view line) {
    size_t at = (size_t)(line.ptr - notice->text.ptr);
    if (at < 2)
        return line;
    struct view above = view_take(notice->text, at - 1);
    above = view_skip(above, view_find_last_char(above, '\n') + 1);
    bool introduces = view_ends_with_nocase(view_trim(above), VIEW(":"));
    return introduces ? view_from(above.ptr, line.len + (size_t)(line.ptr - above.ptr)) : line;
}

static bool read_mention(struct notice *notice, size_t index, struct reader_words *words) {
    const struct mention *mention = &notice->mentions[index];
    struct view line = line_of(notice, mention), region = region_of(notice, index);
    bool has_words_before = mention->address.ptr > view_trim(line).ptr + 2;
    if (has_words_before)
        line = with_introduction(notice, line);
    struct view with_line = view_from(line.ptr, (size_t)(region.ptr + region.len - line.ptr));
    if (has_words_before)
        region = with_line;
    if (!read_region(notice, region, words))
        return false;
    // The server may be named in a paragraph before the reply.
    const char *end = region.ptr + region.len;
    bool is_inside = words->text.ptr >= region.ptr && words->text.ptr < end;
    if (is_inside && words->code.len)
        reader_host_find(region, words->code.ptr, words);
    return true;
}

// "<user@example.org>... Deferred: Connection refused by mx": Sendmail's own last word on a
// recipient.
static bool read_last_word(struct notice *notice, size_t index, struct reader_words *words) {
    struct view line = line_of(notice, &notice->mentions[index]);
    struct view rest = view_skip(line, view_find(line, VIEW(">... ")) + 5);
    return rest.len && view_starts_with_nocase(rest, VIEW("Deferred")) &&
           reader_words_read(rest, words);
}

static bool read_mentions(struct notice *notice, const struct reader_recipient *recipient,
                          struct reader_words *words) {
    bool found = false;
    for (size_t i = 0; i < notice->n_mentions; i++) {
        struct reader_words here;
        struct view address = notice->mentions[i].address;
        bool is_mine = view_equals_nocase(address, recipient->address) ||
                       view_equals_nocase(address, recipient->original);
        if (is_mine && read_last_word(notice, i, words))
            return true;
        if (!is_mine || !read_mention(notice, i, &here))
            continue;
        if (!found || (words->code.len == 0 && here.code.len > 0))
            *words = here;
        found = true;
    }
    return found;
}

// What is said to all: the paragraphs before the first address, the nearest first, and without any
// address the whole text.
static bool read_common(struct notice *notice, struct reader_words *words) {
    size_t end = notice->n_mentions ? notice->mentions[0].line_at : notice->text.len;
    struct view rest = view_take(notice->text, end);
    bool found = false;
    for (int i = 0; i < 64 && rest.len; i++) {
        struct reader_words here;
        struct view paragraph = take_paragraph(&rest);
        if (paragraph.len == 0 || is_title(paragraph) || !read_paragraph(notice, paragraph, &here))
            continue;
        if (!found || here.code.len || words->code.len == 0)
            *words = here;
        found = true;
    }
    return found;
}

// A refusal of RCPT is for that recipient; one of another command is for all.
static const struct exchange *exchange_for(const struct notice *notice,
                                           const struct reader_recipient *recipient) {
    for (size_t i = 0; i < notice->n_exchanges; i++) {
        struct view address = notice->exchanges[i].address;
        if (address.len && (view_equals_nocase(address, recipient->address) ||
                            view_equals_nocase(address, recipient->original)))
            return &notice->exchanges[i];
    }
    return NULL;
}

static const struct exchange *common_exchange(const struct notice *notice) {
    for (size_t i = notice->n_exchanges; i > 0; i--)
        if (notice->exchanges[i - 1].stage != FACT_STAGE_RCPT)
            return &notice->exchanges[i - 1];
    return NULL;
}

static bool read_exchange(const struct exchange *exchange, struct reader_words *words) {
    if (!exchange || !reader_words_read(exchange->reply, words))
        return false;
    if (exchange->stage != FACT_STAGE_UNKNOWN)
        words->fact.stage = exchange->stage;
    words->host = exchange->host;
    words->peer = (struct address){.family = ADDRESS_NONE};
    return true;
}

// --- Putting it together -------------------------------------------------------------------------
static bool is_general(const struct reader_words *words) {
    return !is_known(words) || reader_cause_is_general(reader_words_cause(words));
}

static bool same_code(const struct reader_words *a, const struct reader_words *b) {
    return a->code.len && view_equals(a->code, b->code);
}

// The same reply with more of its lines.
static bool goes_on(const struct reader_words *old, const struct reader_words *found) {
    struct view head = view_take(old->fact.text, 24);
    return found->fact.text.len > old->fact.text.len && view_starts_with(found->fact.text, head) &&
           !is_general(found);
}

// The fields for programs come first; the text wins where it holds the reply that they leave out,
// all lines of a reply of which they give the first, or a meaning where they have none.
static bool is_better(const struct reader_words *found, const struct reader_words *old) {
    if (!is_known(old))
        return true;
    if (old->code.len == 0 && found->code.len > 0)
        return is_general(old) || reader_words_cause(old) == reader_words_cause(found);
    if (same_code(old, found))
        return goes_on(old, found) || (is_general(old) && !is_general(found));
    return is_general(old) && !is_general(found);
}

static void merge(struct reader_recipient *recipient, const struct reader_words *found) {
    struct reader_words *words = &recipient->words, old = *words;
    if (is_better(found, &old)) {
        *words = *found;
        if (words->enhanced.len == 0)
            words->enhanced = same_code(&old, found) ? old.enhanced : VIEW_NONE;
        if (recipient->evidence.len == 0 || !same_code(&old, found))
            recipient->evidence = VIEW("text of the notice");
    }
    if (words->fact.stage == FACT_STAGE_UNKNOWN && same_code(&old, words))
        words->fact.stage = old.fact.stage;
    bool same_story =
        !is_known(&old) || same_code(&old, found) || old.fact.kind == found->fact.kind;
    if (words->fact.stage == FACT_STAGE_UNKNOWN && same_story)
        words->fact.stage = found->fact.stage;
    if (old.host.len || old.peer.family != ADDRESS_NONE) {
        words->host = old.host;
        words->peer = old.peer;
    }
    if (words->host.len == 0)
        words->host = found->host;
    if (words->peer.family == ADDRESS_NONE)
        words->peer = found->peer;
}

// The Status field is the reporting system's own reading: it counts where the reply has no code of
// that kind, and alone where there are no words: 4.4.7 is an expiry.
static void judge_status(struct reader_recipient *recipient) {
    struct fact *fact = &recipient->words.fact,
                alone = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_REPLY);
    struct reader_words words = {.fact = alone};
    if (smtp_enhanced_parse(recipient->status, words.fact.enhanced) == 0)
        return;
    if (!is_known(&recipient->words) && !is_general(&words)) {
        *fact = words.fact;
        recipient->evidence = VIEW("Status of the delivery report");
    }
    bool same_class = fact->reply_code == 0 || fact->reply_code / 100 == words.fact.enhanced[0];
    if (fact->kind == FACT_KIND_REPLY && fact->enhanced[0] == 0 && same_class) {
        memcpy(fact->enhanced, words.fact.enhanced, sizeof(fact->enhanced));
        fact->flags |= FACT_FLAG_STATUS_APART;
    }
}

static void complete(struct notice *notice, struct reader_recipient *recipient,
                     const struct reader_words *common) {
    struct reader_words found, session;
    bool has_session = read_exchange(exchange_for(notice, recipient), &session);
    if (has_session)
        merge(recipient, &session);
    if (read_mentions(notice, recipient, &found)) {
        // The session ends its reply where it ended; a paragraph goes on behind it.
        if (has_session && same_code(&session, &found)) {
            session.host = session.host.len ? session.host : found.host;
            session.peer = found.peer;
            found = session;
        }
        merge(recipient, &found);
    }
    if (read_exchange(common_exchange(notice), &found))
        merge(recipient, &found);
    bool is_alone = notice->report->reading->n_recipients == 1;
    if (common && (is_alone || !is_known(&recipient->words)))
        merge(recipient, common);
    judge_status(recipient);
}

static void share_reason(const struct reader_recipient *from, struct reader_recipient *to) {
    bool has_own = to->status.len && !view_equals(from->status, to->status);
    if (!is_known(&to->words) && is_known(&from->words) && !has_own)
        to->words = from->words;
}

void reader_notice_read(struct reader_report *report) {
    struct mention mentions[64];
    struct notice notice = {.report = report, .text = report->text, .mentions = mentions};
    struct reader_words common;
    // A list that is longer than this goes on in the fields for programs, or is cut.
    notice.n_mentions = reader_mentions_find(report->text, mentions, ARRAY_LEN(mentions));
    notice.n_exchanges = reader_exchanges_find(report->text, report->arena, notice.exchanges);
    choose(&notice);
    bool has_common = read_common(&notice, &common);
    struct reader_reading *reading = report->reading;
    for (size_t i = 0; i < reading->n_recipients; i++)
        complete(&notice, &reading->recipients[i], has_common ? &common : NULL);
    // A list of addresses with one reason below it: the last one has it, the others share it.
    for (size_t i = reading->n_recipients; i > 1; i--)
        share_reason(&reading->recipients[i - 1], &reading->recipients[i - 2]);
}
