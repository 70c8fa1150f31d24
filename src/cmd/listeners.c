// SPDX-License-Identifier: Apache-2.0
// Listening addresses: one socket for each loop on each, so that the kernel spreads the sessions.
#include "cmd/daemon.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

static struct daemon_listener *find(struct daemon *daemon, const struct config_listener *wanted) {
    for (size_t i = 0; i < daemon->n_listeners; i++)
        if (strcmp(daemon->listeners[i].name, wanted->name) == 0 &&
            address_equals_port(&daemon->listeners[i].address, &wanted->address))
            return &daemon->listeners[i];
    return NULL;
}

static void close_sockets(struct daemon *daemon, struct daemon_listener *listener) {
    for (size_t i = 0; i < daemon->n_loops; i++)
        if (listener->sockets[i])
            io_listener_close(listener->sockets[i]);
}

static bool bind_one(struct daemon *daemon, const struct config_listener *wanted,
                     struct error *error) {
    if (daemon->n_listeners == DAEMON_LISTENERS_MAX)
        return error_set(error, "more than %d listeners", DAEMON_LISTENERS_MAX);
    struct daemon_listener listener = {.address = wanted->address};
    snprintf(listener.name, sizeof(listener.name), "%s", wanted->name);
    for (size_t i = 0; i < daemon->n_loops; i++) {
        listener.sockets[i] = io_listen(&wanted->address, daemon->n_loops > 1, error);
        if (!listener.sockets[i]) {
            close_sockets(daemon, &listener);
            return false;
        }
    }
    daemon->listeners[daemon->n_listeners++] = listener;
    return true;
}

bool daemon_bind(struct daemon *daemon, const struct config *config, struct error *error) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (!find(daemon, &config->listeners[i]) && !bind_one(daemon, &config->listeners[i], error))
            return false;
    return true;
}

static void listen_on_loop(struct daemon *daemon, size_t index) {
    for (size_t i = 0; i < daemon->n_listeners; i++) {
        struct daemon_listener *listener = &daemon->listeners[i];
        if (!listener->is_listening)
            serve_listen(daemon->serves[index], listener->sockets[index], listener->name);
    }
}

void daemon_listen(struct daemon *daemon) {
    for (size_t i = 0; i < daemon->n_loops; i++)
        daemon_on_loop(daemon, i, listen_on_loop);
    for (size_t i = 0; i < daemon->n_listeners; i++)
        daemon->listeners[i].is_listening = true;
}

void daemon_unbind(struct daemon *daemon) {
    size_t kept = 0;
    for (size_t i = 0; i < daemon->n_listeners; i++) {
        if (daemon->listeners[i].is_listening)
            daemon->listeners[kept++] = daemon->listeners[i];
        else
            close_sockets(daemon, &daemon->listeners[i]);
    }
    daemon->n_listeners = kept;
}

static bool is_wanted(const struct daemon_listener *listener, const struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(listener->name, config->listeners[i].name) == 0 &&
            address_equals_port(&listener->address, &config->listeners[i].address))
            return true;
    return false;
}

static void unlisten_on_loop(struct daemon *daemon, size_t index) {
    // daemon_rebind has marked those that go.
    for (size_t i = 0; i < daemon->n_listeners; i++)
        if (!daemon->listeners[i].is_listening)
            serve_unlisten(daemon->serves[index], daemon->listeners[i].name);
}

bool daemon_rebind(struct daemon *daemon, const struct config *config, struct error *error) {
    if (!daemon_bind(daemon, config, error)) {
        daemon_unbind(daemon);
        return false;
    }
    // A moved listener keeps its name: the old sockets go first, so that the name means the new
    // ones.
    struct daemon_listener fresh[DAEMON_LISTENERS_MAX];
    size_t n_fresh = 0, kept = 0;
    for (size_t i = 0; i < daemon->n_listeners; i++)
        if (!daemon->listeners[i].is_listening)
            fresh[n_fresh++] = daemon->listeners[i];
        else
            daemon->listeners[kept++] = daemon->listeners[i];
    daemon->n_listeners = kept;
    for (size_t i = 0; i < kept; i++)
        daemon->listeners[i].is_listening = is_wanted(&daemon->listeners[i], config);
    for (size_t i = 0; i < daemon->n_loops; i++)
        daemon_on_loop(daemon, i, unlisten_on_loop);
    size_t n = 0;
    for (size_t i = 0; i < kept; i++)
        if (daemon->listeners[i].is_listening)
            daemon->listeners[n++] = daemon->listeners[i];
    memcpy(daemon->listeners + n, fresh, n_fresh * sizeof(fresh[0]));
    daemon->n_listeners = n + n_fresh;
    daemon_listen(daemon);
    return true;
}

// --- Where we are met ----------------------------------------------------------------------------

static size_t add_machine(uint16_t port, struct address *out, size_t max) {
    struct ifaddrs *list;
    size_t n = 0;
    if (getifaddrs(&list) < 0)
        return 0;
    for (struct ifaddrs *entry = list; entry && n < max; entry = entry->ifa_next)
        if (entry->ifa_addr && address_from_sockaddr(entry->ifa_addr, &out[n]) &&
            out[n].family != ADDRESS_UNIX)
            out[n++].port = port;
    freeifaddrs(list);
    return n;
}

size_t daemon_own_of(const struct address *listener, struct address *out, size_t max) {
    ASSERT(max > 0);
    out[0] = *listener;
    return address_is_unspecified(listener) ? 1 + add_machine(listener->port, &out[1], max - 1) : 1;
}

size_t daemon_own_addresses(const struct daemon *daemon, struct address out[DAEMON_OWN_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < daemon->n_listeners && n < DAEMON_OWN_MAX; i++)
        n += daemon_own_of(&daemon->listeners[i].address, &out[n], DAEMON_OWN_MAX - n);
    return n;
}
