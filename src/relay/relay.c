// SPDX-License-Identifier: Apache-2.0
// The life of a relay: making it, loading what the spool holds, starting, reloading, stopping.
#include "relay/relay_internal.h"

#include <stdlib.h>

enum { FRESH_BYTES = 48 << 20 };

// --- Making ------------------------------------------------------------------------------

static void route_release(void *route) {
    route_unref(route);
}

static void lane_gone(void *arg, uint32_t lane, struct view key) {
    struct relay *relay = arg;
    relay_place_gone(relay, &relay->lanes, lane, key);
}

static void domain_gone(void *arg, uint32_t domain, struct view name) {
    struct relay *relay = arg;
    relay_place_gone(relay, &relay->domains, domain, name);
}

static void make_workers(struct relay *relay) {
    const struct relay_options *options = &relay->options;
    relay->n_workers = options->n_loops;
    relay->workers = mem_alloc_zero(relay->n_workers * sizeof *relay->workers);
    for (size_t i = 0; i < relay->n_workers; i++) {
        struct relay_worker *worker = &relay->workers[i];
        worker->relay = relay;
        worker->loop = options->loops[i];
        worker->mailbox = io_mailbox_create(worker->loop);
        worker->stop.kind = RELAY_ORDER_STOP;
        worker->cancel.kind = RELAY_ORDER_CANCEL;
        worker->gone.kind = RELAY_EVENT_WORKER_GONE;
        list_init(&worker->sessions);
    }
}

static void make_schedule(struct relay *relay) {
    struct schedule_options options = {.settings = relay_settings(relay->config),
                                       .seed = relay->options.seed,
                                       .route_release = route_release,
                                       .lane_gone = lane_gone,
                                       .domain_gone = domain_gone,
                                       .arg = relay};
    if (options.seed == 0)
        options.seed = io_random_u64();
    relay->schedule = schedule_create(&options, io_now(), io_wall_ms());
}

// In place: a routing that waits may hold the array.
void relay_set_own(struct relay *relay, const struct address *own, size_t n_own) {
    ASSERT(n_own <= RELAY_OWN_MAX);
    for (size_t i = 0; i < RELAY_OWN_MAX; i++)
        relay->own[i] = i < n_own ? own[i] : (struct address){0};
    relay->n_own = n_own;
}

struct relay *relay_create(const struct relay_options *options) {
    ASSERT(options->n_loops > 0 && options->config != NULL && options->ledger != NULL);
    struct relay *relay = mem_alloc_zero(sizeof *relay);
    relay->options = *options;
    if (relay->options.fresh_bytes == 0)
        relay->options.fresh_bytes = FRESH_BYTES;
    relay->home = io_loop_current();
    relay->ledger = options->ledger;
    relay->config = config_ref(options->config);
    relay->newest = config_ref(options->config);
    relay->tls = options->tls ? tls_context_ref(options->tls) : NULL;
    relay->own = mem_alloc_zero(RELAY_OWN_MAX * sizeof *relay->own);
    relay_set_own(relay, options->own, options->n_own);
    pthread_mutex_init(&relay->mutex, NULL);
    io_random_bytes(relay->hash_key, sizeof relay->hash_key);
    relay->memory = deliver_memory_create();
    relay->inbox = io_mailbox_create(relay->home);
    relay->done = io_mailbox_create(relay->home);
    relay->stored = io_mailbox_create(relay->home);
    io_group_init(&relay->fibers);
    io_group_init(&relay->helpers);
    io_event_init(&relay->quiet);
    list_init(&relay->fresh_oldest);
    list_init(&relay->notices);
    list_init(&relay->audits);
    hash_table_init(&relay->restored);
    relay->lanes.prefix = "lane/";
    relay->domains.prefix = "domain/";
    relay->settles = true;
    arena_init(&relay->load_arena, 4 * (size_t)MAIL_ENVELOPE_BYTES_MAX);
    make_workers(relay);
    make_schedule(relay);
    return relay;
}

// --- Loading -----------------------------------------------------------------------------

void relay_load(const struct spool_entry *entry, void *arg) {
    struct relay *relay = arg;
    struct arena_mark mark = arena_mark(&relay->load_arena);
    struct mail_envelope envelope;
    if (mail_envelope_decode(entry->envelope, &relay->load_arena, &envelope) &&
        envelope.n_recipients == entry->n_rcpts) {
        struct relay_stored stored = {
            .id = entry->id, .envelope = &envelope, .marks = entry->marks, .states = entry->states};
        relay_schedule_message(relay, &stored);
        relay->n_loaded++;
    } else {
        char id[SPOOL_ID_TEXT_SIZE];
        spool_id_format(entry->id, id);
        log_error("relay", "the envelope of message %s cannot be read: it stays in the spool", id);
        relay->n_unreadable++;
    }
    arena_reset(&relay->load_arena, mark);
}

static void load_note(struct view key, struct view value, void *arg) {
    struct relay *relay = arg;
    if (view_starts_with(key, VIEW("audit/")))
        relay_audit_restore(relay, key, value);
    else if (view_starts_with(key, VIEW("lane/")) || view_starts_with(key, VIEW("domain/")))
        relay_restored_add(relay, key, value);
}

static void restore_domains(struct relay *relay) {
    for (uint32_t domain = schedule_next_domain(relay->schedule, 0); domain != 0;
         domain = schedule_next_domain(relay->schedule, domain)) {
        struct schedule_domain_info info;
        struct schedule_backoff backoff;
        schedule_domain(relay->schedule, domain, &info);
        if (relay_place_restore(relay, &relay->domains, domain, info.name, &backoff))
            schedule_domain_restore(relay->schedule, domain, &backoff);
    }
}

// Notes that nobody has asked for in a week are forgotten.
static void forget_old(struct hash_node *node, void *arg) {
    struct relay *relay = arg;
    struct relay_restored *restored = CONTAINER_OF(node, struct relay_restored, node);
    struct relay_record record;
    if (relay_record_decode(restored->value, &record) &&
        record.tried_ms + RELAY_NOTE_LIFE_MS > io_wall_ms())
        return;
    spool_tx_note(relay_batch_tx(relay), restored->key, VIEW_NONE);
    hash_table_remove(&relay->restored, node);
    free(restored);
}

void relay_start(struct relay *relay, struct spool *spool, const struct spool_recovery *recovery) {
    ASSERT(!relay->is_started && io_loop_current() == relay->home);
    relay->spool = spool;
    relay->is_started = true;
    arena_finish(&relay->load_arena);
    schedule_check_start(relay->schedule, recovery->newest_ms, io_now(), io_wall_ms());
    spool_notes_each(spool, load_note, relay);
    restore_domains(relay);
    hash_table_each(&relay->restored, forget_old, relay);
    for (size_t i = 0; i < relay->n_workers; i++)
        io_spawn_on(relay->workers[i].loop, "worker", relay_worker_run, &relay->workers[i]);
    io_group_spawn(&relay->fibers, "relay", relay_home_run, relay);
    io_group_spawn(&relay->fibers, "relay done", relay_done_run, relay);
    io_group_spawn(&relay->fibers, "relay stored", relay_stored_run, relay);
    log_info("relay", "started with %llu messages, %llu of them unreadable",
             (unsigned long long)(relay->n_loaded + relay->n_unreadable),
             (unsigned long long)relay->n_unreadable);
    relay_check_health(relay);
}

// --- Configuration -----------------------------------------------------------------------

void relay_reload(struct relay *relay, struct config *config, struct tls_context *tls) {
    pthread_mutex_lock(&relay->mutex);
    struct config *old_config = relay->newest;
    struct tls_context *old_tls = relay->tls;
    relay->newest = config_ref(config);
    if (tls != NULL)
        relay->tls = tls_context_ref(tls);
    pthread_mutex_unlock(&relay->mutex);
    config_unref(old_config);
    if (tls != NULL && old_tls != NULL)
        tls_context_unref(old_tls);
    struct relay_event *event = mem_alloc_zero(sizeof *event);
    event->kind = RELAY_EVENT_RELOAD;
    io_mailbox_post(relay->inbox, &event->mail);
}

struct config *relay_config(struct relay *relay) {
    pthread_mutex_lock(&relay->mutex);
    struct config *config = config_ref(relay->newest);
    pthread_mutex_unlock(&relay->mutex);
    return config;
}

struct relay_counts relay_counts(struct relay *relay) {
    pthread_mutex_lock(&relay->mutex);
    struct relay_counts counts = relay->published;
    pthread_mutex_unlock(&relay->mutex);
    return counts;
}

// --- Stopping ----------------------------------------------------------------------------

static bool sessions_are_gone(const struct relay *relay) {
    return schedule_counts(relay->schedule).sessions == 0;
}
static bool all_is_settled(const struct relay *relay) {
    return relay->n_batches == 0 && relay->batch == NULL && relay->helpers.n_members == 0;
}
static bool workers_are_gone(const struct relay *relay) {
    return relay->n_workers_gone == relay->n_workers;
}

IO_WAITS static bool wait_for(struct relay *relay, bool (*is_met)(const struct relay *relay),
                              io_time deadline) {
    while (!is_met(relay)) {
        io_event_clear(&relay->quiet);
        if (io_event_wait(&relay->quiet, deadline).status == IO_TIMEOUT)
            return is_met(relay);
    }
    return true;
}

IO_WAITS static void stop_sessions(struct relay *relay, io_time deadline) {
    relay->is_stopping = true;
    schedule_set_stop(relay->schedule, SCHEDULE_STOPPED_SHUTDOWN);
    relay_step(relay);
    if (wait_for(relay, sessions_are_gone, deadline))
        return;
    for (size_t i = 0; i < relay->n_workers; i++)
        io_mailbox_post(relay->workers[i].mailbox, &relay->workers[i].cancel.mail);
    // Only those wait now whose final dot is sent: the reply decides whether the mail is delivered.
    wait_for(relay, sessions_are_gone, io_after(RELAY_DOT_MS));
    ASSERT(sessions_are_gone(relay));
}

void relay_stop(struct relay *relay, io_time deadline) {
    ASSERT(relay->is_started && !relay->is_finished);
    stop_sessions(relay, deadline);
    // Notices that are being written get the time that is left, settlements at least as long as a
    // second try takes.
    wait_for(relay, all_is_settled, int64_max(deadline, io_after(2 * RELAY_AGAIN_MS)));
    relay->gives_up = true;
    io_group_cancel(&relay->helpers);
    io_group_wait(&relay->helpers, IO_NEVER);
    relay_flush(relay);
    for (size_t i = 0; i < relay->n_workers; i++)
        io_mailbox_post(relay->workers[i].mailbox, &relay->workers[i].stop.mail);
    wait_for(relay, workers_are_gone, IO_NEVER);
    relay->is_finished = true;
    io_mailbox_wake(relay->inbox);
    io_mailbox_wake(relay->done);
    io_mailbox_wake(relay->stored);
    io_group_wait(&relay->fibers, IO_NEVER);
}

static void drain_inbox(struct relay *relay) {
    struct io_mail *mail = io_mailbox_take_all(relay->inbox, io_now());
    while (mail != NULL) {
        struct relay_event *event = CONTAINER_OF(mail, struct relay_event, mail);
        mail = mail->next;
        if (event->kind == RELAY_EVENT_ARRIVED)
            relay_fresh_unref(CONTAINER_OF(event, struct relay_fresh, event));
        else if (event->kind == RELAY_EVENT_RELOAD)
            free(event);
    }
}

void relay_destroy(struct relay *relay) {
    if (relay == NULL)
        return;
    relay->is_finished = true;
    drain_inbox(relay);
    io_mailbox_take_all(relay->stored, io_now()); // lines stand in the list of audits
    while (!list_is_empty(&relay->notices))
        relay_notice_free(CONTAINER_OF(list_pop(&relay->notices), struct relay_notice, link));
    relay_audits_finish(relay);
    relay_fresh_finish(relay);
    schedule_destroy(relay->schedule);
    relay_places_finish(&relay->lanes);
    relay_places_finish(&relay->domains);
    relay_restored_finish(relay);
    for (size_t i = 0; i < relay->n_workers; i++)
        io_mailbox_destroy(relay->workers[i].mailbox);
    io_mailbox_destroy(relay->inbox);
    io_mailbox_destroy(relay->done);
    io_mailbox_destroy(relay->stored);
    deliver_memory_destroy(relay->memory);
    arena_finish(&relay->load_arena);
    config_unref(relay->config);
    config_unref(relay->newest);
    if (relay->tls != NULL)
        tls_context_unref(relay->tls);
    pthread_mutex_destroy(&relay->mutex);
    free(relay->sessions);
    free(relay->workers);
    free(relay->own);
    free(relay);
}
