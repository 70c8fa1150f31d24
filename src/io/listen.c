// SPDX-License-Identifier: Apache-2.0
// Listening sockets.
#include "io/socket_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHORTAGE_PAUSE_MS = 50 };

struct socket_listener {
    struct io_listener listener;
    struct descriptor descriptor;
    // Given up for a moment when the process has no other descriptor left, so that the connection
    // can be taken and closed instead of being announced for ever.
    int reserve;
    char *path; // of a unix socket; removed at close, unless it is another's by then
    ino_t inode;
};

static const struct listener_ops socket_listener_ops;

static struct socket_listener *listener_of(struct io_listener *listener) {
    ASSERT(listener->ops == &socket_listener_ops);
    return CONTAINER_OF(listener, struct socket_listener, listener);
}

static int open_reserve(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static struct socket_listener *create(int number) {
    struct socket_listener *listener = mem_alloc_zero(sizeof(*listener));
    listener->listener.ops = &socket_listener_ops;
    descriptor_init(&listener->descriptor, number);
    listener->reserve = open_reserve();
    return listener;
}

static bool bind_and_listen(int number, const struct address *address, bool is_shared) {
    struct sockaddr_storage name;
    int on = 1;
    setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); // each accepted socket inherits it
    if (is_shared)
        setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->family == ADDRESS_IPV6)
        setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    socklen_t len = address_to_sockaddr(address, &name);
    return bind(number, (struct sockaddr *)&name, len) == 0 && listen(number, SOMAXCONN) == 0;
}

static struct io_listener *failed(struct error *error, int number, int sys_errno,
                                  const char *where) {
    if (number >= 0)
        close(number);
    error_set_errno(error, sys_errno, "cannot listen on %s", where);
    return NULL;
}

struct io_listener *socket_listen(const struct address *address, bool is_shared,
                                  struct error *error) {
    char where[ADDRESS_TEXT_SIZE];
    int family = address->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    ASSERT(address->family == ADDRESS_IPV4 || address->family == ADDRESS_IPV6);
    address_format_port(address, where, sizeof(where));
    int number = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0 || !bind_and_listen(number, address, is_shared))
        return failed(error, number, errno, where);
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    struct socket_listener *listener = create(number);
    getsockname(number, (struct sockaddr *)&name, &len);
    address_from_sockaddr((struct sockaddr *)&name, &listener->listener.address);
    return &listener->listener;
}

// Only a socket that nobody listens on any more is removed; another file of that name is an error.
// A datagram socket asks without leaving a connection behind: a living stream socket answers
// EPROTOTYPE, a dead one ECONNREFUSED.
static void remove_stale(const struct sockaddr_un *name) {
    struct stat stat;
    if (lstat(name->sun_path, &stat) != 0 || !S_ISSOCK(stat.st_mode))
        return;
    int number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(number, (const struct sockaddr *)name, sizeof(*name)) != 0 && errno == ECONNREFUSED)
        unlink(name->sun_path);
    if (number >= 0)
        close(number);
}

struct io_listener *socket_listen_unix(const char *path, mode_t mode, struct error *error) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name.sun_path))
        return failed(error, -1, ENAMETOOLONG, path);
    memcpy(name.sun_path, path, strlen(path));
    remove_stale(&name);
    int number = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // The mode is set before anybody can connect: listen comes last.
    if (number < 0 || bind(number, (struct sockaddr *)&name, sizeof(name)) != 0 ||
        chmod(path, mode) != 0 || listen(number, SOMAXCONN) != 0)
        return failed(error, number, errno, path);
    struct socket_listener *listener = create(number);
    listener->listener.address.family = ADDRESS_UNIX;
    listener->path = mem_copy_string(path);
    struct stat stat;
    if (lstat(path, &stat) == 0)
        listener->inode = stat.st_ino;
    return &listener->listener;
}

static void listener_adopt(struct io_listener *base) {
    struct descriptor *descriptor = &listener_of(base)->descriptor;
    ASSERT(!descriptor->events || descriptor->loop == io_this_loop);
    if (!descriptor->events)
        ASSERT(descriptor_register(descriptor, EPOLLIN));
}

static bool is_passing(int sys_errno) {
    // accept(2): errors of the connection that waited; the next one may be well.
    switch (sys_errno) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case ENONET:
    case EOPNOTSUPP:
    case EPERM: return true;
    default: return false;
    }
}

// Takes the first connection that waits and closes it. False: none waited, the kernel had only
// looked for a descriptor first.
static bool shed(struct socket_listener *listener) {
    if (listener->reserve >= 0)
        close(listener->reserve);
    int taken = accept4(listener->descriptor.number, NULL, NULL, SOCK_CLOEXEC);
    bool is_none = taken < 0 && errno == EAGAIN;
    if (taken >= 0)
        close(taken);
    listener->reserve = open_reserve();
    // Without a reserve nothing was shed: the pause keeps the caller from spinning.
    if (taken < 0 && !is_none)
        io_sleep(io_after(SHORTAGE_PAUSE_MS));
    return !is_none;
}

// Of an accept that failed: IO_OK means try again.
static struct io_result accept_failed(struct socket_listener *listener, int sys_errno) {
    if (is_passing(sys_errno))
        return result_of(IO_OK);
    if (sys_errno == EAGAIN || ((sys_errno == EMFILE || sys_errno == ENFILE) && !shed(listener))) {
        listener->descriptor.is_readable = false;
        return result_of(IO_OK);
    }
    if (sys_errno == ENOMEM || sys_errno == ENOBUFS)
        io_sleep(io_after(SHORTAGE_PAUSE_MS));
    return result_errno(sys_errno);
}

static struct io_result make_stream(struct socket_listener *listener, int number,
                                    const struct sockaddr_storage *name,
                                    struct io_stream **stream) {
    struct address peer = {.family = ADDRESS_UNIX};
    if (!listener->path)
        address_from_sockaddr((const struct sockaddr *)name, &peer);
    struct socket_stream *socket = socket_stream_create(number, &peer);
    socket->stream.local = listener->listener.address;
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    if (!listener->path && address_is_unspecified(&listener->listener.address) &&
        getsockname(number, (struct sockaddr *)&own, &len) == 0)
        address_from_sockaddr((struct sockaddr *)&own, &socket->stream.local);
    if (!descriptor_register(&socket->descriptor, EPOLLIN | EPOLLRDHUP)) {
        int sys_errno = errno;
        io_close(&socket->stream);
        return result_errno(sys_errno);
    }
    *stream = &socket->stream;
    fiber_spend(io_this_loop);
    return result_of(IO_OK);
}

static struct io_result listener_accept(struct io_listener *base, io_time deadline,
                                        struct io_stream **stream) {
    struct socket_listener *listener = listener_of(base);
    struct descriptor *descriptor = &listener->descriptor;
    listener_adopt(base);
    descriptor_check(descriptor, &descriptor->readers);
    bool is_last = false;
    struct io_result result = result_of(fiber_enter_wait());
    while (result.status == IO_OK) {
        if (!descriptor->is_readable) {
            result.status = descriptor_await_read(descriptor, deadline, &is_last, "accept");
            continue;
        }
        struct sockaddr_storage name = {0};
        socklen_t len = sizeof(name);
        int number = accept4(descriptor->number, (struct sockaddr *)&name, &len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (number >= 0)
            return make_stream(listener, number, &name, stream);
        result = accept_failed(listener, errno);
    }
    return result;
}

static void listener_close(struct io_listener *base) {
    struct socket_listener *listener = listener_of(base);
    descriptor_close(&listener->descriptor);
    if (listener->reserve >= 0)
        close(listener->reserve);
    struct stat stat;
    if (listener->path && lstat(listener->path, &stat) == 0 && stat.st_ino == listener->inode)
        unlink(listener->path);
    free(listener->path);
    free(listener);
}

static const struct listener_ops socket_listener_ops = {
    .adopt = listener_adopt,
    .accept = listener_accept,
    .close = listener_close,
};
