// SPDX-License-Identifier: Apache-2.0
// What is wrong with a configuration, collected while it is read and printed in the order of the
// file: one run shows every mistake that can be told from the others.
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include "base/arena.h"
#include "base/buffer.h"

enum { CONFIG_PROBLEMS_MAX = 50 };

struct config_problem {
    struct config_problem *next;
    unsigned line; // zero: of the file as a whole
    struct view text;
};

struct config_problems {
    struct arena *arena;
    struct config_problem *first; // by line
    size_t count;                 // also those that were not kept
};

void config_problem(struct config_problems *problems, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);
// "PATH:LINE: text", a line each.
void config_problems_print(const struct config_problems *problems, const char *path,
                           struct buffer *out);

#endif
