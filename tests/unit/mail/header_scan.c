// SPDX-License-Identifier: Apache-2.0
// What a header says while it arrives, for every cut of the stream.
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct view message;
    unsigned n_received;
    size_t n_fields;
    bool is_done, has_date, has_from, is_auto_submitted;
    const char *message_id; // NULL: none
} rows[] = {
    {"nothing", VIEW("")},
    {"no header", VIEW("\r\nReceived: x\r\n"), 0, 0, true},
    {"the usual",
     VIEW("Received: from a\r\n\tby b\r\nReceived: c\r\nDate: now\r\nFrom: a@b\r\n"
          "Message-ID: <1@x>\r\n\r\nReceived: in the body\r\n"),
     2, 5, true, true, true, false, "<1@x>"},
    {"names in any case, space before the colon",
     VIEW("RECEIVED:a\r\nmessage-id\t: <2@x> \r\nfrom :b\r\n\r\n"), 1, 3, true, false, true, false,
     "<2@x>"},
    {"LF alone", VIEW("From: a\nMessage-Id: <3@x>\n\nReceived: b\n"), 0, 2, true, false, true,
     false, "<3@x>"},
    {"an id on the next line", VIEW("Message-ID:\r\n <4@x>\r\nX: y\r\n"), 0, 2, false, false, false,
     false, "<4@x>"},
    {"an id with words behind it", VIEW("Message-ID: <5@x> (c)\r\n <no>\r\n\r\n"), 0, 1, true,
     false, false, false, "<5@x>"},
    {"the first id counts", VIEW("Message-ID: <6@x>\r\nMessage-ID: <7@x>\r\n\r\n"), 0, 2, true,
     false, false, false, "<6@x>"},
    {"the first id counts, without a blank", VIEW("Message-ID:<6@x>\r\nMessage-ID:<7@x>\r\n\r\n"),
     0, 2, true, false, false, false, "<6@x>"},
    {"a line between", VIEW("Message-ID:\r\nnonsense\r\n <9@x>\r\n\r\n"), 0, 1, true, false, false,
     false, ""},
    {"an empty id", VIEW("Message-ID:\r\nX: <8@x>\r\n\r\n"), 0, 2, true, false, false, false, ""},
    {"controls in an id", VIEW("Message-ID: <\0\x01\x7f@x>\r\n\r\n"), 0, 1, true, false, false,
     false, "<???@x>"},
    {"auto", VIEW("Auto-Submitted: auto-replied\r\n\r\n"), 0, 1, true, false, false, true},
    {"auto: no", VIEW("Auto-Submitted: No\r\n\r\n"), 0, 1, true},
    {"auto: no with a parameter", VIEW("Auto-Submitted: no; x=y\r\n\r\n"), 0, 1, true},
    {"auto, folded", VIEW("Auto-Submitted:\r\n auto-generated\r\n\r\n"), 0, 1, true, false, false,
     true},
    {"auto: no, folded", VIEW("Auto-Submitted:\r\n no\r\n\r\n"), 0, 1, true},
    {"auto, empty", VIEW("Auto-Submitted:\r\n\r\n"), 0, 1, true},
    {"lines that are no fields",
     VIEW("From a@b Mon May 1 10:00\r\nhello\r\n continued\r\n: x\r\nReceived\r\nA: b\r\n\r\n"), 0,
     1, true},
    {"a continuation first", VIEW(" Received: x\r\n\r\n"), 0, 0, true},
    {"a blank line is no empty line", VIEW("A: b\r\n \r\nReceived: x\r\n\r\n"), 1, 2, true},
    {"no end", VIEW("Received: x\r\nReceived: y"), 2, 2},
    {"CR alone ends nothing", VIEW("A: b\rReceived: x\r\r\n\r\n"), 0, 1, true},
    {"NUL", VIEW("\0Received: x\r\nReceived\0: x\r\nReceived: \0\r\n\r\n"), 1, 1, true},
    {"blanks before the colon", VIEW("Received                                : x\r\n\r\n"), 1, 1,
     true},
    {"too many blanks before the colon",
     VIEW("Received                                 : x\r\n\r\n"), 0, 0, true},
    {"a long name",
     VIEW("Xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: y\r\n"
          "Received: x\r\n\r\n"),
     1, 1, true},
};

static void check(size_t i, const struct mail_header_scan *scan) {
    const char *name = rows[i].name;
    if (scan->n_received != rows[i].n_received || scan->n_fields != rows[i].n_fields)
        fail_msg("%s: %u received, %zu fields", name, scan->n_received, scan->n_fields);
    if (scan->header_bytes != mail_header_len(rows[i].message) || scan->is_done != rows[i].is_done)
        fail_msg("%s: %zu bytes, done %d", name, scan->header_bytes, scan->is_done);
    if (scan->has_date != rows[i].has_date || scan->has_from != rows[i].has_from ||
        scan->is_auto_submitted != rows[i].is_auto_submitted)
        fail_msg("%s: wrong flags", name);
    if (scan->has_message_id != (rows[i].message_id != NULL))
        fail_msg("%s: Message-ID %d", name, scan->has_message_id);
    assert_string_equal(scan->message_id, rows[i].message_id ? rows[i].message_id : "");
}

static void test_every_split(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view message = rows[i].message;
        for (size_t a = 0; a <= message.len; a++) {
            for (size_t b = a; b <= message.len; b++) {
                struct mail_header_scan scan;
                mail_header_scan_init(&scan);
                mail_header_scan_feed(&scan, view_take(message, a));
                mail_header_scan_feed(&scan, view_from(message.ptr + a, b - a));
                mail_header_scan_feed(&scan, view_skip(message, b));
                check(i, &scan);
            }
        }
    }
}

static void test_hostile(void **state) {
    enum { LINE_BYTES = 1 << 20 };
    struct mail_header_scan scan;
    char *line = mem_alloc(LINE_BYTES);
    memset(line, 'x', LINE_BYTES);
    mail_header_scan_init(&scan);
    mail_header_scan_feed(&scan, VIEW("Message-ID: <"));
    mail_header_scan_feed(&scan, view_from(line, LINE_BYTES));
    mail_header_scan_feed(&scan, VIEW(">\r\nReceived: x\r\n\r\n"));
    assert_true(scan.is_done);
    assert_int_equal(scan.n_received, 1);
    assert_int_equal(strlen(scan.message_id), 250);
    assert_int_equal(scan.header_bytes, 13 + LINE_BYTES + 18);
    mail_header_scan_init(&scan);
    for (int i = 0; i < 10000; i++)
        mail_header_scan_feed(&scan, VIEW("Received: x\r\n"));
    assert_int_equal(scan.n_received, 10000);
    assert_false(scan.is_done);
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
