// SPDX-License-Identifier: Apache-2.0
// The table behind the seam of dns/dns.h, on the simulator's clock.
#include "dns/zone.h"
#include "dns_test.h"
#include "io/sim.h"

static struct dns_resolver *make_zone(void) {
    struct dns_resolver *zone = dns_zone_create(20);
    dns_zone_add_mx(zone, "contoso.com", 20, "b.contoso.com", 600);
    dns_zone_add_mx(zone, "contoso.com", 10, "a.contoso.com", 300);
    dns_zone_add_address(zone, "a.contoso.com", "192.0.2.1", 60);
    dns_zone_add_address(zone, "a.contoso.com", "2001:db8::1", 50);
    dns_zone_add_alias(zone, "alias.com", "Contoso.com", 30);
    dns_zone_add_alias(zone, "round.com", "round.com", 30);
    dns_zone_fail(zone, "broken.com", FACT_DNS_SERVFAIL);
    dns_zone_fail_addresses(zone, "a.contoso.com", ADDRESS_IPV6, FACT_DNS_BOGUS);
    dns_zone_fail(zone, "silent.com", FACT_DNS_TIMEOUT);
    dns_zone_set_secure(zone, "contoso.com", true);
    return zone;
}

static void check_mx(struct dns_resolver *zone, const char *name, const char *expected) {
    struct dns_mx_answer mx;
    struct arena arena;
    char line[512];
    arena_init(&arena, 1 << 20);
    io_time begun = io_now();
    dns_mx(zone, view_of(name), io_after(5000), &arena, &mx);
    int at = snprintf(line, sizeof(line), "%.*s", VIEW_ARG(fact_kind_word(mx.answer.fact.kind)));
    if (!fact_is_ok(&mx.answer.fact))
        at += snprintf(line + at, sizeof(line) - (size_t)at, " %d", mx.answer.fact.detail);
    for (size_t i = 0; i < mx.n_records; i++)
        at += snprintf(line + at, sizeof(line) - (size_t)at, " %u %.*s", mx.records[i].preference,
                       VIEW_ARG(mx.records[i].name));
    snprintf(line + at, sizeof(line) - (size_t)at, " ttl %u%s%s after %lld ms", mx.answer.ttl_s,
             mx.answer.is_secure ? " secure" : "", mx.answer.via_cname ? " alias" : "",
             (long long)(io_now() - begun));
    assert_string_equal(line, expected);
    arena_finish(&arena);
}

static void ask_zone(void *arg) {
    struct dns_resolver *zone = make_zone();
    struct dns_address_answer addresses;
    struct dns_name_answer names;
    struct arena arena;
    struct address address;
    check_mx(zone, "Contoso.COM",
             "ok 10 a.contoso.com 20 b.contoso.com ttl 300 secure after 20 ms");
    check_mx(zone, "alias.com",
             "ok 10 a.contoso.com 20 b.contoso.com ttl 30 secure alias after 20 ms");
    check_mx(zone, "a.contoso.com", "dns 2 ttl 300 after 20 ms");
    check_mx(zone, "nowhere.com", "dns 1 ttl 300 after 20 ms");
    check_mx(zone, "round.com", "dns 8 ttl 300 alias after 20 ms");
    check_mx(zone, "broken.com", "dns 3 ttl 300 after 20 ms");
    check_mx(zone, "silent.com", "dns 5 ttl 300 after 5000 ms");
    dns_zone_fail(zone, "broken.com", FACT_DNS_OK);
    dns_zone_add_mx(zone, "broken.com", 1, "mx.com", 10);
    check_mx(zone, "broken.com", "ok 1 mx.com ttl 10 after 20 ms");
    dns_zone_remove(zone, "broken.com");
    check_mx(zone, "broken.com", "dns 1 ttl 300 after 20 ms");
    arena_init(&arena, 1 << 20);
    addresses.family = ADDRESS_IPV4;
    dns_addresses(zone, VIEW("a.contoso.com"), io_after(1000), &arena, &addresses);
    assert_int_equal(addresses.n_addresses, 1);
    addresses.family = ADDRESS_IPV6;
    dns_addresses(zone, VIEW("a.contoso.com"), io_after(1000), &arena, &addresses);
    assert_int_equal(addresses.answer.fact.detail, FACT_DNS_BOGUS);
    addresses.family = ADDRESS_IPV4;
    dns_addresses(zone, VIEW("a.contoso.com"), io_after(10), &arena, &addresses);
    assert_int_equal(addresses.answer.fact.detail, FACT_DNS_TIMEOUT);
    assert_true(address_parse(VIEW("192.0.2.1"), &address));
    dns_names(zone, &address, io_after(1000), &arena, &names);
    assert_int_equal(names.n_names, 1);
    assert_true(view_equals(names.names[0], VIEW("a.contoso.com")));
    dns_zone_set_dead(zone, true);
    addresses.family = ADDRESS_IPV4;
    dns_addresses(zone, VIEW("a.contoso.com"), io_after(1000), &arena, &addresses);
    assert_int_equal(addresses.answer.fact.kind, FACT_KIND_LOCAL);
    assert_int_equal(addresses.answer.fact.detail, FACT_LOCAL_RESOLVER);
    assert_int_equal(dns_zone_questions(zone), 14);
    arena_finish(&arena);
    dns_resolver_destroy(zone);
}

static void the_table_answers(void **state) {
    (void)state;
    struct sim *sim = sim_create(1);
    io_spawn("body", ask_zone, NULL);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
