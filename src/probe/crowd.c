// SPDX-License-Identifier: Apache-2.0
// Many targets at once, and often one host for hundreds of them: so many of them at a time may talk
// with one address. A target takes all of its addresses in one step, or waits having none: then no
// two can wait for each other.
#include "probe/crowd_internal.h"

#include "base/hash.h"

#include <stdlib.h>

struct probe_crowd {
    struct hash_table places;
    unsigned n_at_once;
    unsigned n_looking, n_clear; // near us
    bool has_found;
};

// An address where somebody is inside or waits.
struct place {
    struct hash_node node;
    struct address address;
    unsigned n_inside;
    struct list waiters;
};

struct waiter {
    struct list node;
    struct io_event turn;
};

struct probe_crowd *probe_crowd_create(unsigned n_at_once) {
    struct probe_crowd *crowd = mem_alloc_zero(sizeof(*crowd));
    ASSERT(n_at_once > 0);
    hash_table_init(&crowd->places);
    crowd->n_at_once = n_at_once;
    return crowd;
}

void probe_crowd_destroy(struct probe_crowd *crowd) {
    if (!crowd)
        return;
    ASSERT(crowd->places.n_nodes == 0);
    hash_table_finish(&crowd->places);
    free(crowd);
}

// --- Places -----------------------------------------------------------------------------------
static struct place *find(const struct probe_crowd *crowd, const struct address *address) {
    struct hash_node *node = hash_table_first(&crowd->places, address_hash(address));
    for (; node; node = hash_table_next(node)) {
        struct place *place = CONTAINER_OF(node, struct place, node);
        if (address_equals(&place->address, address))
            return place;
    }
    return NULL;
}

static struct place *find_or_make(struct probe_crowd *crowd, const struct address *address) {
    struct place *place = find(crowd, address);
    if (place)
        return place;
    place = mem_alloc_zero(sizeof(*place));
    place->address = *address;
    list_init(&place->waiters);
    hash_table_insert(&crowd->places, &place->node, address_hash(address));
    return place;
}

static void drop_if_empty(struct probe_crowd *crowd, struct place *place) {
    if (place->n_inside > 0 || !list_is_empty(&place->waiters))
        return;
    hash_table_remove(&crowd->places, &place->node);
    free(place);
}

static bool is_full(const struct probe_crowd *crowd, const struct place *place) {
    return place && place->n_inside >= crowd->n_at_once;
}

static void wake_next(struct place *place) {
    struct list *node = list_pop(&place->waiters);
    if (node)
        io_event_set(&CONTAINER_OF(node, struct waiter, node)->turn);
}

static struct place *first_full(const struct probe_crowd *crowd, const struct address *addresses,
                                size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct place *place = find(crowd, &addresses[i]);
        if (is_full(crowd, place))
            return place;
    }
    return NULL;
}

// --- In and out -------------------------------------------------------------------------------
// Whoever is woken and cannot use the room, since another address is full, wakes the next.
IO_WAITS static bool wait_at(struct probe_crowd *crowd, struct place *place, io_time deadline) {
    struct address address = place->address;
    struct waiter waiter;
    list_init(&waiter.node);
    io_event_init(&waiter.turn);
    list_append(&place->waiters, &waiter.node);
    bool is_woken = io_is_ok(io_event_wait(&waiter.turn, deadline));
    list_remove(&waiter.node);
    place = find(crowd, &address);
    // A turn that came together with the deadline is another's.
    if (!is_woken && waiter.turn.is_set && place)
        wake_next(place);
    if (!is_woken && place)
        drop_if_empty(crowd, place);
    return is_woken;
}

bool probe_crowd_enter(struct probe_crowd *crowd, const struct address *addresses, size_t n,
                       io_time deadline) {
    struct address woken_at = {0};
    struct place *full;
    while ((full = first_full(crowd, addresses, n)) != NULL) {
        struct place *unused = find(crowd, &woken_at);
        if (unused && !is_full(crowd, unused))
            wake_next(unused);
        woken_at = full->address;
        if (!wait_at(crowd, full, deadline))
            return false;
    }
    for (size_t i = 0; i < n; i++)
        find_or_make(crowd, &addresses[i])->n_inside++;
    return true;
}

void probe_crowd_leave(struct probe_crowd *crowd, const struct address *addresses, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct place *place = find(crowd, &addresses[i]);
        ASSERT(place && place->n_inside > 0);
        place->n_inside--;
        wake_next(place);
        drop_if_empty(crowd, place);
    }
}

// --- One look for many ------------------------------------------------------------------------
// Somebody near us who answers for others does so whoever is called: a few looks tell for all, and
// where one has found something each target is looked at.
bool probe_crowd_may_look(struct probe_crowd *crowd) {
    enum { LOOKS_AT_ONCE_MAX = 20, CLEAR_ENOUGH = 5 };
    bool may_look =
        crowd->has_found || (crowd->n_looking < LOOKS_AT_ONCE_MAX && crowd->n_clear < CLEAR_ENOUGH);
    crowd->n_looking += may_look;
    return may_look;
}

void probe_crowd_looked(struct probe_crowd *crowd, bool is_over, bool has_found) {
    ASSERT(crowd->n_looking > 0);
    crowd->n_looking--;
    crowd->n_clear += is_over && !has_found;
    crowd->has_found = crowd->has_found || has_found;
}

// --- A run ------------------------------------------------------------------------------------
static size_t addresses_of(const struct probe *probe, struct address out[PROBE_WAYS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < probe->n_ways; i++) {
        bool is_known = false;
        for (size_t k = 0; k < n; k++)
            is_known = is_known || address_equals(&out[k], &probe->ways[i].address);
        if (!is_known)
            out[n++] = probe->ways[i].address;
    }
    return n;
}

// The time that was waited is not the target's: neither of its limit nor in what it is told to
// have taken.
void probe_take_turn(struct probe *probe) {
    struct address addresses[PROBE_WAYS_MAX];
    io_time began = io_now();
    if (!probe->options->crowd || probe->has_turn)
        return;
    size_t n = addresses_of(probe, addresses);
    probe->has_turn = probe_crowd_enter(probe->options->crowd, addresses, n, IO_NEVER);
    probe->began += io_now() - began;
    probe->deadline += io_now() - began;
}

void probe_end_turn(struct probe *probe) {
    struct address addresses[PROBE_WAYS_MAX];
    if (!probe->has_turn)
        return;
    size_t n = addresses_of(probe, addresses);
    probe->has_turn = false;
    probe_crowd_leave(probe->options->crowd, addresses, n);
}
