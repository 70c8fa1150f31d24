// SPDX-License-Identifier: Apache-2.0
// An error for the person who reads it: what happened, to which thing, and where. Library code
// fills one in and returns false; programs print it, once. What goes wrong with mail is a fact
// (base/fact.h), not an error.
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

struct error {
    int sys_errno; // zero when no system call failed
    char text[512];
};

// Always false, so that a function can end with `return error_set(...)`.
bool error_set(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);
// Appends ": " and the system's words for `sys_errno`.
bool error_set_errno(struct error *error, int sys_errno, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
