// SPDX-License-Identifier: Apache-2.0
// What becomes of mail: delivered, deferred, bounced, expired; across stops, kills and a disk that
// fails.
#include "stage.h"

static void mail_is_delivered(struct stage *stage) {
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", "b@two.test");
    stage_pass(1000);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
    assert_int_equal(stage_rcpt(stage, number, 1)->n_delivered, 1);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
    assert_int_equal(stage_counts(stage).delivered, 2);
}

static void domains_of_one_site_share_a_connection(struct stage *stage) {
    for (int i = 0; i < 3; i++) {
        stage_send(stage, "me@home.test", "a@one.test", "b@too.one.test");
        stage_pass(200);
    }
    assert_int_equal(stage->receivers[STAGE_ONE].n_messages, 3);
    assert_int_equal(stage->receivers[STAGE_ONE].n_connections, 1);
}

static void deferred_mail_is_tried_again(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_DEFERS;
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(MINUTE);
    stage->receivers[STAGE_ONE].mood = RECEIVER_WELL;
    assert_int_equal(stage_counts(stage).schedule.waiting, 1);
    stage_pass(3 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    stage_pass(2 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void a_deferral_survives_a_restart(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_DEFERS;
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(MINUTE);
    stage->receivers[STAGE_ONE].mood = RECEIVER_WELL;
    stage_restart(stage);
    stage_pass(MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    stage_pass(4 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

// --- Notices -------------------------------------------------------------------------------------

static void says(const struct stage *stage, const char *text) {
    if (strstr(stage->mail, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, stage->mail);
}

static void a_refusal_is_told_to_the_sender(struct stage *stage) {
    unsigned number = stage_send(stage, "sender@home.test", "gone@one.test", NULL);
    stage_pass(2000);
    assert_int_equal(stage->n_mails, 1);
    assert_string_equal(stage->mail_from, "");
    says(stage, "Final-Recipient: rfc822; gone@one.test\r\n");
    says(stage, "Action: failed\r\n");
    says(stage, "Status: 5.1.1\r\n");
    says(stage, "Diagnostic-Code: smtp; 550 5.1.1 No such mailbox\r\n");
    says(stage, "Remote-MTA: dns; mx.one.test\r\n");
    says(stage, "Auto-Submitted: auto-replied\r\n");
    says(stage, "X-Sim: 0\r\n");                   // the header of the original
    assert_null(strstr(stage->mail, "000000000")); // and nothing of its body
    assert_int_equal(stage_rcpt(stage, number, 0)->n_notices, 1);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
}

static void what_routing_refuses_is_told_in_our_words(struct stage *stage) {
    stage_send(stage, "sender@home.test", "a@nowhere.test", NULL);
    stage_pass(2000);
    assert_int_equal(stage->n_mails, 1);
    says(stage, "Diagnostic-Code: x-postrider;");
    says(stage, "Status: 5.4.4\r\n");
    stage_send(stage, "sender@home.test", "a@null.test", NULL);
    stage_pass(2000);
    assert_int_equal(stage->n_mails, 2);
    says(stage, "Status: 5.1.10\r\n");
}

static void expired_mail_is_told_with_its_cause(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "sender@home.test", "a@one.test", NULL);
    stage_pass(5 * HOUR);
    assert_int_equal(stage->n_mails, 1);
    says(stage, "Action: delayed\r\n");
    says(stage, "Will-Retry-Until:");
    stage_pass(18 * HOUR);
    assert_int_equal(stage->n_mails, 1);
    stage_pass(2 * HOUR);
    assert_int_equal(stage->n_mails, 2);
    says(stage, "Action: failed\r\n");
    says(stage, "Status: 4.4.7\r\n");
    says(stage, "X-Postrider-Cause: 550 5.4.316 conn-refused\r\n");
    assert_int_equal(stage_rcpt(stage, number, 0)->n_notices, 1);
}

static void a_warning_comes_once_across_restarts(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    stage_send(stage, "sender@home.test", "a@one.test", NULL);
    for (int i = 0; i < 10; i++) {
        stage_pass(HOUR);
        stage_restart(stage);
    }
    assert_int_equal(stage->n_mails, 1);
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(3 * HOUR);
}

static void mail_from_nobody_causes_no_mail(struct stage *stage) {
    stage_send(stage, "", "gone@one.test", NULL);
    stage_send(stage, "", "a@nowhere.test", NULL);
    stage_pass(MINUTE);
    assert_int_equal(stage->n_mails, 0);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
    assert_int_equal(stage_counts(stage).notices_suppressed, 2);
}

static void mail_in_a_circle_ends(struct stage *stage) {
    unsigned number = book_open(&stage->book, true);
    book_add_rcpt(&stage->book, number, "a@one.test");
    struct client_mail mail = {.number = number, .sender = "sender@home.test", .n_received = 51};
    client_send(&stage->book, &stage->node.address, &mail); // the server may refuse it itself
    stage_pass(MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    assert_int_equal(stage_counts(stage).schedule.messages, 0);
}

static void mail_that_may_have_arrived_waits_for_hours(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_LOSES_REPLY;
    unsigned number = stage_send(stage, "sender@home.test", "a@one.test", NULL);
    stage_pass(30 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 2);
    stage_pass(90 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 2);
    stage_pass(HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 3);
    stage_pass(4 * (int64_t)DAY);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 5); // and 4 and 8 hours later
    says(stage, "It may have been delivered 5 times");
}

// --- Trouble of our own --------------------------------------------------------------------------

static void a_stop_waits_for_what_is_under_way(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_SLOW;
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(9 * 1000); // greeting and EHLO are over
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    stage_restart(stage);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
    stage_pass(HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void a_stop_does_not_wait_for_ever(struct stage *stage) {
    stage->receivers[STAGE_ONE].mood = RECEIVER_SILENT;
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(1000);
    io_time start = io_now();
    node_stop(&stage->node);
    assert_true(io_now() - start < 40 * 1000);
    stage->receivers[STAGE_ONE].mood = RECEIVER_WELL;
    node_start(&stage->node);
    stage_pass(10 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void a_kill_loses_nothing(struct stage *stage) {
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", "gone@two.test");
    node_kill(&stage->node, true);
    book_killed(&stage->book);
    stage_unplug(stage, STAGE_ONE, false);
    node_start(&stage->node);
    stage_pass(10 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

// What cannot be settled must not be sent: it would be sent again.
static void no_delivery_starts_when_results_cannot_be_stored(struct stage *stage) {
    struct sim_disk_rule broken = {.sync_error = 10000}, well = {0};
    stage_unplug(stage, STAGE_ONE, true);
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(1000);
    sim_disk_rule(stage->sim, &broken);
    struct client_mail refused = {.number = book_open(&stage->book, true),
                                  .sender = "me@home.test"};
    book_add_rcpt(&stage->book, refused.number, "b@two.test");
    assert_false(client_send(&stage->book, &stage->node.address, &refused));
    stage_unplug(stage, STAGE_ONE, false);
    stage_pass(HOUR);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 0);
    assert_false(stage_counts(stage).settles);
    json_t *why = stage_why(stage, "one.test");
    assert_string_equal(stage_text(why, "messages.0.binding.kind"), "spool-failed");
    json_decref(why);
    sim_disk_rule(stage->sim, &well);
    stage_restart(stage);
    stage_pass(10 * MINUTE);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

// A settlement that the spool refused is handed in again until it is durable, for as long as one
// segment takes it; a stage where that comes about is sought.
static void a_refused_settlement_is_handed_in_again(struct stage *stage) {
    struct sim_disk_rule shaky = {.sync_error = 6000}, well = {0};
    bool was_seen = false;
    stage->receivers[STAGE_ONE].mood = RECEIVER_SLOW;
    for (int i = 0; i < 30 && !was_seen; i++) {
        uint64_t n_before = stage->receivers[STAGE_ONE].n_messages;
        unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
        while (stage->receivers[STAGE_ONE].n_messages == n_before)
            stage_pass(10);
        sim_disk_rule(stage->sim, &shaky);
        stage_pass(4000); // the reply, and its settlement
        sim_disk_rule(stage->sim, &well);
        struct spool_health health = spool_health(stage->node.spool);
        was_seen = !health.accepts && health.settles;
        if (was_seen) {
            stage_pass(10 * 1000);
            assert_int_equal(stage_counts(stage).schedule.messages, 0);
        }
        book_killed(&stage->book); // what was not settled comes again
        stage_restart(stage);
        stage_pass(10 * MINUTE);
        if (was_seen)
            assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
    }
    assert_true(was_seen);
}

static void a_new_configuration_frees_mail(struct stage *stage) {
    static const char broken[] =
        "hostname = \"relay.test\"\naccept_from = { \"0.0.0.0/0\" }\n"
        "connector \"rest\" { domains = \"*\" smart_hosts = { \"44.0.0.99\" } }\n";
    stage->node.config_text = broken;
    node_reload(&stage->node);
    unsigned number = stage_send(stage, "me@home.test", "a@one.test", NULL);
    stage_pass(MINUTE);
    json_t *why = stage_why(stage, "one.test");
    assert_string_equal(stage_text(why, "messages.0.binding.kind"), "lane-backoff");
    json_decref(why);
    stage->node.config_text = stage_config;
    node_reload(&stage->node);
    stage_pass(2000);
    assert_int_equal(stage_rcpt(stage, number, 0)->n_delivered, 1);
}

static void play(void **state) {
    stage_play((void (*)(struct stage *)) * state);
}

#define SCENE(script)                                                                              \
    { #script, play, NULL, NULL, (void *)(uintptr_t)script }

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        SCENE(mail_is_delivered),
        SCENE(domains_of_one_site_share_a_connection),
        SCENE(deferred_mail_is_tried_again),
        SCENE(a_deferral_survives_a_restart),
        SCENE(a_refusal_is_told_to_the_sender),
        SCENE(what_routing_refuses_is_told_in_our_words),
        SCENE(expired_mail_is_told_with_its_cause),
        SCENE(a_warning_comes_once_across_restarts),
        SCENE(mail_from_nobody_causes_no_mail),
        SCENE(mail_in_a_circle_ends),
        SCENE(mail_that_may_have_arrived_waits_for_hours),
        SCENE(a_stop_waits_for_what_is_under_way),
        SCENE(a_stop_does_not_wait_for_ever),
        SCENE(a_kill_loses_nothing),
        SCENE(no_delivery_starts_when_results_cannot_be_stored),
        SCENE(a_refused_settlement_is_handed_in_again),
        SCENE(a_new_configuration_frees_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
