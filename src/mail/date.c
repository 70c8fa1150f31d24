// SPDX-License-Identifier: Apache-2.0
// Dates of header fields (RFC 5322 3.3 and 4.3) and of mailbox files (asctime), by what the words
// are and not by where they stand: old mail has them in many orders.
#include "base/units.h"
#include "mail/mail.h"

struct date_parts {
    struct units_civil civil;
    int offset_minutes;
    bool has_time, has_offset;
};

static struct view take_word(struct view *rest) {
    size_t from = 0, len = 0;
    while (from < rest->len && memchr(" \t\r\n,", rest->ptr[from], 5))
        from++;
    *rest = view_skip(*rest, from);
    while (len < rest->len && !memchr(" \t\r\n,", rest->ptr[len], 5))
        len++;
    struct view word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return word;
}

static int month_from_word(struct view word) {
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    if (word.len < 3 || word.len > 9)
        return 0;
    for (int i = 0; i < 12; i++)
        if (view_equals_nocase(view_take(word, 3), view_from(months + (ptrdiff_t)i * 3, 3)))
            return i + 1;
    return 0;
}

// "23:34:45" or "23:34".
static bool take_clock(struct view word, struct units_civil *civil) {
    struct view hour, minute;
    uint64_t numbers[3] = {0};
    if (!view_split(&word, ':', &hour) || !view_split(&word, ':', &minute) ||
        !view_to_u64(hour, &numbers[0]) || !view_to_u64(minute, &numbers[1]))
        return false;
    if (word.len && !view_to_u64(view_take(word, 2), &numbers[2]))
        return false;
    civil->hour = (int)(numbers[0] % 100);
    civil->minute = (int)(numbers[1] % 100);
    civil->second = (int)numbers[2];
    return true;
}

// "+0900", "GMT", "PST" (RFC 5322 4.3); other letters say nothing for sure and are passed over.
static bool take_zone(struct view word, int *minutes) {
    static const struct {
        struct view name;
        int hours;
    } zones[] = {{{"GMT", 3}, 0},  {{"UT", 2}, 0},   {{"UTC", 3}, 0},  {{"Z", 1}, 0},
                 {{"EST", 3}, -5}, {{"EDT", 3}, -4}, {{"CST", 3}, -6}, {{"CDT", 3}, -5},
                 {{"MST", 3}, -7}, {{"MDT", 3}, -6}, {{"PST", 3}, -8}, {{"PDT", 3}, -7},
                 {{"JST", 3}, 9},  {{"CET", 3}, 1},  {{"CEST", 4}, 2}};
    uint64_t number = 0;
    bool is_signed = word.len == 5 && (word.ptr[0] == '+' || word.ptr[0] == '-');
    if (is_signed && view_to_u64(view_skip(word, 1), &number) && number % 100 < 60) {
        int value = (int)(number / 100 * 60 + number % 100);
        *minutes = word.ptr[0] == '-' ? -value : value;
        return value <= 14 * 60;
    }
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        if (view_equals_nocase(word, zones[i].name)) {
            *minutes = zones[i].hours * 60;
            return true;
        }
    return false;
}

// A day first, then a year; RFC 5322 4.3 for years of two digits.
static void take_number(struct view word, uint64_t number, struct units_civil *civil) {
    if (civil->day == 0 && word.len <= 2)
        civil->day = (int)number;
    else if (civil->year == 0 && word.len >= 2 && word.len <= 4)
        civil->year = (int)number + (word.len > 3 ? 0 : number < 50 && word.len == 2 ? 2000 : 1900);
}

static void take_date_word(struct view word, struct date_parts *parts) {
    uint64_t number = 0;
    if (view_to_u64(word, &number))
        take_number(word, number, &parts->civil);
    else if (!parts->has_time && take_clock(word, &parts->civil))
        parts->has_time = true;
    else if (!parts->has_offset && take_zone(word, &parts->offset_minutes))
        parts->has_offset = true;
    else if (parts->civil.month == 0)
        parts->civil.month = month_from_word(word);
}

bool mail_date_parse(struct view text, int64_t *wall_ms) {
    struct date_parts parts = {0};
    struct view rest = view_take(text, 128), word;
    while ((word = take_word(&rest)).len && word.ptr[0] != '(')
        take_date_word(word, &parts);
    if (!parts.has_time || !units_from_civil(&parts.civil, wall_ms))
        return units_parse_time(view_trim(text), wall_ms);
    *wall_ms -= (int64_t)parts.offset_minutes * 60 * 1000;
    return true;
}
