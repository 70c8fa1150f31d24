// SPDX-License-Identifier: Apache-2.0
// Both sides of one handshake.
#ifndef TESTS_TLS_MEETING_H
#define TESTS_TLS_MEETING_H

#include "dialogue/authority_group.h"
#include "tls/context_internal.h"
#include "unit/io/io_test.h"

struct meeting {
    struct ends ends;
    struct tls_context *server_context, *client_context;
    struct tls_policy policy;
    struct fact server_fact, client_fact;
    struct tls_session server_session, client_session;
};

static inline void serve(void *arg) {
    struct meeting *meeting = arg;
    meeting->server_fact = tls_server_start(meeting->server_context, &meeting->ends.far,
                                            io_after(5000), &meeting->server_session);
}

static inline void meet(struct meeting *meeting) {
    struct io_group group;
    meeting->ends = ends_open();
    io_group_init(&group);
    io_group_spawn(&group, "server", serve, meeting);
    meeting->client_fact =
        tls_client_start(meeting->client_context, &meeting->ends.near, &meeting->policy,
                         io_after(5000), &meeting->client_session);
    assert_ok(io_group_wait(&group, io_after(5000)));
}

static inline void part(struct meeting *meeting) {
    ends_close(&meeting->ends);
    tls_context_unref(meeting->server_context);
    tls_context_unref(meeting->client_context);
}

static inline struct meeting meeting_with(const struct authority_order *order) {
    return (struct meeting){.server_context = authority_server(authority, order),
                            .client_context = authority_client(authority)};
}

#endif
