// SPDX-License-Identifier: Apache-2.0
// The reason names that users of Sisimai know. They are a view of our causes; where Sisimai divides
// one cause in two, what divides it is the step or the words, as its own pages say.
#include "readers/words.h"

static const struct {
    struct view name;
} names[CAUSE_COUNT] = {
    [CAUSE_NONE] = {{"delivered", 9}},
#define NAME(cause_, name_) [CAUSE_##cause_] = {{"" name_, sizeof(name_) - 1}},
#define WORDS(cause, words, name)
#include "readers/sisimai.inc"
#undef WORDS
#undef NAME
};

struct view reader_sisimai_default(enum cause cause) {
    ASSERT((unsigned)cause < CAUSE_COUNT);
    return names[cause].name;
}

// Where the words decide between two reasons.
static const struct {
    enum cause cause;
    struct view words, name;
} by_words[] = {
#define WORDS(cause_, words_, name_)                                                               \
    {CAUSE_##cause_, {"" words_, sizeof(words_) - 1}, {"" name_, sizeof(name_) - 1}},
#define NAME(cause, name)
#include "readers/sisimai.inc"
#undef NAME
#undef WORDS
};

static bool has_subject(struct view enhanced, char subject) {
    return enhanced.len > 3 && enhanced.ptr[2] == subject;
}

static struct view find_words(enum cause cause, const struct reader_recipient *recipient) {
    struct view text = recipient->words.text;
    for (size_t i = 0; i < ARRAY_LEN(by_words); i++)
        if (by_words[i].cause == cause && view_find_nocase(text, by_words[i].words) < text.len)
            return by_words[i].name;
    return VIEW_NONE;
}

// "filtered" is a recipient that is refused, but not at RCPT: the mailbox may well exist.
static struct view of_user_unknown(const struct reader_recipient *recipient) {
    struct view enhanced = reader_reported_enhanced(recipient);
    enum fact_stage stage = recipient->words.fact.stage;
    if (stage == FACT_STAGE_RCPT || has_subject(enhanced, '1') || has_subject(enhanced, '5'))
        return VIEW("userunknown");
    struct view name = find_words(CAUSE_USER_UNKNOWN, recipient);
    return name.len ? name : VIEW("filtered");
}

static bool is_code(struct view enhanced, struct view detail) {
    return enhanced.len > 2 && view_equals(view_skip(enhanced, 2), detail);
}

// A refusal without words that anybody knows: what its enhanced code is about.
static struct view of_general(struct view enhanced, enum fact_stage stage) {
    static const struct {
        struct view detail, name;
    } rows[] = {{{"1.4", 3}, {"filtered", 8}},     {{"1.9", 3}, {"systemerror", 11}},
                {{"2.4", 3}, {"filtered", 8}},     {{"3.3", 3}, {"systemerror", 11}},
                {{"4.1", 3}, {"expired", 7}},      {{"4.2", 3}, {"networkerror", 12}},
                {{"4.8", 3}, {"networkerror", 12}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_code(enhanced, rows[i].detail))
            return rows[i].name;
    if (has_subject(enhanced, '6'))
        return VIEW("contenterror");
    bool is_permanent = enhanced.len && enhanced.ptr[0] == '5';
    if (is_code(enhanced, VIEW("7.1")) || is_code(enhanced, VIEW("7.2")))
        return is_permanent ? VIEW("securityerror") : VIEW("blocked");
    if (!is_permanent)
        return VIEW_NONE;
    if (has_subject(enhanced, '7'))
        return VIEW("securityerror");
    if (is_code(enhanced, VIEW("1.0")) && stage != FACT_STAGE_MAIL)
        return VIEW("userunknown");
    if (is_code(enhanced, VIEW("2.0")))
        return VIEW("filtered");
    return is_code(enhanced, VIEW("4.0")) ? VIEW("networkerror") : VIEW_NONE;
}

// RFC 3463 3.3: 5.2.1 alone says that the mailbox takes no mail, not that it was switched off.
static bool is_disabled_by_code(enum cause cause, const struct reader_recipient *recipient) {
    struct view enhanced = reader_reported_enhanced(recipient);
    if (cause != CAUSE_MAILBOX_DISABLED || !view_equals(enhanced, VIEW("5.2.1")))
        return false;
    struct reader_words words = recipient->words;
    memset(words.fact.enhanced, 0, sizeof(words.fact.enhanced));
    return reader_cause_is_general(reader_words_cause(&words));
}

static struct view by_step(enum cause cause, const struct reader_recipient *recipient) {
    struct view enhanced = reader_reported_enhanced(recipient);
    enum fact_stage stage = recipient->words.fact.stage;
    bool is_content = cause == CAUSE_CONTENT_FORMAT || cause == CAUSE_HEADER_LIMIT;
    if (cause == CAUSE_USER_UNKNOWN)
        return of_user_unknown(recipient);
    struct view name = find_words(cause, recipient);
    if (cause == CAUSE_POLICY_REFUSED && stage == FACT_STAGE_MAIL)
        return VIEW("rejected");
    if (cause == CAUSE_POLICY_REFUSED && stage == FACT_STAGE_EHLO)
        return VIEW("blocked");
    if (name.len)
        return name;
    if (cause == CAUSE_SIZE_LIMIT && has_subject(enhanced, '2'))
        return VIEW("exceedlimit");
    // RFC 3463 3.5: nothing is known of where that domain's mail goes.
    if (cause == CAUSE_RECEIVER_ROUTE && is_code(enhanced, VIEW("4.4")))
        return VIEW("hostunknown");
    if (is_disabled_by_code(cause, recipient))
        return VIEW("filtered");
    if (is_content && has_subject(enhanced, '6'))
        return VIEW("contenterror");
    if (reader_cause_is_general(cause))
        name = of_general(enhanced, stage);
    if (name.len == 0 && cause == CAUSE_UNKNOWN && recipient->action == READER_ACTION_DELAYED)
        return VIEW("expired");
    return name;
}

struct view reader_sisimai_name(const struct reader_reading *reading,
                                const struct reader_recipient *recipient) {
    if (reading->kind == READER_FEEDBACK)
        return VIEW("feedback");
    if (reading->kind == READER_AUTO_REPLY)
        return VIEW("vacation");
    if (recipient->action == READER_ACTION_DELIVERED ||
        recipient->action == READER_ACTION_RELAYED || recipient->action == READER_ACTION_EXPANDED)
        return VIEW("delivered");
    enum cause cause = reader_words_cause(&recipient->words);
    struct view name = by_step(cause, recipient);
    return name.len ? name : reader_sisimai_default(cause);
}
