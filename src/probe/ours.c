// SPDX-License-Identifier: Apache-2.0
// Ourselves, before others are blamed: what a receiver finds when it looks up our address and our
// EHLO name, the clock, and the disk that mail waits on.
#include "probe/probe_internal.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { LOOKUP_MS = 5 * 1000, DAY_MS = 24 * 3600 * 1000, DISK_PERCENT_MIN = 15 };

static struct probe_step *add_step(struct probe *probe, const char *name, bool is_well) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_OK);
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    step->state = is_well ? PROBE_WELL : PROBE_WARNING;
    return step;
}

// --- Names ------------------------------------------------------------------------------------
// Looked
// up while the session goes on, in memory of its own.
struct probe_own {
    struct probe *probe;
    struct io_group group;
    struct arena arena;
    struct address source;
    struct view helo;
    struct view ptr; // empty: none
    bool is_confirmed, is_helo, helo_leads_here, is_asked;
};

IO_WAITS static bool leads_here(struct probe_own *own, struct view name) {
    struct dns_address_answer answer = {.family = own->source.family};
    bool is_found = false;
    dns_addresses(own->probe->options->resolver, name,
                  int64_min(io_after(LOOKUP_MS), own->probe->deadline), &own->arena, &answer);
    for (size_t i = 0; i < answer.n_addresses; i++)
        is_found = is_found || address_equals(&answer.addresses[i], &own->source);
    return is_found;
}

static void look_up(void *arg) {
    struct probe_own *own = arg;
    struct dns_name_answer answer;
    dns_names(own->probe->options->resolver, &own->source,
              int64_min(io_after(LOOKUP_MS), own->probe->deadline), &own->arena, &answer);
    const struct fact *fact = &answer.answer.fact;
    bool is_denied = fact->kind == FACT_KIND_DNS &&
                     (fact->detail == FACT_DNS_NXDOMAIN || fact->detail == FACT_DNS_NODATA);
    for (size_t i = 0; i < answer.n_names && !own->is_confirmed; i++) {
        own->ptr = answer.names[i];
        own->is_helo = view_equals_nocase(own->ptr, own->helo);
        own->is_confirmed = leads_here(own, own->ptr);
    }
    own->helo_leads_here = own->is_helo || leads_here(own, own->helo);
    own->is_asked = fact_is_ok(fact) || is_denied;
}

// An address behind a translation says nothing of what the receiver sees.
struct probe_own *probe_own_begin(struct probe *probe, const struct address *source) {
    enum { ARENA_BYTES_MAX = 256 << 10 };
    const struct config_connector *connector = probe->connector;
    if (!address_is_global(source))
        return NULL;
    struct probe_own *own = mem_alloc_zero(sizeof(*own));
    own->probe = probe;
    own->source = *source;
    own->helo = view_of(connector->helo ? connector->helo : probe->options->config->hostname);
    arena_init(&own->arena, ARENA_BYTES_MAX);
    io_group_init(&own->group);
    io_group_spawn(&own->group, "probe-own", look_up, own);
    return own;
}

// RFC 5321 4.1.4 asks for no more than a name that can be looked up; receivers ask for all three to
// agree.
static void say_names(struct probe *probe, const struct probe_own *own) {
    char address[ADDRESS_TEXT_SIZE];
    struct probe_step *step = add_step(probe, "our-name", own->is_confirmed);
    address_format(&own->source, address, sizeof(address));
    if (own->ptr.len == 0)
        probe_step_words(probe, step, "%s has no reverse name (PTR)", address);
    else if (!own->is_confirmed)
        probe_step_words(probe, step, "%s is called %.*s, which does not lead back", address,
                         VIEW_ARG(own->ptr));
    else
        probe_step_words(probe, step, "%s is %.*s%s", address, VIEW_ARG(own->ptr),
                         own->is_helo ? ", our EHLO name" : ", which is not our EHLO name");
    if (!own->helo_leads_here)
        probe_step_words(probe, step, "%.*s; the EHLO name %.*s does not lead to it",
                         VIEW_ARG(step->words), VIEW_ARG(own->helo));
    probe_sign_set(probe, SIGN_PTR_WRONG, !own->is_confirmed, "%.*s", VIEW_ARG(step->words));
    probe_sign_set(probe, SIGN_PTR_RIGHT, own->is_confirmed && own->helo_leads_here, "%.*s",
                   VIEW_ARG(step->words));
}

void probe_own_end(struct probe *probe, struct probe_own *own) {
    if (!own)
        return;
    if (io_group_wait(&own->group, IO_NEVER).status == IO_CANCELED) {
        io_group_cancel(&own->group);
        io_cancel_clear();
        io_group_wait(&own->group, IO_NEVER);
        io_cancel(io_fiber_current());
    }
    if (own->is_asked)
        say_names(probe, own);
    arena_finish(&own->arena);
    free(own);
}

// --- Clock and disk ---------------------------------------------------------------------------
// A clock that
// stands before the day on which this program was put here is wrong.
static void check_clock(struct probe *probe) {
    struct stat status;
    if (stat("/proc/self/exe", &status) < 0)
        return;
    int64_t behind_ms = (int64_t)status.st_mtim.tv_sec * 1000 - io_wall_ms();
    probe_sign_set(probe, SIGN_CLOCK_WRONG, behind_ms > DAY_MS,
                   "our clock stands %lld days before this program was installed",
                   (long long)(behind_ms / DAY_MS));
    if (behind_ms > DAY_MS)
        probe_step_words(probe, add_step(probe, "our-clock", false), "%.*s",
                         VIEW_ARG(probe->signs.words[SIGN_CLOCK_WRONG]));
}

static void check_disk(struct probe *probe) {
    const struct config *config = probe->options->config;
    struct statvfs space;
    if (!config->path || !config->data || statvfs(config->data, &space) < 0 || space.f_blocks == 0)
        return;
    unsigned percent = (unsigned)((uint64_t)space.f_bavail * 100 / space.f_blocks);
    probe_sign_set(probe, SIGN_DISK_LOW, percent < DISK_PERCENT_MIN, "%u %% of %s is free", percent,
                   config->data);
    probe_step_words(probe, add_step(probe, "our-disk", percent >= DISK_PERCENT_MIN), "%.*s",
                     VIEW_ARG(probe->signs.words[SIGN_DISK_LOW]));
}

void probe_look_at_machine(struct probe *probe) {
    check_clock(probe);
    check_disk(probe);
}
