// SPDX-License-Identifier: Apache-2.0
// An intrusive doubly linked list. A state of an object is its membership of one list, so moving
// between lists is the transition. A head and an unlinked node both point at themselves.
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *node) {
    node->next = node->prev = node;
}
static inline bool list_is_empty(const struct list *head) {
    return head->next == head;
}
static inline bool list_is_linked(const struct list *node) {
    return node->next != node;
}
static inline void list_insert_before(struct list *at, struct list *node) {
    ASSERT(!list_is_linked(node));
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}
static inline void list_append(struct list *head, struct list *node) {
    list_insert_before(head, node);
}
static inline void list_prepend(struct list *head, struct list *node) {
    list_insert_before(head->next, node);
}
// Harmless on an unlinked node.
static inline void list_remove(struct list *node) {
    node->next->prev = node->prev;
    node->prev->next = node->next;
    list_init(node);
}
// The first node taken out, or NULL.
static inline struct list *list_pop(struct list *head) {
    if (list_is_empty(head))
        return NULL;
    struct list *node = head->next;
    list_remove(node);
    return node;
}
// Moves all nodes of `from` to the end of `to`.
static inline void list_append_all(struct list *to, struct list *from) {
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next; node != (head); node = node->next)
// The body may remove `node`.
#define LIST_FOR_EACH_SAFE(node, following, head)                                                  \
    for (struct list *node = (head)->next, *following = node->next; node != (head);                \
         node = following, following = node->next)

#endif
