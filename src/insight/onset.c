// SPDX-License-Identifier: Apache-2.0
// With which failure a trouble began. When it is opened little is known; the points that it was
// opened for are kept, and the scan is made again once its whole course is known. Where most mail
// gets through (a limited rate), that moves the beginning to the first failure that was not odd; a
// message that failed again in between says that nothing had changed.
#include "insight/insight_internal.h"

#include <stdlib.h>

void onset_keep(struct trouble *trouble, const struct scan_input *input, size_t at) {
    ASSERT(at < input->n_points);
    free(trouble->points);
    trouble->points = mem_alloc(input->n_points * sizeof(*trouble->points));
    memcpy(trouble->points, input->points, input->n_points * sizeof(*trouble->points));
    trouble->n_points = (uint8_t)input->n_points;
    trouble->first_point = (uint8_t)at;
    trouble->n_successes_open = input->n_successes;
}

void onset_set(struct trouble *trouble, const struct point *point) {
    trouble->onset_ms = point->at_ms;
    trouble->first_file = point->file;
    trouble->first_line = point->line;
    trouble->n_before = point->n_failed + point->n_successes;
    trouble->normal =
        (double)point->n_failed / (double)size_max(1, point->n_failed + point->n_successes);
}

void onset_take_point(struct trouble *trouble, const struct point *point) {
    count_add(&trouble->messages, point->message);
    count_add(&trouble->recipients, point->recipient);
    count_add(&trouble->senders, point->sender);
    trouble->n_attempts += point->weight;
    trouble->n_unnamed += point->message == 0 ? point->weight : 0;
    if (point->arrived_ms == 0)
        return;
    if (trouble->oldest_ms == 0 || point->arrived_ms < trouble->oldest_ms)
        trouble->oldest_ms = point->arrived_ms;
    trouble->longest_wait_ms =
        int64_max(trouble->longest_wait_ms, point->at_ms - point->arrived_ms);
}

void onset_settle(struct trouble *trouble) {
    if (trouble->n_points == 0)
        return;
    const struct point *points = trouble->points, *first = &points[trouble->first_point];
    const struct family_traits *traits = family_traits(trouble->family);
    uint64_t n_own = (uint64_t)(trouble->n_points - trouble->first_point);
    uint64_t n_messages = count_get(&trouble->messages), since_open = 0;
    if (trouble->n_successes > trouble->n_successes_open - first->n_successes)
        since_open = trouble->n_successes - (trouble->n_successes_open - first->n_successes);
    struct scan_input input = {.points = points,
                               .n_points = trouble->n_points,
                               .n_successes = trouble->n_successes_open + since_open,
                               .n_failed_after = n_messages > n_own ? n_messages - n_own : 0,
                               .floor = traits->floor,
                               .counts_retries = traits->retries_count};
    struct scan best;
    scan_points(&input, &best);
    if (best.score <= 0)
        return;
    scan_skip_odd(&input, &best);
    for (size_t i = best.at; i < trouble->first_point; i++)
        onset_take_point(trouble, &points[i]);
    for (size_t i = trouble->first_point; i < best.at; i++)
        trouble->n_attempts -= points[i].weight;
    trouble->n_successes = input.n_successes - points[best.at].n_successes;
    trouble->first_point = (uint8_t)best.at;
    onset_set(trouble, &points[best.at]);
}
