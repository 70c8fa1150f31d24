// SPDX-License-Identifier: Apache-2.0
// The verbs of streams and listeners: what is asked of every kind, then the kind's own way.
#include "io/backend_internal.h"

struct io_result io_read(struct io_stream *stream, void *out, size_t size, io_time deadline) {
    ASSERT(stream && out && size > 0);
    return stream->ops->read(stream, out, size, deadline);
}

struct io_result io_write(struct io_stream *stream, const void *bytes, size_t len,
                          io_time deadline) {
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    return io_writev(stream, &part, 1, deadline);
}

struct io_result io_writev(struct io_stream *stream, const struct iovec *parts, int n_parts,
                           io_time deadline) {
    ASSERT(stream && n_parts >= 0);
    return stream->ops->write(stream, parts, n_parts, deadline);
}

void io_close(struct io_stream *stream) {
    if (stream)
        stream->ops->close(stream);
}

struct io_result io_connect(const struct address *peer, const struct io_connect_options *options,
                            io_time deadline, struct io_stream **stream) {
    ASSERT(peer->family == ADDRESS_IPV4 || peer->family == ADDRESS_IPV6);
    *stream = NULL;
    return backend_here()->connect(peer, options, deadline, stream);
}

struct io_result io_connect_unix(const char *path, io_time deadline, struct io_stream **stream) {
    ASSERT(path);
    *stream = NULL;
    return backend_here()->connect_unix(path, deadline, stream);
}

bool io_stream_tcp_info(struct io_stream *stream, struct io_tcp_info *info) {
    return backend_here()->tcp_info(stream, info);
}

bool io_stream_peer_ids(struct io_stream *stream, uid_t *uid, gid_t *gid) {
    return backend_here()->peer_ids(stream, uid, gid);
}

int io_stream_descriptor(struct io_stream *stream) {
    return backend_here()->descriptor(stream);
}

struct io_listener *io_listen(const struct address *address, bool is_shared, struct error *error) {
    return backend_here()->listen(address, is_shared, error);
}

struct io_listener *io_listen_unix(const char *path, mode_t mode, struct error *error) {
    return backend_here()->listen_unix(path, mode, error);
}

struct address io_listener_address(const struct io_listener *listener) {
    return listener->address;
}

void io_listener_adopt(struct io_listener *listener) {
    ASSERT(io_this_loop);
    listener->ops->adopt(listener);
}

struct io_result io_accept(struct io_listener *listener, io_time deadline,
                           struct io_stream **stream) {
    *stream = NULL;
    return listener->ops->accept(listener, deadline, stream);
}

void io_listener_close(struct io_listener *listener) {
    if (listener)
        listener->ops->close(listener);
}

void io_offload(void (*work)(void *arg), void *arg) {
    ASSERT(io_fiber_current() && work);
    backend_here()->offload(work, arg);
}
