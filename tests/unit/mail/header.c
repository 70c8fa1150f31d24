// SPDX-License-Identifier: Apache-2.0
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char header[] = "Received: from a\r\n"
                             "\tby b;\r\n"
                             "  today\r\n"
                             "received : second\r\n"
                             "Subject:no space\r\n"
                             "X-Empty:\r\n"
                             "X-Folded:\r\n"
                             " value\r\n"
                             "not a field\r\n"
                             "Two Words: x\r\n"
                             "Last: x\n"
                             "\r\n"
                             "Body: not a field\r\n";

static void test_find(void **state) {
    static const struct {
        struct view name;
        size_t nth;
        bool found;
        struct view value;
    } rows[] = {
        {VIEW("Received"), 0, true, VIEW("from a\tby b;  today")},
        {VIEW("RECEIVED"), 1, true, VIEW("second")},
        {VIEW("Received"), 2, false, VIEW("")},
        {VIEW("subject"), 0, true, VIEW("no space")},
        {VIEW("X-Empty"), 0, true, VIEW("")},
        {VIEW("X-Folded"), 0, true, VIEW("value")},
        {VIEW("Last"), 0, true, VIEW("x")},
        {VIEW("Two Words"), 0, false, VIEW("")},
        {VIEW("Body"), 0, false, VIEW("")},
        {VIEW("Sub"), 0, false, VIEW("")},
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view value = VIEW_NONE;
        bool found = mail_header_find(view_of(header), rows[i].name, rows[i].nth, &arena, &value);
        if (found != rows[i].found || !view_equals(value, rows[i].value))
            fail_msg("row %zu: \"%.*s\"", i, VIEW_ARG(value));
    }
    struct view value = VIEW_NONE;
    assert_true(mail_header_find(VIEW("A: b"), VIEW("a"), 0, &arena, &value));
    assert_true(view_equals(value, VIEW("b")));
    assert_true(mail_header_find(VIEW("A:"), VIEW("a"), 0, &arena, &value));
    assert_false(mail_header_find(VIEW_NONE, VIEW("a"), 0, &arena, &value));
    arena_finish(&arena);
}

static void test_len(void **state) {
    static const struct {
        struct view message;
        size_t len;
    } rows[] = {
        {VIEW("A: b\r\n\r\nbody"), 8},
        {VIEW("A: b\n\nbody"), 6},
        {VIEW("\r\nbody"), 2},
        {VIEW("\nbody"), 1},
        {VIEW("A: b\r\n"), 6},
        {VIEW("A: b"), 4},
        {VIEW(""), 0},
        {VIEW("A: b\r\n \r\nx: y"), 13},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(mail_header_len(rows[i].message), rows[i].len);
    assert_int_equal(mail_header_len(view_of(header)),
                     sizeof(header) - 1 - strlen("Body: not a field\r\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_len)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
