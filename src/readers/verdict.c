// SPDX-License-Identifier: Apache-2.0
// From what was reported to what it means. The reader's part is small: the catalogue judges the
// fact, the action that was reported says whether the message goes back.
#include "mail/mail.h"
#include "readers/readers.h"

struct view reader_kind_word(enum reader_kind kind) {
    static const struct view words[READER_KIND_COUNT] = {
        [READER_OTHER] = {"other", 5},       [READER_BOUNCE] = {"bounce", 6},
        [READER_DELAY] = {"delay", 5},       [READER_AUTO_REPLY] = {"auto-reply", 10},
        [READER_FEEDBACK] = {"feedback", 8}, [READER_LINE] = {"line", 4},
        [READER_QUEUE] = {"queue", 5}};
    ASSERT((unsigned)kind < READER_KIND_COUNT);
    return words[kind];
}

struct view reader_action_word(enum reader_action action) {
    static const struct view words[READER_ACTION_COUNT] = {
        [READER_ACTION_UNSAID] = {"", 0},         [READER_ACTION_FAILED] = {"failed", 6},
        [READER_ACTION_DELAYED] = {"delayed", 7}, [READER_ACTION_DELIVERED] = {"delivered", 9},
        [READER_ACTION_RELAYED] = {"relayed", 7}, [READER_ACTION_EXPANDED] = {"expanded", 8}};
    ASSERT((unsigned)action < READER_ACTION_COUNT);
    return words[action];
}

struct view reader_reported_enhanced(const struct reader_recipient *recipient) {
    return recipient->words.enhanced.len ? recipient->words.enhanced : recipient->status;
}

static bool is_delivered(const struct reader_recipient *recipient) {
    return recipient->action == READER_ACTION_DELIVERED ||
           recipient->action == READER_ACTION_RELAYED ||
           recipient->action == READER_ACTION_EXPANDED;
}

// What was seen is what is written there. The catalogue's own lines speak of numbers that an
// attempt of ours would have brought; here only a reply is as good.
static void set_evidence(const struct reader_recipient *recipient, struct arena *arena,
                         struct verdict *verdict) {
    const struct reader_words *words = &recipient->words;
    struct view where = recipient->evidence;
    bool has_reply = words->fact.kind == FACT_KIND_REPLY && words->fact.reply_code;
    if (!has_reply)
        verdict->n_evidence = 0;
    if (where.len == 0 || verdict->n_evidence == VERDICT_LINES_MAX)
        return;
    // A line that was given is its own place.
    if (has_reply && view_equals(where, VIEW("the line")))
        return;
    struct view line =
        arena_printf(arena, "%s%.*s", has_reply ? "it stands in the " : "", VIEW_ARG(where));
    if (!has_reply && words->text.len)
        line = arena_printf(arena, "%.*s: \"%.*s\"", VIEW_ARG(where), VIEW_ARG(words->text));
    else if (!has_reply && recipient->status.len)
        line = arena_printf(arena, "%.*s: %.*s", VIEW_ARG(where), VIEW_ARG(recipient->status));
    verdict->evidence[verdict->n_evidence++] = line;
}

// Our own codes follow the action that was reported; an expiry has its own.
static void set_class(char class, struct arena *arena, struct verdict *verdict) {
    if (verdict->is_expired)
        return;
    verdict->enhanced =
        arena_printf(arena, "%c%.*s", class, VIEW_ARG(view_skip(verdict->enhanced, 1)));
    if (verdict->code_is_ours && verdict->code.len > 4)
        verdict->code =
            arena_printf(arena, "%c50 %c%.*s", class, class, VIEW_ARG(view_skip(verdict->code, 5)));
}

static void set_outcome(const struct reader_recipient *recipient, struct arena *arena,
                        struct verdict *verdict) {
    bool is_failed = recipient->action == READER_ACTION_FAILED;
    if (verdict->outcome == OUTCOME_DELIVERED ||
        (!is_failed && recipient->action != READER_ACTION_DELAYED))
        return;
    verdict->outcome = is_failed ? OUTCOME_PERMANENT_FAILURE : OUTCOME_TEMPORARY_FAILURE;
    set_class(is_failed ? '5' : '4', arena, verdict);
}

// What was temporary and still goes back has used up its time. (A server that refuses for good
// before MAIL may have a neighbour, so it is temporary for us; others send the mail back at once.)
static bool is_expired(const struct reader_recipient *recipient) {
    const struct fact *fact = &recipient->words.fact;
    bool is_refused = fact->kind == FACT_KIND_REPLY && fact->reply_code / 100 == 5;
    return !is_refused && recipient->action == READER_ACTION_FAILED &&
           fact->kind != FACT_KIND_NONE && fact->kind != FACT_KIND_OK &&
           !fact_is_permanent(fact, true) &&
           !cause_info(reader_words_cause(&recipient->words))->is_permanent;
}

void reader_verdict(const struct reader_recipient *recipient, struct arena *arena,
                    struct verdict *verdict) {
    const struct reader_words *words = &recipient->words;
    struct attempt attempt = {.host = words->host,
                              .peer = words->peer,
                              .at_ms = recipient->last_attempt_ms,
                              .domain = mail_address_domain(recipient->address)};
    struct fact fact = words->fact;
    if (is_delivered(recipient))
        fact.kind = FACT_KIND_OK;
    bool is_told = words->told != CAUSE_NONE && reader_words_cause(words) == words->told;
    if (is_told)
        verdict_of_cause((struct verdict_cause){words->told, cause_info(words->told)->sure_percent},
                         &fact, &attempt, arena, verdict);
    else
        verdict_of_fact(&fact, &attempt, is_expired(recipient), arena, verdict);
    if (fact.kind == FACT_KIND_NONE && !is_told)
        verdict->summary = words->text.len ? VIEW("No known failure is told in these words.")
                                           : VIEW("No reason is told.");
    set_outcome(recipient, arena, verdict);
    set_evidence(recipient, arena, verdict);
    verdict->reported_code = words->code;
    verdict->reported_enhanced = reader_reported_enhanced(recipient);
    verdict->reported_text = words->fact.kind == FACT_KIND_REPLY ? words->fact.text : words->text;
}
