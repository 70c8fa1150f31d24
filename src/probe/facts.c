// SPDX-License-Identifier: Apache-2.0
// What of a run is worth comparing with another day: what a change of a firewall or a server
// alters, and what does not differ from call to call.
#include "base/units.h"
#include "probe/probe_internal.h"

static void add(struct probe *probe, const char *name, struct view value) {
    struct probe_result *result = probe->result;
    ASSERT(result->n_facts < PROBE_FACTS_MAX);
    if (value.len)
        result->facts[result->n_facts++] = (struct probe_fact){name, value};
}

static struct view seen_at(const struct probe *probe, const char *name) {
    for (size_t i = 0; i < probe->result->n_steps; i++) {
        const struct probe_step *step = &probe->result->steps[i];
        if (!step->is_beside && strcmp(step->name, name) == 0 && fact_is_ok(&step->fact))
            return step->words;
    }
    return VIEW_NONE;
}

void probe_collect_facts(struct probe *probe) {
    const struct probe_session *session = probe->session;
    char until[UNITS_TIME_SIZE];
    add(probe, "hosts", probe->route->site);
    if (session) {
        // Behind the name many greetings carry the time.
        struct view greeting = session->attempt.greeting;
        add(probe, "greeting", view_take(greeting, view_find_char(greeting, ' ')));
        add(probe, "ehlo", seen_at(probe, "ehlo"));
        add(probe, "ehlo-tls", seen_at(probe, "ehlo-tls"));
        add(probe, "tls", session->attempt.tls);
    }
    if (session && session->saw_tls && session->tls.subject[0]) {
        units_format_time(session->tls.not_after_ms, until, sizeof(until));
        add(probe, "certificate",
            arena_printf(probe->arena, "%s, issued by %s, until %s", session->tls.subject,
                         session->tls.issuer, until));
    }
    add(probe, "cause", cause_info(probe->result->verdict.cause)->id);
}
