// SPDX-License-Identifier: Apache-2.0
// The configuration: one file, read into an immutable, counted snapshot. A session keeps the one it
// began with, each round takes the newest. Everything has a default, so that no file at all is a
// working configuration. Keys that this version does not carry out are refused as unknown.
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/address.h"
#include "base/buffer.h"

#include <stdatomic.h>

enum config_listen_tls { CONFIG_LISTEN_TLS_NONE, CONFIG_LISTEN_TLS_STARTTLS };

struct config_listener {
    const char *name;
    struct address address;
    enum config_listen_tls tls;
};

// What we demand of the way to a server (docs/configuration.md says each in full).
enum config_tls {
    CONFIG_TLS_NONE,
    CONFIG_TLS_OPPORTUNISTIC, // encrypts what it can, checks nothing
    CONFIG_TLS_REQUIRED,      // encrypted, certificate not checked
    CONFIG_TLS_CA,            // chain and dates, any name
    CONFIG_TLS_DOMAIN         // chain, dates and name
};

struct config_retry {
    int64_t first_ms;
    double factor;
    int64_t longest_ms;
    int64_t expire_ms;      // 24 h: Exchange's choice; RFC 5321 4.5.4.1 suggests 4-5 days
    int64_t expire_max_ms;  // while the fault is ours
    int64_t hold_expire_ms;
    int64_t warn_ms;        // delay notice to the sender after this; zero: never
};

struct config_smart_host {
    const char *name;       // host name without brackets; NULL for an address
    struct address address; // ADDRESS_NONE for a name
    uint16_t port;
};

struct config_connector {
    const char *name;
    const char **domains; // "contoso.com", "*.contoso.com" (not contoso.com itself), "*"
    size_t n_domains;
    struct config_smart_host *smart_hosts; // none: MX
    size_t n_smart_hosts;
    uint16_t port; // for MX routing
    enum config_tls tls;
    bool tls_is_set;        // else the default: opportunistic, with username domain
    bool tls_fallback;      // clear text a retry interval after a failed handshake (opportunistic)
    int tls_min;            // wire number; 0x0303 for required and above
    const char *tls_domain; // NULL: smart host's name, else the recipient domain
    struct address *sources;
    size_t n_sources;
    const char *helo;          // NULL: hostname
    const char *username;      // NULL: no AUTH
    const char *password_file; // read at load; the password is never printed
    const char *password;
    int64_t password_changed_ns; // of its file: tells a new password without knowing it
    unsigned max_connections, max_messages_per_connection;
    uint64_t rate_events; // zero: no limit
    int64_t rate_period_ms;
    const char *owner, *contact; // "partner": the other side must act
    int64_t connect_timeout_ms, greeting_timeout_ms; // the others are RFC 5321 4.5.3.2
    struct config_retry retry;   // the global one where it has none of its own
};

struct config {
    atomic_uint refs;
    uint64_t generation;  // grows with each load of this process
    const char *path;     // NULL: embedded defaults
    const char *hostname;
    const char *data;
    const char *postmaster;
    const char *user;     // NULL: stay who we are (root is refused)
    struct network *accept_from;
    size_t n_accept_from;
    struct config_listener *listeners;
    size_t n_listeners;
    struct address *resolver_servers; // empty: /etc/resolv.conf
    size_t n_resolver_servers;
    const char *trust_anchor;
    const char *tls_certificate, *tls_key, *tls_ca_file; // NULL: none, none, the system's
    uint64_t max_message_size;
    unsigned max_recipients;
    unsigned max_sessions;            // inward, all listeners
    unsigned max_sessions_per_client;
    unsigned max_deliveries;          // outgoing slots, all lanes
    struct config_retry retry;
    struct config_connector *connectors; // in order of the file; the most specific domain wins
    size_t n_connectors;
    struct config_storage *storage; // private: what the pointers point to
};

// Reads `path` (NULL: embedded defaults). On failure NULL, and `problems` holds one line each:
// "FILE:LINE: what is wrong, what was meant". Does not touch sockets, DNS or the data directory.
struct config *config_load(const char *path, struct buffer *problems);
struct config *config_ref(struct config *config);
void config_unref(struct config *config); // NULL is accepted
// The connector of a domain: exact, then the longest "*.suffix", then "*"; NULL when none takes it.
const struct config_connector *config_connector_for(const struct config *config,
                                                    struct view domain);
const struct config_connector *config_connector_named(const struct config *config,
                                                      struct view name);
bool config_accepts_client(const struct config *config, const struct address *client);
struct view config_tls_word(enum config_tls tls);
// The effective configuration as a file that config_load reads again; passwords are left out.
void config_write(const struct config *config, struct buffer *out);
// Restart is needed for these keys: their names are appended to `out` where they differ.
void config_restart_needed(const struct config *running, const struct config *wanted,
                           struct buffer *out);

#endif
