// SPDX-License-Identifier: Apache-2.0
// Since when failures are much more frequent than is normal at a place: a scan over its latest
// points for the one from which on the log-likelihood ratio of the two shares is largest. Failures
// that were there before, however many, are what is normal.
#include "insight/insight_internal.h"

#include <math.h>

enum { PRIOR_WEIGHT = 50, ODD_MIN = 3 }; // tries for which the family's floor stands
static const double SHARE_MIN = 0.1;     // of what is tried; less is no incident
static const double ODD_SCORE_SHARE = 0.6;

// Of all that failed since point `at`, what the two moments with the most of it brought beyond one
// failure each: a lost connection takes several messages with it.
static uint64_t excess_of_bursts(const struct scan_input *input, size_t at) {
    int64_t begin_ms = INT64_MIN / 2;
    uint64_t first = 1, second = 1, n = 0;
    for (size_t i = at; i <= input->n_points; i++) {
        const struct point *point = i < input->n_points ? &input->points[i] : NULL;
        if (point && point->at_ms - begin_ms <= BURST_MS) {
            n += point->weight;
            continue;
        }
        second = n > first ? first : n > second ? n : second;
        first = n > first ? n : first;
        if (point) {
            begin_ms = point->at_ms;
            n = point->weight;
        }
    }
    return first - 1 + second - 1;
}

static double normal_at(const struct point *point, double floor) {
    double normal = ((double)point->n_failed + floor * PRIOR_WEIGHT) /
                    ((double)(point->n_failed + point->n_successes) + PRIOR_WEIGHT);
    return fmin(0.5, fmax(normal, floor));
}

static double failed_since(const struct scan_input *input, size_t at) {
    uint64_t n = 0;
    for (size_t i = at; i < input->n_points; i++)
        n += input->points[i].weight +
             (input->counts_retries && input->points[i].has_retry ? 1U : 0U);
    return (double)(n - excess_of_bursts(input, at) + input->n_failed_after);
}

static uint64_t worked_since(const struct scan_input *input, size_t at) {
    return input->n_successes - input->points[at].n_successes;
}

static void score_from(const struct scan_input *input, size_t at, struct scan *best) {
    double failed = failed_since(input, at), worked = (double)worked_since(input, at);
    double share = failed / (failed + worked);
    double normal = normal_at(&input->points[at], input->floor);
    if (share <= 2 * normal || share < SHARE_MIN)
        return;
    double score = failed * log(share / normal);
    if (worked > 0)
        score += worked * log((1 - share) / (1 - normal));
    if (score > best->score)
        *best = (struct scan){.at = at, .score = score, .share = share, .normal = normal};
}

void scan_points(const struct scan_input *input, struct scan *best) {
    ASSERT(input->n_points <= SERIES_POINTS_MAX);
    *best = (struct scan){0};
    for (size_t i = 0; i < input->n_points; i++)
        score_from(input, i, best);
}

// Where nothing at all gets through any more, that is the beginning, not an odd failure before it.
void scan_skip_odd(const struct scan_input *input, struct scan *best) {
    for (size_t i = best->at + 1; i < input->n_points; i++) {
        struct scan whole = {0};
        uint64_t between = input->points[i].n_successes - input->points[best->at].n_successes;
        if (input->n_points - i + input->n_failed_after < ODD_MIN)
            return;
        if (worked_since(input, i) > 0 || between == 0)
            continue;
        score_from(input, i, &whole);
        if (whole.score > ODD_SCORE_SHARE * best->score)
            *best = whole;
        return;
    }
}
