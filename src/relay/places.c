// SPDX-License-Identifier: Apache-2.0
// What is remembered of lanes and domains: how their last round failed, and until when they back
// off. The spool keeps it as notes, so that `why` is right after a restart even where the ledger is
// gone.
#include "relay/relay_internal.h"

#include <stdlib.h>

enum { KEY_MAX = 32 << 10 };

static void note(struct relay *relay, const struct relay_places *places, struct view name,
                 struct view value) {
    struct buffer key;
    buffer_init(&key, KEY_MAX);
    buffer_append_view(&key, view_of(places->prefix));
    buffer_append_view(&key, name);
    spool_tx_note(relay_batch_tx(relay), buffer_view(&key), value);
    buffer_finish(&key);
}

static struct relay_place **slot(struct relay_places *places, uint32_t handle) {
    if (handle >= places->size) {
        size_t size = size_max(64, (size_t)handle * 2);
        places->at = mem_realloc(places->at, size * sizeof(struct relay_place *));
        for (size_t i = places->size; i < size; i++)
            places->at[i] = NULL;
        places->size = size;
    }
    return &places->at[handle];
}

const struct relay_place *relay_place_find(const struct relay_places *places, uint32_t handle) {
    return handle < places->size ? places->at[handle] : NULL;
}

static struct relay_place *place_set(struct relay_places *places, uint32_t handle,
                                     const struct relay_record *record) {
    struct relay_place **at = slot(places, handle);
    if (*at == NULL)
        *at = mem_alloc_zero(sizeof **at);
    struct relay_record old = (*at)->record;
    relay_record_copy_into(&(*at)->record, record);
    relay_record_finish(&old);
    (*at)->cause = cause_of(&(*at)->record.fact);
    return *at;
}

// "Not tried: every address failed a moment ago" says less than what was seen then.
static bool tells_less(const struct fact *fact) {
    return fact->kind == FACT_KIND_ROUTE && fact->detail == FACT_ROUTE_HOSTS_DEAD;
}

void relay_place_failed(struct relay *relay, struct relay_places *places, uint32_t handle,
                        struct view name, const struct relay_record *record) {
    const struct relay_place *known = relay_place_find(places, handle);
    struct relay_record merged = *record;
    if (known != NULL && known->record.fact.kind != FACT_KIND_NONE && tells_less(&record->fact)) {
        merged.fact = known->record.fact;
        merged.host = known->record.host;
        merged.peer = known->record.peer;
        merged.source = known->record.source;
        merged.greeting = known->record.greeting;
        merged.tried_ms = known->record.tried_ms;
    }
    struct relay_place *place = place_set(places, handle, &merged);
    struct buffer value;
    buffer_init(&value, RELAY_RECORD_BYTES_MAX);
    relay_record_encode(&place->record, &value);
    note(relay, places, name, buffer_view(&value));
    buffer_finish(&value);
    place->is_noted = true;
}

static void forget(struct relay_places *places, uint32_t handle) {
    struct relay_place **at = slot(places, handle);
    if (*at == NULL)
        return;
    relay_record_finish(&(*at)->record);
    free(*at);
    *at = NULL;
}

void relay_place_recovered(struct relay *relay, struct relay_places *places, uint32_t handle,
                           struct view name) {
    const struct relay_place *place = relay_place_find(places, handle);
    if (place == NULL)
        return;
    if (place->is_noted)
        note(relay, places, name, VIEW_NONE);
    forget(places, handle);
}

void relay_place_gone(struct relay *relay, struct relay_places *places, uint32_t handle,
                      struct view name) {
    // While the relay ends, what is known goes to the next start.
    if (relay->is_finished)
        forget(places, handle);
    else
        relay_place_recovered(relay, places, handle, name);
}

void relay_places_finish(struct relay_places *places) {
    for (size_t i = 0; i < places->size; i++)
        forget(places, (uint32_t)i);
    free(places->at);
}

// The later one of what the recipient itself and its lane or domain met.
void relay_newest_failure(struct relay *relay, uint32_t rcpt, struct relay_record *record) {
    struct schedule_rcpt_info info;
    struct schedule_domain_info domain;
    schedule_rcpt(relay->schedule, rcpt, &info);
    schedule_domain(relay->schedule, info.domain, &domain);
    const struct relay_place *places[] = {
        relay_place_find(&relay->domains, info.domain),
        domain.lane != 0 ? relay_place_find(&relay->lanes, domain.lane) : NULL};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (places[i] == NULL)
            continue;
        if (record->fact.kind != FACT_KIND_NONE && places[i]->record.tried_ms <= record->tried_ms)
            continue;
        uint8_t dot_losses = record->dot_losses;
        *record = places[i]->record;
        record->dot_losses = dot_losses;
    }
}

// --- Notes of the process before ---------------------------------------------------------

void relay_restored_add(struct relay *relay, struct view key, struct view value) {
    struct relay_restored *restored = mem_alloc(sizeof *restored + key.len + value.len);
    memcpy(restored->bytes, key.ptr, key.len);
    memcpy(restored->bytes + key.len, value.ptr, value.len);
    restored->key = view_from(restored->bytes, key.len);
    restored->value = view_from(restored->bytes + key.len, value.len);
    hash_table_insert(&relay->restored, &restored->node, view_hash(key));
}

static struct relay_restored *find_restored(struct relay *relay, struct view key) {
    for (struct hash_node *node = hash_table_first(&relay->restored, view_hash(key)); node != NULL;
         node = hash_table_next(node)) {
        struct relay_restored *restored = CONTAINER_OF(node, struct relay_restored, node);
        if (view_equals(restored->key, key))
            return restored;
    }
    return NULL;
}

bool relay_place_restore(struct relay *relay, struct relay_places *places, uint32_t handle,
                         struct view name, struct schedule_backoff *backoff) {
    if (relay->restored.n_nodes == 0)
        return false;
    struct buffer key;
    buffer_init(&key, KEY_MAX);
    buffer_append_view(&key, view_of(places->prefix));
    buffer_append_view(&key, name);
    struct relay_restored *restored = find_restored(relay, buffer_view(&key));
    buffer_finish(&key);
    if (restored == NULL)
        return false;
    hash_table_remove(&relay->restored, &restored->node);
    struct relay_record record;
    bool is_good = relay_record_decode(restored->value, &record);
    if (is_good) {
        place_set(places, handle, &record)->is_noted = true;
        *backoff = (struct schedule_backoff){.until = io_now() +
                                                      int64_max(0, record.next_ms - io_wall_ms()),
                                             .rounds = record.rounds,
                                             .since_ms = record.since_ms};
    }
    free(restored);
    return is_good;
}

static void free_restored(struct hash_node *node, void *arg) {
    struct relay *relay = arg;
    hash_table_remove(&relay->restored, node);
    free(CONTAINER_OF(node, struct relay_restored, node));
}

void relay_restored_finish(struct relay *relay) {
    hash_table_each(&relay->restored, free_restored, relay);
    hash_table_finish(&relay->restored);
}
