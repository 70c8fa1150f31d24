// SPDX-License-Identifier: Apache-2.0
// What a mistaken file is told, word by word: the texts are the interface for whoever wrote it.
#include "config/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct bad_file {
    const char *text;
    const char *problems; // without the file's name, one a line
};

static const struct bad_file form[] = {
    {"hostname = \"mail.example.org\n",
     ":1: the text that begins here has no closing \" on its line\n"},
    {"hostname =\ndata = \"x\"\n", ":1: hostname has no value: hostname = \"...\" was expected\n"},
    {"hostname mail\n",
     ":1: after hostname a \"=\" or a section in braces was expected, not mail\n"},
    {"hostname\n",
     ":1: after hostname a \"=\" or a section in braces was expected, not the end of the "
     "file\n"},
    {"/* a\n\n comment", ":1: the comment that begins here has no closing */\n"},
    {"data = \"x\"\n}\n", ":2: this } closes nothing: one too many, or a { is missing above\n"},
    {"data = \"x\" = \"y\"\n", ":1: a key was expected here, not =\n"},
    {"\"data\" = \"x\"\n", ":1: a key was expected here, not data\n"},
    {"data = \"x\"\n= \"y\"\n", ":2: a key was expected here, not =\n"},
    {"data = \"x\" ;\n",
     ":1: \";\" has no meaning here; texts with such characters stand in double "
     "quotes\n"},
    {"data = \"x\"\n\x01\n", ":2: a byte with the value 1 stands here: this is no text file\n"},
    {"data = \"a\tb\x1b\"\n", ":1: the quoted text holds a control character (byte 27)\n"},
    {"# one\n// two\n/* three\nfour */\nconnector \"a\" {\n  domains = \"*\"\n",
     ":5: section connector \"a\" begins here and is never closed: a } is missing\n"},
    {"tls {\n", ":1: section tls begins here and is never closed: a } is missing\n"},
    {"accept_from = { \"::1\",\nhostname = \"a.b\"\n",
     ":1: the list of accept_from begins here and has no closing } before the next key\n"},
    {"accept_from = {\n { \"::1\" }\n",
     ":2: { stands in the list of accept_from, which began in line 1: a text or } was expected\n"},
    {"accept_from = { \"::1\"", ":1: the end of the file stands in the list of accept_from, which "
                                "began in line 1: a text or } "
                                "was expected\n"},
    {"a { b { c { d { e { } } } } }\n", ":1: sections stand too deep in each other\n"},
};

static const struct bad_file keys[] = {
    {"host_name = \"mail.example.org\"\n",
     ":1: host_name is no key of the file: did you mean hostname?\n"},
    {"admin { listen = \"127.0.0.1:8025\" }\n",
     ":1: admin is no key of the file that this version knows\n"},
    {"tls_min = \"1.2\"\n",
     ":1: tls_min is no key of the file; it belongs into connector \"NAME\" { }\n"},
    {"tls { hostname = \"a.b\" }\n",
     ":1: hostname is no key of tls; it stands outside of all sections\n"},
    {"listen \"lan\" { address = \"127.0.0.1:25\"\n auth = \"plain\" }\n",
     ":2: auth is no key of listen that this version knows\n"},
    {"resolver { servres = { \"127.0.0.1\" } }\n",
     ":1: servres is no key of resolver: did you mean servers?\n"},
    {"data = \"a\"\n\ndata = \"b\"\n", ":3: data is set a second time, first in line 1\n"},
    {"retry { }\nretry { }\n", ":2: retry stands here a second time, first in line 1\n"},
    {"data = { \"a\", \"b\" }\n", ":1: data takes one value, not a list\n"},
    {"data { }\n", ":1: data is a key and no section: data = \"...\"\n"},
    {"data = \"\"\n", ":1: data is empty: leave the line out instead\n"},
    {"tls = \"none\"\n", ":1: tls is a section: tls { ... }\n"},
    {"tls \"x\" { }\n", ":1: tls takes no name: tls { ... }\n"},
    {"listen { address = \"127.0.0.1:25\" }\n",
     ":1: listen needs a name of letters, digits, \"-\", \"_\" and \".\" (at most 64): listen "
     "\"NAME\" "
     "{ ... }\n"},
    {"accept_from { }\n", ":1: accept_from is a list and no section: accept_from = { \"...\" }\n"},
    {"accept_from = { }\n", ":1: accept_from is empty: leave the line out instead\n"},
};

static const struct bad_file values[] = {
    {"hostname = mail\n",
     ":1: hostname = \"mail\" is not a full name: write it with its domain, such "
     "as mail.example.org\n"},
    {"hostname = 192.0.2.1\n",
     ":1: hostname = \"192.0.2.1\" is an address: a full host name such as "
     "mail.example.org was expected\n"},
    {"hostname = a_b.example\n", ":1: hostname = \"a_b.example\" is no host name: letters, digits "
                                 "and hyphens in labels with dots "
                                 "between, such as mail.example.org\n"},
    {"postmaster = me\n",
     ":1: postmaster = \"me\" is no mail address: write it as user@example.org\n"},
    {"max_message_size = \"50 MB\"\n",
     ":1: max_message_size = \"50 MB\" is no size: write it as 512K, 50M or 1G\n"},
    {"max_message_size = 1K\n", ":1: max_message_size = \"1K\" is too small: from 64K to 1G\n"},
    {"max_recipients = 5\n",
     ":1: max_recipients = \"5\": a number from 100 to 10000 was expected\n"},
    {"max_recipients = many\n",
     ":1: max_recipients = \"many\": a number from 100 to 10000 was expected\n"},
    {"retry { first = \"60\" }\n",
     ":1: first = \"60\" has no unit: did you mean 60s, 60m or 60h?\n"},
    {"retry { first = \"5 min\" }\n",
     ":1: first = \"5 min\" is no duration: write it as 30s, 5m, 4h, 1h30m or 5d\n"},
    {"retry { first = \"2d\" }\n", ":1: first = \"2d\" is too long: from 1s to 1d\n"},
    {"retry { factor = 0 }\n",
     ":1: factor = \"0\": a number such as 2 or 1.5 was expected, from 1 to 10\n"},
    {"retry { first = 1h longest = 1m }\n", ":1: longest must not be shorter than first\n"},
    {"retry { longest = 1h\n expire = 10m }\n",
     ":2: expire must not be shorter than longest: mail would "
     "bounce before its second attempt\n"},
    {"retry { expire = 6d expire_max = 5d }\n", ":1: expire_max must not be shorter than expire\n"},
    {"retry { warn = 1d }\n", ":1: warn must be shorter than expire, or 0 for no warning\n"},
    {"accept_from = { \"10.1.2.3/8\" }\n",
     ":1: accept_from: \"10.1.2.3/8\" has bits beyond its prefix: did you mean 10.0.0.0/8?\n"},
    {"accept_from = { \"2001:db8::1/32\", \"lan\" }\n",
     ":1: accept_from: \"2001:db8::1/32\" has bits beyond its prefix: did you mean 2001:db8::/32?\n"
     ":1: accept_from: \"lan\" is no network: write it as 10.0.0.0/8, 2001:db8::/32 or "
     "192.0.2.1\n"},
    {"resolver { servers = { \"dns.example\" } }\n",
     ":1: servers: \"dns.example\" is no address: write it as 127.0.0.1, 127.0.0.1:5353 or "
     "[::1]:53\n"},
    {"resolver { servers = { \"127.0.0.1:0\" } }\n",
     ":1: servers: \"127.0.0.1:0\" is no address: write it as 127.0.0.1, 127.0.0.1:5353 or "
     "[::1]:53\n"},
    {"tls { certificate = \"c.pem\" }\n",
     ":1: certificate is set without key: name the file with its private key\n"},
    {"tls { key = \"c.pem\" }\n",
     ":1: key is set without certificate: name the file with the certificate chain\n"},
};

static const struct bad_file listeners[] = {
    {"listen \"a\" { address = \"127.0.0.1:0\" }\n",
     ":1: address = \"127.0.0.1:0\": port 0 cannot be listened on; 25 and 2525 are usual\n"},
    {"listen \"a\" { address = \"127.0.0.1\" }\n",
     ":1: address = \"127.0.0.1\" has no port: did you mean 127.0.0.1:25?\n"},
    {"listen \"a\" { address = \"::1\" }\n",
     ":1: address = \"::1\" has no port: did you mean [::1]:25?\n"},
    {"listen \"a\" { address = \"*:25\" }\n",
     ":1: address = \"*:25\" is no address with a port: write it as 127.0.0.1:2525, 0.0.0.0:25 or "
     "[::]:25\n"},
    {"listen \"a\" { }\n", ":1: listen \"a\" has no address: address = \"127.0.0.1:2525\"\n"},
    {"listen \"a\" {\n address = \"127.0.0.1:25\"\n tls = \"startls\" }\n",
     ":3: tls = \"startls\": did you mean starttls? It is one of none, starttls\n"},
    {"listen \"a\" {\n address = \"127.0.0.1:25\"\n tls = \"starttls\" }\n",
     ":3: listen \"a\" offers STARTTLS, and there is no certificate for it: tls { certificate = "
     "\"...\" key = \"...\" }\n"},
    {"listen \"a\" { address = \"127.0.0.1:25\" }\nlisten \"b\" { address = \"127.0.0.1:25\" }\n",
     ":2: listen \"b\" has the address of listen \"a\"\n"},
    {"listen \"a\" { address = \"127.0.0.1:25\" }\nlisten \"a\" { address = \"127.0.0.1:26\" }\n",
     ":2: listen \"a\" stands here a second time, first in line 1\n"},
};

static const struct bad_file connectors[] = {
    {"connector \"p\" { }\n", ":1: connector \"p\" has no domains: domains = { \"contoso.com\" }, "
                              "or \"*\" for all that no other "
                              "connector takes\n"},
    {"connector \"p\" {\n domains = \"*\"\n\nconnector \"q\" { domains = \"a.b\" }\n}\n",
     ":4: connector cannot stand within connector: is the closing } of connector missing above?\n"},
    {"connector \"p\" { domains = \"a.b\" }\nconnector \"p\" { domains = \"c.d\" }\n",
     ":2: connector \"p\" stands here a second time, first in line 1\n"},
    {"connector \"p\" { domains = { \"a.b\", \"*.c\" } }\nconnector \"q\" {\n domains = { \"A.b.\" "
     "\n "
     "\"*.C\" } }\n",
     ":3: domains: \"a.b\" belongs to connector \"p\" already: one domain has one way\n"
     ":4: domains: \"*.c\" belongs to connector \"p\" already: one domain has one way\n"},
    {"connector \"p\" { domains = { \"*\", \"*\" } }\n", ":1: domains: \"*\" stands here twice\n"},
    {"connector \"p\" { domains = { \"@a.b\", \".a.b\", \"a.*\", \"*b.c\", \"a b\", "
     "\"[192.0.2.1]\" } }\n",
     ":1: domains: \"@a.b\" is an address: did you mean a.b?\n"
     ":1: domains: \".a.b\": did you mean *.a.b?\n"
     ":1: domains: \"a.*\": a star stands alone or before the first dot, such as *.contoso.com\n"
     ":1: domains: \"*b.c\": a star stands alone or before the first dot, such as *.contoso.com\n"
     ":1: domains: \"a b\" is no domain name: contoso.com, *.contoso.com or * was expected (names "
     "with "
     "other letters in their xn-- form)\n"
     ":1: domains: \"[192.0.2.1]\" is no domain name: contoso.com, *.contoso.com or * was expected "
     "(names with other letters in their xn-- form)\n"},
    {"connector \"p\" { domains = \"*\"\n smart_hosts = { \"smtp://mx.a\", \"mx.a:0\", "
     "\"2001:db8::1\", "
     "\"[mx.a\" } }\n",
     ":2: smart_hosts: \"smtp://mx.a\" is no host: write it as mx.contoso.net, mx.contoso.net:587, "
     "[192.0.2.1]:25 or [2001:db8::1]:25\n"
     ":2: smart_hosts: \"mx.a:0\" is no host: write it as mx.contoso.net, mx.contoso.net:587, "
     "[192.0.2.1]:25 or [2001:db8::1]:25\n"
     ":2: smart_hosts: \"2001:db8::1\": an IPv6 address stands in brackets: [2001:db8::1]:25\n"
     ":2: smart_hosts: \"[mx.a\" is no host: write it as mx.contoso.net, mx.contoso.net:587, "
     "[192.0.2.1]:25 or [2001:db8::1]:25\n"},
    {"connector \"p\" { domains = \"*\" port = 0 }\n",
     ":1: port = \"0\": a number from 1 to 65535 was expected\n"},
    {"connector \"p\" { domains = \"*\" tls = \"encrypt\" }\n",
     ":1: tls = \"encrypt\": it is one of none, opportunistic, required, ca, domain\n"},
    {"connector \"p\" { domains = \"*\" tls_min = 1.4 }\n",
     ":1: tls_min = \"1.4\": did you mean 1.0? It is one of 1.0, 1.1, 1.2, 1.3\n"},
    {"connector \"p\" { domains = \"*\" tls_fallback = maybe }\n",
     ":1: tls_fallback = \"maybe\": it is one of true, false, yes, no, on, off\n"},
    {"connector \"p\" { domains = \"*\" tls = domain tls_domain = \"*net\" }\n",
     ":1: tls_domain = \"*net\" is no name: mx.contoso.com, or *.contoso.com for any name below, "
     "was "
     "expected\n"},
    {"connector \"p\" { domains = \"*\"\n tls_domain = contoso.net }\n",
     ":2: tls_domain is looked at with tls = \"domain\" only, and tls is \"opportunistic\"\n"},
    {"connector \"p\" { domains = \"*\" source = \"192.0.2.1:25\" }\n",
     ":1: source: \"192.0.2.1:25\" is no address of this machine: write it without a port, such as "
     "192.0.2.10 or 2001:db8::10\n"},
    {"connector \"p\" { domains = \"*\" helo = \"[2001:db8::1]\" }\n",
     ":1: helo = \"[2001:db8::1]\" is no host name: letters, digits and hyphens in labels with "
     "dots "
     "between, such as mail.example.org\n"},
    {"connector \"p\" { domains = \"*\" max_rate = 100 }\n",
     ":1: max_rate = \"100\" is no rate: write it as 5/s, 100/m, 2000/h or 50000/d (messages)\n"},
    {"connector \"p\" { domains = \"*\" owner = \"partners\" }\n",
     ":1: owner = \"partners\": did you mean partner? It is one of us, partner\n"},
    {"connector \"p\" { domains = \"*\" connect_timeout = \"1h\" }\n",
     ":1: connect_timeout = \"1h\" is too long: from 1s to 10m\n"},
    {"connector \"p\" { domains = \"*\"\n smart_hosts = \"mx.a\"\n username = \"me\" }\n",
     ":3: username is set without password_file\n"},
    {"connector \"p\" { domains = \"*\"\n smart_hosts = \"mx.a\"\n password_file = \"pw\" }\n",
     ":3: password_file is set without username\n"},
    {"connector \"p\" { domains = \"*\"\n smart_hosts = \"mx.a\"\n username = \"me\"\n "
     "password_file = "
     "\"/nowhere/pw\" }\n",
     ":4: password_file: /nowhere/pw cannot be read: No such file or directory\n"},
    {"connector \"p\" { domains = \"*\"\n smart_hosts = \"mx.a\"\n username = \"me\"\n "
     "password_file = "
     "\"/dev/null\" }\n",
     ":4: password_file: /dev/null is no regular file\n"},
    {"connector \"p\" { domains = \"*\"\n retry { first = 1x\n warn = 2d } }\n",
     ":2: first = \"1x\" is no duration: write it as 30s, 5m, 4h, 1h30m or 5d\n"
     ":3: warn must be shorter than expire, or 0 for no warning\n"},
    // Several in one run, in the order of the file.
    {"connector \"p\" {\n domains = \"*\"\n tls_mn = 1.2\n}\nhostname = x\nfoo = 1\nretry { first "
     "= 0 }\n",
     ":3: tls_mn is no key of connector: did you mean tls_min?\n"
     ":5: hostname = \"x\" is not a full name: write it with its domain, such as x.example.org\n"
     ":6: foo is no key of the file that this version knows\n"
     ":7: first = \"0\" is too short: from 1s to 1d\n"},
};

// "postrider.conf" stands before each line of what is expected.
static void check(const struct bad_file *table, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct buffer problems, expected;
        buffer_init(&problems, 1 << 16);
        buffer_init(&expected, 1 << 16);
        for (const char *at = table[i].problems; *at; at = strchr(at, '\n') + 1)
            buffer_printf(&expected, "postrider.conf%.*s\n", (int)strcspn(at, "\n"), at);
        struct config *config =
            config_load_text(view_of(table[i].text), "postrider.conf", &problems);
        assert_null(config);
        assert_string_equal(buffer_string(&problems), buffer_string(&expected));
        buffer_finish(&problems);
        buffer_finish(&expected);
    }
}

static void mistakes_of_form_are_told(void **state) {
    (void)state;
    check(form, ARRAY_LEN(form));
}
static void mistaken_keys_are_told(void **state) {
    (void)state;
    check(keys, ARRAY_LEN(keys));
}
static void mistaken_values_are_told(void **state) {
    (void)state;
    check(values, ARRAY_LEN(values));
}
static void mistaken_listeners_are_told(void **state) {
    (void)state;
    check(listeners, ARRAY_LEN(listeners));
}
static void mistaken_connectors_are_told(void **state) {
    (void)state;
    check(connectors, ARRAY_LEN(connectors));
}

static void a_password_is_only_sent_to_whom_we_know(void **state) {
    (void)state;
    static const char *const demands[] = {"none", "opportunistic", "required"};
    for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
        char text[512];
        struct buffer problems;
        buffer_init(&problems, 4096);
        snprintf(
            text, sizeof(text),
            "connector \"p\" { domains = \"*\"\n tls = \"%s\"\n username = \"me\"\n password_file "
            "= \"/nowhere/pw\" }\n",
            demands[i]);
        assert_null(config_load_text(view_of(text), "f", &problems));
        snprintf(
            text, sizeof(text),
            "f:2: tls = \"%s\" would show the password to whoever answers: with username it is "
            "\"domain\" (the default) or \"ca\"\n"
            "f:3: username needs smart_hosts: a password does not go to whatever server the MX of "
            "a domain names\n"
            "f:4: password_file: /nowhere/pw cannot be read: No such file or directory\n",
            demands[i]);
        assert_string_equal(buffer_string(&problems), text);
        buffer_finish(&problems);
    }
}

static void many_mistakes_are_counted(void **state) {
    (void)state;
    struct buffer text, problems;
    buffer_init(&text, 1 << 20);
    buffer_init(&problems, 1 << 20);
    for (int i = 0; i < 60; i++)
        buffer_printf(&text, "key%d = 1\n", i);
    assert_null(config_load_text(buffer_view(&text), "f", &problems));
    const char *last = strstr(buffer_string(&problems), "f:50: ");
    assert_non_null(last);
    assert_string_equal(strchr(last, '\n') + 1, "f: 10 more problems are not shown\n");
    buffer_finish(&text);
    buffer_finish(&problems);
}

static void files_that_cannot_be_read_are_told(void **state) {
    (void)state;
    struct buffer problems;
    buffer_init(&problems, 4096);
    assert_null(config_load("/nowhere/postrider.conf", &problems));
    assert_string_equal(buffer_string(&problems),
                        "/nowhere/postrider.conf: cannot be read: No such file or directory\n");
    buffer_clear(&problems);
    assert_null(config_load("/", &problems));
    assert_string_equal(buffer_string(&problems), "/: cannot be read: Is a directory\n");
    buffer_clear(&problems);
    assert_null(config_load("/dev/zero", &problems));
    assert_string_equal(buffer_string(&problems), "/dev/zero: cannot be read: File too large\n");
    buffer_finish(&problems);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_of_form_are_told),
        cmocka_unit_test(mistaken_keys_are_told),
        cmocka_unit_test(mistaken_values_are_told),
        cmocka_unit_test(mistaken_listeners_are_told),
        cmocka_unit_test(mistaken_connectors_are_told),
        cmocka_unit_test(a_password_is_only_sent_to_whom_we_know),
        cmocka_unit_test(many_mistakes_are_counted),
        cmocka_unit_test(files_that_cannot_be_read_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
