// SPDX-License-Identifier: Apache-2.0
// Times, durations, sizes and rates as people write them. Times are milliseconds since 1970 (UTC).
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/buffer.h"

enum { UNITS_TIME_SIZE = 40 };

// "2026-05-12T10:42:00Z" (RFC 3339). Returns the length; `out` is NUL-terminated.
size_t units_format_time(int64_t wall_ms, char *out, size_t size);
// "Tue, 12 May 2026 10:42:00 +0000" (RFC 5322 3.3).
size_t units_format_mail_date(int64_t wall_ms, char *out, size_t size);
// RFC 3339 with any offset; false when it is none.
bool units_parse_time(struct view text, int64_t *wall_ms);
// A date of the Gregorian calendar in UTC, for readers of other systems' times.
struct units_civil {
    int year, month, day, hour, minute, second; // month and day from 1
};
// False when there is no such time; a leap second counts as the second after it.
bool units_from_civil(const struct units_civil *civil, int64_t *wall_ms);
// Coarse and readable: "45 s", "12 min", "3 h 20 min", "2 d 4 h".
size_t units_format_duration(int64_t duration_ms, char *out, size_t size);
// "500ms", "30s", "1m", "4h", "5d", "2w", or several after one another ("1h30m"); zero alone is
// "0".
bool units_parse_duration(struct view text, int64_t *duration_ms);
// "512", "64K", "25M", "2G" (powers of 1024; a trailing "B" or "iB" is accepted).
bool units_parse_size(struct view text, uint64_t *bytes);
size_t units_format_size(uint64_t bytes, char *out, size_t size);
// "100/m", "5/s", "2000/h", "50000/d": events in a period.
bool units_parse_rate(struct view text, uint64_t *events, int64_t *period_ms);

// "11,140".
void units_put_count(struct buffer *out, uint64_t number);
// "1 message", "11,140 messages".
void units_put_counted(struct buffer *out, uint64_t number, const char *one, const char *many);

#endif
