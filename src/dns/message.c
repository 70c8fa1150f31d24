// SPDX-License-Identifier: Apache-2.0
#include "dns/message_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADER_BYTES = 12, LABEL_BYTES_MAX = 63, POINTERS_MAX = 126 };
enum { RCODE_NXDOMAIN = 3, RCODE_SERVFAIL = 2, RCODE_REFUSED = 5 };
enum { EDNS_OPTION_EDE = 15, EDNS_BYTES = 1232 };

struct reader {
    const unsigned char *bytes;
    size_t len;
    size_t at;
};

static unsigned load_u16(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

static bool take_u16(struct reader *reader, unsigned *value) {
    if (reader->len - reader->at < 2)
        return false;
    *value = load_u16(reader->bytes + reader->at);
    reader->at += 2;
    return true;
}

static bool take_u32(struct reader *reader, uint32_t *value) {
    unsigned high = 0, low = 0;
    if (!take_u16(reader, &high) || !take_u16(reader, &low))
        return false;
    *value = (uint32_t)high << 16 | low;
    return true;
}

// --- Names ------------------------------------------------------------------------------------

static void add_char(struct dns_name *name, unsigned char c) {
    char text[8];
    if (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '-' || c == '_')
        snprintf(text, sizeof(text), "%c", ascii_lower((char)c));
    else if (c == '.' || c == '\\')
        snprintf(text, sizeof(text), "\\%c", c);
    else if (c > ' ' && c < 0x7f)
        snprintf(text, sizeof(text), "%c", c);
    else
        snprintf(text, sizeof(text), "\\%03u", c);
    size_t len = strlen(text);
    ASSERT(name->len + len < sizeof(name->text));
    memcpy(name->text + name->len, text, len);
    name->len += len;
}

static void add_label(struct dns_name *name, const unsigned char *bytes, size_t len) {
    if (name->len) {
        ASSERT(name->len + 1 < sizeof(name->text));
        name->text[name->len++] = '.';
    }
    for (size_t i = 0; i < len; i++)
        add_char(name, bytes[i]);
}

// RFC 1035 4.1.4. A pointer must lead before the name that holds it, and only so many are followed,
// so that no message makes us run in a circle.
static bool take_name(struct reader *reader, struct dns_name *name) {
    size_t at = reader->at, wire_bytes = 0, lowest = reader->at;
    unsigned n_pointers = 0;
    name->len = 0;
    while (at < reader->len) {
        unsigned char label = reader->bytes[at];
        if (label >= 0xc0) {
            if (reader->len - at < 2)
                return false;
            size_t target = load_u16(reader->bytes + at) & 0x3fff;
            if (n_pointers++ == 0)
                reader->at = at + 2;
            if (target >= lowest || target < HEADER_BYTES || n_pointers > POINTERS_MAX)
                return false;
            at = lowest = target;
            continue;
        }
        wire_bytes += label + 1U;
        if (label > LABEL_BYTES_MAX || wire_bytes > DNS_NAME_BYTES_MAX ||
            reader->len - at < label + 1U)
            return false;
        if (label == 0) {
            if (n_pointers == 0)
                reader->at = at + 1;
            return true;
        }
        add_label(name, reader->bytes + at + 1, label);
        at += label + 1U;
    }
    return false;
}

bool dns_name_is_askable(struct view name) {
    struct view rest = name, label;
    if (name.len == 0 || name.len > DNS_NAME_BYTES_MAX - 2)
        return false;
    while (view_split(&rest, '.', &label))
        if (label.len == 0 || label.len > LABEL_BYTES_MAX)
            return false;
    return name.ptr[name.len - 1] != '.' && !memchr(name.ptr, '\0', name.len);
}

static bool name_equals(const struct dns_name *a, const struct dns_name *b) {
    return view_equals(view_from(a->text, a->len), view_from(b->text, b->len));
}

static void name_from_view(struct dns_name *name, struct view text) {
    struct view label;
    ASSERT(text.len <= DNS_NAME_BYTES_MAX - 2);
    name->len = 0;
    while (view_split(&text, '.', &label))
        if (label.len)
            add_label(name, (const unsigned char *)label.ptr, label.len);
}

// --- Questions --------------------------------------------------------------------------------

static size_t put_u16(unsigned char *out, size_t at, unsigned value) {
    out[at] = (unsigned char)(value >> 8);
    out[at + 1] = (unsigned char)value;
    return at + 2;
}

static size_t put_name(unsigned char *out, size_t at, struct view name) {
    struct view label;
    while (view_split(&name, '.', &label)) {
        if (label.len == 0)
            continue; // the root, asked for as ""
        out[at++] = (unsigned char)label.len;
        memcpy(out + at, label.ptr, label.len);
        at += label.len;
    }
    out[at] = 0;
    return at + 1;
}

size_t dns_query_write(unsigned char out[DNS_QUERY_BYTES_MAX], uint16_t id, struct view name,
                       unsigned type, bool want_dnssec) {
    ASSERT(name.len == 0 || dns_name_is_askable(name));
    memset(out, 0, DNS_QUERY_BYTES_MAX);
    size_t at = put_u16(out, 0, id);
    put_u16(out, 2, 0x0100); // RD
    put_u16(out, 4, 1);      // one question
    put_u16(out, 10, 1);     // one additional record: OPT (RFC 6891 6.1.2)
    at = put_name(out, HEADER_BYTES, name);
    at = put_u16(out, at, type);
    at = put_u16(out, at, 1); // IN
    at++;                     // OPT belongs to the root
    at = put_u16(out, at, DNS_TYPE_OPT);
    at = put_u16(out, at, EDNS_BYTES);
    at = put_u16(out, at, 0);
    at = put_u16(out, at, want_dnssec ? 0x8000 : 0); // DO
    at = put_u16(out, at, 0);
    ASSERT(at <= DNS_QUERY_BYTES_MAX);
    return at;
}

// --- Records ----------------------------------------------------------------------------------

struct record {
    struct dns_name owner;
    unsigned type, class;
    uint32_t ttl_s;
    size_t at, len; // of the data
};

static bool take_record(struct reader *reader, struct record *record) {
    unsigned len = 0;
    if (!take_name(reader, &record->owner) || !take_u16(reader, &record->type) ||
        !take_u16(reader, &record->class) || !take_u32(reader, &record->ttl_s) ||
        !take_u16(reader, &len) || reader->len - reader->at < len)
        return false;
    if (record->ttl_s > INT32_MAX)
        record->ttl_s = 0; // RFC 2181 8
    record->at = reader->at;
    record->len = len;
    reader->at += len;
    return true;
}

// A name that fills the data from `skip` on.
static bool data_name(const struct reader *message, const struct record *record, size_t skip,
                      struct dns_name *name) {
    struct reader data = {message->bytes, record->at + record->len, record->at + skip};
    return record->len > skip && take_name(&data, name);
}

struct sections {
    struct reader answer, authority, additional;
    unsigned n_answer, n_authority, n_additional;
};

static bool skip_records(struct reader *reader, unsigned n) {
    struct record record;
    for (unsigned i = 0; i < n; i++)
        if (!take_record(reader, &record))
            return false;
    return true;
}

// RFC 5452 9.1: an answer repeats its question.
static bool take_question(struct reader *reader, const struct dns_name *name, unsigned type) {
    struct dns_name asked;
    unsigned asked_type = 0, asked_class = 0;
    return take_name(reader, &asked) && take_u16(reader, &asked_type) &&
           take_u16(reader, &asked_class) && name_equals(&asked, name) && asked_type == type &&
           asked_class == 1;
}

static bool find_sections(struct view packet, const struct dns_name *name, unsigned type,
                          struct sections *sections) {
    const unsigned char *header = (const unsigned char *)packet.ptr;
    if (packet.len < HEADER_BYTES || !(header[2] & 0x80) || load_u16(header + 4) != 1)
        return false; // QR: an answer; to one question
    struct reader reader = {header, packet.len, HEADER_BYTES};
    if (!take_question(&reader, name, type))
        return false;
    sections->n_answer = load_u16(header + 6);
    sections->n_authority = load_u16(header + 8);
    sections->n_additional = load_u16(header + 10);
    sections->answer = reader;
    if (!skip_records(&reader, sections->n_answer))
        return false;
    sections->authority = reader;
    if (!skip_records(&reader, sections->n_authority))
        return false;
    sections->additional = reader;
    return skip_records(&reader, sections->n_additional);
}

// --- The answer section -----------------------------------------------------------------------

// Follows the CNAMEs from `reply->canonical`. False: a circle, or more than DNS_CHAIN_MAX.
static bool follow_chain(const struct sections *sections, unsigned type, struct dns_reply *reply) {
    for (int hop = 0; hop <= DNS_CHAIN_MAX; hop++) {
        struct reader reader = sections->answer;
        struct dns_name target;
        bool is_alias = false;
        for (unsigned i = 0; i < sections->n_answer && !is_alias; i++) {
            struct record record;
            if (!take_record(&reader, &record))
                return false;
            is_alias = record.type == DNS_TYPE_CNAME && type != DNS_TYPE_CNAME &&
                       name_equals(&record.owner, &reply->canonical) &&
                       data_name(&reader, &record, 0, &target);
            if (is_alias && record.ttl_s < reply->ttl_s)
                reply->ttl_s = record.ttl_s;
        }
        if (!is_alias)
            return true;
        reply->canonical = target;
        reply->via_cname = true;
    }
    return false;
}

static int compare_mx(const struct dns_mx *a, const struct dns_mx *b) {
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return view_compare(a->name, b->name);
}

// Keeps the list sorted; when it is full the least preferred one goes.
static bool add_mx(struct dns_reply *reply, struct dns_mx mx, struct arena *arena) {
    size_t at = reply->n_records;
    while (at > 0 && compare_mx(&mx, &reply->mx[at - 1]) < 0)
        at--;
    if (at == DNS_MX_MAX)
        return true;
    if (at > 0 && compare_mx(&mx, &reply->mx[at - 1]) == 0)
        return true;
    mx.name = arena_copy(arena, mx.name);
    if (!mx.name.ptr)
        return false;
    size_t n_kept = size_min(reply->n_records, DNS_MX_MAX - 1);
    memmove(&reply->mx[at + 1], &reply->mx[at], (n_kept - at) * sizeof(mx));
    reply->mx[at] = mx;
    reply->n_records = n_kept + 1;
    return true;
}

static bool read_mx(const struct reader *message, const struct record *record,
                    struct dns_reply *reply, struct arena *arena) {
    struct dns_name name;
    if (!data_name(message, record, 2, &name))
        return false;
    struct dns_mx mx = {.preference = load_u16(message->bytes + record->at),
                        .name = view_from(name.text, name.len)};
    return add_mx(reply, mx, arena);
}

static bool read_address(const struct reader *message, const struct record *record,
                         struct dns_reply *reply) {
    bool is_ipv4 = record->type == DNS_TYPE_A;
    struct address address = {.family = is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    if (record->len != (is_ipv4 ? 4 : 16))
        return false;
    memcpy(address.bytes, message->bytes + record->at, record->len);
    for (size_t i = 0; i < reply->n_records; i++)
        if (address_equals(&reply->addresses[i], &address))
            return true;
    if (reply->n_records < DNS_ADDRESSES_MAX)
        reply->addresses[reply->n_records++] = address;
    return true;
}

static bool read_ptr(const struct reader *message, const struct record *record,
                     struct dns_reply *reply, struct arena *arena) {
    struct dns_name name;
    if (!data_name(message, record, 0, &name))
        return false;
    if (reply->n_records == DNS_NAMES_MAX)
        return true;
    struct view copy = arena_copy(arena, view_from(name.text, name.len));
    if (copy.ptr)
        reply->names[reply->n_records++] = copy;
    return copy.ptr != NULL;
}

// RFC 1035 3.3.14: one or more strings, each with its length in front. What is beyond the room for
// records is left out.
static bool read_text(const struct reader *message, const struct record *record,
                      struct dns_reply *reply, struct arena *arena) {
    char *joined = arena_alloc(arena, record->len + 1);
    size_t len = 0, end = record->at + record->len;
    if (!joined || record->len == 0)
        return false;
    for (size_t at = record->at; at < end;) {
        size_t piece = message->bytes[at++];
        if (end - at < piece)
            return false;
        memcpy(joined + len, message->bytes + at, piece);
        len += piece;
        at += piece;
    }
    if (reply->n_records < DNS_TEXTS_MAX)
        reply->names[reply->n_records++] = view_from(joined, len);
    return true;
}

static bool read_tlsa(const struct reader *message, const struct record *record,
                      struct dns_reply *reply, struct arena *arena) {
    enum { HEAD = 3 };
    const unsigned char *data = message->bytes + record->at;
    if (record->len <= HEAD)
        return false;
    if (reply->n_records == DNS_TLSA_MAX)
        return true;
    struct view copy = arena_copy(arena, view_from(data + HEAD, record->len - HEAD));
    if (copy.ptr)
        reply->tlsa[reply->n_records++] = (struct dns_tlsa){data[0], data[1], data[2], copy};
    return copy.ptr != NULL;
}

static bool read_data(const struct reader *message, const struct record *record,
                      struct dns_reply *reply, struct arena *arena) {
    switch (record->type) {
    case DNS_TYPE_MX: return read_mx(message, record, reply, arena);
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA: return read_address(message, record, reply);
    case DNS_TYPE_PTR: return read_ptr(message, record, reply, arena);
    case DNS_TYPE_TXT: return read_text(message, record, reply, arena);
    case DNS_TYPE_TLSA: return read_tlsa(message, record, reply, arena);
    default: return true;
    }
}

static bool read_answers(const struct sections *sections, unsigned type, struct arena *arena,
                         struct dns_reply *reply) {
    struct reader reader = sections->answer;
    for (unsigned i = 0; i < sections->n_answer; i++) {
        struct record record;
        if (!take_record(&reader, &record))
            return false;
        reply->has_rrsig = reply->has_rrsig || record.type == DNS_TYPE_RRSIG;
        if (record.type != type || record.class != 1 ||
            !name_equals(&record.owner, &reply->canonical))
            continue;
        if (!read_data(&reader, &record, reply, arena))
            return false;
        if (record.ttl_s < reply->ttl_s)
            reply->ttl_s = record.ttl_s;
    }
    return true;
}

// --- The rest ---------------------------------------------------------------------------------

// RFC 2308 5: a negative answer lives as long as the lesser of the SOA's TTL and its last field.
static uint32_t negative_ttl(const struct sections *sections, bool *has_soa) {
    struct reader reader = sections->authority;
    for (unsigned i = 0; i < sections->n_authority; i++) {
        struct record record;
        uint32_t minimum = 0;
        if (!take_record(&reader, &record))
            break;
        if (record.type != DNS_TYPE_SOA || record.len < 22)
            continue;
        *has_soa = true;
        struct reader last = {reader.bytes, record.at + record.len, record.at + record.len - 4};
        take_u32(&last, &minimum);
        return minimum < record.ttl_s ? minimum : record.ttl_s;
    }
    return 0;
}

static void read_options(const struct reader *message, const struct record *record,
                         struct dns_reply *reply) {
    struct reader options = {message->bytes, record->at + record->len, record->at};
    unsigned code = 0, len = 0;
    while (take_u16(&options, &code) && take_u16(&options, &len) &&
           options.len - options.at >= len) {
        if (code == EDNS_OPTION_EDE && len >= 2 && reply->ede < 0)
            reply->ede = (int)load_u16(options.bytes + options.at);
        options.at += len;
    }
}

static void read_opt(const struct sections *sections, struct dns_reply *reply) {
    struct reader reader = sections->additional;
    for (unsigned i = 0; i < sections->n_additional; i++) {
        struct record record;
        if (!take_record(&reader, &record))
            return;
        if (record.type != DNS_TYPE_OPT)
            continue;
        // take_record clears a TTL beyond 2^31; the bits of the rcode are all that is needed here.
        reply->rcode |= (int)(record.ttl_s >> 24) << 4;
        reply->has_edns = true;
        read_options(&reader, &record, reply);
        return;
    }
}

static enum fact_dns status_of(const struct dns_reply *reply) {
    switch (reply->rcode) {
    case 0: return reply->n_records ? FACT_DNS_OK : FACT_DNS_NODATA;
    case RCODE_NXDOMAIN: return FACT_DNS_NXDOMAIN;
    case RCODE_SERVFAIL: return FACT_DNS_SERVFAIL;
    case RCODE_REFUSED: return FACT_DNS_REFUSED;
    default: return FACT_DNS_MALFORMED;
    }
}

void dns_reply_read(struct view packet, struct view name, unsigned type, struct arena *arena,
                    struct dns_reply *reply) {
    struct sections sections;
    *reply = (struct dns_reply){
        .status = FACT_DNS_MALFORMED, .rcode = -1, .ede = -1, .ttl_s = INT32_MAX};
    name_from_view(&reply->canonical, name);
    if (!find_sections(packet, &reply->canonical, type, &sections))
        return;
    reply->rcode = (unsigned char)packet.ptr[3] & 0x0f;
    reply->is_truncated = packet.ptr[2] & 0x02;
    read_opt(&sections, reply);
    if (!follow_chain(&sections, type, reply)) {
        reply->status = FACT_DNS_LOOP;
        return;
    }
    if (!read_answers(&sections, type, arena, reply)) {
        reply->n_records = 0;
        return;
    }
    reply->status = status_of(reply);
    if (reply->status != FACT_DNS_OK)
        reply->ttl_s = negative_ttl(&sections, &reply->has_soa);
}

bool dns_reply_has_id(struct view packet, uint16_t id) {
    const unsigned char *header = (const unsigned char *)packet.ptr;
    return packet.len >= HEADER_BYTES && load_u16(header) == id && (header[2] & 0x80);
}
