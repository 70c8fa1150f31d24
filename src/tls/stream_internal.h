// SPDX-License-Identifier: Apache-2.0
// The stream around an engine: all waiting of tls/ happens in it.
#ifndef TLS_STREAM_INTERNAL_H
#define TLS_STREAM_INTERNAL_H

#include "tls/engine_internal.h"

struct tls_stream {
    struct io_stream stream;
    struct io_stream *below;
    struct engine *engine;
    char *in; // bytes off the wire; the engine's input is a view of them
    size_t in_size;
    bool in_was_filled;          // the last read took all of `in`: a larger one pays
    bool is_up;                  // the handshake is done, and TLS has not failed since
    bool is_aborted;             // the next close sends RST
    char first[TLS_FIRST_BYTES]; // of the peer
    size_t n_first;
    uint64_t bytes_received, bytes_sent; // on the wire
};

struct tls_stream *tls_stream_create(struct engine *engine, struct io_stream *below);
void tls_stream_destroy(struct tls_stream *tls); // the transport too
// Reads once from the wire; only while the engine's input is used up.
IO_WAITS struct io_result tls_stream_fill(struct tls_stream *tls, io_time deadline);
// Writes the engine's output to the wire. `bytes` counts what the wire took.
IO_WAITS struct io_result tls_stream_flush(struct tls_stream *tls, io_time deadline);

#endif
