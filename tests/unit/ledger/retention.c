// SPDX-License-Identifier: Apache-2.0
// The file stays within its age and size: the oldest go, in steps, and the answers say where
// history ends too early.
#include "ledger_test.h"

#include <sqlite3.h>
#include <sys/stat.h>

static void store_at(struct ledger *ledger, int64_t at_ms, const char *site) {
    struct attempt attempt = an_attempt();
    attempt.at_ms = at_ms;
    attempt.site = view_of(site);
    attempt.fact = no_connection(110);
    ledger_attempt(ledger, &attempt);
}

static size_t count_site(struct ledger *ledger, const char *site) {
    return count_answers(ledger, &(struct ledger_query){.site = view_of(site), .limit = 10000});
}

static void by_age_body(void *arg) {
    struct ledger_options options = {.retention_ms = 10 * DAY_MS};
    struct ledger *ledger = open_ledger(&options);
    for (unsigned n = 0; n < 2000; n++)
        store_at(ledger, io_wall_ms() - 11 * DAY_MS, "old.example");
    for (unsigned n = 0; n < 100; n++)
        store_at(ledger, io_wall_ms() - 9 * DAY_MS, "young.example");
    io_time deadline = io_after(10000);
    while (count_site(ledger, "old.example") > 0 && io_now() < deadline)
        io_sleep(io_after(20));
    assert_int_equal(count_site(ledger, "old.example"), 0);
    assert_int_equal(count_site(ledger, "young.example"), 100);
    struct answer answer = ask(ledger, &(struct ledger_query){.site = VIEW("old.example")});
    assert_int_equal(answer.history, LEDGER_COMPLETE); // nobody promised more
    arena_finish(&answer.arena);
    ledger_close(ledger);
}

static void by_age(void **state) {
    run_fiber(by_age_body, NULL);
}

// Many small deliveries, so that whole partitions of the index are forgotten too.
static void store_many(struct ledger *ledger, unsigned n_attempts) {
    static unsigned next;
    for (unsigned i = 0; i < n_attempts; i++) {
        char ids[50][24], names[50][40];
        struct attempt attempt = an_attempt();
        struct attempt_result results[50];
        for (unsigned r = 0; r < 50; r++, next++) {
            snprintf(ids[r], sizeof(ids[r]), "M%u", next);
            snprintf(names[r], sizeof(names[r]), "user%u@example.org", next);
            results[r] =
                (struct attempt_result){view_of(ids[r]), 0, view_of(names[r]), delivered()};
        }
        attempt.results = results;
        attempt.n_results = 50;
        ledger_attempt(ledger, &attempt);
        while (ledger_counts(ledger).queued_bytes > 4 << 20)
            io_sleep(io_after(2));
    }
}

static uint64_t file_size(void) {
    struct stat status;
    assert_int_equal(stat(ledger_file(), &status), 0);
    return (uint64_t)status.st_size;
}

static void by_size_body(void *arg) {
    enum { MEGABYTE = 1 << 20 };
    struct ledger_options options = {.size_bytes_max = 12 * MEGABYTE};
    struct ledger *ledger = open_ledger(&options);
    store_many(ledger, 6000); // 300,000 recipients: about 27 MB
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M299999")}),
                     1);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M5")}), 0);
    struct answer answer = ask(ledger, &(struct ledger_query){.message_id = VIEW("M5")});
    assert_int_equal(answer.history, LEDGER_INCOMPLETE);
    arena_finish(&answer.arena);
    int64_t now_ms = io_wall_ms();
    io_sleep(io_after(1100)); // the file's size is looked at once a second
    store_many(ledger, 1);
    answer = ask(ledger, &(struct ledger_query){.since_ms = now_ms, .limit = 1});
    assert_int_equal(answer.history, LEDGER_COMPLETE);
    arena_finish(&answer.arena);
    // The log beside the file is as long as the largest transaction was, so only the file is held
    // to the limit; what it passes it by is the rows of one transaction.
    io_time deadline = io_after(10000);
    while (ledger_counts(ledger).file_bytes < 8 * MEGABYTE && io_now() < deadline)
        io_sleep(io_after(20));
    assert_true(ledger_counts(ledger).file_bytes >= 8 * MEGABYTE);
    ledger_close(ledger);
    assert_in_range(file_size(), 8 * MEGABYTE, 24 * MEGABYTE);
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(ledger_file(), &db), SQLITE_OK);
    sqlite3_prepare_v2(db,
                       "SELECT (SELECT min(first_id) FROM part) + 3000 > min(id),"
                       " (SELECT count(*) FROM posting WHERE place >> 32 NOT IN"
                       " (SELECT number FROM part)) FROM attempt",
                       -1, &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 1); // no old partition is left behind
    assert_int_equal(sqlite3_column_int(statement, 1), 0); // no chunk without its partition
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void by_size(void **state) {
    run_fiber(by_size_body, NULL);
}

// A smaller limit after a restart: the file shrinks while nothing comes.
static void shrinking_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    store_many(ledger, 5000);
    ledger_close(ledger);
    uint64_t before = file_size();
    assert_true(before > 20 << 20);
    struct ledger_options options = {.size_bytes_max = 2 << 20};
    ledger = open_ledger(&options);
    io_time deadline = io_after(30000);
    while (file_size() > before - (8 << 20) && io_now() < deadline)
        io_sleep(io_after(50));
    assert_true(file_size() <= before - (8 << 20));
    ledger_close(ledger);
}

static void shrinking(void **state) {
    run_fiber(shrinking_body, NULL);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_age, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(by_size, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(shrinking, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
