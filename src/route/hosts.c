// SPDX-License-Identifier: Apache-2.0
// Which hosts take the mail of a domain.
#include "route/route_internal.h"

#include "smtp/smtp.h"

static bool fail(struct build *build, struct fact fact) {
    build->route->fact = fact;
    return false;
}

static bool make_candidates(struct build *build, size_t n) {
    build->candidates = arena_alloc(&build->scratch, n * sizeof(*build->candidates));
    ASSERT(n > 0 && build->candidates != NULL);
    return true;
}

static struct candidate *add_candidate(struct build *build, struct view name, unsigned preference,
                                       uint16_t port) {
    struct candidate *candidate = &build->candidates[build->n_candidates++];
    candidate->host.name = name;
    candidate->host.preference = preference;
    candidate->host.fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_NONE);
    candidate->port = port;
    return candidate;
}

static void set_address(struct build *build, struct candidate *candidate,
                        const struct address *address) {
    candidate->host.addresses = arena_alloc(&build->scratch, sizeof(*address));
    ASSERT(candidate->host.addresses != NULL);
    candidate->host.addresses[0] = *address;
    candidate->host.addresses[0].port = candidate->port;
    candidate->host.n_addresses = 1;
    candidate->is_resolved = true;
}

// --- Smart hosts ------------------------------------------------------------------------------

static struct view literal_of(struct build *build, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text, sizeof(text));
    return arena_printf(&build->scratch, "[%s]", text);
}

static bool use_smart_hosts(struct build *build) {
    const struct config_connector *connector = build->route->connector;
    size_t n = size_min(connector->n_smart_hosts, ROUTE_HOSTS_MAX);
    make_candidates(build, n);
    for (size_t i = 0; i < n; i++) {
        const struct config_smart_host *host = &connector->smart_hosts[i];
        struct view name = host->name ? view_of(host->name) : literal_of(build, &host->address);
        struct candidate *candidate = add_candidate(build, name, (unsigned)i, host->port);
        candidate->host.is_named_by_operator = true;
        if (!host->name)
            set_address(build, candidate, &host->address);
    }
    return true;
}

// --- The domain -------------------------------------------------------------------------------

// RFC 5321 5.1: the domain is its own host, with preference 0, where it has no MX record.
static bool use_domain_itself(struct build *build) {
    build->is_implicit = true;
    make_candidates(build, 1);
    add_candidate(build, build->route->domain, 0, build->route->connector->port);
    return true;
}

// RFC 5321 4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]" names the server itself.
static bool use_literal(struct build *build) {
    struct address address;
    struct view text = build->route->domain;
    text = view_take(view_skip(text, 1), text.len < 2 ? 0 : text.len - 2);
    if (view_starts_with_nocase(text, VIEW("IPv6:")))
        text = view_skip(text, 5);
    if (!address_parse(text, &address))
        return fail(build, route_fact(FACT_ROUTE_MX_INVALID, build->route->domain));
    make_candidates(build, 1);
    struct candidate *candidate =
        add_candidate(build, build->route->domain, 0, build->route->connector->port);
    set_address(build, candidate, &address);
    return true;
}

// --- MX ---------------------------------------------------------------------------------------

static bool is_listed(const struct build *build, struct view name) {
    for (size_t i = 0; i < build->n_candidates; i++)
        if (view_equals(build->candidates[i].host.name, name))
            return true;
    return false;
}

static bool use_mx(struct build *build, const struct dns_mx_answer *answer) {
    make_candidates(build, answer->n_records);
    for (size_t i = 0; i < answer->n_records && build->n_candidates < ROUTE_HOSTS_MAX; i++) {
        struct view name = answer->records[i].name;
        if (is_listed(build, name)) // once more with a worse preference
            continue;
        struct candidate *candidate = add_candidate(build, name, answer->records[i].preference,
                                                    build->route->connector->port);
        // An address as text, "localhost." with a space, the root beside others: no host names.
        if (!smtp_domain_is_valid(name)) {
            candidate->host.fact =
                route_fact(FACT_ROUTE_MX_INVALID, name.len ? name : build->route->domain);
            candidate->is_resolved = true;
        }
    }
    return true;
}

// RFC 7505 3: one record, preference 0, and the root as its host.
static bool is_null_mx(const struct dns_mx_answer *answer) {
    return answer->n_records == 1 && answer->records[0].preference == 0 &&
           answer->records[0].name.len == 0;
}

static bool is_dns(const struct fact *fact, enum fact_dns status) {
    return fact->kind == FACT_KIND_DNS && fact->detail == (int)status;
}

static bool ask_for_mx(struct build *build) {
    struct dns_mx_answer answer;
    struct route *route = build->route;
    dns_mx(build->router->resolver, route->domain, build->deadline, &build->scratch, &answer);
    build->mx = answer.answer.fact;
    route->is_secure_mx = answer.answer.is_secure;
    route_note_ttl(build, answer.answer.ttl_s);
    if (is_dns(&build->mx, FACT_DNS_NODATA))
        return use_domain_itself(build);
    if (!fact_is_ok(&build->mx)) {
        // What does not exist will not exist in an hour; everything else is a moment's trouble.
        route->is_permanent = is_dns(&build->mx, FACT_DNS_NXDOMAIN);
        return fail(build, build->mx);
    }
    if (is_null_mx(&answer)) {
        route->is_permanent = true;
        return fail(build, route_fact(FACT_ROUTE_NULL_MX, route->domain));
    }
    return use_mx(build, &answer);
}

bool route_find_hosts(struct build *build) {
    struct route *route = build->route;
    if (!route->connector)
        return fail(build, route_fact(FACT_ROUTE_NO_CONNECTOR, route->domain));
    if (route->connector->n_smart_hosts > 0)
        return use_smart_hosts(build);
    if (route->domain.len > 0 && route->domain.ptr[0] == '[')
        return use_literal(build);
    return ask_for_mx(build);
}

const struct address *route_host_address(const struct route_host *host, enum address_family family,
                                         size_t nth) {
    for (size_t i = 0; i < host->n_addresses; i++)
        if (host->addresses[i].family == family && nth-- == 0)
            return &host->addresses[i];
    return NULL;
}
