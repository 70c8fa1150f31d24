// SPDX-License-Identifier: Apache-2.0
// A fact in words: once as the short clause of a log line or a queue's status (fact_describe), once
// as the sentence with real names that opens a verdict.
#include "catalog/catalog_internal.h"

#include "base/units.h"

#include <errno.h>

// As the server said it: what a report adds in its Status field is no part of a quoted reply.
static bool enhanced_of_reply(const struct fact *fact, struct enhanced *enhanced) {
    return !(fact->flags & FACT_FLAG_STATUS_APART) && enhanced_of_fact(fact, enhanced);
}

struct view reply_line(const struct fact *fact, struct arena *arena) {
    struct view words = printable(reply_words(fact), arena);
    struct enhanced e;
    if (fact->reply_code == 0)
        return words;
    if (!enhanced_of_reply(fact, &e))
        return arena_printf(arena, "%d%s%.*s", fact->reply_code, words.len ? " " : "",
                            VIEW_ARG(words));
    return arena_printf(arena, "%d %d.%d.%d%s%.*s", fact->reply_code, e.class, e.subject, e.detail,
                        words.len ? " " : "", VIEW_ARG(words));
}

static int64_t waited_ms(const struct fact *fact) {
    return fact->limit_ms ? fact->limit_ms : fact->elapsed_ms;
}

// " after 512 bytes"; empty where nobody counted them.
static struct view bytes_behind(const struct fact *fact, struct arena *arena) {
    if (fact->bytes_sent == 0)
        return VIEW_NONE;
    return arena_printf(arena, " after %lld bytes", (long long)fact->bytes_sent);
}

static struct view describe_closed(const struct fact *fact, struct arena *arena) {
    if (fact->stage <= FACT_STAGE_GREETING && fact->stage >= FACT_STAGE_CONNECT)
        return fact->bytes_received ? VIEW("closed within the greeting")
                                    : VIEW("closed without a greeting");
    struct view behind = bytes_behind(fact, arena);
    if (fact->stage == FACT_STAGE_BODY)
        return arena_printf(arena, "closed within the message%.*s", VIEW_ARG(behind));
    struct view verb = stage_verb(fact->stage);
    if (fact->stage == FACT_STAGE_UNKNOWN || fact->stage == FACT_STAGE_TLS)
        return arena_printf(arena, "closed during %.*s", VIEW_ARG(verb));
    return arena_printf(arena, "closed after %.*s, without a reply", VIEW_ARG(verb));
}

// "in 30 s"; where the wait is not known, as in most lines of a log, that there was one.
static struct view wait_words(const struct fact *fact, struct arena *arena) {
    if (waited_ms(fact) == 0)
        return VIEW("in the time allowed");
    struct view span = span_words(waited_ms(fact), arena);
    return arena_printf(arena, "in %.*s", VIEW_ARG(span));
}

static struct view describe_stall(const struct fact *fact, struct arena *arena) {
    struct view behind = bytes_behind(fact, arena);
    if (waited_ms(fact) == 0)
        return arena_printf(arena, "message stalled%.*s; we closed", VIEW_ARG(behind));
    struct view span = span_words(waited_ms(fact), arena);
    return arena_printf(arena, "message stalled for %.*s%.*s; we closed", VIEW_ARG(span),
                        VIEW_ARG(behind));
}

static struct view describe_silence(const struct fact *fact, struct arena *arena) {
    struct view wait = wait_words(fact, arena);
    struct view verb = stage_verb(fact->stage);
    switch (fact->stage) {
    case FACT_STAGE_UNKNOWN: return VIEW("no answer within the session");
    case FACT_STAGE_CONNECT: return arena_printf(arena, "no answer %.*s", VIEW_ARG(wait));
    case FACT_STAGE_GREETING:
        return arena_printf(arena, "no greeting %.*s; we closed", VIEW_ARG(wait));
    case FACT_STAGE_TLS:
        return arena_printf(arena, "TLS handshake not finished %.*s; we closed", VIEW_ARG(wait));
    case FACT_STAGE_BODY: return describe_stall(fact, arena);
    default:
        return arena_printf(arena, "no reply to %.*s %.*s; we closed", VIEW_ARG(verb),
                            VIEW_ARG(wait));
    }
}

static struct view describe_errno(const struct fact *fact, struct arena *arena) {
    struct view words = number_errno_words(fact->sys_errno);
    struct view name = number_errno_name(fact->sys_errno);
    struct address from = fact_icmp_from(fact);
    if (from.family != ADDRESS_NONE) {
        char router[ADDRESS_TEXT_SIZE];
        address_format(&from, router, sizeof(router));
        return arena_printf(arena, "%.*s (%.*s), says %s", VIEW_ARG(words), VIEW_ARG(name), router);
    }
    if (fact->stage == FACT_STAGE_CONNECT || fact->stage == FACT_STAGE_UNKNOWN)
        return arena_printf(arena, "%.*s (%.*s)", VIEW_ARG(words), VIEW_ARG(name));
    struct view verb = stage_verb(fact->stage);
    const char *when =
        fact->stage == FACT_STAGE_BODY || fact->stage == FACT_STAGE_TLS ? "during" : "after";
    return arena_printf(arena, "%.*s (%.*s) %s %.*s", VIEW_ARG(words), VIEW_ARG(name), when,
                        VIEW_ARG(verb));
}

static struct view describe_dns(const struct fact *fact, struct arena *arena) {
    static const struct view words[FACT_DNS_COUNT] = {
        [FACT_DNS_OK] = TEXT("was answered"),
        [FACT_DNS_NXDOMAIN] = TEXT("does not exist (NXDOMAIN)"),
        [FACT_DNS_NODATA] = TEXT("has no mail host and no address (no data)"),
        [FACT_DNS_SERVFAIL] = TEXT("could not be resolved (SERVFAIL)"),
        [FACT_DNS_REFUSED] = TEXT("was refused by its name server (REFUSED)"),
        [FACT_DNS_TIMEOUT] = TEXT("could not be resolved (no name server answered)"),
        [FACT_DNS_BOGUS] = TEXT("has DNSSEC signatures that do not hold (bogus)"),
        [FACT_DNS_MALFORMED] = TEXT("got an answer that cannot be read"),
        [FACT_DNS_LOOP] = TEXT("is an alias without end"),
    };
    struct view name = printable(fact->text, arena);
    return arena_printf(arena, "%.*s %.*s", VIEW_ARG(name.len ? name : VIEW("the name")),
                        VIEW_ARG(words[fact->detail]));
}

static struct view describe_tls(const struct fact *fact, struct arena *arena) {
    struct view words = printable(fact->text, arena);
    if (fact->tls_alert >= 0)
        return arena_printf(arena, "TLS handshake failed: alert %.*s from %s",
                            VIEW_ARG(number_alert_name(fact->tls_alert)),
                            fact->tls_alert_from_peer ? "the server" : "us");
    if (words.len)
        return arena_printf(arena, "TLS handshake failed: %.*s", VIEW_ARG(words));
    return VIEW("TLS handshake failed");
}

static struct view describe_title(const struct fact *fact) {
    return cause_info(cause_of(fact))->title;
}

// What was lost within the message is told so, with what had arrived of it.
static struct fact seen_at_body(const struct fact *fact) {
    struct fact seen = *fact;
    if (fact->stage == FACT_STAGE_DOT && fact_is_lost_in_body(fact)) {
        seen.stage = FACT_STAGE_BODY;
        seen.bytes_sent = int64_max(0, fact->bytes_sent - fact->tcp_unacked_bytes);
    }
    return seen;
}

struct view fact_describe(const struct fact *fact, struct arena *arena) {
    struct view words;
    struct fact seen = seen_at_body(fact);
    switch (fact->kind) {
    case FACT_KIND_NONE: return VIEW("nothing happened yet");
    case FACT_KIND_OK: return fact->reply_code ? reply_line(fact, arena) : VIEW("done");
    case FACT_KIND_ERRNO: return describe_errno(&seen, arena);
    case FACT_KIND_CLOSED: return describe_closed(&seen, arena);
    case FACT_KIND_SILENT: return describe_silence(&seen, arena);
    case FACT_KIND_REPLY: return reply_line(fact, arena);
    case FACT_KIND_GARBLED:
        words = printable(fact->text, arena);
        return arena_printf(arena, "no SMTP reply but \"%.*s\"", VIEW_ARG(words));
    case FACT_KIND_DNS: return describe_dns(fact, arena);
    case FACT_KIND_TLS: return describe_tls(fact, arena);
    case FACT_KIND_CERT:
        words = number_verify_words(fact->x509_verify);
        return arena_printf(arena, "certificate not accepted: %.*s", VIEW_ARG(words));
    case FACT_KIND_CANCELED: return VIEW("stopped by us");
    case FACT_KIND_EXPIRED: return VIEW("message expired");
    default: return describe_title(fact);
    }
}

// --- The sentence ------------------------------------------------------------------------------
// " after 31 ms"; nothing where somebody else's text did not tell how long it took.
static struct view span_clause(const char *word, int64_t duration_ms, struct arena *arena) {
    struct view span = span_words(duration_ms, arena);
    return duration_ms ? arena_printf(arena, " %s %.*s", word, VIEW_ARG(span)) : VIEW("");
}

static struct view of_connection(const struct fact *fact, const struct cast *cast,
                                 struct arena *arena) {
    struct view span = span_clause("after", fact->elapsed_ms, arena);
    if (fact->sys_errno == ECONNREFUSED)
        return arena_printf(arena, "%.*s refused the connection%.*s", VIEW_ARG(cast->endpoint),
                            VIEW_ARG(span));
    if (fact->sys_errno == ETIMEDOUT || fact->kind == FACT_KIND_SILENT) {
        span = span_clause("within", waited_ms(fact), arena);
        return arena_printf(arena, "%.*s did not answer our call%.*s", VIEW_ARG(cast->endpoint),
                            VIEW_ARG(span));
    }
    struct view words = number_errno_words(fact->sys_errno);
    return arena_printf(arena, "The call to %.*s failed%.*s: %.*s", VIEW_ARG(cast->endpoint),
                        VIEW_ARG(span), VIEW_ARG(words));
}

static struct view of_reply(const struct fact *fact, const struct verdict *verdict,
                            const struct cast *cast, struct arena *arena) {
    struct view title = cause_info(verdict->cause)->title;
    if (fact->reply_code == 0) // reported in words, without the reply
        return arena_printf(arena, "%.*s did not take the mail: %.*s", VIEW_ARG(cast->endpoint),
                            VIEW_ARG(title));
    struct view line = reply_line(fact, arena);
    struct view code = view_take(line, view_find(line, VIEW(" ")));
    struct enhanced e;
    if (enhanced_of_reply(fact, &e))
        code = arena_printf(arena, "%.*s %d.%d.%d", VIEW_ARG(code), e.class, e.subject, e.detail);
    if (fact->stage == FACT_STAGE_UNKNOWN)
        return arena_printf(arena, "%.*s said %.*s: %.*s", VIEW_ARG(cast->endpoint), VIEW_ARG(code),
                            VIEW_ARG(title));
    bool greets = fact->stage == FACT_STAGE_CONNECT || fact->stage == FACT_STAGE_GREETING;
    return arena_printf(arena, "%.*s answered %.*s with %.*s: %.*s", VIEW_ARG(cast->endpoint),
                        VIEW_ARG(greets ? VIEW("our call") : stage_verb(fact->stage)),
                        VIEW_ARG(code), VIEW_ARG(title));
}

static struct view of_session(const struct fact *fact, const struct cast *cast,
                              struct arena *arena) {
    struct view clause = fact_describe(fact, arena);
    return arena_printf(arena, "The session with %.*s broke: %.*s", VIEW_ARG(cast->endpoint),
                        VIEW_ARG(clause));
}

static struct view of_title(const struct verdict *verdict, const struct cast *cast,
                            struct arena *arena) {
    struct view title = cause_info(verdict->cause)->title;
    return arena_printf(arena, "%.*s: %.*s", VIEW_ARG(cast->endpoint), VIEW_ARG(title));
}

static struct view of_route(const struct verdict *verdict, const struct cast *cast,
                            struct arena *arena) {
    struct view title = cause_info(verdict->cause)->title;
    return arena_printf(arena, "Mail for %.*s cannot be routed: %.*s", VIEW_ARG(cast->domain),
                        VIEW_ARG(title));
}

static struct view of_dns(const struct fact *fact, struct arena *arena) {
    struct view clause = describe_dns(fact, arena);
    return arena_printf(arena, "In the DNS, %.*s", VIEW_ARG(clause));
}

static struct view of_local(const struct verdict *verdict, struct arena *arena) {
    struct view title = cause_info(verdict->cause)->title;
    return arena_printf(arena, "The fault is ours: %.*s", VIEW_ARG(title));
}

static struct view what_happened(const struct fact *fact, const struct verdict *verdict,
                                 const struct cast *cast, struct arena *arena) {
    struct view clause;
    switch (fact->kind) {
    case FACT_KIND_NONE: return VIEW("Nothing was tried yet");
    case FACT_KIND_OK:
        return arena_printf(arena, "%.*s took the message", VIEW_ARG(cast->endpoint));
    case FACT_KIND_ERRNO:
    case FACT_KIND_SILENT:
        if (verdict->blame == BLAME_LOCAL && verdict->cause != CAUSE_NET_UNREACHABLE)
            return of_local(verdict, arena);
        return fact->stage == FACT_STAGE_CONNECT ? of_connection(fact, cast, arena)
                                                 : of_session(fact, cast, arena);
    case FACT_KIND_CLOSED:
    case FACT_KIND_GARBLED: return of_session(fact, cast, arena);
    case FACT_KIND_REPLY: return of_reply(fact, verdict, cast, arena);
    case FACT_KIND_DNS: return of_dns(fact, arena);
    case FACT_KIND_TLS:
    case FACT_KIND_CERT:
        clause = fact_describe(fact, arena);
        return arena_printf(arena, "%.*s: %.*s", VIEW_ARG(cast->endpoint), VIEW_ARG(clause));
    case FACT_KIND_ROUTE: return of_route(verdict, cast, arena);
    case FACT_KIND_LOCAL: return of_local(verdict, arena);
    case FACT_KIND_CANCELED: return VIEW("The attempt was stopped on our side");
    case FACT_KIND_EXPIRED: return VIEW("The message could not be delivered in the time it had");
    default: return of_title(verdict, cast, arena);
    }
}

static struct view who_must_act(const struct verdict *verdict, const struct cast *cast,
                                struct arena *arena) {
    if (verdict->outcome == OUTCOME_DELIVERED || verdict->confidence < 0.6)
        return VIEW_NONE;
    if (verdict->blame == BLAME_DESTINATION)
        return arena_printf(arena, "; this is for %.*s to look at", VIEW_ARG(cast->admins));
    if (verdict->blame == BLAME_PATH)
        return arena_printf(arena, "; the fault lies between us and %.*s", VIEW_ARG(cast->host));
    return VIEW_NONE;
}

struct view summary_of(const struct fact *fact, const struct verdict *verdict,
                       const struct cast *cast, struct arena *arena) {
    char at[UNITS_TIME_SIZE] = "";
    struct view what = what_happened(fact, verdict, cast, arena);
    struct view who = who_must_act(verdict, cast, arena);
    // A description stands where no name is known: "the receiving server".
    if (view_starts_with(what, VIEW("the ")))
        what = arena_printf(arena, "T%.*s", VIEW_ARG(view_skip(what, 1)));
    bool returns = verdict->is_expired && fact->kind != FACT_KIND_EXPIRED;
    if (verdict->at_ms)
        units_format_time(verdict->at_ms, at, sizeof(at));
    return arena_printf(arena, "%.*s%s%s%s%.*s%s%s.", VIEW_ARG(what), at[0] ? " (" : "", at,
                        at[0] ? ")" : "", VIEW_ARG(who),
                        verdict->may_be_delivered ? "; the message may have been delivered" : "",
                        returns ? "; the message's time was up, so it goes back" : "");
}
