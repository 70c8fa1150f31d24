// SPDX-License-Identifier: Apache-2.0
// Bounds, estimates, and how a report looks.
#include "insight_test.h"

#include <stdlib.h>

static void places_are_dropped_and_counted(void **state) {
    struct insight *insight = insight_create(&(struct insight_options){.destinations_max = 100});
    char domain[40];
    for (int i = 0; i < 5000; i++) {
        snprintf(domain, sizeof(domain), "d%d.example%d", i, i);
        if (i % 20 == 0)
            deliver(insight, "always.example", 1, i * SECOND);
        deliver(insight, domain, 2, i * SECOND);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->totals.n_delivered, 5250);
    assert_true(report->n_places_dropped >= 4901);
    assert_true(view_equals(report->destinations[0].name, VIEW("always.example")));
    assert_int_equal(report->destinations[0].tally.n_delivered, 250); // used, so it stays
    insight_destroy(insight);
}

static void many_are_estimated(void **state) {
    struct insight *insight = insight_create(&(struct insight_options){0});
    for (int i = 0; i < 20000; i++) {
        uint64_t message = hash_u64((uint64_t)i % 10000 + 1);
        defer(insight, "contoso.com", message, i * SECOND, CAUSE_CONN_TIMEOUT);
    }
    const struct insight_report *report = insight_report(insight);
    assert_int_equal(report->n_incidents, 1);
    assert_in_range(report->incidents[0].n_messages, 9000, 11000);
    assert_in_range(report->n_messages, 9000, 11000);
    insight_destroy(insight);
}

static void delays_are_near(void **state) {
    static const int64_t delays[] = {0, 90, 1000, 60 * SECOND, 7 * HOUR};
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        struct insight *insight = insight_create(&(struct insight_options){0});
        struct insight_event event = event_of("contoso.com", "mx.contoso.com", 1, 0);
        event.arrived_ms = event.at_ms - delays[i];
        insight_take(insight, &event);
        int64_t shown = insight_report(insight)->delay_p50_ms;
        assert_true(llabs(shown - delays[i]) <= delays[i] / 4 + 60);
        insight_destroy(insight);
    }
}

static void a_report_has_text_and_json(void **state) {
    struct insight *insight = insight_create(&(struct insight_options){0});
    struct buffer out;
    struct json_writer json;
    for (int i = 0; i < 30; i++)
        defer(insight, "con\x1btoso.com", 1 + (uint64_t)i, i * MINUTE, CAUSE_CONN_TIMEOUT);
    const struct insight_report *report = insight_report(insight);
    buffer_init(&out, 1 << 20);
    insight_write_text(report, &(struct insight_show){0}, &out);
    struct view text = buffer_view(&out);
    assert_true(view_starts_with(text, VIEW("1 incident, 1 going on, none is yours")));
    assert_true(view_find(text, VIEW("con\\x1btoso.com: Connection timed out")) < text.len);
    assert_true(view_find(text, VIEW("mail.log:")) < text.len);
    assert_true(view_find_char(text, '\x1b') == text.len);
    assert_true(view_find(text, VIEW("nothing was tried there before")) < text.len);
    assert_true(view_find(text, VIEW("; nothing got through since\n")) < text.len);
    assert_true(view_find(text, VIEW("For you")) == text.len);
    deliver(insight, "con\x1btoso.com", 99, 30 * MINUTE);
    buffer_clear(&out);
    report = insight_report(insight);
    struct insight_show show = {.zone_minutes = -210, .side = READER_SIDE_SENDER};
    insight_write_text(report, &show, &out);
    text = buffer_view(&out);
    assert_true(view_find(text, VIEW("When        since 2026-05-12T06:30:00-03:30; last failure "
                                     "2026-05-12T06:59:00-03:30; 1 message got through since\n")) <
                text.len);
    assert_true(view_find(text, VIEW("For you     ")) == text.len); // nobody's fault yet
    buffer_clear(&out);
    json_begin(&json, &out);
    json_object_begin(&json);
    insight_write_json_members(report, &(struct insight_show){0}, &json);
    json_object_end(&json);
    text = buffer_view(&out);
    assert_true(view_find(text, VIEW("\"cause\":\"conn-timeout\"")) < text.len ||
                view_find(text, VIEW("\"cause\": \"conn-timeout\"")) < text.len);
    assert_false(out.overflow);
    buffer_finish(&out);
    insight_destroy(insight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_dropped_and_counted), cmocka_unit_test(many_are_estimated),
        cmocka_unit_test(delays_are_near), cmocka_unit_test(a_report_has_text_and_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
