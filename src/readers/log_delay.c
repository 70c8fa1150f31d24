// SPDX-License-Identifier: Apache-2.0
// When a message arrived whose arrival is not in the log: each system tells with an attempt how
// long the message has been there. What cannot be (a negative age, one of years, a clock that was
// set) is as good as not told.
#include "readers/log.h"

enum { NUMBER_MAX = 1 << 30, ID_TIME_LEN = 6 };
static const int64_t second_ms = 1000, day_ms = 24 * 60 * 60 * (int64_t)1000;
static const int64_t age_ms_max = 100 * 24 * 60 * 60 * (int64_t)1000; // mail waits five days or so

// False where no digit stands, or more than any age needs.
static bool take_number(struct view *text, int64_t *number) {
    size_t len = 0;
    *number = 0;
    while (len < text->len && ascii_is_digit(text->ptr[len]) && *number < NUMBER_MAX)
        *number = *number * 10 + (text->ptr[len++] - '0');
    *text = view_skip(*text, len);
    return len > 0 && *number < NUMBER_MAX;
}

// ".25" of a second.
static int64_t take_fraction_ms(struct view *text) {
    int64_t ms = 0, unit = 100;
    size_t at = 1;
    if (text->len < 2 || text->ptr[0] != '.')
        return 0;
    for (; at < text->len && ascii_is_digit(text->ptr[at]); at++, unit /= 10)
        ms += unit * (text->ptr[at] - '0');
    *text = view_skip(*text, at);
    return ms;
}

// Sendmail's "00:30:03" or "4+00:30:03"; the first number is taken off already.
static bool read_clock(int64_t first, struct view text, int64_t *delay_ms) {
    int64_t days = 0, hours = first, minutes, seconds;
    if (text.len && text.ptr[0] == '+') {
        text = view_skip(text, 1);
        days = first;
        if (!take_number(&text, &hours))
            return false;
    }
    if (text.len == 0 || text.ptr[0] != ':')
        return false;
    text = view_skip(text, 1);
    if (!take_number(&text, &minutes) || text.len == 0 || text.ptr[0] != ':')
        return false;
    text = view_skip(text, 1);
    if (!take_number(&text, &seconds))
        return false;
    *delay_ms = days * day_ms + ((hours * 60 + minutes) * 60 + seconds) * second_ms;
    return true;
}

static int64_t unit_ms(char unit) {
    switch (unit) {
    case 'w': return 7 * day_ms;
    case 'd': return day_ms;
    case 'h': return 60 * 60 * second_ms;
    case 'm': return 60 * second_ms;
    case 's': return second_ms;
    default: return 0;
    }
}

// "1.5", "11s", "1d2h3m4s", "0.123s", "00:30:03", "4+00:30:03".
bool reader_log_delay_read(struct view text, int64_t *delay_ms) {
    int64_t number, unit;
    *delay_ms = 0;
    if (!take_number(&text, &number))
        return false;
    if (text.len && (text.ptr[0] == ':' || text.ptr[0] == '+'))
        return read_clock(number, text, delay_ms);
    for (;;) {
        int64_t ms = take_fraction_ms(&text);
        unit = text.len ? unit_ms(text.ptr[0]) : second_ms;
        if (unit == 0)
            return false;
        *delay_ms += number * unit + ms * unit / second_ms;
        text = view_skip(text, 1);
        if (text.len == 0)
            return true;
        if (*delay_ms > age_ms_max || !take_number(&text, &number))
            return false;
    }
}

int64_t reader_log_arrival_bound(int64_t arrived_ms, int64_t at_ms) {
    int64_t age_ms = at_ms - arrived_ms;
    if (arrived_ms <= 0 || age_ms > age_ms_max || age_ms < -LOG_JUMP_MS)
        return 0;
    return age_ms < 0 ? at_ms : arrived_ms;
}

void reader_log_entry_delay(struct view delay, struct reader_entry *entry) {
    int64_t delay_ms;
    if (reader_log_delay_read(delay, &delay_ms))
        entry->arrived_ms = reader_log_arrival_bound(entry->at_ms - delay_ms, entry->at_ms);
}

// Exim's ids begin with the second in which the message came in, in base 62.
int64_t reader_log_exim_id_ms(struct view id) {
    int64_t seconds = 0;
    for (size_t i = 0; i < ID_TIME_LEN; i++) {
        char c = i < id.len ? id.ptr[i] : '-';
        bool is_upper = c >= 'A' && c <= 'Z', is_lower = c >= 'a' && c <= 'z';
        if (!ascii_is_digit(c) && !is_upper && !is_lower)
            return 0;
        seconds = seconds * 62 + (is_upper ? c - 'A' + 10 : is_lower ? c - 'a' + 36 : c - '0');
    }
    return seconds * second_ms;
}
