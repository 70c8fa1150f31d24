// SPDX-License-Identifier: Apache-2.0
// Lines that people paste, and the promise that the same failure has the same cause wherever it
// stands.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

static const struct row {
    const char *line, *recipient, *action, *cause;
    bool is_suppression;
} rows[] = {
    {"May 12 10:42:00 mx postfix/smtp[123]: 4F2abc: to=<bob@dest.example>, relay=none, delay=30, "
     "delays=0.1/0/30/0, dsn=4.4.1, status=deferred (connect to mx1.dest.example[192.0.2.25]:25: "
     "Connection timed out)",
     "bob@dest.example", "delayed", "conn-timeout"},
    {"2026-05-12T10:42:00+02:00 mx postfix/error[123]: 4F2abc: to=<bob@dest.example>, relay=none, "
     "dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to "
     "mx1.dest.example[192.0.2.25]:25: Connection timed out)",
     "bob@dest.example", "delayed", "conn-timeout", true},
    {"postfix/smtp[9]: A1: to=<bob@dest.example>, relay=mx1.dest.example[192.0.2.25]:25, "
     "dsn=2.0.0, "
     "status=sent (250 2.0.0 Ok: queued as 5)",
     "bob@dest.example", "delivered", "none"},
    {"postfix/qmgr[9]: A1: from=<anna@sender.example>, status=expired, returned to sender", "",
     "failed", "expired"},
    {"2026-05-12 10:42:00 1uAbCd-000123-4X == bob@dest.example R=dnslookup T=remote_smtp defer "
     "(-18) "
     "H=mx1.dest.example [192.0.2.25]: Remote host closed connection in response to EHLO me",
     "bob@dest.example", "delayed", "closed-ehlo"},
    {"May 13 10:00:06 mx postrider[5]: info deliver: 0001-1-8: to=<bob@dest.example> "
     "server=mx1.dest.example[192.0.2.25]:25 connector=mx outcome=deferred cause=pmtu-blackhole: "
     "connection reset",
     "bob@dest.example", "delayed", "pmtu-blackhole"},
    {"info deliver: 0001-1-8: to=<bob@dest.example> server=mx1.dest.example[192.0.2.25]:25 "
     "connector=mx outcome=delivered: 250 ok",
     "bob@dest.example", "delivered", "none"},
    {"2026-05-12 10:42:00 1uAbCd-000123-4X == bob@dest.example R=dnslookup T=remote_smtp defer "
     "(111): "
     "Connection refused",
     "bob@dest.example", "delayed", "conn-refused"},
    {"2026-05-12 10:42:00 1uAbCd-000123-4X == bob@dest.example routing defer (-52): retry time not "
     "reached",
     "bob@dest.example", "delayed", "hosts-dead", true},
    {"2026-05-12 10:42:00 1uAbCd-000123-4X ** bob@dest.example R=dnslookup T=remote_smtp "
     "H=mx1.dest.example [192.0.2.25]: SMTP error from remote mail server after RCPT "
     "TO:<bob@dest.example>: 550 5.1.1 no such user",
     "bob@dest.example", "failed", "user-unknown"},
    {"May 12 10:42:00 mx sendmail[5]: 64C8: to=<bob@dest.example>, delay=00:00:05, "
     "xdelay=00:00:05, "
     "mailer=esmtp, relay=mx1.dest.example. [192.0.2.25], dsn=4.0.0, stat=Deferred: Connection "
     "reset by "
     "mx1.dest.example.",
     "bob@dest.example", "delayed", "reset-session"},
    {"smtpd[7]: 1a2b3c4d5e6f7a8b mta delivery evpid=1122334455667788 from=<a@b.example> "
     "to=<bob@dest.example> rcpt=<-> source=\"192.0.2.1\" relay=\"192.0.2.25 (mx1.dest.example)\" "
     "delay=0s result=\"TempFail\" stat=\"421 4.3.2 too busy\"",
     "bob@dest.example", "delayed", "overload"},
    {"1778575320|c0a80001-b7c9d6d000004a53-1c-5e1f00000000|DELIVERY_FAILURE|550 5.4.4 [internal] "
     "domain "
     "lookup failed|bob@dest.example",
     "bob@dest.example", "failed", "dns-nxdomain"},
    {"Failed to connect. Winsock error code: 10061, Win32 error code: 10061, Destination domain: x",
     "", "", "conn-refused"},
    {"10054", "", "", "reset-session"},
    {"WSAETIMEDOUT", "", "", "conn-timeout"},
    {"11001", "", "", "dns-nxdomain"},
    {"defer (-37)", "", "delayed", "tls-handshake"},
    {"4.4.316", "", "", "conn-refused"},
    {"550 5.7.1 <bob@dest.example>: Relay access denied", "", "", "relay-denied"},
    {"nothing to see here", "", "", "unknown"},
};

static bool holds(const struct row *row) {
    struct reader_reading reading;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    reader_line_read(view_of(row->line), &arena, &reading);
    assert_int_equal(reading.n_recipients, 1);
    const struct reader_recipient *recipient = &reading.recipients[0];
    enum cause cause = reader_words_cause(&recipient->words);
    struct view id = cause == CAUSE_NONE ? VIEW("none") : cause_info(cause)->id;
    bool is_well = view_equals(recipient->address, view_of(row->recipient)) &&
                   view_equals(reader_action_word(recipient->action), view_of(row->action)) &&
                   view_equals(id, view_of(row->cause)) &&
                   recipient->words.is_suppression == row->is_suppression;
    if (!is_well)
        print_error("%s\n  \"%.*s\" \"%.*s\" %.*s %d\n", row->line, VIEW_ARG(recipient->address),
                    VIEW_ARG(reader_action_word(recipient->action)), VIEW_ARG(id),
                    recipient->words.is_suppression);
    arena_finish(&arena);
    return is_well;
}

static void test_lines(void **state) {
    size_t n_wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        n_wrong += !holds(&rows[i]);
    assert_int_equal(n_wrong, 0);
}

// The same words bare, in a line of a log, in a bounce and in a queue.
static void test_same_words_same_cause(void **state) {
    static const char *const words[] = {
        "connect to mx1.dest.example[192.0.2.25]:25: No route to host",
        "lost connection with mx1.dest.example[192.0.2.25] while sending RCPT TO",
        "host mx1.dest.example[192.0.2.25] said: 450 4.7.1 <bob@dest.example>: greylisted (in "
        "reply to "
        "RCPT TO command)",
        "host mx1.dest.example[192.0.2.25] refused to talk to me: 421 4.7.0 too many connections",
        "Server certificate not trusted",
        "mail for dest.example loops back to myself"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct reader_words bare;
        struct reader_reading line, mail;
        struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
        struct arena arena;
        arena_init(&arena, 8 << 20);
        assert_true(reader_words_read(view_of(words[i]), &bare));
        enum cause cause = reader_words_cause(&bare);
        struct view text = arena_printf(
            &arena, "postfix/smtp[1]: A1: to=<bob@dest.example>, status=deferred (%s)", words[i]);
        reader_line_read(text, &arena, &line);
        assert_int_equal(reader_words_cause(&line.recipients[0].words), cause);
        text = arena_printf(&arena,
                            "From: MAILER-DAEMON@mx.sender.example\nTo: anna@sender.example\n\n"
                            "<bob@dest.example>: %s\n",
                            words[i]);
        reader_mail_read(text, &arena, &mail);
        assert_int_equal(mail.n_recipients, 1);
        assert_int_equal(reader_words_cause(&mail.recipients[0].words), cause);
        text = arena_printf(&arena,
                            "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
                            "4F2abc12345     1234 Tue May 12 10:41:58  anna@sender.example\n"
                            "(%s)\n      bob@dest.example\n",
                            words[i]);
        reader_queue_read(text, 0, &arena, queue);
        assert_int_equal(queue->n_causes, 1);
        assert_int_equal(queue->causes[0].cause, cause);
        arena_finish(&arena);
        free(queue);
    }
}

static bool is_said_to_be_expired(const char *words) {
    struct reader_reading reading;
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct view text = arena_printf(
        &arena, "postfix/smtp[1]: A1: to=<bob@dest.example>, status=bounced (%s)", words);
    reader_line_read(text, &arena, &reading);
    assert_int_equal(reading.n_recipients, 1);
    reader_verdict(&reading.recipients[0], &arena, &verdict);
    assert_int_equal(verdict.outcome, OUTCOME_PERMANENT_FAILURE);
    bool is_expired = verdict.is_expired;
    arena_finish(&arena);
    return is_expired;
}

// What a server refuses for good goes back at once, however much time is left.
static void test_time_is_up_only_where_it_was_tried(void **state) {
    assert_false(is_said_to_be_expired(
        "host mx1.dest.example[192.0.2.25] refused to talk to me: 500 5.5.1 no"));
    assert_false(is_said_to_be_expired("host mx1.dest.example[192.0.2.25] said: 550 5.1.1 no"));
    assert_true(
        is_said_to_be_expired("connect to mx1.dest.example[192.0.2.25]:25: No route to host"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_same_words_same_cause),
        cmocka_unit_test(test_time_is_up_only_where_it_was_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
