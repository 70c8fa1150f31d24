// SPDX-License-Identifier: Apache-2.0
// How long a reply asks us to wait.
#include "probe/probe_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct {
    const char *text;
    int64_t ms;
} times[] = {
    {"Greylisting in action, please come back in 00:05:00", 300000},
    {"Greylisted, please try again in 180 seconds", 180000},
    {"Greylisted for 5 minutes (see http://example.org/1369)", 300000},
    {"try again in 1 hour", 3600000},
    {"Please retry in 300s", 300000},
    {"4.7.1 come back in 15 min.", 900000},
    {"Greylisted, please come back in 1 second", 1000},
    {"wait 25:61", 0},
    {"later", 0},
    {"4.7.1 status", 0}, // a part of a code, and a word that only begins so
    {"", 0},
    {"12", 0},
    {"99999999999999999999 seconds", 0},
    {"00:05", 0},
    {"12:34:5", 0},
};

static void test_time_in(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (probe_time_in(view_of(times[i].text)) != times[i].ms)
            fail_msg("%s: %lld", times[i].text, (long long)probe_time_in(view_of(times[i].text)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_time_in)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
