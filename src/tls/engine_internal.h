// SPDX-License-Identifier: Apache-2.0
// The seam inside tls/: the stream waits and never encrypts, an engine encrypts and never waits.
// An engine turns `input` (bytes off the wire) and plain text into `output` (bytes for the wire).
// Two engines exist: OpenSSL, and the framing double of simulations.
#ifndef TLS_ENGINE_INTERNAL_H
#define TLS_ENGINE_INTERNAL_H

#include "tls/tls.h"

enum {
    TLS_RECORD_BYTES_MAX = 16384,      // plain text of one record (RFC 8446 5.1)
    TLS_OUTPUT_BYTES_MAX = 512 * 1024, // a handshake flight, or a batch of records
    TLS_FIRST_BYTES = 64               // of the peer, kept to tell what it was that answered
};

enum engine_status { ENGINE_DONE, ENGINE_WANTS_INPUT, ENGINE_CLOSED, ENGINE_FAILED };

struct engine;
struct engine_ops {
    // DONE once both sides are; output may be there with any status.
    enum engine_status (*handshake)(struct engine *engine);
    // DONE with `*n` bytes of plain text, at most one record.
    enum engine_status (*decrypt)(struct engine *engine, void *out, size_t size, size_t *n);
    // DONE or FAILED; `plain` has at most TLS_RECORD_BYTES_MAX bytes.
    enum engine_status (*encrypt)(struct engine *engine, struct view plain);
    // close_notify.
    void (*shutdown)(struct engine *engine);
    // What is known of the session, after the handshake or after its failure.
    void (*describe)(struct engine *engine, const struct tls_policy *policy,
                     struct tls_session *session);
    bool (*matches)(struct engine *engine, const struct view *names, size_t n_names);
    // As tls_stream_verify_with. NULL: the engine knows no certificates.
    int (*verify_with)(struct engine *engine, const struct view *certificates, size_t n,
                       char *next_url);
    int (*verify_dane)(struct engine *engine, struct tls_dane *dane);
    void (*destroy)(struct engine *engine);
};

struct engine {
    const struct engine_ops *ops;
    struct view input;    // what is left of the bytes received; the engine moves it on
    struct buffer output; // for the wire
    bool is_costly;       // handshake steps work with an RSA key: the pool runs them
    struct fact failure;  // after ENGINE_FAILED; its text is static
};

// `policy` is NULL for servers. NULL with `failure` set: our own set-up is broken.
struct engine *openssl_engine_create(struct tls_context *context, const struct tls_policy *policy,
                                     struct fact *failure);
// NULL unless a double is installed on this thread.
struct engine *double_engine_create(const struct tls_policy *policy);

// Takes from the input: up to `size` bytes.
size_t engine_take_input(struct engine *engine, void *out, size_t size);

#endif
