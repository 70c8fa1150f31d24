// SPDX-License-Identifier: Apache-2.0
// What was seen, in numbers; what the fact itself rules out; and what deserves a warning although
// it did not stop the mail.
#include "catalog/catalog_internal.h"

#include "base/units.h"

#include <errno.h>

static void add_line(struct view *lines, size_t *count, struct view line) {
    if (line.len && *count < VERDICT_LINES_MAX)
        lines[(*count)++] = line;
}

void verdict_add_evidence(struct verdict *verdict, struct view line) {
    add_line(verdict->evidence, &verdict->n_evidence, line);
}

void verdict_add_ruled_out(struct verdict *verdict, struct view line) {
    add_line(verdict->ruled_out, &verdict->n_ruled_out, line);
}

// --- Evidence ----------------------------------------------------------------------------------
static struct view errno_line(const struct fact *fact, struct arena *arena) {
    struct view words = number_errno_words(fact->sys_errno);
    struct view name = number_errno_name(fact->sys_errno);
    return arena_printf(arena, "system error %d (%.*s): %.*s", fact->sys_errno, VIEW_ARG(name),
                        VIEW_ARG(words));
}

static struct view icmp_line(const struct fact *fact, struct arena *arena) {
    struct view words = number_icmp_words(fact->icmp_type, fact->icmp_code);
    struct view line = arena_printf(arena, "ICMP type %d code %d%s%.*s", fact->icmp_type,
                                    fact->icmp_code, words.len ? ": " : "", VIEW_ARG(words));
    char router[ADDRESS_TEXT_SIZE];
    struct address from = fact_icmp_from(fact);
    if (from.family == ADDRESS_NONE)
        return line;
    address_format(&from, router, sizeof(router));
    return arena_printf(arena, "%.*s, sent by %s", VIEW_ARG(line), router);
}

static struct view dns_line(const struct fact *fact, struct arena *arena) {
    struct view name = printable(fact->text, arena);
    struct view ede = number_ede_words(fact->dns_ede);
    struct view rcode =
        fact->dns_rcode >= 0 ? number_rcode_name(fact->dns_rcode) : VIEW("no answer");
    struct view line = arena_printf(arena, "DNS for %.*s: %.*s",
                                    VIEW_ARG(name.len ? name : VIEW("?")), VIEW_ARG(rcode));
    if (fact->dns_ede >= 0)
        line = arena_printf(arena, "%.*s, extended error %d%s%.*s", VIEW_ARG(line), fact->dns_ede,
                            ede.len ? ": " : "", VIEW_ARG(ede));
    return line;
}

static void add_tls(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    struct view text = printable(fact->text, arena);
    if (fact->tls_alert >= 0)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "TLS alert %d (%.*s), sent by %s", fact->tls_alert,
                                          VIEW_ARG(number_alert_name(fact->tls_alert)),
                                          fact->tls_alert_from_peer ? "the server" : "us"));
    if (fact->tls_version)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "TLS version: %.*s",
                                          VIEW_ARG(number_tls_version(fact->tls_version))));
    if (fact->x509_verify)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "verification error %d: %.*s", fact->x509_verify,
                                          VIEW_ARG(number_verify_words(fact->x509_verify))));
    if (text.len && (fact->kind == FACT_KIND_TLS || fact->kind == FACT_KIND_CERT))
        verdict_add_evidence(verdict, arena_printf(arena, "TLS library: %.*s", VIEW_ARG(text)));
}

// What was seen to be missing, where nobody said so in words.
static struct view lack_line(const struct fact *fact) {
    static const struct view demands[FACT_DEMAND_COUNT] = {
        [FACT_DEMAND_STARTTLS] = TEXT("the answer to EHLO does not offer STARTTLS"),
        [FACT_DEMAND_AUTH] = TEXT("the answer to EHLO does not offer AUTH"),
        [FACT_DEMAND_AUTH_MECHANISM] =
            TEXT("the answer to EHLO offers AUTH, but neither PLAIN nor LOGIN"),
        [FACT_DEMAND_DANE] = TEXT("the signed DNS has no usable TLSA record for the host"),
        [FACT_DEMAND_SMTPUTF8] = TEXT("the answer to EHLO does not offer SMTPUTF8"),
        [FACT_DEMAND_SIZE] = TEXT("the answer to EHLO states a SIZE below the message's"),
    };
    if (fact->text.len)
        return VIEW_NONE;
    if (fact->kind == FACT_KIND_DEMAND)
        return demands[fact->detail];
    return fact->kind == FACT_KIND_LOCAL && fact->detail == FACT_LOCAL_SOURCE
               ? VIEW("no interface of this machine has the configured source address")
               : VIEW_NONE;
}

static void add_words(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    struct view text = printable(fact->text, arena);
    verdict_add_evidence(verdict, lack_line(fact));
    if (fact->reply_code) {
        struct view line = reply_line(fact, arena);
        struct view to = fact->stage == FACT_STAGE_UNKNOWN
                             ? VIEW_NONE
                             : arena_printf(arena, " to %.*s", VIEW_ARG(stage_verb(fact->stage)));
        verdict_add_evidence(
            verdict, arena_printf(arena, "reply%.*s: \"%.*s\"", VIEW_ARG(to), VIEW_ARG(line)));
    } else if (fact->kind == FACT_KIND_GARBLED)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "first bytes received: \"%.*s\"", VIEW_ARG(text)));
    else if (text.len && fact->kind == FACT_KIND_ROUTE)
        verdict_add_evidence(verdict, arena_printf(arena, "name: %.*s", VIEW_ARG(text)));
    else if (text.len && fact->kind != FACT_KIND_DNS && fact->kind != FACT_KIND_TLS &&
             fact->kind != FACT_KIND_CERT)
        verdict_add_evidence(verdict, arena_printf(arena, "words: \"%.*s\"", VIEW_ARG(text)));
}

// "12345678 bytes (11 MB)".
static struct view bytes_words(int64_t bytes, struct arena *arena) {
    const int64_t readable_bytes = 10 * 1024;
    char size[UNITS_TIME_SIZE];
    if (bytes < readable_bytes)
        return arena_printf(arena, "%lld bytes", (long long)bytes);
    units_format_size((uint64_t)bytes, size, sizeof(size));
    return arena_printf(arena, "%lld bytes (%s)", (long long)bytes, size);
}

static void add_amounts(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    bool in_body = fact->stage == FACT_STAGE_BODY || fact->stage == FACT_STAGE_DOT;
    struct view span = span_words(fact->elapsed_ms, arena);
    struct view limit = span_words(fact->limit_ms, arena);
    struct view sent = bytes_words(fact->bytes_sent, arena);
    if (fact->kind == FACT_KIND_SILENT && fact->limit_ms)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "waited %.*s, our limit for %.*s", VIEW_ARG(limit),
                                          VIEW_ARG(stage_verb(fact->stage))));
    else if (fact->elapsed_ms)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "after %.*s at this step", VIEW_ARG(span)));
    // How far a loss went decides between its causes; a refusal in words needs no counting.
    bool is_told = fact->kind != FACT_KIND_REPLY || (in_body && fact->bytes_sent);
    if (is_told && (fact->bytes_sent || fact->bytes_received || fact->kind == FACT_KIND_CLOSED))
        verdict_add_evidence(verdict, arena_printf(arena, "%.*s%s sent, %lld received at this step",
                                                   VIEW_ARG(sent), in_body ? " of the body" : "",
                                                   (long long)fact->bytes_received));
}

// What TCP itself saw: whether what we wrote arrived at the other system is known to the byte.
static void add_tcp(const struct fact *fact, struct arena *arena, struct verdict *verdict) {
    struct view waiting = bytes_words(fact->tcp_unacked_bytes, arena);
    if (!(fact->flags & FACT_FLAG_TCP_KNOWN) || fact->stage < FACT_STAGE_GREETING)
        return;
    if (fact->tcp_unacked_bytes > 0 && fact->tcp_retransmits > 0)
        verdict_add_evidence(
            verdict,
            arena_printf(arena,
                         "TCP: %.*s were never acknowledged; %d segments of at most %d "
                         "bytes were sent again",
                         VIEW_ARG(waiting), fact->tcp_retransmits, fact->tcp_segment_bytes));
    else if (fact->tcp_unacked_bytes > 0)
        verdict_add_evidence(
            verdict, arena_printf(arena, "TCP: %.*s were not acknowledged yet", VIEW_ARG(waiting)));
    else if (fact->stage > FACT_STAGE_GREETING)
        verdict_add_evidence(verdict, VIEW("TCP: the other system acknowledged all that we sent"));
}

static void add_circumstances(const struct fact *fact, struct verdict *verdict) {
    if (fact->flags & FACT_FLAG_REUSED)
        verdict_add_evidence(verdict, VIEW("the connection had carried other messages before"));
    if (fact->flags & FACT_FLAG_PIPELINED)
        verdict_add_evidence(verdict, VIEW("the command was sent in a group with others"));
    if (fact->flags & FACT_FLAG_DOT_SENT)
        verdict_add_evidence(verdict, VIEW("the final dot had been sent"));
}

static void add_session(const struct attempt *attempt, struct arena *arena,
                        struct verdict *verdict) {
    struct view greeting = printable(attempt->greeting, arena);
    struct view tls = printable(attempt->tls, arena);
    if (greeting.len)
        verdict_add_evidence(verdict,
                             arena_printf(arena, "greeting: \"%.*s\"", VIEW_ARG(greeting)));
    if (tls.len)
        verdict_add_evidence(verdict, arena_printf(arena, "encrypted: %.*s", VIEW_ARG(tls)));
}

void collect_evidence(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                      struct verdict *verdict) {
    add_words(fact, arena, verdict);
    if (fact->kind == FACT_KIND_ERRNO)
        verdict_add_evidence(verdict, errno_line(fact, arena));
    if (fact->icmp_type >= 0)
        verdict_add_evidence(verdict, icmp_line(fact, arena));
    if (fact->kind == FACT_KIND_DNS)
        verdict_add_evidence(verdict, dns_line(fact, arena));
    add_tls(fact, arena, verdict);
    add_amounts(fact, arena, verdict);
    add_tcp(fact, arena, verdict);
    add_circumstances(fact, verdict);
    if (attempt)
        add_session(attempt, arena, verdict);
}

// --- Ruled out ---------------------------------------------------------------------------------
static void rule_out_dns(const struct attempt *attempt, struct arena *arena,
                         struct verdict *verdict) {
    char address[ADDRESS_TEXT_SIZE];
    if (!attempt || attempt->peer.family == ADDRESS_NONE || attempt->host.len == 0 ||
        is_address_literal(attempt->host))
        return;
    address_format(&attempt->peer, address, sizeof(address));
    verdict_add_ruled_out(verdict,
                          arena_printf(arena, "DNS: %.*s resolved to %s",
                                       VIEW_ARG(printable(attempt->host, arena)), address));
}

static void rule_out_at_connect(const struct fact *fact, struct verdict *verdict) {
    if (fact->kind != FACT_KIND_ERRNO || fact->sys_errno != ECONNREFUSED)
        return;
    verdict_add_ruled_out(verdict, VIEW("a broken path: the answer came back"));
    verdict_add_ruled_out(verdict, VIEW("packets discarded in silence: a clear refusal came"));
}

// Each stage that was passed proves what it needs.
static void rule_out_passed(const struct fact *fact, struct verdict *verdict) {
    if (fact->stage >= FACT_STAGE_GREETING)
        verdict_add_ruled_out(verdict, VIEW("a closed or filtered port: the connection was made"));
    if (fact->stage > FACT_STAGE_GREETING)
        verdict_add_ruled_out(verdict, VIEW("a dead mail service: the server greeted us"));
    if (fact->stage > FACT_STAGE_TLS && (fact->flags & FACT_FLAG_TLS))
        verdict_add_ruled_out(verdict, VIEW("TLS: the session was encrypted"));
    if (fact->stage > FACT_STAGE_RCPT)
        verdict_add_ruled_out(verdict, VIEW("the recipient's address: the server accepted it"));
    if (fact->stage == FACT_STAGE_DOT && !fact_is_lost_in_body(fact))
        verdict_add_ruled_out(verdict, VIEW("a limit within the message: all of it was sent"));
}

void collect_ruled_out(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                       struct verdict *verdict) {
    bool known_stage = fact->stage >= FACT_STAGE_CONNECT && fact->stage <= FACT_STAGE_DOT;
    if (!known_stage || fact->kind == FACT_KIND_OK || fact->kind == FACT_KIND_LOCAL ||
        fact->kind == FACT_KIND_CANCELED)
        return;
    rule_out_dns(attempt, arena, verdict);
    if (fact->stage == FACT_STAGE_CONNECT)
        rule_out_at_connect(fact, verdict);
    else
        rule_out_passed(fact, verdict);
    if (fact->kind == FACT_KIND_REPLY && fact->stage > FACT_STAGE_GREETING)
        verdict_add_ruled_out(verdict, VIEW("the network: the server answered in order"));
}

// --- Warnings ----------------------------------------------------------------------------------
static void warn(struct verdict *verdict, enum cause cause, struct view summary) {
    if (verdict->n_warnings == ARRAY_LEN(verdict->warnings) || verdict->cause == cause)
        return;
    verdict->warnings[verdict->n_warnings].cause = cause;
    verdict->warnings[verdict->n_warnings++].summary = summary;
}

static bool is_row_of_stars(struct view text) {
    size_t n = 0;
    while (n < text.len &&
           (text.ptr[n] == '*' || text.ptr[n] == '2' || text.ptr[n] == '0' || text.ptr[n] == ' '))
        n++;
    return n == text.len;
}

// Cisco's inspection leaves only the characters 2, 0 and blank of a greeting and puts an asterisk
// for each other one, sometimes without the blank after the code. An attempt keeps it without the
// code, a log with it.
bool greeting_is_masked(struct view greeting) {
    enum { STARS_MIN = 8 };
    size_t stars = 0;
    greeting = view_trim(greeting);
    for (size_t i = 0; i < greeting.len; i++)
        stars += greeting.ptr[i] == '*';
    return stars >= STARS_MIN && is_row_of_stars(greeting);
}

// RFC 8996: before TLS 1.2. A fact of a failed step knows the number, an attempt the words.
static void warn_of_old_tls(const struct fact *fact, const struct attempt *attempt,
                            struct arena *arena, struct verdict *verdict) {
    static const struct view retired[] = {TEXT("SSLv3"), TEXT("TLSv1"), TEXT("TLSv1.0"),
                                          TEXT("TLSv1.1")};
    struct view words = VIEW_NONE, version = VIEW_NONE;
    if (fact->tls_version && fact->tls_version < 0x0303)
        version = number_tls_version(fact->tls_version);
    if (attempt)
        words = view_take(attempt->tls, view_find_char(attempt->tls, ' '));
    for (size_t i = 0; i < ARRAY_LEN(retired) && !version.len; i++)
        if (view_equals(words, retired[i]))
            version = words;
    if (version.len)
        warn(verdict, CAUSE_TLS_OUTDATED,
             arena_printf(arena, "the session used %.*s, which is retired", VIEW_ARG(version)));
}

void collect_warnings(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                      struct verdict *verdict) {
    if (fact->flags & FACT_FLAG_TLS_DOWNGRADED)
        warn(verdict, CAUSE_TLS_DOWNGRADED,
             VIEW("sent in clear text, since TLS failed with this host a short while ago"));
    if (fact->flags & FACT_FLAG_8BIT_UNDECLARED)
        warn(verdict, CAUSE_EIGHT_BIT_UNDECLARED,
             VIEW("8-bit bytes went to a server that does not offer 8BITMIME"));
    if (fact->flags & FACT_FLAG_CLEAR_DROPPED)
        warn(verdict, CAUSE_TLS_INJECTION,
             VIEW("words in clear text stood behind the answer to STARTTLS; they were dropped"));
    warn_of_old_tls(fact, attempt, arena, verdict);
    if (!attempt)
        return;
    if (attempt->tls.len && attempt->tls_verify && fact->kind != FACT_KIND_CERT)
        warn(verdict, number_verify_cause(attempt->tls_verify),
             arena_printf(arena,
                          "the certificate would not pass a check (%.*s); nothing demanded one",
                          VIEW_ARG(number_verify_words(attempt->tls_verify))));
    if (greeting_is_masked(attempt->greeting))
        warn(verdict, CAUSE_MASKED_BANNER,
             VIEW("the greeting is masked with asterisks, as a firewall that inspects SMTP does"));
}
