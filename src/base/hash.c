// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <stdlib.h>

enum { HASH_SLOTS_FIRST = 16 };

void hash_table_init(struct hash_table *table) {
    *table = (struct hash_table){0};
}

void hash_table_finish(struct hash_table *table) {
    free(table->slots);
    hash_table_init(table);
}

static struct hash_node **slot_of(const struct hash_table *table, uint64_t hash) {
    return &table->slots[hash_u64(hash) & (table->n_slots - 1)];
}

static void grow(struct hash_table *table) {
    struct hash_table bigger = {.n_slots = table->n_slots ? table->n_slots * 2 : HASH_SLOTS_FIRST,
                                .n_nodes = table->n_nodes};
    bigger.slots = mem_alloc_zero(bigger.n_slots * sizeof(struct hash_node *));
    for (size_t i = 0; i < table->n_slots; i++)
        for (struct hash_node *node = table->slots[i], *next; node; node = next) {
            struct hash_node **slot = slot_of(&bigger, node->hash);
            next = node->next;
            node->next = *slot;
            *slot = node;
        }
    free(table->slots);
    *table = bigger;
}

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash) {
    if (table->n_nodes >= table->n_slots)
        grow(table);
    struct hash_node **slot = slot_of(table, hash);
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    table->n_nodes++;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node) {
    ASSERT(table->n_nodes > 0);
    struct hash_node **link = slot_of(table, node->hash);
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->n_nodes--;
}

struct hash_node *hash_table_first(const struct hash_table *table, uint64_t hash) {
    if (table->n_slots == 0)
        return NULL;
    struct hash_node *node = *slot_of(table, hash);
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct hash_node *hash_table_next(const struct hash_node *node) {
    struct hash_node *next = node->next;
    while (next && next->hash != node->hash)
        next = next->next;
    return next;
}

void hash_table_each(struct hash_table *table, void (*visit)(struct hash_node *node, void *arg),
                     void *arg) {
    for (size_t i = 0; i < table->n_slots; i++)
        for (struct hash_node *node = table->slots[i], *next; node; node = next) {
            next = node->next;
            visit(node, arg);
        }
}

uint64_t hash_u64(uint64_t value) {
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdU;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53U;
    return value ^ (value >> 33);
}

static uint64_t rotate(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64 - bits));
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t load_word(const char *bytes, size_t len, bool nocase) {
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        char c = nocase ? ascii_lower(bytes[i]) : bytes[i];
        word |= (uint64_t)(unsigned char)c << (8 * i);
    }
    return word;
}

uint64_t hash_bytes_keyed(const uint64_t key[2], struct view bytes, bool nocase) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U};
    size_t at = 0;
    for (; at + 8 <= bytes.len; at += 8) {
        uint64_t word = load_word(bytes.ptr + at, 8, nocase);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = load_word(bytes.ptr + at, bytes.len - at, nocase);
    last |= (uint64_t)(bytes.len & 0xff) << 56;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
