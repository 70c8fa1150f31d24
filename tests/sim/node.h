// SPDX-License-Identifier: Apache-2.0
// The relay as a process of the simulated world: spool, ledger, resolver, relay and server, as the
// program puts them together, on the one simulated loop.
#ifndef TEST_SIM_NODE_H
#define TEST_SIM_NODE_H

#include "dns/zone.h"
#include "io/sim.h"
#include "relay/relay.h"

struct node {
    struct sim *sim;
    struct address address; // where it takes mail
    const char *config_text;
    void (*fill_zone)(struct dns_resolver *zone, void *arg);
    void *arg;
    struct sim_process *process;
    struct relay *relay;       // while it is up
    struct dns_resolver *zone; // while it is up
    struct ledger *ledger;     // while it is up
    struct spool *spool;       // while it is up
    struct io_event stop, stopped, errand;
    void (*run_errand)(void *arg);
    uint64_t generation;
    uint64_t n_starts, n_failed_starts, n_torn, n_damaged;
    bool is_up;
};

void node_init(struct node *node, struct sim *sim);
void node_start(struct node *node);
IO_WAITS void node_stop(struct node *node); // in order
void node_kill(struct node *node, bool power_cut);
bool node_is_running(const struct node *node);
// Runs `errand(node->arg)` in a fiber of the process, when it is up: it goes with it.
void node_inside(struct node *node, void (*errand)(void *arg));
void node_reload(struct node *node);

#endif
