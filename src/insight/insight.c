// SPDX-License-Identifier: Apache-2.0
// Where events come in: totals, places, and what follows for their series.
#include "insight/insight_internal.h"

#include <stdlib.h>

enum { DESTINATIONS_MAX = 32768 };

static void places_init(struct places *places, size_t n_max) {
    *places = (struct places){.n_max = n_max};
    hash_table_init(&places->table);
    places->all = mem_alloc(n_max * sizeof(struct place *));
}

static void places_finish(struct insight *insight, struct places *places) {
    for (size_t i = 0; i < places->n; i++)
        place_free(insight, places->all[i]);
    hash_table_finish(&places->table);
    free(places->all);
}

// One state for each family that can be this side's fault.
static void everything_init(struct insight *insight) {
    insight->everything = mem_alloc_zero(CAUSE_COUNT * sizeof(*insight->everything));
    for (int cause = CAUSE_NONE; cause < CAUSE_COUNT; cause++) {
        enum cause family = family_of((enum cause)cause);
        insight->families[cause] = (uint16_t)family;
        if (cause == CAUSE_NONE || family_traits(family)->everything_share <= 0 ||
            everything_of(insight, family))
            continue;
        insight->everything[insight->n_everything++].family = family;
    }
}

struct insight *insight_create(const struct insight_options *options) {
    struct insight *insight = mem_alloc_zero(sizeof(*insight));
    size_t n_max = options->destinations_max ? options->destinations_max : DESTINATIONS_MAX;
    places_init(&insight->destinations, n_max);
    places_init(&insight->sites, 2 * n_max); // half of them can always be dropped
    list_init(&insight->series);
    list_init(&insight->troubles);
    list_init(&insight->shown);
    everything_init(insight);
    return insight;
}

void insight_destroy(struct insight *insight) {
    if (!insight)
        return;
    report_free(insight);
    places_finish(insight, &insight->destinations);
    places_finish(insight, &insight->sites);
    LIST_FOR_EACH_SAFE (node, following, &insight->troubles)
        trouble_destroy(CONTAINER_OF(node, struct trouble, node));
    for (size_t i = 0; i < insight->n_files; i++)
        view_disown(&insight->files[i]);
    count_finish(&insight->messages);
    free(insight->everything);
    free(insight);
}

// --- Time and files ------------------------------------------------------------------------------
static void forget_series(struct insight *insight, const struct places *places) {
    for (size_t i = 0; i < places->n; i++)
        LIST_FOR_EACH_SAFE (node, following, &places->all[i]->series)
            series_free(insight, CONTAINER_OF(node, struct series, of));
}

// Another log, of the same time: what is open stays as it is; the report joins what belongs
// together.
static void rewind_to(struct insight *insight, int64_t at_ms) {
    forget_series(insight, &insight->destinations);
    forget_series(insight, &insight->sites);
    for (size_t i = 0; i < insight->n_everything; i++) {
        enum cause family = insight->everything[i].family;
        insight->everything[i] = (struct everything){.family = family};
    }
    insight->now_ms = at_ms;
}

static void set_time(struct insight *insight, int64_t at_ms) {
    if (at_ms < insight->now_ms - REWIND_MS)
        rewind_to(insight, at_ms);
    insight->now_ms = int64_max(insight->now_ms, at_ms);
    if (insight->first_ms == 0 || at_ms < insight->first_ms)
        insight->first_ms = at_ms;
    insight->last_ms = int64_max(insight->last_ms, at_ms);
}

static void set_file(struct insight *insight, struct view file) {
    if (file.ptr == insight->last_file.ptr && file.len == insight->last_file.len)
        return;
    insight->last_file = file;
    for (size_t i = 0; i < insight->n_files; i++)
        if (view_equals(insight->files[i], file)) {
            insight->file = (uint16_t)i;
            return;
        }
    if (insight->n_files < FILES_MAX)
        insight->files[insight->n_files++] = view_own(file);
    insight->file = (uint16_t)(insight->n_files - 1); // beyond the maximum, the last known
}

// --- Totals --------------------------------------------------------------------------------------
static void tally_event(struct insight_tally *tally, const struct insight_event *event) {
    switch (event->kind) {
    case INSIGHT_SUPPRESSED: tally->n_suppressed++; return;
    case INSIGHT_EXPIRED: tally->n_expired++; return;
    case INSIGHT_ATTEMPT:
    case INSIGHT_EVENT_KIND_COUNT: break;
    }
    tally->n_delivered += event->outcome == OUTCOME_DELIVERED;
    tally->n_deferred += event->outcome == OUTCOME_TEMPORARY_FAILURE;
    tally->n_bounced += event->outcome == OUTCOME_PERMANENT_FAILURE;
}

// The four most frequent; a new one takes the place of the rarest with its count (space saving).
static void note_cause(struct place *place, enum cause cause) {
    size_t rarest = 0;
    for (size_t i = 0; i < ARRAY_LEN(place->causes); i++) {
        if (place->causes[i].cause == cause) {
            place->causes[i].n++;
            return;
        }
        if (place->causes[i].n < place->causes[rarest].n)
            rarest = i;
    }
    place->causes[rarest].cause = (uint16_t)cause;
    place->causes[rarest].n++;
}

static void tally(struct insight *insight, struct place *destination,
                  const struct insight_event *event) {
    struct insight_tally *elsewhere = &insight->elsewhere;
    if (event->is_context)
        return;
    tally_event(&insight->totals, event);
    tally_event(destination ? &destination->tally : elsewhere, event);
    if (event->kind == INSIGHT_ATTEMPT && event->outcome == OUTCOME_DELIVERED) {
        if (event->arrived_ms == 0)
            return;
        delays_add(&insight->delays, event->at_ms - event->arrived_ms);
        if (destination)
            delays_add(destination->delays, event->at_ms - event->arrived_ms);
        return;
    }
    tally_event(&insight->by_cause[event->cause], event);
    count_add(&insight->messages, event->message);
    if (destination && event->cause != CAUSE_NONE)
        note_cause(destination, event->cause);
}

// Where no server is named, it is the one that the destination had before, unless the failure came
// before any server was known. A site speaks for its destinations.
static struct place *site_of_failure(struct place *destination, const struct insight_event *event) {
    enum fact_stage stage = cause_info(event->cause)->stage;
    bool is_before = stage == FACT_STAGE_DNS || stage == FACT_STAGE_ROUTE;
    return destination && !is_before ? destination->site : NULL;
}

static void fail(struct insight *insight, struct place *destination, struct place *site,
                 const struct insight_event *event) {
    if (event->cause == CAUSE_NONE || event->outcome == OUTCOME_UNKNOWN)
        return;
    if (!site)
        site = site_of_failure(destination, event);
    if (site)
        place_fails(insight, site, event, true);
    if (destination)
        place_fails(insight, destination, event, !site);
}

static void note(struct insight *insight, struct place *destination,
                 const struct insight_event *event) {
    if (!destination)
        return;
    place_notes(insight, destination, event);
    if (destination->site)
        place_notes(insight, destination->site, event);
}

void insight_take(struct insight *insight, const struct insight_event *event) {
    ASSERT((unsigned)event->kind < INSIGHT_EVENT_KIND_COUNT);
    ASSERT((unsigned)event->cause < CAUSE_COUNT);
    set_time(insight, event->at_ms);
    set_file(insight, event->file);
    struct place *destination = NULL, *site = NULL;
    if (event->domain.len)
        destination = place_get(insight, SCOPE_DESTINATION, event->domain);
    if (destination)
        site = place_site(insight, destination, event->host);
    tally(insight, destination, event);
    if (event->kind != INSIGHT_ATTEMPT) {
        note(insight, destination, event);
    } else if (event->outcome == OUTCOME_DELIVERED) {
        insight->n_delivered += site != NULL; // what stays on this machine says nothing
        if (destination)
            place_succeeds(insight, destination, event);
        if (site)
            place_succeeds(insight, site, event);
    } else {
        fail(insight, destination, site, event);
    }
}
