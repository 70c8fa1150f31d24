// SPDX-License-Identifier: Apache-2.0
// The home loop: takes what came in, lets the scheduler take its steps, carries out its actions,
// and hands in what is to be stored.
#include "relay/relay_internal.h"

#include <stdlib.h>

enum { ACTIONS_MAX = 64, STEPS_IN_A_TURN_MAX = 16 };

// --- Actions -----------------------------------------------------------------------------

static void fail_by_route(struct relay *relay, const struct schedule_action *action) {
    const struct relay_place *place = relay_place_find(&relay->domains, action->domain);
    relay_end_rcpt(relay, action->rcpt, RELAY_REFUSED, place != NULL ? &place->record : NULL);
}

static void tell_clock(struct relay *relay) {
    bool is_trusted = schedule_counts(relay->schedule).clock_is_trusted;
    if (is_trusted)
        log_info("relay", "the clock is trusted again: mail expires as usual");
    else
        log_error("relay",
                  "the clock jumped or was wrong at the start: nothing expires until it has "
                  "been stable for an hour, or an operator says that it is right");
    relay_audit_system(relay, is_trusted ? VIEW("clock-trusted") : VIEW("clock-distrusted"),
                       VIEW("clock"), VIEW_NONE);
}

static void wake(struct relay *relay, uint32_t number) {
    struct relay_session *session = relay_session_of(relay, number);
    ASSERT(session != NULL && session->is_wanting);
    relay_session_answer(session);
}

static void carry_out(struct relay *relay, const struct schedule_action *action) {
    switch (action->kind) {
    case SCHEDULE_ACT_ROUTE: relay_route_start(relay, action->domain); break;
    case SCHEDULE_ACT_OPEN: relay_session_open(relay, action); break;
    case SCHEDULE_ACT_WAKE: wake(relay, action->session); break;
    case SCHEDULE_ACT_CLOSE: relay_session_close(relay, action->session); break;
    case SCHEDULE_ACT_FAIL: fail_by_route(relay, action); break;
    case SCHEDULE_ACT_EXPIRE: relay_end_rcpt(relay, action->rcpt, RELAY_EXPIRED, NULL); break;
    case SCHEDULE_ACT_HOLD_EXPIRE:
        relay_end_rcpt(relay, action->rcpt, RELAY_HOLD_EXPIRED, NULL);
        break;
    case SCHEDULE_ACT_WARN: relay_warn_message(relay, action->message, MAIL_NOTICE_DELAYED); break;
    case SCHEDULE_ACT_HOLD_WARN:
        relay_warn_message(relay, action->message, MAIL_NOTICE_HELD);
        break;
    case SCHEDULE_ACT_CLOCK: tell_clock(relay); break;
    }
}

static void publish(struct relay *relay) {
    relay->counts.schedule = schedule_counts(relay->schedule);
    relay->counts.settlements_waiting = relay->n_settling;
    relay->counts.fresh_bytes = relay->fresh_bytes;
    relay->counts.settles = relay->settles;
    pthread_mutex_lock(&relay->mutex);
    relay->published = relay->counts;
    pthread_mutex_unlock(&relay->mutex);
}

// While the spool cannot settle, what is delivered could not be remembered: nothing new starts.
void relay_check_health(struct relay *relay) {
    struct spool_health health = spool_health(relay->spool);
    relay->health_at = io_now();
    if (health.settles != relay->settles) {
        relay->settles = health.settles;
        if (health.settles)
            log_info("relay", "the spool settles again: deliveries go on");
        else
            log_error("relay", "no delivery starts: %s", health.reason);
    }
    if (!relay->is_stopping)
        schedule_set_stop(relay->schedule, health.settles ? SCHEDULE_RUNS : SCHEDULE_STOPPED_SPOOL);
    publish(relay);
}

// --- Steps -------------------------------------------------------------------------------

void relay_step(struct relay *relay) {
    if (relay->is_finished)
        return;
    if (io_now() - relay->health_at >= RELAY_HEALTH_MS)
        relay_check_health(relay);
    for (int i = 0; i < STEPS_IN_A_TURN_MAX; i++) {
        struct schedule_action actions[ACTIONS_MAX];
        size_t n = schedule_step(relay->schedule, io_now(), io_wall_ms(), actions, ACTIONS_MAX);
        for (size_t j = 0; j < n; j++)
            carry_out(relay, &actions[j]);
        if (n < ACTIONS_MAX && schedule_next(relay->schedule) > io_now())
            break;
    }
    relay_notices_start(relay);
    relay_flush(relay);
    // Other fibers step, too: the home fiber must not sleep past what they found.
    if (schedule_next(relay->schedule) < relay->sleeping_until)
        io_mailbox_wake(relay->inbox);
}

// --- Events ------------------------------------------------------------------------------

struct schedule_settings relay_settings(const struct config *config) {
    return (struct schedule_settings){.generation = config->generation,
                                      .slots =
                                          config->max_deliveries > 0 ? config->max_deliveries : 1,
                                      .routes = RELAY_ROUTES_MAX,
                                      .retry = config->retry};
}

static void take_config(struct relay *relay) {
    struct config *config = relay_config(relay);
    if (config->generation > relay->config->generation) {
        struct schedule_settings settings = relay_settings(config);
        schedule_configure(relay->schedule, &settings, io_now());
        deliver_memory_clear(relay->memory);
    }
    config_unref(relay->config);
    relay->config = config;
}

static void take_event(struct relay *relay, struct relay_event *event) {
    switch (event->kind) {
    case RELAY_EVENT_ARRIVED:
        relay_fresh_add(relay, CONTAINER_OF(event, struct relay_fresh, event));
        break;
    case RELAY_EVENT_WANT:
        relay_session_wanted(CONTAINER_OF(event, struct relay_session, want));
        break;
    case RELAY_EVENT_SETTLED:
        relay_item_settled(CONTAINER_OF(event, struct relay_item, event));
        break;
    case RELAY_EVENT_ENDED:
        relay_session_finished(CONTAINER_OF(event, struct relay_session, ended));
        break;
    case RELAY_EVENT_WORKER_GONE:
        relay->n_workers_gone++;
        io_event_set(&relay->quiet);
        break;
    case RELAY_EVENT_RELOAD:
        free(event);
        take_config(relay);
        break;
    }
}

void relay_home_run(void *arg) {
    struct relay *relay = arg;
    while (!relay->is_finished) {
        relay->sleeping_until = schedule_next(relay->schedule);
        if (!relay->settles)
            relay->sleeping_until = int64_min(relay->sleeping_until, io_after(RELAY_AGAIN_MS));
        struct io_mail *mail = io_mailbox_take_all(relay->inbox, relay->sleeping_until);
        relay->sleeping_until = 0;
        while (mail != NULL) {
            struct relay_event *event = CONTAINER_OF(mail, struct relay_event, mail);
            mail = mail->next;
            take_event(relay, event);
        }
        relay_step(relay);
    }
}
