// SPDX-License-Identifier: Apache-2.0
// Rules of a local file: they are asked first, hold only where they say so, and mistakes in the
// file are named with their line.
#include "catalog/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// The text of the file is gone afterwards.
static struct rules *read_text(const char *text) {
    struct error error = {0};
    char copy[1024];
    size_t len = strlen(text);
    memcpy(copy, text, len + 1);
    struct rules *rules = rules_read(view_from(copy, len), VIEW("local"), &error);
    memset(copy, '#', len);
    if (!rules)
        fail_msg("%s", error.text);
    return rules;
}

static enum cause cause_at(const char *host, int code, const char *text) {
    struct attempt attempt = {.host = view_of(host)};
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_REPLY);
    fact.reply_code = code;
    fact.text = view_of(text);
    return cause_of_attempt(&fact, &attempt);
}

static void test_rules_hold_where_they_say(void **state) {
    struct rules *rules = read_text("# comment\r\n\n"
                                    "rule user-unknown code=5xx \"Such a Customer*is not here\"\n"
                                    "rule throttle host=.partner.example \"user unknown\"\n"
                                    "rule overload code=450-451 enhanced=*.7.10-12 \"come back\"\n"
                                    "rule not-accepting code=421 \"come back\"\n");
    assert_int_equal(cause_at("", 550, "such a customer, he said, is not here"),
                     CAUSE_REPLY_REFUSED);
    rules_use(rules);
    assert_int_equal(cause_at("", 550, "such a customer, he said, is not here"),
                     CAUSE_USER_UNKNOWN);
    assert_int_equal(cause_at("", 450, "such a customer, he said, is not here"),
                     CAUSE_REPLY_DEFERRED);
    assert_int_equal(cause_at("mx.partner.example", 550, "User unknown"), CAUSE_THROTTLE);
    assert_int_equal(cause_at("mx.other.example", 550, "User unknown"), CAUSE_USER_UNKNOWN);
    assert_int_equal(cause_at("", 451, "4.7.11 come back"), CAUSE_OVERLOAD);
    assert_int_equal(cause_at("", 421, "4.7.11 come back"), CAUSE_NOT_ACCEPTING);
    rules_use(NULL);
    assert_int_equal(cause_at("mx.partner.example", 550, "User unknown"), CAUSE_USER_UNKNOWN);
    rules_destroy(rules);
}

static void test_mistakes_are_named(void **state) {
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"rule no-such-cause \"abc\"", "local:1: no cause has this id"},
        {"\n\nrule loop \"ab\"", "local:3: each part of the words needs"},
        {"rule loop \"abc*d\"", "local:1: each part of the words needs"},
        {"rule loop \"\"", "local:1: there are no words"},
        {"rule loop code=333 \"abc\"", "local:1: a code is"},
        {"rule loop code=559-550 \"abc\"", "local:1: a code is"},
        {"rule loop enhanced=7.1 \"abc\"", "local:1: an enhanced code is"},
        {"rule loop sender=x \"abc\"", "local:1: not known here"},
        {"test loop code=450 \"abc\"", "local:1: not known here"},
        {"rule loop abc", "local:1: not known here"},
        {"rule loop", "local:1: the words stand in quotes"},
        {"rule loop \"abc", "local:1: the words stand in quotes"},
        {"says loop \"abc\"", "local:1: a line begins with"},
        {"rule loop \"abcde\"\nrule throttle \"x abcdefg\"", "local:2: this rule is never asked"},
        {"rule loop code=4xx \"abcde\"\nrule throttle code=421 enhanced=*.7.1 \"abcde\"",
         "local:2: this rule is never asked"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {0};
        assert_null(rules_read(view_of(rows[i].text), VIEW("local"), &error));
        if (!view_starts_with(view_of(error.text), view_of(rows[i].error)))
            fail_msg("%s: %s", rows[i].text, error.text);
    }
}

static void test_tests_come_out(void **state) {
    struct rules *rules = read_text("rule throttle host=.partner.example \"calm down\"\n"
                                    "test throttle host=mx.partner.example \"451 Calm down\"\n"
                                    "test loop \"554 5.4.6 too many hops\"\n"
                                    "test throttle \"451 Calm down\"\n");
    struct buffer out;
    size_t n_rules = 0, n_tests = 0;
    buffer_init(&out, 4096);
    assert_int_equal(rules_test(rules, &out), 1);
    rules_count(rules, &n_rules, &n_tests);
    assert_int_equal(n_rules, 1);
    assert_int_equal(n_tests, 3);
    assert_true(
        view_starts_with(buffer_view(&out), VIEW("line 4: \"451 Calm down\" comes out as")));
    buffer_finish(&out);
    rules_destroy(rules);
}

static void test_too_many_rules(void **state) {
    struct buffer text;
    struct error error = {0};
    buffer_init(&text, 1 << 20);
    for (int i = 0; i < 1001; i++)
        buffer_printf(&text, "rule loop \"words %04d\"\n", i);
    assert_null(rules_read(buffer_view(&text), VIEW("local"), &error));
    assert_string_equal(error.text, "local:1001: more than 1000 rules and tests");
    buffer_finish(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_hold_where_they_say),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_tests_come_out),
        cmocka_unit_test(test_too_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
