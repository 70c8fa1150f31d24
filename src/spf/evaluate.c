// SPDX-License-Identifier: Apache-2.0
// check_host (RFC 7208 4). The limits of 4.6.4 bound it: ten look-ups, two that find nothing, ten
// mail hosts or reverse names of one term.
#include "spf/spf_internal.h"

enum { LOOKUPS_MAX = 10, VOID_MAX = 2, HOSTS_MAX = 10 };

struct evaluation {
    const struct spf_question *question;
    struct arena *arena;
    struct spf_answer *answer;
    struct view sender;    // whole
    struct view validated; // for %{p}
    bool has_validated;
};

// A domain's record while it is evaluated.
struct place {
    struct view domain;
    struct spf_record *record;
};

enum match { MATCH_NO, MATCH_YES, MATCH_TEMPERROR, MATCH_PERMERROR };

static enum spf_result check_host(struct evaluation *evaluation, struct view domain);

struct view spf_result_word(enum spf_result result) {
    static const char *const words[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};
    ASSERT((unsigned)result < ARRAY_LEN(words));
    return view_of(words[result]);
}

// --- What went wrong, and the limits ----------------------------------------------------------
static enum match fail(struct evaluation *evaluation, enum match match, struct view why) {
    if (evaluation->answer->why.len == 0)
        evaluation->answer->why = why;
    return match;
}

static bool is_denied(const struct fact *fact) {
    return fact->kind == FACT_KIND_DNS &&
           (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
}

static bool may_look_up(struct evaluation *evaluation) {
    return ++evaluation->answer->n_lookups <= LOOKUPS_MAX;
}

static enum match too_many(struct evaluation *evaluation) {
    return fail(evaluation, MATCH_PERMERROR, VIEW("it takes more than ten look-ups"));
}

// What an answer without records means for a term.
static enum match judge_empty(struct evaluation *evaluation, struct view name,
                              const struct fact *fact) {
    if (!is_denied(fact))
        return fail(evaluation, MATCH_TEMPERROR,
                    arena_printf(evaluation->arena, "%.*s cannot be looked up", VIEW_ARG(name)));
    if (++evaluation->answer->n_void <= VOID_MAX)
        return MATCH_NO;
    return fail(evaluation, MATCH_PERMERROR, VIEW("more than two of its look-ups find nothing"));
}

// --- Terms ------------------------------------------------------------------------------------
static bool is_in(const struct address *a, const struct address *b, unsigned n_bits) {
    unsigned whole = n_bits / 8, rest = n_bits % 8;
    if (a->family != b->family || memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    unsigned mask = 0xff00U >> rest & 0xff;
    return rest == 0 || (a->bytes[whole] & mask) == (b->bytes[whole] & mask);
}

IO_WAITS static enum match host_matches(struct evaluation *evaluation, struct view name,
                                        const struct spf_term *term) {
    const struct spf_question *question = evaluation->question;
    struct dns_address_answer answer = {.family = question->source.family};
    dns_addresses(question->resolver, name, question->deadline, evaluation->arena, &answer);
    if (!fact_is_ok(&answer.answer.fact))
        return judge_empty(evaluation, name, &answer.answer.fact);
    unsigned n_bits = answer.family == ADDRESS_IPV4 ? term->bits4 : term->bits6;
    for (size_t i = 0; i < answer.n_addresses; i++)
        if (is_in(&answer.addresses[i], &question->source, n_bits))
            return MATCH_YES;
    return MATCH_NO;
}

IO_WAITS static enum match mx_matches(struct evaluation *evaluation, struct view name,
                                      const struct spf_term *term) {
    const struct spf_question *question = evaluation->question;
    struct dns_mx_answer answer;
    enum match match = MATCH_NO;
    dns_mx(question->resolver, name, question->deadline, evaluation->arena, &answer);
    if (!fact_is_ok(&answer.answer.fact))
        return judge_empty(evaluation, name, &answer.answer.fact);
    if (answer.n_records > HOSTS_MAX)
        return fail(evaluation, MATCH_PERMERROR, VIEW("its mx term has more than ten hosts"));
    for (size_t i = 0; i < answer.n_records && match == MATCH_NO; i++)
        if (answer.records[i].name.len)
            match = host_matches(evaluation, answer.records[i].name, term);
    return match;
}

IO_WAITS static enum match exists_matches(struct evaluation *evaluation, struct view name) {
    const struct spf_question *question = evaluation->question;
    struct dns_address_answer answer = {.family = ADDRESS_IPV4};
    dns_addresses(question->resolver, name, question->deadline, evaluation->arena, &answer);
    return fact_is_ok(&answer.answer.fact) ? MATCH_YES
                                           : judge_empty(evaluation, name, &answer.answer.fact);
}

static bool is_below(struct view name, struct view domain) {
    if (view_equals_nocase(name, domain))
        return true;
    return name.len > domain.len && view_ends_with_nocase(name, domain) &&
           name.ptr[name.len - domain.len - 1] == '.';
}

IO_WAITS static bool leads_back(struct evaluation *evaluation, struct view name) {
    const struct spf_question *question = evaluation->question;
    struct dns_address_answer answer = {.family = question->source.family};
    dns_addresses(question->resolver, name, question->deadline, evaluation->arena, &answer);
    for (size_t i = 0; i < answer.n_addresses; i++)
        if (address_equals(&answer.addresses[i], &question->source))
            return true;
    return false;
}

// RFC 7208 5.5: a name of the address that leads back to it; best one below `domain`.
IO_WAITS static struct view validated_name(struct evaluation *evaluation, struct view domain) {
    const struct spf_question *question = evaluation->question;
    struct dns_name_answer answer;
    struct view found = VIEW_NONE;
    dns_names(question->resolver, &question->source, question->deadline, evaluation->arena,
              &answer);
    if (!fact_is_ok(&answer.answer.fact))
        return found;
    for (size_t i = 0; i < answer.n_names && i < HOSTS_MAX; i++) {
        bool is_wanted = is_below(answer.names[i], domain);
        if ((is_wanted || found.len == 0) && leads_back(evaluation, answer.names[i]))
            found = answer.names[i];
        if (is_wanted && found.len)
            return found;
    }
    return found;
}

IO_WAITS static enum match include_matches(struct evaluation *evaluation, struct view name) {
    enum spf_result result = check_host(evaluation, name);
    switch (result) { // RFC 7208 5.2
    case SPF_PASS: return MATCH_YES;
    case SPF_TEMPERROR: return MATCH_TEMPERROR;
    case SPF_PERMERROR: return MATCH_PERMERROR;
    case SPF_NONE:
        return fail(evaluation, MATCH_PERMERROR,
                    arena_printf(evaluation->arena, "it includes %.*s, which has no SPF record",
                                 VIEW_ARG(name)));
    default: return MATCH_NO;
    }
}

IO_WAITS static struct view expand(struct evaluation *evaluation, const struct place *place,
                                   struct view text) {
    if (text.len == 0)
        return place->domain;
    bool wants_name = view_find_nocase(text, VIEW("%{p")) < text.len;
    if (wants_name && !evaluation->has_validated && may_look_up(evaluation)) {
        evaluation->validated = validated_name(evaluation, place->domain);
        evaluation->has_validated = true;
    }
    struct spf_macros macros = {.source = &evaluation->question->source,
                                .sender = evaluation->sender,
                                .domain = place->domain,
                                .helo = evaluation->question->helo,
                                .validated = evaluation->validated};
    return spf_macro_expand(text, &macros, evaluation->arena);
}

IO_WAITS static enum match matches(struct evaluation *evaluation, const struct place *place,
                                   const struct spf_term *term) {
    const struct address *source = &evaluation->question->source;
    switch (term->mechanism) {
    case SPF_ALL: return MATCH_YES;
    case SPF_IP4: return is_in(&term->network, source, term->bits4) ? MATCH_YES : MATCH_NO;
    case SPF_IP6: return is_in(&term->network, source, term->bits6) ? MATCH_YES : MATCH_NO;
    default: break;
    }
    if (!may_look_up(evaluation))
        return too_many(evaluation);
    struct view name = expand(evaluation, place, term->domain);
    switch (term->mechanism) {
    case SPF_INCLUDE: return include_matches(evaluation, name);
    case SPF_A: return host_matches(evaluation, name, term);
    case SPF_MX: return mx_matches(evaluation, name, term);
    case SPF_EXISTS: return exists_matches(evaluation, name);
    default: return is_below(validated_name(evaluation, name), name) ? MATCH_YES : MATCH_NO;
    }
}

// --- Records ----------------------------------------------------------------------------------
// RFC 7208 4.5: exactly one. NONE: there is one, in `text`.
IO_WAITS static enum spf_result find_record(struct evaluation *evaluation, struct view domain,
                                            struct view *text) {
    const struct spf_question *question = evaluation->question;
    struct dns_text_answer answer;
    size_t n = 0;
    dns_texts(question->resolver, domain, question->deadline, evaluation->arena, &answer);
    if (!fact_is_ok(&answer.answer.fact) && !is_denied(&answer.answer.fact)) {
        fail(evaluation, MATCH_TEMPERROR,
             arena_printf(evaluation->arena, "the SPF record of %.*s cannot be looked up",
                          VIEW_ARG(domain)));
        return SPF_TEMPERROR;
    }
    for (size_t i = 0; i < answer.n_texts; i++)
        if (spf_record_is(answer.texts[i])) {
            *text = answer.texts[i];
            n++;
        }
    if (n <= 1)
        return SPF_NONE;
    fail(evaluation, MATCH_PERMERROR,
         arena_printf(evaluation->arena, "%.*s has %zu SPF records instead of one",
                      VIEW_ARG(domain), n));
    return SPF_PERMERROR;
}

static enum spf_result result_of(const struct spf_term *term, enum match match) {
    switch (match) {
    case MATCH_TEMPERROR: return SPF_TEMPERROR;
    case MATCH_PERMERROR: return SPF_PERMERROR;
    default: return term->qualifier;
    }
}

static bool is_outermost(const struct evaluation *evaluation, const struct place *place) {
    return place->domain.ptr == evaluation->answer->domain.ptr;
}

// RFC 7208 6.1.
IO_WAITS static enum spf_result redirect(struct evaluation *evaluation, const struct place *place) {
    if (!may_look_up(evaluation)) {
        too_many(evaluation);
        return SPF_PERMERROR;
    }
    struct view name = expand(evaluation, place, place->record->redirect);
    if (is_outermost(evaluation, place))
        evaluation->answer->term = arena_printf(evaluation->arena, "redirect=%.*s", VIEW_ARG(name));
    enum spf_result result = check_host(evaluation, name);
    if (result != SPF_NONE)
        return result;
    fail(evaluation, MATCH_PERMERROR,
         arena_printf(evaluation->arena, "it redirects to %.*s, which has no SPF record",
                      VIEW_ARG(name)));
    return SPF_PERMERROR;
}

IO_WAITS static enum spf_result walk(struct evaluation *evaluation, const struct place *place) {
    for (size_t i = 0; i < place->record->n_terms; i++) {
        const struct spf_term *term = &place->record->terms[i];
        enum match match = matches(evaluation, place, term);
        if (match == MATCH_NO)
            continue;
        if (is_outermost(evaluation, place))
            evaluation->answer->term = term->text;
        return result_of(term, match);
    }
    return place->record->redirect.len ? redirect(evaluation, place) : SPF_NEUTRAL;
}

// The depth is bounded by the limit of look-ups: each include and redirect is one.
static enum spf_result check_host(struct evaluation *evaluation, struct view domain) {
    struct place place = {.domain = domain};
    struct view text = VIEW_NONE, wrong = VIEW_NONE;
    // RFC 7208 4.3: what is no domain of two labels has no record.
    if (domain.len == 0 || view_find_char(domain, '.') == domain.len)
        return SPF_NONE;
    enum spf_result error = find_record(evaluation, domain, &text);
    if (error != SPF_NONE || text.len == 0)
        return error;
    if (is_outermost(evaluation, &place))
        evaluation->answer->record = text;
    place.record = arena_alloc(evaluation->arena, sizeof(*place.record));
    if (!place.record) {
        fail(evaluation, MATCH_TEMPERROR, VIEW("it needs too much memory"));
        return SPF_TEMPERROR;
    }
    if (spf_record_parse(text, place.record, &wrong))
        return walk(evaluation, &place);
    fail(evaluation, MATCH_PERMERROR,
         arena_printf(evaluation->arena, "\"%.*s\" in the record of %.*s cannot be read",
                      VIEW_ARG(wrong), VIEW_ARG(domain)));
    return SPF_PERMERROR;
}

void spf_evaluate(const struct spf_question *question, struct arena *arena,
                  struct spf_answer *answer) {
    struct evaluation evaluation = {.question = question, .arena = arena, .answer = answer};
    size_t at = view_find_last_char(question->sender, '@');
    bool has_local = at > 0 && at < question->sender.len;
    struct view domain =
        at < question->sender.len ? view_skip(question->sender, at + 1) : question->sender;
    ASSERT(question->source.family == ADDRESS_IPV4 || question->source.family == ADDRESS_IPV6);
    *answer = (struct spf_answer){.domain = arena_copy(arena, domain)};
    evaluation.sender =
        has_local ? question->sender
                  : arena_printf(arena, "postmaster@%.*s", VIEW_ARG(domain)); // RFC 7208 4.3
    answer->result = check_host(&evaluation, answer->domain);
}
