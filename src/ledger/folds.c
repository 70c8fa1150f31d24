// SPDX-License-Identifier: Apache-2.0
#include "ledger/folds.h"

#include <stdlib.h>

void ledger_folds_init(struct ledger_folds *folds) {
    *folds = (struct ledger_folds){0};
    hash_table_init(&folds->table);
    list_init(&folds->all);
}

void ledger_folds_finish(struct ledger_folds *folds) {
    LIST_FOR_EACH_SAFE (link, following, &folds->all) {
        struct ledger_fold *fold = CONTAINER_OF(link, struct ledger_fold, link);
        list_remove(link);
        free(fold);
    }
    hash_table_finish(&folds->table);
    folds->n_folds = 0;
}

static uint64_t hash_of(const struct ledger_fold *fold) {
    return hash_u64((uint64_t)fold->minute_ms) ^ view_hash(fold->connector) ^
           hash_u64(view_hash(fold->site));
}

static struct ledger_fold *find(struct ledger_folds *folds, const struct ledger_fold *like) {
    struct hash_node *node = hash_table_first(&folds->table, hash_of(like));
    for (; node; node = hash_table_next(node)) {
        struct ledger_fold *fold = CONTAINER_OF(node, struct ledger_fold, node);
        if (fold->minute_ms == like->minute_ms && view_equals(fold->connector, like->connector) &&
            view_equals(fold->site, like->site))
            return fold;
    }
    return NULL;
}

static struct ledger_fold *add_new(struct ledger_folds *folds, const struct ledger_fold *like) {
    struct ledger_fold *fold = mem_alloc_zero(sizeof(*fold) + like->connector.len + like->site.len);
    char *names = (char *)(fold + 1);
    if (like->connector.len)
        memcpy(names, like->connector.ptr, like->connector.len);
    if (like->site.len)
        memcpy(names + like->connector.len, like->site.ptr, like->site.len);
    fold->minute_ms = like->minute_ms;
    fold->connector = view_from(names, like->connector.len);
    fold->site = view_from(names + like->connector.len, like->site.len);
    list_init(&fold->link);
    list_append(&folds->all, &fold->link);
    hash_table_insert(&folds->table, &fold->node, hash_of(fold));
    folds->n_folds++;
    return fold;
}

void ledger_folds_count(struct ledger_folds *folds, const struct ledger_fold *add) {
    struct ledger_fold like = *add;
    struct ledger_fold *fold = find(folds, &like);
    if (!fold && folds->n_folds >= LEDGER_FOLDS_MAX) {
        like.connector = like.site = VIEW_NONE;
        fold = find(folds, &like);
        if (!fold && folds->n_folds >= LEDGER_FOLDS_MAX * 2) {
            // Two thousand minutes without a write: the first one stands for the rest.
            fold = CONTAINER_OF(folds->all.next, struct ledger_fold, link);
        }
    }
    if (!fold)
        fold = add_new(folds, &like);
    fold->successes += add->successes;
    fold->failures += add->failures;
    fold->dropped += add->dropped;
}

void ledger_folds_take(struct ledger_folds *folds, struct ledger_folds *to) {
    ASSERT(to->n_folds == 0);
    list_append_all(&to->all, &folds->all);
    to->table = folds->table;
    to->n_folds = folds->n_folds;
    hash_table_init(&folds->table);
    folds->n_folds = 0;
}

bool ledger_folds_is_repeat(struct ledger_folds *folds, uint64_t hash) {
    uint64_t *slot = &folds->repeats[hash % LEDGER_REPEATS];
    bool is_repeat = *slot == hash;
    *slot = hash;
    return is_repeat;
}
