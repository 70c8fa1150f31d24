// SPDX-License-Identifier: Apache-2.0
#ifndef TLS_VERIFY_INTERNAL_H
#define TLS_VERIFY_INTERNAL_H

#include "tls/tls.h"

#include <openssl/ssl.h>

// Everything that is known of the session and the peer's certificate. `policy` may be NULL.
void tls_describe(SSL *ssl, const struct tls_policy *policy, struct tls_session *session);
bool tls_certificate_matches(SSL *ssl, const struct view *names, size_t n_names);

#endif
