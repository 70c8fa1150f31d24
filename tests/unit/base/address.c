// SPDX-License-Identifier: Apache-2.0
#include "base/address.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_addresses(void **state) {
    static const struct {
        const char *text;
        enum address_family family; // ADDRESS_NONE: an error
        const char *back;
    } rows[] = {
        {"192.0.2.1", ADDRESS_IPV4, "192.0.2.1"},
        {"2001:DB8::1", ADDRESS_IPV6, "2001:db8::1"},
        {"::", ADDRESS_IPV6, "::"},
        {"fe80::1%2", ADDRESS_IPV6, "fe80::1%2"},
        {"::ffff:192.0.2.1", ADDRESS_IPV4, "192.0.2.1"},
        {"::ffff:192.0.2.1%3", ADDRESS_IPV4, "192.0.2.1"},
        {"", ADDRESS_NONE, ""},
        {"192.0.2", ADDRESS_NONE, ""},
        {"192.0.2.256", ADDRESS_NONE, ""},
        {"192.0.2.01", ADDRESS_NONE, ""},
        {"192.0.2.1 ", ADDRESS_NONE, ""},
        {"192.0.2.1%1", ADDRESS_NONE, ""},
        {"[::1]", ADDRESS_NONE, ""},
        {"::1%", ADDRESS_NONE, ""},
        {"::1%eth0", ADDRESS_NONE, ""},
        {"::1%4294967296", ADDRESS_NONE, ""},
        {"1:2:3:4:5:6:7:8:9", ADDRESS_NONE, ""},
        {"localhost", ADDRESS_NONE, ""},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111",
         ADDRESS_NONE, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address;
        char back[ADDRESS_TEXT_SIZE] = "";
        bool well = address_parse(view_of(rows[i].text), &address);
        if (well != (rows[i].family != ADDRESS_NONE))
            fail_msg("%s: %d", rows[i].text, well);
        if (!well)
            continue;
        assert_int_equal(address.family, rows[i].family);
        assert_int_equal(address_format(&address, back, sizeof(back)), strlen(rows[i].back));
        assert_string_equal(back, rows[i].back);
    }
    struct address address;
    assert_false(address_parse(VIEW("192.0.2.1\0.example"), &address));
    assert_false(address_parse(VIEW_NONE, &address));
}

static void test_ports(void **state) {
    static const struct {
        const char *text;
        bool well;
        const char *back;
    } rows[] = {
        {"192.0.2.1:25", true, "192.0.2.1:25"},
        {"[2001:db8::1]:465", true, "[2001:db8::1]:465"},
        {"192.0.2.1:65535", true, "192.0.2.1:65535"},
        {"192.0.2.1", false, ""},
        {"192.0.2.1:", false, ""},
        {"192.0.2.1:65536", false, ""},
        {"192.0.2.1:+25", false, ""},
        {"2001:db8::1:25", false, ""},
        {"[2001:db8::1]", false, ""},
        {"[2001:db8::1:25", false, ""},
        {":25", false, ""},
        {"[]:25", false, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address;
        char back[ADDRESS_TEXT_SIZE];
        bool well = address_parse_port(view_of(rows[i].text), &address);
        if (well != rows[i].well)
            fail_msg("%s: %d", rows[i].text, well);
        if (!well)
            continue;
        address_format_port(&address, back, sizeof(back));
        assert_string_equal(back, rows[i].back);
    }
}

static void test_small_rooms(void **state) {
    struct address address;
    char text[4];
    assert_true(address_parse_port(VIEW("192.0.2.1:25"), &address));
    assert_int_equal(address_format(&address, text, sizeof(text)), 3);
    assert_string_equal(text, "192");
    assert_int_equal(address_format_port(&address, text, 1), 0);
    assert_string_equal(text, "");
}

static void test_sockaddrs(void **state) {
    static const char *const texts[] = {"192.0.2.1:25", "[2001:db8::1]:465"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct address address, back;
        struct sockaddr_storage storage;
        assert_true(address_parse_port(view_of(texts[i]), &address));
        assert_true(address_to_sockaddr(&address, &storage) > 0);
        assert_true(address_from_sockaddr((struct sockaddr *)&storage, &back));
        assert_true(address_equals_port(&address, &back));
    }
    struct address back;
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
    memcpy(&mapped.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16);
    assert_true(address_from_sockaddr((struct sockaddr *)&mapped, &back));
    assert_int_equal(back.family, ADDRESS_IPV4);
    assert_int_equal(back.port, 25);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_true(address_from_sockaddr(&other, &back));
    assert_int_equal(back.family, ADDRESS_UNIX);
    other.sa_family = AF_PACKET;
    assert_false(address_from_sockaddr(&other, &back));
}

static void test_equality(void **state) {
    struct address a, b;
    assert_true(address_parse_port(VIEW("192.0.2.1:25"), &a));
    assert_true(address_parse_port(VIEW("192.0.2.1:26"), &b));
    assert_true(address_equals(&a, &b));
    assert_false(address_equals_port(&a, &b));
    assert_true(address_hash(&a) == address_hash(&b));
    assert_true(address_parse(VIEW("fe80::1%1"), &a) && address_parse(VIEW("fe80::1%2"), &b));
    assert_false(address_equals(&a, &b));
    assert_true(address_parse(VIEW("::ffff:192.0.2.1%3"), &a));
    assert_true(address_parse(VIEW("192.0.2.1"), &b));
    assert_true(address_equals(&a, &b));
}

static void test_kinds(void **state) {
    static const struct {
        const char *text;
        bool global, loopback;
    } rows[] = {
        {"8.8.8.8", true, false},
        {"127.0.0.1", false, true},
        {"127.255.255.255", false, true},
        {"10.1.2.3", false, false},
        {"100.64.0.1", false, false},
        {"100.128.0.1", true, false},
        {"169.254.1.1", false, false},
        {"172.15.0.1", true, false},
        {"172.16.0.1", false, false},
        {"172.32.0.1", true, false},
        {"192.168.1.1", false, false},
        {"198.18.0.1", false, false},
        {"203.0.113.9", false, false},
        {"224.0.0.1", false, false},
        {"255.255.255.255", false, false},
        {"0.0.0.0", false, false},
        {"::1", false, true},
        {"::", false, false},
        {"2a00:1450:400b:c02::1a", true, false},
        {"2001:db8::1", false, false},
        {"2001::1", false, false},
        {"3fff::1", false, false},
        {"fe80::1", false, false},
        {"fc00::1", false, false},
        {"ff02::1", false, false},
        {"::ffff:10.0.0.1", false, false},
        {"::ffff:127.0.0.1", false, true},
        {"::ffff:8.8.8.8", true, false},
        // Through NAT64 an address is as public as the one inside.
        {"64:ff9b::8.8.8.8", true, false},
        {"64:ff9b::10.0.0.1", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address;
        assert_true(address_parse(view_of(rows[i].text), &address));
        if (address_is_global(&address) != rows[i].global ||
            address_is_loopback(&address) != rows[i].loopback)
            fail_msg("%s", rows[i].text);
    }
    struct address none = {0}, local = {.family = ADDRESS_UNIX}, any;
    assert_false(address_is_global(&none));
    assert_false(address_is_global(&local));
    assert_true(address_is_loopback(&local));
    assert_true(address_parse(VIEW("::"), &any) && address_is_unspecified(&any));
    assert_true(address_parse(VIEW("0.0.0.0"), &any) && address_is_unspecified(&any));
    assert_true(address_parse(VIEW("0.0.0.1"), &any) && !address_is_unspecified(&any));
}

static void test_networks(void **state) {
    static const struct {
        const char *network;
        bool well;
        const char *inside, *outside;
    } rows[] = {
        {"10.0.0.0/8", true, "10.255.1.1", "11.0.0.0"},
        {"192.0.2.128/25", true, "192.0.2.200", "192.0.2.1"},
        {"192.0.2.7", true, "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", true, "255.0.0.1", "::1"},
        {"::/0", true, "2001:db8::1", "192.0.2.1"},
        {"2001:db8::/33", true, "2001:db8:7fff::1", "2001:db8:8000::"},
        {"::1", true, "::1", "::2"},
        {"10.0.0.1/8", false, "", ""}, // host bits
        {"10.0.0.0/33", false, "", ""},
        {"10.0.0.0/", false, "", ""},
        {"10.0.0.0/-1", false, "", ""},
        {"/8", false, "", ""},
        {"", false, "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct network network;
        struct address inside, outside;
        bool well = network_parse(view_of(rows[i].network), &network);
        if (well != rows[i].well)
            fail_msg("%s: %d", rows[i].network, well);
        if (!well)
            continue;
        assert_true(address_parse(view_of(rows[i].inside), &inside));
        assert_true(address_parse(view_of(rows[i].outside), &outside));
        assert_true(network_contains(&network, &inside));
        assert_false(network_contains(&network, &outside));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_ports),
        cmocka_unit_test(test_small_rooms), cmocka_unit_test(test_sockaddrs),
        cmocka_unit_test(test_equality),    cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
