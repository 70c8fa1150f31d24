// SPDX-License-Identifier: Apache-2.0
// Nobody answers: is it theirs or ours? Calls to hosts that are known to take mail, to other ports
// of the same address, and from other addresses of this machine. TCP connections and no more,
// except from another source, where the session is had as far as the first one came.
#include "probe/crowd_internal.h"

#include <ifaddrs.h>

enum { CALL_MS = 10 * 1000, PORT_CALL_MS = 5 * 1000, SOURCES_TRIED_MAX = 3, OWN_MAX = 32 };

// --- Calls at the same time -------------------------------------------------------------------
struct call {
    struct probe *probe;
    struct address to, source;
    int64_t limit_ms;
    bool is_control;
    struct fact fact; // NONE: not made
};

static void make_call(void *arg) {
    struct call *call = arg;
    struct probe_crowd *crowd = call->is_control ? call->probe->options->crowd : NULL;
    // A control is a stranger's host: also in a list of many targets it is called by few at a time.
    if (crowd && !probe_crowd_enter(crowd, &call->to, 1, io_after(call->limit_ms)))
        return;
    struct io_connect_options options = {.source = call->source};
    struct io_stream *stream = NULL;
    probe_watch_packets(call->probe, &call->to);
    io_time began = io_now();
    io_time deadline = int64_min(io_after(call->limit_ms), call->probe->deadline);
    struct io_result result = io_connect(&call->to, &options, deadline, &stream);
    call->fact = io_fact(FACT_STAGE_CONNECT, result);
    call->fact.elapsed_ms = io_now() - began;
    if (call->fact.kind == FACT_KIND_SILENT)
        call->fact.limit_ms = call->limit_ms;
    io_close(stream);
    if (crowd)
        probe_crowd_leave(crowd, &call->to, 1);
}

IO_WAITS static void make_calls(struct call *calls, size_t n) {
    struct io_group group;
    io_group_init(&group);
    for (size_t i = 0; i < n; i++)
        if (calls[i].to.family != ADDRESS_NONE)
            io_group_spawn(&group, "probe-reach", make_call, &calls[i]);
    probe_wait_all(&group);
}

static void record_call(struct probe *probe, const char *name, const struct call *call,
                        struct view host) {
    struct probe_step *step = probe_experiment_step(probe, name, &call->fact);
    struct view place = probe_place(probe, host, &call->to);
    struct view clause = fact_describe(&step->fact, probe->arena);
    step->host = host;
    step->peer = call->to;
    if (fact_is_ok(&call->fact))
        probe_step_words(probe, step, "%.*s accepts the call", VIEW_ARG(place));
    else
        probe_step_words(probe, step, "%.*s: %.*s", VIEW_ARG(place), VIEW_ARG(clause));
}

// --- Hosts that take mail ---------------------------------------------------------------------
// In the family of the
// call that failed: IPv4 and IPv6 are different roads.
IO_WAITS static struct address control_address(struct probe *probe,
                                               const struct config_smart_host *control,
                                               enum address_family family) {
    struct address address = control->address;
    struct dns_address_answer answer = {.family = family};
    if (control->name) {
        dns_addresses(probe->options->resolver, view_of(control->name),
                      int64_min(io_after(CALL_MS), probe->deadline), probe->arena, &answer);
        address = answer.n_addresses ? answer.addresses[0] : (struct address){0};
    }
    address.port = control->port;
    // What fails is no control of itself.
    bool is_other = !address_equals_port(&address, &probe->ways[0].address);
    return address.family == family && is_other ? address : (struct address){0};
}

void probe_try_controls(struct probe *probe) {
    const struct probe_options *options = probe->options;
    const struct probe_way *way = &probe->ways[0];
    struct call calls[PROBE_CONTROLS_MAX];
    size_t n_tried = 0, n_stand = 0;
    for (size_t i = 0; i < options->n_controls; i++)
        calls[i] =
            (struct call){.probe = probe,
                          .to = control_address(probe, &options->controls[i], way->address.family),
                          .source = way->source,
                          .limit_ms = probe_limit_ms(probe, CALL_MS),
                          .is_control = true,
                          .fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_NONE)};
    make_calls(calls, options->n_controls);
    for (size_t i = 0; i < options->n_controls; i++) {
        if (calls[i].fact.kind == FACT_KIND_NONE || calls[i].fact.kind == FACT_KIND_CANCELED)
            continue;
        record_call(probe, "control", &calls[i], view_of(options->controls[i].name));
        n_tried++;
        n_stand += fact_is_ok(&calls[i].fact);
    }
    if (n_tried == 0)
        return;
    probe_sign_set(probe, SIGN_CONTROL_CONNECTS, n_stand > 0,
                   "%zu of %zu hosts that take mail accept our call, so our own way out works",
                   n_stand, n_tried);
    probe_sign_set(probe, SIGN_CONTROLS_FAIL, n_stand == 0 && n_tried > 1,
                   "none of %zu unrelated hosts that take mail can be called from here", n_tried);
}

// --- Other ports ------------------------------------------------------------------------------
// An answer is
// also a refusal: somebody is there.
static bool has_answered(const struct fact *fact) {
    return fact_is_ok(fact) || cause_of(fact) == CAUSE_CONN_REFUSED;
}

void probe_try_ports(struct probe *probe) {
    static const uint16_t ports[] = {25, 465, 587};
    const struct probe_way *way = &probe->ways[0];
    struct call calls[ARRAY_LEN(ports)];
    const struct call *answered = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        calls[i] = (struct call){.probe = probe,
                                 .to = way->address,
                                 .source = way->source,
                                 .limit_ms = probe_limit_ms(probe, PORT_CALL_MS),
                                 .fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_NONE)};
        calls[i].to.port = ports[i];
        if (ports[i] == way->address.port)
            calls[i].to.family = ADDRESS_NONE;
    }
    make_calls(calls, ARRAY_LEN(ports));
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        if (calls[i].fact.kind == FACT_KIND_NONE || calls[i].fact.kind == FACT_KIND_CANCELED)
            continue;
        record_call(probe, "port", &calls[i], way->host->name);
        if (has_answered(&calls[i].fact) && (!answered || fact_is_ok(&calls[i].fact)))
            answered = &calls[i];
    }
    probe->other_port = answered ? answered->to.port : 0;
    if (answered)
        probe_sign_set(probe, SIGN_OTHER_PORT_ANSWERS, true, "port %u of the same address %s",
                       (unsigned)answered->to.port,
                       fact_is_ok(&answered->fact) ? "accepts connections"
                                                   : "refuses them, so the host is up");
    else
        probe_sign_set(probe, SIGN_OTHER_PORT_ANSWERS, false,
                       "no other mail port of the address answers");
}

// --- Other addresses of ours ------------------------------------------------------------------
static bool is_link_local(const struct address *address) {
    return address->family == ADDRESS_IPV6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

static size_t own_addresses(enum address_family family, struct address out[OWN_MAX]) {
    struct ifaddrs *list;
    size_t n = 0;
    if (getifaddrs(&list) < 0)
        return 0;
    for (struct ifaddrs *entry = list; entry && n < OWN_MAX; entry = entry->ifa_next)
        if (entry->ifa_addr && address_from_sockaddr(entry->ifa_addr, &out[n]) &&
            out[n].family == family && !address_is_loopback(&out[n]) && !is_link_local(&out[n])) {
            out[n].port = 0;
            n++;
        }
    freeifaddrs(list);
    return n;
}

static bool goes_further(const struct probe *probe, const struct fact *fact) {
    return fact_is_ok(fact) || fact->stage > probe->result->attempt.fact.stage;
}

// True when a session from `source` came further than the first.
IO_WAITS static bool try_source(struct probe *probe, const struct address *source) {
    const struct probe_way *first = probe->session ? probe->session->way : &probe->ways[0];
    struct probe_way way = {.host = first->host, .address = first->address, .source = *source};
    struct probe_session session = {
        .variant = {.is_quiet = true, .limit_ms = probe_limit_ms(probe, CALL_MS)}};
    char text[ADDRESS_TEXT_SIZE];
    probe_session_run(probe, &way, &session);
    bool is_further = goes_further(probe, &session.fact);
    struct fact fact = session.fact;
    if (is_further)
        fact.kind = FACT_KIND_OK;
    struct probe_step *step = probe_experiment_step(probe, "source", &fact);
    address_format(source, text, sizeof(text));
    probe_step_words(probe, step, "from %s: %s", text,
                     is_further ? "it goes further" : "the same, or not as far");
    if (is_further)
        probe_sign_set(probe, SIGN_OTHER_SOURCE_WELL, true,
                       "from %s, another address of this machine, it goes further", text);
    return is_further;
}

void probe_try_sources(struct probe *probe) {
    struct address own[OWN_MAX];
    const struct address *peer =
        probe->session ? &probe->session->way->address : &probe->ways[0].address;
    size_t n = own_addresses(peer->family, own), n_tried = 0;
    if (n < 2 || address_is_loopback(peer))
        return;
    for (size_t i = 0; i < n && n_tried < SOURCES_TRIED_MAX; i++) {
        if (probe->session && address_equals(&own[i], &probe->session->attempt.source))
            continue;
        n_tried++;
        if (io_is_canceled() || io_now() >= probe->deadline || try_source(probe, &own[i]))
            return;
    }
    if (n_tried > (probe->session ? 0 : 1))
        probe_sign_set(probe, SIGN_OTHER_SOURCE_WELL, false,
                       "from other addresses of this machine it is the same");
}
