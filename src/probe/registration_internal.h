// SPDX-License-Identifier: Apache-2.0
#ifndef PROBE_REGISTRATION_INTERNAL_H
#define PROBE_REGISTRATION_INTERNAL_H

#include "probe/probe_internal.h"

// What a registry says of a domain (RFC 9083 5.3).
struct probe_registration {
    struct view statuses; // as said, one after the other; empty: none
    bool is_on_hold;      // taken out of the DNS by registrar or registry
    bool is_ending;       // about to be deleted, or delegated to nobody
    int64_t expires_ms;   // zero: not told
};
// False: this is no JSON about a domain. Views come from `arena`.
bool probe_registration_read(struct view text, struct arena *arena,
                             struct probe_registration *registration);

#endif
