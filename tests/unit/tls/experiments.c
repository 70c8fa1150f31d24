// SPDX-License-Identifier: Apache-2.0
// What experiments ask of a handshake: a first message of another size, other ciphers, what of the
// chain is weak, a chain with what the server left out, and a server that wants a certificate.
#include "unit/tls/meeting.h"

#include <openssl/x509_vfy.h>

static const struct authority_order plain = {.names = {"mx.example.org"}};

// --- Sizes and ciphers ------------------------------------------------------------------------
// How many bytes the client says first, to somebody who never answers.
static int64_t hello_bytes(enum tls_hello hello) {
    struct tls_context *context = authority_client(authority);
    struct ends ends = ends_open();
    struct tls_session session;
    const struct tls_policy policy = {.hello = hello, .server_name = VIEW("mx.mail.example.org")};
    struct fact fact = tls_client_start(context, &ends.near, &policy, io_after(30), &session);
    assert_int_equal(fact.kind, FACT_KIND_SILENT);
    io_close(ends.far);
    tls_context_unref(context);
    return fact.bytes_sent;
}

static void hellos_are_small_and_large(void *arg) {
    assert_in_range(hello_bytes(TLS_HELLO_USUAL), 256, 1200);
    assert_in_range(hello_bytes(TLS_HELLO_SMALL), 100, 255);
    assert_in_range(hello_bytes(TLS_HELLO_LARGE), 1501, 3000);
}

static void every_size_is_understood(void *arg) {
    for (enum tls_hello hello = TLS_HELLO_USUAL; hello <= TLS_HELLO_LARGE; hello++) {
        struct meeting meeting = meeting_with(&plain);
        meeting.policy.hello = hello;
        meet(&meeting);
        assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
        assert_int_equal(meeting.client_session.version, TLS1_3_VERSION);
        part(&meeting);
    }
}

static void ciphers_are_what_was_asked_for(void *arg) {
    struct meeting meeting = meeting_with(&plain);
    meeting.policy =
        (struct tls_policy){.ciphers = "ECDHE+CHACHA20", .version_max = TLS1_2_VERSION};
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
    assert_non_null(strstr(meeting.client_session.description, "CHACHA20"));
    part(&meeting);
    meeting = meeting_with(&plain);
    SSL_CTX_set_cipher_list(meeting.server_context->ssl, "ECDHE+AESGCM");
    meeting.policy = (struct tls_policy){.ciphers = "kRSA", .version_max = TLS1_2_VERSION};
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_TLS);
    assert_int_equal(meeting.client_fact.tls_alert, SSL_AD_HANDSHAKE_FAILURE);
    part(&meeting);
}

// --- Certificates -----------------------------------------------------------------------------
static void weak_keys_are_named(void *arg) {
    static const struct {
        enum authority_key key;
        const char *weakness;
    } rows[] = {{AUTHORITY_KEY_EC, ""},
                {AUTHORITY_KEY_RSA, ""},
                {AUTHORITY_KEY_RSA_SHORT, "RSA key of 1024 bits"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct authority_order order = plain;
        order.key = rows[i].key == AUTHORITY_KEY_EC ? AUTHORITY_KEY_EC : AUTHORITY_KEY_RSA;
        struct meeting meeting = meeting_with(&order);
        order.key = rows[i].key;
        const char *file = authority_issue(authority, &order);
        SSL_CTX *server = meeting.server_context->ssl;
        SSL_CTX_set_security_level(server, 0); // else the library would not load it
        assert_int_equal(SSL_CTX_use_certificate_chain_file(server, file), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(server, file, SSL_FILETYPE_PEM), 1);
        meet(&meeting);
        assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
        assert_string_equal(meeting.client_session.weakness, rows[i].weakness);
        part(&meeting);
    }
}

static void a_missing_issuer_is_added(void *arg) {
    const struct authority_order order = {.names = {"mx.example.org"},
                                          .by_intermediate = true,
                                          .omit_intermediate = true,
                                          .issuer_url = "http://ca.example.org/i.der"};
    struct meeting meeting = meeting_with(&order);
    struct view issuer = authority_intermediate(authority), junk = VIEW("no certificate");
    char next_url[TLS_URL_SIZE];
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
    assert_int_equal(meeting.client_session.x509_verify,
                     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    assert_string_equal(meeting.client_session.issuer_url, order.issuer_url);
    assert_int_equal(tls_stream_verify_with(meeting.ends.near, &issuer, 1, next_url), X509_V_OK);
    assert_int_not_equal(tls_stream_verify_with(meeting.ends.near, &junk, 1, next_url), X509_V_OK);
    assert_string_equal(next_url, order.issuer_url);
    assert_int_not_equal(tls_stream_verify_with(meeting.ends.near, NULL, 0, next_url), X509_V_OK);
    free((void *)(uintptr_t)issuer.ptr);
    part(&meeting);
}

static void a_server_that_wants_a_certificate(void *arg) {
    struct meeting meeting = meeting_with(&plain);
    meet(&meeting);
    assert_false(meeting.client_session.wants_certificate);
    part(&meeting);
    meeting = meeting_with(&plain);
    SSL_CTX_set_verify(meeting.server_context->ssl,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    meeting.policy.version_max = TLS1_2_VERSION;
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_TLS);
    assert_int_equal(meeting.client_fact.tls_alert, SSL_AD_HANDSHAKE_FAILURE);
    assert_true(meeting.client_fact.tls_alert_from_peer);
    assert_true(meeting.client_session.wants_certificate);
    part(&meeting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(hellos_are_small_and_large),     ON_BOTH(every_size_is_understood),
        ON_BOTH(ciphers_are_what_was_asked_for), ON_BOTH(weak_keys_are_named),
        ON_BOTH(a_missing_issuer_is_added),      ON_BOTH(a_server_that_wants_a_certificate),
    };
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}
