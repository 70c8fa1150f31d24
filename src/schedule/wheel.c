// SPDX-License-Identifier: Apache-2.0
#include "schedule/wheel.h"

void wheel_init(struct wheel *wheel, struct slab *slab, size_t node_offset, uint32_t current) {
    *wheel = (struct wheel){.type = {slab, (uint32_t)node_offset}, .current = current};
}

static struct wheel_node *node_at(const struct wheel *wheel, uint32_t number) {
    return (struct wheel_node *)(void *)chain_link(wheel->type, number);
}

// A bucket holds only items of its next turn, so that the one of the present turn empties for good.
static uint16_t bucket_for(const struct wheel *wheel, uint32_t due) {
    uint32_t current = wheel->current;
    if (due <= current)
        return (uint16_t)(current % WHEEL_FINE);
    if (due - current < WHEEL_FINE)
        return (uint16_t)(due % WHEEL_FINE);
    if ((due >> 8) - (current >> 8) < WHEEL_MIDDLE)
        return (uint16_t)(WHEEL_FINE + (due >> 8) % WHEEL_MIDDLE);
    uint32_t turn = due >> 16;
    if (turn - (current >> 16) >= WHEEL_COARSE)
        turn = (current >> 16) + WHEEL_COARSE - 1;
    return (uint16_t)(WHEEL_FINE + WHEEL_MIDDLE + turn % WHEEL_COARSE);
}

void wheel_insert(struct wheel *wheel, uint32_t number, uint32_t due) {
    struct wheel_node *node = node_at(wheel, number);
    node->due = due;
    node->bucket = bucket_for(wheel, due);
    chain_append(wheel->type, &wheel->buckets[node->bucket], number);
    if (node->bucket < WHEEL_FINE)
        wheel->fine_used[node->bucket / 64] |= 1ULL << (node->bucket % 64);
    wheel->n++;
}

void wheel_remove(struct wheel *wheel, uint32_t number) {
    struct wheel_node *node = node_at(wheel, number);
    chain_remove(wheel->type, &wheel->buckets[node->bucket], number);
    wheel->n--;
}

// Moves one item of the coarse bucket whose turn has come to where it belongs now.
static bool spread_one(struct wheel *wheel, unsigned bucket) {
    uint32_t number = wheel->buckets[bucket].first;
    if (number == 0)
        return false;
    wheel_remove(wheel, number);
    wheel_insert(wheel, number, node_at(wheel, number)->due);
    return true;
}

uint32_t wheel_pop(struct wheel *wheel, uint32_t now, unsigned *budget) {
    while (*budget > 0) {
        if (wheel->n == 0 && wheel->current < now)
            wheel->current = now;
        uint32_t current = wheel->current;
        --*budget;
        if (spread_one(wheel, WHEEL_FINE + WHEEL_MIDDLE + (current >> 16) % WHEEL_COARSE))
            continue;
        if (spread_one(wheel, WHEEL_FINE + (current >> 8) % WHEEL_MIDDLE))
            continue;
        unsigned fine = current % WHEEL_FINE;
        uint32_t number = wheel->buckets[fine].first;
        if (number != 0 && current <= now) {
            wheel_remove(wheel, number);
            return number;
        }
        wheel->fine_used[fine / 64] &= ~(1ULL << (fine % 64));
        if (current >= now)
            return 0;
        wheel->current++;
    }
    return 0;
}

uint32_t wheel_next(const struct wheel *wheel) {
    if (wheel->n == 0)
        return UINT32_MAX;
    uint32_t current = wheel->current;
    // Up to the turn of the next middle bucket, which may have to be spread.
    for (uint32_t at = current; at < (current | (WHEEL_FINE - 1)) + 1;) {
        uint64_t bits = wheel->fine_used[at % WHEEL_FINE / 64] >> (at % 64);
        if (bits != 0)
            return at + (uint32_t)__builtin_ctzll(bits);
        at = (at | 63) + 1;
    }
    return (current | (WHEEL_FINE - 1)) + 1;
}
