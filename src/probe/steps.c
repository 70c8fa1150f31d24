// SPDX-License-Identifier: Apache-2.0
// The record of a run: what was done in which order, and the signs that were seen.
#include "probe/probe_internal.h"

#include <stdarg.h>
#include <stdio.h>

struct view probe_state_word(enum probe_state state) {
    static const char *const words[] = {"ok", "warning", "fault", "not-reached"};
    ASSERT((unsigned)state < ARRAY_LEN(words));
    return view_of(words[state]);
}

struct view probe_keep(struct probe *probe, struct view text) {
    return arena_copy(probe->arena, view_take(text, PROBE_TEXT_BYTES_MAX));
}

// Steps are taken in pieces, so that a short run stays small.
static struct probe_step *take_step(struct probe *probe) {
    enum { PIECE = 15 };
    struct probe_result *result = probe->result;
    if (result->n_steps % PIECE == 0 && result->n_steps < PROBE_STEPS_MAX) {
        struct probe_step *more =
            arena_alloc(probe->arena, (result->n_steps + PIECE) * sizeof(*more));
        ASSERT(more != NULL);
        if (result->n_steps)
            memcpy(more, result->steps, result->n_steps * sizeof(*more));
        result->steps = more;
    }
    if (result->n_steps < PROBE_STEPS_MAX)
        result->n_steps++;
    return &result->steps[result->n_steps - 1];
}

struct probe_step *probe_step_add(struct probe *probe, const char *name, const struct fact *fact) {
    struct probe_step *step = take_step(probe);
    int64_t ended_ms = io_now() - probe->began;
    *step = (struct probe_step){.name = name, .fact = *fact};
    step->state = fact_is_ok(fact) ? PROBE_WELL : PROBE_FAULT;
    step->began_ms = int64_max(ended_ms - fact->elapsed_ms, 0);
    step->fact.text = probe_keep(probe, fact->text);
    return step;
}

void probe_step_words(struct probe *probe, struct probe_step *step, const char *format, ...) {
    char text[PROBE_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len >= 0);
    step->words = probe_keep(probe, view_of(text));
}

void probe_sign_set(struct probe *probe, enum sign sign, bool is_yes, const char *format, ...) {
    char text[PROBE_TEXT_BYTES_MAX];
    va_list args;
    ASSERT(sign > SIGN_NONE && sign < SIGN_COUNT);
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len >= 0);
    probe->signs.is[sign] = is_yes ? ANSWER_YES : ANSWER_NO;
    probe->signs.words[sign] = probe_keep(probe, view_of(text));
}

struct view probe_place(struct probe *probe, struct view host, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text, sizeof(text));
    if (host.len == 0 || host.ptr[0] == '[')
        return arena_printf(probe->arena, "[%s]:%u", text, (unsigned)address->port);
    return arena_printf(probe->arena, "%.*s [%s]:%u", VIEW_ARG(host), text,
                        (unsigned)address->port);
}

void probe_wait_all(struct io_group *group) {
    if (io_group_wait(group, IO_NEVER).status != IO_CANCELED)
        return;
    io_group_cancel(group);
    io_cancel_clear();
    io_group_wait(group, IO_NEVER);
    io_cancel(io_fiber_current());
}
