// SPDX-License-Identifier: Apache-2.0
// Start and stop, in the order in which the parts need each other: what can fail for want of
// privileges comes before they are dropped, the spool before whoever hands it mail, listeners last.
#include "cmd/daemon.h"

#include "cmd/cmd.h"

#include "base/log.h"
#include "base/units.h"
#include "cmd/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

// --- Calls on other loops -----------------------------------------------------------------------
struct loop_call {
    struct io_mail done;
    struct daemon *daemon;
    size_t index;
    void (*call)(struct daemon *daemon, size_t index);
};

static void run_loop_call(void *arg) {
    struct loop_call *call = arg;
    call->call(call->daemon, call->index);
    io_mailbox_post(call->daemon->calls, &call->done);
}

void daemon_on_loop(struct daemon *daemon, size_t index,
                    void (*call)(struct daemon *daemon, size_t index)) {
    struct loop_call pending = {.daemon = daemon, .index = index, .call = call};
    io_spawn_on(daemon->loops[index], "daemon-call", run_loop_call, &pending);
    // `pending` lives on this stack, so nothing but its answer ends the wait.
    while (!io_mailbox_take_all(daemon->calls, IO_NEVER))
        io_cancel_clear();
}

// --- TLS -----------------------------------------------------------------------------------------
bool daemon_make_tls(const struct config *config, struct tls_context **server,
                     struct tls_context **client, struct error *error) {
    const struct tls_context_options of_client = {.ca_file = config->tls_ca_file};
    const struct tls_context_options of_server = {.certificate = config->tls_certificate,
                                                  .key = config->tls_key,
                                                  .ca_file = config->tls_ca_file};
    *server = NULL;
    *client = tls_context_create(&of_client, error);
    if (!*client)
        return false;
    if (config->tls_certificate && !(*server = tls_context_create(&of_server, error))) {
        tls_context_unref(*client);
        *client = NULL;
        return false;
    }
    return true;
}

static struct tls_context *server_tls(void *arg) {
    struct daemon *daemon = arg;
    pthread_mutex_lock(&daemon->tls_lock);
    struct tls_context *context = daemon->server_tls ? tls_context_ref(daemon->server_tls) : NULL;
    pthread_mutex_unlock(&daemon->tls_lock);
    return context;
}

static void swap_tls(struct daemon *daemon, struct tls_context *server,
                     struct tls_context *client) {
    pthread_mutex_lock(&daemon->tls_lock);
    struct tls_context *old_server = daemon->server_tls, *old_client = daemon->client_tls;
    daemon->server_tls = server;
    daemon->client_tls = client;
    pthread_mutex_unlock(&daemon->tls_lock);
    tls_context_unref(old_server);
    tls_context_unref(old_client);
}

// --- Start ---------------------------------------------------------------------------------------
static void raise_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool become_user(struct daemon *daemon, struct error *error) {
    struct privilege_user user;
    const struct config *config = daemon->config;
    bool was_root = geteuid() == 0;
    if (!privilege_choose(config->user, config->data, &user, error) ||
        !privilege_prepare_data(config->data, &user, error) || !privilege_drop(&user, error) ||
        !privilege_check_data(config->data, &user, error))
        return false;
    if (was_root)
        log_info("daemon", "runs as user %s", user.name);
    umask(0077);
    return true;
}

static bool start_loops(struct daemon *daemon, struct error *error) {
    for (size_t i = 1; i < daemon->n_loops; i++) {
        const struct io_loop_options options = {.name = "session"};
        daemon->loops[i] = io_loop_start_thread(&options, error);
        if (!daemon->loops[i]) {
            daemon->n_loops = i;
            return false;
        }
    }
    return true;
}

static bool open_ledger(struct daemon *daemon, struct error *error) {
    const struct ledger_options options = {.path = daemon->config->data};
    daemon->ledger = ledger_open(&options, error);
    return daemon->ledger != NULL;
}

static bool make_relay(struct daemon *daemon, struct error *error) {
    const struct config *config = daemon->config;
    const struct dns_options dns = {.servers = config->resolver_servers,
                                    .n_servers = config->n_resolver_servers,
                                    .trust_anchor = config->trust_anchor};
    daemon->resolver = dns_resolver_create(&dns, error);
    if (!daemon->resolver)
        return false;
    struct address own[DAEMON_OWN_MAX];
    size_t n_own = daemon_own_addresses(daemon, own);
    const struct relay_options options = {.config = daemon->config,
                                          .ledger = daemon->ledger,
                                          .tls = daemon->client_tls,
                                          .resolver = daemon->resolver,
                                          .loops = daemon->loops,
                                          .n_loops = daemon->n_loops,
                                          .own = own,
                                          .n_own = n_own,
                                          .seed = io_random_u64()};
    daemon->relay = relay_create(&options);
    return true;
}

static void say_recovery(const struct spool_recovery *recovery) {
    if (recovery->messages)
        log_info("spool", "%llu messages with %llu recipients are queued (read in %lld ms)",
                 (unsigned long long)recovery->messages, (unsigned long long)recovery->recipients,
                 (long long)recovery->elapsed_ms);
    if (recovery->torn_batches)
        log_warning("spool",
                    "%llu incomplete batches at the end of segments were dropped: they were never "
                    "acknowledged",
                    (unsigned long long)recovery->torn_batches);
    if (recovery->damaged_records || recovery->lost_messages)
        log_error("spool", "%llu damaged records were set aside, %llu messages cannot be read",
                  (unsigned long long)recovery->damaged_records,
                  (unsigned long long)recovery->lost_messages);
}

static bool open_spool(struct daemon *daemon, struct error *error) {
    const struct spool_options options = {.path = daemon->config->data,
                                          .message_bytes_max = daemon->config->max_message_size};
    struct spool_recovery recovery;
    daemon->spool = spool_open(&options, relay_load, daemon->relay, &recovery, error);
    if (!daemon->spool)
        return false;
    say_recovery(&recovery);
    relay_start(daemon->relay, daemon->spool, &recovery);
    return true;
}

static struct config *newest_config(void *arg) {
    struct daemon *daemon = arg;
    return relay_config(daemon->relay);
}

static void start_serve(struct daemon *daemon, size_t index) {
    const struct serve_options options = {
        .spool = daemon->spool,
        .hooks = {.accepted = relay_accepted, .refuses = relay_refuses, .arg = daemon->relay},
        .config = newest_config,
        .tls = server_tls,
        .config_arg = daemon};
    daemon->serves[index] = serve_create(&options, daemon->limits);
}

static bool start_control(struct daemon *daemon, struct error *error) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/control", daemon->config->data);
    const struct control_options options = {.path = path,
                                            .relay = daemon->relay,
                                            .reload = daemon_reload,
                                            .status = daemon_status,
                                            .arg = daemon,
                                            .ledger = daemon->ledger};
    daemon->control = control_start(&options, error);
    return daemon->control != NULL;
}

static void say_ready(struct daemon *daemon) {
    char text[ADDRESS_TEXT_SIZE + 8];
    for (size_t i = 0; i < daemon->n_listeners; i++) {
        address_format_port(&daemon->listeners[i].address, text, sizeof(text));
        log_info("daemon", "SMTP on %s (listen \"%s\")", text, daemon->listeners[i].name);
    }
    log_info("daemon", "ready: hostname %s, data in %s", daemon->config->hostname,
             daemon->config->data);
    sd_notify(0, "READY=1");
}

bool daemon_start(struct daemon *daemon, struct error *error) {
    daemon->started_ms = io_wall_ms();
    daemon->calls = io_mailbox_create(daemon->home);
    daemon->limits = serve_limits_create();
    raise_limits();
    if (!daemon_make_tls(daemon->config, &daemon->server_tls, &daemon->client_tls, error) ||
        !daemon_bind(daemon, daemon->config, error) || !become_user(daemon, error) ||
        !start_loops(daemon, error) || !open_ledger(daemon, error) || !make_relay(daemon, error) ||
        !open_spool(daemon, error))
        return false;
    for (size_t i = 0; i < daemon->n_loops; i++)
        daemon_on_loop(daemon, i, start_serve);
    if (!start_control(daemon, error))
        return false;
    daemon_listen(daemon);
    say_ready(daemon);
    return true;
}

// --- Stop ----------------------------------------------------------------------------------------
static void stop_serve(struct daemon *daemon, size_t index) {
    if (daemon->serves[index])
        serve_stop(daemon->serves[index], io_after(DAEMON_STOP_MS));
}

static void destroy_serve(struct daemon *daemon, size_t index) {
    if (daemon->serves[index])
        serve_destroy(daemon->serves[index]);
    daemon->serves[index] = NULL;
}

void daemon_stop(struct daemon *daemon) {
    sd_notify(0, "STOPPING=1");
    control_stop(daemon->control);
    for (size_t i = 0; i < daemon->n_loops && daemon->serves[0]; i++)
        daemon_on_loop(daemon, i, stop_serve);
    daemon_unbind(daemon);
    if (daemon->relay && daemon->spool)
        relay_stop(daemon->relay, io_after(DAEMON_STOP_MS));
    for (size_t i = 0; i < daemon->n_loops && daemon->serves[0]; i++)
        daemon_on_loop(daemon, daemon->n_loops - 1 - i, destroy_serve);
    // The ledger's writer tells the relay what it has stored, so it ends first.
    if (daemon->ledger)
        ledger_close(daemon->ledger);
    if (daemon->relay)
        relay_destroy(daemon->relay);
    if (daemon->spool)
        spool_close(daemon->spool);
    if (daemon->resolver)
        dns_resolver_destroy(daemon->resolver);
    for (size_t i = 1; i < daemon->n_loops && daemon->loops[i]; i++)
        io_loop_join_thread(daemon->loops[i]);
    serve_limits_destroy(daemon->limits);
    swap_tls(daemon, NULL, NULL);
    io_mailbox_destroy(daemon->calls);
}

// --- While it runs -------------------------------------------------------------------------------
struct reload_work {
    const char *path;
    struct config *config;
    struct buffer *problems;
    struct tls_context *server, *client;
    struct error error;
    bool is_done;
};

// Files are read in the pool, so that a slow disk stops no session.
static void load_all(void *arg) {
    struct reload_work *work = arg;
    work->config = config_load(work->path, work->problems);
    work->is_done =
        work->config && daemon_make_tls(work->config, &work->server, &work->client, &work->error);
}

static bool refuse_reload(struct reload_work *work) {
    if (work->error.text[0])
        buffer_printf(work->problems, "%s\n", work->error.text);
    log_error("config", "not reloaded, the old configuration stays: %s",
              buffer_string(work->problems));
    config_unref(work->config);
    return false;
}

bool daemon_reload(void *arg, struct buffer *text) {
    struct daemon *daemon = arg;
    struct reload_work work = {.path = daemon->config->path, .problems = text};
    io_offload(load_all, &work);
    if (!work.is_done)
        return refuse_reload(&work);
    if (!daemon_rebind(daemon, work.config, &work.error)) {
        tls_context_unref(work.server);
        tls_context_unref(work.client);
        return refuse_reload(&work);
    }
    config_restart_needed(daemon->config, work.config, text);
    struct address own[DAEMON_OWN_MAX];
    relay_set_own(daemon->relay, own, daemon_own_addresses(daemon, own));
    relay_reload(daemon->relay, work.config, work.client);
    swap_tls(daemon, work.server, work.client);
    config_unref(work.config);
    log_info("config", "reloaded%s%s", text->len ? "; needs a restart: " : "", buffer_string(text));
    return true;
}

void daemon_status(void *arg, struct json_writer *json) {
    const struct daemon *daemon = arg;
    struct serve_counts in = {0};
    for (size_t i = 0; i < daemon->n_loops; i++) {
        struct serve_counts one = serve_counts(daemon->serves[i]);
        in.sessions_now += one.sessions_now;
        in.sessions += one.sessions;
        in.messages += one.messages;
        in.recipients += one.recipients;
        in.refused += one.refused;
        in.rejected_messages += one.rejected_messages;
    }
    json_put_string(json, "version", VIEW(CMD_VERSION));
    json_put_time(json, "started", daemon->started_ms);
    json_key(json, "serve");
    json_object_begin(json);
    json_put_int(json, "sessions", (int64_t)in.sessions_now);
    json_put_int(json, "sessions_total", (int64_t)in.sessions);
    json_put_int(json, "messages", (int64_t)in.messages);
    json_put_int(json, "recipients", (int64_t)in.recipients);
    json_put_int(json, "refused", (int64_t)in.refused);
    json_put_int(json, "rejected_messages", (int64_t)in.rejected_messages);
    json_object_end(json);
}
