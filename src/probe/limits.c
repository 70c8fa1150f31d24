// SPDX-License-Identifier: Apache-2.0
// How much does the other side take? A ladder for each thing that devices and servers limit: the
// boundary is found by bisection and compared with what standards and makers have written down
// (documented.inc). Steps, messages and time have a bound that is told before it begins.
#include "base/units.h"
#include "probe/limits_internal.h"

#include <stdio.h>

enum { RUNGS_MAX = 9, LIMITS_TIMES = 10, RISE_TIMES = 8, NEARLY_PARTS = 50 };
enum { REST_BYTES = 2048 }; // of a message, beside the long part of its header

struct ladder {
    const char *what, *unit;
    uint64_t start;           // tried first, and then more; zero: the top is tried first
    uint64_t top;             // no more than that is tried
    uint64_t usual;           // so much has to pass
    enum fact_stage from;     // a failure before that says nothing about the limit
    enum cause lost, refused; // of a limit below the usual
};

static const struct ladder ladders[PROBE_LADDER_COUNT] = {
    [PROBE_LADDER_SIZE] = {"size", "bytes", 0, 1 << 30, 1 << 20, FACT_STAGE_MAIL, CAUSE_SIZE_LIMIT,
                           CAUSE_SIZE_LIMIT},
    [PROBE_LADDER_RECIPIENTS] = {"recipients", "recipients", 0, 210, 100, FACT_STAGE_RCPT,
                                 CAUSE_TOO_MANY_RECIPIENTS, CAUSE_TOO_MANY_RECIPIENTS},
    [PROBE_LADDER_BODY] = {"body", "bytes", 64 << 10, 10 << 20, 10 << 20, FACT_STAGE_BODY,
                           CAUSE_DATA_RESET_AT_OFFSET, CAUSE_SIZE_LIMIT},
    [PROBE_LADDER_HEADER_LINE] = {"header-line", "bytes", 0, 36 << 10, 998, FACT_STAGE_DATA,
                                  CAUSE_HEADER_LINE_LIMIT, CAUSE_HEADER_LINE_LIMIT},
    [PROBE_LADDER_HEADER] = {"header", "bytes", 0, 288 << 10, 32 << 10, FACT_STAGE_DATA,
                             CAUSE_HEADER_TOTAL_LIMIT, CAUSE_HEADER_TOTAL_LIMIT},
};

static const char *const step_names[PROBE_LADDER_COUNT] = {
    [PROBE_LADDER_SIZE] = "limit-size",   [PROBE_LADDER_RECIPIENTS] = "limit-rcpt",
    [PROBE_LADDER_BODY] = "limit-body",   [PROBE_LADDER_HEADER_LINE] = "limit-line",
    [PROBE_LADDER_HEADER] = "limit-head",
};

// --- Words ------------------------------------------------------------------------------------
static void put_amount(struct buffer *out, uint64_t n, const char *unit) {
    units_put_count(out, n);
    buffer_printf(out, " %s", unit);
}

static void describe_limit(struct probe *probe, struct probe_limit *limit, struct view trouble) {
    struct buffer out;
    struct view clause = fact_describe(&limit->fact, probe->arena);
    buffer_init(&out, PROBE_TEXT_BYTES_MAX);
    buffer_printf(&out, "%s: ", limit->what);
    if (limit->passes)
        put_amount(&out, limit->passes, limit->unit);
    if (limit->passes)
        buffer_printf(&out, limit->fails ? " pass, " : " pass, more was not tried");
    if (limit->fails) {
        put_amount(&out, limit->fails, limit->unit);
        buffer_printf(&out, " do not (%.*s)", VIEW_ARG(clause));
    }
    if (trouble.len)
        buffer_printf(&out, "%snot found out: %.*s", limit->passes || limit->fails ? "; " : "",
                      VIEW_ARG(trouble));
    limit->words = probe_keep(probe, buffer_view(&out));
    buffer_finish(&out);
}

// Within a step of the bisection, to either side.
static bool is_near(const struct probe_limit *limit, uint64_t known) {
    uint64_t slack = limit->fails / (2 * NEARLY_PARTS);
    return limit->fails && known + slack >= limit->passes && known < limit->fails + slack;
}

static void look_up(struct probe *probe, enum probe_ladder ladder, struct probe_limit *limit) {
    static const struct {
        enum probe_ladder ladder;
        uint64_t passes;
        const char *whose;
    } known[] = {
#define KNOWN(ladder, passes, whose) {PROBE_LADDER_##ladder, passes, whose},
#include "probe/documented.inc"
#undef KNOWN
    };
    struct buffer out;
    buffer_init(&out, PROBE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(known) && limit->is_found; i++)
        if (known[i].ladder == ladder && is_near(limit, known[i].passes))
            buffer_printf(&out, "%s%s", out.len ? "; " : "", known[i].whose);
    limit->documented = probe_keep(probe, buffer_view(&out));
    buffer_finish(&out);
}

// --- Climbing ---------------------------------------------------------------------------------
enum outcome_of_rung { RUNG_PASSES, RUNG_FAILS, RUNG_UNCLEAR };

// What hangs on how often we come and not on how much we bring.
static bool is_about_us(const struct probe *probe, const struct fact *fact) {
    static const enum cause causes[] = {
        CAUSE_RCPT_GREYLIST, CAUSE_THROTTLE,       CAUSE_TOO_MANY_CONNECTIONS,
        CAUSE_OVERLOAD,      CAUSE_RECIPIENT_RATE, CAUSE_QUOTA_SENDER,
        CAUSE_NONE};
    return probe_is_one_of(cause_of_attempt(fact, &probe->session->attempt), causes);
}

static enum outcome_of_rung judge_rung(const struct probe *probe, const struct ladder *ladder,
                                       const struct fact *fact) {
    if (fact_is_ok(fact))
        return RUNG_PASSES;
    bool is_answer = fact->kind == FACT_KIND_REPLY || fact->kind == FACT_KIND_CLOSED ||
                     fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_ERRNO;
    if (!is_answer || fact->stage < ladder->from || io_is_canceled() ||
        io_now() >= probe->deadline || is_about_us(probe, fact))
        return RUNG_UNCLEAR;
    return RUNG_FAILS;
}

IO_WAITS static enum outcome_of_rung try_rung(struct probe *probe, enum probe_ladder kind,
                                              struct probe_rung *rung, struct probe_limit *limit,
                                              struct fact *fact) {
    char label[64];
    io_time began = io_now();
    struct buffer out;
    limit->n_tries++;
    snprintf(label, sizeof(label), "%s ladder, %u of at most %d", limit->what, limit->n_tries,
             RUNGS_MAX);
    *fact = probe_climb(probe, kind, rung, label);
    enum outcome_of_rung outcome = judge_rung(probe, &ladders[kind], fact);
    struct fact shown = *fact;
    shown.elapsed_ms = io_now() - began;
    struct probe_step *step = probe_experiment_step(probe, step_names[kind], &shown);
    struct view clause = fact_describe(fact, probe->arena);
    buffer_init(&out, PROBE_TEXT_BYTES_MAX);
    put_amount(&out, rung->n, limit->unit);
    probe_step_words(probe, step, "%.*s: %.*s", VIEW_ARG(buffer_view(&out)),
                     VIEW_ARG(outcome == RUNG_PASSES ? VIEW("passes") : clause));
    buffer_finish(&out);
    return outcome;
}

static uint64_t middle(uint64_t low, uint64_t high) {
    uint64_t guess = high, square = low * high;
    while (guess > square / guess) // Newton's, from above
        guess = (guess + square / guess) / 2;
    return guess;
}

static uint64_t next_amount(const struct ladder *ladder, const struct probe_limit *limit) {
    uint64_t low = limit->passes, high = limit->fails;
    if (!high)
        return low * RISE_TIMES < ladder->top ? low * RISE_TIMES : ladder->top;
    if (low < ladder->usual && ladder->usual < high)
        return ladder->usual;
    uint64_t next = low ? middle(low, high) : high / RISE_TIMES;
    return next <= low ? low + 1 : next >= high ? high - 1 : next;
}

static bool is_settled(const struct ladder *ladder, const struct probe_limit *limit) {
    if (!limit->fails)
        return limit->passes >= ladder->top;
    uint64_t gap = limit->fails - limit->passes;
    return gap <= 1 || (limit->passes && gap <= limit->fails / NEARLY_PARTS);
}

IO_WAITS static struct view bisect(struct probe *probe, enum probe_ladder kind,
                                   const struct ladder *ladder, struct probe_limit *limit) {
    struct probe_rung rung = {.n = ladder->start ? ladder->start : ladder->top};
    while (limit->n_tries < RUNGS_MAX && rung.n > 0) {
        struct fact fact;
        io_time began = io_now();
        enum outcome_of_rung outcome = try_rung(probe, kind, &rung, limit, &fact);
        if (outcome == RUNG_UNCLEAR)
            return fact_describe(&fact, probe->arena);
        if (outcome == RUNG_PASSES) {
            limit->passes = rung.n;
        } else {
            limit->fails = rung.n;
            limit->fact = fact;
        }
        if (is_settled(ladder, limit))
            break;
        if (!limit->fails && (io_now() - began) * RISE_TIMES > (probe->deadline - io_now()) / 2)
            return VIEW("more would take too long here");
        rung = (struct probe_rung){.n = next_amount(ladder, limit)};
    }
    limit->is_found = true;
    return VIEW_NONE;
}

// Each recipient has a reply of its own, so one session finds it; where the connection breaks
// instead, a second one in lock-step tells at which.
IO_WAITS static struct view count_recipients(struct probe *probe, const struct ladder *ladder,
                                             struct probe_limit *limit) {
    struct probe_rung rung = {.n = ladder->top};
    struct fact fact;
    enum outcome_of_rung outcome = try_rung(probe, PROBE_LADDER_RECIPIENTS, &rung, limit, &fact);
    if (outcome == RUNG_FAILS && fact.kind != FACT_KIND_REPLY) {
        rung = (struct probe_rung){.n = rung.n_sent, .is_in_lock_step = true};
        outcome = try_rung(probe, PROBE_LADDER_RECIPIENTS, &rung, limit, &fact);
    }
    if (outcome == RUNG_UNCLEAR)
        return fact_describe(&fact, probe->arena);
    limit->passes = rung.n_ok;
    limit->fails = outcome == RUNG_FAILS ? rung.n_ok + 1 : 0;
    limit->fact = fact;
    limit->is_found = true;
    return VIEW_NONE;
}

// --- All of them ------------------------------------------------------------------------------
static const struct smtp_extensions *offered(const struct probe *probe) {
    return probe->session->has_after ? &probe->session->after : &probe->session->before;
}

// What the server says of itself bounds the ladders.
#define SAID_BYTES_MAX (1ULL << 40)
static struct ladder bounded(const struct probe *probe, enum probe_ladder kind) {
    struct ladder ladder = ladders[kind];
    uint64_t said = offered(probe)->size_max;
    if (said >= SAID_BYTES_MAX)
        said = 0; // as good as none
    if (said && kind == PROBE_LADDER_SIZE) {
        ladder.start = said;
        ladder.top = said + 1;
    }
    if (said && kind == PROBE_LADDER_BODY && said < ladder.top)
        ladder.top = ladder.usual = said;
    bool is_message = kind == PROBE_LADDER_HEADER || kind == PROBE_LADDER_HEADER_LINE;
    uint64_t room = said > 2 * REST_BYTES ? said - REST_BYTES : said / 2;
    if (said && is_message && room < ladder.top)
        ladder.top = room;
    if (ladder.start > ladder.top)
        ladder.start = ladder.top;
    return ladder;
}

static void leave_out(struct probe *probe, enum probe_ladder kind, const char *why) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    struct probe_step *step = probe_experiment_step(probe, step_names[kind], &fact);
    step->state = PROBE_NOT_REACHED;
    probe_step_words(probe, step, "%s", why);
}

IO_WAITS static void climb(struct probe *probe, enum probe_ladder kind) {
    struct probe_result *result = probe->result;
    struct ladder ladder = bounded(probe, kind);
    if (kind == PROBE_LADDER_SIZE && !offered(probe)->size) {
        leave_out(probe, kind, "the server does not offer SIZE: it says nothing before it has all");
        return;
    }
    if (io_is_canceled() || io_now() >= probe->deadline) {
        leave_out(probe, kind, "not tried: the time for --limits is up");
        return;
    }
    ASSERT(result->n_limits < PROBE_LIMITS_MAX);
    struct probe_limit *limit = &result->limits[result->n_limits++];
    *limit = (struct probe_limit){.what = ladder.what, .unit = ladder.unit};
    limit->fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    struct view trouble = kind == PROBE_LADDER_RECIPIENTS ? count_recipients(probe, &ladder, limit)
                                                          : bisect(probe, kind, &ladder, limit);
    bool is_short = limit->fails && limit->fails <= ladder.usual;
    limit->is_low = limit->is_found && is_short && limit->fails > limit->passes;
    look_up(probe, kind, limit);
    describe_limit(probe, limit, trouble);
}

static void announce(struct probe *probe) {
    enum { MESSAGES_MAX = 2 * RUNGS_MAX, CONNECTIONS_MAX = 4 * RUNGS_MAX + 2 };
    const struct probe_watch *watch = &probe->options->watch;
    struct view words = arena_printf(
        probe->arena,
        "at most %d connections and %d messages to %.*s, numbered in their subjects, in at most "
        "%lld s; one that breaks at its end may arrive all the same",
        CONNECTIONS_MAX, MESSAGES_MAX, VIEW_ARG(probe->target->recipient),
        (long long)(LIMITS_TIMES * probe->options->timeout_ms / 1000));
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_OK);
    struct probe_step *step = probe_experiment_step(probe, "limits", &fact);
    step->words = words;
    if (watch->announces && words.len)
        watch->announces(watch->arg, words.ptr);
}

// Behind a test message that passed, or broke within DATA: then a limit may be why.
static bool can_climb(const struct probe *probe) {
    const struct fact *fact = &probe->result->attempt.fact;
    bool has_reached_data = fact_is_ok(fact) || fact->stage >= FACT_STAGE_DATA;
    return probe->options->finds_limits && probe->options->sends_mail && probe->session &&
           probe->target->recipient.len > 0 && has_reached_data && !io_is_canceled();
}

void probe_find_limits(struct probe *probe) {
    if (!can_climb(probe))
        return;
    probe->is_deciding = true;
    probe->deadline = io_after(LIMITS_TIMES * probe->options->timeout_ms);
    announce(probe);
    for (enum probe_ladder kind = 0; kind < PROBE_LADDER_COUNT; kind++)
        climb(probe, kind);
}

// --- What they mean ---------------------------------------------------------------------------
static enum cause cause_of_limit(const struct probe_limit *limit) {
    for (size_t i = 0; i < PROBE_LADDER_COUNT; i++)
        if (strcmp(ladders[i].what, limit->what) == 0)
            return limit->fact.kind == FACT_KIND_REPLY ? ladders[i].refused : ladders[i].lost;
    return CAUSE_UNKNOWN;
}

static void add_evidence(struct verdict *verdict, struct view line) {
    if (line.len && verdict->n_evidence < VERDICT_LINES_MAX)
        verdict->evidence[verdict->n_evidence++] = line;
}

static void make_cause(struct probe *probe, const struct probe_limit *limit) {
    struct verdict *verdict = &probe->result->verdict;
    struct verdict_cause shown = {cause_of_limit(limit), 90};
    struct attempt attempt = probe->session->attempt;
    attempt.fact = limit->fact;
    probe->result->attempt = attempt;
    verdict_of_cause(shown, &limit->fact, &attempt, probe->arena, verdict);
    verdict->confidence = shown.sure_percent / 100.0;
    // What the server itself says is its rule, and no device's doing.
    if (limit->fact.kind == FACT_KIND_REPLY)
        verdict->blame = BLAME_POLICY;
    verdict->summary =
        arena_printf(probe->arena, "%.*s. %.*s.", VIEW_ARG(cause_info(shown.cause)->title),
                     VIEW_ARG(limit->words));
    add_evidence(verdict, limit->words);
    if (limit->documented.len)
        add_evidence(verdict, arena_printf(probe->arena, "such a limit is documented: %.*s",
                                           VIEW_ARG(limit->documented)));
}

static void warn(struct verdict *verdict, const struct probe_limit *limit) {
    if (verdict->n_warnings == VERDICT_CANDIDATES_MAX)
        return;
    verdict->warnings[verdict->n_warnings].cause = cause_of_limit(limit);
    verdict->warnings[verdict->n_warnings++].summary = limit->words;
}

void probe_judge_limits(struct probe *probe) {
    struct probe_result *result = probe->result;
    for (size_t i = 0; i < result->n_limits; i++)
        if (result->limits[i].is_low && result->verdict.cause == CAUSE_NONE)
            make_cause(probe, &result->limits[i]);
        else if (result->limits[i].is_low &&
                 cause_of_limit(&result->limits[i]) != result->verdict.cause)
            warn(&result->verdict, &result->limits[i]);
}
