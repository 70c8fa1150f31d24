// SPDX-License-Identifier: Apache-2.0
// The SMTP server: takes mail from the clients that may relay, puts it into the spool, and says 250
// only when it is durable. Hands new mail up through a callback given at start.
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "config/config.h"
#include "smtp/smtp.h"
#include "spool/spool.h"
#include "tls/tls.h"

struct serve; // one for each loop

struct serve_hooks {
    // A message is durable. Called on the session's loop before 250 is sent; must not wait. `body`
    // may be kept with spool_body_ref; `envelope` is valid during the call only.
    void (*accepted)(void *arg, struct spool_id id, const struct mail_envelope *envelope,
                     struct spool_body *body);
    // Whether a recipient domain is known to end nowhere (no connector): refused at RCPT with
    // `reason`.
    bool (*refuses)(void *arg, struct view domain, struct view *reason);
    void *arg;
};

struct serve_options {
    struct spool *spool;
    struct serve_hooks hooks;
    // Newest snapshot, counted for the caller; asked once a session.
    struct config *(*config)(void *arg);
    struct tls_context *(*tls)(void *arg); // counted; NULL: no certificate
    void *config_arg;
};

// Sessions at once and for each client, over all loops.
struct serve_limits;
struct serve_limits *serve_limits_create(void);
void serve_limits_destroy(struct serve_limits *limits);

// On the calling thread's loop.
struct serve *serve_create(const struct serve_options *options, struct serve_limits *limits);
// Starts accepting on a listener that was bound before (io_listener_adopt is called here).
void serve_listen(struct serve *serve, struct io_listener *listener, const char *name);
// Stops the listener of that name.
void serve_unlisten(struct serve *serve, const char *name);
// Stops accepting; sessions get 421 at their next command. Waits for them until `deadline`, then
// closes.
IO_WAITS void serve_stop(struct serve *serve, io_time deadline);
void serve_destroy(struct serve *serve);

struct serve_counts {
    uint64_t sessions_now, sessions, messages, recipients, bytes, refused, rejected_messages;
};
struct serve_counts serve_counts(const struct serve *serve);

#endif
