// SPDX-License-Identifier: Apache-2.0
// Other systems' words as facts and causes.
#include "catalog/dialect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *pattern;
    enum fact_kind kind;
    int number;
} reports[] = {
#define REPORT(pattern, kind, number) {pattern, FACT_KIND_##kind, number},
#define PHASE(pattern, stage)
#include "catalog/reports.inc"
#undef REPORT
#undef PHASE
};

static int number_of(const struct fact *fact) {
    switch (fact->kind) {
    case FACT_KIND_ERRNO: return fact->sys_errno;
    case FACT_KIND_CERT: return fact->x509_verify;
    case FACT_KIND_TLS: return fact->tls_alert;
    default: return fact->detail;
    }
}

static void test_no_row_hides_another(void **state) {
    unsigned bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
        char text[256];
        size_t len = 0;
        for (const char *c = reports[i].pattern; *c && len < sizeof(text); c++)
            text[len++] = *c == '*' ? ' ' : *c;
        struct fact fact;
        if (!fact_of_words(view_from(text, len), &fact) || fact.kind != reports[i].kind ||
            number_of(&fact) != reports[i].number) {
            print_error("\"%s\" is hidden or does not hold\n", reports[i].pattern);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static const struct {
    const char *words;
    enum fact_stage stage;
    enum cause cause;
} rows[] = {
    // Postfix
    {"connect to mx.example.net[192.0.2.7]:25: Connection timed out", FACT_STAGE_CONNECT,
     CAUSE_CONN_TIMEOUT},
    {"connect to mx.example.net[192.0.2.7]:25: Connection refused", FACT_STAGE_CONNECT,
     CAUSE_CONN_REFUSED},
    {"connect to mx.example.net[192.0.2.7]:25: No route to host", FACT_STAGE_CONNECT,
     CAUSE_HOST_UNREACHABLE},
    {"connect to mx.example.net[2001:db8::7]:25: Network is unreachable", FACT_STAGE_CONNECT,
     CAUSE_NET_UNREACHABLE},
    {"connect to mx.example.net[192.0.2.7]:25: Permission denied", FACT_STAGE_CONNECT,
     CAUSE_LOCAL_FIREWALL},
    {"connect to mx.example.net[192.0.2.7]:25: Operation not permitted", FACT_STAGE_CONNECT,
     CAUSE_LOCAL_FIREWALL},
    {"connect to mx.example.net[192.0.2.7]:25: Invalid argument", FACT_STAGE_CONNECT,
     CAUSE_LOCAL_FAULT},
    {"SASL authentication failed; cannot authenticate to server mx.example.net[192.0.2.7]: no "
     "mechanism available",
     FACT_STAGE_AUTH, CAUSE_AUTH_MECHANISM},
    {"delivery temporarily suspended: connect to mx.example.net[192.0.2.7]:25: Connection refused",
     FACT_STAGE_CONNECT, CAUSE_CONN_REFUSED},
    {"lost connection with mx.example.net[192.0.2.7] while receiving the initial server greeting",
     FACT_STAGE_GREETING, CAUSE_ACCEPT_THEN_CLOSE},
    {"lost connection with mx.example.net[192.0.2.7] while sending RCPT TO", FACT_STAGE_RCPT,
     CAUSE_CLOSED_RCPT},
    {"lost connection with mx.example.net[192.0.2.7] while sending end of data -- message may be "
     "sent more than once",
     FACT_STAGE_DOT, CAUSE_CLOSED_DOT},
    {"conversation with mx.example.net[192.0.2.7] timed out while sending message body",
     FACT_STAGE_BODY, CAUSE_SILENT_BODY},
    // The same words without the server's name; and what only a server says.
    {"timed out while sending end of data -- message may be sent more than once", FACT_STAGE_DOT,
     CAUSE_SILENT_DOT},
    {"timed out while receiving the initial server greeting", FACT_STAGE_GREETING,
     CAUSE_GREETING_TIMEOUT},
    {"421 4.4.2 mx.example.net timed out while waiting for command", FACT_STAGE_UNKNOWN,
     CAUSE_SERVER_TIMEOUT},
    {"host mx.example.net[192.0.2.7] said: 450 4.2.0 <a@b.example>: Recipient address rejected: "
     "Greylisted (in reply to RCPT TO command)",
     FACT_STAGE_RCPT, CAUSE_RCPT_GREYLIST},
    {"host mx.example.net[192.0.2.7] refused to talk to me: 554 5.7.1 see spamhaus.org",
     FACT_STAGE_GREETING, CAUSE_DNSBL},
    {"Host or domain name not found. Name service error for name=example.net type=MX: Host not "
     "found, try again",
     FACT_STAGE_DNS, CAUSE_DNS_SERVFAIL},
    {"Host or domain name not found. Name service error for name=example.net type=A: Host not "
     "found",
     FACT_STAGE_DNS, CAUSE_DNS_NXDOMAIN},
    {"TLS is required, but was not offered by host mx.example.net[192.0.2.7]", FACT_STAGE_STARTTLS,
     CAUSE_STARTTLS_MISSING},
    {"Cannot start TLS: handshake failure", FACT_STAGE_TLS, CAUSE_TLS_HANDSHAKE},
    {"mail for example.net loops back to myself", FACT_STAGE_ROUTE, CAUSE_MX_SELF},
    {"Domain example.net does not accept mail (nullMX)", FACT_STAGE_ROUTE, CAUSE_NULL_MX},
    // Exim
    {"H=mx.example.net [192.0.2.7]: SMTP timeout after end of data (12345 bytes written)",
     FACT_STAGE_DOT, CAUSE_SILENT_DOT},
    {"H=mx.example.net [192.0.2.7]: Remote host closed connection in response to EHLO relay",
     FACT_STAGE_EHLO, CAUSE_CLOSED_EHLO},
    {"H=mx.example.net [192.0.2.7]: SMTP error from remote mail server after RCPT "
     "TO:<a@b.example>: 452 4.2.2 Mailbox full",
     FACT_STAGE_RCPT, CAUSE_MAILBOX_FULL},
    {"DANE error: tlsa lookup DEFER", FACT_STAGE_DNS, CAUSE_DANE_LOOKUP},
    {"retry time not reached for any host", FACT_STAGE_ROUTE, CAUSE_HOSTS_DEAD},
    {"all hosts have been failing for a long time", FACT_STAGE_UNKNOWN, CAUSE_EXPIRED},
    // Sendmail, OpenSMTPD, qmail
    {"Deferred: Connection reset by mx.example.net.", FACT_STAGE_UNKNOWN, CAUSE_RESET_SESSION},
    {"Deferred: Name server: mx.example.net.: host name lookup failure", FACT_STAGE_DNS,
     CAUSE_DNS_SERVFAIL},
    {"Deferred: 450 4.1.8 <root@localhost>: Sender address rejected: Domain not found",
     FACT_STAGE_UNKNOWN, CAUSE_SENDER_DOMAIN},
    {"TLS required but not supported by remote host", FACT_STAGE_STARTTLS, CAUSE_STARTTLS_MISSING},
    {"Connection closed unexpectedly", FACT_STAGE_UNKNOWN, CAUSE_CLOSED_SESSION},
    {"Connected to 192.0.2.7 but connection died. Possible duplicate! (#4.4.2)", FACT_STAGE_DOT,
     CAUSE_CLOSED_DOT},
    {"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)", FACT_STAGE_CONNECT,
     CAUSE_CONN_FAILED},
    // Exchange
    {"451 4.4.397 Error communicating with target host. -> 421 4.2.1 Unable to connect -> "
     "SocketTimedout: Socket error code 10060",
     FACT_STAGE_CONNECT, CAUSE_CONN_TIMEOUT},
    {"421 4.4.2 Connection dropped due to SocketError", FACT_STAGE_UNKNOWN, CAUSE_RESET_SESSION},
    {"Failed to connect. Winsock error code: 10061, Win32 error code: 10061", FACT_STAGE_CONNECT,
     CAUSE_CONN_REFUSED},
    {"450 4.4.312 DNS query failed [Message=InfoNoRecords]", FACT_STAGE_DNS, CAUSE_DNS_NODATA},
    {"451 4.4.395 Target host responded with error. -> 421 4.3.2 Service not available",
     FACT_STAGE_UNKNOWN, CAUSE_NOT_ACCEPTING},
    {"TLS negotiation failed with error NoCredentials", FACT_STAGE_UNKNOWN, CAUSE_LOCAL_TLS},
    {"#550 4.4.7 QUEUE.Expired; message expired ##", FACT_STAGE_UNKNOWN, CAUSE_EXPIRED},
    // A bare reply
    {"452 4.3.1 Insufficient system resources", FACT_STAGE_UNKNOWN, CAUSE_RESOURCE_FULL},
    {"550-5.2.1 The email account that you tried to reach\n550 5.2.1 is disabled",
     FACT_STAGE_UNKNOWN, CAUSE_MAILBOX_DISABLED},
};

static void test_words(void **state) {
    unsigned bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fact fact;
        bool known = fact_of_words(view_of(rows[i].words), &fact);
        enum cause cause = known ? cause_of(&fact) : CAUSE_UNKNOWN;
        if (cause != rows[i].cause || fact.stage != rows[i].stage) {
            print_error("%s: %.*s at %.*s\n", rows[i].words, VIEW_ARG(cause_info(cause)->id),
                        VIEW_ARG(fact_stage_word(fact.stage)));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void test_unknown_words(void **state) {
    static const char *const words[] = {"", " ", "hello", "250 2.1.5 Ok", "4501 no", "45", "450x"};
    struct fact fact;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (fact_of_words(view_of(words[i]), &fact))
            fail_msg("\"%s\" became a fact", words[i]);
}

static void test_details(void **state) {
    struct fact fact;
    assert_true(fact_of_words(
        VIEW("DNS type 'mx' lookup of example.net responded with code NXDOMAIN"), &fact));
    assert_true(view_equals(fact.text, VIEW("example.net")));
    assert_true(fact_of_words(VIEW("host a[b] said: 550-5.7.1 one\n550 5.7.1 two"), &fact));
    assert_int_equal(fact.reply_code, 550);
    assert_int_equal(fact.enhanced[1], 7);
    assert_true(fact_of_words(VIEW("lost connection with h[a] while sending end of data"), &fact));
    assert_true(fact.flags & FACT_FLAG_DOT_SENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_row_hides_another),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
