// SPDX-License-Identifier: Apache-2.0
// What the packets of our calls show beside what the kernel told: calls that were repeated, who
// sent a reset and from how far away, segments that never arrived, a server that takes nothing
// more.
#include "probe/probe_internal.h"

#include <stdlib.h>

// So many repeats of one segment in a row are no loss by chance.
enum { FLOWS_MAX = 32, LATE_PACKETS_MS = 60, STUCK_REPEATS_MIN = 3 };

void probe_watch_packets(const struct probe *probe, const struct address *peer) {
    if (probe->options->capture)
        capture_add_peer(probe->options->capture, peer);
}

// Calls that were limited to a few routers are experiments of their own.
static bool is_limited(const struct capture_flow *flow) {
    enum { LIMIT_MAX = 32 };
    return flow->hops_ours <= LIMIT_MAX;
}

// --- Who sent the reset? ----------------------------------------------------------------------
// All packets of one connection go one road. Hosts begin with 64, 128 or 255; the same host may
// send a reset with another of these.
static bool is_foreign_reset(const struct capture_flow *flow) {
    enum { OTHER_BEGINNING_MIN = 2, LOW_MAX = 64, MIDDLE_MAX = 128 };
    if (flow->ttl_reset < 0 || flow->ttl_peer < 0 || flow->ttl_reset == flow->ttl_peer)
        return false;
    unsigned reset = capture_hops_passed(flow->ttl_reset),
             peer = capture_hops_passed(flow->ttl_peer);
    unsigned apart = reset > peer ? reset - peer : peer - reset;
    bool is_same_beginning = (flow->ttl_reset <= LOW_MAX) == (flow->ttl_peer <= LOW_MAX) &&
                             (flow->ttl_reset <= MIDDLE_MAX) == (flow->ttl_peer <= MIDDLE_MAX);
    return apart >= (is_same_beginning ? 1 : OTHER_BEGINNING_MIN);
}

static void read_reset(struct probe *probe, const struct capture_flow *flow) {
    if (flow->ttl_reset < 0 || flow->ttl_peer < 0)
        return;
    bool is_foreign = is_foreign_reset(flow);
    if (is_foreign)
        probe_sign_set(probe, SIGN_RESET_BY_DEVICE, true,
                       "the reset came with TTL %d (%u hops away), the server's packets come with "
                       "TTL %d (%u hops away): a device on the way sent it",
                       flow->ttl_reset, capture_hops_passed(flow->ttl_reset) + 1, flow->ttl_peer,
                       capture_hops_passed(flow->ttl_peer) + 1);
    else if (probe->signs.is[SIGN_RESET_BY_DEVICE] == ANSWER_UNKNOWN)
        probe_sign_set(probe, SIGN_RESET_BY_SERVER, true,
                       "the reset came with TTL %d and the server's packets with TTL %d: from as "
                       "far away, so the server or a device beside it sent it",
                       flow->ttl_reset, flow->ttl_peer);
}

// --- What was lost ----------------------------------------------------------------------------
struct sums {
    unsigned n_flows, n_calls_repeated, n_segments, n_repeated, n_answered;
};

static struct sums sum_up(const struct capture_flow *flows, size_t n) {
    struct sums sums = {0};
    for (size_t i = 0; i < n; i++) {
        bool is_answered = flows[i].answer_us > 0;
        if (is_limited(&flows[i]))
            continue;
        sums.n_flows++;
        sums.n_answered += is_answered;
        sums.n_calls_repeated += is_answered && flows[i].n_syn > 1 ? flows[i].n_syn - 1 : 0;
        sums.n_segments += flows[i].n_segments;
        bool is_stuck = flows[i].n_stuck >= STUCK_REPEATS_MIN;
        sums.n_repeated += flows[i].n_repeated - (is_stuck ? flows[i].n_stuck : 0);
    }
    return sums;
}

// One lost packet is usual on any line.
static void read_losses(struct probe *probe, const struct sums *sums) {
    enum { CALLS_MIN = 2, SEGMENTS_MIN = 3, SEGMENTS_PERCENT_MIN = 5 };
    bool is_lossy = sums->n_calls_repeated >= CALLS_MIN ||
                    (sums->n_repeated >= SEGMENTS_MIN &&
                     sums->n_repeated * 100 >= sums->n_segments * SEGMENTS_PERCENT_MIN);
    probe_sign_set(probe, SIGN_PACKETS_LOST, is_lossy,
                   "in %u connection%s %u calls and %u of %u segments had to be sent again before "
                   "they were answered",
                   sums->n_answered, sums->n_answered == 1 ? "" : "s", sums->n_calls_repeated,
                   sums->n_repeated, sums->n_segments);
}

static void read_stuck(struct probe *probe, const struct capture_flow *flow) {
    if (flow->n_stuck >= STUCK_REPEATS_MIN)
        probe_sign_set(probe, SIGN_SEGMENT_STUCK, true,
                       "one segment of %u bytes was sent %u times and not acknowledged",
                       flow->stuck_bytes, flow->n_stuck + 1);
    if (flow->is_window_zero && flow->ttl_reset < 0)
        probe_sign_set(probe, SIGN_WINDOW_ZERO, true,
                       "the server's last packet says that it takes no more bytes (window zero, "
                       "%u times): it has stopped reading, and the line is well",
                       flow->n_window_zero);
}

// --- In words ---------------------------------------------------------------------------------
static void describe_flow(const struct capture_flow *flow, struct buffer *out) {
    char router[ADDRESS_TEXT_SIZE];
    buffer_printf(out, "SYN sent %u time%s", flow->n_syn, flow->n_syn == 1 ? "" : "s");
    if (flow->answer_us > 0)
        buffer_printf(out, ", answered after %lld.%lld ms", (long long)(flow->answer_us / 1000),
                      (long long)(flow->answer_us % 1000 / 100));
    if (flow->ttl_peer >= 0)
        buffer_printf(out, ", server %u hops away (TTL %d)",
                      capture_hops_passed(flow->ttl_peer) + 1, flow->ttl_peer);
    if (flow->mss_ours && flow->mss_theirs)
        buffer_printf(out, ", MSS %u from us, %u from there", flow->mss_ours, flow->mss_theirs);
    if (flow->n_repeated)
        buffer_printf(out, ", %u of %u segments sent again", flow->n_repeated, flow->n_segments);
    if (flow->n_window_zero)
        buffer_printf(out, ", window zero %u times", flow->n_window_zero);
    if (flow->ttl_reset >= 0)
        buffer_printf(out, ", reset with TTL %d after %lld.%lld ms", flow->ttl_reset,
                      (long long)(flow->reset_us / 1000), (long long)(flow->reset_us % 1000 / 100));
    if (flow->icmp_type >= 0) {
        address_format(&flow->icmp_from, router, sizeof(router));
        buffer_printf(out, ", ICMP type %d code %d from %s", flow->icmp_type, flow->icmp_code,
                      router);
    }
}

// The connection that is told: of the first session, or the first call.
static const struct capture_flow *told(const struct capture_flow *flows, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!is_limited(&flows[i]))
            return &flows[i];
    return NULL;
}

static void record(struct probe *probe, const struct capture_flow *flows, size_t n) {
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_OK);
    struct capture_counts counts = capture_counts(probe->options->capture);
    const struct capture_flow *flow = told(flows, n);
    struct sums sums = sum_up(flows, n);
    struct buffer out;
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, "packets", &fact);
    buffer_init(&out, 4 << 10);
    if (flow) {
        step->peer = flow->peer;
        describe_flow(flow, &out);
    } else {
        buffer_append_view(&out, VIEW("no packet of a call was seen"));
    }
    if (counts.n_dropped)
        buffer_printf(&out, "; %lu packets came too fast to be kept", counts.n_dropped);
    probe_step_words(probe, step, "%.*s", VIEW_ARG(buffer_view(&out)));
    buffer_finish(&out);
    read_losses(probe, &sums);
    bool is_odd = probe->signs.is[SIGN_PACKETS_LOST] == ANSWER_YES ||
                  probe->signs.is[SIGN_RESET_BY_DEVICE] == ANSWER_YES ||
                  probe->signs.is[SIGN_SEGMENT_STUCK] == ANSWER_YES;
    step->state = is_odd || !flow ? PROBE_WARNING : PROBE_WELL;
}

static void say_forbidden(struct probe *probe) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, "packets", &fact);
    step->state = PROBE_NOT_REACHED;
    probe_step_words(probe, step, "%s", probe->options->capture_problem);
}

void probe_read_packets(struct probe *probe) {
    struct capture *capture = probe->options->capture;
    const struct address *peer = &probe->result->attempt.peer;
    if (probe->options->capture_problem)
        say_forbidden(probe);
    if (!capture || peer->family == ADDRESS_NONE)
        return;
    struct capture_flow *flows = mem_alloc(FLOWS_MAX * sizeof(*flows));
    io_sleep(io_after(LATE_PACKETS_MS));
    size_t n = capture_flows(capture, peer, flows, FLOWS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (is_limited(&flows[i]))
            continue;
        read_reset(probe, &flows[i]);
        read_stuck(probe, &flows[i]);
    }
    record(probe, flows, n);
    free(flows);
}
