// SPDX-License-Identifier: Apache-2.0
// The engine in production. OpenSSL reads and writes through a BIO whose ends are the engine's
// input and output, so it never sees a socket and nothing in here can wait.
#include "tls/context_internal.h"
#include "tls/engine_internal.h"
#include "tls/verify_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

enum { PADDING_BYTES = 1500 }; // with it a hello needs two packets of Ethernet's size

struct openssl_engine {
    struct engine engine;
    struct tls_context *context;
    SSL *ssl;
    size_t padding;         // bytes added to the client's first message
    bool wants_certificate; // the server asked for ours
    int alert;              // last fatal one, sent or received; -1: none
    bool alert_is_from_peer;
};

static struct openssl_engine *openssl_of(struct engine *engine) {
    return CONTAINER_OF(engine, struct openssl_engine, engine);
}

// --- The BIO between OpenSSL and the engine's buffers -----------------------------------------
static int bio_read(BIO *bio, char *out, size_t size, size_t *n) {
    struct engine *engine = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *n = engine_take_input(engine, out, size);
    if (*n == 0)
        BIO_set_retry_read(bio);
    return *n > 0;
}

static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *n) {
    struct engine *engine = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buffer_append(&engine->output, bytes, len);
    *n = engine->output.overflow ? 0 : len;
    return *n > 0;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void) {
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "engine buffers");
    ASSERT(bio_method != NULL);
    BIO_meth_set_read_ex(bio_method, bio_read);
    BIO_meth_set_write_ex(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_control);
}

static void attach_bio(struct openssl_engine *self) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    ASSERT(bio != NULL);
    BIO_set_data(bio, &self->engine);
    BIO_set_init(bio, 1);
    SSL_set_bio(self->ssl, bio, bio);
}

// --- Calls and what they say ------------------------------------------------------------------
static void note_alert(const SSL *ssl, int where, int value) {
    struct openssl_engine *self = SSL_get_app_data(ssl);
    bool is_fatal = (value >> 8) == SSL3_AL_FATAL;
    if (!(where & SSL_CB_ALERT) || !is_fatal)
        return;
    self->alert = value & 0xff;
    self->alert_is_from_peer = (where & SSL_CB_READ) != 0;
}

static enum engine_status fail(struct openssl_engine *self) {
    // The first error is the cause; those behind it only say which way it went.
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    struct fact *failure = &self->engine.failure;
    *failure = fact_make(FACT_STAGE_TLS, FACT_KIND_TLS);
    failure->detail = FACT_TLS_HANDSHAKE;
    failure->tls_alert = self->alert;
    failure->tls_alert_from_peer = self->alert_is_from_peer;
    failure->text = view_of(reason ? reason : "unknown TLS error");
    ERR_clear_error();
    return ENGINE_FAILED;
}

// `result` is that of a call made just now, with the error queue empty before it.
static enum engine_status status_of(struct openssl_engine *self, int result) {
    switch (SSL_get_error(self->ssl, result)) {
    case SSL_ERROR_NONE: return ENGINE_DONE;
    case SSL_ERROR_WANT_READ: return ENGINE_WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN: return ENGINE_CLOSED;
    default: return fail(self);
    }
}

static enum engine_status openssl_handshake(struct engine *engine) {
    struct openssl_engine *self = openssl_of(engine);
    ERR_clear_error();
    return status_of(self, SSL_do_handshake(self->ssl));
}

static enum engine_status openssl_decrypt(struct engine *engine, void *out, size_t size,
                                          size_t *n) {
    struct openssl_engine *self = openssl_of(engine);
    ASSERT(size > 0);
    ERR_clear_error();
    return status_of(self, SSL_read_ex(self->ssl, out, size, n));
}

static enum engine_status openssl_encrypt(struct engine *engine, struct view plain) {
    struct openssl_engine *self = openssl_of(engine);
    size_t n = 0;
    ASSERT(plain.len > 0 && plain.len <= TLS_RECORD_BYTES_MAX);
    ERR_clear_error();
    enum engine_status status = status_of(self, SSL_write_ex(self->ssl, plain.ptr, plain.len, &n));
    ASSERT(status != ENGINE_DONE || n == plain.len);
    // Renegotiation is off, so a write never has to read first.
    return status == ENGINE_WANTS_INPUT ? fail(self) : status;
}

static void openssl_shutdown(struct engine *engine) {
    ERR_clear_error();
    SSL_shutdown(openssl_of(engine)->ssl);
    ERR_clear_error();
}

static void openssl_describe(struct engine *engine, const struct tls_policy *policy,
                             struct tls_session *session) {
    ERR_clear_error();
    tls_describe(openssl_of(engine)->ssl, policy, session);
    session->wants_certificate = openssl_of(engine)->wants_certificate;
    ERR_clear_error();
}

static bool openssl_matches(struct engine *engine, const struct view *names, size_t n_names) {
    ERR_clear_error();
    bool matches = tls_certificate_matches(openssl_of(engine)->ssl, names, n_names);
    ERR_clear_error();
    return matches;
}

static int openssl_verify_with(struct engine *engine, const struct view *certificates, size_t n,
                               char *next_url) {
    ERR_clear_error();
    int found = tls_verify_with(openssl_of(engine)->ssl, certificates, n, next_url);
    ERR_clear_error();
    return found;
}

static int openssl_verify_dane(struct engine *engine, struct tls_dane *dane) {
    ERR_clear_error();
    int found = tls_verify_dane(openssl_of(engine)->ssl, dane);
    ERR_clear_error();
    return found;
}

static void openssl_destroy(struct engine *engine) {
    struct openssl_engine *self = openssl_of(engine);
    SSL_free(self->ssl);
    ERR_clear_error();
    tls_context_unref(self->context);
    buffer_finish(&engine->output);
    free(self);
}

static const struct engine_ops openssl_ops = {
    .handshake = openssl_handshake,
    .decrypt = openssl_decrypt,
    .encrypt = openssl_encrypt,
    .shutdown = openssl_shutdown,
    .describe = openssl_describe,
    .matches = openssl_matches,
    .verify_with = openssl_verify_with,
    .verify_dane = openssl_verify_dane,
    .destroy = openssl_destroy,
};

// --- Setting up -------------------------------------------------------------------------------
static bool set_server_name(SSL *ssl, struct view server_name) {
    char name[256];
    if (server_name.len == 0)
        return true;
    return view_copy_string(server_name, name, sizeof(name)) &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

// RFC 8446 4.4.2.4: a client that has no certificate sends an empty list; whether the server is
// content with it shows later.
int tls_note_certificate_request(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
    struct openssl_engine *self = SSL_get_app_data(ssl);
    if (self)
        self->wants_certificate = true;
    return 0;
}

// RFC 8701 3.1: an extension of this number means nothing, whatever its length.
int tls_pad_hello(SSL *ssl, unsigned type, unsigned context, const unsigned char **bytes,
                  size_t *len, X509 *certificate, size_t index, int *alert, void *arg) {
    static const unsigned char zeros[PADDING_BYTES];
    const struct openssl_engine *self = SSL_get_app_data(ssl);
    *bytes = zeros;
    *len = self ? self->padding : 0;
    return *len > 0;
}

// Each of these alone is understood by any server that is not twenty years old.
static bool make_hello_small(SSL *ssl) {
    char group[] = "P-256", signatures[] = "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:RSA+SHA1";
    SSL_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_ENCRYPT_THEN_MAC);
    return SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "AES128-SHA") == 1 &&
           SSL_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256") == 1 &&
           SSL_set1_groups_list(ssl, group) == 1 && SSL_set1_sigalgs_list(ssl, signatures) == 1;
}

static bool set_experiment(SSL *ssl, const struct tls_policy *policy) {
    if (policy->ciphers && SSL_set_cipher_list(ssl, policy->ciphers) != 1)
        return false;
    return policy->hello != TLS_HELLO_SMALL || make_hello_small(ssl);
}

static bool set_client(SSL *ssl, const struct tls_policy *policy) {
    int lowest = policy->version_min ? policy->version_min : TLS1_VERSION;
    SSL_set_connect_state(ssl);
    // RFC 7435: where nothing is demanded, weak encryption is still better than none.
    if (policy->version_min < TLS1_2_VERSION)
        SSL_set_security_level(ssl, 0);
    return SSL_set_min_proto_version(ssl, lowest) == 1 &&
           SSL_set_max_proto_version(ssl, policy->version_max) == 1 &&
           set_server_name(ssl, policy->server_name) && set_experiment(ssl, policy);
}

struct engine *openssl_engine_create(struct tls_context *context, const struct tls_policy *policy,
                                     struct fact *failure) {
    ERR_clear_error();
    SSL *ssl = SSL_new(context->ssl);
    ASSERT(ssl != NULL);
    if (policy ? !set_client(ssl, policy) : SSL_get_certificate(ssl) == NULL) {
        *failure = fact_make(FACT_STAGE_TLS, FACT_KIND_LOCAL);
        failure->detail = FACT_LOCAL_TLS;
        failure->text = VIEW("TLS cannot be set up as configured");
        ERR_clear_error();
        SSL_free(ssl);
        return NULL;
    }
    struct openssl_engine *self = mem_alloc_zero(sizeof(*self));
    self->engine.ops = &openssl_ops;
    buffer_init(&self->engine.output, TLS_OUTPUT_BYTES_MAX);
    self->engine.is_costly = !policy && context->is_rsa;
    self->context = tls_context_ref(context);
    self->ssl = ssl;
    self->alert = -1;
    self->padding = policy && policy->hello == TLS_HELLO_LARGE ? PADDING_BYTES : 0;
    SSL_set_app_data(ssl, self);
    SSL_set_info_callback(ssl, note_alert);
    if (!policy)
        SSL_set_accept_state(ssl);
    attach_bio(self);
    return &self->engine;
}
