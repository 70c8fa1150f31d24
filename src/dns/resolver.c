// SPDX-License-Identifier: Apache-2.0
// The production resolver. A question goes to libunbound. When that says no more than "it failed",
// or says nothing in time, the servers are asked directly, so that a domain whose servers are
// broken, a domain that our resolver refuses, and a resolver that is dead do not look the same.
//
// Who is asked follows /etc/resolv.conf while the configuration names no servers: the file is
// looked at again while questions come. Where the servers do not pass DNSSEC on, every signed
// domain would look forged; this is found out at the first such answer, and validation is left out
// from then on.
#include "dns/resolver_internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ASK_MS_MAX = 120 * 1000, // for callers that set no deadline
    DIRECT_MS_MAX = 2000,    // for a direct question to one server
    RESERVE_MS_MAX = 1000,   // of the time of a question: to find out who is silent
    PATIENCE_MS = 1000,      // after this a resolver is looked at that has not answered
    LOOK_MS_MAX = 500,       // for that
    LIFE_MS_MIN = 100,       // less is too short to call a resolver dead
    LOOK_AGAIN_MS = 5000,    // at resolv.conf
    SCRATCH_BYTES_MAX = 256 << 10
};

#define DEFAULT_ANCHOR "/usr/share/dns/root.key" // Debian's dns-root-data

struct resolver {
    struct dns_resolver seam;
    struct dns_engine *engine; // NULL: no server to ask
    struct dns_engine_options options;
    char *trust_anchor; // NULL: none on this machine
    char *stub_zone;
    const char *file;        // that names the servers; NULL: the configuration does
    bool is_anchor_demanded; // by the configuration: never left out
    bool validates;          // false: the servers keep DNSSEC from us
    bool passes_dnssec;      // these servers did once
    struct timespec file_time;
    off_t file_bytes;
    io_time next_look;
};

struct asked {
    struct resolver *resolver;
    struct view name;
    unsigned type;
    io_time begun, deadline;
    struct arena *arena;
};

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
    if (make_engine(resolver, &error))
        log_info("dns", "the servers to ask have changed in %s", resolver->file);
    else
        log_error("dns", "the servers in %s cannot be used: %s", resolver->file, error.text);
}

// --- Facts ------------------------------------------------------------------------------------

static struct fact make_fact(const struct asked *asked, enum fact_kind kind, int detail) {
    struct fact fact = fact_make(FACT_STAGE_DNS, kind);
    fact.detail = detail;
    fact.elapsed_ms = io_now() - asked->begun;
    fact.limit_ms = asked->deadline - asked->begun;
    fact.at_ms = io_wall_ms();
    struct view name = asked->name.len ? asked->name : VIEW(".");
    fact.text = arena_copy(asked->arena, name);
    return fact;
}

static struct fact dns_fact(const struct asked *asked, enum fact_dns status, int rcode, int ede) {
    enum fact_kind kind = status == FACT_DNS_OK ? FACT_KIND_OK : FACT_KIND_DNS;
    struct fact fact = make_fact(asked, kind, (int)status);
    fact.dns_rcode = rcode;
    fact.dns_ede = ede;
    return fact;
}

// --- Direct questions -------------------------------------------------------------------------

enum heard { HEARD_REPLY, HEARD_NOTHING, HEARD_ERROR, HEARD_CANCEL };

struct direct {
    struct view name;
    unsigned type;
    bool want_dnssec;
    io_time until; // for all servers together
    int sys_errno; // out: the last one
};

static bool is_below_stub(const struct resolver *resolver, struct view name) {
    struct view zone = view_of(resolver->stub_zone);
    while (zone.len && zone.ptr[zone.len - 1] == '.')
        zone.len--;
    return resolver->stub_zone && view_ends_with_nocase(name, zone);
}

// Each server in turn until one replies. HEARD_ERROR: all of them refused or cannot be reached.
static enum heard ask_servers(const struct asked *asked, struct direct *direct,
                              struct arena *scratch, struct dns_reply *reply) {
    const struct resolver *resolver = asked->resolver;
    bool is_stub = is_below_stub(resolver, asked->name);
    const struct address *servers =
        is_stub ? &resolver->options.stub : resolver->options.servers.list;
    size_t n_servers = is_stub ? 1 : resolver->options.servers.n, n_errors = 0;
    for (size_t i = 0; i < n_servers; i++) {
        int64_t share_ms = (direct->until - io_now()) / (int64_t)(n_servers - i);
        struct dns_direct question = {.server = &servers[i],
                                      .name = direct->name,
                                      .type = direct->type,
                                      .want_dnssec = direct->want_dnssec,
                                      .deadline = io_after(int64_min(share_ms, DIRECT_MS_MAX))};
        struct io_result result = dns_direct_ask(&question, scratch, reply);
        if (io_is_ok(result))
            return HEARD_REPLY;
        if (result.status == IO_CANCELED)
            return HEARD_CANCEL;
        n_errors += result.status == IO_ERROR;
        direct->sys_errno = result.status == IO_ERROR ? result.sys_errno : direct->sys_errno;
    }
    return n_errors == n_servers ? HEARD_ERROR : HEARD_NOTHING;
}

// Any resolver that lives has the root's name servers at hand. Where there is no time left to find
// out, it counts as alive.
static enum heard find_sign_of_life(const struct asked *asked, io_time until, int *sys_errno) {
    struct arena scratch;
    struct direct root = {.name = VIEW(""), .type = DNS_TYPE_NS, .until = until};
    if (until - io_now() < LIFE_MS_MIN)
        return HEARD_REPLY;
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    enum heard heard = ask_servers(asked, &root, &scratch, reply);
    *sys_errno = root.sys_errno;
    arena_finish(&scratch);
    return heard;
}

static struct fact resolver_dead(const struct asked *asked, int sys_errno) {
    struct fact fact = make_fact(asked, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    fact.sys_errno = sys_errno;
    return fact;
}

static struct fact canceled(const struct asked *asked) {
    return make_fact(asked, FACT_KIND_CANCELED, 0);
}

// RFC 8914 4: what a validating resolver says of answers that it threw away.
static bool is_ede_of_validation(int ede) {
    return ede == 6 || ede == 7 || ede == 8 || ede == 9 || ede == 10 || ede == 11 || ede == 12;
}

// libunbound has said nothing. LOCAL with an errno: all servers refused or cannot be reached.
static struct fact explain_silence(const struct asked *asked, io_time until) {
    int sys_errno = 0;
    enum heard heard = find_sign_of_life(asked, until, &sys_errno);
    if (heard == HEARD_CANCEL)
        return canceled(asked);
    if (heard == HEARD_REPLY)
        return dns_fact(asked, FACT_DNS_TIMEOUT, -1, -1);
    return resolver_dead(asked, heard == HEARD_ERROR ? sys_errno : 0);
}

static struct fact explain_reply(const struct asked *asked, const struct dns_reply *reply) {
    switch (reply->status) {
    case FACT_DNS_OK:
    case FACT_DNS_NODATA:
    case FACT_DNS_NXDOMAIN:
        // Now it answers, or without validation only: libunbound's word stands.
        return dns_fact(asked, FACT_DNS_SERVFAIL, 2, -1);
    case FACT_DNS_SERVFAIL:
        if (is_ede_of_validation(reply->ede))
            return dns_fact(asked, FACT_DNS_BOGUS, reply->rcode, reply->ede);
        break;
    default: break;
    }
    return dns_fact(asked, reply->status, reply->rcode, reply->ede);
}

// libunbound gave up, with SERVFAIL as all it says.
static struct fact explain_failure(const struct asked *asked) {
    struct arena scratch;
    io_time half = io_now() + (asked->deadline - io_now()) / 2;
    struct direct direct = {.name = asked->name, .type = asked->type, .until = half};
    struct fact fact;
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    switch (ask_servers(asked, &direct, &scratch, reply)) {
    case HEARD_REPLY: fact = explain_reply(asked, reply); break;
    case HEARD_ERROR: fact = resolver_dead(asked, direct.sys_errno); break;
    case HEARD_NOTHING: fact = explain_silence(asked, asked->deadline); break;
    default: fact = canceled(asked); break;
    }
    arena_finish(&scratch);
    return fact;
}

// --- Validation that cannot be ----------------------------------------------------------------

// True when the servers answer for the root's keys without a signature: they keep DNSSEC from us.
static bool is_dnssec_stripped(const struct asked *asked) {
    struct arena scratch;
    struct direct keys = {.name = VIEW(""),
                          .type = DNS_TYPE_DNSKEY,
                          .want_dnssec = true,
                          .until = io_now() + (asked->deadline - io_now()) / 2};
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    enum heard heard = ask_servers(asked, &keys, &scratch, reply);
    bool is_clear = heard == HEARD_REPLY && reply->rcode == 0 && !reply->is_truncated;
    bool is_stripped = is_clear && !reply->has_rrsig;
    if (is_clear && reply->has_rrsig)
        asked->resolver->passes_dnssec = true;
    arena_finish(&scratch);
    return is_stripped;
}

// True when the question is to be asked again, without validation.
static bool leave_out_validation(const struct asked *asked, const struct dns_engine *used) {
    struct resolver *resolver = asked->resolver;
    struct error error;
    if (!resolver->validates || resolver->is_anchor_demanded || resolver->passes_dnssec)
        return resolver->engine != used;
    if (!is_dnssec_stripped(asked))
        return false;
    if (resolver->engine != used) // another fiber found out meanwhile
        return true;
    log_warning("dns", "the resolver does not pass DNSSEC on: answers are not validated");
    resolver->validates = false;
    return make_engine(resolver, &error);
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
        return dns_fact(asked, FACT_DNS_BOGUS, 2, result->ede);
    if (result->error != 0) // not a name that it takes
        return dns_fact(asked, FACT_DNS_MALFORMED, -1, -1);
    if (!read_result(asked, result, reply))
        return explain_failure(asked);
    return dns_fact(asked, reply->status, reply->rcode, reply->ede);
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
        *fact = explain_silence(asked, int64_min(until, io_after(LOOK_MS_MAX)));
        if (fact->kind == FACT_KIND_CANCELED ||
            (fact->kind == FACT_KIND_LOCAL && fact->sys_errno != 0))
            return false;
        wait = dns_question_wait(question, until);
    }
    if (wait.status == IO_TIMEOUT)
        *fact = explain_silence(asked, asked->deadline);
    else if (!io_is_ok(wait))
        *fact = canceled(asked);
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
        return resolver_dead(asked, 0);
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

// `reply` holds the records when the answer's fact is OK.
static void ask(const struct asked *asked, struct dns_reply *reply, struct dns_answer *answer) {
    *answer = (struct dns_answer){0};
    *reply = (struct dns_reply){.rcode = -1, .ede = -1};
    look_at_file(asked->resolver);
    // What no zone can hold does not exist; nobody need be asked.
    if (asked->name.len > 0 && !dns_name_is_askable(asked->name)) {
        answer->fact = dns_fact(asked, FACT_DNS_NXDOMAIN, -1, -1);
        return;
    }
    answer->fact = ask_engine(asked, reply, &answer->is_secure);
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
        answer->fact = make_fact(asked, FACT_KIND_LOCAL, FACT_LOCAL_MEMORY);
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

struct dns_resolver *dns_resolver_create_following(const struct dns_options *options,
                                                   const char *file, struct error *error) {
    static const struct dns_ops ops = {.mx = resolver_mx,
                                       .addresses = resolver_addresses,
                                       .names = resolver_names,
                                       .destroy = resolver_free};
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
