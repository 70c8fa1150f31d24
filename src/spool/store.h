// SPDX-License-Identifier: Apache-2.0
// Private to spool. What the parts of the store share, and how others reach the committer.
//
// Three threads of work, each a fiber on a loop of its own (in the simulator: fibers of the one
// loop):
//   committer  owns segments, index, notes and the log's end; takes work from its inbox (commit.c)
//   helper     makes, unlinks and measures files, so that no commit waits for that (helper.c)
//   keeper     writes indexes and cleans; asks the committer what is alive (keeper.c)
#ifndef SPOOL_STORE_H
#define SPOOL_STORE_H

#include "spool/body.h"
#include "spool/index.h"
#include "spool/notes.h"
#include "spool/work.h"

// --- The store -----------------------------------------------------------------------------------
struct spool_log;    // the committer's own (commit.h)
struct spool_helper; // helper.c
struct spool_keeper; // keeper.c

struct spool {
    struct spool_options options; // defaults filled in
    char *path;
    struct io_dir *dir;
    struct spool_node node;
    atomic_uint_fast64_t next_id;
    atomic_int refusal; // enum spool_status that new mail gets
    struct spool_bodies bodies;

    struct io_loop *log_loop, *helper_loop;
    struct io_mailbox *inbox; // of the committer

    // The committer's, from the end of recovery on.
    struct spool_segments segments;
    struct spool_index index;
    struct spool_notes notes;
    struct spool_log *log;
    struct spool_helper *helper;
    struct spool_keeper *keeper;

    pthread_mutex_t health_lock;
    struct spool_health health; // what spool_health copies
};

static inline uint64_t spool_owner(const struct spool *spool) {
    return (uint64_t)spool->node.node << 32 | spool->node.epoch;
}

#endif
