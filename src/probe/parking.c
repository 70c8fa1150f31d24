// SPDX-License-Identifier: Apache-2.0
// Domains whose mail or name servers belong to a service that parks or sells domains.
#include "probe/probe_internal.h"

static const char *const services[] = {"sedoparking.com",
                                       "parkingcrew.net",
                                       "bodis.com",
                                       "above.com",
                                       "parklogic.com",
                                       "dan.com",
                                       "undeveloped.com",
                                       "afternic.com",
                                       "smartname.com",
                                       "cashparking.com",
                                       "fabulous.com",
                                       "namedrive.com",
                                       "voodoo.com",
                                       "rookdns.com",
                                       "fastpark.net",
                                       "parked.com",
                                       "ztomy.com",
                                       "h-email.net",
                                       "hostedmxserver.com",
                                       "mb5p.com",
                                       "mb1p.com",
                                       "m1bp.com",
                                       "b-io.co",
                                       "uniregistrymarket.link",
                                       "pendingrenewaldeletion.com",
                                       "renewyourname.net",
                                       "expirationwarning.net"};

bool probe_is_parking(struct view host) {
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        struct view service = view_of(services[i]);
        bool is_below = host.len > service.len && host.ptr[host.len - service.len - 1] == '.';
        if (view_equals_nocase(host, service) || (is_below && view_ends_with_nocase(host, service)))
            return true;
    }
    return false;
}

// Those that the operator named himself are meant.
void probe_read_mx_parking(struct probe *probe) {
    for (size_t i = 0; i < probe->route->n_hosts; i++) {
        const struct route_host *host = &probe->route->hosts[i];
        if (!host->is_named_by_operator && probe_is_parking(host->name))
            probe_sign_set(probe, SIGN_PARKED, true,
                           "the MX %.*s belongs to a service that parks domains",
                           VIEW_ARG(host->name));
    }
}
