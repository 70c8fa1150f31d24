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

void reader_verdict(const struct reader_reading *reading, const struct reader_recipient *recipient,
                    struct arena *arena, struct verdict *verdict) {
    const struct reader_words *words = &recipient->words;
    struct attempt attempt = {.host = words->host,
                              .peer = words->peer,
                              .at_ms = recipient->last_attempt_ms,
                              .domain = mail_address_domain(recipient->address)};
    struct fact fact = words->fact;
    if (is_delivered(recipient))
        fact.kind = FACT_KIND_OK;
    bool is_failed = recipient->action == READER_ACTION_FAILED;
    // What was temporary and still goes back has used up its time.
    bool is_expired = is_failed && fact.kind != FACT_KIND_NONE && fact.kind != FACT_KIND_OK &&
                      !fact_is_permanent(&fact, true) &&
                      !cause_info(reader_words_cause(words))->is_permanent;
    verdict_of_fact(&fact, &attempt, is_expired, arena, verdict);
    if (is_failed && verdict->outcome != OUTCOME_DELIVERED)
        verdict->outcome = OUTCOME_PERMANENT_FAILURE;
    else if (recipient->action == READER_ACTION_DELAYED)
        verdict->outcome = OUTCOME_TEMPORARY_FAILURE;
    verdict->reported_code = words->code;
    verdict->reported_enhanced = reader_reported_enhanced(recipient);
    verdict->reported_text = words->fact.kind == FACT_KIND_REPLY ? words->fact.text : words->text;
    (void)reading;
}
