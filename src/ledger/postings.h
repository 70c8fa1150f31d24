// SPDX-License-Identifier: Apache-2.0
// Which attempts speak of a message, recipient, domain, site or connector. An ordinary index on
// recipients costs a random page for each delivered recipient (18 us at 3 million rows, and
// growing); this one is appended to: terms are hashed to 32 bits and gathered in memory, and when a
// partition of them is full it is sorted and written once. A lookup asks each partition, newest
// first; hits are checked against the row, so that two terms of one hash cost time and never a
// wrong answer. Private to the folder.
#ifndef LEDGER_POSTINGS_H
#define LEDGER_POSTINGS_H

#include "ledger/record.h"

enum {
    LEDGER_CHUNK_ENTRIES = 1000, // of 8 bytes: one page of 8 KB
    LEDGER_CHUNK_BYTES = LEDGER_CHUNK_ENTRIES * 8
};

// The partition that is being filled. An entry is hash << 32 | (attempt id - first_id).
struct ledger_postings {
    uint64_t *entries;
    size_t n_entries;
    size_t size;
    size_t n_entries_full;     // it is sealed at this many
    int64_t first_id, last_id; // both zero: empty
    int64_t at_ms_min, at_ms_max;
    uint64_t key[2]; // secret of this file: strangers choose the terms
};

void ledger_postings_init(struct ledger_postings *postings, const uint64_t key[2],
                          size_t n_entries_full);
void ledger_postings_finish(struct ledger_postings *postings);
// Adds every term of the record, whose id is larger than those before.
void ledger_postings_add(struct ledger_postings *postings, const struct ledger_record *record);
// Sorts and drops repeats, ready to be cut into chunks.
void ledger_postings_sort(struct ledger_postings *postings);
void ledger_postings_clear(struct ledger_postings *postings);
bool ledger_postings_is_full(const struct ledger_postings *postings);

// The rarest term that the query names; false: it names none, and every attempt has to be looked
// at.
bool ledger_query_term(const struct ledger_query *query, const uint64_t key[2], uint32_t *hash);

static inline uint32_t ledger_entry_hash(uint64_t entry) {
    return (uint32_t)(entry >> 32);
}
static inline uint32_t ledger_entry_delta(uint64_t entry) {
    return (uint32_t)entry;
}

#endif
