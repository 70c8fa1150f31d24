// SPDX-License-Identifier: Apache-2.0
// Attempts and the audit trail in SQLite, written in batches by a thread of its own. It never
// delays mail: when it lags it folds success detail into per-minute counters, then repeated lane
// failures, and counts what it folded. Losing the file loses no mail: it is set aside and begun
// anew.
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "catalog/catalog.h"
#include "io/io.h"

struct ledger;

struct ledger_options {
    const char *path;         // directory; the file is "ledger.sqlite" in it
    int64_t retention_ms;     // zero: 30 days
    uint64_t size_bytes_max;  // zero: 2 GB; the oldest go first
    uint64_t queue_bytes_max; // waiting to be written; zero: 16 MB
};
struct ledger *ledger_open(const struct ledger_options *options, struct error *error);
void ledger_close(struct ledger *ledger); // writes what waits
// For simulations and tools without a data directory: keeps the newest in memory.
struct ledger *ledger_open_memory(void);

// Copies; from any thread; never waits.
void ledger_attempt(struct ledger *ledger, const struct attempt *attempt);

enum ledger_audit_kind { LEDGER_AUDIT_OPERATOR, LEDGER_AUDIT_SYSTEM };
struct ledger_audit {
    struct view key; // unique: storing it again changes nothing
    enum ledger_audit_kind kind;
    int64_t at_ms;
    struct view who;    // "uid 0 (root)", "postrider"
    struct view action; // "hold", "release", "retry", "remove", "reload", ...
    struct view target; // what was named: id, domain, connector
    struct view detail; // JSON object or empty
    uint64_t n_affected;
};
// `stored` is posted when it is on disk, so that the spool may forget its copy; NULL: not wanted.
// What cannot be stored until ledger_close is never posted: the spool's copy is told again at the
// next start.
void ledger_audit(struct ledger *ledger, const struct ledger_audit *audit,
                  struct io_mailbox *mailbox, struct io_mail *stored);

// Empty views and zero: any. Recipients and domains are compared without case. An attempt answers
// by one of its results or by the lane itself, and comes with those of its results only that were
// asked for. Audit lines answer by the one name given: their target.
struct ledger_query {
    struct view message_id, recipient, domain, connector, site;
    int64_t since_ms, until_ms;
    bool failures_only;
    size_t limit; // newest first; zero: 100, at most 10,000
};
// Incomplete: something that would have answered was folded, lost or not yet written, or did not
// fit into the arena. What was handed in before the query is waited for, 50 ms at most.
enum ledger_history { LEDGER_COMPLETE, LEDGER_INCOMPLETE };
// Attempts come from `arena`. Runs in the pool.
IO_WAITS enum ledger_history ledger_attempts(struct ledger *ledger,
                                             const struct ledger_query *query, struct arena *arena,
                                             struct attempt **attempts, size_t *n_attempts);
IO_WAITS enum ledger_history ledger_audits(struct ledger *ledger, const struct ledger_query *query,
                                           struct arena *arena, struct ledger_audit **audits,
                                           size_t *n_audits);

// Addresses that took mail lately, newest first, one a site; with ports. Opens the file in `folder`
// for reading alone, beside whoever writes it; zero where there is none. Blocks.
size_t ledger_known_good(const char *folder, struct address *out, size_t max);

struct ledger_counts {
    uint64_t stored, folded_successes, folded_failures, dropped, queued_bytes, file_bytes;
    bool is_healthy;
    char reason[160];
};
struct ledger_counts ledger_counts(struct ledger *ledger);

#endif
