// SPDX-License-Identifier: Apache-2.0
// From evidence to the verdict. The catalogue judges the fact that ended the conversation, as it
// does for the relay. Then the signs that experiments gave are held against the table of rules
// (rules.inc): proved, the rule's cause stands in its place; excluded, the verdict says what was
// ruled out and how; what is neither stays a candidate.
#include "probe/probe_internal.h"

enum { RULE_OF_MAX = 24, RULE_SIGNS_MAX = 4 };

struct rule {
    enum cause cause;
    unsigned sure_percent;
    enum cause of[RULE_OF_MAX];
    enum sign proved[RULE_SIGNS_MAX], supported[RULE_SIGNS_MAX], excluded[RULE_SIGNS_MAX];
};

static const struct rule rules[] = {
#define OF(...)                                                                                    \
    { __VA_ARGS__ }
#define PROVED(...)                                                                                \
    { __VA_ARGS__ }
#define SUPPORTED(...)                                                                             \
    { __VA_ARGS__ }
#define EXCLUDED(...)                                                                              \
    { __VA_ARGS__ }
#define RULE(cause, sure, of, proved, supported, excluded)                                         \
    {CAUSE_##cause, sure, of, proved, supported, excluded},
#include "probe/rules.inc"
#undef RULE
#undef EXCLUDED
#undef SUPPORTED
#undef PROVED
#undef OF
};

const char *probe_sign_words(enum sign sign) {
    static const char *const words[SIGN_COUNT] = {
        [SIGN_NONE] = "",
#define SIGN(name, text) [SIGN_##name] = text,
#include "probe/signs.inc"
#undef SIGN
    };
    ASSERT((unsigned)sign < SIGN_COUNT && words[sign]);
    return words[sign];
}

static struct view words_of(const struct probe *probe, enum sign sign) {
    struct view seen = probe->signs.words[sign];
    return seen.len ? seen : view_of(probe_sign_words(sign));
}

// --- Rules ------------------------------------------------------------------------------------
static bool concerns(const struct rule *rule, enum cause cause) {
    for (size_t i = 0; i < RULE_OF_MAX && rule->of[i] != CAUSE_NONE; i++)
        if (rule->of[i] == cause)
            return true;
    return false;
}

static bool is_seen(const struct probe *probe, enum sign sign) {
    return probe->signs.is[sign] == ANSWER_YES;
}

static enum sign first_seen(const struct probe *probe, const enum sign *signs) {
    for (size_t i = 0; i < RULE_SIGNS_MAX && signs[i] != SIGN_NONE; i++)
        if (is_seen(probe, signs[i]))
            return signs[i];
    return SIGN_NONE;
}

static bool is_proved(const struct probe *probe, const struct rule *rule) {
    size_t n = 0;
    for (; n < RULE_SIGNS_MAX && rule->proved[n] != SIGN_NONE; n++)
        if (!is_seen(probe, rule->proved[n]))
            return false;
    return n > 0 && first_seen(probe, rule->excluded) == SIGN_NONE;
}

static const struct rule *find_proved(const struct probe *probe, enum cause cause) {
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (concerns(&rules[i], cause) && is_proved(probe, &rules[i]))
            return &rules[i];
    return NULL;
}

// --- The verdict's lists ----------------------------------------------------------------------
static void add_line(struct view *lines, size_t *n, struct view line) {
    for (size_t i = 0; i < *n; i++)
        if (view_equals(lines[i], line))
            return;
    if (line.len && *n < VERDICT_LINES_MAX)
        lines[(*n)++] = line;
}

static void add_evidence(struct probe *probe, enum sign sign) {
    struct verdict *verdict = &probe->result->verdict;
    if (sign != SIGN_NONE)
        add_line(verdict->evidence, &verdict->n_evidence, words_of(probe, sign));
}

static void add_ruled_out(struct probe *probe, enum cause cause, enum sign sign) {
    struct verdict *verdict = &probe->result->verdict;
    struct view title = cause_info(cause)->title, words = words_of(probe, sign);
    struct view line = arena_printf(probe->arena, "%.*s: %.*s", VIEW_ARG(title), VIEW_ARG(words));
    add_line(verdict->ruled_out, &verdict->n_ruled_out, line);
}

static void drop_candidate(struct verdict *verdict, enum cause cause) {
    size_t n_kept = 0;
    for (size_t i = 0; i < verdict->n_candidates; i++)
        if (verdict->candidates[i].cause != cause)
            verdict->candidates[n_kept++] = verdict->candidates[i];
    verdict->n_candidates = n_kept;
}

// A supported candidate comes first, with half of what proof would give at least.
static void raise_candidate(struct verdict *verdict, const struct rule *rule) {
    struct candidate raised = {.cause = rule->cause,
                               .blame = cause_info(rule->cause)->blame,
                               .confidence = rule->sure_percent / 200.0,
                               .decide_by = cause_info(rule->cause)->proved_by};
    for (size_t i = 0; i < verdict->n_candidates; i++)
        if (verdict->candidates[i].cause == rule->cause)
            raised.decide_by = verdict->candidates[i].decide_by;
    drop_candidate(verdict, rule->cause);
    if (verdict->n_candidates == VERDICT_CANDIDATES_MAX)
        verdict->n_candidates--;
    memmove(&verdict->candidates[1], &verdict->candidates[0],
            verdict->n_candidates * sizeof(raised));
    verdict->candidates[0] = raised;
    verdict->n_candidates++;
}

static void warn(struct probe *probe, enum cause cause, struct view words) {
    struct verdict *verdict = &probe->result->verdict;
    for (size_t i = 0; i < verdict->n_warnings; i++)
        if (verdict->warnings[i].cause == cause)
            return;
    if (cause == verdict->cause || verdict->n_warnings == VERDICT_CANDIDATES_MAX)
        return;
    verdict->warnings[verdict->n_warnings].cause = cause;
    verdict->warnings[verdict->n_warnings++].summary = words;
}

// --- Applying the rules -----------------------------------------------------------------------
// The other rules of the first cause: what they exclude, and what speaks for them.
static void weigh_others(struct probe *probe, enum cause first) {
    struct verdict *verdict = &probe->result->verdict;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rule *rule = &rules[i];
        enum sign against = first_seen(probe, rule->excluded);
        enum sign speaks = first_seen(probe, rule->supported);
        if (!concerns(rule, first) || rule->cause == verdict->cause || rule->cause == first)
            continue;
        if (against != SIGN_NONE) {
            drop_candidate(verdict, rule->cause);
            add_ruled_out(probe, rule->cause, against);
        } else if (speaks != SIGN_NONE) {
            add_evidence(probe, speaks);
            raise_candidate(verdict, rule);
        }
    }
}

// "What it is. What happened."
static void lead_with_cause(struct probe *probe) {
    struct verdict *verdict = &probe->result->verdict;
    struct view title = cause_info(verdict->cause)->title;
    if (view_find(verdict->summary, title) < verdict->summary.len)
        return;
    verdict->summary =
        arena_printf(probe->arena, "%.*s. %.*s", VIEW_ARG(title), VIEW_ARG(verdict->summary));
}

static void refine(struct probe *probe, const struct fact *fact, const struct attempt *attempt) {
    struct verdict *verdict = &probe->result->verdict;
    enum cause first = verdict->cause;
    const struct rule *rule = find_proved(probe, first);
    if (rule && rule->cause != first) {
        struct verdict_cause shown = {rule->cause, rule->sure_percent};
        verdict_of_cause(shown, fact, attempt, probe->arena, verdict);
        lead_with_cause(probe);
    }
    if (rule) {
        verdict->confidence = rule->sure_percent / 100.0;
        for (size_t i = 0; i < RULE_SIGNS_MAX; i++)
            add_evidence(probe, rule->proved[i]);
    }
    weigh_others(probe, first);
    static const enum sign later[] = {SIGN_LATER_WELL, SIGN_LATER_SAME, SIGN_LATER_FAILS};
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (is_seen(probe, later[i]))
            add_evidence(probe, later[i]);
    if (is_seen(probe, SIGN_WAITED_LESS_THAN_RFC))
        add_evidence(probe, SIGN_WAITED_LESS_THAN_RFC);
}

// --- Warnings: what is wrong and did not stop the mail ----------------------------------------
static void warn_of_certificate(struct probe *probe) {
    const struct probe_session *session = probe->session;
    if (session && session->saw_tls && probe->signs.is[SIGN_CERT_OF_HOST] == ANSWER_NO &&
        session->tls.x509_verify == 0 && !session->is_by_dane)
        warn(probe, CAUSE_CERT_NAME,
             arena_printf(probe->arena, "%.*s, not for %.*s; nothing demanded a check",
                          VIEW_ARG(probe->signs.words[SIGN_CERT_OF_HOST]),
                          VIEW_ARG(session->attempt.host)));
}

static bool is_unrouted(const struct fact *fact) {
    return fact->kind == FACT_KIND_ERRNO && fact->icmp_type < 0 && fact->elapsed_ms < 50 &&
           cause_of(fact) == CAUSE_NET_UNREACHABLE;
}

static bool has_working_sibling(const struct probe *probe, const struct probe_way *broken) {
    for (size_t i = 0; i < probe->n_ways; i++)
        if (probe->ways[i].host == broken->host && fact_is_ok(&probe->ways[i].connect))
            return true;
    return false;
}

// The handshake that failed before clear text was taken instead.
static void warn_of_downgrade(struct probe *probe) {
    const struct probe_session *failed = probe->failed_tls;
    if (!failed)
        return;
    struct view clause = fact_describe(&failed->fact, probe->arena);
    warn(probe, CAUSE_TLS_DOWNGRADED,
         arena_printf(probe->arena,
                      "TLS fails (%.*s); as nothing demands it, mail goes in clear text after one "
                      "retry",
                      VIEW_ARG(clause)));
    warn(probe, cause_of_attempt(&failed->fact, &failed->attempt), clause);
}

// Addresses that failed beside others that work.
static void warn_of_ways(struct probe *probe) {
    for (size_t i = 0; i < probe->n_ways; i++) {
        const struct probe_way *way = &probe->ways[i];
        const struct fact *fact = way->had_session ? &way->session : &way->connect;
        if (fact_is_ok(fact) || fact->kind == FACT_KIND_NONE || is_unrouted(fact) ||
            fact->kind == FACT_KIND_LOCAL)
            continue;
        bool is_family = way->address.family == ADDRESS_IPV6 && has_working_sibling(probe, way);
        struct view place = probe_place(probe, way->host->name, &way->address);
        struct view clause = fact_describe(fact, probe->arena);
        warn(probe, is_family ? CAUSE_V6_ONLY_BROKEN : CAUSE_ONE_MX_BROKEN,
             arena_printf(probe->arena, "%.*s: %.*s; mail takes another address", VIEW_ARG(place),
                          VIEW_ARG(clause)));
    }
    for (size_t i = 0; probe->route && i < probe->route->n_hosts; i++) {
        const struct route_host *host = &probe->route->hosts[i];
        if (!fact_is_ok(&host->fact) && host->n_addresses == 0)
            warn(probe, CAUSE_ONE_MX_BROKEN,
                 arena_printf(probe->arena, "%.*s cannot be used: %.*s; mail takes another host",
                              VIEW_ARG(host->name),
                              VIEW_ARG(fact_describe(&host->fact, probe->arena))));
    }
}

// --- Which failure it is about ----------------------------------------------------------------
// As in deliver/: the one that
// came furthest, of equal ones the last. A family that this machine has no route for counts only
// where nothing else was tried.
static const struct probe_way *furthest(const struct probe *probe) {
    const struct probe_way *told = NULL;
    for (int pass = 0; pass < 2 && !told; pass++)
        for (size_t i = 0; i < probe->n_ways; i++) {
            const struct probe_way *way = &probe->ways[i];
            const struct fact *fact = way->had_session ? &way->session : &way->connect;
            const struct fact *best =
                told ? (told->had_session ? &told->session : &told->connect) : NULL;
            bool is_failure = !fact_is_ok(fact) && fact->kind != FACT_KIND_NONE;
            if (!is_failure || (pass == 0 && is_unrouted(fact)))
                continue;
            if (!best || best->stage <= fact->stage)
                told = way;
        }
    return told;
}

static struct attempt attempt_of_call(const struct probe *probe, const struct probe_way *way) {
    const struct config_connector *connector = probe->connector;
    struct attempt attempt = {.at_ms = way->connect.at_ms,
                              .elapsed_ms = way->connect.elapsed_ms,
                              .connector = view_of(connector->name),
                              .domain = probe->route->domain,
                              .site = probe->route->site,
                              .host = way->host->name,
                              .peer = way->address,
                              .source = way->source,
                              .fact = way->connect};
    attempt.helo = view_of(connector->helo ? connector->helo : probe->options->config->hostname);
    return attempt;
}

static struct attempt attempt_of_route(const struct probe *probe) {
    return (struct attempt){.at_ms = probe->result->at_ms,
                            .connector = view_of(probe->connector ? probe->connector->name : NULL),
                            .domain = probe->route->domain,
                            .site = probe->route->site,
                            .fact = probe->route->fact};
}

// Keywords that a server does not lose by TLS; another machine answers inside it.
static void compare_ehlo(struct probe *probe, const struct smtp_extensions *before,
                         const struct smtp_extensions *after) {
    const struct {
        bool before, after;
        const char *name;
    } keywords[] = {{before->size, after->size, "SIZE"},
                    {before->pipelining, after->pipelining, "PIPELINING"},
                    {before->eightbitmime, after->eightbitmime, "8BITMIME"},
                    {before->chunking, after->chunking, "CHUNKING"},
                    {before->dsn, after->dsn, "DSN"},
                    {before->smtputf8, after->smtputf8, "SMTPUTF8"}};
    struct buffer lost;
    buffer_init(&lost, 200);
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (keywords[i].before && !keywords[i].after)
            buffer_printf(&lost, " %s", keywords[i].name);
    probe_sign_set(probe, SIGN_EHLO_LOST_BY_TLS, lost.len > 0,
                   "inside TLS the server no longer offers%s (before: %.*s, inside: %.*s)",
                   buffer_string(&lost), VIEW_ARG(before->name), VIEW_ARG(after->name));
    buffer_finish(&lost);
}

static void read_banner(struct probe *probe) {
    const struct verdict *verdict = &probe->result->verdict;
    for (size_t i = 0; i < verdict->n_warnings; i++)
        if (verdict->warnings[i].cause == CAUSE_MASKED_BANNER)
            probe_sign_set(probe, SIGN_BANNER_MASKED, true, "%.*s",
                           VIEW_ARG(verdict->warnings[i].summary));
}

static void read_chain(struct probe *probe) {
    const struct tls_session *tls = &probe->session->tls;
    if (!probe->session->saw_tls || tls->n_chain == 0)
        return;
    bool is_alone = tls->n_chain == 1 && strcmp(tls->subject, tls->issuer) != 0;
    probe_sign_set(probe, SIGN_ONLY_LEAF_SENT, is_alone,
                   "the server sent %u certificate%s; its issuer is %s", tls->n_chain,
                   tls->n_chain == 1 ? "" : "s", tls->issuer);
}

// Steps of the road that waited for a word of the server.
static bool is_reply(const struct probe_step *step) {
    return !step->is_beside && fact_is_ok(&step->fact) && step->fact.reply_code > 0;
}

// Replies that all come late by about the same time are held back on purpose; a late greeting alone
// is what servers do while they look up our address (RFC 5321 4.5.3.2 allows both).
static void read_times(struct probe *probe) {
    enum { LATE_MS = 1000, GREETING_LATE_MS = 3000, REPLIES_MIN = 3 };
    const struct probe_result *result = probe->result;
    int64_t least_ms = INT64_MAX, most_ms = 0, greeting_ms = 0;
    size_t n = 0;
    for (size_t i = 0; i < result->n_steps; i++) {
        const struct probe_step *step = &result->steps[i];
        bool is_greeting = step->fact.stage == FACT_STAGE_GREETING;
        if (!is_reply(step))
            continue;
        greeting_ms = is_greeting ? step->fact.elapsed_ms : greeting_ms;
        if (is_greeting)
            continue;
        least_ms = int64_min(least_ms, step->fact.elapsed_ms);
        most_ms = int64_max(most_ms, step->fact.elapsed_ms);
        n++;
    }
    bool is_late = n + (greeting_ms > 0) >= REPLIES_MIN && n > 0 && least_ms >= LATE_MS &&
                   least_ms * 1000 >= 10 * probe->session->way->rtt_us && most_ms <= 2 * least_ms;
    probe_sign_set(probe, SIGN_EVERY_REPLY_LATE, is_late,
                   "each reply took %lld to %lld ms, a round trip %lld ms", (long long)least_ms,
                   (long long)most_ms, (long long)(probe->session->way->rtt_us / 1000));
    probe_sign_set(
        probe, SIGN_GREETING_LATE,
        !is_late && greeting_ms >= GREETING_LATE_MS && most_ms * 5 < greeting_ms,
        "the greeting took %lld ms, other replies at most %lld ms: servers wait so while "
        "they look up the caller",
        (long long)greeting_ms, (long long)most_ms);
}

// Whether a message that nobody answered has arrived at the other system.
static void read_arrival(struct probe *probe) {
    const struct fact *fact = &probe->result->attempt.fact;
    bool was_sent = fact->stage == FACT_STAGE_BODY || fact->stage == FACT_STAGE_DOT;
    if (!was_sent || !(fact->flags & FACT_FLAG_TCP_KNOWN) || fact->kind != FACT_KIND_SILENT)
        return;
    bool is_whole = fact->stage == FACT_STAGE_DOT && fact->tcp_unacked_bytes == 0;
    probe_sign_set(probe, SIGN_ALL_ACKED, is_whole, "%s", probe_sign_words(SIGN_ALL_ACKED));
    probe_sign_set(probe, SIGN_PART_UNACKED, fact->tcp_unacked_bytes > 0, "%s",
                   probe_sign_words(SIGN_PART_UNACKED));
}

static void read_signs(struct probe *probe) {
    const struct probe_session *session = probe->session;
    if (!session)
        return;
    read_arrival(probe);
    read_banner(probe);
    read_times(probe);
    read_chain(probe);
    probe_read_certificate(probe);
    if (session->has_before)
        probe_sign_set(probe, SIGN_EHLO_MASKED, session->before.n_masked > 0,
                       "%u keywords of the EHLO reply are overwritten with X",
                       session->before.n_masked);
    if (session->has_before && session->has_after)
        compare_ehlo(probe, &session->before, &session->after);
}

// Signs that deserve attention by themselves.
static void warn_of_signs(struct probe *probe) {
    static const struct {
        enum sign sign;
        enum cause cause;
    } rows[] = {{SIGN_EHLO_MASKED, CAUSE_MASKED_EHLO},
                {SIGN_VERB_REWRITTEN, CAUSE_VERB_REWRITE},
                {SIGN_STARTTLS_HIDDEN, CAUSE_STARTTLS_STRIPPED},
                {SIGN_CLEAR_WORDS_DROPPED, CAUSE_TLS_INJECTION},
                {SIGN_EHLO_LOST_BY_TLS, CAUSE_EHLO_DIFF},
                {SIGN_AUTHORITIES_DISAGREE, CAUSE_DNS_SPLIT_AUTH},
                {SIGN_SOME_AUTHORITIES_SILENT, CAUSE_DNS_TIMEOUT},
                {SIGN_SERIALS_DIFFER, CAUSE_DNS_SPLIT_AUTH},
                {SIGN_DELEGATION_DIFFERS, CAUSE_DNS_DELEGATION},
                {SIGN_UDP_ALONE, CAUSE_DNS_TRUNCATED},
                {SIGN_TCP_ALONE, CAUSE_DNS_TIMEOUT},
                {SIGN_DS_MISMATCH, CAUSE_DNSSEC_BOGUS},
                {SIGN_SIGNATURES_EXPIRED, CAUSE_DNSSEC_BOGUS},
                {SIGN_SIGNATURES_MISSING, CAUSE_DNSSEC_BOGUS},
                {SIGN_PARKED, CAUSE_DNS_PARKED},
                {SIGN_REGISTRATION_LAPSED, CAUSE_DNS_EXPIRED},
                {SIGN_CACHE_DIFFERS, CAUSE_DNS_STALE},
                {SIGN_ANSWERED_NEAR, CAUSE_TRANSPARENT_REDIRECT},
                {SIGN_PACKETS_LOST, CAUSE_LOSSY_PATH},
                {SIGN_OLD_TLS_ALLOWED, CAUSE_TLS_OUTDATED},
                {SIGN_SMALL_HELLO_WELL, CAUSE_TLS_HELLO_SIZE},
                {SIGN_LARGE_HELLO_FAILS, CAUSE_TLS_HELLO_SIZE},
                {SIGN_CERT_WEAK, CAUSE_CERT_WEAK},
                {SIGN_CERT_OF_DEVICE, CAUSE_INSPECTING_FIREWALL},
                {SIGN_ISSUER_COMPLETES, CAUSE_CERT_NO_INTERMEDIATE},
                {SIGN_LATER_FURTHER, CAUSE_RCPT_GREYLIST},
                {SIGN_BDAT_BREAKS, CAUSE_BDAT_BREAK},
                {SIGN_BDAT_REFUSED, CAUSE_CHUNKING_MISMATCH},
                {SIGN_EVERY_REPLY_LATE, CAUSE_TARPIT},
                {SIGN_GREETING_LATE, CAUSE_TARPIT},
                {SIGN_PTR_WRONG, CAUSE_PTR_MISSING},
                {SIGN_OTHER_PTR_WRONG, CAUSE_PTR_MISSING},
                {SIGN_HELO_NAME_BAD, CAUSE_EHLO_NAME_REJECTED},
                {SIGN_OWN_CERTIFICATE_BAD, CAUSE_LOCAL_TLS},
                {SIGN_SENDER_DOMAIN_LOST, CAUSE_SENDER_DOMAIN},
                {SIGN_SPF_FAILS, CAUSE_SPF_FAIL},
                {SIGN_LISTED, CAUSE_DNSBL},
                {SIGN_LISTED_ELSEWHERE, CAUSE_DNSBL},
                {SIGN_DANE_FAILS, CAUSE_DANE_FAIL},
                {SIGN_DANE_LOOKUP_FAILS, CAUSE_DANE_LOOKUP},
                {SIGN_STS_UNFETCHED, CAUSE_STS_FETCH},
                {SIGN_STS_INVALID, CAUSE_STS_INVALID},
                {SIGN_STS_UNLISTED, CAUSE_STS_MX_MISMATCH},
                {SIGN_STS_FAILS, CAUSE_STS_FAIL},
                {SIGN_DISK_LOW, CAUSE_LOCAL_DISK},
                {SIGN_CLOCK_WRONG, CAUSE_LOCAL_CLOCK}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_seen(probe, rows[i].sign))
            warn(probe, rows[i].cause, words_of(probe, rows[i].sign));
}

static void say_well(struct probe *probe) {
    struct verdict *verdict = &probe->result->verdict;
    const struct attempt *attempt = &probe->session->attempt;
    struct view place = probe_place(probe, attempt->host, &attempt->peer);
    struct view rcpt = probe->target->recipient;
    bool is_sent = probe->options->sends_mail && rcpt.len > 0;
    verdict->outcome = is_sent ? OUTCOME_DELIVERED : OUTCOME_UNKNOWN;
    verdict->confidence = 1;
    verdict->summary = arena_printf(probe->arena, "Nothing wrong: %.*s %s%.*s%s.", VIEW_ARG(place),
                                    is_sent    ? "took the test message for "
                                    : rcpt.len ? "would take mail for "
                                               : "greets us and is ready for mail",
                                    VIEW_ARG(rcpt), attempt->tls.len ? ", encrypted" : "");
}

void probe_judge(struct probe *probe) {
    struct probe_result *result = probe->result;
    const struct probe_way *way = furthest(probe);
    ASSERT(probe->route != NULL);
    if (probe->session)
        result->attempt = probe->session->attempt;
    else if (!fact_is_ok(&probe->route->fact) || !way)
        result->attempt = attempt_of_route(probe);
    else
        result->attempt = attempt_of_call(probe, way);
    verdict_of_fact(&result->attempt.fact, &result->attempt, false, probe->arena, &result->verdict);
    probe->first_cause = result->verdict.cause;
}

// The first try was deferred, and the second one has gone through.
static void tell_of_later(struct probe *probe) {
    struct verdict *verdict = &probe->result->verdict;
    if (!is_seen(probe, SIGN_LATER_WELL))
        return;
    verdict->summary =
        arena_printf(probe->arena, "%.*s; %.*s.", VIEW_ARG(cause_info(verdict->cause)->title),
                     VIEW_ARG(probe->signs.words[SIGN_LATER_WELL]));
    if (probe->options->sends_mail)
        verdict->outcome = OUTCOME_DELIVERED;
}

void probe_reason(struct probe *probe) {
    struct probe_result *result = probe->result;
    read_signs(probe);
    probe_read_mx_parking(probe);
    if (fact_is_ok(&result->attempt.fact)) {
        say_well(probe);
        warn_of_downgrade(probe);
        warn_of_ways(probe);
    } else {
        refine(probe, &result->attempt.fact, &result->attempt);
        tell_of_later(probe);
    }
    probe_judge_limits(probe);
    warn_of_certificate(probe);
    warn_of_signs(probe);
}
