// SPDX-License-Identifier: Apache-2.0
#ifndef TLS_CONTEXT_INTERNAL_H
#define TLS_CONTEXT_INTERNAL_H

#include "tls/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_context {
    atomic_uint refs;
    SSL_CTX *ssl;
    bool is_rsa; // the private key: its operations are slow
};

// openssl.c: callbacks of every context.
int tls_note_certificate_request(SSL *ssl, X509 **certificate, EVP_PKEY **key);
int tls_pad_hello(SSL *ssl, unsigned type, unsigned context, const unsigned char **bytes,
                  size_t *len, X509 *certificate, size_t index, int *alert, void *arg);

#endif
