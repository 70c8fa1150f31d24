// SPDX-License-Identifier: Apache-2.0
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void base_assert_failed(const char *condition, const char *file, int line,
                                  const char *function) {
    fprintf(stderr, "postrider: broken invariant: %s (%s:%d, %s)\n", condition, file, line,
            function);
    abort();
}

static _Noreturn void memory_exhausted(size_t size) {
    fprintf(stderr, "postrider: out of memory (%zu bytes asked for)\n", size);
    abort();
}

void *mem_alloc(size_t size) {
    void *pointer = malloc(size ? size : 1);
    if (!pointer)
        memory_exhausted(size);
    return pointer;
}

void *mem_alloc_zero(size_t size) {
    void *pointer = calloc(1, size ? size : 1);
    if (!pointer)
        memory_exhausted(size);
    return pointer;
}

void *mem_realloc(void *pointer, size_t size) {
    void *grown = realloc(pointer, size ? size : 1);
    if (!grown)
        memory_exhausted(size);
    return grown;
}

char *mem_copy_string(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    memcpy(copy, text, size);
    return copy;
}
