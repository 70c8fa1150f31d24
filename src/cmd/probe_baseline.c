// SPDX-License-Identifier: Apache-2.0
// What a target looked like on the day on which the file was made, and what is not so any more.
#include "cmd/cmd.h"
#include "cmd/probe.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

json_t *probe_baseline_load(const char *path, struct error *error) {
    json_error_t problem;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return json_pack("{s:i, s:{}}", "schema", 1, "targets");
    json_t *baseline = json_load_file(path, 0, &problem);
    if (baseline && json_is_object(json_object_get(baseline, "targets")))
        return baseline;
    error_set(error, "%s is no baseline: %s (line %d)", path,
              baseline ? "it has no targets" : problem.text, baseline ? 1 : problem.line);
    json_decref(baseline);
    return NULL;
}

bool probe_baseline_save(const json_t *baseline, const char *path, struct error *error) {
    char *name = NULL;
    if (asprintf(&name, "%s.new", path) < 0)
        return error_set(error, "out of memory");
    bool is_saved = json_dump_file(baseline, name, JSON_INDENT(1)) == 0 && rename(name, path) == 0;
    if (!is_saved)
        error_set_errno(error, errno, "%s cannot be written", path);
    free(name);
    return is_saved;
}

static void add_target(json_t *targets, const struct probe_one *one) {
    char time[UNITS_TIME_SIZE];
    json_t *facts = json_object();
    units_format_time(one->result.at_ms, time, sizeof(time));
    json_object_set_new(facts, "at", json_string(time));
    for (size_t i = 0; i < one->result.n_facts; i++) {
        const struct probe_fact *fact = &one->result.facts[i];
        // What is no UTF-8 cannot be kept.
        json_object_set_new(facts, fact->name, json_stringn(fact->value.ptr, fact->value.len));
    }
    json_object_set_new(targets, one->text, facts);
}

static void note(struct probe_one *one, struct view name, struct view before, struct view now) {
    struct probe_result *result = &one->result;
    if (view_equals(before, now) || result->n_changes == PROBE_CHANGES_MAX)
        return;
    result->changes[result->n_changes++] =
        (struct probe_change){arena_copy(&one->arena, name), arena_copy(&one->arena, before), now};
}

static struct view value_of(const struct probe_result *result, const char *name) {
    for (size_t i = 0; i < result->n_facts; i++)
        if (strcmp(result->facts[i].name, name) == 0)
            return result->facts[i].value;
    return VIEW_NONE;
}

static void compare(struct probe_one *one, const json_t *facts) {
    struct probe_result *result = &one->result;
    for (size_t i = 0; i < result->n_facts; i++)
        note(one, view_of(result->facts[i].name), view_of(cmd_string(facts, result->facts[i].name)),
             result->facts[i].value);
    // jansson's iterators take no const.
    json_t *known = json_deep_copy(facts);
    const char *name;
    json_t *value;
    json_object_foreach(known, name, value) {
        if (strcmp(name, "at") != 0 && value_of(result, name).len == 0)
            note(one, view_of(name), view_of(json_string_value(value)), VIEW_NONE);
    }
    json_decref(known);
    result->since = arena_copy(&one->arena, view_of(cmd_string(facts, "at")));
}

void probe_baseline_use(struct probe_call *call, struct probe_one *one) {
    json_t *targets = json_object_get(call->baseline, "targets");
    const json_t *facts = json_object_get(targets, one->text);
    if (json_is_object(facts)) {
        compare(one, facts);
        return;
    }
    add_target(targets, one);
    call->has_news = true;
}
