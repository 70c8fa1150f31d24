// SPDX-License-Identifier: Apache-2.0
#include "base/fact.h"

#include "base/codec.h"

// Stored numbers: a tag keeps its meaning for ever, new fields get new tags.
enum fact_tag {
    TAG_STAGE = 1,
    TAG_KIND = 2,
    TAG_DETAIL = 3,
    TAG_FLAGS = 4,
    TAG_SYS_ERRNO = 5,
    TAG_ICMP_TYPE = 6,
    TAG_ICMP_CODE = 7,
    TAG_DNS_RCODE = 8,
    TAG_DNS_EDE = 9,
    TAG_TLS_ALERT = 10,
    TAG_TLS_ALERT_FROM_PEER = 11,
    TAG_TLS_VERSION = 12,
    TAG_X509_VERIFY = 13,
    TAG_REPLY_CODE = 14,
    TAG_ENHANCED = 15,
    TAG_BYTES_SENT = 16,
    TAG_BYTES_RECEIVED = 17,
    TAG_ELAPSED_MS = 18,
    TAG_LIMIT_MS = 19,
    TAG_AT_MS = 20,
    TAG_TEXT = 21,
    TAG_TCP_UNACKED_BYTES = 22,
    TAG_TCP_RETRANSMITS = 23,
    TAG_TCP_SEGMENT_BYTES = 24,
    TAG_ICMP_FROM = 25
};

struct fact fact_make(enum fact_stage stage, enum fact_kind kind) {
    return (struct fact){.stage = stage,
                         .kind = kind,
                         .icmp_type = -1,
                         .icmp_code = -1,
                         .dns_rcode = -1,
                         .dns_ede = -1,
                         .tls_alert = -1};
}

static const struct view stage_words[FACT_STAGE_COUNT] = {
#define X(name, word) [FACT_STAGE_##name] = {#word, sizeof(#word) - 1},
    FACT_STAGES(X)
#undef X
};

static const struct view kind_words[FACT_KIND_COUNT] = {
#define X(name, word) [FACT_KIND_##name] = {#word, sizeof(#word) - 1},
    FACT_KINDS(X)
#undef X
};

static const char *const dns_words[FACT_DNS_COUNT] = {
    [FACT_DNS_OK] = "ok",           [FACT_DNS_NXDOMAIN] = "nxdomain",
    [FACT_DNS_NODATA] = "nodata",   [FACT_DNS_SERVFAIL] = "servfail",
    [FACT_DNS_REFUSED] = "refused", [FACT_DNS_TIMEOUT] = "timeout",
    [FACT_DNS_BOGUS] = "bogus",     [FACT_DNS_MALFORMED] = "malformed",
    [FACT_DNS_LOOP] = "loop",
};

struct view fact_stage_word(enum fact_stage stage) {
    ASSERT((unsigned)stage < FACT_STAGE_COUNT);
    return stage_words[stage];
}

bool fact_stage_from_word(struct view word, enum fact_stage *stage) {
    for (int i = 0; i < FACT_STAGE_COUNT; i++)
        if (view_equals(word, stage_words[i])) {
            *stage = (enum fact_stage)i;
            return true;
        }
    return false;
}

struct view fact_kind_word(enum fact_kind kind) {
    ASSERT((unsigned)kind < FACT_KIND_COUNT);
    return kind_words[kind];
}

struct view fact_dns_word(enum fact_dns status) {
    ASSERT((unsigned)status < FACT_DNS_COUNT);
    return view_of(dns_words[status]);
}

static void put(struct buffer *out, enum fact_tag tag, int64_t value, int64_t nothing) {
    if (value != nothing)
        codec_put_int(out, tag, value);
}

static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

struct address fact_icmp_from(const struct fact *fact) {
    static const unsigned char nothing[16];
    struct address router = {0};
    bool is_v4 = memcmp(fact->icmp_from, v4_mapped, sizeof(v4_mapped)) == 0;
    if (memcmp(fact->icmp_from, nothing, sizeof(nothing)) == 0)
        return router;
    router.family = is_v4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
    memcpy(router.bytes, is_v4 ? fact->icmp_from + sizeof(v4_mapped) : fact->icmp_from,
           is_v4 ? 4 : 16);
    return router;
}

void fact_set_icmp_from(struct fact *fact, const struct address *router) {
    memset(fact->icmp_from, 0, sizeof(fact->icmp_from));
    if (router->family == ADDRESS_IPV6)
        memcpy(fact->icmp_from, router->bytes, 16);
    if (router->family != ADDRESS_IPV4)
        return;
    memcpy(fact->icmp_from, v4_mapped, sizeof(v4_mapped));
    memcpy(fact->icmp_from + sizeof(v4_mapped), router->bytes, 4);
}

void fact_encode(const struct fact *fact, struct buffer *out) {
    codec_put_int(out, TAG_STAGE, fact->stage);
    codec_put_int(out, TAG_KIND, fact->kind);
    put(out, TAG_DETAIL, fact->detail, 0);
    put(out, TAG_FLAGS, fact->flags, 0);
    put(out, TAG_SYS_ERRNO, fact->sys_errno, 0);
    put(out, TAG_ICMP_TYPE, fact->icmp_type, -1);
    put(out, TAG_ICMP_CODE, fact->icmp_code, -1);
    if (fact_icmp_from(fact).family != ADDRESS_NONE)
        codec_put_bytes(out, TAG_ICMP_FROM,
                        view_from((const char *)fact->icmp_from, sizeof(fact->icmp_from)));
    put(out, TAG_DNS_RCODE, fact->dns_rcode, -1);
    put(out, TAG_DNS_EDE, fact->dns_ede, -1);
    put(out, TAG_TLS_ALERT, fact->tls_alert, -1);
    put(out, TAG_TLS_ALERT_FROM_PEER, fact->tls_alert_from_peer, 0);
    put(out, TAG_TLS_VERSION, fact->tls_version, 0);
    put(out, TAG_X509_VERIFY, fact->x509_verify, 0);
    put(out, TAG_REPLY_CODE, fact->reply_code, 0);
    int64_t enhanced =
        ((int64_t)fact->enhanced[0] << 32) | ((int64_t)fact->enhanced[1] << 16) | fact->enhanced[2];
    put(out, TAG_ENHANCED, enhanced, 0);
    put(out, TAG_BYTES_SENT, fact->bytes_sent, 0);
    put(out, TAG_BYTES_RECEIVED, fact->bytes_received, 0);
    put(out, TAG_ELAPSED_MS, fact->elapsed_ms, 0);
    put(out, TAG_LIMIT_MS, fact->limit_ms, 0);
    put(out, TAG_AT_MS, fact->at_ms, 0);
    put(out, TAG_TCP_UNACKED_BYTES, fact->tcp_unacked_bytes, 0);
    put(out, TAG_TCP_RETRANSMITS, fact->tcp_retransmits, 0);
    put(out, TAG_TCP_SEGMENT_BYTES, fact->tcp_segment_bytes, 0);
    if (fact->text.len)
        codec_put_bytes(out, TAG_TEXT, view_take(fact->text, FACT_TEXT_BYTES_MAX));
}

static void take_number(struct fact *fact, unsigned tag, int64_t value) {
    switch (tag) {
    case TAG_DETAIL: fact->detail = (int)value; break;
    case TAG_FLAGS: fact->flags = (unsigned)value; break;
    case TAG_SYS_ERRNO: fact->sys_errno = (int)value; break;
    case TAG_ICMP_TYPE: fact->icmp_type = (int)value; break;
    case TAG_ICMP_CODE: fact->icmp_code = (int)value; break;
    case TAG_DNS_RCODE: fact->dns_rcode = (int)value; break;
    case TAG_DNS_EDE: fact->dns_ede = (int)value; break;
    case TAG_TLS_ALERT: fact->tls_alert = (int)value; break;
    case TAG_TLS_ALERT_FROM_PEER: fact->tls_alert_from_peer = value != 0; break;
    case TAG_TLS_VERSION: fact->tls_version = (int)value; break;
    case TAG_X509_VERIFY: fact->x509_verify = (int)value; break;
    case TAG_REPLY_CODE: fact->reply_code = (int)value; break;
    case TAG_ENHANCED:
        fact->enhanced[0] = (int)(value >> 32) & 0xffff;
        fact->enhanced[1] = (int)(value >> 16) & 0xffff;
        fact->enhanced[2] = (int)value & 0xffff;
        break;
    case TAG_BYTES_SENT: fact->bytes_sent = value; break;
    case TAG_BYTES_RECEIVED: fact->bytes_received = value; break;
    case TAG_ELAPSED_MS: fact->elapsed_ms = value; break;
    case TAG_LIMIT_MS: fact->limit_ms = value; break;
    case TAG_AT_MS: fact->at_ms = value; break;
    case TAG_TCP_UNACKED_BYTES: fact->tcp_unacked_bytes = (int)value; break;
    case TAG_TCP_RETRANSMITS: fact->tcp_retransmits = (int)value; break;
    case TAG_TCP_SEGMENT_BYTES: fact->tcp_segment_bytes = (int)value; break;
    default: break; // written by a later version
    }
}

static bool detail_is_known(const struct fact *fact) {
    switch (fact->kind) {
    case FACT_KIND_DNS: return fact->detail >= 0 && fact->detail < FACT_DNS_COUNT;
    case FACT_KIND_TLS: return fact->detail >= 0 && fact->detail < FACT_TLS_COUNT;
    case FACT_KIND_DEMAND: return fact->detail >= 0 && fact->detail < FACT_DEMAND_COUNT;
    case FACT_KIND_ROUTE: return fact->detail >= 0 && fact->detail < FACT_ROUTE_COUNT;
    case FACT_KIND_LOCAL: return fact->detail >= 0 && fact->detail < FACT_LOCAL_COUNT;
    default: return true;
    }
}

bool fact_decode(struct view bytes, struct fact *fact) {
    *fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    struct codec_field field;
    while (codec_get(&bytes, &field)) {
        int64_t value = 0;
        if (field.tag == TAG_TEXT) {
            fact->text = view_take(field.bytes, FACT_TEXT_BYTES_MAX);
            continue;
        }
        if (field.tag == TAG_ICMP_FROM) {
            if (field.bytes.len == sizeof(fact->icmp_from))
                memcpy(fact->icmp_from, field.bytes.ptr, field.bytes.len);
            continue;
        }
        if (!codec_field_int(&field, &value))
            continue; // not a number: a tag of a later version
        if (field.tag == TAG_STAGE && value >= 0 && value < FACT_STAGE_COUNT)
            fact->stage = (enum fact_stage)value;
        else if (field.tag == TAG_KIND && value >= 0 && value < FACT_KIND_COUNT)
            fact->kind = (enum fact_kind)value;
        else
            take_number(fact, field.tag, value);
    }
    return bytes.len == 0 && fact->kind != FACT_KIND_NONE && detail_is_known(fact);
}
