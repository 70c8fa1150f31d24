// SPDX-License-Identifier: Apache-2.0
// One GET over HTTP or HTTPS, bounded in time and bytes: policies of MTA-STS (RFC 8461 3.3),
// issuers' certificates, domain registrations. The caller resolves the host; nothing else is asked,
// no proxy is used and no redirect followed.
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/error.h"
#include "io/io.h"

enum { FETCH_URL_BYTES_MAX = 2048, FETCH_HOST_SIZE = 256, FETCH_ADDRESSES_MAX = 8 };

struct fetch_where {
    char url[FETCH_URL_BYTES_MAX + 1];
    char host[FETCH_HOST_SIZE]; // without brackets
    uint16_t port;
    bool is_https;
    struct address address; // where the host is an address itself; its port is set
};
// False: `error` says why this is no URL of http or https with a host. User names are refused.
bool fetch_where_parse(struct view url, struct fetch_where *where, struct error *error);

struct fetch_request {
    const struct fetch_where *where;
    const struct address *addresses; // of the host, tried in order; ports do not count
    size_t n_addresses;              // at most FETCH_ADDRESSES_MAX; zero: the host is an address
    const char *ca_file;             // NULL: the system's store
    const char *accept;              // of the Accept field; NULL: anything
    size_t bytes_max;                // of the body
    io_time deadline;
};

enum fetch_failure {
    FETCH_WELL,    // there is an answer, whatever its status
    FETCH_CONNECT, // no address took the call
    FETCH_TIMEOUT,
    FETCH_TLS,  // the handshake failed
    FETCH_CERT, // the certificate was not valid for the host
    FETCH_TOO_LARGE,
    FETCH_BROKEN // ended early, or no HTTP
};
struct fetch_answer {
    enum fetch_failure failure;
    struct error error; // where it failed: for people
    unsigned status;    // 200, 404, ...
    char content_type[128];
    char location[FETCH_URL_BYTES_MAX + 1]; // where a redirect leads, absolute; empty: none
    struct buffer body;
};
// Always fills `answer`; fetch_answer_finish frees it. A cancel does not end it, the deadline does.
IO_WAITS void fetch_get(const struct fetch_request *request, struct fetch_answer *answer);
void fetch_answer_finish(struct fetch_answer *answer);

#endif
