// SPDX-License-Identifier: Apache-2.0
// What the tests of the ledger share: a directory that goes away, attempts by the dozen, questions.
#ifndef TESTS_LEDGER_TEST_H
#define TESTS_LEDGER_TEST_H

#include "ledger/ledger.h"

#include "base/log.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)

// Runs `body` in a fiber on a loop of its own until every fiber has ended.
static inline void run_fiber(void (*body)(void *arg), void *arg) {
    struct error error;
    struct io_loop_options options = {.name = "test"};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", body, arg);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

static char test_directory[64];

static inline int make_directory(void **state) {
    snprintf(test_directory, sizeof(test_directory), "/tmp/ledger-test-XXXXXX");
    return mkdtemp(test_directory) ? 0 : -1;
}

static inline int remove_directory(void **state) {
    DIR *directory = opendir(test_directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", test_directory, entry->d_name);
        unlink(path);
    }
    if (directory)
        closedir(directory);
    return rmdir(test_directory);
}

// Number of files whose name begins so.
static inline unsigned count_files(const char *prefix) {
    unsigned n = 0;
    DIR *directory = opendir(test_directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(directory);
    return n;
}

static inline const char *ledger_file(void) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/ledger.sqlite", test_directory);
    return path;
}

static inline struct ledger *open_ledger(const struct ledger_options *options) {
    struct ledger_options own = options ? *options : (struct ledger_options){0};
    struct error error = {0};
    own.path = test_directory;
    struct ledger *ledger = ledger_open(&own, &error);
    if (!ledger)
        fail_msg("%s", error.text);
    return ledger;
}

static inline struct fact delivered(void) {
    struct fact fact = fact_make(FACT_STAGE_DOT, FACT_KIND_OK);
    fact.reply_code = 250;
    fact.text = VIEW("2.0.0 Ok: queued as 4711");
    return fact;
}

static inline struct fact refused(int code, const char *text) {
    struct fact fact = fact_make(FACT_STAGE_RCPT, FACT_KIND_REPLY);
    fact.reply_code = code;
    fact.text = view_of(text);
    return fact;
}

static inline struct fact no_connection(int sys_errno) {
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_ERRNO);
    fact.sys_errno = sys_errno;
    return fact;
}

// One attempt at example.org's only host; the caller changes what it is about.
static inline struct attempt an_attempt(void) {
    struct attempt attempt = {.at_ms = io_wall_ms(),
                              .elapsed_ms = 31,
                              .connector = VIEW("world"),
                              .domain = VIEW("example.org"),
                              .site = VIEW("mx.example.org"),
                              .host = VIEW("mx.example.org"),
                              .helo = VIEW("relay.example.net"),
                              .greeting = VIEW("mx.example.org ESMTP"),
                              .tls = VIEW("TLSv1.3 TLS_AES_256_GCM_SHA384"),
                              .fact = fact_make(FACT_STAGE_QUIT, FACT_KIND_OK)};
    assert_true(address_parse_port(VIEW("192.0.2.7:25"), &attempt.peer));
    assert_true(address_parse(VIEW("2001:db8::5"), &attempt.source));
    return attempt;
}

// Delivers message "M<n>" to "user<n>@example.org".
static inline void store_delivery(struct ledger *ledger, unsigned n) {
    char message[32], recipient[64];
    struct attempt attempt = an_attempt();
    struct attempt_result result = {.rcpt_index = 0, .fact = delivered()};
    snprintf(message, sizeof(message), "M%u", n);
    snprintf(recipient, sizeof(recipient), "user%u@example.org", n);
    result.message_id = view_of(message);
    result.recipient = view_of(recipient);
    attempt.results = &result;
    attempt.n_results = 1;
    ledger_attempt(ledger, &attempt);
}

static inline void store_lane_failure(struct ledger *ledger, const char *site, int sys_errno) {
    struct attempt attempt = an_attempt();
    attempt.site = view_of(site);
    attempt.domain = view_of(site);
    attempt.fact = no_connection(sys_errno);
    ledger_attempt(ledger, &attempt);
}

struct answer {
    struct arena arena;
    struct attempt *attempts;
    size_t n_attempts;
    enum ledger_history history;
};

static inline struct answer ask_now(struct ledger *ledger, const struct ledger_query *query) {
    struct answer answer;
    arena_init(&answer.arena, 96 << 20);
    answer.history =
        ledger_attempts(ledger, query, &answer.arena, &answer.attempts, &answer.n_attempts);
    return answer;
}

static inline void await_written(struct ledger *ledger) {
    io_time deadline = io_after(20000);
    while (ledger_counts(ledger).queued_bytes > 0 && io_now() < deadline)
        io_sleep(io_after(1));
    assert_int_equal(ledger_counts(ledger).queued_bytes, 0);
}

// On a slow machine the writer may take longer than a query is willing to wait.
static inline struct answer ask(struct ledger *ledger, const struct ledger_query *query) {
    await_written(ledger);
    return ask_now(ledger, query);
}

static inline size_t count_answers(struct ledger *ledger, const struct ledger_query *query) {
    struct answer answer = ask(ledger, query);
    arena_finish(&answer.arena);
    return answer.n_attempts;
}

#define assert_view(actual, expected)                                                              \
    do {                                                                                           \
        struct view view_ = (actual);                                                              \
        assert_int_equal(view_.len, strlen(expected));                                             \
        assert_memory_equal(view_.ptr ? view_.ptr : "", expected, view_.len);                      \
    } while (0)

#endif
