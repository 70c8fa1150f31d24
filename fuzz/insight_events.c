// SPDX-License-Identifier: Apache-2.0
// Any order of events, with a clock that jumps: nothing breaks, the bounds hold, and a report can
// be written at any time. Eight bytes are an event.
#include "base/hash.h"
#include "insight/insight.h"

#include <stdio.h>

enum { EVENT_BYTES = 8, REPORT_EVERY = 97 };

static void report(struct insight *insight) {
    struct buffer out;
    struct json_writer json;
    const struct insight_report *report = insight_report(insight);
    buffer_init(&out, 64 << 20);
    insight_write_text(report, &(struct insight_show){0}, &out);
    buffer_clear(&out);
    json_begin(&json, &out);
    json_object_begin(&json);
    insight_write_json_members(report, &(struct insight_show){0}, &json);
    json_object_end(&json);
    ASSERT(!out.overflow);
    for (size_t i = 0; i < report->n_incidents; i++) {
        const struct insight_incident *incident = &report->incidents[i];
        ASSERT(incident->cause != CAUSE_NONE && incident->onset_ms <= incident->last_seen_ms);
    }
    buffer_finish(&out);
}

static void take(struct insight *insight, const uint8_t *bytes, int64_t at_ms) {
    static const char *const words[] = {"", "connect to mx: Connection timed out", "450 4.2.0 no"};
    char domain[40], host[40];
    struct fact fact = fact_make((enum fact_stage)(bytes[1] % FACT_STAGE_COUNT), FACT_KIND_CLOSED);
    struct insight_event event = {
        .kind = (enum insight_event_kind)(bytes[0] % INSIGHT_EVENT_KIND_COUNT),
        .outcome = (enum outcome)(bytes[0] / 4 % OUTCOME_COUNT),
        .cause = (enum cause)(bytes[1] % CAUSE_COUNT),
        .at_ms = at_ms,
        .arrived_ms = bytes[2] & 1 ? at_ms - bytes[2] * (int64_t)600000 : 0,
        .message = bytes[3] ? hash_u64(bytes[3]) : 0,
        .recipient = bytes[4],
        .sender = bytes[4] & 7,
        .fact = bytes[2] & 2 ? &fact : NULL,
        .words = view_of(words[bytes[2] % 3]),
        .file = VIEW("mail.log"),
        .line_number = bytes[2] & 4,
        .is_context = (bytes[0] & 0xc0) == 0xc0};
    snprintf(domain, sizeof(domain), "d%u.test%u", bytes[5] % 32U, bytes[5] / 32U);
    snprintf(host, sizeof(host), "mx%u.site%u.test", bytes[4] % 3U, bytes[5] % 16U);
    event.domain = bytes[5] == 255 ? VIEW_NONE : view_of(domain);
    event.host = bytes[4] & 128 ? VIEW_NONE : view_of(host);
    insight_take(insight, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t at_ms = INT64_C(1778580000000);
    if (size == 0)
        return 0;
    struct insight *insight =
        insight_create(&(struct insight_options){.destinations_max = 1 + data[0] % 64U});
    data++, size--;
    for (size_t i = 0; i + EVENT_BYTES <= size; i += EVENT_BYTES) {
        int64_t step_ms = (int64_t)data[i + 6] * data[i + 6] * 100;
        at_ms += data[i + 7] == 255 ? -60 * step_ms : step_ms;
        take(insight, data + i, at_ms);
        if (i / EVENT_BYTES % REPORT_EVERY == REPORT_EVERY - 1)
            report(insight);
    }
    report(insight);
    insight_destroy(insight);
    return 0;
}
