// SPDX-License-Identifier: Apache-2.0
// Log lines on standard error: "TIME level area: text". They never hold message bodies or
// passwords. Control characters from outside are shown as \xNN, so that a peer cannot forge a line.
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/view.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

void log_line(enum log_level level, const char *area, const char *format, ...) PRINTF_LIKE(3, 4);
void log_set_level(enum log_level least);
// Wall clock in milliseconds; io sets it, so that simulated runs log simulated time. NULL: no
// times.
void log_set_clock(int64_t (*wall_ms)(void));
// Where whole lines go (without the newline); NULL: standard error. Called from any thread.
void log_set_sink(void (*sink)(enum log_level level, struct view line, void *arg), void *arg);

#define log_debug(area, ...) log_line(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_warning(area, ...) log_line(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_LEVEL_ERROR, area, __VA_ARGS__)

#endif
