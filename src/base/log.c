// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/buffer.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LOG_LINE_BYTES_MAX = 2048 };

static atomic_int least_level = LOG_LEVEL_INFO;
static _Atomic(int64_t (*)(void)) clock_of_lines;
static void (*line_sink)(enum log_level, struct view, void *);
static void *line_sink_arg;

void log_set_level(enum log_level least) {
    atomic_store(&least_level, least);
}

void log_set_clock(int64_t (*wall_ms)(void)) {
    atomic_store(&clock_of_lines, wall_ms);
}

void log_set_sink(void (*sink)(enum log_level, struct view, void *), void *arg) {
    line_sink = sink;
    line_sink_arg = arg;
}

static size_t escape(char *out, size_t size, const char *text) {
    size_t len = 0;
    for (; *text && len + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            len += (size_t)snprintf(out + len, size - len, "\\x%02x", c);
        else
            out[len++] = (char)c;
    }
    return len;
}

void log_line(enum log_level level, const char *area, const char *format, ...) {
    static const char *const words[] = {"debug", "info", "warning", "error"};
    if ((int)level < atomic_load(&least_level))
        return;
    char text[LOG_LINE_BYTES_MAX], line[LOG_LINE_BYTES_MAX + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t len = 0;
    int64_t (*wall_ms)(void) = atomic_load(&clock_of_lines);
    if (wall_ms)
        len += units_format_time(wall_ms(), line, sizeof(line));
    len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s %s: ", len ? " " : "",
                            words[level], area);
    len += escape(line + len, sizeof(line) - len - 1, text);
    if (line_sink) {
        line_sink(level, view_from(line, len), line_sink_arg);
        return;
    }
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len); // one call a line keeps lines whole
    (void)written;
}
