// SPDX-License-Identifier: Apache-2.0
#include "base/address.h"

#include "base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static size_t byte_count(const struct address *address) {
    return address->family == ADDRESS_IPV4 ? 4 : 16;
}

static void unmap_ipv4(struct address *address) {
    static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address->family != ADDRESS_IPV6 || memcmp(address->bytes, prefix, sizeof(prefix)) != 0)
        return;
    memmove(address->bytes, address->bytes + 12, 4);
    memset(address->bytes + 4, 0, 12);
    address->family = ADDRESS_IPV4;
    address->scope = 0;
}

bool address_parse(struct view text, struct address *address) {
    char name[ADDRESS_TEXT_SIZE];
    *address = (struct address){0};
    size_t percent = view_find_char(text, '%');
    struct view scope = view_skip(text, percent + 1);
    if (memchr(text.ptr ? text.ptr : "", '\0', text.len) ||
        !view_copy_string(view_take(text, percent), name, sizeof(name)))
        return false;
    if (inet_pton(AF_INET, name, address->bytes) == 1) {
        address->family = ADDRESS_IPV4;
        return percent == text.len;
    }
    if (inet_pton(AF_INET6, name, address->bytes) != 1)
        return false;
    address->family = ADDRESS_IPV6;
    uint64_t number = 0;
    if (percent < text.len && (!view_to_u64(scope, &number) || number > UINT32_MAX))
        return false;
    address->scope = (uint32_t)number;
    unmap_ipv4(address);
    return true;
}

bool address_parse_port(struct view text, struct address *address) {
    size_t colon = view_find_last_char(text, ':');
    uint64_t port = 0;
    struct view host = view_take(text, colon);
    if (colon == text.len || !view_to_u64(view_skip(text, colon + 1), &port) || port > 65535)
        return false;
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = view_from(host.ptr + 1, host.len - 2);
    if (!address_parse(host, address) || (address->family == ADDRESS_IPV6 && !bracketed))
        return false;
    address->port = (uint16_t)port;
    return true;
}

size_t address_format(const struct address *address, char *out, size_t size) {
    char text[INET6_ADDRSTRLEN] = "?";
    ASSERT(size > 0);
    int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
    if (address->family == ADDRESS_IPV4 || address->family == ADDRESS_IPV6)
        inet_ntop(family, address->bytes, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%s", address->family == ADDRESS_UNIX ? "local" : "none");
    int len = address->scope ? snprintf(out, size, "%s%%%u", text, address->scope)
                             : snprintf(out, size, "%s", text);
    return size_min((size_t)len, size - 1);
}

size_t address_format_port(const struct address *address, char *out, size_t size) {
    char text[ADDRESS_TEXT_SIZE];
    ASSERT(size > 0);
    address_format(address, text, sizeof(text));
    int len = snprintf(out, size, address->family == ADDRESS_IPV6 ? "[%s]:%u" : "%s:%u", text,
                       (unsigned)address->port);
    return size_min((size_t)len, size - 1);
}

bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address) {
    *address = (struct address){0};
    if (sockaddr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof(in));
        address->family = ADDRESS_IPV4;
        memcpy(address->bytes, &in.sin_addr, 4);
        address->port = ntohs(in.sin_port);
        return true;
    }
    if (sockaddr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sockaddr, sizeof(in6));
        address->family = ADDRESS_IPV6;
        memcpy(address->bytes, &in6.sin6_addr, 16);
        address->port = ntohs(in6.sin6_port);
        address->scope = in6.sin6_scope_id;
        unmap_ipv4(address);
        return true;
    }
    if (sockaddr->sa_family == AF_UNIX)
        address->family = ADDRESS_UNIX;
    return sockaddr->sa_family == AF_UNIX;
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out) {
    memset(out, 0, sizeof(*out));
    if (address->family == ADDRESS_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&in.sin_addr, address->bytes, 4);
        memcpy(out, &in, sizeof(in));
        return sizeof(in);
    }
    ASSERT(address->family == ADDRESS_IPV6);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(address->port),
                               .sin6_scope_id = address->scope};
    memcpy(&in6.sin6_addr, address->bytes, 16);
    memcpy(out, &in6, sizeof(in6));
    return sizeof(in6);
}

bool address_equals(const struct address *a, const struct address *b) {
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->bytes, b->bytes, byte_count(a)) == 0;
}

bool address_equals_port(const struct address *a, const struct address *b) {
    return a->port == b->port && address_equals(a, b);
}

uint64_t address_hash(const struct address *address) {
    uint64_t hash = view_hash(view_from(address->bytes, byte_count(address)));
    return hash_u64(hash ^ ((uint64_t)address->scope << 32));
}

static bool in_block(const struct address *address, const char *block) {
    struct network network;
    bool known = network_parse(view_of(block), &network);
    ASSERT(known);
    return network_contains(&network, address);
}

bool address_is_loopback(const struct address *address) {
    return address->family == ADDRESS_UNIX || in_block(address, "127.0.0.0/8") ||
           in_block(address, "::1");
}

bool address_is_unspecified(const struct address *address) {
    static const unsigned char zero[16];
    return memcmp(address->bytes, zero, byte_count(address)) == 0;
}

static bool is_global_ipv4(const struct address *address) {
    static const char *const special[] = {
        "0.0.0.0/8",       "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",    "169.254.0.0/16",
        "172.16.0.0/12",   "192.0.0.0/24",   "192.0.2.0/24",  "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",   "240.0.0.0/4",
    };
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (in_block(address, special[i]))
            return false;
    return true;
}

bool address_is_global(const struct address *address) {
    // A network without IPv4 reaches IPv4 hosts through this prefix (RFC 6052 2.1).
    if (in_block(address, "64:ff9b::/96")) {
        struct address inner = {.family = ADDRESS_IPV4};
        memcpy(inner.bytes, address->bytes + 12, 4);
        return is_global_ipv4(&inner);
    }
    if (address->family == ADDRESS_IPV6)
        return in_block(address, "2000::/3") && !in_block(address, "2001::/23") &&
               !in_block(address, "2001:db8::/32") && !in_block(address, "3fff::/20");
    return address->family == ADDRESS_IPV4 && is_global_ipv4(address);
}

static bool bit_of(const struct address *address, unsigned bit) {
    return address->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

bool network_parse(struct view text, struct network *network) {
    size_t slash = view_find_char(text, '/');
    if (!address_parse(view_take(text, slash), &network->base))
        return false;
    unsigned bits = (unsigned)byte_count(&network->base) * 8;
    uint64_t prefix = bits;
    if (slash < text.len && (!view_to_u64(view_skip(text, slash + 1), &prefix) || prefix > bits))
        return false;
    network->prefix_bits = (unsigned)prefix;
    for (unsigned bit = network->prefix_bits; bit < bits; bit++)
        if (bit_of(&network->base, bit))
            return false;
    return true;
}

bool network_contains(const struct network *network, const struct address *address) {
    if (network->base.family != address->family)
        return false;
    size_t whole = network->prefix_bits / 8;
    unsigned rest = network->prefix_bits % 8;
    if (memcmp(network->base.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}
