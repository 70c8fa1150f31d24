// SPDX-License-Identifier: Apache-2.0
// The catalogue: what a fact means. Causes with their codes, texts, proofs and remedies are tables
// (causes.inc, dialects.inc, remedies.inc); everything here is a view of them. Plain structs, no
// I/O; what must be composed goes into an arena of the caller.
//
// The nouns
//   fact     what happened at one step, in numbers (base/fact.h)
//   attempt  one try at one host address for one lane, with zero or more (message, recipient, fact)
//   cause    an entry of the catalogue, derived from facts (cause_of)
//   verdict  cause, blame, confidence, evidence: what every command prints, with one JSON writer
// The relay makes attempts, readers make attempts out of other people's text.
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/address.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"

// --- Causes -----------------------------------------------------------------------------------
// causes.inc holds one CAUSE(NAME, "id", ...) a cause; ids are stable words such as "conn-refused".
// Stored data names causes by id, never by number.
enum cause {
    CAUSE_NONE, // nothing is wrong
#define CAUSE(name, ...) CAUSE_##name,
#include "catalog/causes.inc"
#undef CAUSE
    CAUSE_COUNT
};

enum blame {
    BLAME_UNKNOWN,
    BLAME_LOCAL,       // this machine or network: resolver, route, egress, disk, clock
    BLAME_SENDER,      // our identity, rate or content
    BLAME_PATH,        // the network or a middlebox between
    BLAME_DESTINATION, // the receiving side's servers or DNS
    BLAME_RECIPIENT,   // the address or mailbox
    BLAME_POLICY,      // a demand that we configured or a rule that the receiver states
    BLAME_NOBODY,
    BLAME_COUNT
};

// What trying again can bring. A person being needed changes the alert, never
// the retry.
enum retry_meaning {
    RETRY_OTHER_ADDRESS, // another address now
    RETRY_LATER,         // the same later
    RETRY_SLOWER,        // the same later and with less
    RETRY_PERSON,        // the retry goes on, somebody must act
    RETRY_NEVER,         // ends the recipient at once
    RETRY_MEANING_COUNT
};

enum outcome {
    OUTCOME_UNKNOWN,
    OUTCOME_DELIVERED,
    OUTCOME_TEMPORARY_FAILURE,
    OUTCOME_PERMANENT_FAILURE,
    OUTCOME_COUNT
};

struct cause_info {
    struct view id;          // "conn-refused"
    struct view title;       // "Connection refused": the words after the code
    enum fact_stage stage;   // where it shows; FACT_STAGE_UNKNOWN: at several
    struct view meaning;     // one sentence for people
    struct view enhanced;    // registered RFC 3463 code "4.4.1"
    struct view family_code; // Exchange family "450 4.4.316"; empty where there is none
    struct view family_twin; // on expiry "550 5.4.316"; empty
    struct view tlsrpt;      // RFC 8460 result type; empty
    enum blame blame;
    enum retry_meaning retry;
    bool is_permanent;     // ends the recipient without expiry
    unsigned sure_percent; // how far such a fact alone proves the cause
    struct view proved_by;
    struct view ruled_out_by;
    struct view note; // what is often told wrong about it; may be empty
};

const struct cause_info *cause_info(enum cause cause);
bool cause_from_id(struct view id, enum cause *cause);
struct view blame_word(enum blame blame);
struct view retry_meaning_word(enum retry_meaning meaning);
struct view outcome_word(enum outcome outcome);

// The cause of a fact that is not OK. A reply is judged by (speaker, code, text), never by its code
// alone. Never fails: what is not known is CAUSE_UNKNOWN or the general cause of its stage.
enum cause cause_of(const struct fact *fact);
// The same with what the attempt tells about the speaker: its host name and greeting.
struct attempt;
enum cause cause_of_attempt(const struct fact *fact, const struct attempt *attempt);

// What another mail system wrote about a failure of its own ("lost connection with h[a] while
// sending RCPT TO", "450 4.2.0 Greylisted", "Socket error code 10061"), as the fact behind it. A
// quoted reply becomes FACT_KIND_REPLY with its text as a view into `words`. False where the words
// are not known. (A refusal told without its code is a FACT_KIND_REPLY with reply_code 0: judged by
// its enhanced code and words.)
bool fact_of_words(struct view words, struct fact *fact);

// --- Rules of a local file ----------------------------------------------------------------------
// Wordings that the catalogue does not know, or that mean something else here: they are asked
// before its own. rules.c describes the lines. NULL after having filled `error`, which names file
// and line: what cannot be read, and a rule that an earlier one makes useless.
struct rules;
struct rules *rules_read(struct view text, struct view name, struct error *error);
void rules_destroy(struct rules *rules); // NULL is accepted
void rules_count(const struct rules *rules, size_t *n_rules, size_t *n_tests);
// Runs the tests of the file; one line for each that comes out otherwise. Returns their number.
size_t rules_test(const struct rules *rules, struct buffer *out);
// The rules of the whole program from now on, NULL for none. Not while other threads judge.
void rules_use(const struct rules *rules);
// What they say of a reply; CAUSE_NONE where there are none, or none is for it.
enum cause rules_cause(const struct fact *fact, const struct attempt *attempt);

// The step that such words speak of ("in reply to RCPT TO command"), else FACT_STAGE_UNKNOWN.
enum fact_stage fact_stage_of_words(struct view words);

// True when the recipient ends with this fact now: null MX, NXDOMAIN or no data of the recipient
// domain, a proven loop, 5xx from MAIL on. `of_recipient_domain` is false for smart hosts and MX
// targets.
bool fact_is_permanent(const struct fact *fact, bool of_recipient_domain);
// True where the conversation broke within the message: also at the final dot, when the kernel
// knows that not all of it had arrived.
bool fact_is_lost_in_body(const struct fact *fact);
// True when another address of the same round may bring success (RFC 5321 5.1).
bool fact_allows_next_host(const struct fact *fact);

// --- Attempts ---------------------------------------------------------------------------------
struct attempt_result {
    struct view message_id; // text form
    uint32_t rcpt_index;
    struct view recipient;
    struct fact fact; // OK: delivered
};

struct attempt {
    int64_t id; // of the ledger; zero: not stored
    int64_t at_ms;
    int64_t elapsed_ms;
    struct view connector;
    struct view domain;  // of the recipients, where all share one; else empty
    struct view site;    // sorted host names
    struct view host;    // server name; empty where it failed before
    struct address peer; // ADDRESS_NONE where it failed before
    struct address source;
    struct view helo;
    struct view greeting; // first line of the peer's greeting, cut to 256 bytes
    struct view tls;      // "TLSv1.3 TLS_AES_256_GCM_SHA384", empty: clear text
    int tls_verify;       // X509_V_OK or why the certificate would not have passed
    struct fact fact;     // of the lane: how the conversation ended; OK where only results speak
    const struct attempt_result *results;
    size_t n_results;
    uint32_t n_folded; // successes counted instead of listed when the ledger lags
};

// --- Verdicts ---------------------------------------------------------------------------------
enum remedy_who { REMEDY_SENDING_SIDE, REMEDY_RECEIVING_SIDE, REMEDY_NETWORK, REMEDY_DNS_OWNER };

struct remedy {
    enum remedy_who who;
    struct view what;   // "do" in JSON
    struct view verify; // how to see that it helped
    struct view action; // one that the program can carry out ("retry"), or empty
};

struct view remedy_who_word(enum remedy_who who); // "sending-side"

struct candidate {
    enum cause cause;
    enum blame blame;
    double confidence;
    struct view decide_by;
};

enum { VERDICT_LINES_MAX = 16, VERDICT_REMEDIES_MAX = 12, VERDICT_CANDIDATES_MAX = 8 };

struct verdict {
    enum outcome outcome;
    enum fact_stage stage;
    enum cause cause;
    struct view code; // "450 4.4.316" (ours) or the peer's reply "550 5.1.1"
    bool code_is_ours;
    struct view enhanced; // a registered RFC 3463 code
    struct view tlsrpt;
    enum blame blame;
    double confidence;
    struct view domain; // of the recipients; empty where several share the lane
    struct view server_name;
    struct address server;
    struct address source;
    struct view helo;
    int64_t at_ms;
    int64_t elapsed_ms;
    int64_t bytes_sent;
    bool may_be_delivered;
    bool is_expired;     // the message's time was up: it goes back
    struct view summary; // one sentence with real names
    struct view evidence[VERDICT_LINES_MAX];
    size_t n_evidence;
    struct view ruled_out[VERDICT_LINES_MAX];
    size_t n_ruled_out;
    struct candidate candidates[VERDICT_CANDIDATES_MAX];
    size_t n_candidates;
    struct {
        enum cause cause;
        struct view summary;
    } warnings[VERDICT_CANDIDATES_MAX];
    size_t n_warnings;
    struct remedy remedies[VERDICT_REMEDIES_MAX];
    size_t n_remedies;
    struct view reported_code, reported_enhanced, reported_text; // as a peer or a log said it
};

// Composes the verdict of one fact, seen in `attempt` (NULL where there was none: routing, DNS).
// `is_expired` gives the permanent twin. Texts are composed in `arena`; on a full arena they are
// left empty.
void verdict_of_fact(const struct fact *fact, const struct attempt *attempt, bool is_expired,
                     struct arena *arena, struct verdict *verdict);
// The same where experiments have shown more than the one fact tells: cause and how sure it is (in
// percent) are given, codes, blame, summary and remedies follow from them.
struct verdict_cause {
    enum cause cause;
    unsigned sure_percent;
};
void verdict_of_cause(struct verdict_cause shown, const struct fact *fact,
                      const struct attempt *attempt, struct arena *arena, struct verdict *verdict);
// The code as people see it: "450 4.4.316 [postrider] Connection refused (RFC 3463: 4.4.1)".
struct view verdict_code_line(const struct verdict *verdict, struct arena *arena);
// The object of docs/json.md with "schema": 1.
void verdict_write_json(const struct verdict *verdict, struct json_writer *json);
// The same members inside an object that the caller has begun (readers and incidents add theirs).
void verdict_write_json_members(const struct verdict *verdict, struct json_writer *json);
// For people: summary, evidence, ruled out, what to do. Lines end with LF, no colour.
void verdict_write_text(const struct verdict *verdict, struct buffer *out);
// A text to send to the other side, beginning with a Subject line: what was seen, in numbers, and
// what we ask of them. False (and nothing is written) where nothing is for them to do.
bool verdict_write_letter(const struct verdict *verdict, struct buffer *out);
// One line for a fact: "no reply to MAIL in 300 s; we closed", "450 4.2.0 Greylisted".
struct view fact_describe(const struct fact *fact, struct arena *arena);
// The numbers of a fact that say something, as members of the object that is begun: errno, ICMP,
// DNS, TLS, reply, bytes.
void fact_write_json_numbers(const struct fact *fact, struct json_writer *json);
void attempt_write_json(const struct attempt *attempt, struct json_writer *json);

// --- Pages ------------------------------------------------------------------------------------
// docs/causes.md, the manual page of the causes (roff), and their list, one line
// a cause: id, code, title.
void catalog_write_markdown(struct buffer *out);
void catalog_write_man(struct buffer *out);
void catalog_write_list(struct buffer *out);
// One cause without a case: what it means, what proves it, what else it could be, what to do.
void cause_write_text(enum cause cause, struct buffer *out);

#endif
