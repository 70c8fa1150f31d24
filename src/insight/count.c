// SPDX-License-Identifier: Apache-2.0
// How many different ones: a short list while there are few, then registers that remember the
// longest runs of zero bits (HyperLogLog, Flajolet and others, 2007).
#include "insight/insight_internal.h"

#include <math.h>
#include <stdlib.h>

enum { FEW_MAX = 64, REGISTER_BITS = 10, N_REGISTERS = 1 << REGISTER_BITS };

static double part_of(uint8_t rank) {
    return 1.0 / (double)(UINT64_C(1) << rank);
}

static void raise_register(struct count *count, size_t at, uint8_t rank) {
    uint8_t before = count->registers[at];
    if (before >= rank)
        return;
    count->registers[at] = rank;
    count->sum += part_of(rank) - part_of(before);
    count->n_zero = (uint16_t)(count->n_zero - (before == 0));
}

static void add_to_registers(struct count *count, uint64_t hash) {
    uint64_t mixed = hash_u64(hash);
    size_t at = mixed >> (64 - REGISTER_BITS);
    uint64_t rest = mixed << REGISTER_BITS;
    uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 64 - REGISTER_BITS + 1);
    raise_register(count, at, rank);
}

static void become_many(struct count *count) {
    ASSERT(!count->registers);
    count->registers = mem_alloc_zero(N_REGISTERS);
    count->sum = count->n_zero = N_REGISTERS;
    for (size_t i = 0; i < count->n_few; i++)
        add_to_registers(count, count->few[i]);
    free(count->few);
    count->few = NULL;
    count->n_few = count->few_size = 0;
}

void count_add(struct count *count, uint64_t hash) {
    if (hash == 0)
        return;
    for (size_t i = count->n_few; i-- > 0;)
        if (count->few[i] == hash)
            return;
    if (!count->registers && count->n_few == FEW_MAX)
        become_many(count);
    if (count->registers) {
        add_to_registers(count, hash);
        return;
    }
    if (count->n_few == count->few_size) {
        count->few_size = (uint16_t)(count->few_size ? 2 * count->few_size : 4);
        count->few = mem_realloc(count->few, count->few_size * sizeof(*count->few));
    }
    count->few[count->n_few++] = hash;
}

void count_join(struct count *count, const struct count *other) {
    for (size_t i = 0; i < other->n_few; i++)
        count_add(count, other->few[i]);
    if (!other->registers)
        return;
    if (!count->registers)
        become_many(count);
    for (size_t i = 0; i < N_REGISTERS; i++)
        raise_register(count, i, other->registers[i]);
}

uint64_t count_get(const struct count *count) {
    double m = N_REGISTERS;
    if (!count->registers)
        return count->n_few;
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / count->sum;
    if (estimate <= 2.5 * m &&
        count->n_zero) // small numbers are better told by the empty registers
        estimate = m * log(m / count->n_zero);
    return (uint64_t)llround(estimate);
}

void count_finish(struct count *count) {
    free(count->few);
    free(count->registers);
    *count = (struct count){0};
}
