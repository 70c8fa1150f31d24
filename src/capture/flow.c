// SPDX-License-Identifier: Apache-2.0
// What the packets of one connection add up to.
#include "capture/packet_internal.h"

unsigned capture_hops_passed(int ttl) {
    int first = ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255;
    ASSERT(ttl >= 0 && ttl <= 255);
    return (unsigned)(first - ttl);
}

void flow_init(struct capture_flow *flow, const struct packet *packet, bool is_ours) {
    *flow = (struct capture_flow){.local = is_ours ? packet->from : packet->to,
                                  .peer = is_ours ? packet->to : packet->from,
                                  .interface = packet->interface,
                                  .is_outgoing = packet->is_outgoing,
                                  .ttl_peer = -1,
                                  .ttl_reset = -1,
                                  .icmp_type = -1,
                                  .icmp_code = -1};
}

// Sequence numbers go round (RFC 9293 3.4).
static bool is_before(uint32_t a, uint32_t b) {
    return (int32_t)(a - b) < 0;
}

static void add_segment(struct capture_flow *flow, const struct packet *packet) {
    uint32_t end = packet->sequence + packet->n_payload;
    bool is_repeat = flow->has_sent && is_before(packet->sequence, flow->next_ours);
    flow->n_segments++;
    flow->n_repeated += is_repeat;
    flow->n_repeats_run = is_repeat ? flow->n_repeats_run + 1 : 0;
    if (flow->n_repeats_run > flow->n_stuck) {
        flow->n_stuck = flow->n_repeats_run;
        flow->stuck_bytes = packet->n_payload;
    }
    if (!flow->has_sent || is_before(flow->next_ours, end))
        flow->next_ours = end;
    flow->has_sent = true;
}

static void add_ours(struct capture_flow *flow, const struct packet *packet, int64_t at_us) {
    flow->hops_ours = packet->ttl;
    flow->last_sent_us = at_us;
    if (packet->flags & PACKET_SYN) {
        flow->syn_us = flow->n_syn ? flow->syn_us : at_us;
        flow->n_syn++;
        flow->mss_ours = packet->mss;
    } else if (packet->n_payload > 0) {
        add_segment(flow, packet);
    }
}

static void add_theirs(struct capture_flow *flow, const struct packet *packet, int64_t at_us) {
    bool is_reset = packet->flags & PACKET_RST;
    if (flow->answer_us == 0 && flow->n_syn > 0)
        flow->answer_us = int64_max(at_us - flow->last_sent_us, 1);
    if (is_reset) {
        flow->reset_us = flow->ttl_reset < 0 ? at_us - flow->last_sent_us : flow->reset_us;
        flow->ttl_reset = flow->ttl_reset < 0 ? packet->ttl : flow->ttl_reset;
        return; // its window says nothing
    }
    flow->ttl_peer = packet->ttl;
    if (packet->flags & PACKET_SYN)
        flow->mss_theirs = packet->mss;
    if ((packet->flags & PACKET_ACK) &&
        (!flow->has_acknowledged || is_before(flow->acknowledged, packet->acknowledgment))) {
        flow->acknowledged = packet->acknowledgment;
        flow->has_acknowledged = true;
        flow->n_repeats_run = 0;
    }
    flow->is_window_zero = packet->window == 0;
    flow->n_window_zero += flow->is_window_zero;
}

void flow_add(struct capture_flow *flow, const struct packet *packet, bool is_ours, int64_t at_us) {
    if (packet->kind == PACKET_ICMP) {
        flow->icmp_type = packet->icmp_type;
        flow->icmp_code = packet->icmp_code;
        flow->icmp_from = packet->from;
    } else if (is_ours) {
        add_ours(flow, packet, at_us);
    } else {
        add_theirs(flow, packet, at_us);
    }
}
