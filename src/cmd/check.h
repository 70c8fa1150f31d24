// SPDX-License-Identifier: Apache-2.0
// What `postrider check` finds: a list of results, printed by check.c.
#ifndef CMD_CHECK_H
#define CMD_CHECK_H

#include "config/config.h"
#include "dns/dns.h"

enum check_status { CHECK_OK, CHECK_WARNING, CHECK_FAULT };

enum { CHECK_RESULTS_MAX = 512 };

struct check_result {
    enum check_status status;
    const char *area; // static
    char text[400];
    char remedy[400]; // empty: none needed
};

struct check {
    struct config *config;
    struct dns_resolver *resolver;
    struct check_result results[CHECK_RESULTS_MAX];
    size_t n_results;
};

// Appends a result; what does not fit is dropped (the list is far longer than any real one).
struct check_result *check_add(struct check *check, enum check_status status, const char *area,
                               const char *format, ...) PRINTF_LIKE(4, 5);
void check_remedy(struct check_result *result, const char *format, ...) PRINTF_LIKE(2, 3);

void check_rules(struct check *check, const char *path); // check_local.c
void check_data(struct check *check);                    // check_local.c
void check_limits(struct check *check);
void check_listeners(struct check *check);
void check_certificate(struct check *check);
IO_WAITS void check_dns(struct check *check); // check_names.c
IO_WAITS void check_names(struct check *check);
IO_WAITS void check_connectors(struct check *check);

#endif
