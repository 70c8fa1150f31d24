// SPDX-License-Identifier: Apache-2.0
// How insight is built. Private to this folder.
//
// The words (place, series, point, trouble, start) are told in README.md. A series is quiet (points
// alone) or has an open trouble. `insight->n_open` and `place->n_open` count the latter.
#ifndef INSIGHT_INSIGHT_INTERNAL_H
#define INSIGHT_INSIGHT_INTERNAL_H

#include "base/hash.h"
#include "base/list.h"
#include "insight/insight.h"

enum {
    SERIES_MAX = 32768,
    SERIES_POINTS_MAX = 24,
    SERIES_SEEN = 256,
    SERIES_OF_PLACE_MAX = 12,
    TROUBLES_MAX = 4096,
    STARTS_MAX = 128,
    FILES_MAX = 4096,
    LATE_MAX = 200,
    HOST_BYTES_MAX = 255
};
enum {
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
    LASTS_MS_MIN = 2 * MINUTE_MS, // shorter ones are a hiccup
    SETTLED_MS = 10 * MINUTE_MS,  // of successes before a trouble is over
    REOPEN_MS = 30 * MINUTE_MS,   // after which the same trouble is a new one
    REWIND_MS = 15 * MINUTE_MS,   // a clock that goes back further begins another log
    BURST_MS = 30 * 1000,         // failures closer together may have one reason
    POINT_MS = 10 * 1000,         // failures closer together share a point when many
    SLOT_MS = 5 * MINUTE_MS       // in which a site that works is counted once
};

// --- Distinct things ----------------------------------------------------------------------------
// Exact up to 64, then an estimate (HyperLogLog, 1024 registers: about 3 %).
struct count {
    uint64_t *few;
    uint8_t *registers;
    double sum; // of two to the power of minus each register
    uint16_t n_few, few_size, n_zero;
};
// Zero is not counted.
void count_add(struct count *count, uint64_t hash);
void count_join(struct count *count, const struct count *other);
uint64_t count_get(const struct count *count);
void count_finish(struct count *count);

// --- Families -----------------------------------------------------------------------------------
// Causes that are the same trouble seen at different moments or hosts share a family, named by one
// of them.
struct family_traits {
    double score_min;        // of the scan, for a place that was hardly ever tried
    double floor;            // share of such failures that nobody wonders about
    unsigned n_messages_min; // of an incident
    unsigned n_recipients_min;
    unsigned n_senders_min;   // one sender's list of people who left is no incident
    uint64_t n_successes_min; // before it: the place must have worked
    int64_t age_ms_min;       // younger messages do not count (greylisting)
    double everything_share;  // of the places that must fail at once; zero: never this side's
    bool retries_count;       // a message that fails again speaks of the place, not of itself
};
enum cause family_of(enum cause cause);
const struct family_traits *family_traits(enum cause family);

// --- Proofs -------------------------------------------------------------------------------------
// A copy of what an event told; grows to the longest.
struct proof {
    struct insight_proof shown; // views into `bytes`
    char *bytes;
    size_t size;
};
void proof_set(struct proof *proof, const struct insight_event *event);
void proof_copy(struct proof *proof, const struct proof *from);
void proof_finish(struct proof *proof);

// --- Troubles -----------------------------------------------------------------------------------
enum scope { SCOPE_DESTINATION, SCOPE_SITE, SCOPE_EVERYTHING };

struct trouble_cause {
    enum cause cause;
    uint64_t n;
    struct proof proof;
};

struct trouble {
    struct list node; // of insight->troubles
    enum scope scope;
    enum cause family;
    struct view name;   // owned; of the place
    uint64_t site_hash; // of a destination's site; zero: none
    uint64_t gone;      // nonzero: taken in by another in the report
    int64_t onset_ms, last_failure_ms, last_seen_ms, first_success_ms, end_ms;
    uint64_t n_attempts, n_suppressed, n_bounced, n_expired, n_asked;
    uint64_t n_unnamed;         // attempts that broke before any message was named
    uint64_t n_successes;       // since the onset, up to the last failure
    uint64_t n_successes_after; // since the last failure
    struct count messages, recipients, senders, domains;
    int64_t oldest_ms, longest_wait_ms;
    double normal;
    uint64_t n_before; // messages of the place
    struct trouble_cause causes[INSIGHT_OTHERS_MAX + 1];
    size_t n_causes;
    struct {
        uint64_t hash;
        struct view name; // owned
    } names[INSIGHT_NAMES_MAX];
    size_t n_names;
    uint64_t host_hash; // of all its failures
    struct view host;   // owned
    bool has_hosts;     // more than one
    uint16_t first_file;
    uint64_t first_line;
    // What it was opened for, with which the beginning is found once its course is known.
    struct point *points; // owned; NULL in a copy and in what is everybody's
    uint8_t n_points, first_point;
    uint64_t n_successes_open; // of the place then
};

struct trouble *trouble_create(struct insight *insight, enum scope scope, enum cause family);
void trouble_destroy(struct trouble *trouble);
// A copy that stands in no list, with its beginning as it is known by now.
struct trouble *trouble_copy(const struct trouble *trouble);
void trouble_name(struct trouble *trouble, struct view name);
void trouble_add(struct trouble *trouble, const struct insight_event *event);
// False: successes have gone on long enough; the trouble is over and has its end.
bool trouble_succeeds(struct trouble *trouble, int64_t at_ms);
uint64_t trouble_share(const struct trouble *trouble, double *share);
const struct trouble_cause *trouble_main_cause(const struct trouble *trouble);
void trouble_join(struct trouble *trouble, const struct trouble *other);
// `other` is a part of it, seen from nearer: who was hit comes here, what was tried is known.
void trouble_take_in(struct trouble *trouble, const struct trouble *other);

// --- Places and series --------------------------------------------------------------------------
struct point {
    int64_t at_ms, arrived_ms;
    uint64_t message, recipient, sender;
    uint64_t n_successes; // of the place before it
    uint64_t n_failed;    // of the series before it, incidents left out
    uint64_t line;
    uint16_t file;
    uint16_t weight;
    bool has_retry; // one of its messages failed again before anything else did
};

struct series {
    struct list node; // of insight->series: the latest failure last
    struct list of;   // of place->series
    struct place *place;
    enum cause family;
    struct point *points; // a ring
    uint8_t n_points, points_size, first_point;
    uint32_t *seen;          // messages that failed, one a slot; allocated once there are many
    int64_t last_ms;         // failure
    int64_t start_ms;        // first failure after a success
    uint64_t n_failed;       // messages, incidents left out
    uint64_t n_successes_at; // of the place at the last failure
    bool speaks;             // for its place, where everything is concerned
    uint64_t everything;     // number of the everything trouble that it belongs to; zero: none
    struct trouble *open;
    struct trouble *closed; // the latest, which may go on
    struct proof proof;     // of the latest failure
};

struct place {
    struct hash_node node;
    enum scope scope;
    bool is_used; // since the eviction's hand passed
    uint16_t n_series;
    uint32_t n_open, n_struck;        // series with an open trouble; in an everything trouble
    struct view name;                 // owned
    struct place *site;               // of a destination: of its latest host
    uint64_t host_hash;               // whose site that is
    uint64_t n_refs;                  // destinations that point here
    uint64_t n_successes, n_attempts; // of messages, not of their recipients
    uint64_t last_success;            // the message
    int64_t slot;                     // latest in which it worked
    struct list series;
    struct insight_tally tally;
    struct insight_delays *delays; // of destinations
    struct {
        uint16_t cause;
        uint32_t n;
    } causes[4]; // most frequent
};

struct places {
    struct hash_table table;
    struct place **all;
    size_t n, n_max, hand;
};

struct place *place_get(struct insight *insight, enum scope scope, struct view name);
// The site of a host, remembered at the destination.
struct place *place_site(struct insight *insight, struct place *destination, struct view host);
struct view site_of_host(struct view host);
void place_succeeds(struct insight *insight, struct place *place,
                    const struct insight_event *event);
// `speaks` for one place of an event alone: it is a start, and a part of everything's trouble.
void place_fails(struct insight *insight, struct place *place, const struct insight_event *event,
                 bool speaks);
// What is no attempt but belongs to an open trouble.
void place_notes(struct insight *insight, struct place *place, const struct insight_event *event);
void place_free(struct insight *insight, struct place *place);
void series_free(struct insight *insight, struct series *series);

// --- The scan and the onset ----------------------------------------------------------------------
struct scan_input {
    const struct point *points;
    size_t n_points;
    uint64_t n_successes;    // of the place, up to now
    uint64_t n_failed_after; // messages that are no points
    double floor;            // of the family
    bool counts_retries;
};
struct scan {
    size_t at;    // the point with which it begins
    double score; // log-likelihood ratio
    double share, normal;
};
// The score is zero where nothing differs from what is normal.
void scan_points(const struct scan_input *input, struct scan *best);
void scan_skip_odd(const struct scan_input *input, struct scan *best);

// Keeps the points of a trouble that is opened with the one at `at`.
void onset_keep(struct trouble *trouble, const struct scan_input *input, size_t at);
void onset_set(struct trouble *trouble, const struct point *point);
void onset_take_point(struct trouble *trouble, const struct point *point);
// Finds the beginning anew, knowing what came after.
void onset_settle(struct trouble *trouble);

// --- Everything ---------------------------------------------------------------------------------
struct start {
    int64_t at_ms;
    uint64_t key;
    uint64_t n_working;   // insight->n_working then
    uint64_t n_delivered; // insight->n_delivered then
    double rate;          // of starts in such a family before it, an hour
    uint64_t line;
    uint16_t file;
    bool worked; // before
};

struct everything {
    enum cause family;
    struct start starts[STARTS_MAX]; // a ring
    size_t n_starts;                 // ever
    size_t first_start;              // those before it belong to a trouble that is over
    double rate;                     // decaying count of starts
    int64_t rate_at_ms;
    struct trouble *open;
    uint64_t number; // of the trouble, in series->everything
    uint64_t n_struck, n_recovered;
    uint64_t n_delivered_at; // its onset
    size_t onset_start;      // the start that is its onset
    int64_t opened_ms;
};

// The state of a family that may be this side's; NULL: it never is.
struct everything *everything_of(struct insight *insight, enum cause family);
void everything_starts(struct insight *insight, struct series *series,
                       const struct insight_event *event);
void everything_fails(struct insight *insight, struct series *series,
                      const struct insight_event *event);
void everything_recovers(struct insight *insight, struct place *place, int64_t at_ms);

// --- All of it ----------------------------------------------------------------------------------
struct insight {
    uint16_t families[CAUSE_COUNT]; // family_of, once for all
    struct places destinations, sites;
    struct list series, troubles;
    size_t n_series, n_troubles;
    struct everything *everything; // one a family that can be this side's
    size_t n_everything;
    uint64_t n_everything_troubles;
    uint64_t n_delivered; // to other machines, whoever asked
    uint64_t n_working;   // sites that worked in a slot, summed up
    int64_t now_ms, first_ms, last_ms;
    struct view files[FILES_MAX]; // owned
    size_t n_files;
    struct view last_file; // as it was given
    uint16_t file;
    struct insight_tally totals, by_cause[CAUSE_COUNT], elsewhere;
    struct count messages;
    struct insight_delays delays;
    uint64_t n_destinations_seen, n_places_dropped, n_series_dropped, n_troubles_dropped;
    struct insight_report report;
    struct arena report_arena;
    struct list shown; // copies of troubles that the report speaks of
};

void delays_add(struct insight_delays *delays, int64_t delay_ms);
struct view view_own(struct view view);
void view_disown(struct view *view);
void report_free(struct insight *insight);

#endif
