// SPDX-License-Identifier: Apache-2.0
// Messages byte by byte. Each is an answer to "a.test MX" (or another type), put together below.
#include "dns/message_internal.h"
#include "dns_test.h"

// A header with QR, RD and RA, one question for a.test, and the counts given.
#define HEADER(flags, answers, authority, additional)                                              \
    "\0\1\x81" flags "\0\1\0" answers "\0" authority "\0" additional
#define QUESTION(type) "\1a\4test\0\0" type "\0\1"
#define RECORD(owner, type, ttl, len) owner "\0" type "\0\1" ttl "\0" len
#define ASKED "\xc0\x0c" // a pointer to the question's name

struct packet {
    const char *what;
    const char *bytes;
    size_t len;
    unsigned type;
    const char *expected;
};
#define PACKET(what, type, expected, bytes)                                                        \
    { what, bytes, sizeof(bytes) - 1, type, expected }

static const struct packet packets[] = {
    PACKET("two exchangers, the preferred one first", DNS_TYPE_MX,
           "ok 10 a.test, 20 b.a.test, ttl 60",
           HEADER("\x80", "\2", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\x3c", "\6") "\0\x14\1b" ASKED RECORD(
                   ASKED, "\x0f", "\0\0\1\0", "\4") "\0\x0a" ASKED),
    PACKET("the same exchanger twice", DNS_TYPE_MX, "ok 10 a.test, ttl 60",
           HEADER("\x80", "\2", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\x3c", "\4") "\0\x0a" ASKED RECORD(
                   ASKED, "\x0f", "\0\0\0\x3c", "\4") "\0\x0a" ASKED),
    PACKET("null MX", DNS_TYPE_MX, "ok 0 , ttl 60",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\x3c", "\3") "\0\0\0"),
    PACKET("a name with odd bytes", DNS_TYPE_MX, "ok 1 x\\.y.\\000z.\\200\\\\.a.test, ttl 60",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\x3c", "\x0e") "\0\1\3X.Y\2\0Z\2\xc8\\" ASKED),
    PACKET("an alias in front", DNS_TYPE_MX, "ok 10 a.test, ttl 5, is b.a.test",
           HEADER("\x80", "\2", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\5", "\0\0\0\5", "\4") "\1b" ASKED RECORD(
                   "\1b" ASKED, "\x0f", "\0\0\0\x3c", "\4") "\0\x0a" ASKED),
    PACKET("records of others are not taken", DNS_TYPE_MX, "nodata, ttl 0",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD("\1b" ASKED, "\x0f", "\0\0\0\x3c", "\4") "\0\x0a" ASKED),
    PACKET("an alias of itself", DNS_TYPE_MX, "loop, ttl 5, is a.test",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f") RECORD(ASKED, "\5", "\0\0\0\5", "\2")
               ASKED),
    PACKET("addresses", DNS_TYPE_A, "ok 192.0.2.1 192.0.2.2, ttl 60",
           HEADER("\x80", "\3", "\0", "\0") QUESTION("\1")
               RECORD(ASKED, "\1", "\0\0\0\x3c", "\4") "\xc0\0\2\1" RECORD(
                   ASKED, "\1", "\0\0\0\x3c", "\4") "\xc0\0\2\2" RECORD(ASKED, "\1", "\0\0\0\x3c",
                                                                        "\4") "\xc0\0\2\1"),
    PACKET("an address of five bytes", DNS_TYPE_A, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\1")
               RECORD(ASKED, "\1", "\0\0\0\x3c", "\5") "\xc0\0\2\1\1"),
    PACKET("IPv6", DNS_TYPE_AAAA, "ok 2001:db8::1, ttl 0",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x1c") RECORD(
               ASKED, "\x1c", "\xff\0\0\0", "\x10") "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    PACKET("a name of an address", DNS_TYPE_PTR, "ok b.a.test, ttl 60",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0c")
               RECORD(ASKED, "\x0c", "\0\0\0\x3c", "\4") "\1B" ASKED),
    PACKET("a text of two strings, and an empty one", DNS_TYPE_TXT,
           "ok \"v=spf1 -all\" \"\", ttl 60",
           HEADER("\x80", "\2", "\0", "\0") QUESTION("\x10")
               RECORD(ASKED, "\x10", "\0\0\0\x3c",
                      "\x0d") "\6v=spf1\5 -all" RECORD(ASKED, "\x10", "\0\0\0\x3c", "\1") "\0"),
    PACKET("a string beyond its record", DNS_TYPE_TXT, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x10")
               RECORD(ASKED, "\x10", "\0\0\0\x3c", "\3") "\3ab"),
    PACKET("a text without a string", DNS_TYPE_TXT, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x10")
               RECORD(ASKED, "\x10", "\0\0\0\x3c", "\0")),
    PACKET("a TLSA record", DNS_TYPE_TLSA, "ok 3 1 1 xyz, ttl 60",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x34")
               RECORD(ASKED, "\x34", "\0\0\0\x3c", "\6") "\3\1\1xyz"),
    PACKET("a TLSA record without data", DNS_TYPE_TLSA, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x34")
               RECORD(ASKED, "\x34", "\0\0\0\x3c", "\3") "\3\1\1"),
    PACKET("nothing, for as long as the SOA says", DNS_TYPE_MX, "nxdomain, ttl 9",
           HEADER("\x83", "\0", "\1", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\6", "\0\0\0\x3c", "\x18") ASKED ASKED
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x09"),
    PACKET("an extended error", DNS_TYPE_MX, "servfail, ede 22, ttl 0",
           HEADER("\x82", "\0", "\0", "\1") QUESTION("\x0f") "\0\0\x29\4\xd0\0\0\0\0\0\x0a"
                                                             "\0\x0a\0\0\0\x0f\0\2\0\x16"),
    PACKET("an rcode of EDNS", DNS_TYPE_MX, "malformed, ttl 0",
           HEADER("\x80", "\0", "\0", "\1") QUESTION("\x0f") "\0\0\x29\4\xd0\1\0\0\0\0\0"),
    PACKET("refused", DNS_TYPE_MX, "refused, ttl 0",
           HEADER("\x85", "\0", "\0", "\0") QUESTION("\x0f")),
    PACKET("another question", DNS_TYPE_A, "malformed, ttl 2147483647",
           HEADER("\x80", "\0", "\0", "\0") QUESTION("\x0f")),
    PACKET("a pointer to itself", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD("\xc0\x18", "\x0f", "\0\0\0\0", "\0")),
    PACKET("a pointer forward", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD("\xc0\x30", "\x0f", "\0\0\0\0", "\0")),
    PACKET("a pointer forward to a name", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD("\xc0\x26", "\x0f", "\0\0\0\0", "\5") "\0\1\1b\0"),
    PACKET("a pointer into the header", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD("\xc0\2", "\x0f", "\0\0\0\0", "\0")),
    PACKET("data beyond the end", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\0", "\7") "\0\1"),
    PACKET("an exchanger beyond its data", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\1", "\0", "\0") QUESTION("\x0f")
               RECORD(ASKED, "\x0f", "\0\0\0\0", "\3") "\0\1\1"),
    PACKET("more records than there are", DNS_TYPE_MX, "malformed, ttl 2147483647",
           HEADER("\x80", "\7", "\0", "\0") QUESTION("\x0f")),
    PACKET("a question", DNS_TYPE_MX, "malformed, ttl 2147483647",
           "\0\1\1\0\0\1\0\0\0\0\0\0" QUESTION("\x0f")),
    PACKET("nothing", DNS_TYPE_MX, "malformed, ttl 2147483647", ""),
    PACKET("half a header", DNS_TYPE_MX, "malformed, ttl 2147483647", "\0\1\x81\x80\0\1\0"),
};

static void describe(const struct dns_reply *reply, unsigned type, struct buffer *out) {
    char text[ADDRESS_TEXT_SIZE];
    buffer_append_view(out, fact_dns_word(reply->status));
    for (size_t i = 0; i < reply->n_records; i++) {
        buffer_append_char(out, ' ');
        if (type == DNS_TYPE_MX) {
            buffer_printf(out, "%u %.*s%s", reply->mx[i].preference, VIEW_ARG(reply->mx[i].name),
                          i + 1 < reply->n_records ? "," : "");
        } else if (type == DNS_TYPE_PTR) {
            buffer_append_view(out, reply->names[i]);
        } else if (type == DNS_TYPE_TXT) {
            buffer_printf(out, "\"%.*s\"", VIEW_ARG(reply->names[i]));
        } else if (type == DNS_TYPE_TLSA) {
            const struct dns_tlsa *tlsa = &reply->tlsa[i];
            buffer_printf(out, "%u %u %u %.*s", tlsa->usage, tlsa->selector, tlsa->matching,
                          VIEW_ARG(tlsa->data));
        } else {
            address_format(&reply->addresses[i], text, sizeof(text));
            buffer_append_view(out, view_of(text));
        }
    }
    if (reply->ede >= 0)
        buffer_printf(out, ", ede %d", reply->ede);
    buffer_printf(out, ", ttl %u", reply->ttl_s);
    if (reply->via_cname)
        buffer_printf(out, ", is %.*s", (int)reply->canonical.len, reply->canonical.text);
}

static void answers_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
        struct dns_reply reply;
        struct arena arena;
        struct buffer line;
        // On the heap, so that a byte beyond the end is noticed.
        char *copy = malloc(packets[i].len + !packets[i].len);
        memcpy(copy, packets[i].bytes, packets[i].len);
        arena_init(&arena, 1 << 20);
        buffer_init(&line, 4096);
        dns_reply_read(view_from(copy, packets[i].len), VIEW("A.test"), packets[i].type, &arena,
                       &reply);
        describe(&reply, packets[i].type, &line);
        if (strcmp(buffer_string(&line), packets[i].expected) != 0)
            fail_msg("%s: %s, not %s", packets[i].what, buffer_string(&line), packets[i].expected);
        buffer_finish(&line);
        arena_finish(&arena);
        free(copy);
    }
}

static void cut_answers_are_malformed(void **state) {
    (void)state;
    const struct packet *packet = &packets[0];
    for (size_t len = 0; len < packet->len; len++) {
        struct dns_reply reply;
        struct arena arena;
        char *copy = malloc(len + !len);
        memcpy(copy, packet->bytes, len);
        arena_init(&arena, 1 << 20);
        dns_reply_read(view_from(copy, len), VIEW("a.test"), DNS_TYPE_MX, &arena, &reply);
        assert_int_equal(reply.status, FACT_DNS_MALFORMED);
        arena_finish(&arena);
        free(copy);
    }
}

static void the_most_preferred_of_too_many_are_kept(void **state) {
    (void)state;
    struct dns_reply reply;
    struct arena arena;
    unsigned char packet[DNS_TEST_PACKET_BYTES] = {0, 1, 0x81, 0x80, 0, 1};
    size_t len = 12;
    memcpy(packet + len, "\1a\4test\0\0\x0f\0\1", 12);
    len += 12;
    for (unsigned i = 0; i < 100; i++) {
        const unsigned char data[] = {0, (unsigned char)((i * 37) % 100), 1, 'm', 0xc0, 12};
        len = add_record(packet, len, DNS_TYPE_MX, 60, data, sizeof(data));
    }
    arena_init(&arena, 1 << 20);
    dns_reply_read(view_from(packet, len), VIEW("a.test"), DNS_TYPE_MX, &arena, &reply);
    assert_int_equal(reply.n_records, DNS_MX_MAX);
    for (unsigned i = 0; i < DNS_MX_MAX; i++)
        assert_int_equal(reply.mx[i].preference, i);
    arena_finish(&arena);
}

static void questions_are_written(void **state) {
    (void)state;
    static const unsigned char expected[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1\1a\4test\0\0\x0f\0\1"
                                            "\0\0\x29\4\xd0\0\0\x80\0\0";
    unsigned char query[DNS_QUERY_BYTES_MAX];
    size_t len = dns_query_write(query, 0x1234, VIEW("a.test"), DNS_TYPE_MX, true);
    assert_int_equal(len, sizeof(expected));
    assert_memory_equal(query, expected, len);
    len = dns_query_write(query, 1, VIEW(""), DNS_TYPE_NS, false);
    assert_int_equal(len, 12 + 1 + 4 + 11);
}

static void names_that_cannot_be_are_not_asked_for(void **state) {
    (void)state;
    char label[65], name[300] = "";
    assert_true(dns_name_is_askable(VIEW("a.test")));
    assert_true(dns_name_is_askable(VIEW("test")));
    assert_false(dns_name_is_askable(VIEW("")));
    assert_false(dns_name_is_askable(VIEW(".")));
    assert_false(dns_name_is_askable(VIEW("a..b")));
    assert_false(dns_name_is_askable(VIEW("a.b.")));
    assert_false(dns_name_is_askable(VIEW("a\0b")));
    memset(label, 'x', 64);
    assert_true(dns_name_is_askable(view_from(label, 63)));
    assert_false(dns_name_is_askable(view_from(label, 64)));
    memset(name, 'x', sizeof(name));
    for (size_t i = 1; i < sizeof(name); i += 2)
        name[i] = '.';
    assert_true(dns_name_is_askable(view_from(name, 253)));
    assert_false(dns_name_is_askable(view_from(name, 255)));
}

static void reverse_names_are_made(void **state) {
    (void)state;
    struct address address;
    char name[DNS_REVERSE_SIZE];
    assert_true(address_parse(VIEW("192.0.2.1"), &address));
    dns_reverse_name(&address, name);
    assert_string_equal(name, "1.2.0.192.in-addr.arpa");
    assert_true(address_parse(VIEW("2001:db8::567:89ab"), &address));
    dns_reverse_name(&address, name);
    assert_string_equal(name,
                        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(cut_answers_are_malformed),
        cmocka_unit_test(the_most_preferred_of_too_many_are_kept),
        cmocka_unit_test(questions_are_written),
        cmocka_unit_test(names_that_cannot_be_are_not_asked_for),
        cmocka_unit_test(reverse_names_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
