// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_times_out(void **state) {
    static const struct {
        int64_t ms;
        const char *text, *mail;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "Thu, 1 Jan 1970 00:00:00 +0000"},
        {1778582520123, "2026-05-12T10:42:00Z", "Tue, 12 May 2026 10:42:00 +0000"},
        {951782399999, "2000-02-28T23:59:59Z", "Mon, 28 Feb 2000 23:59:59 +0000"},
        {951782400000, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 +0000"},
        {4107542400000, "2100-03-01T00:00:00Z", "Mon, 1 Mar 2100 00:00:00 +0000"},
        {-1, "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 +0000"},
        {-86400000, "1969-12-31T00:00:00Z", "Wed, 31 Dec 1969 00:00:00 +0000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[UNITS_TIME_SIZE];
        size_t len = units_format_time(rows[i].ms, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(len, strlen(text));
        units_format_mail_date(rows[i].ms, text, sizeof(text));
        assert_string_equal(text, rows[i].mail);
    }
}

static void test_small_rooms(void **state) {
    char text[8];
    assert_int_equal(units_format_time(0, text, sizeof(text)), 7);
    assert_string_equal(text, "1970-01");
    assert_int_equal(units_format_time(INT64_MAX, text, sizeof(text)), 7);
    units_format_time(INT64_MIN, text, sizeof(text));
    assert_int_equal(units_format_duration(INT64_MAX, text, sizeof(text)), 7);
    assert_int_equal(units_format_size(UINT64_MAX, text, sizeof(text)), 7);
}

static void test_times_in(void **state) {
    static const struct {
        const char *text;
        bool well;
        int64_t ms;
    } rows[] = {
        {"2026-05-12T10:42:00Z", true, 1778582520000},
        {"2026-05-12t10:42:00z", true, 1778582520000},
        {"2026-05-12 10:42:00Z", true, 1778582520000},
        {"2026-05-12T12:42:00+02:00", true, 1778582520000},
        {"2026-05-12T05:12:00-0530", true, 1778582520000},
        {"2026-05-12T10:42:00.5Z", true, 1778582520500},
        {"2026-05-12T10:42:00.123456789Z", true, 1778582520123},
        {"2026-05-12T10:42:00,25+00:00", true, 1778582520250},
        {"1969-12-31T23:59:59.999Z", true, -1},
        {"2024-02-29T00:00:00Z", true, 1709164800000},
        {"2016-12-31T23:59:60Z", true, 1483228800000}, // a leap second
        {"2026-05-12T10:42:00", false, 0},             // which zone?
        {"2026-05-12T10:42:00.Z", false, 0},
        {"2026-05-12T10:42:00Zx", false, 0},
        {"2026-05-12T24:00:00Z", false, 0},
        {"2026-05-12T10:60:00Z", false, 0},
        {"2026-05-12T10:42:61Z", false, 0},
        {"2026-02-29T00:00:00Z", false, 0},
        {"2100-02-29T00:00:00Z", false, 0},
        {"2026-04-31T00:00:00Z", false, 0},
        {"2026-13-01T00:00:00Z", false, 0},
        {"2026-00-01T00:00:00Z", false, 0},
        {"2026-05-00T00:00:00Z", false, 0},
        {"2026-05-12T10:42:00+24:00", false, 0},
        {"2026-05-12T10:42:00+2:00", false, 0},
        {"26-05-12T10:42:00Z", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 0;
        bool well = units_parse_time(view_of(rows[i].text), &ms);
        if (well != rows[i].well || ms != rows[i].ms)
            fail_msg("%s: %d %lld", rows[i].text, well, (long long)ms);
    }
}

// Every day from 1600 to 2400 comes back.
static void test_calendar(void **state) {
    char text[UNITS_TIME_SIZE];
    for (int64_t day = -135140; day < 157054; day++) {
        int64_t ms = day * 86400000 + 43200000, back = 0;
        size_t len = units_format_time(ms, text, sizeof(text));
        assert_true(units_parse_time(view_from(text, len), &back));
        assert_true(back == ms);
    }
}

static void test_durations(void **state) {
    static const struct {
        const char *text;
        bool well;
        int64_t ms;
    } rows[] = {
        {"0", true, 0},
        {"500ms", true, 500},
        {"30s", true, 30000},
        {"1m", true, 60000},
        {"4h", true, 14400000},
        {"5d", true, 432000000},
        {"2w", true, 1209600000},
        {"1h30m", true, 5400000},
        {"1m500ms", true, 60500},
        {"0s", true, 0},
        {"", false, 0},
        {"5", false, 0},
        {"m", false, 0},
        {"-5s", false, 0},
        {"5 s", false, 0},
        {"5s ", false, 0},
        {"5S", false, 0},
        {"1h30", false, 0},
        {"99999999999999999999s", false, 0},
        {"9223372036854775807s", false, 0},
        {"9223372036854775807ms", true, INT64_MAX},
        {"9223372036854775807ms1ms", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 0;
        bool well = units_parse_duration(view_of(rows[i].text), &ms);
        if (well != rows[i].well || ms != rows[i].ms)
            fail_msg("%s: %d %lld", rows[i].text, well, (long long)ms);
    }
}

static void test_readable_durations(void **state) {
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{-5, "0 ms"},         {0, "0 ms"},           {999, "999 ms"},
                {1000, "1 s"},        {119999, "119 s"},     {120000, "2 min"},
                {7199999, "119 min"}, {7200000, "2 h"},      {12000000, "3 h 20 min"},
                {172800000, "2 d"},   {187200000, "2 d 4 h"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[UNITS_TIME_SIZE];
        units_format_duration(rows[i].ms, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

static void test_sizes(void **state) {
    static const struct {
        const char *text;
        bool well;
        uint64_t bytes;
    } rows[] = {
        {"512", true, 512},
        {"0", true, 0},
        {"64K", true, 65536},
        {"25M", true, 26214400},
        {"2G", true, 2147483648},
        {"25MB", true, 26214400},
        {"25MiB", true, 26214400},
        {"1k", true, 1024},
        {"5B", true, 5},
        {"", false, 0},
        {"K", false, 0},
        {"5X", false, 0},
        {"5iB", false, 0},
        {"-1", false, 0},
        {"1.5M", false, 0},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"17179869184G", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t bytes = 0;
        bool well = units_parse_size(view_of(rows[i].text), &bytes);
        if (well != rows[i].well || (well && bytes != rows[i].bytes))
            fail_msg("%s: %d %llu", rows[i].text, well, (unsigned long long)bytes);
    }
}

static void test_readable_sizes(void **state) {
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 bytes"},   {1, "1 byte"},    {1023, "1023 bytes"}, {1024, "1.0 KB"},
        {1536, "1.5 KB"}, {10240, "10 KB"}, {26214400, "25 MB"},  {UINT64_MAX, "16777215 TB"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[UNITS_TIME_SIZE];
        units_format_size(rows[i].bytes, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

static void test_rates(void **state) {
    static const struct {
        const char *text;
        bool well;
        uint64_t events;
        int64_t period_ms;
    } rows[] = {
        {"100/m", true, 100, 60000},
        {"5/s", true, 5, 1000},
        {"2000/h", true, 2000, 3600000},
        {"50000/d", true, 50000, 86400000},
        {"0/s", false, 0, 0},
        {"5", false, 0, 0},
        {"/s", false, 0, 0},
        {"5/", false, 0, 0},
        {"5/s/s", false, 0, 0},
        {"5/x", false, 0, 0},
        {"", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t events = 0;
        int64_t period_ms = 0;
        bool well = units_parse_rate(view_of(rows[i].text), &events, &period_ms);
        if (well != rows[i].well ||
            (well && (events != rows[i].events || period_ms != rows[i].period_ms)))
            fail_msg("%s", rows[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_out), cmocka_unit_test(test_small_rooms),
        cmocka_unit_test(test_times_in),  cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_readable_durations),
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_readable_sizes),
        cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
