// SPDX-License-Identifier: Apache-2.0
// How simulated connections begin: rules, listeners, connect and accept.
#include "io/sim_internal.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKLOG_MAX = 4096,
    FIRST_PORT = 32768,
    LAST_PORT = 60999,
    SYN_MS_MAX = 127000 // how long Linux repeats a SYN: 1 + 2 + 4 + ... + 64 seconds
};

// --- Rules ------------------------------------------------------------------------------------

void sim_net_default(struct sim *sim, const struct sim_net_rule *rule) {
    sim->default_rule = *rule;
}

static struct sim_rule *find_rule(struct sim *sim, const struct address *address, bool is_exact) {
    struct sim_rule *found = NULL;
    LIST_FOR_EACH (node, &sim->rules) {
        struct sim_rule *rule = CONTAINER_OF(node, struct sim_rule, node);
        if (address_equals_port(&rule->address, address))
            return rule;
        if (!is_exact && rule->address.port == 0 && address_equals(&rule->address, address))
            found = rule;
    }
    return found;
}

void sim_net_rule(struct sim *sim, const struct address *address, const struct sim_net_rule *rule) {
    struct sim_rule *entry = find_rule(sim, address, true);
    if (!entry) {
        entry = mem_alloc_zero(sizeof(*entry));
        entry->address = *address;
        list_init(&entry->node);
        list_append(&sim->rules, &entry->node);
    }
    entry->rule = *rule;
}

static struct sim_net_rule rule_for(struct sim *sim, const struct address *address) {
    struct sim_rule *found = find_rule(sim, address, false);
    return found ? found->rule : sim->default_rule;
}

// --- Listeners --------------------------------------------------------------------------------

static const struct listener_ops sim_listener_ops;

static struct sim_listener *listener_of(struct io_listener *listener) {
    ASSERT(listener->ops == &sim_listener_ops);
    return CONTAINER_OF(listener, struct sim_listener, listener);
}

static struct sim_listener *create_listener(struct sim *sim) {
    struct sim_listener *listener = mem_alloc_zero(sizeof(*listener));
    listener->listener.ops = &sim_listener_ops;
    listener->home = loop_home(sim->loop);
    list_init(&listener->node);
    list_init(&listener->pending);
    list_init(&listener->readers);
    list_append(&sim->listeners, &listener->node);
    return listener;
}

static bool takes(const struct sim_listener *listener, const struct address *address) {
    const struct address *own = &listener->listener.address;
    if (listener->path || own->family != address->family || own->port != address->port)
        return false;
    return address_is_unspecified(own) || address_equals(own, address);
}

// Where several share the address, the seed chooses.
static struct sim_listener *find_listener(struct sim *sim, const struct address *address) {
    struct sim_listener *found = NULL;
    uint64_t n_found = 0;
    LIST_FOR_EACH (node, &sim->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, node);
        if (takes(listener, address) && sim_random_below(sim, ++n_found) == 0)
            found = listener;
    }
    return found;
}

static struct sim_listener *find_path(struct sim *sim, const char *path) {
    LIST_FOR_EACH (node, &sim->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, node);
        if (listener->path && strcmp(listener->path, path) == 0)
            return listener;
    }
    return NULL;
}

static uint16_t next_port(struct sim *sim) {
    if (sim->next_port < FIRST_PORT || sim->next_port >= LAST_PORT)
        sim->next_port = FIRST_PORT;
    return ++sim->next_port;
}

struct io_listener *sim_listen(const struct address *address, bool is_shared, struct error *error) {
    struct sim *sim = sim_here();
    struct address own = *address;
    if (own.port == 0)
        own.port = next_port(sim);
    struct sim_listener *present = find_listener(sim, &own);
    if (present && !(is_shared && present->is_shared)) {
        char where[ADDRESS_TEXT_SIZE];
        address_format_port(&own, where, sizeof(where));
        error_set_errno(error, EADDRINUSE, "cannot listen on %s", where);
        return NULL;
    }
    struct sim_listener *listener = create_listener(sim);
    listener->listener.address = own;
    listener->is_shared = is_shared;
    return &listener->listener;
}

struct io_listener *sim_listen_unix(const char *path, mode_t mode, struct error *error) {
    struct sim *sim = sim_here();
    if (find_path(sim, path)) {
        error_set_errno(error, EADDRINUSE, "cannot listen on %s", path);
        return NULL;
    }
    struct sim_listener *listener = create_listener(sim);
    listener->listener.address.family = ADDRESS_UNIX;
    listener->path = mem_copy_string(path);
    return &listener->listener;
}

static void listener_adopt(struct io_listener *base) {
    listener_of(base)->home = loop_home(io_this_loop);
}

static struct io_result listener_accept(struct io_listener *base, io_time deadline,
                                        struct io_stream **stream) {
    struct sim_listener *listener = listener_of(base);
    ASSERT(list_is_empty(&listener->readers));
    listener_adopt(base);
    enum io_status status = fiber_enter_wait();
    while (status == IO_OK && list_is_empty(&listener->pending))
        status = fiber_wait(&listener->readers, deadline, "accept");
    if (status != IO_OK)
        return result_of(status);
    struct sim_end *end = CONTAINER_OF(listener->pending.next, struct sim_end, pending);
    list_remove(&end->pending);
    listener->n_pending--;
    end->home = loop_home(io_this_loop);
    *stream = &end->stream;
    fiber_spend(io_this_loop);
    return result_of(IO_OK);
}

static void listener_close(struct io_listener *base) {
    struct sim_listener *listener = listener_of(base);
    ASSERT(list_is_empty(&listener->readers));
    while (!list_is_empty(&listener->pending))
        sim_end_reset(CONTAINER_OF(listener->pending.next, struct sim_end, pending));
    list_remove(&listener->node);
    free(listener->path);
    free(listener);
}

static const struct listener_ops sim_listener_ops = {
    .adopt = listener_adopt,
    .accept = listener_accept,
    .close = listener_close,
};

// --- Connect ----------------------------------------------------------------------------------

// Waits on the road; IO_OK when `until` came before the deadline.
static enum io_status travel(io_time until, io_time deadline) {
    if (until <= io_now() && deadline > io_now()) {
        io_yield();
        return io_is_canceled() ? IO_CANCELED : IO_OK;
    }
    enum io_status status = fiber_wait(NULL, int64_min(until, deadline), "connect");
    if (status == IO_TIMEOUT)
        return until <= io_now() && until <= deadline ? IO_OK : IO_TIMEOUT;
    return status;
}

static struct address source_for(struct sim *sim, const struct address *peer,
                                 const struct io_connect_options *options) {
    struct address source = {0};
    if (options && options->source.family != ADDRESS_NONE) {
        source = options->source;
    } else {
        bool is_v6 = peer->family == ADDRESS_IPV6;
        const char *text = address_is_loopback(peer) ? (is_v6 ? "::1" : "127.0.0.1")
                                                     : (is_v6 ? "2001:db8::1" : "192.0.2.1");
        ASSERT(address_parse(view_of(text), &source));
    }
    if (source.port == 0)
        source.port = next_port(sim);
    return source;
}

static struct io_result unreachable(const struct address *peer) {
    struct io_result result = result_errno(EHOSTUNREACH);
    bool is_v6 = peer->family == ADDRESS_IPV6;
    result.icmp_type = is_v6 ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH;
    result.icmp_code = is_v6 ? ICMP6_DST_UNREACH_ADDR : ICMP_HOST_UNREACH;
    return result;
}

// The SYN is at the listener: the connection stands there before the caller hears of it.
static struct sim_end *arrive(struct sim *sim, struct sim_listener *listener,
                              const struct sim_net_rule *rule, const struct address *source,
                              const struct address *peer) {
    struct sim_connection *connection = sim_connection_create(sim, rule);
    struct sim_end *near = &connection->ends[0], *far = &connection->ends[1];
    near->home = loop_home(sim->loop);
    near->stream.local = far->stream.peer = *source;
    near->stream.peer = far->stream.local = *peer;
    far->home = listener->home;
    list_append(&listener->pending, &far->pending);
    listener->n_pending++;
    fiber_wake_all(&listener->readers);
    return near;
}

static struct io_result stay_silent(io_time deadline) {
    enum io_status status = travel(io_now() + SYN_MS_MAX, deadline);
    return status == IO_OK ? result_errno(ETIMEDOUT) : result_of(status);
}

struct io_result sim_connect(const struct address *peer, const struct io_connect_options *options,
                             io_time deadline, struct io_stream **stream) {
    struct sim *sim = sim_here();
    const struct sim_net_rule rule = rule_for(sim, peer);
    enum io_status status = fiber_enter_wait();
    if (status != IO_OK)
        return result_of(status);
    if (sim_chance(sim, rule.drop_connect))
        return stay_silent(deadline);
    int64_t there_ms = sim_random_between(sim, rule.latency_ms_min, rule.latency_ms_max);
    int64_t back_ms = sim_random_between(sim, rule.latency_ms_min, rule.latency_ms_max);
    bool is_refused = sim_chance(sim, rule.refuse), is_lost = sim_chance(sim, rule.unreachable);
    status = travel(sim->now + there_ms, deadline);
    if (status != IO_OK)
        return result_of(status);
    struct sim_listener *listener = is_refused || is_lost ? NULL : find_listener(sim, peer);
    if (listener && listener->n_pending >= BACKLOG_MAX)
        return stay_silent(deadline);
    struct address source = source_for(sim, peer, options);
    struct sim_end *end = listener ? arrive(sim, listener, &rule, &source, peer) : NULL;
    status = travel(sim->now + back_ms, deadline);
    if (status == IO_OK && end)
        *stream = &end->stream;
    else if (end)
        sim_end_reset(end);
    if (status == IO_OK && is_lost)
        return unreachable(peer);
    return status == IO_OK && !end ? result_errno(ECONNREFUSED) : result_of(status);
}

struct io_result sim_connect_unix(const char *path, io_time deadline, struct io_stream **stream) {
    static const struct address nameless = {.family = ADDRESS_UNIX};
    struct sim *sim = sim_here();
    enum io_status status = fiber_enter_wait();
    if (status != IO_OK)
        return result_of(status);
    struct sim_listener *listener = find_path(sim, path);
    if (!listener)
        return result_errno(ENOENT);
    const struct sim_net_rule none = {0};
    *stream = &arrive(sim, listener, &none, &nameless, &nameless)->stream;
    return result_of(IO_OK);
}
