// SPDX-License-Identifier: Apache-2.0
// Certificates, keys and trust: read once, checked as a whole before anything uses them.
#include "tls/context_internal.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { GREASE_EXTENSION = 0x3a3a }; // RFC 8701 2

// What OpenSSL says of a file, in its own words. The first error is the cause, later ones only say
// which function it went through.
static bool set_error(struct error *error, const char *what, const char *path) {
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (code && ERR_SYSTEM_ERROR(code))
        error_set_errno(error, ERR_GET_REASON(code), "%s %s", what, path);
    else
        error_set(error, "%s %s: %s", what, path, reason ? reason : "cannot be read");
    ERR_clear_error();
    return false;
}

static bool load_trust(SSL_CTX *ssl, const char *ca_file, struct error *error) {
    if (ca_file)
        return SSL_CTX_load_verify_file(ssl, ca_file) == 1 ||
               set_error(error, "certificate authorities", ca_file);
    // A system without a store still encrypts; the session then says that the chain is unknown.
    SSL_CTX_set_default_verify_paths(ssl);
    ERR_clear_error();
    return true;
}

static bool belongs_not(unsigned long code) {
    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
            ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

static bool load_key(SSL_CTX *ssl, const struct tls_context_options *options, struct error *error) {
    if (!options->certificate)
        return true;
    const char *key = options->key ? options->key : options->certificate;
    if (SSL_CTX_use_certificate_chain_file(ssl, options->certificate) != 1)
        return set_error(error, "certificate", options->certificate);
    bool is_read = SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1;
    if (!is_read && !belongs_not(ERR_peek_error()))
        return set_error(error, "private key", key);
    if (!is_read || SSL_CTX_check_private_key(ssl) != 1)
        return error_set(error, "private key %s does not belong to certificate %s", key,
                         options->certificate);
    return true;
}

// A key with a passphrase is an error with its name, not a question on the terminal.
static int no_passphrase(char *out, int size, int is_writing, void *arg) {
    return 0;
}

static void set_modes(SSL_CTX *ssl) {
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    // An idle session gives its record buffers back: 38 KB for both ends instead of 90.
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_dh_auto(ssl, 1);
    SSL_CTX_dane_enable(ssl); // allows it; each check says whether it wants it
    SSL_CTX_set_client_cert_cb(ssl, tls_note_certificate_request);
    SSL_CTX_add_custom_ext(ssl, GREASE_EXTENSION, SSL_EXT_CLIENT_HELLO, tls_pad_hello, NULL, NULL,
                           NULL, NULL);
    // The handshake goes on whatever the chain is; verify.c judges afterwards, so that a refusal
    // comes with everything that is known of the peer.
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
}

static bool key_is_rsa(SSL_CTX *ssl) {
    EVP_PKEY *key = SSL_CTX_get0_privatekey(ssl);
    return key && (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"));
}

struct tls_context *tls_context_create(const struct tls_context_options *options,
                                       struct error *error) {
    ASSERT(!options->key || options->certificate);
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    ASSERT(ssl != NULL);
    set_modes(ssl);
    if (!load_trust(ssl, options->ca_file, error) || !load_key(ssl, options, error)) {
        ERR_clear_error();
        SSL_CTX_free(ssl);
        return NULL;
    }
    struct tls_context *context = mem_alloc_zero(sizeof(*context));
    atomic_init(&context->refs, 1);
    context->ssl = ssl;
    context->is_rsa = key_is_rsa(ssl);
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context) {
    unsigned before = atomic_fetch_add(&context->refs, 1);
    ASSERT(before > 0);
    return context;
}

void tls_context_unref(struct tls_context *context) {
    if (!context || atomic_fetch_sub(&context->refs, 1) > 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}
