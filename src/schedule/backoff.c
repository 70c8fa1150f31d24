// SPDX-License-Identifier: Apache-2.0
// How long to wait after the n-th failure in a row.
#include "schedule/schedule_internal.h"

// Grows by the factor up to the longest; a fifth of jitter keeps what failed together from
// coming back together.
int64_t retry_delay_ms(struct schedule *s, const struct config_retry *retry, unsigned rounds) {
    ASSERT(rounds > 0);
    double delay = (double)retry->first_ms;
    for (unsigned i = 1; i < rounds && delay < (double)retry->longest_ms; i++)
        delay *= retry->factor > 1.0 ? retry->factor : 1.0;
    if (delay > (double)retry->longest_ms)
        delay = (double)retry->longest_ms;
    int64_t spread = (int64_t)(delay / 5);
    int64_t delay_ms = (int64_t)delay - spread / 2;
    if (spread > 0)
        delay_ms += (int64_t)rng_below(&s->rng, (uint64_t)spread + 1);
    return int64_max(1, int64_min(delay_ms, int64_max(1, retry->longest_ms)));
}

void backoff_fail(struct schedule *s, struct schedule_backoff *backoff,
                  const struct config_retry *retry) {
    if (backoff->rounds < UINT32_MAX)
        backoff->rounds++;
    if (backoff->since_ms == 0)
        backoff->since_ms = wall_of(s, s->now);
    backoff->until = s->now + retry_delay_ms(s, retry, backoff->rounds);
}
