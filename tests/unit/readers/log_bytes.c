// SPDX-License-Identifier: Apache-2.0
// Logs as bytes: pieces, files, damage, and the bounds of what is remembered. What the lines tell
// is tested by the logs beside logs.c.
#include "base/units.h"
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SENT(time, id, to)                                                                         \
    "May 12 " time " mx postfix/smtp[4]: " id ": to=<" to                                          \
    ">, relay=mx.dest.example[192.0.2.25]:25, "                                                    \
    "delay=3, delays=1/0/1/1, dsn=2.0.0, status=sent (250 ok)\n"

struct bed {
    struct reader_log *log;
    size_t n_entries;
    uint64_t message, first_message, line_number;
    int64_t arrived_ms, at_ms;
    bool is_equal; // all entries have the message of the first
    char recipient[128], sender[128], file[64], host[64];
};

static void keep(struct view view, char *out, size_t size) {
    assert_true(view_copy_string(view, out, size));
}

static void on_entry(const struct reader_entry *entry, void *arg) {
    struct bed *bed = arg;
    if (bed->n_entries++ == 0)
        bed->first_message = entry->message;
    bed->is_equal = bed->n_entries == 1 || (bed->is_equal && entry->message == bed->first_message);
    bed->message = entry->message;
    bed->line_number = entry->line_number;
    bed->arrived_ms = entry->arrived_ms;
    bed->at_ms = entry->at_ms;
    keep(entry->recipient, bed->recipient, sizeof(bed->recipient));
    keep(entry->sender, bed->sender, sizeof(bed->sender));
    keep(entry->file, bed->file, sizeof(bed->file));
    keep(entry->host, bed->host, sizeof(bed->host));
}

static void begin(struct bed *bed, size_t followed_max, int32_t zone_minutes) {
    *bed = (struct bed){0};
    struct reader_log_options options = {.followed_max = followed_max,
                                         .zone_minutes = zone_minutes,
                                         .on_entry = on_entry,
                                         .arg = bed};
    assert_true(units_parse_time(VIEW("2026-05-20T00:00:00Z"), &options.now_ms));
    bed->log = reader_log_create(&options);
    reader_log_file(bed->log, VIEW("mail.log"));
}

static void feed(struct bed *bed, const char *text) {
    reader_log_feed(bed->log, view_of(text));
}

static const struct reader_log_totals *totals(struct bed *bed) {
    return reader_log_totals(bed->log);
}

static void end(struct bed *bed) {
    reader_log_destroy(bed->log);
}

// --- Lines --------------------------------------------------------------------------------------
static void test_a_line_without_its_end(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    struct view line = VIEW(SENT("10:00:00", "3F2A1B4C5D", "a@dest.example"));
    reader_log_feed(bed.log, view_take(line, 40));
    assert_int_equal(bed.n_entries, 0);
    reader_log_feed(bed.log, view_take(view_skip(line, 40), line.len - 41));
    assert_int_equal(bed.n_entries, 0);
    reader_log_end(bed.log);
    assert_int_equal(bed.n_entries, 1);
    assert_string_equal(bed.recipient, "a@dest.example");
    assert_int_equal(totals(&bed)->n_lines, 1);
    assert_int_equal(totals(&bed)->n_bytes, line.len - 1);
    end(&bed);
}

static void test_files(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    feed(&bed, "noise\n\n" SENT("10:00:00", "3F2A1B4C5D", "a@dest.example") "May 12 10:00");
    assert_string_equal(bed.file, "mail.log");
    assert_int_equal(bed.line_number, 3);
    reader_log_file(bed.log, VIEW("mail.log.1"));
    feed(&bed, ":00 rest\r\n" SENT("09:00:00", "4F2A1B4C5D", "b@dest.example"));
    assert_string_equal(bed.file, "mail.log.1");
    assert_int_equal(bed.line_number, 2);
    assert_int_equal(bed.n_entries, 2);
    assert_int_equal(totals(&bed)->n_lines, 6);
    assert_int_equal(totals(&bed)->n_other, 4);
    assert_int_equal(totals(&bed)->n_clock_jumps, 0);
    end(&bed);
}

static void test_a_header_ends_with_its_file(void **state) {
    static const char row[] =
        "2026-05-12T10:00:00.000Z,m1,r@dest.example,SEND,mx.dest.example,192.0.2.25\n";
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    feed(&bed,
         "#Fields: date-time,message-id,recipient-address,event-id,server-hostname,server-ip\n");
    feed(&bed, row);
    assert_int_equal(bed.n_entries, 1);
    assert_string_equal(bed.host, "mx.dest.example");
    reader_log_file(bed.log, VIEW("other.log"));
    feed(&bed, row);
    assert_int_equal(bed.n_entries, 1);
    end(&bed);
}

// A file that lost its beginning: 30 columns are those of Exchange 2016.
static void test_rows_without_a_header(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    feed(&bed, "2026-05-12T10:00:00.000Z,,,192.0.2.25,mx.dest.example,,,SMTP,SEND,1,<m1>,n1,"
               "r@dest.example;q@dest.example,,1,2,,,\"a, b\",s@client.example,,,,,,,,,,\n");
    assert_int_equal(bed.n_entries, 2);
    assert_string_equal(bed.recipient, "q@dest.example");
    assert_string_equal(bed.sender, "s@client.example");
    end(&bed);
}

static void test_damage(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    struct view with_nul = VIEW("May 12 10:00:00 mx post\0fix/smtp[4]: noise\n");
    reader_log_feed(bed.log, with_nul);
    feed(&bed, "\x80\xff\xfe\n");
    feed(&bed,
         "May 12 10:00:00 mx postfix/smtp[4]: 3F2A1B4C5D: to=<a@dest.example>, relay=mx.de\n");
    feed(&bed,
         "May 12 10:00:00 mx postfix/smtp[4]: 3F2A1B4C5D: to=<a@dest.example>, status=odd (x)\n");
    feed(&bed, SENT("10:00:01", "3F2A1B4C5D", "a@dest.example"));
    assert_int_equal(bed.n_entries, 1);
    assert_int_equal(totals(&bed)->n_nul, 1);
    assert_int_equal(totals(&bed)->n_unread, 2);
    assert_int_equal(totals(&bed)->n_other, 2);
    end(&bed);
}

// A megabyte without an end is passed over, in one piece or in many, and what follows is read.
static void test_long_lines(void **state) {
    static const size_t pieces[] = {4 << 20, 4096, 65536 + 1};
    enum { LONG_BYTES = 1000000 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct bed bed;
        struct buffer text;
        begin(&bed, 0, 0);
        buffer_init(&text, 4 << 20);
        memset(buffer_reserve(&text, LONG_BYTES), 'a', LONG_BYTES);
        buffer_advance(&text, LONG_BYTES);
        buffer_append_view(&text, VIEW("\n" SENT("10:00:00", "3F2A1B4C5D", "a@dest.example")));
        for (struct view rest = buffer_view(&text); rest.len; rest = view_skip(rest, pieces[i]))
            reader_log_feed(bed.log, view_take(rest, pieces[i]));
        assert_int_equal(totals(&bed)->n_long, 1);
        assert_int_equal(totals(&bed)->n_lines, 2);
        assert_int_equal(bed.n_entries, 1);
        assert_int_equal(bed.line_number, 2);
        buffer_finish(&text);
        end(&bed);
    }
}

// --- Times --------------------------------------------------------------------------------------
static void test_times(void **state) {
    static const struct {
        const char *head, *at;
        int32_t zone_minutes;
    } rows[] = {
        {"May 12 10:00:00 ", "2026-05-12T10:00:00Z", 0},
        {"May 12 10:00:00 ", "2026-05-12T08:00:00Z", 120},
        {"May  2 10:00:00 ", "2026-05-02T10:00:00Z", 0},
        {"Dec 31 23:59:59 ", "2025-12-31T23:59:59Z", 0},
        {"May 20 23:00:00 ", "2026-05-20T23:00:00Z", 0}, // the zone may be another
        {"May 22 00:00:00 ", "2025-05-22T00:00:00Z", 0},
        {"2026-05-12T10:00:00Z ", "2026-05-12T10:00:00Z", 120},
        {"2026-05-12T10:00:00.999999-02:30 ", "2026-05-12T12:30:00Z", 0},
        {"2026-05-12T10:00:00+0200 ", "2026-05-12T08:00:00Z", 0},
        {"<22>May 12 10:00:00 ", "2026-05-12T10:00:00Z", 0},
        {"May 32 10:00:00 ", NULL, 0},
        {"May 12 25:00:00 ", NULL, 0},
        {"Mai 12 10:00:00 ", NULL, 0},
        {"2026-13-12T10:00:00Z ", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[512];
        int64_t at_ms = 0;
        struct bed bed;
        begin(&bed, 0, rows[i].zone_minutes);
        snprintf(line, sizeof(line),
                 "%smx postfix/smtp[4]: 3F2A1B4C5D: to=<a@b.example>, status=sent (250 ok)\n",
                 rows[i].head);
        feed(&bed, line);
        feed(&bed, line); // from what was kept of the line before
        assert_int_equal(bed.n_entries, rows[i].at ? 2 : 0);
        assert_true(!rows[i].at || units_parse_time(view_of(rows[i].at), &at_ms));
        assert_int_equal(bed.at_ms / 1000, at_ms / 1000);
        end(&bed);
    }
}

static void test_clock_jumps(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    feed(&bed, SENT("10:00:00", "3F2A1B4C5D", "a@dest.example"));
    feed(&bed, SENT("09:59:30", "3F2A1B4C5D", "a@dest.example")); // lines of two hosts, mixed
    assert_int_equal(totals(&bed)->n_clock_jumps, 0);
    feed(&bed, SENT("09:00:00", "3F2A1B4C5D", "a@dest.example"));
    assert_int_equal(totals(&bed)->n_clock_jumps, 1);
    end(&bed);
}

// --- Messages -----------------------------------------------------------------------------------
static void arrive(struct bed *bed, unsigned n) {
    char line[256];
    snprintf(line, sizeof(line),
             "May 12 10:00:00 mx postfix/pickup[1]: %010X: uid=0 from=<s%u@client.example>\n", n,
             n);
    feed(bed, line);
    snprintf(
        line, sizeof(line),
        "May 12 10:00:00 mx postfix/qmgr[1]: %010X: from=<s%u@client.example>, size=1, nrcpt=1 "
        "(queue active)\n",
        n, n);
    feed(bed, line);
}

static void send_again(struct bed *bed, unsigned n) {
    char line[256];
    snprintf(line, sizeof(line),
             "May 12 10:00:09 mx postfix/smtp[1]: %010X: to=<r@dest.example>, relay=none, "
             "status=sent (250 ok)\n",
             n);
    feed(bed, line);
}

static void test_only_the_latest_are_followed(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 3, 0);
    for (unsigned n = 1; n <= 3; n++)
        arrive(&bed, n);
    send_again(&bed, 1); // heard of: 2 is the oldest now
    assert_string_equal(bed.sender, "s1@client.example");
    arrive(&bed, 4);
    send_again(&bed, 1);
    assert_string_equal(bed.sender, "s1@client.example");
    assert_true(bed.arrived_ms > 0);
    send_again(&bed, 4);
    assert_string_equal(bed.sender, "s4@client.example");
    send_again(&bed, 2);
    assert_string_equal(bed.sender, "");
    assert_int_equal(bed.arrived_ms, 0);
    end(&bed);
}

static void test_an_end_makes_room(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 2, 0);
    arrive(&bed, 1);
    for (unsigned n = 2; n < 1000; n++) {
        char line[128];
        arrive(&bed, n);
        snprintf(line, sizeof(line), "May 12 10:00:01 mx postfix/qmgr[1]: %010X: removed\n", n);
        feed(&bed, line);
    }
    send_again(&bed, 1);
    assert_string_equal(bed.sender, "s1@client.example");
    end(&bed);
}

static void test_queue_ids(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    // Several recipients of one message, and a queue run later.
    feed(&bed, SENT("10:00:00", "3F2A1B4C5D", "a@dest.example"));
    feed(&bed, SENT("10:00:00", "3F2A1B4C5D", "b@dest.example"));
    feed(&bed, SENT("11:00:00", "3F2A1B4C5D", "c@dest.example"));
    assert_true(bed.is_equal);
    // The same id on another host is another message.
    feed(
        &bed,
        "May 12 10:00:00 mx2 postfix/smtp[4]: 3F2A1B4C5D: to=<d@dest.example>, status=sent (ok)\n");
    assert_false(bed.is_equal);
    assert_int_equal(bed.n_entries, 4);
    end(&bed);
}

static void test_id_used_again(void **state) {
    (void)state;
    struct bed bed;
    begin(&bed, 0, 0);
    feed(&bed,
         "May 12 10:00:00 mx postfix/cleanup[1]: 3F2A1B4C5D: message-id=<m1@client.example>\n");
    send_again(&bed, 0x3F2A);
    feed(&bed, SENT("10:00:00", "3F2A1B4C5D", "a@dest.example"));
    uint64_t first = bed.message;
    feed(&bed,
         "May 12 11:00:00 mx postfix/cleanup[1]: 3F2A1B4C5D: message-id=<m2@client.example>\n");
    feed(&bed, SENT("11:00:00", "3F2A1B4C5D", "a@dest.example"));
    assert_int_not_equal(bed.message, first);
    end(&bed);
}

static void test_names(void **state) {
    (void)state;
    for (int system = 0; system < READER_LOG_SYSTEM_COUNT; system++)
        assert_true(reader_log_word((enum reader_log_system)system).len > 0);
    assert_string_equal(reader_log_word(READER_LOG_EXCHANGE_SEND).ptr, "exchange-send");
    assert_int_equal(reader_log_word(READER_LOG_EXCHANGE_TRACKING).len,
                     strlen("exchange-tracking"));
    reader_log_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_without_its_end),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_a_header_ends_with_its_file),
        cmocka_unit_test(test_rows_without_a_header),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_only_the_latest_are_followed),
        cmocka_unit_test(test_an_end_makes_room),
        cmocka_unit_test(test_queue_ids),
        cmocka_unit_test(test_id_used_again),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
