// SPDX-License-Identifier: Apache-2.0
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    struct view bytes;
    enum smtp_line outcome;
    struct view line;
    size_t used;
} rows[] = {
    {VIEW(""), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("NOOP"), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("NOOP\r"), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("NOOP\r\n"), SMTP_LINE_READY, VIEW("NOOP"), 6},
    {VIEW("\r\n"), SMTP_LINE_READY, VIEW(""), 2},
    {VIEW("NOOP\r\nQUIT\r\n"), SMTP_LINE_READY, VIEW("NOOP"), 6},
    {VIEW("1234567890\r\n"), SMTP_LINE_READY, VIEW("1234567890"), 12},
    {VIEW("1234567890\r"), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("12345678901\r\n"), SMTP_LINE_TOO_LONG, VIEW("1234567890"), 13},
    {VIEW("12345678901"), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("123456789012"), SMTP_LINE_TOO_LONG, VIEW("1234567890"), 12},
    {VIEW("12345678901234"), SMTP_LINE_TOO_LONG, VIEW("1234567890"), 14},
    {VIEW("12345678901\n"), SMTP_LINE_TOO_LONG, VIEW("1234567890"), 12},
    {VIEW("a\n"), SMTP_LINE_BARE, VIEW("a"), 2},
    {VIEW("\n"), SMTP_LINE_BARE, VIEW(""), 1},
    {VIEW("a\nb\r\n"), SMTP_LINE_BARE, VIEW("a"), 2},
    {VIEW("a\rb\r\n"), SMTP_LINE_BARE, VIEW("a\rb"), 5},
    {VIEW("a\r\r\n"), SMTP_LINE_BARE, VIEW("a\r"), 4},
    {VIEW("a\rb"), SMTP_LINE_MORE, VIEW(""), 0},
    {VIEW("a\0b"), SMTP_LINE_MORE, VIEW(""), 0},
    // The tail behind a NUL is never the next command.
    {VIEW("a\0MAIL\r\n"), SMTP_LINE_NUL, VIEW("a\0MAIL"), 8},
};

static void test_line_take(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view line = VIEW_NONE;
        size_t used = 99;
        enum smtp_line outcome = smtp_line_take(rows[i].bytes, 10, &line, &used);
        if (outcome != rows[i].outcome || used != rows[i].used || !view_equals(line, rows[i].line))
            fail_msg("row %zu: outcome %d, used %zu", i, outcome, used);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_line_take)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
