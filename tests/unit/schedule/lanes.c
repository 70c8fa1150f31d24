// SPDX-License-Identifier: Apache-2.0
// Lanes, sessions and slots.
#include "harness.h"

static struct schedule_transaction taken[8];

// Opens the lane's first session and makes it work; returns the session.
static uint32_t open_one(struct world *world) {
    world_step(world);
    return world_action(world, SCHEDULE_ACT_OPEN, 0).session;
}

static void mail_flows(void **state) {
    struct world world;
    world_init(&world, 10);
    uint32_t message = world_add(&world, "a.site");
    assert_int_equal(world_binding(&world, world_rcpt(&world, message)), SCHEDULE_BIND_ROUTING);
    uint32_t session = open_one(&world);
    assert_int_equal(world_take(&world, session, taken, 8), 1);
    assert_int_equal(taken[0].message, message);
    assert_int_equal(world_state(&world, taken[0].rcpts[0]), SCHEDULE_OUT);
    assert_int_equal(world_binding(&world, taken[0].rcpts[0]), SCHEDULE_BIND_IN_FLIGHT);
    world_deliver(&world, session, &taken[0]);
    assert_int_equal(schedule_find(world.schedule, (struct spool_id){7, 1}), 0);
    assert_int_equal(schedule_counts(world.schedule).rcpts, 0);
    // The connection stays warm, takes what comes next, and is closed when nothing does.
    size_t n;
    assert_int_equal(world_take_all(&world, session, taken, &n), SCHEDULE_TAKE_WAIT);
    world_pass(&world, 500);
    world_add(&world, "b.site");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 0);
    assert_int_equal(world_action(&world, SCHEDULE_ACT_WAKE, 0).session, session);
    assert_int_equal(world_take(&world, session, taken, 8), 1);
    world_deliver(&world, session, &taken[0]);
    assert_int_equal(world_take(&world, session, taken, 8), 0);
    world_pass(&world, 2000);
    world_step(&world);
    assert_int_equal(world_action(&world, SCHEDULE_ACT_CLOSE, 0).session, session);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    assert_int_equal(schedule_counts(world.schedule).sessions, 0);
    world_finish(&world);
}

static void recipients_of_one_message_go_together(void **state) {
    struct world world;
    world_init(&world, 10);
    const char *domains[] = {"a.site", "a.other", "b.site", "a.site", "c.site"};
    world_add_to(&world, domains, 5);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 2);
    size_t sizes[2];
    for (size_t i = 0; i < 2; i++) {
        uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, i).session;
        assert_int_equal(world_take(&world, session, taken, 8), 1);
        sizes[i] = taken[0].n_rcpts;
        world_deliver(&world, session, &taken[0]);
        world_end(&world, session, SCHEDULE_SESSION_DONE);
    }
    assert_int_equal(sizes[0] + sizes[1], 5);
    assert_true(sizes[0] == 4 || sizes[0] == 1);
    world_finish(&world);
}

static void a_failed_round_is_recorded_once(void **state) {
    struct world world;
    world_init(&world, 10);
    uint32_t first = world_rcpt(&world, world_add(&world, "a.site"));
    for (int i = 0; i < 999; i++)
        world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1); // never tried: one connection
    world_end(&world, session, SCHEDULE_SESSION_FAILED);
    world_step(&world);
    assert_int_equal(world.n_actions, 0);
    assert_int_equal(schedule_counts(world.schedule).ready, 1000);
    assert_int_equal(world_binding(&world, first), SCHEDULE_BIND_LANE_BACKOFF);
    int64_t until = schedule_binding(world.schedule, first, world.now).until;
    assert_in_range(until - world.now, 4 * MINUTE, 6 * MINUTE);
    world_pass(&world, until - world.now);
    session = open_one(&world);
    world_end(&world, session, SCHEDULE_SESSION_FAILED);
    until = schedule_binding(world.schedule, first, world.now).until;
    assert_in_range(until - world.now, 9 * MINUTE, 11 * MINUTE);
    // Success ends it.
    world_pass(&world, until - world.now);
    session = open_one(&world);
    world_take(&world, session, taken, 1);
    world_deliver(&world, session, &taken[0]);
    struct schedule_lane_info lane;
    schedule_lane(world.schedule, schedule_lane_find(world.schedule, VIEW("site")), world.now,
                  &lane);
    assert_int_equal(lane.backoff.rounds, 0);
    assert_true(lane.is_proven);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_finish(&world);
}

static void a_working_lane_grows(void **state) {
    struct world world;
    world_init(&world, 100);
    world.way.max_connections = 5;
    for (int i = 0; i < 200; i++)
        world_add(&world, "a.site");
    uint32_t sessions[100];
    size_t n_sessions = 0;
    sessions[n_sessions++] = open_one(&world);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < n_sessions; i++) {
            assert_int_equal(world_take(&world, sessions[i], taken, 1), 1);
            world_deliver(&world, sessions[i], &taken[0]);
        }
        world_step(&world);
        for (size_t i = 0; i < world_count(&world, SCHEDULE_ACT_OPEN); i++)
            sessions[n_sessions++] = world_action(&world, SCHEDULE_ACT_OPEN, i).session;
    }
    assert_int_equal(n_sessions, 5);
    assert_int_equal(
        world_binding(&world,
                      world_rcpt(&world, schedule_find(world.schedule, (struct spool_id){7, 199}))),
        SCHEDULE_BIND_CONCURRENCY);
    for (size_t i = 0; i < n_sessions; i++)
        world_end(&world, sessions[i], SCHEDULE_SESSION_DONE);
    world_finish(&world);
}

static void one_refused_of_many_lowers_the_limit(void **state) {
    struct world world;
    world_init(&world, 100);
    for (int i = 0; i < 200; i++)
        world_add(&world, "a.site");
    uint32_t first = open_one(&world);
    world_take(&world, first, taken, 1);
    world_deliver(&world, first, &taken[0]);
    world_step(&world);
    uint32_t second = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_pass(&world, 10);
    world_take(&world, first, taken, 1);
    world_deliver(&world, first, &taken[0]);
    world_end(&world, second, SCHEDULE_SESSION_FAILED);
    struct schedule_lane_info lane;
    schedule_lane(world.schedule, schedule_lane_find(world.schedule, VIEW("site")), world.now,
                  &lane);
    assert_int_equal(lane.backoff.rounds, 0);
    assert_int_equal(lane.limit, 1);
    world_end(&world, first, SCHEDULE_SESSION_DONE);
    world_finish(&world);
}

// Dead and silent sites hold at most a quarter of the slots once they failed, half before; a
// working one gets what it needs.
static void the_dead_do_not_starve_the_living(void **state) {
    struct world world;
    world_init(&world, 20);
    char domain[32];
    for (int i = 0; i < 300; i++) {
        snprintf(domain, sizeof domain, "d.dead%d", i);
        world_add(&world, domain);
    }
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 10);
    world.way.max_connections = 10;
    // The first of them works, all others hang or fail.
    uint32_t good = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    char good_domain[40];
    struct schedule_domain_info info;
    schedule_domain(world.schedule, world_action(&world, SCHEDULE_ACT_OPEN, 0).domain, &info);
    snprintf(good_domain, sizeof good_domain, "%.*s", VIEW_ARG(info.name));
    world_take(&world, good, taken, 1);
    world_deliver(&world, good, &taken[0]);
    for (int i = 0; i < 100; i++)
        world_add(&world, good_domain);
    unsigned n_good = 1;
    world_step(&world);
    for (int round = 0; round < 12; round++) {
        if (world_take(&world, good, taken, 1) == 1)
            world_deliver(&world, good, &taken[0]);
        world_step(&world);
        for (size_t i = 0; i < world_count(&world, SCHEDULE_ACT_OPEN); i++) {
            struct schedule_lane_info lane;
            schedule_lane(world.schedule, world_action(&world, SCHEDULE_ACT_OPEN, i).lane,
                          world.now, &lane);
            n_good += lane.is_proven;
        }
    }
    assert_true(n_good >= 9);
    assert_true(schedule_counts(world.schedule).sessions_unproven <= 10);
    schedule_destroy(world.schedule);
}

static void failed_lanes_share_a_quarter(void **state) {
    struct world world;
    world_init(&world, 20);
    char domain[32];
    uint32_t sessions[64];
    for (int i = 0; i < 40; i++) {
        snprintf(domain, sizeof domain, "d.dead%d", i);
        world_add(&world, domain);
    }
    // All fail once.
    for (int failed = 0; failed < 40;) {
        world_step(&world);
        size_t n = world_count(&world, SCHEDULE_ACT_OPEN);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            sessions[i] = world_action(&world, SCHEDULE_ACT_OPEN, i).session;
        for (size_t i = 0; i < n; i++, failed++)
            world_end(&world, sessions[i], SCHEDULE_SESSION_FAILED);
    }
    world_pass(&world, 10 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 5);
    // A new destination is not behind them.
    world_add(&world, "x.fresh");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

static void a_lane_without_progress_is_no_longer_trusted(void **state) {
    struct world world;
    world_init(&world, 8);
    for (int i = 0; i < 50; i++)
        world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    for (int i = 0; i < 5; i++) {
        world_take(&world, session, taken, 1);
        world_deliver(&world, session, &taken[0]);
        world_step(&world);
    }
    assert_true(schedule_counts(world.schedule).sessions > 3);
    assert_int_equal(schedule_counts(world.schedule).sessions_unproven, 0);
    world_pass(&world, MINUTE);
    world_step(&world);
    assert_int_equal(schedule_counts(world.schedule).sessions_unproven,
                     schedule_counts(world.schedule).sessions);
    schedule_destroy(world.schedule);
}

static void fresh_and_retries_alternate(void **state) {
    struct world world;
    world_init(&world, 4);
    world.way.max_connections = 1;
    world.way.max_messages_per_connection = 0;
    for (int i = 0; i < 10; i++)
        world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_take(&world, session, taken, 1), 1);
        struct schedule_result result = {.rcpt = taken[0].rcpts[0], .was_tried = true};
        schedule_defer(world.schedule, &result, world.now);
        schedule_session_progress(world.schedule, session, world.now);
    }
    assert_int_equal(schedule_counts(world.schedule).waiting, 10);
    world_pass(&world, 10 * MINUTE);
    for (int i = 0; i < 10; i++)
        world_add(&world, "a.site");
    world_step(&world);
    assert_int_equal(schedule_counts(world.schedule).ready, 20);
    int n_retries = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_take(&world, session, taken, 1), 1);
        struct schedule_rcpt_info info;
        schedule_rcpt(world.schedule, taken[0].rcpts[0], &info);
        n_retries += info.rounds > 0;
        world_deliver(&world, session, &taken[0]);
    }
    assert_int_equal(n_retries, 5);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_finish(&world);
}

static void untried_mail_goes_to_the_head(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t first = world_add(&world, "a.site");
    world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    world_take(&world, session, taken, 1);
    assert_int_equal(taken[0].message, first);
    struct schedule_result result = {.rcpt = taken[0].rcpts[0]};
    schedule_defer(world.schedule, &result, world.now);
    world_end(&world, session, SCHEDULE_SESSION_FAILED);
    world_pass(&world, 10 * MINUTE);
    session = open_one(&world);
    world_take(&world, session, taken, 1);
    assert_int_equal(taken[0].message, first);
    schedule_destroy(world.schedule);
}

static void the_rate_is_kept(void **state) {
    struct world world;
    world_init(&world, 4);
    world.way.rate_events = 120;
    world.way.rate_period_ms = MINUTE;
    world.way.max_connections = 1;
    for (int i = 0; i < 1000; i++)
        world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    unsigned n_sent = 0;
    for (int64_t ms = 0; ms < 5 * MINUTE; ms += 100) {
        size_t n = 0;
        if (session != 0 && world_take_all(&world, session, taken, &n) == SCHEDULE_TAKE_END) {
            world_end(&world, session, SCHEDULE_SESSION_DONE);
            session = 0;
        }
        for (size_t i = 0; i < n; i++, n_sent++)
            world_deliver(&world, session, &taken[i]);
        world_pass(&world, 100);
        world_step(&world);
        if (world_count(&world, SCHEDULE_ACT_OPEN) > 0)
            session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    }
    assert_in_range(n_sent, 590, 610);
    uint32_t message = schedule_find(world.schedule, (struct spool_id){7, 1000});
    uint32_t rcpt = world_rcpt(&world, message);
    assert_true(world_binding(&world, rcpt) == SCHEDULE_BIND_RATE ||
                world_binding(&world, rcpt) == SCHEDULE_BIND_CONCURRENCY);
    schedule_destroy(world.schedule);
}

static void connections_end_after_their_messages(void **state) {
    struct world world;
    world_init(&world, 4);
    world.way.max_messages_per_connection = 3;
    world.way.max_connections = 1;
    for (int i = 0; i < 8; i++)
        world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    unsigned n_taken = 0;
    size_t n;
    while (world_take_all(&world, session, taken, &n) == SCHEDULE_TAKE_WORK) {
        n_taken += (unsigned)n;
        for (size_t i = 0; i < n; i++)
            world_deliver(&world, session, &taken[i]);
        world_step(&world);
    }
    assert_int_equal(n_taken, 3);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

// With every slot taken by an endless stream, another lane comes in within a turn.
static void a_stream_makes_room(void **state) {
    struct world world;
    world_init(&world, 4);
    for (int i = 0; i < 2000; i++)
        world_add(&world, "a.busy");
    uint32_t sessions[4] = {open_one(&world)};
    size_t n_sessions = 1;
    for (int i = 0; i < 6; i++) {
        world_take(&world, sessions[0], taken, 1);
        world_deliver(&world, sessions[0], &taken[0]);
        world_step(&world);
        for (size_t j = 0; j < world_count(&world, SCHEDULE_ACT_OPEN); j++)
            sessions[n_sessions++] = world_action(&world, SCHEDULE_ACT_OPEN, j).session;
    }
    assert_int_equal(n_sessions, 4);
    uint32_t other = world_rcpt(&world, world_add(&world, "b.other"));
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 0);
    assert_int_equal(world_binding(&world, other), SCHEDULE_BIND_SLOTS);
    world_pass(&world, 5000);
    size_t n;
    assert_int_equal(world_take_all(&world, sessions[0], taken, &n), SCHEDULE_TAKE_END);
    world_end(&world, sessions[0], SCHEDULE_SESSION_DONE);
    world_step(&world);
    struct schedule_lane_info lane;
    schedule_lane(world.schedule, world_action(&world, SCHEDULE_ACT_OPEN, 0).lane, world.now,
                  &lane);
    assert_true(view_equals(lane.key, VIEW("other")));
    schedule_destroy(world.schedule);
}

static void warm_connections_give_way(void **state) {
    struct world world;
    world_init(&world, 1);
    world_add(&world, "a.site");
    uint32_t session = open_one(&world);
    world_take(&world, session, taken, 1);
    world_deliver(&world, session, &taken[0]);
    assert_int_equal(world_take(&world, session, taken, 1), 0);
    world_add(&world, "b.other");
    world_step(&world);
    assert_int_equal(world_action(&world, SCHEDULE_ACT_CLOSE, 0).session, session);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

static void stopped_means_stopped(void **state) {
    struct world world;
    world_init(&world, 4);
    schedule_set_stop(world.schedule, SCHEDULE_STOPPED_SPOOL);
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    world_step(&world);
    assert_int_equal(world.n_actions, 0);
    assert_int_equal(world_binding(&world, rcpt), SCHEDULE_BIND_SPOOL_FAILED);
    schedule_set_stop(world.schedule, SCHEDULE_RUNS);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_flows),
        cmocka_unit_test(recipients_of_one_message_go_together),
        cmocka_unit_test(a_failed_round_is_recorded_once),
        cmocka_unit_test(a_working_lane_grows),
        cmocka_unit_test(one_refused_of_many_lowers_the_limit),
        cmocka_unit_test(the_dead_do_not_starve_the_living),
        cmocka_unit_test(failed_lanes_share_a_quarter),
        cmocka_unit_test(a_lane_without_progress_is_no_longer_trusted),
        cmocka_unit_test(fresh_and_retries_alternate),
        cmocka_unit_test(untried_mail_goes_to_the_head),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(connections_end_after_their_messages),
        cmocka_unit_test(a_stream_makes_room),
        cmocka_unit_test(warm_connections_give_way),
        cmocka_unit_test(stopped_means_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
