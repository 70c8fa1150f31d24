// SPDX-License-Identifier: Apache-2.0
// Validation against a signed zone on a real name server: secure, forged, expired, unsigned.
#include "dns_test.h"

#include <ldns/ldns.h>

static const char zone_text[] = "$ORIGIN postrider.test.\n"
                                "$TTL 600\n"
                                "@ SOA ns hostmaster 1 3600 900 86400 120\n"
                                "@ NS ns\n"
                                "ns A 127.0.0.1\n"
                                "good MX 10 mx\n"
                                "forged MX 10 mx\n"
                                "bare MX 10 mx\n"
                                "empty TXT \"x\"\n"
                                "mx A 192.0.2.1\n";

static struct nsd nsd;
static char anchor_path[] = "/tmp/postrider-anchor-XXXXXX";

static ldns_key *make_key(time_t inception, time_t expiration) {
    ldns_key *key = ldns_key_new_frm_algorithm(LDNS_SIGN_ECDSAP256SHA256, 256);
    assert_non_null(key);
    ldns_key_set_pubkey_owner(key, ldns_dname_new_frm_str("postrider.test."));
    ldns_key_set_flags(key, LDNS_KEY_ZONE_KEY | LDNS_KEY_SEP_KEY);
    ldns_key_set_inception(key, (uint32_t)inception);
    ldns_key_set_expiration(key, (uint32_t)expiration);
    return key;
}

static void write_anchor(const ldns_rr *key) {
    FILE *file = fopen(anchor_path, "w");
    assert_non_null(file);
    ldns_rr_print(file, key);
    fclose(file);
}

// The zone, signed, as text; "forged" and "bare" are spoilt after that.
static char *sign(time_t inception, time_t expiration) {
    ldns_zone *zone = NULL;
    FILE *file = fmemopen((void *)(uintptr_t)zone_text, sizeof(zone_text) - 1, "r");
    assert_int_equal(ldns_zone_new_frm_fp(&zone, file, NULL, 600, LDNS_RR_CLASS_IN),
                     LDNS_STATUS_OK);
    fclose(file);
    ldns_key_list *keys = ldns_key_list_new();
    ldns_key *key = make_key(inception, expiration);
    ldns_key_list_push_key(keys, key);
    ldns_rr *public_key = ldns_key2rr(key);
    ldns_key_set_keytag(key, ldns_calc_keytag(public_key));
    write_anchor(public_key);
    ldns_zone_push_rr(zone, public_key);
    ldns_zone *signed_zone = ldns_zone_sign(zone, keys);
    assert_non_null(signed_zone);
    ldns_rr_list *list = ldns_zone_rrs(signed_zone);
    char *soa = ldns_rr2str(ldns_zone_soa(signed_zone));
    char *rest = ldns_rr_list2str(list);
    size_t size = strlen(soa) + strlen(rest) + 1;
    char *text = malloc(size);
    snprintf(text, size, "%s%s", soa, rest);
    free(soa);
    free(rest);
    ldns_zone_deep_free(signed_zone);
    ldns_zone_deep_free(zone);
    ldns_key_list_free(keys);
    return text;
}

static void spoil(char *text) {
    char *forged = strstr(text, "forged.postrider.test.\t600\tIN\tMX\t10 ");
    assert_non_null(forged);
    memcpy(strstr(forged, "MX\t10"), "MX\t11", 5);
    char *bare = strstr(text, "bare.postrider.test.\t600\tIN\tRRSIG\tMX");
    assert_non_null(bare);
    *bare = ';'; // a comment now
}

static bool start_signed(time_t inception, time_t expiration) {
    char *text = sign(inception, expiration);
    spoil(text);
    bool is_there = nsd_start(&nsd, "postrider.test", text);
    free(text);
    return is_there;
}

struct expected {
    const char *name;
    enum fact_dns status;
    int ede;
    bool is_secure;
};

static void check(void *arg) {
    const struct expected *expected = arg;
    struct error error;
    struct arena arena;
    struct dns_options options = {.servers = &nsd.address,
                                  .n_servers = 1,
                                  .trust_anchor = anchor_path,
                                  .stub_zone = "postrider.test.",
                                  .stub = nsd.address};
    struct dns_resolver *resolver = dns_resolver_create(&options, &error);
    if (!resolver)
        fail_msg("%s", error.text);
    arena_init(&arena, 1 << 20);
    for (; expected->name; expected++) {
        struct dns_mx_answer mx;
        dns_mx(resolver, view_of(expected->name), io_after(10000), &arena, &mx);
        assert_int_equal(mx.answer.fact.detail, expected->status);
        assert_int_equal(mx.answer.fact.dns_ede, expected->ede);
        assert_int_equal(mx.answer.is_secure, expected->is_secure);
    }
    arena_finish(&arena);
    dns_resolver_destroy(resolver);
}

static void answers_are_validated(void **state) {
    (void)state;
    static const struct expected expected[] = {
        {"good.postrider.test", FACT_DNS_OK, -1, true},
        {"empty.postrider.test", FACT_DNS_NODATA, -1, true},
        {"nowhere.postrider.test", FACT_DNS_NXDOMAIN, -1, true},
        {"forged.postrider.test", FACT_DNS_BOGUS, 6, false},
        {"bare.postrider.test", FACT_DNS_BOGUS, 10, false},
        {NULL, FACT_DNS_OK, 0, false}};
    time_t now = time(NULL);
    if (!start_signed(now - 3600, now + 86400))
        skip(); // nsd is not installed
    run_fiber(check, (void *)(uintptr_t)expected);
    nsd_stop(&nsd);
}

static void expired_signatures_are_told(void **state) {
    (void)state;
    static const struct expected expected[] = {{"good.postrider.test", FACT_DNS_BOGUS, 7, false},
                                               {NULL, FACT_DNS_OK, 0, false}};
    time_t now = time(NULL);
    if (!start_signed(now - 20 * 86400, now - 10 * 86400))
        skip();
    run_fiber(check, (void *)(uintptr_t)expected);
    nsd_stop(&nsd);
}

static void missing_anchors_are_told(void *arg) {
    struct error error;
    struct address server;
    assert_true(address_parse_port(VIEW("127.0.0.1:53"), &server));
    struct dns_options options = {
        .servers = &server, .n_servers = 1, .trust_anchor = "/nowhere/root.key"};
    assert_null(dns_resolver_create(&options, &error));
    assert_string_equal(error.text, "the trust anchor /nowhere/root.key cannot be read");
    options.trust_anchor = "/etc/passwd";
    assert_null(dns_resolver_create(&options, &error));
    assert_non_null(strstr(error.text, "is the trust anchor a file of DS or DNSKEY records?"));
}

static void broken_anchors_stop_the_start(void **state) {
    (void)state;
    run_fiber(missing_anchors_are_told, NULL);
}

static int make_anchor_file(void **state) {
    (void)state;
    close(mkstemp(anchor_path));
    return 0;
}

static int remove_anchor_file(void **state) {
    (void)state;
    return unlink(anchor_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_validated),
        cmocka_unit_test(expired_signatures_are_told),
        cmocka_unit_test(broken_anchors_stop_the_start),
    };
    return cmocka_run_group_tests(tests, make_anchor_file, remove_anchor_file);
}
