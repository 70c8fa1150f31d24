// SPDX-License-Identifier: Apache-2.0
// A seeded generator (xoshiro256**) for jitter and for the simulator: the same seed gives the same
// run. Never for secrets; those come from io_random_bytes.
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/base.h"

struct rng {
    uint64_t state[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
// Uniform in [0, limit); limit must not be zero.
uint64_t rng_below(struct rng *rng, uint64_t limit);
// True in `parts` of `whole` cases.
bool rng_chance(struct rng *rng, uint64_t parts, uint64_t whole);

#endif
