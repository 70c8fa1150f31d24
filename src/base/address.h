// SPDX-License-Identifier: Apache-2.0
// Internet addresses and networks as plain values. An IPv4 address that came as an IPv4-mapped
// IPv6 address is stored as IPv4, so that rules match it once.
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/view.h"

#include <sys/socket.h>

enum address_family { ADDRESS_NONE, ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_UNIX };

enum { ADDRESS_TEXT_SIZE = 64 };

struct address {
    enum address_family family;
    unsigned char bytes[16]; // network order; the first four for IPv4
    uint16_t port;           // host order; zero: none
    uint32_t scope;          // IPv6 link-local scope id
};

struct network {
    struct address base;
    unsigned prefix_bits;
};

// "192.0.2.1", "2001:db8::1", "fe80::1%2"; no port, no brackets.
bool address_parse(struct view text, struct address *address);
// "192.0.2.1:25", "[2001:db8::1]:25". The port is required.
bool address_parse_port(struct view text, struct address *address);
// Without port and brackets. NUL-terminated; returns the length.
size_t address_format(const struct address *address, char *out, size_t size);
// "192.0.2.1:25" or "[2001:db8::1]:25".
size_t address_format_port(const struct address *address, char *out, size_t size);
bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address);
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out);
// Family and bytes; the port only with address_equals_port.
bool address_equals(const struct address *a, const struct address *b);
bool address_equals_port(const struct address *a, const struct address *b);
uint64_t address_hash(const struct address *address);
bool address_is_loopback(const struct address *address);
bool address_is_unspecified(const struct address *address);
// False for loopback, private, link-local, shared, documentation, benchmark, multicast and reserved
// blocks (RFC 6890 and its registries): such an address in an MX is a fault.
bool address_is_global(const struct address *address);

// "127.0.0.0/8", "::1", "10.1.2.3". Host bits that are set are an error.
bool network_parse(struct view text, struct network *network);
bool network_contains(const struct network *network, const struct address *address);

#endif
