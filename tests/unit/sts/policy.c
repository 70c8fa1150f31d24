// SPDX-License-Identifier: Apache-2.0
// Records and policies of MTA-STS as they are found, and as they break.
#include "sts/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct {
    const char *text, *id; // NULL: it announces nothing
} records[] = {
    {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
    {"v=STSv1;id=1", "1"},
    {"v=STSv1 ; x=y ; id=abc ; id=def", "abc"},
    {"v=STSv1;", NULL},
    {"v=STSv1; id=;", NULL},
    {"v=STSv1; id=a-b;", NULL},
    {"v=STSv1; id=123456789012345678901234567890123;", NULL},
    {"v=STSv2; id=1;", NULL},
    {"id=1; v=STSv1;", NULL},
    {"", NULL},
};

static void records_are_read(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct view id;
        bool is_one = sts_record_parse(view_of(records[i].text), &id);
        if (is_one != (records[i].id != NULL))
            fail_msg("\"%s\" %s", records[i].text, is_one ? "is taken" : "is not taken");
        if (is_one)
            assert_true(view_equals(id, view_of(records[i].id)));
    }
}

#define HEAD "version: STSv1\r\nmode: enforce\r\n"

static const struct {
    const char *text;
    const char *wrong; // in the error; NULL: it is well
    const char *host;
    bool is_allowed;
} policies[] = {
    {HEAD "mx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n", NULL,
     "Mail.example.com", true},
    {HEAD "mx: *.example.net\nmax_age: 1", NULL, "a.example.net", true},
    {HEAD "mx: *.example.net\nmax_age: 1", NULL, "a.b.example.net", false},
    {HEAD "mx: *.example.net\nmax_age: 1", NULL, "example.net", false},
    {HEAD "mx: example.net\nmax_age: 1", NULL, "a.example.net", false},
    {"max_age:1\n\n  mx :  a.example \nfuture: *\nmode:testing\nversion:STSv1", NULL, "a.example",
     true},
    {"version: STSv1\nmode: none\nmax_age: 86400\n", NULL, "a.example", false},
    {HEAD "mode: none\nmx: a.example\nmax_age: 1", NULL, "a.example", true},
    {"", "\"version:\"", NULL, false},
    {"version: STSv2\n", "line 1", NULL, false},
    {"version: STSv1\nmx: a.example\nmax_age: 1\n", "\"mode:\"", NULL, false},
    {"version: STSv1\nmode: Enforce\n", "line 2", NULL, false},
    {HEAD "mx: a.example\n", "\"max_age:\"", NULL, false},
    {HEAD "mx: a.example\nmax_age: 31557601\n", "line 4", NULL, false},
    {HEAD "mx: a.example\nmax_age: -1\n", "line 4", NULL, false},
    {HEAD "max_age: 1\n", "\"mx:\"", NULL, false},
    {HEAD "mx: *.*.example\nmax_age: 1\n", "line 3", NULL, false},
    {HEAD "mx: <a.example>\nmax_age: 1\n", "line 3", NULL, false},
    {HEAD "mx:\nmax_age: 1\n", "line 3", NULL, false},
    {"<html>\n<body>not here</body>\n", "line 1", NULL, false},
};

static void policies_are_read(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct sts_policy policy;
        struct error error = {0};
        bool is_well = sts_policy_parse(view_of(policies[i].text), &policy, &error);
        if (is_well != (policies[i].wrong == NULL))
            fail_msg("policy %zu: %s", i, is_well ? "is taken" : error.text);
        if (!is_well && !strstr(error.text, policies[i].wrong))
            fail_msg("policy %zu: %s", i, error.text);
        if (is_well)
            assert_int_equal(sts_policy_allows(&policy, view_of(policies[i].host)),
                             policies[i].is_allowed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_read),
                                       cmocka_unit_test(policies_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
