// SPDX-License-Identifier: Apache-2.0
// Packets as numbers, and packets that are none.
#include "packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct wish syn = {.from = US,
                                .to = THEM,
                                .from_port = 40000,
                                .to_port = 25,
                                .ttl = 64,
                                .flags = PACKET_SYN,
                                .mss = 1460,
                                .window = 64240,
                                .sequence = 0xfffffff0};

static bool read_made(const struct made *made, struct packet *packet) {
    return packet_read(PACKET_LINK_RAW, made->bytes, made->len, packet);
}

static void test_tcp(void **state) {
    struct made made = make_tcp(&syn);
    struct packet packet;
    struct address to = address_of(THEM, 25);
    assert_true(read_made(&made, &packet));
    assert_int_equal(packet.kind, PACKET_TCP);
    assert_true(address_equals_port(&packet.to, &to));
    assert_int_equal(packet.from.port, 40000);
    assert_int_equal(packet.ttl, 64);
    assert_int_equal(packet.flags, PACKET_SYN);
    assert_int_equal(packet.mss, 1460);
    assert_int_equal(packet.window, 64240);
    assert_int_equal(packet.sequence, 0xfffffff0);
    assert_int_equal(packet.n_payload, 0);
    assert_int_equal(packet.n_header_bytes, made.len);
}

// Behind the headers stands the message: how long it is, and none of it.
static void test_payload_is_left_out(void **state) {
    struct wish wish = syn;
    struct packet packet;
    wish.flags = PACKET_ACK;
    wish.mss = 0;
    wish.n_payload = 100;
    struct made made = make_tcp(&wish);
    memset(made.bytes + made.len, 'p', 100);
    assert_true(packet_read(PACKET_LINK_RAW, made.bytes, made.len + 60, &packet));
    assert_int_equal(packet.n_payload, 100);
    assert_int_equal(packet.n_header_bytes, made.len);
}

static void test_v6_with_extensions(void **state) {
    static const unsigned char extension[8] = {6, 0, 1, 4};
    struct wish wish = syn;
    struct packet packet;
    wish.from = "2001:db8::1";
    wish.to = "2001:db8::25";
    struct made made = make_tcp(&wish);
    assert_true(read_made(&made, &packet));
    assert_int_equal(packet.to.family, ADDRESS_IPV6);
    assert_int_equal(packet.mss, 1460);
    memmove(made.bytes + 48, made.bytes + 40, made.len - 40);
    memcpy(made.bytes + 40, extension, sizeof(extension));
    made.bytes[6] = 60; // destination options
    put16(&made, 4, (unsigned)made.len - 40 + 8);
    made.len += 8;
    assert_true(read_made(&made, &packet));
    assert_int_equal(packet.to.port, 25);
    assert_int_equal(packet.n_payload, 0);
}

static void test_icmp(void **state) {
    struct made about = make_tcp(&syn), made = make_icmp("203.0.113.9", 3, 13, &about);
    struct packet packet;
    struct address router = address_of("203.0.113.9", 0), to = address_of(THEM, 25);
    assert_true(read_made(&made, &packet));
    assert_int_equal(packet.kind, PACKET_ICMP);
    assert_int_equal(packet.icmp_type, 3);
    assert_int_equal(packet.icmp_code, 13);
    assert_true(address_equals(&packet.from, &router));
    assert_true(address_equals_port(&packet.about_to, &to));
    assert_int_equal(packet.about_from.port, 40000);
}

static void test_links(void **state) {
    struct made raw = make_tcp(&syn), made = {.len = 0};
    struct packet packet;
    memcpy(made.bytes + 20, raw.bytes, raw.len);
    made.bytes[7] = 3;  // interface
    made.bytes[10] = 4; // outgoing
    made.len = 20 + raw.len;
    assert_true(packet_read(PACKET_LINK_SLL2, made.bytes, made.len, &packet));
    assert_int_equal(packet.interface, 3);
    assert_true(packet.is_outgoing);
    assert_int_equal(packet.n_header_bytes, made.len);
    memset(made.bytes, 0, sizeof(made.bytes));
    memcpy(made.bytes + 16, raw.bytes, raw.len);
    assert_true(packet_read(PACKET_LINK_SLL, made.bytes, 16 + raw.len, &packet));
    assert_false(packet.is_outgoing);
    assert_int_equal(packet.to.port, 25);
}

// Cut anywhere it is no packet, or one whose headers end where the bytes do.
static void test_cut(void **state) {
    struct made tcp = make_tcp(&syn), icmp = make_icmp("203.0.113.9", 11, 0, &tcp);
    const struct made *all[] = {&tcp, &icmp};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        for (size_t len = 0; len < all[i]->len; len++) {
            struct packet packet;
            unsigned char *copy = malloc(len ? len : 1); // so that a sanitizer sees its end
            assert_non_null(copy);
            memcpy(copy, all[i]->bytes, len);
            if (packet_read(PACKET_LINK_RAW, copy, len, &packet))
                assert_true(packet.n_header_bytes <= len);
            free(copy);
        }
}

static void test_no_packets(void **state) {
    static const struct {
        size_t at;
        unsigned char byte;
    } spoilt[] = {
        {0, 0x42},  // an IP header of eight bytes
        {0, 0x55},  // IP version 5
        {3, 10},    // shorter than its header
        {7, 9},     // a later fragment
        {9, 17},    // UDP
        {32, 0x40}, // a TCP header of sixteen bytes
        {32, 0xf0}, // one that is longer than the packet
    };
    for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
        struct made made = make_tcp(&syn);
        struct packet packet;
        made.bytes[spoilt[i].at] = spoilt[i].byte;
        if (read_made(&made, &packet))
            fail_msg("case %zu is read", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),       cmocka_unit_test(test_payload_is_left_out),
        cmocka_unit_test(test_icmp),      cmocka_unit_test(test_v6_with_extensions),
        cmocka_unit_test(test_links),     cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_packets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
