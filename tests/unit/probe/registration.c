// SPDX-License-Identifier: Apache-2.0
// What is read out of registries' answers: statuses in either spelling, the expiry, and nothing out
// of what is no answer.
#include "probe/registration_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
// cmocka needs those before it.
#include <cmocka.h>

#define DOMAIN_WITH(members) "{\"objectClassName\": \"domain\", " members "}"
#define EXPIRES(date) "\"events\": [{\"eventAction\": \"expiration\", \"eventDate\": \"" date "\"}]"

static const struct {
    const char *text;
    bool is_read, is_on_hold, is_ending;
    int64_t expires_ms;
    const char *statuses;
} cases[] = {
    {DOMAIN_WITH("\"status\": [\"active\"]"), true, false, false, 0, "active"},
    {DOMAIN_WITH("\"status\": [\"client hold\", \"server transfer prohibited\"]"), true, true,
     false, 0, "client hold, server transfer prohibited"},
    {DOMAIN_WITH("\"status\": [\"serverHold\"]"), true, true, false, 0, "serverHold"},
    {DOMAIN_WITH("\"status\": [\"redemption period\"]"), true, false, true, 0, "redemption period"},
    {DOMAIN_WITH("\"status\": [\"pending delete\", 7, null]"), true, false, true, 0,
     "pending delete"},
    {DOMAIN_WITH("\"status\": [\"inactive\"]"), true, false, true, 0, "inactive"},
    {DOMAIN_WITH("\"status\": [\"clientholder\", \"client\", \"\"]"), true, false, false, 0,
     "clientholder, client"},
    {DOMAIN_WITH(EXPIRES("2026-05-12T10:42:00Z")), true, false, false, 1778582520000, ""},
    {DOMAIN_WITH(EXPIRES("2026-05-12T10:42:00.0+00:00")), true, false, false, 1778582520000, ""},
    {DOMAIN_WITH(EXPIRES("soon")), true, false, false, 0, ""},
    {DOMAIN_WITH("\"status\": 7, \"events\": {\"eventAction\": \"expiration\"}"), true, false,
     false, 0, ""},
    {"{\"objectClassName\": \"entity\", \"status\": [\"client hold\"]}", false, false, false, 0,
     ""},
    {"[]", false, false, false, 0, ""},
    {"<html>", false, false, false, 0, ""},
    {"", false, false, false, 0, ""},
};

static void test_answers(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct probe_registration found;
        arena_init(&arena, 64 << 10);
        assert_int_equal(probe_registration_read(view_of(cases[i].text), &arena, &found),
                         cases[i].is_read);
        assert_int_equal(found.is_on_hold, cases[i].is_on_hold);
        assert_int_equal(found.is_ending, cases[i].is_ending);
        assert_int_equal(found.expires_ms, cases[i].expires_ms);
        assert_true(view_equals(found.statuses, view_of(cases[i].statuses)));
        arena_finish(&arena);
    }
}

// Whoever answers may answer anything.
static void test_many_statuses(void **state) {
    struct arena arena;
    struct probe_registration found;
    struct buffer text;
    buffer_init(&text, 8192);
    buffer_printf(&text, "{\"objectClassName\": \"domain\", \"status\": [\"x\"");
    for (size_t i = 0; i < 500; i++)
        buffer_printf(&text, ", \"ok\"");
    buffer_printf(&text, "]}");
    arena_init(&arena, 64 << 10);
    assert_true(probe_registration_read(buffer_view(&text), &arena, &found));
    assert_true(found.statuses.len < 100);
    buffer_finish(&text);
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_many_statuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
