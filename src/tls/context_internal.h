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

#endif
