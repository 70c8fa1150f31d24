// SPDX-License-Identifier: Apache-2.0
#include "relay/record.h"

#include "base/codec.h"

#include <stdlib.h>

enum tag {
    TAG_FACT = 1,
    TAG_HOST,
    TAG_PEER,
    TAG_NEXT,
    TAG_SINCE,
    TAG_HELD_SINCE,
    TAG_TRIED,
    TAG_ROUNDS,
    TAG_DOT_LOSSES,
    TAG_FLAGS,
    TAG_GREETING,
    TAG_SOURCE
};
enum { HOST_BYTES_MAX = 255, GREETING_BYTES_MAX = 127 };
enum flag { FLAG_WARNED = 1, FLAG_HOLD_WARNED = 2 };

void relay_record_init(struct relay_record *record) {
    *record = (struct relay_record){.fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE)};
}

static void put_number(struct buffer *out, enum tag tag, int64_t value) {
    if (value != 0)
        codec_put_int(out, tag, value);
}

static void put_fact(struct buffer *out, const struct fact *fact) {
    if (fact->kind == FACT_KIND_NONE)
        return;
    struct fact cut = *fact;
    cut.text = view_take(fact->text, RELAY_RECORD_TEXT_MAX);
    struct buffer bytes;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    fact_encode(&cut, &bytes);
    codec_put_bytes(out, TAG_FACT, buffer_view(&bytes));
    buffer_finish(&bytes);
}

static void put_address(struct buffer *out, enum tag tag, const struct address *address) {
    if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6)
        return;
    char text[ADDRESS_TEXT_SIZE];
    size_t len = address_format_port(address, text, sizeof text);
    codec_put_bytes(out, tag, view_from(text, len));
}

void relay_record_encode(const struct relay_record *record, struct buffer *out) {
    put_fact(out, &record->fact);
    if (!view_is_empty(record->host))
        codec_put_bytes(out, TAG_HOST, view_take(record->host, HOST_BYTES_MAX));
    if (!view_is_empty(record->greeting))
        codec_put_bytes(out, TAG_GREETING, view_take(record->greeting, GREETING_BYTES_MAX));
    put_address(out, TAG_PEER, &record->peer);
    put_address(out, TAG_SOURCE, &record->source);
    put_number(out, TAG_NEXT, record->next_ms);
    put_number(out, TAG_SINCE, record->since_ms);
    put_number(out, TAG_HELD_SINCE, record->held_since_ms);
    put_number(out, TAG_TRIED, record->tried_ms);
    put_number(out, TAG_ROUNDS, record->rounds);
    put_number(out, TAG_DOT_LOSSES, record->dot_losses);
    put_number(out, TAG_FLAGS,
               (record->is_warned ? FLAG_WARNED : 0) |
                   (record->is_hold_warned ? FLAG_HOLD_WARNED : 0));
}

static bool read_number(const struct codec_field *field, int64_t least, int64_t most,
                        int64_t *value) {
    return codec_field_int(field, value) && *value >= least && *value <= most;
}

static bool read_field(const struct codec_field *field, struct relay_record *record) {
    int64_t number = 0;
    switch (field->tag) {
    case TAG_FACT: return fact_decode(field->bytes, &record->fact);
    case TAG_HOST: record->host = field->bytes; return field->bytes.len <= HOST_BYTES_MAX;
    case TAG_PEER: return address_parse_port(field->bytes, &record->peer);
    case TAG_SOURCE: return address_parse_port(field->bytes, &record->source);
    case TAG_GREETING:
        record->greeting = field->bytes;
        return field->bytes.len <= GREETING_BYTES_MAX;
    case TAG_NEXT: return read_number(field, 0, INT64_MAX, &record->next_ms);
    case TAG_SINCE: return read_number(field, 0, INT64_MAX, &record->since_ms);
    case TAG_HELD_SINCE: return read_number(field, 0, INT64_MAX, &record->held_since_ms);
    case TAG_TRIED: return read_number(field, 0, INT64_MAX, &record->tried_ms);
    case TAG_ROUNDS:
        if (!read_number(field, 0, UINT32_MAX, &number))
            return false;
        record->rounds = (uint32_t)number;
        return true;
    case TAG_DOT_LOSSES:
        if (!read_number(field, 0, UINT8_MAX, &number))
            return false;
        record->dot_losses = (uint8_t)number;
        return true;
    case TAG_FLAGS:
        if (!read_number(field, 0, INT32_MAX, &number))
            return false;
        record->is_warned = (number & FLAG_WARNED) != 0;
        record->is_hold_warned = (number & FLAG_HOLD_WARNED) != 0;
        return true;
    default: return true;
    }
}

bool relay_record_decode(struct view bytes, struct relay_record *record) {
    relay_record_init(record);
    struct codec_field field;
    bool is_good = true;
    while (is_good && codec_get(&bytes, &field))
        is_good = read_field(&field, record);
    if (is_good && bytes.len == 0)
        return true;
    relay_record_init(record);
    return false;
}

static struct view own(struct view text) {
    if (view_is_empty(text))
        return VIEW_NONE;
    char *copy = mem_alloc(text.len);
    memcpy(copy, text.ptr, text.len);
    return view_from(copy, text.len);
}

void relay_record_copy_into(struct relay_record *to, const struct relay_record *from) {
    *to = *from;
    to->fact.text = own(view_take(from->fact.text, RELAY_RECORD_TEXT_MAX));
    to->host = own(view_take(from->host, HOST_BYTES_MAX));
    to->greeting = own(view_take(from->greeting, GREETING_BYTES_MAX));
}

struct relay_record *relay_record_copy(const struct relay_record *record) {
    struct relay_record *copy = mem_alloc(sizeof *copy);
    relay_record_copy_into(copy, record);
    return copy;
}

static void disown(struct view *text) {
    free((void *)(uintptr_t)text->ptr);
    *text = VIEW_NONE;
}

void relay_record_finish(struct relay_record *record) {
    disown(&record->fact.text);
    disown(&record->host);
    disown(&record->greeting);
}

void relay_record_free(struct relay_record *record) {
    if (record == NULL)
        return;
    relay_record_finish(record);
    free(record);
}
