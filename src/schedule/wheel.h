// SPDX-License-Identifier: Apache-2.0
// A timer wheel for millions of slab items: three levels of buckets of 1, 256 and 65,536 seconds.
// Setting, stopping and firing cost the same however many wait; a coarse bucket is spread over the
// finer ones item by item, so that no step takes long. Private to schedule/.
#ifndef SCHEDULE_WHEEL_H
#define SCHEDULE_WHEEL_H

#include "schedule/slab.h"

enum { WHEEL_FINE = 256, WHEEL_MIDDLE = 256, WHEEL_COARSE = 256 };

struct wheel_node { // in the item, its link first
    struct chain_link link;
    uint32_t due;    // seconds
    uint16_t bucket; // while in the wheel
    uint16_t spare;  // the item's
};

struct wheel {
    struct chain_type type; // offset of the wheel_node
    uint32_t current; // seconds; everything due by then has been taken out or waits in its bucket
    uint32_t n;
    uint64_t
        fine_used[WHEEL_FINE / 64]; // may be set for an empty bucket, never clear for a used one
    struct chain buckets[WHEEL_FINE + WHEEL_MIDDLE + WHEEL_COARSE];
};

void wheel_init(struct wheel *wheel, struct slab *slab, size_t node_offset, uint32_t current);
void wheel_insert(struct wheel *wheel, uint32_t number, uint32_t due);
void wheel_remove(struct wheel *wheel, uint32_t number);
// The next item due by `now`, taken out; zero: none, or `*budget` is used up (then it is zero).
uint32_t wheel_pop(struct wheel *wheel, uint32_t now, unsigned *budget);
// Second in which wheel_pop has something to do at the earliest; UINT32_MAX: never.
uint32_t wheel_next(const struct wheel *wheel);

#endif
