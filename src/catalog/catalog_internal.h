// SPDX-License-Identifier: Apache-2.0
// Shared by the files of the catalogue only.
#ifndef CATALOG_CATALOG_INTERNAL_H
#define CATALOG_CATALOG_INTERNAL_H

#include "catalog/catalog.h"

// A view as a static initialiser.
#define TEXT(literal)                                                                              \
    { "" literal, sizeof(literal) - 1 }

// --- Judging (judge.c) -------------------------------------------------------------------------
// A judgement: the cause and how far what was seen proves it, in percent.
struct judgement {
    enum cause cause;
    unsigned sure_percent;
};

struct judgement judge_fact(const struct fact *fact, const struct attempt *attempt);

// --- Numbers and their names (numbers.c) --------------------------------------------------------
// "ECONNREFUSED" and "Connection refused"; words for unknown numbers too, never empty.
struct view number_errno_name(int sys_errno);
struct view number_errno_words(int sys_errno);
struct view number_alert_name(int alert);   // RFC 8446 6, RFC 6066 9
struct view number_verify_words(int error); // X509_V_ERR_*
struct view number_rcode_name(int rcode);   // RFC 6895 2.3
struct view number_ede_words(int code);     // RFC 8914 4; empty when not known
struct view number_tls_version(int version);
struct view number_icmp_words(int type, int code); // empty when not known
bool number_icmp_is_prohibited(int type, int code);
// The cause of a failed verification, and of a handshake that ended with this alert.
enum cause number_verify_cause(int error);
enum cause number_alert_cause(int alert, bool from_peer);

// --- Codes (codes.c) ---------------------------------------------------------------------------
struct enhanced {
    int class, subject, detail;
};

// "4.4.1" at the start of `text`, ended by its end or by no letter and no digit. `len` is what it
// took.
bool enhanced_parse(struct view text, struct enhanced *enhanced, size_t *len);
// True when the registry that RFC 5248 opened knows subject and detail.
bool enhanced_is_registered(const struct enhanced *enhanced);
// What the peer's reply says: in the fact's own field, else at the start of its text.
bool enhanced_of_fact(const struct fact *fact, struct enhanced *enhanced);
// The reply's text without the enhanced code in front.
struct view reply_words(const struct fact *fact);

// --- Words (cast.c, printable.c) -----------------------------------------------------------------
// The parts of a failure with their names, printable, never empty: unknown ones have a description
// such as "the receiving server".
struct cast {
    struct view host, endpoint, address, port, domain, source, helo, admins, server, target;
};

// "[192.0.2.1]" (RFC 5321 4.1.3): no name was looked up.
bool is_address_literal(struct view host);

void cast_fill(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
               struct cast *cast);
// Replaces {host} and its like. An unknown name in braces stays as it is.
struct view cast_apply(const struct cast *cast, struct view pattern, struct arena *arena);
// The descriptions alone.
extern const struct cast cast_nobody;
// Capitals such as HOST, for pages about no certain failure.
extern const struct cast cast_generic;
// What a terminal shows safely: control characters, bytes that are no UTF-8 and characters that
// turn the direction of text become \xNN. Printable text comes back as it is, uncopied.
struct view printable(struct view text, struct arena *arena);
void append_printable(struct buffer *out, struct view text);
// "31 ms", "300 s", "12 min": seconds stay seconds as far as deadlines go.
struct view span_words(int64_t duration_ms, struct arena *arena);
// "RCPT", "the final dot": what was sent at this stage.
struct view stage_verb(enum fact_stage stage);

// --- Tables of advice (advice.c) ----------------------------------------------------------------
// Ends with an entry whose `what` is empty. Never NULL.
const struct remedy *advice_remedies(enum cause cause);
// Ends with an entry whose cause is CAUSE_NONE. Never NULL.
const struct candidate *advice_candidates(enum cause cause);

// --- Parts of a verdict (evidence.c, summary.c) --------------------------------------------------
// verdict.c: whose fault such a fact is where that is its cause.
enum blame verdict_blame_of(const struct fact *fact, const struct attempt *attempt,
                            enum cause cause);
void verdict_add_evidence(struct verdict *verdict, struct view line);
void verdict_add_ruled_out(struct verdict *verdict, struct view line);
void collect_evidence(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                      struct verdict *verdict);
void collect_ruled_out(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                       struct verdict *verdict);
void collect_warnings(const struct fact *fact, const struct attempt *attempt, struct arena *arena,
                      struct verdict *verdict);
void verdict_add_advice(const struct cast *cast, struct arena *arena, struct verdict *verdict);
struct view summary_of(const struct fact *fact, const struct verdict *verdict,
                       const struct cast *cast, struct arena *arena);
// "550 5.1.1 User unknown": code, enhanced code once, words; printable.
struct view reply_line(const struct fact *fact, struct arena *arena);
// True when a greeting shows the row of asterisks that Cisco's inspection leaves.
bool greeting_is_masked(struct view greeting);
bool fact_may_be_delivered(const struct fact *fact);

#endif
