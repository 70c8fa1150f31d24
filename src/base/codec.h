// SPDX-License-Identifier: Apache-2.0
// Tag-length-value fields, the one encoding of everything that is stored: a varint tag, a varint
// length, bytes. Numbers are zigzag varints. Readers skip tags they do not know.
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buffer.h"

struct codec_field {
    unsigned tag;
    struct view bytes;
};

void codec_put_bytes(struct buffer *out, unsigned tag, struct view bytes);
void codec_put_int(struct buffer *out, unsigned tag, int64_t value);
// Takes the next field off `rest`. False at the end, and where the bytes are damaged: then
// `rest->len` is not zero.
bool codec_get(struct view *rest, struct codec_field *field);
bool codec_field_int(const struct codec_field *field, int64_t *value);

// Bare LEB128, at most ten bytes.
void codec_put_varint(struct buffer *out, uint64_t value);
bool codec_get_varint(struct view *rest, uint64_t *value);

// Fixed little-endian numbers, for headers that are read in place.
static inline void codec_store_u32(void *at, uint32_t value) {
    unsigned char *bytes = at;
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
}
static inline void codec_store_u64(void *at, uint64_t value) {
    unsigned char *bytes = at;
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
}
static inline uint32_t codec_load_u32(const void *at) {
    const unsigned char *bytes = at;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}
static inline uint64_t codec_load_u64(const void *at) {
    const unsigned char *bytes = at;
    return (uint64_t)codec_load_u32(bytes) | (uint64_t)codec_load_u32(bytes + 4) << 32;
}

#endif
