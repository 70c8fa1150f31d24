// SPDX-License-Identifier: Apache-2.0
// Happy eyeballs (RFC 8305 5) for one host: a connection to the next address starts when the last
// one has had a quarter of a second, or has failed. The first that stands wins. The others are
// closed before they could greet, and are no failures.
#include "deliver/deliver_internal.h"

#include <errno.h>

struct runner {
    struct race *race;
    struct target *target;
    struct io_stream *stream;
    struct fact fact;
    bool is_done, is_counted;
};

struct race {
    struct session *session;
    struct io_group group;
    struct io_event changed;
    struct runner runners[DELIVER_RACE_MAX];
    size_t n_started, n_running;
};

IO_WAITS static struct fact connect_to(struct session *session, struct target *target,
                                       struct io_stream **stream) {
    struct io_connect_options options = {.source = target->source};
    io_time began = io_now();
    io_time deadline =
        int64_min(io_after(session->timeouts.connect_ms), session->job->round_deadline);
    struct io_result result = io_connect(&target->address, &options, deadline, stream);
    struct fact fact = io_fact(FACT_STAGE_CONNECT, result);
    fact.elapsed_ms = io_now() - began;
    fact.limit_ms = fact.kind == FACT_KIND_SILENT ? int64_max(deadline - began, 1) : 0;
    return fact;
}

// This machine has no way to that family: no route, no address of its own, no support.
static bool is_unrouted(const struct target *target, const struct fact *fact) {
    bool chose_source = target->source.family != ADDRESS_NONE;
    return (fact->sys_errno == ENETUNREACH && fact->icmp_type < 0) ||
           (fact->sys_errno == EADDRNOTAVAIL && !chose_source) || fact->sys_errno == EAFNOSUPPORT;
}

// Descriptors or memory that lack now lack for every address.
static bool is_hopeless(const struct fact *fact) {
    return fact->kind == FACT_KIND_LOCAL && fact->detail != FACT_LOCAL_SOURCE;
}

static void note_failure(struct session *session, struct target *target, const struct fact *fact) {
    struct deliver_memory *memory = session->job->memory;
    target->is_tried = true;
    if (is_unrouted(target, fact))
        memory_note_unrouted(memory, target->address.family);
    else if (fact->kind == FACT_KIND_ERRNO || fact->kind == FACT_KIND_SILENT)
        memory_note_dead(memory, &target->address, fact);
    if (fact->kind != FACT_KIND_CANCELED)
        record_tell_connect(session, target, fact);
}

static void run(void *arg) {
    struct runner *runner = arg;
    runner->fact = connect_to(runner->race->session, runner->target, &runner->stream);
    runner->is_done = true;
    io_event_set(&runner->race->changed);
}

static void start_next(struct race *race, struct target *targets) {
    struct runner *runner = &race->runners[race->n_started];
    *runner = (struct runner){.race = race, .target = &targets[race->n_started]};
    race->n_started++;
    race->n_running++;
    io_group_spawn(&race->group, "connect", run, runner);
}

// Takes note of who has come in since; the winner, or NULL.
static struct runner *look(struct race *race, struct fact *last_failure) {
    struct runner *winner = NULL;
    for (size_t i = 0; i < race->n_started; i++) {
        struct runner *runner = &race->runners[i];
        if (!runner->is_done || runner->is_counted)
            continue;
        if (runner->stream && winner)
            continue; // both stand: the one that was begun first is kept
        runner->is_counted = true;
        race->n_running--;
        if (runner->stream) {
            winner = runner;
        } else {
            *last_failure = runner->fact;
            note_failure(race->session, runner->target, &runner->fact);
        }
    }
    return winner;
}

// The runners belong to this fiber, so it waits for them though it is itself canceled; they have
// nothing left to wait for.
IO_WAITS static void dismiss(struct race *race) {
    bool was_canceled = false;
    io_group_cancel(&race->group);
    while (race->group.n_members > 0) {
        was_canceled |= io_is_canceled();
        io_cancel_clear();
        io_group_wait(&race->group, IO_NEVER);
    }
    if (was_canceled)
        io_cancel(io_fiber_current());
}

static void close_losers(struct race *race, const struct runner *winner) {
    for (size_t i = 0; i < race->n_started; i++)
        if (&race->runners[i] != winner)
            io_close(race->runners[i].stream);
}

IO_WAITS static struct runner *hold_race(struct race *race, struct target *targets, size_t n,
                                         struct fact *last_failure) {
    struct runner *winner = NULL;
    while (!winner && (race->n_running > 0 || race->n_started < n)) {
        if (race->n_started < n)
            start_next(race, targets);
        io_time patience = race->n_started < n ? io_after(DELIVER_STAGGER_MS) : IO_NEVER;
        struct io_result woken = io_event_wait(&race->changed, patience);
        io_event_clear(&race->changed);
        winner = look(race, last_failure);
        if (woken.status == IO_CANCELED || is_hopeless(last_failure))
            break;
    }
    return winner;
}

struct io_stream *race_run(struct session *session, struct target *targets, size_t n,
                           struct target **winner, struct fact *fact) {
    struct io_stream *stream = NULL;
    ASSERT(n > 0);
    *winner = &targets[0];
    if (n == 1) {
        *fact = connect_to(session, &targets[0], &stream);
        targets[0].is_tried = true;
        if (!stream)
            note_failure(session, &targets[0], fact);
        return stream;
    }
    struct race *race = mem_alloc_zero(sizeof(*race));
    race->session = session;
    io_group_init(&race->group);
    io_event_init(&race->changed);
    *fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_CANCELED);
    struct runner *first = hold_race(race, targets, size_min(n, DELIVER_RACE_MAX), fact);
    dismiss(race);
    close_losers(race, first);
    if (first) {
        *winner = first->target;
        first->target->is_tried = true;
        *fact = first->fact;
        stream = first->stream;
    }
    if (!first && io_is_canceled())
        *fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_CANCELED);
    free(race);
    return stream;
}
