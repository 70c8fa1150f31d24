// SPDX-License-Identifier: Apache-2.0
// A delivery as it happens, from top to bottom:
//
//     the next address of the route stands (race.c)             open_connection
//     greeting, EHLO, STARTTLS, EHLO, AUTH as demanded          introduce
//     for each message that the lane has                        deliver_mail
//         MAIL, RCPT, DATA                                      (transaction.c)
//         the body, its dot, and behind it the next envelope
//         the reply: what became of each recipient
//     QUIT, and the attempt is told                             close_connection
//
// A host that cannot be used makes way for the next one (RFC 5321 5.1). So does one that is lost
// before the first body went out. Later than that the message stays here until the scheduler says
// otherwise: what was sent may have been delivered.
#include "deliver/deliver_internal.h"

// --- How far we got ---------------------------------------------------------------------------
// The lane's fact is the failure that came furthest; of equal ones the last.
static void note_failure(struct session *session, const struct fact *fact) {
    struct fact *told = &session->report->fact;
    if (told->stage > fact->stage)
        return;
    *told = *fact;
    told->text = arena_copy(session->arena, view_take(fact->text, FACT_TEXT_BYTES_MAX));
}

static void flag_downgrade(const struct session *session, struct fact *fact) {
    if (session->target->in_clear)
        fact->flags |= FACT_FLAG_TLS_DOWNGRADED;
}

static void settle(struct session *session, struct deliver_item *item) {
    session->job->hooks.settled(session->job->hooks.arg, item);
}

// --- From the greeting to a session that takes mail -------------------------------------------
// RFC 3207. What is demanded but not offered ends the session; what is offered is used.
IO_WAITS static struct fact encrypt(struct session *session) {
    struct route_demand demand;
    enum config_tls wanted = session->connector->tls;
    struct fact fact = fact_make(FACT_STAGE_EHLO, FACT_KIND_OK);
    if (wanted == CONFIG_TLS_NONE || session->target->in_clear)
        return fact;
    if (!talk_extensions(session->talk)->starttls) {
        fact = fact_make(FACT_STAGE_STARTTLS, FACT_KIND_DEMAND);
        fact.detail = FACT_DEMAND_STARTTLS;
        fact.at_ms = io_wall_ms();
        return wanted == CONFIG_TLS_OPPORTUNISTIC ? fact_make(FACT_STAGE_EHLO, FACT_KIND_OK) : fact;
    }
    route_demand_init(&demand, session->connector, session->target->host, session->domain);
    fact = talk_starttls(session->talk, session->job->tls, &demand.policy);
    // RFC 3207 4.2: what was said before is forgotten on both sides.
    return fact_is_ok(&fact) ? talk_ehlo(session->talk) : fact;
}

// RFC 4954. The configuration lets credentials stand only beside a demand that verifies the peer.
IO_WAITS static struct fact authenticate(struct session *session) {
    const struct config_connector *connector = session->connector;
    if (!connector->username)
        return fact_make(FACT_STAGE_AUTH, FACT_KIND_OK);
    if (connector->tls == CONFIG_TLS_CA || connector->tls == CONFIG_TLS_DOMAIN)
        return talk_auth(session->talk, view_of(connector->username), view_of(connector->password));
    struct fact fact = fact_make(FACT_STAGE_AUTH, FACT_KIND_LOCAL);
    fact.detail = FACT_LOCAL_CREDENTIALS;
    return fact;
}

IO_WAITS static struct fact introduce(struct session *session) {
    struct fact fact = talk_greeting(session->talk);
    if (fact_is_ok(&fact))
        fact = talk_ehlo(session->talk);
    if (fact_is_ok(&fact))
        fact = encrypt(session);
    if (fact_is_ok(&fact))
        fact = authenticate(session);
    flag_downgrade(session, &fact);
    return fact;
}

// --- A connection -----------------------------------------------------------------------------
static void begin_connection(struct session *session, struct target *target,
                             struct io_stream *stream) {
    struct talk_options options = {.timeouts = session->timeouts,
                                   .helo = session->helo,
                                   .source = target->source,
                                   .deadline = session->job->round_deadline};
    session->target = target;
    session->talk = talk_create(&options);
    session->n_transactions = 0;
    session->n_completed = 0;
    session->rcpts_max = DELIVER_RCPTS_MAX;
    session->needs_rset = false;
    session->is_spoiled = false;
    talk_adopt(session->talk, stream);
}

IO_WAITS static void close_connection(struct session *session, const struct fact *fact) {
    bool has_news = session->record.n_results > 0 || !fact_is_ok(fact);
    if (has_news || !session->record.is_told)
        record_tell(session, fact);
    if (talk_is_open(session->talk) && !session->is_spoiled && !io_is_canceled())
        talk_quit(session->talk);
    talk_destroy(session->talk);
    session->talk = NULL;
}

static bool is_mute(const struct fact *fact) {
    return fact->kind == FACT_KIND_SILENT || fact->kind == FACT_KIND_CLOSED ||
           fact->kind == FACT_KIND_ERRNO;
}

// STARTTLS was offered and did not lead to an encrypted session.
static bool is_failed_tls(const struct fact *fact) {
    bool said_no = fact->kind == FACT_KIND_REPLY || fact->kind == FACT_KIND_GARBLED;
    bool broke = fact->kind == FACT_KIND_TLS || fact->kind == FACT_KIND_DEMAND;
    return (fact->stage == FACT_STAGE_STARTTLS && (said_no || is_mute(fact))) ||
           (fact->stage == FACT_STAGE_TLS && (broke || is_mute(fact)));
}

// What others should know of the address before they try it.
static void note_address(struct session *session, const struct fact *fact) {
    struct target *target = session->target;
    if (fact->stage == FACT_STAGE_GREETING && is_mute(fact))
        memory_note_dead(session->job->memory, &target->address, fact);
    if (!is_failed_tls(fact) || !route_demand_allows_clear(session->connector))
        return;
    memory_note_tls_failed(session->job->memory, &target->address);
    // A retry interval has gone by since the first failure: a new connection, in clear text.
    if (session->job->may_fall_back) {
        target->in_clear = true;
        target->is_tried = false;
    }
}

static void set_rcpts_max(struct session *session) {
    uint64_t theirs = talk_extensions(session->talk)->limit_rcptmax; // RFC 9422 4.2
    if (theirs > 0 && theirs < session->rcpts_max)
        session->rcpts_max = (size_t)theirs;
}

// The next address that lets itself be used. False: none did.
IO_WAITS static bool open_connection(struct session *session) {
    struct target *targets, *winner;
    size_t n;
    struct fact fact;
    while ((n = road_next(&session->road, &targets)) > 0 &&
           io_now() < session->job->round_deadline) {
        bool is_hopeless;
        record_begin(session);
        struct io_stream *stream = race_run(session, targets, n, &winner, &fact);
        if (stream) {
            begin_connection(session, winner, stream);
            fact = introduce(session);
            set_rcpts_max(session);
            if (fact_is_ok(&fact))
                return true;
            note_address(session, &fact);
            note_failure(session, &fact);
            is_hopeless = !fact_allows_next_host(&fact);
            close_connection(session, &fact); // and the fact's text is gone
        } else {
            note_failure(session, &fact);
            is_hopeless = !fact_allows_next_host(&fact);
        }
        if (io_is_canceled() || is_hopeless)
            return false;
    }
    return false;
}

// --- Work -------------------------------------------------------------------------------------
static size_t count_open(const struct deliver_item *item) {
    size_t n_open = 0;
    for (size_t i = 0; i < item->n_rcpts; i++)
        n_open += item->results[i].kind == FACT_KIND_NONE;
    return n_open;
}

static bool may_go_on(const struct session *session) {
    uint64_t own = session->connector->max_messages_per_connection;
    uint64_t theirs = talk_extensions(session->talk)->limit_mailmax; // RFC 9422 4.1
    return talk_is_open(session->talk) && !session->is_spoiled && !io_is_canceled() &&
           (own == 0 || session->n_transactions < own) &&
           (theirs == 0 || session->n_transactions < theirs);
}

// Work that is there already comes first. Before a wait for more, what was done so far is told.
IO_WAITS static struct deliver_item *ask_for_item(struct session *session, enum deliver_ask ask) {
    const struct deliver_hooks *hooks = &session->job->hooks;
    if (ask != DELIVER_ASK_WAIT)
        return hooks->next(hooks->arg, ask);
    struct deliver_item *item = hooks->next(hooks->arg, DELIVER_ASK_NOW);
    if (item)
        return item;
    if (session->record.n_results > 0) {
        struct fact so_far = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
        record_tell(session, &so_far);
    }
    return hooks->next(hooks->arg, ask);
}

// The rest of the item in hand, or a new one. Items that this peer cannot be given are settled on
// the way. False: there is no more work.
IO_WAITS static bool take_transaction(struct session *session, struct transaction *transaction,
                                      struct deliver_item *item, enum deliver_ask ask) {
    for (;;) {
        if (!item)
            item = ask_for_item(session, ask);
        if (!item)
            return false;
        if (transaction_begin(session, transaction, item))
            return true;
        settle(session, item);
        item = NULL;
        ask = ask == DELIVER_ASK_FIRST ? DELIVER_ASK_WAIT : ask;
    }
}

// RFC 2920 3.1: the next envelope may stand in the group that ends this message. It is asked for
// only if it is there already; the dot waits for nothing.
IO_WAITS static void ride_behind_dot(struct session *session, const struct transaction *now,
                                     struct transaction *following) {
    if (!talk_extensions(session->talk)->pipelining || !may_go_on(session) ||
        count_open(now->item) > now->n_accepted)
        return;
    if (take_transaction(session, following, NULL, DELIVER_ASK_NOW))
        transaction_send_envelope(session, following);
}

// --- One transaction --------------------------------------------------------------------------
static int64_t body_time_ms(const struct transaction *transaction) {
    return DELIVER_BODY_MS + (int64_t)spool_body_size(transaction->body);
}

// What was left open by the last transaction is closed first (RFC 5321 4.1.1.5).
IO_WAITS static struct fact reset(struct session *session) {
    if (!session->needs_rset)
        return fact_make(FACT_STAGE_MAIL, FACT_KIND_OK);
    session->needs_rset = false;
    return talk_command(session->talk, FACT_STAGE_MAIL, VIEW("RSET"), session->timeouts.mail_ms);
}

// DATA was accepted though no recipient was: RFC 2920 3.1, a dot alone ends it.
IO_WAITS static struct fact send_nothing(struct session *session) {
    talk_send_dot(session->talk);
    talk_read_dot(session->talk);
    return fact_make(FACT_STAGE_DOT, FACT_KIND_OK);
}

// The body, the dot, and what the peer says to it.
IO_WAITS static struct fact send_message(struct session *session, struct transaction *transaction,
                                         struct transaction *following) {
    talk_set_deadline(session->talk, io_after(body_time_ms(transaction)));
    struct fact fact = transaction_body(session, transaction);
    session->is_spoiled = !fact_is_ok(&fact);
    if (session->is_spoiled)
        return fact;
    talk_send_dot(session->talk);
    ride_behind_dot(session, transaction, following);
    fact = talk_read_dot(session->talk);
    if (fact.stage != FACT_STAGE_DOT)
        return fact; // the dot did not go out
    if (fact_is_ok(&fact) || fact.kind == FACT_KIND_REPLY) {
        session->n_completed++;
        session->report->any_success = true;
    }
    transaction_result(session, transaction, &fact, false);
    return fact;
}

IO_WAITS static struct fact exchange(struct session *session, struct transaction *transaction,
                                     struct transaction *following) {
    talk_set_deadline(session->talk, io_after(DELIVER_ENVELOPE_MS +
                                              (int64_t)transaction->n_rcpts * DELIVER_RCPT_MS));
    struct fact fact = reset(session);
    if (fact_is_ok(&fact))
        fact = transaction_envelope(session, transaction);
    bool has_354 = fact_is_ok(&fact) && fact.stage == FACT_STAGE_DATA;
    if (has_354 && transaction->n_accepted == 0)
        return send_nothing(session);
    return has_354 ? send_message(session, transaction, following) : fact;
}

// --- When it breaks ---------------------------------------------------------------------------
// Nothing of the message went out that the peer could have delivered, and this host has not yet
// shown that it works: the next one may take it at once.
static bool may_go_elsewhere(const struct session *session, const struct fact *fact) {
    struct target *first;
    return session->n_completed == 0 && fact->stage < FACT_STAGE_BODY &&
           fact_allows_next_host(fact) && road_next(&session->road, &first) > 0;
}

// A connection that had ended before we used it again says nothing about the message.
static bool is_stale(const struct session *session, const struct transaction *transaction,
                     const struct fact *fact) {
    return fact->stage == FACT_STAGE_MAIL && !transaction->was_answered && session->n_completed > 0;
}

static void carry(struct session *session, const struct transaction *transaction,
                  const struct fact *fact) {
    session->carried = *transaction;
    session->carried.body = NULL;
    session->carried.owns_body = false;
    session->carried_fact = *fact;
    session->carried_fact.text =
        arena_copy(session->arena, view_take(fact->text, FACT_TEXT_BYTES_MAX));
}

// The conversation ended in the middle of `transaction`. Returns true when it is carried on to the
// next host.
static bool note_loss(struct session *session, struct transaction *transaction,
                      const struct fact *fact) {
    if (fact->kind == FACT_KIND_CANCELED || fact_is_ok(fact) ||
        is_stale(session, transaction, fact))
        return false;
    if (fact->kind != FACT_KIND_LOCAL) {
        note_failure(session, fact);
        if (may_go_elsewhere(session, fact)) {
            carry(session, transaction, fact);
            return true;
        }
        session->report->end = DELIVER_END_LOST;
    }
    transaction_result(session, transaction, fact, fact->stage < FACT_STAGE_DATA);
    return false;
}

// Ends a transaction. Returns its item where that goes on, with recipients that are left or on
// another host; else the item is settled.
static struct deliver_item *conclude(struct session *session, struct transaction *transaction,
                                     const struct fact *fact) {
    struct deliver_item *item = transaction->item;
    bool is_over = session->is_spoiled || !talk_is_open(session->talk);
    bool is_carried = is_over && note_loss(session, transaction, fact);
    bool goes_on = is_carried || (count_open(item) > 0 && may_go_on(session));
    transaction_end(transaction);
    if (!goes_on)
        settle(session, item);
    return goes_on ? item : NULL;
}

// --- The whole --------------------------------------------------------------------------------
// Message after message on one connection. The lane's fact: how the conversation ended.
IO_WAITS static struct fact deliver_mail(struct session *session) {
    struct transaction now = {.item = NULL}, following = {.item = NULL};
    struct fact fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    struct deliver_item *item = session->carried.item;
    session->carried.item = NULL;
    bool has_work = take_transaction(session, &now, item, DELIVER_ASK_FIRST);
    while (has_work) {
        fact = exchange(session, &now, &following);
        flag_downgrade(session, &fact);
        item = conclude(session, &now, &fact);
        has_work = talk_is_open(session->talk) && !session->is_spoiled;
        if (has_work && following.item) {
            now = following;
            following.item = NULL;
        } else {
            has_work = has_work && may_go_on(session) &&
                       take_transaction(session, &now, item, DELIVER_ASK_WAIT);
        }
    }
    if (following.item) { // it rode behind a dot that was the last: nothing is known of it
        item = following.item;
        transaction_end(&following);
        settle(session, item);
    }
    return talk_is_open(session->talk) && !session->is_spoiled
               ? fact_make(FACT_STAGE_DONE, FACT_KIND_OK)
               : fact;
}

static void init(struct session *session, const struct deliver_job *job, struct arena *arena,
                 struct deliver_report *report) {
    const struct config_connector *connector = job->route->connector;
    *report = (struct deliver_report){.end = DELIVER_END_FAILED};
    *session = (struct session){.job = job,
                                .connector = connector,
                                .arena = arena,
                                .report = report,
                                .domain = job->route->domain,
                                .helo = connector->helo ? view_of(connector->helo) : job->hostname};
    talk_timeouts_default(&session->timeouts);
    if (connector->connect_timeout_ms > 0)
        session->timeouts.connect_ms = connector->connect_timeout_ms;
    if (connector->greeting_timeout_ms > 0)
        session->timeouts.greeting_ms = connector->greeting_timeout_ms;
    record_init(&session->record);
    road_init(&session->road, job, arena);
    report->fact = session->road.skipped;
}

static void finish(struct session *session) {
    struct deliver_report *report = session->report;
    struct deliver_item *item = session->carried.item;
    if (item) { // no other host took it
        report->end = DELIVER_END_LOST;
        transaction_result(session, &session->carried, &session->carried_fact,
                           session->carried_fact.stage < FACT_STAGE_DATA);
        settle(session, item);
    }
    if (report->end == DELIVER_END_DONE)
        report->fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    if (io_is_canceled())
        report->end = DELIVER_END_CANCELED;
    record_finish(&session->record);
    free(session->scratch);
}

void deliver_session(const struct deliver_job *job, struct arena *arena,
                     struct deliver_report *report) {
    struct session session;
    ASSERT(fact_is_ok(&job->route->fact) && job->route->connector);
    init(&session, job, arena, report);
    while (open_connection(&session)) {
        report->end = DELIVER_END_DONE;
        struct fact fact = deliver_mail(&session);
        close_connection(&session, &fact);
        if (!session.carried.item)
            break;
    }
    finish(&session);
}
