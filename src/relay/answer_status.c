// SPDX-License-Identifier: Apache-2.0
// Counters for `status` and for metrics, and the frame around every answer.
#include "relay/answer.h"

static void put_queue(struct relay *relay, struct json_writer *json) {
    struct schedule_counts counts = schedule_counts(relay->schedule);
    json_key(json, "queue");
    json_object_begin(json);
    json_put_int(json, "messages", (int64_t)counts.messages);
    json_put_int(json, "recipients", (int64_t)counts.rcpts);
    json_put_int(json, "ready", (int64_t)counts.ready);
    json_put_int(json, "deferred", (int64_t)counts.waiting);
    json_put_int(json, "held", (int64_t)counts.held);
    json_put_int(json, "in_flight", (int64_t)counts.out);
    json_put_int(json, "domains", counts.domains);
    json_put_int(json, "lanes", counts.lanes);
    json_put_int(json, "routing", counts.routing);
    json_put_int(json, "connections", counts.sessions);
    json_put_int(json, "connections_unproven", counts.sessions_unproven);
    json_put_int(json, "memory_bytes", (int64_t)counts.memory_bytes);
    json_put_bool(json, "clock_is_trusted", counts.clock_is_trusted);
    json_object_end(json);
}

static void put_work(struct relay *relay, struct json_writer *json) {
    const struct relay_counts *counts = &relay->counts;
    json_key(json, "relay");
    json_object_begin(json);
    json_put_int(json, "delivered", (int64_t)counts->delivered);
    json_put_int(json, "deferred", (int64_t)counts->deferred);
    json_put_int(json, "bounced", (int64_t)counts->bounced);
    json_put_int(json, "expired", (int64_t)counts->expired);
    json_put_int(json, "removed", (int64_t)counts->removed);
    json_put_int(json, "notices", (int64_t)counts->notices);
    json_put_int(json, "notices_suppressed", (int64_t)counts->notices_suppressed);
    json_put_int(json, "sessions", (int64_t)counts->sessions);
    json_put_int(json, "sessions_failed", (int64_t)counts->sessions_failed);
    json_put_int(json, "transactions", (int64_t)counts->transactions);
    json_put_int(json, "settlements_waiting", (int64_t)relay->n_settling);
    json_put_int(json, "fresh_bytes", (int64_t)relay->fresh_bytes);
    json_put_int(json, "unreadable_envelopes", (int64_t)relay->n_unreadable);
    json_put_int(json, "config_generation", (int64_t)relay->config->generation);
    json_object_end(json);
}

static void put_spool(struct relay *relay, struct json_writer *json) {
    struct spool_health health = spool_health(relay->spool);
    json_key(json, "spool");
    json_object_begin(json);
    json_put_bool(json, "accepts", health.accepts);
    json_put_bool(json, "settles", health.settles);
    json_put_bool(json, "is_low", health.is_low);
    json_put_string(json, "reason", view_of(health.reason));
    json_put_int(json, "bytes_free", (int64_t)health.bytes_free);
    json_put_int(json, "bytes_total", (int64_t)health.bytes_total);
    json_put_int(json, "messages", (int64_t)health.messages);
    json_put_int(json, "segments", (int64_t)health.segments);
    json_put_int(json, "log_bytes", (int64_t)health.log_bytes);
    json_put_int(json, "live_bytes", (int64_t)health.live_bytes);
    json_put_int(json, "syncs", (int64_t)health.syncs);
    json_put_int(json, "commits", (int64_t)health.commits);
    json_put_int(json, "batches", (int64_t)health.batches);
    json_put_int(json, "bytes_written", (int64_t)health.bytes_written);
    json_put_int(json, "memory_bytes", (int64_t)health.memory_bytes);
    json_object_end(json);
}

static void put_ledger(struct relay *relay, struct json_writer *json) {
    struct ledger_counts counts = ledger_counts(relay->ledger);
    json_key(json, "ledger");
    json_object_begin(json);
    json_put_bool(json, "is_healthy", counts.is_healthy);
    json_put_string(json, "reason", view_of(counts.reason));
    json_put_int(json, "stored", (int64_t)counts.stored);
    json_put_int(json, "folded_successes", (int64_t)counts.folded_successes);
    json_put_int(json, "folded_failures", (int64_t)counts.folded_failures);
    json_put_int(json, "dropped", (int64_t)counts.dropped);
    json_put_int(json, "queued_bytes", (int64_t)counts.queued_bytes);
    json_put_int(json, "file_bytes", (int64_t)counts.file_bytes);
    json_object_end(json);
}

void relay_answer_status(struct relay *relay, struct json_writer *json) {
    json_put_int(json, "schema", 1);
    json_put_time(json, "at", io_wall_ms());
    put_queue(relay, json);
    put_work(relay, json);
    put_spool(relay, json);
    put_ledger(relay, json);
}

// --- The frame ---------------------------------------------------------------------------

struct answering {
    const struct relay_ask *ask;
    struct buffer *out;
    struct error *error;
    bool is_good;
};

static void answer(struct relay *relay, void *arg) {
    struct answering *answering = arg;
    const struct relay_ask *ask = answering->ask;
    struct json_writer json;
    json_begin(&json, answering->out);
    json_object_begin(&json);
    switch (ask->question) {
    case RELAY_QUESTION_LANES:
        answering->is_good = relay_answer_lanes(relay, ask, &json, answering->error);
        break;
    case RELAY_QUESTION_LIST:
        answering->is_good = relay_answer_list(relay, ask, &json, answering->error);
        break;
    case RELAY_QUESTION_SHOW:
        answering->is_good = relay_answer_show(relay, ask, &json, answering->error);
        break;
    case RELAY_QUESTION_WHY:
        answering->is_good = relay_answer_why(relay, ask, &json, answering->error);
        break;
    case RELAY_QUESTION_STATUS:
        relay_answer_status(relay, &json);
        answering->is_good = true;
        break;
    }
    json_object_end(&json);
}

bool relay_answer(struct relay *relay, const struct relay_ask *ask, struct buffer *out,
                  struct error *error) {
    *error = (struct error){0};
    struct answering answering = {.ask = ask, .out = out, .error = error};
    relay_call_home(relay, answer, &answering);
    if (out->overflow)
        return error_set(error, "the answer is too large: ask for less");
    return answering.is_good;
}
