// SPDX-License-Identifier: Apache-2.0
// Checks that ask the DNS: the resolver itself, our own names as receivers see them, smart hosts.
#include "cmd/check.h"

#include <ifaddrs.h>
#include <stdio.h>

enum { QUESTION_MS = 8000, ARENA_BYTES = 1 << 20, SOURCES_MAX = 64 };

static struct view fact_words(const struct fact *fact) {
    if (fact->kind == FACT_KIND_LOCAL)
        return VIEW("the resolver does not answer");
    return fact->kind == FACT_KIND_DNS ? fact_dns_word((enum fact_dns)fact->detail)
                                       : fact_kind_word(fact->kind);
}

// The root has no MX: a resolver that works says so, whatever else it can reach.
void check_dns(struct check *check) {
    struct arena arena;
    struct dns_mx_answer answer;
    arena_init(&arena, ARENA_BYTES);
    dns_mx(check->resolver, VIEW("."), io_after(QUESTION_MS), &arena, &answer);
    const struct fact *fact = &answer.answer.fact;
    bool works = fact_is_ok(fact) ||
                 (fact->kind == FACT_KIND_DNS &&
                  (fact->detail == FACT_DNS_NODATA || fact->detail == FACT_DNS_NXDOMAIN));
    if (works)
        check_add(check, CHECK_OK, "dns", "the resolver answers%s",
                  answer.answer.is_secure ? " and validates DNSSEC" : "");
    else
        check_remedy(
            check_add(check, CHECK_FAULT, "dns",
                      "the resolver cannot be reached or answers nothing (%.*s)",
                      VIEW_ARG(fact->text.len && fact->kind == FACT_KIND_LOCAL ? fact->text
                                                                               : fact_words(fact))),
            "look at /etc/resolv.conf or set resolver { servers = { ... } }; mail by MX "
            "waits until it answers");
    arena_finish(&arena);
}

static bool resolves_to(struct check *check, struct view name, const struct address *wanted) {
    struct arena arena;
    struct dns_address_answer answer = {.family = wanted->family};
    bool is_found = false;
    arena_init(&arena, ARENA_BYTES);
    dns_addresses(check->resolver, name, io_after(QUESTION_MS), &arena, &answer);
    for (size_t i = 0; i < answer.n_addresses; i++)
        is_found |= address_equals(&answer.addresses[i], wanted);
    arena_finish(&arena);
    return is_found;
}

// What a receiver looks up: the name of the address, the address of that name, and the EHLO name.
static void check_source(struct check *check, const struct address *source, struct view helo) {
    struct arena arena;
    struct dns_name_answer answer;
    char text[ADDRESS_TEXT_SIZE];
    address_format(source, text, sizeof(text));
    arena_init(&arena, ARENA_BYTES);
    dns_names(check->resolver, source, io_after(QUESTION_MS), &arena, &answer);
    bool is_confirmed = false, is_helo = false;
    for (size_t i = 0; i < answer.n_names; i++) {
        is_confirmed |= resolves_to(check, answer.names[i], source);
        is_helo |= view_equals_nocase(answer.names[i], helo);
    }
    if (answer.n_names == 0)
        check_remedy(check_add(check, CHECK_WARNING, "ptr", "%s has no reverse name (%.*s)", text,
                               VIEW_ARG(fact_words(&answer.answer.fact))),
                     "ask whoever owns the address for a PTR record that says %.*s",
                     VIEW_ARG(helo));
    else if (!is_confirmed)
        check_remedy(check_add(check, CHECK_WARNING, "ptr",
                               "%s is called %.*s, but that name does not point back", text,
                               VIEW_ARG(answer.names[0])),
                     "add an address record %s for %.*s, or change the PTR", text,
                     VIEW_ARG(answer.names[0]));
    else
        check_add(check, is_helo ? CHECK_OK : CHECK_WARNING, "ptr", "%s is %.*s%s", text,
                  VIEW_ARG(answer.names[0]),
                  is_helo ? ", the EHLO name" : ", which is not the EHLO name");
    arena_finish(&arena);
}

static bool is_on_this_machine(const struct address *wanted) {
    struct ifaddrs *list;
    bool is_found = false;
    if (getifaddrs(&list) < 0)
        return true;
    for (struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
        struct address address;
        if (entry->ifa_addr && address_from_sockaddr(entry->ifa_addr, &address)) {
            address.scope = wanted->scope;
            is_found |= address_equals(&address, wanted);
        }
    }
    freeifaddrs(list);
    return is_found;
}

// Global addresses of this machine: those that mail can come from when no source is configured.
static size_t own_addresses(struct address *out) {
    struct ifaddrs *list;
    size_t n = 0;
    if (getifaddrs(&list) < 0)
        return 0;
    for (struct ifaddrs *entry = list; entry && n < SOURCES_MAX; entry = entry->ifa_next)
        if (entry->ifa_addr && address_from_sockaddr(entry->ifa_addr, &out[n]) &&
            address_is_global(&out[n]))
            n++;
    freeifaddrs(list);
    return n;
}

static bool needs_default_source(const struct config *config) {
    for (size_t i = 0; i < config->n_connectors; i++)
        if (config->connectors[i].n_sources == 0)
            return true;
    return false;
}

void check_names(struct check *check) {
    const struct config *config = check->config;
    struct address own[SOURCES_MAX];
    size_t n = needs_default_source(config) ? own_addresses(own) : 0;
    for (size_t i = 0; i < n; i++)
        check_source(check, &own[i], view_of(config->hostname));
    for (size_t i = 0; i < config->n_connectors; i++) {
        const struct config_connector *connector = &config->connectors[i];
        for (size_t k = 0; k < connector->n_sources; k++) {
            char text[ADDRESS_TEXT_SIZE];
            address_format(&connector->sources[k], text, sizeof(text));
            if (!is_on_this_machine(&connector->sources[k]))
                check_remedy(check_add(check, CHECK_FAULT, "source",
                                       "connector \"%s\": %s is not an address of this machine",
                                       connector->name, text),
                             "`ip address` lists them");
            else if (address_is_global(&connector->sources[k]))
                check_source(check, &connector->sources[k],
                             view_of(connector->helo ? connector->helo : config->hostname));
        }
    }
    if (n == 0 && needs_default_source(config))
        check_add(check, CHECK_OK, "ptr",
                  "no public address on this machine: what receivers see "
                  "is decided by the address translation before it");
}

static void check_smart_host(struct check *check, const struct config_connector *connector,
                             const struct config_smart_host *host) {
    struct arena arena;
    struct dns_address_answer v4 = {.family = ADDRESS_IPV4}, v6 = {.family = ADDRESS_IPV6};
    if (!host->name)
        return;
    arena_init(&arena, ARENA_BYTES);
    dns_addresses(check->resolver, view_of(host->name), io_after(QUESTION_MS), &arena, &v4);
    dns_addresses(check->resolver, view_of(host->name), io_after(QUESTION_MS), &arena, &v6);
    if (v4.n_addresses + v6.n_addresses)
        check_add(check, CHECK_OK, "smart host", "connector \"%s\": %s has %zu addresses",
                  connector->name, host->name, v4.n_addresses + v6.n_addresses);
    else
        check_remedy(check_add(check, CHECK_FAULT, "smart host",
                               "connector \"%s\": %s has no address (A: %.*s, AAAA: %.*s)",
                               connector->name, host->name, VIEW_ARG(fact_words(&v4.answer.fact)),
                               VIEW_ARG(fact_words(&v6.answer.fact))),
                     "mail for this connector waits until the name resolves: correct smart_hosts "
                     "or the DNS");
    arena_finish(&arena);
}

void check_connectors(struct check *check) {
    for (size_t i = 0; i < check->config->n_connectors; i++) {
        const struct config_connector *connector = &check->config->connectors[i];
        for (size_t k = 0; k < connector->n_smart_hosts; k++)
            check_smart_host(check, connector, &connector->smart_hosts[k]);
    }
}
