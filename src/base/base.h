// SPDX-License-Identifier: Apache-2.0
// What every file of the program may take for granted: attributes, assertions that stay on, and
// small arithmetic. An assertion states what must be true whatever the outside sends; bad input is
// never asserted, it gets an error with its place.
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF_LIKE(at, first) __attribute__((__format__(__printf__, at, first)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

// Stays on in release builds: a program that goes on after a broken invariant loses mail.
#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : base_assert_failed(#condition, __FILE__, __LINE__, __func__))

_Noreturn void base_assert_failed(const char *condition, const char *file, int line,
                                  const char *function);

// Memory that cannot be had ends the program at once: nothing acknowledged is lost by that, and no
// caller has to carry a branch that was never run.
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_alloc_zero(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *pointer, size_t size) __attribute__((returns_nonnull));
char *mem_copy_string(const char *text) __attribute__((malloc, returns_nonnull));

static inline size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}
static inline size_t size_max(size_t a, size_t b) {
    return a > b ? a : b;
}
static inline int64_t int64_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t int64_max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

#endif
