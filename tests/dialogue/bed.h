// SPDX-License-Identifier: Apache-2.0
// A server to talk to, with a real spool: in the simulator, where five minutes of silence take no
// time, or on loopback with the disk and TLS of this machine.
#ifndef TESTS_DIALOGUE_BED_H
#define TESTS_DIALOGUE_BED_H

#include "io/sim.h"
#include "serve/serve.h"

struct bed_message { // one that the server accepted
    struct bed_message *next;
    struct spool_id id;
    struct spool_body *body;
    char *envelope; // "from=<a@b> to=<c@d>,<e@f> body=8bitmime"
    char message_id[256];
};

struct bed {
    const struct bed_options *options;
    struct sim *sim; // NULL on loopback
    char folder[64]; // of the spool on loopback
    struct spool *spool;
    struct serve *serve;
    struct serve_limits *limits;
    struct config *config;
    struct address address;  // where it listens
    struct tls_context *tls; // of the server; NULL: no certificate
    struct bed_message *newest;
    unsigned n_messages;
    bool forgets; // messages are counted and not kept
    char refused_domain[128], refusal[256];
    bool is_stopped; // serve_stop has returned
    bool is_over;    // the body has
};

struct bed_options {
    bool on_loopback;
    // For the simulator; sync_ms_max is how long its disk takes.
    uint64_t seed;
    // Bytes arrive in pieces of 1..chunk_max, and fibers overtake each other; zero: neither.
    size_t chunk_max;
    int64_t sync_ms_max;
    struct tls_context *tls; // of the server; the simulator's handshakes are doubles
    // Before the server starts: changes bed->config, bed->tls. May be NULL.
    void (*prepare)(struct bed *bed, void *arg);
    // In a fiber beside the server, which is stopped when it returns.
    IO_WAITS void (*body)(struct bed *bed, void *arg);
    void *arg;
};
void bed_run(const struct bed_options *options);

// A connection from `source`, an address; NULL: 127.0.0.1.
IO_WAITS struct io_stream *bed_connect(struct bed *bed, const char *source);
// The whole body of a message, NUL-terminated; freed by the caller.
IO_WAITS char *bed_read_body(const struct bed_message *message, size_t *len);
// Behind the Received field, which must be well.
const char *bed_behind_received(const char *body);

// --- A client that reads lines -------------------------------------------------------------------
struct bed_client {
    struct bed *bed;
    struct io_stream *stream;
    char input[8192];
    size_t len;
    char line[8192]; // the newest
};
IO_WAITS void bed_client_open(struct bed_client *client, struct bed *bed, const char *source);
// The same up to the answer to EHLO.
IO_WAITS void bed_client_greet(struct bed_client *client, struct bed *bed);
void bed_client_close(struct bed_client *client);
IO_WAITS bool bed_send(struct bed_client *client, struct view bytes);
// A line without CRLF, valid until the next call; NULL when the server closed.
IO_WAITS const char *bed_read_line(struct bed_client *client);
// The last line of a reply; "closed" when there is none.
IO_WAITS const char *bed_read_reply(struct bed_client *client);
// Sends a line and returns the reply's last line.
IO_WAITS const char *bed_ask(struct bed_client *client, const char *line);

#endif
