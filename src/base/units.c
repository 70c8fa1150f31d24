// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <stdio.h>

static const int64_t second = 1000, minute = 60 * 1000, hour = 60 * 60 * 1000,
                     day = 24 * 60 * 60 * 1000;

struct civil {
    int64_t year;
    int month, day_of_month, hour, minute, second, weekday;
};

// The proleptic Gregorian calendar in eras of 400 years, as no library call is needed for UTC.
static struct civil civil_from_ms(int64_t wall_ms) {
    int64_t seconds = wall_ms / second - (wall_ms % second < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t rest = seconds - days * 86400;
    struct civil civil = {.hour = (int)(rest / 3600),
                          .minute = (int)(rest / 60 % 60),
                          .second = (int)(rest % 60),
                          .weekday = (int)(((days + 4) % 7 + 7) % 7)};
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    civil.day_of_month = (int)(doy - (153 * mp + 2) / 5 + 1);
    civil.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    civil.year = yoe + era * 400 + (civil.month <= 2);
    return civil;
}

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day_of_month) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day_of_month - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

size_t units_format_time(int64_t wall_ms, char *out, size_t size) {
    struct civil c = civil_from_ms(wall_ms);
    int len = snprintf(out, size, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)c.year, c.month,
                       c.day_of_month, c.hour, c.minute, c.second);
    return size_min((size_t)len, size ? size - 1 : 0);
}

size_t units_format_mail_date(int64_t wall_ms, char *out, size_t size) {
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_from_ms(wall_ms);
    int len = snprintf(out, size, "%s, %d %s %04lld %02d:%02d:%02d +0000", weekdays[c.weekday],
                       c.day_of_month, months[c.month - 1], (long long)c.year, c.hour, c.minute,
                       c.second);
    return size_min((size_t)len, size ? size - 1 : 0);
}

static bool take_digits(struct view *rest, size_t count, int64_t *value) {
    uint64_t number = 0;
    if (rest->len < count || !view_to_u64(view_take(*rest, count), &number))
        return false;
    *rest = view_skip(*rest, count);
    *value = (int64_t)number;
    return true;
}

static bool take_char(struct view *rest, char a, char b) {
    if (rest->len == 0 || (rest->ptr[0] != a && rest->ptr[0] != b))
        return false;
    *rest = view_skip(*rest, 1);
    return true;
}

static bool take_offset(struct view *rest, int64_t *offset_ms) {
    int64_t hours = 0, minutes = 0;
    if (take_char(rest, 'Z', 'z')) {
        *offset_ms = 0;
        return true;
    }
    bool negative = rest->len > 0 && rest->ptr[0] == '-';
    if (!take_char(rest, '+', '-') || !take_digits(rest, 2, &hours))
        return false;
    take_char(rest, ':', ':');
    if (!take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_ms = (hours * hour + minutes * minute) * (negative ? -1 : 1);
    return true;
}

static int days_in_month(int64_t year, int64_t month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    ASSERT(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && leap);
}

// Digits beyond milliseconds are read and dropped; a point without digits is an error.
static bool take_fraction(struct view *rest, int64_t *fraction_ms) {
    int64_t unit = 100;
    if (!take_char(rest, '.', ','))
        return true;
    if (rest->len == 0 || !ascii_is_digit(rest->ptr[0]))
        return false;
    while (rest->len && ascii_is_digit(rest->ptr[0])) {
        *fraction_ms += (rest->ptr[0] - '0') * unit;
        unit /= 10;
        *rest = view_skip(*rest, 1);
    }
    return true;
}

bool units_from_civil(const struct units_civil *c, int64_t *wall_ms) {
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in_month(c->year, c->month))
        return false;
    if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 ||
        c->second > 60)
        return false;
    *wall_ms = days_from_civil(c->year, c->month, c->day) * day + c->hour * hour +
               c->minute * minute + c->second * second;
    return true;
}

bool units_parse_time(struct view text, int64_t *wall_ms) {
    int64_t year, month, dom, hh, mm, ss, offset = 0, fraction_ms = 0;
    bool well =
        take_digits(&text, 4, &year) && take_char(&text, '-', '-') &&
        take_digits(&text, 2, &month) && take_char(&text, '-', '-') &&
        take_digits(&text, 2, &dom) && (take_char(&text, 'T', ' ') || take_char(&text, 't', 't')) &&
        take_digits(&text, 2, &hh) && take_char(&text, ':', ':') && take_digits(&text, 2, &mm) &&
        take_char(&text, ':', ':') && take_digits(&text, 2, &ss);
    if (!well || month < 1 || month > 12 || dom < 1 || dom > days_in_month(year, month) ||
        hh > 23 || mm > 59 || ss > 60 || !take_fraction(&text, &fraction_ms))
        return false;
    if (!take_offset(&text, &offset) || text.len)
        return false;
    *wall_ms = days_from_civil(year, month, dom) * day + hh * hour + mm * minute + ss * second +
               fraction_ms - offset;
    return true;
}

size_t units_format_duration(int64_t duration_ms, char *out, size_t size) {
    int len;
    long long ms = duration_ms < 0 ? 0 : duration_ms;
    if (ms < second)
        len = snprintf(out, size, "%lld ms", ms);
    else if (ms < 2 * minute)
        len = snprintf(out, size, "%lld s", ms / second);
    else if (ms < 2 * hour)
        len = snprintf(out, size, "%lld min", ms / minute);
    else if (ms < 2 * day)
        len = snprintf(out, size, ms % hour / minute ? "%lld h %lld min" : "%lld h", ms / hour,
                       ms % hour / minute);
    else
        len = snprintf(out, size, ms % day / hour ? "%lld d %lld h" : "%lld d", ms / day,
                       ms % day / hour);
    return size_min((size_t)len, size ? size - 1 : 0);
}

static bool take_number(struct view *rest, uint64_t *number) {
    size_t n = 0;
    while (n < rest->len && ascii_is_digit(rest->ptr[n]))
        n++;
    if (!view_to_u64(view_take(*rest, n), number))
        return false;
    *rest = view_skip(*rest, n);
    return true;
}

static int64_t take_time_unit(struct view *rest) {
    static const struct {
        struct view name;
        int64_t ms;
    } table[] = {{{"ms", 2}, 1},      {{"s", 1}, 1000},     {{"m", 1}, 60000},
                 {{"h", 1}, 3600000}, {{"d", 1}, 86400000}, {{"w", 1}, 604800000}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_starts_with(*rest, table[i].name)) {
            *rest = view_skip(*rest, table[i].name.len);
            return table[i].ms;
        }
    return 0;
}

bool units_parse_duration(struct view text, int64_t *duration_ms) {
    int64_t total = 0;
    if (view_equals(text, VIEW("0"))) {
        *duration_ms = 0;
        return true;
    }
    if (text.len == 0)
        return false;
    while (text.len) {
        uint64_t number = 0;
        int64_t part = 0;
        int64_t unit = take_number(&text, &number) ? take_time_unit(&text) : 0;
        if (unit == 0 || number > INT64_MAX ||
            __builtin_mul_overflow((int64_t)number, unit, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
    }
    *duration_ms = total;
    return true;
}

bool units_parse_size(struct view text, uint64_t *bytes) {
    uint64_t number = 0, factor = 1;
    if (!take_number(&text, &number))
        return false;
    if (take_char(&text, 'k', 'K'))
        factor = 1U << 10;
    else if (take_char(&text, 'm', 'M'))
        factor = 1U << 20;
    else if (take_char(&text, 'g', 'G'))
        factor = 1U << 30;
    if (factor > 1)
        take_char(&text, 'i', 'i');
    take_char(&text, 'b', 'B');
    return text.len == 0 && !__builtin_mul_overflow(number, factor, bytes);
}

size_t units_format_size(uint64_t bytes, char *out, size_t size) {
    static const char *const names[] = {"bytes", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    uint64_t whole = bytes, rest = 0;
    while (whole >= 1024 && unit + 1 < ARRAY_LEN(names)) {
        rest = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit++;
    }
    int len = unit && whole < 10 ? snprintf(out, size, "%llu.%llu %s", (unsigned long long)whole,
                                            (unsigned long long)rest, names[unit])
                                 : snprintf(out, size, "%llu %s", (unsigned long long)whole,
                                            bytes == 1 ? "byte" : names[unit]);
    return size_min((size_t)len, size ? size - 1 : 0);
}

bool units_parse_rate(struct view text, uint64_t *events, int64_t *period_ms) {
    uint64_t number = 0;
    if (!take_number(&text, &number) || number == 0 || !take_char(&text, '/', '/'))
        return false;
    int64_t unit = take_time_unit(&text);
    if (unit == 0 || text.len)
        return false;
    *events = number;
    *period_ms = unit;
    return true;
}

void units_put_count(struct buffer *out, uint64_t number) {
    if (number >= 1000) {
        units_put_count(out, number / 1000);
        buffer_printf(out, ",%03u", (unsigned)(number % 1000));
    } else {
        buffer_printf(out, "%u", (unsigned)number);
    }
}

void units_put_counted(struct buffer *out, uint64_t number, const char *one, const char *many) {
    units_put_count(out, number);
    buffer_printf(out, " %s", number == 1 ? one : many);
}
