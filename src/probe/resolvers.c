// SPDX-License-Identifier: Apache-2.0
// Our resolvers, one by one: where one fails and another one answers, it is not the domain.
#include "probe/zone_internal.h"

enum { RESOLVERS_MAX = 3 };

// An answer, whether or not it has records.
static bool is_answer(const struct dns_server_answer *answer) {
    return fact_is_ok(&answer->fact) || probe_says(answer, FACT_DNS_NODATA) ||
           probe_says(answer, FACT_DNS_NXDOMAIN);
}

static struct view words_of(struct probe *probe, const struct dns_server_answer *answer) {
    if (is_answer(answer))
        return VIEW("answers");
    return answer->fact.kind == FACT_KIND_DNS ? fact_dns_word((enum fact_dns)answer->fact.detail)
                                              : fact_describe(&answer->fact, probe->arena);
}

void probe_compare_resolvers(struct probe_zone *zone) {
    struct probe *probe = zone->probe;
    struct address resolvers[RESOLVERS_MAX];
    size_t n = dns_resolver_servers(probe->options->resolver, resolvers, RESOLVERS_MAX);
    size_t n_answers = 0;
    struct view list = VIEW_NONE;
    if (n < 2 || is_answer(&zone->held))
        return;
    for (size_t i = 0; i < n && !io_is_canceled(); i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct dns_server_answer answer =
            i == 0 ? zone->held
                   : probe_ask(probe, &(struct probe_asked){&resolvers[i], zone->domain, zone->type,
                                                            PROBE_AS_CLIENT, .wants_dnssec = true});
        struct view words = words_of(probe, &answer);
        n_answers += is_answer(&answer);
        address_format(&resolvers[i], text, sizeof(text));
        list = arena_printf(probe->arena, "%.*s%s%s: %.*s", VIEW_ARG(list), i ? "; " : "", text,
                            VIEW_ARG(words));
    }
    struct fact fact = fact_make(FACT_STAGE_DNS, FACT_KIND_OK);
    struct probe_step *step = probe_experiment_step(probe, "resolvers", &fact);
    step->state = n_answers ? PROBE_WARNING : PROBE_WELL;
    probe_step_words(probe, step, "%.*s", VIEW_ARG(list));
    probe_sign_set(probe, SIGN_RESOLVERS_DIFFER, n_answers > 0,
                   "one of our resolvers fails and another one answers: %.*s", VIEW_ARG(list));
}
