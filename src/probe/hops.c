// SPDX-License-Identifier: Apache-2.0
// The routers on the way. A call whose packets may pass only so many routers ends at one of them,
// which says so (RFC 792, RFC 4443 3.3), and the kernel tells who it was: no privilege is needed.
// Such calls die on the way; the host hears only of those that would have come there anyhow.
#include "probe/hops_internal.h"

enum { HOP_MS = 1500, HOPS_AT_ONCE = 4, SILENT_RUN_MAX = 5, LOOP_VISITS_MIN = 3 };

bool probe_hop_is_router(const struct fact *fact) {
    enum { V4_EXCEEDED = 11, V6_EXCEEDED = 3 };
    struct address router = fact_icmp_from(fact);
    bool is_v6 = router.family == ADDRESS_IPV6;
    return fact->kind == FACT_KIND_ERRNO && router.family != ADDRESS_NONE && fact->icmp_code == 0 &&
           fact->icmp_type == (is_v6 ? V6_EXCEEDED : V4_EXCEEDED);
}

bool probe_hop_is_host(const struct fact *fact) {
    return fact_is_ok(fact) || (fact->kind == FACT_KIND_ERRNO && fact->sys_errno == ECONNREFUSED &&
                                fact->icmp_type < 0);
}

bool probe_hop_was_made(const struct fact *fact) {
    return fact->kind != FACT_KIND_NONE && fact->kind != FACT_KIND_CANCELED &&
           fact->kind != FACT_KIND_LOCAL;
}

struct fact probe_hop_call(const struct probe *probe, const struct probe_hop_wish *wish) {
    struct io_connect_options options = {.source = wish->source, .hop_limit = (int)wish->limit};
    struct io_stream *stream = NULL;
    int64_t began_us = io_now_us();
    io_time deadline =
        int64_min(io_after(int64_min(HOP_MS, probe->options->timeout_ms)), probe->deadline);
    struct fact fact =
        io_fact(FACT_STAGE_CONNECT, io_connect(&wish->to, &options, deadline, &stream));
    fact.elapsed_ms = (io_now_us() - began_us) / 1000;
    io_close(stream);
    return fact;
}

// --- A walk -----------------------------------------------------------------------------------
static void note_end(struct probe_walk *walk, unsigned hop) {
    if (walk->n_hops == 0 || hop < walk->n_hops)
        walk->n_hops = hop;
}

// How many hops after the last router that answered are known to be silent.
static unsigned silent_run(const struct probe_walk *walk) {
    unsigned n = 0;
    for (unsigned hop = walk->first; hop < walk->next; hop++) {
        const struct fact *fact = &walk->facts[hop - 1];
        if (probe_hop_is_router(fact))
            n = 0;
        else if (fact->kind == FACT_KIND_SILENT)
            n++;
    }
    return n;
}

static void take_hops(void *arg) {
    struct probe_walk *walk = arg;
    while (walk->next <= PROBE_HOPS_MAX && walk->n_hops == 0 && !walk->is_forbidden &&
           silent_run(walk) < SILENT_RUN_MAX && !io_is_canceled() &&
           io_now() < walk->probe->deadline) {
        unsigned hop = walk->next++;
        struct probe_hop_wish wish = {walk->to, walk->source, hop};
        struct fact fact = probe_hop_call(walk->probe, &wish);
        walk->facts[hop - 1] = fact;
        bool is_refused_us = fact.sys_errno == ENOPROTOOPT || fact.sys_errno == EOPNOTSUPP;
        walk->is_forbidden = walk->is_forbidden || is_refused_us;
        bool is_end = fact.kind != FACT_KIND_SILENT && !probe_hop_is_router(&fact);
        if (is_end && probe_hop_was_made(&fact) && !is_refused_us)
            note_end(walk, hop);
    }
}

static unsigned visits(const struct probe_walk *walk, const struct address *router) {
    unsigned n = 0;
    for (unsigned hop = walk->first; hop < walk->next; hop++) {
        struct address other = fact_icmp_from(&walk->facts[hop - 1]);
        n += probe_hop_is_router(&walk->facts[hop - 1]) && address_equals(&other, router);
    }
    return n;
}

void probe_walk(struct probe_walk *walk) {
    struct io_group group;
    ASSERT(walk->first > 0 && walk->to.port > 0);
    walk->next = walk->first;
    for (unsigned i = 0; i < PROBE_HOPS_MAX; i++)
        walk->facts[i] = fact_make(FACT_STAGE_CONNECT, FACT_KIND_NONE);
    io_group_init(&group);
    for (int i = 0; i < HOPS_AT_ONCE; i++)
        io_group_spawn(&group, "probe-hop", take_hops, walk);
    probe_wait_all(&group);
    unsigned end = walk->n_hops ? walk->n_hops : walk->next - 1;
    for (unsigned hop = walk->first; hop <= end; hop++) {
        const struct fact *fact = &walk->facts[hop - 1];
        if (!probe_hop_is_router(fact))
            continue;
        struct address router = fact_icmp_from(fact);
        walk->last_router = hop;
        walk->is_loop = walk->is_loop || visits(walk, &router) >= LOOP_VISITS_MIN;
    }
}

const struct fact *probe_walk_hop(const struct probe_walk *walk, unsigned hop) {
    ASSERT(hop >= 1 && hop <= PROBE_HOPS_MAX);
    return &walk->facts[hop - 1];
}

// --- In words ---------------------------------------------------------------------------------
struct view probe_router_name(struct probe *probe, const struct fact *fact) {
    char text[ADDRESS_TEXT_SIZE];
    struct address router = fact_icmp_from(fact);
    address_format(&router, text, sizeof(text));
    return arena_printf(probe->arena, "%s", text);
}

// "1 192.0.2.1, 2 *, 3 198.51.100.7": routers by their distance, a star for one that keeps silent.
static void put_routers(const struct probe_walk *walk, struct buffer *out) {
    char text[ADDRESS_TEXT_SIZE];
    unsigned end = walk->n_hops ? walk->n_hops - 1 : walk->last_router;
    for (unsigned hop = walk->first; hop <= end; hop++) {
        const struct fact *fact = probe_walk_hop(walk, hop);
        struct address router = fact_icmp_from(fact);
        if (probe_hop_is_router(fact))
            address_format(&router, text, sizeof(text));
        buffer_printf(out, "%s%u %s", hop > walk->first ? ", " : "", hop,
                      probe_hop_is_router(fact) ? text : "*");
    }
}

static const char *end_words(const struct fact *fact) {
    return fact_is_ok(fact) ? "accepts" : probe_hop_is_host(fact) ? "refuses" : "answers";
}

void probe_walk_record(struct probe *probe, const struct probe_walk *walk, const char *name) {
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_OK);
    struct buffer out;
    fact.elapsed_ms = io_now() - walk->began;
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    step->peer = walk->to;
    if (walk->is_forbidden) {
        step->state = PROBE_NOT_REACHED;
        probe_step_words(probe, step,
                         "routers cannot be told apart: this system does not let a "
                         "call be limited to so many of them");
        return;
    }
    step->state = walk->n_hops ? PROBE_WELL : PROBE_WARNING;
    buffer_init(&out, 4 << 10);
    put_routers(walk, &out);
    if (walk->n_hops)
        buffer_printf(&out, "%s%u %s", out.len ? ", " : "", walk->n_hops,
                      end_words(probe_walk_hop(walk, walk->n_hops)));
    else if (walk->is_loop)
        buffer_printf(&out, ": the same routers again and again");
    else
        buffer_printf(&out, "%shops %u to %u are silent", out.len ? "; " : "",
                      walk->last_router ? walk->last_router + 1 : walk->first, walk->next - 1);
    probe_step_words(probe, step, "port %u: %.*s", (unsigned)walk->to.port,
                     VIEW_ARG(buffer_view(&out)));
    buffer_finish(&out);
}
