// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include "base/hash.h"

static uint64_t rotate(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64 - bits));
}

void rng_init(struct rng *rng, uint64_t seed) {
    for (size_t i = 0; i < ARRAY_LEN(rng->state); i++) {
        seed += 0x9e3779b97f4a7c15U;
        rng->state[i] = hash_u64(seed) | (i == 0);
    }
}

uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t kept = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= kept;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t limit) {
    ASSERT(limit > 0);
    uint64_t unfair = UINT64_MAX - UINT64_MAX % limit;
    uint64_t value;
    do
        value = rng_next(rng);
    while (value >= unfair);
    return value % limit;
}

bool rng_chance(struct rng *rng, uint64_t parts, uint64_t whole) {
    return rng_below(rng, whole) < parts;
}
