// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/units.h"

#include <math.h>
#include <stdlib.h>

void json_begin(struct json_writer *json, struct buffer *out) {
    *json = (struct json_writer){.out = out};
}

static void before_value(struct json_writer *json) {
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->has_items[json->depth])
        buffer_append_char(json->out, ',');
    json->has_items[json->depth] = true;
}

static void open_level(struct json_writer *json, char bracket) {
    before_value(json);
    ASSERT(json->depth + 1 < JSON_DEPTH_MAX);
    json->has_items[++json->depth] = false;
    buffer_append_char(json->out, bracket);
}

static void close_level(struct json_writer *json, char bracket) {
    ASSERT(json->depth > 0 && !json->after_key);
    json->depth--;
    buffer_append_char(json->out, bracket);
}

void json_object_begin(struct json_writer *json) {
    open_level(json, '{');
}
void json_object_end(struct json_writer *json) {
    close_level(json, '}');
}
void json_array_begin(struct json_writer *json) {
    open_level(json, '[');
}
void json_array_end(struct json_writer *json) {
    close_level(json, ']');
}

static void put_ascii(struct buffer *out, char c) {
    switch (c) {
    case '"': buffer_append(out, "\\\"", 2); break;
    case '\\': buffer_append(out, "\\\\", 2); break;
    case '\n': buffer_append(out, "\\n", 2); break;
    case '\r': buffer_append(out, "\\r", 2); break;
    case '\t': buffer_append(out, "\\t", 2); break;
    default:
        if ((unsigned char)c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\u%04x", (unsigned char)c);
        else
            buffer_append_char(out, c);
    }
}

// Most text stands as it is.
static size_t plain_len(struct view text) {
    size_t len = 0;
    while (len < text.len && text.ptr[len] >= ' ' && text.ptr[len] < 0x7f && text.ptr[len] != '"' &&
           text.ptr[len] != '\\')
        len++;
    return len;
}

// What needs a sign of its own; returns how much of `text` it was.
static size_t put_special(struct buffer *out, struct view text) {
    if ((unsigned char)text.ptr[0] < 0x80) {
        put_ascii(out, text.ptr[0]);
        return 1;
    }
    size_t len = view_utf8_len(text);
    buffer_append_view(out, len ? view_take(text, len) : VIEW("\xef\xbf\xbd"));
    return size_max(len, 1);
}

void json_add_string(struct json_writer *json, struct view value) {
    before_value(json);
    buffer_append_char(json->out, '"');
    while (value.len) {
        size_t len = plain_len(value);
        if (len)
            buffer_append(json->out, value.ptr, len);
        else
            len = put_special(json->out, value);
        value = view_skip(value, len);
    }
    buffer_append_char(json->out, '"');
}

void json_key(struct json_writer *json, const char *key) {
    ASSERT(!json->after_key);
    json_add_string(json, view_of(key));
    buffer_append_char(json->out, ':');
    json->after_key = true;
}

void json_add_int(struct json_writer *json, int64_t value) {
    before_value(json);
    buffer_printf(json->out, "%lld", (long long)value);
}

// Written digit by digit: printf would use the decimal point of the user's language.
void json_add_fraction(struct json_writer *json, double value) {
    const double highest = 1e15;
    before_value(json);
    bool well = isfinite(value) && fabs(value) < highest;
    long long hundredths = well ? llround(value * 100) : 0;
    if (hundredths < 0)
        buffer_append_char(json->out, '-');
    hundredths = llabs(hundredths);
    buffer_printf(json->out, "%lld.%lld", hundredths / 100, hundredths / 10 % 10);
    if (hundredths % 10)
        buffer_printf(json->out, "%lld", hundredths % 10);
}

void json_add_bool(struct json_writer *json, bool value) {
    before_value(json);
    buffer_append_view(json->out, value ? VIEW("true") : VIEW("false"));
}

void json_add_null(struct json_writer *json) {
    before_value(json);
    buffer_append_view(json->out, VIEW("null"));
}

void json_put_string(struct json_writer *json, const char *key, struct view value) {
    json_key(json, key);
    if (value.len)
        json_add_string(json, value);
    else
        json_add_null(json);
}

void json_put_int(struct json_writer *json, const char *key, int64_t value) {
    json_key(json, key);
    json_add_int(json, value);
}

void json_put_bool(struct json_writer *json, const char *key, bool value) {
    json_key(json, key);
    json_add_bool(json, value);
}

void json_put_null(struct json_writer *json, const char *key) {
    json_key(json, key);
    json_add_null(json);
}

void json_put_time(struct json_writer *json, const char *key, int64_t wall_ms) {
    char text[UNITS_TIME_SIZE];
    size_t len = units_format_time(wall_ms, text, sizeof(text));
    json_put_string(json, key, wall_ms ? view_from(text, len) : VIEW_NONE);
}
