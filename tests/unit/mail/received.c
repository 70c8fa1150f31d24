// SPDX-License-Identifier: Apache-2.0
// The trace field: its clauses, and that no client can break it, whatever it calls itself.
#include "base/rng.h"
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONG_NAME                                                                                  \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"

static struct mail_received usual(const char *client) {
    struct mail_received received = {
        .client_name = VIEW("client.example"),
        .hostname = VIEW("relay.example.org"),
        .protocol = VIEW("ESMTPS"),
        .tls = VIEW("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .id = VIEW("7K2M9"),
        .recipient = VIEW("bob@example.net"),
        .at_ms = 1778582520000,
    };
    if (client)
        assert_true(address_parse(view_of(client), &received.client));
    return received;
}

#define TAIL                                                                                       \
    "by relay.example.org (Postrider) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"            \
    "\tid 7K2M9\r\n\tfor <bob@example.net>;\r\n\tTue, 12 May 2026 10:42:00 +0000\r\n"

static void check(const struct mail_received *received, const char *expected) {
    struct buffer out;
    buffer_init(&out, 1 << 16);
    mail_received_write(received, &out);
    assert_string_equal(buffer_string(&out), expected);
    buffer_finish(&out);
}

static void test_from_clause(void **state) {
    static const struct {
        const char *client;
        struct view name;
        const char *expected;
    } rows[] = {
        {"192.0.2.1", VIEW("client.example"), "from client.example ([192.0.2.1])\r\n\t"},
        {"2001:db8::1", VIEW("client.example"), "from client.example ([IPv6:2001:db8::1])\r\n\t"},
        {"192.0.2.1", VIEW("[192.0.2.1]"), "from [192.0.2.1] ([192.0.2.1])\r\n\t"},
        {"192.0.2.1", VIEW("[IPv6:2001:db8::1]"), "from [IPv6:2001:db8::1] ([192.0.2.1])\r\n\t"},
        {"192.0.2.1", VIEW(""), "from [192.0.2.1]\r\n\t"},
        {"192.0.2.1", VIEW("a b"), "from [192.0.2.1] (said a b)\r\n\t"},
        {"192.0.2.1", VIEW("a)(b"), "from [192.0.2.1] (said a\\)\\(b)\r\n\t"},
        {"192.0.2.1", VIEW("a\\"), "from [192.0.2.1] (said a\\\\)\r\n\t"},
        {"192.0.2.1", VIEW("a\r\nX: y"), "from [192.0.2.1] (said a?\?X: y)\r\n\t"},
        {"192.0.2.1", VIEW("a\0\x7f\xc3\xa4"), "from [192.0.2.1] (said a?\?\?\?)\r\n\t"},
        {"192.0.2.1", VIEW("[a"), "from [192.0.2.1] (said [a)\r\n\t"},
        {"192.0.2.1", VIEW(LONG_NAME LONG_NAME LONG_NAME),
         "from [192.0.2.1] (said " LONG_NAME LONG_NAME ")\r\n\t"},
        {NULL, VIEW(""), ""},
        {NULL, VIEW("me"), "from me\r\n\t"},
        {NULL, VIEW("m e"), "from unknown (said m e)\r\n\t"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mail_received received = usual(rows[i].client);
        struct buffer expected;
        buffer_init(&expected, 4096);
        buffer_printf(&expected, "Received: %s" TAIL, rows[i].expected);
        received.client_name = rows[i].name;
        check(&received, buffer_string(&expected));
        buffer_finish(&expected);
    }
}

static void test_optional_clauses(void **state) {
    struct mail_received received = usual("192.0.2.1");
    received.tls = received.recipient = VIEW_NONE;
    received.protocol = VIEW("SMTP");
    check(&received, "Received: from client.example ([192.0.2.1])\r\n"
                     "\tby relay.example.org (Postrider) with SMTP\r\n"
                     "\tid 7K2M9;\r\n\tTue, 12 May 2026 10:42:00 +0000\r\n");
}

// A recipient that cannot be printed safely is left out.
static void test_for_clause(void **state) {
    static const struct view names[] = {VIEW("a\r\nb@c"), VIEW("\xc3\xa4@c"), VIEW("a\0@c"),
                                        VIEW("a\x7f@c")};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct mail_received received = usual("192.0.2.1");
        struct buffer out;
        buffer_init(&out, 4096);
        received.recipient = names[i];
        mail_received_write(&received, &out);
        assert_int_equal(view_find(buffer_view(&out), VIEW("for ")), out.len);
        buffer_finish(&out);
    }
}

// Random bytes as every text at once: one field, lines under 998 bytes, closed comments.
static void test_any_client(void **state) {
    struct rng rng;
    rng_init(&rng, 4);
    char bytes[3000];
    for (int round = 0; round < 3000; round++) {
        static const char likely[] = "()\\\r\n\0\t <>[]\"a.\x80\xff";
        size_t len = rng_below(&rng, sizeof(bytes));
        for (size_t i = 0; i < len; i++)
            bytes[i] = likely[rng_below(&rng, sizeof(likely))];
        struct mail_received received = usual("2001:db8::1");
        received.client_name = received.tls = received.id = received.hostname = received.protocol =
            received.recipient = view_from(bytes, size_max(len, 1));
        struct buffer out;
        buffer_init(&out, 1 << 16);
        mail_received_write(&received, &out);
        size_t line_len = 0, depth = 0;
        for (size_t i = 0; i < out.len; i++) {
            char c = out.ptr[i];
            line_len = c == '\n' ? 0 : line_len + 1;
            assert_true(line_len < 998);
            assert_true((c >= ' ' && c < 0x7f) || c == '\t' || c == '\r' || c == '\n');
            if (c == '\n' && i + 1 < out.len)
                assert_int_equal(out.ptr[i + 1], '\t');
            if (c == '\\' && depth)
                i++;
            depth += c == '(';
            depth -= c == ')' && depth;
        }
        buffer_finish(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_clause),
        cmocka_unit_test(test_optional_clauses),
        cmocka_unit_test(test_for_clause),
        cmocka_unit_test(test_any_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
