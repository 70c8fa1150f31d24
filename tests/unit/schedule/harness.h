// SPDX-License-Identifier: Apache-2.0
// A small world around the scheduler: time that tests move, routes by a table (domain "x.lane" goes
// to lane "lane"), and the actions of each step kept for looking at.
#ifndef TEST_SCHEDULE_HARNESS_H
#define TEST_SCHEDULE_HARNESS_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "schedule/schedule.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WORLD_ACTIONS = 4096 };
#define WORLD_WALL_START 1700000000000

static const struct config_retry world_retry = {.first_ms = 5 * MINUTE,
                                                .factor = 2.0,
                                                .longest_ms = 1 * HOUR,
                                                .expire_ms = 1 * DAY,
                                                .expire_max_ms = 5 * (int64_t)DAY,
                                                .hold_expire_ms = 7 * (int64_t)DAY};

struct world {
    struct schedule *schedule;
    io_time now;
    int64_t wall_ms;
    uint64_t next_id, generation;
    struct schedule_way way;
    struct schedule_action actions[WORLD_ACTIONS]; // of the last world_step
    size_t n_actions;
    int n_routes; // tokens not released
    bool routes_itself;
    io_time route_life_ms;
};

static struct world *world_of_routes;

static inline void world_release(void *route) {
    assert_non_null(route);
    world_of_routes->n_routes--;
}

static inline void world_init(struct world *world, unsigned slots) {
    *world = (struct world){.now = 1000000, .wall_ms = WORLD_WALL_START, .next_id = 1};
    world->generation = 1;
    world->routes_itself = true;
    world->route_life_ms = HOUR;
    world->way = (struct schedule_way){
        .max_connections = 20, .max_messages_per_connection = 100, .retry = world_retry};
    struct schedule_options options = {
        .settings = {.generation = 1, .slots = slots, .routes = 8, .retry = world_retry},
        .seed = 42,
        .route_release = world_release};
    world_of_routes = world;
    world->schedule = schedule_create(&options, world->now, world->wall_ms);
}

static inline void world_finish(struct world *world) {
    schedule_destroy(world->schedule);
    assert_int_equal(world->n_routes, 0);
}

static inline void world_pass(struct world *world, int64_t ms) {
    world->now += ms;
    world->wall_ms += ms;
}

static inline uint32_t world_route_to(struct world *world, uint32_t domain, const char *key) {
    bool is_new;
    world->n_routes++;
    struct schedule_routed routed = {.lane_key = view_of(key),
                                     .connector = VIEW("internet"),
                                     .way = &world->way,
                                     .valid_until = world->now + world->route_life_ms,
                                     .generation = world->generation,
                                     .route = world};
    return schedule_routed(world->schedule, domain, &routed, world->now, &is_new);
}

static inline void world_route(struct world *world, uint32_t domain) {
    struct schedule_domain_info info;
    schedule_domain(world->schedule, domain, &info);
    size_t dot = view_find_char(info.name, '.');
    char key[256];
    view_copy_string(dot < info.name.len ? view_skip(info.name, dot + 1) : info.name, key,
                     sizeof key);
    world_route_to(world, domain, key);
}

// Steps until nothing more comes; routes domains unless told not to.
static inline void world_step(struct world *world) {
    world->n_actions = 0;
    for (int i = 0; i < 10000; i++) {
        struct schedule_action actions[16];
        size_t n = schedule_step(world->schedule, world->now, world->wall_ms, actions, 16);
        for (size_t j = 0; j < n; j++) {
            assert_true(world->n_actions < WORLD_ACTIONS);
            world->actions[world->n_actions++] = actions[j];
            if (actions[j].kind == SCHEDULE_ACT_ROUTE && world->routes_itself)
                world_route(world, actions[j].domain);
        }
        if (n == 0 && schedule_next(world->schedule) > world->now)
            return;
    }
    fail_msg("the scheduler does not come to rest");
}

static inline size_t world_count(const struct world *world, enum schedule_action_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < world->n_actions; i++)
        n += world->actions[i].kind == kind;
    return n;
}

// The n-th action of that kind in the last step; the test fails where there is none.
static inline struct schedule_action world_action(const struct world *world,
                                                  enum schedule_action_kind kind, size_t nth) {
    for (size_t i = 0; i < world->n_actions; i++)
        if (world->actions[i].kind == kind && nth-- == 0)
            return world->actions[i];
    fail_msg("no such action");
    return (struct schedule_action){0};
}

// A message to `n` domains, one recipient each; returns its handle.
static inline uint32_t world_add_to(struct world *world, const char *const *domains, size_t n) {
    struct schedule_add_rcpt rcpts[200] = {0};
    assert_true(n <= 200);
    for (size_t i = 0; i < n; i++)
        rcpts[i] = (struct schedule_add_rcpt){.domain = view_of(domains[i]), .index = (uint32_t)i};
    struct schedule_add add = {.id = {7, world->next_id++},
                               .arrived_ms = world->wall_ms,
                               .sender_hash = 99,
                               .rcpts = rcpts,
                               .n_rcpts = n};
    assert_true(schedule_add(world->schedule, &add, world->now));
    return schedule_find(world->schedule, add.id);
}

static inline uint32_t world_add(struct world *world, const char *domain) {
    return world_add_to(world, &domain, 1);
}

static inline enum schedule_state world_state(const struct world *world, uint32_t rcpt) {
    struct schedule_rcpt_info info;
    schedule_rcpt(world->schedule, rcpt, &info);
    return info.state;
}

static inline enum schedule_binding_kind world_binding(const struct world *world, uint32_t rcpt) {
    return schedule_binding(world->schedule, rcpt, world->now).kind;
}

static inline uint32_t world_rcpt(const struct world *world, uint32_t message) {
    return schedule_message_rcpt(world->schedule, message);
}

static inline enum schedule_take world_take_all(struct world *world, uint32_t session,
                                                struct schedule_transaction *transactions,
                                                size_t *n) {
    struct schedule_hand hand = {.transactions = transactions, .max = 8};
    enum schedule_take take = schedule_take(world->schedule, session, &hand, world->now);
    *n = hand.n;
    return take;
}

static inline void world_route_fails(struct world *world, uint32_t domain, bool is_permanent,
                                     bool is_local) {
    struct schedule_route_failure failure = {
        .is_permanent = is_permanent, .is_local = is_local, .valid_until = world->now + HOUR};
    schedule_route_failed(world->schedule, domain, &failure, world->now);
}

// Takes at most `max`; returns how many came.
static inline size_t world_take(struct world *world, uint32_t session,
                                struct schedule_transaction *transactions, size_t max) {
    struct schedule_hand hand = {.transactions = transactions, .max = max};
    schedule_take(world->schedule, session, &hand, world->now);
    return hand.n;
}

static inline void world_deliver(struct world *world, uint32_t session,
                                 const struct schedule_transaction *transaction) {
    for (uint32_t i = 0; i < transaction->n_rcpts; i++)
        schedule_drop(world->schedule, transaction->rcpts[i]);
    schedule_session_progress(world->schedule, session, world->now);
}

static inline void world_end(struct world *world, uint32_t session, enum schedule_session_end end) {
    schedule_session_ended(world->schedule, session, end, false, world->now);
}

#endif
