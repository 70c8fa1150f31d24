// SPDX-License-Identifier: Apache-2.0
// From a fact to a verdict: the cause with its codes, who is to blame, how sure that is, what was
// seen, what is ruled out, what else it could be and what to do.
#include "catalog/catalog_internal.h"

bool fact_may_be_delivered(const struct fact *fact) {
    bool was_lost = fact->kind == FACT_KIND_ERRNO || fact->kind == FACT_KIND_CLOSED ||
                    fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_GARBLED ||
                    fact->kind == FACT_KIND_CANCELED;
    return was_lost && ((fact->flags & FACT_FLAG_DOT_SENT) || fact->stage == FACT_STAGE_DOT);
}

// The name that was asked for is the recipients' domain unless the attempt says otherwise.
static bool concerns_recipient_domain(const struct fact *fact, const struct attempt *attempt) {
    return !attempt || attempt->domain.len == 0 || fact->text.len == 0 ||
           view_equals_nocase(fact->text, attempt->domain);
}

static enum outcome outcome_of(const struct fact *fact, const struct attempt *attempt,
                               bool is_expired) {
    if (fact->kind == FACT_KIND_OK)
        return OUTCOME_DELIVERED;
    if (fact->kind == FACT_KIND_NONE)
        return OUTCOME_UNKNOWN;
    return is_expired || fact_is_permanent(fact, concerns_recipient_domain(fact, attempt))
               ? OUTCOME_PERMANENT_FAILURE
               : OUTCOME_TEMPORARY_FAILURE;
}

enum blame verdict_blame_of(const struct fact *fact, const struct attempt *attempt,
                            enum cause cause) {
    enum blame blame = cause_info(cause)->blame;
    if (cause == CAUSE_NET_UNREACHABLE && fact->icmp_type >= 0)
        return BLAME_PATH; // a router said so, not our own table
    if (fact->kind == FACT_KIND_DNS && blame == BLAME_RECIPIENT &&
        !concerns_recipient_domain(fact, attempt))
        return BLAME_DESTINATION; // a host that an MX record or a connector names
    return blame;
}

// --- Codes -------------------------------------------------------------------------------------
static bool concerns_host(const struct fact *fact) {
    return fact->stage > FACT_STAGE_UNKNOWN && fact->stage < FACT_STAGE_AUTH;
}

static const char *basic_code(enum outcome outcome) {
    return outcome == OUTCOME_DELIVERED           ? "250"
           : outcome == OUTCOME_PERMANENT_FAILURE ? "550"
                                                  : "450";
}

static struct view peer_code(const struct fact *fact, struct arena *arena) {
    struct enhanced e;
    if (!enhanced_of_fact(fact, &e))
        return arena_printf(arena, "%d", fact->reply_code);
    return arena_printf(arena, "%d %d.%d.%d", fact->reply_code, e.class, e.subject, e.detail);
}

static void set_enhanced(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    const struct cause_info *info = cause_info(verdict->cause);
    struct enhanced own = {0}, peer;
    size_t len = 0;
    bool parsed = enhanced_parse(info->enhanced, &own, &len);
    ASSERT(parsed);
    // A general cause knows less than a registered code of the peer's.
    if (own.subject == 0 && enhanced_of_fact(fact, &peer) && enhanced_is_registered(&peer))
        own = peer;
    if (verdict->outcome != OUTCOME_UNKNOWN)
        own.class = verdict->outcome == OUTCOME_DELIVERED           ? 2
                    : verdict->outcome == OUTCOME_PERMANENT_FAILURE ? 5
                                                                    : 4;
    verdict->enhanced = verdict->is_expired
                            ? VIEW("4.4.7")
                            : arena_printf(arena, "%d.%d.%d", own.class, own.subject, own.detail);
}

// The entry whose family code stands for this failure; its family may be empty.
static const struct cause_info *family_of(const struct fact *fact, enum cause cause) {
    const struct cause_info *info = cause_info(cause);
    if (fact->kind != FACT_KIND_REPLY)
        return info;
    // A refusal of the message or recipient keeps the peer's own code; an error at the greeting,
    // EHLO or STARTTLS is "cannot connect" whatever its words are about.
    if (!concerns_host(fact))
        return fact->reply_code ? cause_info(CAUSE_UNKNOWN) : info;
    return info->family_code.len ? info : cause_info(CAUSE_GREETING_4XX);
}

static void set_code(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    const struct cause_info *family = family_of(fact, verdict->cause);
    bool is_permanent = verdict->outcome == OUTCOME_PERMANENT_FAILURE;
    bool is_reply = fact->kind == FACT_KIND_OK || fact->kind == FACT_KIND_REPLY;
    verdict->code_is_ours = true;
    if (family->family_code.len)
        verdict->code = is_permanent ? family->family_twin : family->family_code;
    else if (verdict->is_expired)
        verdict->code = VIEW("550 4.4.7");
    else if (is_reply && fact->reply_code) {
        verdict->code_is_ours = false;
        verdict->code = peer_code(fact, arena);
    } else
        verdict->code = arena_printf(arena, "%s %.*s", basic_code(verdict->outcome),
                                     VIEW_ARG(verdict->enhanced));
}

static void set_reported(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    struct enhanced e;
    if (fact->reply_code == 0)
        return;
    verdict->reported_code = arena_printf(arena, "%d", fact->reply_code);
    if (enhanced_of_fact(fact, &e))
        verdict->reported_enhanced = arena_printf(arena, "%d.%d.%d", e.class, e.subject, e.detail);
    verdict->reported_text = reply_words(fact);
}

// --- Advice ------------------------------------------------------------------------------------
static void add_candidate(struct verdict *verdict, struct candidate candidate) {
    if (verdict->n_candidates == VERDICT_CANDIDATES_MAX || candidate.cause == verdict->cause)
        return;
    candidate.blame = cause_info(candidate.cause)->blame;
    verdict->candidates[verdict->n_candidates++] = candidate;
}

// A mark of the device itself outweighs every guess about a session that merely broke.
static void add_mark_of_device(const struct attempt *attempt, struct verdict *verdict) {
    if (attempt && greeting_is_masked(attempt->greeting) && verdict->confidence < 0.6)
        add_candidate(verdict,
                      (struct candidate){.cause = CAUSE_MASKED_BANNER,
                                         .confidence = 0.7,
                                         .decide_by = VIEW("The same session around the device "
                                                           "that masks the greeting.")});
}

// Symantec's gateway writes "[internal]" before findings of its own; a time-out there may be that
// of its own reverse lookup instead of the connection's.
static void add_gateway_lookup(const struct fact *fact, struct verdict *verdict) {
    if (verdict->cause == CAUSE_CONN_TIMEOUT &&
        view_find_nocase(fact->text, VIEW("[internal]")) < fact->text.len)
        add_candidate(verdict,
                      (struct candidate){.cause = CAUSE_LOCAL_REVERSE,
                                         .confidence = 0.3,
                                         .decide_by = VIEW("A hand-made session from the "
                                                           "gateway to the same address.")});
}

// Exchange's "SocketError": since the old versions of TLS went, mostly no version in common.
static void add_socket_error(const struct fact *fact, struct verdict *verdict) {
    bool is_loss = verdict->cause == CAUSE_RESET_SESSION || verdict->cause == CAUSE_CLOSED_SESSION;
    if (is_loss && view_find_nocase(fact->text, VIEW("socketerror")) < fact->text.len)
        add_candidate(verdict,
                      (struct candidate){.cause = CAUSE_TLS_VERSION,
                                         .confidence = 0.35,
                                         .decide_by = VIEW("The step at which it breaks: postrider "
                                                           "probe shows the TLS versions that the "
                                                           "server takes.")});
}

static bool is_candidate(const struct verdict *verdict, enum cause cause) {
    for (size_t i = 0; i < verdict->n_candidates; i++)
        if (verdict->candidates[i].cause == cause)
            return true;
    return false;
}

static void set_candidates(struct verdict *verdict) {
    const struct candidate *row = advice_candidates(verdict->cause);
    if (verdict->n_candidates && verdict->candidates[0].cause == CAUSE_MASKED_BANNER)
        return;
    for (; row->cause != CAUSE_NONE; row++)
        if (!is_candidate(verdict, row->cause))
            add_candidate(verdict, *row);
}

static void set_remedies(const struct cast *cast, struct arena *arena, struct verdict *verdict) {
    const struct remedy *row = advice_remedies(verdict->cause);
    for (; row->what.len && verdict->n_remedies < VERDICT_REMEDIES_MAX; row++) {
        struct remedy *remedy = &verdict->remedies[verdict->n_remedies++];
        *remedy = (struct remedy){.who = row->who,
                                  .what = cast_apply(cast, row->what, arena),
                                  .verify = cast_apply(cast, row->verify, arena),
                                  .action = row->action};
    }
}

void verdict_add_advice(const struct cast *cast, struct arena *arena, struct verdict *verdict) {
    set_candidates(verdict);
    set_remedies(cast, arena, verdict);
}

static void set_places(const struct fact *fact, const struct attempt *attempt,
                       struct verdict *verdict) {
    verdict->stage = fact_is_lost_in_body(fact) ? FACT_STAGE_BODY : fact->stage;
    verdict->at_ms = fact->at_ms;
    verdict->elapsed_ms = fact->elapsed_ms;
    verdict->bytes_sent = fact->bytes_sent;
    if (fact->kind == FACT_KIND_DNS)
        verdict->domain = fact->text;
    if (!attempt)
        return;
    verdict->domain = attempt->domain;
    verdict->server_name = attempt->host;
    verdict->server = attempt->peer;
    verdict->source = attempt->source;
    verdict->helo = attempt->helo;
    if (verdict->at_ms == 0)
        verdict->at_ms = attempt->at_ms;
}

static void compose(struct judgement judgement, const struct fact *fact,
                    const struct attempt *attempt, struct arena *arena, struct verdict *verdict) {
    struct cast cast;
    enum cause cause = judgement.cause;
    bool is_expired = verdict->is_expired || fact->kind == FACT_KIND_EXPIRED;
    *verdict = (struct verdict){.cause = cause,
                                .confidence = judgement.sure_percent / 100.0,
                                .blame = verdict_blame_of(fact, attempt, cause),
                                .tlsrpt = cause_info(cause)->tlsrpt,
                                .outcome = outcome_of(fact, attempt, is_expired),
                                .may_be_delivered = fact_may_be_delivered(fact),
                                .is_expired = is_expired && fact->kind != FACT_KIND_OK};
    set_places(fact, attempt, verdict);
    set_enhanced(fact, arena, verdict);
    set_code(fact, arena, verdict);
    set_reported(fact, arena, verdict);
    cast_fill(fact, attempt, arena, &cast);
    verdict->summary = summary_of(fact, verdict, &cast, arena);
    collect_evidence(fact, attempt, arena, verdict);
    collect_ruled_out(fact, attempt, arena, verdict);
    collect_warnings(fact, attempt, arena, verdict);
    add_mark_of_device(attempt, verdict);
    add_gateway_lookup(fact, verdict);
    add_socket_error(fact, verdict);
    verdict_add_advice(&cast, arena, verdict);
}

void verdict_of_fact(const struct fact *fact, const struct attempt *attempt, bool is_expired,
                     struct arena *arena, struct verdict *verdict) {
    *verdict = (struct verdict){.is_expired = is_expired};
    compose(judge_fact(fact, attempt), fact, attempt, arena, verdict);
}

void verdict_of_cause(struct verdict_cause shown, const struct fact *fact,
                      const struct attempt *attempt, struct arena *arena, struct verdict *verdict) {
    ASSERT(shown.cause < CAUSE_COUNT && shown.sure_percent <= 100);
    *verdict = (struct verdict){.is_expired = false};
    compose((struct judgement){shown.cause, shown.sure_percent}, fact, attempt, arena, verdict);
}

struct view verdict_code_line(const struct verdict *verdict, struct arena *arena) {
    struct view title = cause_info(verdict->cause)->title;
    return arena_printf(arena, "%.*s%s %.*s (RFC 3463: %.*s)", VIEW_ARG(verdict->code),
                        verdict->code_is_ours ? " [postrider]" : "", VIEW_ARG(title),
                        VIEW_ARG(verdict->enhanced));
}
