// SPDX-License-Identifier: Apache-2.0
// The road as a drawing of one line a step, then the verdict and the letter to the other side; the
// same as JSON.
#include "base/units.h"
#include "probe/probe_internal.h"

// --- JSON -------------------------------------------------------------------------------------
static void put_step(struct json_writer *json, const struct probe_step *step,
                     const struct attempt *attempt) {
    char address[ADDRESS_TEXT_SIZE];
    size_t len = 0;
    if (step->peer.family != ADDRESS_NONE)
        len = address_format(&step->peer, address, sizeof(address));
    json_object_begin(json);
    json_put_string(json, "step", view_of(step->name));
    json_put_string(json, "state", probe_state_word(step->state));
    json_put_bool(json, "beside", step->is_beside);
    json_put_int(json, "began_ms", step->began_ms);
    json_put_int(json, "elapsed_ms", step->fact.elapsed_ms);
    json_put_string(json, "stage", fact_stage_word(step->fact.stage));
    json_put_string(json, "kind", fact_kind_word(step->fact.kind));
    json_put_string(json, "cause", cause_info(cause_of_attempt(&step->fact, attempt))->id);
    json_put_string(json, "host", step->host);
    json_put_string(json, "address", view_from(address, len));
    if (step->peer.port)
        json_put_int(json, "port", step->peer.port);
    else
        json_put_null(json, "port");
    fact_write_json_numbers(&step->fact, json);
    if (step->fact.limit_ms)
        json_put_int(json, "limit_ms", step->fact.limit_ms);
    json_put_string(json, "seen", step->words);
    json_object_end(json);
}

static void put_letter(struct json_writer *json, const struct verdict *verdict) {
    struct buffer letter;
    buffer_init(&letter, 64 << 10);
    bool has_letter = verdict->cause != CAUSE_NONE && verdict_write_letter(verdict, &letter);
    json_put_string(json, "letter", has_letter ? buffer_view(&letter) : VIEW_NONE);
    buffer_finish(&letter);
}

static void put_changes(struct json_writer *json, const struct probe_result *result) {
    json_put_string(json, "since", result->since);
    json_key(json, "changes");
    json_array_begin(json);
    for (size_t i = 0; i < result->n_changes; i++) {
        json_object_begin(json);
        json_put_string(json, "what", result->changes[i].name);
        json_put_string(json, "before", result->changes[i].before);
        json_put_string(json, "now", result->changes[i].now);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_limits(struct json_writer *json, const struct probe_result *result) {
    json_key(json, "limits");
    json_array_begin(json);
    for (size_t i = 0; i < result->n_limits; i++) {
        const struct probe_limit *limit = &result->limits[i];
        json_object_begin(json);
        json_put_string(json, "what", view_of(limit->what));
        json_put_string(json, "unit", view_of(limit->unit));
        json_put_int(json, "passes", (int64_t)limit->passes);
        if (limit->fails)
            json_put_int(json, "fails", (int64_t)limit->fails);
        else
            json_put_null(json, "fails");
        json_put_bool(json, "found", limit->is_found);
        json_put_bool(json, "low", limit->is_low);
        json_put_int(json, "tries", limit->n_tries);
        json_put_string(json, "documented", limit->documented);
        json_put_string(json, "seen", limit->words);
        json_object_end(json);
    }
    json_array_end(json);
}

void probe_write_json(const struct probe_result *result, struct json_writer *json) {
    json_object_begin(json);
    json_put_string(json, "target", result->target->text);
    json_put_string(json, "target_kind", probe_kind_word(result->target->kind));
    json_put_bool(json, "well", !probe_found_fault(result));
    json_put_int(json, "run_ms", result->elapsed_ms);
    json_put_int(json, "round_trips", result->n_round_trips);
    verdict_write_json_members(&result->verdict, json);
    json_key(json, "steps");
    json_array_begin(json);
    for (size_t i = 0; i < result->n_steps; i++)
        put_step(json, &result->steps[i], &result->attempt);
    json_array_end(json);
    put_changes(json, result);
    json_put_string(json, "message_id", result->message_id);
    json_put_int(json, "messages", result->n_messages);
    put_limits(json, result);
    put_letter(json, &result->verdict);
    json_object_end(json);
}

// --- The road ---------------------------------------------------------------------------------
enum { WORDS_COLUMNS = 74, NAME_COLUMNS = 10, LINES_MAX = 5 };

// Controls become blanks: what a peer said must not reach a terminal as a command.
static void put_plain(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buffer_append_char(out, c < 0x20 || c >= 0x7f ? ' ' : (char)c);
    }
}

static const char *mark_of(const struct probe_step *step) {
    static const char *const marks[] = {"|", "!", "X", "."};
    return step->is_beside && step->state == PROBE_WELL ? "+" : marks[step->state];
}

// As many whole words as fit in a line; at least a line's worth of one that is longer.
static size_t line_of(struct view words) {
    if (words.len <= WORDS_COLUMNS)
        return words.len;
    struct view head = view_take(words, WORDS_COLUMNS + 1);
    size_t blank = view_find_last_char(head, ' ');
    return blank > 0 && blank < head.len ? blank : WORDS_COLUMNS;
}

// What is well is cut to one line. Else a long list of keywords or hosts goes on below.
static void put_step_line(const struct probe_step *step, const struct probe_paint *paint,
                          struct buffer *out) {
    struct view rest = step->words;
    size_t n = line_of(rest);
    buffer_printf(out, "  %s%s%s %-*s %6lld ms  ", paint->of_state[step->state], mark_of(step),
                  paint->plain, NAME_COLUMNS, step->name, (long long)step->fact.elapsed_ms);
    put_plain(out, view_take(rest, n));
    for (unsigned i = 1; n < rest.len && i < LINES_MAX && step->state != PROBE_WELL; i++) {
        rest = view_trim(view_skip(rest, n));
        n = line_of(rest);
        buffer_printf(out, "\n  %*s", NAME_COLUMNS + 14, "");
        put_plain(out, view_take(rest, n));
    }
    buffer_append_view(out, n < rest.len ? VIEW(" ...\n") : VIEW("\n"));
}

// The stages that lie behind the break.
static void put_rest_of_road(const struct probe_result *result, const struct probe_paint *paint,
                             struct buffer *out) {
    static const enum fact_stage road[] = {FACT_STAGE_DNS,  FACT_STAGE_CONNECT, FACT_STAGE_GREETING,
                                           FACT_STAGE_EHLO, FACT_STAGE_MAIL,    FACT_STAGE_RCPT};
    if (!probe_found_fault(result))
        return;
    for (size_t i = 0; i < ARRAY_LEN(road); i++) {
        bool is_envelope = road[i] >= FACT_STAGE_MAIL && result->target->recipient.len == 0;
        if (road[i] > result->verdict.stage && !is_envelope)
            buffer_printf(out, "  %s. %.*s%s\n", paint->of_state[PROBE_NOT_REACHED],
                          VIEW_ARG(fact_stage_word(road[i])), paint->plain);
    }
}

static void put_warnings(const struct verdict *verdict, const struct probe_paint *paint,
                         struct buffer *out) {
    for (size_t i = 0; i < verdict->n_warnings; i++) {
        buffer_printf(out, "%sWarning%s ", paint->of_state[PROBE_WARNING], paint->plain);
        put_plain(out, verdict->warnings[i].summary);
        buffer_printf(out, " (%.*s)\n", VIEW_ARG(cause_info(verdict->warnings[i].cause)->id));
    }
}

static void put_well(const struct probe_result *result, const struct probe_paint *paint,
                     struct buffer *out) {
    buffer_printf(out, "%s", paint->bold);
    put_plain(out, result->verdict.summary);
    buffer_printf(out, "%s\n", paint->plain);
    put_warnings(&result->verdict, paint, out);
}

static void put_fault(const struct probe_result *result, const struct probe_paint *paint,
                      struct buffer *out) {
    struct buffer letter;
    buffer_printf(out, "%s", paint->bold);
    struct buffer text;
    buffer_init(&text, 256 << 10);
    verdict_write_text(&result->verdict, &text);
    struct view rest = buffer_view(&text), line = VIEW_NONE;
    view_split(&rest, '\n', &line);
    buffer_append_view(out, line);
    buffer_printf(out, "%s\n", paint->plain);
    buffer_append_view(out, rest);
    buffer_finish(&text);
    buffer_init(&letter, 64 << 10);
    if (verdict_write_letter(&result->verdict, &letter)) {
        buffer_printf(out, "\n%sTo send to the other side:%s\n\n", paint->bold, paint->plain);
        buffer_append_view(out, buffer_view(&letter));
    }
    buffer_finish(&letter);
}

static void put_changes_text(const struct probe_result *result, const struct probe_paint *paint,
                             struct buffer *out) {
    if (result->since.len == 0)
        return;
    buffer_printf(out, "%s%s since %.*s%s\n", paint->bold,
                  result->n_changes ? "Changed" : "Nothing has changed", VIEW_ARG(result->since),
                  paint->plain);
    for (size_t i = 0; i < result->n_changes; i++) {
        const struct probe_change *change = &result->changes[i];
        buffer_printf(out, "  %-12.*s ", VIEW_ARG(change->name));
        put_plain(out, change->before.len ? change->before : VIEW("(none)"));
        buffer_printf(out, "\n  %-9s -> ", "");
        put_plain(out, change->now.len ? change->now : VIEW("(none)"));
        buffer_append_char(out, '\n');
    }
    buffer_append_char(out, '\n');
}

void probe_write_line(const struct probe_result *result, const struct probe_paint *paint,
                      struct buffer *out) {
    const struct verdict *verdict = &result->verdict;
    bool has_warning = verdict->n_warnings > 0 || result->n_changes > 0;
    enum probe_state state = probe_found_fault(result) ? PROBE_FAULT
                             : has_warning             ? PROBE_WARNING
                                                       : PROBE_WELL;
    buffer_printf(out, "%s%-7.*s%s %6lld ms  %-30.*s ", paint->of_state[state],
                  VIEW_ARG(probe_state_word(state)), paint->plain, (long long)result->elapsed_ms,
                  VIEW_ARG(result->target->text));
    if (state == PROBE_FAULT)
        buffer_printf(out, "%.*s %.*s: ", VIEW_ARG(verdict->code),
                      VIEW_ARG(cause_info(verdict->cause)->id));
    put_plain(out, verdict->summary);
    for (size_t i = 0; i < verdict->n_warnings && state != PROBE_FAULT; i++)
        buffer_printf(out, " [%.*s]", VIEW_ARG(cause_info(verdict->warnings[i].cause)->id));
    for (size_t i = 0; i < result->n_changes; i++)
        buffer_printf(out, " [changed: %.*s]", VIEW_ARG(result->changes[i].name));
    buffer_append_char(out, '\n');
}

void probe_write_text(const struct probe_result *result, const struct probe_paint *paint,
                      struct buffer *out) {
    buffer_printf(out, "%sThe road to %.*s%s\n\n", paint->bold, VIEW_ARG(result->target->text),
                  paint->plain);
    for (size_t i = 0; i < result->n_steps; i++)
        put_step_line(&result->steps[i], paint, out);
    put_rest_of_road(result, paint, out);
    buffer_printf(out, "    %u round trips, %lld ms\n\n", result->n_round_trips,
                  (long long)result->elapsed_ms);
    for (size_t i = 0; i < result->n_limits; i++) {
        const struct probe_limit *limit = &result->limits[i];
        buffer_printf(out, "%sLimit%s ", paint->bold, paint->plain);
        put_plain(out, limit->words);
        if (limit->documented.len)
            buffer_printf(out, "\n      %.*s", VIEW_ARG(limit->documented));
        buffer_append_view(out, VIEW("\n"));
    }
    if (result->n_messages > 1)
        buffer_printf(out, "%s%u messages%s were delivered to %.*s, or may have been\n\n",
                      paint->bold, result->n_messages, paint->plain,
                      VIEW_ARG(result->target->recipient));
    put_changes_text(result, paint, out);
    if (probe_found_fault(result))
        put_fault(result, paint, out);
    else
        put_well(result, paint, out);
}
