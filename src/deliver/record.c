// SPDX-License-Identifier: Apache-2.0
// What is told of a connection: an attempt, for success as for failure, with everything that is
// known of the peer. Results are gathered, as an attempt for each message would cost more than the
// message; they are told when the connection ends, waits for work, or has done much.
#include "deliver/deliver_internal.h"

void record_init(struct record *record) {
    *record = (struct record){0};
    arena_init(&record->arena, DELIVER_RECORD_BYTES_MAX);
}

void record_finish(struct record *record) {
    free(record->results);
    arena_finish(&record->arena);
}

void record_begin(struct session *session) {
    struct record *record = &session->record;
    ASSERT(record->n_results == 0);
    record->began = io_now();
    record->is_told = false;
}

static struct view common_domain(const struct session *session) {
    const struct record *record = &session->record;
    if (record->n_results == 0)
        return session->domain;
    struct view domain = mail_address_domain(record->results[0].recipient);
    for (size_t i = 1; i < record->n_results; i++)
        if (!view_equals_nocase(mail_address_domain(record->results[i].recipient), domain))
            return VIEW_NONE;
    return domain;
}

static struct attempt begin_attempt(const struct session *session, const struct target *target,
                                    const struct fact *fact) {
    const struct route *route = session->job->route;
    return (struct attempt){.connector = view_of(session->connector->name),
                            .domain = common_domain(session),
                            .site = route->site,
                            .host = target->host->name,
                            .peer = target->address,
                            .source = target->source,
                            .helo = session->helo,
                            .fact = *fact};
}

static void tell(struct session *session, struct attempt *attempt) {
    const struct deliver_hooks *hooks = &session->job->hooks;
    attempt->at_ms = io_wall_ms();
    session->report->n_attempts++;
    if (hooks->attempted)
        hooks->attempted(hooks->arg, attempt);
}

void record_tell(struct session *session, const struct fact *fact) {
    struct record *record = &session->record;
    const struct talk *talk = session->talk;
    struct attempt attempt = begin_attempt(session, session->target, fact);
    const struct tls_session *tls = talk_tls_seen(talk);
    attempt.elapsed_ms = io_now() - record->began;
    attempt.fact.flags |= talk_flags(talk);
    if (session->target->in_clear)
        attempt.fact.flags |= FACT_FLAG_TLS_DOWNGRADED;
    attempt.source = talk_source(talk);
    attempt.greeting = talk_greeting_line(talk);
    if (tls) {
        attempt.tls = view_of(tls->description);
        attempt.tls_verify = tls->x509_verify;
    }
    attempt.results = record->results;
    attempt.n_results = record->n_results;
    tell(session, &attempt);
    record->is_told = true;
    record->n_results = 0;
    record->began = io_now();
    arena_reset(&record->arena, (struct arena_mark){0});
}

void record_tell_connect(struct session *session, const struct target *target,
                         const struct fact *fact) {
    struct attempt attempt = begin_attempt(session, target, fact);
    attempt.elapsed_ms = fact->elapsed_ms;
    tell(session, &attempt);
}

void record_result(struct session *session, const struct deliver_item *item, size_t position,
                   const struct fact *fact) {
    struct record *record = &session->record;
    char id[SPOOL_ID_TEXT_SIZE];
    uint32_t index = item->rcpt_indices[position];
    ASSERT(index < item->envelope->n_recipients);
    if (!record->results)
        record->results = mem_alloc(DELIVER_RECORD_RESULTS_MAX * sizeof(*record->results));
    struct attempt_result *result = &record->results[record->n_results++];
    size_t len = spool_id_format(item->id, id);
    *result = (struct attempt_result){.rcpt_index = index, .fact = *fact};
    result->message_id = arena_copy(&record->arena, view_from(id, len));
    result->recipient = arena_copy(&record->arena, item->envelope->recipients[index].address);
    result->fact.text = arena_copy(&record->arena, view_take(fact->text, FACT_TEXT_BYTES_MAX));
    ASSERT(result->fact.text.ptr != NULL); // the arena holds the largest record
    if (record->n_results == DELIVER_RECORD_RESULTS_MAX) {
        struct fact so_far = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
        record_tell(session, &so_far);
    }
}
