// SPDX-License-Identifier: Apache-2.0
// Routing over a table of names, in the simulator. Each row sets up the DNS, names a domain and
// says what the route is, as one line:
//   OUTCOME | NAME PREFERENCE ADDRESSES (REASON) ; ... | SITE | valid for SECONDS
#include "route/route.h"

#include "config/keys.h"
#include "dns/zone.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char connectors[] =
    "connector \"everyone\" { domains = \"*\" }\n"
    "connector \"partner\" { domains = { \"partner.com\" }\n"
    "  smart_hosts = { \"gw.partner.com\", \"[10.0.0.1]:587\", \"gw2.partner.com:2525\" } }\n"
    "connector \"gone\" { domains = { \"gone.com\" } smart_hosts = \"gw.nowhere.com\" }\n"
    "connector \"loop\" { domains = { \"loop.com\" } smart_hosts = { \"127.0.0.1:2525\" } }\n"
    "connector \"many\" { domains = { \"many.com\" } smart_hosts = { \"gw.slow.com\", "
    "\"gw.partner.com\" } }\n"
    "connector \"port\" { domains = { \"port.com\" } port = 26 }\n";

static void add_mx(struct dns_resolver *zone, const char *domain, const char *records) {
    unsigned preference = 0;
    char host[128];
    int used = 0;
    for (; sscanf(records, " %u %127s%n", &preference, host, &used) == 2; records += used)
        dns_zone_add_mx(zone, domain, preference, strcmp(host, ".") == 0 ? "" : host, 600);
}

static struct dns_resolver *make_zone(void) {
    struct dns_resolver *zone = dns_zone_create(10);
    dns_zone_add_address(zone, "a.com", "20.0.0.1", 400);
    dns_zone_add_address(zone, "b.com", "20.0.0.2", 500);
    dns_zone_add_address(zone, "six.com", "2a00::1", 500);
    dns_zone_add_address(zone, "six.com", "20.0.0.6", 500);
    dns_zone_add_address(zone, "short.com", "20.0.0.3", 5);
    dns_zone_add_address(zone, "private.com", "10.0.0.1", 500);
    dns_zone_add_address(zone, "half.com", "192.168.0.1", 500);
    dns_zone_add_address(zone, "half.com", "20.0.0.4", 500);
    dns_zone_add_address(zone, "loopback.com", "::1", 500);
    dns_zone_add_address(zone, "us.com", "20.0.0.9", 500);
    dns_zone_add_address(zone, "port.com", "20.0.0.9", 5000);
    dns_zone_add_address(zone, "gw.partner.com", "192.168.1.1", 500);
    dns_zone_add_address(zone, "gw2.partner.com", "20.0.0.5", 500);
    dns_zone_add_alias(zone, "alias.com", "a.com", 300);
    dns_zone_add_alias(zone, "alias-domain.com", "two.com", 300);
    add_mx(zone, "two.com", "20 b.com 10 a.com");
    add_mx(zone, "text.com", "10 nobody.com");
    add_mx(zone, "nohosts.com", "10 text.com 20 nobody.com");
    add_mx(zone, "null.com", "0 .");
    add_mx(zone, "null-ten.com", "10 .");
    add_mx(zone, "null-more.com", "0 . 10 a.com");
    add_mx(zone, "cname.com", "10 alias.com");
    add_mx(zone, "literal.com", "10 20.0.0.1");
    add_mx(zone, "literal-more.com", "10 20.0.0.1 20 a.com");
    add_mx(zone, "odd.com", "10 bad\\.name.com");
    add_mx(zone, "mx-private.com", "10 private.com 20 loopback.com");
    add_mx(zone, "mx-half.com", "10 half.com 20 private.com");
    add_mx(zone, "mx-us.com", "10 us.com 20 a.com");
    add_mx(zone, "mx-behind.com", "10 a.com 20 us.com 20 b.com 30 six.com");
    add_mx(zone, "twice.com", "20 a.com 10 a.com");
    add_mx(zone, "soon.com", "10 short.com");
    add_mx(zone, "sixth.com", "10 six.com");
    add_mx(zone, "partly.com", "10 slow.com 20 a.com");
    add_mx(zone, "stuck.com", "10 slow.com 20 private.com");
    dns_zone_fail(zone, "slow.com", FACT_DNS_SERVFAIL);
    dns_zone_fail(zone, "gw.slow.com", FACT_DNS_TIMEOUT);
    dns_zone_fail(zone, "servfail.com", FACT_DNS_SERVFAIL);
    dns_zone_fail(zone, "refused.com", FACT_DNS_REFUSED);
    dns_zone_fail(zone, "silent.com", FACT_DNS_TIMEOUT);
    dns_zone_fail(zone, "bogus.com", FACT_DNS_BOGUS);
    dns_zone_fail(zone, "malformed.com", FACT_DNS_MALFORMED);
    dns_zone_fail(zone, "round.com", FACT_DNS_LOOP);
    dns_zone_fail_addresses(zone, "implicit-v6.com", ADDRESS_IPV6, FACT_DNS_SERVFAIL);
    dns_zone_add_address(zone, "implicit-v6.com", "20.0.0.7", 500);
    dns_zone_fail_addresses(zone, "unsure.com", ADDRESS_IPV6, FACT_DNS_SERVFAIL);
    dns_zone_set_secure(zone, "two.com", true);
    return zone;
}

struct row {
    const char *domain;
    const char *route;
};

static const struct row rows[] = {
    // RFC 5321 5.1: MX by preference, or the domain itself.
    {"two.com", "ok | a.com 10 20.0.0.1:25 ; b.com 20 20.0.0.2:25 | a.com,b.com | valid for 400"},
    {"Two.COM.", "ok | a.com 10 20.0.0.1:25 ; b.com 20 20.0.0.2:25 | a.com,b.com | valid for 400"},
    {"a.com", "ok | a.com 0 20.0.0.1:25 | a.com | valid for 300"},
    {"sixth.com", "ok | six.com 10 [2a00::1]:25 20.0.0.6:25 | six.com | valid for 500"},
    {"twice.com", "ok | a.com 10 20.0.0.1:25 | a.com | valid for 400"},
    {"cname.com", "ok | alias.com 10 20.0.0.1:25 | alias.com | valid for 300"},
    {"alias-domain.com",
     "ok | a.com 10 20.0.0.1:25 ; b.com 20 20.0.0.2:25 | a.com,b.com | valid for 300"},
    {"soon.com", "ok | short.com 10 20.0.0.3:25 | short.com | valid for 30"},
    {"port.com", "ok | port.com 0 20.0.0.9:26 | port.com:26 | valid for 300"},
    // RFC 7505.
    {"null.com", "route null-mx null.com, for good | | | valid for 600"},
    {"null-ten.com", "route mx-invalid null-ten.com |  10 (route mx-invalid) | . | valid for 60"},
    {"null-more.com",
     "ok |  0 (route mx-invalid) ; a.com 10 20.0.0.1:25 | .,a.com | valid for 400"},
    // What ends a recipient, and what does not.
    {"nobody.com", "dns nxdomain nobody.com, for good | | | valid for 300"},
    {"unsure.com",
     "dns servfail unsure.com | unsure.com 0 (dns servfail) | unsure.com | valid for 60"},
    {"gw.partner.com", "route mx-private gw.partner.com | gw.partner.com 0 (route mx-private) | "
                       "gw.partner.com | valid for 60"},
    {"text.com",
     "route no-address nobody.com | nobody.com 10 (dns nxdomain) | nobody.com | valid for "
     "60"},
    {"nohosts.com", "route no-address text.com | text.com 10 (dns nodata) ; nobody.com 20 (dns "
                    "nxdomain) | nobody.com,text.com | valid for 60"},
    {"servfail.com", "dns servfail servfail.com | | | valid for 60"},
    {"refused.com", "dns refused refused.com | | | valid for 60"},
    {"silent.com", "dns timeout silent.com | | | valid for 60"},
    {"bogus.com", "dns bogus bogus.com | | | valid for 60"},
    {"malformed.com", "dns malformed malformed.com | | | valid for 60"},
    {"round.com", "dns loop round.com | | | valid for 60"},
    // One failure does not spoil the rest.
    {"implicit-v6.com", "ok | implicit-v6.com 0 20.0.0.7:25 | implicit-v6.com | valid for 300"},
    {"partly.com",
     "ok | slow.com 10 (dns servfail) ; a.com 20 20.0.0.1:25 | a.com,slow.com | valid for "
     "300"},
    {"stuck.com", "dns servfail slow.com | slow.com 10 (dns servfail) ; private.com 20 (route "
                  "mx-private) | private.com,slow.com | valid for 60"},
    // Names and addresses that cannot be meant.
    {"literal.com",
     "route mx-invalid 20.0.0.1 | 20.0.0.1 10 (route mx-invalid) | 20.0.0.1 | valid for "
     "60"},
    {"literal-more.com", "ok | 20.0.0.1 10 (route mx-invalid) ; a.com 20 20.0.0.1:25 | "
                         "20.0.0.1,a.com | valid for 400"},
    {"odd.com", "route mx-invalid bad\\.name.com | bad\\.name.com 10 (route mx-invalid) | "
                "bad\\.name.com | valid for 60"},
    {"mx-private.com",
     "route mx-private private.com | private.com 10 (route mx-private) ; "
     "loopback.com 20 (route mx-private) | loopback.com,private.com | valid for 60"},
    {"mx-half.com", "ok | half.com 10 20.0.0.4:25 ; private.com 20 (route mx-private) | "
                    "half.com,private.com | valid for 500"},
    // Ourselves: 20.0.0.9:25 is a listener.
    {"mx-us.com", "route mx-self mx-us.com | | | valid for 60"},
    {"mx-behind.com", "ok | a.com 10 20.0.0.1:25 | a.com | valid for 400"},
    {"us.com", "route mx-self us.com | | | valid for 60"},
    {"[20.0.0.9]", "route mx-self [20.0.0.9] | | | valid for 60"},
    {"loop.com",
     "route mx-self [127.0.0.1] | [127.0.0.1] 0 (route mx-self) | [127.0.0.1]:2525 | valid "
     "for 60"},
    // Smart hosts: never MX, private addresses are the operator's business.
    {"partner.com",
     "ok | gw.partner.com 0 192.168.1.1:25 ; [10.0.0.1] 1 10.0.0.1:587 ; gw2.partner.com 2 "
     "20.0.0.5:2525 | [10.0.0.1]:587,gw.partner.com,gw2.partner.com:2525 | valid for 500"},
    {"gone.com",
     "route no-address gw.nowhere.com | gw.nowhere.com 0 (dns nxdomain) | gw.nowhere.com | "
     "valid for 60"},
    {"many.com", "ok | gw.slow.com 0 (dns timeout) ; gw.partner.com 1 192.168.1.1:25 | "
                 "gw.partner.com,gw.slow.com | valid for 300"},
    // RFC 5321 4.1.3: address literals.
    {"[20.0.0.1]", "ok | [20.0.0.1] 0 20.0.0.1:25 | [20.0.0.1] | valid for 3600"},
    {"[IPv6:2A00::1]", "ok | [ipv6:2a00::1] 0 [2a00::1]:25 | [ipv6:2a00::1] | valid for 3600"},
    {"[10.0.0.1]",
     "route mx-private [10.0.0.1] | [10.0.0.1] 0 (route mx-private) | [10.0.0.1] | valid "
     "for 60"},
    {"[nonsense]", "route mx-invalid [nonsense] | | | valid for 60"},
};

// --- As one line ---------------------------------------------------------------------------------

static void describe_fact(const struct fact *fact, struct buffer *out) {
    static const char *const words[FACT_ROUTE_COUNT] = {
        [FACT_ROUTE_NULL_MX] = "null-mx",       [FACT_ROUTE_NO_CONNECTOR] = "no-connector",
        [FACT_ROUTE_NO_ADDRESS] = "no-address", [FACT_ROUTE_MX_PRIVATE] = "mx-private",
        [FACT_ROUTE_MX_SELF] = "mx-self",       [FACT_ROUTE_MX_INVALID] = "mx-invalid"};
    buffer_append_view(out, fact_kind_word(fact->kind));
    if (fact->kind == FACT_KIND_DNS)
        buffer_printf(out, " %.*s", VIEW_ARG(fact_dns_word((enum fact_dns)fact->detail)));
    if (fact->kind == FACT_KIND_ROUTE)
        buffer_printf(out, " %s", words[fact->detail]);
}

static void describe_host(const struct route_host *host, struct buffer *out) {
    buffer_printf(out, "%.*s %u", VIEW_ARG(host->name), host->preference);
    for (size_t i = 0; i < host->n_addresses; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format_port(&host->addresses[i], text, sizeof(text));
        buffer_printf(out, " %s", text);
    }
    assert_true(fact_is_ok(&host->fact) == (host->n_addresses > 0));
    if (host->n_addresses == 0) {
        buffer_append_view(out, VIEW(" ("));
        describe_fact(&host->fact, out);
        buffer_append_char(out, ')');
    }
}

static void describe(const struct route *route, struct buffer *out) {
    describe_fact(&route->fact, out);
    if (!fact_is_ok(&route->fact))
        buffer_printf(out, " %.*s", VIEW_ARG(route->fact.text));
    buffer_printf(out, "%s |", route->is_permanent ? ", for good" : "");
    for (size_t i = 0; i < route->n_hosts; i++) {
        buffer_append_view(out, i ? VIEW(" ; ") : VIEW(" "));
        describe_host(&route->hosts[i], out);
    }
    buffer_printf(out, " |%s%.*s | valid for %lld", route->site.len ? " " : "",
                  VIEW_ARG(route->site), (long long)(route->valid_until - io_now()) / 1000);
}

// --- Running -------------------------------------------------------------------------------------

struct scene {
    struct config *config;
    struct dns_resolver *zone;
    struct router router;
    struct address own[2];
};

static void scene_begin(struct scene *scene, const char *text) {
    struct buffer problems;
    buffer_init(&problems, 4096);
    scene->config = config_load_text(view_of(text), "test", &problems);
    if (!scene->config)
        fail_msg("%s", buffer_string(&problems));
    buffer_finish(&problems);
    scene->zone = make_zone();
    assert_true(address_parse_port(VIEW("20.0.0.9:25"), &scene->own[0]));
    assert_true(address_parse_port(VIEW("0.0.0.0:2525"), &scene->own[1]));
    scene->router = (struct router){.resolver = scene->zone, .own = scene->own, .n_own = 2};
}

static void scene_end(struct scene *scene) {
    dns_resolver_destroy(scene->zone);
    config_unref(scene->config);
}

static void in_simulation(void (*body)(void *arg), void *arg) {
    struct sim *sim = sim_create(7);
    io_spawn("body", body, arg);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

static struct route *resolve(struct scene *scene, const char *domain) {
    return route_resolve(&scene->router, scene->config, view_of(domain), io_after(10000));
}

static void resolve_rows(void *arg) {
    struct scene scene;
    scene_begin(&scene, connectors);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer line;
        buffer_init(&line, 4096);
        struct route *route = resolve(&scene, rows[i].domain);
        describe(route, &line);
        if (strcmp(buffer_string(&line), rows[i].route) != 0)
            fail_msg("%s\n%s\n%s", rows[i].domain, buffer_string(&line), rows[i].route);
        assert_ptr_equal(route->config, scene.config);
        assert_true(route->made_ms > 0 && route->fact.stage != FACT_STAGE_UNKNOWN);
        route_unref(route);
        buffer_finish(&line);
    }
    scene_end(&scene);
}

static void every_kind_of_domain_has_its_route(void **state) {
    (void)state;
    in_simulation(resolve_rows, NULL);
}

static void resolve_without_connector(void *arg) {
    struct scene scene;
    scene_begin(&scene, "connector \"one\" { domains = \"one.com\" }\n");
    struct route *route = resolve(&scene, "two.com");
    assert_null(route->connector);
    assert_int_equal(route->fact.kind, FACT_KIND_ROUTE);
    assert_int_equal(route->fact.detail, FACT_ROUTE_NO_CONNECTOR);
    assert_false(route->is_permanent);
    assert_int_equal(dns_zone_questions(scene.zone), 0);
    route_unref(route);
    scene_end(&scene);
}

static void a_domain_that_no_connector_takes_waits(void **state) {
    (void)state;
    in_simulation(resolve_without_connector, NULL);
}

static void resolve_secure(void *arg) {
    struct scene scene;
    scene_begin(&scene, connectors);
    struct route *route = resolve(&scene, "two.com");
    assert_true(route->is_secure_mx);
    struct route *again = route_ref(route);
    route_unref(route);
    assert_true(view_equals(again->domain, VIEW("two.com")));
    route_unref(again);
    route = resolve(&scene, "cname.com");
    assert_false(route->is_secure_mx);
    route_unref(route);
    route_unref(NULL);
    scene_end(&scene);
}

static void validated_mx_sets_are_marked(void **state) {
    (void)state;
    in_simulation(resolve_secure, NULL);
}

static void resolve_with_dead_resolver(void *arg) {
    struct scene scene;
    scene_begin(&scene, connectors);
    dns_zone_set_dead(scene.zone, true);
    struct route *route = resolve(&scene, "two.com");
    assert_int_equal(route->fact.kind, FACT_KIND_LOCAL);
    assert_int_equal(route->fact.detail, FACT_LOCAL_RESOLVER);
    assert_false(route->is_permanent);
    route_unref(route);
    // Smart hosts by address need no resolver; one by name waits with the same reason.
    route = resolve(&scene, "partner.com");
    assert_true(fact_is_ok(&route->fact));
    route_unref(route);
    route = resolve(&scene, "gone.com");
    assert_int_equal(route->fact.kind, FACT_KIND_LOCAL);
    route_unref(route);
    scene_end(&scene);
}

static void a_dead_resolver_is_told_as_ours(void **state) {
    (void)state;
    in_simulation(resolve_with_dead_resolver, NULL);
}

// Every order of three equal hosts comes up, and the one that is preferred always leads.
static void resolve_equals(void *arg) {
    struct scene scene;
    unsigned seen[3][3] = {{0}};
    scene_begin(&scene, connectors);
    add_mx(scene.zone, "equal.com", "10 e1.com 10 e2.com 10 e3.com 5 first.com");
    dns_zone_add_address(scene.zone, "first.com", "20.0.1.9", 500);
    dns_zone_add_address(scene.zone, "e1.com", "20.0.1.1", 500);
    dns_zone_add_address(scene.zone, "e2.com", "20.0.1.2", 500);
    dns_zone_add_address(scene.zone, "e3.com", "20.0.1.3", 500);
    for (int i = 0; i < 300; i++) {
        struct route *route = resolve(&scene, "equal.com");
        assert_int_equal(route->n_hosts, 4);
        assert_true(view_equals(route->hosts[0].name, VIEW("first.com")));
        for (size_t at = 0; at < 3; at++)
            seen[at][route->hosts[at + 1].name.ptr[1] - '1']++;
        assert_true(view_equals(route->site, VIEW("e1.com,e2.com,e3.com,first.com")));
        route_unref(route);
    }
    for (size_t at = 0; at < 3; at++)
        for (size_t host = 0; host < 3; host++)
            assert_in_range(seen[at][host], 60, 140);
    scene_end(&scene);
}

static void equal_hosts_are_shuffled(void **state) {
    (void)state;
    in_simulation(resolve_equals, NULL);
}

static void resolve_many(void *arg) {
    struct scene scene;
    char name[64], address[64];
    scene_begin(&scene, connectors);
    for (unsigned i = 0; i < 70; i++) {
        snprintf(name, sizeof(name), "host-%02u.a-rather-long-name.example", i);
        dns_zone_add_mx(scene.zone, "crowd.com", i, name, 600);
        for (unsigned k = 0; k < 20; k++) {
            snprintf(address, sizeof(address), "20.1.%u.%u", i, k);
            dns_zone_add_address(scene.zone, name, address, 600);
        }
    }
    io_time begun = io_now();
    struct route *route = resolve(&scene, "crowd.com");
    assert_true(fact_is_ok(&route->fact));
    assert_true(io_now() - begun < 200); // side by side: 1 + 8 rounds of 10 ms
    size_t n_addresses = 0;
    for (size_t i = 0; i < route->n_hosts; i++)
        n_addresses += route->hosts[i].n_addresses;
    assert_int_equal(n_addresses, ROUTE_ADDRESSES_MAX);
    assert_int_equal(route->n_hosts, ROUTE_ADDRESSES_MAX / 16);
    assert_int_equal(route->hosts[3].preference, 3);
    assert_in_range(route->site.len, 400, 530);
    assert_true(view_find(route->site, VIEW(",+")) < route->site.len);
    struct route *again = resolve(&scene, "crowd.com");
    assert_true(view_equals(again->site, route->site));
    route_unref(again);
    route_unref(route);
    scene_end(&scene);
}

static void counts_are_limited(void **state) {
    (void)state;
    in_simulation(resolve_many, NULL);
}

// --- Cancel and deadline -------------------------------------------------------------------------

static struct scene shared;
static struct route *made;

static void resolve_shared(void *arg) {
    made = route_resolve(&shared.router, shared.config, view_of(arg), io_after(10000));
    if (arg && strcmp(arg, "many.com") == 0)
        assert_true(io_is_canceled());
}

static void cancel_while_resolving(void *arg) {
    scene_begin(&shared, connectors);
    struct io_group group;
    io_group_init(&group);
    io_group_spawn(&group, "resolver", resolve_shared, (void *)(uintptr_t) "many.com");
    io_sleep(io_after(100)); // within the addresses: gw.slow.com says nothing
    io_time begun = io_now();
    io_group_cancel(&group);
    assert_true(io_is_ok(io_group_wait(&group, io_after(1000))));
    assert_true(io_now() - begun < 10);
    assert_int_equal(made->fact.kind, FACT_KIND_CANCELED);
    route_unref(made);
    io_group_spawn(&group, "resolver", resolve_shared, (void *)(uintptr_t) "silent.com");
    io_sleep(io_after(100)); // within MX
    io_group_cancel(&group);
    assert_true(io_is_ok(io_group_wait(&group, io_after(1000))));
    assert_int_equal(made->fact.kind, FACT_KIND_CANCELED);
    route_unref(made);
    scene_end(&shared);
}

static void routing_can_be_canceled(void **state) {
    (void)state;
    in_simulation(cancel_while_resolving, NULL);
}

static void resolve_slowly(void *arg) {
    struct scene scene;
    scene_begin(&scene, connectors);
    add_mx(scene.zone, "late.com", "10 gw.slow.com 20 a.com");
    io_time begun = io_now();
    struct route *route = resolve(&scene, "late.com");
    assert_int_equal(io_now() - begun, 10000);
    assert_true(fact_is_ok(&route->fact)); // the other host will do
    assert_int_equal(route->hosts[0].fact.detail, FACT_DNS_TIMEOUT);
    route_unref(route);
    scene_end(&scene);
}

static void the_deadline_holds(void **state) {
    (void)state;
    in_simulation(resolve_slowly, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_domain_has_its_route),
        cmocka_unit_test(a_domain_that_no_connector_takes_waits),
        cmocka_unit_test(validated_mx_sets_are_marked),
        cmocka_unit_test(a_dead_resolver_is_told_as_ours),
        cmocka_unit_test(equal_hosts_are_shuffled),
        cmocka_unit_test(counts_are_limited),
        cmocka_unit_test(routing_can_be_canceled),
        cmocka_unit_test(the_deadline_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
