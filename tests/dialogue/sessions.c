// SPDX-License-Identifier: Apache-2.0
// What one session leaves behind for the next one, and sessions that are stopped. In the simulator,
// where an hour is nothing.
#include "deliver/deliver_internal.h"
#include "dialogue/authority_group.h"
#include "dialogue/lane.h"
#include "unit/io/io_test.h"

#include <pthread.h>

static struct sim *sim;

struct test {
    const char *script;
    void (*body)(struct lane *lane);
};

static void run_body(void *arg) {
    const struct test *test = arg;
    struct play *play = play_parse(view_of(test->script), "script");
    struct lane *lane = lane_create(play, sim, authority);
    char why[1024] = "";
    test->body(lane);
    if (!lane_check(lane, why, sizeof(why)))
        fail_msg("%s", why);
    lane_destroy(lane);
    play_free(play);
}

static void run_in_sim(void **state) {
    sim = sim_create(1);
    io_spawn("test", run_body, *state);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

// A round later: the scheduler would have asked again.
static void run_again(struct lane *lane, int64_t after_ms) {
    io_sleep(io_after(after_ms));
    lane->job.round_deadline = io_after(600000);
    lane_run(lane);
}

#define TRANSACTION                                                                                \
    "C: MAIL FROM:<ann@a.example>\nS: 250 Ok\nC: RCPT TO:<bob@b.example>\nS: 250 Ok\nC: DATA\n"    \
    "S: 354 Go on\nC: (message)\nS: 250 Ok\n"
#define SESSION "S: 220 mx\nC: EHLO relay.example\nS: 250 mx\n" TRANSACTION "C: QUIT\nS: 221 Bye\n"
#define MESSAGE "message: ann@a.example bob@b.example\n"

// --- Dead addresses ---------------------------------------------------------------------------
#define ONE_DEAD                                                                                   \
    "host: mx1 refused\nhost: mx2 B\nconnector: max_messages=1\n" MESSAGE MESSAGE MESSAGE MESSAGE  \
    "[B]\n" SESSION "[B]\n" SESSION "[B]\n" SESSION "[B]\n" SESSION                                \
    "expect: item 4 rcpt 1 dot ok\n"

static void dead_addresses_are_left_out(struct lane *lane) {
    lane_run(lane);
    assert_int_equal(lane->n_attempts, 2);
    run_again(lane, 1000); // another lane's session would see the same
    assert_int_equal(lane->n_attempts, 3);
    run_again(lane, DELIVER_DEAD_MS); // forgotten by now
    assert_int_equal(lane->n_attempts, 5);
    deliver_memory_clear(lane->memory); // an operator says retry
    run_again(lane, 1000);
    assert_int_equal(lane->n_attempts, 7);
}

static void when_all_are_dead_nobody_is_asked(struct lane *lane) {
    lane_run(lane);
    assert_int_equal(lane->report.end, DELIVER_END_FAILED);
    assert_int_equal(lane->report.fact.kind, FACT_KIND_ERRNO);
    run_again(lane, 1000);
    assert_int_equal(lane->report.end, DELIVER_END_FAILED);
    assert_int_equal(lane->report.fact.kind, FACT_KIND_ROUTE);
    assert_int_equal(lane->report.fact.detail, FACT_ROUTE_HOSTS_DEAD);
    assert_int_equal(lane->report.fact.sys_errno, ECONNREFUSED);
    assert_int_equal(lane->n_attempts, 1);
    assert_int_equal(lane->n_given, 0);
}

// A host that accepts connections and says nothing costs five minutes once, not for every lane.
static void a_mute_host_is_dead(struct lane *lane) {
    lane_run(lane);
    assert_int_equal(lane->attempts[0].attempt.fact.kind, FACT_KIND_SILENT);
    assert_int_equal(lane->n_attempts, 2);
    run_again(lane, 1000);
    assert_int_equal(lane->n_attempts, 3);
}

// --- Failed handshakes ------------------------------------------------------------------------
#define BROKEN_TLS                                                                                 \
    "S: 220 mx\nC: EHLO relay.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Ready\n"    \
    "S: (close)\n"
#define CLEAR                                                                                      \
    "S: 220 mx\nC: EHLO relay.example\nS: 250-mx\nS: 250 STARTTLS\n" TRANSACTION                   \
    "C: QUIT\nS: 221 Bye\n"

static void a_failed_handshake_is_remembered(struct lane *lane) {
    lane_run(lane);
    assert_int_equal(lane->report.end, DELIVER_END_FAILED);
    assert_int_equal(lane->report.fact.stage, FACT_STAGE_TLS);
    lane->job.may_fall_back = true;
    run_again(lane, 300000);
    assert_int_equal(lane->items[0]->results[0].kind, FACT_KIND_OK);
    assert_true(lane->items[0]->results[0].flags & FACT_FLAG_TLS_DOWNGRADED);
    assert_true(lane->attempts[1].attempt.fact.flags & FACT_FLAG_TLS_DOWNGRADED);
    run_again(lane, 60000);
    assert_true(lane->items[1]->results[0].flags & FACT_FLAG_TLS_DOWNGRADED);
    // An hour later encryption gets another chance.
    run_again(lane, DELIVER_TLS_FAILED_MS);
    assert_int_equal(lane->attempts[3].attempt.fact.stage, FACT_STAGE_TLS);
    assert_true(lane->items[2]->results[0].flags & FACT_FLAG_TLS_DOWNGRADED);
}

// --- Stopping ---------------------------------------------------------------------------------
static void cancel_in_a_while(void *arg) {
    io_sleep(io_after(1000));
    io_cancel(arg);
}

static void stopped_at_the_greeting(struct lane *lane) {
    io_spawn("cancel", cancel_in_a_while, io_fiber_current());
    lane_run(lane);
    io_cancel_clear();
    assert_int_equal(lane->report.end, DELIVER_END_CANCELED);
    assert_int_equal(lane->n_given, 0);
}

static void stopped_in_the_race(struct lane *lane) {
    io_spawn("cancel", cancel_in_a_while, io_fiber_current());
    lane_run(lane);
    io_cancel_clear();
    assert_int_equal(lane->report.end, DELIVER_END_CANCELED);
    assert_int_equal(lane->report.fact.kind, FACT_KIND_CANCELED);
    assert_int_equal(lane->n_attempts, 0);
}

static void stopped_at_mail(struct lane *lane) {
    io_spawn("cancel", cancel_in_a_while, io_fiber_current());
    lane_run(lane);
    io_cancel_clear();
    assert_int_equal(lane->report.end, DELIVER_END_CANCELED);
    assert_int_equal(lane->items[0]->results[0].kind, FACT_KIND_NONE);
    assert_int_equal(lane->n_settled, 1);
}

// A dot that was sent is answered first.
static void stopped_after_the_dot(struct lane *lane) {
    io_spawn("cancel", cancel_in_a_while, io_fiber_current());
    lane_run(lane);
    io_cancel_clear();
    assert_int_equal(lane->report.end, DELIVER_END_CANCELED);
    assert_int_equal(lane->items[0]->results[0].kind, FACT_KIND_OK);
    assert_true(lane->report.any_success);
    assert_int_equal(lane->n_given, 1);
}

// --- The road ---------------------------------------------------------------------------------
static struct address numbered(const char *text) {
    return address_of(text, 25);
}

static void the_road_is_interleaved(struct lane *lane) {
    struct address first[] = {numbered("192.0.2.1"), numbered("192.0.2.2"), numbered("192.0.2.3"),
                              numbered("2001:db8::1"), numbered("2001:db8::2")};
    struct address second[] = {numbered("192.0.2.9")};
    struct route_host hosts[] = {{.name = VIEW("mx1"), .addresses = first, .n_addresses = 5},
                                 {.name = VIEW("mx2"), .addresses = second, .n_addresses = 1}};
    static const char *const wanted[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2",
                                         "192.0.2.2",   "192.0.2.3", "192.0.2.9"};
    struct road road;
    struct target *target;
    lane->route.hosts = hosts;
    lane->route.n_hosts = 2;
    road_init(&road, &lane->job, &lane->arena);
    assert_int_equal(road.n_targets, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct address address = numbered(wanted[i]);
        assert_true(address_equals(&road.targets[i].address, &address));
    }
    assert_int_equal(road_next(&road, &target), 5);
    assert_ptr_equal(target, road.targets);
    road.targets[0].is_tried = true;
    assert_int_equal(road_next(&road, &target), 4);
    for (size_t i = 1; i < 5; i++)
        road.targets[i].is_tried = true;
    assert_int_equal(road_next(&road, &target), 1);
    assert_ptr_equal(target->host, &hosts[1]);
    road.targets[5].is_tried = true;
    assert_int_equal(road_next(&road, &target), 0);

    // Without a way out over IPv6 only the others are left.
    memory_note_unrouted(lane->memory, ADDRESS_IPV6);
    road_init(&road, &lane->job, &lane->arena);
    assert_int_equal(road.n_targets, 4);
    hosts[0].addresses += 3;
    hosts[0].n_addresses = 2;
    lane->route.n_hosts = 1;
    road_init(&road, &lane->job, &lane->arena);
    assert_int_equal(road.n_targets, 2); // nothing else is there: try it

    // A source of one family keeps to that family.
    struct address source = numbered("192.0.2.100");
    lane->connector.sources = &source;
    lane->connector.n_sources = 1;
    road_init(&road, &lane->job, &lane->arena);
    assert_int_equal(road.n_targets, 0);
    assert_int_equal(road.skipped.kind, FACT_KIND_LOCAL);
    assert_int_equal(road.skipped.detail, FACT_LOCAL_SOURCE);
    hosts[0].addresses = first;
    road_init(&road, &lane->job, &lane->arena);
    assert_int_equal(road.n_targets, 2);
    assert_true(address_equals(&road.targets[0].source, &source));
}

static void a_host_without_addresses_is_told(struct lane *lane) {
    lane_run(lane);
    assert_int_equal(lane->report.end, DELIVER_END_FAILED);
    assert_int_equal(lane->report.fact.kind, FACT_KIND_ROUTE);
    assert_int_equal(lane->report.fact.detail, FACT_ROUTE_NO_ADDRESS);
}

// --- The memory -------------------------------------------------------------------------------
static void *use_memory(void *arg) {
    struct error error;
    struct io_loop_options options = {.name = "memory"};
    struct io_loop *loop = io_loop_create(&options, &error);
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_SILENT), read;
    for (unsigned i = 0; i < 2000; i++) {
        struct address address = address_of("192.0.2.1", (uint16_t)(i % 300));
        memory_note_dead(arg, &address, &fact);
        memory_is_dead(arg, &address, &read);
        memory_note_tls_failed(arg, &address);
        if (i % 500 == 0)
            deliver_memory_clear(arg);
    }
    io_loop_destroy(loop);
    return NULL;
}

static void the_memory_is_shared_by_threads(void **state) {
    pthread_t threads[3];
    struct deliver_memory *memory = deliver_memory_create();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_memory, memory), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    deliver_memory_destroy(memory);
    deliver_memory_destroy(NULL);
}

static void fill_memory(void *arg) {
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_SILENT);
    struct deliver_memory *memory = deliver_memory_create();
    struct address address = address_of("10.0.0.0", 25), first = address;
    memory_note_dead(memory, &first, &fact);
    for (unsigned i = 1; i <= DELIVER_MEMORY_ENTRIES_MAX; i++) {
        address.bytes[1] = (unsigned char)(i >> 16);
        address.bytes[2] = (unsigned char)(i >> 8);
        address.bytes[3] = (unsigned char)i;
        memory_note_dead(memory, &address, &fact);
    }
    // It has a bound: the oldest went.
    assert_false(memory_is_dead(memory, &first, NULL));
    assert_true(memory_is_dead(memory, &address, NULL));
    deliver_memory_destroy(memory);
}

#define TEST(body, script)                                                                         \
    {                                                                                              \
#body, run_in_sim, NULL, NULL, &(struct test) {                                            \
            script, body                                                                           \
        }                                                                                          \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(dead_addresses_are_left_out, ONE_DEAD),
        TEST(when_all_are_dead_nobody_is_asked, "host: mx1 refused\n" MESSAGE),
        TEST(a_mute_host_is_dead,
             "host: mx1 A\nhost: mx2 B\nconnector: max_messages=1\n" MESSAGE MESSAGE
             "[A]\nS: (wait 301000)\n[B]\n" SESSION "[B]\n" SESSION),
        TEST(a_failed_handshake_is_remembered,
             "host: mx1 A\nconnector: max_messages=1\n" MESSAGE MESSAGE MESSAGE "[A]\n" BROKEN_TLS
             "[A]\n" CLEAR "[A]\n" CLEAR "[A]\n" BROKEN_TLS "[A]\n" CLEAR),
        TEST(stopped_at_the_greeting, "host: mx1 A\n" MESSAGE "[A]\nS: (wait 2000)\n"),
        TEST(stopped_in_the_race, "host: mx1 A B\nnet: A drop\nnet: B drop\n" MESSAGE),
        TEST(stopped_at_mail,
             "host: mx1 A\n" MESSAGE "[A]\nS: 220 mx\nC: EHLO relay.example\nS: 250 mx\n"
             "C: MAIL FROM:<ann@a.example>\nS: (wait 2000)\n"),
        TEST(stopped_after_the_dot,
             "host: mx1 A\n" MESSAGE MESSAGE "[A]\nS: 220 mx\nC: EHLO relay.example\nS: 250 mx\n"
             "C: MAIL FROM:<ann@a.example>\nS: 250 Ok\n"
             "C: RCPT TO:<bob@b.example>\nS: 250 Ok\nC: DATA\nS: 354 Go\n"
             "C: (message)\nS: (wait 2000)\nS: 250 Ok\nC: (closed)\n"),
        TEST(the_road_is_interleaved, "host: mx1 refused\n" MESSAGE),
        TEST(a_host_without_addresses_is_told, "host: mx1\n" MESSAGE),
        cmocka_unit_test(the_memory_is_shared_by_threads),
        ON_SIM(fill_memory),
    };
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}
