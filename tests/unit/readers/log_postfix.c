// SPDX-License-Identifier: Apache-2.0
// What a log of Postfix tells: attempts, with what is known of their messages from other lines.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "log_bed.h"

#define DAY "May 12 "
#define HEAD " mx postfix/"

static const struct log_bed_row rows[] = {
    {"a message from arrival to end, and its id used again",
     DAY "10:00:00" HEAD "smtpd[1]: connect from client.example[192.0.2.9]\n" DAY "10:00:00" HEAD
         "smtpd[1]: 3F2A1B4C5D: client=client.example[192.0.2.9]\n" DAY "10:00:00" HEAD
         "cleanup[2]: 3F2A1B4C5D: message-id=<m1@client.example>\n" DAY "10:00:01" HEAD
         "qmgr[3]: 3F2A1B4C5D: from=<s@client.example>, size=1234, nrcpt=1 (queue "
         "active)\n" DAY "10:00:03" HEAD
         "smtp[4]: 3F2A1B4C5D: to=<r@Dest.Example>, relay=mx1.dest.example"
         "[192.0.2.25]:25, delay=3, delays=1/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 ok)\n" DAY
         "10:00:03" HEAD "qmgr[3]: 3F2A1B4C5D: removed\n" DAY "11:00:00" HEAD
         "smtpd[1]: 3F2A1B4C5D: client=client.example[192.0.2.9]\n" DAY "11:00:00" HEAD
         "cleanup[2]: 3F2A1B4C5D: message-id=<m2@client.example>\n" DAY "11:00:00" HEAD
         "qmgr[3]: 3F2A1B4C5D: from=<>, size=1234, nrcpt=1 (queue active)\n" DAY "11:00:09" HEAD
         "smtp[4]: 3F2A1B4C5D: to=<q@dest.example>, orig_to=<\"a>, b\"@x.example>, "
         "relay=mx1.dest.example[192.0.2.25]:25, conn_use=2, delay=3, delays=1/0/1/1, dsn=2.0.0, "
         "status=sent (250 2.0.0 ok)\n",
     "2026-05-12T10:00:03Z attempt delivered - #1 3F2A1B4C5D from=<s@client.example> "
     "m1@client.example to=<r@Dest.Example>/dest.example via mx1.dest.example 192.0.2.25, 3 s\n"
     "2026-05-12T11:00:09Z attempt delivered - #2 3F2A1B4C5D from=<> m2@client.example "
     "to=<q@dest.example>/dest.example via mx1.dest.example 192.0.2.25, 9 s\n"},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        log_bed_check(&rows[i], "2026-05-20T00:00:00Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
