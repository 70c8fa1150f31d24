// SPDX-License-Identifier: Apache-2.0
#include "spool/format.h"

#include "base/codec.h"
#include "base/crc32c.h"

#include <stdio.h>

static const char node_magic[] = "PRNODE\r\n";
static const char segment_magic[] = "PRSPOOL\n";
enum { MAGIC_BYTES = 8, SEGMENT_DIGITS = 16, HEADER_CRC_AT = SPOOL_HEADER_BYTES - 4 };

// --- Identity of the node ------------------------------------------------------------------------
void spool_node_write(const struct spool_node *node, unsigned char out[SPOOL_NODE_BYTES]) {
    ASSERT(node->node != 0 && node->epoch != 0);
    memcpy(out, node_magic, MAGIC_BYTES);
    codec_store_u32(out + 8, SPOOL_FORMAT_VERSION);
    codec_store_u32(out + 12, node->node);
    codec_store_u32(out + 16, node->epoch);
    codec_store_u64(out + 20, (uint64_t)node->wall_ms);
    codec_store_u32(out + 28, crc32c(0, out, 28));
}

bool spool_node_read(struct view bytes, struct spool_node *node) {
    if (bytes.len != SPOOL_NODE_BYTES || memcmp(bytes.ptr, node_magic, MAGIC_BYTES) != 0 ||
        codec_load_u32(bytes.ptr + 28) != crc32c(0, bytes.ptr, 28) ||
        codec_load_u32(bytes.ptr + 8) != SPOOL_FORMAT_VERSION)
        return false;
    *node = (struct spool_node){.node = codec_load_u32(bytes.ptr + 12),
                                .epoch = codec_load_u32(bytes.ptr + 16),
                                .wall_ms = (int64_t)codec_load_u64(bytes.ptr + 20)};
    return node->node != 0 && node->epoch != 0;
}

// --- Segment -------------------------------------------------------------------------------------
uint64_t spool_mark_of(struct spool_secret secret, enum spool_mark kind) {
    static const uint64_t kinds[] = {
        [SPOOL_MARK_BATCH] = 0,
        [SPOOL_MARK_FRAME] = 0x5a17c3996d2be8f1U,
        [SPOOL_MARK_INDEX] = 0xa3d45b0e71f82c66U,
        [SPOOL_MARK_FOOTER] = 0x1e86f7b2c95d3a40U,
    };
    ASSERT((size_t)kind < ARRAY_LEN(kinds));
    return secret.mark ^ kinds[kind];
}

void spool_failures_add(struct spool_failures *failures, uint64_t segment, uint64_t sequence) {
    size_t i = 0;
    while (i < failures->n && failures->list[i].segment != segment)
        i++;
    if (i < failures->n && failures->list[i].sequence <= sequence)
        return;
    if (i == SPOOL_FAILURES_MAX) {
        memmove(&failures->list[0], &failures->list[1],
                (SPOOL_FAILURES_MAX - 1) * sizeof(failures->list[0]));
        i = --failures->n;
    }
    failures->list[i] = (struct spool_failure){segment, sequence};
    failures->n = size_max(failures->n, i + 1);
}

uint64_t spool_failures_find(const struct spool_failures *failures, uint64_t segment) {
    for (size_t i = 0; i < failures->n; i++)
        if (failures->list[i].segment == segment)
            return failures->list[i].sequence;
    return 0;
}

static void header_encode(const struct spool_header *header, unsigned char *out) {
    memcpy(out, segment_magic, MAGIC_BYTES);
    codec_store_u32(out + 8, header->version);
    codec_store_u32(out + 12, header->node);
    codec_store_u64(out + 16, header->number);
    codec_store_u64(out + 24, (uint64_t)header->wall_ms);
    codec_store_u64(out + 32, header->secret.mark);
    codec_store_u32(out + 40, header->secret.seed);
    codec_store_u32(out + 44, (uint32_t)header->failures.n);
    for (size_t i = 0; i < header->failures.n; i++) {
        codec_store_u64(out + 48 + 16 * i, header->failures.list[i].segment);
        codec_store_u64(out + 56 + 16 * i, header->failures.list[i].sequence);
    }
    codec_store_u32(out + HEADER_CRC_AT, crc32c(0, out, HEADER_CRC_AT));
}

void spool_header_write(const struct spool_header *header, unsigned char *out) {
    ASSERT(header->version == SPOOL_FORMAT_VERSION && header->number != 0);
    memset(out, 0, SPOOL_DATA_AT);
    header_encode(header, out);
    memcpy(out + SPOOL_HEADER_COPY_AT, out, SPOOL_HEADER_BYTES);
}

static bool header_decode(struct view bytes, struct spool_header *header) {
    if (bytes.len < SPOOL_HEADER_BYTES || memcmp(bytes.ptr, segment_magic, MAGIC_BYTES) != 0 ||
        codec_load_u32(bytes.ptr + HEADER_CRC_AT) != crc32c(0, bytes.ptr, HEADER_CRC_AT))
        return false;
    *header = (struct spool_header){
        .version = codec_load_u32(bytes.ptr + 8),
        .node = codec_load_u32(bytes.ptr + 12),
        .number = codec_load_u64(bytes.ptr + 16),
        .wall_ms = (int64_t)codec_load_u64(bytes.ptr + 24),
        .secret = {codec_load_u64(bytes.ptr + 32), codec_load_u32(bytes.ptr + 40)},
        .failures.n = size_min(codec_load_u32(bytes.ptr + 44), SPOOL_FAILURES_MAX)};
    for (size_t i = 0; i < header->failures.n; i++)
        header->failures.list[i] = (struct spool_failure){codec_load_u64(bytes.ptr + 48 + 16 * i),
                                                          codec_load_u64(bytes.ptr + 56 + 16 * i)};
    return true;
}

bool spool_header_read(struct view file, struct spool_header *header, bool *used_copy) {
    *used_copy = !header_decode(file, header);
    return !*used_copy || header_decode(view_skip(file, SPOOL_HEADER_COPY_AT), header);
}

void spool_segment_name(uint64_t number, char out[SPOOL_NAME_SIZE]) {
    snprintf(out, SPOOL_NAME_SIZE, "%016llx.segment", (unsigned long long)number);
}

bool spool_segment_name_parse(struct view name, uint64_t *number) {
    if (!view_equals(view_skip(name, SEGMENT_DIGITS), VIEW(".segment")))
        return false;
    *number = 0;
    for (size_t i = 0; i < SEGMENT_DIGITS; i++) {
        char c = name.ptr[i];
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        *number = *number << 4 | (uint64_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return *number != 0;
}

void spool_footer_write(struct spool_secret secret, const struct spool_footer *footer,
                        unsigned char out[SPOOL_FOOTER_BYTES]) {
    ASSERT(footer->index_at >= footer->data_end);
    codec_store_u64(out, spool_mark_of(secret, SPOOL_MARK_FOOTER));
    codec_store_u64(out + 8, footer->index_at);
    codec_store_u64(out + 16, footer->index_bytes);
    codec_store_u64(out + 24, footer->data_end);
    codec_store_u64(out + 32, footer->first_sequence);
    codec_store_u64(out + 40, footer->last_sequence);
    codec_store_u64(out + 48, (uint64_t)footer->newest_ms);
    codec_store_u32(out + 56, footer->index_crc);
    codec_store_u32(out + 60, crc32c(secret.seed, out, 60));
}

bool spool_footer_read(struct spool_secret secret, struct view bytes, uint64_t file_bytes,
                       struct spool_footer *footer) {
    if (bytes.len != SPOOL_FOOTER_BYTES ||
        codec_load_u64(bytes.ptr) != spool_mark_of(secret, SPOOL_MARK_FOOTER) ||
        codec_load_u32(bytes.ptr + 60) != crc32c(secret.seed, bytes.ptr, 60))
        return false;
    *footer = (struct spool_footer){.index_at = codec_load_u64(bytes.ptr + 8),
                                    .index_bytes = codec_load_u64(bytes.ptr + 16),
                                    .data_end = codec_load_u64(bytes.ptr + 24),
                                    .first_sequence = codec_load_u64(bytes.ptr + 32),
                                    .last_sequence = codec_load_u64(bytes.ptr + 40),
                                    .newest_ms = (int64_t)codec_load_u64(bytes.ptr + 48),
                                    .index_crc = codec_load_u32(bytes.ptr + 56)};
    return footer->data_end >= SPOOL_DATA_AT && footer->data_end <= footer->index_at &&
           footer->index_bytes >= SPOOL_ENTRY_BYTES && footer->index_at < file_bytes &&
           footer->index_bytes == file_bytes - footer->index_at - SPOOL_FOOTER_BYTES;
}

// --- Batch and frame -----------------------------------------------------------------------------
void spool_batch_write(struct spool_secret secret, const struct spool_batch *batch,
                       unsigned char out[SPOOL_BATCH_BYTES]) {
    ASSERT(batch->length >= SPOOL_BATCH_BYTES && batch->sequence != 0);
    codec_store_u64(out, spool_mark_of(secret, SPOOL_MARK_BATCH));
    codec_store_u64(out + 8, batch->sequence);
    codec_store_u64(out + 16, (uint64_t)batch->wall_ms);
    codec_store_u32(out + 24, batch->length);
    codec_store_u32(out + 28, batch->n_frames);
    codec_store_u32(out + 32, batch->unit);
    codec_store_u32(out + 36, crc32c(secret.seed, out, 36));
}

bool spool_batch_read(struct spool_secret secret, struct view bytes, struct spool_batch *batch) {
    if (bytes.len < SPOOL_BATCH_BYTES ||
        codec_load_u64(bytes.ptr) != spool_mark_of(secret, SPOOL_MARK_BATCH) ||
        codec_load_u32(bytes.ptr + 36) != crc32c(secret.seed, bytes.ptr, 36))
        return false;
    *batch = (struct spool_batch){.sequence = codec_load_u64(bytes.ptr + 8),
                                  .wall_ms = (int64_t)codec_load_u64(bytes.ptr + 16),
                                  .length = codec_load_u32(bytes.ptr + 24),
                                  .n_frames = codec_load_u32(bytes.ptr + 28),
                                  .unit = codec_load_u32(bytes.ptr + 32)};
    return batch->length >= SPOOL_BATCH_BYTES;
}

void spool_frame_write(struct spool_secret secret, const struct spool_frame *frame, char *out) {
    ASSERT(frame->unit >= SPOOL_DATA_AT / SPOOL_UNIT_BYTES && frame->sequence != 0);
    codec_store_u64(out, spool_mark_of(secret, SPOOL_MARK_FRAME));
    codec_store_u64(out + 8, frame->sequence);
    codec_store_u32(out + 16, frame->unit);
    codec_store_u32(out + 20, frame->meta_bytes);
    codec_store_u32(out + 24, frame->data_bytes);
    uint32_t crc = crc32c(secret.seed, out, 28);
    codec_store_u32(out + 28, crc32c(crc, out + SPOOL_FRAME_BYTES, frame->meta_bytes));
}

bool spool_frame_peek(struct spool_secret secret, struct view bytes, struct spool_frame *frame) {
    if (bytes.len < SPOOL_FRAME_BYTES ||
        codec_load_u64(bytes.ptr) != spool_mark_of(secret, SPOOL_MARK_FRAME))
        return false;
    *frame = (struct spool_frame){.sequence = codec_load_u64(bytes.ptr + 8),
                                  .unit = codec_load_u32(bytes.ptr + 16),
                                  .meta_bytes = codec_load_u32(bytes.ptr + 20),
                                  .data_bytes = codec_load_u32(bytes.ptr + 24)};
    return true;
}

bool spool_frame_read(struct spool_secret secret, struct view bytes, struct spool_frame *frame,
                      struct view *meta) {
    if (!spool_frame_peek(secret, bytes, frame) ||
        frame->meta_bytes > bytes.len - SPOOL_FRAME_BYTES)
        return false;
    *meta = view_take(view_skip(bytes, SPOOL_FRAME_BYTES), frame->meta_bytes);
    uint32_t crc = crc32c(secret.seed, bytes.ptr, 28);
    return codec_load_u32(bytes.ptr + 28) == crc32c(crc, meta->ptr, meta->len);
}

// --- Records -------------------------------------------------------------------------------------
size_t spool_record_begin(struct buffer *out, enum spool_record_kind kind, struct spool_id id) {
    size_t begin = out->len;
    char header[SPOOL_RECORD_BYTES];
    codec_store_u32(header, kind);
    codec_store_u32(header + 4, 0);
    codec_store_u64(header + 8, id.hi);
    codec_store_u64(header + 16, id.lo);
    buffer_append(out, header, sizeof(header));
    return begin;
}

void spool_record_end(struct buffer *out, size_t begin) {
    ASSERT(!out->overflow && out->len - begin >= SPOOL_RECORD_BYTES);
    codec_store_u32(out->ptr + begin + 4, (uint32_t)(out->len - begin - SPOOL_RECORD_BYTES));
}

bool spool_record_next(struct view *rest, struct spool_record *record) {
    if (rest->len < SPOOL_RECORD_BYTES ||
        codec_load_u32(rest->ptr + 4) > rest->len - SPOOL_RECORD_BYTES)
        return false;
    uint32_t len = codec_load_u32(rest->ptr + 4);
    *record =
        (struct spool_record){.kind = codec_load_u32(rest->ptr),
                              .id = {codec_load_u64(rest->ptr + 8), codec_load_u64(rest->ptr + 16)},
                              .payload = view_take(view_skip(*rest, SPOOL_RECORD_BYTES), len)};
    *rest = view_skip(*rest, SPOOL_RECORD_BYTES + (size_t)len);
    return true;
}

bool spool_message_read(struct view payload, struct spool_message *message) {
    *message = (struct spool_message){0};
    struct codec_field field;
    int64_t value = 0;
    while (codec_get(&payload, &field)) {
        bool is_number = codec_field_int(&field, &value);
        switch (field.tag) {
        case SPOOL_FIELD_RCPTS:
            if (!is_number || value <= 0 || value > MAIL_RECIPIENTS_MAX)
                return false;
            message->n_rcpts = (uint32_t)value;
            break;
        case SPOOL_FIELD_OWNER: message->owner = (uint64_t)value; break;
        case SPOOL_FIELD_SIZE:
            if (!is_number || value < 0)
                return false;
            message->body_bytes = (uint64_t)value;
            break;
        case SPOOL_FIELD_ENVELOPE: message->envelope = field.bytes; break;
        case SPOOL_FIELD_PIECES: message->pieces = field.bytes; break;
        case SPOOL_FIELD_MOVED: message->is_moved = true; break;
        default: break; // of a later version
        }
    }
    return payload.len == 0 && message->n_rcpts > 0;
}

void spool_message_write(const struct spool_message *message, struct buffer *out) {
    ASSERT(message->n_rcpts > 0 && message->n_rcpts <= MAIL_RECIPIENTS_MAX);
    codec_put_int(out, SPOOL_FIELD_RCPTS, message->n_rcpts);
    codec_put_int(out, SPOOL_FIELD_OWNER, (int64_t)message->owner);
    codec_put_bytes(out, SPOOL_FIELD_ENVELOPE, message->envelope);
    codec_put_int(out, SPOOL_FIELD_SIZE, (int64_t)message->body_bytes);
}

void spool_message_copy(struct view payload, struct buffer *out) {
    struct codec_field field;
    while (codec_get(&payload, &field))
        if (field.tag != SPOOL_FIELD_PIECES && field.tag != SPOOL_FIELD_MOVED)
            codec_put_bytes(out, field.tag, field.bytes);
}

static const uint32_t elsewhere_bit = 1U << 31;

void spool_piece_write(const struct spool_piece *piece, struct buffer *out) {
    ASSERT(piece->len > 0 && piece->len < elsewhere_bit);
    char bytes[20];
    codec_store_u32(bytes, piece->len | (piece->is_elsewhere ? elsewhere_bit : 0));
    codec_store_u32(bytes + 4, piece->crc);
    codec_store_u64(bytes + 8, piece->segment);
    codec_store_u32(bytes + 16, piece->offset);
    buffer_append(out, bytes, piece->is_elsewhere ? 20 : 8);
}

bool spool_piece_next(struct view *rest, uint32_t *data_used, struct spool_piece *piece) {
    if (rest->len < 8)
        return false;
    uint32_t len = codec_load_u32(rest->ptr);
    *piece = (struct spool_piece){.len = len & ~elsewhere_bit,
                                  .crc = codec_load_u32(rest->ptr + 4),
                                  .is_elsewhere = (len & elsewhere_bit) != 0,
                                  .offset = *data_used};
    if (piece->is_elsewhere) {
        if (rest->len < 20)
            return false;
        piece->segment = codec_load_u64(rest->ptr + 8);
        piece->offset = codec_load_u32(rest->ptr + 16);
    } else if (piece->len > UINT32_MAX - *data_used) {
        return false;
    } else {
        *data_used += piece->len;
    }
    *rest = view_skip(*rest, piece->is_elsewhere ? 20 : 8);
    return piece->len > 0;
}

void spool_note_write(const struct spool_note *note, struct buffer *out) {
    char bytes[12];
    codec_store_u64(bytes, note->since);
    codec_store_u32(bytes + 8, (uint32_t)note->key.len);
    buffer_append(out, bytes, sizeof(bytes));
    buffer_append_view(out, note->key);
    buffer_append_view(out, note->value);
}

bool spool_note_read(struct view payload, struct spool_note *note) {
    if (payload.len < 12 || codec_load_u32(payload.ptr + 8) > payload.len - 12)
        return false;
    size_t key_len = codec_load_u32(payload.ptr + 8);
    *note = (struct spool_note){.since = codec_load_u64(payload.ptr),
                                .key = view_take(view_skip(payload, 12), key_len),
                                .value = view_skip(payload, 12 + key_len)};
    return key_len > 0;
}
