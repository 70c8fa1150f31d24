// SPDX-License-Identifier: Apache-2.0
// Reading and writing through an engine. The engine's output is taken away from it before it is
// written, so that a fiber that reads may add to it while another one's write waits; what a read
// adds (the answer to a key update, RFC 8446 4.6.3) goes out with the next write.
#include "tls/stream_internal.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

enum {
    IN_BYTES_IDLE = 2048,            // what a session that waits for a command keeps
    IN_BYTES_BUSY = 16 * 1024 + 512, // about a record
    BATCH_RECORDS = 4                // encrypted before they are written together
};

size_t engine_take_input(struct engine *engine, void *out, size_t size) {
    size_t n = size_min(size, engine->input.len);
    if (n)
        memcpy(out, engine->input.ptr, n);
    engine->input = view_skip(engine->input, n);
    return n;
}

static struct tls_stream *tls_of(struct io_stream *stream) {
    return CONTAINER_OF(stream, struct tls_stream, stream);
}

static struct io_result result_ok(size_t bytes) {
    return (struct io_result){IO_OK, 0, -1, -1, bytes};
}

static struct io_result result_protocol(size_t bytes) {
    return (struct io_result){IO_ERROR, EPROTO, -1, -1, bytes};
}

struct io_result tls_stream_fill(struct tls_stream *tls, io_time deadline) {
    ASSERT(tls->engine->input.len == 0);
    size_t wanted = tls->in_was_filled ? IN_BYTES_BUSY : IN_BYTES_IDLE;
    if (tls->in_size != wanted) {
        free(tls->in);
        tls->in = mem_alloc(wanted);
        tls->in_size = wanted;
    }
    struct io_result result = io_read(tls->below, tls->in, tls->in_size, deadline);
    if (!io_is_ok(result))
        return result;
    ASSERT(result.bytes > 0 && result.bytes <= tls->in_size);
    tls->in_was_filled = result.bytes == tls->in_size;
    tls->bytes_received += result.bytes;
    size_t n = size_min(result.bytes, sizeof(tls->first) - tls->n_first);
    memcpy(tls->first + tls->n_first, tls->in, n);
    tls->n_first += n;
    tls->engine->input = view_from(tls->in, result.bytes);
    return result;
}

struct io_result tls_stream_flush(struct tls_stream *tls, io_time deadline) {
    struct buffer sending = tls->engine->output;
    if (sending.len == 0)
        return result_ok(0);
    buffer_init(&tls->engine->output, TLS_OUTPUT_BYTES_MAX);
    struct io_result result = io_write(tls->below, sending.ptr, sending.len, deadline);
    tls->bytes_sent += result.bytes;
    buffer_finish(&sending);
    return result;
}

// --- Reading ----------------------------------------------------------------------------------
static struct io_result tls_read(struct io_stream *stream, void *out, size_t size,
                                 io_time deadline) {
    struct tls_stream *tls = tls_of(stream);
    while (tls->is_up) {
        size_t n = 0;
        io_no_switch_begin();
        enum engine_status status = tls->engine->ops->decrypt(tls->engine, out, size, &n);
        io_no_switch_end();
        if (status == ENGINE_DONE)
            return result_ok(n);
        if (status == ENGINE_CLOSED)
            return (struct io_result){IO_EOF, 0, -1, -1, 0};
        if (status == ENGINE_FAILED) {
            tls->is_up = false;
            break;
        }
        struct io_result result = tls_stream_fill(tls, deadline);
        if (!io_is_ok(result))
            return result;
    }
    return result_protocol(0);
}

// --- Writing ----------------------------------------------------------------------------------
// What is left to encrypt, given out in whole records: small parts are copied together, large ones
// are encrypted where they lie.
struct plain {
    const struct iovec *parts;
    int n_parts;
    size_t offset; // within the first part
    char *gather;  // TLS_RECORD_BYTES_MAX, taken when needed
};

static void plain_skip_empty(struct plain *plain) {
    while (plain->n_parts > 0 && plain->offset == plain->parts->iov_len) {
        plain->parts++;
        plain->n_parts--;
        plain->offset = 0;
    }
}

static struct view plain_front(const struct plain *plain) {
    return view_skip(view_from(plain->parts->iov_base, plain->parts->iov_len), plain->offset);
}

static struct view plain_take(struct plain *plain) {
    struct view front = view_take(plain_front(plain), TLS_RECORD_BYTES_MAX);
    if (front.len == TLS_RECORD_BYTES_MAX || plain->n_parts == 1) {
        plain->offset += front.len;
        plain_skip_empty(plain);
        return front;
    }
    if (!plain->gather)
        plain->gather = mem_alloc(TLS_RECORD_BYTES_MAX);
    size_t len = 0;
    while (plain->n_parts > 0 && len < TLS_RECORD_BYTES_MAX) {
        front = view_take(plain_front(plain), TLS_RECORD_BYTES_MAX - len);
        memcpy(plain->gather + len, front.ptr, front.len);
        len += front.len;
        plain->offset += front.len;
        plain_skip_empty(plain);
    }
    return view_from(plain->gather, len);
}

struct batch {
    struct {
        size_t plain, wire; // where the record ends
    } records[BATCH_RECORDS];
    int n_records;
};

static enum engine_status batch_fill(struct tls_stream *tls, struct plain *plain,
                                     struct batch *batch) {
    size_t plain_end = 0;
    batch->n_records = 0;
    while (plain->n_parts > 0 && batch->n_records < BATCH_RECORDS) {
        struct view record = plain_take(plain);
        io_no_switch_begin();
        enum engine_status status = tls->engine->ops->encrypt(tls->engine, record);
        io_no_switch_end();
        if (status != ENGINE_DONE)
            return status;
        plain_end += record.len;
        batch->records[batch->n_records].plain = plain_end;
        batch->records[batch->n_records++].wire = tls->engine->output.len;
    }
    return ENGINE_DONE;
}

// How much plain text went out whole with the first `wire` bytes of the batch: a record that was
// cut cannot be read by the peer. It matters for the final dot.
static size_t batch_plain_bytes(const struct batch *batch, size_t wire) {
    size_t plain = 0;
    for (int i = 0; i < batch->n_records && batch->records[i].wire <= wire; i++)
        plain = batch->records[i].plain;
    return plain;
}

static struct io_result tls_write(struct io_stream *stream, const struct iovec *parts, int n_parts,
                                  io_time deadline) {
    struct tls_stream *tls = tls_of(stream);
    struct plain plain = {.parts = parts, .n_parts = n_parts};
    struct io_result result = tls->is_up ? result_ok(0) : result_protocol(0);
    size_t written = 0;
    plain_skip_empty(&plain);
    while (io_is_ok(result) && plain.n_parts > 0) {
        struct batch batch;
        if (batch_fill(tls, &plain, &batch) != ENGINE_DONE) {
            tls->is_up = false;
            result = result_protocol(0);
            break;
        }
        result = tls_stream_flush(tls, deadline);
        written += batch_plain_bytes(&batch, result.bytes);
    }
    free(plain.gather);
    result.bytes = written;
    return result;
}

// --- The end ----------------------------------------------------------------------------------
// Best effort: a deadline that has passed takes what the socket takes at once.
static void say_goodbye(struct tls_stream *tls) {
    if (!io_fiber_current() || io_is_canceled() || tls->is_aborted)
        return;
    if (tls->is_up) {
        io_no_switch_begin();
        tls->engine->ops->shutdown(tls->engine);
        io_no_switch_end();
    }
    tls_stream_flush(tls, io_now());
}

void tls_stream_destroy(struct tls_stream *tls) {
    io_close(tls->below);
    tls->engine->ops->destroy(tls->engine);
    free(tls->in);
    free(tls);
}

static void tls_close(struct io_stream *stream) {
    struct tls_stream *tls = tls_of(stream);
    say_goodbye(tls);
    tls_stream_destroy(tls);
}

static void tls_set_abort(struct io_stream *stream) {
    struct tls_stream *tls = tls_of(stream);
    tls->is_aborted = true;
    if (tls->below->ops->set_abort)
        tls->below->ops->set_abort(tls->below);
}

static const struct io_stream_ops tls_stream_ops = {
    .read = tls_read,
    .write = tls_write,
    .close = tls_close,
    .set_abort = tls_set_abort,
};

struct tls_stream *tls_stream_create(struct engine *engine, struct io_stream *below) {
    struct tls_stream *tls = mem_alloc_zero(sizeof(*tls));
    tls->stream = (struct io_stream){&tls_stream_ops, below->local, below->peer};
    tls->below = below;
    tls->engine = engine;
    return tls;
}

// --- Questions --------------------------------------------------------------------------------
struct fact tls_stream_failure(struct io_stream *stream, enum fact_stage stage) {
    struct fact fact = fact_make(stage, FACT_KIND_NONE);
    if (stream->ops == &tls_stream_ops && tls_of(stream)->engine->failure.kind != FACT_KIND_NONE)
        fact = tls_of(stream)->engine->failure;
    fact.stage = stage;
    fact.at_ms = io_wall_ms();
    return fact;
}

bool tls_stream_matches(struct io_stream *stream, const struct view *names, size_t n_names) {
    if (stream->ops != &tls_stream_ops)
        return false;
    struct engine *engine = tls_of(stream)->engine;
    io_no_switch_begin();
    bool matches = engine->ops->matches(engine, names, n_names);
    io_no_switch_end();
    return matches;
}

int tls_stream_verify_with(struct io_stream *stream, const struct view *certificates, size_t n,
                           char *next_url) {
    struct engine *engine = stream->ops == &tls_stream_ops ? tls_of(stream)->engine : NULL;
    next_url[0] = '\0';
    if (!engine || !engine->ops->verify_with)
        return X509_V_ERR_UNSPECIFIED;
    io_no_switch_begin();
    int found = engine->ops->verify_with(engine, certificates, n, next_url);
    io_no_switch_end();
    return found;
}

int tls_stream_verify_dane(struct io_stream *stream, struct tls_dane *dane) {
    struct engine *engine = stream->ops == &tls_stream_ops ? tls_of(stream)->engine : NULL;
    if (!engine || !engine->ops->verify_dane)
        return X509_V_ERR_UNSPECIFIED;
    io_no_switch_begin();
    int found = engine->ops->verify_dane(engine, dane);
    io_no_switch_end();
    return found;
}

struct io_stream *tls_stream_below(struct io_stream *stream) {
    return stream->ops == &tls_stream_ops ? tls_of(stream)->below : stream;
}
