// SPDX-License-Identifier: Apache-2.0
// What a server that was asked directly says. Read with ldns, as more is told here than mail needs:
// whether the server speaks for the zone, its serial, whom it refers to, and what signs the zone.
#include "dns/resolver_internal.h"

#include <ldns/ldns.h>
#include <stdlib.h>

// --- Records ----------------------------------------------------------------------------------
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

// --- What signs a zone ------------------------------------------------------------------------
static void take_signer(const ldns_rr *ds, struct arena *arena, struct dns_server_answer *answer) {
    const ldns_rdf *tag = ldns_rr_rdf(ds, 0), *algorithm = ldns_rr_rdf(ds, 1);
    const ldns_rdf *type = ldns_rr_rdf(ds, 2), *digest = ldns_rr_rdf(ds, 3);
    if (!tag || !algorithm || !type || !digest || answer->n_signers == DNS_SERVER_SIGNERS_MAX)
        return;
    answer->signers[answer->n_signers++] = (struct dns_signer){
        .key_tag = ldns_rdf2native_int16(tag),
        .algorithm = ldns_rdf2native_int8(algorithm),
        .digest_type = ldns_rdf2native_int8(type),
        .digest = arena_copy(arena, view_from(ldns_rdf_data(digest), ldns_rdf_size(digest)))};
}

// RFC 4034 5.1.4, with each digest that is in use.
static void take_key(const ldns_rr *key, struct arena *arena, struct dns_server_answer *answer) {
    static const ldns_hash hashes[] = {LDNS_SHA1, LDNS_SHA256, LDNS_SHA384};
    for (size_t i = 0; i < ARRAY_LEN(hashes) && ldns_rr_rd_count(key) == 4; i++) {
        ldns_rr *ds = ldns_key_rr2ds(key, hashes[i]);
        if (ds)
            take_signer(ds, arena, answer);
        ldns_rr_free(ds);
    }
}

// RFC 4034 3.1.5: seconds since 1970, of 32 bits.
static void take_signature(const ldns_rr *rr, struct dns_server_answer *answer) {
    const ldns_rdf *until = ldns_rr_rdf(rr, 4), *from = ldns_rr_rdf(rr, 5);
    if (!until || !from)
        return;
    int64_t until_s = ldns_rdf2native_int32(until), from_s = ldns_rdf2native_int32(from);
    if (answer->signed_until_s == 0 || until_s < answer->signed_until_s)
        answer->signed_until_s = until_s;
    answer->signed_from_s = int64_max(answer->signed_from_s, from_s);
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
    case LDNS_RR_TYPE_DS: take_signer(rr, arena, answer); break;
    case LDNS_RR_TYPE_DNSKEY: take_key(rr, arena, answer); break;
    case LDNS_RR_TYPE_RRSIG: take_signature(rr, answer); break;
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

// RFC 8914 2: an option of its own in the pseudo-record. The first one counts.
static int extended_error_of(const ldns_pkt *packet) {
    enum { OPTION_HEAD = 4, OPTION_EDE = 15 };
    const ldns_rdf *data = ldns_pkt_edns_data(packet);
    const unsigned char *bytes = data ? ldns_rdf_data(data) : NULL;
    size_t left = data ? ldns_rdf_size(data) : 0;
    while (left >= OPTION_HEAD) {
        size_t code = (size_t)bytes[0] << 8 | bytes[1], len = (size_t)bytes[2] << 8 | bytes[3];
        if (len > left - OPTION_HEAD)
            break;
        if (code == OPTION_EDE && len >= 2)
            return bytes[OPTION_HEAD] << 8 | bytes[OPTION_HEAD + 1];
        bytes += OPTION_HEAD + len;
        left -= OPTION_HEAD + len;
    }
    return -1;
}

void dns_server_answer_read(const struct dns_server_read *read, struct arena *arena,
                            struct dns_server_answer *answer) {
    ldns_pkt *packet = NULL;
    io_no_switch_begin();
    bool is_read = ldns_wire2pkt(&packet, (const uint8_t *)read->packet.ptr, read->packet.len) ==
                   LDNS_STATUS_OK;
    if (is_read && is_answer(packet, read->question, read->query)) {
        take_packet(packet, arena, answer);
        answer->fact.dns_ede = extended_error_of(packet);
    } else {
        answer->fact.kind = FACT_KIND_DNS;
        answer->fact.detail = FACT_DNS_MALFORMED;
    }
    if (is_read)
        ldns_pkt_free(packet);
    io_no_switch_end();
}

bool dns_server_answer_init(struct dns_server_answer *answer, struct arena *arena) {
    *answer = (struct dns_server_answer){.fact = fact_make(FACT_STAGE_DNS, FACT_KIND_NONE)};
    answer->records = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->records));
    answer->names = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->names));
    answer->addresses = arena_alloc(arena, DNS_SERVER_NAMES_MAX * sizeof(*answer->addresses));
    answer->signers = arena_alloc(arena, DNS_SERVER_SIGNERS_MAX * sizeof(*answer->signers));
    return answer->records && answer->names && answer->addresses && answer->signers;
}
