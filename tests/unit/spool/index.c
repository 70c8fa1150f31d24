// SPDX-License-Identifier: Apache-2.0
// The index against a plain table, with batches that are settled or taken back at random, and what
// it pins in the segments.
#include "unit/spool/spool_test.h"

#include "base/rng.h"
#include "spool/index.h"

enum { SEGMENTS = 4, ITEMS = 3000, RCPTS_MAX = 5, OPERATIONS = 60000 };

struct row {
    bool is_there;
    uint32_t n_rcpts, n_extents;
    struct spool_place home, places[RCPTS_MAX];
    bool is_settled[RCPTS_MAX];
};

struct table {
    struct row rows[ITEMS], before[ITEMS]; // as of the last batch
};

static struct spool_segments segments;
static struct spool_index spool_index;
static struct spool_changes changes;
static struct table *table;
static struct rng rng;

static uint32_t below(uint32_t limit) {
    return (uint32_t)rng_below(&rng, limit);
}

static struct spool_id id_of(uint32_t row) {
    return (struct spool_id){(uint64_t)1 << 32 | 1, row};
}

static struct spool_place random_place(void) {
    return (struct spool_place){1 + below(SEGMENTS), 1024 + below(1000)};
}

static struct spool_item *live(uint32_t row) {
    struct spool_item *item = spool_index_find(&spool_index, id_of(row));
    return item && item->n_open > 0 ? item : NULL;
}

static struct spool_new_item make_new(uint32_t n, struct row *row, struct spool_extent *extents) {
    *row = (struct row){.is_there = true,
                        .n_rcpts = below(2) ? 1 : 1 + below(RCPTS_MAX),
                        .n_extents = below(4) ? 0 : 1 + below(2),
                        .home = random_place()};
    extents[0] = (struct spool_extent){1, 1000};
    extents[1] = (struct spool_extent){2, 2000};
    return (struct spool_new_item){.id = id_of(n),
                                   .n_rcpts = row->n_rcpts,
                                   .stored_bytes = 500,
                                   .home = row->home,
                                   .extents = extents,
                                   .n_extents = row->n_extents};
}

static void change_rcpt(uint32_t n, struct row *row, struct spool_item *item) {
    uint32_t rcpt = below(row->n_rcpts);
    struct spool_place place = random_place();
    if (row->is_settled[rcpt]) {
        spool_index_resettle(&changes, item, rcpt, place);
    } else if (below(2)) {
        spool_index_state(&changes, item, rcpt, place);
    } else {
        spool_index_settle(&changes, item, rcpt, place);
        row->is_settled[rcpt] = true;
    }
    row->places[rcpt] = place;
    if (item->n_open > 0)
        return;
    spool_index_kill(&changes, item);
    row->is_there = false;
}

static void operate(void) {
    uint32_t n = below(ITEMS);
    struct row *row = &table->rows[n];
    struct spool_extent extents[2];
    struct spool_item *item = spool_index_find(&spool_index, id_of(n));
    if (!item) {
        struct spool_new_item new = make_new(n, row, extents);
        spool_index_add(&changes, &new);
    } else if (item->n_open == 0) {
        return; // dies with this batch
    } else if (below(5) == 0) {
        struct spool_new_item new = make_new(n, row, extents);
        spool_index_move(&changes, item, &new);
    } else {
        change_rcpt(n, row, item);
    }
}

static void check_row(uint32_t n) {
    const struct row *row = &table->rows[n];
    const struct spool_item *item = live(n);
    assert_int_equal(item != NULL, row->is_there);
    if (!item)
        return;
    assert_int_equal(item->n_rcpts, row->n_rcpts);
    assert_true(spool_place_equals(item->home, row->home));
    for (uint32_t i = 0; i < row->n_rcpts; i++) {
        assert_true(spool_place_equals(spool_item_rcpt_place(item, i), row->places[i]));
        assert_int_equal(spool_item_is_settled(item, i), row->is_settled[i]);
    }
}

// The pins are what the live rows need, no more and no less.
static void check_pins(void) {
    uint64_t pins[SEGMENTS + 1] = {0}, bytes[SEGMENTS + 1] = {0};
    for (size_t n = 0; n < ITEMS; n++) {
        const struct row *row = &table->rows[n];
        if (!row->is_there)
            continue;
        pins[row->home.slot]++;
        bytes[row->home.slot] += 500;
        for (uint32_t i = 0; i < row->n_extents; i++) {
            pins[i + 1]++;
            bytes[i + 1] += 1000 * (i + 1);
        }
        for (uint32_t i = 0; i < row->n_rcpts; i++)
            if (row->places[i].slot) {
                pins[row->places[i].slot]++;
                bytes[row->places[i].slot] += SPOOL_STATE_BYTES;
            }
    }
    for (uint32_t slot = 1; slot <= SEGMENTS; slot++) {
        assert_int_equal(spool_segments_at(&segments, slot)->n_pins, pins[slot]);
        assert_int_equal(spool_segments_at(&segments, slot)->live_bytes, bytes[slot]);
    }
}

static void end_batch(void) {
    if (below(3)) {
        spool_changes_settle(&changes);
        memcpy(table->before, table->rows, sizeof(table->rows));
    } else {
        spool_changes_take_back(&changes);
        memcpy(table->rows, table->before, sizeof(table->rows));
    }
    if (below(20) == 0) {
        for (uint32_t n = 0; n < ITEMS; n++)
            check_row(n);
        check_pins();
    }
}

static void index_follows_a_table(void **state) {
    rng_init(&rng, 42);
    table = mem_alloc_zero(sizeof(*table));
    spool_segments_init(&segments);
    spool_index_init(&spool_index, &segments);
    spool_changes_init(&changes, &spool_index);
    for (uint64_t i = 1; i <= SEGMENTS; i++) {
        struct spool_header header = {.number = i};
        spool_segments_add(&segments, spool_file_create(NULL, &header), SPOOL_SEGMENT_CLOSED);
    }
    for (int i = 0; i < OPERATIONS; i++) {
        operate();
        if (below(30) == 0)
            end_batch();
    }
    end_batch();
    check_pins();
    spool_changes_finish(&changes);
    spool_index_finish(&spool_index);
    for (size_t i = 0; i < segments.n_ordered; i++)
        segments.ordered[i]->file->file = NULL;
    spool_segments_finish(&segments);
    free(table);
}

// What the header promises: under 90 bytes a message with one recipient.
static void a_million_messages_fit(void **state) {
    enum { MILLION = 1000000 };
    spool_segments_init(&segments);
    spool_index_init(&spool_index, &segments);
    spool_changes_init(&changes, &spool_index);
    struct spool_header header = {.number = 1};
    spool_segments_add(&segments, spool_file_create(NULL, &header), SPOOL_SEGMENT_CLOSED);
    for (uint32_t i = 0; i < MILLION; i++) {
        struct spool_new_item new = {
            .id = id_of(i), .n_rcpts = 1, .stored_bytes = 4096, .home = {1, i + 1024}};
        spool_index_add(&changes, &new);
        spool_changes_settle(&changes);
    }
    assert_true(spool_index_memory(&spool_index) <= 90 * (uint64_t)MILLION);
    for (uint32_t i = 0; i < MILLION; i += 997)
        assert_non_null(live(i));
    assert_null(live(MILLION));
    spool_changes_finish(&changes);
    spool_index_finish(&spool_index);
    spool_segments_finish(&segments);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_follows_a_table),
        cmocka_unit_test(a_million_messages_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
