// SPDX-License-Identifier: Apache-2.0
// When each recipient goes where. A pure step function: events come in by the calls below, actions
// come out of schedule_step. No I/O, no clock, randomness from one seed; one owner (relay/).
//
// The words
//   recipient  the unit: always in exactly one list, which is its state (enum schedule_state)
//   domain     of recipients; it owns their ready lists, and is itself in routing or on one lane
//   lane       connector x site: concurrency, rate and back-off live here
//   session    one connection's worth of work for a lane; it takes one of the global slots
//   handle     a number from 1; zero is none. Valid until the thing it names is dropped
//
// A lane's or a domain's failure is recorded once and costs nothing for the mail behind it: ready
// recipients stay where they are while their domain or lane backs off. When a route changes, the
// domain moves with all its mail in one step. Work on many recipients goes on by cursor, a bounded
// part a step.
#ifndef SCHEDULE_SCHEDULE_H
#define SCHEDULE_SCHEDULE_H

#include "config/config.h"
#include "io/io.h"
#include "spool/spool.h"

struct schedule;
// RFC 5321 4.5.3.1.8: every server takes as many recipients. The least `max` of a step.
enum { SCHEDULE_TRANSACTION_RCPTS_MAX = 100, SCHEDULE_STEP_ACTIONS_MIN = 8 };

struct schedule_settings {
    uint64_t generation; // of the configuration; a new one sends every domain to routing again
    unsigned slots;      // sessions at once, all lanes
    unsigned routes;     // routings at once
    struct config_retry retry; // of domains that have no lane yet
};

struct schedule_options {
    struct schedule_settings settings;
    uint64_t seed;
    // A route token (schedule_routed) is no longer needed.
    void (*route_release)(void *route);
    // What was kept about a lane or domain may go; its handle is gone. May be NULL.
    void (*lane_gone)(void *arg, uint32_t lane, struct view key);
    void (*domain_gone)(void *arg, uint32_t domain, struct view name);
    void *arg;
};

struct schedule *schedule_create(const struct schedule_options *options, io_time now,
                                 int64_t wall_ms);
void schedule_destroy(struct schedule *s);
// Wall clock of the newest stored record: a start before it, or a day after it, is not trusted.
void schedule_check_start(struct schedule *s, int64_t newest_ms, io_time now, int64_t wall_ms);
void schedule_configure(struct schedule *s, const struct schedule_settings *settings, io_time now);

// --- Messages in and out -----------------------------------------------------------------
struct schedule_add_rcpt {
    struct view domain; // lower case, or "[address]"
    uint32_t index;     // in the envelope
    // What was stored about it; all zero for mail that has just arrived.
    int64_t next_ms;        // wall clock of the next attempt; zero: now
    int64_t tried_ms;       // wall clock of the last attempt of its own; zero: none
    int64_t held_since_ms;  // not zero: on hold
    uint32_t address_hash;  // for schedule_scan
    uint16_t rounds, cause; // cause: the caller's number for selectors
    uint8_t dot_losses;
    bool is_local; // the last failure was this machine's fault
};
struct schedule_add {
    struct spool_id id;
    int64_t arrived_ms;
    uint64_t sender_hash;
    uint32_t tag;                   // the caller's
    bool is_warned, is_hold_warned; // notices that were sent already
    const struct schedule_add_rcpt *rcpts;
    size_t n_rcpts;
};
// False when the id is known already.
bool schedule_add(struct schedule *s, const struct schedule_add *add, io_time now);
// The recipient is settled: it must be out (state SCHEDULE_OUT). Its handle is gone; so is its
// message with the last one.
void schedule_drop(struct schedule *s, uint32_t rcpt);

// --- Actions -----------------------------------------------------------------------------
enum schedule_action_kind {
    SCHEDULE_ACT_ROUTE,       // domain: resolve it, then schedule_routed or schedule_route_failed
    SCHEDULE_ACT_OPEN,        // session, lane, route: open one, then schedule_take
    SCHEDULE_ACT_WAKE,        // session: it waited, now there is work (schedule_take)
    SCHEDULE_ACT_CLOSE,       // session: it waited long enough or its slot is wanted: end it
    SCHEDULE_ACT_FAIL,        // rcpt, domain: its route says no for good; now out: settle, drop
    SCHEDULE_ACT_EXPIRE,      // rcpt: its time is up; now out: settle with a notice, drop
    SCHEDULE_ACT_HOLD_EXPIRE, // rcpt: the hold's bound; as EXPIRE
    SCHEDULE_ACT_WARN,        // message: delay notice to its sender is due (once)
    SCHEDULE_ACT_HOLD_WARN,   // message: a day before the hold's bound (once)
    SCHEDULE_ACT_CLOCK        // the clock's alarm changed (schedule_counts.clock_is_trusted)
};
struct schedule_action {
    enum schedule_action_kind kind;
    uint32_t domain, lane, session, rcpt, message;
    void *route; // OPEN: token of the domain whose mail asked for it; released by the schedule
};
// Advances to `now` and fills up to `max` actions. Call again while it returns `max` or while
// schedule_next says now. A step is bounded work (well under 1 ms).
size_t schedule_step(struct schedule *s, io_time now, int64_t wall_ms,
                     struct schedule_action *actions, size_t max);
// When the next step is due though no event comes; IO_NEVER: none.
io_time schedule_next(const struct schedule *s);
// No OPEN, ROUTE, WAKE while stopped: the spool does not settle, or the program ends.
enum schedule_stop { SCHEDULE_RUNS, SCHEDULE_STOPPED_SPOOL, SCHEDULE_STOPPED_SHUTDOWN };
void schedule_set_stop(struct schedule *s, enum schedule_stop stop);
// An operator says that the clock is right.
void schedule_trust_clock(struct schedule *s, io_time now, int64_t wall_ms);

// --- Routing -----------------------------------------------------------------------------
struct schedule_way { // of the lane's connector, newest configuration
    unsigned max_connections, max_messages_per_connection;
    uint64_t rate_events; // zero: no limit
    int64_t rate_period_ms;
    struct config_retry retry;
};
struct schedule_routed {
    struct view lane_key; // names the lane; the same key is the same lane
    struct view connector;
    const struct schedule_way *way;
    io_time valid_until;
    uint64_t generation; // of the configuration that it was made from
    void *route;         // token: ownership goes to the schedule
};
// Returns the lane. `*is_new`: it has just been made (schedule_lane_restore may follow).
uint32_t schedule_routed(struct schedule *s, uint32_t domain, const struct schedule_routed *routed,
                         io_time now, bool *is_new);
struct schedule_route_failure {
    bool is_permanent; // FAIL for what is queued until `valid_until`; else the domain backs off
    bool is_local;     // the fault is this machine's
    io_time valid_until;
};
void schedule_route_failed(struct schedule *s, uint32_t domain,
                           const struct schedule_route_failure *failure, io_time now);
// Back-off that was stored before a restart.
struct schedule_backoff {
    io_time until;
    uint32_t rounds;
    int64_t since_ms; // wall clock of the first failure in a row; zero: none
};
void schedule_lane_restore(struct schedule *s, uint32_t lane,
                           const struct schedule_backoff *backoff);
void schedule_domain_restore(struct schedule *s, uint32_t domain,
                             const struct schedule_backoff *backoff);

// --- Sessions ----------------------------------------------------------------------------
struct schedule_transaction { // a message and those of its recipients that go together
    struct spool_id id;
    uint32_t message, tag, domain, n_rcpts; // domain: of the first recipient
    uint32_t rcpts[SCHEDULE_TRANSACTION_RCPTS_MAX];
};
enum schedule_take {
    SCHEDULE_TAKE_WORK, // `n` transactions: their recipients are out now
    SCHEDULE_TAKE_WAIT, // none: keep the connection warm until WAKE or CLOSE
    SCHEDULE_TAKE_END   // none: end the session
};
struct schedule_hand { // what a session takes; fewer where more would keep them from others
    struct schedule_transaction *transactions;
    size_t max, n;
};
enum schedule_take schedule_take(struct schedule *s, uint32_t session, struct schedule_hand *hand,
                                 io_time now);
// The same for a session that has work still: WAIT means that it should ask again when it is done.
enum schedule_take schedule_take_ahead(struct schedule *s, uint32_t session,
                                       struct schedule_hand *hand, io_time now);

struct schedule_result { // of one recipient that is out
    uint32_t rcpt;
    bool was_tried;   // false: back to the head of its ready list, nothing is counted
    bool is_local;    // the fault is this machine's: expiry waits
    bool is_dot_lost; // the final dot was sent, no reply came: it may be delivered
    uint16_t cause;
};
struct schedule_deferral {
    bool is_expired;  // its time is up: it is still out; settle with a notice, drop
    bool is_unwanted; // an operator wants it removed: still out; settle, drop
    bool is_held;     // an operator put it on hold while it was out
    io_time next;
    uint16_t rounds;
    uint8_t dot_losses;
};
// Not delivered, not refused for good. (Those that are: settle, then schedule_drop.)
struct schedule_deferral schedule_defer(struct schedule *s, const struct schedule_result *result,
                                        io_time now);
// A transaction completed in this session: the lane works.
void schedule_session_progress(struct schedule *s, uint32_t session, io_time now);
enum schedule_session_end {
    SCHEDULE_SESSION_DONE,
    SCHEDULE_SESSION_FAILED,  // before MAIL: a round of the lane failed
    SCHEDULE_SESSION_LOST,    // it broke after MAIL
    SCHEDULE_SESSION_CANCELED // by us: nothing is counted
};
// Every recipient that it took has come back or been dropped. Frees the slot.
void schedule_session_ended(struct schedule *s, uint32_t session, enum schedule_session_end end,
                            bool is_local, io_time now);

// --- What operators do -------------------------------------------------------------------
void schedule_hold(struct schedule *s, uint32_t rcpt, int64_t wall_ms);
void schedule_release(struct schedule *s, uint32_t rcpt, io_time now);
void schedule_retry(struct schedule *s, uint32_t rcpt, io_time now); // not on hold: due now
// Takes it out for settling; false: a session has it, and it goes when that fails (is_unwanted).
bool schedule_take_out(struct schedule *s, uint32_t rcpt);
void schedule_put_back(struct schedule *s, uint32_t rcpt); // could not be settled: due now
// Forget the back-off. Recipients that wait for their own time are schedule_retry's.
void schedule_retry_lane(struct schedule *s, uint32_t lane, io_time now);
void schedule_retry_domain(struct schedule *s, uint32_t domain, io_time now);

// --- Questions ---------------------------------------------------------------------------
// READY: in its domain's list, routing or the lane decide. WAITING: for its own next attempt. OUT:
// in flight, or being settled.
enum schedule_state { SCHEDULE_READY, SCHEDULE_WAITING, SCHEDULE_HELD, SCHEDULE_OUT };
struct schedule_rcpt_info {
    struct spool_id id;
    uint32_t message, domain, index;
    enum schedule_state state;
    io_time next; // WAITING
    int64_t arrived_ms, held_since_ms, expires_ms, tried_ms;
    uint16_t rounds, cause;
    uint8_t dot_losses;
    bool is_wanted_gone, is_wanted_held, is_local, is_warned, is_hold_warned;
    uint64_t sender_hash;
    uint32_t address_hash;
};
void schedule_rcpt(const struct schedule *s, uint32_t rcpt, struct schedule_rcpt_info *info);
uint32_t schedule_find(const struct schedule *s, struct spool_id id); // message or zero
uint32_t schedule_message_rcpt(const struct schedule *s, uint32_t message);
uint32_t schedule_next_rcpt(const struct schedule *s, uint32_t rcpt); // of the message; zero
uint32_t schedule_message_tag(const struct schedule *s, uint32_t message);

// clang-format off
enum schedule_binding_kind {
    SCHEDULE_BIND_ROUTING, SCHEDULE_BIND_RETRY_TIME, SCHEDULE_BIND_LANE_BACKOFF,
    SCHEDULE_BIND_CONCURRENCY, SCHEDULE_BIND_RATE, SCHEDULE_BIND_SLOTS, SCHEDULE_BIND_HOLD,
    SCHEDULE_BIND_IN_FLIGHT, SCHEDULE_BIND_SPOOL_FAILED, SCHEDULE_BIND_CLOCK
};
// clang-format on
struct schedule_binding {
    enum schedule_binding_kind kind;
    io_time until; // IO_NEVER: not known
};
// What keeps it from leaving now.
struct schedule_binding schedule_binding(const struct schedule *s, uint32_t rcpt, io_time now);

struct schedule_domain_info {
    struct view name;
    uint32_t lane; // zero: in routing
    bool is_routing, is_failed_for_good;
    struct schedule_backoff backoff;
    uint32_t n_rcpts, n_ready, n_held, n_out;
    int64_t oldest_ms; // arrival of the recipient that came first; zero: none
};
bool schedule_domain_is_known(const struct schedule *s, uint32_t domain);
uint32_t schedule_domain_find(const struct schedule *s, struct view name);
void schedule_domain(const struct schedule *s, uint32_t domain, struct schedule_domain_info *info);
uint32_t schedule_next_domain(const struct schedule *s, uint32_t domain); // with mail; from zero
struct schedule_lane_info {
    struct view key, connector;
    struct schedule_backoff backoff;
    unsigned n_sessions, n_warm, limit; // limit: connections that it may have now
    bool is_proven;                     // success since its last failure, a moment ago
    uint32_t n_domains, n_ready, n_rcpts;
    int64_t oldest_ms; // arrival of the first of its domains' oldest; zero: none
    struct schedule_binding binding;
};
uint32_t schedule_next_lane(const struct schedule *s, uint32_t lane); // start with zero
void schedule_lane(const struct schedule *s, uint32_t lane, io_time now,
                   struct schedule_lane_info *info);
bool schedule_lane_is_known(const struct schedule *s, uint32_t lane);
struct view schedule_lane_connector(const struct schedule *s, uint32_t lane);
uint32_t schedule_lane_find(const struct schedule *s, struct view key);
uint32_t schedule_lane_domain(const struct schedule *s, uint32_t lane, uint32_t after);

// Recipients of a selection, oldest first as they came. It stays valid while others come and go;
// close it, also at the end.
enum schedule_select { SCHEDULE_SELECT_ALL, SCHEDULE_SELECT_DOMAIN, SCHEDULE_SELECT_SENDER };
struct schedule_cursor {
    struct list link;
    enum schedule_select select;
    uint32_t at;
};
// `key`: the domain's handle, or the sender's hash.
void schedule_cursor_open(struct schedule *s, struct schedule_cursor *cursor,
                          enum schedule_select select, uint64_t key);
uint32_t schedule_cursor_next(struct schedule *s, struct schedule_cursor *cursor);
void schedule_cursor_close(struct schedule_cursor *cursor);
// The next recipient of that address behind handle `*at`, looking at `budget` of them at most.
// Zero: go on from `*at`, or it is zero, too: the end.
uint32_t schedule_scan(const struct schedule *s, uint32_t address_hash, unsigned budget,
                       uint32_t *at);

struct schedule_counts {
    uint64_t messages, rcpts, ready, waiting, held, out;
    uint32_t domains, lanes, sessions, sessions_unproven, routing;
    bool clock_is_trusted; // false: expiry and its notices pause
    size_t memory_bytes;
};
struct schedule_counts schedule_counts(const struct schedule *s);

#endif
