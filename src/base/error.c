// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error->sys_errno = 0;
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return false;
}

bool error_set_errno(struct error *error, int sys_errno, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error->sys_errno = sys_errno;
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    size_t len = strlen(error->text);
    const char *words = strerrordesc_np(sys_errno);
    snprintf(error->text + len, sizeof(error->text) - len, ": %s",
             words ? words : "unknown system error");
    return false;
}
