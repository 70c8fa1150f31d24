// SPDX-License-Identifier: Apache-2.0
// The production resolver: a question goes to libunbound; what a failure is called is explain.c's
// work.
//
// Who is asked follows /etc/resolv.conf while the configuration names no servers: the file is
// looked at again while questions come. Where the servers do not pass DNSSEC on, every domain would
// look forged; this is found out at the first such answer, validation is left out from then on, and
// every hour it is looked whether it can come back.
#include "dns/resolver_internal.h"

#include <assert.h>

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ASK_MS_MAX = 120 * 1000,      // for callers that set no deadline
    RESERVE_MS_MAX = 1000,        // of the time of a question: to find out who is silent
    PATIENCE_MS = 1000,           // after this a resolver is looked at that has not answered
    LOOK_MS_MAX = 500,            // for that
    LOOK_AGAIN_MS = 5000,         // at resolv.conf
    PROVE_AGAIN_MS = 3600 * 1000, // whether DNSSEC is passed on
    SCRATCH_BYTES_MAX = 256 << 10
};

#define DEFAULT_ANCHOR "/usr/share/dns/root.key" // Debian's dns-root-data

static struct resolver *resolver_of(struct dns_resolver *seam) {
    return CONTAINER_OF(seam, struct resolver, seam);
}

// --- Engines ----------------------------------------------------------------------------------

static bool make_engine(struct resolver *resolver, struct error *error) {
    struct dns_engine *engine = NULL;
    if (resolver->options.servers.n > 0 || resolver->options.stub_zone) {
        resolver->options.trust_anchor = resolver->validates ? resolver->trust_anchor : NULL;
        engine = dns_engine_create(&resolver->options, error);
        if (!engine)
            return false;
    }
    dns_engine_release(resolver->engine); // what is in flight there ends there
    resolver->engine = engine;
    return true;
}

static void look_at_file(struct resolver *resolver) {
    struct stat status = {0};
    struct dns_servers servers;
    struct error error;
    if (!resolver->file || io_now() < resolver->next_look)
        return;
    resolver->next_look = io_after(LOOK_AGAIN_MS);
    if (stat(resolver->file, &status) == 0 && status.st_size == resolver->file_bytes &&
        status.st_mtim.tv_sec == resolver->file_time.tv_sec &&
        status.st_mtim.tv_nsec == resolver->file_time.tv_nsec)
        return;
    resolver->file_time = status.st_mtim;
    resolver->file_bytes = status.st_size;
    dns_servers_read(resolver->file, &servers);
    if (dns_servers_equal(&servers, &resolver->options.servers))
        return;
    resolver->options.servers = servers;
    resolver->validates = true;
    resolver->passes_dnssec = false;
    resolver->has_answered = false;
    if (make_engine(resolver, &error))
        log_info("dns", "the servers to ask have changed in %s", resolver->file);
    else
        log_error("dns", "the servers in %s cannot be used: %s", resolver->file, error.text);
}

// --- Validation that cannot be ----------------------------------------------------------------

enum passing { PASSING_UNKNOWN, PASSING_NO, PASSING_YES };

// Do the servers hand out the root's keys with their signatures? Without these nothing can be
// validated.
static enum passing find_out_passing(const struct asked *asked) {
    struct arena scratch;
    struct direct keys = {.name = VIEW(""),
                          .type = DNS_TYPE_DNSKEY,
                          .want_dnssec = true,
                          .until = io_now() + (asked->deadline - io_now()) / 2};
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    enum heard heard = dns_ask_servers(asked, &keys, &scratch, reply);
    enum passing passing = PASSING_UNKNOWN;
    // A cut answer says nothing, unless the server does not know EDNS: then it knows no DNSSEC.
    if (heard == HEARD_REPLY && (!reply->is_truncated || !reply->has_edns))
        passing = reply->has_rrsig ? PASSING_YES : PASSING_NO;
    arena_finish(&scratch);
    return passing;
}

static bool set_validation(struct resolver *resolver, bool validates) {
    struct error error;
    resolver->validates = validates;
    if (make_engine(resolver, &error))
        return true;
    log_error("dns", "the resolver cannot be set up anew: %s", error.text);
    return false;
}

// After a bogus answer. True when the question is to be asked again, by another engine.
static bool leave_out_validation(const struct asked *asked, const struct dns_engine *used) {
    struct resolver *resolver = asked->resolver;
    if (!resolver->validates || resolver->is_anchor_demanded || resolver->passes_dnssec)
        return resolver->engine != used;
    enum passing passing = find_out_passing(asked);
    if (resolver->engine != used) // another fiber found out meanwhile
        return true;
    resolver->passes_dnssec = passing == PASSING_YES;
    if (passing != PASSING_NO)
        return false;
    resolver->next_proof = io_after(PROVE_AGAIN_MS);
    log_warning("dns", "the resolver does not pass DNSSEC on: answers are not validated");
    return set_validation(resolver, false);
}

// What kept DNSSEC from us may have been mended, or have been a moment's trouble.
static void look_for_validation(const struct asked *asked) {
    struct resolver *resolver = asked->resolver;
    if (resolver->validates || io_now() < resolver->next_proof)
        return;
    resolver->next_proof = io_after(PROVE_AGAIN_MS);
    if (find_out_passing(asked) != PASSING_YES || resolver->validates)
        return;
    log_info("dns", "the resolver passes DNSSEC on again: answers are validated");
    set_validation(resolver, true);
}

// --- Asking -----------------------------------------------------------------------------------

// Reads what libunbound has; false when it was no more than "it failed".
static bool read_result(const struct asked *asked, const struct dns_result *result,
                        struct dns_reply *reply) {
    if (result->rcode != 0 || result->packet.len == 0)
        return false;
    dns_reply_read(buffer_view(&result->packet), asked->name, asked->type, asked->arena, reply);
    return reply->status != FACT_DNS_SERVFAIL;
}

static struct fact explain(const struct asked *asked, const struct dns_result *result,
                           struct dns_reply *reply) {
    if (result->security == DNS_BOGUS)
        return dns_explain_bogus(asked, result->ede);
    if (result->error != 0) // not a name that it takes
        return dns_fact(asked, FACT_DNS_MALFORMED, -1, -1);
    if (!read_result(asked, result, reply))
        return dns_explain_failure(asked);
    return dns_explain_answer(asked, reply);
}

// Waits for libunbound, which goes on asking servers that refuse until our time is up: when it
// takes long, we look for ourselves. False with `fact` set when there is no result to wait for.
static bool await_result(const struct asked *asked, struct dns_question *question,
                         struct fact *fact) {
    int64_t whole_ms = asked->deadline - asked->begun;
    io_time until = asked->deadline - int64_min(whole_ms / 4, RESERVE_MS_MAX);
    io_time first = int64_min(until, io_after(PATIENCE_MS));
    struct io_result wait = dns_question_wait(question, first);
    if (wait.status == IO_TIMEOUT && first < until) {
        *fact = dns_explain_silence(asked, int64_min(until, io_after(LOOK_MS_MAX)));
        if (fact->kind == FACT_KIND_CANCELED ||
            (fact->kind == FACT_KIND_LOCAL && fact->sys_errno != 0))
            return false;
        wait = dns_question_wait(question, until);
    }
    if (wait.status == IO_TIMEOUT)
        *fact = dns_explain_silence(asked, asked->deadline);
    else if (!io_is_ok(wait))
        *fact = dns_fact_of(asked, FACT_KIND_CANCELED, 0);
    return io_is_ok(wait);
}

// Once through libunbound; `*again` asks for another time with the engine that has taken its place.
static struct fact ask_once(const struct asked *asked, struct dns_reply *reply, bool *is_secure,
                            bool *again) {
    const struct dns_engine *used = asked->resolver->engine;
    struct dns_result result;
    struct fact fact;
    *again = false;
    if (!used)
        return dns_fact_resolver(asked, "no resolver is configured");
    struct dns_question *question =
        dns_question_begin(asked->resolver->engine, asked->name, asked->type);
    bool has_result = await_result(asked, question, &fact);
    dns_question_end(question, &result);
    *is_secure = has_result && result.security == DNS_SECURE;
    if (has_result && result.security == DNS_BOGUS)
        *again = leave_out_validation(asked, used);
    if (has_result && !*again)
        fact = explain(asked, &result, reply);
    buffer_finish(&result.packet);
    return fact;
}

static struct fact ask_engine(const struct asked *asked, struct dns_reply *reply, bool *is_secure) {
    bool again = false;
    struct fact fact = ask_once(asked, reply, is_secure, &again);
    if (again)
        fact = ask_once(asked, reply, is_secure, &again);
    // A third time would be a resolver that changes under our hands.
    return again ? dns_fact(asked, FACT_DNS_SERVFAIL, 2, -1) : fact;
}

// An answer with something in it shows that the servers work.
static void note_answer(struct resolver *resolver, const struct dns_reply *reply) {
    if (reply->status != FACT_DNS_OK && !reply->has_soa)
        return;
    resolver->has_answered = true;
    resolver->answered_at = io_now();
}

// `reply` holds the records when the answer's fact is OK.
static void ask(const struct asked *asked, struct dns_reply *reply, struct dns_answer *answer) {
    *answer = (struct dns_answer){0};
    *reply = (struct dns_reply){.status = FACT_DNS_TIMEOUT, .rcode = -1, .ede = -1};
    look_at_file(asked->resolver);
    look_for_validation(asked);
    // What no zone can hold does not exist; nobody need be asked.
    if (asked->name.len > 0 && !dns_name_is_askable(asked->name)) {
        answer->fact = dns_fact(asked, FACT_DNS_NXDOMAIN, -1, -1);
        return;
    }
    answer->fact = ask_engine(asked, reply, &answer->is_secure);
    if (answer->fact.kind == FACT_KIND_OK || answer->fact.kind == FACT_KIND_DNS)
        note_answer(asked->resolver, reply);
    answer->ttl_s = reply->ttl_s;
    answer->via_cname = reply->via_cname;
    if (reply->via_cname)
        answer->canonical =
            arena_copy(asked->arena, view_from(reply->canonical.text, reply->canonical.len));
}

static struct asked begin(struct dns_resolver *seam, struct view name, unsigned type,
                          io_time deadline, struct arena *arena) {
    ASSERT(arena != NULL);
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--; // the root is the empty name within dns/
    return (struct asked){.resolver = resolver_of(seam),
                          .name = name,
                          .type = type,
                          .begun = io_now(),
                          .deadline = int64_min(deadline, io_after(ASK_MS_MAX)),
                          .arena = arena};
}

// Room for the records, or the answer turns into a failure.
static void *keep(const struct asked *asked, struct dns_answer *answer, const void *records,
                  size_t bytes) {
    if (!fact_is_ok(&answer->fact))
        return NULL;
    void *copy = arena_alloc(asked->arena, bytes);
    if (copy)
        memcpy(copy, records, bytes);
    else
        answer->fact = dns_fact_of(asked, FACT_KIND_LOCAL, FACT_LOCAL_MEMORY);
    return copy;
}

static void resolver_mx(struct dns_resolver *seam, struct view name, io_time deadline,
                        struct arena *arena, struct dns_mx_answer *answer) {
    struct asked asked = begin(seam, name, DNS_TYPE_MX, deadline, arena);
    struct dns_reply *reply = mem_alloc(sizeof(*reply));
    ask(&asked, reply, &answer->answer);
    answer->records =
        keep(&asked, &answer->answer, reply->mx, reply->n_records * sizeof(*answer->records));
    answer->n_records = answer->records ? reply->n_records : 0;
    free(reply);
}

static void resolver_addresses(struct dns_resolver *seam, struct view name, io_time deadline,
                               struct arena *arena, struct dns_address_answer *answer) {
    unsigned type = answer->family == ADDRESS_IPV6 ? DNS_TYPE_AAAA : DNS_TYPE_A;
    struct asked asked = begin(seam, name, type, deadline, arena);
    struct dns_reply *reply = mem_alloc(sizeof(*reply));
    ask(&asked, reply, &answer->answer);
    answer->addresses = keep(&asked, &answer->answer, reply->addresses,
                             reply->n_records * sizeof(*answer->addresses));
    answer->n_addresses = answer->addresses ? reply->n_records : 0;
    free(reply);
}

static void resolver_names(struct dns_resolver *seam, const struct address *address,
                           io_time deadline, struct arena *arena, struct dns_name_answer *answer) {
    char name[DNS_REVERSE_SIZE];
    dns_reverse_name(address, name);
    struct asked asked = begin(seam, view_of(name), DNS_TYPE_PTR, deadline, arena);
    struct dns_reply *reply = mem_alloc(sizeof(*reply));
    ask(&asked, reply, &answer->answer);
    answer->names =
        keep(&asked, &answer->answer, reply->names, reply->n_records * sizeof(*answer->names));
    answer->n_names = answer->names ? reply->n_records : 0;
    free(reply);
}

static void resolver_texts(struct dns_resolver *seam, struct view name, io_time deadline,
                           struct arena *arena, struct dns_text_answer *answer) {
    struct asked asked = begin(seam, name, DNS_TYPE_TXT, deadline, arena);
    struct dns_reply *reply = mem_alloc(sizeof(*reply));
    ask(&asked, reply, &answer->answer);
    answer->texts =
        keep(&asked, &answer->answer, reply->names, reply->n_records * sizeof(*answer->texts));
    answer->n_texts = answer->texts ? reply->n_records : 0;
    free(reply);
}

static void resolver_tlsa(struct dns_resolver *seam, struct view name, io_time deadline,
                          struct arena *arena, struct dns_tlsa_answer *answer) {
    struct asked asked = begin(seam, name, DNS_TYPE_TLSA, deadline, arena);
    struct dns_reply *reply = mem_alloc(sizeof(*reply));
    ask(&asked, reply, &answer->answer);
    answer->records =
        keep(&asked, &answer->answer, reply->tlsa, reply->n_records * sizeof(*answer->records));
    answer->n_records = answer->records ? reply->n_records : 0;
    free(reply);
}

// --- Life -------------------------------------------------------------------------------------

static void resolver_free(struct dns_resolver *seam) {
    struct resolver *resolver = resolver_of(seam);
    dns_engine_release(resolver->engine);
    free(resolver->trust_anchor);
    free(resolver->stub_zone);
    free(resolver);
}

static void take_anchor(struct resolver *resolver, const char *wanted) {
    resolver->is_anchor_demanded = wanted != NULL;
    if (!wanted && !resolver->stub_zone && access(DEFAULT_ANCHOR, R_OK) == 0)
        wanted = DEFAULT_ANCHOR; // which knows nothing of a test's own zone
    resolver->trust_anchor = wanted ? mem_copy_string(wanted) : NULL;
}

static void take_servers(struct resolver *resolver, const struct dns_options *options) {
    struct dns_servers *servers = &resolver->options.servers;
    for (size_t i = 0; i < options->n_servers && servers->n < DNS_SERVERS_MAX; i++) {
        servers->list[servers->n] = options->servers[i];
        if (servers->list[servers->n].port == 0)
            servers->list[servers->n].port = DNS_PORT;
        servers->n++;
    }
    if (options->stub_zone) {
        resolver->stub_zone = mem_copy_string(options->stub_zone);
        resolver->options.stub_zone = resolver->stub_zone;
        resolver->options.stub = options->stub;
    }
}

static size_t resolver_servers(const struct dns_resolver *seam, struct address *out, size_t max) {
    const struct resolver *resolver = (const struct resolver *)(const void *)seam;
    const struct dns_servers *servers = &resolver->options.servers;
    static_assert(offsetof(struct resolver, seam) == 0, "the seam stands first");
    size_t n = size_min(servers->n, max);
    memcpy(out, servers->list, n * sizeof(*out));
    return n;
}

struct dns_resolver *dns_resolver_create_following(const struct dns_options *options,
                                                   const char *file, struct error *error) {
    static const struct dns_ops ops = {.mx = resolver_mx,
                                       .addresses = resolver_addresses,
                                       .names = resolver_names,
                                       .texts = resolver_texts,
                                       .tlsa = resolver_tlsa,
                                       .destroy = resolver_free,
                                       .servers = resolver_servers};
    struct resolver *resolver = mem_alloc_zero(sizeof(*resolver));
    resolver->seam.ops = &ops;
    resolver->validates = true;
    take_servers(resolver, options);
    take_anchor(resolver, options->trust_anchor);
    resolver->file = options->n_servers == 0 ? file : NULL;
    if (resolver->file)
        dns_servers_read(resolver->file, &resolver->options.servers);
    if (make_engine(resolver, error))
        return &resolver->seam;
    resolver_free(&resolver->seam);
    return NULL;
}

struct dns_resolver *dns_resolver_create(const struct dns_options *options, struct error *error) {
    return dns_resolver_create_following(options, "/etc/resolv.conf", error);
}
