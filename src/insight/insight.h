// SPDX-License-Identifier: Apache-2.0
// Incidents out of attempts: what broke, where, since when, for whom, and whose it is. A thousand
// messages that fail for one reason are one incident; greylisting, unknown recipients and single
// odd failures are a background and no alarm. Events come from the readers of other systems' logs
// or from the relay's own attempts; they are neutral and hold no opinion beyond the cause.
//
// No I/O and no clock: time is that of the events. Memory is bounded whatever their number: places
// (destinations and sites), series (a place and a kind of cause) and incidents have maxima,
// distinct messages and people are estimated once they are many, and what had to be dropped is
// counted.
//
// An incident is found when a place fails more often than is normal for it (a scan over its latest
// failures, with the successes between them), lasts at least two minutes, and holds at least three
// messages. It ends with the first success after the last failure, once successes have gone on for
// a while. When many unrelated places that worked before begin to fail in the same way at the same
// time, the fault is on this side: one incident of the extent "everything" takes theirs in.
#ifndef INSIGHT_INSIGHT_H
#define INSIGHT_INSIGHT_H

#include "catalog/catalog.h"
#include "readers/readers.h"

// --- Events -------------------------------------------------------------------------------------
enum insight_event_kind {
    INSIGHT_ATTEMPT,    // a delivery was tried: `outcome` says how it ended
    INSIGHT_SUPPRESSED, // put off because of an earlier failure; nothing was tried
    INSIGHT_EXPIRED,    // given up after its time
    INSIGHT_EVENT_KIND_COUNT
};

// One recipient at one time. All views may go after the call. Hashes of zero: not known.
struct insight_event {
    enum insight_event_kind kind;
    enum outcome outcome;
    enum cause cause;        // CAUSE_NONE where it was delivered
    const struct fact *fact; // behind the cause; may be NULL
    int64_t at_ms;
    int64_t arrived_ms; // of the message; zero: not known
    uint64_t message, recipient, sender;
    struct view domain; // of the recipient, lower case: the destination
    struct view host;   // the server that was tried; empty: none
    struct address peer;
    struct view words; // what was said of the failure
    struct view file;  // where the proof stands; line_number zero: nowhere
    uint64_t line_number;
    bool is_context; // seen for what is normal, but not asked for: no totals, no incident for it
};

struct insight_options {
    size_t destinations_max; // zero: 32,768
};

struct insight;
struct insight *insight_create(const struct insight_options *options);
void insight_destroy(struct insight *insight); // NULL is accepted
// Times may go back: by more than a quarter of an hour, another log begins; the incidents of both
// that belong together are joined in the report.
void insight_take(struct insight *insight, const struct insight_event *event);

// --- What it found ------------------------------------------------------------------------------
enum insight_extent {
    INSIGHT_DESTINATION, // one recipient domain
    INSIGHT_HOST,        // several domains behind one server
    INSIGHT_SITE,        // several domains behind the servers of one owner
    INSIGHT_EVERYTHING,  // unrelated places: the fault is on this side
    INSIGHT_EXTENT_COUNT
};
struct view insight_extent_word(enum insight_extent extent); // "destination"

enum { INSIGHT_NAMES_MAX = 12, INSIGHT_PROOF_BYTES_MAX = 512, INSIGHT_OTHERS_MAX = 3 };

// A failure as it stands in a log, with what the catalogue needs to judge it.
struct insight_proof {
    struct fact fact;
    enum cause cause;
    int64_t at_ms;
    struct address peer;
    struct view host, words, file;
    uint64_t line_number; // zero: nowhere
};

struct insight_incident {
    enum insight_extent extent;
    struct view name; // domain, host name, domain of the site; empty for everything
    enum cause cause; // of most of its failures
    enum blame blame; // the cause's, but this side's where everything fails
    int64_t onset_ms, last_seen_ms;
    int64_t end_ms; // first success after it; zero: it goes on, or nothing was tried since
    uint64_t n_attempts, n_suppressed, n_bounced, n_expired;
    uint64_t n_messages, n_recipients, n_senders, n_destinations; // estimates above 64
    int64_t oldest_ms;          // arrival of the oldest message that it held up; zero: not known
    int64_t longest_wait_ms;    // of a message, from its arrival to its last failure
    double share, normal;       // of failures among all that was tried there: within it, and before
    uint64_t n_before;          // messages tried there before it
    uint64_t n_delivered_since; // its last failure
    double confidence;          // that this cause explains it
    struct view domains[INSIGHT_NAMES_MAX]; // of those that it hit
    size_t n_domains;
    enum cause others[INSIGHT_OTHERS_MAX]; // further causes of the same kind seen in it
    size_t n_others;
    struct view first_file; // where it begins
    uint64_t first_line;
    struct insight_proof proof;
};

struct insight_tally {
    uint64_t n_delivered, n_deferred, n_bounced, n_suppressed, n_expired;
};

enum { INSIGHT_DELAY_BUCKETS = 64 };
// From a message's arrival to its delivery.
struct insight_delays {
    uint32_t buckets[INSIGHT_DELAY_BUCKETS];
};
// Within a fifth; zero where nothing was delivered.
int64_t insight_delays_at(const struct insight_delays *delays, unsigned percent);

struct insight_destination {
    struct view name;
    struct insight_tally tally;
    enum cause cause; // of most of its failures; CAUSE_NONE: none
    int64_t delay_p50_ms, delay_p95_ms;
};

struct insight_cause_tally {
    enum cause cause;
    struct insight_tally tally;
};

struct insight_report {
    const struct insight_incident *incidents; // what to do first comes first
    size_t n_incidents;
    // One or two messages that wait for a place where nothing gets through: too little for an
    // incident, enough for their senders.
    const struct insight_incident *late;
    size_t n_late;
    struct insight_tally totals;
    uint64_t n_messages; // estimate of those that were put off or came back
    int64_t first_ms, last_ms;
    int64_t delay_p50_ms, delay_p95_ms;
    const struct insight_destination *destinations; // most failures first
    size_t n_destinations;
    uint64_t n_destinations_seen;             // those that were dropped and came back count again
    const struct insight_cause_tally *causes; // most first
    size_t n_causes;
    // What the bounds cost.
    uint64_t n_places_dropped, n_series_dropped, n_incidents_dropped;
};

// What is known now; more events may follow. It lives until the next call of insight_take,
// insight_report or insight_destroy.
const struct insight_report *insight_report(struct insight *insight);

// --- For people and programs --------------------------------------------------------------------
// The verdict of the catalogue on it: cause, blame, evidence with file and line, remedies.
void insight_incident_verdict(const struct insight_incident *incident, struct arena *arena,
                              struct verdict *verdict);
struct insight_show {
    int32_t zone_minutes;  // east of UTC, of the times in a text
    enum reader_side side; // who reads the advice: what is theirs comes first
};
// "2026-05-12T12:42:00+02:00"; with "Z" where the zone is UTC.
void insight_put_time(int64_t at_ms, int32_t zone_minutes, struct buffer *out);
// Members of an object that the caller began: "incidents", "late", "totals", ... (docs/json.md).
void insight_write_json_members(const struct insight_report *report,
                                const struct insight_show *show, struct json_writer *json);
void insight_write_text(const struct insight_report *report, const struct insight_show *show,
                        struct buffer *out);

#endif
