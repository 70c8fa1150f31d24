// SPDX-License-Identifier: Apache-2.0
// What must not be seen in an answer that is shown to others, and what must stay in it.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    const char *text, *masked;
};

static const struct row people[] = {
    {"<+4915112345678@sms.dest.example>: 4915112345678 is not reachable",
     "<user1@sms.dest.example>: user1 is not reachable"},
    {"<\"jane doe\"@dest.example>: no mailbox here", "<user1@dest.example>: no mailbox here"},
    {"\"Doe, Jane\" <jd17@dest.example> is unknown", "[name] <user1@dest.example> is unknown"},
    {"To: Jane Doe <jd17@dest.example>", "To: [name] <user1@dest.example>"},
    {"J\xc3\xbcrgen <jd17@dest.example>", "[name] <user1@dest.example>"},
    {"550 No Such User <jd17@dest.example>", "550 No Such User <user1@dest.example>"},
    {"<j\xc3\xbcrgen@m\xc3\xbcller.example>", "<user1@m\xc3\xbcller.example>"},
    {"550 <jdoe>... User unknown", "550 <user1>... User unknown"},
    {"orig_to=<jdoe>, relay=none", "orig_to=<user1>, relay=none"},
    {"ctladdr=jdoe (1000/1000), mailer=esmtp", "ctladdr=user1 (1000/1000), mailer=esmtp"},
    {"login FIRM\\jdoe failed", "login [account] failed"},
    {"/home/jdoe/mail.log:61", "/home/user1/mail.log:61"},
    {"C:\\Users\\jdoe\\bounce.eml", "C:\\Users\\user1\\bounce.eml"},
    {"/var/mail/jdoe is full", "/var/mail/user1 is full"},
    {"sasl_username=jdoe, from", "sasl_username=user1, from"},
    {"=?utf-8?B?R2VoYWx0c2xpc3Rl?= is spam", "[subject] is spam"},
    {"=?iso-8859-1?Q?Geh=E4lter?= <jd17@dest.example>", "[subject] <user1@dest.example>"},
    {"warning: header Subject: Pay list from app.dest.example[192.0.2.9]; from=<a@b.example>",
     "warning: header Subject: [subject] from app.dest.example[192.0.2.9]; from=<user1@b.example>"},
    {"bounce+jane=dest.example@list.example", "user1@list.example"},
    {"mail@dest.example: the mail was refused", "user1@dest.example: the mail was refused"},
    {"/O=FIRM/OU=X/CN=RECIPIENTS/CN=JDOE", "/O=FIRM/OU=X/CN=[name]/CN=[name]"},
};

static const struct row inside[] = {
    {"host mailgw01[10.1.2.3] said: 451 busy",
     "host [inside-host][[inside-address]] said: 451 busy"},
    {"EXCH-HUB2 could not connect, EXCH-HUB2 gave up",
     "[inside-host] could not connect, [inside-host] gave up"},
    {"[LastAttemptedServerName=MAILGATE] [LastAttemptedIP=192.168.7.1:25]",
     "[LastAttemptedServerName=[inside-host]] [LastAttemptedIP=[inside-address]:25]"},
    {"{FQDN=hermes};{IP=10.0.0.1}", "{FQDN=[inside-host]};{IP=[inside-address]}"},
    {"Reporting-MTA: dns; MAILGATE", "Reporting-MTA: dns; [inside-host]"},
    {"helo=<hermes> refused, says hermes", "helo=<[inside-host]> refused, says [inside-host]"},
    {"<Hostname>zeus</Hostname>", "<Hostname>[inside-host]</Hostname>"},
    {"from hermes ([10.0.0.5]) by mx.dest.example",
     "from [inside-host] ([[inside-address]]) by mx.dest.example"},
    {"May 12 10:00:00 hermes postfix/smtp[77]: connect",
     "May 12 10:00:00 [inside-host] postfix/smtp[77]: connect"},
    {"2026-05-12T10:00:00+00:00 relay.our.example postfix/smtp[77]: connect",
     "2026-05-12T10:00:00+00:00 [inside-host] postfix/smtp[77]: connect"},
    {"ex1.ad.dest.example and ex1.corp", "[inside-host] and [inside-host]"},
    {"<20260512.1@DESKTOP-AB12CD3>", "<user1@[inside-host]>"},
    {"<20260512.1@ex1.firm.local>", "<user1@[inside-host]>"},
    {"root@hermes", "user1@[inside-host]"},
    {"jdoe@[10.0.0.5] and jdoe@[IPv6:fd00::5]",
     "user1@[inside-address] and user1@[inside-address]"},
    {"fd12:3456::1, fe80::1 and ::ffff:10.0.0.5; 2001:db8::1 stays",
     "[inside-address], [inside-address] and [inside-address]; 2001:db8::1 stays"},
    {"ip-10-0-0-5.eu.example and 5.0.0.10.in-addr.arpa", "[inside-host] and [inside-host]"},
    {"client-10.0.0.5 said", "[inside-host] said"},
    {"queue EX1\\Submission and EXCH-HUB2\\15", "queue [inside-host]\\Submission and "
                                                "[inside-host]\\15"},
    {"\\\\zeus\\share\\log.txt", "\\\\[inside-host]\\share\\log.txt"},
    {"NYC-MSG-01 is down", "[inside-host] is down"},
};

static const struct row stays[] = {
    {"host mx1.dest.example[192.0.2.25] said: 550 5.7.1 Service unavailable; Client host "
     "[198.51.100.7] blocked using zen.spamhaus.org",
     NULL},
    {"TLSv1.3 with TLS_AES_256_GCM_SHA384, SHA-256, ECDHE-RSA-AES128-GCM-SHA256, UTF-8", NULL},
    {"the host name is wrong, EHLO with 8BITMIME, IPv4 and IPv6", NULL},
    {"4F000001: queue id, 3F2A1B4C5D, 1tXyZ0-000001-1A", NULL},
    {"421 4.7.0 [TSS04] Messages from 198.51.100.7 temporarily deferred", NULL},
    {"ISO-8859-1 RFC-5321 S3150 (AS780090)", NULL},
    {"what.int and something.ad are public", NULL},
    {"relay=none, delay=1.2, status=deferred", NULL},
    {"1. contoso.com: Connection timed out (over)", NULL},
    {"Microsoft Exchange 15.20.1.2 said \"#550 5.1.1\"", NULL},
};

static const struct row json[] = {
    {"{\"recipient\":\"\\\"jane doe\\\"@dest.example\",\"n\":1}",
     "{\"recipient\":\"user1@dest.example\",\"n\":1}"},
    {"{\"text\":\"login FIRM\\\\jdoe\\nfailed\",\"cause\":\"auth-failed\"}",
     "{\"text\":\"login [account]\\nfailed\",\"cause\":\"auth-failed\"}"},
    {"[{\"server\":\"hermes[192.0.2.1]\"},{\"names\":[\"hermes\"]},null,{}]",
     "[{\"server\":\"[inside-host][192.0.2.1]\"},{\"names\":[\"[inside-host]\"]},null,{}]"},
    {"{\"a\":\"x \\u001b y\",\"b\":\"\"}", "{\"a\":\"x \\u001b y\",\"b\":\"\"}"},
    {"{\"jane@dest.example\":\"jane@dest.example\"}",
     "{\"jane@dest.example\":\"user1@dest.example\"}"},
};

typedef void redact_function(struct reader_redaction *, struct view, struct buffer *);

static void check(const struct row *rows, size_t n, redact_function *redact) {
    unsigned n_wrong = 0;
    for (size_t i = 0; i < n; i++) {
        struct reader_redaction *redaction = reader_redaction_create();
        const char *expected = rows[i].masked ? rows[i].masked : rows[i].text;
        struct buffer out;
        buffer_init(&out, 4096);
        redact(redaction, view_of(rows[i].text), &out);
        if (!view_equals(buffer_view(&out), view_of(expected))) {
            printf("expected: %s\nfound:    %s\n", expected, buffer_string(&out));
            n_wrong++;
        }
        buffer_finish(&out);
        reader_redaction_destroy(redaction);
    }
    assert_int_equal(n_wrong, 0);
}

static void test_people(void **state) {
    check(people, ARRAY_LEN(people), reader_redact);
}

static void test_the_inside(void **state) {
    check(inside, ARRAY_LEN(inside), reader_redact);
}

static void test_what_stays(void **state) {
    check(stays, ARRAY_LEN(stays), reader_redact);
}

static void test_json(void **state) {
    check(json, ARRAY_LEN(json), reader_redact_json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people), cmocka_unit_test(test_the_inside),
        cmocka_unit_test(test_what_stays), cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
