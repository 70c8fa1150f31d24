// SPDX-License-Identifier: Apache-2.0
// The chain as the peer sent it: what of it is too weak, and whether it would pass with
// certificates that the peer left out (RFC 5280 4.2.2.1).
#include "tls/verify_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { SECURITY_BITS_MIN = 112, ADDED_MAX = 16 }; // RSA of 2048 bits; SHA-256

// --- Strength ---------------------------------------------------------------------------------
static bool says_weak_key(X509 *certificate, const char *whose, char *out, size_t size) {
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (!key || EVP_PKEY_get_security_bits(key) >= SECURITY_BITS_MIN)
        return false;
    snprintf(out, size, "%s%s key of %d bits", whose, EVP_PKEY_get0_type_name(key),
             EVP_PKEY_get_bits(key));
    return true;
}

static bool says_weak_signature(X509 *certificate, const char *whose, char *out, size_t size) {
    int digest = NID_undef, bits = -1;
    if (X509_get_signature_info(certificate, &digest, NULL, &bits, NULL) != 1 ||
        digest == NID_undef || bits >= SECURITY_BITS_MIN)
        return false;
    snprintf(out, size, "%ssignature with %s", whose, OBJ_nid2sn(digest));
    return true;
}

// A root's signature of itself proves nothing and need not be strong.
static bool signs_itself(X509 *certificate) {
    return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) ==
           0;
}

void tls_describe_weakness(const STACK_OF(X509) * chain, char *out, size_t size) {
    bool is_weak = false;
    out[0] = '\0';
    for (int i = 0; i < sk_X509_num(chain) && !is_weak; i++) {
        X509 *certificate = sk_X509_value(chain, i);
        const char *whose = i == 0 ? "" : "an issuer's ";
        is_weak =
            says_weak_key(certificate, whose, out, size) ||
            (!signs_itself(certificate) && says_weak_signature(certificate, whose, out, size));
    }
}

// --- Where the issuer is ----------------------------------------------------------------------
void tls_issuer_url(X509 *certificate, char *out, size_t size) {
    AUTHORITY_INFO_ACCESS *places = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    out[0] = '\0';
    for (int i = 0; places && i < sk_ACCESS_DESCRIPTION_num(places) && !out[0]; i++) {
        const ACCESS_DESCRIPTION *place = sk_ACCESS_DESCRIPTION_value(places, i);
        if (OBJ_obj2nid(place->method) != NID_ad_ca_issuers || place->location->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = place->location->d.uniformResourceIdentifier;
        struct view url = view_from(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        bool is_plain = view_find_char(url, '\0') == url.len && url.len < size;
        if (is_plain &&
            (view_starts_with(url, VIEW("http://")) || view_starts_with(url, VIEW("https://"))))
            view_copy_string(url, out, size);
    }
    AUTHORITY_INFO_ACCESS_free(places);
}

// --- The chain with more certificates ---------------------------------------------------------
static void add(STACK_OF(X509) * stack, X509 *certificate) {
    if (certificate && sk_X509_num(stack) < ADDED_MAX)
        sk_X509_push(stack, certificate);
    else
        X509_free(certificate);
}

static void add_pkcs7(STACK_OF(X509) * stack, struct view bytes) {
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    PKCS7 *bundle = d2i_PKCS7(NULL, &at, (long)bytes.len);
    STACK_OF(X509) *certificates =
        bundle && PKCS7_type_is_signed(bundle) && bundle->d.sign ? bundle->d.sign->cert : NULL;
    for (int i = 0; certificates && i < sk_X509_num(certificates); i++)
        add(stack, X509_dup(sk_X509_value(certificates, i)));
    PKCS7_free(bundle);
}

// RFC 5280 4.2.2.1: DER, or a PKCS#7 bundle of certificates; some places hold PEM.
static void add_bytes(STACK_OF(X509) * stack, struct view bytes) {
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    X509 *certificate = bytes.len ? d2i_X509(NULL, &at, (long)bytes.len) : NULL;
    if (!certificate && bytes.len) {
        BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
        ASSERT(bio != NULL);
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
    }
    if (certificate)
        add(stack, certificate);
    else if (bytes.len)
        add_pkcs7(stack, bytes);
    ERR_clear_error();
}

// Dates, names and keys as for a server's certificate, by the store that the context trusts.
static int check(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others, char *next_url) {
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    ASSERT(context != NULL);
    int found = X509_V_ERR_UNSPECIFIED;
    if (X509_STORE_CTX_init(context, store, leaf, others) == 1 &&
        X509_STORE_CTX_set_default(context, "ssl_server") == 1) {
        bool is_well = X509_verify_cert(context) == 1;
        found = is_well ? X509_V_OK : X509_STORE_CTX_get_error(context);
        STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
        int n = chain ? sk_X509_num(chain) : 0;
        if (!is_well && n > 0)
            tls_issuer_url(sk_X509_value(chain, n - 1), next_url, TLS_URL_SIZE);
    }
    X509_STORE_CTX_free(context);
    return found;
}

bool tls_verify_lacks_issuer(int x509_verify) {
    return x509_verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           x509_verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           x509_verify == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

int tls_verify_with(SSL *ssl, const struct view *certificates, size_t n, char *next_url) {
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    const STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
    STACK_OF(X509) *others = sk_X509_new_null();
    ASSERT(others != NULL);
    next_url[0] = '\0';
    for (int i = 0; sent && i < sk_X509_num(sent); i++)
        add(others, X509_dup(sk_X509_value(sent, i)));
    for (size_t i = 0; i < n; i++)
        add_bytes(others, certificates[i]);
    int found = leaf ? check(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), leaf, others, next_url)
                     : X509_V_ERR_UNSPECIFIED;
    sk_X509_pop_free(others, X509_free);
    return found;
}
