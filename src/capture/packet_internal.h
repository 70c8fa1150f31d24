// SPDX-License-Identifier: Apache-2.0
// One captured packet in numbers, and what a connection's packets add up to.
#ifndef CAPTURE_PACKET_INTERNAL_H
#define CAPTURE_PACKET_INTERNAL_H

#include "capture/capture.h"

// Link types of libpcap's device "any", and of files without a link (tests).
enum packet_link { PACKET_LINK_RAW = 101, PACKET_LINK_SLL = 113, PACKET_LINK_SLL2 = 276 };

enum packet_kind { PACKET_OTHER, PACKET_TCP, PACKET_ICMP };
enum packet_flag {
    PACKET_FIN = 0x01,
    PACKET_SYN = 0x02,
    PACKET_RST = 0x04,
    PACKET_ACK = 0x10
};

struct packet {
    enum packet_kind kind;
    unsigned interface; // zero: not told
    bool is_outgoing;
    struct address from, to; // with ports where it is TCP
    int ttl;
    // TCP (RFC 9293 3.1).
    uint32_t sequence, acknowledgment;
    unsigned flags, window, mss, n_payload;
    // ICMP: the packet that it is about, which we sent.
    int icmp_type, icmp_code;
    struct address about_from, about_to;
    size_t n_header_bytes; // what may be kept of it
};

// False where the bytes are too few, or neither TCP nor an ICMP message about TCP.
bool packet_read(enum packet_link link, const unsigned char *bytes, size_t len, struct packet *out);

void flow_init(struct capture_flow *flow, const struct packet *packet, bool is_ours);
// `is_ours`: the packet goes to the peer.
void flow_add(struct capture_flow *flow, const struct packet *packet, bool is_ours, int64_t at_us);

#endif
