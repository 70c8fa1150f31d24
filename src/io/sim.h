// SPDX-License-Identifier: Apache-2.0
// The simulator behind io.h: a virtual clock that jumps to the next wait, a network in memory with
// latency, drops, resets, half-open peers and chunking, and a disk in memory that forgets what was
// not synced (in any order of pages), fails or fills. Everything comes from one seed: same seed,
// same run. For tests only; the program never includes it.
#ifndef IO_SIM_H
#define IO_SIM_H

#include "io/io.h"

struct sim;

// How the network treats connections to one address (or to all). Chances are parts of 10,000.
struct sim_net_rule {
    int64_t latency_ms_min, latency_ms_max; // one way, for each chunk
    unsigned refuse;       // SYN answered with RST
    unsigned drop_connect; // SYN never answered
    unsigned unreachable;  // EHOSTUNREACH
    unsigned reset;        // for each chunk: the connection is reset at both ends
    unsigned half_open;    // for each chunk: from here on nothing reaches the peer, silently
    unsigned close;        // for each chunk: orderly close in the middle
    size_t chunk_max;      // bytes arrive in pieces of 1..chunk_max; zero: whole writes
};

struct sim_disk_rule {
    unsigned write_error; // EIO in parts of 10,000
    unsigned sync_error;
    uint64_t bytes_total; // ENOSPC beyond; zero: no limit
    int64_t sync_ms_max;  // a sync takes 0..sync_ms_max of virtual time
};

// Makes the calling thread's one loop. All io_loop_* calls of the run share it.
struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *sim);
// Runs until no fiber is left, until nothing can happen before `until`, or until sim_stop.
void sim_run(struct sim *sim, io_time until);
void sim_stop(struct sim *sim);
// Fibers run in the order in which they became ready; with this chance, in parts of 10,000 (below
// that), each is passed over by the next one: threads that overtake each other.
void sim_shuffle(struct sim *sim, unsigned parts_of_10000);
uint64_t sim_random_below(struct sim *sim, uint64_t limit); // the run's own generator
// A hash of all that happened so far: two runs of one seed that differ here are not the same run.
uint64_t sim_fingerprint(const struct sim *sim);

void sim_net_default(struct sim *sim, const struct sim_net_rule *rule);
// Port zero: every port of the address that has no rule of its own.
void sim_net_rule(struct sim *sim, const struct address *address, const struct sim_net_rule *rule);
// Cuts every connection that ends at `address` now, without a packet.
void sim_net_cut(struct sim *sim, const struct address *address);

void sim_disk_rule(struct sim *sim, const struct sim_disk_rule *rule);
// Wall clock only: jumps by `delta_ms`, as an administrator or NTP would.
void sim_wall_step(struct sim *sim, int64_t delta_ms);

// A "process" is a set of fibers and what they opened: whatever is spawned inside inherits it.
// sim_process_kill stops its fibers where they stand (kill -9) and closes its streams with RST;
// with `power_cut` what was not synced is lost in every directory that this process ever opened.
// Memory of the killed fibers is not unwound. A process may kill itself: the call does not return.
struct sim_process;
struct sim_process *sim_process_start(struct sim *sim, const char *name, void (*run)(void *arg),
                                      void *arg);
void sim_process_kill(struct sim_process *process, bool power_cut);
bool sim_process_is_running(const struct sim_process *process);

// Kills the process at the n-th further disk operation (write, sync, unlink, rename), before it
// takes effect or, by the seed, after a part of it did. Zero turns it off.
void sim_process_kill_at_disk_op(struct sim_process *process, uint64_t n, bool power_cut);

#endif
