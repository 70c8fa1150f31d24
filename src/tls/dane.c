// SPDX-License-Identifier: Apache-2.0
// The peer's chain against TLSA records (RFC 6698, RFC 7672 3), after the handshake: OpenSSL's own
// check, with the records held by a connection object that never connects.
#include "tls/verify_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { USAGE_TA = 2, USAGE_EE = 3 };

// RFC 7672 3.1.3: the usages that name public authorities mean nothing to SMTP. What OpenSSL does
// not know is passed over (RFC 7671 2.1).
static size_t add_records(SSL *holder, const struct tls_dane *dane) {
    size_t n = 0;
    for (size_t i = 0; i < dane->n_records; i++) {
        const struct tls_tlsa *record = &dane->records[i];
        if (record->usage != USAGE_TA && record->usage != USAGE_EE)
            continue;
        n += SSL_dane_tlsa_add(holder, record->usage, record->selector, record->matching,
                               (const unsigned char *)record->data.ptr, record->data.len) > 0;
    }
    return n;
}

static SSL *make_holder(SSL *ssl, struct tls_dane *dane) {
    SSL *holder = SSL_new(SSL_get_SSL_CTX(ssl));
    char base[256];
    ASSERT(holder != NULL && dane->n_names > 0);
    if (!view_copy_string(dane->names[0], base, sizeof(base)) ||
        SSL_dane_enable(holder, base) != 1) {
        SSL_free(holder);
        return NULL;
    }
    // RFC 7672 3.1.1: a record of the very key vouches for it, whatever name it carries.
    SSL_dane_set_flags(holder, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    dane->n_usable = add_records(holder, dane);
    return holder;
}

// RFC 7672 3.2.3: below an authority of the domain's choice any of the names will do.
static void set_names(X509_VERIFY_PARAM *param, const struct tls_dane *dane) {
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (size_t i = 0; i < dane->n_names; i++)
        X509_VERIFY_PARAM_add1_host(param, dane->names[i].ptr, dane->names[i].len);
}

static void note_match(SSL *holder, struct tls_dane *dane) {
    uint8_t usage, selector, matching;
    if (SSL_get0_dane_tlsa(holder, &usage, &selector, &matching, NULL, NULL) >= 0)
        snprintf(dane->matched, sizeof(dane->matched), "%u %u %u", usage, selector, matching);
}

static int check(SSL *ssl, SSL *holder, struct tls_dane *dane) {
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    int found = X509_V_ERR_UNSPECIFIED;
    ASSERT(context != NULL);
    if (X509_STORE_CTX_init(context, store, SSL_get0_peer_certificate(ssl),
                            SSL_get_peer_cert_chain(ssl)) == 1 &&
        X509_STORE_CTX_set_default(context, "ssl_server") == 1) {
        set_names(X509_STORE_CTX_get0_param(context), dane);
        X509_STORE_CTX_set0_dane(context, SSL_get0_dane(holder));
        found = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    }
    if (found == X509_V_OK)
        note_match(holder, dane);
    X509_STORE_CTX_free(context);
    return found;
}

int tls_verify_dane(SSL *ssl, struct tls_dane *dane) {
    int found = X509_V_ERR_UNSPECIFIED;
    dane->n_usable = 0;
    dane->matched[0] = '\0';
    SSL *holder = SSL_get0_peer_certificate(ssl) ? make_holder(ssl, dane) : NULL;
    // RFC 7672 2.2: without a usable record TLS alone is demanded.
    if (holder)
        found = dane->n_usable > 0 ? check(ssl, holder, dane) : X509_V_OK;
    SSL_free(holder);
    return found;
}
