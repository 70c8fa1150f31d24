// SPDX-License-Identifier: Apache-2.0
// MTA-STS (RFC 8461): the record that announces a policy is looked up beside the session; the
// policy itself is fetched as an experiment, and held against the mail hosts and the certificate.
// We deliver either way: what breaks the policy is told as what senders that honour it will do.
#include "sts/sts.h"
#include "probe/identity_internal.h"
#include "probe/web_internal.h"

#include <stdlib.h>

enum { LOOKUP_MS = 5 * 1000 };

// --- The record -------------------------------------------------------------------------------
static bool goes_by_mx(const struct probe *probe) {
    const struct route *route = probe->route;
    return route->domain.len > 0 && route->domain.ptr[0] != '[' && probe->connector &&
           probe->connector->n_smart_hosts == 0;
}

void probe_sts_look_up(const struct probe *probe, struct arena *arena,
                       struct probe_sts_record *record) {
    struct dns_text_answer answer;
    struct view id, name = arena_printf(arena, "_mta-sts.%.*s", VIEW_ARG(probe->route->domain));
    if (name.len == 0 || !goes_by_mx(probe))
        return;
    dns_texts(probe->options->resolver, name, int64_min(io_after(LOOKUP_MS), probe->deadline),
              arena, &answer);
    // RFC 8461 3.1: other texts are passed over; more than one record is none.
    for (size_t i = 0; i < answer.n_texts; i++) {
        if (!view_starts_with(answer.texts[i], VIEW("v=STSv1")))
            continue;
        record->n++;
        if (sts_record_parse(answer.texts[i], &id))
            record->id = id;
        else
            record->is_broken = true;
    }
}

void probe_sts_tell(struct probe *probe, const struct probe_sts_record *record) {
    bool is_well = record->n == 1 && !record->is_broken;
    struct view domain = probe->route->domain;
    if (record->n == 0)
        return;
    struct probe_step *step = probe_machine_step(probe, "sts-record", is_well);
    if (is_well)
        probe_step_words(probe, step, "%.*s announces an MTA-STS policy, id %.*s", VIEW_ARG(domain),
                         VIEW_ARG(record->id));
    else
        probe_step_words(probe, step, "the MTA-STS record of %.*s %s", VIEW_ARG(domain),
                         record->n > 1 ? "stands there more than once: it counts as none"
                                       : "cannot be read: it counts as none");
    probe_sign_set(probe, SIGN_STS_ANNOUNCED, is_well, "%.*s", VIEW_ARG(step->words));
    if (!is_well)
        probe_sign_set(probe, SIGN_STS_INVALID, true, "%.*s", VIEW_ARG(step->words));
}

// --- The policy -------------------------------------------------------------------------------
static bool is_text(const char *content_type) {
    struct view rest = view_of(content_type), type;
    return view_split(&rest, ';', &type) && view_equals_nocase(view_trim(type), VIEW("text/plain"));
}

static bool refuse(struct probe *probe, enum sign sign, struct view words) {
    struct probe_step *step = probe_machine_step(probe, "sts", false);
    probe_step_words(probe, step, "%.*s", VIEW_ARG(words));
    probe_sign_set(probe, sign, true, "%.*s: senders go on without it, or by an older one",
                   VIEW_ARG(words));
    return false;
}

// RFC 8461 3.3: status 200, no redirect, text/plain.
static bool read_answer(struct probe *probe, struct view url, const struct fetch_answer *answer,
                        struct sts_policy *policy) {
    struct error error = {0};
    struct arena *arena = probe->arena;
    if (answer->status != 200)
        return refuse(probe, SIGN_STS_UNFETCHED,
                      arena_printf(arena, "%.*s is answered with status %u, not with a policy",
                                   VIEW_ARG(url), answer->status));
    if (!is_text(answer->content_type))
        return refuse(probe, SIGN_STS_INVALID,
                      arena_printf(arena, "the MTA-STS policy has the type %.60s, not text/plain",
                                   answer->content_type[0] ? answer->content_type : "(none)"));
    if (!sts_policy_parse(buffer_view(&answer->body), policy, &error))
        return refuse(probe, SIGN_STS_INVALID,
                      arena_printf(arena, "the MTA-STS policy cannot be read: %s", error.text));
    return true;
}

IO_WAITS static bool fetch_policy(struct probe *probe, struct fetch_answer *answer,
                                  struct sts_policy *policy) {
    struct view url = arena_printf(probe->arena, "https://mta-sts.%.*s/.well-known/mta-sts.txt",
                                   VIEW_ARG(probe->route->domain));
    const struct probe_get get = {.url = url,
                                  .accept = "text/plain",
                                  .bytes_max = STS_POLICY_BYTES_MAX,
                                  .may_be_inside =
                                      !address_is_global(&probe->session->way->address)};
    struct view failure = probe_get(probe, &get, answer);
    if (failure.len)
        return refuse(probe, SIGN_STS_UNFETCHED,
                      arena_printf(probe->arena, "%.*s cannot be fetched: %.*s", VIEW_ARG(url),
                                   VIEW_ARG(failure)));
    return read_answer(probe, url, answer, policy);
}

// --- Against what there is --------------------------------------------------------------------
static struct view unlisted_hosts(struct probe *probe, const struct sts_policy *policy,
                                  size_t *n_listed) {
    struct view names = VIEW_NONE;
    *n_listed = 0;
    for (size_t i = 0; i < probe->route->n_hosts; i++) {
        struct view name = probe->route->hosts[i].name;
        if (sts_policy_allows(policy, name))
            ++*n_listed;
        else
            names = names.len
                        ? arena_printf(probe->arena, "%.*s, %.*s", VIEW_ARG(names), VIEW_ARG(name))
                        : name;
    }
    return names;
}

static const char *consequence(const struct sts_policy *policy) {
    return policy->mode == STS_MODE_ENFORCE
               ? "senders that honour the policy, such as Google and Microsoft, do not deliver "
                 "there"
               : "the policy only tests, so mail is delivered and it is reported";
}

static void check_hosts(struct probe *probe, const struct sts_policy *policy) {
    size_t n_listed = 0;
    struct view names = unlisted_hosts(probe, policy, &n_listed);
    probe_sign_set(probe, SIGN_STS_UNLISTED, names.len > 0,
                   "the MTA-STS policy (%.*s) does not list %.*s: %s",
                   VIEW_ARG(sts_mode_word(policy->mode)), VIEW_ARG(names), consequence(policy));
}

// RFC 8461 4.2: STARTTLS, and a chain that passes for the name of the MX.
static void check_certificate(struct probe *probe, const struct sts_policy *policy) {
    const struct probe_session *session = probe->session;
    if (!session->has_before && !session->saw_tls)
        return;
    bool is_clear = session->has_before && !session->before.starttls;
    bool is_unsafe = session->saw_tls && session->tls.x509_verify != 0;
    bool is_other = session->saw_tls && probe->signs.is[SIGN_CERT_OF_HOST] == ANSWER_NO;
    const char *what = is_clear    ? "offers no STARTTLS"
                       : is_unsafe ? "has a certificate that does not pass a check"
                                   : "has a certificate of another name";
    probe_sign_set(probe, SIGN_STS_FAILS, is_clear || is_unsafe || is_other,
                   "the MTA-STS policy (%.*s) wants verified TLS, and %.*s %s: %s",
                   VIEW_ARG(sts_mode_word(policy->mode)), VIEW_ARG(session->way->host->name), what,
                   consequence(policy));
}

static void tell_policy(struct probe *probe, const struct sts_policy *policy) {
    bool is_unlisted = probe->signs.is[SIGN_STS_UNLISTED] == ANSWER_YES;
    bool is_failing = probe->signs.is[SIGN_STS_FAILS] == ANSWER_YES;
    struct probe_step *step = probe_machine_step(probe, "sts", !is_unlisted && !is_failing);
    if (is_unlisted || is_failing)
        step->words = probe->signs.words[is_unlisted ? SIGN_STS_UNLISTED : SIGN_STS_FAILS];
    else
        probe_step_words(probe, step, "MTA-STS policy: mode %.*s, %zu names, %s",
                         VIEW_ARG(sts_mode_word(policy->mode)), policy->n_mx,
                         policy->mode == STS_MODE_NONE ? "so nothing is demanded" : "met");
}

void probe_try_sts(struct probe *probe) {
    struct fetch_answer answer = {0};
    struct sts_policy *policy = mem_alloc_zero(sizeof(*policy));
    if (fetch_policy(probe, &answer, policy)) {
        if (policy->mode != STS_MODE_NONE) {
            check_hosts(probe, policy);
            check_certificate(probe, policy);
        }
        tell_policy(probe, policy);
    }
    fetch_answer_finish(&answer);
    free(policy);
}
