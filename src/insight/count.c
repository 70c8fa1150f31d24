// SPDX-License-Identifier: Apache-2.0
// How many different ones: a short list while there are few, then registers that remember the
// longest runs of zero bits (HyperLogLog, Flajolet and others, 2007).
#include "insight/insight_internal.h"

#include <math.h>
#include <stdlib.h>

enum { FEW_MAX = 64, REGISTER_BITS = 10, N_REGISTERS = 1 << REGISTER_BITS };

static void add_to_registers(struct count *count, uint64_t hash) {
    uint64_t mixed = hash_u64(hash);
    size_t at = mixed >> (64 - REGISTER_BITS);
    uint64_t rest = mixed << REGISTER_BITS;
    uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 64 - REGISTER_BITS + 1);
    if (count->registers[at] < rank)
        count->registers[at] = rank;
}

static void become_many(struct count *count) {
    ASSERT(!count->registers && count->n_few == FEW_MAX);
    count->registers = mem_alloc_zero(N_REGISTERS);
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
    if (!count->registers) {
        count->registers = mem_alloc_zero(N_REGISTERS);
        for (size_t i = 0; i < count->n_few; i++)
            add_to_registers(count, count->few[i]);
        free(count->few);
        count->few = NULL;
        count->n_few = count->few_size = 0;
    }
    for (size_t i = 0; i < N_REGISTERS; i++)
        if (count->registers[i] < other->registers[i])
            count->registers[i] = other->registers[i];
}

uint64_t count_get(const struct count *count) {
    double sum = 0, m = N_REGISTERS;
    size_t n_zero = 0;
    if (!count->registers)
        return count->n_few;
    for (size_t i = 0; i < N_REGISTERS; i++) {
        sum += ldexp(1, -count->registers[i]);
        n_zero += count->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && n_zero) // small numbers are better told by the empty registers
        estimate = m * log(m / (double)n_zero);
    return (uint64_t)llround(estimate);
}

void count_finish(struct count *count) {
    free(count->few);
    free(count->registers);
    *count = (struct count){0};
}
