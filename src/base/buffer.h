// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer with a maximum. What would pass the maximum is not written at all and sets
// `overflow`, which stays set: write everything, ask once.
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/view.h"

struct buffer {
    char *ptr;
    size_t len;
    size_t size;
    size_t size_max;
    bool overflow;
};

void buffer_init(struct buffer *buffer, size_t size_max);
void buffer_finish(struct buffer *buffer);
void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_view(struct buffer *buffer, struct view view);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
// Room for `len` more bytes at the end, or NULL; buffer_advance then counts what was written there.
char *buffer_reserve(struct buffer *buffer, size_t len) MUST_CHECK;
void buffer_advance(struct buffer *buffer, size_t len);
// Drops the first `len` bytes.
void buffer_consume(struct buffer *buffer, size_t len);
// Keeps the memory.
void buffer_clear(struct buffer *buffer);
// NUL-terminated for as long as nothing is written; "" when empty.
const char *buffer_string(struct buffer *buffer);

static inline struct view buffer_view(const struct buffer *buffer) {
    return view_from(buffer->ptr, buffer->len);
}

#endif
