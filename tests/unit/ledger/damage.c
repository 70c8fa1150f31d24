// SPDX-License-Identifier: Apache-2.0
// Whatever lies where the ledger's file should be, mail goes on: it is set aside and history begins
// anew.
#include "ledger_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void write_file(const char *bytes, size_t len) {
    int descriptor = open(ledger_file(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, len), len);
    close(descriptor);
}

static void make_database(const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(ledger_file(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void garbage(void) {
    static char bytes[100000];
    memset(bytes, 0xa5, sizeof(bytes));
    write_file(bytes, sizeof(bytes));
}

static void cut_header(void) {
    write_file("SQLite format 3", 15);
}

static void foreign(void) {
    make_database("CREATE TABLE bookmarks(url TEXT); INSERT INTO bookmarks VALUES('x')");
}

static void later_version(void) {
    make_database("PRAGMA application_id=1347570756; PRAGMA user_version=99;"
                  "CREATE TABLE attempt(id INTEGER PRIMARY KEY)");
}

static void own_mark_other_tables(void) {
    make_database("PRAGMA application_id=1347570756; PRAGMA user_version=1;"
                  "CREATE TABLE attempt(id INTEGER PRIMARY KEY)");
}

static void nothing(void) {
}

static void empty(void) {
    write_file("", 0);
}

static const struct {
    const char *what;
    void (*prepare)(void);
    unsigned n_aside;
} file_cases[] = {
    {"no file", nothing, 0},
    {"an empty file", empty, 0},
    {"garbage", garbage, 1},
    {"a cut header", cut_header, 1},
    {"another program's database", foreign, 1},
    {"a later version", later_version, 1},
    {"our mark on other tables", own_mark_other_tables, 1},
};

static void check_works(struct ledger *ledger, unsigned n) {
    char message[32];
    store_delivery(ledger, n);
    snprintf(message, sizeof(message), "M%u", n);
    struct ledger_query query = {.message_id = view_of(message)};
    assert_int_equal(count_answers(ledger, &query), 1);
    assert_true(ledger_counts(ledger).is_healthy);
}

static void file_case_body(void *arg) {
    size_t i = *(size_t *)arg;
    file_cases[i].prepare();
    struct ledger *ledger = open_ledger(NULL);
    check_works(ledger, 1);
    struct answer answer = ask(ledger, &(struct ledger_query){.limit = 1});
    assert_int_equal(answer.history, file_cases[i].n_aside ? LEDGER_INCOMPLETE : LEDGER_COMPLETE);
    arena_finish(&answer.arena);
    if (count_files("ledger.sqlite.damaged-") != file_cases[i].n_aside)
        fail_msg("%s: %u files aside", file_cases[i].what, count_files("ledger.sqlite.damaged-"));
    struct stat status;
    assert_int_equal(stat(ledger_file(), &status), 0);
    assert_int_equal(status.st_mode & 0077, 0);
    ledger_close(ledger);
}

static void files(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(file_cases); i++) {
        make_directory(NULL);
        run_fiber(file_case_body, &i);
        remove_directory(NULL);
    }
}

// Pages in the middle of a large file go bad; whoever meets them first, a query or the writer, has
// it set aside, and what is stored afterwards is found.
static void overwrite_middle(void) {
    static char noise[8192];
    memset(noise, 0x5a, sizeof(noise));
    struct stat status;
    int descriptor = open(ledger_file(), O_RDWR);
    assert_true(descriptor >= 0);
    assert_int_equal(fstat(descriptor, &status), 0);
    for (off_t at = 8192; at < status.st_size; at += 8192)
        assert_int_equal(pwrite(descriptor, noise, sizeof(noise), at), sizeof(noise));
    close(descriptor);
}

static void bad_pages_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    for (unsigned n = 0; n < 2000; n++)
        store_delivery(ledger, n);
    ledger_close(ledger);
    overwrite_middle();
    ledger = open_ledger(NULL);
    for (unsigned n = 5000; n < 5100; n++)
        store_delivery(ledger, n);
    for (unsigned n = 0; n < 100 && count_files("ledger.sqlite.damaged-") == 0; n++) {
        count_answers(ledger, &(struct ledger_query){.limit = 1000});
        io_sleep(io_after(20));
    }
    assert_true(count_files("ledger.sqlite.damaged-") >= 1);
    check_works(ledger, 6000);
    ledger_close(ledger);
}

static void bad_pages(void **state) {
    run_fiber(bad_pages_body, NULL);
}

// The first open of the reader's connection happens after the damage.
static void damage_under_reader_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    for (unsigned n = 0; n < 2000; n++)
        store_delivery(ledger, n);
    count_answers(ledger, &(struct ledger_query){.limit = 1});
    sqlite3 *db = NULL; // empties the write-ahead log, so that reads go to the file
    assert_int_equal(sqlite3_open(ledger_file(), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    sqlite3_close(db);
    overwrite_middle();
    struct answer answer =
        ask(ledger, &(struct ledger_query){.connector = VIEW("world"), .limit = 10000});
    arena_finish(&answer.arena);
    for (unsigned n = 0; n < 100 && count_files("ledger.sqlite.damaged-") == 0; n++) {
        store_delivery(ledger, 3000 + n);
        count_answers(ledger, &(struct ledger_query){.limit = 10000});
    }
    assert_int_equal(count_files("ledger.sqlite.damaged-") > 0, 1);
    check_works(ledger, 7000);
    ledger_close(ledger);
}

static void damage_under_reader(void **state) {
    run_fiber(damage_under_reader_body, NULL);
}

static void no_directory_body(void *arg) {
    struct error error = {0};
    struct ledger_options options = {.path = "/proc/no/such/place"};
    assert_null(ledger_open(&options, &error));
    assert_non_null(strstr(error.text, "/proc/no/such/place"));
}

static void no_directory(void **state) {
    run_fiber(no_directory_body, NULL);
}

// --- No room -------------------------------------------------------------------------------------

static void allow_file_size(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void await_health(struct ledger *ledger, bool is_healthy) {
    io_time deadline = io_after(15000);
    for (unsigned n = 0; ledger_counts(ledger).is_healthy != is_healthy; n++) {
        assert_true(io_now() < deadline);
        store_delivery(ledger, n);
        io_sleep(io_after(5));
    }
}

static void full_disk_body(void *arg) {
    struct ledger_options options = {.queue_bytes_max = 256 << 10};
    struct ledger *ledger = open_ledger(&options);
    check_works(ledger, 100000);
    allow_file_size(128 << 10);
    await_health(ledger, false);
    assert_true(ledger_counts(ledger).reason[0] != '\0');
    for (unsigned n = 0; n < 5000; n++)
        store_delivery(ledger, n); // never waits, never grows
    assert_true(ledger_counts(ledger).queued_bytes < 512 << 10);
    assert_true(ledger_counts(ledger).folded_successes > 0);
    allow_file_size(RLIM_INFINITY);
    await_health(ledger, true);
    check_works(ledger, 100001);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.message_id = VIEW("M100000")}),
                     1);
    assert_int_equal(count_files("ledger.sqlite.damaged-"), 0); // full is not damaged
    ledger_close(ledger);
}

static void full_disk(void **state) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        run_fiber(full_disk_body, NULL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR + 1); // the lines are wanted, not here
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test_setup_teardown(bad_pages, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(damage_under_reader, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(full_disk, make_directory, remove_directory),
        cmocka_unit_test(no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
