// SPDX-License-Identifier: Apache-2.0
// Delays in buckets, from a tenth of a second on: each power of two of it, cut in two, so that the
// middle of a bucket is at most a fifth off.
#include "insight/insight_internal.h"

enum { UNIT_MS = 100, PARTS = 2 };

static size_t bucket_of(int64_t delay_ms) {
    uint64_t units = (uint64_t)int64_max(delay_ms, 0) / UNIT_MS;
    if (units < 2)
        return units;
    unsigned power = 63 - (unsigned)__builtin_clzll(units);
    size_t part = (units >> (power - 1)) & 1;
    return size_min(power * PARTS + part, INSIGHT_DELAY_BUCKETS - 1);
}

// The middle of a bucket.
static int64_t delay_of(size_t bucket) {
    if (bucket < 2)
        return (int64_t)bucket * UNIT_MS + UNIT_MS / 2;
    int64_t low = (int64_t)UNIT_MS << (bucket / PARTS);
    int64_t half = low / 2;
    return low + (bucket % PARTS ? half : 0) + half / 2;
}

void delays_add(struct insight_delays *delays, int64_t delay_ms) {
    delays->buckets[bucket_of(delay_ms)]++;
}

int64_t insight_delays_at(const struct insight_delays *delays, unsigned percent) {
    uint64_t n = 0, passed = 0;
    ASSERT(percent <= 100);
    for (size_t i = 0; i < INSIGHT_DELAY_BUCKETS; i++)
        n += delays->buckets[i];
    if (n == 0)
        return 0;
    for (size_t i = 0; i < INSIGHT_DELAY_BUCKETS; i++) {
        passed += delays->buckets[i];
        if (passed * 100 >= n * percent)
            return delay_of(i);
    }
    return delay_of(INSIGHT_DELAY_BUCKETS - 1);
}
