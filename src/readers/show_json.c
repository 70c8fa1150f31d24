// SPDX-License-Identifier: Apache-2.0
// Readings as JSON (docs/json.md): one object a line and input, the verdict's members in each
// recipient.
#include "readers/show.h"

// Null where nothing is for the other side to do.
static void put_letter(const struct verdict *verdict, struct json_writer *json) {
    struct buffer letter;
    buffer_init(&letter, 64 << 10);
    (void)verdict_write_letter(verdict, &letter);
    json_put_string(json, "letter", buffer_view(&letter));
    buffer_finish(&letter);
}

static void put_recipient(const struct reader_reading *reading,
                          const struct reader_recipient *recipient, const struct reader_show *show,
                          struct json_writer *json) {
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    reader_verdict(recipient, &arena, &verdict);
    reader_order_advice(show->side, &verdict);
    json_object_begin(json);
    json_put_string(json, "recipient", recipient->address);
    json_put_string(json, "original_recipient", recipient->original);
    json_put_string(json, "action", reader_action_word(recipient->action));
    json_put_string(json, "status", recipient->status);
    json_put_time(json, "first_attempt", recipient->first_attempt_ms);
    json_put_time(json, "last_attempt", recipient->last_attempt_ms);
    json_put_time(json, "retry_until", recipient->retry_until_ms);
    if (show->sisimai_names)
        json_put_string(json, "sisimai", reader_sisimai_name(reading, recipient));
    verdict_write_json_members(&verdict, json);
    if (show->letter)
        put_letter(&verdict, json);
    json_object_end(json);
    arena_finish(&arena);
}

void reader_write_json(const struct reader_reading *reading, const struct reader_show *show,
                       struct buffer *out) {
    struct json_writer json;
    json_begin(&json, out);
    json_object_begin(&json);
    json_put_string(&json, "file", show->file);
    json_put_string(&json, "kind", reader_kind_word(reading->kind));
    json_put_string(&json, "reporting_server", reading->reporting_server);
    json_put_string(&json, "message_id", reading->message_id);
    json_put_string(&json, "subject", reading->subject);
    json_put_string(&json, "sender", reading->sender);
    json_key(&json, "recipients");
    json_array_begin(&json);
    for (size_t i = 0; i < reading->n_recipients; i++)
        put_recipient(reading, &reading->recipients[i], show, &json);
    json_array_end(&json);
    json_put_bool(&json, "is_cut", reading->is_cut);
    json_object_end(&json);
    buffer_append_char(out, '\n');
}

static void put_cause(const struct reader_queue_cause *group, const struct reader_show *show,
                      struct json_writer *json) {
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    reader_verdict(&group->sample, &arena, &verdict);
    reader_order_advice(show->side, &verdict);
    json_object_begin(json);
    json_put_int(json, "messages", (int64_t)group->n_messages);
    json_put_int(json, "recipients", (int64_t)group->n_recipients);
    json_put_bool(json, "waiting", group->is_waiting);
    json_put_time(json, "oldest", group->oldest_ms);
    json_key(json, "destinations");
    json_array_begin(json);
    for (size_t i = 0; i < group->n_destinations; i++) {
        json_object_begin(json);
        json_put_string(json, "name", group->destinations[i].name);
        json_put_int(json, "messages", (int64_t)group->destinations[i].n_messages);
        json_object_end(json);
    }
    json_array_end(json);
    json_put_int(json, "elsewhere", (int64_t)group->n_elsewhere);
    verdict_write_json_members(&verdict, json);
    if (show->letter)
        put_letter(&verdict, json);
    json_object_end(json);
    arena_finish(&arena);
}

void reader_queue_write_json(const struct reader_queue *queue, const struct reader_show *show,
                             struct buffer *out) {
    struct json_writer json;
    json_begin(&json, out);
    json_object_begin(&json);
    json_put_string(&json, "file", show->file);
    json_put_string(&json, "kind", reader_kind_word(READER_QUEUE));
    json_key(&json, "recipients");
    json_array_begin(&json);
    json_array_end(&json);
    json_key(&json, "queue");
    json_object_begin(&json);
    json_put_string(&json, "system", reader_queue_word(queue->system));
    json_put_int(&json, "messages", (int64_t)queue->n_messages);
    json_put_int(&json, "recipients", (int64_t)queue->n_recipients);
    json_put_int(&json, "held", (int64_t)queue->n_frozen);
    json_put_int(&json, "unread", (int64_t)queue->n_unread);
    json_put_time(&json, "oldest", queue->oldest_ms);
    json_key(&json, "causes");
    json_array_begin(&json);
    for (size_t i = 0; i < queue->n_causes; i++)
        put_cause(&queue->causes[i], show, &json);
    json_array_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    buffer_append_char(out, '\n');
}
