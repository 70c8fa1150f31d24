// SPDX-License-Identifier: Apache-2.0
// The second tier: which experiment is worth its connections. One that can decide something about
// the fault runs; with --deep all run that apply. One after the other, each once.
#include "probe/identity_internal.h"
#include "probe/probe_internal.h"

struct probe_step *probe_experiment_step(struct probe *probe, const char *name,
                                         const struct fact *fact) {
    struct probe_step *step = probe_step_add(probe, name, fact);
    step->is_beside = true;
    // It tells of the fault, it is not one.
    if (step->state == PROBE_FAULT)
        step->state = PROBE_WARNING;
    return step;
}

bool probe_is_one_of(enum cause cause, const enum cause *causes) {
    for (; *causes != CAUSE_NONE; causes++)
        if (*causes == cause)
            return true;
    return false;
}

// --- Is it due? -------------------------------------------------------------------------------
static const struct fact *fault(const struct probe *probe) {
    return &probe->result->attempt.fact;
}

static bool was_lost(const struct fact *fact) {
    return fact->kind == FACT_KIND_CLOSED || fact->kind == FACT_KIND_SILENT ||
           (fact->kind == FACT_KIND_ERRNO && fact->stage > FACT_STAGE_CONNECT);
}

static bool nobody_answers(const struct probe *probe) {
    return probe->n_ways > 0 && !probe->session && fault(probe)->stage == FACT_STAGE_CONNECT &&
           fault(probe)->kind != FACT_KIND_LOCAL;
}

static bool has_other_source(const struct probe *probe) {
    enum fact_stage stage = fault(probe)->stage;
    bool is_ours_to_choose = probe->connector && probe->connector->n_sources == 0;
    return is_ours_to_choose &&
           (nobody_answers(probe) || (probe->session && stage == FACT_STAGE_GREETING));
}

static bool may_pass_again(const struct probe *probe) {
    return probe->session && fault(probe)->stage <= FACT_STAGE_RCPT && was_lost(fault(probe)) &&
           fault(probe)->kind != FACT_KIND_SILENT;
}

// Something that was understood wrongly, or an offer that is missing.
static bool verbs_decide(const struct probe *probe) {
    static const enum cause causes[] = {
        CAUSE_STARTTLS_MISSING, CAUSE_STARTTLS_REFUSED, CAUSE_CLOSED_STARTTLS,
        CAUSE_RESET_STARTTLS,   CAUSE_SILENT_STARTTLS,  CAUSE_PROTOCOL_ERROR,
        CAUSE_GARBLED_REPLY,    CAUSE_CLOSED_MAIL,      CAUSE_RESET_MAIL,
        CAUSE_SILENT_MAIL,      CAUSE_CLOSED_RCPT,      CAUSE_RESET_RCPT,
        CAUSE_SILENT_RCPT,      CAUSE_TLS_CLEAR_ANSWER, CAUSE_NONE};
    const struct probe_session *session = probe->session;
    bool knows_ehlo = session && session->has_before;
    return knows_ehlo && (probe->options->is_deep || session->before.n_masked > 0 ||
                          probe_is_one_of(probe->first_cause, causes));
}

static bool size_decides(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    bool is_before_dot = fact->stage <= FACT_STAGE_BODY || fact_is_lost_in_body(fact);
    return probe->session && fact->stage >= FACT_STAGE_EHLO && is_before_dot && was_lost(fact) &&
           fact->kind != FACT_KIND_CLOSED;
}

static bool versions_decide(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    const struct probe_session *session = probe->session;
    bool failed = fact->stage == FACT_STAGE_TLS && fact->kind != FACT_KIND_CERT &&
                  fact->kind != FACT_KIND_SILENT && fact->kind != FACT_KIND_LOCAL;
    return session && session->before.starttls && (failed || probe->options->is_deep);
}

// The alerts that say it are the same for ciphers, groups and signatures.
static bool ciphers_decide(const struct probe *probe) {
    const struct probe_session *session = probe->session;
    return session && session->before.starttls &&
           (probe->first_cause == CAUSE_TLS_CIPHER || probe->options->is_deep);
}

static bool hello_decides(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    bool was_silent = fact->stage == FACT_STAGE_TLS && fact->kind == FACT_KIND_SILENT;
    return versions_decide(probe) || (probe->session && was_silent);
}

static bool issuer_decides(const struct probe *probe) {
    const struct probe_session *session = probe->session;
    bool is_open_ended = session && session->saw_tls && session->tls.issuer_url[0] &&
                         tls_verify_lacks_issuer(session->tls.x509_verify);
    return is_open_ended && (fault(probe)->kind == FACT_KIND_CERT || probe->options->is_deep);
}

static bool pipelining_decides(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    return probe->session && (fact->flags & FACT_FLAG_PIPELINED) &&
           fact->stage <= FACT_STAGE_RCPT && (was_lost(fact) || fact->kind == FACT_KIND_GARBLED);
}

static bool helo_decides(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    return probe->session && fact->stage == FACT_STAGE_EHLO && !fact_is_ok(fact);
}

// A policy that says what the other side wants of TLS.
static bool sts_decides(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    bool is_about_tls =
        !fact_is_ok(fact) && (fact->stage == FACT_STAGE_STARTTLS || fact->stage == FACT_STAGE_TLS);
    return probe->session && probe->signs.is[SIGN_STS_ANNOUNCED] == ANSWER_YES &&
           (is_about_tls || probe->options->is_deep);
}

// A refusal that may be about who we are.
static bool identity_decides(const struct probe *probe) {
    static const enum cause causes[] = {
        CAUSE_REPUTATION,      CAUSE_DNSBL,           CAUSE_PTR_MISSING,
        CAUSE_SPF_FAIL,        CAUSE_DMARC_FAIL,      CAUSE_SENDER_DOMAIN,
        CAUSE_SENDER_REJECTED, CAUSE_UNAUTHENTICATED, CAUSE_IPV6_UNTRUSTED,
        CAUSE_CLIENT_REFUSED,  CAUSE_POLICY_REFUSED,  CAUSE_GREETING_4XX,
        CAUSE_GREETING_5XX,    CAUSE_MAIL_DEFERRED,   CAUSE_MAIL_REFUSED,
        CAUSE_RCPT_DEFERRED,   CAUSE_RCPT_REFUSED,    CAUSE_NONE};
    bool is_refused =
        fault(probe)->kind == FACT_KIND_REPLY && probe_is_one_of(probe->first_cause, causes);
    return probe->session && (is_refused || probe->options->is_deep);
}

// A greeting that comes late: is it kept back, or is nobody there to say it?
static bool greeting_decides(const struct probe *probe) {
    enum { LATE_MS = 3000 };
    if (!probe->session)
        return false;
    for (size_t i = 0; i < probe->result->n_steps; i++) {
        const struct probe_step *step = &probe->result->steps[i];
        if (step->fact.stage == FACT_STAGE_GREETING && step->fact.elapsed_ms >= LATE_MS)
            return true;
    }
    return probe->first_cause == CAUSE_GREETING_TIMEOUT ||
           probe->first_cause == CAUSE_GREETING_UNFINISHED;
}

static bool road_decides(const struct probe *probe) {
    return nobody_answers(probe) || probe->options->is_deep;
}

// Beside a session that ended early the look was cut short.
static bool near_decides(const struct probe *probe) {
    return probe->session && !probe->knows_near && !fact_is_ok(fault(probe));
}

static bool dns_decides(const struct probe *probe) {
    const struct route *route = probe->route;
    bool is_by_mx = route->domain.len > 0 && route->domain.ptr[0] != '[' && probe->connector &&
                    probe->connector->n_smart_hosts == 0;
    return is_by_mx && (probe->options->is_deep || route->fact.kind == FACT_KIND_DNS ||
                        probe->first_cause == CAUSE_MX_NO_ADDRESS || nobody_answers(probe));
}

void probe_experiment(struct probe *probe) {
    static const struct {
        bool (*is_due)(const struct probe *probe);
        IO_WAITS void (*run)(struct probe *probe);
    } experiments[] = {
        {dns_decides, probe_try_authorities},
        {probe_registration_decides, probe_try_registration},
        {nobody_answers, probe_try_controls},
        {nobody_answers, probe_try_ports},
        {road_decides, probe_try_hops},
        {near_decides, probe_try_near},
        {has_other_source, probe_try_sources},
        {may_pass_again, probe_try_again},
        {greeting_decides, probe_try_early_talk},
        {verbs_decide, probe_try_verbs},
        {verbs_decide, probe_try_split_verb},
        {size_decides, probe_try_small_segments},
        {versions_decide, probe_try_tls_versions},
        {pipelining_decides, probe_try_lock_step},
        {helo_decides, probe_try_helo},
        {ciphers_decide, probe_try_ciphers},
        {hello_decides, probe_try_hello},
        {issuer_decides, probe_try_issuer},
        {identity_decides, probe_try_identity},
        {sts_decides, probe_try_sts},
        {probe_messages_decide, probe_try_messages},
        {probe_later_decides, probe_try_later},
    };
    probe->is_deciding = true;
    for (size_t i = 0; i < ARRAY_LEN(experiments); i++)
        if (!io_is_canceled() && io_now() < probe->deadline && experiments[i].is_due(probe))
            experiments[i].run(probe);
}
