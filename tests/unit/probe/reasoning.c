// SPDX-License-Identifier: Apache-2.0
// What signs make of a fact: proved, supported, excluded. One row a case, as a person would tell
// it.
#include "unit/probe/stage.h"

#include <unistd.h>

#define YES ANSWER_YES
#define NO ANSWER_NO

enum { SIGNS_MAX = 4, UNKNOWN_ISSUER = 20, LEAF_ALONE = 21 }; // of OpenSSL

struct seen {
    enum sign sign;
    enum answer answer;
};

#define S(stage) FACT_STAGE_##stage
#define K(kind) FACT_KIND_##kind
#define SEEN(sign)                                                                                 \
    {                                                                                              \
        { SIGN_##sign, YES }                                                                       \
    }
#define REPLY(stage, reply, seen, cause, candidate)                                                \
    { S(stage), K(REPLY), 0, 0, seen, CAUSE_##cause, CAUSE_##candidate, reply }

static const struct {
    enum fact_stage stage;
    enum fact_kind kind;
    int sys_errno, detail; // of CERT: what checking found
    struct seen seen[SIGNS_MAX];
    enum cause cause;
    enum cause candidate; // that must stand first; NONE: not looked at
    const char *reply;    // of REPLY, with its code
} cases[] = {
    {S(CONNECT), K(SILENT), 0, 0, {{0}}, CAUSE_CONN_TIMEOUT, CAUSE_NONE},
    {S(CONNECT), K(SILENT), 0, 0, {{SIGN_CONTROLS_FAIL, YES}}, CAUSE_EGRESS_BLOCKED, CAUSE_NONE},
    // One that can be called is enough against it.
    {S(CONNECT),
     K(SILENT),
     0,
     0,
     {{SIGN_CONTROLS_FAIL, YES}, {SIGN_CONTROL_CONNECTS, YES}},
     CAUSE_CONN_TIMEOUT,
     CAUSE_NONE},
    {S(CONNECT),
     K(SILENT),
     0,
     0,
     {{SIGN_OTHER_PORT_ANSWERS, YES}, {SIGN_CONTROL_CONNECTS, YES}},
     CAUSE_PORT_FILTERED,
     CAUSE_NONE},
    {S(CONNECT),
     K(SILENT),
     0,
     0,
     {{SIGN_OTHER_PORT_ANSWERS, YES}},
     CAUSE_CONN_TIMEOUT,
     CAUSE_PORT_FILTERED},
    {S(CONNECT),
     K(ERRNO),
     ECONNREFUSED,
     0,
     {{SIGN_OTHER_SOURCE_WELL, YES}, {SIGN_CONTROL_CONNECTS, YES}},
     CAUSE_ACL_BY_SOURCE,
     CAUSE_NONE},
    // Where the road ends.
    {S(CONNECT),
     K(SILENT),
     0,
     0,
     {{SIGN_ROAD_ENDS, YES}, {SIGN_FILTERED_ON_THE_WAY, YES}},
     CAUSE_PATH_FILTERED,
     CAUSE_NONE},
    {S(CONNECT),
     K(ERRNO),
     ECONNREFUSED,
     0,
     {{SIGN_FILTERED_ON_THE_WAY, YES}},
     CAUSE_PATH_FILTERED,
     CAUSE_NONE},
    {S(CONNECT), K(SILENT), 0, 0, {{SIGN_ROAD_ENDS, YES}}, CAUSE_CONN_TIMEOUT, CAUSE_NONE},
    {S(CONNECT), K(SILENT), 0, 0, {{SIGN_ROAD_LOOPS, YES}}, CAUSE_HOST_UNREACHABLE, CAUSE_NONE},
    {S(CONNECT),
     K(SILENT),
     0,
     0,
     {{SIGN_ROAD_ENDS, YES}, {SIGN_ROAD_ENDS_NEAR_US, YES}},
     CAUSE_CONN_TIMEOUT,
     CAUSE_EGRESS_BLOCKED},
    // What packets show.
    {S(EHLO),
     K(ERRNO),
     ECONNRESET,
     0,
     {{SIGN_RESET_BY_DEVICE, YES}},
     CAUSE_INSPECTING_FIREWALL,
     CAUSE_NONE},
    {S(EHLO), K(ERRNO), ECONNRESET, 0, {{SIGN_RESET_BY_SERVER, YES}}, CAUSE_RESET_EHLO, CAUSE_NONE},
    {S(MAIL), K(SILENT), 0, 0, {{SIGN_PACKETS_LOST, YES}}, CAUSE_LOSSY_PATH, CAUSE_NONE},
    {S(MAIL),
     K(SILENT),
     0,
     0,
     {{SIGN_PACKETS_LOST, YES}, {SIGN_SEGMENT_STUCK, YES}},
     CAUSE_SILENT_MAIL,
     CAUSE_PMTU_BLACKHOLE},
    {S(GREETING),
     K(CLOSED),
     0,
     0,
     {{SIGN_ANSWERED_NEAR, YES}},
     CAUSE_TRANSPARENT_REDIRECT,
     CAUSE_NONE},
    {S(CONNECT), K(SILENT), 0, 0, {{SIGN_CACHE_DIFFERS, YES}}, CAUSE_DNS_STALE, CAUSE_NONE},
    {S(STARTTLS),
     K(DEMAND),
     0,
     FACT_DEMAND_STARTTLS,
     {{SIGN_STARTTLS_HIDDEN, YES}},
     CAUSE_STARTTLS_STRIPPED,
     CAUSE_NONE},
    {S(STARTTLS),
     K(DEMAND),
     0,
     FACT_DEMAND_STARTTLS,
     {{SIGN_STARTTLS_UNKNOWN, YES}, {SIGN_STARTTLS_HIDDEN, NO}},
     CAUSE_STARTTLS_MISSING,
     CAUSE_NONE},
    {S(TLS), K(SILENT), 0, 0, {{SIGN_SMALL_SEGMENTS_WELL, YES}}, CAUSE_PMTU_BLACKHOLE, CAUSE_NONE},
    {S(TLS), K(SILENT), 0, 0, {{SIGN_SMALL_SEGMENTS_FAIL, YES}}, CAUSE_SILENT_TLS, CAUSE_NONE},
    // It comes and goes: segments of another size did not mend it.
    {S(TLS),
     K(SILENT),
     0,
     0,
     {{SIGN_SMALL_SEGMENTS_WELL, YES}, {SIGN_AGAIN_WELL, YES}},
     CAUSE_SILENT_TLS,
     CAUSE_NONE},
    {S(TLS), K(CLOSED), 0, 0, {{SIGN_OLD_TLS_WORKS, YES}}, CAUSE_TLS_VERSION, CAUSE_NONE},
    {S(TLS),
     K(CLOSED),
     0,
     0,
     {{SIGN_OLD_TLS_WORKS, YES}, {SIGN_MODERN_TLS_WORKS, YES}},
     CAUSE_CLOSED_TLS,
     CAUSE_NONE},
    {S(TLS),
     K(CLOSED),
     0,
     0,
     {{SIGN_MODERN_TLS_WORKS, YES}, {SIGN_TLS12_WORKS, YES}, {SIGN_TLS13_FAILS, YES}},
     CAUSE_TLS_INTOLERANT,
     CAUSE_NONE},
    {S(TLS),
     K(CLOSED),
     0,
     0,
     {{SIGN_SMALL_HELLO_WELL, YES}, {SIGN_TLS12_WORKS, YES}, {SIGN_TLS13_FAILS, YES}},
     CAUSE_TLS_HELLO_SIZE,
     CAUSE_NONE},
    {S(TLS), K(SILENT), 0, 0, {{SIGN_SMALL_HELLO_WELL, YES}}, CAUSE_TLS_HELLO_SIZE, CAUSE_NONE},
    {S(TLS), K(SILENT), 0, 0, {{SIGN_SMALL_HELLO_FAILS, YES}}, CAUSE_SILENT_TLS, CAUSE_NONE},
    {S(TLS), K(CLOSED), 0, 0, {{SIGN_CERT_WANTED, YES}}, CAUSE_TLS_CLIENT_CERT, CAUSE_NONE},
    {S(EHLO), K(CLOSED), 0, 0, {{SIGN_CERT_WANTED, YES}}, CAUSE_CLOSED_EHLO, CAUSE_TLS_CLIENT_CERT},
    {S(TLS),
     K(CERT),
     0,
     UNKNOWN_ISSUER,
     {{SIGN_ISSUER_COMPLETES, YES}},
     CAUSE_CERT_NO_INTERMEDIATE,
     CAUSE_NONE},
    {S(TLS),
     K(CERT),
     0,
     UNKNOWN_ISSUER,
     {{SIGN_ISSUER_DOES_NOT_HELP, YES}, {SIGN_ONLY_LEAF_SENT, YES}},
     CAUSE_CERT_UNTRUSTED,
     CAUSE_NONE},
    {S(TLS),
     K(CERT),
     0,
     LEAF_ALONE,
     {{SIGN_ISSUER_DOES_NOT_HELP, YES}},
     CAUSE_CERT_UNTRUSTED,
     CAUSE_NONE},
    {S(TLS),
     K(CERT),
     0,
     UNKNOWN_ISSUER,
     {{SIGN_CERT_OF_DEVICE, YES}, {SIGN_CERT_OF_HOST, YES}},
     CAUSE_INSPECTING_FIREWALL,
     CAUSE_NONE},
    {S(TLS),
     K(CERT),
     0,
     UNKNOWN_ISSUER,
     {{SIGN_CERT_OF_DEVICE, YES}},
     CAUSE_CERT_UNTRUSTED,
     CAUSE_INSPECTING_FIREWALL},
    {S(RCPT), K(SILENT), 0, 0, {{SIGN_LOCK_STEP_WELL, YES}}, CAUSE_PIPELINE_BREAK, CAUSE_NONE},
    {S(EHLO), K(CLOSED), 0, 0, {{SIGN_OTHER_HELO_WELL, YES}}, CAUSE_EHLO_NAME_REJECTED, CAUSE_NONE},
    {S(EHLO),
     K(CLOSED),
     0,
     0,
     {{SIGN_HELO_WELL, YES}},
     CAUSE_CLOSED_EHLO,
     CAUSE_INSPECTING_FIREWALL},
    {S(GREETING),
     K(SILENT),
     0,
     0,
     {{SIGN_PTR_WRONG, YES}},
     CAUSE_GREETING_TIMEOUT,
     CAUSE_PTR_MISSING},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_UNCHECKED_ANSWER, YES}},
     CAUSE_DNSSEC_BOGUS,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_AUTHORITIES_WELL, YES}},
     CAUSE_LOCAL_RESOLVER,
     CAUSE_NONE},
    {S(DNS), K(DNS), 0, FACT_DNS_SERVFAIL, {{SIGN_ALIAS_LOOP, YES}}, CAUSE_DNS_LOOP, CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_AUTHORITIES_LAME, YES}},
     CAUSE_DNS_SERVFAIL,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_NXDOMAIN,
     {{SIGN_CACHE_DIFFERS, YES}},
     CAUSE_DNS_STALE,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_NXDOMAIN,
     {{SIGN_AUTHORITIES_DISAGREE, YES}},
     CAUSE_DNS_SPLIT_AUTH,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_TRUNCATED_LOST, YES}},
     CAUSE_DNS_TRUNCATED,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_UDP_ALONE, YES}},
     CAUSE_DNS_SERVFAIL,
     CAUSE_DNS_TRUNCATED},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_AUTHORITIES_SILENT, YES}, {SIGN_TCP_ALONE, YES}},
     CAUSE_DNS_TIMEOUT,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_RESOLVERS_DIFFER, YES}},
     CAUSE_LOCAL_RESOLVER,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_RESOLVERS_DIFFER, YES}, {SIGN_UNCHECKED_ANSWER, YES}},
     CAUSE_DNSSEC_BOGUS,
     CAUSE_NONE},
    {S(DNS), K(DNS), 0, FACT_DNS_BOGUS, {{SIGN_DS_MISMATCH, YES}}, CAUSE_DNSSEC_BOGUS, CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_SIGNATURES_EXPIRED, YES}},
     CAUSE_DNSSEC_BOGUS,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_BOGUS,
     {{SIGN_SIGNATURES_EXPIRED, YES}, {SIGN_CLOCK_WRONG, YES}},
     CAUSE_LOCAL_CLOCK,
     CAUSE_NONE},
    {S(CONNECT), K(SILENT), 0, 0, {{SIGN_PARKED, YES}}, CAUSE_DNS_PARKED, CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_NXDOMAIN,
     {{SIGN_CACHE_IS_RIGHT, YES}, {SIGN_REGISTRATION_LAPSED, YES}},
     CAUSE_DNS_EXPIRED,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_NXDOMAIN,
     {{SIGN_NOT_REGISTERED, YES}},
     CAUSE_DNS_NXDOMAIN,
     CAUSE_NONE},
    {S(DNS),
     K(DNS),
     0,
     FACT_DNS_SERVFAIL,
     {{SIGN_REGISTRATION_ACTIVE, YES}, {SIGN_AUTHORITIES_LAME, YES}},
     CAUSE_DNS_SERVFAIL,
     CAUSE_NONE},
    REPLY(RCPT, "554 5.7.1 blocked using bl.example.org", SEEN(LISTED), DNSBL, NONE),
    REPLY(RCPT, "554 5.7.1 blocked using bl.example.org", SEEN(NOT_LISTED), DNSBL, NONE),
    REPLY(GREETING, "554 no", SEEN(LISTED), GREETING_5XX, DNSBL),
    REPLY(GREETING, "554 no", SEEN(NOT_LISTED), GREETING_5XX, NONE),
    REPLY(RCPT, "450 4.7.1 cannot find your reverse hostname", SEEN(PTR_WRONG), PTR_MISSING, NONE),
    REPLY(RCPT, "450 4.7.1 cannot find your reverse hostname", SEEN(PTR_RIGHT), PTR_MISSING,
          RECEIVER_DNS),
    REPLY(RCPT, "550 5.7.23 SPF check failed", SEEN(SPF_FAILS), SPF_FAIL, NONE),
    REPLY(RCPT, "550 5.7.1 by policy", SEEN(SPF_FAILS), POLICY_REFUSED, SPF_FAIL),
    REPLY(MAIL, "450 4.1.8 Domain not found", SEEN(SENDER_DOMAIN_FOUND), SENDER_DOMAIN,
          RECEIVER_DNS),
    REPLY(EHLO, "550 no", SEEN(HELO_NAME_BAD), EHLO_REFUSED, EHLO_NAME_REJECTED),
    REPLY(RCPT, "450 not now", SEEN(LATER_WELL), RCPT_GREYLIST, NONE),
    REPLY(RCPT, "450 not now", SEEN(LATER_SAME), RCPT_DEFERRED, NONE),
    REPLY(RCPT, "450 not now", SEEN(LATER_FAILS), RCPT_DEFERRED, NONE),
    REPLY(RCPT, "451 4.7.1 Greylisted", SEEN(LATER_SAME), RCPT_GREYLIST, NONE),
    // Messages: what counts, what reads, what is slow.
    {S(BODY), K(SILENT), 0, 0, {{SIGN_SMALL_SEGMENTS_WELL, YES}}, CAUSE_PMTU_BLACKHOLE, CAUSE_NONE},
    {S(BODY),
     K(ERRNO),
     ECONNRESET,
     0,
     {{SIGN_SHORT_WELL, YES}, {SIGN_OTHER_WORDS_WELL, YES}, {SIGN_OTHER_WORDS_FAIL, NO}},
     CAUSE_AV_RESET,
     CAUSE_NONE},
    {S(BODY),
     K(ERRNO),
     ECONNRESET,
     0,
     {{SIGN_SHORT_WELL, YES}, {SIGN_OTHER_WORDS_WELL, NO}, {SIGN_OTHER_WORDS_FAIL, YES}},
     CAUSE_DATA_RESET_AT_OFFSET,
     CAUSE_NONE},
    // It comes and goes: nothing was proved by what passed later.
    {S(BODY),
     K(ERRNO),
     ECONNRESET,
     0,
     {{SIGN_AGAIN_WELL, YES}, {SIGN_SHORT_WELL, YES}, {SIGN_OTHER_WORDS_WELL, YES}},
     CAUSE_RESET_BODY,
     CAUSE_LOSSY_PATH},
    // Who watches for early talkers keeps its greeting back; who does not may be busy.
    {S(GREETING), K(SILENT), 0, 0, {{SIGN_EARLY_TALK_REFUSED, YES}}, CAUSE_TARPIT, CAUSE_NONE},
    {S(GREETING),
     K(SILENT),
     0,
     0,
     {{SIGN_EARLY_TALK_REFUSED, NO}},
     CAUSE_GREETING_TIMEOUT,
     CAUSE_NONE},
    // A verb in pieces, which a server understands.
    {S(MAIL),
     K(CLOSED),
     0,
     0,
     {{SIGN_SPLIT_VERB_FAILS, YES}, {SIGN_AGAIN_WELL, NO}},
     CAUSE_INSPECTING_FIREWALL,
     CAUSE_NONE},
    {S(MAIL), K(CLOSED), 0, 0, {{SIGN_SPLIT_VERB_FAILS, NO}}, CAUSE_CLOSED_MAIL, CAUSE_NONE},
    {S(BODY), K(CLOSED), 0, 0, {{SIGN_BDAT_WELL, YES}}, CAUSE_INSPECTING_FIREWALL, CAUSE_NONE},
    {S(DOT), K(SILENT), 0, 0, {{SIGN_DOT_ALONE_WELL, YES}}, CAUSE_DOT_SPLIT, CAUSE_NONE},
    {S(DOT),
     K(SILENT),
     0,
     0,
     {{SIGN_ALL_ACKED, YES}, {SIGN_DOT_ALONE_FAILS, YES}, {SIGN_SHORT_WELL, YES}},
     CAUSE_CONTENT_SCAN_SLOW,
     CAUSE_NONE},
    {S(DOT), K(SILENT), 0, 0, {{SIGN_ALL_ACKED, YES}}, CAUSE_SILENT_DOT, CAUSE_CONTENT_SCAN_SLOW},
};

static int code_of(const char *digits) {
    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0';
}

static struct fact fact_of(size_t i) {
    struct fact fact = fact_make(cases[i].stage, cases[i].kind);
    fact.sys_errno = cases[i].sys_errno;
    fact.detail = fact.kind == K(CERT) ? 0 : cases[i].detail;
    fact.x509_verify = fact.kind == K(CERT) ? cases[i].detail : 0;
    fact.limit_ms = cases[i].kind == FACT_KIND_SILENT ? 10000 : 0;
    if (cases[i].reply) {
        fact.text = view_skip(view_of(cases[i].reply), 4);
        fact.reply_code = code_of(cases[i].reply);
    }
    return fact;
}

static struct stage *play(size_t i) {
    struct stage *stage = stage_set(fact_of(i));
    probe_judge(&stage->probe);
    for (size_t k = 0; k < SIGNS_MAX && cases[i].seen[k].sign; k++)
        stage->probe.signs.is[cases[i].seen[k].sign] = cases[i].seen[k].answer;
    probe_reason(&stage->probe);
    return stage;
}

static void test_rules(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stage *stage = play(i);
        const struct verdict *verdict = &stage->result.verdict;
        if (verdict->cause != cases[i].cause)
            fail_msg("case %zu: %.*s instead of %.*s", i, VIEW_ARG(cause_info(verdict->cause)->id),
                     VIEW_ARG(cause_info(cases[i].cause)->id));
        assert_true(verdict->summary.len > 0);
        assert_true(verdict->confidence > 0 && verdict->confidence <= 1);
        if (cases[i].candidate != CAUSE_NONE) {
            assert_true(verdict->n_candidates > 0);
            assert_int_equal(verdict->candidates[0].cause, cases[i].candidate);
        }
        for (size_t k = 0; k < verdict->n_candidates; k++)
            assert_int_not_equal(verdict->candidates[k].cause, verdict->cause);
        stage_free(stage);
    }
}

// What was seen stands in the verdict: as evidence where it proves, as a rule-out where it
// excludes.
static void test_words(void **state) {
    struct stage *stage = play(3);
    bool is_evidence = false, is_ruled_out = false;
    const struct verdict *verdict = &stage->result.verdict;
    for (size_t i = 0; i < verdict->n_evidence; i++)
        is_evidence |= view_find(verdict->evidence[i], VIEW("another port")) < 50;
    for (size_t i = 0; i < verdict->n_ruled_out; i++)
        is_ruled_out |= view_find(verdict->ruled_out[i], VIEW("accepts our call")) < 200;
    assert_true(is_evidence);
    assert_true(is_ruled_out);
    stage_free(stage);
}

static void test_every_sign_has_words(void **state) {
    for (enum sign sign = SIGN_NONE + 1; sign < SIGN_COUNT; sign++)
        assert_true(probe_sign_words(sign)[0] != '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_every_sign_has_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
