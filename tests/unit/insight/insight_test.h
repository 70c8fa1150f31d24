// SPDX-License-Identifier: Apache-2.0
// Events as a log would tell them, for the tests of incidents.
#ifndef INSIGHT_TEST_H
#define INSIGHT_TEST_H

#include "base/hash.h"
#include "insight/insight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define START_MS INT64_C(1778580000000)

static inline struct insight_event event_of(const char *domain, const char *host, uint64_t message,
                                            int64_t at_ms) {
    return (struct insight_event){.outcome = OUTCOME_DELIVERED,
                                  .at_ms = START_MS + at_ms,
                                  .message = message,
                                  .recipient = hash_u64(message),
                                  .sender = 7,
                                  .domain = view_of(domain),
                                  .host = view_of(host),
                                  .file = VIEW("mail.log"),
                                  .line_number = (uint64_t)at_ms + 1};
}

static inline void deliver(struct insight *insight, const char *domain, uint64_t message,
                           int64_t at_ms) {
    char host[300];
    snprintf(host, sizeof(host), "mx.%s", domain);
    struct insight_event event = event_of(domain, host, message, at_ms);
    insight_take(insight, &event);
}

static inline void defer(struct insight *insight, const char *domain, uint64_t message,
                         int64_t at_ms, enum cause cause) {
    char host[300];
    snprintf(host, sizeof(host), "mx.%s", domain);
    struct insight_event event = event_of(domain, host, message, at_ms);
    event.outcome = OUTCOME_TEMPORARY_FAILURE;
    event.cause = cause;
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_ERRNO);
    fact.sys_errno = 110;
    event.fact = cause == CAUSE_CONN_TIMEOUT ? &fact : NULL;
    event.words = VIEW("connect to mx[192.0.2.1]:25: Connection timed out");
    insight_take(insight, &event);
}

#endif
