// SPDX-License-Identifier: Apache-2.0
// Domains: routing, its failures, new routes and new configurations.
#include "harness.h"

static struct schedule_transaction taken[8];

static void routing_is_bounded_and_backs_off(void **state) {
    struct world world;
    world_init(&world, 4);
    world.routes_itself = false;
    char domain[32];
    for (int i = 0; i < 20; i++) {
        snprintf(domain, sizeof domain, "d%d.site", i);
        world_add(&world, domain);
    }
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 8);
    uint32_t domains[8];
    for (size_t i = 0; i < 8; i++)
        domains[i] = world_action(&world, SCHEDULE_ACT_ROUTE, i).domain;
    for (size_t i = 0; i < 8; i++)
        world_route_fails(&world, domains[i], false, false);
    struct schedule_domain_info info;
    schedule_domain(world.schedule, domains[0], &info);
    assert_int_equal(info.backoff.rounds, 1);
    assert_in_range(info.backoff.until - world.now, 4 * MINUTE, 6 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 8);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 0);
    // Those that failed before take a quarter of the places, however many they are.
    for (uint32_t at = schedule_next_domain(world.schedule, 0); at != 0;
         at = schedule_next_domain(world.schedule, at)) {
        schedule_domain(world.schedule, at, &info);
        if (info.is_routing)
            world_route_fails(&world, at, false, false);
    }
    world_step(&world); // the last four
    world_pass(&world, 7 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 2);
    schedule_destroy(world.schedule);
}

static void a_domain_that_is_refused_leaves(void **state) {
    enum { N = 1500 };
    struct world world;
    world_init(&world, 4);
    world.routes_itself = false;
    for (int i = 0; i < N; i++)
        world_add(&world, "gone.example");
    world_step(&world);
    uint32_t domain = world_action(&world, SCHEDULE_ACT_ROUTE, 0).domain;
    world_route_fails(&world, domain, true, false);
    size_t n_failed = 0;
    for (int i = 0; i < 100 && n_failed < N; i++) {
        world_step(&world);
        size_t n = world_count(&world, SCHEDULE_ACT_FAIL);
        assert_true(n > 0 && n <= 512); // no more than can be worked on
        n_failed += n;
        for (size_t j = 0; j < n; j++)
            schedule_drop(world.schedule, world_action(&world, SCHEDULE_ACT_FAIL, j).rcpt);
    }
    assert_int_equal(n_failed, N);
    // The answer is remembered for a while, then asked for again.
    world_add(&world, "gone.example");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_FAIL), 1);
    schedule_drop(world.schedule, world_action(&world, SCHEDULE_ACT_FAIL, 0).rcpt);
    world_pass(&world, HOUR);
    world_step(&world);
    world_add(&world, "gone.example");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 1);
    schedule_destroy(world.schedule);
}

static void a_stale_route_is_asked_for_again(void **state) {
    struct world world;
    world_init(&world, 4);
    world.route_life_ms = 10 * MINUTE;
    world_add(&world, "a.site");
    world_step(&world);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_take(&world, session, taken, 1);
    world_deliver(&world, session, &taken[0]);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_pass(&world, 5 * MINUTE);
    world_add(&world, "a.site");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 0);
    session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_pass(&world, 5 * MINUTE);
    assert_int_equal(world_take(&world, session, taken, 1), 0);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 1);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    world_step(&world);
    schedule_destroy(world.schedule);
    assert_int_equal(world.n_routes, 0);
}

static uint32_t fail_once(struct world *world) {
    uint32_t session = world_action(world, SCHEDULE_ACT_OPEN, 0).session;
    world_pass(world, 5 * MINUTE); // longer than the route is good for
    world_end(world, session, SCHEDULE_SESSION_FAILED);
    world_step(world);
    assert_int_equal(world_count(world, SCHEDULE_ACT_OPEN), 0);
    assert_int_equal(world_count(world, SCHEDULE_ACT_ROUTE), 1);
    struct schedule_lane_info info;
    uint32_t lane = schedule_next_lane(world->schedule, 0);
    schedule_lane(world->schedule, lane, world->now, &info);
    world_pass(world, info.backoff.until - world->now);
    world_step(world); // stale again: routed, then tried
    assert_int_equal(world_count(world, SCHEDULE_ACT_OPEN), 1);
    return info.backoff.rounds;
}

// Else a host with short-lived records would be tried without a pause, and never reported.
static void back_off_outlives_the_route(void **state) {
    struct world world;
    world_init(&world, 4);
    world.route_life_ms = MINUTE;
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    world_step(&world);
    for (unsigned round = 1; round <= 4; round++)
        assert_int_equal(fail_once(&world), round);
    // A route to somewhere else is tried at once, and the old lane goes after a while.
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_pass(&world, 5 * MINUTE);
    world_end(&world, session, SCHEDULE_SESSION_FAILED);
    world.routes_itself = false;
    world_step(&world);
    world_route_to(&world, world_action(&world, SCHEDULE_ACT_ROUTE, 0).domain, "elsewhere");
    assert_int_equal(schedule_counts(world.schedule).lanes, 2);
    world_step(&world);
    session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_take(&world, session, taken, 1);
    assert_int_equal(taken[0].rcpts[0], rcpt);
    world_pass(&world, 11 * MINUTE);
    world_step(&world);
    assert_int_equal(schedule_counts(world.schedule).lanes, 1);
    world_finish(&world);
}

static void unused_routes_are_forgotten(void **state) {
    struct world world;
    world_init(&world, 4);
    world_add(&world, "a.site");
    world_step(&world);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_take(&world, session, taken, 1);
    world_deliver(&world, session, &taken[0]);
    world_end(&world, session, SCHEDULE_SESSION_DONE);
    assert_int_equal(schedule_counts(world.schedule).domains, 1);
    world_pass(&world, HOUR);
    world_step(&world);
    assert_int_equal(schedule_counts(world.schedule).domains, 0);
    assert_int_equal(schedule_counts(world.schedule).lanes, 0);
    world_finish(&world);
}

// Fixing the configuration frees mail behind a lane's back-off and behind its own retry time.
static void a_new_configuration_frees_mail(void **state) {
    struct world world;
    world_init(&world, 4);
    for (int i = 0; i < 3000; i++)
        world_add(&world, "a.broken");
    world_step(&world);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_take(&world, session, taken, 1);
    struct schedule_result result = {.rcpt = taken[0].rcpts[0], .was_tried = true};
    schedule_defer(world.schedule, &result, world.now);
    world_end(&world, session, SCHEDULE_SESSION_LOST);
    world.routes_itself = false;
    world_step(&world);
    assert_int_equal(world.n_actions, 0);
    assert_int_equal(schedule_counts(world.schedule).waiting, 1);
    world.generation = 2;
    struct schedule_settings settings = {
        .generation = 2, .slots = 4, .routes = 8, .retry = world_retry};
    schedule_configure(world.schedule, &settings, world.now);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_ROUTE), 1);
    world_route_to(&world, world_action(&world, SCHEDULE_ACT_ROUTE, 0).domain, "working");
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    assert_int_equal(schedule_counts(world.schedule).waiting, 0);
    assert_int_equal(schedule_lane_find(world.schedule, VIEW("broken")), 0);
    schedule_destroy(world.schedule);
    assert_int_equal(world.n_routes, 0);
}

static void an_operator_retries_a_lane(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t rcpt = 0;
    for (int i = 0; i < 10; i++)
        world_add(&world, i % 2 ? "a.site" : "b.site");
    for (int i = 0; i < 3; i++) {
        world_step(&world);
        uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
        world_take(&world, session, taken, 1);
        rcpt = taken[0].rcpts[0];
        struct schedule_result result = {.rcpt = rcpt, .was_tried = true};
        schedule_defer(world.schedule, &result, world.now);
        world_end(&world, session, SCHEDULE_SESSION_LOST);
        schedule_retry_lane(world.schedule, schedule_lane_find(world.schedule, VIEW("site")),
                            world.now);
    }
    schedule_retry(world.schedule, rcpt, world.now);
    world_step(&world);
    assert_int_equal(schedule_counts(world.schedule).ready, 8);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

static void restored_back_off_holds(void **state) {
    struct world world;
    world_init(&world, 4);
    world.routes_itself = false;
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    world_step(&world);
    uint32_t lane =
        world_route_to(&world, world_action(&world, SCHEDULE_ACT_ROUTE, 0).domain, "site");
    struct schedule_backoff backoff = {
        .until = world.now + 20 * MINUTE, .rounds = 3, .since_ms = 5};
    schedule_lane_restore(world.schedule, lane, &backoff);
    world_step(&world);
    assert_int_equal(world.n_actions, 0);
    assert_int_equal(world_binding(&world, rcpt), SCHEDULE_BIND_LANE_BACKOFF);
    world_pass(&world, 20 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 1);
    schedule_destroy(world.schedule);
}

static void cursors_outlive_what_they_stand_on(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t rcpts[6];
    for (int i = 0; i < 6; i++)
        rcpts[i] = world_rcpt(&world, world_add(&world, i % 2 ? "a.site" : "b.site"));
    struct schedule_cursor all, by_domain, by_sender, nobody;
    schedule_cursor_open(world.schedule, &all, SCHEDULE_SELECT_ALL, 0);
    schedule_cursor_open(world.schedule, &by_domain, SCHEDULE_SELECT_DOMAIN,
                         schedule_domain_find(world.schedule, VIEW("a.site")));
    schedule_cursor_open(world.schedule, &by_sender, SCHEDULE_SELECT_SENDER, 99);
    schedule_cursor_open(world.schedule, &nobody, SCHEDULE_SELECT_SENDER, 98);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_domain), rcpts[1]);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_sender), rcpts[0]);
    const uint32_t gone[] = {rcpts[3], rcpts[1], rcpts[2]};
    for (size_t i = 0; i < 3; i++) {
        assert_true(schedule_take_out(world.schedule, gone[i]));
        schedule_drop(world.schedule, gone[i]);
    }
    assert_int_equal(schedule_cursor_next(world.schedule, &by_domain), rcpts[5]);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_domain), 0);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_sender), rcpts[4]);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_sender), rcpts[5]);
    assert_int_equal(schedule_cursor_next(world.schedule, &by_sender), 0);
    assert_int_equal(schedule_cursor_next(world.schedule, &nobody), 0);
    unsigned n = 0;
    while (schedule_cursor_next(world.schedule, &all) != 0)
        n++;
    assert_int_equal(n, 3);
    schedule_cursor_close(&all);
    schedule_cursor_close(&by_domain);
    schedule_cursor_close(&by_sender);
    schedule_cursor_close(&nobody);
    schedule_destroy(world.schedule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routing_is_bounded_and_backs_off),
        cmocka_unit_test(a_domain_that_is_refused_leaves),
        cmocka_unit_test(a_stale_route_is_asked_for_again),
        cmocka_unit_test(back_off_outlives_the_route),
        cmocka_unit_test(unused_routes_are_forgotten),
        cmocka_unit_test(a_new_configuration_frees_mail),
        cmocka_unit_test(an_operator_retries_a_lane),
        cmocka_unit_test(restored_back_off_holds),
        cmocka_unit_test(cursors_outlive_what_they_stand_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
