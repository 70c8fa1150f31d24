// SPDX-License-Identifier: Apache-2.0
// A run of the probe.
//
//   target.c     what is meant by the words of the operator
//   probe.c      the order of the experiments
//   connect.c    every address, a few at a time
//   session.c    one dialogue from the greeting to QUIT
//   experiments.c  which experiment is worth its connections; reach.c, dialogues.c, handshakes.c,
//                certificate.c, authority.c make them
//   ours.c       this machine; names.c what others find when they look us up
//   steps.c      the record of what was done
//   reasoning.c  from evidence to the verdict; rules.inc and signs.inc are its tables
//   limits.c     ladders: how much is taken; rungs.c is one step of them
//   message.c    experiments about messages, letter.c what is in them
//   show.c       the road, the verdict and the letter; JSON
#ifndef PROBE_PROBE_INTERNAL_H
#define PROBE_PROBE_INTERNAL_H

#include "probe/probe.h"
#include "route/route.h"
#include "talk/talk.h"

enum {
    PROBE_STEPS_MAX = 96,
    PROBE_RUN_TIMES = 3, // the whole run, by the time-out of one answer
    PROBE_WAYS_MAX = 16, // addresses that are called
    PROBE_CALLS_AT_ONCE = 4,
    PROBE_SESSIONS_MAX = 4, // conversations of tier 1: hosts are tried until one is well
    PROBE_TEXT_BYTES_MAX = 600
};

// --- Evidence ---------------------------------------------------------------------------------
// What an experiment can show. Each is yes, no, or was not found out.
enum sign {
    SIGN_NONE, // ends a list
#define SIGN(name, words) SIGN_##name,
#include "probe/signs.inc"
#undef SIGN
    SIGN_COUNT
};
enum answer { ANSWER_UNKNOWN, ANSWER_YES, ANSWER_NO };

struct probe_signs {
    enum answer is[SIGN_COUNT];
    struct view words[SIGN_COUNT]; // what was seen; empty: the words of signs.inc
};

// An address of a host, and what became of a call to it.
struct probe_way {
    const struct route_host *host;
    struct address address, source;
    struct fact connect;      // NONE: not called
    struct io_stream *stream; // of a call that stands, until a session takes it
    int64_t rtt_us;           // zero: not known
    bool had_session;
    struct fact session; // how it ended
};

struct probe;
struct probe_session;
// How a dialogue differs from the relay's own, as an experiment. All zero: it does not.
struct probe_variant {
    bool is_quiet;   // no steps are recorded, and no message is sent
    bool sends_mail; // nevertheless: the first one was not sent as a whole
    bool in_lock_step;
    bool in_clear;                // as after a failed handshake, where the demand allows it
    const struct buffer *message; // instead of the test message; NULL: that one
    bool by_bdat;                 // RFC 3030 instead of DATA
    bool has_dot_alone;           // the final dot waits until the rest has arrived
    // Instead of envelope and message; `rung` is its own.
    IO_WAITS struct fact (*transact)(struct probe *probe, struct probe_session *session);
    struct probe_rung *rung;
    int mss_clamp;
    int tls_version; // this one alone
    const char *helo;
    int64_t limit_ms; // for each answer
};

// One dialogue.
struct probe_session {
    struct probe_variant variant;
    struct probe_step *last_step;
    struct probe_step scratch; // of quiet ones
    struct talk *talk;
    const struct probe_way *way;
    struct fact fact;                     // the failure that ended it, or DONE
    struct smtp_extensions before, after; // STARTTLS; names in the arena
    bool has_before, has_after, used_helo;
    struct tls_session tls;
    bool saw_tls, is_by_dane; // a TLSA record vouches for the certificate
    struct attempt attempt;
};

struct probe {
    const struct probe_options *options;
    const struct probe_target *target;
    struct probe_result *result;
    struct arena *arena;
    io_time began, deadline;
    struct config_connector *connector; // with what the options change; NULL: none takes it
    struct config_smart_host smart_host;
    struct address sources[PROBE_SOURCES_MAX];
    struct route *route;
    struct probe_way *ways; // at least one place, once the route is known
    size_t n_ways, n_left_out;
    size_t next_way;                  // to be called
    struct probe_session *session;    // the one that the verdict is about; NULL: none
    struct probe_session *failed_tls; // before one in clear text that went well; NULL: none
    enum cause first_cause;           // what the fact alone says
    struct probe_dane *dane;          // while sessions are had
    bool has_turn;                    // at the addresses of its ways
    bool is_deciding;                 // experiments run now
    bool knows_near;                  // whether the mail port is answered near us
    uint16_t other_port;              // that answers, of the address that does not; zero: none
    struct buffer message;
    uint64_t message_mark; // of all messages of this run; zero: none was written
    unsigned n_written;
    struct probe_signs signs;
};

// How long one wait may last that could last `limit_ms`.
static inline int64_t probe_limit_ms(const struct probe *probe, int64_t limit_ms) {
    return int64_min(limit_ms, probe->options->timeout_ms);
}

// --- steps.c ----------------------------------------------------------------------------------
// Appends; never NULL (what does not fit is written over the last one). Copies the fact's text.
struct probe_step *probe_step_add(struct probe *probe, const char *name, const struct fact *fact);
void probe_step_words(struct probe *probe, struct probe_step *step, const char *format, ...)
    PRINTF_LIKE(3, 4);
struct view probe_keep(struct probe *probe, struct view text); // at most PROBE_TEXT_BYTES_MAX
void probe_sign_set(struct probe *probe, enum sign sign, bool is_yes, const char *format, ...)
    PRINTF_LIKE(4, 5);
// "mx.example.org [192.0.2.1]:25"
struct view probe_place(struct probe *probe, struct view host, const struct address *address);

// --- connect.c --------------------------------------------------------------------------------
void probe_ways_init(struct probe *probe);
IO_WAITS void probe_call_all(struct probe *probe);
void probe_hang_up(struct probe *probe); // streams that no session took

// --- session.c --------------------------------------------------------------------------------
// From an established way (a broken stream is called again) to QUIT; `session->variant` is set.
IO_WAITS void probe_session_run(struct probe *probe, struct probe_way *way,
                                struct probe_session *session);
struct talk *probe_talk_create(struct probe *probe, const struct probe_way *way,
                               const struct probe_variant *variant);

// --- experiments.c ----------------------------------------------------------------------------
// What tier 2 is: each experiment that decides something about the fault, or all of them when the
// operator asked for it.
IO_WAITS void probe_experiment(struct probe *probe);
// Whether the verdict's first cause is one of these (CAUSE_NONE ends the list).
bool probe_is_one_of(enum cause cause, const enum cause *causes);
struct probe_step *probe_experiment_step(struct probe *probe, const char *name,
                                         const struct fact *fact);

// --- reach.c: experiments about connections ---------------------------------------------------
IO_WAITS void probe_try_controls(struct probe *probe);
IO_WAITS void probe_try_ports(struct probe *probe);
IO_WAITS void probe_try_sources(struct probe *probe);

// --- dialogues.c: experiments about sessions --------------------------------------------------
// The session once more, with the variant, as a step of that name; true when it came further than
// the first. `fact` says how it ended.
IO_WAITS bool probe_repeat(struct probe *probe, const char *name, struct probe_variant variant,
                           struct fact *fact);
IO_WAITS void probe_try_again(struct probe *probe);
IO_WAITS void probe_try_verbs(struct probe *probe);
IO_WAITS void probe_try_small_segments(struct probe *probe);
IO_WAITS void probe_try_lock_step(struct probe *probe);
IO_WAITS void probe_try_helo(struct probe *probe);
IO_WAITS void probe_try_split_verb(struct probe *probe);
IO_WAITS void probe_try_early_talk(struct probe *probe);
// A connection of its own that was greeted; false: it ended, as `fact` says. `*talk` is closed by
// probe_close_talk either way.
IO_WAITS bool probe_open_greeted(struct probe *probe, struct talk **talk, struct fact *fact);
IO_WAITS void probe_close_talk(struct talk *talk);

// --- handshakes.c: experiments about TLS ------------------------------------------------------
IO_WAITS void probe_try_tls_versions(struct probe *probe);
IO_WAITS void probe_try_ciphers(struct probe *probe);
IO_WAITS void probe_try_hello(struct probe *probe);

// --- certificate.c ----------------------------------------------------------------------------
// What the certificate of the session shows by itself.
void probe_read_certificate(struct probe *probe);
// The chain again with the issuers that it names and the server left out.
IO_WAITS void probe_try_issuer(struct probe *probe);

// --- road.c: experiments about the routers on the way -------------------------------------------
IO_WAITS void probe_try_hops(struct probe *probe);
IO_WAITS void probe_try_near(struct probe *probe);
// The same beside a session. Each begin has its end; NULL where there is nothing to look at.
struct probe_near;
struct probe_near *probe_near_begin(struct probe *probe, const struct probe_way *way);
IO_WAITS void probe_near_end(struct probe *probe, struct probe_near *near);

// --- packets.c: the packets of our calls --------------------------------------------------------
// From now on packets to and from that address are kept, where any are.
void probe_watch_packets(const struct probe *probe, const struct address *peer);
IO_WAITS void probe_read_packets(struct probe *probe);

// --- crowd.c: many targets, one address (crowd_internal.h has more) ------------------------------
// The addresses of the run's ways.
IO_WAITS void probe_take_turn(struct probe *probe);
void probe_end_turn(struct probe *probe);

// --- steps.c: groups ----------------------------------------------------------------------------
// Until all have ended, also when canceled: then they are, and so is what the caller does next.
IO_WAITS void probe_wait_all(struct io_group *group);

// --- authority.c --------------------------------------------------------------------------------
IO_WAITS void probe_try_authorities(struct probe *probe);

// --- message.c: experiments about messages, with --mail-to alone -------------------------------
bool probe_messages_decide(const struct probe *probe);
IO_WAITS void probe_try_messages(struct probe *probe);

// --- later.c: the same once more, after a deferral (--wait) -------------------------------------
bool probe_later_decides(const struct probe *probe);
IO_WAITS void probe_try_later(struct probe *probe);
// "Please come back in 00:05:00", "in 300 seconds": milliseconds; zero: none is named.
int64_t probe_time_in(struct view text);

// --- registration.c ---------------------------------------------------------------------------
bool probe_registration_decides(const struct probe *probe);
IO_WAITS void probe_try_registration(struct probe *probe);

// --- parking.c --------------------------------------------------------------------------------
bool probe_is_parking(struct view host);
void probe_read_mx_parking(struct probe *probe);

// --- limits.c: how much is taken (--limits) -------------------------------------------------
IO_WAITS void probe_find_limits(struct probe *probe);
// A limit that ordinary mail runs into is the cause, or a warning beside one.
void probe_judge_limits(struct probe *probe);

// --- letter.c -----------------------------------------------------------------------------------
// The test message of --mail-to, or the operator's own, made once.
const struct buffer *probe_message(struct probe *probe);
// Another one, about what is tried, with a header and a body as long as these say (zero: no longer
// than it must be), of words that mean nothing. To be finished by the caller.
struct probe_letter {
    const char *subject;
    size_t header_bytes; // all of it, in short fields
    size_t line_bytes;   // of one line of it
    size_t body_bytes;   // all of the message
};
void probe_write_message(struct probe *probe, const struct probe_letter *letter,
                         struct buffer *out);

// --- facts.c ------------------------------------------------------------------------------------
void probe_collect_facts(struct probe *probe);

// --- ours.c -----------------------------------------------------------------------------------
void probe_look_at_machine(struct probe *probe);
void probe_look_at_routes(struct probe *probe); // once the ways are known
struct probe_step *probe_machine_step(struct probe *probe, const char *name, bool is_well);

// --- reasoning.c ------------------------------------------------------------------------------
// What the fact alone says: the attempt, the verdict of the catalogue and the first cause.
void probe_judge(struct probe *probe);
// What the signs make of it.
void probe_reason(struct probe *probe);
const char *probe_sign_words(enum sign sign);

#endif
