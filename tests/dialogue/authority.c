// SPDX-License-Identifier: Apache-2.0
#include "dialogue/authority.h"

#include "base/arena.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES_MAX = 64, PATH_BYTES = 128, DAY_S = 24 * 60 * 60 };

struct authority {
    char *folder;
    char files[FILES_MAX][PATH_BYTES];
    size_t n_files;
    long next_serial;
    EVP_PKEY *root_key, *intermediate_key;
    X509 *root, *intermediate;
};

static EVP_PKEY *make_key(enum authority_key kind) {
    EVP_PKEY *key = kind == AUTHORITY_KEY_RSA         ? EVP_RSA_gen(2048)
                    : kind == AUTHORITY_KEY_RSA_SHORT ? EVP_RSA_gen(1024)
                                                      : EVP_EC_gen("P-256");
    ASSERT(key != NULL);
    return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int id, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    ASSERT(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *begin_certificate(struct authority *authority, const char *subject, EVP_PKEY *key,
                               const struct authority_order *order) {
    X509 *certificate = X509_new();
    bool is_default = order->days_from == 0 && order->days_to == 0;
    ASSERT(certificate != NULL);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), authority->next_serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate),
                    (is_default ? -1 : order->days_from) * (long)DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate),
                    (is_default ? 30 : order->days_to) * (long)DAY_S);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)subject, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

static void sign(X509 *certificate, X509 *issuer, EVP_PKEY *key) {
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    int len = X509_sign(certificate, key, EVP_sha256());
    ASSERT(len > 0);
}

static X509 *make_ca(struct authority *authority, const char *name, EVP_PKEY *key, X509 *issuer,
                     EVP_PKEY *issuer_key) {
    const struct authority_order order = {.days_from = -30, .days_to = 300};
    X509 *ca = begin_certificate(authority, name, key, &order);
    add_extension(ca, issuer ? issuer : ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca, issuer ? issuer : ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    sign(ca, issuer ? issuer : ca, issuer_key ? issuer_key : key);
    return ca;
}

static FILE *new_file(struct authority *authority) {
    ASSERT(authority->n_files < FILES_MAX);
    char *path = authority->files[authority->n_files++];
    snprintf(path, PATH_BYTES, "%s/%zu.pem", authority->folder, authority->n_files);
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL);
    return file;
}

struct authority *authority_create(void) {
    struct authority *authority = mem_alloc_zero(sizeof(*authority));
    authority->next_serial = 1;
    authority->folder = mkdtemp(mem_copy_string("/tmp/postrider-test-XXXXXX"));
    ASSERT(authority->folder != NULL);
    authority->root_key = make_key(AUTHORITY_KEY_EC);
    authority->root = make_ca(authority, "Test Root", authority->root_key, NULL, NULL);
    authority->intermediate_key = make_key(AUTHORITY_KEY_EC);
    authority->intermediate = make_ca(authority, "Test Intermediate", authority->intermediate_key,
                                      authority->root, authority->root_key);
    FILE *file = new_file(authority);
    PEM_write_X509(file, authority->root);
    fclose(file);
    return authority;
}

void authority_destroy(struct authority *authority) {
    for (size_t i = 0; i < authority->n_files; i++)
        unlink(authority->files[i]);
    rmdir(authority->folder);
    free(authority->folder);
    X509_free(authority->root);
    X509_free(authority->intermediate);
    EVP_PKEY_free(authority->root_key);
    EVP_PKEY_free(authority->intermediate_key);
    free(authority);
}

const char *authority_file(struct authority *authority) {
    return authority->files[0];
}

static void add_names(X509 *leaf, const struct authority_order *order) {
    char value[512] = "";
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(order->names) && order->names[i]; i++)
        len += (size_t)snprintf(value + len, sizeof(value) - len, "%sDNS:%s", len ? "," : "",
                                order->names[i]);
    if (order->ip)
        snprintf(value + len, sizeof(value) - len, "%sIP:%s", len ? "," : "", order->ip);
    if (value[0])
        add_extension(leaf, leaf, NID_subject_alt_name, value);
    snprintf(value, sizeof(value), "caIssuers;URI:%s", order->issuer_url ? order->issuer_url : "");
    if (order->issuer_url)
        add_extension(leaf, leaf, NID_info_access, value);
}

const char *authority_issue(struct authority *authority, const struct authority_order *order) {
    EVP_PKEY *key = make_key(order->key);
    X509 *leaf =
        begin_certificate(authority, order->names[0] ? order->names[0] : "nobody", key, order);
    add_names(leaf, order);
    if (order->is_self_signed)
        sign(leaf, leaf, key);
    else if (order->by_intermediate)
        sign(leaf, authority->intermediate, authority->intermediate_key);
    else
        sign(leaf, authority->root, authority->root_key);
    FILE *file = new_file(authority);
    PEM_write_X509(file, leaf);
    if (order->by_intermediate && !order->omit_intermediate)
        PEM_write_X509(file, authority->intermediate);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return authority->files[authority->n_files - 1];
}

struct view authority_intermediate(const struct authority *authority) {
    unsigned char *bytes = NULL;
    int len = i2d_X509(authority->intermediate, &bytes);
    ASSERT(len > 0);
    return view_from(bytes, (size_t)len);
}

static struct tls_context *make_context(const struct tls_context_options *options) {
    struct error error;
    struct tls_context *context = tls_context_create(options, &error);
    ASSERT(context != NULL);
    return context;
}

struct tls_context *authority_server(struct authority *authority,
                                     const struct authority_order *order) {
    struct tls_context_options options = {.certificate = authority_issue(authority, order)};
    struct tls_context *context = make_context(&options);
    unlink(authority->files[--authority->n_files]); // it has been read
    return context;
}

struct tls_context *authority_client(struct authority *authority) {
    struct tls_context_options options = {.ca_file = authority_file(authority)};
    return make_context(&options);
}
