// SPDX-License-Identifier: Apache-2.0
// The stored form of an envelope: fields of base/codec.h, in any order. A field that has its
// default is left out. Tags are never given a new meaning; fields with tags that this version does
// not know are kept byte for byte and written again behind the known ones, so that a message
// survives a downgrade.
#include "mail/mail.h"

#include "base/codec.h"

enum envelope_tag {
    TAG_SENDER = 1,
    TAG_RECIPIENT = 2, // once for each, in order; fields of enum recipient_tag
    TAG_ARRIVED_MS = 3,
    TAG_SIZE_BYTES = 4,
    TAG_BODY = 5,
    TAG_HAS_8BIT = 6, // a tag a flag: a flag that comes later is then kept like any other field
    TAG_RET = 7,
    TAG_ENVID = 8,
    TAG_AUTH_IDENTITY = 9,
    TAG_CLIENT_NAME = 10,
    TAG_CLIENT = 11, // see put_address
    TAG_CLIENT_PROXIED = 12,
    TAG_LISTENER = 13,
    TAG_TLS = 14,
    TAG_N_RECEIVED = 15,
    TAG_MESSAGE_ID = 16,
    TAG_SMTPUTF8 = 17,
    TAG_REQUIRETLS = 18,
    TAG_IS_NOTICE = 19,
    TAG_LAST = TAG_IS_NOTICE
};

enum recipient_tag { TAG_RCPT_ADDRESS = 1, TAG_RCPT_ORCPT = 2, TAG_RCPT_NOTIFY = 3 };

enum {
    NOTIFY_ALL = MAIL_NOTIFY_NEVER | MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY
};

// --- Writing ------------------------------------------------------------------------------------

static void put_bytes(struct buffer *out, unsigned tag, struct view bytes) {
    if (bytes.len)
        codec_put_bytes(out, tag, bytes);
}

static void put_int(struct buffer *out, unsigned tag, int64_t value) {
    if (value)
        codec_put_int(out, tag, value);
}

// Family, port (two bytes, low first), then 4 or 16 bytes, then the scope (four bytes) where set.
static void put_address(struct buffer *out, unsigned tag, const struct address *address) {
    char bytes[1 + 2 + 16 + 4] = {(char)address->family, (char)(address->port & 0xff),
                                  (char)(address->port >> 8)};
    size_t len = 3;
    if (address->family == ADDRESS_NONE)
        return;
    if (address->family != ADDRESS_UNIX) {
        size_t n = address->family == ADDRESS_IPV4 ? 4 : 16;
        memcpy(bytes + len, address->bytes, n);
        len += n;
    }
    if (address->family == ADDRESS_IPV6 && address->scope) {
        codec_store_u32(bytes + len, address->scope);
        len += 4;
    }
    codec_put_bytes(out, tag, view_from(bytes, len));
}

static void put_recipient(struct buffer *out, const struct mail_recipient *recipient,
                          struct buffer *scratch) {
    ASSERT(!(recipient->notify & ~(unsigned)NOTIFY_ALL));
    buffer_clear(scratch);
    put_bytes(scratch, TAG_RCPT_ADDRESS, recipient->address);
    put_bytes(scratch, TAG_RCPT_ORCPT, recipient->orcpt);
    put_int(scratch, TAG_RCPT_NOTIFY, recipient->notify);
    buffer_append_view(scratch, recipient->unknown);
    out->overflow |= scratch->overflow;
    codec_put_bytes(out, TAG_RECIPIENT, buffer_view(scratch));
}

void mail_envelope_encode(const struct mail_envelope *envelope, struct buffer *out) {
    ASSERT(envelope->n_recipients <= MAIL_RECIPIENTS_MAX);
    ASSERT(envelope->size_bytes <= INT64_MAX);
    struct buffer scratch;
    buffer_init(&scratch, MAIL_ENVELOPE_BYTES_MAX);
    put_bytes(out, TAG_SENDER, envelope->sender);
    put_int(out, TAG_ARRIVED_MS, envelope->arrived_ms);
    put_int(out, TAG_SIZE_BYTES, (int64_t)envelope->size_bytes);
    put_int(out, TAG_BODY, envelope->body);
    put_int(out, TAG_HAS_8BIT, envelope->has_8bit);
    put_int(out, TAG_SMTPUTF8, envelope->smtputf8);
    put_int(out, TAG_REQUIRETLS, envelope->requiretls);
    put_int(out, TAG_IS_NOTICE, envelope->is_notice);
    put_int(out, TAG_RET, envelope->ret);
    put_bytes(out, TAG_ENVID, envelope->envid);
    put_bytes(out, TAG_AUTH_IDENTITY, envelope->auth_identity);
    put_bytes(out, TAG_CLIENT_NAME, envelope->client_name);
    put_address(out, TAG_CLIENT, &envelope->client);
    put_address(out, TAG_CLIENT_PROXIED, &envelope->client_proxied);
    put_bytes(out, TAG_LISTENER, envelope->listener);
    put_bytes(out, TAG_TLS, envelope->tls);
    put_int(out, TAG_N_RECEIVED, envelope->n_received);
    put_bytes(out, TAG_MESSAGE_ID, envelope->message_id);
    for (size_t i = 0; i < envelope->n_recipients; i++)
        put_recipient(out, &envelope->recipients[i], &scratch);
    buffer_append_view(out, envelope->unknown);
    buffer_finish(&scratch);
}

// --- Reading ------------------------------------------------------------------------------------

// Fields with unknown tags, gathered: one view while they stand together, as this version writes
// them, else a copy.
struct unknown_fields {
    struct view first_run;
    size_t n_bytes;
    bool is_scattered;
};

static void unknown_note(struct unknown_fields *unknown, struct view raw) {
    const char *end = unknown->first_run.ptr + unknown->first_run.len;
    if (unknown->n_bytes == 0)
        unknown->first_run = raw;
    else if (end == raw.ptr && !unknown->is_scattered)
        unknown->first_run.len += raw.len;
    else
        unknown->is_scattered = true;
    unknown->n_bytes += raw.len;
}

// Takes the next field; `raw` is all of it. False at the end or at damage (`rest->len` tells).
static bool next_field(struct view *rest, struct codec_field *field, struct view *raw) {
    const char *begin = rest->ptr;
    if (!codec_get(rest, field))
        return false;
    *raw = view_from(begin, (size_t)(field->bytes.ptr + field->bytes.len - begin));
    return true;
}

static bool unknown_take(const struct unknown_fields *unknown, struct view bytes, unsigned tag_max,
                         struct arena *arena, struct view *out) {
    struct codec_field field;
    struct view raw;
    *out = unknown->first_run;
    if (!unknown->is_scattered)
        return true;
    char *copy = arena_alloc(arena, unknown->n_bytes);
    if (!copy)
        return false;
    *out = view_from(copy, unknown->n_bytes);
    while (next_field(&bytes, &field, &raw)) {
        if (field.tag > 0 && field.tag <= tag_max)
            continue;
        memcpy(copy, raw.ptr, raw.len);
        copy += raw.len;
    }
    ASSERT(copy == out->ptr + out->len);
    return true;
}

static bool get_int(const struct codec_field *field, int64_t max, int64_t *value) {
    return codec_field_int(field, value) && *value >= 0 && *value <= max;
}

static bool get_address(struct view bytes, struct address *address) {
    *address = (struct address){0};
    if (bytes.len < 3)
        return false;
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    address->port = (uint16_t)(at[1] | at[2] << 8);
    struct view rest = view_skip(bytes, 3);
    if (at[0] == ADDRESS_UNIX && rest.len == 0) {
        address->family = ADDRESS_UNIX;
    } else if (at[0] == ADDRESS_IPV4 && rest.len == 4) {
        address->family = ADDRESS_IPV4;
        memcpy(address->bytes, rest.ptr, 4);
    } else if (at[0] == ADDRESS_IPV6 && (rest.len == 16 || rest.len == 20)) {
        address->family = ADDRESS_IPV6;
        memcpy(address->bytes, rest.ptr, 16);
        address->scope = rest.len == 20 ? codec_load_u32(rest.ptr + 16) : 0;
    } else {
        return false;
    }
    return true;
}

static bool get_recipient(struct view bytes, struct arena *arena,
                          struct mail_recipient *recipient) {
    struct unknown_fields unknown = {0};
    struct view rest = bytes, raw;
    struct codec_field field;
    int64_t value = 0;
    while (next_field(&rest, &field, &raw)) {
        switch (field.tag) {
        case TAG_RCPT_ADDRESS: recipient->address = field.bytes; break;
        case TAG_RCPT_ORCPT: recipient->orcpt = field.bytes; break;
        case TAG_RCPT_NOTIFY:
            if (!get_int(&field, NOTIFY_ALL, &value))
                return false;
            recipient->notify = (unsigned)value;
            break;
        default: unknown_note(&unknown, raw);
        }
    }
    return rest.len == 0 &&
           unknown_take(&unknown, bytes, TAG_RCPT_NOTIFY, arena, &recipient->unknown);
}

static bool get_flag(const struct codec_field *field, bool *flag) {
    int64_t value = 0;
    bool well = get_int(field, 1, &value);
    *flag = value == 1;
    return well;
}

static bool get_number(const struct codec_field *field, struct mail_envelope *envelope) {
    int64_t value = 0;
    bool well = false;
    switch (field->tag) {
    case TAG_SIZE_BYTES:
        well = get_int(field, INT64_MAX, &value);
        envelope->size_bytes = (uint64_t)value;
        break;
    case TAG_BODY:
        well = get_int(field, MAIL_BODY_BINARYMIME, &value);
        envelope->body = (enum mail_body_type)value;
        break;
    case TAG_RET:
        well = get_int(field, MAIL_RET_HDRS, &value);
        envelope->ret = (enum mail_ret)value;
        break;
    default:
        ASSERT(field->tag == TAG_N_RECEIVED);
        well = get_int(field, UINT32_MAX, &value);
        envelope->n_received = (unsigned)value;
    }
    return well;
}

// Returns false where a field that is known cannot be read.
static bool get_field(const struct codec_field *field, struct mail_envelope *envelope) {
    switch (field->tag) {
    case TAG_SENDER: envelope->sender = field->bytes; return true;
    case TAG_RECIPIENT: envelope->n_recipients++; return true;
    case TAG_ENVID: envelope->envid = field->bytes; return true;
    case TAG_AUTH_IDENTITY: envelope->auth_identity = field->bytes; return true;
    case TAG_CLIENT_NAME: envelope->client_name = field->bytes; return true;
    case TAG_CLIENT: return get_address(field->bytes, &envelope->client);
    case TAG_CLIENT_PROXIED: return get_address(field->bytes, &envelope->client_proxied);
    case TAG_LISTENER: envelope->listener = field->bytes; return true;
    case TAG_TLS: envelope->tls = field->bytes; return true;
    case TAG_MESSAGE_ID: envelope->message_id = field->bytes; return true;
    case TAG_ARRIVED_MS: return codec_field_int(field, &envelope->arrived_ms);
    case TAG_HAS_8BIT: return get_flag(field, &envelope->has_8bit);
    case TAG_SMTPUTF8: return get_flag(field, &envelope->smtputf8);
    case TAG_REQUIRETLS: return get_flag(field, &envelope->requiretls);
    case TAG_IS_NOTICE: return get_flag(field, &envelope->is_notice);
    default: return get_number(field, envelope);
    }
}

static bool get_recipients(struct view bytes, struct arena *arena, struct mail_envelope *envelope) {
    struct codec_field field;
    size_t n = 0;
    if (envelope->n_recipients == 0)
        return true;
    if (envelope->n_recipients > MAIL_RECIPIENTS_MAX)
        return false;
    envelope->recipients =
        arena_alloc(arena, envelope->n_recipients * sizeof(*envelope->recipients));
    if (!envelope->recipients)
        return false;
    while (codec_get(&bytes, &field))
        if (field.tag == TAG_RECIPIENT &&
            !get_recipient(field.bytes, arena, &envelope->recipients[n++]))
            return false;
    ASSERT(n == envelope->n_recipients);
    return true;
}

bool mail_envelope_decode(struct view bytes, struct arena *arena, struct mail_envelope *envelope) {
    struct unknown_fields unknown = {0};
    struct view rest = bytes, raw;
    struct codec_field field;
    *envelope = (struct mail_envelope){0};
    if (bytes.len > MAIL_ENVELOPE_BYTES_MAX)
        return false;
    while (next_field(&rest, &field, &raw)) {
        if (field.tag == 0 || field.tag > TAG_LAST)
            unknown_note(&unknown, raw);
        else if (!get_field(&field, envelope))
            return false;
    }
    return rest.len == 0 && get_recipients(bytes, arena, envelope) &&
           unknown_take(&unknown, bytes, TAG_LAST, arena, &envelope->unknown);
}
