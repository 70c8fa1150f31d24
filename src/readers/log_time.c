// SPDX-License-Identifier: Apache-2.0
// The times at the start of lines: RFC 3164 ("May  2 10:42:00", no year, no zone), RFC 3339, and
// Exim's ("2026-05-02 10:42:00.123 +0200"). Most lines have the second of the line before, so its
// text is compared before anything is computed.
#include "base/units.h"
#include "readers/log.h"

enum { TIME_3164_LEN = 15, TIME_FULL_LEN = 19 };

static const int64_t day_ms = 24 * 60 * 60 * 1000, minute_ms = 60 * 1000;

static int digit(char c) {
    return ascii_is_digit(c) ? c - '0' : -1;
}

// Two digits; a blank may stand for the first. Negative where there are none.
static int two(const char *at) {
    int tens = at[0] == ' ' ? 0 : digit(at[0]), ones = digit(at[1]);
    return tens < 0 || ones < 0 ? -1 : tens * 10 + ones;
}

static bool take_clock(const char *at, struct units_civil *civil) {
    if (at[2] != ':' || at[5] != ':' || at[0] == ' ' || at[3] == ' ' || at[6] == ' ')
        return false;
    civil->hour = two(at);
    civil->minute = two(at + 3);
    civil->second = two(at + 6);
    return civil->hour >= 0 && civil->minute >= 0 && civil->second >= 0;
}

static int month_of(const char *at) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(names + 3 * (size_t)i, at, 3) == 0)
            return i + 1;
    return 0;
}

// --- RFC 3164 -----------------------------------------------------------------------------------
static int year_of(int64_t ms) {
    char text[UNITS_TIME_SIZE];
    uint64_t year = 1970;
    units_format_time(ms, text, sizeof(text));
    (void)view_to_u64(view_take(view_of(text), 4), &year);
    return (int)year;
}

// The year is the latest that does not put the line after now. A day is allowed for, as the zone of
// such lines is not said either.
static bool place_in_year(struct log_clock *clock, struct units_civil civil, int64_t *at_ms) {
    if (clock->year == 0)
        clock->year = year_of(clock->now_ms + day_ms);
    for (civil.year = clock->year; civil.year > clock->year - 9; civil.year--) // 29 February
        if (units_from_civil(&civil, at_ms) &&
            *at_ms - clock->zone_minutes * minute_ms <= clock->now_ms + day_ms)
            return true;
    return false;
}

static bool parse_3164(struct log_clock *clock, const char *at, int64_t *at_ms) {
    struct units_civil civil = {.month = month_of(at), .day = two(at + 4)};
    if (civil.month == 0 || at[3] != ' ' || at[6] != ' ' || !take_clock(at + 7, &civil))
        return false;
    return place_in_year(clock, civil, at_ms);
}

// --- Full times ---------------------------------------------------------------------------------
static bool parse_full(const char *at, int64_t *at_ms) {
    int century = two(at), years = two(at + 2);
    struct units_civil civil = {.month = two(at + 5), .day = two(at + 8)};
    if (century < 0 || years < 0 || at[4] != '-' || at[7] != '-' || !take_clock(at + 11, &civil))
        return false;
    civil.year = century * 100 + years;
    return units_from_civil(&civil, at_ms);
}

// ".123456" or ",123": milliseconds, with the length of it.
static size_t take_fraction(struct view text, int64_t *ms) {
    size_t at = 1;
    int64_t unit = 100;
    if (text.len < 2 || (text.ptr[0] != '.' && text.ptr[0] != ',') || !ascii_is_digit(text.ptr[1]))
        return 0;
    for (; at < text.len && ascii_is_digit(text.ptr[at]); at++, unit /= 10)
        *ms += unit * digit(text.ptr[at]);
    return at;
}

// "Z", "+02:00", "+0200", " +0200": minutes east; zero length where no zone stands.
static size_t take_zone(struct view text, int64_t *minutes) {
    bool has_blank = text.len && text.ptr[0] == ' ';
    struct view sign = view_skip(text, has_blank);
    if (text.len && text.ptr[0] == 'Z') {
        *minutes = 0;
        return 1;
    }
    if (sign.len < 5 || (sign.ptr[0] != '+' && sign.ptr[0] != '-'))
        return 0;
    size_t has_colon = sign.ptr[3] == ':';
    if (sign.len < 5 + has_colon)
        return 0;
    int hours = two(sign.ptr + 1), rest = two(sign.ptr + 3 + has_colon);
    if (hours < 0 || rest < 0)
        return 0;
    *minutes = (hours * 60 + rest) * (sign.ptr[0] == '-' ? -1 : 1);
    return 5 + has_colon + has_blank;
}

// --- Both ---------------------------------------------------------------------------------------
static bool is_known(const struct log_clock *clock, const char *at, size_t len) {
    return clock->text_len == len && memcmp(clock->text, at, len) == 0;
}

static bool parse_second(struct log_clock *clock, const char *at, size_t len) {
    int64_t ms;
    clock->text_len = 0;
    if (!(len == TIME_3164_LEN ? parse_3164(clock, at, &ms) : parse_full(at, &ms)))
        return false;
    memcpy(clock->text, at, len);
    clock->text_len = len;
    clock->text_ms = ms;
    return true;
}

static size_t take_3164(struct log_clock *clock, struct view text, int64_t *at_ms) {
    if (!is_known(clock, text.ptr, TIME_3164_LEN) && !parse_second(clock, text.ptr, TIME_3164_LEN))
        return 0;
    *at_ms = clock->text_ms - clock->zone_minutes * minute_ms;
    return TIME_3164_LEN;
}

static size_t take_full(struct log_clock *clock, struct view text, int64_t *at_ms) {
    if (!is_known(clock, text.ptr, TIME_FULL_LEN) && !parse_second(clock, text.ptr, TIME_FULL_LEN))
        return 0;
    int64_t ms = 0, minutes = clock->zone_minutes;
    size_t len = TIME_FULL_LEN;
    len += take_fraction(view_skip(text, len), &ms);
    len += take_zone(view_skip(text, len), &minutes);
    *at_ms = clock->text_ms + ms - minutes * minute_ms;
    return len;
}

size_t reader_log_time_take(struct log_clock *clock, struct view text, int64_t *at_ms) {
    ASSERT(clock && at_ms);
    if (text.len >= TIME_FULL_LEN && ascii_is_digit(text.ptr[0]) &&
        (text.ptr[10] == 'T' || text.ptr[10] == ' '))
        return take_full(clock, text, at_ms);
    if (text.len >= TIME_3164_LEN && ascii_is_alpha(text.ptr[0]) && text.ptr[3] == ' ')
        return take_3164(clock, text, at_ms);
    return 0;
}
