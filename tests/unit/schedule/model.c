// SPDX-License-Identifier: Apache-2.0
// Random events against a plain model: whatever comes, every recipient is in one place, slots and
// limits hold, nothing is forgotten, and what is added ends.
#include "harness.h"

#include "base/rng.h"

#include <stdlib.h>

enum { RCPTS = 4000, SESSIONS = 64, DOMAINS = 12, LANES = 5 };

struct model_rcpt {
    bool is_live, is_out;
    uint32_t handle;
    struct spool_id id;
};

struct model_session {
    uint32_t number;
    bool is_waiting;
    struct schedule_transaction work[8];
    size_t n_work, at;
};

struct model {
    struct world world;
    struct rng rng;
    unsigned slots;
    struct model_rcpt rcpts[RCPTS];
    size_t n_rcpts;
    struct model_session sessions[SESSIONS];
    size_t n_sessions;
    uint32_t routing[256];
    size_t n_routing;
    uint64_t n_added, n_ended;
    bool is_draining;
};

static uint64_t below(struct model *model, uint64_t limit) {
    return rng_below(&model->rng, limit);
}

static struct model_rcpt *find(struct model *model, uint32_t handle) {
    for (size_t i = 0; i < model->n_rcpts; i++)
        if (model->rcpts[i].is_live && model->rcpts[i].handle == handle)
            return &model->rcpts[i];
    fail_msg("a recipient that nobody added");
    abort();
}

static void drop(struct model *model, uint32_t handle) {
    struct model_rcpt *rcpt = find(model, handle);
    assert_true(rcpt->is_out);
    schedule_drop(model->world.schedule, handle);
    *rcpt = model->rcpts[--model->n_rcpts];
    model->n_ended++;
}

static void add(struct model *model) {
    static const char *const names[DOMAINS] = {"a.l0", "b.l0", "c.l0", "d.l1", "e.l1", "f.l2",
                                               "g.l2", "h.l3", "i.l3", "j.l4", "k.l4", "l.l4"};
    const char *domains[6];
    size_t n = 1 + below(model, below(model, 4) == 0 ? 6 : 1);
    if (model->n_rcpts + n > RCPTS)
        return;
    for (size_t i = 0; i < n; i++)
        domains[i] = names[below(model, DOMAINS)];
    uint32_t message = world_add_to(&model->world, domains, n);
    struct spool_id id = {7, model->world.next_id - 1};
    for (uint32_t rcpt = world_rcpt(&model->world, message); rcpt != 0;
         rcpt = schedule_next_rcpt(model->world.schedule, rcpt)) {
        model->rcpts[model->n_rcpts++] = (struct model_rcpt){true, false, rcpt, id};
        model->n_added++;
    }
}

// --- Sessions ----------------------------------------------------------------------------

static void forget_session(struct model *model, struct model_session *session) {
    *session = model->sessions[--model->n_sessions];
}

static void take(struct model *model, struct model_session *session) {
    size_t n;
    ASSERT(session->n_work == session->at);
    session->n_work = session->at = 0;
    session->is_waiting = false;
    enum schedule_take take = world_take_all(&model->world, session->number, session->work, &n);
    session->n_work = n;
    assert_int_equal(take == SCHEDULE_TAKE_WORK, n > 0);
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < session->work[i].n_rcpts; j++) {
            struct model_rcpt *rcpt = find(model, session->work[i].rcpts[j]);
            assert_false(rcpt->is_out); // nobody else has it
            assert_true(spool_id_equals(rcpt->id, session->work[i].id));
            rcpt->is_out = true;
        }
    session->is_waiting = take == SCHEDULE_TAKE_WAIT;
    if (take == SCHEDULE_TAKE_END) {
        world_end(&model->world, session->number, SCHEDULE_SESSION_DONE);
        forget_session(model, session);
    }
}

static void defer_all(struct model *model, const struct schedule_transaction *work,
                      bool was_tried) {
    for (uint32_t i = 0; i < work->n_rcpts; i++) {
        struct schedule_result result = {.rcpt = work->rcpts[i],
                                         .was_tried = was_tried,
                                         .is_dot_lost = was_tried && below(model, 20) == 0,
                                         .is_local = was_tried && below(model, 20) == 0};
        struct schedule_deferral deferral =
            schedule_defer(model->world.schedule, &result, model->world.now);
        if (deferral.is_expired || deferral.is_unwanted)
            drop(model, work->rcpts[i]);
        else
            find(model, work->rcpts[i])->is_out = false;
    }
}

static void end_session(struct model *model, struct model_session *session) {
    for (; session->at < session->n_work; session->at++)
        defer_all(model, &session->work[session->at], false);
    enum schedule_session_end end = (enum schedule_session_end)below(model, 4);
    schedule_session_ended(model->world.schedule, session->number, end, below(model, 10) == 0,
                           model->world.now);
    forget_session(model, session);
}

static void work(struct model *model, struct model_session *session) {
    if (session->is_waiting)
        return;
    if (session->at == session->n_work) {
        take(model, session);
        return;
    }
    const struct schedule_transaction *now = &session->work[session->at++];
    uint64_t what = model->is_draining ? 0 : below(model, 10);
    if (what < 6) {
        for (uint32_t i = 0; i < now->n_rcpts; i++)
            drop(model, now->rcpts[i]);
        schedule_session_progress(model->world.schedule, session->number, model->world.now);
    } else if (what < 9) {
        defer_all(model, now, true);
        schedule_session_progress(model->world.schedule, session->number, model->world.now);
    } else {
        defer_all(model, now, true);
        end_session(model, session);
    }
}

static struct model_session *session_of(struct model *model, uint32_t number) {
    for (size_t i = 0; i < model->n_sessions; i++)
        if (model->sessions[i].number == number)
            return &model->sessions[i];
    fail_msg("a session that was not opened");
    abort();
}

// --- Steps -------------------------------------------------------------------------------

static void act(struct model *model, const struct schedule_action *action) {
    switch (action->kind) {
    case SCHEDULE_ACT_ROUTE: model->routing[model->n_routing++] = action->domain; break;
    case SCHEDULE_ACT_OPEN:
        assert_true(model->n_sessions < model->slots);
        assert_non_null(action->route);
        model->sessions[model->n_sessions++] = (struct model_session){.number = action->session};
        break;
    case SCHEDULE_ACT_WAKE:
        assert_true(session_of(model, action->session)->is_waiting);
        take(model, session_of(model, action->session));
        break;
    case SCHEDULE_ACT_CLOSE:
        assert_true(session_of(model, action->session)->is_waiting);
        world_end(&model->world, action->session, SCHEDULE_SESSION_DONE);
        forget_session(model, session_of(model, action->session));
        break;
    case SCHEDULE_ACT_FAIL:
    case SCHEDULE_ACT_EXPIRE:
    case SCHEDULE_ACT_HOLD_EXPIRE:
        assert_false(find(model, action->rcpt)->is_out);
        find(model, action->rcpt)->is_out = true;
        drop(model, action->rcpt);
        break;
    default: break;
    }
}

static void step(struct model *model) {
    struct world *world = &model->world;
    for (int i = 0; i < 10000; i++) {
        struct schedule_action actions[8];
        size_t n = schedule_step(world->schedule, world->now, world->wall_ms, actions, 8);
        for (size_t j = 0; j < n; j++)
            act(model, &actions[j]);
        if (n == 0 && schedule_next(world->schedule) > world->now)
            return;
    }
    fail_msg("the scheduler does not come to rest");
}

static void finish_routing(struct model *model) {
    if (model->n_routing == 0)
        return;
    size_t i = below(model, model->n_routing);
    uint32_t domain = model->routing[i];
    model->routing[i] = model->routing[--model->n_routing];
    uint64_t what = model->is_draining ? 9 : below(model, 10);
    if (what == 0)
        world_route_fails(&model->world, domain, true, false);
    else if (what < 3)
        world_route_fails(&model->world, domain, false, what == 1);
    else if (what < 5) { // the way has changed
        char key[8];
        snprintf(key, sizeof key, "l%u", (unsigned)below(model, LANES));
        world_route_to(&model->world, domain, key);
    } else
        world_route(&model->world, domain);
}

static void operate(struct model *model) {
    if (model->n_rcpts == 0)
        return;
    struct schedule *schedule = model->world.schedule;
    struct model_rcpt *rcpt = &model->rcpts[below(model, model->n_rcpts)];
    switch (below(model, 6)) {
    case 0: schedule_hold(schedule, rcpt->handle, model->world.wall_ms); break;
    case 1: schedule_release(schedule, rcpt->handle, model->world.now); break;
    case 2: schedule_retry(schedule, rcpt->handle, model->world.now); break;
    case 3:
        if (schedule_take_out(schedule, rcpt->handle)) {
            rcpt->is_out = true;
            drop(model, rcpt->handle);
        }
        break;
    case 4: {
        uint32_t lane = schedule_next_lane(schedule, 0);
        if (lane != 0)
            schedule_retry_lane(schedule, lane, model->world.now);
        break;
    }
    default: {
        struct schedule_settings settings = {.generation = ++model->world.generation,
                                             .slots = model->slots,
                                             .routes = 8,
                                             .retry = world_retry};
        schedule_configure(schedule, &settings, model->world.now);
    }
    }
}

// --- Invariants --------------------------------------------------------------------------

static void check(struct model *model) {
    struct schedule *schedule = model->world.schedule;
    struct schedule_counts counts = schedule_counts(schedule);
    assert_int_equal(counts.rcpts, model->n_rcpts);
    assert_int_equal(counts.ready + counts.waiting + counts.held + counts.out, model->n_rcpts);
    assert_int_equal(counts.sessions, model->n_sessions);
    assert_true(counts.sessions <= model->slots);
    assert_true(counts.routing <= 8);
    uint64_t n_out = 0;
    for (size_t i = 0; i < model->n_rcpts; i++) {
        struct schedule_rcpt_info info;
        schedule_rcpt(schedule, model->rcpts[i].handle, &info);
        assert_true(spool_id_equals(info.id, model->rcpts[i].id));
        assert_int_equal(info.state == SCHEDULE_OUT, model->rcpts[i].is_out);
        n_out += model->rcpts[i].is_out;
    }
    assert_int_equal(counts.out, n_out);
    uint64_t n_ready = 0, n_rcpts = 0;
    for (uint32_t lane = schedule_next_lane(schedule, 0); lane != 0;
         lane = schedule_next_lane(schedule, lane)) {
        struct schedule_lane_info info;
        uint32_t lane_ready = 0, lane_rcpts = 0;
        schedule_lane(schedule, lane, model->world.now, &info);
        assert_true(info.n_sessions <= model->world.way.max_connections);
        for (uint32_t domain = schedule_lane_domain(schedule, lane, 0); domain != 0;
             domain = schedule_lane_domain(schedule, lane, domain)) {
            struct schedule_domain_info of;
            schedule_domain(schedule, domain, &of);
            assert_int_equal(of.lane, lane);
            lane_ready += of.n_ready;
            lane_rcpts += of.n_rcpts;
        }
        assert_int_equal(info.n_ready, lane_ready);
        // Mail that nothing holds back has somebody who works on it.
        bool has_room = counts.sessions < model->slots / 4;
        bool is_bound = info.binding.kind != SCHEDULE_BIND_SLOTS;
        assert_true(info.n_ready == 0 || info.n_sessions > 0 || is_bound || !has_room);
        assert_int_equal(info.n_rcpts, lane_rcpts);
    }
    for (uint32_t domain = schedule_next_domain(schedule, 0); domain != 0;
         domain = schedule_next_domain(schedule, domain)) {
        struct schedule_domain_info of;
        schedule_domain(schedule, domain, &of);
        n_ready += of.n_ready;
        n_rcpts += of.n_rcpts;
    }
    assert_int_equal(n_ready, counts.ready);
    assert_int_equal(n_rcpts, counts.rcpts);
}

static void random_event(struct model *model) {
    uint64_t what = below(model, 100);
    if (what < 30)
        add(model);
    else if (what < 65 && model->n_sessions > 0)
        work(model, &model->sessions[below(model, model->n_sessions)]);
    else if (what < 80)
        finish_routing(model);
    else if (what < 84 && model->n_sessions > 0) {
        struct model_session *session = &model->sessions[below(model, model->n_sessions)];
        if (!session->is_waiting)
            end_session(model, session);
    } else if (what < 88)
        operate(model);
    else if (what < 99)
        world_pass(&model->world, (int64_t)below(model, what < 96 ? 3000 : 10 * MINUTE));
    else
        world_pass(&model->world, (int64_t)below(model, 5 * HOUR));
    step(model);
}

// When everything works, the queue empties, but for what is on hold, and that is bounded, too.
static void drain(struct model *model) {
    model->is_draining = true;
    for (int i = 0; i < 200000 && model->n_rcpts > 0; i++) {
        for (size_t j = 0; j < model->n_sessions; j++)
            work(model, &model->sessions[j]);
        finish_routing(model);
        world_pass(&model->world, i % 10 == 0 ? 20 * MINUTE : 1000);
        step(model);
    }
    assert_int_equal(model->n_rcpts, 0);
    assert_int_equal(model->n_added, model->n_ended);
}

static void run(uint64_t seed) {
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    rng_init(&model->rng, seed);
    model->slots = 1 + (unsigned)below(model, 30);
    world_init(&model->world, model->slots);
    model->world.routes_itself = false;
    model->world.way.max_connections = 1 + (unsigned)below(model, 6);
    model->world.way.max_messages_per_connection = (unsigned)below(model, 3) * 7;
    if (below(model, 3) == 0) {
        model->world.way.rate_events = 1 + below(model, 50);
        model->world.way.rate_period_ms = 1000;
    }
    model->world.route_life_ms = 1000 + (int64_t)below(model, HOUR);
    for (int i = 0; i < 3000; i++) {
        random_event(model);
        if (i % 50 == 0)
            check(model);
    }
    drain(model);
    check(model);
    while (model->n_sessions > 0)
        end_session(model, &model->sessions[0]);
    schedule_destroy(model->world.schedule);
    assert_int_equal(model->world.n_routes, 0);
    free(model);
}

static uint64_t first_seed = 1, n_seeds = 60;

static void the_scheduler_keeps_its_invariants(void **state) {
    for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}

// model [FIRST SEED [HOW MANY]]
int main(int argc, char **argv) {
    if (argc > 1)
        view_to_u64(view_of(argv[1]), &first_seed);
    if (argc > 2)
        view_to_u64(view_of(argv[2]), &n_seeds);
    else if (argc > 1)
        n_seeds = 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_scheduler_keeps_its_invariants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
