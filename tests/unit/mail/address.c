// SPDX-License-Identifier: Apache-2.0
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    struct view address, domain, canonical;
} rows[] = {
    {VIEW("a@B.example"), VIEW("B.example"), VIEW("a@b.example")},
    {VIEW("A@B.Example."), VIEW("B.Example"), VIEW("A@b.example")},
    {VIEW("Postmaster"), VIEW(""), VIEW("Postmaster")},
    {VIEW(""), VIEW(""), VIEW("")},
    {VIEW("a@"), VIEW(""), VIEW("a@")},
    {VIEW("\"A@B\"@C"), VIEW("C"), VIEW("\"A@B\"@c")},
    {VIEW("\"A@B\""), VIEW(""), VIEW("\"A@B\"")},
    {VIEW("\"A\\\"@B\"@C"), VIEW("C"), VIEW("\"A\\\"@B\"@c")},
    {VIEW("\"A@B"), VIEW(""), VIEW("\"A@B")},
    {VIEW("\"A\\"), VIEW(""), VIEW("\"A\\")},
    {VIEW("a@[IPv6:2001:DB8::1]"), VIEW("[IPv6:2001:DB8::1]"), VIEW("a@[ipv6:2001:db8::1]")},
    {VIEW("a@b@C"), VIEW("C"), VIEW("a@b@c")},
    {VIEW("a@\xc3\x84.Example"), VIEW("\xc3\x84.Example"), VIEW("a@\xc3\x84.example")},
};

static void test_domain_and_canonical(void **state) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!view_equals(mail_address_domain(rows[i].address), rows[i].domain))
            fail_msg("%s: wrong domain", rows[i].address.ptr);
        if (!view_equals(mail_address_canonical(rows[i].address, &arena), rows[i].canonical))
            fail_msg("%s: wrong canonical form", rows[i].address.ptr);
    }
    arena_finish(&arena);
}

static void test_arena_is_full(void **state) {
    struct arena arena;
    arena_init(&arena, 16);
    assert_null(mail_address_canonical(VIEW("someone@long.example.org"), &arena).ptr);
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain_and_canonical),
        cmocka_unit_test(test_arena_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
