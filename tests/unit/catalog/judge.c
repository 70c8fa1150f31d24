// SPDX-License-Identifier: Apache-2.0
// Facts to causes, what is permanent, and when another host may help.
#include "catalog/catalog_internal.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct fact number_fact(enum fact_stage stage, enum fact_kind kind, int number) {
    struct fact fact = fact_make(stage, kind);
    switch (kind) {
    case FACT_KIND_ERRNO: fact.sys_errno = number; break;
    case FACT_KIND_TLS: fact.tls_alert = number; break;
    case FACT_KIND_CERT: fact.x509_verify = number; break;
    case FACT_KIND_REPLY: fact.reply_code = number; break;
    default: fact.detail = number; break;
    }
    return fact;
}

#define S(stage) FACT_STAGE_##stage
#define K(kind) FACT_KIND_##kind

static const struct {
    enum fact_stage stage;
    enum fact_kind kind;
    int number;
    enum cause cause;
    bool is_permanent, next_host;
} rows[] = {
    // Connections
    {S(CONNECT), K(ERRNO), ECONNREFUSED, CAUSE_CONN_REFUSED, false, true},
    {S(CONNECT), K(ERRNO), ETIMEDOUT, CAUSE_CONN_TIMEOUT, false, true},
    {S(CONNECT), K(SILENT), 0, CAUSE_CONN_TIMEOUT, false, true},
    {S(CONNECT), K(ERRNO), EHOSTUNREACH, CAUSE_HOST_UNREACHABLE, false, true},
    {S(CONNECT), K(ERRNO), ENETUNREACH, CAUSE_NET_UNREACHABLE, false, true},
    {S(CONNECT), K(ERRNO), EAFNOSUPPORT, CAUSE_NET_UNREACHABLE, false, true},
    {S(CONNECT), K(ERRNO), ECONNRESET, CAUSE_CONN_RESET, false, true},
    {S(CONNECT), K(ERRNO), EPERM, CAUSE_LOCAL_FIREWALL, false, true},
    {S(CONNECT), K(ERRNO), EADDRNOTAVAIL, CAUSE_LOCAL_PORTS, false, true},
    {S(CONNECT), K(ERRNO), ENETDOWN, CAUSE_LOCAL_NETWORK, false, false},
    {S(CONNECT), K(ERRNO), EMFILE, CAUSE_LOCAL_DESCRIPTORS, false, false},
    {S(CONNECT), K(ERRNO), ENOBUFS, CAUSE_LOCAL_MEMORY, false, false},
    {S(CONNECT), K(ERRNO), 9999, CAUSE_CONN_FAILED, false, true},
    {S(GREETING), K(CLOSED), 0, CAUSE_ACCEPT_THEN_CLOSE, false, true},
    {S(GREETING), K(ERRNO), ECONNRESET, CAUSE_RESET_GREETING, false, true},
    {S(GREETING), K(SILENT), 0, CAUSE_GREETING_TIMEOUT, false, true},
    {S(GREETING), K(GARBLED), 0, CAUSE_NOT_SMTP, false, true},
    {S(GREETING), K(REPLY), 421, CAUSE_GREETING_4XX, false, true},
    {S(GREETING), K(REPLY), 554, CAUSE_GREETING_5XX, false, true},
    // Sessions: the three ends are three causes at every stage
    {S(EHLO), K(CLOSED), 0, CAUSE_CLOSED_EHLO, false, true},
    {S(EHLO), K(ERRNO), ECONNRESET, CAUSE_RESET_EHLO, false, true},
    {S(EHLO), K(SILENT), 0, CAUSE_SILENT_EHLO, false, true},
    {S(EHLO), K(REPLY), 502, CAUSE_EHLO_REFUSED, false, true},
    {S(STARTTLS), K(CLOSED), 0, CAUSE_CLOSED_STARTTLS, false, true},
    {S(TLS), K(ERRNO), EPIPE, CAUSE_RESET_TLS, false, true},
    {S(TLS), K(SILENT), 0, CAUSE_SILENT_TLS, false, true},
    {S(AUTH), K(CLOSED), 0, CAUSE_CLOSED_AUTH, false, true},
    {S(MAIL), K(SILENT), 0, CAUSE_SILENT_MAIL, false, true},
    {S(RCPT), K(ERRNO), ECONNRESET, CAUSE_RESET_RCPT, false, true},
    {S(DATA), K(CLOSED), 0, CAUSE_CLOSED_DATA, false, true},
    {S(BODY), K(ERRNO), ECONNRESET, CAUSE_RESET_BODY, false, true},
    {S(BODY), K(ERRNO), ETIMEDOUT, CAUSE_PATH_LOST, false, true},
    {S(BODY), K(SILENT), 0, CAUSE_SILENT_BODY, false, true},
    {S(BODY), K(GARBLED), 0, CAUSE_GARBLED_REPLY, false, true},
    {S(DOT), K(CLOSED), 0, CAUSE_CLOSED_DOT, false, false},
    {S(DOT), K(ERRNO), ECONNRESET, CAUSE_RESET_DOT, false, false},
    {S(DOT), K(SILENT), 0, CAUSE_SILENT_DOT, false, false},
    {S(UNKNOWN), K(CLOSED), 0, CAUSE_CLOSED_SESSION, false, true},
    {S(UNKNOWN), K(ERRNO), ECONNRESET, CAUSE_RESET_SESSION, false, true},
    {S(UNKNOWN), K(SILENT), 0, CAUSE_SILENT_SESSION, false, true},
    // Replies
    {S(AUTH), K(REPLY), 535, CAUSE_AUTH_FAILED, false, false},
    {S(AUTH), K(REPLY), 454, CAUSE_AUTH_DEFERRED, false, true},
    {S(MAIL), K(REPLY), 450, CAUSE_MAIL_DEFERRED, false, false},
    {S(MAIL), K(REPLY), 550, CAUSE_MAIL_REFUSED, true, false},
    {S(MAIL), K(REPLY), 421, CAUSE_SERVER_CLOSING, false, true},
    {S(RCPT), K(REPLY), 450, CAUSE_RCPT_DEFERRED, false, false},
    {S(RCPT), K(REPLY), 550, CAUSE_RCPT_REFUSED, true, false},
    {S(DOT), K(REPLY), 554, CAUSE_DATA_REFUSED, true, false},
    {S(DOT), K(REPLY), 421, CAUSE_SERVER_CLOSING, false, false},
    {S(UNKNOWN), K(REPLY), 550, CAUSE_REPLY_REFUSED, true, false},
    // DNS and routing (of the recipient's domain)
    {S(DNS), K(DNS), FACT_DNS_NXDOMAIN, CAUSE_DNS_NXDOMAIN, true, true},
    {S(DNS), K(DNS), FACT_DNS_NODATA, CAUSE_DNS_NODATA, true, true},
    {S(DNS), K(DNS), FACT_DNS_SERVFAIL, CAUSE_DNS_SERVFAIL, false, true},
    {S(DNS), K(DNS), FACT_DNS_REFUSED, CAUSE_DNS_REFUSED, false, true},
    {S(DNS), K(DNS), FACT_DNS_TIMEOUT, CAUSE_DNS_TIMEOUT, false, true},
    {S(DNS), K(DNS), FACT_DNS_BOGUS, CAUSE_DNSSEC_BOGUS, false, true},
    {S(DNS), K(DNS), FACT_DNS_MALFORMED, CAUSE_DNS_MALFORMED, false, true},
    {S(DNS), K(DNS), FACT_DNS_LOOP, CAUSE_DNS_LOOP, false, true},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_NULL_MX, CAUSE_NULL_MX, true, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_NO_CONNECTOR, CAUSE_NO_ROUTE, false, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_NO_ADDRESS, CAUSE_MX_NO_ADDRESS, false, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_MX_PRIVATE, CAUSE_MX_PRIVATE, false, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_MX_SELF, CAUSE_MX_SELF, false, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_MX_INVALID, CAUSE_MX_BROKEN, false, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_LOOP, CAUSE_LOOP, true, false},
    {S(ROUTE), K(ROUTE), FACT_ROUTE_HOSTS_DEAD, CAUSE_HOSTS_DEAD, false, false},
    // Demands, TLS, certificates
    {S(STARTTLS), K(DEMAND), FACT_DEMAND_STARTTLS, CAUSE_STARTTLS_MISSING, false, true},
    {S(TLS), K(DEMAND), FACT_DEMAND_TLS_VERSION, CAUSE_TLS_BELOW_MIN, false, true},
    {S(AUTH), K(DEMAND), FACT_DEMAND_AUTH, CAUSE_AUTH_MISSING, false, true},
    {S(AUTH), K(DEMAND), FACT_DEMAND_AUTH_MECHANISM, CAUSE_AUTH_MECHANISM, false, true},
    {S(TLS), K(DEMAND), FACT_DEMAND_DANE, CAUSE_DANE_REQUIRED, false, true},
    {S(MAIL), K(DEMAND), FACT_DEMAND_SIZE, CAUSE_SIZE_LIMIT, true, true},
    {S(MAIL), K(DEMAND), FACT_DEMAND_SMTPUTF8, CAUSE_SMTPUTF8_MISSING, false, true},
    {S(MAIL), K(DEMAND), FACT_DEMAND_TLS_POLICY, CAUSE_TLS_POLICY_UNMET, false, true},
    {S(TLS), K(TLS), -1, CAUSE_TLS_HANDSHAKE, false, true},
    {S(TLS), K(TLS), 70, CAUSE_TLS_VERSION, false, true},
    {S(TLS), K(TLS), 40, CAUSE_TLS_CIPHER, false, true},
    {S(TLS), K(TLS), 48, CAUSE_CERT_UNTRUSTED, false, true}, // we sent it
    {S(TLS), K(CERT), X509_V_ERR_CERT_HAS_EXPIRED, CAUSE_CERT_EXPIRED, false, true},
    {S(TLS), K(CERT), X509_V_ERR_CERT_NOT_YET_VALID, CAUSE_CERT_NOT_YET_VALID, false, true},
    {S(TLS), K(CERT), X509_V_ERR_HOSTNAME_MISMATCH, CAUSE_CERT_NAME, false, true},
    {S(TLS), K(CERT), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, CAUSE_CERT_SELF_SIGNED, false, true},
    {S(TLS), K(CERT), X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, CAUSE_CERT_UNTRUSTED, false, true},
    {S(TLS), K(CERT), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, CAUSE_CERT_UNTRUSTED, false,
     true},
    {S(TLS), K(CERT), X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, CAUSE_CERT_NO_INTERMEDIATE, false,
     true},
    {S(TLS), K(CERT), X509_V_ERR_CERT_REVOKED, CAUSE_CERT_REVOKED, false, true},
    {S(TLS), K(CERT), X509_V_ERR_DANE_NO_MATCH, CAUSE_DANE_FAIL, false, true},
    {S(TLS), K(CERT), X509_V_ERR_EE_KEY_TOO_SMALL, CAUSE_CERT_WEAK, false, true},
    {S(TLS), K(CERT), X509_V_ERR_CA_MD_TOO_WEAK, CAUSE_CERT_WEAK, false, true},
    {S(TLS), K(CERT), X509_V_ERR_INVALID_CA, CAUSE_CERT_INVALID, false, true},
    {S(TLS), K(CERT), 12345, CAUSE_CERT_INVALID, false, true},
    // Our own machine and will
    {S(DNS), K(LOCAL), FACT_LOCAL_RESOLVER, CAUSE_LOCAL_RESOLVER, false, false},
    {S(CONNECT), K(LOCAL), FACT_LOCAL_SOURCE, CAUSE_LOCAL_SOURCE, false, true},
    {S(BODY), K(LOCAL), FACT_LOCAL_SPOOL, CAUSE_LOCAL_SPOOL, false, false},
    {S(AUTH), K(LOCAL), FACT_LOCAL_CREDENTIALS, CAUSE_LOCAL_CREDENTIALS, false, false},
    {S(MAIL), K(CANCELED), 0, CAUSE_CANCELED, false, false},
    {S(UNKNOWN), K(EXPIRED), 0, CAUSE_EXPIRED, true, false},
    {S(UNKNOWN), K(NONE), 0, CAUSE_UNKNOWN, false, false},
    {S(DONE), K(OK), 0, CAUSE_NONE, false, false},
};

static void test_facts(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fact fact = number_fact(rows[i].stage, rows[i].kind, rows[i].number);
        enum cause cause = cause_of(&fact);
        if (cause != rows[i].cause || fact_is_permanent(&fact, true) != rows[i].is_permanent ||
            fact_allows_next_host(&fact) != rows[i].next_host)
            fail_msg("row %zu: %.*s, permanent %d, next host %d", i,
                     VIEW_ARG(cause_info(cause)->id), fact_is_permanent(&fact, true),
                     fact_allows_next_host(&fact));
    }
}

// A smart host or MX target that does not exist is a fault of configuration: the mail waits.
static void test_only_recipient_domains_end_mail(void **state) {
    struct fact fact = number_fact(S(DNS), K(DNS), FACT_DNS_NXDOMAIN);
    assert_true(fact_is_permanent(&fact, true));
    assert_false(fact_is_permanent(&fact, false));
    fact = number_fact(S(ROUTE), K(ROUTE), FACT_ROUTE_NULL_MX);
    assert_false(fact_is_permanent(&fact, false));
    fact = number_fact(S(ROUTE), K(ROUTE), FACT_ROUTE_LOOP);
    assert_true(fact_is_permanent(&fact, false));
}

static void test_flags_refine(void **state) {
    struct fact fact = fact_make(S(GREETING), K(CLOSED));
    fact.bytes_received = 5;
    assert_int_equal(cause_of(&fact), CAUSE_CLOSED_GREETING);
    fact = fact_make(S(GREETING), K(SILENT));
    fact.flags = FACT_FLAG_FIRST_BYTE;
    assert_int_equal(cause_of(&fact), CAUSE_GREETING_UNFINISHED);
    fact = fact_make(S(MAIL), K(CLOSED));
    fact.flags = FACT_FLAG_REUSED;
    assert_int_equal(cause_of(&fact), CAUSE_SESSION_LIMIT);
    fact = number_fact(S(MAIL), K(ERRNO), ECONNRESET);
    fact.flags = FACT_FLAG_REUSED;
    assert_int_equal(cause_of(&fact), CAUSE_SESSION_LIMIT);
    fact = number_fact(S(TLS), K(TLS), 48);
    fact.tls_alert_from_peer = true;
    assert_int_equal(cause_of(&fact), CAUSE_TLS_CLIENT_CERT);
    // The same alert stands for ciphers and, before TLS 1.3, for a certificate that is missing.
    fact = number_fact(S(TLS), K(TLS), 40);
    fact.tls_alert_from_peer = true;
    assert_int_equal(cause_of(&fact), CAUSE_TLS_CIPHER);
    fact.flags = FACT_FLAG_CERT_WANTED;
    assert_int_equal(cause_of(&fact), CAUSE_TLS_CLIENT_CERT);
    // The dot may leave with the body in one piece.
    fact = fact_make(S(BODY), K(CLOSED));
    fact.flags = FACT_FLAG_DOT_SENT;
    assert_false(fact_allows_next_host(&fact));
}

static void test_icmp_refines(void **state) {
    struct fact fact = number_fact(S(CONNECT), K(ERRNO), EHOSTUNREACH);
    fact.icmp_type = 3;
    fact.icmp_code = 13;
    assert_int_equal(cause_of(&fact), CAUSE_CONN_PROHIBITED);
    fact.icmp_code = 1;
    assert_int_equal(cause_of(&fact), CAUSE_HOST_UNREACHABLE);
    fact.icmp_type = 1; // ICMPv6
    assert_int_equal(cause_of(&fact), CAUSE_CONN_PROHIBITED);
    fact = number_fact(S(CONNECT), K(ERRNO), ECONNREFUSED);
    fact.icmp_type = 3;
    fact.icmp_code = 3;
    assert_int_equal(cause_of(&fact), CAUSE_CONN_REFUSED);
}

static void test_tlsa_questions(void **state) {
    struct fact fact = number_fact(S(DNS), K(DNS), FACT_DNS_SERVFAIL);
    fact.text = VIEW("_25._tcp.mx.example.net");
    assert_int_equal(cause_of(&fact), CAUSE_DANE_LOOKUP);
    fact.detail = FACT_DNS_NXDOMAIN; // no TLSA record is no failure of the look-up
    assert_int_equal(cause_of(&fact), CAUSE_DNS_NXDOMAIN);
}

// A throttled sender who turns to the next host of the same provider makes it worse.
static void test_throttled_stays(void **state) {
    struct fact fact = number_fact(S(MAIL), K(REPLY), 421);
    fact.text = VIEW("4.7.0 Rate limit exceeded");
    assert_int_equal(cause_of(&fact), CAUSE_THROTTLE);
    assert_false(fact_allows_next_host(&fact));
    fact.text = VIEW("4.3.2 Shutting down");
    assert_true(fact_allows_next_host(&fact));
}

static void test_registered_codes(void **state) {
    static const struct {
        const char *text;
        bool parses, registered;
    } codes[] = {
        {"4.4.1", true, true},    {"5.7.30", true, true},     {"2.0.0", true, true},
        {"4.7.500", true, false}, {"4.4.316", true, false},   {"5.8.1", true, false},
        {"3.1.1", false, false},  {"4.4", false, false},      {"4.4.", false, false},
        {"4.4.1x", false, false}, {"4.4.1000", false, false}, {"", false, false},
        {"4..1", false, false},   {"44.1.1", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct enhanced e = {0};
        size_t len = 0;
        bool parses = enhanced_parse(view_of(codes[i].text), &e, &len);
        if (parses != codes[i].parses ||
            (parses && enhanced_is_registered(&e) != codes[i].registered))
            fail_msg("%s", codes[i].text);
    }
}

// Every kind at every stage, with numbers nobody expects: an answer, never a crash.
static void test_every_combination_has_an_answer(void **state) {
    static const int numbers[] = {0, 1, 7, 70, 200, 421, 554};
    for (int stage = 0; stage < FACT_STAGE_COUNT; stage++)
        for (int kind = 0; kind < FACT_KIND_COUNT; kind++)
            for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
                bool is_detail =
                    kind == K(DNS) || kind == K(DEMAND) || kind == K(ROUTE) || kind == K(LOCAL);
                struct fact fact = number_fact((enum fact_stage)stage, (enum fact_kind)kind,
                                               is_detail ? numbers[k] % 2 : numbers[k]);
                enum cause cause = cause_of(&fact);
                assert_in_range(cause, CAUSE_NONE, CAUSE_COUNT - 1);
                if ((kind == K(OK)) != (cause == CAUSE_NONE))
                    fail_msg("stage %d kind %d", stage, kind);
                fact_is_permanent(&fact, true);
                fact_allows_next_host(&fact);
            }
}

// What TCP knows tells a message that did not arrive as a whole from one that nobody answered.
static void test_unacknowledged_end(void **state) {
    static const struct {
        enum fact_kind kind;
        int sys_errno;
        enum cause at_body, at_dot;
    } ends[] = {{K(SILENT), 0, CAUSE_SILENT_BODY, CAUSE_SILENT_DOT},
                {K(CLOSED), 0, CAUSE_CLOSED_BODY, CAUSE_CLOSED_DOT},
                {K(ERRNO), ECONNRESET, CAUSE_RESET_DOT, CAUSE_RESET_DOT}};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct fact fact = fact_make(S(DOT), ends[i].kind);
        fact.sys_errno = ends[i].sys_errno;
        fact.flags = FACT_FLAG_DOT_SENT | FACT_FLAG_TCP_KNOWN;
        assert_int_equal(cause_of(&fact), ends[i].at_dot);
        assert_false(fact_is_lost_in_body(&fact));
        fact.tcp_unacked_bytes = 1448;
        assert_int_equal(cause_of(&fact), ends[i].at_body);
        assert_int_equal(fact_is_lost_in_body(&fact), ends[i].at_body != ends[i].at_dot);
        // No other host gets it all the same: acknowledgements get lost too.
        assert_false(fact_allows_next_host(&fact));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unacknowledged_end),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_only_recipient_domains_end_mail),
        cmocka_unit_test(test_flags_refine),
        cmocka_unit_test(test_icmp_refines),
        cmocka_unit_test(test_tlsa_questions),
        cmocka_unit_test(test_throttled_stays),
        cmocka_unit_test(test_registered_codes),
        cmocka_unit_test(test_every_combination_has_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
