// SPDX-License-Identifier: Apache-2.0
// What a failure is called. libunbound says no more than "it failed", or nothing in time; then the
// servers are asked directly, so that a domain whose servers are broken, a domain that our resolver
// refuses, and a resolver that is dead do not look the same.
//
// A resolver that fails in the same way for the root, and has answered nothing lately, is at fault
// itself. Those of closed networks know no root, but they do answer.
#include "dns/resolver_internal.h"

#include <stdio.h>

enum {
    DIRECT_MS_MAX = 2000,   // for a direct question to one server
    LIFE_MS_MIN = 100,      // less is too short to call a resolver dead
    PROVEN_MS = 600 * 1000, // an answer proves for so long that the resolver works
    SCRATCH_BYTES_MAX = 256 << 10
};

// --- Facts ------------------------------------------------------------------------------------

struct fact dns_fact_of(const struct asked *asked, enum fact_kind kind, int detail) {
    struct fact fact = fact_make(FACT_STAGE_DNS, kind);
    fact.detail = detail;
    fact.elapsed_ms = io_now() - asked->begun;
    fact.limit_ms = asked->deadline - asked->begun;
    fact.at_ms = io_wall_ms();
    struct view name = asked->name.len ? asked->name : VIEW(".");
    fact.text = arena_copy(asked->arena, name);
    return fact;
}

struct fact dns_fact(const struct asked *asked, enum fact_dns status, int rcode, int ede) {
    enum fact_kind kind = status == FACT_DNS_OK ? FACT_KIND_OK : FACT_KIND_DNS;
    struct fact fact = dns_fact_of(asked, kind, (int)status);
    fact.dns_rcode = rcode;
    fact.dns_ede = ede;
    return fact;
}

// --- Direct questions -------------------------------------------------------------------------

static bool is_below_stub(const struct resolver *resolver, struct view name) {
    struct view zone = view_of(resolver->stub_zone);
    while (zone.len && zone.ptr[zone.len - 1] == '.')
        zone.len--;
    return resolver->stub_zone && view_ends_with_nocase(name, zone);
}

enum heard dns_ask_servers(const struct asked *asked, struct direct *direct, struct arena *scratch,
                           struct dns_reply *reply) {
    const struct dns_engine_options *options = &asked->resolver->options;
    struct dns_servers servers = options->servers; // they may change while we wait
    size_t n_errors = 0;
    if (is_below_stub(asked->resolver, asked->name))
        servers = (struct dns_servers){.list = {options->stub}, .n = 1};
    for (size_t i = 0; i < servers.n; i++) {
        int64_t share_ms = (direct->until - io_now()) / (int64_t)(servers.n - i);
        struct dns_direct question = {.server = &servers.list[i],
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
    return n_errors == servers.n ? HEARD_ERROR : HEARD_NOTHING;
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
    enum heard heard = dns_ask_servers(asked, &root, &scratch, reply);
    *sys_errno = root.sys_errno;
    arena_finish(&scratch);
    return heard;
}

static const char *type_word(unsigned type) {
    switch (type) {
    case DNS_TYPE_A: return "A";
    case DNS_TYPE_AAAA: return "AAAA";
    case DNS_TYPE_MX: return "MX";
    case DNS_TYPE_PTR: return "PTR";
    default: return "records";
    }
}

struct fact dns_fact_resolver(const struct asked *asked, const char *why) {
    struct fact fact = dns_fact_of(asked, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    struct view name = asked->name.len ? asked->name : VIEW(".");
    fact.text = arena_printf(asked->arena, "asked for %s of %.*s: %s", type_word(asked->type),
                             VIEW_ARG(name), why);
    return fact;
}

static struct fact resolver_dead(const struct asked *asked, int sys_errno) {
    struct fact fact = dns_fact_resolver(asked, sys_errno ? "the resolver cannot be reached"
                                                          : "the resolver does not answer");
    fact.sys_errno = sys_errno;
    return fact;
}

static struct fact canceled(const struct asked *asked) {
    return dns_fact_of(asked, FACT_KIND_CANCELED, 0);
}

// RFC 8914 4: what a validating resolver says of answers that it threw away.
static bool is_ede_of_validation(int ede) {
    return ede == 6 || ede == 7 || ede == 8 || ede == 9 || ede == 10 || ede == 11 || ede == 12;
}

struct fact dns_explain_silence(const struct asked *asked, io_time until) {
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

// --- A resolver that lives and is of no use -----------------------------------------------------

enum { RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

// True when the servers give the root the same failure, and nothing shows that they work.
static bool fails_for_everything(const struct asked *asked, int rcode) {
    const struct resolver *resolver = asked->resolver;
    if ((rcode != RCODE_SERVFAIL && rcode != RCODE_REFUSED && rcode != RCODE_NXDOMAIN) ||
        is_below_stub(resolver, asked->name) || asked->deadline - io_now() < LIFE_MS_MIN)
        return false;
    if (resolver->has_answered && io_now() - resolver->answered_at < PROVEN_MS)
        return false;
    struct arena scratch;
    struct direct root = {.name = VIEW(""), .type = DNS_TYPE_NS, .until = asked->deadline};
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    enum heard heard = dns_ask_servers(asked, &root, &scratch, reply);
    bool is_same = heard == HEARD_REPLY && reply->rcode == rcode;
    arena_finish(&scratch);
    return is_same;
}

static struct fact resolver_useless(const struct asked *asked, const struct dns_reply *reply) {
    struct fact fact = dns_fact_resolver(
        asked, reply->rcode == RCODE_REFUSED    ? "the resolver refuses this and the root"
               : reply->rcode == RCODE_NXDOMAIN ? "the resolver denies this name, and the root too"
                                                : "the resolver fails for this and for the root");
    fact.dns_rcode = reply->rcode;
    fact.dns_ede = reply->ede;
    return fact;
}

struct fact dns_explain_answer(const struct asked *asked, const struct dns_reply *reply) {
    // RFC 2308 3: who denies a name says for which zone. Mail would bounce on the mere word.
    if (reply->status == FACT_DNS_NXDOMAIN && !reply->has_soa &&
        fails_for_everything(asked, RCODE_NXDOMAIN))
        return resolver_useless(asked, reply);
    return dns_fact(asked, reply->status, reply->rcode, reply->ede);
}

static struct fact blame(const struct asked *asked, const struct dns_reply *reply) {
    if (fails_for_everything(asked, reply->rcode))
        return resolver_useless(asked, reply);
    return explain_reply(asked, reply);
}

struct fact dns_explain_bogus(const struct asked *asked, int ede) {
    struct dns_result root;
    struct fact fact = dns_fact(asked, FACT_DNS_BOGUS, RCODE_SERVFAIL, ede);
    if (is_below_stub(asked->resolver, asked->name))
        return fact;
    // Where the chain breaks at its first link, no domain is to blame. libunbound remembers.
    struct dns_question *question =
        dns_question_begin(asked->resolver->engine, VIEW(""), DNS_TYPE_DNSKEY);
    struct io_result wait = dns_question_wait(question, asked->deadline);
    dns_question_end(question, &root);
    buffer_finish(&root.packet);
    if (wait.status == IO_CANCELED)
        return canceled(asked);
    if (io_is_ok(wait) && root.security != DNS_SECURE)
        return dns_fact_resolver(asked, "through this resolver not even the root's keys can be "
                                        "validated");
    return fact;
}

struct fact dns_explain_failure(const struct asked *asked) {
    struct arena scratch;
    io_time half = io_now() + (asked->deadline - io_now()) / 2;
    struct direct direct = {.name = asked->name, .type = asked->type, .until = half};
    struct fact fact;
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    struct dns_reply *reply = arena_alloc(&scratch, sizeof(*reply));
    ASSERT(reply != NULL);
    switch (dns_ask_servers(asked, &direct, &scratch, reply)) {
    case HEARD_REPLY: fact = blame(asked, reply); break;
    case HEARD_ERROR: fact = resolver_dead(asked, direct.sys_errno); break;
    case HEARD_NOTHING: fact = dns_explain_silence(asked, asked->deadline); break;
    default: fact = canceled(asked); break;
    }
    arena_finish(&scratch);
    return fact;
}
