// SPDX-License-Identifier: Apache-2.0
// Notices: what their reader sees, what programs read, and that nothing from outside can change
// their shape. A small reader of MIME stands here, so that the check does not trust the writer.
#include "base/rng.h"
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTS_MAX = 3 };

struct report {
    struct buffer message;
    struct arena arena;
    struct view header;
    struct view parts[PARTS_MAX]; // with their headers
    size_t n_parts;
};

static struct view find(struct report *report, struct view header, const char *name) {
    struct view value = VIEW_NONE;
    return mail_header_find(header, view_of(name), 0, &report->arena, &value) ? value : VIEW_NONE;
}

// RFC 5322 2.1.1, 2.3: CRLF alone ends lines of at most 998 bytes; no NUL.
static void check_lines(struct view message) {
    size_t line_len = 0;
    for (size_t i = 0; i < message.len; i++) {
        char c = message.ptr[i];
        assert_true(c != '\0');
        if (c == '\r')
            assert_true(i + 1 < message.len && message.ptr[i + 1] == '\n');
        if (c == '\n') {
            assert_true(i > 0 && message.ptr[i - 1] == '\r');
            line_len = 0;
            continue;
        }
        line_len += c != '\r';
        assert_true(line_len <= 998);
    }
    assert_int_equal(line_len, 0);
}

static struct view boundary_of(struct report *report) {
    struct view type = find(report, report->header, "Content-Type");
    size_t at = view_find(type, VIEW("boundary=\""));
    assert_true(view_starts_with(type, VIEW("multipart/report; report-type=delivery-status;")));
    assert_true(at < type.len);
    struct view boundary = view_skip(type, at + 10);
    assert_true(boundary.len > 1 && boundary.len <= 71);
    return view_take(boundary, boundary.len - 1);
}

// Cuts the message at its boundary lines (RFC 2046 5.1.1).
static void report_parse(struct report *report, const struct mail_notice *notice) {
    buffer_init(&report->message, 8 << 20);
    arena_init(&report->arena, 4 << 20);
    report->n_parts = 0;
    mail_notice_write(notice, &report->message);
    struct view rest = buffer_view(&report->message);
    assert_false(report->message.overflow);
    check_lines(rest);
    report->header = view_take(rest, mail_header_len(rest));
    struct view delimiter =
        arena_printf(&report->arena, "\r\n--%.*s", VIEW_ARG(boundary_of(report)));
    struct view closing = arena_printf(&report->arena, "%.*s--\r\n", VIEW_ARG(delimiter));
    rest = view_skip(rest, view_find(rest, delimiter));
    while (!view_equals(rest, closing)) {
        assert_true(report->n_parts < PARTS_MAX);
        assert_true(view_starts_with(view_skip(rest, delimiter.len), VIEW("\r\n")));
        rest = view_skip(rest, delimiter.len + 2);
        size_t len = view_find(rest, delimiter);
        assert_true(len < rest.len);
        report->parts[report->n_parts++] = view_take(rest, len);
        rest = view_skip(rest, len);
    }
}

static void report_finish(struct report *report) {
    buffer_finish(&report->message);
    arena_finish(&report->arena);
}

static struct view body_of(struct view part) {
    return view_skip(part, mail_header_len(part));
}

static void check_text(struct view text, const char *expected) {
    if (!view_equals(text, view_of(expected)))
        fail_msg("got:\n%.*s", VIEW_ARG(text));
}

// --- What it says -------------------------------------------------------------------------------

static const struct mail_notice_recipient recipients[] = {
    {.recipient = VIEW("bob@example.org"),
     .orcpt = VIEW("rfc822;bob+2Bx@example.org"),
     .status = VIEW("4.4.7"),
     .diagnostic_type = VIEW("x-postrider"),
     .diagnostic = VIEW("mx.example.org (192.0.2.7) port 25: connection refused"),
     .remote_name = VIEW("mx.example.org"),
     .remote_address = VIEW("192.0.2.7"),
     .cause = VIEW("450 4.4.316 conn-refused"),
     .text =
         VIEW("mx.example.org refused the connection at each of 31 attempts.\n"
              "- Tell the administrators of example.org that their server does not take mail.\n"),
     .last_attempt_ms = 1778582520000,
     .will_retry_until_ms = 1778668920000},
    {.recipient = VIEW("carol@example.org"),
     .status = VIEW("4.4.7"),
     .diagnostic_type = VIEW("x-postrider"),
     .diagnostic = VIEW("mx.example.org (192.0.2.7) port 25: connection refused"),
     .remote_name = VIEW("mx.example.org"),
     .remote_address = VIEW("192.0.2.7"),
     .cause = VIEW("450 4.4.316 conn-refused"),
     .text =
         VIEW("mx.example.org refused the connection at each of 31 attempts.\n"
              "- Tell the administrators of example.org that their server does not take mail.\n"),
     .last_attempt_ms = 1778582520000,
     .will_retry_until_ms = 1778668920000},
    {.recipient = VIEW("d\xc3\xb6rte@example.net"),
     .orcpt = VIEW("utf-8;d\xc3\xb6rte@example.net"),
     .status = VIEW("5.1.1"),
     .diagnostic_type = VIEW("smtp"),
     .diagnostic = VIEW("550-5.1.1 no such user\n550 5.1.1 here \xe4"),
     .remote_name = VIEW("mx.example.net"),
     .cause = VIEW("mailbox-unknown"),
     .text = VIEW("example.net has no such mailbox.\n")},
};

static struct mail_notice usual(enum mail_notice_kind kind, size_t n_recipients) {
    return (struct mail_notice){
        .kind = kind,
        .reporting_name = VIEW("relay.example.com"),
        .from = VIEW("postmaster@example.com"),
        .to = VIEW("alice@example.com"),
        .envid = VIEW("QQ+2B314"),
        .original_id = VIEW("7K2M9QX"),
        .notice_id = VIEW("7K2M9QY"),
        .arrived_ms = 1778496120000,
        .at_ms = 1778582521000,
        .original_header = VIEW("From: Alice <alice@example.com>\r\n"
                                "Subject: =?utf-8?Q?Zahlen_f=C3=BCr_Q3?=\r\n"
                                "Message-ID: <abc@example.com>\r\n\r\nbody\r\n"),
        .recipients = recipients,
        .n_recipients = n_recipients,
    };
}

static const char failed_text[] =
    "Your message to the 3 recipients below was not delivered, and no further\r\n"
    "attempt will be made.\r\n"
    "\r\n"
    "  bob@example.org\r\n"
    "  carol@example.org\r\n"
    "\r\n"
    "    mx.example.org refused the connection at each of 31 attempts.\r\n"
    "    - Tell the administrators of example.org that their server does not take\r\n"
    "      mail.\r\n"
    "\r\n"
    "    Status:       4.4.7\r\n"
    "    Cause:        450 4.4.316 conn-refused\r\n"
    "    Last attempt: Tue, 12 May 2026 10:42:00 +0000\r\n"
    "\r\n"
    "  d\xc3\xb6rte@example.net\r\n"
    "\r\n"
    "    example.net has no such mailbox.\r\n"
    "\r\n"
    "    mx.example.net answered:\r\n"
    "      550-5.1.1 no such user\r\n"
    "      550 5.1.1 here \xef\xbf\xbd\r\n"
    "\r\n"
    "    Status:       5.1.1\r\n"
    "    Cause:        mailbox-unknown\r\n"
    "\r\n"
    "The message:\r\n"
    "\r\n"
    "  Subject:      Zahlen f\xc3\xbcr Q3\r\n"
    "  Accepted:     Mon, 11 May 2026 10:42:00 +0000\r\n"
    "  Message-ID:   <abc@example.com>\r\n"
    "  Queue ID:     7K2M9QX\r\n"
    "\r\n"
    "If you need help, show this whole notice to your mail administrator\r\n"
    "(postmaster@example.com). What follows it holds the same facts for programs,\r\n"
    "and the header of your message.\r\n"
    "\r\n"
    "-- \r\n"
    "The mail relay relay.example.com\r\n";

static const char failed_status[] =
    "Reporting-MTA: dns; relay.example.com\r\n"
    "Original-Envelope-Id: QQ+314\r\n"
    "Arrival-Date: Mon, 11 May 2026 10:42:00 +0000\r\n"
    "X-Postrider-Queue-ID: 7K2M9QX\r\n"
    "\r\n"
    "Original-Recipient: rfc822; bob+x@example.org\r\n"
    "Final-Recipient: rfc822; bob@example.org\r\n"
    "Action: failed\r\n"
    "Status: 4.4.7\r\n"
    "Remote-MTA: dns; mx.example.org\r\n"
    "Diagnostic-Code: x-postrider; mx.example.org (192.0.2.7) port 25: connection\r\n"
    " refused\r\n"
    "Last-Attempt-Date: Tue, 12 May 2026 10:42:00 +0000\r\n"
    "X-Postrider-Remote-Address: 192.0.2.7\r\n"
    "X-Postrider-Cause: 450 4.4.316 conn-refused\r\n"
    "\r\n"
    "Final-Recipient: rfc822; carol@example.org\r\n"
    "Action: failed\r\n"
    "Status: 4.4.7\r\n"
    "Remote-MTA: dns; mx.example.org\r\n"
    "Diagnostic-Code: x-postrider; mx.example.org (192.0.2.7) port 25: connection\r\n"
    " refused\r\n"
    "Last-Attempt-Date: Tue, 12 May 2026 10:42:00 +0000\r\n"
    "X-Postrider-Remote-Address: 192.0.2.7\r\n"
    "X-Postrider-Cause: 450 4.4.316 conn-refused\r\n"
    "\r\n"
    "Original-Recipient: utf-8; d\\x{F6}rte@example.net\r\n"
    "Final-Recipient: utf-8; d\\x{F6}rte@example.net\r\n"
    "Action: failed\r\n"
    "Status: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.net\r\n"
    "Diagnostic-Code: smtp; 550-5.1.1 no such user 550 5.1.1 here \\xe4\r\n"
    "X-Postrider-Cause: mailbox-unknown\r\n";

static void test_failed(void **state) {
    struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 3);
    struct report report;
    report_parse(&report, &notice);
    assert_int_equal(report.n_parts, 3);
    check_text(body_of(report.parts[0]), failed_text);
    check_text(body_of(report.parts[1]), failed_status);
    check_text(body_of(report.parts[2]), "From: Alice <alice@example.com>\r\n"
                                         "Subject: =?utf-8?Q?Zahlen_f=C3=BCr_Q3?=\r\n"
                                         "Message-ID: <abc@example.com>\r\n");
    report_finish(&report);
}

static void test_header(void **state) {
    struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 3);
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"Date", "Tue, 12 May 2026 10:42:01 +0000"},
        {"From", "Mail Delivery System <postmaster@example.com>"},
        {"To", "<alice@example.com>"},
        {"Subject", "Not delivered: your message to bob@example.org and 2 others"},
        {"Message-ID", "<7K2M9QY@relay.example.com>"},
        {"In-Reply-To", "<abc@example.com>"},
        {"References", "<abc@example.com>"},
        {"Auto-Submitted", "auto-replied"},
        {"MIME-Version", "1.0"},
        {"Content-Transfer-Encoding", "8bit"},
    };
    static const char *const types[][2] = {{"text/plain; charset=utf-8", "8bit"},
                                           {"message/delivery-status", "7bit"},
                                           {"text/rfc822-headers", "7bit"}};
    struct report report;
    report_parse(&report, &notice);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!view_equals(find(&report, report.header, rows[i].name), view_of(rows[i].value)))
            fail_msg("%s", rows[i].name);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        struct view header = view_take(report.parts[i], mail_header_len(report.parts[i]));
        check_text(find(&report, header, "Content-Type"), types[i][0]);
        check_text(find(&report, header, "Content-Transfer-Encoding"), types[i][1]);
    }
    report_finish(&report);
}

static void test_kinds(void **state) {
    static const struct {
        enum mail_notice_kind kind;
        const char *subject, *opening, *outlook, *action;
    } rows[] = {
        {MAIL_NOTICE_FAILED, "Not delivered: your message to bob@example.org",
         "Your message to bob@example.org was not delivered, and no further attempt\r\n"
         "will be made.\r\n",
         NULL, "failed"},
        {MAIL_NOTICE_DELAYED, "Delayed: your message to bob@example.org",
         "Your message to bob@example.org has not been delivered yet. We are still\r\n"
         "trying, so there is no need to send it again.\r\n",
         "    We keep trying until Wed, 13 May 2026 10:42:00 +0000. If the message\r\n"
         "    cannot be delivered by then, you will get another notice.\r\n",
         "delayed"},
        {MAIL_NOTICE_HELD, "On hold: your message to bob@example.org",
         "Your message to bob@example.org is on hold: the administrators of\r\n"
         "relay.example.com keep it here for now. It is not lost, and there is no need\r\n"
         "to send it again.\r\n",
         "    Unless it is released before, it comes back to you on Wed, 13 May 2026\r\n"
         "    10:42:00 +0000.\r\n",
         "delayed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mail_notice notice = usual(rows[i].kind, 1);
        struct report report;
        report_parse(&report, &notice);
        struct view text = body_of(report.parts[0]), status = body_of(report.parts[1]);
        check_text(find(&report, report.header, "Subject"), rows[i].subject);
        assert_true(view_starts_with(text, view_of(rows[i].opening)));
        assert_int_equal(view_find(text, VIEW("Wed, 13 May")) < text.len, rows[i].outlook != NULL);
        assert_true(!rows[i].outlook || view_find(text, view_of(rows[i].outlook)) < text.len);
        size_t fields = view_find(status, VIEW("\r\n\r\n")) + 4;
        check_text(find(&report, view_skip(status, fields), "Action"), rows[i].action);
        bool has_until = find(&report, view_skip(status, fields), "Will-Retry-Until").len > 0;
        assert_int_equal(has_until, rows[i].kind != MAIL_NOTICE_FAILED);
        report_finish(&report);
    }
}

// Recipients are told a reason together only where all of it is the same.
static void test_groups(void **state) {
    static const char together[] = "  a@x\r\n  b@x\r\n";
    for (int difference = 0; difference < 5; difference++) {
        struct mail_notice_recipient two[2] = {recipients[0], recipients[0]};
        struct mail_notice notice = usual(MAIL_NOTICE_DELAYED, 2);
        struct report report;
        two[0].recipient = VIEW("a@x");
        two[1].recipient = VIEW("b@x");
        if (difference == 1)
            two[1].text = VIEW("another\n");
        if (difference == 2)
            two[1].will_retry_until_ms++;
        if (difference == 3)
            two[1].remote_address = VIEW("192.0.2.8");
        if (difference == 4)
            two[1].last_attempt_ms++;
        notice.recipients = two;
        report_parse(&report, &notice);
        struct view text = body_of(report.parts[0]);
        assert_int_equal(view_find(text, view_of(together)) < text.len, difference == 0);
        report_finish(&report);
    }
}

// --- The header of the original -----------------------------------------------------------------

static void test_original_header(void **state) {
    static const struct {
        struct view header;
        const char *type, *expected; // NULL: no third part
    } rows[] = {
        {VIEW(""), NULL, NULL},
        {VIEW("\r\nbody"), NULL, NULL},
        {VIEW("A: b"), "text/rfc822-headers", "A: b\r\n"},
        {VIEW("A: b\r\n c\r\n\r\nsecret"), "text/rfc822-headers", "A: b\r\n c\r\n"},
        {VIEW("A: b\n\nsecret"), "text/rfc822-headers", "A: b\r\n"},
        {VIEW("A: \0\r.\r\n"), "text/rfc822-headers", "A: ?\?.\r\n"},
        {VIEW("A: \xc3\xa4\r\n"), "message/global-headers", "A: \xc3\xa4\r\n"},
        {VIEW("A: \xe4\r\n"), "text/rfc822-headers", "A: \xe4\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 1);
        struct report report;
        notice.original_header = rows[i].header;
        report_parse(&report, &notice);
        assert_int_equal(report.n_parts, rows[i].type ? 3 : 2);
        if (rows[i].type) {
            struct view header = view_take(report.parts[2], mail_header_len(report.parts[2]));
            check_text(find(&report, header, "Content-Type"), rows[i].type);
            check_text(body_of(report.parts[2]), rows[i].expected);
        }
        report_finish(&report);
    }
}

// Long lines are folded; taking the folds out gives the line again where it had blanks.
static void test_long_header_lines(void **state) {
    struct buffer header;
    buffer_init(&header, 1 << 20);
    buffer_append_view(&header, VIEW("To:"));
    while (header.len < 5000)
        buffer_append_view(&header, VIEW(" someone@example.org,"));
    struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 1);
    notice.original_header = buffer_view(&header);
    struct report report;
    report_parse(&report, &notice);
    struct view value = find(&report, body_of(report.parts[2]), "To");
    assert_true(view_equals(value, view_skip(notice.original_header, 4)));
    report_finish(&report);

    buffer_clear(&header);
    buffer_append_view(&header, VIEW("X-Long: "));
    while (header.len < 500000)
        buffer_append_view(&header, VIEW("\xe2\x82\xac"));
    notice.original_header = buffer_view(&header);
    report_parse(&report, &notice);
    assert_true(report.parts[2].len > 60000 && report.parts[2].len < 70000);
    report_finish(&report);
    buffer_finish(&header);
}

// --- What cannot be done to it ------------------------------------------------------------------

static void test_boundary_is_free(void **state) {
    struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 1);
    struct report report;
    notice.original_header = VIEW("A: b\r\n"
                                  "--=_postrider_1_7K2M9QY\r\n"
                                  "--=_postrider_2_7K2M9QY--\r\n");
    report_parse(&report, &notice);
    assert_int_equal(report.n_parts, 3);
    check_text(boundary_of(&report), "=_postrider_3_7K2M9QY");
    report_finish(&report);
}

static void test_odd_addresses(void **state) {
    struct mail_notice notice = usual(MAIL_NOTICE_FAILED, 1);
    struct mail_notice_recipient recipient = recipients[0];
    struct report report;
    recipient.recipient = VIEW("a\r\nSubject: x");
    recipient.orcpt = VIEW("rfc822;a+0D+0ASubject: x");
    recipient.status = VIEW("5.x");
    notice.recipients = &recipient;
    notice.to = VIEW("a\r\nBcc: x");
    notice.from = VIEW("a\nb");
    notice.envid = VIEW("+0D+0A");
    report_parse(&report, &notice);
    check_text(find(&report, report.header, "To"), "undisclosed-recipients:;");
    check_text(find(&report, report.header, "From"),
               "Mail Delivery System <postmaster@relay.example.com>");
    check_text(find(&report, report.header, "Subject"),
               "Not delivered: your message to 1 recipient");
    struct view status = body_of(report.parts[1]);
    check_text(find(&report, status, "Original-Envelope-Id"), "+0D+0A");
    status = view_skip(status, view_find(status, VIEW("\r\n\r\n")) + 4);
    check_text(find(&report, status, "Final-Recipient"), "rfc822; a\\x0d\\x0aSubject: x");
    check_text(find(&report, status, "Original-Recipient"), "rfc822; a+0D+0ASubject: x");
    check_text(find(&report, status, "Status"), "5.0.0");
    report_finish(&report);
}

static struct view random_view(struct rng *rng, struct arena *arena, size_t max) {
    static const char *const likely[] = {
        "\r\n",     "\n",   "\r",       " ",    "\t",        "--", "=_postrider_1_",
        "=?",       "?=",   "utf-8?Q?", "\xff", ":",         "; ", "+0D",
        "\xc3\xa4", "aaaa", "\r\n\r\n", "- ",   "Subject: ", "<>"};
    size_t len = 0;
    char *bytes = arena_alloc(arena, max + 32);
    assert_non_null(bytes);
    max = rng_below(rng, max);
    while (len < max) {
        struct view piece = view_of(likely[rng_below(rng, ARRAY_LEN(likely))]);
        if (rng_chance(rng, 1, 30)) {
            bytes[len++] = (char)rng_below(rng, 256);
            continue;
        }
        memcpy(bytes + len, piece.ptr, piece.len);
        len += piece.len;
    }
    return view_from(bytes, len);
}

static void test_any_bytes(void **state) {
    struct rng rng;
    rng_init(&rng, 3464);
    for (int round = 0; round < 1500; round++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        size_t max = rng_chance(&rng, 1, 10) ? 5000 : 100;
        struct mail_notice_recipient all[3] = {0};
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            struct view *views[] = {&all[i].recipient,   &all[i].orcpt,           &all[i].status,
                                    &all[i].diagnostic,  &all[i].diagnostic_type, &all[i].cause,
                                    &all[i].remote_name, &all[i].remote_address,  &all[i].text};
            for (size_t k = 0; k < ARRAY_LEN(views); k++)
                *views[k] = random_view(&rng, &arena, max);
            if (rng_chance(&rng, 1, 2))
                all[i].diagnostic_type = VIEW("smtp");
        }
        struct mail_notice notice = {.kind = (enum mail_notice_kind)rng_below(&rng, 3),
                                     .recipients = all,
                                     .n_recipients = 1 + rng_below(&rng, ARRAY_LEN(all))};
        struct view *views[] = {&notice.from,        &notice.to,        &notice.envid,
                                &notice.original_id, &notice.notice_id, &notice.original_header};
        for (size_t k = 0; k < ARRAY_LEN(views); k++)
            *views[k] = random_view(&rng, &arena, max);
        notice.reporting_name = VIEW("relay.example.com");
        struct report report;
        report_parse(&report, &notice);
        assert_true(report.n_parts == 2 || report.n_parts == 3);
        check_text(find(&report, report.header, "Auto-Submitted"), "auto-replied");
        struct mail_header_scan scan;
        mail_header_scan_init(&scan);
        mail_header_scan_feed(&scan, report.header);
        assert_true(scan.n_fields >= 9 && scan.n_fields <= 11);
        report_finish(&report);
        arena_finish(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_original_header),
        cmocka_unit_test(test_long_header_lines),
        cmocka_unit_test(test_boundary_is_free),
        cmocka_unit_test(test_odd_addresses),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
