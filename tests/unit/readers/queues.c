// SPDX-License-Identifier: Apache-2.0
// Queue listings of each system, and their sum.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

static const int64_t now_ms = 1778582520000; // 2026-05-12T10:42:00Z

static const char postfix_json[] =
    "{\"queue_name\": \"deferred\", \"queue_id\": \"4F2A\", \"arrival_time\": 1778496120, "
    "\"message_size\": 100, \"sender\": \"a@sender.example\", \"recipients\": [{\"address\": "
    "\"bob@dest.example\", \"delay_reason\": \"connect to mx1.dest.example[192.0.2.25]:25: "
    "Connection "
    "refused\"}, {\"address\": \"carol@dest.example\", \"delay_reason\": \"connect to "
    "mx1.dest.example[192.0.2.25]:25: Connection refused\"}]}\n"
    "{\"queue_name\": \"hold\", \"queue_id\": \"4F2B\", \"arrival_time\": 1778582460, \"sender\": "
    "\"\", "
    "\"recipients\": [{\"address\": \"dora@other.example\"}]}\n"
    "not json\n";

static const char postfix[] =
    "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
    "4F2abc12345     1234 Tue May 12 08:41:58  anna@sender.example\n"
    "(host mx1.dest.example[192.0.2.25] said: 450 4.2.0 Greylisted (in reply to RCPT TO command))\n"
    "                                         bob@dest.example\n"
    "(connect to mx.other.example[198.51.100.7]:25: Connection timed out)\n"
    "                                         carol@other.example\n"
    "\n"
    "4F2abc12346*    1234 Tue May 12 10:41:58  anna@sender.example\n"
    "                                         dora@dest.example\n"
    "\n"
    "-- 2 Kbytes in 2 Requests.\n";

static const char sendmail[] =
    "\t\t/var/spool/mqueue (2 requests)\n"
    "-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------\n"
    "64C8fwUn000302     1234 Mon May 11 10:41 <anna@sender.example>\n"
    "                 (Deferred: Connection refused by mx.dest.example.)\n"
    "\t\t\t\t\t <bob@dest.example>\n"
    "64C8fwUn000303*    1234 Mon May 11 10:42 <anna@sender.example>\n"
    "      8BITMIME   (Deferred: Connection refused by mx.dest.example.)\n"
    "\t\t\t\t\t <carol@dest.example>\n"
    "\t\tTotal requests: 2\n";

static const char exim[] = "25h  2.9K 1uAbCd-000123-4X <anna@sender.example>\n"
                           "          bob@dest.example\n"
                           "        D carol@dest.example\n"
                           "\n"
                           " 3m   410 1uAbCe-0000000AbCd-4X2x <> *** frozen ***\n"
                           "          dora@other.example\n";

static const char opensmtpd[] =
    "77d1a1b5a9ee0d4b|inet4|mta|auth|anna@sender.example|bob@dest.example|bob@dest.example|"
    "1778578920|"
    "1778924520|1778582000|9|pending|2300|Network error on destination MXs\n"
    "77d1a1b5a9ee0d4c|inet4|mta|auth|anna@sender.example|carol@dest.example|carol@dest.example|"
    "1778578920|"
    "1778924520|1778582000|9|pending|2300|Network error on destination MXs\n";

static const char exchange_list[] =
    "\n"
    "Identity              : MAIL01\\3\n"
    "DeliveryType          : SmartHostConnectorDelivery\n"
    "NextHopDomain         : [192.0.2.77]\n"
    "Status                : Retry\n"
    "MessageCount          : 11000\n"
    "LastError             : [{LED=450 4.4.318 Connection was closed abruptly (SuspiciousRemote\n"
    "                        ServerError)};{MSG=};{FQDN=fw.example};{IP=192.0.2.77};{LRT=5/12/20\n"
    "                        26 10:40:00 AM}]\n"
    "\n"
    "Identity              : MAIL01\\4\n"
    "NextHopDomain         : dest.example\n"
    "MessageCount          : 140\n"
    "LastError             : 451 4.4.0 DNS query failed. The error was: DNS query failed with "
    "error "
    "ErrorRetry\n"
    "\n"
    "Identity              : MAIL01\\Submission\n"
    "NextHopDomain         : Submission\n"
    "MessageCount          : 0\n";

static const char exchange_table[] =
    "Identity    DeliveryType Status MessageCount Velocity NextHopDomain\n"
    "--------    ------------ ------ ------------ -------- -------------\n"
    "MAIL01\\3    SmartHostC.. Retry  120          0        fw.example\n"
    "MAIL01\\4    DnsConnect.. Ready  3            0        dest.example\n";

static const char exchange_json[] =
    "\xef\xbb\xbf[{\"Identity\": \"MAIL01\\\\3\", \"NextHopDomain\": \"fw.example\", "
    "\"MessageCount\": 7, "
    "\"LastError\": \"450 4.4.316 Connection refused [Message=Socket error code 10061]\"}]";

static const char exchange_csv[] =
    "#TYPE Microsoft.Exchange.Data.QueueViewer.ExtensibleQueueInfo\n"
    "\"Identity\",\"MessageCount\",\"NextHopDomain\",\"LastError\"\r\n"
    "\"MAIL01\\3\",\"7\",\"fw.example\",\"[{LED=441 4.4.1 Error: \"\"Failed to connect. Winsock "
    "error "
    "code: 10060\"\"};{FQDN=};{IP=192.0.2.77}]\"\r\n";

static const struct row {
    const char *name, *text;
    enum reader_queue_system system;
    uint64_t n_messages, n_recipients, n_frozen, n_unread;
    const char *causes; // "id messages destination", in the order of what to do first
    int64_t oldest_ms;
} rows[] = {
    {"postqueue -j", postfix_json, READER_QUEUE_POSTFIX_JSON, 2, 3, 1, 1,
     "conn-refused 1 dest.example; waiting 1 other.example; ", 1778496120000},
    {"mailq of Postfix", postfix, READER_QUEUE_POSTFIX, 2, 3, 0, 0,
     "conn-timeout 1 other.example; rcpt-greylist 1 dest.example; waiting 1 dest.example; ",
     1778575318000},
    {"mailq of Sendmail", sendmail, READER_QUEUE_SENDMAIL, 2, 2, 0, 0,
     "conn-refused 2 dest.example; ", 1778496060000},
    {"exim -bp", exim, READER_QUEUE_EXIM, 2, 2, 1, 0, "waiting 2 dest.example; ",
     1778582520000 - 25LL * 3600 * 1000},
    {"smtpctl show queue", opensmtpd, READER_QUEUE_OPENSMTPD, 1, 2, 0, 0,
     "conn-failed 1 dest.example; ", 1778578920000},
    {"Get-Queue as a list", exchange_list, READER_QUEUE_EXCHANGE_LIST, 11140, 11140, 0, 0,
     "closed-session 11000 [192.0.2.77]; dns-servfail 140 dest.example; ", 0},
    {"Get-Queue as a table", exchange_table, READER_QUEUE_EXCHANGE_TABLE, 123, 123, 0, 0,
     "waiting 123 fw.example; ", 0},
    {"Get-Queue as JSON", exchange_json, READER_QUEUE_EXCHANGE_JSON, 7, 7, 0, 0,
     "conn-refused 7 fw.example; ", 0},
    {"Get-Queue as CSV", exchange_csv, READER_QUEUE_EXCHANGE_CSV, 7, 7, 0, 0,
     "conn-timeout 7 fw.example; ", 0},
};

static void describe(const struct reader_queue *queue, struct buffer *out) {
    for (size_t i = 0; i < queue->n_causes; i++) {
        const struct reader_queue_cause *group = &queue->causes[i];
        struct view id = group->is_waiting ? VIEW("waiting") : cause_info(group->cause)->id;
        buffer_printf(out, "%.*s %llu %.*s; ", VIEW_ARG(id), (unsigned long long)group->n_messages,
                      VIEW_ARG(group->destinations[0].name));
    }
}

static bool holds(const struct row *row) {
    struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
    struct arena arena;
    struct buffer causes;
    arena_init(&arena, 8 << 20);
    buffer_init(&causes, 4096);
    reader_queue_read(view_of(row->text), now_ms, &arena, queue);
    describe(queue, &causes);
    bool is_well = queue->system == row->system && queue->n_messages == row->n_messages &&
                   queue->n_recipients == row->n_recipients && queue->n_frozen == row->n_frozen &&
                   queue->n_unread == row->n_unread && queue->oldest_ms == row->oldest_ms &&
                   strcmp(buffer_string(&causes), row->causes) == 0;
    if (!is_well)
        print_error(
            "%s: %d, %llu messages, %llu recipients, %llu frozen, %llu unread, oldest %lld\n  %s\n",
            row->name, (int)queue->system, (unsigned long long)queue->n_messages,
            (unsigned long long)queue->n_recipients, (unsigned long long)queue->n_frozen,
            (unsigned long long)queue->n_unread, (long long)queue->oldest_ms,
            buffer_string(&causes));
    buffer_finish(&causes);
    arena_finish(&arena);
    free(queue);
    return is_well;
}

static void test_listings(void **state) {
    size_t n_wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        n_wrong += !holds(&rows[i]);
    assert_int_equal(n_wrong, 0);
}

static void test_what_is_no_listing(void **state) {
    static const char *const texts[] = {
        "", "{}", "Subject: MessageCount : NextHopDomain",
        "May 12 10:42:00 mx postfix/smtp[1]: A: to=<a@b.example>, status=deferred (x)",
        "3m 4K soup"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(reader_queue_detect(view_of(texts[i])), READER_QUEUE_NONE);
}

// The answer's first line is what an administrator wants to know first.
static void test_first_line(void **state) {
    struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
    struct reader_show show = {0};
    struct arena arena;
    struct buffer out;
    arena_init(&arena, 8 << 20);
    buffer_init(&out, 1 << 20);
    reader_queue_read(view_of(exchange_list), now_ms, &arena, queue);
    reader_queue_write_text(queue, &show, &out);
    assert_true(view_starts_with(
        buffer_view(&out),
        VIEW("11,140 messages, 2 causes, none is yours for certain, 1 is open\n")));
    buffer_finish(&out);
    arena_finish(&arena);
    free(queue);
}

static void test_sentences(void **state) {
    static const struct {
        const char *listing, *has, *lacks;
    } told[] = {
        {"Mail queue is empty\n", "The queue is empty\n", "cause"},
        {"/var/spool/mqueue is empty\n\t\tTotal requests: 0\n", "The queue is empty\n", "0"},
        {exim, "1 is frozen or held: nothing is tried for it", "are frozen"},
        {exchange_list, "messages", "recipients\n"},
        {postfix_json, "queue listing", "in the postqueue"}};
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct reader_queue *queue = mem_alloc_zero(sizeof(*queue));
        struct reader_show show = {0};
        struct arena arena;
        struct buffer out;
        arena_init(&arena, 8 << 20);
        buffer_init(&out, 1 << 20);
        reader_queue_read(view_of(told[i].listing), 0, &arena, queue);
        assert_int_not_equal(queue->system, READER_QUEUE_NONE);
        reader_queue_write_text(queue, &show, &out);
        assert_non_null(strstr(buffer_string(&out), told[i].has));
        assert_null(strstr(buffer_string(&out), told[i].lacks));
        buffer_finish(&out);
        arena_finish(&arena);
        free(queue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listings),
        cmocka_unit_test(test_what_is_no_listing),
        cmocka_unit_test(test_first_line),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
