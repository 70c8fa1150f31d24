// SPDX-License-Identifier: Apache-2.0
// An intrusive hash table: the caller's structs carry a `hash_node`, the caller compares. It grows
// by doubling. Keys that strangers choose are hashed with a secret seed (hash_bytes_keyed).
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/view.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **slots;
    size_t n_slots; // zero or a power of two
    size_t n_nodes;
};

void hash_table_init(struct hash_table *table);
// Frees the table, not the nodes.
void hash_table_finish(struct hash_table *table);
void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);
// The node must be in the table.
void hash_table_remove(struct hash_table *table, struct hash_node *node);
// First node with that hash, then the following ones; compare each with your key.
struct hash_node *hash_table_first(const struct hash_table *table, uint64_t hash);
struct hash_node *hash_table_next(const struct hash_node *node);
// Visits every node; `visit` may remove and free the node it is given, no other.
void hash_table_each(struct hash_table *table, void (*visit)(struct hash_node *node, void *arg),
                     void *arg);
// SipHash-1-3 with a 128-bit key; folds ASCII case when `nocase`.
uint64_t hash_bytes_keyed(const uint64_t key[2], struct view bytes, bool nocase);
// Mixes an integer so that sequences spread.
uint64_t hash_u64(uint64_t value);

#endif
