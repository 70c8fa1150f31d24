// SPDX-License-Identifier: Apache-2.0
// The production resolver against a real name server, and against one that misbehaves.
#include "dns/resolver_internal.h"
#include "dns_test.h"

// --- Against nsd ------------------------------------------------------------------------------

static const char zone_text[] = "$ORIGIN postrider.test.\n"
                                "$TTL 600\n"
                                "@ SOA ns hostmaster 1 3600 900 86400 120\n"
                                "@ NS ns\n"
                                "ns A 127.0.0.1\n"
                                "two MX 20 backup\n"
                                "two MX 10 Mx.Two\n"
                                "two MX 10 a.two\n"
                                "mx.two A 192.0.2.1\n"
                                "mx.two A 192.0.2.2\n"
                                "mx.two AAAA 2001:db8::1\n"
                                "implicit 60 A 192.0.2.4\n"
                                "null MX 0 .\n"
                                "text TXT \"nothing for mail\"\n"
                                "alias 90 CNAME two\n"
                                "dangling CNAME nowhere\n"
                                "round CNAME about\n"
                                "about CNAME round\n";

static struct nsd nsd;

static int start_nsd(void **state) {
    (void)state;
    nsd_start(&nsd, "postrider.test", zone_text);
    return 0;
}

static int stop_nsd(void **state) {
    (void)state;
    nsd_stop(&nsd);
    return 0;
}

static struct dns_resolver *make(const struct dns_options *options) {
    struct error error;
    struct dns_resolver *resolver = dns_resolver_create(options, &error);
    if (!resolver)
        fail_msg("%s", error.text);
    return resolver;
}

static struct dns_resolver *on_nsd(void) {
    struct dns_options options = {.servers = &nsd.address,
                                  .n_servers = 1,
                                  .stub_zone = "postrider.test.",
                                  .stub = nsd.address};
    return make(&options);
}

// What was answered, as one line: "10 a, 20 b", or the word of the failure; then TTL and canonical
// name.
static void describe_mx(const struct dns_mx_answer *mx, char *out, size_t size) {
    const struct dns_answer *answer = &mx->answer;
    size_t at = 0;
    for (size_t i = 0; i < mx->n_records; i++)
        at += (size_t)snprintf(out + at, size - at, "%u %.*s, ", mx->records[i].preference,
                               VIEW_ARG(mx->records[i].name));
    if (!fact_is_ok(&answer->fact))
        at += (size_t)snprintf(out, size, "%.*s %.*s rcode %d ede %d, ",
                               VIEW_ARG(fact_kind_word(answer->fact.kind)),
                               VIEW_ARG(fact_dns_word((enum fact_dns)answer->fact.detail)),
                               answer->fact.dns_rcode, answer->fact.dns_ede);
    snprintf(out + at, size - at, "ttl %u%s%.*s", answer->ttl_s, answer->via_cname ? ", is " : "",
             VIEW_ARG(answer->canonical));
}

static void check_mx(struct dns_resolver *resolver, const char *name, const char *expected) {
    struct dns_mx_answer mx;
    struct arena arena;
    char line[1024];
    arena_init(&arena, 1 << 20);
    dns_mx(resolver, view_of(name), io_after(20000), &arena, &mx);
    describe_mx(&mx, line, sizeof(line));
    assert_string_equal(line, expected);
    assert_true(view_equals(mx.answer.fact.text, view_of(name)));
    assert_int_equal(mx.answer.fact.stage, FACT_STAGE_DNS);
    assert_true(mx.answer.fact.at_ms > 0);
    arena_finish(&arena);
}

static void ask_for_mx(void *arg) {
    static const struct {
        const char *name, *answer;
    } table[] = {
        {"two.postrider.test",
         "10 a.two.postrider.test, 10 mx.two.postrider.test, 20 backup.postrider.test, ttl 600"},
        {"NULL.Postrider.test", "0 , ttl 600"},
        {"implicit.postrider.test", "dns nodata rcode 0 ede -1, ttl 120"},
        {"text.postrider.test", "dns nodata rcode 0 ede -1, ttl 120"},
        {"nowhere.postrider.test", "dns nxdomain rcode 3 ede -1, ttl 120"},
        {"alias.postrider.test",
         "10 a.two.postrider.test, 10 mx.two.postrider.test, 20 backup.postrider.test, ttl 90, is "
         "two.postrider.test"},
        {"dangling.postrider.test",
         "dns nxdomain rcode 3 ede -1, ttl 120, is nowhere.postrider.test"},
        {"round.postrider.test", "dns loop rcode 0 ede -1, ttl 0"},
        {"two..postrider.test", "dns nxdomain rcode -1 ede -1, ttl 0"}};
    struct dns_resolver *resolver = on_nsd();
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check_mx(resolver, table[i].name, table[i].answer);
    dns_resolver_destroy(resolver);
}

static void mail_exchangers_are_found(void **state) {
    (void)state;
    if (!nsd.pid)
        skip(); // nsd is not installed
    run_fiber(ask_for_mx, NULL);
}

static void ask_for_addresses(void *arg) {
    struct dns_address_answer answer;
    struct arena arena;
    struct dns_resolver *resolver = on_nsd();
    char text[ADDRESS_TEXT_SIZE];
    arena_init(&arena, 1 << 20);
    answer.family = ADDRESS_IPV4;
    dns_addresses(resolver, VIEW("mx.two.postrider.test."), io_after(5000), &arena, &answer);
    assert_true(fact_is_ok(&answer.answer.fact));
    assert_int_equal(answer.n_addresses, 2);
    assert_int_equal(answer.answer.ttl_s, 600);
    answer.family = ADDRESS_IPV6;
    dns_addresses(resolver, VIEW("mx.two.postrider.test"), io_after(5000), &arena, &answer);
    assert_int_equal(answer.n_addresses, 1);
    address_format(&answer.addresses[0], text, sizeof(text));
    assert_string_equal(text, "2001:db8::1");
    assert_int_equal(answer.addresses[0].port, 0);
    answer.family = ADDRESS_IPV6;
    dns_addresses(resolver, VIEW("implicit.postrider.test"), io_after(5000), &arena, &answer);
    assert_int_equal(answer.answer.fact.detail, FACT_DNS_NODATA);
    arena_finish(&arena);
    dns_resolver_destroy(resolver);
}

static void addresses_are_found(void **state) {
    (void)state;
    if (!nsd.pid)
        skip();
    run_fiber(ask_for_addresses, NULL);
}

// --- Against a server that misbehaves -----------------------------------------------------------

static struct script script;

static size_t add_ede(unsigned char *reply, size_t len, unsigned char ede) {
    const unsigned char opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, ede};
    memcpy(reply + len, opt, sizeof(opt));
    reply[11]++; // ARCOUNT
    return len + sizeof(opt);
}

static size_t misbehave(const char *name, unsigned type, unsigned char *reply, size_t len) {
    static const struct {
        const char *name;
        unsigned char rcode;
    } rcodes[] = {{"formerr", 1}, {"servfail", 2}, {"stale", 2},  {"bogus", 2},
                  {"nx", 3},      {"notimp", 4},   {"refused", 5}};
    for (size_t i = 0; i < ARRAY_LEN(rcodes); i++)
        if (strcmp(name, rcodes[i].name) == 0)
            reply[3] |= rcodes[i].rcode;
    if (strcmp(name, "silent") == 0 || strcmp(name, "mute") == 0)
        return 0;
    if (strcmp(name, "late") == 0)
        usleep(300 * 1000);
    if (strcmp(name, "garbage") == 0)
        memset(reply + 12, 0xff, len - 12);
    if (strcmp(name, "truncated") == 0)
        reply[2] |= 2; // and there is no TCP
    if (strcmp(name, "stale") == 0)
        return add_ede(reply, len, 22);
    if (strcmp(name, "bogus") == 0)
        return add_ede(reply, len, 6);
    if ((strcmp(name, "good") == 0 || strcmp(name, "late") == 0) && type == DNS_TYPE_MX)
        return add_record(reply, len, type, 77, "\0\012\2mx\300\014", 7);
    if (strcmp(name, "1") == 0)
        return add_record(reply, len, type, 78, "\4host\300\014", 7);
    return len;
}

static struct dns_resolver *on_script(void) {
    struct dns_options options = {.servers = &script.address, .n_servers = 1};
    return make(&options);
}

static void ask_misbehaving(void *arg) {
    static const struct {
        const char *name, *answer;
    } table[] = {{"good.example.net", "10 mx.good.example.net, ttl 77"},
                 {"servfail.example.net", "dns servfail rcode 2 ede -1, ttl 0"},
                 {"stale.example.net", "dns servfail rcode 2 ede 22, ttl 0"},
                 {"bogus.example.net", "dns bogus rcode 2 ede 6, ttl 0"},
                 {"refused.example.net", "dns refused rcode 5 ede -1, ttl 0"},
                 {"notimp.example.net", "dns malformed rcode 4 ede -1, ttl 0"},
                 {"formerr.example.net", "dns malformed rcode 1 ede -1, ttl 0"},
                 {"garbage.example.net", "dns malformed rcode -1 ede -1, ttl 0"},
                 {"truncated.example.net", "dns servfail rcode 2 ede -1, ttl 0"},
                 {"nx.example.net", "dns nxdomain rcode 3 ede -1, ttl 0"},
                 {".", "dns nodata rcode 0 ede -1, ttl 0"},
                 {"empty.example.net", "dns nodata rcode 0 ede -1, ttl 0"}};
    struct dns_resolver *resolver = on_script();
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check_mx(resolver, table[i].name, table[i].answer);
    dns_resolver_destroy(resolver);
}

static void failures_are_told_apart(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(ask_misbehaving, NULL);
    script_stop(&script);
}

static void ask_for_names(void *arg) {
    struct dns_name_answer answer;
    struct arena arena;
    struct address address;
    struct dns_resolver *resolver = on_script();
    arena_init(&arena, 1 << 20);
    assert_true(address_parse(VIEW("10.0.0.1"), &address));
    dns_names(resolver, &address, io_after(5000), &arena, &answer);
    assert_int_equal(answer.n_names, 1);
    assert_true(view_equals(answer.names[0], VIEW("host.1.0.0.10.in-addr.arpa")));
    assert_true(view_equals(answer.answer.fact.text, VIEW("1.0.0.10.in-addr.arpa")));
    arena_finish(&arena);
    dns_resolver_destroy(resolver);
}

static void names_of_private_addresses_are_asked_for(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(ask_for_names, NULL);
    script_stop(&script);
}

static void check_failure(struct dns_resolver *resolver, const char *name, int64_t limit_ms,
                          enum fact_kind kind, int detail) {
    struct dns_mx_answer mx;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    io_time begun = io_now();
    dns_mx(resolver, view_of(name), io_after(limit_ms), &arena, &mx);
    assert_int_equal(mx.answer.fact.kind, kind);
    assert_int_equal(mx.answer.fact.detail, detail);
    // A machine that is busy may begin the wait a moment after the limit was set.
    assert_in_range(mx.answer.fact.limit_ms, limit_ms - 50, limit_ms);
    assert_true(io_now() - begun <= limit_ms + 2000);
    arena_finish(&arena);
}

static void ask_in_vain(void *arg) {
    struct dns_resolver *resolver = on_script();
    // The server is alive, this name's answer does not come: somebody else's fault.
    check_failure(resolver, "silent.example.net", 800, FACT_KIND_DNS, FACT_DNS_TIMEOUT);
    // A result after the deadline meets nobody.
    check_failure(resolver, "late.example.net", 100, FACT_KIND_DNS, FACT_DNS_TIMEOUT);
    io_sleep(io_after(500));
    check_mx(resolver, "good.example.net", "10 mx.good.example.net, ttl 77");
    // Destroyed while libunbound still waits for answers.
    check_failure(resolver, "silent.example.com", 300, FACT_KIND_DNS, FACT_DNS_TIMEOUT);
    dns_resolver_destroy(resolver);
}

static void deadlines_hold(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(ask_in_vain, NULL);
    script_stop(&script);
}

static size_t say_nothing(const char *name, unsigned type, unsigned char *reply, size_t len) {
    return 0;
}

static void ask_dead_resolvers(void *arg) {
    struct dns_resolver *resolver = on_script(); // says nothing at all
    check_failure(resolver, "good.example.net", 900, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    dns_resolver_destroy(resolver);
    struct address nobody;
    close(open_udp(&nobody));
    struct dns_options options = {.servers = &nobody, .n_servers = 1};
    resolver = make(&options);
    io_time begun = io_now();
    check_failure(resolver, "good.example.net", 30000, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    assert_true(io_now() - begun < 5000); // who refuses is not waited for
    dns_resolver_destroy(resolver);
}

// One refuses, the other is slow with this name: that is not a dead resolver.
static void ask_half_dead_resolvers(void *arg) {
    struct address servers[2];
    close(open_udp(&servers[0]));
    servers[1] = script.address;
    struct dns_options options = {.servers = servers, .n_servers = 2};
    struct dns_resolver *resolver = make(&options);
    check_failure(resolver, "silent.example.net", 2000, FACT_KIND_DNS, FACT_DNS_TIMEOUT);
    dns_resolver_destroy(resolver);
}

static void one_living_server_is_enough(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(ask_half_dead_resolvers, NULL);
    script_stop(&script);
}

// One refuses, the other says nothing (yet): it gets all the time there is.
static void ask_mute_resolvers(void *arg) {
    struct address servers[2];
    close(open_udp(&servers[0]));
    servers[1] = script.address;
    struct dns_options options = {.servers = servers, .n_servers = 2};
    struct dns_resolver *resolver = make(&options);
    io_time begun = io_now();
    check_failure(resolver, "good.example.net", 3000, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    assert_true(io_now() - begun >= 2200);
    dns_resolver_destroy(resolver);
}

static void a_mute_server_is_waited_for(void **state) {
    (void)state;
    script_start(&script, say_nothing);
    run_fiber(ask_mute_resolvers, NULL);
    script_stop(&script);
}

static void a_dead_resolver_is_our_own_fault(void **state) {
    (void)state;
    script_start(&script, say_nothing);
    run_fiber(ask_dead_resolvers, NULL);
    script_stop(&script);
}

// --- A resolver that answers and is of no use --------------------------------------------------

static size_t fail_always(const char *name, unsigned type, unsigned char *reply, size_t len) {
    reply[3] |= 2; // SERVFAIL
    return len;
}

static size_t refuse_always(const char *name, unsigned type, unsigned char *reply, size_t len) {
    reply[3] |= 5; // REFUSED
    return len;
}

static size_t deny_always(const char *name, unsigned type, unsigned char *reply, size_t len) {
    reply[3] |= 3; // NXDOMAIN, without a word of whose zone
    return len;
}

// A closed network's: it knows names of its own, and no root.
static size_t know_no_root(const char *name, unsigned type, unsigned char *reply, size_t len) {
    return *name ? misbehave(name, type, reply, len) : refuse_always(name, type, reply, len);
}

static const char *root_anchor; // NULL: the default

static struct dns_resolver *validating(void) {
    struct dns_options options = {
        .servers = &script.address, .n_servers = 1, .trust_anchor = root_anchor};
    return make(&options);
}

static void check_useless(struct dns_resolver *resolver, const char *name, const char *part) {
    struct dns_mx_answer mx;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    dns_mx(resolver, view_of(name), io_after(8000), &arena, &mx);
    const struct fact *fact = &mx.answer.fact;
    assert_int_equal(fact->kind, FACT_KIND_LOCAL);
    assert_int_equal(fact->detail, FACT_LOCAL_RESOLVER);
    assert_true(view_find(fact->text, view_of(name)) < fact->text.len);
    if (view_find(fact->text, view_of(part)) == fact->text.len)
        fail_msg("%.*s", VIEW_ARG(fact->text));
    arena_finish(&arena);
}

static void ask_useless(void *arg) {
    struct dns_resolver *resolver = validating();
    check_useless(resolver, "contoso.com", arg);
    check_useless(resolver, "fabrikam.net", arg);
    check_useless(resolver, ".", arg);
    dns_resolver_destroy(resolver);
}

static void a_useless_resolver_is_our_own_fault(void **state) {
    (void)state;
    char path[] = "/tmp/postrider-anchor-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs(". IN DS 20326 8 2 "
          "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n",
          file);
    fclose(file);
    script_start(&script, fail_always);
    run_fiber(ask_useless, (void *)(uintptr_t) "fails for this and for the root");
    root_anchor = path;
    run_fiber(ask_useless, (void *)(uintptr_t) "fails for this and for the root");
    script_stop(&script);
    script_start(&script, refuse_always);
    run_fiber(ask_useless, (void *)(uintptr_t) "refuses this and the root");
    script_stop(&script);
    script_start(&script, deny_always);
    root_anchor = NULL;
    run_fiber(ask_useless, (void *)(uintptr_t) "denies this name, and the root too");
    root_anchor = path;
    script_stop(&script);
    // It knows every name, and hands out neither keys nor signatures.
    script_start(&script, misbehave);
    run_fiber(ask_useless, (void *)(uintptr_t) "not even the root's keys");
    root_anchor = NULL;
    script_stop(&script);
    unlink(path);
}

static void ask_closed_network(void *arg) {
    struct dns_resolver *resolver = on_script();
    check_mx(resolver, "servfail.example.net", "dns servfail rcode 2 ede -1, ttl 0");
    check_useless(resolver, "refused.example.net", "refuses this and the root");
    check_mx(resolver, "good.example.net", "10 mx.good.example.net, ttl 77");
    // Since it answers others, this is about the name.
    check_mx(resolver, "refused.example.org", "dns refused rcode 5 ede -1, ttl 0");
    dns_resolver_destroy(resolver);
}

static size_t deny_what_it_does_not_know(const char *name, unsigned type, unsigned char *reply,
                                         size_t len) {
    return strcmp(name, "good") == 0 ? misbehave(name, type, reply, len)
                                     : deny_always(name, type, reply, len);
}

static void ask_denying_network(void *arg) {
    struct dns_resolver *resolver = on_script();
    check_useless(resolver, "nowhere.example.net", "denies this name, and the root too");
    check_mx(resolver, "good.example.net", "10 mx.good.example.net, ttl 77");
    check_mx(resolver, "nowhere.example.org", "dns nxdomain rcode 3 ede -1, ttl 0");
    dns_resolver_destroy(resolver);
}

static void resolvers_of_closed_networks_work(void **state) {
    (void)state;
    script_start(&script, deny_what_it_does_not_know);
    run_fiber(ask_denying_network, NULL);
    script_stop(&script);
    script_start(&script, know_no_root);
    run_fiber(ask_closed_network, NULL);
    script_stop(&script);
}

// --- Cancel, load, and the file of servers ------------------------------------------------------

static struct dns_resolver *shared;
static unsigned n_canceled, n_answered;

static void ask_until_canceled(void *arg) {
    struct dns_mx_answer mx;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    dns_mx(shared, view_of(arg), io_after(10000), &arena, &mx);
    n_canceled += mx.answer.fact.kind == FACT_KIND_CANCELED;
    arena_finish(&arena);
}

static void cancel_askers(void *arg) {
    static const char *const names[] = {"silent.example.net", "late.example.net",
                                        "mute.example.net"};
    struct io_group group;
    shared = on_script();
    io_group_init(&group);
    for (size_t i = 0; i < 30; i++)
        io_group_spawn(&group, "asker", ask_until_canceled, (void *)(uintptr_t)names[i % 3]);
    io_yield(); // before libunbound has the questions
    io_group_cancel(&group);
    assert_true(io_is_ok(io_group_wait(&group, io_after(1000))));
    for (size_t i = 0; i < 30; i++)
        io_group_spawn(&group, "asker", ask_until_canceled, (void *)(uintptr_t)names[i % 3]);
    io_sleep(io_after(100)); // while it works on them
    io_group_cancel(&group);
    assert_true(io_is_ok(io_group_wait(&group, io_after(1000))));
    assert_int_equal(n_canceled, 60);
    io_sleep(io_after(600)); // late results come meanwhile
    dns_resolver_destroy(shared);
}

static void questions_can_be_canceled(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(cancel_askers, NULL);
    script_stop(&script);
}

static void ask_one(void *arg) {
    struct dns_mx_answer mx;
    struct arena arena;
    char name[64];
    snprintf(name, sizeof(name), "good.d%u.example.net", *(unsigned *)arg);
    arena_init(&arena, 1 << 20);
    dns_mx(shared, view_of(name), io_after(10000), &arena, &mx);
    n_answered += fact_is_ok(&mx.answer.fact);
    arena_finish(&arena);
}

static void ask_many(void *arg) {
    static unsigned numbers[500];
    struct io_group group;
    shared = on_script();
    io_group_init(&group);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        numbers[i] = i;
        io_group_spawn(&group, "asker", ask_one, &numbers[i]);
    }
    assert_true(io_is_ok(io_group_wait(&group, io_after(20000))));
    assert_int_equal(n_answered, ARRAY_LEN(numbers));
    dns_resolver_destroy(shared);
}

static void many_questions_wait_at_once(void **state) {
    (void)state;
    script_start(&script, misbehave);
    run_fiber(ask_many, NULL);
    script_stop(&script);
}

static char file_path[] = "/tmp/postrider-resolv-XXXXXX";

static void write_file(const char *text) {
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void ask_by_file(void *arg) {
    struct error error;
    struct dns_options options = {0};
    char line[128];
    write_file("search example.org\n# nameserver 192.0.2.1\n");
    struct dns_resolver *resolver = dns_resolver_create_following(&options, file_path, &error);
    assert_non_null(resolver);
    check_failure(resolver, "good.example.net", 1000, FACT_KIND_LOCAL, FACT_LOCAL_RESOLVER);
    dns_resolver_destroy(resolver);
    resolver = dns_resolver_create_following(&options, file_path, &error);
    snprintf(line, sizeof(line), "nameserver 127.0.0.1:%u\n", (unsigned)script.address.port);
    write_file(line); // the first question looks again
    check_mx(resolver, "good.example.net", "10 mx.good.example.net, ttl 77");
    dns_resolver_destroy(resolver);
}

static void the_file_of_servers_is_followed(void **state) {
    (void)state;
    close(mkstemp(file_path));
    script_start(&script, misbehave);
    run_fiber(ask_by_file, NULL);
    script_stop(&script);
    unlink(file_path);
}

static void servers_are_read(void **state) {
    (void)state;
    struct dns_servers servers;
    char path[] = "/tmp/postrider-servers-XXXXXX";
    close(mkstemp(path));
    FILE *file = fopen(path, "w");
    fputs("; comment\nnameserver 192.0.2.1 # ours\nnameserver\t2001:db8::53\nnameserver bad\n"
          "options edns0\nnameserver 192.0.2.1:0\nnameservers 192.0.2.9\nnameserver 192.0.2.2",
          file);
    fclose(file);
    dns_servers_read(path, &servers);
    unlink(path);
    assert_int_equal(servers.n, 3);
    assert_int_equal(servers.list[0].port, 53);
    assert_int_equal(servers.list[1].family, ADDRESS_IPV6);
    dns_servers_read("/nowhere", &servers);
    assert_int_equal(servers.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_exchangers_are_found),
        cmocka_unit_test(addresses_are_found),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(names_of_private_addresses_are_asked_for),
        cmocka_unit_test(deadlines_hold),
        cmocka_unit_test(a_dead_resolver_is_our_own_fault),
        cmocka_unit_test(one_living_server_is_enough),
        cmocka_unit_test(a_mute_server_is_waited_for),
        cmocka_unit_test(a_useless_resolver_is_our_own_fault),
        cmocka_unit_test(resolvers_of_closed_networks_work),
        cmocka_unit_test(questions_can_be_canceled),
        cmocka_unit_test(many_questions_wait_at_once),
        cmocka_unit_test(the_file_of_servers_is_followed),
        cmocka_unit_test(servers_are_read),
    };
    return cmocka_run_group_tests(tests, start_nsd, stop_nsd);
}
