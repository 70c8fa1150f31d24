// SPDX-License-Identifier: Apache-2.0
// What the peer's certificate says, and whether it is for whom we wanted (RFC 6125, RFC 5280).
#include "tls/context_internal.h"
#include "tls/verify_internal.h"

#include <openssl/x509v3.h>
#include <stdio.h>

static void print_name(const X509_NAME *name, char *out, size_t size) {
    BIO *bio = BIO_new(BIO_s_mem());
    ASSERT(bio != NULL);
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    const char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    view_copy_string(view_from(text, len > 0 ? (size_t)len : 0), out, size);
    BIO_free(bio);
}

static int64_t wall_ms_of(const ASN1_TIME *time) {
    struct tm parts = {0};
    return time && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) * 1000 : 0;
}

static void add_name(struct view name, char *out, size_t size) {
    size_t len = strlen(out);
    if (len + name.len + 3 > size || view_find_char(name, '\0') < name.len)
        return;
    snprintf(out + len, size - len, "%s%.*s", len ? ", " : "", VIEW_ARG(name));
}

static void list_names(X509 *leaf, char *out, size_t size) {
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(view_from(ASN1_STRING_get0_data(name->d.dNSName),
                               (size_t)ASN1_STRING_length(name->d.dNSName)),
                     out, size);
    }
    GENERAL_NAMES_free(names);
}

bool tls_certificate_look(const struct tls_context_options *options, struct tls_certificate *found,
                          struct error *error) {
    ASSERT(options->certificate != NULL);
    *found = (struct tls_certificate){0};
    struct tls_context *context = tls_context_create(options, error);
    X509 *leaf = context ? SSL_CTX_get0_certificate(context->ssl) : NULL;
    if (leaf) {
        found->not_before_ms = wall_ms_of(X509_get0_notBefore(leaf));
        found->not_after_ms = wall_ms_of(X509_get0_notAfter(leaf));
        list_names(leaf, found->names, sizeof(found->names));
    }
    tls_context_unref(context);
    return leaf != NULL;
}

static void describe_certificate(SSL *ssl, X509 *leaf, struct tls_session *session) {
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    session->n_chain = chain ? (unsigned)sk_X509_num(chain) : 0;
    print_name(X509_get_subject_name(leaf), session->subject, sizeof(session->subject));
    print_name(X509_get_issuer_name(leaf), session->issuer, sizeof(session->issuer));
    list_names(leaf, session->names, sizeof(session->names));
    tls_issuer_url(leaf, session->issuer_url, sizeof(session->issuer_url));
    if (chain)
        tls_describe_weakness(chain, session->weakness, sizeof(session->weakness));
    session->not_before_ms = wall_ms_of(X509_get0_notBefore(leaf));
    session->not_after_ms = wall_ms_of(X509_get0_notAfter(leaf));
}

static bool leaf_is_for(X509 *leaf, struct view name) {
    struct address address;
    if (name.len == 0)
        return false;
    if (address_parse(name, &address))
        return X509_check_ip(leaf, address.bytes, address.family == ADDRESS_IPV4 ? 4 : 16, 0) == 1;
    if (X509_check_host(leaf, name.ptr, name.len, 0, NULL) == 1)
        return true;
    // With a leading dot OpenSSL takes subdomains only; the domain itself is meant too.
    return name.ptr[0] == '.' && name.len > 1 &&
           X509_check_host(leaf, name.ptr + 1, name.len - 1, 0, NULL) == 1;
}

static bool leaf_is_for_any(X509 *leaf, const struct view *names, size_t n_names) {
    for (size_t i = 0; i < n_names; i++)
        if (leaf_is_for(leaf, names[i]))
            return true;
    return false;
}

bool tls_certificate_matches(SSL *ssl, const struct view *names, size_t n_names) {
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    return leaf && leaf_is_for_any(leaf, names, n_names);
}

void tls_describe(SSL *ssl, const struct tls_policy *policy, struct tls_session *session) {
    if (SSL_is_init_finished(ssl)) {
        session->version = SSL_version(ssl);
        snprintf(session->description, sizeof(session->description), "%s %s", SSL_get_version(ssl),
                 SSL_get_cipher_name(ssl));
    }
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    if (!leaf) {
        session->x509_verify = policy ? X509_V_ERR_UNSPECIFIED : X509_V_OK;
        return;
    }
    describe_certificate(ssl, leaf, session);
    session->x509_verify = (int)SSL_get_verify_result(ssl);
    if (policy)
        session->name_matches = policy->n_names
                                    ? leaf_is_for_any(leaf, policy->names, policy->n_names)
                                    : leaf_is_for(leaf, policy->server_name);
}
