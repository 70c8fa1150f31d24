// SPDX-License-Identifier: Apache-2.0
// Calls that may pass so many routers: hops.c makes them, road.c says what they show.
#ifndef PROBE_HOPS_INTERNAL_H
#define PROBE_HOPS_INTERNAL_H

#include "probe/probe_internal.h"

#include <errno.h>

enum { PROBE_HOPS_MAX = 30 };

// The first hop is the router next to us; the host is the last.
struct probe_hop_wish {
    struct address to, source;
    unsigned limit;
};
// One call. Its fact: ERRNO with the router that ended it, OK or refused by whoever answers,
// SILENT.
IO_WAITS struct fact probe_hop_call(const struct probe *probe, const struct probe_hop_wish *wish);
bool probe_hop_is_router(const struct fact *fact); // the limit was used up there
bool probe_hop_is_host(const struct fact *fact);   // accepted, or refused by TCP
bool probe_hop_was_made(const struct fact *fact);

struct probe_walk {
    const struct probe *probe;
    struct address to, source;
    unsigned first; // hop to begin with
    io_time began;
    // What came out.
    unsigned next;        // the hops before it were tried
    unsigned n_hops;      // how far away an answer came from; zero: none came
    unsigned last_router; // the last that answered; zero: none did
    bool is_loop, is_forbidden;
    struct fact facts[PROBE_HOPS_MAX];
};
// A few calls at a time, until something answers or some hops in a row keep silent.
IO_WAITS void probe_walk(struct probe_walk *walk);
const struct fact *probe_walk_hop(const struct probe_walk *walk, unsigned hop);
void probe_walk_record(struct probe *probe, const struct probe_walk *walk, const char *name);
struct view probe_router_name(struct probe *probe, const struct fact *fact);

#endif
