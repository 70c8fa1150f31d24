// SPDX-License-Identifier: Apache-2.0
// check_host against a table of names: the examples of RFC 7208 appendix A, and its limits.
#include "dns/zone.h"
#include "io/sim.h"
#include "spf/spf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct {
    const char *source, *sender;
    const char *record;   // of the sender's domain, "example.com"; NULL: none
    const char *expected; // result, term, and why
} cases[] = {
    {"192.0.2.65", "a@example.com", NULL, "none"},
    {"192.0.2.65", "a@example.com", "v=spf1 +all", "pass +all"},
    {"192.0.2.65", "example.com", "v=spf1 a -all", "fail -all"},
    {"192.0.2.10", "a@example.com", "v=spf1 a -all", "pass a"},
    {"192.0.2.10", "a@example.com", "v=spf1 a:example.org -all", "fail -all"},
    {"192.0.2.129", "a@example.com", "v=spf1 mx -all", "pass mx"},
    {"192.0.2.140", "a@example.com", "v=spf1 mx:example.org -all", "pass mx:example.org"},
    {"192.0.2.131", "a@example.com", "v=spf1 mx/30 mx:example.org/30 -all", "pass mx/30"},
    {"192.0.2.143", "a@example.com", "v=spf1 mx/30 mx:example.org/30 -all",
     "pass mx:example.org/30"},
    {"192.0.2.65", "a@example.com", "v=spf1 ptr -all", "pass ptr"},
    {"192.0.2.140", "a@example.com", "v=spf1 ptr -all", "fail -all"},
    {"192.0.2.65", "a@example.com", "v=spf1 ip4:192.0.2.128/28 -all", "fail -all"},
    {"192.0.2.129", "a@example.com", "v=spf1 ip4:192.0.2.128/28 -all", "pass ip4:192.0.2.128/28"},
    {"2001:db8::25", "a@example.com", "v=spf1 ip4:0.0.0.0/0 ip6:2001:db8::/32 -all",
     "pass ip6:2001:db8::/32"},
    {"2001:db8::25", "a@example.com", "v=spf1 a//64 -all", "pass a//64"},
    {"192.0.2.65", "a@example.com", "v=spf1 ~all", "softfail ~all"},
    {"192.0.2.65", "a@example.com", "v=spf1 ?mx", "neutral"},
    {"192.0.2.65", "a@example.com", "v=spf1 include:example.org -all", "fail -all"},
    {"192.0.2.140", "a@example.com", "v=spf1 include:example.org -all", "pass include:example.org"},
    {"192.0.2.1", "a@example.com", "v=spf1 include:nothing.example.org ~all",
     "permerror include:nothing.example.org; it includes nothing.example.org, which has no SPF "
     "record"},
    {"192.0.2.140", "a@example.com", "v=spf1 redirect=example.org", "pass redirect=example.org"},
    {"192.0.2.1", "a@example.com", "v=spf1 redirect=nothing.example.org",
     "permerror redirect=nothing.example.org; it redirects to nothing.example.org, which has no "
     "SPF record"},
    {"192.0.2.1", "mary@example.com", "v=spf1 exists:%{l}.%{i}.ok.%{d} -all",
     "pass exists:%{l}.%{i}.ok.%{d}"},
    {"192.0.2.1", "john@example.com", "v=spf1 exists:%{l}.%{i}.ok.%{d} -all", "fail -all"},
    {"192.0.2.65", "a@example.com", "v=spf1 exists:%{p}.seen.example.com -all",
     "pass exists:%{p}.seen.example.com"},
    {"192.0.2.1", "a@example.com", "v=spf1 include:a.loop.example -all",
     "permerror include:a.loop.example; it takes more than ten look-ups"},
    {"192.0.2.1", "a@example.com", "v=spf1 a:1.example.org a:2.example.org a:3.example.org -all",
     "permerror a:3.example.org; more than two of its look-ups find nothing"},
    {"192.0.2.1", "a@example.com", "v=spf1 a:broken.example.org -all",
     "temperror a:broken.example.org; broken.example.org cannot be looked up"},
    {"192.0.2.1", "a@example.com", "v=spf1 ip:192.0.2.1 -all",
     "permerror; \"ip:192.0.2.1\" in the record of example.com cannot be read"},
    {"192.0.2.1", "a@two.example.com", NULL,
     "permerror; two.example.com has 2 SPF records instead of one"},
    {"192.0.2.1", "a@broken.example.org", NULL,
     "temperror; the SPF record of broken.example.org cannot be looked up"},
    {"192.0.2.1", "a@localhost", NULL, "none"},
    {"192.0.2.1", "", NULL, "none"},
};

static struct dns_resolver *make_zone(const char *record) {
    struct dns_resolver *zone = dns_zone_create(1);
    dns_zone_add_mx(zone, "example.com", 10, "mail-a.example.com", 60);
    dns_zone_add_mx(zone, "example.com", 20, "mail-b.example.com", 60);
    dns_zone_add_address(zone, "example.com", "192.0.2.10", 60);
    dns_zone_add_address(zone, "example.com", "192.0.2.11", 60);
    dns_zone_add_address(zone, "example.com", "2001:db8::1", 60);
    dns_zone_add_address(zone, "amy.example.com", "192.0.2.65", 60);
    dns_zone_add_address(zone, "mail-a.example.com", "192.0.2.129", 60);
    dns_zone_add_address(zone, "mail-b.example.com", "192.0.2.130", 60);
    dns_zone_add_mx(zone, "example.org", 10, "mail-c.example.org", 60);
    dns_zone_add_address(zone, "mail-c.example.org", "192.0.2.140", 60);
    dns_zone_add_text(zone, "example.org", "some other text", 60);
    dns_zone_add_text(zone, "example.org", "v=spf1 ip4:192.0.2.140 -all", 60);
    dns_zone_add_address(zone, "mary.192.0.2.1.ok.example.com", "127.0.0.2", 60);
    dns_zone_add_address(zone, "amy.example.com.seen.example.com", "127.0.0.2", 60);
    dns_zone_add_text(zone, "a.loop.example", "v=spf1 include:b.loop.example -all", 60);
    dns_zone_add_text(zone, "b.loop.example", "v=spf1 include:a.loop.example -all", 60);
    dns_zone_add_text(zone, "two.example.com", "v=spf1 -all", 60);
    dns_zone_add_text(zone, "two.example.com", "v=spf1 +all", 60);
    dns_zone_fail(zone, "broken.example.org", FACT_DNS_SERVFAIL);
    if (record)
        dns_zone_add_text(zone, "example.com", record, 60);
    return zone;
}

static void evaluate_all(void *arg) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dns_resolver *zone = make_zone(cases[i].record);
        struct spf_question question = {.resolver = zone,
                                        .sender = view_of(cases[i].sender),
                                        .helo = VIEW("mx.example.org"),
                                        .deadline = io_after(5000)};
        struct spf_answer answer;
        struct arena arena;
        char line[400];
        arena_init(&arena, 1 << 20);
        assert_true(address_parse(view_of(cases[i].source), &question.source));
        spf_evaluate(&question, &arena, &answer);
        snprintf(line, sizeof(line), "%.*s%s%.*s%s%.*s", VIEW_ARG(spf_result_word(answer.result)),
                 answer.term.len ? " " : "", VIEW_ARG(answer.term), answer.why.len ? "; " : "",
                 VIEW_ARG(answer.why));
        if (strcmp(line, cases[i].expected) != 0)
            fail_msg("case %zu, %s: %s", i, cases[i].record ? cases[i].record : "none", line);
        assert_true(answer.n_lookups <= 11);
        assert_true(dns_zone_questions(zone) < 40);
        arena_finish(&arena);
        dns_resolver_destroy(zone);
    }
}

static void receivers_would_say(void **state) {
    struct sim *sim = sim_create(1);
    io_spawn("body", evaluate_all, NULL);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(receivers_would_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
