// SPDX-License-Identifier: Apache-2.0
// One failure in the words of each system: the fact, its cause, and what was reported.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct row {
    const char *words, *cause, *stage, *code, *enhanced, *host, *address;
} rows[] = {
    // Postfix
    {"host mx1.dest.example[192.0.2.25] said: 450 4.2.0 <a@b.example>: Recipient address rejected: "
     "Greylisted, see http://x.example/ (in reply to RCPT TO command)",
     "rcpt-greylist", "rcpt", "450", "4.2.0", "mx1.dest.example", "192.0.2.25"},
    {"connect to mx1.dest.example[192.0.2.25]:25: Connection timed out", "conn-timeout", "connect",
     "", "", "mx1.dest.example", "192.0.2.25"},
    {"connect to mx1.dest.example[2001:db8::25]:25: Network is unreachable", "net-unreachable",
     "connect", "", "", "mx1.dest.example", "2001:db8::25"},
    {"lost connection with mx1.dest.example[192.0.2.25] while receiving the initial server "
     "greeting",
     "accept-then-close", "greeting", "", "", "mx1.dest.example", "192.0.2.25"},
    {"conversation with mx1.dest.example[192.0.2.25] timed out while sending end of data -- "
     "message "
     "may be sent more than once",
     "silent-dot", "dot", "", "", "mx1.dest.example", "192.0.2.25"},
    {"host mx1.dest.example[192.0.2.25] refused to talk to me: 554 5.7.1 no PTR record",
     "ptr-missing", "greeting", "554", "5.7.1", "mx1.dest.example", "192.0.2.25"},
    {"Host or domain name not found. Name service error for name=dest.example type=MX: Host not "
     "found, "
     "try again",
     "dns-servfail", "dns", "", "", "", ""},
    {"Cannot start TLS: handshake failure", "tls-handshake", "tls", "", "", "", ""},
    {"mail for dest.example loops back to myself", "mx-self", "route", "", "", "", ""},
    // Exim
    {"SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx1.dest.example "
     "[192.0.2.25]: 550 5.1.1 no such user",
     "user-unknown", "rcpt", "550", "5.1.1", "mx1.dest.example", "192.0.2.25"},
    {"Remote host closed connection in response to EHLO mx.sender.example", "closed-ehlo", "ehlo",
     "", "", "", ""},
    {"Remote host closed connection in response to RCPT TO:<bob@dest.example>", "closed-rcpt",
     "rcpt", "", "", "", ""},
    {"retry time not reached for any host", "hosts-dead", "route", "", "", "", ""},
    {"all relevant MX records point to non-existent hosts", "mx-no-address", "route", "", "", "",
     ""},
    // Sendmail
    {"Deferred: Connection refused by mx1.dest.example.", "conn-refused", "connect", "", "", "",
     ""},
    {"Deferred: 450 4.1.8 <root@localhost.localdomain>: Sender address rejected: Domain not found",
     "mail-from-deferred", "unknown", "450", "4.1.8", "", ""},
    {"550 5.1.1 <a@b.example>... User unknown", "user-unknown", "unknown", "550", "5.1.1", "", ""},
    // qmail
    {"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)", "conn-failed", "connect", "",
     "4.4.1", "", ""},
    {"192.0.2.25 failed after I sent the message.\nRemote host said: 554 5.7.1 Message rejected as "
     "spam",
     "content-spam", "dot", "554", "5.7.1", "", "192.0.2.25"},
    // Exchange
    {"450 4.4.318 Connection was closed abruptly (SuspiciousRemoteServerError)", "closed-session",
     "unknown", "450", "4.4.318", "", ""},
    {"450 4.4.1 [internal] Connection timed out", "conn-timeout", "connect", "450", "4.4.1", "",
     ""},
    {"421 4.4.2 Connection dropped due to SocketError", "reset-session", "unknown", "421", "4.4.2",
     "", ""},
    {"441 4.4.1 Error encountered while communicating with primary target IP address: \"Failed to "
     "connect. Winsock error code: 10061, Win32 error code: 10061.\"",
     "conn-refused", "connect", "441", "4.4.1", "", ""},
    {"451 4.4.397 Error communicating with target host. -> 421 4.2.1 Unable to connect -> "
     "SocketTimedout: Socket error code 10060",
     "conn-timeout", "connect", "421", "4.2.1", "", ""},
    {"[{LED=450 4.4.316 Connection refused [Message=Socket error code 10061]. "
     "[LastAttemptedServerName=mx1.dest.example] [LastAttemptedIP=192.0.2.25:25]};{MSG=};"
     "{FQDN=mx1.dest.example};{IP=192.0.2.25};{LRT=5/23/2026 8:42:00 AM}]",
     "conn-refused", "connect", "450", "4.4.316", "mx1.dest.example", "192.0.2.25"},
    {"[{LRT=};{LED=450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is "
     "required "
     "to send mail]};{FQDN=};{IP=}]",
     "tls-required", "starttls", "450", "4.4.317", "", ""},
    {"450 4.7.0 Proxy session setup failed on Frontend with '451 4.4.0 Primary target IP address "
     "responded with: \"421 4.2.1 Unable to connect.\" Attempted failover to alternate host'",
     "conn-failed", "unknown", "421", "4.2.1", "", ""},
    {"452 4.3.1 Insufficient system resources (UsedDiskSpace[D:\\Queue])", "resource-full",
     "unknown", "452", "4.3.1", "", ""},
    {"#550 4.4.7 QUEUE.Expired; message expired ##", "expired", "unknown", "550", "4.4.7", "", ""},
    // Others
    {"554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.2 Connection timed out>",
     "conn-timeout", "connect", "421", "4.4.2", "", ""},
    {"5.2.2 <a@b.example>... Mailbox full", "mailbox-full", "unknown", "", "5.2.2", "", ""},
    {"ERROR_CODE :550, ERROR_CODE :5.1.1 <a@b.example>... User Unknown", "user-unknown", "unknown",
     "550", "5.1.1", "", ""},
    {"550: 5.1.1 user unknown", "user-unknown", "unknown", "550", "5.1.1", "", ""},
    {"501 Rcpt-To validation failed: RCPT TO not accepted: 5.7.1 This system is not configured to "
     "relay "
     "mail",
     "relay-denied", "unknown", "501", "5.7.1", "", ""},
    {"smtp; 250 2.1.5 Ok", NULL, NULL, "", "", "", ""},
    {"250 2.1.5 Ok", "none", "unknown", "250", "2.1.5", "", ""},
    {"554 5.7.1 Connection refused by policy", "client-refused", "unknown", "554", "5.7.1", "", ""},
    // Numbers that are no replies
    {"see http://help.example/codes.php#554 and line 550 of 600", NULL, NULL, "", "", "", ""},
    {"message 450 kept in queue for 500 seconds", NULL, NULL, "", "", "", ""},
    {"", NULL, NULL, "", "", "", ""},
    {"550", "reply-refused", "unknown", "550", "", "", ""},
};

static bool holds(const struct row *row) {
    struct reader_words words;
    char address[ADDRESS_TEXT_SIZE] = "";
    bool is_known = reader_words_read(view_of(row->words), &words);
    address_format(&words.peer, address, sizeof(address));
    if (words.peer.family == ADDRESS_NONE)
        address[0] = '\0';
    enum cause cause = reader_words_cause(&words);
    struct view id = cause == CAUSE_NONE ? VIEW("none") : cause_info(cause)->id;
    bool same_cause = !row->cause || (is_known && view_equals(id, view_of(row->cause)));
    bool same_stage =
        !row->stage || view_equals(fact_stage_word(words.fact.stage), view_of(row->stage));
    bool is_well = same_cause && same_stage && view_equals(words.code, view_of(row->code)) &&
                   view_equals(words.enhanced, view_of(row->enhanced)) &&
                   view_equals(words.host, view_of(row->host)) &&
                   strcmp(address, row->address) == 0;
    if (!is_well)
        print_error("%s\n  %.*s at %.*s, code \"%.*s\" \"%.*s\", \"%.*s\" [%s]\n", row->words,
                    VIEW_ARG(id), VIEW_ARG(fact_stage_word(words.fact.stage)), VIEW_ARG(words.code),
                    VIEW_ARG(words.enhanced), VIEW_ARG(words.host), address);
    return is_well;
}

static void test_words(void **state) {
    size_t n_wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        n_wrong += !holds(&rows[i]);
    assert_int_equal(n_wrong, 0);
}

static void test_suppressions_are_no_attempts(void **state) {
    static const struct {
        const char *words;
        bool is_suppression;
    } cases[] = {
        {"delivery temporarily suspended: connect to a[192.0.2.1]:25: Connection refused", true},
        {"retry time not reached for any host", true},
        {"connect to a[192.0.2.1]:25: Connection refused", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader_words words;
        assert_true(reader_words_read(view_of(cases[i].words), &words));
        assert_int_equal(words.is_suppression, cases[i].is_suppression);
    }
}

// Only a date that can be read in one way is taken.
static void test_time_of_last_retry(void **state) {
    static const struct {
        const char *words;
        int64_t at_ms;
    } cases[] = {{"{LED=450 x};{LRT=5/23/2026 8:42:00 AM}", 1779525720000},
                 {"{LED=450 x};{LRT=23/5/2026 20:42:00}", 1779568920000},
                 {"{LED=450 x};{LRT=5/6/2026 8:42:00 AM}", 0},
                 {"{LED=450 x};{LRT=5/5/2026 12:00:00 AM}", 1777939200000},
                 {"{LED=450 x};{LRT=}", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader_words words;
        (void)reader_words_read(view_of(cases[i].words), &words);
        assert_int_equal(words.at_ms, cases[i].at_ms);
    }
}

static void test_every_cause_has_a_sisimai_name(void **state) {
    for (int cause = CAUSE_NONE; cause < CAUSE_COUNT; cause++)
        if (reader_sisimai_default((enum cause)cause).len == 0)
            fail_msg("no name for %.*s", VIEW_ARG(cause_info((enum cause)cause)->id));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_suppressions_are_no_attempts),
        cmocka_unit_test(test_time_of_last_retry),
        cmocka_unit_test(test_every_cause_has_a_sisimai_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
