// SPDX-License-Identifier: Apache-2.0
// The event log of deliveries: one line a recipient and attempt, with the cause that was found when
// it happened, in a form that `postrider logs` reads again (readers/log_postrider.c). A server or a
// domain that took no mail at all is one line, however many messages wait for it.
#include "relay/relay_internal.h"

#include <stdio.h>

enum { EVENT_SERVER_MAX = 400, EVENT_ARENA_BYTES = 16 << 10 };

static const char *outcome_of(const struct fact *fact) {
    return fact_is_ok(fact) ? "delivered" : fact_is_permanent(fact, false) ? "bounced" : "deferred";
}

static bool is_tried(const struct fact *fact) {
    return fact->kind != FACT_KIND_NONE && fact->kind != FACT_KIND_CANCELED;
}

// "mx1.example.org[192.0.2.1]:25"; a host that is configured as "[192.0.2.1]" has no name.
static void format_server(const struct attempt *attempt, char *out, size_t size) {
    char address[ADDRESS_TEXT_SIZE] = "";
    struct view name = view_take(attempt->host, 300);
    if (view_starts_with(name, VIEW("[")))
        name = VIEW_NONE;
    if (attempt->peer.family != ADDRESS_NONE)
        address_format(&attempt->peer, address, sizeof address);
    snprintf(out, size, "%.*s[%s]:%u", VIEW_ARG(name), address, (unsigned)attempt->peer.port);
}

static void say_failure(const char *head, const struct fact *fact, const struct attempt *attempt) {
    struct arena arena;
    arena_init(&arena, EVENT_ARENA_BYTES);
    struct view words = fact_describe(fact, &arena);
    struct view cause = cause_info(cause_of_attempt(fact, attempt))->id;
    log_info("deliver", "%s connector=%.*s outcome=%s cause=%.*s: %.*s", head,
             VIEW_ARG(attempt->connector), outcome_of(fact), VIEW_ARG(cause), VIEW_ARG(words));
    arena_finish(&arena);
}

static void tell_result(const struct attempt *attempt, const struct attempt_result *result,
                        const char *server) {
    char head[1024];
    const struct fact *fact = &result->fact;
    snprintf(head, sizeof head, "%.*s: to=<%.*s> server=%s", VIEW_ARG(result->message_id),
             VIEW_ARG(view_take(result->recipient, 400)), server);
    if (fact_is_ok(fact))
        log_info("deliver", "%s connector=%.*s outcome=delivered: %d %.*s", head,
                 VIEW_ARG(attempt->connector), fact->reply_code, VIEW_ARG(fact->text));
    else
        say_failure(head, fact, attempt);
}

void relay_event_attempt(const struct attempt *attempt) {
    char server[EVENT_SERVER_MAX], head[1024];
    format_server(attempt, server, sizeof server);
    for (size_t i = 0; i < attempt->n_results; i++)
        if (is_tried(&attempt->results[i].fact))
            tell_result(attempt, &attempt->results[i], server);
    if (!is_tried(&attempt->fact) || fact_is_ok(&attempt->fact) || attempt->n_results > 0)
        return;
    snprintf(head, sizeof head, "-: domain=%.*s server=%s", VIEW_ARG(attempt->domain), server);
    say_failure(head, &attempt->fact, attempt);
}

void relay_event_route(struct view domain, const struct route *route) {
    struct attempt none = {0};
    char head[512];
    snprintf(head, sizeof head, "-: domain=%.*s", VIEW_ARG(view_take(domain, 300)));
    if (route->connector != NULL)
        none.connector = view_of(route->connector->name);
    if (is_tried(&route->fact) && !fact_is_ok(&route->fact))
        say_failure(head, &route->fact, &none);
}
