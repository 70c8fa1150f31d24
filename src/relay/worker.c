// SPDX-License-Identifier: Apache-2.0
// The sessions' side: a fiber on each loop takes the home loop's orders, and each session is a
// fiber that runs deliver_session and pulls its work through the home loop.
#include "relay/relay_internal.h"

#include <stdlib.h>

static void post_up(struct relay_session *session, struct relay_event *event) {
    io_mailbox_post(session->relay->inbox, &event->mail);
}

static void give_back(struct relay_item *item) {
    io_mailbox_post(item->session->relay->inbox, &item->event.mail);
}

// --- Asking for work ---------------------------------------------------------------------

static void ask_home(struct relay_session *session, bool is_ahead) {
    ASSERT(!session->is_asking);
    session->is_asking = true;
    session->is_asking_ahead = is_ahead;
    io_event_clear(&session->answered);
    post_up(session, &session->want);
}

static struct relay_item *pop(struct relay_session *session) {
    struct relay_item *item = session->queue;
    session->queue = item->next;
    item->next = NULL;
    // Where there was more than one, there is likely more: it comes while this one is on its way.
    if (session->queue == NULL && session->n_given > 1 && !session->is_asking && !session->is_over)
        ask_home(session, true);
    return item;
}

static bool read_envelope(struct relay_session *session, struct relay_item *item) {
    struct spool_entry entry;
    arena_init(&item->arena, 4 * (size_t)MAIL_ENVELOPE_BYTES_MAX);
    enum spool_status status =
        spool_lookup(session->relay->spool, item->item.id, &item->arena, &entry);
    if (status != SPOOL_OK || !mail_envelope_decode(entry.envelope, &item->arena, &item->envelope))
        return false;
    for (size_t i = 0; i < item->item.n_rcpts; i++)
        if (item->item.rcpt_indices[i] >= item->envelope.n_recipients)
            return false;
    item->item.envelope = &item->envelope;
    return true;
}

// Mail that cannot be read from the spool is our fault, and does not hold up the rest.
static void refuse_unreadable(struct relay_item *item) {
    for (size_t i = 0; i < item->item.n_rcpts; i++) {
        struct fact fact = fact_make(FACT_STAGE_MAIL, FACT_KIND_LOCAL);
        fact.detail = FACT_LOCAL_SPOOL;
        fact.at_ms = io_wall_ms();
        item->item.results[i] = fact;
    }
    give_back(item);
}

IO_WAITS static struct relay_item *next_readable(struct relay_session *session) {
    while (session->queue != NULL) {
        struct relay_item *item = pop(session);
        if (item->item.envelope != NULL || read_envelope(session, item))
            return item;
        refuse_unreadable(item);
    }
    return NULL;
}

IO_WAITS static struct deliver_item *next(void *arg, enum deliver_ask ask) {
    struct relay_session *session = arg;
    for (;;) {
        struct relay_item *item = next_readable(session);
        if (item != NULL)
            return &item->item;
        if (ask == DELIVER_ASK_NOW || (session->is_over && !session->is_asking))
            return NULL;
        if (!session->is_asking)
            ask_home(session, false);
        // The home loop always answers; what it is waited for there has its bounds.
        if (!io_is_ok(io_event_wait(&session->answered, IO_NEVER)))
            return NULL;
    }
}

static void settled(void *arg, struct deliver_item *item) {
    give_back(CONTAINER_OF(item, struct relay_item, item));
}

static void attempted(void *arg, const struct attempt *attempt) {
    struct relay_session *session = arg;
    view_copy_string(attempt->host, session->host, sizeof session->host);
    view_copy_string(view_take(attempt->greeting, sizeof session->greeting - 1), session->greeting,
                     sizeof session->greeting);
    session->peer = attempt->peer;
    session->source = attempt->source;
    relay_event_attempt(attempt);
    ledger_attempt(session->relay->ledger, attempt);
}

// --- A session ---------------------------------------------------------------------------

// An answer that is still on its way must have come before the session goes.
IO_WAITS static void finish_asking(struct relay_session *session) {
    session->is_over = true;
    while (session->is_asking) {
        io_cancel_clear();
        io_event_wait(&session->answered, IO_NEVER);
    }
    while (session->queue != NULL) {
        struct relay_item *item = session->queue;
        session->queue = item->next;
        give_back(item); // its results say: not tried
    }
}

static void session_run(void *arg) {
    struct relay_session *session = arg;
    struct relay *relay = session->relay;
    struct tls_context *tls;
    pthread_mutex_lock(&relay->mutex);
    tls = relay->tls ? tls_context_ref(relay->tls) : NULL;
    pthread_mutex_unlock(&relay->mutex);
    struct deliver_job job = {
        .route = session->route,
        .spool = relay->spool,
        .tls = tls,
        .memory = relay->memory,
        .hostname = view_of(session->config->hostname),
        .round_deadline = io_after(RELAY_ROUND_MS),
        .may_fall_back = session->may_fall_back,
        .hooks = {.next = next, .settled = settled, .attempted = attempted, .arg = session}};
    deliver_session(&job, &session->arena, &session->report);
    if (tls != NULL)
        tls_context_unref(tls);
    finish_asking(session);
    list_remove(&session->link);
    post_up(session, &session->ended); // the home loop frees it
}

// --- Orders ------------------------------------------------------------------------------

static void open_session(struct relay_worker *worker, struct relay_session *session) {
    io_event_init(&session->answered);
    list_init(&session->link);
    list_append(&worker->sessions, &session->link);
    session->fiber = io_spawn("deliver", session_run, session);
}

static void take_answer(struct relay_session *session) {
    ASSERT(session->is_asking);
    session->is_asking = false;
    session->n_given = 0;
    struct relay_item **end = &session->queue;
    while (*end != NULL)
        end = &(*end)->next;
    *end = session->given;
    for (const struct relay_item *item = session->given; item != NULL; item = item->next)
        session->n_given++;
    session->given = NULL;
    session->is_over |= session->is_given_end;
    io_event_set(&session->answered);
}

static void cancel_sessions(struct relay_worker *worker) {
    LIST_FOR_EACH (link, &worker->sessions)
        io_cancel(CONTAINER_OF(link, struct relay_session, link)->fiber);
}

static void carry_out(struct relay_worker *worker, struct relay_order *order) {
    switch (order->kind) {
    case RELAY_ORDER_OPEN: open_session(worker, order->session); break;
    case RELAY_ORDER_WORK: take_answer(order->session); break;
    case RELAY_ORDER_CANCEL: cancel_sessions(worker); break;
    case RELAY_ORDER_STOP: break;
    }
}

void relay_worker_run(void *arg) {
    struct relay_worker *worker = arg;
    bool is_stopped = false;
    while (!is_stopped) {
        struct io_mail *mail = io_mailbox_take_all(worker->mailbox, IO_NEVER);
        while (mail != NULL) {
            struct relay_order *order = CONTAINER_OF(mail, struct relay_order, mail);
            mail = mail->next;
            is_stopped |= order->kind == RELAY_ORDER_STOP;
            carry_out(worker, order);
        }
    }
    // The last that is touched of it: the home loop waits for this.
    struct relay *relay = worker->relay;
    io_mailbox_post(relay->inbox, &worker->gone.mail);
}
