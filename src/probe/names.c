// SPDX-License-Identifier: Apache-2.0
// Who we are for others: what a receiver finds when it looks up the address that we call from and
// the name that we greet with. Looked up while the session goes on.
#include "probe/identity_internal.h"

#include <stdlib.h>

enum { LOOKUP_MS = 5 * 1000, SOURCES_MAX = 4 };

struct source {
    struct address address;
    struct view ptr; // empty: none
    bool is_asked;   // and an answer came
    bool is_confirmed, is_helo, helo_leads_here;
};

enum helo { HELO_UNKNOWN, HELO_WELL, HELO_SHORT, HELO_NOWHERE };

struct probe_own {
    struct probe *probe;
    struct io_group group;
    struct view name; // of EHLO
    enum helo helo;
    struct source sources[SOURCES_MAX];
    size_t n_sources;
    struct probe_sts_record sts;
};

static io_time deadline_of(const struct probe *probe) {
    return int64_min(io_after(LOOKUP_MS), probe->deadline);
}

struct view probe_helo(const struct probe *probe) {
    const char *own = probe->connector ? probe->connector->helo : NULL;
    return view_of(own ? own : probe->options->config->hostname);
}

// --- Looking up -------------------------------------------------------------------------------
IO_WAITS static bool leads_to(struct probe_own *own, struct view name,
                              const struct address *wanted) {
    struct dns_address_answer answer = {.family = wanted->family};
    dns_addresses(own->probe->options->resolver, name, deadline_of(own->probe), own->probe->arena,
                  &answer);
    for (size_t i = 0; i < answer.n_addresses; i++)
        if (address_equals(&answer.addresses[i], wanted))
            return true;
    return false;
}

static bool is_denied(const struct fact *fact) {
    return fact->kind == FACT_KIND_DNS &&
           (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
}

IO_WAITS static void look_up_source(struct probe_own *own, struct source *source) {
    struct dns_name_answer answer;
    dns_names(own->probe->options->resolver, &source->address, deadline_of(own->probe),
              own->probe->arena, &answer);
    for (size_t i = 0; i < answer.n_names && !source->is_confirmed; i++) {
        source->ptr = answer.names[i];
        source->is_helo = view_equals_nocase(source->ptr, own->name);
        source->is_confirmed = leads_to(own, source->ptr, &source->address);
    }
    source->helo_leads_here =
        (source->is_confirmed && source->is_helo) || leads_to(own, own->name, &source->address);
    source->is_asked = fact_is_ok(&answer.answer.fact) || is_denied(&answer.answer.fact);
}

// RFC 5321 2.3.5 and 4.1.1.1: a full name that resolves, or an address in brackets.
IO_WAITS static enum helo look_up_helo(struct probe_own *own) {
    enum helo helo = HELO_NOWHERE;
    if (own->name.len > 0 && own->name.ptr[0] == '[')
        return HELO_WELL;
    if (view_find_char(own->name, '.') >= own->name.len)
        return HELO_SHORT;
    for (size_t i = 0; i < own->n_sources; i++)
        if (own->sources[i].helo_leads_here)
            return HELO_WELL;
    for (enum address_family family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family++) {
        struct dns_address_answer answer = {.family = family};
        dns_addresses(own->probe->options->resolver, own->name, deadline_of(own->probe),
                      own->probe->arena, &answer);
        if (fact_is_ok(&answer.answer.fact))
            return HELO_WELL;
        if (!is_denied(&answer.answer.fact))
            helo = HELO_UNKNOWN;
    }
    return helo;
}

static void look_up(void *arg) {
    struct probe_own *own = arg;
    for (size_t i = 0; i < own->n_sources; i++)
        look_up_source(own, &own->sources[i]);
    if (own->n_sources > 0)
        own->helo = look_up_helo(own);
    // By the same fiber, as each costs a stack.
    probe_sts_look_up(own->probe, own->probe->arena, &own->sts);
}

// --- Whose addresses --------------------------------------------------------------------------
// An address behind a translation says nothing of what the receiver sees.
static void add_source(struct probe_own *own, const struct address *address) {
    for (size_t i = 0; i < own->n_sources; i++)
        if (address_equals(&own->sources[i].address, address))
            return;
    if (own->n_sources < SOURCES_MAX && address_is_global(address))
        own->sources[own->n_sources++].address = *address;
}

bool probe_source_of(const struct probe_way *way, struct address *source) {
    *source = way->stream ? way->stream->local : way->source;
    return source->family != ADDRESS_NONE || io_source_for(&way->address, source);
}

// The one that a session is had from stands first.
static void collect_sources(struct probe_own *own) {
    const struct probe *probe = own->probe;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < probe->n_ways; i++) {
            const struct probe_way *way = &probe->ways[i];
            struct address source;
            if (way->connect.kind != FACT_KIND_LOCAL && (pass > 0 || way->stream) &&
                probe_source_of(way, &source))
                add_source(own, &source);
            if (pass == 0 && way->stream)
                break;
        }
}

struct probe_own *probe_own_begin(struct probe *probe) {
    struct probe_own *own = mem_alloc_zero(sizeof(*own));
    own->probe = probe;
    own->name = probe_helo(probe);
    io_group_init(&own->group);
    collect_sources(own);
    io_group_spawn(&own->group, "probe-own", look_up, own);
    return own;
}

// --- Telling ----------------------------------------------------------------------------------
static struct view describe(const struct probe_own *own, const struct source *source) {
    char address[ADDRESS_TEXT_SIZE];
    struct arena *arena = own->probe->arena;
    address_format(&source->address, address, sizeof(address));
    struct view words =
        source->ptr.len == 0 ? arena_printf(arena, "%s has no reverse name (PTR)", address)
        : !source->is_confirmed
            ? arena_printf(arena, "%s is called %.*s, which does not lead back", address,
                           VIEW_ARG(source->ptr))
            : arena_printf(arena, "%s is %.*s%s", address, VIEW_ARG(source->ptr),
                           source->is_helo ? ", our EHLO name" : ", which is not our EHLO name");
    if (source->helo_leads_here)
        return words;
    return arena_printf(arena, "%.*s; the EHLO name %.*s does not lead to it", VIEW_ARG(words),
                        VIEW_ARG(own->name));
}

// RFC 5321 4.1.4 asks for no more than a name that can be looked up; receivers ask for all three to
// agree.
static void tell_source(const struct probe_own *own, const struct source *source) {
    struct probe *probe = own->probe;
    struct view words = describe(own, source);
    bool is_first = source == &own->sources[0];
    probe_step_words(probe, probe_machine_step(probe, "our-name", source->is_confirmed), "%.*s",
                     VIEW_ARG(words));
    if (is_first) {
        probe_sign_set(probe, SIGN_PTR_WRONG, !source->is_confirmed, "%.*s", VIEW_ARG(words));
        probe_sign_set(probe, SIGN_PTR_RIGHT, source->is_confirmed && source->helo_leads_here,
                       "%.*s", VIEW_ARG(words));
    } else if (!source->is_confirmed) {
        probe_sign_set(probe, SIGN_OTHER_PTR_WRONG, true, "%.*s", VIEW_ARG(words));
    }
}

static void tell_helo(const struct probe_own *own) {
    struct probe *probe = own->probe;
    bool is_bad = own->helo == HELO_SHORT || own->helo == HELO_NOWHERE;
    if (own->helo == HELO_UNKNOWN)
        return;
    probe_sign_set(probe, SIGN_HELO_NAME_BAD, is_bad, "our EHLO name %.*s %s", VIEW_ARG(own->name),
                   own->helo == HELO_SHORT     ? "is no full host name: it has no dot"
                   : own->helo == HELO_NOWHERE ? "does not resolve"
                                               : "resolves");
    if (is_bad)
        probe_step_words(probe, probe_machine_step(probe, "our-ehlo", false), "%.*s",
                         VIEW_ARG(probe->signs.words[SIGN_HELO_NAME_BAD]));
}

void probe_own_end(struct probe *probe, struct probe_own *own) {
    probe_wait_all(&own->group);
    for (size_t i = 0; i < own->n_sources; i++)
        if (own->sources[i].is_asked)
            tell_source(own, &own->sources[i]);
    if (own->n_sources > 0)
        tell_helo(own);
    probe_sts_tell(probe, &own->sts);
    free(own);
}
