// SPDX-License-Identifier: Apache-2.0
// One failure in another system's words. First the reply that a server really gave is looked for:
// quoted, bracketed or inside another reply, the innermost one is what happened. Then the words
// around it say at which step and with whom. What systems say of their own (a connection that
// broke, a name that was not found) is the catalogue's table of reports.
#include "readers/words.h"

#include "smtp/smtp.h"

bool reader_cause_is_general(enum cause cause) {
    static const enum cause general[] = {
        CAUSE_UNKNOWN,       CAUSE_REPLY_REFUSED, CAUSE_REPLY_DEFERRED,  CAUSE_RCPT_REFUSED,
        CAUSE_RCPT_DEFERRED, CAUSE_MAIL_REFUSED,  CAUSE_MAIL_DEFERRED,   CAUSE_DATA_REFUSED,
        CAUSE_DATA_DEFERRED, CAUSE_GREETING_4XX,  CAUSE_GREETING_5XX,    CAUSE_SERVER_CLOSING,
        CAUSE_EHLO_REFUSED,  CAUSE_EHLO_DEFERRED, CAUSE_STARTTLS_REFUSED};
    for (size_t i = 0; i < ARRAY_LEN(general); i++)
        if (cause == general[i])
            return true;
    return false;
}

static struct attempt attempt_of(const struct reader_words *words) {
    return (struct attempt){.host = words->host, .peer = words->peer, .at_ms = words->at_ms};
}

enum cause reader_words_cause(const struct reader_words *words) {
    struct attempt attempt = attempt_of(words);
    if (words->told != CAUSE_NONE && rules_cause(&words->fact, &attempt) == CAUSE_NONE)
        return words->told;
    return cause_of_attempt(&words->fact, &attempt);
}

// --- Replies -------------------------------------------------------------------------------------
static struct fact fact_of_reply(const struct reader_reply *reply, enum fact_stage stage) {
    struct fact fact = fact_make(stage, FACT_KIND_REPLY);
    uint64_t code = 0;
    if (view_to_u64(reply->code, &code))
        fact.reply_code = (int)code;
    (void)smtp_enhanced_parse(reply->enhanced, fact.enhanced);
    fact.text = reply->text;
    return fact;
}

// X.4.x is what a system says about its own connections (RFC 3463 3.5): its words come first there.
// Everywhere else a refusal is the server's, and "connection refused" in it is a policy.
static bool is_about_network(const struct reader_reply *reply) {
    return (reply->enhanced.len > 3 && reply->enhanced.ptr[2] == '4') ||
           view_find_nocase(reply->around, VIEW("deferred: ")) < reply->around.len;
}

static bool takes_stage(const struct fact *report) {
    return report->stage == FACT_STAGE_UNKNOWN && report->kind != FACT_KIND_EXPIRED &&
           report->kind != FACT_KIND_ROUTE;
}

static bool take_report(struct view text, enum fact_stage stage, struct fact *fact) {
    struct fact report;
    if (!fact_of_words(text, &report) || report.kind == FACT_KIND_REPLY)
        return false;
    if (takes_stage(&report))
        report.stage = stage;
    *fact = report;
    return true;
}

static bool is_known_reply(const struct reader_words *words, const struct fact *fact) {
    struct reader_words probe = *words;
    probe.fact = *fact;
    return !reader_cause_is_general(reader_words_cause(&probe));
}

// After a server's reply only what the writer's own connection suffered may follow; what it says of
// names and routes ("your domain does not exist") is the server's view of us.
static bool is_own_experience(const struct fact *fact) {
    return fact->kind != FACT_KIND_DNS && fact->kind != FACT_KIND_ROUTE &&
           fact->kind != FACT_KIND_DEMAND;
}

// The outer reply, the inner one, or the report that they hold, whichever says something.
static void judge_replies(const struct reader_replies *replies, enum fact_stage stage,
                          struct reader_words *words) {
    const struct reader_reply *outer = &replies->outer, *inner = &replies->inner;
    struct fact of_outer = fact_of_reply(outer, stage), of_inner = fact_of_reply(inner, stage);
    bool is_nested = inner->code.ptr != outer->code.ptr;
    words->fact = of_inner;
    if (of_outer.reply_code / 100 == 2) {
        words->fact.kind = FACT_KIND_OK;
        return;
    }
    if (is_about_network(outer) && take_report(outer->text, stage, &words->fact))
        return;
    if (is_known_reply(words, &of_inner))
        return;
    if (is_nested && is_known_reply(words, &of_outer)) {
        words->fact = of_outer;
        return;
    }
    struct fact report;
    if (take_report(outer->text, stage, &report) && is_own_experience(&report))
        words->fact = report;
}

// "5.2.2 Mailbox Full" and "(#5.1.1)": a refusal that is told without its reply code.
// Exim: "mailbox is full: retry timeout exceeded": the time was up, the reason stands before it.
static bool is_reason_of_expiry(const struct reader_words *words, const struct fact *fact) {
    struct reader_words probe = *words;
    size_t at = view_find_nocase(fact->text, VIEW(": retry timeout exceeded"));
    if (words->fact.kind != FACT_KIND_EXPIRED || at == fact->text.len)
        return false;
    probe.fact = *fact;
    probe.fact.text = view_take(fact->text, at);
    return !reader_cause_is_general(reader_words_cause(&probe));
}

// Most paragraphs of a notice say nothing: what a known failure needs beside is looked for last.
static bool judge_bare_words(struct view text, struct reader_words *words) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_REPLY);
    fact.text = text;
    words->enhanced = reader_enhanced_find(text);
    (void)smtp_enhanced_parse(words->enhanced, fact.enhanced);
    bool has_report = take_report(text, FACT_STAGE_UNKNOWN, &words->fact);
    if (has_report && !is_reason_of_expiry(words, &fact)) {
        if (takes_stage(&words->fact))
            words->fact.stage = fact_stage_of_words(text);
        return true;
    }
    if (words->enhanced.len == 0 && !is_known_reply(words, &fact))
        return reader_number_read(text, &words->fact);
    fact.stage = fact_stage_of_words(text);
    words->fact = fact;
    return true;
}

static bool says_suppressed(struct view text) {
    static const struct view marks[] = {{"delivery temporarily suspended", 30},
                                        {"retry time not reached", 22},
                                        {"all routes to destination blocked", 33}};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (view_find_nocase(text, marks[i]) < text.len)
            return true;
    return false;
}

bool reader_words_read(struct view text, struct reader_words *words) {
    struct reader_replies replies;
    *words = (struct reader_words){.fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE)};
    text = view_trim(view_take(text, READER_WORDS_BYTES_MAX));
    words->text = reader_words_unwrap(text, words);
    bool has_reply = reader_replies_find(words->text, &replies);
    reader_host_find(words->text, has_reply ? replies.outer.code.ptr : NULL, words);
    if (!has_reply && !judge_bare_words(words->text, words))
        return false;
    words->is_suppression = says_suppressed(words->text);
    if (!has_reply)
        return true;
    const struct reader_reply *reported = replies.is_field ? &replies.outer : &replies.inner;
    words->code = reported->code;
    words->enhanced = reported->enhanced;
    judge_replies(&replies, fact_stage_of_words(words->text), words);
    return true;
}
