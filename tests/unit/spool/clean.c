// SPDX-License-Identifier: Apache-2.0
// What the keeper does: indexes of closed segments, unlinking of dead ones, cleaning of mostly dead
// ones, with everything that was alive still there.
#include "unit/spool/spool_test.h"

enum { FLOW = 1200, KEEP_ONE_OF = 12, SIZE_BYTES = 3500, MODEL_MAX = 200 };

struct stayed {
    struct spool_id id;
    uint32_t n_rcpts;
    uint64_t size;
    char state[40];
    bool is_first_settled;
};
struct model {
    struct stayed list[MODEL_MAX];
    size_t n;
};

// A message that stays, in one of the shapes that cleaning has to carry.
static void add_stayed(struct spool *spool, struct model *model, unsigned n) {
    struct stayed *stayed = &model->list[model->n++];
    assert_true(model->n < MODEL_MAX);
    *stayed = (struct stayed){.n_rcpts = 1 + n % 3, .size = n % 7 == 3 ? 290000 + n : SIZE_BYTES};
    assert_int_equal(put_message(spool, stayed->n_rcpts, stayed->size, &stayed->id), SPOOL_OK);
    if (n % 2) {
        snprintf(stayed->state, sizeof(stayed->state), "state %u", n);
        assert_int_equal(update_rcpt(spool, stayed->id, stayed->n_rcpts - 1, stayed->state),
                         SPOOL_OK);
    }
    if (n % 3 == 2) {
        stayed->is_first_settled = true;
        assert_int_equal(settle_rcpt(spool, stayed->id, 0), SPOOL_OK);
    }
}

static void check_stayed(const struct seen *seen, const struct model *model) {
    assert_int_equal(seen->n, model->n);
    for (size_t i = 0; i < model->n; i++) {
        const struct stayed *stayed = &model->list[i];
        const struct seen_message *message = seen_of(seen, stayed->id);
        assert_int_equal(message->n_rcpts, stayed->n_rcpts);
        assert_int_equal(message->settled & 1, stayed->is_first_settled);
        assert_string_equal(message->states[stayed->n_rcpts - 1], stayed->state);
    }
}

static void check_bodies(struct spool *spool, const struct model *model) {
    for (size_t i = 0; i < model->n; i++)
        assert_true(stored_body_matches(spool, model->list[i].id, model->list[i].size));
}

struct flow {
    struct spool *spool;
    struct model model;
};

static void flow_through(struct flow *flow, unsigned from, unsigned to) {
    struct spool_id last[8] = {{0}};
    for (unsigned n = from; n < to; n++) {
        struct spool_id id, *slot = &last[n % ARRAY_LEN(last)];
        if (n % KEEP_ONE_OF == 5)
            add_stayed(flow->spool, &flow->model, n);
        assert_int_equal(put_message(flow->spool, 1, SIZE_BYTES, &id), SPOOL_OK);
        if (!spool_id_is_none(*slot))
            assert_int_equal(settle_rcpt(flow->spool, *slot, 0), SPOOL_OK);
        *slot = id;
        if (n % 100 == 0)
            assert_int_equal(put_note(flow->spool, n % 200 ? "even" : "odd", "noted"), SPOOL_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        assert_int_equal(settle_rcpt(flow->spool, last[i], 0), SPOOL_OK);
}

static void count_note(struct view key, struct view value, void *arg) {
    assert_true(view_equals(value, VIEW("noted")));
    ++*(int *)arg;
}

static bool is_clean(struct spool *spool) {
    struct spool_health health = spool_health(spool);
    return health.log_bytes <= 2 * health.live_bytes + 7 * (64 << 10);
}

// Three lives: what was moved in one is moved again in the next, and nobody comes back.
static void cleaning_carries_what_is_alive(void *arg) {
    struct flow *flow = mem_alloc_zero(sizeof(*flow));
    struct seen *seen = make_seen();
    for (unsigned life = 0; life < 3; life++) {
        flow->spool = open_spool(seen);
        assert_int_equal(seen->recovery.damaged_records, 0);
        check_stayed(seen, &flow->model);
        flow_through(flow, life * FLOW / 3, (life + 1) * FLOW / 3);
        check_bodies(flow->spool, &flow->model);
        for (int i = 0; i < 200 && !is_clean(flow->spool); i++)
            io_sleep(io_after(50));
        assert_true(is_clean(flow->spool));
        check_bodies(flow->spool, &flow->model);
        spool_close(flow->spool);
    }
    flow->spool = open_spool(seen);
    check_stayed(seen, &flow->model);
    check_bodies(flow->spool, &flow->model);
    int n_notes = 0;
    spool_notes_each(flow->spool, count_note, &n_notes);
    assert_int_equal(n_notes, 2);
    for (size_t i = 0; i < flow->model.n; i++)
        for (uint32_t rcpt = 0; rcpt < flow->model.list[i].n_rcpts; rcpt++)
            assert_int_equal(settle_rcpt(flow->spool, flow->model.list[i].id, rcpt), SPOOL_OK);
    assert_int_equal(spool_health(flow->spool).messages, 0);
    spool_close(flow->spool);
    flow->spool = open_spool(seen);
    assert_int_equal(seen->n, 0);
    spool_close(flow->spool);
    free(flow);
    free(seen);
}

static void dead_segments_go_by_themselves(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    for (int i = 0; i < 300; i++) {
        struct spool_id id;
        assert_int_equal(put_message(spool, 1, 5000, &id), SPOOL_OK);
        assert_int_equal(settle_rcpt(spool, id, 0), SPOOL_OK);
        io_sleep(io_after(1));
    }
    io_sleep(io_after(500));
    assert_true(spool_health(spool).segments <= 3);
    spool_close(spool);
    free(seen);
}

// A reader holds the file of a segment that is cleaned away meanwhile.
static void reader_outlives_its_segment(void *arg) {
    struct flow *flow = mem_alloc_zero(sizeof(*flow));
    struct seen *seen = make_seen();
    struct spool_body *small, *large;
    flow->spool = open_spool(seen);
    for (unsigned n = 0; n < 8; n++)
        add_stayed(flow->spool, &flow->model, n);
    const struct stayed *first = &flow->model.list[0], *third = &flow->model.list[3];
    assert_int_equal(spool_body_open(flow->spool, first->id, &small), SPOOL_OK);
    assert_int_equal(spool_body_open(flow->spool, third->id, &large), SPOOL_OK);
    assert_true(third->size > 256 << 10);
    for (size_t i = 0; i < flow->model.n; i++)
        for (uint32_t rcpt = 0; rcpt < flow->model.list[i].n_rcpts; rcpt++)
            assert_int_equal(settle_rcpt(flow->spool, flow->model.list[i].id, rcpt), SPOOL_OK);
    io_sleep(io_after(1000));
    assert_true(spool_health(flow->spool).segments <= 2);
    assert_true(body_matches(small, first->id.lo, first->size));
    assert_true(body_matches(large, third->id.lo, third->size));
    spool_body_unref(small);
    spool_body_unref(large);
    spool_close(flow->spool);
    free(flow);
    free(seen);
}

static void closed_store_is_not_scanned(void *arg) {
    struct flow *flow = mem_alloc_zero(sizeof(*flow));
    struct seen *seen = make_seen();
    flow->spool = open_spool(seen);
    for (unsigned n = 0; n < 60; n++)
        add_stayed(flow->spool, &flow->model, n);
    spool_close(flow->spool);
    flow->spool = open_spool(seen);
    check_stayed(seen, &flow->model);
    assert_int_equal(seen->recovery.bytes_scanned, 0);
    assert_true(seen->recovery.segments > 5);
    assert_true(seen->recovery.newest_ms > 0);
    spool_close(flow->spool);
    free(flow);
    free(seen);
}

// Each start makes a segment, and a message in it keeps it.
static void many_starts_leave_few_segments(void *arg) {
    enum { STARTS = 150 };
    struct seen *seen = make_seen();
    struct spool_id ids[STARTS];
    for (int i = 0; i < STARTS; i++) {
        struct spool *spool = open_spool(seen);
        assert_int_equal(seen->n, i);
        assert_int_equal(put_message(spool, 2, 300, &ids[i]), SPOOL_OK);
        assert_int_equal(update_rcpt(spool, ids[i], 1, "one"), SPOOL_OK);
        struct spool_tx *tx = spool_tx_create(spool); // twice in one transaction: the later counts
        spool_tx_update(tx, ids[i], 1, VIEW("two"));
        spool_tx_update(tx, ids[i], 1, VIEW("three"));
        assert_int_equal(spool_commit(tx), SPOOL_OK);
        io_sleep(io_after(i < STARTS - 1 ? 10 : 20000));
        if (i == STARTS - 1)
            assert_true(spool_health(spool).segments < 90);
        spool_close(spool);
    }
    struct spool *spool = open_spool(seen);
    assert_int_equal(seen->n, STARTS);
    for (int i = 0; i < STARTS; i++) {
        assert_true(stored_body_matches(spool, ids[i], 300));
        assert_string_equal(seen_of(seen, ids[i])->states[1], "three");
    }
    spool_close(spool);
    free(seen);
}

// Bodies that arrive while everything else is cleaned: their chunks are kept for them.
static void arriving_body_keeps_its_chunks(void *arg) {
    struct flow *flow = mem_alloc_zero(sizeof(*flow));
    struct seen *seen = make_seen();
    flow->spool = open_spool(seen);
    struct spool_id id = spool_id_next(flow->spool);
    struct spool_body *body = make_body(flow->spool, NULL, id.lo, 400000);
    flow_through(flow, 0, 200);
    io_sleep(io_after(3000));
    struct spool_tx *tx = spool_tx_create(flow->spool);
    add_message(tx, id, 1, body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    spool_body_unref(body);
    assert_true(stored_body_matches(flow->spool, id, 400000));
    spool_close(flow->spool);
    flow->spool = open_spool(seen);
    assert_true(stored_body_matches(flow->spool, id, 400000));
    spool_close(flow->spool);
    free(flow);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(cleaning_carries_what_is_alive), ON_BOTH(dead_segments_go_by_themselves),
        ON_BOTH(reader_outlives_its_segment),    ON_BOTH(closed_store_is_not_scanned),
        ON_BOTH(arriving_body_keeps_its_chunks), ON_SIM(many_starts_leave_few_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
