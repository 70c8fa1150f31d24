// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <stdlib.h>

enum { HEAP_FIRST_NODES = 64 };

void heap_init(struct heap *heap) {
    *heap = (struct heap){0};
}

void heap_finish(struct heap *heap) {
    free(heap->nodes);
    heap_init(heap);
}

static bool is_before(const struct heap_node *a, const struct heap_node *b) {
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void put(struct heap *heap, size_t at, struct heap_node *node) {
    heap->nodes[at] = node;
    node->place = at + 1;
}

static void sift_up(struct heap *heap, size_t at, struct heap_node *node) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_before(node, heap->nodes[parent]))
            break;
        put(heap, at, heap->nodes[parent]);
        at = parent;
    }
    put(heap, at, node);
}

static void sift_down(struct heap *heap, size_t at, struct heap_node *node) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->n_nodes)
            break;
        if (child + 1 < heap->n_nodes && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        put(heap, at, heap->nodes[child]);
        at = child;
    }
    put(heap, at, node);
}

void heap_insert(struct heap *heap, struct heap_node *node, int64_t key) {
    ASSERT(!heap_contains(node));
    if (heap->n_nodes == heap->size) {
        heap->size = heap->size ? heap->size * 2 : HEAP_FIRST_NODES;
        heap->nodes = mem_realloc(heap->nodes, heap->size * sizeof(struct heap_node *));
    }
    node->key = key;
    node->order = heap->next_order++;
    sift_up(heap, heap->n_nodes++, node);
}

void heap_remove(struct heap *heap, struct heap_node *node) {
    if (!heap_contains(node))
        return;
    size_t at = node->place - 1;
    ASSERT(at < heap->n_nodes && heap->nodes[at] == node);
    struct heap_node *last = heap->nodes[--heap->n_nodes];
    node->place = 0;
    if (last == node)
        return;
    if (at > 0 && is_before(last, heap->nodes[(at - 1) / 2]))
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}

struct heap_node *heap_first(const struct heap *heap) {
    return heap->n_nodes ? heap->nodes[0] : NULL;
}
