// SPDX-License-Identifier: Apache-2.0
// The dialects: no row is made useless by one above it, real words lead to their causes, and
// hostile texts do no harm.
#include "catalog/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// --- The table itself --------------------------------------------------------------------------
static unsigned bad_rows;

static void blame_row(size_t index, const char *what) {
    const struct dialect *row = dialect_at(index);
    print_error("row %zu (%.*s \"%.*s\" %.*s): %s\n", index, VIEW_ARG(row->enhanced),
                VIEW_ARG(row->pattern), VIEW_ARG(cause_info(row->cause)->id), what);
    bad_rows++;
}

static struct view example_of(struct view pattern, char *out, size_t size) {
    struct view rest = pattern, part;
    size_t len = 0;
    while (view_split(&rest, '*', &part))
        len += (size_t)snprintf(out + len, size - len, "%s%.*s", len ? " ~ " : "", VIEW_ARG(part));
    return view_from(out, len);
}

static struct enhanced example_code(struct view pattern, int class, bool highest) {
    struct enhanced e = {0};
    size_t len = 0;
    char text[32];
    if (pattern.len == 0)
        return e;
    snprintf(text, sizeof(text), "%d%.*s", class, VIEW_ARG(view_skip(pattern, 1)));
    assert_true(enhanced_parse(view_of(text), &e, &len));
    struct view last = view_skip(view_of(text), len);
    uint64_t detail = 0;
    if (highest && last.len && view_to_u64(view_skip(last, 1), &detail))
        e.detail = (int)detail;
    return e;
}

static void test_no_row_hides_another(void **state) {
    bad_rows = 0;
    char text[256];
    for (size_t i = 0; i < dialect_count(); i++) {
        const struct dialect *row = dialect_at(i);
        for (int k = 0; k < 2; k++) {
            int code = k ? row->codes.to : row->codes.from;
            if (row->codes.to == 999)
                code = k ? 550 : 450;
            struct said said = {.speaker = row->speaker,
                                .code = code,
                                .enhanced = example_code(row->enhanced, code / 100, k),
                                .text = example_of(row->pattern, text, sizeof(text))};
            const struct dialect *found = dialect_find(&said);
            if (found != row)
                blame_row(i,
                          found ? "a row above holds as well" : "its own example does not match");
        }
    }
    assert_int_equal(bad_rows, 0);
}

static void test_patterns_are_plain(void **state) {
    bad_rows = 0;
    for (size_t i = 0; i < dialect_count(); i++) {
        struct view rest = dialect_at(i)->pattern, part;
        if (view_starts_with(rest, VIEW("*")))
            blame_row(i, "begins with anything");
        struct plain_text plain;
        if (rest.len == 0 && dialect_at(i)->enhanced.len == 0 &&
            dialect_at(i)->codes.to - dialect_at(i)->codes.from > 20)
            blame_row(i, "holds for everything");
        plain_text_from(rest, &plain);
        if (!view_equals(rest, plain_text_view(&plain)))
            blame_row(i, "pattern has capitals, double blanks or a code");
        for (int k = 0; view_split(&rest, '*', &part); k++)
            if (part.len < 3 && dialect_at(i)->pattern.len)
                blame_row(i, "a part of the pattern is too short to be sure of");
    }
    assert_int_equal(bad_rows, 0);
}

// --- Plain text --------------------------------------------------------------------------------
static void test_plain_text(void **state) {
    static const struct {
        const char *text, *plain;
    } rows[] = {
        {"", ""},
        {"User Unknown", "user unknown"},
        {"  a \t\r\n b\x01", "a b"},
        {"5.1.1 <joe@example.org>: Recipient address rejected", "@ recipient address rejected"},
        {"The account\n550-5.2.1 is disabled\n550 5.2.1 now", "the account is disabled now"},
        {"The user is 550-5.2.1 receiving mail", "the user is receiving mail"},
        {"451 4.7.1 Greylisted", "greylisted"},
        {"try 5.7.1 again", "try 5.7.1 again"},
        {"spam@example.org... No such user", "@ no such user"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct plain_text plain;
        plain_text_from(view_of(rows[i].text), &plain);
        if (!view_equals(plain_text_view(&plain), view_of(rows[i].plain)))
            fail_msg("%s: %.*s", rows[i].text, (int)plain.len, plain.bytes);
    }
}

static void test_plain_text_has_a_bound(void **state) {
    static char big[1 << 16];
    struct plain_text plain;
    memset(big, 'x', sizeof(big));
    plain_text_from(view_from(big, sizeof(big)), &plain);
    assert_int_equal(plain.len, sizeof(plain.bytes));
    for (size_t i = 0; i < sizeof(big); i += 2)
        big[i] = ' ';
    plain_text_from(view_from(big, sizeof(big)), &plain);
    assert_true(plain.len <= sizeof(plain.bytes));
}

static void test_patterns(void **state) {
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "anything", true},
        {"abc", "xxabcxx", true},
        {"abc", "ab", false},
        {"abc*def", "abcdef", true},
        {"abc*def", "abc and def", true},
        {"abc*def", "def and abc", false},
        {"abc*abc", "abc", false},
        {"abc*abc", "abcabc", true},
        {"aaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true},
        {"*abc", "abc", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view text = view_of(rows[i].text);
        if (pattern_matches(view_of(rows[i].pattern), text) != rows[i].matches)
            fail_msg("\"%s\" in \"%s\"", rows[i].pattern, rows[i].text);
    }
}

static struct view indexed_at(size_t index) {
    static const char *const patterns[] = {"user unknown", "unknown user", "", "user*gone",
                                           "user unknown here"};
    return view_of(patterns[index]);
}

static void test_an_index_names_what_may_match(void **state) {
    static const struct {
        const char *text;
        unsigned at_least; // bits
    } rows[] = {{"", 4},
                {"user unknown", 1 + 4},
                {"no unknown user", 2 + 4},
                {"user is long gone", 4 + 8},
                {"user unknown here", 1 + 4 + 16}};
    static struct pattern_index index;
    pattern_index_build(&index, indexed_at, 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern_hits hits;
        size_t at = 0, found = 0;
        unsigned bits = 0;
        pattern_index_search(&index, view_of(rows[i].text), &hits);
        while (pattern_hits_next(&hits, 5, &at, &found))
            bits |= 1U << found;
        assert_int_equal(bits & rows[i].at_least, rows[i].at_least);
    }
}

// --- Speakers ----------------------------------------------------------------------------------
static void test_speakers(void **state) {
    static const struct {
        const char *host, *text, *greeting;
        enum speaker speaker;
    } rows[] = {
        {"aspmx.l.google.com", "", "", SPEAKER_GMAIL},
        {"ASPMX.L.GOOGLE.COM.", "", "", SPEAKER_GMAIL},
        {"notgoogle.com", "", "", SPEAKER_ANY},
        {"", "blocked a1-20020 - gsmtp", "", SPEAKER_GMAIL},
        {"contoso-com.mail.protection.outlook.com", "", "", SPEAKER_MICROSOFT},
        {"mail.contoso.com", "", "220 mail microsoft esmtp mail service ready", SPEAKER_MICROSOFT},
        {"mta6.am0.yahoodns.net", "", "", SPEAKER_YAHOO},
        {"", "", "", SPEAKER_ANY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(
            speaker_of(view_of(rows[i].host), view_of(rows[i].text), view_of(rows[i].greeting)),
            rows[i].speaker);
}

// --- Words to causes ---------------------------------------------------------------------------
static const struct reply_row {
    enum fact_stage stage;
    const char *reply;
    const char *host;
    enum cause cause;
} reply_rows[] = {
    // Greylisting, however it is called
    {FACT_STAGE_RCPT,
     "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see https://x/", "",
     CAUSE_RCPT_GREYLIST},
    {FACT_STAGE_RCPT, "451 4.7.1 Greylisting in action, please come back in 00:05:00", "",
     CAUSE_RCPT_GREYLIST},
    {FACT_STAGE_DATA, "451 Temporary failure, please try again later.", "", CAUSE_RCPT_GREYLIST},
    {FACT_STAGE_RCPT, "450 4.3.2 Service currently unavailable", "", CAUSE_RCPT_GREYLIST},
    {FACT_STAGE_RCPT, "451 Internal resources are temporarily unavailable - https://x",
     "eu-smtp-inbound-1.mimecast.com", CAUSE_RCPT_GREYLIST},
    // RFC 5321 3.1: a host that is no mail server; the domain's MX record is another matter
    {FACT_STAGE_GREETING, "554 mx.example.net No SMTP service here", "", CAUSE_NOT_ACCEPTING},
    {FACT_STAGE_RCPT, "550 5.7.1 Message rejected due to local policy", "", CAUSE_POLICY_REFUSED},
    {FACT_STAGE_MAIL, "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS761)",
     "", CAUSE_THROTTLE},
    {FACT_STAGE_MAIL, "451 4.3.2 Server busy", "", CAUSE_OVERLOAD},
    {FACT_STAGE_RCPT, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "",
     CAUSE_RECIPIENT_RATE},
    // The same code, another speaker
    {FACT_STAGE_DOT, "421 4.7.28 Our system has detected an unusual rate of mail", "mx.google.com",
     CAUSE_THROTTLE},
    {FACT_STAGE_DOT, "550 5.7.27 not allowed", "aspmx.l.google.com", CAUSE_SPF_FAIL},
    {FACT_STAGE_RCPT, "550 5.7.27 not allowed", "mx.example.net", CAUSE_SENDER_DOMAIN},
    {FACT_STAGE_DOT, "421 4.7.23 no", "gmail-smtp-in.l.google.com", CAUSE_PTR_MISSING},
    {FACT_STAGE_DOT, "550 5.7.23 no", "mx.example.net", CAUSE_SPF_FAIL},
    {FACT_STAGE_DOT, "421 4.7.29 no", "gmail-smtp-in.l.google.com", CAUSE_TLS_REQUIRED},
    {FACT_STAGE_DOT, "550 5.7.30 no", "gmail-smtp-in.l.google.com", CAUSE_DKIM_FAIL},
    {FACT_STAGE_RCPT, "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS761)",
     "x.mail.protection.outlook.com", CAUSE_THROTTLE},
    {FACT_STAGE_RCPT, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
     "x.mail.protection.outlook.com", CAUSE_REPUTATION},
    {FACT_STAGE_RCPT, "550 5.7.649 Access denied", "x.mail.protection.outlook.com",
     CAUSE_REPUTATION},
    {FACT_STAGE_RCPT, "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
     "x.mail.protection.outlook.com", CAUSE_WRONG_HOST},
    {FACT_STAGE_RCPT, "451 4.4.4 Temporary server error. Please try again later ATTR5",
     "x.mail.protection.outlook.com", CAUSE_RECEIVER_ROUTE},
    {FACT_STAGE_DOT,
     "550 5.7.515 Access denied, sending domain does not meet the required "
     "authentication level",
     "x.olc.protection.outlook.com", CAUSE_UNAUTHENTICATED},
    {FACT_STAGE_MAIL, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred",
     "mta5.am0.yahoodns.net", CAUSE_THROTTLE},
    // Words against a wrong code
    {FACT_STAGE_RCPT, "452 4.1.1 <a@b.example> user is over quota", "", CAUSE_MAILBOX_FULL},
    {FACT_STAGE_RCPT, "550 5.1.1 Connection frequency limited", "", CAUSE_THROTTLE},
    {FACT_STAGE_RCPT,
     "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using "
     "zen.spamhaus.org",
     "", CAUSE_DNSBL},
    {FACT_STAGE_RCPT, "550 5.7.1 <a@b.example>: Recipient address rejected: User unknown", "",
     CAUSE_USER_UNKNOWN},
    // The name of a person decides nothing
    {FACT_STAGE_RCPT, "550 5.1.1 <spam-virus@b.example>", "", CAUSE_USER_UNKNOWN},
    {FACT_STAGE_RCPT, "550 5.7.1 greylist@b.example: Access denied", "", CAUSE_POLICY_REFUSED},
    // Everyday answers
    {FACT_STAGE_RCPT, "554 5.7.1 <a@b.example>: Relay access denied", "", CAUSE_RELAY_DENIED},
    {FACT_STAGE_MAIL, "450 4.1.8 <x@y.example>: Sender address rejected: Domain not found", "",
     CAUSE_SENDER_DOMAIN},
    {FACT_STAGE_RCPT, "452 4.3.1 Insufficient system resources (UsedDiskSpace[D:])", "",
     CAUSE_RESOURCE_FULL},
    {FACT_STAGE_MAIL, "552 5.3.4 Message size exceeds fixed limit", "", CAUSE_SIZE_LIMIT},
    {FACT_STAGE_RCPT, "452 4.5.3 Too many recipients", "", CAUSE_TOO_MANY_RECIPIENTS},
    {FACT_STAGE_RCPT, "550 5.1.1 no", "", CAUSE_USER_UNKNOWN},
    {FACT_STAGE_MAIL, "530 5.7.0 Must issue a STARTTLS command first", "", CAUSE_TLS_REQUIRED},
    {FACT_STAGE_AUTH, "535 5.7.8 Error: authentication failed", "", CAUSE_AUTH_FAILED},
    {FACT_STAGE_AUTH, "504 no", "", CAUSE_AUTH_MECHANISM},
    {FACT_STAGE_AUTH, "454 4.7.0 no", "", CAUSE_AUTH_DEFERRED},
    {FACT_STAGE_GREETING, "421 4.3.2 All server ports are busy", "", CAUSE_OVERLOAD},
    {FACT_STAGE_GREETING, "421 hello", "", CAUSE_GREETING_4XX},
    {FACT_STAGE_GREETING, "554 5.7.1 not today", "", CAUSE_GREETING_5XX},
    {FACT_STAGE_GREETING,
     "554-x Your access to this mail system has been rejected due to the "
     "sending MTA's poor reputation",
     "", CAUSE_REPUTATION},
    {FACT_STAGE_EHLO, "502 5.5.1 no", "", CAUSE_EHLO_REFUSED},
    {FACT_STAGE_STARTTLS, "454 4.7.0 TLS not available due to local problem", "",
     CAUSE_STARTTLS_REFUSED},
    {FACT_STAGE_DOT, "541 5.4.1 Content blocked by Palo Alto Networks Firewall", "",
     CAUSE_INJECTED_VERDICT},
    {FACT_STAGE_MAIL, "421 bye", "", CAUSE_SERVER_CLOSING},
    {FACT_STAGE_MAIL, "451 hm", "", CAUSE_MAIL_DEFERRED},
    {FACT_STAGE_MAIL, "550 hm", "", CAUSE_MAIL_REFUSED},
    {FACT_STAGE_RCPT, "450 hm", "", CAUSE_RCPT_DEFERRED},
    {FACT_STAGE_RCPT, "550 hm", "", CAUSE_RCPT_REFUSED},
    {FACT_STAGE_DOT, "451 hm", "", CAUSE_DATA_DEFERRED},
    {FACT_STAGE_DATA, "554 hm", "", CAUSE_DATA_REFUSED},
    {FACT_STAGE_UNKNOWN, "451 hm", "", CAUSE_REPLY_DEFERRED},
    {FACT_STAGE_UNKNOWN, "554 hm", "", CAUSE_REPLY_REFUSED},
    // Exchange's own statements, read out of a queue
    {FACT_STAGE_UNKNOWN, "450 4.4.316 Connection refused [Message=Socket error code 10061]", "",
     CAUSE_CONN_REFUSED},
    {FACT_STAGE_UNKNOWN, "450 4.4.318 Connection was closed abruptly", "", CAUSE_CLOSED_SESSION},
    {FACT_STAGE_UNKNOWN, "450 4.7.323 tlsa-invalid: The domain failed DANE validation", "",
     CAUSE_DANE_FAIL},
    {FACT_STAGE_UNKNOWN, "550 5.4.8 MX hosts of 'contoso.com' failed MTA-STS validation",
     "x.outlook.com", CAUSE_STS_MX_MISMATCH},
};

static void test_words_to_causes(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(reply_rows); i++) {
        const struct reply_row *row = &reply_rows[i];
        struct attempt attempt = {.host = view_of(row->host)};
        struct fact fact = fact_make(row->stage, FACT_KIND_REPLY);
        uint64_t code = 0;
        assert_true(view_to_u64(view_take(view_of(row->reply), 3), &code));
        fact.reply_code = (int)code;
        fact.text = view_skip(view_of(row->reply), 4);
        enum cause cause = cause_of_attempt(&fact, &attempt);
        if (cause != row->cause)
            fail_msg("%s: %.*s", row->reply, VIEW_ARG(cause_info(cause)->id));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_row_hides_another),
        cmocka_unit_test(test_patterns_are_plain),
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_plain_text_has_a_bound),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_an_index_names_what_may_match),
        cmocka_unit_test(test_speakers),
        cmocka_unit_test(test_words_to_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
