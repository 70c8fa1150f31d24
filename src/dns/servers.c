// SPDX-License-Identifier: Apache-2.0
#include "dns/resolver_internal.h"

#include <stdio.h>

static void add_server(struct dns_servers *servers, struct view text) {
    struct address address;
    if (address_parse(text, &address))
        address.port = DNS_PORT;
    else if (!address_parse_port(text, &address) || address.port == 0)
        return;
    if (servers->n < DNS_SERVERS_MAX)
        servers->list[servers->n++] = address;
}

void dns_servers_read(const char *path, struct dns_servers *servers) {
    char line[512];
    FILE *file = fopen(path, "re");
    servers->n = 0;
    while (file && fgets(line, sizeof(line), file)) {
        struct view text = view_take(view_of(line), view_find_char(view_of(line), '#'));
        text = view_trim(view_take(text, view_find_char(text, ';')));
        if (view_starts_with(text, VIEW("nameserver ")) ||
            view_starts_with(text, VIEW("nameserver\t")))
            add_server(servers, view_trim(view_skip(text, 11)));
    }
    if (file)
        fclose(file);
}

bool dns_servers_equal(const struct dns_servers *a, const struct dns_servers *b) {
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!address_equals_port(&a->list[i], &b->list[i]))
            return false;
    return true;
}
