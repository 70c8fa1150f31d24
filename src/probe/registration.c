// SPDX-License-Identifier: Apache-2.0
// The registration of the domain, asked of its registry over RDAP (RFC 9082, RFC 9083), and only
// when the operator wants it: whether it ran out, is on hold, or does not exist.
#include "probe/registration_internal.h"

#include "base/units.h"
#include "probe/web_internal.h"

#include <jansson.h>

enum {
    ANSWER_BYTES_MAX = 512 << 10,
    REDIRECTS_MAX = 3,
    LABELS_MAX = 4, // of the first name that is asked for; a registry knows no longer ones
    SOON_DAYS = 14
};

// --- What the registry says -------------------------------------------------------------------
// "client hold", "clientHold": both are in use (RFC 8056 2).
static bool is_status(struct view said, const char *wanted) {
    for (size_t i = 0; i < said.len; i++) {
        if (said.ptr[i] == ' ')
            continue;
        if (ascii_lower(said.ptr[i]) != *wanted || !*wanted)
            return false;
        wanted++;
    }
    return *wanted == '\0';
}

static bool is_one_of(struct view said, const char *const *statuses) {
    for (; *statuses; statuses++)
        if (is_status(said, *statuses))
            return true;
    return false;
}

static struct view text_of(const json_t *value) {
    return json_is_string(value) ? view_from(json_string_value(value), json_string_length(value))
                                 : VIEW_NONE;
}

static void take_statuses(const json_t *statuses, struct arena *arena,
                          struct probe_registration *registration) {
    static const char *const holds[] = {"clienthold", "serverhold", NULL};
    static const char *const ends[] = {"redemptionperiod", "pendingdelete", "pendingrestore",
                                       "inactive", NULL};
    enum { STATUS_BYTES_MAX = 60, STATUSES_MAX = 16 };
    for (size_t i = 0; i < size_min(json_array_size(statuses), STATUSES_MAX); i++) {
        struct view said = view_take(text_of(json_array_get(statuses, i)), STATUS_BYTES_MAX);
        registration->is_on_hold = registration->is_on_hold || is_one_of(said, holds);
        registration->is_ending = registration->is_ending || is_one_of(said, ends);
        if (said.len)
            registration->statuses =
                arena_printf(arena, "%.*s%s%.*s", VIEW_ARG(registration->statuses),
                             registration->statuses.len ? ", " : "", VIEW_ARG(said));
    }
}

static void take_events(const json_t *events, struct probe_registration *registration) {
    enum { EVENTS_MAX = 32 };
    for (size_t i = 0; i < size_min(json_array_size(events), EVENTS_MAX); i++) {
        const json_t *event = json_array_get(events, i);
        struct view action = text_of(json_object_get(event, "eventAction"));
        int64_t at_ms;
        if (view_equals_nocase(action, VIEW("expiration")) &&
            units_parse_time(text_of(json_object_get(event, "eventDate")), &at_ms))
            registration->expires_ms = at_ms;
    }
}

bool probe_registration_read(struct view text, struct arena *arena,
                             struct probe_registration *registration) {
    *registration = (struct probe_registration){0};
    json_t *root = json_loadb(text.len ? text.ptr : "", text.len, 0, NULL);
    struct view class = text_of(json_object_get(root, "objectClassName"));
    bool is_domain = view_equals_nocase(class, VIEW("domain"));
    if (is_domain) {
        take_statuses(json_object_get(root, "status"), arena, registration);
        take_events(json_object_get(root, "events"), registration);
    }
    json_decref(root);
    return is_domain;
}

// --- Asking -----------------------------------------------------------------------------------
struct asked {
    struct view name; // that the registry knows; empty: none
    struct probe_registration registration;
    bool is_unknown; // to the registry
    struct view failure;
};

static size_t count_labels(struct view name) {
    size_t n = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        n += name.ptr[i] == '.';
    return n;
}

static struct view without_label(struct view name) {
    return view_skip(name, view_find_char(name, '.') + 1);
}

// A base that the operator took from the own network may lead further into it.
static bool is_base_inside(const struct probe *probe) {
    struct fetch_where where;
    struct error error;
    return fetch_where_parse(probe->options->rdap, &where, &error) &&
           where.address.family != ADDRESS_NONE && !address_is_global(&where.address);
}

IO_WAITS static void ask(struct probe *probe, struct view name, struct asked *asked) {
    struct view base = probe->options->rdap;
    const char *slash = base.ptr[base.len - 1] == '/' ? "" : "/";
    struct fetch_answer answer;
    const struct probe_get get = {.url = arena_printf(probe->arena, "%.*s%sdomain/%.*s",
                                                      VIEW_ARG(base), slash, VIEW_ARG(name)),
                                  .accept = "application/rdap+json, application/json",
                                  .bytes_max = ANSWER_BYTES_MAX,
                                  .may_be_inside = is_base_inside(probe),
                                  .n_redirects_max = REDIRECTS_MAX};
    asked->failure = probe_get(probe, &get, &answer);
    asked->is_unknown = !asked->failure.len && answer.status == 404; // RFC 7480 5.3
    if (!asked->failure.len && answer.status == 200) {
        asked->name = name;
        if (!probe_registration_read(buffer_view(&answer.body), probe->arena, &asked->registration))
            asked->failure = VIEW("the answer is no RDAP of a domain");
    } else if (!asked->failure.len && !asked->is_unknown) {
        asked->failure = arena_printf(probe->arena, "HTTP status %u", answer.status);
    }
    fetch_answer_finish(&answer);
}

// From the name upwards, as only the registry knows at which label its names begin.
IO_WAITS static void find(struct probe *probe, struct view name, struct asked *asked) {
    *asked = (struct asked){.is_unknown = true};
    while (count_labels(name) > LABELS_MAX)
        name = without_label(name);
    for (; count_labels(name) >= 2 && asked->is_unknown && !io_is_canceled();
         name = without_label(name))
        ask(probe, name, asked);
}

// --- What it means ----------------------------------------------------------------------------
static void judge(struct probe *probe, const struct asked *asked, struct probe_step *step) {
    const struct probe_registration *found = &asked->registration;
    char until[UNITS_TIME_SIZE] = "a time that is not told";
    int64_t now_ms = io_wall_ms(), soon_ms = now_ms + (int64_t)SOON_DAYS * 24 * 3600 * 1000;
    bool is_over = found->expires_ms && found->expires_ms < now_ms;
    bool is_lapsed = found->is_on_hold || found->is_ending || is_over;
    if (found->expires_ms)
        units_format_time(found->expires_ms, until, sizeof(until));
    step->state = is_lapsed || (found->expires_ms && found->expires_ms < soon_ms) ? PROBE_WARNING
                                                                                  : PROBE_WELL;
    probe_step_words(probe, step, "%.*s is registered until %s%s%.*s", VIEW_ARG(asked->name), until,
                     found->statuses.len ? ": " : "", VIEW_ARG(found->statuses));
    probe_sign_set(probe, SIGN_REGISTRATION_LAPSED, is_lapsed,
                   "the registry says of %.*s: %.*s%sregistered until %s", VIEW_ARG(asked->name),
                   VIEW_ARG(found->statuses), found->statuses.len ? "; " : "", until);
    probe_sign_set(probe, SIGN_REGISTRATION_ACTIVE, !is_lapsed, "%.*s", VIEW_ARG(step->words));
}

// Where a mail host's name fails, it is its domain that may have lapsed.
static struct view subject(const struct probe *probe) {
    const struct fact *fact = &probe->route->fact;
    bool is_of_host = fact->kind == FACT_KIND_DNS ||
                      (fact->kind == FACT_KIND_ROUTE && fact->detail == FACT_ROUTE_NO_ADDRESS);
    return is_of_host && fact->text.len ? fact->text : probe->route->domain;
}

bool probe_registration_decides(const struct probe *probe) {
    struct view name = subject(probe);
    return probe->options->rdap.len > 0 && name.len > 0 && name.ptr[0] != '[';
}

void probe_try_registration(struct probe *probe) {
    struct asked asked;
    struct fact fact = fact_make(FACT_STAGE_DNS, FACT_KIND_OK);
    struct view name = subject(probe);
    io_time began = io_now();
    find(probe, name, &asked);
    if (io_is_canceled())
        return;
    fact.elapsed_ms = io_now() - began;
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, "registration", &fact);
    if (asked.failure.len) {
        step->state = PROBE_NOT_REACHED;
        probe_step_words(probe, step, "cannot be asked for: %.*s", VIEW_ARG(asked.failure));
    } else if (asked.is_unknown) {
        step->state = PROBE_WARNING;
        probe_step_words(probe, step, "the registry knows no %.*s", VIEW_ARG(name));
        probe_sign_set(probe, SIGN_NOT_REGISTERED, true, "%.*s", VIEW_ARG(step->words));
    } else {
        judge(probe, &asked, step);
    }
}
