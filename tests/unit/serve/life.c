// SPDX-License-Identifier: Apache-2.0
// Listeners that go, configurations that change, the counters, and the limits under many threads.
#include "serve/limits.h"
#include "unit/serve/serve_test.h"

#include <pthread.h>

// A session outlives its listener; nobody else comes in.
static void unlisten(struct bed *bed, void *arg) {
    struct bed_client client;
    struct io_stream *stream = NULL;
    bed_client_greet(&client, bed);
    serve_unlisten(bed->serve, "other");
    io_sleep(io_after(10));
    bed_client_close(&client);
    bed_client_greet(&client, bed);
    serve_unlisten(bed->serve, "test");
    io_sleep(io_after(10));
    struct io_result result = io_connect(&bed->address, NULL, io_after(1000), &stream);
    assert_int_equal(result.sys_errno, ECONNREFUSED);
    begin_message(&client);
    assert_starts(bed_ask(&client, "x\r\n."), "250 ");
    bed_client_close(&client);
}

static void a_session_outlives_its_listener(void **state) {
    run_in_pieces(0, unlisten, NULL);
}

// A session keeps the configuration that it began with.
static void change_config(struct bed *bed, void *arg) {
    struct bed_client before, after;
    struct buffer problems;
    buffer_init(&problems, 4096);
    bed_client_greet(&before, bed);
    struct config *old = bed->config, *new = config_load(NULL, &problems);
    new->hostname = "new.example.net";
    new->max_message_size = 100000;
    new->n_accept_from = 0;
    bed->config = new;
    config_unref(old);
    bed_client_greet(&after, bed);
    assert_string_equal(bed_ask(&before, "HELO x"), "250 relay.example.net");
    begin_message(&before);
    assert_starts(bed_ask(&before, "x\r\n."), "250 ");
    assert_string_equal(bed_ask(&after, "HELO x"), "250 new.example.net");
    assert_starts(bed_ask(&after, "MAIL FROM:<a@a.example>"), "250 ");
    assert_starts(bed_ask(&after, "RCPT TO:<b@b.example>"), "550 5.7.1 ");
    bed_client_close(&before);
    bed_client_close(&after);
    buffer_finish(&problems);
}

static void a_session_keeps_its_configuration(void **state) {
    run_in_pieces(0, change_config, NULL);
}

static void count(struct bed *bed, void *arg) {
    struct bed_client client;
    bed_client_greet(&client, bed);
    begin_message(&client);
    assert_starts(bed_ask(&client, "hello\r\n."), "250 ");
    begin_message(&client);
    assert_starts(bed_ask(&client, "hello\nbare\r\n."), "550 ");
    struct serve_counts counts = serve_counts(bed->serve);
    assert_int_equal(counts.sessions_now, 1);
    assert_int_equal(counts.sessions, 1);
    assert_int_equal(counts.messages, 1);
    assert_int_equal(counts.recipients, 1);
    assert_int_equal(counts.rejected_messages, 1);
    assert_int_equal(counts.refused, 0);
    assert_int_equal(counts.bytes, spool_body_size(bed->newest->body));
    bed_client_close(&client);
}

static void the_counters(void **state) {
    run_in_pieces(0, count, NULL);
}

// The client hears 250 when the message is durable and not before.
static void commit_slowly(struct bed *bed, void *arg) {
    struct bed_client client;
    bed_client_greet(&client, bed);
    for (int i = 0; i < 20; i++) {
        uint64_t syncs = spool_health(bed->spool).syncs;
        begin_message(&client);
        assert_starts(bed_ask(&client, "hello\r\n."), "250 ");
        assert_true(spool_health(bed->spool).syncs > syncs);
    }
    bed_client_close(&client);
}

static void no_250_before_the_sync(void **state) {
    struct bed_options options = {.sync_ms_max = 3000, .body = commit_slowly};
    bed_run(&options);
}

// What is known to be refused is not kept until its end.
static void refuse_early(struct bed *bed, void *arg) {
    struct bed_client client;
    char piece[4096];
    memset(piece, 'x', sizeof(piece));
    bed_client_greet(&client, bed);
    begin_message(&client);
    for (int i = 0; i < 20; i++)
        assert_true(bed_send(&client, view_from(piece, sizeof(piece))));
    io_sleep(io_after(100));
    assert_true(spool_health(bed->spool).memory_bytes >= 20 * sizeof(piece));
    assert_true(bed_send(&client, VIEW("\nbare")));
    io_sleep(io_after(100));
    assert_int_equal(spool_health(bed->spool).memory_bytes, 0);
    assert_starts(bed_ask(&client, "\r\n."), "550 5.6.0 ");
    bed_client_close(&client);
}

static void refused_mail_takes_no_memory(void **state) {
    run_in_pieces(0, refuse_early, NULL);
}

// What stands in a reply may come from elsewhere.
static void refuse_oddly(struct bed *bed, void *arg) {
    struct bed_client client;
    view_copy_string(VIEW("gone.example"), bed->refused_domain, sizeof(bed->refused_domain));
    view_copy_string(VIEW("no\r\n250 way \xc3\xbc"), bed->refusal, sizeof(bed->refusal));
    bed_client_greet(&client, bed);
    assert_starts(bed_ask(&client, "MAIL FROM:<a@a.example>"), "250 ");
    assert_string_equal(bed_ask(&client, "RCPT TO:<b@GONE.example>"), "550 5.4.4 no??250 way ??");
    assert_in_step(&client);
    bed_client_close(&client);
}

static void a_reply_is_one_line(void **state) {
    run_in_pieces(0, refuse_oddly, NULL);
}

// --- Limits --------------------------------------------------------------------------------------
enum { THREADS = 4, ROUNDS = 20000, SESSIONS_MAX = 7, PER_CLIENT_MAX = 2 };

struct crowd {
    struct serve_limits *limits;
    struct config config;
    unsigned first;
    atomic_uint *n_inside;
};

static void *come_and_go(void *arg) {
    struct crowd *crowd = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct address client = {.family = ADDRESS_IPV4};
        client.bytes[3] = (unsigned char)((crowd->first + i) % 5);
        bool is_stranger = client.bytes[3] == 4;
        enum serve_admission admission =
            serve_limits_enter(crowd->limits, &client, is_stranger, &crowd->config);
        if (admission != SERVE_ADMITTED)
            continue;
        unsigned n = atomic_fetch_add(crowd->n_inside, 1) + 1;
        ASSERT(n <= SESSIONS_MAX);
        atomic_fetch_sub(crowd->n_inside, 1);
        serve_limits_leave(crowd->limits, &client, is_stranger);
    }
    return NULL;
}

static void limits_of_many_threads(void **state) {
    pthread_t threads[THREADS];
    struct crowd crowds[THREADS];
    atomic_uint n_inside = 0;
    struct serve_limits *limits = serve_limits_create();
    for (unsigned i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.limits = limits, .first = i, .n_inside = &n_inside};
        crowds[i].config.max_sessions = SESSIONS_MAX;
        crowds[i].config.max_sessions_per_client = PER_CLIENT_MAX;
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    serve_limits_destroy(limits); // asserts that nobody is inside
}

static void limits_one_by_one(void **state) {
    struct serve_limits *limits = serve_limits_create();
    struct config config = {.max_sessions = 8, .max_sessions_per_client = 2};
    struct address client = {.family = ADDRESS_IPV4}, stranger = client;
    for (unsigned i = 0; i < 3; i++) {
        stranger.bytes[0] = (unsigned char)(10 + i);
        assert_int_equal(serve_limits_enter(limits, &stranger, true, &config), SERVE_ADMITTED);
    }
    stranger.bytes[0] = 20;
    assert_int_equal(serve_limits_enter(limits, &stranger, true, &config), SERVE_FULL);
    for (unsigned i = 0; i < 5; i++) {
        client.bytes[0] = (unsigned char)(100 + i / 2);
        assert_int_equal(serve_limits_enter(limits, &client, false, &config), SERVE_ADMITTED);
    }
    assert_int_equal(serve_limits_enter(limits, &client, false, &config), SERVE_FULL);
    client.bytes[0] = 100;
    config.max_sessions = 100;
    assert_int_equal(serve_limits_enter(limits, &client, false, &config), SERVE_FULL_FOR_CLIENT);
    for (unsigned i = 0; i < 5; i++) {
        client.bytes[0] = (unsigned char)(100 + i / 2);
        serve_limits_leave(limits, &client, false);
    }
    for (unsigned i = 0; i < 3; i++) {
        stranger.bytes[0] = (unsigned char)(10 + i);
        serve_limits_leave(limits, &stranger, true);
    }
    serve_limits_destroy(limits);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_outlives_its_listener),
        cmocka_unit_test(a_session_keeps_its_configuration),
        cmocka_unit_test(the_counters),
        cmocka_unit_test(no_250_before_the_sync),
        cmocka_unit_test(refused_mail_takes_no_memory),
        cmocka_unit_test(a_reply_is_one_line),
        cmocka_unit_test(limits_one_by_one),
        cmocka_unit_test(limits_of_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
