// SPDX-License-Identifier: Apache-2.0
// The engine of simulations: the framing of TLS without its cryptography, so that a run is
// repeatable and bytes cost what they cost in TLS. Handshakes fail as the test decides.
//
// A frame is type, 0x03 0x7f, length (two bytes), payload. The client sends a hello, the server
// decides and answers with one, then the client decides.
#include "tls/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { FRAME_ALERT = 21, FRAME_HELLO = 22, FRAME_DATA = 23 };
enum { HEADER_BYTES = 5, VERSION_MAJOR = 0x03, VERSION_MINOR = 0x7f };
enum { ALERT_CLOSE_NOTIFY = 0, ALERT_UNEXPECTED_MESSAGE = 10, ALERT_HANDSHAKE_FAILURE = 40 };

static _Thread_local struct {
    struct fact (*decide)(bool is_server, const struct tls_policy *policy, void *arg);
    void *arg;
} installed;

void tls_double_install(struct fact (*decide)(bool is_server, const struct tls_policy *policy,
                                              void *arg),
                        void *arg) {
    installed.decide = decide;
    installed.arg = arg;
}

struct double_engine {
    struct engine engine;
    const struct tls_policy *policy; // NULL: server; holds during the handshake only
    bool is_server;
    bool said_hello;
    int x509_verify;
    struct buffer frame; // as far as it has come
    size_t used;         // of the frame's payload
};

static struct double_engine *double_of(struct engine *engine) {
    return CONTAINER_OF(engine, struct double_engine, engine);
}

static void put_frame(struct double_engine *self, unsigned char type, struct view payload) {
    unsigned char header[HEADER_BYTES] = {type, VERSION_MAJOR, VERSION_MINOR,
                                          (unsigned char)(payload.len >> 8),
                                          (unsigned char)payload.len};
    ASSERT(payload.len <= UINT16_MAX);
    buffer_append(&self->engine.output, header, sizeof(header));
    buffer_append_view(&self->engine.output, payload);
}

static void put_alert(struct double_engine *self, int alert) {
    char payload[2] = {alert == ALERT_CLOSE_NOTIFY ? 1 : 2, (char)alert};
    put_frame(self, FRAME_ALERT, view_from(payload, sizeof(payload)));
}

static enum engine_status fail(struct double_engine *self, int alert, bool is_from_peer) {
    struct fact *failure = &self->engine.failure;
    *failure = fact_make(FACT_STAGE_TLS, FACT_KIND_TLS);
    failure->tls_alert = alert;
    failure->tls_alert_from_peer = is_from_peer;
    failure->text = VIEW("simulated");
    if (!is_from_peer)
        put_alert(self, alert);
    return ENGINE_FAILED;
}

// A fact of kind OK lets the handshake go on.
static enum engine_status ask_test(struct double_engine *self) {
    struct fact fact = installed.decide
                           ? installed.decide(self->is_server, self->policy, installed.arg)
                           : fact_make(FACT_STAGE_TLS, FACT_KIND_OK);
    self->x509_verify = fact.x509_verify;
    if (fact_is_ok(&fact))
        return ENGINE_DONE;
    fail(self, fact.tls_alert >= 0 ? fact.tls_alert : ALERT_HANDSHAKE_FAILURE, false);
    self->engine.failure = fact;
    return ENGINE_FAILED;
}

// Takes bytes until the frame has `wanted` of them.
static bool grow_frame(struct double_engine *self, size_t wanted) {
    size_t missing = wanted - size_min(wanted, self->frame.len);
    char *room = buffer_reserve(&self->frame, missing);
    ASSERT(room != NULL);
    size_t n = missing ? engine_take_input(&self->engine, room, missing) : 0;
    if (n)
        buffer_advance(&self->frame, n);
    return n == missing;
}

// DONE with a whole frame.
static enum engine_status take_frame(struct double_engine *self) {
    if (!grow_frame(self, HEADER_BYTES))
        return ENGINE_WANTS_INPUT;
    const unsigned char *header = (const unsigned char *)self->frame.ptr;
    if (header[0] < FRAME_ALERT || header[0] > FRAME_DATA || header[1] != VERSION_MAJOR ||
        header[2] != VERSION_MINOR)
        return fail(self, ALERT_UNEXPECTED_MESSAGE, false);
    if (!grow_frame(self, HEADER_BYTES + ((size_t)header[3] << 8 | header[4])))
        return ENGINE_WANTS_INPUT;
    if (self->frame.ptr[0] != FRAME_ALERT || self->frame.len < HEADER_BYTES + 2)
        return ENGINE_DONE;
    int alert = (unsigned char)self->frame.ptr[HEADER_BYTES + 1];
    return alert == ALERT_CLOSE_NOTIFY ? ENGINE_CLOSED : fail(self, alert, true);
}

static void drop_frame(struct double_engine *self) {
    buffer_clear(&self->frame);
    self->used = 0;
}

static enum engine_status say_hello(struct double_engine *self) {
    put_frame(self, FRAME_HELLO, VIEW("hello"));
    self->said_hello = true;
    return ENGINE_DONE;
}

static enum engine_status double_handshake(struct engine *engine) {
    struct double_engine *self = double_of(engine);
    if (!self->is_server && !self->said_hello)
        say_hello(self);
    enum engine_status status = take_frame(self);
    if (status != ENGINE_DONE)
        return status;
    if (self->frame.ptr[0] != FRAME_HELLO)
        return fail(self, ALERT_UNEXPECTED_MESSAGE, false);
    drop_frame(self);
    status = ask_test(self);
    self->policy = NULL;
    return status == ENGINE_DONE && self->is_server ? say_hello(self) : status;
}

static enum engine_status double_decrypt(struct engine *engine, void *out, size_t size, size_t *n) {
    struct double_engine *self = double_of(engine);
    for (;;) {
        enum engine_status status = take_frame(self);
        if (status != ENGINE_DONE)
            return status;
        if (self->frame.ptr[0] != FRAME_DATA)
            return fail(self, ALERT_UNEXPECTED_MESSAGE, false);
        if (self->frame.len > HEADER_BYTES)
            break;
        drop_frame(self);
    }
    struct view payload = view_skip(buffer_view(&self->frame), HEADER_BYTES + self->used);
    *n = size_min(size, payload.len);
    memcpy(out, payload.ptr, *n);
    self->used += *n;
    if (*n == payload.len)
        drop_frame(self);
    return ENGINE_DONE;
}

static enum engine_status double_encrypt(struct engine *engine, struct view plain) {
    put_frame(double_of(engine), FRAME_DATA, plain);
    return ENGINE_DONE;
}

static void double_shutdown(struct engine *engine) {
    put_alert(double_of(engine), ALERT_CLOSE_NOTIFY);
}

static void double_describe(struct engine *engine, const struct tls_policy *policy,
                            struct tls_session *session) {
    struct double_engine *self = double_of(engine);
    session->version = 0x0304;
    session->x509_verify = self->x509_verify;
    session->name_matches = self->x509_verify == 0;
    session->n_chain = self->is_server ? 0 : 1;
    snprintf(session->description, sizeof(session->description), "TLSv1.3 SIMULATED");
    snprintf(session->subject, sizeof(session->subject), "CN=simulated");
}

static bool double_matches(struct engine *engine, const struct view *names, size_t n_names) {
    return double_of(engine)->x509_verify == 0;
}

static void double_destroy(struct engine *engine) {
    struct double_engine *self = double_of(engine);
    buffer_finish(&self->frame);
    buffer_finish(&engine->output);
    free(self);
}

static const struct engine_ops double_ops = {
    .handshake = double_handshake,
    .decrypt = double_decrypt,
    .encrypt = double_encrypt,
    .shutdown = double_shutdown,
    .describe = double_describe,
    .matches = double_matches,
    .destroy = double_destroy,
};

struct engine *double_engine_create(const struct tls_policy *policy) {
    if (!installed.decide)
        return NULL;
    struct double_engine *self = mem_alloc_zero(sizeof(*self));
    self->engine.ops = &double_ops;
    self->policy = policy;
    self->is_server = !policy;
    buffer_init(&self->engine.output, TLS_OUTPUT_BYTES_MAX);
    buffer_init(&self->frame, HEADER_BYTES + UINT16_MAX);
    return &self->engine;
}
