// SPDX-License-Identifier: Apache-2.0
// DANE (RFC 7672): what the signed DNS says about the certificates of the mail hosts, looked up
// while they are called, and held against the chain that the server sends. A sender that honours
// DANE does not deliver where it fails; whether ours does, the demand says (`--tls dane`).
#include "probe/identity_internal.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOKUP_MS = 5 * 1000, HOSTS_MAX = 8, ARENA_BYTES_MAX = 256 << 10 };

struct dane_host {
    struct probe_dane *dane;
    const struct route_host *host;
    struct fact fact; // OK: there are records
    struct tls_tlsa records[DNS_TLSA_MAX];
    size_t n_records;
    bool is_told;
};

struct probe_dane {
    struct probe *probe;
    struct io_group group;
    struct arena arena;
    struct dane_host hosts[HOSTS_MAX];
    size_t n_hosts;
};

// --- Looking up -------------------------------------------------------------------------------
static void look_up(void *arg) {
    struct dane_host *host = arg;
    struct probe_dane *dane = host->dane;
    struct dns_tlsa_answer answer;
    unsigned port = host->host->addresses[0].port;
    struct view name =
        arena_printf(&dane->arena, "_%u._tcp.%.*s", port, VIEW_ARG(host->host->name));
    if (name.len == 0)
        return;
    dns_tlsa(dane->probe->options->resolver, name,
             int64_min(io_after(LOOKUP_MS), dane->probe->deadline), &dane->arena, &answer);
    host->fact = answer.answer.fact;
    // RFC 7672 2.1.1: records that nobody signed say nothing.
    for (size_t i = 0; answer.answer.is_secure && i < answer.n_records; i++)
        host->records[host->n_records++] =
            (struct tls_tlsa){answer.records[i].usage, answer.records[i].selector,
                              answer.records[i].matching, answer.records[i].data};
}

// RFC 7672 2.2: the host's name must come from the signed DNS or from the operator, and its address
// be signed as well.
static bool is_signed(const struct probe *probe, const struct route_host *host) {
    return host->is_secure && host->n_addresses > 0 &&
           (host->is_named_by_operator || probe->route->is_secure_mx);
}

static void add_host(struct probe_dane *dane, const struct route_host *host) {
    struct dane_host *added = &dane->hosts[dane->n_hosts++];
    *added = (struct dane_host){.dane = dane, .host = host};
    added->fact = fact_make(FACT_STAGE_DNS, FACT_KIND_NONE);
    io_group_spawn(&dane->group, "probe-dane", look_up, added);
}

struct probe_dane *probe_dane_begin(struct probe *probe) {
    struct probe_dane *dane = NULL;
    for (size_t i = 0; i < probe->route->n_hosts; i++) {
        const struct route_host *host = &probe->route->hosts[i];
        if (!is_signed(probe, host) || (dane && dane->n_hosts == HOSTS_MAX))
            continue;
        if (!dane) {
            dane = mem_alloc_zero(sizeof(*dane));
            dane->probe = probe;
            arena_init(&dane->arena, ARENA_BYTES_MAX);
            io_group_init(&dane->group);
        }
        add_host(dane, host);
    }
    return dane;
}

static bool has_failed(const struct dane_host *host) {
    const struct fact *fact = &host->fact;
    return fact->kind == FACT_KIND_DNS && fact->detail != FACT_DNS_NXDOMAIN &&
           fact->detail != FACT_DNS_NODATA;
}

IO_WAITS static void wait_for_all(struct probe_dane *dane) {
    if (io_group_wait(&dane->group, IO_NEVER).status != IO_CANCELED)
        return;
    io_group_cancel(&dane->group);
    io_cancel_clear();
    io_group_wait(&dane->group, IO_NEVER);
    io_cancel(io_fiber_current());
}

// RFC 7672 2.1.2: where the look-up fails, a sender that honours DANE passes the host over.
static void tell_lookup(struct probe *probe, struct dane_host *host) {
    host->is_told = true;
    struct view clause = fact_describe(&host->fact, probe->arena);
    probe_sign_set(probe, SIGN_DANE_LOOKUP_FAILS, true,
                   "the TLSA records of %.*s cannot be looked up (%.*s): senders that honour DANE "
                   "pass this host over",
                   VIEW_ARG(host->host->name), VIEW_ARG(clause));
    probe_step_words(probe, probe_machine_step(probe, "dane", false), "%.*s",
                     VIEW_ARG(probe->signs.words[SIGN_DANE_LOOKUP_FAILS]));
}

void probe_dane_end(struct probe *probe) {
    struct probe_dane *dane = probe->dane;
    if (!dane)
        return;
    wait_for_all(dane);
    for (size_t i = 0; i < dane->n_hosts; i++)
        if (has_failed(&dane->hosts[i]) && !dane->hosts[i].is_told)
            tell_lookup(probe, &dane->hosts[i]);
    arena_finish(&dane->arena);
    free(dane);
    probe->dane = NULL;
}

// --- Against the chain ------------------------------------------------------------------------
static struct dane_host *host_of(struct probe_dane *dane, const struct probe_session *session) {
    for (size_t i = 0; i < dane->n_hosts; i++)
        if (dane->hosts[i].host == session->way->host)
            return &dane->hosts[i];
    return NULL;
}

static int verify(const struct probe *probe, const struct probe_session *session,
                  struct tls_dane *check) {
    const struct view names[] = {session->way->host->name, probe->route->domain};
    bool has_domain = probe->route->domain.len > 0 && probe->route->domain.ptr[0] != '[';
    check->names = names;
    check->n_names = has_domain ? 2 : 1;
    int found = talk_tls_verify_dane(session->talk, check);
    check->names = NULL;
    return found;
}

static void tell_check(struct probe *probe, const struct dane_host *host, int found,
                       const struct tls_dane *check) {
    bool is_well = found == X509_V_OK;
    struct view name = host->host->name;
    struct probe_step *step = probe_machine_step(probe, "dane", is_well);
    if (check->n_usable == 0)
        probe_step_words(probe, step, "%zu TLSA records of %.*s, none that SMTP can use",
                         host->n_records, VIEW_ARG(name));
    else if (is_well)
        probe_step_words(probe, step, "a TLSA record of %.*s (%s) matches its certificate",
                         VIEW_ARG(name), check->matched);
    else
        probe_step_words(probe, step,
                         "no TLSA record of %.*s matches its certificate (%zu usable, %s): senders "
                         "that honour DANE do not deliver",
                         VIEW_ARG(name), check->n_usable, X509_verify_cert_error_string(found));
    probe_sign_set(probe, SIGN_DANE_FAILS, !is_well, "%.*s", VIEW_ARG(step->words));
    probe_sign_set(probe, SIGN_DANE_MATCHES, is_well && check->n_usable > 0, "%.*s",
                   VIEW_ARG(step->words));
}

static struct fact demand_fact(const struct probe *probe, struct fact fact) {
    fact.at_ms = io_wall_ms();
    return probe->options->demands_dane ? fact : fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
}

static struct fact lacks_records(const struct probe *probe) {
    struct fact fact = fact_make(FACT_STAGE_TLS, FACT_KIND_DEMAND);
    fact.detail = FACT_DEMAND_DANE;
    return demand_fact(probe, fact);
}

// RFC 7672 2.2: usable records demand TLS.
static void tell_clear(struct probe *probe, const struct dane_host *host) {
    struct probe_step *step = probe_machine_step(probe, "dane", false);
    probe_step_words(probe, step,
                     "%.*s publishes TLSA records, which demand TLS, and does not offer STARTTLS: "
                     "senders that honour DANE do not deliver",
                     VIEW_ARG(host->host->name));
    probe_sign_set(probe, SIGN_DANE_FAILS, true, "%.*s", VIEW_ARG(step->words));
}

struct fact probe_check_dane(struct probe *probe, struct probe_session *session) {
    struct tls_dane check = {0};
    if (session->variant.is_quiet)
        return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    if (!probe->dane)
        return talk_tls(session->talk) ? lacks_records(probe)
                                       : fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    wait_for_all(probe->dane);
    struct dane_host *host = host_of(probe->dane, session);
    if (host && has_failed(host)) {
        tell_lookup(probe, host);
        return demand_fact(probe, host->fact);
    }
    if (!host || host->n_records == 0)
        return lacks_records(probe);
    check.records = host->records;
    check.n_records = host->n_records;
    if (!talk_tls(session->talk)) {
        tell_clear(probe, host);
        return fact_make(FACT_STAGE_TLS, FACT_KIND_OK); // what is demanded was said already
    }
    int found = verify(probe, session, &check);
    tell_check(probe, host, found, &check);
    session->is_by_dane = found == X509_V_OK && check.n_usable > 0;
    if (check.n_usable == 0)
        return lacks_records(probe);
    struct fact fact = fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    if (found != X509_V_OK) {
        fact.kind = FACT_KIND_CERT;
        fact.x509_verify = X509_V_ERR_DANE_NO_MATCH;
        fact.tls_version = session->tls.version;
        fact.text = view_of(session->tls.subject);
    }
    return demand_fact(probe, fact);
}
