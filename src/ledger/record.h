// SPDX-License-Identifier: Apache-2.0
// An attempt as the ledger carries it: one allocation that holds every string, the lane's fact and
// the results in their stored form. Callers make records, the writer binds them to columns, queries
// turn rows back into attempts through the same struct. Private to the folder.
#ifndef LEDGER_RECORD_H
#define LEDGER_RECORD_H

#include "ledger/ledger.h"

// Results of one attempt beyond this are counted instead of kept.
enum { LEDGER_RESULTS_BYTES_MAX = 1 << 20 };

struct ledger_record {
    struct ledger_record *next;
    size_t size; // of the allocation
    int64_t id;
    int64_t at_ms, elapsed_ms;
    struct view connector, domain, site, host, helo, greeting, tls;
    struct address peer, source;
    int tls_verify;
    enum cause cause; // of the lane, or of the first recipient that failed
    uint32_t n_results;
    uint32_t n_folded;   // delivered recipients that are only counted
    uint32_t n_dropped;  // failed recipients that did not fit
    struct view fact;    // fact_encode
    struct view results; // ledger_result_next reads them
};

// `keep_successes` false: delivered recipients are counted in n_folded.
struct ledger_record *ledger_record_create(const struct attempt *attempt, bool keep_successes);

// One result in its stored form; views point into the results.
struct ledger_result {
    struct view message_id;
    uint32_t rcpt_index;
    struct view recipient;
    struct view fact;
    bool is_failure;
};
// Takes the next off `rest`; `result` carries the message id from one to the next. False at the end
// and where the bytes are damaged: then `rest->len` is not zero.
bool ledger_result_next(struct view *rest, struct ledger_result *result);

// Turns the record into `attempt`, with its strings in `arena`, when it answers the query. The
// results are those that the query asks for.
enum ledger_match { LEDGER_MATCH, LEDGER_NO_MATCH, LEDGER_MATCH_DAMAGED, LEDGER_MATCH_NO_ROOM };
enum ledger_match ledger_record_match(const struct ledger_record *record,
                                      const struct ledger_query *query, struct arena *arena,
                                      struct attempt *attempt);

static inline bool ledger_fact_failed(const struct fact *fact) {
    return fact->kind != FACT_KIND_OK && fact->kind != FACT_KIND_NONE;
}

#endif
