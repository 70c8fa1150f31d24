// SPDX-License-Identifier: Apache-2.0
// How many events a second become incidents, and in how much memory, where everything that is
// bounded is full: far more destinations than are followed, and many that fail.
//
// Usage: bench_insight [EVENTS [DESTINATIONS]]
#include "base/hash.h"
#include "base/rng.h"
#include "insight/insight.h"
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { FAILED_OF_100 = 10 };

static void take(struct insight *insight, struct rng *rng, uint64_t n_destinations, uint64_t i) {
    static const enum cause causes[] = {CAUSE_CONN_TIMEOUT, CAUSE_RCPT_GREYLIST, CAUSE_USER_UNKNOWN,
                                        CAUSE_THROTTLE,     CAUSE_DNS_SERVFAIL,  CAUSE_OVERLOAD};
    char domain[64], host[64];
    // Half of the mail goes to one in a hundred.
    uint64_t number = rng_below(rng, 2) ? rng_below(rng, n_destinations / 100 + 1)
                                        : rng_below(rng, n_destinations);
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_ERRNO);
    struct insight_event event = {.outcome = OUTCOME_DELIVERED,
                                  .at_ms = INT64_C(1778580000000) + (int64_t)i * 10,
                                  .message = hash_u64(i),
                                  .file = VIEW("mail.log"),
                                  .line_number = i + 1};
    event.arrived_ms = event.at_ms - 1000;
    snprintf(domain, sizeof(domain), "company%llu.example", (unsigned long long)number);
    snprintf(host, sizeof(host), "mx1.company%llu.example", (unsigned long long)number);
    event.domain = view_of(domain);
    event.host = view_of(host);
    bool is_down = number % 50 == (i / 1000000) % 50; // one in fifty, for a while
    if (is_down || rng_below(rng, 100) < FAILED_OF_100) {
        event.outcome = OUTCOME_TEMPORARY_FAILURE;
        event.cause = is_down ? CAUSE_CONN_REFUSED : causes[rng_below(rng, ARRAY_LEN(causes))];
        event.recipient = hash_u64(i / 3);
        event.sender = hash_u64(i % 1000);
        event.fact = &fact;
        event.words = VIEW("connect to mx1.company.example[192.0.2.25]:25: Connection refused");
    }
    insight_take(insight, &event);
}

int main(int argc, char **argv) {
    uint64_t n_events = 20000000, n_destinations = 200000;
    struct rng rng;
    struct rusage usage;
    if (argc > 1 && !view_to_u64(view_of(argv[1]), &n_events))
        return 2;
    if (argc > 2 && (!view_to_u64(view_of(argv[2]), &n_destinations) || n_destinations == 0))
        return 2;
    rng_init(&rng, 1);
    struct insight *insight = insight_create(&(struct insight_options){0});
    int64_t begun_ms = io_wall_ms();
    for (uint64_t i = 0; i < n_events; i++)
        take(insight, &rng, n_destinations, i);
    double seconds = (double)(io_wall_ms() - begun_ms) / 1000;
    const struct insight_report *report = insight_report(insight);
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "%llu events in %.1f s: %.2f million a second; %ld MB; %zu incidents, %llu dropped, "
        "%llu places and %llu series dropped\n",
        (unsigned long long)n_events, seconds, seconds > 0 ? (double)n_events / seconds / 1e6 : 0.0,
        usage.ru_maxrss >> 10, report->n_incidents, (unsigned long long)report->n_incidents_dropped,
        (unsigned long long)report->n_places_dropped, (unsigned long long)report->n_series_dropped);
    insight_destroy(insight);
    return 0;
}
