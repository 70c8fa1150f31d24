// SPDX-License-Identifier: Apache-2.0
// Where the road ends, and who answers at its end. A call to another port of the same address shows
// how far the host is; a mail port that is answered, refused or swallowed long before is not its
// doing.
#include "probe/crowd_internal.h"
#include "probe/hops_internal.h"

#include <stdio.h>
#include <stdlib.h>

// Answers within so many hops come from our own side, if the host lies beyond the next one.
enum { NEAR_HOPS = 3 };

// --- How far is the host? ---------------------------------------------------------------------
struct beside {
    struct probe_hop_wish wish;
    struct fact fact;
};

// A call to a port that is not for mail between servers, with the same limit: a router that ends it
// stands before the host. One after the other: routers rarely care for the port. True: `further` is
// that call.
IO_WAITS static bool lies_further(const struct probe *probe, const struct probe_hop_wish *wish,
                                  struct beside *further) {
    static const uint16_t ports[] = {587, 443};
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        if (ports[i] == wish->to.port || io_is_canceled())
            continue;
        *further = (struct beside){.wish = *wish};
        further->wish.to.port = ports[i];
        further->fact = probe_hop_call(probe, &further->wish);
        if (probe_hop_is_router(&further->fact))
            return true;
    }
    return false;
}

static void say_further(struct probe *probe, enum sign sign, const char *what,
                        const struct beside *further) {
    struct view router = probe_router_name(probe, &further->fact);
    probe_sign_set(probe, sign, true,
                   "%s, while a call to port %u of the same address passes there and meets the "
                   "router %.*s, hop %u",
                   what, (unsigned)further->wish.to.port, VIEW_ARG(router), further->wish.limit);
}

// --- Is the mail port answered near us? -------------------------------------------------------
struct probe_near {
    struct probe *probe;
    struct io_group group;
    struct probe_hop_wish wish;
    struct beside further;
    unsigned answered_at; // hop; zero: nobody answers there
    bool is_answered, is_over;
};

// Of a host that is far away nothing is seen but routers, and it sees nothing of us.
IO_WAITS static void look_near(void *arg) {
    struct probe_near *near = arg;
    struct probe_hop_wish wish = near->wish;
    wish.limit = NEAR_HOPS + 1;
    if (lies_further(near->probe, &wish, &near->further)) {
        wish.limit = NEAR_HOPS;
        struct fact fact = probe_hop_call(near->probe, &wish);
        near->is_answered = fact_is_ok(&fact);
        near->answered_at = near->is_answered ? NEAR_HOPS : 0;
        for (wish.limit = 1; near->is_answered && wish.limit < near->answered_at; wish.limit++) {
            fact = probe_hop_call(near->probe, &wish);
            if (fact_is_ok(&fact))
                near->answered_at = wish.limit;
        }
    }
    near->is_over = !io_is_canceled();
}

struct probe_near *probe_near_begin(struct probe *probe, const struct probe_way *way) {
    struct probe_crowd *crowd = probe->options->crowd;
    if (!address_is_global(&way->address) || (crowd && !probe_crowd_may_look(crowd)))
        return NULL;
    struct probe_near *near = mem_alloc_zero(sizeof(*near));
    near->probe = probe;
    near->wish = (struct probe_hop_wish){way->address, way->source, 0};
    io_group_init(&near->group);
    io_group_spawn(&near->group, "probe-near", look_near, near);
    return near;
}

static void record_near(struct probe *probe, const struct probe_near *near) {
    char what[100];
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_OK);
    fact.at_ms = io_wall_ms();
    snprintf(what, sizeof(what), "port %u is answered %u hop%s away from us",
             (unsigned)near->wish.to.port, near->answered_at, near->answered_at == 1 ? "" : "s");
    say_further(probe, SIGN_ANSWERED_NEAR, what, &near->further);
    struct probe_step *step = probe_experiment_step(probe, "near", &fact);
    step->state = PROBE_WARNING;
    step->peer = near->wish.to;
    step->words = probe->signs.words[SIGN_ANSWERED_NEAR];
}

// The session is over, and whoever answers near us is quicker than a router behind: it gets a
// moment. Longer is waited only where somebody has answered.
void probe_near_end(struct probe *probe, struct probe_near *near) {
    enum { MOMENT_MS = 100, REST_MS = 2000 };
    if (!near)
        return;
    io_group_wait(&near->group, io_after(MOMENT_MS));
    if (near->is_answered)
        io_group_wait(&near->group, io_after(REST_MS));
    io_group_cancel(&near->group);
    probe_wait_all(&near->group);
    if (near->is_answered)
        record_near(probe, near);
    probe->knows_near = near->is_over;
    if (probe->options->crowd)
        probe_crowd_looked(probe->options->crowd, near->is_over, near->is_answered);
    free(near);
}

void probe_try_near(struct probe *probe) {
    struct probe_near *near = probe_near_begin(probe, probe->session->way);
    if (!near)
        return;
    probe_wait_all(&near->group);
    probe_near_end(probe, near);
}

// --- Where the road ends ----------------------------------------------------------------------
// A guess that costs nothing: networks are rarely smaller than these.
static bool is_same_network(const struct fact *fact, const struct address *host) {
    struct address router = fact_icmp_from(fact);
    size_t n = host->family == ADDRESS_IPV4 ? 3 : 6;
    return router.family == host->family && memcmp(router.bytes, host->bytes, n) == 0;
}

static void say_end(struct probe *probe, const struct probe_walk *walk) {
    const struct fact *last = probe_walk_hop(walk, walk->last_router);
    struct view router = probe_router_name(probe, last);
    bool is_theirs = is_same_network(last, &walk->to);
    probe_sign_set(probe, SIGN_ROAD_ENDS, true,
                   "calls to port %u come as far as hop %u (%.*s)%s; hops %u to %u are silent",
                   (unsigned)walk->to.port, walk->last_router, VIEW_ARG(router),
                   is_theirs ? ", in the destination's own network" : "", walk->last_router + 1,
                   walk->next - 1);
}

// Another port is answered from further away: what swallows the calls stands before the host.
static void compare_roads(struct probe *probe, const struct probe_walk *walk,
                          const struct probe_walk *other) {
    enum { NEAR_US = 2 };
    unsigned last = walk->last_router;
    if (other->n_hops < last + 2)
        return;
    const struct fact *at = probe_walk_hop(walk, last), *next = probe_walk_hop(other, last + 1);
    bool is_between = probe_hop_is_router(next) && !is_same_network(next, &walk->to) &&
                      !is_same_network(at, &walk->to);
    struct view router = probe_router_name(probe, at);
    bool may_be_ours = last <= NEAR_US && probe->signs.is[SIGN_CONTROL_CONNECTS] != ANSWER_YES;
    if (is_between)
        probe_sign_set(probe, may_be_ours ? SIGN_ROAD_ENDS_NEAR_US : SIGN_FILTERED_ON_THE_WAY, true,
                       "calls to port %u are lost behind hop %u (%.*s); calls to port %u of the "
                       "same address pass there and are answered %u hops away",
                       (unsigned)walk->to.port, last, VIEW_ARG(router), (unsigned)other->to.port,
                       other->n_hops);
}

IO_WAITS static void look_beyond(struct probe *probe, const struct probe_walk *walk) {
    if (probe->other_port == 0 || io_is_canceled() || io_now() >= probe->deadline)
        return;
    struct probe_walk *other = mem_alloc_zero(sizeof(*other));
    *other = (struct probe_walk){.probe = probe,
                                 .to = walk->to,
                                 .source = walk->source,
                                 .first = walk->last_router + 1,
                                 .began = io_now()};
    other->to.port = probe->other_port;
    probe_walk(other);
    probe_walk_record(probe, other, "hops");
    compare_roads(probe, walk, other);
    free(other);
}

// Refused: by the host, or by something on the way to it?
IO_WAITS static void question_refusal(struct probe *probe, const struct probe_walk *walk) {
    char what[100];
    struct probe_hop_wish wish = {walk->to, walk->source, walk->n_hops + 1};
    struct beside further;
    if (!lies_further(probe, &wish, &further))
        return;
    snprintf(what, sizeof(what), "calls to port %u are refused %u hop%s away from us",
             (unsigned)walk->to.port, walk->n_hops, walk->n_hops == 1 ? "" : "s");
    say_further(probe, SIGN_FILTERED_ON_THE_WAY, what, &further);
}

static void say_loop(struct probe *probe, const struct probe_walk *walk) {
    struct view router = probe_router_name(probe, probe_walk_hop(walk, walk->last_router));
    probe_sign_set(probe, SIGN_ROAD_LOOPS, true,
                   "our packets go round in circles: the same routers, %.*s among them, see them "
                   "again and again up to hop %u",
                   VIEW_ARG(router), walk->last_router);
}

static void conclude(struct probe *probe, const struct probe_walk *walk) {
    const struct fact *end = walk->n_hops ? probe_walk_hop(walk, walk->n_hops) : NULL;
    if (walk->is_forbidden || io_is_canceled())
        return;
    if (walk->is_loop) {
        say_loop(probe, walk);
    } else if (!end && walk->last_router) {
        say_end(probe, walk);
        look_beyond(probe, walk);
    } else if (end && probe_hop_is_host(end) && !fact_is_ok(end)) {
        question_refusal(probe, walk);
    }
}

void probe_try_hops(struct probe *probe) {
    const struct attempt *attempt = &probe->result->attempt;
    if (attempt->peer.family == ADDRESS_NONE || attempt->peer.port == 0 ||
        address_is_loopback(&attempt->peer))
        return;
    struct probe_walk *walk = mem_alloc_zero(sizeof(*walk));
    *walk = (struct probe_walk){.probe = probe,
                                .to = attempt->peer,
                                .source = attempt->source,
                                .first = 1,
                                .began = io_now()};
    walk->source.port = 0;
    probe_walk(walk);
    probe_walk_record(probe, walk, "hops");
    conclude(probe, walk);
    free(walk);
}
