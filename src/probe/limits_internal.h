// SPDX-License-Identifier: Apache-2.0
// One step of a ladder (rungs.c), for those who climb it (limits.c).
#ifndef PROBE_LIMITS_INTERNAL_H
#define PROBE_LIMITS_INTERNAL_H

#include "probe/probe_internal.h"

struct probe_rung {
    uint64_t n;            // how much is tried
    bool is_in_lock_step;  // recipients: one after the other
    uint64_t n_sent, n_ok; // recipients that were named, and accepted
};
enum probe_ladder {
    PROBE_LADDER_SIZE,        // MAIL SIZE=n: nothing is sent
    PROBE_LADDER_RECIPIENTS,  // the same one n times, then RSET
    PROBE_LADDER_BODY,        // part of a message whose end is never sent
    PROBE_LADDER_HEADER_LINE, // a message with one long line in its header
    PROBE_LADDER_HEADER,      // a message with many short fields
    PROBE_LADDER_COUNT
};
// The session as it ended; of messages `label` stands in the subject.
IO_WAITS struct fact probe_climb(struct probe *probe, enum probe_ladder ladder,
                                 struct probe_rung *rung, const char *label);

#endif
