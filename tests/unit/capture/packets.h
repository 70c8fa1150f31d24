// SPDX-License-Identifier: Apache-2.0
// Packets for tests, byte by byte.
#ifndef TESTS_CAPTURE_PACKETS_H
#define TESTS_CAPTURE_PACKETS_H

#include "capture/packet_internal.h"

#include <string.h>

#define US "192.0.2.1"
#define THEM "198.51.100.25"

struct made {
    unsigned char bytes[256];
    size_t len;
};

static inline void put16(struct made *made, size_t at, unsigned value) {
    made->bytes[at] = (unsigned char)(value >> 8);
    made->bytes[at + 1] = (unsigned char)value;
}

static inline struct address address_of(const char *text, unsigned port) {
    struct address address;
    ASSERT(address_parse(view_of(text), &address));
    address.port = (uint16_t)port;
    return address;
}

struct wish {
    const char *from, *to;
    unsigned from_port, to_port, ttl, flags, mss, window, n_payload;
    uint32_t sequence, acknowledgment;
};

// An IPv4 or IPv6 packet with TCP; of the payload nothing was captured.
static inline struct made make_tcp(const struct wish *wish) {
    struct made made = {.len = 0};
    struct address from = address_of(wish->from, 0), to = address_of(wish->to, 0);
    bool is_v6 = from.family == ADDRESS_IPV6;
    size_t ip = is_v6 ? 40 : 20, tcp = wish->mss ? 24 : 20;
    unsigned char *at = made.bytes;
    at[0] = is_v6 ? 0x60 : 0x45;
    at[is_v6 ? 7 : 8] = (unsigned char)wish->ttl;
    at[is_v6 ? 6 : 9] = 6;
    put16(&made, is_v6 ? 4 : 2, (unsigned)((is_v6 ? 0 : ip) + tcp + wish->n_payload));
    memcpy(at + (is_v6 ? 8 : 12), from.bytes, is_v6 ? 16 : 4);
    memcpy(at + (is_v6 ? 24 : 16), to.bytes, is_v6 ? 16 : 4);
    put16(&made, ip, wish->from_port);
    put16(&made, ip + 2, wish->to_port);
    put16(&made, ip + 4, wish->sequence >> 16);
    put16(&made, ip + 6, wish->sequence & 0xffff);
    put16(&made, ip + 8, wish->acknowledgment >> 16);
    put16(&made, ip + 10, wish->acknowledgment & 0xffff);
    at[ip + 12] = (unsigned char)(tcp / 4 << 4);
    at[ip + 13] = (unsigned char)wish->flags;
    put16(&made, ip + 14, wish->window);
    if (wish->mss) {
        at[ip + 20] = 2;
        at[ip + 21] = 4;
        put16(&made, ip + 22, wish->mss);
    }
    made.len = ip + tcp;
    return made;
}

// An ICMP error from `router` that quotes the beginning of `about`.
static inline struct made make_icmp(const char *router, unsigned type, unsigned code,
                                    const struct made *about) {
    struct made made = {.len = 0};
    struct address from = address_of(router, 0), to = address_of(US, 0);
    made.bytes[0] = 0x45;
    made.bytes[8] = 63;
    made.bytes[9] = 1;
    put16(&made, 2, 20 + 8 + 28);
    memcpy(made.bytes + 12, from.bytes, 4);
    memcpy(made.bytes + 16, to.bytes, 4);
    made.bytes[20] = (unsigned char)type;
    made.bytes[21] = (unsigned char)code;
    memcpy(made.bytes + 28, about->bytes, 28);
    made.len = 56;
    return made;
}

#endif
