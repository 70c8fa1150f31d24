// SPDX-License-Identifier: Apache-2.0
// Listings in JSON: postqueue -j (one object a line) and Get-Queue | ConvertTo-Json (an array, or
// one object).
#include "readers/queue.h"

#include <stdio.h>

#include <jansson.h>

static struct view string_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return view_from(json_string_value(value), json_string_length(value));
}

// --- postqueue -j --------------------------------------------------------------------------------
static void read_message(struct queue_builder *builder, const json_t *object) {
    size_t index;
    const json_t *recipient;
    json_int_t arrived = json_integer_value(json_object_get(object, "arrival_time"));
    int64_t arrived_ms = arrived > 0 && arrived < 1LL << 40 ? arrived * 1000 : 0;
    builder->queue->n_frozen +=
        view_equals(string_of(object, "queue_name"), VIEW("hold")) ? 1U : 0U;
    queue_message(builder, arrived_ms);
    json_array_foreach(json_object_get(object, "recipients"), index, recipient) {
        struct queue_entry entry = {.reason = string_of(recipient, "delay_reason"),
                                    .recipient = string_of(recipient, "address"),
                                    .arrived_ms = arrived_ms};
        queue_add(builder, &entry);
    }
}

void queue_read_postfix_json(struct queue_builder *builder, struct view text) {
    struct view line;
    while (view_split(&text, '\n', &line)) {
        line = view_trim(line);
        if (line.len == 0)
            continue;
        json_t *object = json_loadb(line.ptr, line.len, 0, NULL);
        if (json_is_object(object))
            read_message(builder, object);
        else
            builder->queue->n_unread++;
        json_decref(object);
    }
}

// --- Get-Queue -----------------------------------------------------------------------------------
static void read_queue(struct queue_builder *builder, const json_t *object) {
    const json_t *count = json_object_get(object, "MessageCount");
    char digits[24];
    struct queue_exchange found = {.destination = string_of(object, "NextHopDomain"),
                                   .error = string_of(object, "LastError")};
    snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(count));
    found.count = json_is_integer(count) ? view_of(digits) : string_of(object, "MessageCount");
    queue_add_exchange(builder, &found);
}

void queue_read_exchange_json(struct queue_builder *builder, struct view text) {
    size_t index;
    const json_t *object;
    // PowerShell writes a byte order mark in front.
    if (view_starts_with(text, VIEW("\xef\xbb\xbf")))
        text = view_skip(text, 3);
    json_t *root = json_loadb(text.ptr, text.len, JSON_DISABLE_EOF_CHECK, NULL);
    if (!root)
        builder->queue->n_unread++;
    if (json_is_object(root))
        read_queue(builder, root);
    json_array_foreach(root, index, object) read_queue(builder, object);
    json_decref(root);
}
