// SPDX-License-Identifier: Apache-2.0
// The report for people: the incidents with what to do, then those that are late, then totals.
#include "base/units.h"
#include "insight/insight_internal.h"

enum {
    FULL_MAX = 10, // incidents told with all that is known
    LATE_SHOWN_MAX = 10,
    DESTINATIONS_MAX = 10,
    CAUSES_MAX = 12,
    VERDICT_BYTES_MAX = 1 << 20
};

// Names come from logs.
static void put_name(struct buffer *out, struct view name) {
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < ' ' || c >= 0x7f)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append_char(out, (char)c);
    }
}

static void put_label(struct buffer *out, const char *label) {
    buffer_printf(out, "  %-12s", label);
}

// A report that is being written.
struct text {
    struct buffer *out;
    const struct insight_show *show;
};

void insight_put_time(int64_t at_ms, int32_t minutes, struct buffer *out) {
    char time[UNITS_TIME_SIZE];
    size_t len = units_format_time(at_ms + minutes * (int64_t)MINUTE_MS, time, sizeof(time));
    ASSERT(len > 1);
    if (minutes == 0) {
        buffer_printf(out, "%s", time);
        return;
    }
    int ahead = minutes < 0 ? -minutes : minutes;
    buffer_printf(out, "%.*s%c%02d:%02d", (int)len - 1, time, minutes < 0 ? '-' : '+', ahead / 60,
                  ahead % 60);
}

// In the zone of the logs, so that it can be found in them.
static void put_time(const struct text *text, int64_t at_ms) {
    insight_put_time(at_ms, text->show->zone_minutes, text->out);
}

static void put_duration(struct buffer *out, int64_t duration_ms) {
    char text[UNITS_TIME_SIZE];
    units_format_duration(duration_ms, text, sizeof(text));
    buffer_printf(out, "%s", text);
}

// --- One incident --------------------------------------------------------------------------------
static void put_extent(const struct insight_incident *incident, struct buffer *out) {
    if (incident->extent == INSIGHT_EVERYTHING) {
        units_put_counted(out, incident->n_destinations, "destination", "unrelated destinations");
        return;
    }
    put_name(out, incident->name);
    if (incident->n_destinations < 2)
        return;
    buffer_append_view(out, VIEW(" ("));
    units_put_counted(out, incident->n_destinations, "domain", "domains");
    buffer_append_char(out, ')');
}

static void put_when(const struct text *text, const struct insight_incident *incident) {
    struct buffer *out = text->out;
    put_label(out, "When");
    buffer_append_view(out, incident->end_ms ? VIEW_NONE : VIEW("since "));
    put_time(text, incident->onset_ms);
    if (incident->end_ms) {
        buffer_append_view(out, VIEW(" to "));
        put_time(text, incident->end_ms);
        buffer_append_view(out, VIEW(" ("));
        put_duration(out, incident->end_ms - incident->onset_ms);
        buffer_append_view(out, VIEW(")\n"));
        return;
    }
    buffer_append_view(out, VIEW("; last failure "));
    put_time(text, incident->last_seen_ms);
    buffer_append_view(out, VIEW("; "));
    if (incident->n_delivered_since == 0)
        buffer_append_view(out, VIEW("nothing got through since\n"));
    else
        units_put_counted(out, incident->n_delivered_since, "message got through since\n",
                          "messages got through since\n");
}

// Whom it hit takes the place of the verdict's sentence, which the head has said.
static void put_people(const struct insight_incident *incident, struct buffer *out) {
    if (incident->n_messages == 0) {
        buffer_append_view(out, VIEW("The log names no message before a connection stands; "));
        return;
    }
    units_put_counted(out, incident->n_messages, "message", "messages");
    if (incident->n_recipients) {
        buffer_append_view(out, VIEW(" to "));
        units_put_counted(out, incident->n_recipients, "recipient", "recipients");
    }
    if (incident->n_senders) {
        buffer_append_view(out, VIEW(" from "));
        units_put_counted(out, incident->n_senders, "sender", "senders");
    }
    buffer_append_view(out, VIEW("; "));
}

static void put_hit(const struct insight_incident *incident, struct buffer *out) {
    put_people(incident, out);
    units_put_counted(out, incident->n_attempts, "failed try", "failed tries");
    if (incident->n_suppressed) {
        buffer_append_view(out, VIEW(", "));
        units_put_count(out, incident->n_suppressed);
        buffer_append_view(out, VIEW(" put off untried"));
    }
    if (incident->n_bounced + incident->n_expired) {
        buffer_append_view(out, VIEW(", "));
        units_put_count(out, incident->n_bounced + incident->n_expired);
        buffer_append_view(out, VIEW(" given back"));
    }
}

enum { COLUMNS = 100, LABEL_COLUMNS = 14 };

static void put_domains(const struct insight_incident *incident, struct buffer *out) {
    size_t at = LABEL_COLUMNS;
    if (incident->n_destinations < 2)
        return;
    put_label(out, "For");
    for (size_t i = 0; i < incident->n_domains; i++) {
        if (i > 0) {
            buffer_append_char(out, ',');
            at += 2;
            bool is_full = at + incident->domains[i].len + 1 > COLUMNS;
            buffer_printf(out, is_full ? "\n%*s" : "%*s", is_full ? LABEL_COLUMNS : 1, "");
            at = is_full ? LABEL_COLUMNS : at;
        }
        put_name(out, incident->domains[i]);
        at += incident->domains[i].len;
    }
    if (incident->n_destinations > incident->n_domains)
        buffer_printf(out, at + 11 > COLUMNS ? "\n%*sand others" : "%*sand others",
                      at + 11 > COLUMNS ? LABEL_COLUMNS : 1, "");
    buffer_append_char(out, '\n');
}

static void put_wait(const struct text *text, const struct insight_incident *incident) {
    struct buffer *out = text->out;
    if (incident->oldest_ms == 0)
        return;
    put_label(out, "Oldest");
    buffer_append_view(out, VIEW("arrived "));
    put_time(text, incident->oldest_ms);
    if (incident->oldest_ms < incident->onset_ms - MINUTE_MS)
        buffer_append_view(out, VIEW(", before this began"));
    // Where every message failed just once, nobody was seen waiting.
    if (incident->longest_wait_ms >= MINUTE_MS) {
        buffer_append_view(out, VIEW("; the longest wait was "));
        put_duration(out, incident->longest_wait_ms);
    }
    buffer_append_char(out, '\n');
}

static void put_head(const struct insight_incident *incident, size_t number, struct buffer *out) {
    buffer_printf(out, "\n%zu. ", number);
    put_extent(incident, out);
    buffer_printf(out, ": %.*s%s\n", VIEW_ARG(cause_info(incident->cause)->title),
                  incident->end_ms ? " (over)" : "");
}

static void put_incident(const struct text *text, const struct insight_incident *incident) {
    struct buffer *out = text->out;
    struct verdict verdict;
    struct buffer hit;
    struct arena arena;
    put_when(text, incident);
    put_domains(incident, out);
    put_wait(text, incident);
    arena_init(&arena, VERDICT_BYTES_MAX);
    insight_incident_verdict(incident, &arena, &verdict);
    reader_order_advice(text->show->side, &verdict);
    buffer_init(&hit, 4096);
    put_hit(incident, &hit);
    verdict.summary = buffer_view(&hit);
    verdict_write_text(&verdict, out);
    struct view turn = reader_turn(verdict.blame, text->show->side);
    if (turn.len) {
        put_label(out, "For you");
        buffer_printf(out, "%.*s\n", VIEW_ARG(turn));
    }
    buffer_finish(&hit);
    arena_finish(&arena);
}

// --- The rest ------------------------------------------------------------------------------------
static void put_late(const struct insight_report *report, struct buffer *out) {
    size_t n = size_min(report->n_late, LATE_SHOWN_MAX);
    if (n == 0)
        return;
    buffer_append_view(out, VIEW("\nAlso late, one or two messages each, nothing gets through:\n"));
    for (size_t i = 0; i < n; i++) {
        const struct insight_incident *late = &report->late[i];
        buffer_append_view(out, VIEW("  "));
        put_name(out, late->name);
        buffer_printf(out, ": %.*s, waiting for ", VIEW_ARG(cause_info(late->cause)->title));
        put_duration(out, late->longest_wait_ms);
        if (late->proof.line_number) {
            buffer_append_view(out, VIEW(" ("));
            put_name(out, late->proof.file);
            buffer_printf(out, ":%llu)", (unsigned long long)late->proof.line_number);
        }
        buffer_append_char(out, '\n');
    }
    if (report->n_late > n)
        buffer_printf(out, "  and %zu more\n", report->n_late - n);
}

static void put_tally_head(struct buffer *out, const char *name, bool with_delivered) {
    buffer_printf(out, "\n%-34s %10s %9s %9s %9s %9s\n", name, with_delivered ? "delivered" : "",
                  "deferred", "bounced", "put off", "expired");
}

static void put_tally(struct buffer *out, const struct insight_tally *tally, bool with_delivered) {
    const uint64_t counts[] = {tally->n_delivered, tally->n_deferred, tally->n_bounced,
                               tally->n_suppressed, tally->n_expired};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct buffer count;
        int width = i == 0 ? 10 : 9;
        buffer_init(&count, 64);
        if (i > 0 || with_delivered)
            units_put_count(&count, counts[i]);
        buffer_printf(out, " %*.*s", width, (int)count.len, count.ptr ? count.ptr : "");
        buffer_finish(&count);
    }
}

static void put_padded(struct buffer *out, struct view name) {
    size_t before = out->len;
    put_name(out, view_take(name, 34));
    size_t width = out->len - before;
    buffer_printf(out, "%*s", (int)(width < 34 ? 34 - width : 0), "");
}

static void put_destinations(const struct insight_report *report, struct buffer *out) {
    size_t n = size_min(report->n_destinations, DESTINATIONS_MAX);
    if (n == 0)
        return;
    put_tally_head(out, "Destinations, most failed tries first", true);
    for (size_t i = 0; i < n; i++) {
        const struct insight_destination *destination = &report->destinations[i];
        put_padded(out, destination->name);
        put_tally(out, &destination->tally, true);
        buffer_printf(out, "  %.*s\n",
                      VIEW_ARG(destination->cause == CAUSE_NONE
                                   ? VIEW_NONE
                                   : cause_info(destination->cause)->id));
    }
    put_padded(out, VIEW("all"));
    put_tally(out, &report->totals, true);
    buffer_append_char(out, '\n');
}

static void put_causes(const struct insight_report *report, struct buffer *out) {
    size_t n = size_min(report->n_causes, CAUSES_MAX);
    if (n == 0)
        return;
    put_tally_head(out, "Causes, by tries", false);
    for (size_t i = 0; i < n; i++) {
        put_padded(out, cause_info(report->causes[i].cause)->id);
        put_tally(out, &report->causes[i].tally, false);
        buffer_append_char(out, '\n');
    }
}

static void put_delays(const struct insight_report *report, struct buffer *out) {
    if (report->delay_p95_ms == 0)
        return;
    buffer_append_view(out, VIEW("\nFrom arrival to delivery: half within "));
    put_duration(out, report->delay_p50_ms);
    buffer_append_view(out, VIEW(", 95 % within "));
    put_duration(out, report->delay_p95_ms);
    buffer_append_char(out, '\n');
}

static void put_dropped(const struct insight_report *report, struct buffer *out) {
    if (report->n_places_dropped + report->n_incidents_dropped + report->n_series_dropped == 0)
        return;
    buffer_append_view(out, VIEW("Not all was kept: "));
    units_put_counted(out, report->n_places_dropped, "place", "places");
    buffer_append_view(out, VIEW(", "));
    units_put_counted(out, report->n_series_dropped, "series of failures", "series of failures");
    buffer_append_view(out, VIEW(" and "));
    units_put_counted(out, report->n_incidents_dropped, "small incident", "small incidents");
    buffer_append_view(out, VIEW(" were dropped for want of room\n"));
}

// "none is", "1 is", "11,140 are".
static void put_some(struct buffer *out, uint64_t n, const char *one, const char *many) {
    if (n == 0)
        buffer_printf(out, ", none %s", one);
    else {
        buffer_append_view(out, VIEW(", "));
        units_put_counted(out, n, one, many);
    }
}

static void put_summary(const struct text *text, const struct insight_report *report) {
    struct buffer *out = text->out;
    uint64_t n_open = 0, n_ours = 0;
    for (size_t i = 0; i < report->n_incidents; i++) {
        enum blame blame = report->incidents[i].blame;
        n_open += report->incidents[i].end_ms == 0;
        n_ours += blame == BLAME_LOCAL || blame == BLAME_SENDER;
    }
    if (report->n_incidents == 0) {
        buffer_append_view(out, VIEW("No incidents"));
    } else {
        units_put_counted(out, report->n_incidents, "incident", "incidents");
        put_some(out, n_open, "going on", "going on");
        put_some(out, n_ours, "is yours", "are yours");
    }
    if (report->first_ms) {
        buffer_append_view(out, VIEW(" ("));
        put_time(text, report->first_ms);
        buffer_append_view(out, VIEW(" to "));
        put_time(text, report->last_ms);
        buffer_append_char(out, ')');
    }
    buffer_append_char(out, '\n');
}

static void put_brief(const struct text *text, const struct insight_incident *incident) {
    struct buffer *out = text->out;
    buffer_append_view(out, VIEW("   "));
    put_time(text, incident->onset_ms);
    buffer_append_view(out, incident->end_ms ? VIEW(", for ") : VIEW(", goes on after "));
    put_duration(out, (incident->end_ms ? incident->end_ms : incident->last_seen_ms) -
                          incident->onset_ms);
    buffer_append_view(out, VIEW(", "));
    units_put_counted(out, incident->n_messages, "message", "messages");
    buffer_append_char(out, '\n');
}

void insight_write_text(const struct insight_report *report, const struct insight_show *show,
                        struct buffer *out) {
    struct text text = {out, show};
    put_summary(&text, report);
    for (size_t i = 0; i < report->n_incidents; i++) {
        put_head(&report->incidents[i], i + 1, out);
        if (i < FULL_MAX)
            put_incident(&text, &report->incidents[i]);
        else
            put_brief(&text, &report->incidents[i]);
    }
    put_late(report, out);
    put_destinations(report, out);
    put_causes(report, out);
    put_delays(report, out);
    put_dropped(report, out);
}
