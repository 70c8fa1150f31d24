// SPDX-License-Identifier: Apache-2.0
// Ours or theirs. A place that worked and now fails is a start. Starts come one by one all the
// time; many unrelated ones within minutes, of one family, while few places work, are this side's
// trouble: its line, its resolver, its address on a block list.
#include "insight/insight_internal.h"

#include <math.h>

enum {
    STARTS_MIN = 6,
    STARTS_UNKNOWN_MIN = 10,
    WINDOW_MS = 2 * HOUR_MS,
    FORGET_MS = 6 * HOUR_MS,
    REFINE_MS = 20 * MINUTE_MS
};
enum { SCORE_MIN = 15, SCORE_SLACK = 3 };
static const double RATE_FLOOR = 2;        // starts an hour that nobody wonders about
static const double UNKNOWN_SHARE = 0.85;  // where nothing shows that the places ever worked
static const double RECOVERED_SHARE = 0.8; // of the struck places: it is over

struct everything *everything_of(struct insight *insight, enum cause family) {
    for (size_t i = 0; i < insight->n_everything; i++)
        if (insight->everything[i].family == family)
            return &insight->everything[i];
    return NULL;
}

static const struct start *start_at(const struct everything *everything, size_t i) {
    return &everything->starts[i % STARTS_MAX];
}

// That may be the beginning of something.
static size_t oldest_start(const struct everything *everything) {
    size_t n = everything->n_starts;
    return size_max(everything->first_start, n > STARTS_MAX ? n - STARTS_MAX : 0);
}

static void decay(struct everything *everything, int64_t at_ms) {
    double passed = (double)int64_max(0, at_ms - everything->rate_at_ms) / FORGET_MS;
    everything->rate *= exp(-passed);
    everything->rate_at_ms = int64_max(everything->rate_at_ms, at_ms);
}

static double rate_an_hour(double decayed) {
    return fmax(RATE_FLOOR, decayed * HOUR_MS / FORGET_MS);
}

// How unlikely so many starts are at the rate before them (Poisson).
static double score_of(double n, double hours, double rate) {
    double expected = rate * (hours + 1.0 / 60);
    return n > expected ? n * log(n / expected) - (n - expected) : 0;
}

struct burst {
    size_t from; // the start with which it begins
    double score;
    size_t n_keys, n_worked; // different places; those known to have worked
    double share;
};

static void find_burst(const struct everything *everything, struct burst *burst) {
    size_t end = everything->n_starts, first = oldest_start(everything);
    const struct start *last = start_at(everything, end - 1);
    *burst = (struct burst){.from = end - 1};
    for (size_t i = end; i-- > first;) {
        const struct start *start = start_at(everything, i);
        if (last->at_ms - start->at_ms > WINDOW_MS)
            break;
        double hours = (double)(last->at_ms - start->at_ms) / HOUR_MS;
        double score = score_of((double)(end - i), hours, rate_an_hour(start->rate));
        if (score > burst->score) {
            burst->score = score;
            burst->from = i;
        }
    }
}

// The densest part is not the beginning: starts just before it belong to it, as far as they are not
// much further apart than within.
static void widen_burst(const struct everything *everything, struct burst *burst) {
    size_t end = everything->n_starts, first = oldest_start(everything);
    const struct start *last = start_at(everything, end - 1);
    while (burst->from > first) {
        const struct start *from = start_at(everything, burst->from);
        const struct start *before = start_at(everything, burst->from - 1);
        double n = (double)(end - burst->from);
        double gap_ms = (double)(last->at_ms - from->at_ms) / n;
        double hours = (double)(last->at_ms - before->at_ms) / HOUR_MS;
        bool is_near = (double)(from->at_ms - before->at_ms) <= 4 * gap_ms;
        if (!is_near ||
            score_of(n + 1, hours, rate_an_hour(before->rate)) < burst->score - SCORE_SLACK)
            return;
        burst->from--;
    }
}

// Where nothing gets through any more, that is the beginning, not odd failures before it.
static void skip_odd_starts(const struct insight *insight, const struct everything *everything,
                            struct burst *burst) {
    size_t end = everything->n_starts;
    uint64_t before = start_at(everything, burst->from)->n_delivered;
    for (size_t i = burst->from + 1; i + STARTS_MIN <= end; i++) {
        uint64_t n_delivered = start_at(everything, i)->n_delivered;
        if ((insight->n_delivered - n_delivered) * 10 <= end - i && n_delivered > before) {
            burst->from = i;
            return;
        }
    }
}

static void count_burst(const struct insight *insight, const struct everything *everything,
                        struct burst *burst) {
    struct count keys = {0}, worked = {0};
    for (size_t i = burst->from; i < everything->n_starts; i++) {
        count_add(&keys, start_at(everything, i)->key);
        if (start_at(everything, i)->worked)
            count_add(&worked, start_at(everything, i)->key);
    }
    burst->n_keys = count_get(&keys);
    burst->n_worked = count_get(&worked);
    double working = (double)(insight->n_working - start_at(everything, burst->from)->n_working);
    burst->share = (double)burst->n_keys / ((double)burst->n_keys + working);
    count_finish(&keys);
    count_finish(&worked);
}

static bool is_everybodys(const struct everything *everything, const struct burst *burst) {
    double share = family_traits(everything->family)->everything_share;
    if (burst->score < SCORE_MIN)
        return false;
    if (burst->n_worked >= STARTS_MIN && burst->share >= share)
        return true;
    return burst->n_keys >= STARTS_UNKNOWN_MIN && burst->share >= UNKNOWN_SHARE;
}

// --- The trouble ---------------------------------------------------------------------------------
static void strike(struct everything *everything, struct series *series) {
    ASSERT(everything->open);
    if (series->everything == everything->number)
        return;
    if (series->everything == 0)
        series->place->n_struck++;
    series->everything = everything->number;
    everything->n_struck++;
    for (size_t i = 0; i < series->n_points; i++) {
        const struct point *point =
            &series->points[(series->first_point + i) % series->points_size];
        if (point->at_ms < everything->open->onset_ms)
            continue;
        count_add(&everything->open->messages, point->message);
        count_add(&everything->open->recipients, point->recipient);
        everything->open->n_attempts += point->weight;
        count_add(&everything->open->senders, point->sender);
    }
}

static void set_onset(struct everything *everything, size_t from) {
    const struct start *first = start_at(everything, from);
    everything->onset_start = from;
    everything->n_delivered_at = first->n_delivered;
    everything->open->onset_ms = first->at_ms;
    everything->open->first_file = first->file;
    everything->open->first_line = first->line;
}

// With more starts it is clearer which was the first.
static void refine_onset(const struct insight *insight, struct everything *everything,
                         int64_t at_ms) {
    struct burst burst;
    bool is_early = at_ms - everything->opened_ms <= REFINE_MS;
    if (!is_early || everything->n_starts - everything->onset_start > STARTS_MAX / 2)
        return;
    find_burst(everything, &burst);
    widen_burst(everything, &burst);
    skip_odd_starts(insight, everything, &burst);
    set_onset(everything, burst.from);
}

static void open_trouble(struct insight *insight, struct everything *everything,
                         const struct burst *burst) {
    struct trouble *trouble = trouble_create(insight, SCOPE_EVERYTHING, everything->family);
    if (!trouble)
        return;
    everything->open = trouble;
    everything->opened_ms = insight->now_ms;
    set_onset(everything, burst->from);
    everything->number = ++insight->n_everything_troubles;
    everything->n_struck = everything->n_recovered = 0;
    LIST_FOR_EACH (node, &insight->series) {
        struct series *series = CONTAINER_OF(node, struct series, node);
        bool still_fails = series->place->n_successes == series->n_successes_at;
        if (series->family == everything->family && series->speaks && still_fails &&
            series->start_ms >= trouble->onset_ms)
            strike(everything, series);
    }
    // The failure that showed it is added with all it says, once the caller is through.
    if (trouble->n_attempts > 0)
        trouble->n_attempts--;
}

static void close_trouble(struct everything *everything) {
    struct trouble *trouble = everything->open;
    trouble->end_ms = trouble->first_success_ms;
    everything->open = NULL;
    everything->first_start = everything->n_starts;
}

void everything_starts(struct insight *insight, struct series *series,
                       const struct insight_event *event) {
    struct everything *everything = everything_of(insight, series->family);
    struct burst burst;
    if (!everything)
        return;
    decay(everything, event->at_ms);
    if (everything->open && event->at_ms - everything->open->last_failure_ms > WINDOW_MS)
        close_trouble(everything);
    everything->starts[everything->n_starts % STARTS_MAX] =
        (struct start){.at_ms = event->at_ms,
                       .key = hash_u64(view_hash(series->place->name)),
                       .n_working = insight->n_working,
                       .n_delivered = insight->n_delivered,
                       .rate = everything->rate,
                       .line = event->line_number,
                       .file = insight->file,
                       .worked = series->place->n_successes > 0};
    everything->n_starts++;
    everything->rate += 1;
    if (everything->open) {
        refine_onset(insight, everything, event->at_ms);
        return;
    }
    find_burst(everything, &burst);
    widen_burst(everything, &burst);
    count_burst(insight, everything, &burst);
    if (is_everybodys(everything, &burst))
        open_trouble(insight, everything, &burst);
}

// A struck place that fails again, or one that begins to fail while the trouble lasts.
void everything_fails(struct insight *insight, struct series *series,
                      const struct insight_event *event) {
    struct everything *everything = everything_of(insight, series->family);
    if (!everything || !everything->open || series->start_ms < everything->open->onset_ms)
        return;
    bool is_new = series->everything != everything->number;
    uint64_t n_attempts = everything->open->n_attempts;
    strike(everything, series);
    if (is_new && everything->open->n_attempts > n_attempts)
        everything->open->n_attempts--; // its latest point is this event
    trouble_add(everything->open, event);
    everything->open->n_successes = insight->n_delivered - everything->n_delivered_at;
}

static void recover(struct insight *insight, struct series *series, int64_t at_ms) {
    struct everything *everything = everything_of(insight, series->family);
    bool is_current = everything && everything->open && everything->number == series->everything;
    series->everything = 0;
    series->place->n_struck--;
    if (!is_current)
        return;
    struct trouble *trouble = everything->open;
    everything->n_recovered++;
    if (trouble->first_success_ms == 0)
        trouble->first_success_ms = at_ms;
    double recovered = (double)everything->n_recovered / (double)everything->n_struck;
    bool is_settled = at_ms - trouble->last_failure_ms >= SETTLED_MS;
    if (everything->n_recovered >= STARTS_MIN / 2 && (recovered >= RECOVERED_SHARE || is_settled))
        close_trouble(everything);
}

void everything_recovers(struct insight *insight, struct place *place, int64_t at_ms) {
    LIST_FOR_EACH (node, &place->series) {
        struct series *series = CONTAINER_OF(node, struct series, of);
        if (series->everything)
            recover(insight, series, at_ms);
    }
}
