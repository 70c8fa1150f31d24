// SPDX-License-Identifier: Apache-2.0
// What the operator's words mean.
#include "probe/probe_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct {
    const char *text;
    bool is_well;
    enum probe_kind kind;
    const char *domain, *recipient, *host, *address;
    unsigned port;
} cases[] = {
    {"example.org", true, PROBE_DOMAIN, "example.org", "", NULL, NULL, 0},
    {"Example.ORG.", true, PROBE_DOMAIN, "Example.ORG", "", NULL, NULL, 0},
    {"localhost", true, PROBE_DOMAIN, "localhost", "", NULL, NULL, 0},
    {"box@example.org", true, PROBE_ADDRESS, "example.org", "box@example.org", NULL, NULL, 0},
    {"<box@example.org>", true, PROBE_ADDRESS, "example.org", "box@example.org", NULL, NULL, 0},
    {"box@[192.0.2.1]", true, PROBE_ADDRESS, "[192.0.2.1]", "box@[192.0.2.1]", NULL, NULL, 0},
    {"mx.example.org:587", true, PROBE_HOST, "", "", "mx.example.org", NULL, 587},
    {"192.0.2.1", true, PROBE_HOST, "", "", NULL, "192.0.2.1", 0},
    {"192.0.2.1:26", true, PROBE_HOST, "", "", NULL, "192.0.2.1", 26},
    {"2001:db8::1", true, PROBE_HOST, "", "", NULL, "2001:db8::1", 0},
    {"[2001:db8::1]:465", true, PROBE_HOST, "", "", NULL, "2001:db8::1", 465},
    {"[IPv6:2001:db8::1]", true, PROBE_HOST, "", "", NULL, "2001:db8::1", 0},
    {"[192.0.2.1]", true, PROBE_HOST, "", "", NULL, "192.0.2.1", 0},
    {"[mx.example.org]:25", true, PROBE_HOST, "", "", "mx.example.org", NULL, 25},
    {"", false, 0, NULL, NULL, NULL, NULL, 0},
    {"mx.example.org:0", false, 0, NULL, NULL, NULL, NULL, 0},
    {"mx.example.org:70000", false, 0, NULL, NULL, NULL, NULL, 0},
    {"[192.0.2.1", false, 0, NULL, NULL, NULL, NULL, 0},
    {"[192.0.2.1]25", false, 0, NULL, NULL, NULL, NULL, 0},
    {"a b.example.org", false, 0, NULL, NULL, NULL, NULL, 0},
    {"box@", false, 0, NULL, NULL, NULL, NULL, 0},
    {"box@example.org\r\nRSET", false, 0, NULL, NULL, NULL, NULL, 0},
};

static void check_case(size_t i, const struct config *config) {
    struct arena arena;
    struct probe_target target;
    struct error error = {0};
    struct address address;
    arena_init(&arena, 1 << 16);
    bool is_well = probe_target_parse(view_of(cases[i].text), config, &arena, &target, &error);
    if (is_well != cases[i].is_well)
        fail_msg("\"%s\": %s", cases[i].text, is_well ? "taken" : error.text);
    if (is_well) {
        assert_int_equal(target.kind, cases[i].kind);
        assert_true(view_equals(target.domain, view_of(cases[i].domain)));
        assert_true(view_equals(target.recipient, view_of(cases[i].recipient)));
        assert_int_equal(target.port, cases[i].port);
        assert_int_equal(target.host != NULL, cases[i].host != NULL);
        if (target.host)
            assert_string_equal(target.host, cases[i].host);
        assert_int_equal(target.address.family != ADDRESS_NONE, cases[i].address != NULL);
        if (cases[i].address) {
            assert_true(address_parse(view_of(cases[i].address), &address));
            assert_true(address_equals(&target.address, &address));
        }
    } else {
        assert_true(error.text[0] != '\0');
    }
    arena_finish(&arena);
}

static void test_words(void **state) {
    struct buffer problems;
    buffer_init(&problems, 1 << 16);
    struct config *config = config_load(NULL, &problems);
    assert_non_null(config);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_case(i, config);
    config_unref(config);
    buffer_finish(&problems);
}

// A connector's name goes before everything else, but only where the operator named a file.
static void test_connectors(void **state) {
    static const char text[] = "hostname = \"relay.test\"\ndata = \"/nowhere\"\n"
                               "connector \"partner.test\" { domains = { \"*.partner.test\" } "
                               "smart_hosts = { \"[192.0.2.1]:26\" } }\n"
                               "connector \"world\" { domains = { \"*\" } }\n";
    char path[] = "/tmp/probe-target-XXXXXX";
    int descriptor = mkstemp(path);
    struct arena arena;
    struct buffer problems;
    struct probe_target target;
    struct error error = {0};
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, sizeof(text) - 1), sizeof(text) - 1);
    close(descriptor);
    arena_init(&arena, 1 << 16);
    buffer_init(&problems, 1 << 16);
    struct config *config = config_load(path, &problems);
    if (!config)
        fail_msg("%s", buffer_string(&problems));
    assert_true(probe_target_parse(VIEW("partner.test"), config, &arena, &target, &error));
    assert_int_equal(target.kind, PROBE_CONNECTOR);
    assert_non_null(target.connector);
    assert_false(probe_target_parse(VIEW("world"), config, &arena, &target, &error));
    assert_non_null(strstr(error.text, "name a domain"));
    unlink(path);
    config_unref(config);
    buffer_finish(&problems);
    arena_finish(&arena);
}

static void test_parking(void **state) {
    assert_true(probe_is_parking(VIEW("ns1.sedoparking.com")));
    assert_true(probe_is_parking(VIEW("PARK-MX.above.com")));
    assert_true(probe_is_parking(VIEW("bodis.com")));
    assert_false(probe_is_parking(VIEW("notbodis.com")));
    assert_false(probe_is_parking(VIEW("bodis.com.example.org")));
    assert_false(probe_is_parking(VIEW("com")));
    assert_false(probe_is_parking(VIEW_NONE));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_connectors),
                                       cmocka_unit_test(test_parking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
