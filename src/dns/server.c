// SPDX-License-Identifier: Apache-2.0
// One question to one server: over UDP, and again over TCP where the answer does not fit (RFC 7766
// 5).
#include "dns/resolver_internal.h"

#include <errno.h>

enum { TCP_BYTES_MAX = 65535, FLAG_RD = 0x01, FLAG_CD = 0x10 };

// --- The question -----------------------------------------------------------------------------
static unsigned type_number(enum dns_server_type type) {
    static const unsigned numbers[] = {DNS_TYPE_A,  DNS_TYPE_AAAA, DNS_TYPE_NS,    DNS_TYPE_SOA,
                                       DNS_TYPE_MX, DNS_TYPE_DS,   DNS_TYPE_DNSKEY};
    ASSERT((unsigned)type < ARRAY_LEN(numbers));
    return numbers[type];
}

static size_t write_query(const struct dns_server_question *question,
                          unsigned char out[DNS_QUERY_BYTES_MAX]) {
    size_t len = dns_query_write(out, (uint16_t)io_random_u64(), question->name,
                                 type_number(question->type), question->wants_dnssec);
    out[2] = question->wants_recursion ? FLAG_RD : 0;
    out[3] = question->checking_disabled ? FLAG_CD : 0;
    return len;
}

// --- TCP --------------------------------------------------------------------------------------
IO_WAITS static struct io_result read_all(struct io_stream *stream, void *out, size_t len,
                                          io_time deadline) {
    size_t n = 0;
    struct io_result result = {.status = IO_OK};
    while (n < len && io_is_ok(result)) {
        result = io_read(stream, (char *)out + n, len - n, deadline);
        n += result.bytes;
    }
    return n == len ? (struct io_result){.status = IO_OK, .bytes = n} : result;
}

IO_WAITS static struct io_result exchange_over_tcp(const struct dns_server_question *question,
                                                   struct view query, struct arena *arena,
                                                   struct view *packet) {
    struct io_connect_options options = {.source = {.family = ADDRESS_NONE}};
    struct io_stream *stream;
    unsigned char head[2] = {(unsigned char)(query.len >> 8), (unsigned char)query.len};
    struct iovec parts[2] = {{head, 2}, {(void *)(uintptr_t)query.ptr, query.len}};
    struct io_result result = io_connect(&question->server, &options, question->deadline, &stream);
    if (!io_is_ok(result))
        return result;
    result = io_writev(stream, parts, 2, question->deadline);
    if (io_is_ok(result))
        result = read_all(stream, head, 2, question->deadline);
    size_t len = (size_t)head[0] << 8 | head[1];
    char *bytes = io_is_ok(result) ? arena_alloc(arena, len + 1) : NULL;
    if (bytes)
        result = read_all(stream, bytes, len, question->deadline);
    else if (io_is_ok(result))
        result = (struct io_result){.status = IO_ERROR, .sys_errno = ENOMEM};
    io_close(stream);
    *packet = view_from(bytes, bytes ? len : 0);
    return result;
}

// Both ways have the whole time; an answer that does not fit is asked for again.
IO_WAITS static struct io_result exchange(const struct dns_server_question *question,
                                          struct view query, struct arena *arena,
                                          struct view *packet, bool *was_truncated) {
    enum { HEADER_BYTES = 12, FLAG_TC = 0x02 };
    const struct dns_direct direct = {.server = &question->server, .deadline = question->deadline};
    if (question->over_tcp)
        return exchange_over_tcp(question, query, arena, packet);
    struct io_result result = dns_direct_exchange(&direct, query, arena, packet);
    *was_truncated = io_is_ok(result) && packet->len >= HEADER_BYTES && (packet->ptr[2] & FLAG_TC);
    return *was_truncated ? exchange_over_tcp(question, query, arena, packet) : result;
}

void dns_ask_server(const struct dns_server_question *question, struct arena *arena,
                    struct dns_server_answer *answer) {
    unsigned char bytes[DNS_QUERY_BYTES_MAX];
    struct view packet = VIEW_NONE, query = view_from(bytes, 0);
    io_time began = io_now();
    struct io_result result = {.status = IO_ERROR, .sys_errno = EINVAL};
    bool was_truncated = false;
    bool is_askable = question->name.len == 0 || dns_name_is_askable(question->name);
    if (is_askable && dns_server_answer_init(answer, arena)) {
        query.len = write_query(question, bytes);
        result = exchange(question, query, arena, &packet, &was_truncated);
    }
    answer->was_truncated = was_truncated;
    answer->fact = io_fact(FACT_STAGE_DNS, result);
    answer->fact.limit_ms = question->deadline - began;
    const struct dns_server_read read = {question, query, packet};
    if (io_is_ok(result))
        dns_server_answer_read(&read, arena, answer);
    answer->fact.elapsed_ms = io_now() - began;
    answer->fact.text = arena_copy(arena, question->name);
}
