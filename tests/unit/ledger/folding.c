// SPDX-License-Identifier: Apache-2.0
// When the writer cannot keep up, detail is given up in order and counted; mail's callers never
// wait.
#include "ledger_test.h"

#include <errno.h>
#include <sqlite3.h>

// Somebody with a shell on the file: the writer gets no lock until it is given back.
static sqlite3 *block_writer(void) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(ledger_file(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void release_writer(sqlite3 *db) {
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t one_number(const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(ledger_file(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

enum { QUEUE_BYTES = 256 << 10 };

// Stores until the queue has passed `level` parts of four.
static void fill_queue(struct ledger *ledger, unsigned level) {
    char site[32];
    for (unsigned n = 0; ledger_counts(ledger).queued_bytes < QUEUE_BYTES / 4 * level; n++) {
        snprintf(site, sizeof(site), "filler%u-%u.example", level, n);
        store_lane_failure(ledger, site, ETIMEDOUT);
        assert_true(n < 10000);
    }
}

static void store_partly_delivered(struct ledger *ledger) {
    struct attempt attempt = an_attempt();
    struct attempt_result results[] = {
        {VIEW("MIX1"), 0, VIEW("anna@example.org"), delivered()},
        {VIEW("MIX1"), 1, VIEW("bert@example.org"), refused(550, "5.1.1 no such user")},
    };
    attempt.results = results;
    attempt.n_results = 2;
    ledger_attempt(ledger, &attempt);
}

static void order_body(void *arg) {
    struct ledger_options options = {.queue_bytes_max = QUEUE_BYTES};
    struct ledger *ledger = open_ledger(&options);
    store_delivery(ledger, 1);
    assert_int_equal(
        count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M1"), .limit = 9}), 1);
    sqlite3 *lock = block_writer();

    fill_queue(ledger, 2); // from half on: successes
    struct ledger_counts before = ledger_counts(ledger);
    store_delivery(ledger, 2);
    store_partly_delivered(ledger);
    struct ledger_counts after = ledger_counts(ledger);
    assert_int_equal(after.folded_successes, 2);
    assert_int_equal(after.folded_failures, 0);
    assert_true(after.queued_bytes > before.queued_bytes);

    fill_queue(ledger, 3); // from three quarters on: repeated lane failures
    store_lane_failure(ledger, "down.example", ECONNREFUSED);
    before = ledger_counts(ledger);
    store_lane_failure(ledger, "down.example", ECONNREFUSED);
    store_lane_failure(ledger, "down.example", ECONNREFUSED);
    after = ledger_counts(ledger);
    assert_int_equal(after.folded_failures, 2);
    assert_int_equal(after.queued_bytes, before.queued_bytes);
    store_lane_failure(ledger, "down.example", EHOSTUNREACH); // another way to fail is news
    assert_int_equal(ledger_counts(ledger).folded_failures, 2);
    assert_true(ledger_counts(ledger).queued_bytes > after.queued_bytes);

    fill_queue(ledger, 4); // full: whatever comes
    before = ledger_counts(ledger);
    store_partly_delivered(ledger);
    store_lane_failure(ledger, "late.example", ECONNREFUSED);
    after = ledger_counts(ledger);
    assert_int_equal(after.queued_bytes, before.queued_bytes);
    assert_int_equal(after.dropped - before.dropped, 2);
    assert_int_equal(after.folded_successes - before.folded_successes, 1);

    // A query says that the answer has holes, and waits for nothing long.
    io_time asked_at = io_now();
    struct answer answer = ask_now(ledger, &(struct ledger_query){.message_id = VIEW("M1")});
    assert_int_equal(answer.history, LEDGER_INCOMPLETE);
    assert_true(io_now() - asked_at < 2000);
    arena_finish(&answer.arena);

    release_writer(lock);
    await_written(ledger);
    assert_true(ledger_counts(ledger).is_healthy);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M2")}), 0);
    answer = ask(ledger, &(struct ledger_query){.message_id = VIEW("MIX1")});
    assert_int_equal(answer.n_attempts, 1); // its failure was kept, its success counted
    assert_int_equal(answer.attempts[0].n_results, 1);
    assert_int_equal(answer.attempts[0].n_folded, 1);
    assert_int_equal(answer.history, LEDGER_INCOMPLETE);
    arena_finish(&answer.arena);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.site = VIEW("down.example")}),
                     2);
    after = ledger_counts(ledger);
    ledger_close(ledger);
    assert_int_equal(one_number("SELECT sum(successes) FROM folded"), after.folded_successes);
    assert_int_equal(one_number("SELECT sum(failures) FROM folded"), after.folded_failures);
    assert_int_equal(one_number("SELECT sum(dropped) FROM folded"), after.dropped);
}

static void order(void **state) {
    run_fiber(order_body, NULL);
}

// Folding elsewhere does not make the history of another connector incomplete.
static void scope_body(void *arg) {
    struct ledger_options options = {.queue_bytes_max = QUEUE_BYTES};
    struct ledger *ledger = open_ledger(&options);
    store_delivery(ledger, 0);
    count_answers(ledger, &(struct ledger_query){.limit = 1});
    sqlite3 *lock = block_writer();
    fill_queue(ledger, 2);
    store_delivery(ledger, 1);
    release_writer(lock);
    await_written(ledger);
    struct answer answer = ask(ledger, &(struct ledger_query){.connector = VIEW("partner")});
    assert_int_equal(answer.history, LEDGER_COMPLETE);
    arena_finish(&answer.arena);
    answer = ask(ledger, &(struct ledger_query){.connector = VIEW("world"), .limit = 1});
    assert_int_equal(answer.history, LEDGER_INCOMPLETE);
    arena_finish(&answer.arena);
    answer = ask(ledger, &(struct ledger_query){.until_ms = io_wall_ms() - 600000});
    assert_int_equal(answer.history, LEDGER_COMPLETE); // before that minute
    arena_finish(&answer.arena);
    ledger_close(ledger);
}

static void scope(void **state) {
    run_fiber(scope_body, NULL);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(scope, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
