// SPDX-License-Identifier: Apache-2.0
// Retry times, expiry, warnings, holds and the clock.
#include "harness.h"

static struct schedule_transaction taken[8];

static struct schedule_deferral defer(struct world *world, uint32_t rcpt, bool is_dot_lost,
                                      bool is_local) {
    struct schedule_result result = {
        .rcpt = rcpt, .was_tried = true, .is_dot_lost = is_dot_lost, .is_local = is_local};
    return schedule_defer(world->schedule, &result, world->now);
}

// Opens a session, takes the one message that is due, and defers it.
static struct schedule_deferral fail_once(struct world *world, bool is_dot_lost, bool is_local) {
    world_step(world);
    uint32_t session;
    if (world_count(world, SCHEDULE_ACT_WAKE) > 0)
        session = world_action(world, SCHEDULE_ACT_WAKE, 0).session;
    else
        session = world_action(world, SCHEDULE_ACT_OPEN, 0).session;
    assert_int_equal(world_take(world, session, taken, 1), 1);
    struct schedule_deferral deferral = defer(world, taken[0].rcpts[0], is_dot_lost, is_local);
    schedule_session_progress(world->schedule, session, world->now);
    world_end(world, session, SCHEDULE_SESSION_DONE);
    return deferral;
}

static void waits_grow_to_the_longest(void **state) {
    static const int64_t minutes[] = {5, 10, 20, 40, 60, 60, 60};
    struct world world;
    world_init(&world, 4);
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    for (size_t i = 0; i < ARRAY_LEN(minutes); i++) {
        struct schedule_deferral deferral = fail_once(&world, false, false);
        int64_t wait_ms = deferral.next - world.now;
        assert_in_range(wait_ms, minutes[i] * MINUTE * 9 / 10 - 1,
                        minutes[i] * MINUTE * 11 / 10 + 1);
        assert_true(wait_ms <= 60 * MINUTE);
        assert_int_equal(deferral.rounds, i + 1);
        assert_int_equal(world_binding(&world, rcpt), SCHEDULE_BIND_RETRY_TIME);
        world_pass(&world, wait_ms - 1500);
        world_step(&world);
        assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 0);
        world_pass(&world, 2500);
    }
    schedule_destroy(world.schedule);
}

static void losses_behind_the_dot_wait_for_hours(void **state) {
    static const int64_t at_least_hours[] = {0, 2, 4, 8, 16};
    struct world world;
    world_init(&world, 4);
    world.way.retry.expire_ms = 100 * (int64_t)DAY;
    world_add(&world, "a.site");
    for (size_t i = 0; i < ARRAY_LEN(at_least_hours); i++) {
        struct schedule_deferral deferral = fail_once(&world, true, false);
        assert_int_equal(deferral.dot_losses, i + 1);
        assert_true(deferral.next - world.now >= at_least_hours[i] * HOUR);
        assert_true(deferral.next - world.now <= (at_least_hours[i] + 1) * HOUR);
        world_pass(&world, deferral.next - world.now + 1000);
    }
    schedule_destroy(world.schedule);
}

// Lets `hours` pass in steps; sessions that open fail their lane. Returns after the first expiry.
static bool expires_within(struct world *world, int hours) {
    for (int64_t ms = 0; ms < (int64_t)hours * HOUR; ms += MINUTE) {
        world_pass(world, MINUTE);
        world_step(world);
        for (size_t i = 0; i < world_count(world, SCHEDULE_ACT_OPEN); i++)
            world_end(world, world_action(world, SCHEDULE_ACT_OPEN, i).session,
                      SCHEDULE_SESSION_FAILED);
        if (world_count(world, SCHEDULE_ACT_EXPIRE) > 0)
            return true;
    }
    return false;
}

static void mail_expires_after_its_day(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t message = world_add(&world, "a.site");
    assert_false(expires_within(&world, 23));
    assert_true(expires_within(&world, 2));
    struct schedule_action expire = world_action(&world, SCHEDULE_ACT_EXPIRE, 0);
    assert_int_equal(expire.message, message);
    assert_int_equal(world_state(&world, expire.rcpt), SCHEDULE_OUT);
    schedule_drop(world.schedule, expire.rcpt);
    assert_int_equal(schedule_counts(world.schedule).messages, 0);
    world_finish(&world);
}

static void a_connector_has_its_own_expiry(void **state) {
    struct world world;
    world_init(&world, 4);
    world.way.retry.expire_ms = 3 * HOUR;
    world_add(&world, "a.site");
    assert_false(expires_within(&world, 2));
    assert_true(expires_within(&world, 2));
    schedule_destroy(world.schedule);
}

// Found past its time after a stop of three days: one round comes first.
static void one_more_round_comes_before_a_bounce(void **state) {
    struct world world;
    world_init(&world, 4);
    struct schedule_add_rcpt rcpt = {.domain = VIEW("a.site"),
                                     .next_ms = world.wall_ms - 2 * (int64_t)DAY,
                                     .tried_ms = world.wall_ms - 3 * (int64_t)DAY,
                                     .rounds = 4};
    struct schedule_add add = {
        .id = {1, 1}, .arrived_ms = world.wall_ms - 4 * (int64_t)DAY, .rcpts = &rcpt, .n_rcpts = 1};
    schedule_add(world.schedule, &add, world.now);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 0);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    // While the round runs, nothing expires.
    world_pass(&world, 2 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 0);
    world_end(&world, session, SCHEDULE_SESSION_FAILED);
    world_pass(&world, 2 * MINUTE);
    world_step(&world);
    assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 1);
    schedule_destroy(world.schedule);
}

static void a_result_after_expiry_wins(void **state) {
    struct world world;
    world_init(&world, 4);
    world_add(&world, "a.site");
    world_add(&world, "a.site");
    world_step(&world);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    assert_int_equal(world_take(&world, session, taken, 1), 1);
    assert_int_equal(world_take(&world, session, taken + 1, 1), 1);
    world_pass(&world, 25 * HOUR);
    world_step(&world);
    assert_int_equal(world.n_actions, 0);
    // One is delivered, the other deferred: that was its last round.
    world_deliver(&world, session, &taken[0]);
    struct schedule_deferral deferral = defer(&world, taken[1].rcpts[0], false, false);
    assert_true(deferral.is_expired);
    schedule_drop(world.schedule, taken[1].rcpts[0]);
    schedule_destroy(world.schedule);
}

static void our_own_fault_delays_expiry(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    int64_t start_ms = world.wall_ms;
    bool is_expired = false;
    while (!is_expired) {
        world_step(&world);
        is_expired = world_count(&world, SCHEDULE_ACT_EXPIRE) > 0;
        if (world_count(&world, SCHEDULE_ACT_OPEN) > 0) {
            uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
            world_take(&world, session, taken, 1);
            is_expired |= defer(&world, rcpt, false, true).is_expired;
            world_end(&world, session, SCHEDULE_SESSION_LOST);
        }
        world_pass(&world, MINUTE);
    }
    assert_int_equal(world_state(&world, rcpt), SCHEDULE_OUT);
    assert_true(world.wall_ms - start_ms >= 5 * (int64_t)DAY);
    assert_true(world.wall_ms - start_ms < 5 * (int64_t)DAY + 3 * HOUR);
    schedule_destroy(world.schedule);
}

static void the_sender_is_warned_once(void **state) {
    struct world world;
    world_init(&world, 4);
    world.way.retry.warn_ms = 4 * HOUR;
    uint32_t message = world_add(&world, "a.site");
    unsigned n_warnings = 0;
    for (int64_t ms = 0; ms < 20 * HOUR; ms += MINUTE) {
        world_pass(&world, MINUTE);
        world_step(&world);
        for (size_t i = 0; i < world_count(&world, SCHEDULE_ACT_OPEN); i++)
            world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, i).session,
                      SCHEDULE_SESSION_FAILED);
        for (size_t i = 0; i < world_count(&world, SCHEDULE_ACT_WARN); i++, n_warnings++) {
            assert_int_equal(world_action(&world, SCHEDULE_ACT_WARN, i).message, message);
            assert_in_range(ms, 4 * HOUR - 2 * MINUTE, 4 * HOUR + 2 * MINUTE);
        }
    }
    assert_int_equal(n_warnings, 1);
    schedule_destroy(world.schedule);
}

static void a_hold_has_a_bound(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    schedule_hold(world.schedule, rcpt, world.wall_ms);
    assert_int_equal(world_state(&world, rcpt), SCHEDULE_HELD);
    assert_int_equal(world_binding(&world, rcpt), SCHEDULE_BIND_HOLD);
    int64_t warned_after_ms = 0, expired_after_ms = 0;
    for (int64_t ms = 0; ms < 8 * (int64_t)DAY && expired_after_ms == 0; ms += 10 * MINUTE) {
        world_step(&world);
        assert_int_equal(world_count(&world, SCHEDULE_ACT_OPEN), 0);
        assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 0);
        if (world_count(&world, SCHEDULE_ACT_HOLD_WARN) > 0) {
            assert_int_equal(warned_after_ms, 0);
            warned_after_ms = ms;
        }
        if (world_count(&world, SCHEDULE_ACT_HOLD_EXPIRE) > 0)
            expired_after_ms = ms;
        world_pass(&world, 10 * MINUTE);
    }
    assert_in_range(warned_after_ms, 6 * (int64_t)DAY, 6 * (int64_t)DAY + HOUR);
    assert_in_range(expired_after_ms, 7 * (int64_t)DAY, 7 * (int64_t)DAY + HOUR);
    schedule_destroy(world.schedule);
}

// Mail that was on hold for three days is tried before anything else is said about it.
static void released_mail_is_tried(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t other = world_rcpt(&world, world_add(&world, "a.site"));
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    schedule_hold(world.schedule, rcpt, world.wall_ms);
    schedule_hold(world.schedule, other, world.wall_ms);
    for (int i = 0; i < 3 * 24 * 60; i++) { // every message is looked at a minute past the hour
        world_pass(&world, MINUTE);
        world_step(&world);
    }
    schedule_release(world.schedule, other, world.now);
    world_step(&world);
    world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, 0).session, SCHEDULE_SESSION_FAILED);
    world_pass(&world, MINUTE / 2);
    schedule_release(world.schedule, rcpt, world.now);
    for (int i = 0; i < 3; i++) { // the lane backs off; its last round was before the release
        world_pass(&world, MINUTE);
        world_step(&world);
        assert_int_equal(world_state(&world, rcpt), SCHEDULE_READY);
    }
    assert_true(expires_within(&world, 2));
    schedule_destroy(world.schedule);
}

static void a_hold_waits_for_what_is_in_flight(void **state) {
    struct world world;
    world_init(&world, 4);
    uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
    world_step(&world);
    uint32_t session = world_action(&world, SCHEDULE_ACT_OPEN, 0).session;
    world_take(&world, session, taken, 1);
    schedule_hold(world.schedule, rcpt, world.wall_ms);
    assert_int_equal(world_state(&world, rcpt), SCHEDULE_OUT);
    struct schedule_deferral deferral = defer(&world, rcpt, false, false);
    assert_true(deferral.is_held);
    assert_int_equal(world_state(&world, rcpt), SCHEDULE_HELD);
    // And so does removal.
    schedule_release(world.schedule, rcpt, world.now);
    assert_int_equal(world_take(&world, session, taken, 1), 1);
    assert_false(schedule_take_out(world.schedule, rcpt));
    deferral = defer(&world, rcpt, false, false);
    assert_true(deferral.is_unwanted);
    schedule_drop(world.schedule, rcpt);
    schedule_destroy(world.schedule);
}

static void a_clock_that_jumps_stops_expiry(void **state) {
    static const int64_t jumps_ms[] = {2 * (int64_t)DAY, -6 * MINUTE, 30 * (int64_t)DAY};
    for (size_t i = 0; i < ARRAY_LEN(jumps_ms); i++) {
        struct world world;
        world_init(&world, 4);
        uint32_t rcpt = world_rcpt(&world, world_add(&world, "a.site"));
        world_step(&world);
        world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, 0).session,
                  SCHEDULE_SESSION_FAILED);
        world.wall_ms += jumps_ms[i];
        world_step(&world);
        assert_int_equal(world_count(&world, SCHEDULE_ACT_CLOCK), 1);
        assert_false(schedule_counts(world.schedule).clock_is_trusted);
        if (jumps_ms[i] > DAY)
            assert_int_equal(world_binding(&world, rcpt), SCHEDULE_BIND_CLOCK);
        for (int minute = 0; minute < 59; minute++) {
            world_pass(&world, MINUTE);
            world_step(&world);
            assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 0);
            for (size_t j = 0; j < world_count(&world, SCHEDULE_ACT_OPEN); j++)
                world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, j).session,
                          SCHEDULE_SESSION_FAILED);
        }
        assert_false(schedule_counts(world.schedule).clock_is_trusted);
        world_pass(&world, MINUTE);
        world_step(&world);
        assert_true(schedule_counts(world.schedule).clock_is_trusted);
        schedule_destroy(world.schedule);
    }
}

static void an_operator_can_vouch_for_the_clock(void **state) {
    struct world world;
    world_init(&world, 4);
    world_add(&world, "a.site");
    world_step(&world);
    world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, 0).session, SCHEDULE_SESSION_FAILED);
    world.wall_ms += 2 * (int64_t)DAY;
    for (int i = 0; i < 30; i++) {
        world_step(&world);
        assert_int_equal(world_count(&world, SCHEDULE_ACT_EXPIRE), 0);
        for (size_t j = 0; j < world_count(&world, SCHEDULE_ACT_OPEN); j++)
            world_end(&world, world_action(&world, SCHEDULE_ACT_OPEN, j).session,
                      SCHEDULE_SESSION_FAILED);
        world_pass(&world, MINUTE);
    }
    schedule_trust_clock(world.schedule, world.now, world.wall_ms);
    assert_true(expires_within(&world, 1));
    schedule_destroy(world.schedule);
}

static void a_start_looks_at_the_clock(void **state) {
    static const struct {
        int64_t newest_before_now_ms;
        bool is_trusted;
    } table[] = {{-1000, false},    {0, true},          {HOUR, true},
                 {23 * HOUR, true}, {25 * HOUR, false}, {400 * (int64_t)DAY, false}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct world world;
        world_init(&world, 4);
        schedule_check_start(world.schedule, world.wall_ms - table[i].newest_before_now_ms,
                             world.now, world.wall_ms);
        assert_int_equal(schedule_counts(world.schedule).clock_is_trusted, table[i].is_trusted);
        schedule_destroy(world.schedule);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_to_the_longest),
        cmocka_unit_test(losses_behind_the_dot_wait_for_hours),
        cmocka_unit_test(mail_expires_after_its_day),
        cmocka_unit_test(a_connector_has_its_own_expiry),
        cmocka_unit_test(one_more_round_comes_before_a_bounce),
        cmocka_unit_test(a_result_after_expiry_wins),
        cmocka_unit_test(our_own_fault_delays_expiry),
        cmocka_unit_test(the_sender_is_warned_once),
        cmocka_unit_test(a_hold_has_a_bound),
        cmocka_unit_test(released_mail_is_tried),
        cmocka_unit_test(a_hold_waits_for_what_is_in_flight),
        cmocka_unit_test(a_clock_that_jumps_stops_expiry),
        cmocka_unit_test(an_operator_can_vouch_for_the_clock),
        cmocka_unit_test(a_start_looks_at_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
