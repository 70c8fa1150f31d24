// SPDX-License-Identifier: Apache-2.0
// Writes JSON (RFC 8259) into a buffer: commas and nesting are kept here, bytes that are not UTF-8
// become U+FFFD, so that whatever a peer said can be shown. Reading is jansson's work.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buffer.h"

enum { JSON_DEPTH_MAX = 32 };

struct json_writer {
    struct buffer *out;
    unsigned depth;
    bool has_items[JSON_DEPTH_MAX];
    bool after_key;
};

void json_begin(struct json_writer *json, struct buffer *out);
void json_object_begin(struct json_writer *json);
void json_object_end(struct json_writer *json);
void json_array_begin(struct json_writer *json);
void json_array_end(struct json_writer *json);
void json_key(struct json_writer *json, const char *key);
void json_add_string(struct json_writer *json, struct view value);
void json_add_int(struct json_writer *json, int64_t value);
// With at most two digits behind the point.
void json_add_fraction(struct json_writer *json, double value);
void json_add_bool(struct json_writer *json, bool value);
void json_add_null(struct json_writer *json);

// Key and value at once. An empty view is written as null.
void json_put_string(struct json_writer *json, const char *key, struct view value);
void json_put_int(struct json_writer *json, const char *key, int64_t value);
void json_put_bool(struct json_writer *json, const char *key, bool value);
void json_put_null(struct json_writer *json, const char *key);
// RFC 3339 in UTC; zero is written as null.
void json_put_time(struct json_writer *json, const char *key, int64_t wall_ms);

#endif
