// SPDX-License-Identifier: Apache-2.0
// The failures of a place and when they become an incident: when the scan of the latest points
// finds that they are much more frequent than is normal there.
#include "insight/insight_internal.h"

#include <math.h>
#include <stdlib.h>

static struct point *point_at(const struct series *series, size_t i) {
    return &series->points[(series->first_point + i) % series->points_size];
}

void series_free(struct insight *insight, struct series *series) {
    if (series->open)
        series->place->n_open--;
    if (series->everything)
        series->place->n_struck--;
    series->place->n_series--;
    list_remove(&series->node);
    list_remove(&series->of);
    proof_finish(&series->proof);
    free(series->points);
    free(series->seen);
    free(series);
    insight->n_series--;
}

static struct series *find(const struct place *place, enum cause family) {
    LIST_FOR_EACH (node, &place->series) {
        struct series *series = CONTAINER_OF(node, struct series, of);
        if (series->family == family)
            return series;
    }
    return NULL;
}

// The one that has been quiet for longest and has no open trouble; `among` is the whole list.
static void drop_one(struct insight *insight, const struct list *among, bool is_global) {
    struct series *oldest = NULL;
    LIST_FOR_EACH (node, among) {
        struct series *series = is_global ? CONTAINER_OF(node, struct series, node)
                                          : CONTAINER_OF(node, struct series, of);
        if (!series->open && (!oldest || series->last_ms < oldest->last_ms))
            oldest = series;
        if (oldest && is_global)
            break; // the list is in that order
    }
    if (!oldest)
        oldest = is_global ? CONTAINER_OF(among->next, struct series, node)
                           : CONTAINER_OF(among->next, struct series, of);
    series_free(insight, oldest);
    insight->n_series_dropped++;
}

static struct series *series_get(struct insight *insight, struct place *place, enum cause family) {
    struct series *series = find(place, family);
    if (series) {
        list_remove(&series->node);
        list_append(&insight->series, &series->node);
        return series;
    }
    if (place->n_series == SERIES_OF_PLACE_MAX)
        drop_one(insight, &place->series, false);
    if (insight->n_series == SERIES_MAX)
        drop_one(insight, &insight->series, true);
    series = mem_alloc_zero(sizeof(*series));
    series->place = place;
    series->family = family;
    list_init(&series->node);
    list_init(&series->of);
    list_append(&insight->series, &series->node);
    list_append(&place->series, &series->of);
    place->n_series++;
    insight->n_series++;
    return series;
}

// --- Points --------------------------------------------------------------------------------------
static bool is_known(const struct series *series, uint64_t message) {
    if (message == 0)
        return false;
    for (size_t i = 0; i < series->n_points; i++)
        if (point_at(series, i)->message == message)
            return true;
    uint32_t mark = (uint32_t)(message >> 32 | 1);
    return series->seen && series->seen[message % SERIES_SEEN] == mark;
}

// So that the retries of a message are no new failures, however long ago the first was.
static void remember(struct series *series, uint64_t message) {
    bool is_many = series->open || series->n_points >= SERIES_POINTS_MAX / 2;
    if (!series->seen && is_many) {
        series->seen = mem_alloc_zero(SERIES_SEEN * sizeof(*series->seen));
        for (size_t i = 0; i < series->n_points; i++)
            remember(series, point_at(series, i)->message);
    }
    if (series->seen)
        series->seen[message % SERIES_SEEN] = (uint32_t)(message >> 32 | 1);
}

static void grow_points(struct series *series) {
    size_t size = series->points_size ? size_min(2U * series->points_size, SERIES_POINTS_MAX) : 3;
    struct point *points = mem_alloc(size * sizeof(*points));
    for (size_t i = 0; i < series->n_points; i++)
        points[i] = *point_at(series, i);
    free(series->points);
    series->points = points;
    series->points_size = (uint8_t)size;
    series->first_point = 0;
}

static void add_point(struct insight *insight, struct series *series,
                      const struct insight_event *event) {
    struct point *last = series->n_points ? point_at(series, series->n_points - 1U) : NULL;
    bool is_dense = series->n_points >= SERIES_POINTS_MAX / 2;
    if (last && is_dense && event->at_ms - last->at_ms < POINT_MS && last->weight < UINT16_MAX &&
        last->n_successes == series->place->n_successes) {
        last->weight++;
        series->n_failed++;
        return;
    }
    if (series->n_points == series->points_size && series->points_size < SERIES_POINTS_MAX)
        grow_points(series);
    if (series->n_points == SERIES_POINTS_MAX) {
        series->first_point = (uint8_t)((series->first_point + 1) % SERIES_POINTS_MAX);
        series->n_points--;
    }
    *point_at(series, series->n_points++) =
        (struct point){.at_ms = event->at_ms,
                       .arrived_ms = event->arrived_ms,
                       .message = event->message,
                       .recipient = event->recipient,
                       .sender = event->sender,
                       .n_successes = series->place->n_successes,
                       .n_failed = series->n_failed,
                       .line = event->line_number,
                       .file = insight->file,
                       .weight = 1};
    series->n_failed++;
}

// --- The alarm -----------------------------------------------------------------------------------
// Those who are not known may all be different.
static size_t distinct(const struct series *series, size_t from, bool of_senders) {
    struct count count = {0};
    size_t n = 0;
    for (size_t i = from; i < series->n_points; i++) {
        uint64_t who = of_senders ? point_at(series, i)->sender : point_at(series, i)->recipient;
        count_add(&count, who);
        n += who == 0;
    }
    n += count_get(&count);
    count_finish(&count);
    return n;
}

// The points in a row.
static void input_of(const struct series *series, const struct family_traits *traits,
                     struct point points[SERIES_POINTS_MAX], struct scan_input *input) {
    for (size_t i = 0; i < series->n_points; i++)
        points[i] = *point_at(series, i);
    *input = (struct scan_input){.points = points,
                                 .n_points = series->n_points,
                                 .n_successes = series->place->n_successes,
                                 .floor = traits->floor};
}

static bool is_alarming(const struct series *series, const struct scan_input *input,
                        const struct family_traits *traits, struct scan *best) {
    scan_points(input, best);
    if (best->score < traits->score_min + 0.5 * log1p((double)series->place->n_attempts))
        return false;
    scan_skip_odd(input, best);
    const struct point *first = &input->points[best->at];
    return series->n_failed - first->n_failed >= traits->n_messages_min &&
           series->last_ms - first->at_ms >= LASTS_MS_MIN &&
           first->n_successes >= traits->n_successes_min &&
           distinct(series, best->at, false) >= traits->n_recipients_min &&
           distinct(series, best->at, true) >= traits->n_senders_min;
}

// --- Opening -------------------------------------------------------------------------------------
static void open_trouble(struct insight *insight, struct series *series,
                         const struct scan_input *input, size_t at) {
    const struct point *first = &input->points[at];
    struct trouble *trouble = series->closed;
    bool goes_on = trouble && first->at_ms - trouble->last_failure_ms < REOPEN_MS;
    if (!goes_on)
        trouble = trouble_create(insight, series->place->scope, series->family);
    series->closed = NULL;
    if (!trouble)
        return;
    if (!goes_on) {
        trouble->name = view_own(series->place->name);
        onset_set(trouble, first);
        onset_keep(trouble, input, at);
    }
    trouble->end_ms = 0;
    if (series->place->site)
        trouble->site_hash = view_hash(series->place->site->name);
    for (size_t i = at; i < input->n_points; i++)
        onset_take_point(trouble, &input->points[i]);
    trouble->n_attempts--; // the last one is added with all it says
    trouble->n_unnamed -= input->points[input->n_points - 1].message == 0;
    trouble->n_successes += input->n_successes - first->n_successes;
    series->n_failed = first->n_failed; // what belongs to an incident is not normal
    series->n_points = 0;
    series->open = trouble;
    series->place->n_open++;
}

static void close_trouble(struct series *series) {
    ASSERT(series->open && series->open->end_ms);
    series->closed = series->open;
    series->open = NULL;
    series->place->n_open--;
}

// --- What happens at a place ---------------------------------------------------------------------
void place_succeeds(struct insight *insight, struct place *place,
                    const struct insight_event *event) {
    int64_t at_ms = event->at_ms;
    bool is_same = event->message != 0 && event->message == place->last_success;
    if (is_same)
        return; // a further recipient of the same message
    place->last_success = event->message;
    place->n_successes++;
    place->n_attempts++;
    if (place->scope == SCOPE_SITE && at_ms / SLOT_MS != place->slot) {
        place->slot = at_ms / SLOT_MS;
        insight->n_working++;
    }
    if (place->n_struck > 0)
        everything_recovers(insight, place, at_ms);
    if (place->n_open == 0)
        return;
    LIST_FOR_EACH_SAFE (node, following, &place->series) {
        struct series *series = CONTAINER_OF(node, struct series, of);
        if (series->open && !trouble_succeeds(series->open, at_ms))
            close_trouble(series);
    }
}

static void note_point(struct insight *insight, struct series *series,
                       const struct insight_event *event) {
    if (!is_known(series, event->message))
        add_point(insight, series, event);
    else if (series->n_points > 0)
        point_at(series, series->n_points - 1U)->has_retry = true;
    remember(series, event->message);
}

static void raise_alarm(struct insight *insight, struct series *series,
                        const struct family_traits *traits) {
    struct point points[SERIES_POINTS_MAX];
    struct scan_input input;
    struct scan scan;
    input_of(series, traits, points, &input);
    if (is_alarming(series, &input, traits, &scan))
        open_trouble(insight, series, &input, scan.at);
}

static void fail_series(struct insight *insight, struct series *series,
                        const struct insight_event *event) {
    const struct family_traits *traits = family_traits(series->family);
    bool is_old_enough = traits->age_ms_min == 0 || event->arrived_ms == 0 ||
                         event->at_ms - event->arrived_ms >= traits->age_ms_min;
    series->last_ms = event->at_ms;
    proof_set(&series->proof, event);
    if (!series->open && is_old_enough) {
        note_point(insight, series, event);
        raise_alarm(insight, series, traits);
    }
    if (series->open) {
        remember(series, event->message);
        trouble_add(series->open, event);
    }
}

void place_fails(struct insight *insight, struct place *place, const struct insight_event *event,
                 bool speaks) {
    enum cause family = (enum cause)insight->families[event->cause];
    struct series *series = series_get(insight, place, family);
    bool worked_since = series->last_ms == 0 || place->n_successes > series->n_successes_at;
    place->n_attempts++;
    fail_series(insight, series, event);
    series->n_successes_at = place->n_successes;
    series->speaks = speaks && family_traits(family)->everything_share > 0;
    if (worked_since)
        series->start_ms = event->at_ms;
    if (!series->speaks)
        return;
    if (worked_since)
        everything_starts(insight, series, event);
    everything_fails(insight, series, event);
}

void place_notes(struct insight *insight, struct place *place, const struct insight_event *event) {
    if (place->n_open == 0 || event->cause == CAUSE_NONE)
        return;
    struct series *series = find(place, (enum cause)insight->families[event->cause]);
    if (series && series->open)
        trouble_add(series->open, event);
}
