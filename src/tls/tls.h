// SPDX-License-Identifier: Apache-2.0
// TLS as a byte engine: OpenSSL on memory BIOs behind an io_stream. OpenSSL is never entered while
// a fiber switch could happen; its error queue is cleared before each call and turned into a fact
// after it.
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
// NULL on failure; the error names the file and what is wrong with it.
struct tls_context *tls_context_create(const struct tls_context_options *options,
                                       struct error *error);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); // NULL is accepted

// What is in the files of a server's certificate and key, as they would be used.
struct tls_certificate {
    int64_t not_before_ms, not_after_ms;
    char names[256]; // its DNS names, comma separated, cut
};
// False: the error names the file that cannot be used and why.
bool tls_certificate_look(const struct tls_context_options *options, struct tls_certificate *found,
                          struct error *error);

enum tls_check {
    TLS_CHECK_NONE,  // encrypt only; the result is noted in the session
    TLS_CHECK_CHAIN, // chain and dates
    TLS_CHECK_NAME   // chain, dates, and one of `names`
};
// How large the client's first message is.
enum tls_hello {
    TLS_HELLO_USUAL, // what OpenSSL makes of the policy
    TLS_HELLO_SMALL, // below 256 bytes: few ciphers, one group, no tickets
    TLS_HELLO_LARGE  // more than a packet holds, as with keys that resist quantum computers
};
struct tls_policy {
    enum tls_check check;
    // Wire numbers. Zero: no bound. Without a lower one everything that OpenSSL can is offered, as
    // a weak cipher is better than clear text; with one, the system's security level holds.
    int version_min, version_max;
    // For TLS_CHECK_NAME; host names, or addresses. ".example.org" is that domain and everything
    // under it.
    const struct view *names;
    size_t n_names;
    struct view server_name; // SNI; empty for addresses
    // For experiments; nothing that delivers mail sets them.
    const char
        *ciphers; // of TLS 1.2 and older, as OpenSSL names them; NULL: all, or by `version_min`
    enum tls_hello hello;
};

struct tls_session {
    int version;                    // wire number
    char description[96];           // "TLSv1.3 TLS_AES_256_GCM_SHA384"
    int x509_verify;                // what checking found, whether or not it was demanded
    char subject[256], issuer[256]; // of the peer's leaf; empty: none
    char names[256];                // its DNS names, comma separated, cut
    int64_t not_before_ms, not_after_ms;
    unsigned n_chain;  // certificates that the peer sent
    bool name_matches; // one of `names`; where there are none, server_name
    char error[128];   // behind the text of a failed handshake's fact
    char weakness[96]; // of a key or signature in the chain, such as "RSA key of 1024 bits"; empty:
                       // none
    char issuer_url[256];   // where the leaf says that its issuer's certificate is; empty: nowhere
    bool wants_certificate; // the server asked for one of ours, which has none
};

// Handshake on `*stream`; on success `*stream` becomes the encrypted one (closing it closes both).
// On failure the fact says why (TLS, CERT, DEMAND, or what io said), and `*stream` is closed and
// NULL. The fact's text is static or belongs to `session`, which holds what was learned either way.
IO_WAITS struct fact tls_client_start(struct tls_context *context, struct io_stream **stream,
                                      const struct tls_policy *policy, io_time deadline,
                                      struct tls_session *session);
// Server side. Bytes that were received before the handshake began must have been dropped.
IO_WAITS struct fact tls_server_start(struct tls_context *context, struct io_stream **stream,
                                      io_time deadline, struct tls_session *session);

// An encrypted stream reads IO_EOF for close_notify and for an end without it: to SMTP, which knows
// where a reply ends, both are "closed". What TLS itself says is IO_ERROR with EPROTO.

// The alert and words behind EPROTO: a fact of kind TLS; of kind NONE where TLS said nothing.
struct fact tls_stream_failure(struct io_stream *stream, enum fact_stage stage);
// Whether the peer's certificate is for one of `names` (as in a policy): before a session is used
// for a domain that it was not opened for.
bool tls_stream_matches(struct io_stream *stream, const struct view *names, size_t n_names);
// What checking the peer's chain finds (X509_V_*) with these certificates (DER, PEM or PKCS#7)
// added to those that the peer sent. `next_url`, of at least TLS_URL_SIZE bytes, becomes the place
// of the issuer that is still missing, "" where it is not said.
enum { TLS_URL_SIZE = 256 };
int tls_stream_verify_with(struct io_stream *stream, const struct view *certificates, size_t n,
                           char *next_url);
// Whether that says that a certificate of the chain is missing.
bool tls_verify_lacks_issuer(int x509_verify);
// TLSA records (RFC 6698 2.1) and what they make of the peer's chain.
struct tls_tlsa {
    uint8_t usage, selector, matching;
    struct view data;
};
struct tls_dane {
    const struct tls_tlsa *records;
    size_t n_records;
    const struct view
        *names; // of the host and the domain, for records of an authority; at least one
    size_t n_names;
    size_t n_usable;  // out: of the records, by SMTP (RFC 7672 3.1)
    char matched[16]; // out: "3 1 1"; empty: none
};
// X509_V_OK: one matches, or none is usable; else why not.
int tls_stream_verify_dane(struct io_stream *stream, struct tls_dane *dane);
// The transport below, for what the kernel knows of it; a stream without TLS is its own.
struct io_stream *tls_stream_below(struct io_stream *stream);

// For simulations: replaces the engine by a framing double for the calling thread. `decide` may
// return a fact to fail the handshake with, or one of kind OK (its x509_verify is what checking
// found). `policy` is NULL on the server's side. NULL turns the double off.
void tls_double_install(struct fact (*decide)(bool is_server, const struct tls_policy *policy,
                                              void *arg),
                        void *arg);

#endif
