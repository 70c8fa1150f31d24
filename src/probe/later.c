// SPDX-License-Identifier: Apache-2.0
// Greylisting is proved by time alone: the same sender, recipient and address again, later, with
// nothing else changed (RFC 6647 2.3). --wait says how long the operator is willing to wait.
#include "probe/probe_internal.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };

// --- How long? --------------------------------------------------------------------------------
// "00:05:00" behind `text`'s number of hours; zero: it is none.
static int64_t clock_time(struct view text, uint64_t hours) {
    uint64_t minutes = 0, seconds = 0;
    if (text.len < 6 || text.ptr[0] != ':' || text.ptr[3] != ':' ||
        !view_to_u64(view_from(text.ptr + 1, 2), &minutes) ||
        !view_to_u64(view_from(text.ptr + 4, 2), &seconds))
        return 0;
    return (int64_t)(hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS);
}

static int64_t unit_ms(struct view text) {
    static const struct {
        const char *word;
        int64_t ms;
    } units[] = {{"s", SECOND_MS},      {"sec", SECOND_MS},     {"secs", SECOND_MS},
                 {"second", SECOND_MS}, {"seconds", SECOND_MS}, {"min", MINUTE_MS},
                 {"mins", MINUTE_MS},   {"minute", MINUTE_MS},  {"minutes", MINUTE_MS},
                 {"h", HOUR_MS},        {"hour", HOUR_MS},      {"hours", HOUR_MS}};
    size_t len = 0;
    while (len < text.len && (text.ptr[len] | 0x20) >= 'a' && (text.ptr[len] | 0x20) <= 'z')
        len++;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (view_equals_nocase(view_take(text, len), view_of(units[i].word)))
            return units[i].ms;
    return 0;
}

static size_t count_digits(struct view text) {
    size_t len = 0;
    while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9')
        len++;
    return len;
}

int64_t probe_time_in(struct view text) {
    const uint64_t number_max = 100000;
    for (size_t i = 0, len; i < text.len; i += len + 1) {
        uint64_t number = 0;
        len = count_digits(view_skip(text, i));
        struct view rest = view_skip(text, i + len);
        bool is_part = i > 0 && (text.ptr[i - 1] == '.' || text.ptr[i - 1] == '-');
        if (is_part || !view_to_u64(view_from(text.ptr + i, len), &number) || number > number_max)
            continue;
        int64_t clock_ms = len == 2 ? clock_time(rest, number) : 0;
        int64_t each_ms = unit_ms(view_trim(rest));
        if (clock_ms || each_ms)
            return clock_ms ? clock_ms : (int64_t)number * each_ms;
    }
    return 0;
}

// Where the reply names no time: what greylists are usually set to, one after the other.
static int64_t pause_ms(int64_t said_ms, size_t nth) {
    static const int64_t usual_ms[] = {MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 20 * MINUTE_MS};
    if (said_ms && nth == 0)
        return said_ms + SECOND_MS;
    return usual_ms[size_min(nth, ARRAY_LEN(usual_ms) - 1)];
}

// False: canceled.
IO_WAITS static bool wait_until(struct probe *probe, io_time until) {
    const struct probe_watch *watch = &probe->options->watch;
    probe_end_turn(probe);
    while (io_now() < until && !io_is_canceled()) {
        if (watch->counts_down)
            watch->counts_down(watch->arg, until - io_now());
        io_sleep(int64_min(until, io_after(SECOND_MS)));
    }
    if (watch->counts_down)
        watch->counts_down(watch->arg, 0);
    probe_take_turn(probe);
    return !io_is_canceled();
}

// --- Again ------------------------------------------------------------------------------------
static bool is_deferral(const struct fact *fact) {
    return fact->kind == FACT_KIND_REPLY && fact->reply_code / 100 == 4;
}

// One session that lives as long as the run, as the verdict may come to be about it.
IO_WAITS static struct probe_session *try_now(struct probe *probe, int64_t since_ms) {
    struct probe_session *session = arena_alloc(probe->arena, sizeof(*session));
    struct probe_way *way = arena_alloc(probe->arena, sizeof(*way));
    const struct probe_way *first = probe->session->way;
    if (!session || !way)
        return NULL;
    *way =
        (struct probe_way){.host = first->host, .address = first->address, .source = first->source};
    session->variant =
        (struct probe_variant){.is_quiet = true, .sends_mail = probe->options->sends_mail};
    probe->deadline = io_after(PROBE_RUN_TIMES * probe->options->timeout_ms);
    probe_session_run(probe, way, session);
    struct probe_step *step = probe_experiment_step(probe, "later", &session->fact);
    struct view clause = fact_describe(&session->fact, probe->arena);
    probe_step_words(probe, step, "the same sender, recipient and address %lld s later: %.*s",
                     (long long)(since_ms / SECOND_MS),
                     VIEW_ARG(fact_is_ok(&session->fact) ? VIEW("accepted") : clause));
    return session;
}

static void conclude(struct probe *probe, const struct probe_session *last, int64_t waited_ms,
                     int64_t said_ms) {
    const struct fact *first = &probe->result->attempt.fact;
    struct view words = fact_describe(first, probe->arena);
    long long waited_s = (long long)(waited_ms / SECOND_MS);
    bool is_well = fact_is_ok(&last->fact), is_deferred = is_deferral(&last->fact);
    int64_t enough_ms = said_ms ? said_ms : 30 * MINUTE_MS;
    if (is_well || last->fact.stage > first->stage)
        probe_sign_set(probe, is_well ? SIGN_LATER_WELL : SIGN_LATER_FURTHER, true,
                       "the same sender, recipient and address were accepted %lld s after \"%.*s\"",
                       waited_s, VIEW_ARG(words));
    else if (is_deferred)
        probe_sign_set(probe, waited_ms >= enough_ms ? SIGN_LATER_FAILS : SIGN_LATER_SAME, true,
                       "%lld s later the same sender, recipient and address are deferred still",
                       waited_s);
}

// What came instead of the deferral is what the verdict is about: a refusal, or a fault behind it.
static void adopt(struct probe *probe, struct probe_session *session) {
    bool is_other = !fact_is_ok(&session->fact) && !is_deferral(&session->fact);
    if (!is_other && session->fact.stage <= probe->result->attempt.fact.stage)
        return;
    if (fact_is_ok(&session->fact))
        return;
    probe->session = session;
    probe_judge(probe);
}

void probe_try_later(struct probe *probe) {
    enum { TRIES_MAX = 8 };
    int64_t said_ms = probe_time_in(probe->result->attempt.fact.text);
    io_time began = io_now(), end = io_after(probe->options->wait_ms);
    struct probe_session *last = NULL;
    for (size_t n = 0; n < TRIES_MAX && (n == 0 || io_now() < end); n++) {
        io_time until = int64_min(io_after(pause_ms(said_ms, n)), end);
        if (!wait_until(probe, until))
            return;
        last = try_now(probe, io_now() - began);
        if (!last || !is_deferral(&last->fact) ||
            last->fact.stage > probe->result->attempt.fact.stage)
            break;
    }
    if (!last)
        return;
    conclude(probe, last, io_now() - began, said_ms);
    adopt(probe, last);
}

// Any deferral of a recipient may be greylisting, whatever it says; at DATA its words decide.
bool probe_later_decides(const struct probe *probe) {
    const struct fact *fact = &probe->result->attempt.fact;
    bool is_at_rcpt = fact->stage == FACT_STAGE_RCPT;
    return probe->options->wait_ms > 0 && probe->session && is_deferral(fact) &&
           (is_at_rcpt || probe->first_cause == CAUSE_RCPT_GREYLIST ||
            probe->first_cause == CAUSE_DATA_DEFERRED);
}
