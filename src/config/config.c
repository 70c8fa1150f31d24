// SPDX-License-Identifier: Apache-2.0
#include "config/keys.h"

#include <stdlib.h>

struct config *config_ref(struct config *config) {
    unsigned before = atomic_fetch_add(&config->refs, 1);
    ASSERT(before > 0 && before < 1U << 31);
    return config;
}

void config_unref(struct config *config) {
    if (!config)
        return;
    unsigned before = atomic_fetch_sub(&config->refs, 1);
    ASSERT(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < config->n_connectors; i++) {
        // A copy in our own arena: the memory is ours to wipe.
        char *password = (char *)(uintptr_t)config->connectors[i].password;
        if (password)
            explicit_bzero(password, strlen(password));
    }
    hash_table_finish(&config->storage->domains);
    arena_finish(&config->storage->arena);
    free(config->storage);
    free(config);
}

const struct config_connector *config_connector_named(const struct config *config,
                                                      struct view name) {
    for (size_t i = 0; i < config->n_connectors; i++)
        if (view_equals(view_of(config->connectors[i].name), name))
            return &config->connectors[i];
    return NULL;
}

bool config_accepts_client(const struct config *config, const struct address *client) {
    for (size_t i = 0; i < config->n_accept_from; i++)
        if (network_contains(&config->accept_from[i], client))
            return true;
    return false;
}
