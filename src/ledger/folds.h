// SPDX-License-Identifier: Apache-2.0
// What is counted instead of kept while the ledger lags: per minute, connector and site. Private to
// the folder; the owner's lock covers it.
#ifndef LEDGER_FOLDS_H
#define LEDGER_FOLDS_H

#include "base/hash.h"
#include "base/list.h"

#include <stdint.h>

struct ledger_fold {
    struct hash_node node;
    struct list link;
    int64_t minute_ms;
    struct view connector, site; // behind the struct
    uint64_t successes, failures, dropped;
};

enum { LEDGER_FOLDS_MAX = 1024, LEDGER_REPEATS = 1024 };

struct ledger_folds {
    struct hash_table table;
    struct list all;
    size_t n_folds;
    uint64_t repeats[LEDGER_REPEATS]; // lane failures that were kept lately, by hash
};

void ledger_folds_init(struct ledger_folds *folds);
void ledger_folds_finish(struct ledger_folds *folds);
// Adds the three numbers. Beyond LEDGER_FOLDS_MAX different ones the names are left out.
void ledger_folds_count(struct ledger_folds *folds, const struct ledger_fold *add);
// Moves what was counted to `to`, which must be empty.
void ledger_folds_take(struct ledger_folds *folds, struct ledger_folds *to);
// Whether a lane failure of this hash was asked about before (lately; false may be wrong).
bool ledger_folds_is_repeat(struct ledger_folds *folds, uint64_t hash);

#endif
