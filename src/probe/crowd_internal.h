// SPDX-License-Identifier: Apache-2.0
// What targets that run at the same time have in common.
#ifndef PROBE_CROWD_INTERNAL_H
#define PROBE_CROWD_INTERNAL_H

#include "probe/probe_internal.h"

// All of the addresses at once; false: the deadline came, or it was canceled.
IO_WAITS bool probe_crowd_enter(struct probe_crowd *crowd, const struct address *addresses,
                                size_t n, io_time deadline);
void probe_crowd_leave(struct probe_crowd *crowd, const struct address *addresses, size_t n);
// Whether a target of many is worth a look at who answers near us. Each yes has its end: `is_over`
// where the look was not cut short.
bool probe_crowd_may_look(struct probe_crowd *crowd);
void probe_crowd_looked(struct probe_crowd *crowd, bool is_over, bool has_found);

#endif
