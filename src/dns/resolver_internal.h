// SPDX-License-Identifier: Apache-2.0
// The parts of the production resolver.
//
//   events.c   libunbound's event base on our loop
//   engine.c   a libunbound context: its settings, and questions handed to it
//   servers.c  whom to ask: the configuration or /etc/resolv.conf
//   direct.c   one question to one server over UDP, without libunbound
//   server.c   the same for the probe: over UDP and TCP, with what an authoritative server tells
//   resolver.c the seam of dns/dns.h: asks the engine, validates where that is possible
//   explain.c  what a failure is called: asks the servers directly
#ifndef DNS_RESOLVER_INTERNAL_H
#define DNS_RESOLVER_INTERNAL_H

#include "dns/message_internal.h"

enum { DNS_SERVERS_MAX = 8, DNS_PORT = 53 };

// --- events.c ---------------------------------------------------------------------------------
struct ub_event_base;
struct ub_event_base *dns_event_base_create(void);
void dns_event_base_destroy(struct ub_event_base *base);

// --- servers.c --------------------------------------------------------------------------------
struct dns_servers {
    struct address list[DNS_SERVERS_MAX]; // with ports
    size_t n;
};
// The nameservers of a file in the format of resolv.conf(5); a port may follow ("192.0.2.1:5353")
// in none but our tests.
void dns_servers_read(const char *path, struct dns_servers *servers);
bool dns_servers_equal(const struct dns_servers *a, const struct dns_servers *b);

// --- engine.c ---------------------------------------------------------------------------------
struct dns_engine_options {
    struct dns_servers servers;
    const char *trust_anchor; // NULL: no validation
    const char *stub_zone;
    struct address stub;
};

struct dns_engine; // counted by its questions and its owner
struct dns_engine *dns_engine_create(const struct dns_engine_options *options, struct error *error);
// The context goes when the last question has ended. NULL is accepted.
void dns_engine_release(struct dns_engine *engine);

enum dns_security { DNS_INSECURE, DNS_BOGUS, DNS_SECURE };

struct dns_result {
    int error; // of libunbound, zero: none
    int rcode; // as libunbound told it; unless zero, the packet means nothing
    enum dns_security security;
    int ede;              // RFC 8914: why it is bogus, where that could be read; -1
    struct buffer packet; // to be finished by the caller
};
// A question keeps its engine alive, and must be ended.
struct dns_question;
struct dns_question *dns_question_begin(struct dns_engine *engine, struct view name, unsigned type);
// IO_OK once the result is there; may be called again after IO_TIMEOUT.
IO_WAITS struct io_result dns_question_wait(struct dns_question *question, io_time deadline);
// Takes the result, or gives the question up where there is none.
void dns_question_end(struct dns_question *question, struct dns_result *result);

// --- direct.c ---------------------------------------------------------------------------------
struct dns_direct {
    const struct address *server;
    struct view name;
    unsigned type;
    bool want_dnssec;
    io_time deadline;
};
// Sends `query` (its first two bytes are the id) and waits for the reply, which comes from `arena`.
IO_WAITS struct io_result dns_direct_exchange(const struct dns_direct *question, struct view query,
                                              struct arena *arena, struct view *packet);
// IO_OK: a reply to the question has been read into `reply`. IO_ERROR with errno: the server's host
// refused it or cannot be reached. Views come from `arena`.
IO_WAITS struct io_result dns_direct_ask(const struct dns_direct *question, struct arena *arena,
                                         struct dns_reply *reply);

// --- server_answer.c --------------------------------------------------------------------------
// False: the arena is full.
bool dns_server_answer_init(struct dns_server_answer *answer, struct arena *arena);
struct dns_server_read {
    const struct dns_server_question *question;
    struct view query, packet;
};
// What the packet says to the question; its fact is changed where it says something.
void dns_server_answer_read(const struct dns_server_read *read, struct arena *arena,
                            struct dns_server_answer *answer);

// --- resolver.c -------------------------------------------------------------------------------
struct resolver {
    struct dns_resolver seam;
    struct dns_engine *engine; // NULL: no server to ask
    struct dns_engine_options options;
    char *trust_anchor; // NULL: none on this machine
    char *stub_zone;
    const char *file;        // that names the servers; NULL: the configuration does
    bool is_anchor_demanded; // by the configuration: never left out
    bool validates;          // false: the servers keep DNSSEC from us
    bool passes_dnssec;      // these servers did once
    bool has_answered;       // these servers: with records, or a denial that names a zone
    io_time answered_at;     // the last time
    struct timespec file_time;
    off_t file_bytes;
    io_time next_look, next_proof;
};

struct asked {
    struct resolver *resolver;
    struct view name;
    unsigned type;
    io_time begun, deadline;
    struct arena *arena;
};

// dns_resolver_create with another file in the place of /etc/resolv.conf; `file` must stay.
struct dns_resolver *dns_resolver_create_following(const struct dns_options *options,
                                                   const char *file, struct error *error);

// --- explain.c --------------------------------------------------------------------------------
enum heard { HEARD_REPLY, HEARD_NOTHING, HEARD_ERROR, HEARD_CANCEL };

struct direct {
    struct view name;
    unsigned type;
    bool want_dnssec;
    io_time until; // for all servers together
    int sys_errno; // out: the last one
};
// Each server in turn until one replies. HEARD_ERROR: all of them refused or cannot be reached.
IO_WAITS enum heard dns_ask_servers(const struct asked *asked, struct direct *direct,
                                    struct arena *scratch, struct dns_reply *reply);

struct fact dns_fact(const struct asked *asked, enum fact_dns status, int rcode, int ede);
struct fact dns_fact_of(const struct asked *asked, enum fact_kind kind, int detail);
// Our own resolver is at fault; `why` is a clause that follows the question.
struct fact dns_fact_resolver(const struct asked *asked, const char *why);
// libunbound gave an answer.
IO_WAITS struct fact dns_explain_answer(const struct asked *asked, const struct dns_reply *reply);
// libunbound holds the answer for forged; but where it cannot validate the root either, that says
// nothing about the domain.
IO_WAITS struct fact dns_explain_bogus(const struct asked *asked, int ede);
// libunbound gave up, with SERVFAIL as all it says.
IO_WAITS struct fact dns_explain_failure(const struct asked *asked);
// libunbound has said nothing. LOCAL with an errno: all servers refused or cannot be reached.
IO_WAITS struct fact dns_explain_silence(const struct asked *asked, io_time until);

#endif
