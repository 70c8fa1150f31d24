// SPDX-License-Identifier: Apache-2.0
#include "serve/limits.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>

struct visitor { // an address with at least one session
    struct hash_node node;
    struct address address;
    unsigned n_sessions;
};

struct serve_limits {
    pthread_mutex_t lock;
    struct hash_table visitors;
    unsigned n_sessions, n_strangers;
};

struct serve_limits *serve_limits_create(void) {
    struct serve_limits *limits = mem_alloc_zero(sizeof(*limits));
    ASSERT(pthread_mutex_init(&limits->lock, NULL) == 0);
    hash_table_init(&limits->visitors);
    return limits;
}

void serve_limits_destroy(struct serve_limits *limits) {
    if (!limits)
        return;
    ASSERT(limits->n_sessions == 0);
    hash_table_finish(&limits->visitors);
    pthread_mutex_destroy(&limits->lock);
    free(limits);
}

static struct visitor *find(struct serve_limits *limits, const struct address *client) {
    struct hash_node *node = hash_table_first(&limits->visitors, address_hash(client));
    for (; node; node = hash_table_next(node)) {
        struct visitor *visitor = CONTAINER_OF(node, struct visitor, node);
        if (address_equals(&visitor->address, client))
            return visitor;
    }
    return NULL;
}

static struct visitor *welcome(struct serve_limits *limits, const struct address *client) {
    struct visitor *visitor = mem_alloc_zero(sizeof(*visitor));
    visitor->address = *client;
    hash_table_insert(&limits->visitors, &visitor->node, address_hash(client));
    return visitor;
}

static bool is_full(const struct serve_limits *limits, bool is_stranger,
                    const struct config *config) {
    unsigned strangers_max = config->max_sessions / 4 + 1;
    return limits->n_sessions >= config->max_sessions ||
           (is_stranger && limits->n_strangers >= strangers_max);
}

enum serve_admission serve_limits_enter(struct serve_limits *limits, const struct address *client,
                                        bool is_stranger, const struct config *config) {
    enum serve_admission admission = SERVE_ADMITTED;
    pthread_mutex_lock(&limits->lock);
    struct visitor *visitor = find(limits, client);
    if (is_full(limits, is_stranger, config))
        admission = SERVE_FULL;
    else if (visitor && visitor->n_sessions >= config->max_sessions_per_client)
        admission = SERVE_FULL_FOR_CLIENT;
    if (admission == SERVE_ADMITTED) {
        if (!visitor)
            visitor = welcome(limits, client);
        visitor->n_sessions++;
        limits->n_sessions++;
        limits->n_strangers += is_stranger;
    }
    pthread_mutex_unlock(&limits->lock);
    return admission;
}

void serve_limits_leave(struct serve_limits *limits, const struct address *client,
                        bool is_stranger) {
    pthread_mutex_lock(&limits->lock);
    struct visitor *visitor = find(limits, client);
    ASSERT(visitor && visitor->n_sessions > 0 && limits->n_sessions > 0);
    ASSERT(limits->n_strangers >= is_stranger);
    limits->n_sessions--;
    limits->n_strangers -= is_stranger;
    if (--visitor->n_sessions == 0) {
        hash_table_remove(&limits->visitors, &visitor->node);
        free(visitor);
    }
    pthread_mutex_unlock(&limits->lock);
}
