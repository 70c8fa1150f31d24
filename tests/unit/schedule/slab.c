// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "base/hash.h"
#include "base/rng.h"
#include "schedule/wheel.h"

#include <stdlib.h>

struct item {
    struct wheel_node node;
    uint32_t index_next;
    uint64_t key;
};

static uint64_t hash_of_item(const void *item) {
    return hash_u64(((const struct item *)item)->key);
}

static void numbers_are_reused(void **state) {
    struct slab slab;
    slab_init(&slab, sizeof(struct item));
    uint32_t a = slab_take(&slab), b = slab_take(&slab);
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    ((struct item *)slab_at(&slab, a))->key = 5;
    slab_give(&slab, a);
    assert_int_equal(slab_take(&slab), a);
    assert_int_equal(((struct item *)slab_at(&slab, a))->key, 0);
    for (int i = 0; i < 3 * SLAB_CHUNK_ITEMS; i++)
        slab_take(&slab);
    assert_int_equal(slab.n_live, 2 + 3 * SLAB_CHUNK_ITEMS);
    slab_finish(&slab);
}

static void chains_keep_their_order(void **state) {
    struct slab slab;
    slab_init(&slab, sizeof(struct item));
    struct chain_type type = {&slab, offsetof(struct item, node)};
    struct chain chain = {0};
    uint32_t items[5];
    for (int i = 0; i < 5; i++)
        items[i] = slab_take(&slab);
    for (int i = 1; i < 4; i++)
        chain_append(type, &chain, items[i]);
    chain_prepend(type, &chain, items[0]);
    chain_append(type, &chain, items[4]);
    chain_remove(type, &chain, items[2]);
    chain_remove(type, &chain, items[4]);
    chain_remove(type, &chain, items[0]);
    assert_int_equal(chain.first, items[1]);
    assert_int_equal(chain.last, items[3]);
    assert_int_equal(chain_link(type, items[1])->next, items[3]);
    assert_int_equal(chain.n, 2);
    slab_finish(&slab);
}

static uint32_t find(const struct index *index, uint64_t key) {
    for (uint32_t at = index_first(index, hash_u64(key)); at != 0; at = index_next(index, at))
        if (((const struct item *)slab_at(index->slab, at))->key == key)
            return at;
    return 0;
}

static void index_finds_what_is_in_it(void **state) {
    enum { N = 20000 };
    struct slab slab;
    struct index index;
    slab_init(&slab, sizeof(struct item));
    index_init(&index, &slab, offsetof(struct item, index_next), hash_of_item);
    for (uint64_t key = 1; key <= N; key++) {
        uint32_t number = slab_take(&slab);
        ((struct item *)slab_at(&slab, number))->key = key;
        index_insert(&index, number);
    }
    for (uint64_t key = 1; key <= N; key += 2)
        index_remove(&index, find(&index, key));
    for (uint64_t key = 1; key <= N; key++)
        assert_int_equal(find(&index, key) != 0, key % 2 == 0);
    assert_true(index_memory(&index) < N * 8);
    index_finish(&index);
    slab_finish(&slab);
}

// Everything fires in its second, whatever the distance and however small the budget.
static void wheel_fires_in_time(void **state) {
    static const uint32_t dues[] = {0,   1,     2,     255,   256,    257,     300,    511,  512,
                                    513, 65535, 65536, 65537, 131071, 131072,  200000, 9999, 70000,
                                    1,   256,   65536, 86400, 604800, 1000000, 3,      254};
    struct slab slab;
    struct wheel *wheel = malloc(sizeof *wheel);
    slab_init(&slab, sizeof(struct item));
    uint32_t start = 12345;
    wheel_init(wheel, &slab, offsetof(struct item, node), start);
    for (size_t i = 0; i < ARRAY_LEN(dues); i++) {
        uint32_t number = slab_take(&slab);
        wheel_insert(wheel, number, start + dues[i]);
    }
    size_t n_fired = 0;
    uint32_t now = start;
    while (wheel->n > 0) {
        unsigned budget = 3;
        uint32_t number = wheel_pop(wheel, now, &budget);
        if (number != 0) {
            uint32_t due = ((struct item *)slab_at(&slab, number))->node.due;
            assert_int_equal(due, now);
            n_fired++;
        } else if (budget > 0) {
            uint32_t next = wheel_next(wheel);
            assert_true(next > now);
            now = next;
        }
    }
    assert_int_equal(n_fired, ARRAY_LEN(dues));
    slab_finish(&slab);
    free(wheel);
}

static void wheel_agrees_with_a_plain_list(void **state) {
    enum { N = 500 };
    struct slab slab;
    struct wheel *wheel = malloc(sizeof *wheel);
    struct rng rng;
    rng_init(&rng, 7);
    slab_init(&slab, sizeof(struct item));
    wheel_init(wheel, &slab, offsetof(struct item, node), 0);
    uint32_t due_of[N + 1] = {0}; // zero: not in the wheel
    for (int i = 0; i < N; i++)
        slab_take(&slab);
    uint32_t now = 0;
    for (int round = 0; round < 4000; round++) {
        uint32_t number = 1 + (uint32_t)rng_below(&rng, N);
        if (due_of[number] != 0) {
            wheel_remove(wheel, number);
            due_of[number] = 0;
        } else {
            due_of[number] =
                now + 1 + (uint32_t)rng_below(&rng, rng_chance(&rng, 1, 3) ? 200000 : 600);
            wheel_insert(wheel, number, due_of[number]);
        }
        now += (uint32_t)rng_below(&rng, rng_chance(&rng, 1, 50) ? 70000 : 20);
        unsigned budget = 1000000;
        for (uint32_t fired; (fired = wheel_pop(wheel, now, &budget)) != 0;) {
            assert_true(due_of[fired] != 0 && due_of[fired] <= now);
            due_of[fired] = 0;
        }
        for (int i = 1; i <= N; i++)
            assert_true(due_of[i] == 0 || due_of[i] > now);
    }
    slab_finish(&slab);
    free(wheel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_reused),
        cmocka_unit_test(chains_keep_their_order),
        cmocka_unit_test(index_finds_what_is_in_it),
        cmocka_unit_test(wheel_fires_in_time),
        cmocka_unit_test(wheel_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
