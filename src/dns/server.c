// SPDX-License-Identifier: Apache-2.0
// One question to one server: over UDP, and again over TCP where the answer does not fit (RFC 7766
// 5). Read with ldns, as more is told here than mail needs: whether the server speaks for the zone,
// its serial, and whom it refers to.
#include "dns/resolver_internal.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>

enum { TCP_BYTES_MAX = 65535, FLAG_RD = 0x01, FLAG_CD = 0x10 };

// --- The question -----------------------------------------------------------------------------
static unsigned type_number(enum dns_server_type type) {
    static const unsigned numbers[] = {DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_NS, DNS_TYPE_SOA,
                                       DNS_TYPE_MX};
    ASSERT((unsigned)type < ARRAY_LEN(numbers));
    return numbers[type];
}

static size_t write_query(const struct dns_server_question *question,
                          unsigned char out[DNS_QUERY_BYTES_MAX]) {
    size_t len = dns_query_write(out, (uint16_t)io_random_u64(), question->name,
                                 type_number(question->type), false);
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

// --- The answer -------------------------------------------------------------------------------
static struct view name_of(const ldns_rdf *name, struct arena *arena) {
    char *text = ldns_rdf2str(name);
    struct view view = view_of(text);
    if (view.len && view.ptr[view.len - 1] == '.')
        view.len--;
    struct view copy = arena_copy(arena, view);
    for (size_t i = 0; i < copy.len; i++) {
        char *c = (char *)(uintptr_t)copy.ptr + i;
        *c = ascii_lower(*c);
    }
    free(text);
    return copy;
}

static void take_address(const ldns_rr *rr, struct dns_server_answer *answer) {
    bool is_ipv4 = ldns_rr_get_type(rr) == LDNS_RR_TYPE_A;
    const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);
    struct address address = {.family = is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    if (!rdf || ldns_rdf_size(rdf) != (is_ipv4 ? 4 : 16) ||
        answer->n_addresses == DNS_SERVER_NAMES_MAX)
        return;
    memcpy(address.bytes, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    answer->addresses[answer->n_addresses++] = address;
}

static void take_mx(const ldns_rr *rr, struct arena *arena, struct dns_server_answer *answer) {
    const ldns_rdf *preference = ldns_rr_rdf(rr, 0), *name = ldns_rr_rdf(rr, 1);
    if (!preference || !name || answer->n_records == DNS_SERVER_NAMES_MAX)
        return;
    answer->records[answer->n_records++] =
        (struct dns_mx){ldns_rdf2native_int16(preference), name_of(name, arena)};
}

static void take_record(const ldns_rr *rr, struct arena *arena, struct dns_server_answer *answer) {
    switch (ldns_rr_get_type(rr)) {
    case LDNS_RR_TYPE_A:
    case LDNS_RR_TYPE_AAAA: take_address(rr, answer); break;
    case LDNS_RR_TYPE_MX: take_mx(rr, arena, answer); break;
    case LDNS_RR_TYPE_NS:
        if (answer->n_names < DNS_SERVER_NAMES_MAX && ldns_rr_rdf(rr, 0))
            answer->names[answer->n_names++] = name_of(ldns_rr_rdf(rr, 0), arena);
        break;
    case LDNS_RR_TYPE_SOA:
        if (ldns_rr_rdf(rr, 2))
            answer->serial = ldns_rdf2native_int32(ldns_rr_rdf(rr, 2));
        break;
    default: break;
    }
}

static void take_section(const ldns_rr_list *list, struct arena *arena,
                         struct dns_server_answer *answer) {
    for (size_t i = 0; list && i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        uint32_t ttl_s = ldns_rr_ttl(rr);
        answer->ttl_s = i == 0 || ttl_s < answer->ttl_s ? ttl_s : answer->ttl_s;
        take_record(rr, arena, answer);
    }
}

static int compare_mx(const void *a, const void *b) {
    const struct dns_mx *one = a, *two = b;
    if (one->preference != two->preference)
        return one->preference < two->preference ? -1 : 1;
    return view_compare(one->name, two->name);
}

// The alias of `name` in the answer; NULL: there is none.
static const ldns_rdf *alias_of(const ldns_rr_list *answers, const ldns_rdf *name) {
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answers, i);
        if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME &&
            ldns_dname_compare(ldns_rr_owner(rr), name) == 0)
            return ldns_rr_rdf(rr, 0);
    }
    return NULL;
}

// Aliases that lead back to themselves (RFC 1034 3.6.2).
static bool has_loop(const ldns_pkt *packet) {
    const ldns_rdf *name = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(packet), 0));
    for (int hop = 0; name && hop < DNS_CHAIN_MAX; hop++)
        name = alias_of(ldns_pkt_answer(packet), name);
    return name != NULL;
}

static enum fact_dns status_of(const ldns_pkt *packet, bool has_records) {
    if (has_records && has_loop(packet))
        return FACT_DNS_LOOP;
    switch (ldns_pkt_get_rcode(packet)) {
    case LDNS_RCODE_NOERROR: return has_records ? FACT_DNS_OK : FACT_DNS_NODATA;
    case LDNS_RCODE_NXDOMAIN: return FACT_DNS_NXDOMAIN;
    case LDNS_RCODE_SERVFAIL: return FACT_DNS_SERVFAIL;
    case LDNS_RCODE_REFUSED: return FACT_DNS_REFUSED;
    default: return FACT_DNS_MALFORMED;
    }
}

static void take_packet(const ldns_pkt *packet, struct arena *arena,
                        struct dns_server_answer *answer) {
    const ldns_rr_list *answers = ldns_pkt_answer(packet), *authority = ldns_pkt_authority(packet);
    bool has_records = answers && ldns_rr_list_rr_count(answers) > 0;
    enum fact_dns status = status_of(packet, has_records);
    answer->is_authoritative = ldns_pkt_aa(packet);
    if (has_records) {
        take_section(answers, arena, answer);
    } else {
        take_section(authority, arena, answer);
        answer->is_referral =
            !answer->is_authoritative && status == FACT_DNS_NODATA && answer->n_names > 0;
        if (answer->is_referral)
            take_section(ldns_pkt_additional(packet), arena, answer);
    }
    if (answer->n_records > 1)
        qsort(answer->records, answer->n_records, sizeof(*answer->records), compare_mx);
    answer->fact.kind = status == FACT_DNS_OK || answer->is_referral ? FACT_KIND_OK : FACT_KIND_DNS;
    answer->fact.detail = (int)(answer->is_referral ? FACT_DNS_OK : status);
    answer->fact.dns_rcode = (int)ldns_pkt_get_rcode(packet);
}

// RFC 5452 9.1: the answer repeats the question's id and name.
static bool is_answer(const ldns_pkt *packet, const struct dns_server_question *question,
                      struct view query) {
    const unsigned char *bytes = (const unsigned char *)query.ptr;
    const ldns_rr_list *asked = ldns_pkt_question(packet);
    if (ldns_pkt_id(packet) != (bytes[0] << 8 | bytes[1]) || !ldns_pkt_qr(packet) || !asked ||
        ldns_rr_list_rr_count(asked) != 1)
        return false;
    char *text = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(asked, 0)));
    struct view name = view_of(text);
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    bool is_same = view_equals_nocase(name, question->name);
    free(text);
    return is_same;
}

static void read_packet(const struct dns_server_question *question, struct view query,
                        struct view bytes, struct arena *arena, struct dns_server_answer *answer) {
    ldns_pkt *packet = NULL;
    io_no_switch_begin();
    bool is_read = ldns_wire2pkt(&packet, (const uint8_t *)bytes.ptr, bytes.len) == LDNS_STATUS_OK;
    if (is_read && is_answer(packet, question, query)) {
        take_packet(packet, arena, answer);
    } else {
        answer->fact.kind = FACT_KIND_DNS;
        answer->fact.detail = FACT_DNS_MALFORMED;
    }
    if (is_read)
        ldns_pkt_free(packet);
    io_no_switch_end();
}

static bool allocate(struct dns_server_answer *answer, struct arena *arena) {
    answer->records = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->records));
    answer->names = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->names));
    answer->addresses = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->addresses));
    return answer->records && answer->names && answer->addresses;
}

void dns_ask_server(const struct dns_server_question *question, struct arena *arena,
                    struct dns_server_answer *answer) {
    enum { HEADER_BYTES = 12, FLAG_TC = 0x02 };
    unsigned char bytes[DNS_QUERY_BYTES_MAX];
    const struct dns_direct direct = {.server = &question->server, .deadline = question->deadline};
    struct view packet = VIEW_NONE, query = view_from(bytes, 0);
    io_time began = io_now();
    struct io_result result = {.status = IO_ERROR, .sys_errno = EINVAL};
    *answer = (struct dns_server_answer){.fact = fact_make(FACT_STAGE_DNS, FACT_KIND_NONE)};
    bool is_askable = question->name.len == 0 || dns_name_is_askable(question->name);
    if (is_askable && allocate(answer, arena)) {
        query.len = write_query(question, bytes);
        result = dns_direct_exchange(&direct, query, arena, &packet);
    }
    if (io_is_ok(result) && packet.len >= HEADER_BYTES && (packet.ptr[2] & FLAG_TC)) {
        answer->was_truncated = true;
        result = exchange_over_tcp(question, query, arena, &packet);
    }
    answer->fact = io_fact(FACT_STAGE_DNS, result);
    answer->fact.limit_ms = question->deadline - began;
    if (io_is_ok(result))
        read_packet(question, query, packet, arena, answer);
    answer->fact.elapsed_ms = io_now() - began;
    answer->fact.text = arena_copy(arena, question->name);
}
