// SPDX-License-Identifier: Apache-2.0
// A run of the probe without its network: one host, one conversation that ended with a fact.
#ifndef TESTS_PROBE_STAGE_H
#define TESTS_PROBE_STAGE_H

#include "probe/probe_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs those before it.
#include <cmocka.h>

struct stage {
    struct probe probe;
    struct probe_options options;
    struct probe_target target;
    struct probe_result result;
    struct probe_session session;
    struct probe_way way;
    struct route_host host;
    struct route route;
    struct arena arena;
};

// Free with stage_free.
static inline struct stage *stage_set(struct fact fact) {
    struct stage *stage = calloc(1, sizeof(*stage));
    assert_non_null(stage);
    arena_init(&stage->arena, 1 << 20);
    stage->host.name = VIEW("mx.example.org");
    stage->way.host = &stage->host;
    stage->route.fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_OK);
    stage->session.way = &stage->way;
    stage->session.attempt =
        (struct attempt){.host = stage->host.name, .domain = VIEW("example.org"), .fact = fact};
    stage->probe = (struct probe){.options = &stage->options,
                                  .target = &stage->target,
                                  .result = &stage->result,
                                  .arena = &stage->arena,
                                  .session = &stage->session,
                                  .route = &stage->route};
    return stage;
}

static inline void stage_free(struct stage *stage) {
    arena_finish(&stage->arena);
    free(stage);
}

#endif
