// SPDX-License-Identifier: Apache-2.0
// What operators do, and what they are told.
#include "stage.h"

static void a_hold_holds_across_a_restart(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", "b@two.test");
    stage_pass(2000);
    struct relay_outcome outcome = stage_act(stage, RELAY_ACTION_HOLD, "one.test");
    assert_int_equal(outcome.n_matched, 1);
    assert_int_equal(outcome.n_done, 1);
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(2 * HOUR);
    stage_restart(stage);
    stage_pass(2 * HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    json_t *why = stage_why(stage, "one.test");
    assert_string_equal(stage_text(why, "messages.0.state"), "held");
    assert_string_equal(stage_text(why, "messages.0.binding.kind"), "hold");
    json_decref(why);
    outcome = stage_act(stage, RELAY_ACTION_RELEASE, "one.test");
    assert_int_equal(outcome.n_done, 1);
    stage_pass(2000);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
    // The stored state says so, too.
    stage_restart(stage);
    stage_pass(HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void a_release_is_stored(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(2000);
    stage_act(stage, RELAY_ACTION_HOLD, "one.test");
    stage_act(stage, RELAY_ACTION_RELEASE, "one.test");
    node_kill(&stage->node, true);
    stage_unplug(stage, STAGE_ONE, false);
    node_start(&stage->node);
    stage_pass(HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void removed_mail_is_gone(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "sender@home.test", "a@one.test", NULL);
    stage->book.messages[number].is_acked = false; // nobody waits for it any more
    stage_pass(2000);
    struct relay_outcome outcome = stage_act(stage, RELAY_ACTION_REMOVE, "one.test");
    assert_int_equal(outcome.n_done, 1);
    stage_unplug(stage, STAGE_ONE, false);
    stage_restart(stage);
    stage_pass(2 * (int64_t)DAY);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    assert_int_equal(stage->n_mails, 0);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
}

static void mail_in_flight_is_removed_when_it_fails(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_SLOW;
    unsigned first = stage_send(stage, "sender@home.test", "full@one.test", NULL);
    stage->book.messages[first].is_acked = false;
    bool is_in_flight = false;
    for (int i = 0; i < 100 && !is_in_flight; i++) {
        stage_pass(200);
        json_t *why = stage_why(stage, "one.test");
        is_in_flight = strcmp(stage_text(why, "messages.0.state"), "in-flight") == 0;
        json_decref(why);
    }
    struct relay_outcome outcome = stage_act(stage, RELAY_ACTION_REMOVE, "one.test");
    assert_int_equal(outcome.n_done, 0);
    assert_int_equal(outcome.n_in_flight, 1);
    assert_int_equal(stage_counts(stage).schedule.messages, 1);
    stage_pass(MINUTE);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
}

static void rejected_mail_is_told(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    for (int i = 0; i < 40; i++)
        stage_send(stage, "sender@home.test", "a@one.test", NULL);
    stage_pass(2000);
    struct relay_outcome outcome = stage_act(stage, RELAY_ACTION_REJECT, "one.test");
    assert_int_equal(outcome.n_done, 40);
    stage_pass(MINUTE);
    assert_int_equal(stage->n_mails, 40);
    assert_non_null(strstr(stage->mail, "Status: 5.7.1"));
    assert_non_null(strstr(stage->mail, "An administrator of this server rejected it"));
    assert_int_equal(stage_rcpt(stage, 39, 0)->n_notices, 1);
}

static void a_retry_does_not_wait(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    stage->receivers[STAGE_TWO].mood = RECEIVER_DEFERS;
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", "b@two.test");
    stage_pass(2000);
    stage_unplug(stage, STAGE_ONE, false);
    stage->receivers[STAGE_TWO].mood = RECEIVER_WELL;
    struct relay_act act = {
        .action = RELAY_ACTION_RETRY, .selector = {.all = true}, .who = VIEW("uid 0 (root)")};
    struct relay_outcome outcome;
    struct error error;
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_int_equal(outcome.n_matched, 2);
    stage_pass(2000);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
    assert_int_equal(stage_rcpt(stage, number, 1)->n_delivered, 1);
}

static void nothing_is_done_that_was_not_counted(struct stage *stage) {
    struct relay_outcome outcome;
    struct error error;
    stage_unplug(stage, STAGE_ONE, true);
    for (int i = 0; i < 3; i++)
        stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(2000);
    struct relay_act act = {.action = RELAY_ACTION_HOLD,
                            .selector = {.connector = VIEW("rest"), .cause = VIEW("conn-refused")},
                            .who = VIEW("uid 0 (root)"),
                            .dry_run = true};
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_int_equal(outcome.n_matched, 3);
    assert_int_equal(outcome.n_messages, 3);
    act.dry_run = false;
    act.expect_max = 2;
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_true(outcome.is_refused);
    assert_int_equal(stage_counts(stage).schedule.held, 0);
    act.expect_max = 3;
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_int_equal(outcome.n_done, 3);
    assert_int_equal(stage_counts(stage).schedule.held, 3);
    act.selector = (struct relay_selector){0};
    assert_false(relay_perform(stage->node.relay, &act, &outcome, &error));
    act.selector.cause = VIEW("no-such-cause");
    assert_false(relay_perform(stage->node.relay, &act, &outcome, &error));
    act.selector = (struct relay_selector){.sender = VIEW("other@home.test")};
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_int_equal(outcome.n_matched, 0);
    act.selector.sender = VIEW("<ME@home.test>");
    act.action = RELAY_ACTION_RELEASE;
    act.expect_max = 0;
    assert_true(relay_perform(stage->node.relay, &act, &outcome, &error));
    assert_int_equal(outcome.n_done, 3);
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(HOUR);
}

static void what_was_done_is_on_record(struct stage *stage) {
    struct ledger_audit *audits = NULL;
    size_t n = 0;
    struct arena arena;
    stage_unplug(stage, STAGE_ONE, true);
    stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(2000);
    stage_act(stage, RELAY_ACTION_HOLD, "one.test");
    // The ledger of this process is gone with it; the next one is told what the spool kept, or has
    // what was stored.
    arena_init(&arena, 1 << 20);
    struct ledger_query query = {.limit = 10};
    ledger_audits(stage->node.ledger, &query, &arena, &audits, &n);
    assert_int_equal(n, 1);
    assert_true(view_equals(audits[0].action, VIEW("hold")));
    assert_true(view_equals(audits[0].target, VIEW("domain one.test")));
    assert_true(view_equals(audits[0].who, VIEW("uid 0 (root)")));
    assert_int_equal(audits[0].n_affected, 1);
    assert_true(view_find(audits[0].detail, VIEW("a test")) < audits[0].detail.len);
    arena_finish(&arena);
    stage_act(stage, RELAY_ACTION_RELEASE, "one.test");
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(HOUR);
}

// --- Questions -----------------------------------------------------------------------------------

static void why_knows_after_a_restart_without_ledger(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    stage_send(stage, "me@home.test", "a@one.test", NULL);
    for (int i = 0; i < 3; i++) {
        stage_pass(2000);
        json_t *why = stage_why(stage, i == 1 ? "A@One.Test" : "ONE.test");
        assert_int_equal(json_integer_value(stage_at(why, "matches")), 1);
        assert_string_equal(stage_text(why, "messages.0.binding.kind"), "lane-backoff");
        assert_string_equal(stage_text(why, "messages.0.recipient"), "a@one.test");
        assert_string_equal(stage_text(why, "messages.0.verdict.cause"), "conn-refused");
        assert_string_equal(stage_text(why, "messages.0.verdict.server.address"), "44.0.0.1");
        assert_string_equal(stage_text(why, "lanes.0.destination"), "mx.one.test");
        assert_true(strlen(stage_text(why, "messages.0.binding.until")) > 0);
        assert_true(strstr(stage_text(why, "lanes.0.status"), "450 4.4.316") != NULL);
        json_decref(why);
        stage_restart(stage); // the stage's ledger is in memory: it begins anew
    }
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(HOUR);
}

static void why_knows_of_routing(struct stage *stage) {
    dns_zone_fail(stage->node.zone, "one.test", FACT_DNS_SERVFAIL);
    stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(MINUTE);
    json_t *why = stage_why(stage, "one.test");
    assert_string_equal(stage_text(why, "messages.0.binding.kind"), "routing");
    assert_string_equal(stage_text(why, "messages.0.verdict.stage"), "dns");
    assert_string_equal(stage_text(why, "lanes.0.kind"), "routing");
    assert_true(strlen(stage_text(why, "messages.0.next_attempt")) > 0);
    json_decref(why);
    dns_zone_fail(stage->node.zone, "one.test", FACT_DNS_OK);
    stage_pass(HOUR);
}

static void why_knows_its_own_retry_time(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_DEFERS;
    stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(2000);
    for (int i = 0; i < 2; i++) {
        json_t *why = stage_why(stage, "me@home.test"); // by sender
        assert_string_equal(stage_text(why, "messages.0.binding.kind"), "retry-time");
        assert_string_equal(stage_text(why, "messages.0.state"), "deferred");
        assert_string_equal(stage_text(why, "messages.0.verdict.stage"), "rcpt");
        assert_string_equal(stage_text(why, "messages.0.verdict.reported.text"), "Try again later");
        json_decref(why);
        stage_restart(stage);
    }
    stage->receivers[STAGE_ONE].mood = RECEIVER_WELL;
    stage_pass(HOUR);
}

static void what_is_gone_is_in_the_ledger(struct stage *stage) {
    stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(MINUTE);
    json_t *why = stage_why(stage, "a@one.test");
    assert_int_equal(json_integer_value(stage_at(why, "matches")), 0);
    assert_true(json_array_size(stage_at(why, "attempts")) > 0);
    json_decref(why);
    struct relay_ask ask = {.question = RELAY_QUESTION_WHY, .text = VIEW("z@one.test")};
    json_decref(stage_ask(stage, &ask, false));
}

static void lists_have_pages(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    for (int i = 0; i < 25; i++)
        stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(2000);
    struct relay_ask ask = {
        .question = RELAY_QUESTION_LIST, .selector = {.domain = VIEW("one.test")}, .limit = 10};
    static const size_t sizes[] = {10, 10, 5};
    char cursor[32] = "", id[SPOOL_ID_TEXT_SIZE] = "";
    for (size_t page = 0; page < 3; page++) {
        ask.cursor = view_of(cursor);
        json_t *list = stage_ask(stage, &ask, true);
        assert_int_equal(json_array_size(stage_at(list, "recipients")), sizes[page]);
        assert_string_not_equal(stage_text(list, "recipients.0.id"), id);
        view_copy_string(view_of(stage_text(list, "recipients.0.id")), id, sizeof id);
        view_copy_string(view_of(stage_text(list, "next")), cursor, sizeof cursor);
        json_decref(list);
    }
    assert_string_equal(cursor, "");
    struct relay_ask show = {.question = RELAY_QUESTION_SHOW, .text = view_of(id)};
    json_t *message = stage_ask(stage, &show, true);
    assert_string_equal(stage_text(message, "sender"), "me@home.test");
    assert_string_equal(stage_text(message, "recipients.0.recipient"), "a@one.test");
    json_decref(message);
    show.text = VIEW("nonsense");
    json_decref(stage_ask(stage, &show, false));
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(HOUR);
}

static void the_queue_has_a_line_for_each_lane(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    dns_zone_fail(stage->node.zone, "two.test", FACT_DNS_SERVFAIL);
    for (int i = 0; i < 5; i++)
        stage_send(stage, "me@home.test", "a@one.test", "b@two.test");
    stage_pass(30 * MINUTE);
    struct relay_ask ask = {.question = RELAY_QUESTION_LANES, .with_ages = true};
    json_t *queue = stage_ask(stage, &ask, true);
    assert_int_equal(json_array_size(stage_at(queue, "lanes")), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *lane = json_array_get(stage_at(queue, "lanes"), i);
        assert_int_equal(json_integer_value(stage_at(lane, "waiting")), 5);
        assert_int_equal(json_integer_value(stage_at(lane, "ages.3.waiting")), 5); // 20 to 40 min
        assert_true(strlen(stage_text(lane, "first_expiry")) > 0);
        assert_true(strlen(stage_text(lane, "status")) > 0);
    }
    assert_int_equal(json_integer_value(stage_at(queue, "totals.recipients")), 10);
    json_decref(queue);
    stage_unplug(stage, STAGE_ONE, false);
    dns_zone_fail(stage->node.zone, "two.test", FACT_DNS_OK);
    stage_pass(2 * HOUR);
}

static void play(void **state) {
    stage_play((void (*)(struct stage *)) * state);
}

#define SCENE(script)                                                                              \
    { #script, play, NULL, NULL, (void *)(uintptr_t)script }

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        SCENE(a_hold_holds_across_a_restart),
        SCENE(a_release_is_stored),
        SCENE(removed_mail_is_gone),
        SCENE(mail_in_flight_is_removed_when_it_fails),
        SCENE(rejected_mail_is_told),
        SCENE(a_retry_does_not_wait),
        SCENE(nothing_is_done_that_was_not_counted),
        SCENE(what_was_done_is_on_record),
        SCENE(why_knows_after_a_restart_without_ledger),
        SCENE(why_knows_of_routing),
        SCENE(why_knows_its_own_retry_time),
        SCENE(what_is_gone_is_in_the_ledger),
        SCENE(lists_have_pages),
        SCENE(the_queue_has_a_line_for_each_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
