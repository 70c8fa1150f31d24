// SPDX-License-Identifier: Apache-2.0
// Amazon SES tells what became of mail as JSON, by mail through SNS or as it comes from its queues:
// one object with "notificationType" (or "eventType"), perhaps as a string inside SNS's own object.
#include "readers/report.h"

#include "base/units.h"

#include <jansson.h>

static struct view copy_string(const json_t *value, struct arena *arena) {
    const char *text = json_string_value(value);
    return text ? arena_copy(arena, view_from(text, json_string_length(value))) : VIEW_NONE;
}

static struct view member(const json_t *object, const char *key, struct arena *arena) {
    return copy_string(json_object_get(object, key), arena);
}

static int64_t time_of(const json_t *object, const char *key) {
    int64_t at_ms = 0;
    const char *text = json_string_value(json_object_get(object, key));
    return text && units_parse_time(view_of(text), &at_ms) ? at_ms : 0;
}

static struct reader_recipient *add(struct reader_report *report, struct view address,
                                    int64_t at_ms) {
    struct reader_recipient *recipient = reader_recipient_add(report);
    if (!recipient)
        return NULL;
    recipient->address = reader_address_clean(address);
    recipient->last_attempt_ms = at_ms;
    recipient->words.fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    recipient->evidence = VIEW("notification of Amazon SES");
    return recipient;
}

static void read_bounced(struct reader_report *report, const json_t *bounce) {
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(bounce, "bouncedRecipients"), index, entry) {
        struct view address = member(entry, "emailAddress", report->arena);
        struct reader_recipient *recipient = add(report, address, time_of(bounce, "timestamp"));
        if (!recipient)
            return;
        struct view diagnostic = member(entry, "diagnosticCode", report->arena);
        size_t type = view_find_char(diagnostic, ';');
        if (type < 10)
            diagnostic = view_trim(view_skip(diagnostic, type + 1));
        recipient->status = member(entry, "status", report->arena);
        recipient->action = READER_ACTION_FAILED;
        // Without a diagnostic only the class of the bounce is told.
        if (diagnostic.len == 0)
            diagnostic = member(bounce, "bounceSubType", report->arena);
        (void)reader_words_read(diagnostic, &recipient->words);
    }
    struct view server = member(bounce, "reportingMTA", report->arena);
    size_t type = view_find(server, VIEW("; "));
    report->reading->reporting_server = type < server.len ? view_skip(server, type + 2) : server;
    report->reading->kind = READER_BOUNCE;
}

static void read_delivery(struct reader_report *report, const json_t *delivery) {
    size_t index;
    const json_t *entry;
    struct view response = member(delivery, "smtpResponse", report->arena);
    json_array_foreach(json_object_get(delivery, "recipients"), index, entry) {
        struct reader_recipient *recipient =
            add(report, copy_string(entry, report->arena), time_of(delivery, "timestamp"));
        if (!recipient)
            return;
        recipient->action = READER_ACTION_DELIVERED;
        (void)reader_words_read(response, &recipient->words);
    }
    report->reading->reporting_server = member(delivery, "reportingMTA", report->arena);
}

static void read_delay(struct reader_report *report, const json_t *delay) {
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(delay, "delayedRecipients"), index, entry) {
        struct view address = member(entry, "emailAddress", report->arena);
        struct reader_recipient *recipient = add(report, address, time_of(delay, "timestamp"));
        if (!recipient)
            return;
        recipient->action = READER_ACTION_DELAYED;
        recipient->status = member(entry, "status", report->arena);
        recipient->retry_until_ms = time_of(delay, "expirationTime");
        (void)reader_words_read(member(entry, "diagnosticCode", report->arena), &recipient->words);
    }
    report->reading->kind = READER_DELAY;
}

static void read_complaint(struct reader_report *report, const json_t *complaint) {
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(complaint, "complainedRecipients"), index, entry)(void)
        add(report, member(entry, "emailAddress", report->arena), time_of(complaint, "timestamp"));
    report->reading->kind = READER_FEEDBACK;
}

static void read_mail(struct reader_report *report, const json_t *mail) {
    const json_t *header = json_object_get(mail, "commonHeaders");
    struct reader_reading *reading = report->reading;
    struct view id = member(header, "messageId", report->arena);
    id = id.len ? id : member(mail, "messageId", report->arena);
    reading->message_id = reader_id_clean(id);
    reading->subject = member(header, "subject", report->arena);
    reading->sender = member(mail, "source", report->arena);
    for (size_t i = 0; i < reading->n_recipients; i++)
        reading->recipients[i].first_attempt_ms = time_of(mail, "timestamp");
}

static bool read_object(struct reader_report *report, const json_t *object) {
    static const struct {
        const char *key;
        void (*read)(struct reader_report *report, const json_t *value);
    } rows[] = {{"bounce", read_bounced},
                {"delivery", read_delivery},
                {"deliveryDelay", read_delay},
                {"complaint", read_complaint}};
    const json_t *mail = json_object_get(object, "mail");
    if (!json_is_object(mail))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const json_t *value = json_object_get(object, rows[i].key);
        if (json_is_object(value))
            rows[i].read(report, value);
    }
    read_mail(report, mail);
    return report->reading->n_recipients > 0;
}

bool reader_notification_read(struct reader_report *report, struct view text) {
    text = view_trim(text);
    if (!view_starts_with(text, VIEW("{")) ||
        (view_find(text, VIEW("otificationType")) == text.len &&
         view_find(text, VIEW("eventType")) == text.len))
        return false;
    json_t *object = json_loadb(text.ptr, text.len, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *inner = json_object_get(object, "Message");
    json_t *unwrapped =
        json_is_string(inner) ? json_loads(json_string_value(inner), 0, NULL) : NULL;
    bool is_read = object && read_object(report, unwrapped ? unwrapped : object);
    json_decref(unwrapped);
    json_decref(object);
    return is_read;
}
