// SPDX-License-Identifier: Apache-2.0
#include "base/codec.h"

void codec_put_varint(struct buffer *out, uint64_t value) {
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)(value & 0x7f);
        value >>= 7;
        if (value)
            bytes[n] |= 0x80;
        n++;
    } while (value);
    buffer_append(out, bytes, n);
}

bool codec_get_varint(struct view *rest, uint64_t *value) {
    uint64_t result = 0;
    for (size_t i = 0; i < rest->len && i < 10; i++) {
        uint64_t byte = (unsigned char)rest->ptr[i];
        if (i == 9 && byte > 1)
            return false;
        result |= (byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *rest = view_skip(*rest, i + 1);
            *value = result;
            return true;
        }
    }
    return false;
}

void codec_put_bytes(struct buffer *out, unsigned tag, struct view bytes) {
    codec_put_varint(out, tag);
    codec_put_varint(out, bytes.len);
    buffer_append_view(out, bytes);
}

static uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static size_t varint_len(uint64_t value) {
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

void codec_put_int(struct buffer *out, unsigned tag, int64_t value) {
    codec_put_varint(out, tag);
    codec_put_varint(out, varint_len(zigzag(value)));
    codec_put_varint(out, zigzag(value));
}

bool codec_get(struct view *rest, struct codec_field *field) {
    struct view at = *rest;
    uint64_t tag = 0, len = 0;
    if (!codec_get_varint(&at, &tag) || tag > UINT32_MAX || !codec_get_varint(&at, &len) ||
        len > at.len)
        return false;
    *field = (struct codec_field){(unsigned)tag, view_take(at, len)};
    *rest = view_skip(at, len);
    return true;
}

bool codec_field_int(const struct codec_field *field, int64_t *value) {
    struct view rest = field->bytes;
    uint64_t raw = 0;
    if (!codec_get_varint(&rest, &raw) || rest.len)
        return false;
    *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
    return true;
}
