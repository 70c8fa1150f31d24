// SPDX-License-Identifier: Apache-2.0
// TLS as a byte engine: OpenSSL on memory BIOs behind an io_stream. OpenSSL is never entered while a
// fiber switch could happen; its error queue is cleared before each call and turned into a fact after it.
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/error.h"
#include "base/fact.h"
#include "io/io.h"

struct tls_context; // certificates and trust; counted, may be shared by loops

struct tls_context_options {
    const char *certificate, *key; // PEM chain and key; NULL for clients
    const char *ca_file;           // NULL: the system's store
};
struct tls_context *tls_context_create(const struct tls_context_options *options,
                                       struct error *error);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

enum tls_check {
    TLS_CHECK_NONE,  // encrypt only; the result is noted in the session
    TLS_CHECK_CHAIN, // chain and dates
    TLS_CHECK_NAME   // chain, dates, and one of `names`
};
struct tls_policy {
    enum tls_check check;
    int version_min;           // wire number; zero: what OpenSSL takes
    const struct view *names;  // for TLS_CHECK_NAME; ".example.org" matches subdomains too
    size_t n_names;
    struct view server_name;   // SNI; empty for addresses
};

struct tls_session {
    int version; // wire number
    char description[96]; // "TLSv1.3 TLS_AES_256_GCM_SHA384"
    int x509_verify;      // what checking found, whether or not it was demanded
    char subject[256], issuer[256]; // of the peer's leaf; empty: none
    int64_t not_before_ms, not_after_ms;
    unsigned n_chain;     // certificates that the peer sent
    bool name_matches;    // one of `names`, or server_name
};

// Handshake on `*stream`; on success `*stream` becomes the encrypted one (closing it closes both). On
// failure the fact says why (TLS, CERT, DEMAND, or what io said), and `*stream` is closed and NULL.
// The fact's text is static or belongs to `session`.
IO_WAITS struct fact tls_client_start(struct tls_context *context, struct io_stream **stream,
                                      const struct tls_policy *policy, io_time deadline,
                                      struct tls_session *session);
// Server side. Bytes that were received before the handshake began must have been dropped.
IO_WAITS struct fact tls_server_start(struct tls_context *context, struct io_stream **stream,
                                      io_time deadline, struct tls_session *session);

// For simulations: replaces the engine by a framing double for the calling thread. `decide` may
// return a fact to fail the handshake with, or one of kind OK.
void tls_double_install(struct fact (*decide)(bool is_server, const struct tls_policy *policy,
                                              void *arg),
                        void *arg);

#endif
