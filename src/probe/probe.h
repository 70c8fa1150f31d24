// SPDX-License-Identifier: Apache-2.0
// The probe: why can mail not be delivered there? Experiments over talk, dns, tls and route, and
// the reasoning from what they show to one cause. It leaves no mail behind: a session ends with
// RSET and QUIT, MAIL and RCPT are said only for an address that the operator names.
//
// The cause comes from the same catalogue and the same SMTP client as the relay's, so a queued
// failure and a probe say the same; more evidence may refine it (reasoning.c).
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include "capture/capture.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "dns/dns.h"
#include "tls/tls.h"

enum {
    PROBE_SOURCES_MAX = 2,
    PROBE_CONTROLS_MAX = 3,
    PROBE_BLOCK_LISTS_MAX = 8,
    PROBE_ARENA_BYTES_MAX = 4 << 20
};

// --- What to probe ----------------------------------------------------------------------------
enum probe_kind {
    PROBE_DOMAIN,   // "example.org": its way as the configuration has it, else its MX
    PROBE_ADDRESS,  // "user@example.org": the same, and the envelope
    PROBE_HOST,     // "mx.example.org:25", "192.0.2.1", "[2001:db8::1]:25"
    PROBE_CONNECTOR // the name of a connector with smart hosts
};
struct probe_target {
    enum probe_kind kind;
    struct view text;      // as it was given
    struct view domain;    // of domains and addresses
    struct view recipient; // of addresses
    const char *host;      // NULL for an address literal
    struct address address;
    uint16_t port; // zero: not said
    const struct config_connector *connector;
};
// Views and names come from `arena`. False: `error` says what was meant.
bool probe_target_parse(struct view text, const struct config *config, struct arena *arena,
                        struct probe_target *target, struct error *error);

// --- Several at once --------------------------------------------------------------------------
// So many targets at a time talk with one address; the others wait, and that does not count as
// theirs.
struct probe_crowd;
struct probe_crowd *probe_crowd_create(unsigned n_at_once);
void probe_crowd_destroy(struct probe_crowd *crowd); // nobody is in it; NULL is accepted

// --- How --------------------------------------------------------------------------------------
// Told while a run goes on, for people; each may be NULL. Called from the run's fiber: no waiting.
struct probe_watch {
    void (*announces)(void *arg, const char *words); // what is about to be sent
    void (*counts_down)(void *arg,
                        int64_t left_ms); // each second of a long pause; zero: it is over
    void *arg;
};
struct probe_options {
    struct config *config;
    struct dns_resolver *resolver; // of the calling loop
    struct tls_context *tls;
    const struct address *own; // our listeners, as for a router
    size_t n_own;
    struct address sources[PROBE_SOURCES_MAX]; // to call from, one a family; NONE: as configured
    struct view helo;                          // empty: as configured
    struct view sender;                        // of MAIL
    uint16_t port;                             // zero: as configured
    bool has_tls;                              // `tls_demand` instead of the connector's
    enum config_tls tls_demand;
    bool demands_dane;  // beside `tls_demand`: a usable TLSA record that matches
    int64_t timeout_ms; // for each answer; the whole run takes at most three times that
    // A deferral is tried again for so long, beyond that time; zero: it is not.
    int64_t wait_ms;
    struct probe_watch watch;
    bool sends_mail;     // to the target's recipient: a small test message, delivered for real
    struct view message; // instead of the test message; lines end with CRLF. Empty: none
    bool finds_limits;   // and how much is taken, by more messages (with `sends_mail`)
    bool is_deep;        // every experiment of the second tier, also where nothing is wrong
    // Hosts that take mail, called (and no more) when ours does not answer: theirs or ours?
    struct config_smart_host controls[PROBE_CONTROLS_MAX];
    size_t n_controls;
    struct probe_crowd *crowd;   // shared by targets of one loop; NULL: none waits for another
    struct capture *capture;     // of the packets; NULL: none
    const char *capture_problem; // why there is none although one was wished for; NULL: none
    const char *ca_file;         // for experiments over HTTPS; NULL: the system's store
    struct view rdap; // the base URL that registrations are asked of; empty: they are not
    // Asked for our address when a reply may be about it; none: not asked.
    struct view block_lists[PROBE_BLOCK_LISTS_MAX];
    size_t n_block_lists;
};

// --- What came out ----------------------------------------------------------------------------
enum probe_state { PROBE_WELL, PROBE_WARNING, PROBE_FAULT, PROBE_NOT_REACHED };

// A stretch of the road, or an experiment beside it.
struct probe_step {
    const char *name; // static: "dns", "connect", "ehlo-tls", ...
    enum probe_state state;
    bool is_beside;   // an experiment, not the road itself
    int64_t began_ms; // since the start of the run
    unsigned n_round_trips;
    struct fact fact;
    struct view host;
    struct address peer;
    struct view words; // what was seen, for people
};

// How much the other side takes of something, found by bisection (--limits).
enum { PROBE_LIMITS_MAX = 8 };
struct probe_limit {
    const char *what; // static: "size", "recipients", "body", "header-line", "header"
    const char *unit; // static: "bytes", "recipients"
    uint64_t passes;  // the most that passed; zero: nothing did
    uint64_t fails;   // the least that did not; zero: all passed that was tried
    unsigned n_tries;
    bool is_found;          // as exactly as was meant; else something came between, as `words` say
    bool is_low;            // ordinary mail runs into it
    struct fact fact;       // how the least that failed ended
    struct view words;      // for people
    struct view documented; // devices and standards that have this limit; empty: none is known
};

// What may be compared with another day: "hosts", "greeting", "ehlo", "ehlo-tls", "tls",
// "certificate", "cause". Where something was not reached there is none.
struct probe_fact {
    const char *name; // static
    struct view value;
};
enum { PROBE_FACTS_MAX = 8 };
// A fact that is not what it was; empty: there was none, there is none.
struct probe_change {
    struct view name, before, now;
};
enum { PROBE_CHANGES_MAX = 2 * PROBE_FACTS_MAX };

struct probe_result {
    const struct probe_target *target;
    struct probe_step *steps;
    size_t n_steps;
    unsigned n_round_trips; // after one another
    int64_t at_ms, elapsed_ms;
    struct attempt attempt; // the conversation that decided
    struct route *route;    // whose names the result points to
    struct verdict verdict;
    struct probe_fact facts[PROBE_FACTS_MAX];
    size_t n_facts;
    // Set by the caller that knows of another day.
    struct probe_change changes[PROBE_CHANGES_MAX];
    size_t n_changes;
    struct view since;      // RFC 3339
    struct view message_id; // of the test message; empty: none was sent
    unsigned n_messages;    // that were delivered, or may have been
    struct probe_limit limits[PROBE_LIMITS_MAX];
    size_t n_limits;
};

// What `result` points to lives in `arena` and until probe_result_finish.
IO_WAITS void probe_run(const struct probe_options *options, const struct probe_target *target,
                        struct arena *arena, struct probe_result *result);
void probe_result_finish(struct probe_result *result);
static inline bool probe_found_fault(const struct probe_result *result) {
    return result->verdict.cause != CAUSE_NONE;
}

struct view probe_kind_word(enum probe_kind kind);
struct view probe_state_word(enum probe_state state);
// The object of docs/json.md: the verdict's members, and the steps.
void probe_write_json(const struct probe_result *result, struct json_writer *json);
// The road for people, one line a step, then the verdict, what to do, and the letter. `paint` gives
// the terminal's escape sequence for a state ("" on anything else), `plain` ends it.
struct probe_paint {
    const char *of_state[PROBE_NOT_REACHED + 1];
    const char *bold, *plain;
};
// One line, for lists.
void probe_write_line(const struct probe_result *result, const struct probe_paint *paint,
                      struct buffer *out);
void probe_write_text(const struct probe_result *result, const struct probe_paint *paint,
                      struct buffer *out);

#endif
