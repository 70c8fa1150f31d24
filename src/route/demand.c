// SPDX-License-Identifier: Apache-2.0
// From what a connector demands of TLS to what a handshake is judged by.
#include "route/route.h"

#include <stdio.h>

bool route_demand_allows_clear(const struct config_connector *connector) {
    return connector->tls == CONFIG_TLS_OPPORTUNISTIC && connector->tls_fallback &&
           !connector->username;
}

bool route_demand_is_by_domain(const struct config_connector *connector) {
    return connector->tls == CONFIG_TLS_DOMAIN && !connector->tls_domain &&
           connector->n_smart_hosts == 0;
}

static bool is_literal(struct view name) {
    return name.len > 0 && name.ptr[0] == '[';
}

// "[192.0.2.1]" is checked as the address that it is.
static struct view plain_name(struct view name) {
    return is_literal(name) ? view_take(view_skip(name, 1), name.len - 2) : name;
}

static void set_name(struct route_demand *demand, const char *prefix, struct view name) {
    snprintf(demand->name, sizeof(demand->name), "%s%.*s", prefix, VIEW_ARG(name));
    demand->names[0] = view_of(demand->name);
    demand->policy.n_names = 1;
}

// An MX name that came from an unsigned DNS proves nothing: who can forge the answer can name a
// host that he has a certificate for.
static void set_names(struct route_demand *demand, const struct config_connector *connector,
                      const struct route_host *host, struct view domain) {
    struct view own = view_of(connector->tls_domain);
    if (view_starts_with(own, VIEW("*.")))
        set_name(demand, "", view_skip(own, 1));
    else if (own.len)
        set_name(demand, "", own);
    else if (host->is_named_by_operator)
        set_name(demand, "", plain_name(host->name));
    else
        set_name(demand, is_literal(domain) ? "" : ".", plain_name(domain));
}

void route_demand_init(struct route_demand *demand, const struct config_connector *connector,
                       const struct route_host *host, struct view domain) {
    *demand = (struct route_demand){.policy = {.version_min = connector->tls_min}};
    if (!is_literal(host->name))
        demand->policy.server_name = host->name;
    demand->policy.names = demand->names;
    switch (connector->tls) {
    case CONFIG_TLS_NONE:
    case CONFIG_TLS_OPPORTUNISTIC:
    case CONFIG_TLS_REQUIRED: demand->policy.check = TLS_CHECK_NONE; break;
    case CONFIG_TLS_CA: demand->policy.check = TLS_CHECK_CHAIN; break;
    case CONFIG_TLS_DOMAIN: demand->policy.check = TLS_CHECK_NAME; break;
    }
    set_names(demand, connector, host, domain);
}

bool route_source_for(const struct config_connector *connector, enum address_family family,
                      struct address *source) {
    *source = (struct address){.family = ADDRESS_NONE};
    for (size_t i = 0; i < connector->n_sources; i++)
        if (connector->sources[i].family == family) {
            *source = connector->sources[i];
            return true;
        }
    return connector->n_sources == 0;
}
