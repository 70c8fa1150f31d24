// SPDX-License-Identifier: Apache-2.0
// Outgoing connections.
#include "io/socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
// After the socket headers: it needs their types.
#include <linux/errqueue.h>

enum { UNIX_RETRY_MS = 5 };

static void set_option(int number, int level, int name, int value) {
    setsockopt(number, level, name, &value, sizeof(value));
}

// While it connects, ICMP errors are queued with their type and code (ip(7), IP_RECVERR). Once the
// connection stands this ends: it would make passing errors fatal.
static void set_icmp_reports(int number, enum address_family family, bool is_on) {
    if (family == ADDRESS_IPV6)
        set_option(number, IPPROTO_IPV6, IPV6_RECVERR, is_on);
    else
        set_option(number, IPPROTO_IP, IP_RECVERR, is_on);
}

static bool bind_source(int number, const struct address *source) {
    struct sockaddr_storage name;
    if (source->family == ADDRESS_NONE)
        return true;
    // The port is chosen at connect, where the peer is known: more than 28,000 fit then.
    if (source->port == 0)
        set_option(number, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    socklen_t len = address_to_sockaddr(source, &name);
    return bind(number, (struct sockaddr *)&name, len) == 0;
}

// Without the queue of ICMP messages the limit would tell nothing. False with errno.
static bool set_hop_limit(int number, enum address_family family, int limit) {
    int is_on = 1;
    bool is_v6 = family == ADDRESS_IPV6;
    return setsockopt(number, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_UNICAST_HOPS : IP_TTL,
                      &limit, sizeof(limit)) == 0 &&
           setsockopt(number, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVERR : IP_RECVERR,
                      &is_on, sizeof(is_on)) == 0;
}

static bool set_up(int number, const struct address *peer,
                   const struct io_connect_options *options) {
    set_option(number, IPPROTO_TCP, TCP_NODELAY, 1);
    set_icmp_reports(number, peer->family, true);
    if (!options)
        return true;
    if (options->mss_clamp > 0)
        set_option(number, IPPROTO_TCP, TCP_MAXSEG, options->mss_clamp);
    if (options->hop_limit > 0 && !set_hop_limit(number, peer->family, options->hop_limit))
        return false;
    return bind_source(number, &options->source);
}

static struct address own_address(int number) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof(name);
    struct address address = {0};
    if (getsockname(number, (struct sockaddr *)&name, &len) == 0)
        address_from_sockaddr((struct sockaddr *)&name, &address);
    return address;
}

// A packet filter of this machine that rejects what we send lets the error come from our own
// address. (Unreachable hosts are reported in this way too: nobody answered for them.)
static bool is_own_filter(int number, struct sock_extended_err *extended, bool is_v4) {
    enum { V4_PORT = 3, V4_NET_PROHIBITED = 9, V4_HOST_PROHIBITED = 10, V4_PROHIBITED = 13 };
    enum { V6_PROHIBITED = 1, V6_PORT = 4 };
    struct address offender = {0}, own = own_address(number);
    unsigned code = extended->ee_code;
    bool is_rule = is_v4 ? code == V4_PORT || code == V4_NET_PROHIBITED ||
                               code == V4_HOST_PROHIBITED || code == V4_PROHIBITED
                         : code == V6_PROHIBITED || code == V6_PORT;
    return is_rule && address_from_sockaddr(SO_EE_OFFENDER(extended), &offender) &&
           address_equals(&offender, &own);
}

// Who sent it; NONE where our own stack did, since nobody answered.
static struct address router_of(int number, struct sock_extended_err *extended) {
    struct address router = {0}, own = own_address(number);
    if (!address_from_sockaddr(SO_EE_OFFENDER(extended), &router) || address_equals(&router, &own))
        return (struct address){0};
    router.port = 0;
    return router;
}

static void read_icmp(int number, struct io_result *result) {
    union {
        struct cmsghdr header;
        char bytes[256];
    } control;
    char data[64];
    struct iovec part = {data, sizeof(data)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    if (recvmsg(number, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
        struct {
            struct sock_extended_err error;
            struct sockaddr_in6 offender; // of either family
        } extended = {0};
        bool is_v4 = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR;
        bool is_v6 = at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR;
        if ((!is_v4 && !is_v6) || at->cmsg_len < CMSG_LEN(sizeof(extended.error)))
            continue;
        memcpy(&extended, CMSG_DATA(at), size_min(sizeof(extended), at->cmsg_len - CMSG_LEN(0)));
        struct sock_extended_err *error = &extended.error;
        if (error->ee_origin != SO_EE_ORIGIN_ICMP && error->ee_origin != SO_EE_ORIGIN_ICMP6)
            continue;
        if (is_own_filter(number, error, is_v4)) {
            result->sys_errno = EPERM;
            continue;
        }
        result->icmp_type = error->ee_type;
        result->icmp_code = error->ee_code;
        result->icmp_from = router_of(number, error);
    }
}

static struct io_result failed(int number, int sys_errno) {
    struct io_result result = result_errno(sys_errno);
    read_icmp(number, &result);
    return result;
}

static struct io_result await_connection(struct socket_stream *socket, io_time deadline) {
    struct descriptor *descriptor = &socket->descriptor;
    int sys_errno = 0;
    socklen_t len = sizeof(sys_errno);
    if (!descriptor_register(descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP))
        return result_errno(errno);
    enum io_status status = descriptor_await_write(descriptor, deadline, "connect");
    if (status == IO_ERROR)
        return result_errno(errno);
    if (status != IO_OK)
        return result_of(status);
    getsockopt(descriptor->number, SOL_SOCKET, SO_ERROR, &sys_errno, &len);
    return sys_errno ? failed(descriptor->number, sys_errno) : result_of(IO_OK);
}

static struct io_result connect_socket(struct socket_stream *socket,
                                       const struct io_connect_options *options, io_time deadline) {
    int number = socket->descriptor.number;
    const struct address *peer = &socket->stream.peer;
    struct sockaddr_storage name;
    if (!set_up(number, peer, options))
        return result_errno(errno);
    socklen_t len = address_to_sockaddr(peer, &name);
    int done;
    do
        done = connect(number, (struct sockaddr *)&name, len);
    while (done != 0 && errno == EINTR);
    if (done != 0 && errno != EINPROGRESS && errno != EALREADY)
        return failed(number, errno);
    struct io_result result = await_connection(socket, deadline);
    if (result.status != IO_OK)
        return result;
    set_icmp_reports(number, peer->family, false);
    socket->stream.local = own_address(number);
    // A port of this machine that nobody listens on may connect to itself (RFC 9293 3.5 allows
    // both ends to open at once).
    if (address_equals_port(&socket->stream.local, peer))
        return result_errno(ECONNREFUSED);
    return result;
}

struct io_result socket_connect(const struct address *peer,
                                const struct io_connect_options *options, io_time deadline,
                                struct io_stream **stream) {
    int family = peer->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    enum io_status status = fiber_enter_wait();
    if (status != IO_OK)
        return result_of(status);
    int number = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0)
        return result_errno(errno);
    struct socket_stream *socket = socket_stream_create(number, peer);
    struct io_result result = connect_socket(socket, options, deadline);
    if (result.status == IO_OK)
        *stream = &socket->stream;
    else
        io_close(&socket->stream);
    return result;
}

// Connecting a datagram socket chooses the route and sends nothing.
bool io_source_for(const struct address *peer, struct address *source) {
    struct sockaddr_storage name;
    int family = peer->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    int number = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = address_to_sockaddr(peer, &name);
    *source = (struct address){.family = ADDRESS_NONE};
    bool is_routed = number >= 0 && connect(number, (struct sockaddr *)&name, len) == 0;
    if (is_routed)
        *source = own_address(number);
    if (number >= 0)
        close(number);
    return is_routed;
}

static bool unix_name(const char *path, struct sockaddr_un *name) {
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(name->sun_path, path, strlen(path));
    return true;
}

// A unix socket connects at once or, with the listener's backlog full, says EAGAIN and sends no
// edge when there is room.
static struct io_result connect_unix(int number, const struct sockaddr_un *name, io_time deadline) {
    while (connect(number, (const struct sockaddr *)name, sizeof(*name)) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return result_errno(errno);
        if (io_now() >= deadline)
            return result_of(IO_TIMEOUT);
        struct io_result slept = io_sleep(int64_min(deadline, io_after(UNIX_RETRY_MS)));
        if (slept.status == IO_CANCELED)
            return slept;
    }
    return result_of(IO_OK);
}

struct io_result socket_connect_unix(const char *path, io_time deadline,
                                     struct io_stream **stream) {
    static const struct address peer = {.family = ADDRESS_UNIX};
    struct sockaddr_un name;
    enum io_status status = fiber_enter_wait();
    if (status != IO_OK)
        return result_of(status);
    if (!unix_name(path, &name))
        return result_errno(errno);
    int number = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0)
        return result_errno(errno);
    struct socket_stream *socket = socket_stream_create(number, &peer);
    socket->stream.local = peer;
    struct io_result result = connect_unix(number, &name, deadline);
    if (result.status == IO_OK && !descriptor_register(&socket->descriptor, EPOLLIN | EPOLLRDHUP))
        result = result_errno(errno);
    if (result.status == IO_OK)
        *stream = &socket->stream;
    else
        io_close(&socket->stream);
    return result;
}
