// SPDX-License-Identifier: Apache-2.0
// From troubles to incidents. Troubles are copied, since they go on; then the same ones join, what
// everything explains goes into it, domains of one site go into the site's, and what is left is put
// in the order of what to do first.
#include "insight/insight_internal.h"

#include <stdlib.h>

enum { CAUSES_SHOWN_MAX = 64, DESTINATIONS_SHOWN_MAX = 50, REPORT_BYTES_MAX = 64 << 20 };
enum { ALIKE_MS = 5 * MINUTE_MS, TAIL_MS = 2 * HOUR_MS };
enum { FEW_MESSAGES = 6, PLACES_MIN = 3 };
static const double WHOLE_SHARE = 0.9; // of a site: its domains fail together

void report_free(struct insight *insight) {
    LIST_FOR_EACH_SAFE (node, following, &insight->shown)
        trouble_destroy(CONTAINER_OF(node, struct trouble, node));
    arena_finish(&insight->report_arena);
    insight->report = (struct insight_report){0};
}

// --- What belongs together -----------------------------------------------------------------------
static int64_t end_of(const struct trouble *trouble) {
    return trouble->end_ms ? int64_max(trouble->end_ms, trouble->last_seen_ms) : INT64_MAX;
}

static bool begins_before(const struct trouble *trouble, int64_t at_ms, int64_t slack_ms) {
    return at_ms == INT64_MAX || trouble->onset_ms <= at_ms + slack_ms;
}

static bool overlap(const struct trouble *a, const struct trouble *b, int64_t slack_ms) {
    return begins_before(a, end_of(b), slack_ms) && begins_before(b, end_of(a), slack_ms);
}

static bool is_road(enum cause family) {
    return family_traits(family)->everything_share >= 0.3;
}

static bool is_same(const struct trouble *a, const struct trouble *b) {
    if (a->scope != b->scope || !view_equals(a->name, b->name))
        return false;
    if (a->family == b->family)
        return overlap(a, b, REOPEN_MS);
    // A line that is down fails look-ups and connections at once.
    int64_t apart = a->onset_ms - b->onset_ms;
    return a->scope == SCOPE_EVERYTHING && is_road(a->family) && is_road(b->family) &&
           apart < ALIKE_MS && apart > -ALIKE_MS;
}

// Whether `part` is explained by `whole`, which is wider.
static bool is_part(const struct trouble *part, const struct trouble *whole) {
    bool is_kin =
        part->family == whole->family ||
        (whole->scope == SCOPE_EVERYTHING && is_road(part->family) && is_road(whole->family));
    bool is_before = whole->end_ms == 0 || part->last_failure_ms <= end_of(whole) + TAIL_MS;
    if (!is_kin || !is_before || part->last_failure_ms < whole->onset_ms)
        return false;
    // A few messages, the first of them odd ones before it.
    if (count_get(&part->messages) < FEW_MESSAGES)
        return true;
    return part->onset_ms >= whole->onset_ms - ALIKE_MS && part->onset_ms <= end_of(whole);
}

static bool is_of_site(const struct trouble *destination, const struct trouble *site) {
    return destination->scope == SCOPE_DESTINATION && destination->family == site->family &&
           destination->site_hash == view_hash(site->name) && overlap(destination, site, ALIKE_MS);
}

static struct trouble *of_node(struct list *node) {
    return CONTAINER_OF(node, struct trouble, node);
}

static void join_same(struct insight *insight) {
    LIST_FOR_EACH (node, &insight->shown) {
        struct trouble *trouble = of_node(node);
        for (struct list *at = node->next, *next = at->next; at != &insight->shown;
             at = next, next = at->next) {
            struct trouble *other = of_node(at);
            if (!is_same(trouble, other))
                continue;
            trouble_join(trouble, other);
            trouble_destroy(other);
            next = node->next; // what was apart before may overlap now
        }
    }
}

static void take_in_parts(struct insight *insight) {
    LIST_FOR_EACH (node, &insight->shown) {
        struct trouble *whole = of_node(node);
        if (whole->scope != SCOPE_EVERYTHING)
            continue;
        LIST_FOR_EACH_SAFE (at, next, &insight->shown) {
            struct trouble *part = of_node(at);
            if (part->scope == SCOPE_EVERYTHING || !is_part(part, whole))
                continue;
            trouble_take_in(whole, part);
            part->gone = 1;
        }
    }
    LIST_FOR_EACH_SAFE (at, next, &insight->shown)
        if (of_node(at)->gone)
            trouble_destroy(of_node(at));
}

// The domain that nearly all of a site's trouble is about; NULL: several share it.
static struct trouble *main_domain(struct insight *insight, const struct trouble *site) {
    LIST_FOR_EACH (node, &insight->shown) {
        struct trouble *destination = of_node(node);
        uint64_t n = count_get(&destination->messages), n_site = count_get(&site->messages);
        if (is_of_site(destination, site) && n + 3 > n_site && 5 * n >= 4 * n_site)
            return destination;
    }
    return NULL;
}

static void settle_site(struct insight *insight, struct trouble *site) {
    bool is_shared = count_get(&site->domains) > 1;
    double share;
    trouble_share(site, &share);
    bool is_whole = is_shared && share >= WHOLE_SHARE;
    if (!is_whole && main_domain(insight, site)) {
        trouble_destroy(site);
        return;
    }
    LIST_FOR_EACH_SAFE (at, next, &insight->shown) {
        struct trouble *part = of_node(at);
        if (!is_of_site(part, site))
            continue;
        trouble_take_in(site, part);
        part->gone = is_shared || view_equals(part->name, site->names[0].name);
    }
}

static void settle_sites(struct insight *insight) {
    LIST_FOR_EACH_SAFE (at, next, &insight->shown)
        if (of_node(at)->scope == SCOPE_SITE)
            settle_site(insight, of_node(at));
    LIST_FOR_EACH_SAFE (at, next, &insight->shown)
        if (of_node(at)->gone || of_node(at)->n_asked == 0)
            trouble_destroy(of_node(at));
}

// Three unrelated places that refuse us at the same time by what they think of us speak of us.
static bool speaks_of_us(const struct trouble *trouble) {
    double share = family_traits(trouble->family)->everything_share;
    return share > 0 && !is_road(trouble->family) && trouble->scope != SCOPE_EVERYTHING;
}

static bool is_beside(const struct trouble *first, const struct trouble *other) {
    return other->family == first->family && speaks_of_us(other) && overlap(first, other, ALIKE_MS);
}

static void gather(struct insight *insight, struct trouble *first) {
    size_t n = 0;
    LIST_FOR_EACH (node, &insight->shown)
        n += is_beside(first, of_node(node));
    if (n < PLACES_MIN)
        return;
    LIST_FOR_EACH_SAFE (at, next, &insight->shown) {
        struct trouble *other = of_node(at);
        if (other == first || !is_beside(first, other))
            continue;
        trouble_join(first, other);
        trouble_destroy(other);
    }
    first->scope = SCOPE_EVERYTHING;
}

static void gather_ours(struct insight *insight) {
    LIST_FOR_EACH (node, &insight->shown)
        if (speaks_of_us(of_node(node)))
            gather(insight, of_node(node));
}

// --- Incidents -----------------------------------------------------------------------------------
static void set_extent(const struct trouble *trouble, struct insight_incident *incident) {
    incident->n_destinations = count_get(&trouble->domains);
    incident->name = trouble->name;
    if (trouble->scope == SCOPE_EVERYTHING) {
        incident->extent = INSIGHT_EVERYTHING;
    } else if (incident->n_destinations <= 1 && trouble->n_names > 0) {
        incident->extent = INSIGHT_DESTINATION;
        incident->name = trouble->names[0].name;
    } else if (trouble->scope == SCOPE_DESTINATION) {
        incident->extent = INSIGHT_DESTINATION;
    } else {
        incident->extent = trouble->has_hosts || !trouble->host.len ? INSIGHT_SITE : INSIGHT_HOST;
        if (incident->extent == INSIGHT_HOST)
            incident->name = trouble->host;
    }
    for (size_t i = 0; i < trouble->n_names; i++)
        incident->domains[incident->n_domains++] = trouble->names[i].name;
}

static void set_cause(const struct trouble *trouble, struct insight_incident *incident) {
    const struct trouble_cause *cause = trouble_main_cause(trouble);
    incident->cause = cause->cause;
    incident->proof = cause->proof.shown;
    incident->blame = cause_info(cause->cause)->blame;
    bool is_ours = incident->blame == BLAME_LOCAL || incident->blame == BLAME_SENDER;
    if (trouble->scope == SCOPE_EVERYTHING && !is_ours)
        incident->blame = BLAME_LOCAL;
    for (size_t i = 0; i < trouble->n_causes; i++)
        if (&trouble->causes[i] != cause && incident->n_others < INSIGHT_OTHERS_MAX)
            incident->others[incident->n_others++] = trouble->causes[i].cause;
}

static void set_incident(const struct insight *insight, const struct trouble *trouble,
                         struct insight_incident *incident) {
    *incident = (struct insight_incident){.onset_ms = trouble->onset_ms,
                                          .last_seen_ms = trouble->last_seen_ms,
                                          .end_ms = trouble->end_ms,
                                          .n_attempts = trouble->n_attempts,
                                          .n_suppressed = trouble->n_suppressed,
                                          .n_bounced = trouble->n_bounced,
                                          .n_expired = trouble->n_expired,
                                          .n_recipients = count_get(&trouble->recipients),
                                          .n_senders = count_get(&trouble->senders),
                                          .oldest_ms = trouble->oldest_ms,
                                          .longest_wait_ms = trouble->longest_wait_ms,
                                          .normal = trouble->normal,
                                          .first_line = trouble->first_line};
    incident->n_messages = trouble_share(trouble, &incident->share);
    incident->n_before = trouble->n_before;
    incident->n_delivered_since = trouble->end_ms ? 0 : trouble->n_successes_after;
    if (trouble->first_file < insight->n_files)
        incident->first_file = insight->files[trouble->first_file];
    set_extent(trouble, incident);
    set_cause(trouble, incident);
    incident->confidence = cause_info(incident->cause)->sure_percent / 100.0;
}

static int rank_of(const struct insight_incident *incident) {
    bool is_ours = incident->blame == BLAME_LOCAL || incident->blame == BLAME_SENDER;
    return (incident->end_ms == 0) * 4 + (incident->extent == INSIGHT_EVERYTHING) * 2 + is_ours;
}

// What goes on before what is over, ours before theirs, many before few.
static int compare_incidents(const void *left, const void *right) {
    const struct insight_incident *a = left, *b = right;
    int ranks = rank_of(b) - rank_of(a);
    if (ranks)
        return ranks;
    uint64_t n_a = a->n_messages ? a->n_messages : a->n_attempts;
    uint64_t n_b = b->n_messages ? b->n_messages : b->n_attempts;
    if (n_a != n_b)
        return n_a < n_b ? 1 : -1;
    if (a->onset_ms != b->onset_ms)
        return a->onset_ms < b->onset_ms ? -1 : 1;
    return view_compare(a->name, b->name);
}

static void put_incidents(struct insight *insight) {
    struct insight_report *report = &insight->report;
    size_t n = 0;
    LIST_FOR_EACH (node, &insight->shown)
        n++;
    struct insight_incident *incidents =
        arena_alloc(&insight->report_arena, (n + 1) * sizeof(*incidents));
    if (!incidents)
        return;
    LIST_FOR_EACH (node, &insight->shown)
        if (of_node(node)->n_causes > 0)
            set_incident(insight, of_node(node), &incidents[report->n_incidents++]);
    qsort(incidents, report->n_incidents, sizeof(*incidents), compare_incidents);
    report->incidents = incidents;
}

// --- Late ones -----------------------------------------------------------------------------------
enum { LATE_AFTER_MS = 4 * HOUR_MS };

static const struct point *first_point(const struct series *series) {
    return &series->points[series->first_point];
}

// Those that were given up wait no longer.
static uint64_t n_waiting(const struct series *series) {
    uint64_t n_expired = series->place->tally.n_expired;
    return series->n_points > n_expired ? series->n_points - n_expired : 0;
}

static bool is_late(const struct insight *insight, const struct series *series) {
    const struct insight_proof *proof = &series->proof.shown;
    if (series->open || n_waiting(series) == 0 || series->place->scope != SCOPE_DESTINATION ||
        series->place->tally.n_deferred == 0)
        return false;
    const struct point *first = first_point(series);
    int64_t since = first->arrived_ms ? first->arrived_ms : first->at_ms;
    return series->place->n_successes == first->n_successes && series->everything == 0 &&
           !cause_info(proof->cause)->is_permanent && proof->at_ms - since >= LATE_AFTER_MS &&
           series->last_ms >= insight->last_ms - 2 * 24 * (int64_t)HOUR_MS;
}

static void set_late(const struct insight *insight, const struct series *series,
                     struct insight_incident *late) {
    const struct point *first = first_point(series);
    *late = (struct insight_incident){.extent = INSIGHT_DESTINATION,
                                      .name = series->place->name,
                                      .cause = series->proof.shown.cause,
                                      .blame = cause_info(series->proof.shown.cause)->blame,
                                      .onset_ms = first->at_ms,
                                      .last_seen_ms = series->last_ms,
                                      .n_messages = n_waiting(series),
                                      .n_recipients = n_waiting(series),
                                      .n_destinations = 1,
                                      .oldest_ms = first->arrived_ms,
                                      .share = 1,
                                      .first_line = first->line,
                                      .proof = series->proof.shown};
    int64_t since = first->arrived_ms ? first->arrived_ms : first->at_ms;
    late->longest_wait_ms = series->last_ms - since;
    late->confidence = cause_info(late->cause)->sure_percent / 100.0;
    late->domains[late->n_domains++] = series->place->name;
    if (first->file < insight->n_files)
        late->first_file = insight->files[first->file];
}

static int compare_late(const void *left, const void *right) {
    const struct insight_incident *a = left, *b = right;
    if (a->longest_wait_ms != b->longest_wait_ms)
        return a->longest_wait_ms < b->longest_wait_ms ? 1 : -1;
    return view_compare(a->name, b->name);
}

static void put_late(struct insight *insight) {
    struct insight_report *report = &insight->report;
    size_t n = 0, n_kept = 0;
    LIST_FOR_EACH (node, &insight->series)
        n += is_late(insight, CONTAINER_OF(node, struct series, node));
    struct insight_incident *late = arena_alloc(&insight->report_arena, (n + 1) * sizeof(*late));
    if (!late)
        return;
    LIST_FOR_EACH (node, &insight->series)
        if (is_late(insight, CONTAINER_OF(node, struct series, node)))
            set_late(insight, CONTAINER_OF(node, struct series, node), &late[n_kept++]);
    qsort(late, n_kept, sizeof(*late), compare_late);
    report->late = late;
    report->n_late = size_min(n_kept, LATE_MAX);
}

// --- Totals --------------------------------------------------------------------------------------
static uint64_t failures_of(const struct insight_tally *tally) {
    return tally->n_deferred + tally->n_bounced + tally->n_suppressed + tally->n_expired;
}

static uint64_t all_of(const struct insight_tally *tally) {
    return failures_of(tally) + tally->n_delivered;
}

static int compare_destinations(const void *left, const void *right) {
    const struct insight_destination *a = left, *b = right;
    uint64_t fa = failures_of(&a->tally), fb = failures_of(&b->tally);
    if (fa != fb)
        return fa < fb ? 1 : -1;
    if (all_of(&a->tally) != all_of(&b->tally))
        return all_of(&a->tally) < all_of(&b->tally) ? 1 : -1;
    return view_compare(a->name, b->name);
}

static enum cause frequent_cause(const struct place *place) {
    size_t most = 0;
    for (size_t i = 1; i < ARRAY_LEN(place->causes); i++)
        if (place->causes[i].n > place->causes[most].n)
            most = i;
    return (enum cause)place->causes[most].cause;
}

static void put_destinations(struct insight *insight) {
    const struct places *places = &insight->destinations;
    struct insight_destination *all =
        arena_alloc(&insight->report_arena, (places->n + 1) * sizeof(*all));
    size_t n = 0;
    if (!all)
        return;
    for (size_t i = 0; i < places->n; i++) {
        const struct place *place = places->all[i];
        if (all_of(&place->tally) == 0)
            continue;
        all[n++] =
            (struct insight_destination){.name = place->name,
                                         .tally = place->tally,
                                         .cause = frequent_cause(place),
                                         .delay_p50_ms = insight_delays_at(place->delays, 50),
                                         .delay_p95_ms = insight_delays_at(place->delays, 95)};
    }
    qsort(all, n, sizeof(*all), compare_destinations);
    insight->report.destinations = all;
    insight->report.n_destinations = size_min(n, DESTINATIONS_SHOWN_MAX);
}

static int compare_causes(const void *left, const void *right) {
    const struct insight_cause_tally *a = left, *b = right;
    uint64_t fa = failures_of(&a->tally), fb = failures_of(&b->tally);
    return fa != fb ? (fa < fb ? 1 : -1) : (int)a->cause - (int)b->cause;
}

static void put_causes(struct insight *insight) {
    struct insight_cause_tally *all =
        arena_alloc(&insight->report_arena, CAUSE_COUNT * sizeof(*all));
    size_t n = 0;
    if (!all)
        return;
    for (int cause = CAUSE_NONE; cause < CAUSE_COUNT; cause++)
        if (failures_of(&insight->by_cause[cause]) > 0)
            all[n++] = (struct insight_cause_tally){(enum cause)cause, insight->by_cause[cause]};
    qsort(all, n, sizeof(*all), compare_causes);
    insight->report.causes = all;
    insight->report.n_causes = size_min(n, CAUSES_SHOWN_MAX);
}

const struct insight_report *insight_report(struct insight *insight) {
    struct insight_report *report = &insight->report;
    report_free(insight);
    arena_init(&insight->report_arena, REPORT_BYTES_MAX);
    LIST_FOR_EACH (node, &insight->troubles)
        list_append(&insight->shown, &trouble_copy(of_node(node))->node);
    join_same(insight);
    take_in_parts(insight);
    settle_sites(insight);
    gather_ours(insight);
    put_incidents(insight);
    put_late(insight);
    put_destinations(insight);
    put_causes(insight);
    report->totals = insight->totals;
    report->n_messages = count_get(&insight->messages);
    report->first_ms = insight->first_ms;
    report->last_ms = insight->last_ms;
    report->delay_p50_ms = insight_delays_at(&insight->delays, 50);
    report->delay_p95_ms = insight_delays_at(&insight->delays, 95);
    report->n_destinations_seen = insight->n_destinations_seen;
    report->n_places_dropped = insight->n_places_dropped;
    report->n_series_dropped = insight->n_series_dropped;
    report->n_incidents_dropped = insight->n_troubles_dropped;
    return report;
}
