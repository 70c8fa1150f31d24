// SPDX-License-Identifier: Apache-2.0
// The table of causes as an array, and its look-ups. The field macros below are the words in which
// causes.inc and its parts are written; they exist in this file only.
#include "catalog/catalog_internal.h"

#define AT(name) .stage = FACT_STAGE_##name
#define CODE(code) .enhanced = TEXT(code)
#define FAMILY(code, twin) .family_code = TEXT(code), .family_twin = TEXT(twin)
#define TLSRPT(type) .tlsrpt = TEXT(type)
#define BLAME(who) .blame = BLAME_##who
#define RETRY(meaning) .retry = RETRY_##meaning
#define PERMANENT .is_permanent = true
#define SURE(percent) .sure_percent = percent
#define MEANING(sentence) .meaning = TEXT(sentence)
#define PROOF(sentence) .proved_by = TEXT(sentence)
#define NOT_IF(sentence) .ruled_out_by = TEXT(sentence)
#define NOTE(sentence) .note = TEXT(sentence)

static const struct cause_info causes[CAUSE_COUNT] = {
    [CAUSE_NONE] = {.id = TEXT("none"),
                    .title = TEXT("Delivered"),
                    .stage = FACT_STAGE_DONE,
                    CODE("2.0.0"),
                    BLAME(NOBODY),
                    RETRY(NEVER),
                    SURE(100),
                    MEANING("Nothing is wrong."),
                    PROOF("The server's positive reply."),
                    NOT_IF(
                        "It took the message and failed later, which its own bounce would say.")},
#define CAUSE(name, word, words, ...)                                                              \
    [CAUSE_##name] = {.id = TEXT(word), .title = TEXT(words), __VA_ARGS__},
#include "catalog/causes.inc"
#undef CAUSE
};

static const struct view blame_words[BLAME_COUNT] = {
    [BLAME_UNKNOWN] = TEXT("unknown"),         [BLAME_LOCAL] = TEXT("local"),
    [BLAME_SENDER] = TEXT("sender"),           [BLAME_PATH] = TEXT("path"),
    [BLAME_DESTINATION] = TEXT("destination"), [BLAME_RECIPIENT] = TEXT("recipient"),
    [BLAME_POLICY] = TEXT("policy"),           [BLAME_NOBODY] = TEXT("nobody"),
};

static const struct view retry_words[RETRY_MEANING_COUNT] = {
    [RETRY_OTHER_ADDRESS] = TEXT("other-address"),
    [RETRY_LATER] = TEXT("later"),
    [RETRY_SLOWER] = TEXT("slower"),
    [RETRY_PERSON] = TEXT("person"),
    [RETRY_NEVER] = TEXT("never"),
};

static const struct view outcome_words[OUTCOME_COUNT] = {
    [OUTCOME_UNKNOWN] = TEXT("unknown"),
    [OUTCOME_DELIVERED] = TEXT("delivered"),
    [OUTCOME_TEMPORARY_FAILURE] = TEXT("temporary-failure"),
    [OUTCOME_PERMANENT_FAILURE] = TEXT("permanent-failure"),
};

const struct cause_info *cause_info(enum cause cause) {
    ASSERT((unsigned)cause < CAUSE_COUNT);
    return &causes[cause];
}

bool cause_from_id(struct view id, enum cause *cause) {
    for (int i = 0; i < CAUSE_COUNT; i++)
        if (view_equals(id, causes[i].id)) {
            *cause = (enum cause)i;
            return true;
        }
    return false;
}

struct view blame_word(enum blame blame) {
    ASSERT((unsigned)blame < BLAME_COUNT);
    return blame_words[blame];
}

struct view retry_meaning_word(enum retry_meaning meaning) {
    ASSERT((unsigned)meaning < RETRY_MEANING_COUNT);
    return retry_words[meaning];
}

struct view outcome_word(enum outcome outcome) {
    ASSERT((unsigned)outcome < OUTCOME_COUNT);
    return outcome_words[outcome];
}
