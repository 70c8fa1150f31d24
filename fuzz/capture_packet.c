// SPDX-License-Identifier: Apache-2.0
// Any bytes as captured packets, all of one connection: a byte tells the link, a byte the length of
// each. What is read must lie within its bytes, and a connection's sums must hold together.
#include "capture/packet_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const struct capture_flow *flow) {
    ASSERT(flow->n_repeated <= flow->n_segments && flow->n_stuck <= flow->n_repeated);
    ASSERT(flow->ttl_peer >= -1 && flow->ttl_peer <= 255);
    ASSERT(flow->ttl_reset >= -1 && flow->ttl_reset <= 255);
    if (flow->ttl_peer >= 0)
        ASSERT(capture_hops_passed(flow->ttl_peer) < 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const enum packet_link links[] = {PACKET_LINK_RAW, PACKET_LINK_SLL, PACKET_LINK_SLL2};
    struct capture_flow flow;
    bool has_flow = false;
    if (len == 0)
        return 0;
    enum packet_link link = links[bytes[0] % ARRAY_LEN(links)];
    int64_t at_us = 1;
    for (size_t at = 1; at < len; at_us += 1000) {
        size_t n = size_min(bytes[at], len - at - 1);
        struct packet packet;
        uint8_t *copy = malloc(n + 1); // so that the sanitizer sees its end
        memcpy(copy, bytes + at + 1, n);
        if (packet_read(link, copy, n, &packet)) {
            bool is_ours = packet.to.port == 25;
            ASSERT(packet.n_header_bytes <= n && packet.kind != PACKET_OTHER);
            if (!has_flow)
                flow_init(&flow, &packet, is_ours);
            has_flow = true;
            flow_add(&flow, &packet, is_ours, at_us);
            check(&flow);
        }
        free(copy);
        at += n + 1;
    }
    return 0;
}
