// SPDX-License-Identifier: Apache-2.0
// What is left of a list of parts that is written piece by piece.
#ifndef IO_PARTS_INTERNAL_H
#define IO_PARTS_INTERNAL_H

#include "base/base.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>

enum { PARTS_WINDOW = 16 };

struct parts {
    const struct iovec *first;
    int n_left;
    size_t offset;                     // within the first
    struct iovec window[PARTS_WINDOW]; // a copy, where the first is half done
};

static inline void parts_skip(struct parts *parts, size_t bytes) {
    while (parts->n_left > 0 && bytes >= parts->first->iov_len - parts->offset) {
        bytes -= parts->first->iov_len - parts->offset;
        parts->first++;
        parts->n_left--;
        parts->offset = 0;
    }
    ASSERT(bytes == 0 || parts->n_left > 0);
    parts->offset += bytes;
}

// Empty parts at the front are skipped.
static inline void parts_init(struct parts *parts, const struct iovec *first, int n_parts) {
    parts->first = first;
    parts->n_left = n_parts;
    parts->offset = 0;
    parts_skip(parts, 0);
}

// The next parts for one call: at most IOV_MAX.
static inline int parts_next(struct parts *parts, const struct iovec **next) {
    ASSERT(parts->n_left > 0);
    *next = parts->first;
    if (parts->offset == 0)
        return parts->n_left < IOV_MAX ? parts->n_left : IOV_MAX;
    int n_parts = parts->n_left < PARTS_WINDOW ? parts->n_left : PARTS_WINDOW;
    memcpy(parts->window, parts->first, (size_t)n_parts * sizeof(struct iovec));
    parts->window[0].iov_base = (char *)parts->window[0].iov_base + parts->offset;
    parts->window[0].iov_len -= parts->offset;
    *next = parts->window;
    return n_parts;
}

#endif
