// SPDX-License-Identifier: Apache-2.0
// Streams over TCP and unix sockets.
#include "io/parts_internal.h"
#include "io/socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct socket_stream *socket_of(struct io_stream *stream) {
    ASSERT(stream->ops == &socket_stream_ops);
    return CONTAINER_OF(stream, struct socket_stream, stream);
}

// A short read means that the socket is drained: the next byte brings a new edge, and a call that
// would only say EAGAIN is saved. Not so after a FIN, whose edge may have come before this read.
static struct io_result socket_read(struct io_stream *stream, void *out, size_t size,
                                    io_time deadline) {
    struct descriptor *descriptor = &socket_of(stream)->descriptor;
    descriptor_check(descriptor, &descriptor->readers);
    bool is_last = false;
    enum io_status status = fiber_enter_wait();
    while (status == IO_OK) {
        if (!descriptor->is_readable) {
            status = descriptor_await_read(descriptor, deadline, &is_last, "read");
            continue;
        }
        ssize_t got = recv(descriptor->number, out, size, 0);
        if (got == 0)
            return result_of(IO_EOF);
        if (got > 0) {
            if ((size_t)got < size && !descriptor->is_hung_up)
                descriptor->is_readable = false;
            fiber_spend(io_this_loop);
            return result_moved(IO_OK, (size_t)got);
        }
        if (errno == EAGAIN)
            descriptor->is_readable = false;
        else if (errno != EINTR)
            return result_errno(errno);
    }
    return result_of(status);
}

static ssize_t send_some(int number, struct parts *parts) {
    const struct iovec *next;
    int n_next = parts_next(parts, &next);
    if (n_next == 1)
        return send(number, next->iov_base, next->iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)next,
                             .msg_iovlen = (size_t)n_next};
    return sendmsg(number, &message, MSG_NOSIGNAL);
}

static struct io_result socket_write(struct io_stream *stream, const struct iovec *first,
                                     int n_parts, io_time deadline) {
    struct descriptor *descriptor = &socket_of(stream)->descriptor;
    descriptor_check(descriptor, &descriptor->writers);
    struct parts parts;
    parts_init(&parts, first, n_parts);
    struct io_result result = result_of(fiber_enter_wait());
    while (result.status == IO_OK && parts.n_left > 0) {
        if (!descriptor->is_writable) {
            result.status = descriptor_await_write(descriptor, deadline, "write");
            result.sys_errno = result.status == IO_ERROR ? errno : 0;
            continue;
        }
        ssize_t sent = send_some(descriptor->number, &parts);
        if (sent >= 0) {
            parts_skip(&parts, (size_t)sent);
            result.bytes += (size_t)sent;
            fiber_spend(io_this_loop);
        } else if (errno == EAGAIN) {
            descriptor->is_writable = false;
        } else if (errno != EINTR) {
            result.status = IO_ERROR;
            result.sys_errno = errno;
        }
    }
    return result;
}

static void socket_close(struct io_stream *stream) {
    struct socket_stream *socket = socket_of(stream);
    ASSERT(socket->descriptor.loop == io_this_loop);
    descriptor_close(&socket->descriptor);
    free(socket);
}

static void socket_set_abort(struct io_stream *stream) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_of(stream)->descriptor.number, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

const struct io_stream_ops socket_stream_ops = {
    .read = socket_read,
    .write = socket_write,
    .close = socket_close,
    .set_abort = socket_set_abort,
};

struct socket_stream *socket_stream_create(int number, const struct address *peer) {
    struct socket_stream *socket = mem_alloc_zero(sizeof(*socket));
    socket->stream.ops = &socket_stream_ops;
    socket->stream.peer = *peer;
    descriptor_init(&socket->descriptor, number);
    socket->descriptor.is_writable = true;
    socket->descriptor.loop = io_this_loop;
    return socket;
}

bool socket_peer_ids(struct io_stream *stream, uid_t *uid, gid_t *gid) {
    struct ucred ids;
    socklen_t len = sizeof(ids);
    if (stream->ops != &socket_stream_ops || stream->peer.family != ADDRESS_UNIX ||
        getsockopt(socket_of(stream)->descriptor.number, SOL_SOCKET, SO_PEERCRED, &ids, &len) != 0)
        return false;
    *uid = ids.uid;
    *gid = ids.gid;
    return true;
}

int socket_descriptor(struct io_stream *stream) {
    return stream->ops == &socket_stream_ops ? socket_of(stream)->descriptor.number : -1;
}
