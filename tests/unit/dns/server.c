// SPDX-License-Identifier: Apache-2.0
// One server asked directly: what a real name server (nsd) says of its zone, over UDP and TCP, and
// what is made of silence and nonsense.
#include "dns_test.h"

static const char zone_text[] = "$ORIGIN postrider.test.\n"
                                "$TTL 600\n"
                                "@ SOA ns hostmaster 4711 3600 900 86400 120\n"
                                "@ NS ns\n"
                                "@ MX 20 mx2\n"
                                "@ MX 10 MX1\n"
                                "ns A 127.0.0.1\n"
                                "mx1 A 192.0.2.1\n"
                                "mx1 A 192.0.2.2\n"
                                "below NS ns.below\n"
                                "ns.below A 192.0.2.53\n"
                                "one CNAME two\n"
                                "two CNAME one\n"
                                "empty TXT \"x\"\n"
                                "large TXT \"x\"\n";

static struct nsd nsd;

static struct dns_server_answer ask(const char *name, enum dns_server_type type,
                                    struct arena *arena) {
    struct dns_server_answer answer;
    struct dns_server_question question = {
        .server = nsd.address, .name = view_of(name), .type = type, .deadline = io_after(3000)};
    dns_ask_server(&question, arena, &answer);
    return answer;
}

static void check_negative(struct arena *arena, const char *name, enum fact_dns status) {
    struct dns_server_answer answer = ask(name, DNS_SERVER_MX, arena);
    assert_int_equal(answer.fact.kind, FACT_KIND_DNS);
    assert_int_equal(answer.fact.detail, status);
    assert_true(view_equals(answer.fact.text, view_of(name)));
}

static void zone_body(void *arg) {
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct dns_server_answer answer = ask("postrider.test", DNS_SERVER_MX, &arena);
    assert_int_equal(answer.fact.kind, FACT_KIND_OK);
    assert_true(answer.is_authoritative);
    assert_int_equal(answer.n_records, 2);
    assert_true(view_equals(answer.records[0].name, VIEW("mx1.postrider.test")));
    assert_int_equal(answer.records[1].preference, 20);
    assert_int_equal(answer.ttl_s, 600);
    answer = ask("postrider.test", DNS_SERVER_SOA, &arena);
    assert_int_equal(answer.serial, 4711);
    answer = ask("mx1.postrider.test", DNS_SERVER_A, &arena);
    assert_int_equal(answer.n_addresses, 2);
    answer = ask("below.postrider.test", DNS_SERVER_NS, &arena);
    assert_true(answer.is_referral);
    assert_int_equal(answer.fact.kind, FACT_KIND_OK);
    assert_true(view_equals(answer.names[0], VIEW("ns.below.postrider.test")));
    assert_int_equal(answer.n_addresses, 1);
    check_negative(&arena, "nothing.postrider.test", FACT_DNS_NXDOMAIN);
    check_negative(&arena, "empty.postrider.test", FACT_DNS_NODATA);
    check_negative(&arena, "one.postrider.test", FACT_DNS_LOOP);
    check_negative(&arena, "elsewhere.test", FACT_DNS_REFUSED);
    arena_finish(&arena);
}

static void a_zone(void **state) {
    if (!nsd_start(&nsd, "postrider.test", zone_text))
        skip();
    run_fiber(zone_body, NULL);
    nsd_stop(&nsd);
}

// --- What signs a zone ------------------------------------------------------------------------
// Key and digest are those of RFC 6605 6.1; the signature is none, and its dates are read.
static const char signed_text[] =
    "$ORIGIN example.net.\n"
    "$TTL 600\n"
    "@ SOA ns hostmaster 1 3600 900 86400 120\n"
    "@ NS ns\n"
    "ns A 127.0.0.1\n"
    "@ MX 10 ns\n"
    "@ DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+"
    "Wi9xMWyQLc8NAA==\n"
    "@ RRSIG DNSKEY 13 2 600 20300101000000 20200101000000 55648 example.net. qx6wLYqmh+l9oCKTN6q"
    "Ic+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==\n"
    "@ RRSIG MX 13 2 600 20300101000000 20200101000000 55648 example.net. qx6wLYqmh+l9oCKTN6q"
    "Ic+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==\n"
    "below NS ns\n"
    "below DS 4711 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17\n";

static void check_digest(const struct dns_signer *signer, unsigned key_tag) {
    static const unsigned char digest[] = {0xb4, 0xc8, 0xc1, 0xfe, 0x2e, 0x74, 0x77, 0x12};
    assert_int_equal(signer->key_tag, key_tag);
    assert_int_equal(signer->algorithm, 13);
    assert_int_equal(signer->digest_type, 2);
    assert_int_equal(signer->digest.len, 32);
    assert_memory_equal(signer->digest.ptr, digest, sizeof(digest));
}

static void signed_body(void *arg) {
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct dns_server_answer answer = ask("example.net", DNS_SERVER_DNSKEY, &arena);
    assert_int_equal(answer.n_signers, 3);
    check_digest(&answer.signers[1], 55648);
    answer = ask("below.example.net", DNS_SERVER_DS, &arena);
    assert_int_equal(answer.n_signers, 1);
    check_digest(&answer.signers[0], 4711);
    struct dns_server_question question = {.server = nsd.address,
                                           .name = VIEW("example.net"),
                                           .type = DNS_SERVER_MX,
                                           .wants_dnssec = true,
                                           .over_tcp = true,
                                           .deadline = io_after(3000)};
    dns_ask_server(&question, &arena, &answer);
    assert_int_equal(answer.n_records, 1);
    assert_false(answer.was_truncated);
    assert_int_equal(answer.signed_from_s, 1577836800);
    assert_int_equal(answer.signed_until_s, 1893456000);
    assert_int_equal(answer.fact.dns_ede, -1);
    arena_finish(&arena);
}

static void a_signed_zone(void **state) {
    if (!nsd_start(&nsd, "example.net", signed_text))
        skip();
    run_fiber(signed_body, NULL);
    nsd_stop(&nsd);
}

// --- Servers that are no servers ----------------------------------------------------------------
static size_t keep_silent(const char *name, unsigned type, unsigned char *reply, size_t len) {
    return 0;
}

static size_t answer_another_name(const char *name, unsigned type, unsigned char *reply,
                                  size_t len) {
    reply[13] ^= 1;
    return len;
}

static size_t answer_nonsense(const char *name, unsigned type, unsigned char *reply, size_t len) {
    reply[7] = 9; // nine answers, and none is there
    return len;
}

static struct script script;

static struct dns_server_answer ask_script(script_fn *answer_with, struct arena *arena) {
    struct dns_server_answer answer;
    script_start(&script, answer_with);
    struct dns_server_question question = {.server = script.address,
                                           .name = VIEW("postrider.test"),
                                           .type = DNS_SERVER_MX,
                                           .deadline = io_after(300)};
    dns_ask_server(&question, arena, &answer);
    script_stop(&script);
    return answer;
}

static void bad_body(void *arg) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct dns_server_answer answer = ask_script(keep_silent, &arena);
    assert_int_equal(answer.fact.kind, FACT_KIND_SILENT);
    assert_true(answer.fact.limit_ms > 0);
    answer = ask_script(answer_another_name, &arena);
    assert_int_equal(answer.fact.kind, FACT_KIND_DNS);
    assert_int_equal(answer.fact.detail, FACT_DNS_MALFORMED);
    answer = ask_script(answer_nonsense, &arena);
    assert_int_equal(answer.fact.detail, FACT_DNS_MALFORMED);
    // A name that cannot be asked for is no reason to fall over.
    struct dns_server_question question = {.server = script.address,
                                           .name = VIEW("a..b"),
                                           .type = DNS_SERVER_A,
                                           .deadline = io_after(100)};
    dns_ask_server(&question, &arena, &answer);
    assert_false(fact_is_ok(&answer.fact));
    arena_finish(&arena);
}

static void bad_servers(void **state) {
    run_fiber(bad_body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_zone), cmocka_unit_test(a_signed_zone),
                                       cmocka_unit_test(bad_servers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
