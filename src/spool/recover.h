// SPDX-License-Identifier: Apache-2.0
// Private to spool. What a start does before the committer runs: reads every segment, by its index
// where that is whole, else by its data; sets aside what is damaged; visits what is alive.
#ifndef SPOOL_RECOVER_H
#define SPOOL_RECOVER_H

#include "spool/replay.h"
#include "spool/store.h"

struct spool_start {
    struct spool *spool;
    struct spool_recovery *report;
    struct error *error;
    void (*visit)(const struct spool_entry *entry, void *arg);
    void *arg;
    uint64_t *numbers; // of the segments that the directory names
    size_t n_numbers, size_numbers;
    uint32_t epoch_max;
    uint64_t last_sequence;
    struct spool_failures failures; // that the headers tell of
    bool has_reserve[2];
};

// Reads and sorts the names; removes what was never finished.
IO_WAITS bool spool_start_list(struct spool_start *start);
// The node file, with a new boot epoch, durable.
IO_WAITS bool spool_start_node(struct spool_start *start);
IO_WAITS bool spool_start_recover(struct spool_start *start);

// --- Parts ---------------------------------------------------------------------------------------
// Writes the damaged stretches to a file of their own.
IO_WAITS void spool_quarantine(struct spool *spool, const struct spool_segment *segment,
                               const struct spool_scan *scan, struct view file);
// Calls the visitor for each live message.
IO_WAITS bool spool_visit_all(struct spool_start *start);

#endif
