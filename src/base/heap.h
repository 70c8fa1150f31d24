// SPDX-License-Identifier: Apache-2.0
// A binary min-heap of intrusive nodes ordered by a 64-bit key (a time); equal keys come out in the
// order in which they were put in, so that a simulated run repeats exactly.
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_node {
    int64_t key;
    uint64_t order;
    size_t place; // one-based; zero: not in a heap
};

struct heap {
    struct heap_node **nodes;
    size_t n_nodes;
    size_t size;
    uint64_t next_order;
};

void heap_init(struct heap *heap);
void heap_finish(struct heap *heap);
// The node must not be in a heap.
void heap_insert(struct heap *heap, struct heap_node *node, int64_t key);
// Harmless on a node that is in no heap.
void heap_remove(struct heap *heap, struct heap_node *node);
struct heap_node *heap_first(const struct heap *heap);

static inline bool heap_contains(const struct heap_node *node) {
    return node->place != 0;
}

#endif
