// SPDX-License-Identifier: Apache-2.0
#include "ledger/postings.h"

#include "base/hash.h"
#include "mail/mail.h"

#include <stdlib.h>

// Terms of long lists have a second one for failures, so that the few failures of a busy
// destination are found without reading its successes.
enum term {
    TERM_MESSAGE = 1,
    TERM_RECIPIENT,
    TERM_DOMAIN,
    TERM_SITE,
    TERM_CONNECTOR,
    TERM_DOMAIN_FAILED,
    TERM_SITE_FAILED,
    TERM_CONNECTOR_FAILED,
    TERM_FAILED
};

static uint32_t term_hash(const uint64_t key[2], enum term term, struct view value) {
    uint64_t own[2] = {key[0], key[1] ^ (uint64_t)term};
    return (uint32_t)hash_bytes_keyed(own, value, true);
}

void ledger_postings_init(struct ledger_postings *postings, const uint64_t key[2],
                          size_t n_entries_full) {
    ASSERT(n_entries_full > 0);
    *postings = (struct ledger_postings){.n_entries_full = n_entries_full, .key = {key[0], key[1]}};
}

void ledger_postings_finish(struct ledger_postings *postings) {
    free(postings->entries);
    postings->entries = NULL;
    postings->size = 0;
    ledger_postings_clear(postings);
}

void ledger_postings_clear(struct ledger_postings *postings) {
    postings->n_entries = 0;
    postings->first_id = postings->last_id = 0;
    postings->at_ms_min = postings->at_ms_max = 0;
}

bool ledger_postings_is_full(const struct ledger_postings *postings) {
    return postings->n_entries >= postings->n_entries_full;
}

static void push(struct ledger_postings *postings, enum term term, struct view value) {
    if (postings->n_entries == postings->size) {
        postings->size = postings->size ? postings->size * 2 : 4096;
        postings->entries =
            mem_realloc(postings->entries, postings->size * sizeof(*postings->entries));
    }
    uint64_t delta = (uint64_t)(postings->last_id - postings->first_id);
    ASSERT(delta <= UINT32_MAX);
    uint64_t hash = term_hash(postings->key, term, value);
    postings->entries[postings->n_entries++] = hash << 32 | delta;
}

static void push_domain(struct ledger_postings *postings, struct view domain, bool failed) {
    if (domain.len == 0)
        return;
    push(postings, TERM_DOMAIN, domain);
    if (failed)
        push(postings, TERM_DOMAIN_FAILED, domain);
}

// Message ids, recipients, and their domains where they are not the attempt's. Results come
// grouped, so comparing with the one before drops nearly all repeats; sorting drops the rest.
static void push_results(struct ledger_postings *postings, const struct ledger_record *record,
                         bool lane_failed) {
    struct view rest = record->results, message = VIEW_NONE, domain = record->domain;
    struct ledger_result result = {0};
    bool domain_failed = record->cause != CAUSE_NONE;
    while (ledger_result_next(&rest, &result)) {
        if (!view_equals(result.message_id, message))
            push(postings, TERM_MESSAGE, result.message_id);
        message = result.message_id;
        push(postings, TERM_RECIPIENT, result.recipient);
        struct view own = mail_address_domain(result.recipient);
        bool failed = lane_failed || result.is_failure;
        if (!view_equals_nocase(own, domain) || (failed && !domain_failed))
            push_domain(postings, own, failed);
        domain = own;
        domain_failed = failed;
    }
}

void ledger_postings_add(struct ledger_postings *postings, const struct ledger_record *record) {
    ASSERT(record->id > postings->last_id);
    if (postings->first_id == 0) {
        postings->first_id = record->id;
        postings->at_ms_min = postings->at_ms_max = record->at_ms;
    }
    postings->last_id = record->id;
    postings->at_ms_min = int64_min(postings->at_ms_min, record->at_ms);
    postings->at_ms_max = int64_max(postings->at_ms_max, record->at_ms);
    struct fact fact;
    bool lane_failed = fact_decode(record->fact, &fact) && ledger_fact_failed(&fact);
    bool failed = record->cause != CAUSE_NONE || lane_failed;
    push_domain(postings, record->domain, failed);
    push(postings, TERM_SITE, record->site);
    push(postings, TERM_CONNECTOR, record->connector);
    if (failed) {
        push(postings, TERM_SITE_FAILED, record->site);
        push(postings, TERM_CONNECTOR_FAILED, record->connector);
        push(postings, TERM_FAILED, VIEW_NONE);
    }
    push_results(postings, record, lane_failed);
}

static int compare_entries(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

void ledger_postings_sort(struct ledger_postings *postings) {
    qsort(postings->entries, postings->n_entries, sizeof(*postings->entries), compare_entries);
    size_t kept = 0;
    for (size_t i = 0; i < postings->n_entries; i++)
        if (i == 0 || postings->entries[i] != postings->entries[kept - 1])
            postings->entries[kept++] = postings->entries[i];
    postings->n_entries = kept;
}

bool ledger_query_term(const struct ledger_query *query, const uint64_t key[2], uint32_t *hash) {
    bool failed = query->failures_only;
    enum term term = TERM_FAILED;
    struct view value = VIEW_NONE;
    if (query->message_id.len) {
        term = TERM_MESSAGE;
        value = query->message_id;
    } else if (query->recipient.len) {
        term = TERM_RECIPIENT;
        value = query->recipient;
    } else if (query->domain.len) {
        term = failed ? TERM_DOMAIN_FAILED : TERM_DOMAIN;
        value = query->domain;
    } else if (query->site.len) {
        term = failed ? TERM_SITE_FAILED : TERM_SITE;
        value = query->site;
    } else if (query->connector.len) {
        term = failed ? TERM_CONNECTOR_FAILED : TERM_CONNECTOR;
        value = query->connector;
    } else if (!failed) {
        return false;
    }
    *hash = term_hash(key, term, value);
    return true;
}
