// SPDX-License-Identifier: Apache-2.0
// Destinations and sites: found by name in one look-up, as every delivery asks for them, and
// dropped by a hand that goes round and passes over those that were used since its last visit.
#include "insight/insight_internal.h"

#include <stdlib.h>

static struct place *find(const struct places *places, struct view name, uint64_t hash) {
    for (struct hash_node *node = hash_table_first(&places->table, hash); node;
         node = hash_table_next(node)) {
        struct place *place = CONTAINER_OF(node, struct place, node);
        if (view_equals(place->name, name))
            return place;
    }
    return NULL;
}

static void set_site(struct place *destination, struct place *site) {
    if (destination->site)
        destination->site->n_refs--;
    destination->site = site;
    if (site)
        site->n_refs++;
}

void place_free(struct insight *insight, struct place *place) {
    LIST_FOR_EACH_SAFE (node, following, &place->series)
        series_free(insight, CONTAINER_OF(node, struct series, of));
    set_site(place, NULL);
    view_disown(&place->name);
    free(place->delays);
    free(place);
}

static void tally_add(struct insight_tally *to, const struct insight_tally *from) {
    to->n_delivered += from->n_delivered;
    to->n_deferred += from->n_deferred;
    to->n_bounced += from->n_bounced;
    to->n_suppressed += from->n_suppressed;
    to->n_expired += from->n_expired;
}

// Frees the slot of the first place that nobody used since the hand's last visit; after two rounds
// whichever stands there, except for sites that destinations point to.
static size_t make_room(struct insight *insight, struct places *places) {
    for (size_t steps = 0;; steps++) {
        size_t at = places->hand;
        struct place *place = places->all[at];
        places->hand = (places->hand + 1) % places->n;
        bool is_held = place->n_refs > 0 || (place->n_open > 0 && steps < 2 * places->n);
        if (!is_held && (!place->is_used || steps >= places->n)) {
            hash_table_remove(&places->table, &place->node);
            tally_add(&insight->elsewhere, &place->tally);
            place_free(insight, place);
            insight->n_places_dropped++;
            return at;
        }
        place->is_used = false;
        if (steps > 3 * places->n)
            return places->n; // all are held
    }
}

struct place *place_get(struct insight *insight, enum scope scope, struct view name) {
    struct places *places = scope == SCOPE_SITE ? &insight->sites : &insight->destinations;
    name = view_take(name, HOST_BYTES_MAX);
    uint64_t hash = hash_u64(view_hash(name));
    struct place *place = find(places, name, hash);
    if (place) {
        place->is_used = true;
        return place;
    }
    size_t at = places->n;
    if (places->n == places->n_max)
        at = make_room(insight, places);
    else
        places->n++;
    if (at == places->n_max)
        return NULL;
    place = mem_alloc_zero(sizeof(*place));
    place->scope = scope;
    place->name = view_own(name); // not "used" before its second visit: most come once
    place->slot = -1;
    list_init(&place->series);
    hash_table_insert(&places->table, &place->node, hash);
    places->all[at] = place;
    insight->n_destinations_seen += scope == SCOPE_DESTINATION;
    if (scope == SCOPE_DESTINATION)
        place->delays = mem_alloc_zero(sizeof(*place->delays));
    return place;
}

static size_t labels_from_end(struct view name, size_t n_labels) {
    size_t at = name.len;
    while (at > 0) {
        if (name.ptr[at - 1] == '.' && --n_labels == 0)
            return at;
        at--;
    }
    return 0;
}

// Those who own several servers name them alike: the last two labels, or three where the one before
// the last is as short as those of registries ("co.uk", "com.au"). An address stands for itself.
struct view site_of_host(struct view host) {
    struct address address;
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.ptr[0] == '[' || address_parse(host, &address))
        return host;
    size_t last = labels_from_end(host, 1), second = labels_from_end(host, 2);
    bool is_country = host.len - last == 2;
    if (is_country && last > second && last - second - 1 <= 3)
        second = labels_from_end(host, 3);
    return view_skip(host, second);
}

struct place *place_site(struct insight *insight, struct place *destination, struct view host) {
    char lower[HOST_BYTES_MAX + 1];
    if (host.len == 0)
        return NULL;
    uint64_t hash = view_hash(host);
    if (destination->site && destination->host_hash == hash) {
        destination->site->is_used = true;
        return destination->site;
    }
    host = view_take(host, HOST_BYTES_MAX);
    for (size_t i = 0; i < host.len; i++)
        lower[i] = ascii_lower(host.ptr[i]);
    struct place *site = place_get(insight, SCOPE_SITE, site_of_host(view_from(lower, host.len)));
    set_site(destination, site);
    destination->host_hash = site ? hash : 0;
    return site;
}
