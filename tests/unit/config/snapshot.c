// SPDX-License-Identifier: Apache-2.0
#include "config/keys.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// Every key. %s: the file with the password.
static const char everything[] =
    "# The relay of example.org\n"
    "hostname = \"Mail.Example.org\"\n"
    "data = \"/var/lib/postrider\"\n"
    "postmaster = \"postmaster@example.org\"\n"
    "user = 'postrider'\n"
    "accept_from = { \"127.0.0.0/8\", \"::1\"\n \"10.0.0.0/8\", }\n"
    "max_message_size = \"25M\"  max_recipients = 500\n"
    "max_sessions = 300 max_sessions_per_client = 20 max_deliveries = 400\n"
    "listen \"lan\" { address = \"127.0.0.1:2525\"  tls = \"starttls\" }\n"
    "listen \"six\" { address = \"[::1]:2526\" tls = none }\n"
    "listen \"seven\" { address = \"127.0.0.1:2527\" }\n"
    "resolver { servers = { \"127.0.0.1\", \"[::1]:5353\" } trust_anchor = \"/etc/root.key\" }\n"
    "tls { certificate = \"/etc/c.pem\" key = \"/etc/k.pem\" ca_file = \"/etc/ca.pem\" }\n"
    "retry { first = \"2m\" factor = 1.5 longest = \"1h30m\" expire = \"2d\" expire_max = \"6d\"\n"
    "  hold_expire = \"2w\" warn = 0 }\n"
    "connector \"partner\" {\n"
    "  domains = { \"Contoso.com\", \"*.contoso.com.\", \"*.mail.contoso.com\" }\n"
    "  smart_hosts = { \"MX.contoso.net:2525\", \"[192.0.2.1]:587\", \"[2001:db8::1]\", "
    "\"[mx2.contoso.net]\""
    ", 192.0.2.2 }\n"
    "  port = 26\n"
    "  tls = \"domain\"  tls_domain = \"contoso.net\" tls_min = \"1.3\" tls_fallback = true\n"
    "  source = { \"192.0.2.10\", \"2001:db8::10\" }  helo = \"out.example.org\"\n"
    "  username = \"relay \\\"q\\\\\"  password_file = \"%s\"\n"
    "  max_connections = 5  max_messages_per_connection = 7  max_rate = \"100/m\"\n"
    "  owner = \"partner\"  contact = \"postmaster@contoso.com\"\n"
    "  connect_timeout = \"10s\"  greeting_timeout = \"1m\"\n"
    "  retry { first = \"30s\" }\n"
    "}\n"
    "connector \"clear\" { domains = { old.example } tls = none helo = \"[192.0.2.10]\" }\n"
    "connector \"rest\" { domains = \"*\" tls_fallback = no }\n";

static char password_path[] = "/tmp/postrider-password-XXXXXX";

static int make_password(void **state) {
    (void)state;
    int descriptor = mkstemp(password_path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, "se cret\nsecond line\n", 20), 20);
    close(descriptor);
    return 0;
}

static int remove_password(void **state) {
    (void)state;
    return unlink(password_path);
}

static struct config *load(const char *text) {
    struct buffer problems;
    buffer_init(&problems, 1 << 16);
    struct config *config = config_load_text(view_of(text), "postrider.conf", &problems);
    if (!config)
        fail_msg("%s", buffer_string(&problems));
    buffer_finish(&problems);
    return config;
}

static struct config *load_everything(void) {
    char text[8192];
    snprintf(text, sizeof(text), everything, password_path);
    return load(text);
}

static void every_key_reaches_its_field(void **state) {
    (void)state;
    struct config *config = load_everything();
    assert_string_equal(config->path, "postrider.conf");
    assert_string_equal(config->hostname, "mail.example.org");
    assert_string_equal(config->data, "/var/lib/postrider");
    assert_string_equal(config->postmaster, "postmaster@example.org");
    assert_string_equal(config->user, "postrider");
    assert_int_equal(config->n_accept_from, 3);
    assert_int_equal(config->accept_from[1].prefix_bits, 128);
    assert_int_equal(config->max_message_size, 25 << 20);
    assert_int_equal(config->max_recipients, 500);
    assert_int_equal(config->max_sessions, 300);
    assert_int_equal(config->max_sessions_per_client, 20);
    assert_int_equal(config->max_deliveries, 400);
    assert_int_equal(config->n_listeners, 3);
    assert_string_equal(config->listeners[0].name, "lan");
    assert_int_equal(config->listeners[0].tls, CONFIG_LISTEN_TLS_STARTTLS);
    assert_int_equal(config->listeners[1].tls, CONFIG_LISTEN_TLS_NONE);
    assert_int_equal(config->listeners[1].address.port, 2526);
    assert_int_equal(config->listeners[2].tls, CONFIG_LISTEN_TLS_STARTTLS);
    assert_int_equal(config->n_resolver_servers, 2);
    assert_int_equal(config->resolver_servers[0].port, 53);
    assert_int_equal(config->resolver_servers[1].port, 5353);
    assert_string_equal(config->trust_anchor, "/etc/root.key");
    assert_string_equal(config->tls_certificate, "/etc/c.pem");
    assert_string_equal(config->tls_key, "/etc/k.pem");
    assert_string_equal(config->tls_ca_file, "/etc/ca.pem");
    assert_int_equal(config->retry.first_ms, 120000);
    assert_true(config->retry.factor == 1.5);
    assert_int_equal(config->retry.longest_ms, 5400000);
    assert_int_equal(config->retry.expire_ms, 2 * 86400000LL);
    assert_int_equal(config->retry.expire_max_ms, 6 * 86400000LL);
    assert_int_equal(config->retry.hold_expire_ms, 14 * 86400000LL);
    assert_int_equal(config->retry.warn_ms, 0);
    assert_int_equal(config->n_connectors, 3);
    config_unref(config);
}

// A lane begins anew with a new password: that there is one is told by its file.
static void a_new_password_shows(void **state) {
    (void)state;
    struct config *before = load_everything(), *same = load_everything();
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000, .tv_nsec = 7}};
    assert_int_equal(utimensat(AT_FDCWD, password_path, times, 0), 0);
    struct config *after = load_everything();
    int64_t changed_ns = config_connector_named(after, VIEW("partner"))->password_changed_ns;
    assert_int_equal(changed_ns, 1000000LL * 1000000000 + 7);
    assert_int_equal(config_connector_named(before, VIEW("partner"))->password_changed_ns,
                     config_connector_named(same, VIEW("partner"))->password_changed_ns);
    config_unref(before);
    config_unref(same);
    config_unref(after);
}

static void every_connector_key_reaches_its_field(void **state) {
    (void)state;
    struct config *config = load_everything();
    const struct config_connector *partner = config_connector_named(config, VIEW("partner"));
    assert_non_null(partner);
    assert_int_equal(partner->n_domains, 3);
    assert_string_equal(partner->domains[0], "contoso.com");
    assert_string_equal(partner->domains[1], "*.contoso.com");
    assert_int_equal(partner->n_smart_hosts, 5);
    assert_string_equal(partner->smart_hosts[0].name, "mx.contoso.net");
    assert_int_equal(partner->smart_hosts[0].port, 2525);
    assert_null(partner->smart_hosts[1].name);
    assert_int_equal(partner->smart_hosts[1].address.port, 587);
    assert_int_equal(partner->smart_hosts[2].address.family, ADDRESS_IPV6);
    assert_int_equal(partner->smart_hosts[2].port, 26);
    assert_string_equal(partner->smart_hosts[3].name, "mx2.contoso.net");
    assert_int_equal(partner->smart_hosts[4].address.port, 26);
    assert_int_equal(partner->port, 26);
    assert_int_equal(partner->tls, CONFIG_TLS_DOMAIN);
    assert_true(partner->tls_is_set);
    assert_int_equal(partner->tls_min, 0x0304);
    assert_false(partner->tls_fallback); // has a meaning for opportunistic only
    assert_string_equal(partner->tls_domain, "contoso.net");
    assert_int_equal(partner->n_sources, 2);
    assert_string_equal(partner->helo, "out.example.org");
    assert_string_equal(partner->username, "relay \"q\\");
    assert_string_equal(partner->password, "se cret");
    assert_int_equal(partner->max_connections, 5);
    assert_int_equal(partner->max_messages_per_connection, 7);
    assert_int_equal(partner->rate_events, 100);
    assert_int_equal(partner->rate_period_ms, 60000);
    assert_string_equal(partner->owner, "partner");
    assert_string_equal(partner->contact, "postmaster@contoso.com");
    assert_int_equal(partner->connect_timeout_ms, 10000);
    assert_int_equal(partner->greeting_timeout_ms, 60000);
    assert_int_equal(partner->retry.first_ms, 30000);
    assert_int_equal(partner->retry.longest_ms, 5400000); // from the global section
    const struct config_connector *clear = config_connector_named(config, VIEW("clear"));
    assert_int_equal(clear->tls, CONFIG_TLS_NONE);
    assert_string_equal(clear->helo, "[192.0.2.10]");
    const struct config_connector *rest = config_connector_named(config, VIEW("rest"));
    assert_int_equal(rest->tls, CONFIG_TLS_OPPORTUNISTIC);
    assert_false(rest->tls_is_set);
    assert_false(rest->tls_fallback);
    assert_null(config_connector_named(config, VIEW("nobody")));
    config_unref(config);
}

static void no_file_is_a_working_configuration(void **state) {
    (void)state;
    struct buffer problems;
    buffer_init(&problems, 4096);
    struct config *config = config_load(NULL, &problems);
    assert_non_null(config);
    assert_int_equal(problems.len, 0);
    assert_null(config->path);
    assert_string_equal(config->data, "./postrider-data");
    assert_non_null(strchr(config->hostname, '.'));
    assert_memory_equal(config->postmaster, "postmaster@", 11);
    assert_int_equal(config->n_listeners, 1);
    char text[ADDRESS_TEXT_SIZE];
    address_format_port(&config->listeners[0].address, text, sizeof(text));
    assert_string_equal(text, "127.0.0.1:2525");
    assert_int_equal(config->listeners[0].tls, CONFIG_LISTEN_TLS_NONE);
    assert_int_equal(config->retry.expire_ms, 86400000);
    const struct config_connector *everyone = config_connector_for(config, VIEW("any.example"));
    assert_string_equal(everyone->name, "everyone");
    assert_int_equal(everyone->n_smart_hosts, 0);
    assert_int_equal(everyone->port, 25);
    assert_int_equal(everyone->tls, CONFIG_TLS_OPPORTUNISTIC);
    assert_true(everyone->tls_fallback);
    config_unref(config);
    buffer_finish(&problems);
}

static void sections_that_are_left_out_have_their_default(void **state) {
    (void)state;
    struct config *config = load("\xef\xbb\xbfhostname = a.example\r\n");
    assert_string_equal(config->postmaster, "postmaster@a.example");
    assert_int_equal(config->n_listeners, 1);
    assert_string_equal(config->connectors[0].name, "everyone");
    config_unref(config);
}

static void what_is_left_out_fits_what_is_said(void **state) {
    (void)state;
    struct config *config =
        load("retry { expire = 10m }\n"
             "connector \"long\" { domains = \"*\" retry { expire = 10d } }\n"
             "connector \"slow\" { domains = \"a.b\" retry { first = 1h expire = "
             "1d } }\n");
    assert_int_equal(config->retry.longest_ms, 600000);
    assert_int_equal(config->retry.warn_ms, 0);
    const struct config_retry *retry = &config_connector_named(config, VIEW("long"))->retry;
    assert_int_equal(retry->expire_max_ms, 10 * 86400000LL);
    retry = &config_connector_named(config, VIEW("slow"))->retry;
    assert_int_equal(retry->longest_ms, 3600000);
    config_unref(config);
}

static void the_most_specific_domain_wins(void **state) {
    (void)state;
    static const struct {
        const char *domain, *connector;
    } table[] = {{"contoso.com", "exact"},       {"CONTOSO.com.", "exact"},
                 {"a.contoso.com", "suffix"},    {"b.a.contoso.com", "suffix"},
                 {"eu.contoso.com", "suffix"},   {"x.eu.contoso.com", "deeper"},
                 {"notcontoso.com", "everyone"}, {"com", "everyone"},
                 {"[192.0.2.1]", "everyone"},    {"", "everyone"}};
    struct config *config = load("connector \"everyone\" { domains = \"*\" }\n"
                                 "connector \"suffix\" { domains = \"*.contoso.com\" }\n"
                                 "connector \"deeper\" { domains = \"*.eu.contoso.com\" }\n"
                                 "connector \"exact\" { domains = \"contoso.com\" }\n");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_string_equal(config_connector_for(config, view_of(table[i].domain))->name,
                            table[i].connector);
    config_unref(config);
    config = load("connector \"one\" { domains = \"*.contoso.com\" }\n");
    assert_null(config_connector_for(config, VIEW("contoso.com")));
    assert_null(config_connector_for(config, VIEW("example.org")));
    assert_null(config_connector_for(config, VIEW("[192.0.2.1]")));
    config_unref(config);
}

static void clients_are_taken_by_their_network(void **state) {
    (void)state;
    static const struct {
        const char *address;
        bool is_accepted;
    } table[] = {{"127.0.0.1", true},  {"127.9.9.9", true},   {"::1", true},
                 {"10.1.2.3", true},   {"11.0.0.1", false},   {"::2", false},
                 {"192.0.2.1", false}, {"2001:db8::1", false}};
    struct config *config = load_everything();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct address address;
        assert_true(address_parse(view_of(table[i].address), &address));
        assert_int_equal(config_accepts_client(config, &address), table[i].is_accepted);
    }
    config_unref(config);
}

static void check_round_trip(struct config *config) {
    struct buffer first, second, problems;
    buffer_init(&first, 1 << 20);
    buffer_init(&second, 1 << 20);
    buffer_init(&problems, 1 << 16);
    config_write(config, &first);
    struct config *again = config_load_text(buffer_view(&first), "again", &problems);
    if (!again)
        fail_msg("%s%s", buffer_string(&first), buffer_string(&problems));
    config_write(again, &second);
    assert_string_equal(buffer_string(&first), buffer_string(&second));
    assert_null(strstr(buffer_string(&first), "se cret"));
    assert_true(again->generation > config->generation);
    config_unref(again);
    config_unref(config);
    buffer_finish(&first);
    buffer_finish(&second);
    buffer_finish(&problems);
}

static void what_is_written_reads_the_same(void **state) {
    (void)state;
    check_round_trip(load_everything());
    check_round_trip(load(""));
    check_round_trip(load("retry { first = 1500ms factor = 1.25 }\nmax_message_size = 65537\n"));
}

static void the_written_file_shows_every_key(void **state) {
    (void)state;
    struct buffer text;
    struct config *config = load_everything();
    buffer_init(&text, 1 << 20);
    config_write(config, &text);
    const struct config_section *const sections[] = {
        &config_root_section, &config_retry_section,  &config_resolver_section,
        &config_tls_section,  &config_listen_section, &config_connector_section};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        for (size_t k = 0; k < sections[i]->n_keys; k++)
            assert_non_null(strstr(buffer_string(&text), sections[i]->keys[k].name));
    config_unref(config);
    buffer_finish(&text);
}

static void some_keys_need_a_restart(void **state) {
    (void)state;
    struct buffer names;
    buffer_init(&names, 1024);
    struct config *a = load("data = x\nhostname = a.b\nresolver { servers = 127.0.0.1 }\n");
    struct config *b = load("data = y\nhostname = c.d\nuser = me\n");
    config_restart_needed(a, a, &names);
    assert_string_equal(buffer_string(&names), "");
    config_restart_needed(a, b, &names);
    assert_string_equal(buffer_string(&names), "data, user, resolver.servers");
    config_unref(a);
    config_unref(b);
    buffer_finish(&names);
}

static void a_password_that_others_may_read_is_refused(void **state) {
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0660, 0610};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        char text[1024], expected[512];
        struct buffer problems;
        buffer_init(&problems, 4096);
        chmod(password_path, modes[i]);
        snprintf(text, sizeof(text),
                 "connector \"p\" { domains = \"*\" smart_hosts = mx.example username = u\n"
                 "password_file = \"%s\" }",
                 password_path);
        assert_null(config_load_text(view_of(text), "f", &problems));
        snprintf(expected, sizeof(expected),
                 "f:2: password_file: others may read %s (mode %04o): chmod 600 %s\n",
                 password_path, (unsigned)modes[i], password_path);
        assert_string_equal(buffer_string(&problems), expected);
        buffer_finish(&problems);
        chmod(password_path, 0400);
        struct config *config = load(text);
        assert_int_equal(config->connectors[0].tls, CONFIG_TLS_DOMAIN);
        config_unref(config);
        snprintf(text, sizeof(text),
                 "connector \"p\" { domains = \"*\" smart_hosts = mx.example username = u\n"
                 "password_file = \"%s\" tls = ca }",
                 password_path);
        config = load(text);
        assert_int_equal(config->connectors[0].tls, CONFIG_TLS_CA);
        config_unref(config);
    }
}

static void snapshots_are_counted(void **state) {
    (void)state;
    struct config *config = load("");
    struct config *second = config_ref(config);
    config_unref(config);
    assert_string_equal(second->connectors[0].name, "everyone");
    config_unref(second);
    config_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_reaches_its_field),
        cmocka_unit_test(every_connector_key_reaches_its_field),
        cmocka_unit_test(a_new_password_shows),
        cmocka_unit_test(no_file_is_a_working_configuration),
        cmocka_unit_test(sections_that_are_left_out_have_their_default),
        cmocka_unit_test(what_is_left_out_fits_what_is_said),
        cmocka_unit_test(the_most_specific_domain_wins),
        cmocka_unit_test(clients_are_taken_by_their_network),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(the_written_file_shows_every_key),
        cmocka_unit_test(some_keys_need_a_restart),
        cmocka_unit_test(a_password_that_others_may_read_is_refused),
        cmocka_unit_test(snapshots_are_counted),
    };
    return cmocka_run_group_tests(tests, make_password, remove_password);
}
