// SPDX-License-Identifier: Apache-2.0
#ifndef TLS_VERIFY_INTERNAL_H
#define TLS_VERIFY_INTERNAL_H

#include "tls/tls.h"

#include <openssl/ssl.h>

// Everything that is known of the session and the peer's certificate. `policy` may be NULL.
void tls_describe(SSL *ssl, const struct tls_policy *policy, struct tls_session *session);
bool tls_certificate_matches(SSL *ssl, const struct view *names, size_t n_names);

// --- chain.c ----------------------------------------------------------------------------------
void tls_describe_weakness(const STACK_OF(X509) * chain, char *out, size_t size);
void tls_issuer_url(X509 *certificate, char *out, size_t size); // "": nowhere
int tls_verify_with(SSL *ssl, const struct view *certificates, size_t n, char *next_url);

// --- dane.c -----------------------------------------------------------------------------------
int tls_verify_dane(SSL *ssl, struct tls_dane *dane); // as tls_stream_verify_dane

#endif
