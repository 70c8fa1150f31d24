// SPDX-License-Identifier: Apache-2.0
// From a fact to its cause. What the system, the resolver or the TLS library reported decides by
// number; what a server said is left to the dialects; the stage separates what the number does not.
#include "catalog/dialect.h"
#include "catalog/rules.h"

#include <errno.h>

// How a session can break, by the stage at which it did.
static const struct loss_row {
    enum cause closed, reset, silent;
} loss_rows[FACT_STAGE_COUNT] = {
#define LOSS_AT(stage)                                                                             \
    [FACT_STAGE_##stage] = {CAUSE_CLOSED_##stage, CAUSE_RESET_##stage, CAUSE_SILENT_##stage}
    [FACT_STAGE_CONNECT] = {CAUSE_ACCEPT_THEN_CLOSE, CAUSE_CONN_RESET, CAUSE_CONN_TIMEOUT},
    [FACT_STAGE_GREETING] = {CAUSE_ACCEPT_THEN_CLOSE, CAUSE_RESET_GREETING, CAUSE_GREETING_TIMEOUT},
    LOSS_AT(EHLO),
    LOSS_AT(STARTTLS),
    LOSS_AT(TLS),
    LOSS_AT(AUTH),
    LOSS_AT(MAIL),
    LOSS_AT(RCPT),
    LOSS_AT(DATA),
    LOSS_AT(BODY),
    LOSS_AT(DOT),
#undef LOSS_AT
};

// The final dot is written together with what stands before it: where the peer's system has not
// acknowledged all of that, it was lost within the message. A reset tells nothing: it overtakes
// acknowledgements.
bool fact_is_lost_in_body(const struct fact *fact) {
    bool is_unacked = (fact->flags & FACT_FLAG_TCP_KNOWN) && fact->tcp_unacked_bytes > 0;
    bool is_told = fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_CLOSED;
    return fact->stage == FACT_STAGE_BODY ||
           (fact->stage == FACT_STAGE_DOT && is_unacked && is_told);
}

static struct loss_row loss_at(const struct fact *fact) {
    struct loss_row row = loss_rows[fact_is_lost_in_body(fact) ? FACT_STAGE_BODY : fact->stage];
    if (row.closed == CAUSE_NONE)
        return (struct loss_row){CAUSE_CLOSED_SESSION, CAUSE_RESET_SESSION, CAUSE_SILENT_SESSION};
    return row;
}

static bool some_of_greeting_came(const struct fact *fact) {
    return fact->stage == FACT_STAGE_GREETING &&
           (fact->bytes_received > 0 || (fact->flags & FACT_FLAG_FIRST_BYTE));
}

static bool ends_between_messages(const struct fact *fact) {
    return fact->stage == FACT_STAGE_MAIL && (fact->flags & FACT_FLAG_REUSED);
}

static enum cause of_closed(const struct fact *fact) {
    if (some_of_greeting_came(fact))
        return CAUSE_CLOSED_GREETING;
    return ends_between_messages(fact) ? CAUSE_SESSION_LIMIT : loss_at(fact).closed;
}

static enum cause of_silence(const struct fact *fact) {
    return some_of_greeting_came(fact) ? CAUSE_GREETING_UNFINISHED : loss_at(fact).silent;
}

// Errors that mean the same whatever we were doing: the fault is on this machine.
static enum cause of_local_errno(int sys_errno) {
    switch (sys_errno) {
    case EMFILE:
    case ENFILE: return CAUSE_LOCAL_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS: return CAUSE_LOCAL_MEMORY;
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EIO: return CAUSE_LOCAL_DISK;
    case ENETDOWN: return CAUSE_LOCAL_NETWORK;
    case ECONNABORTED: return CAUSE_LOCAL_ABORT;
    default: return CAUSE_NONE;
    }
}

static enum cause of_connect_errno(const struct fact *fact) {
    if (number_icmp_is_prohibited(fact->icmp_type, fact->icmp_code))
        return CAUSE_CONN_PROHIBITED;
    switch (fact->sys_errno) {
    case ECONNREFUSED: return CAUSE_CONN_REFUSED;
    case ETIMEDOUT: return CAUSE_CONN_TIMEOUT;
    case EHOSTUNREACH:
    case EHOSTDOWN: return CAUSE_HOST_UNREACHABLE;
    case ENETUNREACH:
    case EAFNOSUPPORT: return CAUSE_NET_UNREACHABLE;
    case EPIPE:
    case ECONNRESET: return CAUSE_CONN_RESET;
    case EPERM:
    case EACCES: return CAUSE_LOCAL_FIREWALL;
    case EINVAL: return CAUSE_LOCAL_FAULT; // a route that swallows the address, for one
    case EADDRNOTAVAIL:
    case EADDRINUSE: return CAUSE_LOCAL_PORTS;
    default: return CAUSE_CONN_FAILED;
    }
}

static enum cause of_session_errno(const struct fact *fact) {
    switch (fact->sys_errno) {
    case EPIPE:
    case ECONNRESET: return ends_between_messages(fact) ? CAUSE_SESSION_LIMIT : loss_at(fact).reset;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH: return CAUSE_PATH_LOST;
    // Without a stage only these words are left of somebody's log: no session stood.
    case ECONNREFUSED: return CAUSE_CONN_REFUSED;
    default: return CAUSE_LOCAL_FAULT;
    }
}

static enum cause of_errno(const struct fact *fact) {
    enum cause cause = of_local_errno(fact->sys_errno);
    if (cause != CAUSE_NONE)
        return cause;
    return fact->stage == FACT_STAGE_CONNECT ? of_connect_errno(fact) : of_session_errno(fact);
}

static enum cause of_dns(const struct fact *fact) {
    static const enum cause causes[FACT_DNS_COUNT] = {
        [FACT_DNS_OK] = CAUSE_UNKNOWN,          [FACT_DNS_NXDOMAIN] = CAUSE_DNS_NXDOMAIN,
        [FACT_DNS_NODATA] = CAUSE_DNS_NODATA,   [FACT_DNS_SERVFAIL] = CAUSE_DNS_SERVFAIL,
        [FACT_DNS_REFUSED] = CAUSE_DNS_REFUSED, [FACT_DNS_TIMEOUT] = CAUSE_DNS_TIMEOUT,
        [FACT_DNS_BOGUS] = CAUSE_DNSSEC_BOGUS,  [FACT_DNS_MALFORMED] = CAUSE_DNS_MALFORMED,
        [FACT_DNS_LOOP] = CAUSE_DNS_LOOP,
    };
    // A question that starts with the port and protocol labels asks for TLSA (RFC 6698 3).
    bool is_tlsa = view_starts_with(fact->text, VIEW("_")) &&
                   view_find_nocase(fact->text, VIEW("._tcp.")) < fact->text.len;
    enum cause cause = causes[fact->detail];
    bool fails = cause == CAUSE_DNS_SERVFAIL || cause == CAUSE_DNS_TIMEOUT ||
                 cause == CAUSE_DNSSEC_BOGUS || cause == CAUSE_DNS_REFUSED;
    return is_tlsa && fails ? CAUSE_DANE_LOOKUP : cause;
}

static enum cause of_demand(const struct fact *fact) {
    static const enum cause causes[FACT_DEMAND_COUNT] = {
        [FACT_DEMAND_NONE] = CAUSE_UNKNOWN,
        [FACT_DEMAND_STARTTLS] = CAUSE_STARTTLS_MISSING,
        [FACT_DEMAND_TLS_VERSION] = CAUSE_TLS_BELOW_MIN,
        [FACT_DEMAND_AUTH] = CAUSE_AUTH_MISSING,
        [FACT_DEMAND_SIZE] = CAUSE_SIZE_LIMIT,
        [FACT_DEMAND_8BITMIME] = CAUSE_EIGHT_BIT_MISMATCH,
        [FACT_DEMAND_SMTPUTF8] = CAUSE_SMTPUTF8_MISSING,
        [FACT_DEMAND_TLS_POLICY] = CAUSE_TLS_POLICY_UNMET,
        [FACT_DEMAND_AUTH_MECHANISM] = CAUSE_AUTH_MECHANISM,
        [FACT_DEMAND_DANE] = CAUSE_DANE_REQUIRED,
    };
    return causes[fact->detail];
}

static enum cause of_route(const struct fact *fact) {
    static const enum cause causes[FACT_ROUTE_COUNT] = {
        [FACT_ROUTE_NONE] = CAUSE_UNKNOWN,          [FACT_ROUTE_NULL_MX] = CAUSE_NULL_MX,
        [FACT_ROUTE_NO_CONNECTOR] = CAUSE_NO_ROUTE, [FACT_ROUTE_NO_ADDRESS] = CAUSE_MX_NO_ADDRESS,
        [FACT_ROUTE_MX_PRIVATE] = CAUSE_MX_PRIVATE, [FACT_ROUTE_MX_SELF] = CAUSE_MX_SELF,
        [FACT_ROUTE_MX_INVALID] = CAUSE_MX_BROKEN,  [FACT_ROUTE_LOOP] = CAUSE_LOOP,
        [FACT_ROUTE_HOSTS_DEAD] = CAUSE_HOSTS_DEAD,
    };
    return causes[fact->detail];
}

static enum cause of_local(const struct fact *fact) {
    static const enum cause causes[FACT_LOCAL_COUNT] = {
        [FACT_LOCAL_NONE] = CAUSE_LOCAL_FAULT,
        [FACT_LOCAL_DESCRIPTORS] = CAUSE_LOCAL_DESCRIPTORS,
        [FACT_LOCAL_MEMORY] = CAUSE_LOCAL_MEMORY,
        [FACT_LOCAL_DISK] = CAUSE_LOCAL_DISK,
        [FACT_LOCAL_RESOLVER] = CAUSE_LOCAL_RESOLVER,
        [FACT_LOCAL_TLS] = CAUSE_LOCAL_TLS,
        [FACT_LOCAL_SOURCE] = CAUSE_LOCAL_SOURCE,
        [FACT_LOCAL_SPOOL] = CAUSE_LOCAL_SPOOL,
        [FACT_LOCAL_CREDENTIALS] = CAUSE_LOCAL_CREDENTIALS,
    };
    return causes[fact->detail];
}

enum { ALERT_HANDSHAKE_FAILURE = 40 };

static enum cause of_tls(const struct fact *fact) {
    if (fact->x509_verify)
        return number_verify_cause(fact->x509_verify);
    if (fact->detail == FACT_TLS_CLEAR_TEXT)
        return CAUSE_TLS_CLEAR_ANSWER;
    // RFC 5246 7.4.6: before TLS 1.3 a server that goes on with no client has only this alert for
    // it.
    if (fact->tls_alert == ALERT_HANDSHAKE_FAILURE && fact->tls_alert_from_peer &&
        (fact->flags & FACT_FLAG_CERT_WANTED))
        return CAUSE_TLS_CLIENT_CERT;
    if (fact->tls_alert >= 0)
        return number_alert_cause(fact->tls_alert, fact->tls_alert_from_peer);
    return CAUSE_TLS_HANDSHAKE;
}

static enum cause of_garbled(const struct fact *fact) {
    if (fact->stage == FACT_STAGE_GREETING && greeting_is_masked(fact->text))
        return CAUSE_MASKED_BANNER; // "220****": the blank is gone too
    if (fact->stage == FACT_STAGE_GREETING || fact->stage == FACT_STAGE_CONNECT)
        return CAUSE_NOT_SMTP;
    return fact->stage == FACT_STAGE_TLS ? CAUSE_TLS_CLEAR_ANSWER : CAUSE_GARBLED_REPLY;
}

// The general cause of a refusal at each stage, for words that no dialect knows.
static enum cause of_reply_at(enum fact_stage stage, bool is_permanent) {
    switch (stage) {
    case FACT_STAGE_CONNECT:
    case FACT_STAGE_GREETING: return is_permanent ? CAUSE_GREETING_5XX : CAUSE_GREETING_4XX;
    case FACT_STAGE_EHLO: return is_permanent ? CAUSE_EHLO_REFUSED : CAUSE_EHLO_DEFERRED;
    case FACT_STAGE_STARTTLS:
    case FACT_STAGE_TLS: return CAUSE_STARTTLS_REFUSED;
    case FACT_STAGE_AUTH: return is_permanent ? CAUSE_AUTH_FAILED : CAUSE_AUTH_DEFERRED;
    case FACT_STAGE_MAIL: return is_permanent ? CAUSE_MAIL_REFUSED : CAUSE_MAIL_DEFERRED;
    case FACT_STAGE_RCPT: return is_permanent ? CAUSE_RCPT_REFUSED : CAUSE_RCPT_DEFERRED;
    case FACT_STAGE_DATA:
    case FACT_STAGE_BODY:
    case FACT_STAGE_DOT: return is_permanent ? CAUSE_DATA_REFUSED : CAUSE_DATA_DEFERRED;
    default: return is_permanent ? CAUSE_REPLY_REFUSED : CAUSE_REPLY_DEFERRED;
    }
}

static enum cause general_cause(const struct fact *fact) {
    int class = fact->reply_code ? fact->reply_code / 100 : fact->enhanced[0];
    if (class == 0) // words that nobody knows, and no code
        return CAUSE_UNKNOWN;
    enum cause general = of_reply_at(fact->stage, class == 5);
    // RFC 4954 4: 504 says that the mechanism is not known.
    if (fact->stage == FACT_STAGE_AUTH && fact->reply_code == 504)
        return CAUSE_AUTH_MECHANISM;
    // RFC 5321 3.8: 421 may answer any command and announces the end of the session.
    bool has_own = general == CAUSE_GREETING_4XX || general == CAUSE_AUTH_DEFERRED;
    return fact->reply_code == 421 && !has_own ? CAUSE_SERVER_CLOSING : general;
}

// Words weigh as much as the cause allows, a provider's own code less, a bare code little.
static unsigned weight_of(const struct dialect *row) {
    unsigned sure = cause_info(row->cause)->sure_percent;
    unsigned most = row->pattern.len              ? 100
                    : row->speaker != SPEAKER_ANY ? 85
                    : row->enhanced.len           ? 65
                                                  : 50;
    return sure < most ? sure : most;
}

// RFC 5321 4.2.3: 552 is "exceeded storage allocation". At RCPT nobody has seen the message yet.
static enum cause cause_of_row(const struct dialect *row, const struct fact *fact) {
    bool is_bare = row->pattern.len == 0 && row->enhanced.len == 0;
    bool is_storage = is_bare && fact->reply_code == 552 && fact->stage == FACT_STAGE_RCPT;
    return is_storage ? CAUSE_MAILBOX_FULL : row->cause;
}

// `said` holds views of `text`.
static void said_of(const struct fact *fact, const struct attempt *attempt, struct plain_text *text,
                    struct said *said) {
    struct plain_text greeting = {0};
    *said = (struct said){.code = fact->reply_code,
                          // Before MAIL a bare code says less than the step at which it came.
                          .words_only =
                              fact->stage >= FACT_STAGE_CONNECT && fact->stage < FACT_STAGE_AUTH};
    enhanced_of_fact(fact, &said->enhanced);
    plain_text_from(fact->text, text);
    if (attempt)
        plain_text_from(attempt->greeting, &greeting);
    said->text = plain_text_view(text);
    said->host = attempt ? attempt->host : VIEW_NONE;
    said->speaker = speaker_of(said->host, said->text, plain_text_view(&greeting));
}

enum cause rules_cause(const struct fact *fact, const struct attempt *attempt) {
    struct plain_text text;
    struct said said;
    if (fact->kind != FACT_KIND_REPLY)
        return CAUSE_NONE;
    said_of(fact, attempt, &text, &said);
    return rules_find(&said);
}

static struct judgement of_reply(const struct fact *fact, const struct attempt *attempt) {
    struct plain_text text;
    struct said said;
    said_of(fact, attempt, &text, &said);
    enum cause local = rules_find(&said);
    if (local != CAUSE_NONE)
        return (struct judgement){local, cause_info(local)->sure_percent};
    const struct dialect *row = dialect_find(&said);
    if (row)
        return (struct judgement){cause_of_row(row, fact), weight_of(row)};
    enum cause general = general_cause(fact);
    return (struct judgement){general, cause_info(general)->sure_percent};
}

// A mail host's name, not the recipient's domain, that does not exist or has no address.
static bool is_host_without_address(const struct fact *fact, const struct attempt *attempt) {
    return attempt && fact->kind == FACT_KIND_DNS && fact->text.len > 0 &&
           attempt->domain.len > 0 && !view_equals_nocase(fact->text, attempt->domain) &&
           (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
}

// What the attempt knows beside the fact; CAUSE_NONE where that decides nothing.
static enum cause cause_by_attempt(const struct fact *fact, const struct attempt *attempt) {
    if (is_host_without_address(fact, attempt))
        return CAUSE_MX_NO_ADDRESS;
    bool lacks_starttls = fact->kind == FACT_KIND_DEMAND && fact->detail == FACT_DEMAND_STARTTLS;
    // A device that masks the greeting hides the keywords that it does not know.
    if (attempt && lacks_starttls && greeting_is_masked(attempt->greeting))
        return CAUSE_STARTTLS_STRIPPED;
    return CAUSE_NONE;
}

struct judgement judge_fact(const struct fact *fact, const struct attempt *attempt) {
    ASSERT((unsigned)fact->kind < FACT_KIND_COUNT && (unsigned)fact->stage < FACT_STAGE_COUNT);
    enum cause cause = CAUSE_UNKNOWN;
    switch (fact->kind) {
    case FACT_KIND_OK: cause = CAUSE_NONE; break;
    case FACT_KIND_ERRNO: cause = of_errno(fact); break;
    case FACT_KIND_CLOSED: cause = of_closed(fact); break;
    case FACT_KIND_SILENT: cause = of_silence(fact); break;
    case FACT_KIND_REPLY: return of_reply(fact, attempt);
    case FACT_KIND_GARBLED: cause = of_garbled(fact); break;
    case FACT_KIND_DNS: cause = of_dns(fact); break;
    case FACT_KIND_TLS: cause = of_tls(fact); break;
    case FACT_KIND_CERT: cause = number_verify_cause(fact->x509_verify); break;
    case FACT_KIND_DEMAND: cause = of_demand(fact); break;
    case FACT_KIND_ROUTE: cause = of_route(fact); break;
    case FACT_KIND_LOCAL: cause = of_local(fact); break;
    case FACT_KIND_CANCELED: cause = CAUSE_CANCELED; break;
    case FACT_KIND_EXPIRED: cause = CAUSE_EXPIRED; break;
    case FACT_KIND_NONE:
    case FACT_KIND_COUNT: break;
    }
    enum cause better = cause_by_attempt(fact, attempt);
    cause = better == CAUSE_NONE ? cause : better;
    return (struct judgement){cause, cause_info(cause)->sure_percent};
}

enum cause cause_of(const struct fact *fact) {
    return judge_fact(fact, NULL).cause;
}

enum cause cause_of_attempt(const struct fact *fact, const struct attempt *attempt) {
    return judge_fact(fact, attempt).cause;
}

// RFC 5321 4.2.1 and 3463: the first digit decides, but only for the message or recipient that the
// command was about. Before MAIL a refusal speaks about the host, and another may do.
static bool reply_is_permanent(const struct fact *fact) {
    bool before_mail = fact->stage > FACT_STAGE_UNKNOWN && fact->stage < FACT_STAGE_MAIL;
    int class = fact->reply_code ? fact->reply_code / 100 : fact->enhanced[0];
    return class == 5 && !before_mail;
}

bool fact_is_permanent(const struct fact *fact, bool of_recipient_domain) {
    switch (fact->kind) {
    case FACT_KIND_REPLY: return reply_is_permanent(fact);
    case FACT_KIND_EXPIRED: return true;
    // RFC 1870 6.1: a size above the one announced is refused for good.
    case FACT_KIND_DEMAND: return fact->detail == FACT_DEMAND_SIZE;
    case FACT_KIND_DNS:
        return of_recipient_domain &&
               (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
    case FACT_KIND_ROUTE:
        // RFC 7505 3 for null MX, RFC 5321 6.3 for loops.
        return fact->detail == FACT_ROUTE_LOOP ||
               (fact->detail == FACT_ROUTE_NULL_MX && of_recipient_domain);
    default: return false;
    }
}

static bool reply_allows_next_host(const struct fact *fact) {
    enum retry_meaning retry = cause_info(cause_of(fact))->retry;
    if (fact->stage == FACT_STAGE_UNKNOWN)
        return false;
    if (fact->stage < FACT_STAGE_MAIL && fact->stage != FACT_STAGE_AUTH)
        return true; // the host refuses us, not the message
    // Wrong credentials are wrong everywhere and may lock the account.
    if (fact->stage == FACT_STAGE_AUTH)
        return fact->reply_code / 100 == 4;
    return fact->reply_code == 421 && retry != RETRY_SLOWER && fact->stage < FACT_STAGE_DOT;
}

bool fact_allows_next_host(const struct fact *fact) {
    // After the final dot another host could deliver the message a second time.
    if ((fact->flags & FACT_FLAG_DOT_SENT) || fact->stage >= FACT_STAGE_DOT)
        return false;
    switch (fact->kind) {
    case FACT_KIND_ERRNO: return of_local_errno(fact->sys_errno) == CAUSE_NONE;
    case FACT_KIND_CLOSED:
    case FACT_KIND_SILENT:
    case FACT_KIND_GARBLED:
    case FACT_KIND_DNS:
    case FACT_KIND_TLS:
    case FACT_KIND_CERT:
    case FACT_KIND_DEMAND: return true;
    case FACT_KIND_REPLY: return reply_allows_next_host(fact);
    // The other address family has a source address of its own.
    case FACT_KIND_LOCAL: return fact->detail == FACT_LOCAL_SOURCE;
    default: return false;
    }
}
