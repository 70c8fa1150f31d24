// SPDX-License-Identifier: Apache-2.0
// Records and macros as text.
#include "spf/spf_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs those before it.
#include <cmocka.h>

static const struct {
    const char *text;
    const char *wrong; // NULL: it can be read
    size_t n_terms;
} records[] = {
    {"v=spf1", NULL, 0},
    {"v=spf1  mx   -all ", NULL, 2},
    {"V=SPF1 MX -ALL", NULL, 2},
    {"v=spf1 a mx ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all", NULL, 5},
    {"v=spf1 a:example.org/24//64 a//64 mx/24 -all", NULL, 4},
    {"v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d} ptr -all", NULL, 3},
    {"v=spf1 include:_spf.example.org redirect=_x.example.org exp=why.%{d}", NULL, 1},
    {"v=spf1 unknown=%{d} other.name-1=x -all", NULL, 1},
    {"v=spf1 ip4:192.0.2.1 -all=", "-all=", 0},
    {"v=spf1 ip:192.0.2.1 -all", "ip:192.0.2.1", 0},
    {"v=spf1 ip4:192.0.2.300 -all", "ip4:192.0.2.300", 0},
    {"v=spf1 ip4:192.0.2.0/33 -all", "ip4:192.0.2.0/33", 0},
    {"v=spf1 ip4:2001:db8::1 -all", "ip4:2001:db8::1", 0},
    {"v=spf1 ip6:192.0.2.1 -all", "ip6:192.0.2.1", 0},
    {"v=spf1 ip4 -all", "ip4", 0},
    {"v=spf1 all:example.org", "all:example.org", 0},
    {"v=spf1 include -all", "include", 0},
    {"v=spf1 include: -all", "include:", 0},
    {"v=spf1 a: -all", "a:", 0},
    {"v=spf1 mx/024 -all", "mx/024", 0},
    {"v=spf1 exists:%{x} -all", "exists:%{x}", 0},
    {"v=spf1 exists:%{c} -all", "exists:%{c}", 0},
    {"v=spf1 exists:%{d0} -all", "exists:%{d0}", 0},
    {"v=spf1 exists:%{d -all", "exists:%{d", 0},
    {"v=spf1 exists:%d -all", "exists:%d", 0},
    {"v=spf1 redirect=a.example redirect=b.example", "redirect=b.example", 0},
    {"v=spf1 redirect=", "redirect=", 0},
    {"v=spf1 -+all", "-+all", 0},
    {"v=spf1 ,mx", ",mx", 0},
};

static void records_are_read(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct spf_record record;
        struct view wrong = VIEW_NONE;
        assert_true(spf_record_is(view_of(records[i].text)));
        bool is_well = spf_record_parse(view_of(records[i].text), &record, &wrong);
        if (is_well != (records[i].wrong == NULL))
            fail_msg("\"%s\" %s", records[i].text, is_well ? "is taken" : "is refused");
        if (is_well)
            assert_int_equal(record.n_terms, records[i].n_terms);
        else
            assert_true(view_equals(wrong, view_of(records[i].wrong)));
    }
    assert_false(spf_record_is(VIEW("v=spf10 -all")));
    assert_false(spf_record_is(VIEW("google-site-verification=v=spf1")));
}

// The examples of RFC 7208 7.4, and what it says beside them.
static const struct {
    const char *text, *expected;
} macros[] = {
    {"%{s}", "strong-bad@email.example.com"},
    {"%{o}", "email.example.com"},
    {"%{d}", "email.example.com"},
    {"%{d4}", "email.example.com"},
    {"%{d3}", "email.example.com"},
    {"%{d2}", "example.com"},
    {"%{d1}", "com"},
    {"%{dr}", "com.example.email"},
    {"%{d2r}", "example.email"},
    {"%{l}", "strong-bad"},
    {"%{l-}", "strong.bad"},
    {"%{lr}", "strong-bad"},
    {"%{lr-}", "bad.strong"},
    {"%{l1r-}", "strong"},
    {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
    {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
    {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
    {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
    {"%{h}.%{p}", "mx.example.org.unknown"},
    {"a%%b%-c", "a%b%20c"},
    {"%{S}", "strong-bad%40email.example.com"},
};

static void macros_are_expanded(void **state) {
    struct address source;
    struct arena arena;
    assert_true(address_parse(VIEW("192.0.2.3"), &source));
    arena_init(&arena, 1 << 16);
    struct spf_macros values = {.source = &source,
                                .sender = VIEW("strong-bad@email.example.com"),
                                .domain = VIEW("email.example.com"),
                                .helo = VIEW("mx.example.org")};
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        struct view name = spf_macro_expand(view_of(macros[i].text), &values, &arena);
        if (!view_equals(name, view_of(macros[i].expected)))
            fail_msg("%s: %.*s", macros[i].text, VIEW_ARG(name));
    }
    assert_true(address_parse(VIEW("2001:db8::cb01"), &source));
    struct view name = spf_macro_expand(VIEW("%{ir}.%{v}._spf.%{d2}"), &values, &arena);
    assert_true(view_equals(name, VIEW("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1."
                                       "0.0.2.ip6._spf.example.com")));
    // What is too long loses labels in front.
    name = spf_macro_expand(VIEW("%{i}.%{i}.%{i}.%{i}.%{i}.%{d}"), &values, &arena);
    assert_true(name.len <= SPF_NAME_BYTES_MAX && view_ends_with_nocase(name, values.domain));
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_read),
                                       cmocka_unit_test(macros_are_expanded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
