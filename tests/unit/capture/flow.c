// SPDX-License-Identifier: Apache-2.0
// What the packets of a connection add up to.
#include "packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs those before it.
#include <cmocka.h>

enum { MS = 1000 };

struct seen {
    bool is_ours;
    int at_ms;
    unsigned flags, ttl, n_payload, window, mss;
    uint32_t sequence, acknowledgment;
};

static struct capture_flow flow_of(const struct seen *seen, size_t n) {
    struct capture_flow flow;
    for (size_t i = 0; i < n; i++) {
        struct wish wish = {.from = seen[i].is_ours ? US : THEM,
                            .to = seen[i].is_ours ? THEM : US,
                            .from_port = seen[i].is_ours ? 40000 : 25,
                            .to_port = seen[i].is_ours ? 25 : 40000,
                            .ttl = seen[i].ttl,
                            .flags = seen[i].flags,
                            .mss = seen[i].mss,
                            .window = seen[i].window,
                            .n_payload = seen[i].n_payload,
                            .sequence = seen[i].sequence,
                            .acknowledgment = seen[i].acknowledgment};
        struct made made = make_tcp(&wish);
        struct packet packet;
        assert_true(packet_read(PACKET_LINK_RAW, made.bytes, made.len, &packet));
        if (i == 0)
            flow_init(&flow, &packet, seen[i].is_ours);
        flow_add(&flow, &packet, seen[i].is_ours, (int64_t)seen[i].at_ms * MS + 1);
    }
    return flow;
}

#define FLOW(seen) flow_of(seen, ARRAY_LEN(seen))

static void test_repeated_call(void **state) {
    static const struct seen seen[] = {
        {true, 0, PACKET_SYN, 64, 0, 1000, 1460, 100, 0},
        {true, 1000, PACKET_SYN, 64, 0, 1000, 1460, 100, 0},
        {false, 1030, PACKET_SYN | PACKET_ACK, 52, 0, 1000, 1380, 500, 101},
    };
    struct capture_flow flow = FLOW(seen);
    assert_int_equal(flow.n_syn, 2);
    assert_int_equal(flow.answer_us, 30 * MS);
    assert_int_equal(flow.mss_ours, 1460);
    assert_int_equal(flow.mss_theirs, 1380);
    assert_int_equal(flow.ttl_peer, 52);
    assert_int_equal(flow.ttl_reset, -1);
    assert_int_equal(flow.peer.port, 25);
}

static void test_reset_from_elsewhere(void **state) {
    static const struct seen seen[] = {
        {true, 0, PACKET_SYN, 64, 0, 1000, 1460, 100, 0},
        {false, 20, PACKET_SYN | PACKET_ACK, 52, 0, 1000, 1460, 500, 101},
        {true, 21, PACKET_ACK, 64, 10, 1000, 0, 101, 501},
        {false, 23, PACKET_RST, 63, 0, 0, 0, 501, 0},
    };
    struct capture_flow flow = FLOW(seen);
    assert_int_equal(flow.ttl_peer, 52);
    assert_int_equal(flow.ttl_reset, 63);
    assert_int_equal(flow.reset_us, 2 * MS);
    assert_false(flow.is_window_zero); // a reset's window says nothing
    assert_int_equal(capture_hops_passed(63), 1);
    assert_int_equal(capture_hops_passed(52), 12);
    assert_int_equal(capture_hops_passed(117), 11);
    assert_int_equal(capture_hops_passed(255), 0);
}

// Across the end of the sequence numbers.
static void test_stuck_segment(void **state) {
    static const struct seen seen[] = {
        {true, 0, PACKET_ACK, 64, 100, 1000, 0, 0xffffffd0, 1},
        {false, 10, PACKET_ACK, 52, 0, 1000, 0, 1, 52},
        {true, 11, PACKET_ACK, 64, 1400, 1000, 0, 52, 1},
        {true, 12, PACKET_ACK, 64, 50, 1000, 0, 1452, 1},
        {true, 300, PACKET_ACK, 64, 1400, 1000, 0, 52, 1},
        {true, 900, PACKET_ACK, 64, 1400, 1000, 0, 52, 1},
        {true, 2100, PACKET_ACK, 64, 1400, 1000, 0, 52, 1},
    };
    struct capture_flow flow = FLOW(seen);
    assert_int_equal(flow.n_segments, 6);
    assert_int_equal(flow.n_repeated, 3);
    assert_int_equal(flow.n_stuck, 3);
    assert_int_equal(flow.stuck_bytes, 1400);
}

static void test_loss_that_mends(void **state) {
    static const struct seen seen[] = {
        {true, 0, PACKET_ACK, 64, 100, 1000, 0, 100, 1},
        {true, 300, PACKET_ACK, 64, 100, 1000, 0, 100, 1},
        {false, 310, PACKET_ACK, 52, 0, 1000, 0, 1, 200},
        {true, 320, PACKET_ACK, 64, 100, 1000, 0, 200, 1},
        {false, 330, PACKET_ACK, 52, 0, 0, 0, 1, 300},
    };
    struct capture_flow flow = FLOW(seen);
    assert_int_equal(flow.n_repeated, 1);
    assert_int_equal(flow.n_stuck, 1);
    assert_true(flow.is_window_zero);
    assert_int_equal(flow.n_window_zero, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated_call), cmocka_unit_test(test_reset_from_elsewhere),
        cmocka_unit_test(test_stuck_segment), cmocka_unit_test(test_loss_that_mends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
