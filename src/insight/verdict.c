// SPDX-License-Identifier: Apache-2.0
// The verdict on an incident: that on its proof, with the extent in the summary and what was
// counted in the evidence. Where unrelated places fail at once, the causes on this side come first.
#include "base/units.h"
#include "insight/insight_internal.h"

struct view insight_extent_word(enum insight_extent extent) {
    static const struct view words[INSIGHT_EXTENT_COUNT] = {
        [INSIGHT_DESTINATION] = {"destination", 11},
        [INSIGHT_HOST] = {"host", 4},
        [INSIGHT_SITE] = {"site", 4},
        [INSIGHT_EVERYTHING] = {"everything", 10}};
    ASSERT((unsigned)extent < INSIGHT_EXTENT_COUNT);
    return words[extent];
}

static const char *plural(uint64_t n) {
    return n == 1 ? "" : "s";
}

// "contoso.com", "38 domains behind mx.contoso.net", "212 unrelated destinations".
static struct view extent_words(const struct insight_incident *incident, struct arena *arena) {
    unsigned long long n = incident->n_destinations;
    switch (incident->extent) {
    case INSIGHT_EVERYTHING:
        return arena_printf(arena, "%llu unrelated destination%s", n, plural(n));
    case INSIGHT_SITE:
        return arena_printf(arena, "%llu domain%s behind the servers of %.*s", n, plural(n),
                            VIEW_ARG(incident->name));
    case INSIGHT_HOST:
        return arena_printf(arena, "%llu domain%s behind %.*s", n, plural(n),
                            VIEW_ARG(incident->name));
    case INSIGHT_DESTINATION:
    case INSIGHT_EXTENT_COUNT: break;
    }
    return incident->name;
}

static struct view counts_words(const struct insight_incident *incident, struct arena *arena) {
    if (incident->n_messages == 0)
        return arena_printf(arena, "%llu failed tr%s", (unsigned long long)incident->n_attempts,
                            incident->n_attempts == 1 ? "y" : "ies");
    return arena_printf(arena, "%llu message%s to %llu recipient%s",
                        (unsigned long long)incident->n_messages, plural(incident->n_messages),
                        (unsigned long long)incident->n_recipients, plural(incident->n_recipients));
}

static struct view summary_of(const struct insight_incident *incident, struct arena *arena) {
    char onset[UNITS_TIME_SIZE], end[UNITS_TIME_SIZE];
    struct view where = extent_words(incident, arena), hit = counts_words(incident, arena);
    struct view what = cause_info(incident->cause)->title;
    units_format_time(incident->onset_ms, onset, sizeof(onset));
    units_format_time(incident->end_ms, end, sizeof(end));
    if (incident->end_ms)
        return arena_printf(arena, "%.*s: %.*s from %s to %s, %.*s.", VIEW_ARG(where),
                            VIEW_ARG(what), onset, end, VIEW_ARG(hit));
    units_format_time(incident->last_seen_ms, end, sizeof(end));
    return arena_printf(arena, "%.*s: %.*s since %s, last seen at %s, %.*s.", VIEW_ARG(where),
                        VIEW_ARG(what), onset, end, VIEW_ARG(hit));
}

// --- Evidence ------------------------------------------------------------------------------------
static void add_evidence(struct verdict *verdict, struct view line) {
    if (line.len && verdict->n_evidence < VERDICT_LINES_MAX)
        verdict->evidence[verdict->n_evidence++] = line;
}

static void add_proof(const struct insight_incident *incident, struct arena *arena,
                      struct verdict *verdict) {
    const struct insight_proof *proof = &incident->proof;
    if (proof->line_number && proof->words.len)
        add_evidence(verdict,
                     arena_printf(arena, "%.*s:%llu: \"%.*s\"", VIEW_ARG(proof->file),
                                  (unsigned long long)proof->line_number, VIEW_ARG(proof->words)));
    else if (proof->words.len)
        add_evidence(verdict, arena_printf(arena, "\"%.*s\"", VIEW_ARG(proof->words)));
    if (incident->first_line && incident->first_line != proof->line_number)
        add_evidence(verdict,
                     arena_printf(arena, "it begins at %.*s:%llu", VIEW_ARG(incident->first_file),
                                  (unsigned long long)incident->first_line));
}

static void add_shares(const struct insight_incident *incident, struct arena *arena,
                       struct verdict *verdict) {
    const char *what = incident->n_messages ? "messages" : "tries";
    if (incident->extent == INSIGHT_EVERYTHING)
        add_evidence(verdict, arena_printf(arena,
                                           "%llu places behind different servers, most of which "
                                           "worked before, began to fail in the same way at the "
                                           "same time",
                                           (unsigned long long)incident->n_destinations));
    else if (incident->n_before == 0)
        add_evidence(verdict,
                     arena_printf(arena,
                                  "%.3g %% of the %s there failed; nothing was tried there "
                                  "before",
                                  incident->share * 100, what));
    else
        add_evidence(verdict, arena_printf(arena, "%.3g %% of the %s there failed; before, %.2g %%",
                                           incident->share * 100, what, incident->normal * 100));
}

static void add_others(const struct insight_incident *incident, struct arena *arena,
                       struct verdict *verdict) {
    for (size_t i = 0; i < incident->n_others; i++)
        add_evidence(verdict, arena_printf(arena, "in the same time also: %.*s (%.*s)",
                                           VIEW_ARG(cause_info(incident->others[i])->title),
                                           VIEW_ARG(cause_info(incident->others[i])->id)));
}

// --- Ours ----------------------------------------------------------------------------------------
// In front of the others, whatever the catalogue thought of it.
static void put_first(struct verdict *verdict, struct candidate candidate) {
    size_t at = 0;
    while (at < verdict->n_candidates && verdict->candidates[at].cause != candidate.cause)
        at++;
    if (at == verdict->n_candidates && at < VERDICT_CANDIDATES_MAX)
        verdict->n_candidates++;
    at = size_min(at, VERDICT_CANDIDATES_MAX - 1);
    for (; at > 0; at--)
        verdict->candidates[at] = verdict->candidates[at - 1];
    candidate.blame = cause_info(candidate.cause)->blame;
    verdict->candidates[0] = candidate;
}

// What fails on this side when unrelated places fail in this way; CAUSE_NONE: the cause says it.
static struct candidate own_cause(enum cause cause) {
    if (cause_info(cause)->stage == FACT_STAGE_DNS)
        return (struct candidate){.cause = CAUSE_LOCAL_RESOLVER,
                                  .confidence = 0.8,
                                  .decide_by =
                                      VIEW("The same look-up from here with another resolver.")};
    if (cause == CAUSE_NET_UNREACHABLE || cause == CAUSE_HOST_UNREACHABLE)
        return (struct candidate){
            .cause = CAUSE_LOCAL_NETWORK,
            .confidence = 0.8,
            .decide_by = VIEW("The route to two unrelated servers, from this machine.")};
    if (family_of(cause) == family_of(CAUSE_CONN_TIMEOUT))
        return (struct candidate){.cause = CAUSE_EGRESS_BLOCKED,
                                  .confidence = 0.8,
                                  .decide_by = VIEW("Port 25 of two unrelated servers, from this "
                                                    "machine and from another network.")};
    if (family_of(cause) == family_of(CAUSE_CLOSED_SESSION))
        return (struct candidate){.cause = CAUSE_INSPECTING_FIREWALL,
                                  .confidence = 0.5,
                                  .decide_by =
                                      VIEW("The same session around our own firewall, and what "
                                           "was changed there at the time of the onset.")};
    return (struct candidate){.cause = CAUSE_NONE};
}

// One address family cannot explain failures in the other.
static void drop_candidate(struct verdict *verdict, enum cause cause) {
    size_t n = 0;
    for (size_t i = 0; i < verdict->n_candidates; i++)
        if (verdict->candidates[i].cause != cause)
            verdict->candidates[n++] = verdict->candidates[i];
    verdict->n_candidates = n;
}

static bool has_remedy(const struct verdict *verdict, struct view what) {
    for (size_t i = 0; i < verdict->n_remedies; i++)
        if (view_equals(verdict->remedies[i].what, what))
            return true;
    return false;
}

// First what repairs our own fault, then what was to be done here anyway; nobody else can help.
static void advise_this_side(const struct candidate *own, const struct insight_proof *proof,
                             struct arena *arena, struct verdict *verdict) {
    struct attempt attempt = {.at_ms = proof->at_ms, .host = proof->host, .peer = proof->peer};
    struct verdict ours;
    verdict_of_cause((struct verdict_cause){own->cause, (unsigned)(own->confidence * 100)},
                     &proof->fact, &attempt, arena, &ours);
    size_t n = ours.n_remedies;
    for (size_t i = 0; i < verdict->n_remedies && n < VERDICT_REMEDIES_MAX; i++) {
        const struct remedy *remedy = &verdict->remedies[i];
        bool is_here = remedy->who == REMEDY_SENDING_SIDE || remedy->who == REMEDY_NETWORK;
        if (is_here && !has_remedy(&ours, remedy->what))
            ours.remedies[n++] = *remedy;
    }
    memcpy(verdict->remedies, ours.remedies, n * sizeof(ours.remedies[0]));
    verdict->n_remedies = n;
}

static void blame_this_side(const struct insight_incident *incident, struct arena *arena,
                            struct verdict *verdict) {
    struct candidate own = own_cause(incident->cause);
    if (own.cause == CAUSE_NONE)
        return;
    if (incident->proof.peer.family == ADDRESS_IPV4)
        drop_candidate(verdict, CAUSE_V6_ONLY_BROKEN);
    put_first(verdict, own);
    verdict->confidence = own.confidence;
    advise_this_side(&own, &incident->proof, arena, verdict);
}

void insight_incident_verdict(const struct insight_incident *incident, struct arena *arena,
                              struct verdict *verdict) {
    const struct insight_proof *proof = &incident->proof;
    bool is_domain = incident->extent == INSIGHT_DESTINATION;
    struct attempt attempt = {.at_ms = proof->at_ms,
                              .host = proof->host,
                              .peer = proof->peer,
                              .domain = is_domain ? incident->name : VIEW_NONE};
    verdict_of_fact(&proof->fact, &attempt, false, arena, verdict);
    verdict->cause = incident->cause;
    verdict->blame = incident->blame;
    verdict->at_ms = proof->at_ms;
    verdict->summary = summary_of(incident, arena);
    verdict->n_evidence = verdict->n_warnings = 0;
    if (proof->fact.kind == FACT_KIND_NONE)
        verdict->confidence = incident->confidence;
    add_proof(incident, arena, verdict);
    add_shares(incident, arena, verdict);
    add_others(incident, arena, verdict);
    if (incident->extent == INSIGHT_EVERYTHING)
        blame_this_side(incident, arena, verdict);
}
