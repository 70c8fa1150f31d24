// SPDX-License-Identifier: Apache-2.0
// What is handed in comes back: whole, filtered, newest first, also from sealed partitions and
// after a restart.
#include "ledger_test.h"

#include <errno.h>

// --- Round trip ----------------------------------------------------------------------------------

static void check_round_trip(struct ledger *ledger) {
    struct attempt attempt = an_attempt();
    struct attempt_result results[] = {
        {VIEW("MSG1"), 0, VIEW("anna@example.org"), delivered()},
        {VIEW("MSG1"), 3, VIEW("bert@example.org"), refused(550, "5.1.1 no such user")},
        {VIEW("MSG2"), 0, VIEW("carla@example.org"), refused(450, "4.2.0 greylisted")},
    };
    attempt.fact.elapsed_ms = 12;
    attempt.tls_verify = 20;
    attempt.results = results;
    attempt.n_results = ARRAY_LEN(results);
    ledger_attempt(ledger, &attempt);
    struct answer answer = ask(ledger, &(struct ledger_query){.limit = 5});
    assert_int_equal(answer.history, LEDGER_COMPLETE);
    assert_int_equal(answer.n_attempts, 1);
    const struct attempt *back = &answer.attempts[0];
    assert_int_equal(back->at_ms, attempt.at_ms);
    assert_int_equal(back->elapsed_ms, 31);
    assert_view(back->connector, "world");
    assert_view(back->domain, "example.org");
    assert_view(back->site, "mx.example.org");
    assert_view(back->host, "mx.example.org");
    assert_view(back->helo, "relay.example.net");
    assert_view(back->greeting, "mx.example.org ESMTP");
    assert_view(back->tls, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    assert_int_equal(back->tls_verify, 20);
    assert_true(address_equals_port(&back->peer, &attempt.peer));
    assert_true(address_equals_port(&back->source, &attempt.source));
    assert_int_equal(back->fact.kind, FACT_KIND_OK);
    assert_int_equal(back->fact.elapsed_ms, 12);
    assert_int_equal(back->n_results, 3);
    assert_view(back->results[1].message_id, "MSG1");
    assert_int_equal(back->results[1].rcpt_index, 3);
    assert_view(back->results[1].recipient, "bert@example.org");
    assert_int_equal(back->results[1].fact.reply_code, 550);
    assert_view(back->results[1].fact.text, "5.1.1 no such user");
    assert_view(back->results[2].message_id, "MSG2");
    arena_finish(&answer.arena);
}

static void file_round_trip(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    check_round_trip(ledger);
    ledger_close(ledger);
}

static void memory_round_trip(void *arg) {
    struct ledger *ledger = ledger_open_memory();
    check_round_trip(ledger);
    ledger_close(ledger);
}

static void round_trip(void **state) {
    run_fiber(file_round_trip, NULL);
    run_fiber(memory_round_trip, NULL);
}

// --- Filters -------------------------------------------------------------------------------------

struct filter_case {
    const char *what;
    struct ledger_query query;
    size_t n_attempts, n_results; // in all
};

// Three attempts: two recipients of two domains, one of them refused; a lane failure; a delivery.
static void store_mixture(struct ledger *ledger) {
    struct attempt attempt = an_attempt();
    struct attempt_result mixed[] = {
        {VIEW("MSG1"), 0, VIEW("anna@example.org"), delivered()},
        {VIEW("MSG1"), 1, VIEW("bert@other.example"), refused(550, "5.1.1 no such user")},
    };
    struct attempt_result plain[] = {{VIEW("MSG2"), 0, VIEW("anna@example.org"), delivered()}};
    attempt.at_ms = 1000000;
    attempt.domain = VIEW_NONE;
    attempt.results = mixed;
    attempt.n_results = 2;
    ledger_attempt(ledger, &attempt);
    attempt = an_attempt();
    attempt.at_ms = 2000000;
    attempt.connector = VIEW("partner");
    attempt.site = attempt.domain = VIEW("slow.example");
    attempt.fact = no_connection(ETIMEDOUT);
    ledger_attempt(ledger, &attempt);
    attempt = an_attempt();
    attempt.at_ms = 3000000;
    attempt.results = plain;
    attempt.n_results = 1;
    ledger_attempt(ledger, &attempt);
}

static const struct filter_case filter_cases[] = {
    {"all", {.limit = 0}, 3, 3},
    {"message", {.message_id = VIEW("MSG1")}, 1, 2},
    {"message that is none", {.message_id = VIEW("MSG")}, 0, 0},
    {"recipient", {.recipient = VIEW("anna@example.org")}, 2, 2},
    {"recipient in another case", {.recipient = VIEW("Anna@Example.ORG")}, 2, 2},
    {"domain of an attempt", {.domain = VIEW("slow.example")}, 1, 0},
    {"domain of a recipient", {.domain = VIEW("other.example")}, 1, 1},
    {"domain of several attempts", {.domain = VIEW("example.org")}, 2, 2},
    {"domain, failures", {.domain = VIEW("example.org"), .failures_only = true}, 0, 0},
    {"other domain, failures", {.domain = VIEW("OTHER.example"), .failures_only = true}, 1, 1},
    {"connector", {.connector = VIEW("partner")}, 1, 0},
    {"site", {.site = VIEW("mx.example.org")}, 2, 3},
    {"site, failures", {.site = VIEW("mx.example.org"), .failures_only = true}, 1, 1},
    {"connector, failures", {.connector = VIEW("world"), .failures_only = true}, 1, 1},
    {"failures", {.failures_only = true}, 2, 1},
    {"since", {.since_ms = 2000000}, 2, 1},
    {"until", {.until_ms = 2000000}, 2, 2},
    {"both", {.since_ms = 1500000, .until_ms = 2500000}, 1, 0},
    {"message and wrong connector", {.message_id = VIEW("MSG1"), .connector = VIEW("x")}, 0, 0},
    {"message and recipient",
     {.message_id = VIEW("MSG1"), .recipient = VIEW("bert@other.example")},
     1,
     1},
    {"limit", {.limit = 1}, 1, 1},
};

static void check_filters(struct ledger *ledger) {
    for (size_t i = 0; i < ARRAY_LEN(filter_cases); i++) {
        const struct filter_case *test = &filter_cases[i];
        struct answer answer = ask(ledger, &test->query);
        size_t n_results = 0;
        for (size_t k = 0; k < answer.n_attempts; k++)
            n_results += answer.attempts[k].n_results;
        if (answer.n_attempts != test->n_attempts || n_results != test->n_results)
            fail_msg("%s: %zu attempts, %zu results", test->what, answer.n_attempts, n_results);
        for (size_t k = 1; k < answer.n_attempts; k++)
            assert_true(answer.attempts[k].at_ms < answer.attempts[k - 1].at_ms);
        arena_finish(&answer.arena);
    }
}

static void filters_of_file(void *arg) {
    struct ledger_options options = {.retention_ms = INT64_MAX / 4};
    struct ledger *ledger = open_ledger(&options);
    store_mixture(ledger);
    check_filters(ledger);
    ledger_close(ledger);
    ledger = open_ledger(&options); // from the file alone
    check_filters(ledger);
    ledger_close(ledger);
}

static void filters_of_memory(void *arg) {
    struct ledger *ledger = ledger_open_memory();
    store_mixture(ledger);
    check_filters(ledger);
    ledger_close(ledger);
}

static void filters(void **state) {
    run_fiber(filters_of_file, NULL);
    run_fiber(filters_of_memory, NULL);
}

// --- Partitions ----------------------------------------------------------------------------------

// 100 messages to 100 recipients in each attempt: message MSG<a>-<r> to user<a>-<r>@d<a mod
// 7>.example.
static void store_wide(struct ledger *ledger, unsigned a) {
    char names[100][2][48], domain[32];
    struct attempt_result results[100];
    struct attempt attempt = an_attempt();
    snprintf(domain, sizeof(domain), "d%u.example", a % 7);
    for (unsigned r = 0; r < 100; r++) {
        snprintf(names[r][0], sizeof(names[r][0]), "MSG%u-%u", a, r);
        snprintf(names[r][1], sizeof(names[r][1]), "user%u-%u@%s", a, r, domain);
        results[r] = (struct attempt_result){view_of(names[r][0]), r, view_of(names[r][1]),
                                             a % 500 == 3 && r == 50 ? refused(550, "5.1.1 no")
                                                                     : delivered()};
    }
    attempt.domain = view_of(domain);
    attempt.results = results;
    attempt.n_results = 100;
    ledger_attempt(ledger, &attempt);
}

// 2500 attempts make half a million terms: three partitions and a rest.
enum { N_WIDE = 2500 };

static void check_wide(struct ledger *ledger) {
    for (unsigned a = 0; a < N_WIDE; a += 97) {
        char message[48], recipient[48];
        snprintf(message, sizeof(message), "MSG%u-%u", a, a % 100);
        snprintf(recipient, sizeof(recipient), "USER%u-%u@d%u.example", a, a % 100, a % 7);
        struct answer answer = ask(ledger, &(struct ledger_query){.message_id = view_of(message)});
        assert_int_equal(answer.n_attempts, 1);
        assert_int_equal(answer.attempts[0].n_results, 1);
        assert_int_equal(answer.attempts[0].results[0].rcpt_index, a % 100);
        arena_finish(&answer.arena);
        assert_int_equal(
            count_answers(ledger, &(struct ledger_query){.recipient = view_of(recipient)}), 1);
    }
    struct ledger_query query = {.domain = VIEW("d3.example"), .limit = 10000};
    assert_int_equal(count_answers(ledger, &query), (N_WIDE + 3) / 7);
    query.failures_only = true; // attempts 3, 503, 1003, ...: those whose number is 3 modulo 7
    assert_int_equal(count_answers(ledger, &query), 1);
    query = (struct ledger_query){.failures_only = true, .limit = 10000};
    assert_int_equal(count_answers(ledger, &query), N_WIDE / 500);
    query = (struct ledger_query){.connector = VIEW("world"), .limit = 10000};
    assert_int_equal(count_answers(ledger, &query), N_WIDE);
    query = (struct ledger_query){.message_id = VIEW("MSG0-0")};
    struct answer answer = ask(ledger, &query);
    assert_int_equal(answer.history, LEDGER_COMPLETE);
    arena_finish(&answer.arena);
    assert_int_equal(count_answers(ledger, &(struct ledger_query){.recipient = VIEW("nobody@x")}),
                     0);
}

static void partitions_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    for (unsigned a = 0; a < N_WIDE; a++) {
        store_wide(ledger, a);
        while (ledger_counts(ledger).queued_bytes > 4 << 20) // do not make it fold
            io_sleep(io_after(2));
    }
    check_wide(ledger);
    assert_int_equal(ledger_counts(ledger).stored, N_WIDE);
    ledger_close(ledger);
    ledger = open_ledger(NULL);
    check_wide(ledger);
    store_wide(ledger, N_WIDE); // ids go on
    assert_int_equal(
        count_answers(ledger, &(struct ledger_query){.connector = VIEW("world"), .limit = 10000}),
        N_WIDE + 1);
    ledger_close(ledger);
}

static void partitions(void **state) {
    run_fiber(partitions_body, NULL);
}

// --- Odd input -----------------------------------------------------------------------------------

static void odd_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    struct attempt attempt = an_attempt();
    static char large[8000];
    memset(large, 'x', sizeof(large));
    struct attempt_result results[] = {
        {VIEW("M\0\xff"), 7, VIEW("\xe4@\xff"), refused(554, "\xff\0 no")},
        {VIEW(""), 0, VIEW(""), delivered()},
    };
    attempt.greeting = view_from(large, sizeof(large));
    attempt.connector = attempt.site = attempt.helo = VIEW_NONE;
    attempt.peer = attempt.source = (struct address){.family = ADDRESS_NONE};
    attempt.fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    attempt.results = results;
    attempt.n_results = 2;
    ledger_attempt(ledger, &attempt);
    struct answer answer = ask(ledger, &(struct ledger_query){.message_id = VIEW("M\0\xff")});
    assert_int_equal(answer.n_attempts, 1);
    assert_int_equal(answer.attempts[0].n_results, 1);
    assert_int_equal(answer.attempts[0].greeting.len, sizeof(large));
    assert_int_equal(answer.attempts[0].peer.family, ADDRESS_NONE);
    assert_int_equal(answer.attempts[0].fact.kind, FACT_KIND_NONE);
    assert_int_equal(answer.attempts[0].results[0].recipient.len, 3);
    arena_finish(&answer.arena);
    ledger_close(ledger);
}

static void odd(void **state) {
    run_fiber(odd_body, NULL);
}

// An arena that is too small gives what fits, and says so.
static void small_arena_body(void *arg) {
    struct ledger *ledger = open_ledger(NULL);
    struct arena arena;
    struct attempt *attempts = NULL;
    size_t n_attempts = 0;
    for (unsigned n = 0; n < 50; n++)
        store_delivery(ledger, n);
    arena_init(&arena, 20 << 10);
    struct ledger_query query = {.limit = 50};
    assert_int_equal(ledger_attempts(ledger, &query, &arena, &attempts, &n_attempts),
                     LEDGER_INCOMPLETE);
    assert_in_range(n_attempts, 1, 40);
    assert_view(attempts[0].results[0].message_id, "M49");
    arena_finish(&arena);
    ledger_close(ledger);
}

static void small_arena(void **state) {
    run_fiber(small_arena_body, NULL);
}

// A thousand recipients with long replies do not fit into one row: the rest is counted.
static void too_many_results_body(void *arg) {
    enum { N = 3000 };
    struct ledger *ledger = open_ledger(NULL);
    struct attempt_result *results = calloc(N, sizeof(*results));
    struct attempt attempt = an_attempt();
    static char text[FACT_TEXT_BYTES_MAX + 1];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t i = 0; i < N; i++)
        results[i] = (struct attempt_result){VIEW("MSG1"), (uint32_t)i, VIEW("a@example.org"),
                                             i % 2 ? refused(550, text) : delivered()};
    attempt.results = results;
    attempt.n_results = N;
    ledger_attempt(ledger, &attempt);
    struct answer answer = ask(ledger, &(struct ledger_query){.message_id = VIEW("MSG1")});
    assert_int_equal(answer.history, LEDGER_INCOMPLETE);
    assert_int_equal(answer.n_attempts, 1);
    assert_in_range(answer.attempts[0].n_results, 1000, N - 1);
    size_t missing = N - answer.attempts[0].n_results - answer.attempts[0].n_folded;
    assert_int_equal(ledger_counts(ledger).dropped, missing);
    arena_finish(&answer.arena);
    ledger_close(ledger);
    free(results);
}

static void too_many_results(void **state) {
    run_fiber(too_many_results_body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(filters, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(partitions, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(odd, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(small_arena, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(too_many_results, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
