// SPDX-License-Identifier: Apache-2.0
#ifndef PROBE_WEB_INTERNAL_H
#define PROBE_WEB_INTERNAL_H

#include "fetch/fetch.h"
#include "probe/probe_internal.h"

struct probe_get {
    struct view url;
    const char *accept; // NULL: anything
    size_t bytes_max;
    bool may_be_inside; // addresses that are not of the internet are called too
    unsigned n_redirects_max;
};
// Empty: there is an answer, whatever its status; else why there is none. fetch_answer_finish is
// due either way.
IO_WAITS struct view probe_get(struct probe *probe, const struct probe_get *get,
                               struct fetch_answer *answer);

#endif
