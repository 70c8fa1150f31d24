// SPDX-License-Identifier: Apache-2.0
// What is an incident and what is none, with its beginning, end and extent.
#include "insight_test.h"

static int set_up(void **state) {
    *state = insight_create(&(struct insight_options){0});
    return 0;
}

static int tear_down(void **state) {
    insight_destroy(*state);
    return 0;
}

static void an_outage_is_one_incident(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 100; i++)
        deliver(insight, "contoso.com", 1000 + (uint64_t)i, i * MINUTE);
    // Forty messages, each tried three times, while nothing gets through.
    for (int i = 0; i < 120; i++)
        defer(insight, "contoso.com", 2000 + (uint64_t)(i % 40), 100 * MINUTE + i * MINUTE,
              CAUSE_CONN_TIMEOUT);
    for (int i = 0; i < 60; i++)
        deliver(insight, "contoso.com", 3000 + (uint64_t)i, 220 * MINUTE + i * MINUTE);
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    const struct insight_incident *incident = &report->incidents[0];
    assert_int_equal(incident->extent, INSIGHT_DESTINATION);
    assert_true(view_equals(incident->name, VIEW("contoso.com")));
    assert_int_equal(incident->cause, CAUSE_CONN_TIMEOUT);
    assert_int_equal(incident->onset_ms, START_MS + 100 * MINUTE);
    assert_int_equal(incident->last_seen_ms, START_MS + 219 * MINUTE);
    assert_int_equal(incident->end_ms, START_MS + 220 * MINUTE);
    assert_int_equal(incident->n_messages, 40);
    assert_int_equal(incident->n_attempts, 120);
    assert_int_equal(incident->first_line, 100 * MINUTE + 1);
    assert_true(incident->share > 0.99 && incident->normal < 0.01);
    assert_int_equal(report->totals.n_delivered, 160);
    assert_int_equal(report->totals.n_deferred, 120);
}

static void one_goes_on_at_the_end(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 5; i++)
        defer(insight, "contoso.com", 1 + (uint64_t)i, i * MINUTE, CAUSE_CONN_REFUSED);
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_int_equal(report->incidents[0].end_ms, 0);
    // A report changes nothing: more events, the same incident.
    defer(insight, "contoso.com", 9, 10 * MINUTE, CAUSE_CONN_REFUSED);
    report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_int_equal(report->incidents[0].n_messages, 6);
}

static void a_background_is_no_alarm(void **state) {
    static const enum cause causes[] = {CAUSE_RCPT_GREYLIST, CAUSE_USER_UNKNOWN, CAUSE_CONN_TIMEOUT,
                                        CAUSE_MAILBOX_FULL, CAUSE_CLOSED_SESSION};
    struct insight *insight = *state;
    for (int i = 0; i < 5000; i++) {
        deliver(insight, "contoso.com", 100000 + (uint64_t)i, i * MINUTE);
        if (i % 50 == 0) { // each is delivered at its next try
            enum cause cause = causes[(size_t)i / 50 % ARRAY_LEN(causes)];
            defer(insight, "contoso.com", 200000 + (uint64_t)i, i * MINUTE + SECOND, cause);
            deliver(insight, "contoso.com", 200000 + (uint64_t)i, i * MINUTE + 30 * SECOND);
        }
    }
    assert_int_equal(insight_report(insight)->n_incidents, 0);
}

static void greylisting_of_every_message_is_no_alarm(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 200; i++) {
        struct insight_event event =
            event_of("grey.example", "mx.grey.example", 1 + (uint64_t)i, i * 10 * MINUTE);
        event.arrived_ms = event.at_ms - SECOND;
        event.outcome = OUTCOME_TEMPORARY_FAILURE;
        event.cause = CAUSE_RCPT_GREYLIST;
        insight_take(insight, &event);
        if (i % 2 == 0) // the others go to people who write again and again
            deliver(insight, "grey.example", 1 + (uint64_t)i, i * 10 * MINUTE + 5 * MINUTE);
    }
    assert_int_equal(insight_report(insight)->n_incidents, 0);
}

static void several_fail_in_one_moment(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 100; i++)
        deliver(insight, "contoso.com", 1000 + (uint64_t)i, i * MINUTE);
    for (int i = 0; i < 6; i++) // one connection was lost with what waited behind it
        defer(insight, "contoso.com", 2000 + (uint64_t)i, 100 * MINUTE + i, CAUSE_CLOSED_SESSION);
    for (int i = 0; i < 6; i++)
        deliver(insight, "contoso.com", 2000 + (uint64_t)i, 105 * MINUTE + i);
    assert_int_equal(insight_report(insight)->n_incidents, 0);
}

static void one_message_that_waits_is_late(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 20; i++)
        defer(insight, "gmial.example", 5, i * 30 * MINUTE, CAUSE_CONN_TIMEOUT);
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 0);
    assert_int_equal(report->n_late, 1);
    assert_int_equal(report->late[0].longest_wait_ms, 19 * 30 * MINUTE);
}

static void a_part_of_the_mail_is_throttled(void **state) {
    struct insight *insight = *state;
    uint64_t message = 1;
    for (int i = 0; i < 3000; i++) {
        bool is_within = i >= 1000 && i < 2000;
        if (is_within && i % 3 == 0)
            defer(insight, "big.example", message++, i * MINUTE / 4, CAUSE_THROTTLE);
        else
            deliver(insight, "big.example", message++, i * MINUTE / 4);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    int64_t onset = report->incidents[0].onset_ms - START_MS;
    assert_true(onset >= 249 * MINUTE && onset <= 251 * MINUTE);
    assert_true(report->incidents[0].share > 0.25 && report->incidents[0].share < 0.4);
    assert_int_equal(report->incidents[0].end_ms, START_MS + 2000 * MINUTE / 4 - MINUTE / 4);
}

static void domains_of_one_host_are_one(void **state) {
    struct insight *insight = *state;
    char domain[40];
    for (int i = 0; i < 200; i++) {
        snprintf(domain, sizeof(domain), "d%d.example", i % 20);
        struct insight_event event =
            event_of(domain, i % 2 ? "mx1.hoster.example" : "mx2.hoster.example", 1 + (uint64_t)i,
                     i * MINUTE);
        if (i >= 100) {
            event.outcome = OUTCOME_TEMPORARY_FAILURE;
            event.cause = i % 4 ? CAUSE_CONN_TIMEOUT : CAUSE_CONN_REFUSED;
        }
        insight_take(insight, &event);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_int_equal(report->incidents[0].extent, INSIGHT_SITE);
    assert_true(view_equals(report->incidents[0].name, VIEW("hoster.example")));
    assert_int_equal(report->incidents[0].n_destinations, 20);
    assert_int_equal(report->incidents[0].cause, CAUSE_CONN_TIMEOUT);
    assert_int_equal(report->incidents[0].others[0], CAUSE_CONN_REFUSED);
}

static void all_fail_at_once_and_it_is_ours(void **state) {
    struct insight *insight = *state;
    char domain[40];
    for (int i = 0; i < 3000; i++) {
        bool is_down = i >= 2000 && i < 2200;
        snprintf(domain, sizeof(domain), "company%d.example%d", i % 97, i % 97);
        if (is_down)
            defer(insight, domain, 1 + (uint64_t)i, i * 10 * SECOND, CAUSE_CONN_TIMEOUT);
        else
            deliver(insight, domain, 1 + (uint64_t)i, i * 10 * SECOND);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    const struct insight_incident *incident = &report->incidents[0];
    assert_int_equal(incident->extent, INSIGHT_EVERYTHING);
    assert_int_equal(incident->blame, BLAME_LOCAL);
    assert_in_range(incident->n_destinations, 90, 104); // an estimate
    assert_int_equal(incident->n_attempts, 200);
    assert_int_equal(incident->onset_ms, START_MS + 20000 * SECOND);
    assert_int_equal(incident->end_ms, START_MS + 22000 * SECOND);
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    insight_incident_verdict(incident, &arena, &verdict);
    assert_int_equal(verdict.candidates[0].cause, CAUSE_EGRESS_BLOCKED);
    arena_finish(&arena);
}

static void three_that_refuse_us_speak_of_us(void **state) {
    static const char *const domains[] = {"one.example", "two.test", "three.invalid"};
    struct insight *insight = *state;
    for (int i = 0; i < 60; i++)
        defer(insight, domains[i % 3], 1 + (uint64_t)i, i * MINUTE, CAUSE_DNSBL);
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_int_equal(report->incidents[0].extent, INSIGHT_EVERYTHING);
    assert_int_equal(report->incidents[0].blame, BLAME_SENDER);
    assert_int_equal(report->incidents[0].n_attempts, 60);
}

static void two_logs_of_the_same_time_are_joined(void **state) {
    struct insight *insight = *state;
    for (int log = 0; log < 2; log++) {
        for (int i = 0; i < 100; i++)
            deliver(insight, "contoso.com", 1000 + (uint64_t)i, i * MINUTE);
        for (int i = 0; i < 40; i++)
            defer(insight, "contoso.com", 2000 + (uint64_t)(100 * log + i), (100 + i) * MINUTE,
                  CAUSE_CONN_TIMEOUT);
        for (int i = 0; i < 40; i++)
            deliver(insight, "contoso.com", 4000 + (uint64_t)i, (140 + i) * MINUTE);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_in_range(report->incidents[0].n_messages, 75, 85); // an estimate
    assert_int_equal(report->incidents[0].n_attempts, 80);
}

static void what_is_put_off_belongs_to_it(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 30; i++) {
        defer(insight, "contoso.com", 1 + (uint64_t)i, i * MINUTE, CAUSE_CONN_TIMEOUT);
        struct insight_event event =
            event_of("contoso.com", "", 500 + (uint64_t)i, i * MINUTE + SECOND);
        event.kind = INSIGHT_SUPPRESSED;
        event.cause = CAUSE_CONN_TIMEOUT;
        event.outcome = OUTCOME_TEMPORARY_FAILURE;
        insight_take(insight, &event);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_int_equal(report->incidents[0].n_attempts, 30);
    assert_true(report->incidents[0].n_suppressed >= 27);
    assert_int_equal(report->totals.n_suppressed, 30);
    assert_int_equal(report->totals.n_deferred, 30);
}

static void what_was_not_asked_for_is_not_told(void **state) {
    struct insight *insight = *state;
    for (int i = 0; i < 30; i++) {
        struct insight_event event =
            event_of("contoso.com", "mx.contoso.com", 1 + (uint64_t)i, i * MINUTE);
        event.outcome = OUTCOME_TEMPORARY_FAILURE;
        event.cause = CAUSE_CONN_TIMEOUT;
        event.is_context = true;
        insight_take(insight, &event);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 0);
    assert_int_equal(report->totals.n_deferred, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(an_outage_is_one_incident),
                                       CASE(one_goes_on_at_the_end),
                                       CASE(a_background_is_no_alarm),
                                       CASE(greylisting_of_every_message_is_no_alarm),
                                       CASE(several_fail_in_one_moment),
                                       CASE(one_message_that_waits_is_late),
                                       CASE(a_part_of_the_mail_is_throttled),
                                       CASE(domains_of_one_host_are_one),
                                       CASE(all_fail_at_once_and_it_is_ours),
                                       CASE(three_that_refuse_us_speak_of_us),
                                       CASE(two_logs_of_the_same_time_are_joined),
                                       CASE(what_is_put_off_belongs_to_it),
                                       CASE(what_was_not_asked_for_is_not_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
