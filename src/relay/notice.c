// SPDX-License-Identifier: Apache-2.0
// Notices: a recipient that ends badly is settled in the same transaction that adds the notice for
// the sender, so that neither is ever without the other. Each is written by a fiber of its own,
// because the header of the original may have to be read; only so many at once.
#include "relay/relay_internal.h"

#include <stdlib.h>

// --- Gathering ---------------------------------------------------------------------------

struct relay_notice *relay_notice_make(struct relay *relay, struct spool_id id,
                                       enum mail_notice_kind kind) {
    struct relay_notice *notice = mem_alloc_zero(sizeof *notice);
    notice->relay = relay;
    notice->id = id;
    notice->kind = kind;
    list_init(&notice->link);
    return notice;
}

void relay_notice_free(struct relay_notice *notice) {
    for (size_t i = 0; i < notice->n_rcpts; i++)
        relay_record_free(notice->rcpts[i].record);
    relay_audit_free(notice->audit);
    free(notice->rcpts);
    free(notice);
}

static struct relay_ended_rcpt *add_rcpt(struct relay_notice *notice, uint32_t rcpt,
                                         uint32_t index) {
    if (notice->n_rcpts == notice->size) {
        notice->size = notice->size ? notice->size * 2 : 4;
        notice->rcpts = mem_realloc(notice->rcpts, notice->size * sizeof *notice->rcpts);
    }
    struct relay_ended_rcpt *ended = &notice->rcpts[notice->n_rcpts++];
    *ended = (struct relay_ended_rcpt){.rcpt = rcpt, .index = index};
    return ended;
}

void relay_notice_add(struct relay_notice *notice, uint32_t rcpt, uint32_t index,
                      enum relay_ending ending) {
    add_rcpt(notice, rcpt, index)->ending = ending;
}

static void gathered(struct relay *relay) {
    if (relay->gathering != NULL)
        list_append(&relay->notices, &relay->gathering->link);
    relay->gathering = NULL;
}

// The recipient is out. Those of one message that end together share a notice.
void relay_end_rcpt(struct relay *relay, uint32_t rcpt, enum relay_ending ending,
                    const struct relay_record *record) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    ASSERT(info.state == SCHEDULE_OUT);
    if (relay->gathering != NULL && !spool_id_equals(relay->gathering->id, info.id))
        gathered(relay);
    if (relay->gathering == NULL)
        relay->gathering = relay_notice_make(relay, info.id, MAIL_NOTICE_FAILED);
    struct relay_ended_rcpt *ended = add_rcpt(relay->gathering, rcpt, info.index);
    ended->ending = ending;
    ended->record = record != NULL ? relay_record_copy(record) : NULL;
    if (ending == RELAY_EXPIRED || ending == RELAY_HOLD_EXPIRED)
        relay->counts.expired++;
    else
        relay->counts.bounced++;
}

void relay_warn_message(struct relay *relay, uint32_t message, enum mail_notice_kind kind) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, schedule_message_rcpt(relay->schedule, message), &info);
    struct relay_notice *notice = relay_notice_make(relay, info.id, kind);
    list_append(&relay->notices, &notice->link);
}

// --- Writing -----------------------------------------------------------------------------

// Whom a warning is about is looked up when it is written: the queue moves on meanwhile.
static void choose_warned(struct relay_notice *notice) {
    struct schedule *schedule = notice->relay->schedule;
    uint32_t message = schedule_find(schedule, notice->id);
    notice->n_rcpts = 0;
    if (message == 0)
        return;
    for (uint32_t rcpt = schedule_message_rcpt(schedule, message); rcpt != 0;
         rcpt = schedule_next_rcpt(schedule, rcpt)) {
        struct schedule_rcpt_info info;
        schedule_rcpt(schedule, rcpt, &info);
        bool is_held = info.state == SCHEDULE_HELD;
        if (info.state != SCHEDULE_OUT && is_held == (notice->kind == MAIL_NOTICE_HELD))
            add_rcpt(notice, rcpt, info.index);
    }
}

// As much of the header as a notice may quote; what cannot be read is left out.
IO_WAITS static struct view read_header(struct relay *relay, struct spool_id id,
                                        struct arena *arena) {
    struct spool_body *body;
    if (spool_body_open(relay->spool, id, &body) != SPOOL_OK)
        return VIEW_NONE;
    char *scratch = arena_alloc(arena, RELAY_NOTICE_HEADER_MAX);
    struct view header = VIEW_NONE;
    if (scratch != NULL &&
        spool_body_read(body, 0, RELAY_NOTICE_HEADER_MAX, scratch, &header) == SPOOL_OK)
        header = arena_copy(arena, view_take(header, mail_header_len(header)));
    spool_body_unref(body);
    return header;
}

static void write_states(struct relay_notice *notice, const struct spool_entry *entry,
                         struct spool_tx *tx) {
    for (size_t i = 0; i < notice->n_rcpts; i++) {
        uint32_t index = notice->rcpts[i].index;
        struct relay_record record;
        relay_record_decode(entry->states[index], &record);
        record.is_warned |= notice->kind == MAIL_NOTICE_DELAYED;
        record.is_hold_warned |= notice->kind == MAIL_NOTICE_HELD;
        struct buffer state;
        buffer_init(&state, RELAY_RECORD_BYTES_MAX);
        relay_record_encode(&record, &state);
        spool_tx_update(tx, notice->id, index, buffer_view(&state));
        buffer_finish(&state);
    }
}

struct writing { // one try at writing a notice
    struct relay_notice *notice;
    struct arena arena;
    struct spool_entry entry;
    struct mail_envelope envelope; // of the original
    struct mail_envelope reply;    // of the notice
    struct mail_recipient to;
    struct spool_id reply_id;
    struct spool_body *body;
};

static struct spool_id reply_id(const struct relay_notice *notice, struct arena *arena) {
    uint32_t *indices = arena_alloc(arena, (notice->n_rcpts + 1) * sizeof(uint32_t));
    if (indices == NULL)
        return spool_id_next(notice->relay->spool);
    for (size_t i = 0; i < notice->n_rcpts; i++)
        indices[i] = notice->rcpts[i].index;
    return spool_id_derive(notice->id, indices, notice->n_rcpts, (unsigned)notice->kind);
}

static void fill_envelope(struct writing *writing, struct view text) {
    writing->to =
        (struct mail_recipient){.address = writing->envelope.sender, .notify = MAIL_NOTIFY_NEVER};
    bool has_8bit = false;
    for (size_t i = 0; i < text.len && !has_8bit; i++)
        has_8bit = ((unsigned char)text.ptr[i] & 0x80) != 0;
    writing->reply = (struct mail_envelope){.recipients = &writing->to,
                                            .n_recipients = 1,
                                            .arrived_ms = io_wall_ms(),
                                            .size_bytes = text.len,
                                            .body = has_8bit ? MAIL_BODY_8BITMIME : MAIL_BODY_7BIT,
                                            .has_8bit = has_8bit,
                                            .smtputf8 = writing->envelope.smtputf8,
                                            .is_notice = true};
}

// Makes the notice's body; without one nobody is told.
IO_WAITS static enum spool_status make_body(struct writing *writing) {
    struct relay_notice *notice = writing->notice;
    struct relay *relay = notice->relay;
    struct config *config = config_ref(relay->config);
    writing->reply_id = reply_id(notice, &writing->arena);
    struct relay_notice_source source = {.notice = notice,
                                         .envelope = &writing->envelope,
                                         .entry = &writing->entry,
                                         .config = config,
                                         .notice_id = writing->reply_id};
    source.header = read_header(relay, notice->id, &writing->arena);
    struct buffer text;
    buffer_init(&text, 4 << 20);
    enum spool_status status = SPOOL_OK;
    if (relay_notice_write(relay, &source, &writing->arena, &text)) {
        fill_envelope(writing, buffer_view(&text));
        writing->body = spool_body_create(relay->spool, NULL);
        status = spool_body_append(writing->body, buffer_view(&text), io_after(60 * 1000));
        relay->counts.notices++;
    } else {
        relay->counts.notices_suppressed++;
    }
    buffer_finish(&text);
    config_unref(config);
    return status;
}

IO_WAITS static enum spool_status commit(struct writing *writing) {
    struct relay_notice *notice = writing->notice;
    struct spool_tx *tx = spool_tx_create(notice->relay->spool);
    if (writing->body != NULL)
        spool_tx_add(tx, writing->reply_id, &writing->reply, writing->body);
    if (notice->kind != MAIL_NOTICE_FAILED)
        write_states(notice, &writing->entry, tx);
    else
        for (size_t i = 0; i < notice->n_rcpts; i++)
            spool_tx_settle(tx, notice->id, notice->rcpts[i].index);
    if (notice->audit != NULL)
        relay_audit_note(notice->relay, notice->audit, tx);
    return spool_commit(tx);
}

static void log_ending(const struct writing *writing) {
    const struct relay_notice *notice = writing->notice;
    char id[SPOOL_ID_TEXT_SIZE], reply[SPOOL_ID_TEXT_SIZE] = "none";
    enum relay_ending ending = notice->rcpts[0].ending;
    bool is_expired = ending == RELAY_EXPIRED || ending == RELAY_HOLD_EXPIRED;
    const char *what = notice->kind == MAIL_NOTICE_FAILED    ? is_expired ? "expired" : "bounced"
                       : notice->kind == MAIL_NOTICE_DELAYED ? "delayed"
                                                             : "on hold";
    spool_id_format(notice->id, id);
    if (writing->body != NULL)
        spool_id_format(writing->reply_id, reply);
    const struct relay_record *record = notice->rcpts[0].record;
    struct arena arena;
    struct view cause = VIEW_NONE;
    arena_init(&arena, 16 << 10);
    if (record != NULL)
        cause = fact_describe(&record->fact, &arena);
    else if (notice->kind == MAIL_NOTICE_FAILED)
        cause = VIEW("its time was up");
    log_info("relay", "%s: from=<%.*s> recipients=%zu %s%s%.*s, notice=%s", id,
             VIEW_ARG(writing->envelope.sender), notice->n_rcpts, what, cause.len > 0 ? ": " : "",
             VIEW_ARG(cause), reply);
    arena_finish(&arena);
}

// A recipient that the routing ended has met no host: this is the attempt that `why` finds.
static void note_routing_end(const struct writing *writing, const struct relay_ended_rcpt *ended) {
    char id[SPOOL_ID_TEXT_SIZE];
    const struct mail_envelope *envelope = &writing->envelope;
    const struct relay_record *record = ended->record;
    if (ended->ending != RELAY_REFUSED || record == NULL || record->peer.family != ADDRESS_NONE ||
        record->host.len > 0 || ended->index >= envelope->n_recipients)
        return;
    struct view recipient = envelope->recipients[ended->index].address;
    struct attempt_result result = {.message_id =
                                        view_from(id, spool_id_format(writing->notice->id, id)),
                                    .rcpt_index = ended->index,
                                    .recipient = recipient,
                                    .fact = record->fact};
    struct attempt attempt = {.at_ms = record->tried_ms - record->fact.elapsed_ms,
                              .elapsed_ms = record->fact.elapsed_ms,
                              .domain = mail_address_domain(recipient),
                              .fact = fact_make(record->fact.stage, FACT_KIND_OK),
                              .results = &result,
                              .n_results = 1};
    ledger_attempt(writing->notice->relay->ledger, &attempt);
}

static void finish(struct writing *writing) {
    struct relay_notice *notice = writing->notice;
    struct relay *relay = notice->relay;
    log_ending(writing);
    for (size_t i = 0; notice->kind == MAIL_NOTICE_FAILED && i < notice->n_rcpts; i++) {
        note_routing_end(writing, &notice->rcpts[i]);
        relay_dropped(relay, notice->rcpts[i].rcpt);
    }
    if (writing->body != NULL)
        relay_fresh_add(relay, relay_fresh_make(writing->reply_id, &writing->reply, writing->body));
    if (notice->audit != NULL) {
        relay_audit_tell(relay, notice->audit);
        notice->audit = NULL;
    }
}

IO_WAITS static enum spool_status try_once(struct relay_notice *notice) {
    struct relay *relay = notice->relay;
    if (notice->kind != MAIL_NOTICE_FAILED)
        choose_warned(notice);
    if (notice->n_rcpts == 0)
        return SPOOL_OK;
    struct writing *writing = mem_alloc_zero(sizeof *writing);
    writing->notice = notice;
    arena_init(&writing->arena, RELAY_ANSWER_ARENA);
    enum spool_status status =
        spool_lookup(relay->spool, notice->id, &writing->arena, &writing->entry);
    // An envelope that cannot be read has no sender to tell: its recipients are settled all the
    // same.
    if (status == SPOOL_OK &&
        mail_envelope_decode(writing->entry.envelope, &writing->arena, &writing->envelope))
        status = make_body(writing);
    if (status == SPOOL_OK || status == SPOOL_DAMAGED || status == SPOOL_NOT_FOUND)
        status = commit(writing);
    if (status == SPOOL_OK)
        finish(writing);
    spool_body_unref(writing->body);
    arena_finish(&writing->arena);
    free(writing);
    return status;
}

static void notice_run(void *arg) {
    struct relay_notice *notice = arg;
    struct relay *relay = notice->relay;
    while (try_once(notice) != SPOOL_OK) {
        relay_check_health(relay);
        if (!io_is_ok(io_sleep(io_after(RELAY_AGAIN_MS))) && io_is_canceled())
            break; // we end: the message is as it was, and this is done at the next start
    }
    if (notice->done != NULL)
        io_event_set(notice->done);
    relay_notice_free(notice);
    relay->n_notices--;
    relay_step(relay);
    io_event_set(&relay->quiet);
}

void relay_notices_start(struct relay *relay) {
    gathered(relay);
    while (relay->n_notices < RELAY_NOTICES_MAX && !list_is_empty(&relay->notices)) {
        struct relay_notice *notice =
            CONTAINER_OF(list_pop(&relay->notices), struct relay_notice, link);
        relay->n_notices++;
        io_group_spawn(&relay->helpers, "notice", notice_run, notice);
    }
}
