// SPDX-License-Identifier: Apache-2.0
// One question to one server over UDP. It finds out what libunbound does not tell: whether the
// server answers at all, with which rcode, and with which extended error (RFC 8914). Its answers
// decide what a failure is called, never where mail goes.
#include "dns/resolver_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { REPLY_BYTES_MAX = 4096, REPLIES_MAX = 16 };

struct exchange {
    const struct address *server;
    struct view query;
    io_time deadline;
    int descriptor;
    uint16_t id;
    struct io_event readable;
    char *bytes; // of the reply
    size_t len;
};

static void wake(uint32_t epoll_events, void *arg) {
    io_event_set(arg);
}

static struct io_result result_of(enum io_status status, int sys_errno) {
    return (struct io_result){
        .status = status, .sys_errno = sys_errno, .icmp_type = -1, .icmp_code = -1};
}

// A socket that hears of ICMP errors although it is not connected; -1 with errno.
static int open_socket(const struct address *server) {
    int on = 1;
    bool is_ipv4 = server->family == ADDRESS_IPV4;
    int descriptor =
        socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (is_ipv4)
        setsockopt(descriptor, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
    else
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
    return descriptor;
}

static bool send_question(const struct exchange *exchange) {
    struct sockaddr_storage to;
    socklen_t to_len = address_to_sockaddr(exchange->server, &to);
    ssize_t sent = sendto(exchange->descriptor, exchange->query.ptr, exchange->query.len, 0,
                          (struct sockaddr *)&to, to_len);
    return sent == (ssize_t)exchange->query.len;
}

// IO_OK when the reply has come, IO_TIMEOUT when it has not (yet).
static struct io_result read_reply(struct exchange *exchange) {
    for (int i = 0; i < REPLIES_MAX; i++) {
        struct sockaddr_storage from;
        struct address sender;
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(exchange->descriptor, exchange->bytes, REPLY_BYTES_MAX, 0,
                               (struct sockaddr *)&from, &from_len);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (len < 0)
            return result_of(IO_ERROR, errno);
        exchange->len = (size_t)len;
        if (address_from_sockaddr((struct sockaddr *)&from, &sender) &&
            address_equals_port(&sender, exchange->server) &&
            dns_reply_has_id(view_from(exchange->bytes, exchange->len), exchange->id))
            return result_of(IO_OK, 0);
    }
    return result_of(IO_TIMEOUT, 0);
}

static struct io_result converse(struct exchange *exchange) {
    if (!send_question(exchange))
        return result_of(IO_ERROR, errno);
    for (;;) {
        struct io_result wait = io_event_wait(&exchange->readable, exchange->deadline);
        io_event_clear(&exchange->readable);
        struct io_result got = read_reply(exchange);
        if (got.status != IO_TIMEOUT)
            return got;
        if (!io_is_ok(wait))
            return wait;
    }
}

struct io_result dns_direct_exchange(const struct dns_direct *question, struct view query,
                                     struct arena *arena, struct view *packet) {
    ASSERT(query.len >= 2);
    const unsigned char *bytes = (const unsigned char *)query.ptr;
    struct exchange exchange = {.server = question->server,
                                .query = query,
                                .deadline = question->deadline,
                                .descriptor = open_socket(question->server),
                                .id = (uint16_t)(bytes[0] << 8 | bytes[1]),
                                .bytes = arena_alloc(arena, REPLY_BYTES_MAX)};
    if (exchange.descriptor < 0)
        return result_of(IO_ERROR, errno);
    io_event_init(&exchange.readable);
    struct io_watch *watch = io_watch_add(exchange.descriptor, EPOLLIN, wake, &exchange.readable);
    struct io_result result =
        watch && exchange.bytes ? converse(&exchange) : result_of(IO_ERROR, ENOMEM);
    io_watch_remove(watch);
    close(exchange.descriptor);
    *packet = view_from(exchange.bytes, exchange.len);
    return result;
}

struct io_result dns_direct_ask(const struct dns_direct *question, struct arena *arena,
                                struct dns_reply *reply) {
    unsigned char query[DNS_QUERY_BYTES_MAX];
    struct view packet;
    size_t len = dns_query_write(query, (uint16_t)io_random_u64(), question->name, question->type,
                                 question->want_dnssec);
    struct io_result result = dns_direct_exchange(question, view_from(query, len), arena, &packet);
    if (io_is_ok(result))
        dns_reply_read(packet, question->name, question->type, arena, reply);
    return result;
}
