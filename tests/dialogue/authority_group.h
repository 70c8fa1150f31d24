// SPDX-License-Identifier: Apache-2.0
// One authority for all tests of a program: the group's setup and teardown of cmocka.
#ifndef TESTS_DIALOGUE_AUTHORITY_GROUP_H
#define TESTS_DIALOGUE_AUTHORITY_GROUP_H

#include "dialogue/authority.h"

static struct authority *authority;

static inline int make_authority(void **state) {
    authority = authority_create();
    return 0;
}

static inline int drop_authority(void **state) {
    authority_destroy(authority);
    return 0;
}

#endif
