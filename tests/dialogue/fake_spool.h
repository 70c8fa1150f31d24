// SPDX-License-Identifier: Apache-2.0
// Bodies in memory in place of the spool's, for tests of deliver/.
#ifndef TESTS_DIALOGUE_FAKE_SPOOL_H
#define TESTS_DIALOGUE_FAKE_SPOOL_H

#include "spool/spool.h"

// Reading fails from `fails_at` on (UINT64_MAX: never); not resident: reading comes through
// scratch.
struct spool_body *fake_body(struct view bytes, bool is_resident, uint64_t fails_at);
// What spool_body_open finds; NULL: nothing.
void fake_store(struct spool_body *body);

#endif
