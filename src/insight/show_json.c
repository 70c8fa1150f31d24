// SPDX-License-Identifier: Apache-2.0
// The report as JSON (docs/json.md): each incident with the members of its verdict.
#include "insight/insight_internal.h"

enum { VERDICT_BYTES_MAX = 1 << 20 };

static void put_names(const struct insight_incident *incident, struct json_writer *json) {
    json_key(json, "names");
    json_array_begin(json);
    if (incident->extent != INSIGHT_EVERYTHING)
        json_add_string(json, incident->name);
    json_array_end(json);
    json_key(json, "destinations");
    json_array_begin(json);
    for (size_t i = 0; i < incident->n_domains; i++)
        json_add_string(json, incident->domains[i]);
    json_array_end(json);
    json_put_int(json, "n_destinations", (int64_t)incident->n_destinations);
}

static void put_proof(const struct insight_incident *incident, struct json_writer *json) {
    const struct insight_proof *proof = &incident->proof;
    json_key(json, "proof");
    json_object_begin(json);
    json_put_string(json, "file", proof->file);
    json_put_int(json, "line", (int64_t)proof->line_number);
    json_put_string(json, "text", proof->words);
    json_put_string(json, "first_file", incident->first_file);
    json_put_int(json, "first_line", (int64_t)incident->first_line);
    json_object_end(json);
}

static void put_fraction(struct json_writer *json, const char *key, double value) {
    json_key(json, key);
    json_add_fraction(json, value);
}

static void put_others(const struct insight_incident *incident, struct json_writer *json) {
    json_key(json, "other_causes");
    json_array_begin(json);
    for (size_t i = 0; i < incident->n_others; i++)
        json_add_string(json, cause_info(incident->others[i])->id);
    json_array_end(json);
}

static void put_incident(const struct insight_incident *incident, enum reader_side side,
                         struct json_writer *json) {
    struct verdict verdict;
    struct arena arena;
    arena_init(&arena, VERDICT_BYTES_MAX);
    insight_incident_verdict(incident, &arena, &verdict);
    reader_order_advice(side, &verdict);
    json_object_begin(json);
    json_key(json, "extent");
    json_object_begin(json);
    json_put_string(json, "kind", insight_extent_word(incident->extent));
    put_names(incident, json);
    json_object_end(json);
    json_put_time(json, "onset", incident->onset_ms);
    json_put_time(json, "last_seen", incident->last_seen_ms);
    json_put_time(json, "end", incident->end_ms);
    json_put_int(json, "attempts", (int64_t)incident->n_attempts);
    json_put_int(json, "messages", (int64_t)incident->n_messages);
    json_put_int(json, "recipients", (int64_t)incident->n_recipients);
    json_put_int(json, "senders", (int64_t)incident->n_senders);
    json_put_int(json, "suppressed", (int64_t)incident->n_suppressed);
    json_put_int(json, "bounced", (int64_t)incident->n_bounced);
    json_put_int(json, "expired", (int64_t)incident->n_expired);
    json_put_time(json, "oldest", incident->oldest_ms);
    json_put_int(json, "longest_wait_ms", incident->longest_wait_ms);
    put_fraction(json, "share", incident->share);
    put_fraction(json, "normal_share", incident->normal);
    json_put_int(json, "messages_before", (int64_t)incident->n_before);
    json_put_int(json, "delivered_since", (int64_t)incident->n_delivered_since);
    put_others(incident, json);
    put_proof(incident, json);
    verdict_write_json_members(&verdict, json);
    json_object_end(json);
    arena_finish(&arena);
}

struct incidents {
    const char *key;
    const struct insight_incident *all;
    size_t n;
};

static void put_incidents(const struct incidents *incidents, enum reader_side side,
                          struct json_writer *json) {
    json_key(json, incidents->key);
    json_array_begin(json);
    for (size_t i = 0; i < incidents->n; i++)
        put_incident(&incidents->all[i], side, json);
    json_array_end(json);
}

static void put_tally(const struct insight_tally *tally, struct json_writer *json) {
    json_put_int(json, "delivered", (int64_t)tally->n_delivered);
    json_put_int(json, "deferred", (int64_t)tally->n_deferred);
    json_put_int(json, "bounced", (int64_t)tally->n_bounced);
    json_put_int(json, "suppressed", (int64_t)tally->n_suppressed);
    json_put_int(json, "expired", (int64_t)tally->n_expired);
}

static void put_totals(const struct insight_report *report, struct json_writer *json) {
    json_key(json, "totals");
    json_object_begin(json);
    put_tally(&report->totals, json);
    json_put_int(json, "messages_with_failures", (int64_t)report->n_messages);
    json_put_int(json, "destinations", (int64_t)report->n_destinations_seen);
    json_put_int(json, "delay_p50_ms", report->delay_p50_ms);
    json_put_int(json, "delay_p95_ms", report->delay_p95_ms);
    json_object_end(json);
}

static void put_destinations(const struct insight_report *report, struct json_writer *json) {
    json_key(json, "destinations");
    json_array_begin(json);
    for (size_t i = 0; i < report->n_destinations; i++) {
        const struct insight_destination *destination = &report->destinations[i];
        json_object_begin(json);
        json_put_string(json, "name", destination->name);
        put_tally(&destination->tally, json);
        json_put_string(json, "cause", cause_info(destination->cause)->id);
        json_put_int(json, "delay_p50_ms", destination->delay_p50_ms);
        json_put_int(json, "delay_p95_ms", destination->delay_p95_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_causes(const struct insight_report *report, struct json_writer *json) {
    json_key(json, "causes");
    json_array_begin(json);
    for (size_t i = 0; i < report->n_causes; i++) {
        json_object_begin(json);
        json_put_string(json, "cause", cause_info(report->causes[i].cause)->id);
        put_tally(&report->causes[i].tally, json);
        json_object_end(json);
    }
    json_array_end(json);
}

void insight_write_json_members(const struct insight_report *report,
                                const struct insight_show *show, struct json_writer *json) {
    struct incidents incidents = {"incidents", report->incidents, report->n_incidents};
    struct incidents late = {"late", report->late, report->n_late};
    json_put_time(json, "first", report->first_ms);
    json_put_time(json, "last", report->last_ms);
    put_incidents(&incidents, show->side, json);
    put_incidents(&late, show->side, json);
    put_totals(report, json);
    put_destinations(report, json);
    put_causes(report, json);
    json_key(json, "dropped");
    json_object_begin(json);
    json_put_int(json, "destinations", (int64_t)report->n_places_dropped);
    json_put_int(json, "series", (int64_t)report->n_series_dropped);
    json_put_int(json, "incidents", (int64_t)report->n_incidents_dropped);
    json_object_end(json);
}
