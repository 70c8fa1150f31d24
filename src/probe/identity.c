// SPDX-License-Identifier: Apache-2.0
// Ourselves as the receiver sees us: the domain of our sender, its SPF record, and block lists.
// What a reply says about them is repeated by nobody here: it is looked up.
#include "probe/identity_internal.h"
#include "spf/spf.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOKUP_MS = 5 * 1000, SPF_MS = 15 * 1000, ARENA_BYTES_MAX = 512 << 10 };

static bool is_denied(const struct fact *fact) {
    return fact->kind == FACT_KIND_DNS &&
           (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
}

static struct probe_step *add_step(struct probe *probe, const char *name, enum probe_state state) {
    struct probe_step *step = probe_machine_step(probe, name, true);
    step->state = state;
    return step;
}

// --- The sender's domain ----------------------------------------------------------------------
static struct view domain_of(struct view address) {
    return view_skip(address, view_find_last_char(address, '@') + 1);
}

IO_WAITS static const struct fact *look_up_domain(struct probe *probe, struct view domain,
                                                  struct arena *arena) {
    struct dns_resolver *resolver = probe->options->resolver;
    io_time deadline = int64_min(io_after(LOOKUP_MS), probe->deadline);
    struct fact *fact = arena_alloc(arena, sizeof(*fact));
    struct dns_mx_answer mx;
    ASSERT(fact != NULL);
    dns_mx(resolver, domain, deadline, arena, &mx);
    *fact = mx.answer.fact;
    // RFC 5321 5.1: without an MX record the address counts.
    for (enum address_family family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family++) {
        struct dns_address_answer answer = {.family = family};
        if (!is_denied(fact))
            break;
        dns_addresses(resolver, domain, deadline, arena, &answer);
        *fact = answer.answer.fact;
    }
    return fact;
}

IO_WAITS static void try_sender(struct probe *probe, struct arena *arena) {
    struct view domain = domain_of(probe->options->sender);
    if (domain.len == 0 || domain.ptr[0] == '[')
        return;
    const struct fact *fact = look_up_domain(probe, domain, arena);
    bool is_lost = is_denied(fact), is_found = fact_is_ok(fact);
    struct probe_step *step = add_step(probe, "sender",
                                       is_found  ? PROBE_WELL
                                       : is_lost ? PROBE_WARNING
                                                 : PROBE_NOT_REACHED);
    probe_step_words(probe, step, "the sender's domain %.*s %s", VIEW_ARG(domain),
                     is_found  ? "resolves"
                     : is_lost ? "has no mail host and no address"
                               : "could not be looked up");
    if (!is_found && !is_lost)
        return;
    probe_sign_set(probe, SIGN_SENDER_DOMAIN_LOST, is_lost, "%.*s", VIEW_ARG(step->words));
    probe_sign_set(probe, SIGN_SENDER_DOMAIN_FOUND, is_found, "%.*s from here",
                   VIEW_ARG(step->words));
}

// --- SPF --------------------------------------------------------------------------------------
static enum probe_state state_of(enum spf_result result) {
    switch (result) {
    case SPF_PASS:
    case SPF_NONE:
    case SPF_NEUTRAL: return PROBE_WELL;
    case SPF_TEMPERROR: return PROBE_NOT_REACHED;
    default: return PROBE_WARNING;
    }
}

static void tell_spf(struct probe *probe, const struct spf_answer *answer,
                     const struct spf_question *question) {
    char from[ADDRESS_TEXT_SIZE];
    bool is_bad = state_of(answer->result) == PROBE_WARNING;
    struct probe_step *step = add_step(probe, "spf", state_of(answer->result));
    address_format(&question->source, from, sizeof(from));
    if (answer->result == SPF_NONE)
        probe_step_words(probe, step, "%.*s has no SPF record", VIEW_ARG(answer->domain));
    else
        probe_step_words(probe, step, "SPF of %.*s says %.*s for %s%s%.*s%s%s%.*s",
                         VIEW_ARG(answer->domain), VIEW_ARG(spf_result_word(answer->result)), from,
                         answer->term.len ? " (" : "", VIEW_ARG(answer->term),
                         answer->term.len ? ")" : "", answer->why.len ? ": " : "",
                         VIEW_ARG(answer->why));
    probe_sign_set(probe, SIGN_SPF_FAILS, is_bad, "%.*s", VIEW_ARG(step->words));
    probe_sign_set(probe, SIGN_SPF_PASSES, answer->result == SPF_PASS, "%.*s",
                   VIEW_ARG(step->words));
}

// RFC 7208 2.3, 2.4: an empty sender counts as the postmaster of the EHLO name.
IO_WAITS static void try_spf(struct probe *probe, const struct address *source,
                             struct arena *arena) {
    struct spf_answer answer;
    struct spf_question question = {.resolver = probe->options->resolver,
                                    .source = *source,
                                    .helo = probe_helo(probe),
                                    .sender = probe->options->sender,
                                    .deadline = int64_min(io_after(SPF_MS), probe->deadline)};
    if (question.sender.len == 0)
        question.sender = question.helo;
    if (question.sender.ptr[0] == '[')
        return;
    spf_evaluate(&question, arena, &answer);
    tell_spf(probe, &answer, &question);
}

void probe_try_identity(struct probe *probe) {
    const struct address *source = &probe->session->attempt.source;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    try_sender(probe, &arena);
    if (address_is_global(source)) {
        try_spf(probe, source, &arena);
        probe_try_block_lists(probe, source);
    } else {
        probe_step_words(probe, add_step(probe, "spf", PROBE_NOT_REACHED),
                         "SPF and block lists: our address is private, and which one the receiver "
                         "sees is not known here");
    }
    arena_finish(&arena);
}
