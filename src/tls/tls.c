// SPDX-License-Identifier: Apache-2.0
// The handshake, told as a loop: let the engine work, send what it made, read what it wants. What
// went wrong is decided in one place (explain), from what the engine, the wire and the peer's first
// bytes say.
#include "tls/stream_internal.h"

#include <openssl/x509_vfy.h>

// RFC 8446 5.1, B.3: a record is type, version (two bytes), length (two bytes); a ServerHello in
// the first one is message type, length (three bytes), version (two bytes).
enum { RECORD_TYPE_FIRST = 20, RECORD_TYPE_HANDSHAKE = 22, RECORD_TYPE_LAST = 24 };
enum { AT_MESSAGE_TYPE = 5, AT_MESSAGE_VERSION = 9, MESSAGE_SERVER_HELLO = 2 };

struct step {
    struct engine *engine;
    enum engine_status status;
};

static void run_step(void *arg) {
    struct step *step = arg;
    step->status = step->engine->ops->handshake(step->engine);
}

// A step with an RSA key takes as long as fifty messages, so the pool runs it.
IO_WAITS static enum engine_status take_step(struct engine *engine) {
    struct step step = {engine, ENGINE_FAILED};
    if (engine->is_costly && engine->input.len > 0) {
        io_offload(run_step, &step);
        return step.status;
    }
    io_no_switch_begin();
    run_step(&step);
    io_no_switch_end();
    return step.status;
}

IO_WAITS static struct fact shake_hands(struct tls_stream *tls, io_time deadline) {
    for (;;) {
        enum engine_status status = take_step(tls->engine);
        // An alert that explains our failure goes out if it can go at once.
        io_time patience = status == ENGINE_FAILED ? io_now() : deadline;
        struct io_result moved = tls_stream_flush(tls, patience);
        if (status == ENGINE_FAILED)
            return tls->engine->failure;
        if (status == ENGINE_CLOSED)
            return fact_make(FACT_STAGE_TLS, FACT_KIND_CLOSED);
        if (io_is_ok(moved) && status == ENGINE_DONE)
            return fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
        if (io_is_ok(moved))
            moved = tls_stream_fill(tls, deadline);
        if (!io_is_ok(moved))
            return io_fact(FACT_STAGE_TLS, moved);
    }
}

static int first_byte(const struct tls_stream *tls, size_t at) {
    return at < tls->n_first ? (unsigned char)tls->first[at] : -1;
}

static bool peer_speaks_tls(const struct tls_stream *tls) {
    int type = first_byte(tls, 0), major = first_byte(tls, 1);
    return tls->n_first == 0 || (type >= RECORD_TYPE_FIRST && type <= RECORD_TYPE_LAST &&
                                 (tls->n_first == 1 || major == 3));
}

// The version that the server chose, or zero.
static int hello_version(const struct tls_stream *tls) {
    if (tls->n_first < AT_MESSAGE_VERSION + 2 || first_byte(tls, 0) != RECORD_TYPE_HANDSHAKE ||
        first_byte(tls, AT_MESSAGE_TYPE) != MESSAGE_SERVER_HELLO)
        return 0;
    return first_byte(tls, AT_MESSAGE_VERSION) << 8 | first_byte(tls, AT_MESSAGE_VERSION + 1);
}

// Better words for a handshake that failed. Something that answered in clear text matters more than
// how OpenSSL stumbled over it.
static struct fact explain(const struct tls_stream *tls, const struct tls_policy *policy,
                           struct fact fact, struct tls_session *session) {
    int chosen = policy && policy->version_min ? hello_version(tls) : 0;
    if (!peer_speaks_tls(tls)) {
        fact = fact_make(FACT_STAGE_TLS, FACT_KIND_TLS);
        fact.detail = FACT_TLS_CLEAR_TEXT;
        memcpy(session->error, tls->first, tls->n_first);
        fact.text = view_from(session->error, tls->n_first);
    } else if (fact.kind == FACT_KIND_TLS && chosen && chosen < policy->version_min) {
        fact.kind = FACT_KIND_DEMAND;
        fact.detail = FACT_DEMAND_TLS_VERSION;
        fact.tls_version = chosen;
    }
    return fact;
}

// A handshake that succeeded, against what we demand (RFC 7817 for the name).
static struct fact judge(const struct tls_policy *policy, const struct tls_session *session) {
    struct fact fact = fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    fact.tls_version = session->version;
    fact.x509_verify = session->x509_verify;
    if (session->version < policy->version_min) {
        fact.kind = FACT_KIND_DEMAND;
        fact.detail = FACT_DEMAND_TLS_VERSION;
    } else if (policy->check != TLS_CHECK_NONE && session->x509_verify != X509_V_OK) {
        fact.kind = FACT_KIND_CERT;
        fact.text = view_of(session->subject);
    } else if (policy->check == TLS_CHECK_NAME && !session->name_matches) {
        fact.kind = FACT_KIND_CERT;
        fact.x509_verify = X509_V_ERR_HOSTNAME_MISMATCH;
        fact.text = view_of(session->names[0] ? session->names : session->subject);
    }
    return fact;
}

static void describe(struct tls_stream *tls, const struct tls_policy *policy,
                     struct tls_session *session) {
    io_no_switch_begin();
    tls->engine->ops->describe(tls->engine, policy, session);
    io_no_switch_end();
}

IO_WAITS static struct fact start(struct engine *engine, struct io_stream **stream,
                                  const struct tls_policy *policy, io_time deadline,
                                  struct tls_session *session) {
    struct tls_stream *tls = tls_stream_create(engine, *stream);
    struct fact fact = shake_hands(tls, deadline);
    tls->is_up = fact_is_ok(&fact);
    describe(tls, policy, session);
    if (!tls->is_up)
        fact = explain(tls, policy, fact, session);
    else if (policy)
        fact = judge(policy, session);
    else
        fact.tls_version = session->version;
    fact.bytes_sent = (int64_t)tls->bytes_sent;
    fact.bytes_received = (int64_t)tls->bytes_received;
    fact.at_ms = io_wall_ms();
    io_fact_add_tcp(&fact, *stream);
    *stream = fact_is_ok(&fact) ? &tls->stream : NULL;
    if (!*stream)
        io_close(&tls->stream);
    return fact;
}

struct fact tls_client_start(struct tls_context *context, struct io_stream **stream,
                             const struct tls_policy *policy, io_time deadline,
                             struct tls_session *session) {
    struct fact failure;
    ASSERT(*stream && policy);
    ASSERT(policy->check != TLS_CHECK_NAME || policy->n_names > 0);
    *session = (struct tls_session){0};
    struct engine *engine = double_engine_create(policy);
    if (!engine)
        engine = openssl_engine_create(context, policy, &failure);
    if (engine)
        return start(engine, stream, policy, deadline, session);
    io_close(*stream);
    *stream = NULL;
    return failure;
}

struct fact tls_server_start(struct tls_context *context, struct io_stream **stream,
                             io_time deadline, struct tls_session *session) {
    struct fact failure;
    ASSERT(*stream);
    *session = (struct tls_session){0};
    struct engine *engine = double_engine_create(NULL);
    if (!engine)
        engine = openssl_engine_create(context, NULL, &failure);
    if (engine)
        return start(engine, stream, NULL, deadline, session);
    io_close(*stream);
    *stream = NULL;
    return failure;
}
