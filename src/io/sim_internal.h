// SPDX-License-Identifier: Apache-2.0
// The simulator from inside: the world that its parts share.
#ifndef IO_SIM_INTERNAL_H
#define IO_SIM_INTERNAL_H

#include "io/backend_internal.h"
#include "io/sim.h"

#include "base/rng.h"

// A handle that the program under test takes for a loop. It lives until sim_destroy, as orders may
// still name it.
struct sim_home {
    struct io_loop loop;
    struct list node; // in sim->homes
};

struct sim_process {
    struct list node; // in sim->processes
    struct sim *sim;
    const char *name;
    struct io_loop *root;
    bool is_killed;
    uint64_t n_disk_ops_left; // until it is killed; zero: never
    bool is_power_cut;        // then
};

struct sim {
    struct io_loop *loop;
    struct rng rng;
    io_time now;
    int64_t wall_offset_ms;
    bool is_stopped;
    uint64_t trace;
    uint64_t n_turns_still; // without the clock moving
    unsigned shuffle;       // chance in 10,000 that a ready fiber is passed over
    struct list homes;
    struct list processes;

    // Network
    struct sim_net_rule default_rule;
    struct list rules;
    struct list listeners;
    struct list connections;
    uint16_t next_port;

    // Disk
    struct sim_disk_rule disk_rule;
    struct list folders;
    struct list inodes;
    struct list open_dirs, open_files;
    uint64_t n_changes; // numbers changes, so that a sync knows what came before it
};

extern const struct io_backend io_backend_sim;

static inline struct sim *sim_here(void) {
    ASSERT(io_this_loop && io_this_loop->sim);
    return io_this_loop->sim;
}

// The process of the running fiber or callback; NULL: none.
struct sim_process *sim_process_here(void);
// Folds what happened into the fingerprint of the run.
void sim_trace(struct sim *sim, uint64_t what, uint64_t number);
// One of low..high.
int64_t sim_random_between(struct sim *sim, int64_t low, int64_t high);
bool sim_chance(struct sim *sim, unsigned parts_of_10000);
// Parks until `until`, whatever happens: for work that is under way.
void sim_delay(io_time until, const char *what);

// --- sim_net.c, sim_connect.c
enum { SIM_WINDOW_BYTES = 256 * 1024, SIM_PIECE_BYTES_MAX = 64 * 1024 };

struct sim_end {
    struct io_stream stream;
    struct sim_connection *connection;
    struct io_loop *home; // of whoever has it; NULL until accepted
    struct list pending;  // among the listener's, until accepted
    struct list readers, writers;
    struct list unread; // packets that have come
    size_t n_unread;
    size_t n_in_flight; // bytes that this end sent and that have not come
    io_time last_arrival;
    bool is_eof;      // the other end's FIN has come
    int sys_errno;    // a reset has come
    bool is_closed;   // by its owner
    bool is_abortive; // the next close sends RST
    bool is_silenced; // nothing that it sends arrives any more
};

struct sim_connection {
    struct list node;
    struct sim *sim;
    struct sim_net_rule rule;
    struct sim_end ends[2]; // the one that connected, the one that accepted
    size_t n_packets;       // in flight
    bool is_cut;            // nothing arrives, without a word
    bool
        is_closed_between; // something on the road closed it: whatever arrives is answered with RST
};

struct sim_rule {
    struct list node;
    struct address address; // port zero: every port
    struct sim_net_rule rule;
};

struct sim_listener {
    struct io_listener listener;
    struct list node;
    struct io_loop *home;
    char *path; // of a unix socket
    bool is_shared;
    struct list pending;
    size_t n_pending;
    struct list readers;
};

extern const struct io_stream_ops sim_stream_ops;
struct sim_connection *sim_connection_create(struct sim *sim, const struct sim_net_rule *rule);
void sim_end_reset(struct sim_end *end); // RST to the other end, then closed
struct io_result sim_connect(const struct address *peer, const struct io_connect_options *options,
                             io_time deadline, struct io_stream **stream);
struct io_result sim_connect_unix(const char *path, io_time deadline, struct io_stream **stream);
struct io_listener *sim_listen(const struct address *address, bool is_shared, struct error *error);
struct io_listener *sim_listen_unix(const char *path, mode_t mode, struct error *error);
void sim_net_kill(struct sim *sim, const struct sim_process *process);
void sim_net_free(struct sim *sim);

// --- sim_disk.c
void sim_disk(struct disk_request *request);
void sim_close_dir(struct io_dir *dir);
void sim_close_file(struct io_file *file);
void sim_disk_kill(struct sim *sim, struct sim_process *process, bool power_cut);
void sim_disk_free(struct sim *sim);

#endif
