// SPDX-License-Identifier: Apache-2.0
// The relay put together: loops, listeners, spool, ledger, scheduler, control socket. One for each
// process.
#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include "config/config.h"
#include "control/control.h"
#include "relay/relay.h"
#include "serve/serve.h"

#include <pthread.h>

enum { DAEMON_LOOPS_MAX = 64, DAEMON_LISTENERS_MAX = 64, DAEMON_STOP_MS = 30 * 1000 };

struct daemon_listener { // one address, one socket for each loop
    char name[64];
    struct address address;
    bool is_listening;
    struct io_listener *sockets[DAEMON_LOOPS_MAX];
};

struct daemon {
    struct config *config; // the one it started with; relay holds the newest
    struct io_loop *home;
    struct io_loop *loops[DAEMON_LOOPS_MAX]; // the first is home
    size_t n_loops;
    struct serve *serves[DAEMON_LOOPS_MAX];
    struct serve_limits *limits;
    struct daemon_listener listeners[DAEMON_LISTENERS_MAX];
    size_t n_listeners;
    struct ledger *ledger;
    struct dns_resolver *resolver;
    struct relay *relay;
    struct spool *spool;
    struct control *control;
    struct io_mailbox *calls; // answers of daemon_on_loop

    pthread_mutex_t tls_lock; // never held across a wait
    struct tls_context *server_tls, *client_tls;

    struct io_event wanted; // a signal came
    bool stop_wanted, reload_wanted;
    int64_t started_ms;
};

// On the home loop's fiber. False: `error` says what is wrong; daemon_stop cleans up in either
// case.
IO_WAITS bool daemon_start(struct daemon *daemon, struct error *error);
IO_WAITS void daemon_stop(struct daemon *daemon);
// Reads the configuration again and swaps in what changed once all of it works. `text`: why not, or
// which keys need a restart.
IO_WAITS bool daemon_reload(void *daemon, struct buffer *text);
void daemon_status(void *daemon, struct json_writer *json);

// Runs `call(daemon, index)` on the loop with that index and waits for it.
IO_WAITS void daemon_on_loop(struct daemon *daemon, size_t index,
                             void (*call)(struct daemon *daemon, size_t index));

// Listeners (listeners.c). Binding needs privileges for low ports; listening starts sessions.
bool daemon_bind(struct daemon *daemon, const struct config *config, struct error *error);
IO_WAITS void daemon_listen(struct daemon *daemon);
// Binds what is new in `config`, then lets go of what it no longer names; nothing changes on
// failure.
IO_WAITS bool daemon_rebind(struct daemon *daemon, const struct config *config,
                            struct error *error);
void daemon_unbind(struct daemon *daemon); // sockets that never listened
// Where our listeners can be reached: a wildcard stands for each address of this machine. Returns
// how many.
enum { DAEMON_OWN_MAX = 256 };
// Where one listener is met: its address, and where that is "every", those of this machine.
size_t daemon_own_of(const struct address *listener, struct address *out, size_t max);
size_t daemon_own_addresses(const struct daemon *daemon, struct address out[DAEMON_OWN_MAX]);

// TLS contexts of a configuration, both or none.
bool daemon_make_tls(const struct config *config, struct tls_context **server,
                     struct tls_context **client, struct error *error);

#endif
