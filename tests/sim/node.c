// SPDX-License-Identifier: Apache-2.0
#include "sim/node.h"

#include "base/log.h"
#include "config/keys.h"
#include "serve/serve.h"

void node_init(struct node *node, struct sim *sim) {
    *node = (struct node){.sim = sim};
    io_event_init(&node->stop);
    io_event_init(&node->stopped);
    io_event_init(&node->errand);
    io_event_set(&node->stopped);
}

static struct config *load_config(struct node *node) {
    struct buffer problems;
    buffer_init(&problems, 64 << 10);
    struct config *config =
        config_load_text(view_of(node->config_text), "postrider.conf", &problems);
    if (config == NULL)
        log_error("sim", "%s", buffer_string(&problems));
    ASSERT(config != NULL);
    buffer_finish(&problems);
    return config;
}

static struct config *config_of(void *arg) {
    return relay_config(((struct node *)arg)->relay);
}

static struct tls_context *no_tls(void *arg) {
    return NULL;
}

static void errands_run(void *arg) {
    struct node *node = arg;
    while (io_is_ok(io_event_wait(&node->errand, IO_NEVER))) {
        io_event_clear(&node->errand);
        node->run_errand(node->arg);
    }
}

void node_inside(struct node *node, void (*errand)(void *arg)) {
    if (!node->is_up)
        return;
    node->run_errand = errand;
    io_event_set(&node->errand);
}

IO_WAITS static void serve_until_stopped(struct node *node, struct spool *spool) {
    struct error error;
    struct serve_options options = {
        .spool = spool,
        .hooks = {.accepted = relay_accepted, .refuses = relay_refuses, .arg = node->relay},
        .config = config_of,
        .tls = no_tls,
        .config_arg = node};
    struct serve_limits *limits = serve_limits_create();
    struct serve *serve = serve_create(&options, limits);
    struct io_listener *listener = io_listen(&node->address, false, &error);
    ASSERT(listener != NULL);
    serve_listen(serve, listener, "sim");
    struct io_fiber *errands = io_spawn("errands", errands_run, node);
    node->is_up = true;
    io_event_wait(&node->stop, IO_NEVER);
    node->is_up = false;
    io_cancel(errands);
    serve_stop(serve, io_after(30000));
    serve_destroy(serve);
    serve_limits_destroy(limits);
    relay_stop(node->relay, io_after(30000));
}

static void node_run(void *arg) {
    struct node *node = arg;
    struct io_loop *loop = io_loop_current();
    struct config *config = load_config(node);
    struct ledger *ledger = ledger_open_memory();
    struct dns_resolver *zone = dns_zone_create(20);
    node->zone = zone;
    node->ledger = ledger;
    node->fill_zone(zone, node->arg);
    struct relay_options options = {.config = config,
                                    .ledger = ledger,
                                    .resolver = zone,
                                    .loops = &loop,
                                    .n_loops = 1,
                                    .own = &node->address,
                                    .n_own = 1,
                                    .seed = sim_random_below(node->sim, UINT64_MAX)};
    node->relay = relay_create(&options);
    struct spool_options spool_options = {.path = "spool", .segment_bytes = 1 << 20};
    struct spool_recovery recovery;
    struct error error;
    struct spool *spool = spool_open(&spool_options, relay_load, node->relay, &recovery, &error);
    node->n_starts++;
    node->spool = spool;
    if (spool != NULL) {
        node->n_torn += recovery.torn_batches;
        node->n_damaged += recovery.damaged_records + recovery.lost_messages;
        relay_start(node->relay, spool, &recovery);
        serve_until_stopped(node, spool);
    } else {
        node->n_failed_starts++;
    }
    struct relay *relay = node->relay;
    node->relay = NULL;
    node->zone = NULL;
    ledger_close(ledger);
    relay_destroy(relay);
    if (spool != NULL)
        spool_close(spool);
    dns_resolver_destroy(zone);
    config_unref(config);
    io_event_set(&node->stopped);
}

bool node_is_running(const struct node *node) {
    return node->process != NULL && sim_process_is_running(node->process);
}

void node_start(struct node *node) {
    ASSERT(!node_is_running(node));
    node->relay = NULL;
    node->zone = NULL;
    node->is_up = false;
    io_event_clear(&node->stop);
    io_event_clear(&node->stopped);
    io_event_clear(&node->errand);
    node->process = sim_process_start(node->sim, "node", node_run, node);
}

void node_stop(struct node *node) {
    if (!node_is_running(node))
        return;
    io_event_set(&node->stop);
    while (node_is_running(node))
        io_sleep(io_after(100));
}

void node_kill(struct node *node, bool power_cut) {
    if (!node_is_running(node))
        return;
    sim_process_kill(node->process, power_cut);
    node->relay = NULL;
    node->zone = NULL;
    node->is_up = false;
}

void node_reload(struct node *node) {
    if (!node->is_up)
        return;
    struct config *config = load_config(node);
    relay_reload(node->relay, config, NULL);
    config_unref(config);
}
