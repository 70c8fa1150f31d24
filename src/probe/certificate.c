// SPDX-License-Identifier: Apache-2.0
// What a server's certificate shows beside whether it passes: keys that are too weak, the mark of a
// device that reads along, and whether the chain is whole once the issuers are fetched that the
// server left out.
#include "probe/web_internal.h"

enum { ISSUERS_MAX = 3, ISSUER_BYTES_MAX = 64 << 10 };

// --- Read off the session ---------------------------------------------------------------------
// "*.example.org" stands for one label (RFC 6125 6.4.3).
static bool is_for(struct view name, struct view host) {
    if (view_starts_with(name, VIEW("*.")))
        return view_equals_nocase(view_skip(name, 2),
                                  view_skip(host, view_find_char(host, '.') + 1));
    return view_equals_nocase(name, host);
}

static bool is_for_host(const struct probe_session *session) {
    struct view rest = view_of(session->tls.names), part;
    while (rest.len && view_split(&rest, ',', &part))
        if (is_for(view_trim(part), session->way->host->name))
            return true;
    return false;
}

// Issuers of certificates that devices and programs make up while they read along.
static bool is_made_by_device(struct view issuer) {
    static const char *const makers[] = {
        "Fortinet",    "FortiGate",      "Palo Alto",   "Zscaler",        "SonicWall",
        "DPI-SSL",     "WatchGuard",     "Fireware",    "Blue Coat",      "BlueCoat",
        "Check Point", "Sophos",         "Untangle",    "Barracuda",      "Netskope",
        "Forcepoint",  "Websense",       "Web Gateway", "Cisco Umbrella", "Stormshield",
        "NETASQ",      "Kerio Control",  "Smoothwall",  "Mail Shield",    "Kaspersky",
        "ESET SSL",    "Net-Defender CA"};
    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        if (view_find_nocase(issuer, view_of(makers[i])) < issuer.len)
            return true;
    return false;
}

void probe_read_certificate(struct probe *probe) {
    const struct probe_session *session = probe->failed_tls ? probe->failed_tls : probe->session;
    const struct tls_session *tls = &session->tls;
    if (session->fact.flags & FACT_FLAG_CERT_WANTED)
        probe_sign_set(probe, SIGN_CERT_WANTED, !fact_is_ok(&session->fact),
                       "the server asked for a certificate of ours; we have none to show");
    if (!session->saw_tls || tls->n_chain == 0)
        return;
    bool is_own = strcmp(tls->subject, tls->issuer) == 0;
    bool is_device = tls->x509_verify != 0 && !is_own && is_made_by_device(view_of(tls->issuer));
    probe_sign_set(probe, SIGN_CERT_WEAK, tls->weakness[0], "the certificate has %s: %s",
                   tls->weakness[0] ? tls->weakness : "no weakness", tls->subject);
    probe_sign_set(probe, SIGN_CERT_OF_DEVICE, is_device,
                   "the certificate was issued by %s, which no authority is: devices that read "
                   "along make such certificates",
                   tls->issuer);
    if (is_device && probe->signs.is[SIGN_CERT_OF_HOST] == ANSWER_UNKNOWN)
        probe_sign_set(probe, SIGN_CERT_OF_HOST, is_for_host(session), "the certificate is for %s",
                       tls->names);
}

// --- The issuers that the server left out -----------------------------------------------------
struct fetched {
    struct fetch_answer answers[ISSUERS_MAX];
    struct view certificates[ISSUERS_MAX];
    size_t n;
    struct view failure; // empty: none
};

// RFC 5280 8: a certificate can name any place. Ones inside our own network are not called, unless
// the server stands there too. False: `fetched->failure` says why there is no further certificate.
IO_WAITS static bool fetch_issuer(struct probe *probe, const char *url, struct fetched *fetched) {
    struct fetch_answer *answer = &fetched->answers[fetched->n];
    const struct probe_get get = {.url = view_of(url),
                                  .bytes_max = ISSUER_BYTES_MAX,
                                  .may_be_inside =
                                      !address_is_global(&probe->session->way->address)};
    fetched->failure = probe_get(probe, &get, answer);
    struct view body = buffer_view(&answer->body);
    fetched->certificates[fetched->n++] = body;
    if (!fetched->failure.len && (answer->status != 200 || body.len == 0))
        fetched->failure = arena_printf(probe->arena, "HTTP status %u", answer->status);
    return fetched->failure.len == 0;
}

// A session of its own, for the chain as the server sends it now.
IO_WAITS static struct talk *open_encrypted(struct probe *probe) {
    struct talk *talk;
    struct fact fact;
    struct route_demand demand;
    bool is_up = probe_open_greeted(probe, &talk, &fact);
    if (is_up)
        fact = talk_ehlo(talk);
    route_demand_init(&demand, probe->connector, probe->session->way->host, probe->route->domain);
    demand.policy.check = TLS_CHECK_NONE;
    if (fact_is_ok(&fact))
        fact = talk_starttls(talk, probe->options->tls, &demand.policy);
    if (fact_is_ok(&fact))
        return talk;
    probe_close_talk(talk);
    return NULL;
}

// From issuer to issuer, until the chain passes or an end of it is reached.
IO_WAITS static int complete_chain(struct probe *probe, struct talk *talk,
                                   struct fetched *fetched) {
    char url[TLS_URL_SIZE], next[TLS_URL_SIZE];
    int found = talk_tls_verify_with(talk, NULL, 0, url);
    while (found != 0 && url[0] && fetched->n < ISSUERS_MAX && !io_is_canceled()) {
        if (!fetch_issuer(probe, url, fetched))
            break;
        found = talk_tls_verify_with(talk, fetched->certificates, fetched->n, next);
        if (strcmp(url, next) == 0)
            break;
        memcpy(url, next, sizeof(url));
    }
    return found;
}

static void record(struct probe *probe, const struct fetched *fetched, int found, int64_t took_ms) {
    struct fact fact = fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    const char *url = probe->session->tls.issuer_url;
    fact.elapsed_ms = took_ms;
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, "issuer", &fact);
    bool is_whole = found == 0;
    if (fetched->failure.len) {
        step->state = PROBE_WARNING;
        probe_step_words(probe, step, "%s cannot be fetched: %.*s", url,
                         VIEW_ARG(fetched->failure));
        return;
    }
    probe_step_words(probe, step, "with the issuer from %s the chain %s", url,
                     is_whole ? "passes" : "does not pass either");
    probe_sign_set(probe, SIGN_ISSUER_COMPLETES, is_whole, "%.*s", VIEW_ARG(step->words));
    probe_sign_set(probe, SIGN_ISSUER_DOES_NOT_HELP, !is_whole, "%.*s", VIEW_ARG(step->words));
}

void probe_try_issuer(struct probe *probe) {
    io_time began = io_now();
    struct talk *talk = open_encrypted(probe);
    struct fetched *fetched = arena_alloc(probe->arena, sizeof(*fetched));
    if (!talk)
        return;
    ASSERT(fetched != NULL);
    *fetched = (struct fetched){0};
    int found = complete_chain(probe, talk, fetched);
    if (!io_is_canceled() && (fetched->n > 0 || fetched->failure.len))
        record(probe, fetched, found, io_now() - began);
    probe_close_talk(talk);
    for (size_t i = 0; i < fetched->n; i++)
        fetch_answer_finish(&fetched->answers[i]);
}
