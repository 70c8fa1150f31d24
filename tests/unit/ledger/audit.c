// SPDX-License-Identifier: Apache-2.0
// The audit trail: stored once, told when it is on disk, found by target.
#include "ledger_test.h"

static struct ledger_audit a_hold(const char *key, const char *target) {
    return (struct ledger_audit){.key = view_of(key),
                                 .kind = LEDGER_AUDIT_OPERATOR,
                                 .at_ms = io_wall_ms(),
                                 .who = VIEW("uid 0 (root)"),
                                 .action = VIEW("hold"),
                                 .target = view_of(target),
                                 .detail = VIEW("{\"reason\":\"too many\"}"),
                                 .n_affected = 12};
}

struct audit_answer {
    struct arena arena;
    struct ledger_audit *audits;
    size_t n_audits;
};

static struct audit_answer ask_audits(struct ledger *ledger, const struct ledger_query *query) {
    struct audit_answer answer;
    arena_init(&answer.arena, 1 << 20);
    assert_int_equal(ledger_audits(ledger, query, &answer.arena, &answer.audits, &answer.n_audits),
                     LEDGER_COMPLETE);
    return answer;
}

static size_t count_audits(struct ledger *ledger, const struct ledger_query *query) {
    struct audit_answer answer = ask_audits(ledger, query);
    arena_finish(&answer.arena);
    return answer.n_audits;
}

static void store_and_await(struct ledger *ledger, const struct ledger_audit *audit) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct io_mail stored;
    ledger_audit(ledger, audit, mailbox, &stored);
    assert_ptr_equal(io_mailbox_take_all(mailbox, io_after(5000)), &stored);
    io_mailbox_destroy(mailbox);
}

static void check_trail(struct ledger *ledger) {
    struct ledger_audit hold = a_hold("k1", "contoso.com");
    struct ledger_audit remove = a_hold("k2", "MSG7");
    store_and_await(ledger, &hold);
    store_and_await(ledger, &hold); // told again, stored once
    remove.kind = LEDGER_AUDIT_SYSTEM;
    remove.detail = VIEW_NONE;
    ledger_audit(ledger, &remove, NULL, NULL);
    io_sleep(io_after(150));
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.limit = 10}), 2);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.limit = 1}), 1);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.domain = VIEW("other")}), 0);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.message_id = VIEW("MSG7")}), 1);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.until_ms = 5}), 0);
    struct audit_answer answer =
        ask_audits(ledger, &(struct ledger_query){.domain = VIEW("contoso.com")});
    assert_int_equal(answer.n_audits, 1);
    assert_view(answer.audits[0].key, "k1");
    assert_view(answer.audits[0].who, "uid 0 (root)");
    assert_view(answer.audits[0].action, "hold");
    assert_view(answer.audits[0].detail, "{\"reason\":\"too many\"}");
    assert_int_equal(answer.audits[0].kind, LEDGER_AUDIT_OPERATOR);
    assert_int_equal(answer.audits[0].n_affected, 12);
    assert_int_equal(answer.audits[0].at_ms, hold.at_ms);
    arena_finish(&answer.arena);
    answer = ask_audits(ledger, &(struct ledger_query){.limit = 10});
    assert_view(answer.audits[0].key, "k2"); // newest first
    assert_int_equal(answer.audits[0].kind, LEDGER_AUDIT_SYSTEM);
    arena_finish(&answer.arena);
}

static void file_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    check_trail(ledger);
    ledger_close(ledger);
    ledger = open_ledger(NULL);
    struct ledger_audit hold = a_hold("k1", "contoso.com");
    store_and_await(ledger, &hold);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.limit = 10}), 2);
    ledger_close(ledger);
}

static void memory_body(void *arg) {
    struct ledger *ledger = ledger_open_memory();
    check_trail(ledger);
    ledger_close(ledger);
}

static void of_file(void **state) {
    run_fiber(file_body, NULL);
}

static void of_memory(void **state) {
    run_fiber(memory_body, NULL);
}

// What waits when the ledger is closed is written and told.
static void at_close_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct io_mail stored;
    struct ledger_audit hold = a_hold("k9", "contoso.com");
    ledger_audit(ledger, &hold, mailbox, &stored);
    store_delivery(ledger, 1);
    ledger_close(ledger);
    assert_ptr_equal(io_mailbox_take_all(mailbox, io_after(0)), &stored);
    io_mailbox_destroy(mailbox);
    ledger = open_ledger(NULL);
    assert_int_equal(count_audits(ledger, &(struct ledger_query){.limit = 10}), 1);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M1")}), 1);
    ledger_close(ledger);
}

static void at_close(void **state) {
    run_fiber(at_close_body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_file, make_directory, remove_directory),
        cmocka_unit_test(of_memory),
        cmocka_unit_test_setup_teardown(at_close, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
