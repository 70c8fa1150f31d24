// SPDX-License-Identifier: Apache-2.0
// What is remembered of lanes and domains. Private to relay/.
#ifndef RELAY_PLACES_H
#define RELAY_PLACES_H

#include "base/hash.h"
#include "catalog/catalog.h"
#include "relay/record.h"
#include "schedule/schedule.h"

struct relay;

// How the last round failed; kept in the
// spool as a note, too.
struct relay_place {
    struct relay_record record; // text and host are owned
    enum cause cause;
    bool is_noted;
};
struct relay_places {
    struct relay_place **at; // by handle
    size_t size;
    const char *prefix; // of the notes' keys
};
struct relay_restored { // a note that was found at the start and nobody has asked for yet
    struct hash_node node;
    struct view key, value;
    char bytes[];
};

void relay_place_failed(struct relay *relay, struct relay_places *places, uint32_t handle,
                        struct view name, const struct relay_record *record);
void relay_place_recovered(struct relay *relay, struct relay_places *places, uint32_t handle,
                           struct view name);
const struct relay_place *relay_place_find(const struct relay_places *places, uint32_t handle);
// What was stored about it before the start; true: `backoff` is set.
bool relay_place_restore(struct relay *relay, struct relay_places *places, uint32_t handle,
                         struct view name, struct schedule_backoff *backoff);
void relay_place_gone(struct relay *relay, struct relay_places *places, uint32_t handle,
                      struct view name);
void relay_newest_failure(struct relay *relay, uint32_t rcpt, struct relay_record *record);
void relay_places_finish(struct relay_places *places);
void relay_restored_add(struct relay *relay, struct view key, struct view value);
void relay_restored_finish(struct relay *relay);
// The parts of a lane's key.
struct view relay_lane_site(struct view key);

#endif
