// SPDX-License-Identifier: Apache-2.0
// The scheduler's state, shared by its files. Private to schedule/.
//
// Invariants
//  S1  A recipient is in exactly one of: its domain's fresh, retry, held or out chain, the wheel.
//  S2  A domain is in exactly one phase; its lane counts its READY recipients in PHASE_LANE.
//  S3  n_sessions of all lanes is the number of slots in use; by class, too.
//  S4  A domain with ready recipients is in routing's queue, its lane's ring, or the failing one,
//      or its back-off timer is set.
#ifndef SCHEDULE_INTERNAL_H
#define SCHEDULE_INTERNAL_H
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "schedule/schedule.h"
#include "schedule/wheel.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    STEP_RCPTS_MAX = 1000,               // recipients that one step moves
    STEP_TIMERS_MAX = 200,               // domains, lanes and sessions that one step wakes
    LEAVING_MAX = 512,                   // given out for a notice and not dropped yet
    DOMAINS_IDLE_MAX = 20000,            // routes kept though no mail waits
    WARM_MS = 2000,                      // a connection without work is kept so long
    PROOF_MS = 60 * 1000,                // so long a success speaks for its lane
    SESSION_TURN_MS = 5 * 1000,          // after it a session makes room for lanes that wait
    LONGEST_SLACK_MS = 60 * 1000,        // a round takes its time
    EPOCH_BEFORE_START_MS = 20 * DAY_MS, // older attempts and holds count as this old
    RECHECK_S = 60,                      // expiry that has to wait is looked at again
    CLOCK_STEP_MS = 5 * 60 * 1000,
    CLOCK_STABLE_MS = 60 * 60 * 1000,
    DOT_LOSS_WAIT_MS = 2 * 60 * 60 * 1000,
    WAIT_RESTORED_MS_MAX = DAY_MS, // the longest wait that is believed after a restart
    DEAD_ROUTE_MS_MIN = 60 * 1000  // a permanent answer of routing is believed at least so long
};

struct message {
    struct spool_id id;
    int64_t arrived_ms;
    struct wheel_node life; // next warning or expiry to look at
    uint32_t id_next;
    uint32_t sender, tag;
    struct chain rcpts;
    struct chain_link of_sender;
    bool is_warned, is_hold_warned;
};

struct rcpt {
    struct wheel_node
        node; // its state's chain or the wheel; due: next attempt, or held since; spare: index
    struct chain_link of_domain;
    struct chain_link of_message;
    uint32_t domain, message;
    uint32_t address_hash;
    uint32_t tried; // second of its last own attempt; zero: none
    uint16_t rounds, cause;
    uint8_t dot_losses;
    uint8_t state; // enum schedule_state
    bool is_local : 1, is_leaving : 1, is_wanted_gone : 1, is_wanted_held : 1;
    bool is_released : 1; // from a hold, at `due`: no attempt since
};

struct sender {
    uint64_t hash;
    uint32_t hash_next;
    struct chain messages;
};

enum phase {
    PHASE_IDLE,   // no route, and nothing that wants one
    PHASE_QUEUED, // for routing
    PHASE_ROUTING,
    PHASE_BACKOFF, // routing failed: until backoff.until
    PHASE_LANE,
    PHASE_DEAD // no for good, until valid_until
};

struct domain {
    uint32_t number, hash_next;
    uint64_t hash;
    char *name;
    size_t name_len;
    enum phase phase;
    bool is_local;
    bool takes_retry;   // whose turn it is: fresh and retry alternate
    uint32_t lane;      // PHASE_LANE
    uint64_t lane_hash; // of the key of the last lane
    void *route;
    io_time valid_until;
    uint64_t generation; // of the route
    struct schedule_backoff backoff;
    io_time failed_at; // last routing failure; zero: none
    struct chain all, fresh, retry, held, out;
    uint32_t flush_at; // next recipient to look at; zero: no flush goes on
    struct list queue; // routing queue, lane's ring, or failing
    struct list of_lane;
    struct list flush;
    struct list idle;
    struct heap_node timer;
};

enum lane_class { CLASS_GOOD, CLASS_NEW, CLASS_FAILED, CLASS_COUNT };

struct lane {
    uint32_t number, hash_next;
    uint64_t hash;
    char *key, *connector;
    size_t key_len, connector_len;
    struct schedule_way way;
    enum lane_class class;
    struct list domains; // all of them
    struct list ring;    // those with ready recipients
    struct list warm;    // sessions
    struct list wanting; // in one of the dispatch lists
    uint32_t n_domains, n_ready, n_rcpts;
    unsigned n_sessions, n_hungry, n_warm; // hungry: opened or woken, has not taken yet
    unsigned limit;
    struct schedule_backoff backoff;
    bool is_local;
    io_time limit_held_until;                       // no growth before
    io_time last_success, last_failure, last_round; // zero: never
    int64_t rate_due_us;                            // when the next transaction is due at the rate
    struct heap_node timer;
    int64_t kept_until, kept_generation; // while its domains are routed anew; zero: not so
};

enum session_state { SESSION_OPENING, SESSION_BUSY, SESSION_WARM, SESSION_WOKEN, SESSION_ENDING };

struct session {
    uint32_t number, lane;
    enum session_state state;
    unsigned n_taken;
    bool is_progressing;
    io_time opened_at;
    struct list warm;       // of its lane
    struct list queue;      // all warm ones, or those to be closed
    struct heap_node timer; // the end of a warm wait
};

struct schedule {
    struct schedule_options options;
    struct rng rng;
    uint64_t hash_key[2];
    io_time now, started_at;
    io_time epoch;          // epoch: second zero, before anything that can have happened
    int64_t wall_offset_ms; // wall clock minus now, as of the last step
    enum schedule_stop stop;
    struct slab messages, rcpts, senders, domains, lanes, sessions;
    struct index by_id, by_sender, by_domain, by_lane;
    struct wheel waiting; // recipients
    struct wheel life;    // messages
    struct heap domain_timers, lane_timers, session_timers;
    struct list cursors;

    struct list routing_fresh, routing_retry; // domains
    bool routes_retry;
    unsigned n_routing, n_routing_retry;
    struct list failing;  // dead domains with ready recipients
    struct list flushing; // domains
    struct list idle;     // domains without mail, longest idle first
    uint32_t n_idle;
    uint32_t reroute_at; // next domain number to send to routing; zero: none

    struct list wanting[CLASS_COUNT]; // lanes that want a session or a wake
    enum lane_class next_class;       // whose turn it was
    struct list warm, closing;        // sessions: longest warm first; to be told
    unsigned n_sessions, n_sessions_of[CLASS_COUNT];
    unsigned n_leaving;

    bool clock_is_trusted, clock_is_told;
    int64_t clock_offset_ms; // the trusted one
    int64_t clock_last_offset_ms;
    io_time clock_stable_since;

    uint64_t n_ready, n_waiting, n_held, n_out;
    bool is_behind; // the last step left work for the next
};

// --- Shared small things -----------------------------------------------------------------
static inline struct message *message_at(const struct schedule *s, uint32_t number) {
    return slab_at(&s->messages, number);
}
static inline struct rcpt *rcpt_at(const struct schedule *s, uint32_t number) {
    return slab_at(&s->rcpts, number);
}
static inline struct domain *domain_at(const struct schedule *s, uint32_t number) {
    return slab_at(&s->domains, number);
}
static inline struct lane *lane_at(const struct schedule *s, uint32_t number) {
    return slab_at(&s->lanes, number);
}
static inline struct session *session_at(const struct schedule *s, uint32_t number) {
    return slab_at(&s->sessions, number);
}
static inline uint32_t second_of(const struct schedule *s, io_time at) {
    return at <= s->epoch ? 0 : (uint32_t)int64_min((at - s->epoch) / 1000, UINT32_MAX - 1);
}
static inline uint32_t second_after(const struct schedule *s, io_time at) {
    return second_of(s, at >= IO_NEVER - 999 ? at : at + 999);
}
static inline io_time time_of(const struct schedule *s, uint32_t second) {
    return s->epoch + (io_time)second * 1000;
}
static inline int64_t wall_of(const struct schedule *s, io_time at) {
    return at + s->wall_offset_ms;
}
static inline struct chain_type of_state(struct schedule *s) {
    return (struct chain_type){&s->rcpts, offsetof(struct rcpt, node)};
}
static inline struct chain_type of_domain(struct schedule *s) {
    return (struct chain_type){&s->rcpts, offsetof(struct rcpt, of_domain)};
}

static inline struct chain_type of_message(struct schedule *s) {
    return (struct chain_type){&s->rcpts, offsetof(struct rcpt, of_message)};
}
static inline struct chain_type of_sender(struct schedule *s) {
    return (struct chain_type){&s->messages, offsetof(struct message, of_sender)};
}
static inline uint64_t id_hash(struct spool_id id) {
    return hash_u64(id.lo ^ hash_u64(id.hi));
}
static inline uint32_t domain_ready(const struct domain *domain) {
    return domain->fresh.n + domain->retry.n;
}
static inline void schedule_advance(struct schedule *s, io_time now) {
    if (now > s->now)
        s->now = now;
}

// state.c: the one place that moves recipients between lists
enum rcpt_place { PLACE_TAIL, PLACE_HEAD };
void rcpt_enter(struct schedule *s, uint32_t number, enum schedule_state state,
                enum rcpt_place place);
void rcpt_leave(struct schedule *s, uint32_t number);
static inline void rcpt_move(struct schedule *s, uint32_t number, enum schedule_state state) {
    rcpt_leave(s, number);
    rcpt_enter(s, number, state, PLACE_TAIL);
}
// Moves it out for a notice: counted until it is dropped.
void rcpt_send_off(struct schedule *s, uint32_t number);
void rcpt_destroy(struct schedule *s, uint32_t number);
uint32_t sender_find(const struct schedule *s, uint64_t hash);
// domain.c: phases
uint32_t domain_intern(struct schedule *s, struct view name);
void domain_set_phase(struct schedule *s, struct domain *domain, enum phase phase);
// Its first ready recipient came: it needs somewhere to go.
void domain_rouse(struct schedule *s, struct domain *domain);
// Its last ready recipient went.
void domain_calm(struct schedule *s, struct domain *domain);
void domain_gain(struct schedule *s, struct domain *domain, uint32_t rcpt);
void domain_lose(struct schedule *s, struct domain *domain, uint32_t rcpt);
void domain_fire(struct schedule *s, struct domain *domain);
bool domain_is_stale(const struct schedule *s, const struct domain *domain);
const struct config_retry *domain_retry(const struct schedule *s, const struct domain *domain);
io_time domain_last_round(const struct schedule *s, const struct domain *domain);
void domain_free(struct schedule *s, struct domain *domain);
void domain_flush(struct schedule *s, struct domain *domain);
void flush_some(struct schedule *s, unsigned *budget);
void reroute_some(struct schedule *s, unsigned *budget);
size_t route_some(struct schedule *s, struct schedule_action *actions, size_t max);
size_t fail_some(struct schedule *s, struct schedule_action *actions, size_t max);
// lane.c
uint32_t lane_intern(struct schedule *s, const struct schedule_routed *routed, bool *is_new);
void lane_attach(struct schedule *s, struct lane *lane, struct domain *domain);
void lane_detach(struct schedule *s, struct domain *domain);
void lane_want(struct schedule *s, struct lane *lane); // look at it in the next dispatch
void lane_fire(struct schedule *s, struct lane *lane);
void lane_set_class(struct schedule *s, struct lane *lane, enum lane_class class);
void lane_wake_at(struct schedule *s, struct lane *lane, io_time at);
unsigned lane_limit(const struct lane *lane);
io_time lane_rate_until(const struct schedule *s, const struct lane *lane); // zero: free now
void lane_failed(struct schedule *s, struct lane *lane, bool is_local);
void lane_maybe_free(struct schedule *s, struct lane *lane);
void lane_drop_stale(struct schedule *s, struct lane *lane, struct domain *domain);
// dispatch.c
size_t dispatch_some(struct schedule *s, struct schedule_action *actions, size_t max);
bool slots_allow(const struct schedule *s, enum lane_class class);
bool slots_are_pressed(const struct schedule *s); // full, and somebody waits for one
// session.c
uint32_t session_open(struct schedule *s, struct lane *lane);
uint32_t session_wake(struct schedule *s, struct lane *lane);    // one of its warm ones
void session_close(struct schedule *s, struct session *session); // a warm one
void session_free(struct schedule *s, struct session *session);
// backoff.c
int64_t retry_delay_ms(struct schedule *s, const struct config_retry *retry, unsigned rounds);
void backoff_fail(struct schedule *s, struct schedule_backoff *backoff,
                  const struct config_retry *retry);
// life.c
void life_start(struct schedule *s, uint32_t message);
int64_t life_expires_ms(const struct schedule *s, const struct rcpt *rcpt);
// Its time is up, and a fault of ours does not excuse it.
bool life_is_over(const struct schedule *s, const struct rcpt *rcpt);
size_t life_some(struct schedule *s, struct schedule_action *actions, size_t max);
void clock_check(struct schedule *s);
io_time clock_next(const struct schedule *s);

#endif
