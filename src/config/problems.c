// SPDX-License-Identifier: Apache-2.0
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>

void config_problem(struct config_problems *problems, unsigned line, const char *format, ...) {
    char text[1024];
    problems->count++;
    if (problems->count > CONFIG_PROBLEMS_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct config_problem *problem = arena_alloc(problems->arena, sizeof(*problem));
    if (!problem)
        return;
    problem->line = line;
    problem->text = arena_copy(problems->arena, view_of(text));
    struct config_problem **at = &problems->first;
    while (*at && (*at)->line <= line)
        at = &(*at)->next;
    problem->next = *at;
    *at = problem;
}

// File names and values come from outside: control characters are shown, never sent to a terminal.
static void append_clean(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append_char(out, (char)c);
    }
}

void config_problems_print(const struct config_problems *problems, const char *path,
                           struct buffer *out) {
    for (const struct config_problem *each = problems->first; each; each = each->next) {
        append_clean(out, view_of(path));
        if (each->line)
            buffer_printf(out, ":%u", each->line);
        buffer_append_view(out, VIEW(": "));
        append_clean(out, each->text);
        buffer_append_char(out, '\n');
    }
    if (problems->count > CONFIG_PROBLEMS_MAX) {
        append_clean(out, view_of(path));
        buffer_printf(out, ": %zu more problems are not shown\n",
                      problems->count - CONFIG_PROBLEMS_MAX);
    }
}
