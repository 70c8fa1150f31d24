// SPDX-License-Identifier: Apache-2.0
// From bytes to one packet. Every length in it is a stranger's word.
#include "capture/packet_internal.h"

#include <string.h>

struct reader {
    const unsigned char *bytes;
    size_t len, at;
};

static bool has(const struct reader *reader, size_t n) {
    return reader->len - reader->at >= n;
}

static unsigned u8(const struct reader *reader, size_t offset) {
    return reader->bytes[reader->at + offset];
}

static unsigned u16(const struct reader *reader, size_t offset) {
    return u8(reader, offset) << 8 | u8(reader, offset + 1);
}

static uint32_t u32(const struct reader *reader, size_t offset) {
    return (uint32_t)u16(reader, offset) << 16 | u16(reader, offset + 2);
}

static struct address address_at(const struct reader *reader, size_t offset, bool is_v6) {
    struct address address = {.family = is_v6 ? ADDRESS_IPV6 : ADDRESS_IPV4};
    memcpy(address.bytes, reader->bytes + reader->at + offset, is_v6 ? 16 : 4);
    return address;
}

// --- Links ------------------------------------------------------------------------------------
// Linux's own: tcpdump.org/linktypes, LINUX_SLL and LINUX_SLL2.
static bool read_link(enum packet_link link, struct reader *reader, struct packet *out) {
    enum { SLL_BYTES = 16, SLL2_BYTES = 20, OUTGOING = 4 };
    if (link == PACKET_LINK_RAW)
        return true;
    size_t n = link == PACKET_LINK_SLL2 ? SLL2_BYTES : SLL_BYTES;
    if (!has(reader, n))
        return false;
    if (link == PACKET_LINK_SLL2)
        out->interface = u32(reader, 4);
    out->is_outgoing = (link == PACKET_LINK_SLL2 ? u8(reader, 10) : u16(reader, 0)) == OUTGOING;
    reader->at += n;
    return true;
}

// --- IP ---------------------------------------------------------------------------------------
struct ip {
    struct address from, to;
    int ttl;
    unsigned protocol;
    size_t n_payload; // as it says of itself; more than was captured
    bool is_v6;
};

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_ICMP6 = 58 };

// RFC 791 3.1. A later fragment has no header of what it carries.
static bool read_v4(struct reader *reader, struct ip *ip) {
    enum { V4_BYTES = 20, OFFSET_MASK = 0x1fff };
    if (!has(reader, V4_BYTES))
        return false;
    size_t n = (size_t)(u8(reader, 0) & 0xf) * 4, whole = u16(reader, 2);
    if (n < V4_BYTES || !has(reader, n) || whole < n || (u16(reader, 6) & OFFSET_MASK) != 0)
        return false;
    ip->ttl = (int)u8(reader, 8);
    ip->protocol = u8(reader, 9);
    ip->from = address_at(reader, 12, false);
    ip->to = address_at(reader, 16, false);
    ip->n_payload = whole - n;
    reader->at += n;
    return true;
}

// Hop-by-hop options, routing and destination options stand before what is carried (RFC 8200 4).
static bool skip_extensions(struct reader *reader, struct ip *ip) {
    enum { HOP_BY_HOP = 0, ROUTING = 43, DESTINATION = 60, EXTENSIONS_MAX = 8 };
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        if (ip->protocol != HOP_BY_HOP && ip->protocol != ROUTING && ip->protocol != DESTINATION)
            return true;
        if (!has(reader, 8))
            return false;
        size_t n = ((size_t)u8(reader, 1) + 1) * 8;
        if (!has(reader, n) || n > ip->n_payload)
            return false;
        ip->protocol = u8(reader, 0);
        ip->n_payload -= n;
        reader->at += n;
    }
    return false;
}

static bool read_v6(struct reader *reader, struct ip *ip) {
    enum { V6_BYTES = 40 };
    if (!has(reader, V6_BYTES))
        return false;
    ip->is_v6 = true;
    ip->n_payload = u16(reader, 4);
    ip->protocol = u8(reader, 6);
    ip->ttl = (int)u8(reader, 7);
    ip->from = address_at(reader, 8, true);
    ip->to = address_at(reader, 24, true);
    reader->at += V6_BYTES;
    return skip_extensions(reader, ip);
}

static bool read_ip(struct reader *reader, struct ip *ip) {
    *ip = (struct ip){0};
    if (!has(reader, 1))
        return false;
    switch (u8(reader, 0) >> 4) {
    case 4: return read_v4(reader, ip);
    case 6: return read_v6(reader, ip);
    default: return false;
    }
}

// --- TCP --------------------------------------------------------------------------------------
// RFC 9293 3.2: kind 2 is the maximum segment size.
static unsigned read_mss(const struct reader *reader, size_t from, size_t to) {
    enum { END = 0, NOTHING = 1, MSS = 2, MSS_BYTES = 4 };
    while (from < to && u8(reader, from) != END) {
        if (u8(reader, from) == NOTHING) {
            from++;
            continue;
        }
        if (to - from < 2 || u8(reader, from + 1) < 2 || to - from < u8(reader, from + 1))
            return 0;
        if (u8(reader, from) == MSS && u8(reader, from + 1) == MSS_BYTES)
            return u16(reader, from + 2);
        from += u8(reader, from + 1);
    }
    return 0;
}

static bool read_tcp(struct reader *reader, const struct ip *ip, struct packet *out) {
    enum { TCP_BYTES = 20 };
    if (!has(reader, TCP_BYTES))
        return false;
    size_t n = (size_t)(u8(reader, 12) >> 4) * 4;
    if (n < TCP_BYTES || n > ip->n_payload)
        return false;
    size_t n_here = size_min(n, reader->len - reader->at);
    out->kind = PACKET_TCP;
    out->from = ip->from;
    out->to = ip->to;
    out->from.port = (uint16_t)u16(reader, 0);
    out->to.port = (uint16_t)u16(reader, 2);
    out->sequence = u32(reader, 4);
    out->acknowledgment = u32(reader, 8);
    out->flags = u8(reader, 13);
    out->window = u16(reader, 14);
    out->mss = out->flags & PACKET_SYN ? read_mss(reader, TCP_BYTES, n_here) : 0;
    out->n_payload = (unsigned)(ip->n_payload - n);
    out->n_header_bytes = reader->at + n_here;
    return true;
}

// --- ICMP -------------------------------------------------------------------------------------
// Errors quote the beginning of the packet that they are about (RFC 792, RFC 4443 3): its ports are
// in the first eight bytes of TCP.
static bool read_icmp(struct reader *reader, const struct ip *ip, struct packet *out) {
    enum { ICMP_BYTES = 8, QUOTED_TCP_BYTES = 8 };
    struct ip about;
    if (!has(reader, ICMP_BYTES))
        return false;
    out->kind = PACKET_ICMP;
    out->from = ip->from;
    out->to = ip->to;
    out->icmp_type = (int)u8(reader, 0);
    out->icmp_code = (int)u8(reader, 1);
    reader->at += ICMP_BYTES;
    if (!read_ip(reader, &about) || about.protocol != PROTOCOL_TCP || about.is_v6 != ip->is_v6 ||
        !has(reader, QUOTED_TCP_BYTES))
        return false;
    out->about_from = about.from;
    out->about_to = about.to;
    out->about_from.port = (uint16_t)u16(reader, 0);
    out->about_to.port = (uint16_t)u16(reader, 2);
    out->n_header_bytes = reader->at + QUOTED_TCP_BYTES;
    return true;
}

bool packet_read(enum packet_link link, const unsigned char *bytes, size_t len,
                 struct packet *out) {
    struct reader reader = {bytes, len, 0};
    struct ip ip;
    *out = (struct packet){0};
    if (!read_link(link, &reader, out) || !read_ip(&reader, &ip))
        return false;
    out->ttl = ip.ttl;
    bool is_read = ip.protocol == PROTOCOL_TCP ? read_tcp(&reader, &ip, out)
                   : ip.protocol == (ip.is_v6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP)
                       ? read_icmp(&reader, &ip, out)
                       : false;
    ASSERT(!is_read || out->n_header_bytes <= len);
    return is_read;
}
