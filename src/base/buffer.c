// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_FIRST_BYTES = 256 };

void buffer_init(struct buffer *buffer, size_t size_max) {
    ASSERT(size_max > 0);
    *buffer = (struct buffer){.size_max = size_max};
}

void buffer_finish(struct buffer *buffer) {
    free(buffer->ptr);
    buffer->ptr = NULL;
    buffer->len = buffer->size = 0;
}

char *buffer_reserve(struct buffer *buffer, size_t len) {
    if (len > buffer->size_max - buffer->len) {
        buffer->overflow = true;
        return NULL;
    }
    size_t needed = buffer->len + len + 1; // one for the terminator of buffer_string
    if (needed > buffer->size) {
        size_t size = size_max(size_max(buffer->size * 2, BUFFER_FIRST_BYTES), needed);
        buffer->size = size_min(size, buffer->size_max + 1);
        buffer->ptr = mem_realloc(buffer->ptr, buffer->size);
    }
    return buffer->ptr + buffer->len;
}

void buffer_advance(struct buffer *buffer, size_t len) {
    ASSERT(len < buffer->size - buffer->len);
    buffer->len += len;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len) {
    if (len == 0)
        return;
    char *room = buffer_reserve(buffer, len);
    if (!room)
        return;
    memcpy(room, bytes, len);
    buffer->len += len;
}

void buffer_append_view(struct buffer *buffer, struct view view) {
    buffer_append(buffer, view.ptr, view.len);
}

void buffer_append_char(struct buffer *buffer, char c) {
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = len < 0 ? NULL : buffer_reserve(buffer, (size_t)len);
    if (room) {
        vsnprintf(room, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    }
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t len) {
    ASSERT(len <= buffer->len);
    if (len == 0)
        return;
    memmove(buffer->ptr, buffer->ptr + len, buffer->len - len);
    buffer->len -= len;
}

void buffer_clear(struct buffer *buffer) {
    buffer->len = 0;
    buffer->overflow = false;
}

const char *buffer_string(struct buffer *buffer) {
    if (!buffer->ptr)
        return "";
    buffer->ptr[buffer->len] = '\0';
    return buffer->ptr;
}
