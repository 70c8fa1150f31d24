// SPDX-License-Identifier: Apache-2.0
// One file over HTTP or HTTPS for an experiment: its host looked up by our resolver, a few
// redirects followed, bounded in time.
#include "probe/web_internal.h"

enum { GET_MS = 10 * 1000, PLACE_MS = 5 * 1000 };

// Who names a place must not make us call machines of our own network.
static bool is_callable(const struct probe_get *get, const struct address *address) {
    return get->may_be_inside || address_is_global(address);
}

IO_WAITS static size_t find_place(struct probe *probe, const struct probe_get *get,
                                  const struct fetch_where *where,
                                  struct address addresses[FETCH_ADDRESSES_MAX]) {
    size_t n = 0;
    if (where->address.family != ADDRESS_NONE) {
        addresses[n++] = where->address;
        return is_callable(get, &where->address) ? n : 0;
    }
    for (enum address_family family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family++) {
        struct dns_address_answer answer = {.family = family};
        dns_addresses(probe->options->resolver, view_of(where->host),
                      int64_min(io_after(probe_limit_ms(probe, PLACE_MS)), probe->deadline),
                      probe->arena, &answer);
        for (size_t i = 0; i < answer.n_addresses && n < FETCH_ADDRESSES_MAX; i++)
            if (is_callable(get, &answer.addresses[i]))
                addresses[n++] = answer.addresses[i];
    }
    return n;
}

IO_WAITS static struct view get_once(struct probe *probe, const struct probe_get *get,
                                     struct view url, struct fetch_answer *answer) {
    struct fetch_where where;
    struct error error;
    struct address addresses[FETCH_ADDRESSES_MAX];
    if (!fetch_where_parse(url, &where, &error))
        return probe_keep(probe, view_of(error.text));
    struct fetch_request request = {
        .where = &where,
        .addresses = addresses,
        .n_addresses = find_place(probe, get, &where, addresses),
        .ca_file = probe->options->ca_file,
        .accept = get->accept,
        .bytes_max = get->bytes_max,
        .deadline = int64_min(io_after(probe_limit_ms(probe, GET_MS)), probe->deadline)};
    if (request.n_addresses == 0)
        return arena_printf(probe->arena, "%s has no address that may be called", where.host);
    fetch_get(&request, answer);
    return answer->failure == FETCH_WELL ? VIEW_NONE
                                         : probe_keep(probe, view_of(answer->error.text));
}

// RFC 9110 15.4.
static bool is_redirect(const struct fetch_answer *answer) {
    return answer->status >= 301 && answer->status <= 308 && answer->location[0] &&
           (answer->status <= 303 || answer->status >= 307);
}

struct view probe_get(struct probe *probe, const struct probe_get *get,
                      struct fetch_answer *answer) {
    struct view url = get->url;
    for (unsigned hop = 0;; hop++) {
        *answer = (struct fetch_answer){.failure = FETCH_CONNECT};
        struct view failure = get_once(probe, get, url, answer);
        if (failure.len || !is_redirect(answer))
            return failure;
        if (hop == get->n_redirects_max || io_is_canceled())
            return VIEW("it is redirected too often");
        url = arena_copy(probe->arena, view_of(answer->location));
        fetch_answer_finish(answer);
    }
}
