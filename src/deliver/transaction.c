// SPDX-License-Identifier: Apache-2.0
// One transaction (RFC 5321 3.3): MAIL, a RCPT for each recipient, DATA, the body. What the peer
// says to MAIL and DATA concerns all recipients, what it says to RCPT that one.
#include "deliver/deliver_internal.h"

// --- Results ----------------------------------------------------------------------------------
static void set_result(struct session *session, struct deliver_item *item, size_t position,
                       const struct fact *fact) {
    ASSERT(position < item->n_rcpts && item->results[position].kind == FACT_KIND_NONE);
    struct view text = view_take(fact->text, FACT_TEXT_BYTES_MAX);
    char *copy = mem_alloc(text.len + 1);
    view_copy_string(text, copy, text.len + 1);
    free(item->result_texts[position]);
    item->result_texts[position] = copy;
    item->results[position] = *fact;
    item->results[position].text = view_from(copy, text.len);
    if (session->target->in_clear)
        item->results[position].flags |= FACT_FLAG_TLS_DOWNGRADED;
    if (session->talk)
        record_result(session, item, position, &item->results[position]);
}

void transaction_result(struct session *session, struct transaction *transaction,
                        const struct fact *fact, bool everyone) {
    struct deliver_item *item = transaction->item;
    for (size_t i = 0; i < transaction->n_rcpts; i++) {
        size_t position = transaction->positions[i];
        bool is_open = item->results[position].kind == FACT_KIND_NONE;
        if (is_open && (everyone || transaction->accepted[i]))
            set_result(session, item, position, fact);
    }
}

// --- What the peer can be given ---------------------------------------------------------------
static const struct mail_recipient *recipient_at(const struct deliver_item *item, size_t position) {
    ASSERT(position < item->n_rcpts);
    uint32_t index = item->rcpt_indices[position];
    ASSERT(index < item->envelope->n_recipients);
    return &item->envelope->recipients[index];
}

static bool has_8bit(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] > 0x7f)
            return true;
    return false;
}

// Control characters would break out of the command line; a stored envelope that holds them is
// damaged.
static bool is_sound(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return text.len <= SMTP_PATH_BYTES_MAX;
}

// RFC 6531 3.4: the extension is needed by what is international, not by who said so.
static bool needs_utf8(const struct deliver_item *item) {
    const struct mail_envelope *envelope = item->envelope;
    if (has_8bit(envelope->sender))
        return true;
    for (size_t i = 0; i < item->n_rcpts; i++)
        if (has_8bit(recipient_at(item, i)->address))
            return true;
    return envelope->smtputf8 && envelope->has_8bit;
}

static struct fact demand_fact(int detail) {
    struct fact fact = fact_make(FACT_STAGE_MAIL, FACT_KIND_DEMAND);
    fact.detail = (int)detail;
    fact.at_ms = io_wall_ms();
    return fact;
}

static struct fact local_fact(enum fact_stage stage) {
    struct fact fact = fact_make(stage, FACT_KIND_LOCAL);
    fact.detail = FACT_LOCAL_SPOOL;
    fact.at_ms = io_wall_ms();
    return fact;
}

// RFC 8689 4.2.1: only over a verified session with a server that keeps the promise, too.
static bool may_require_tls(const struct session *session) {
    const struct tls_session *tls = talk_tls(session->talk);
    return tls && tls->x509_verify == 0 && tls->name_matches &&
           talk_extensions(session->talk)->requiretls;
}

// Kind OK, or why this message cannot go to this peer at all.
static struct fact check_message(const struct session *session, const struct deliver_item *item,
                                 const struct transaction *transaction) {
    const struct smtp_extensions *can = talk_extensions(session->talk);
    const struct mail_envelope *envelope = item->envelope;
    if (!transaction->body || !is_sound(envelope->sender) || !is_sound(envelope->envid))
        return local_fact(FACT_STAGE_MAIL);
    // RFC 1870 6.1.
    if (can->size_max && envelope->size_bytes > can->size_max)
        return demand_fact(FACT_DEMAND_SIZE);
    if (needs_utf8(item) && !can->smtputf8)
        return demand_fact(FACT_DEMAND_SMTPUTF8);
    if (envelope->requiretls && !may_require_tls(session))
        return demand_fact(FACT_DEMAND_TLS_POLICY);
    return fact_make(FACT_STAGE_MAIL, FACT_KIND_OK);
}

// A session is opened for one domain. Where the certificate must be for the recipient's own, others
// are let in only if it is for theirs, too.
static struct fact check_recipient(const struct session *session,
                                   const struct mail_recipient *recipient) {
    struct view domain = mail_address_domain(recipient->address);
    struct route_demand demand;
    if (!is_sound(recipient->address) || !is_sound(recipient->orcpt) || recipient->address.len == 0)
        return local_fact(FACT_STAGE_RCPT);
    if (!route_demand_is_by_domain(session->connector) ||
        view_equals_nocase(domain, session->domain))
        return fact_make(FACT_STAGE_RCPT, FACT_KIND_OK);
    route_demand_init(&demand, session->connector, session->target->host, domain);
    if (talk_tls_matches(session->talk, demand.policy.names, demand.policy.n_names))
        return fact_make(FACT_STAGE_RCPT, FACT_KIND_OK);
    return demand_fact(FACT_DEMAND_TLS_POLICY);
}

// --- Begin and end ----------------------------------------------------------------------------
static void choose_recipients(struct session *session, struct transaction *transaction) {
    struct deliver_item *item = transaction->item;
    for (size_t i = 0; i < item->n_rcpts && transaction->n_rcpts < session->rcpts_max; i++) {
        if (item->results[i].kind != FACT_KIND_NONE)
            continue;
        struct fact fact = check_recipient(session, recipient_at(item, i));
        if (fact_is_ok(&fact))
            transaction->positions[transaction->n_rcpts++] = (uint32_t)i;
        else
            set_result(session, item, i, &fact);
    }
}

bool transaction_begin(struct session *session, struct transaction *transaction,
                       struct deliver_item *item) {
    *transaction = (struct transaction){.item = item, .body = item->body};
    struct view greeting = talk_greeting_line(session->talk);
    item->host = session->target->host->name;
    item->source = talk_source(session->talk);
    view_copy_string(view_take(greeting, sizeof(item->greeting) - 1), item->greeting,
                     sizeof(item->greeting));
    item->peer = session->target->address;
    choose_recipients(session, transaction);
    if (transaction->n_rcpts == 0)
        return false;
    if (!transaction->body) {
        enum spool_status status =
            spool_body_open(session->job->spool, item->id, &transaction->body);
        transaction->owns_body = status == SPOOL_OK;
    }
    struct fact fact = check_message(session, item, transaction);
    if (fact_is_ok(&fact))
        return true;
    transaction_result(session, transaction, &fact, true);
    transaction_end(transaction);
    return false;
}

void transaction_end(struct transaction *transaction) {
    if (transaction->owns_body)
        spool_body_unref(transaction->body);
    *transaction = (struct transaction){.item = NULL};
}

// --- The envelope -----------------------------------------------------------------------------
static void send_mail(struct session *session, const struct transaction *transaction) {
    const struct mail_envelope *envelope = transaction->item->envelope;
    struct talk_mail mail = {.sender = envelope->sender,
                             .size = envelope->size_bytes,
                             .has_8bit = envelope->has_8bit,
                             .smtputf8 = needs_utf8(transaction->item),
                             .requiretls = envelope->requiretls,
                             .ret = envelope->ret,
                             .envid = envelope->envid};
    talk_send_mail(session->talk, &mail);
    session->n_transactions++;
}

static void send_rcpt(struct session *session, const struct transaction *transaction, size_t i) {
    const struct mail_recipient *recipient =
        recipient_at(transaction->item, transaction->positions[i]);
    struct talk_rcpt rcpt = {
        .address = recipient->address, .notify = recipient->notify, .orcpt = recipient->orcpt};
    talk_send_rcpt(session->talk, &rcpt);
}

void transaction_send_envelope(struct session *session, struct transaction *transaction) {
    ASSERT(!transaction->is_sent);
    send_mail(session, transaction);
    for (size_t i = 0; i < transaction->n_rcpts; i++)
        send_rcpt(session, transaction, i);
    talk_send_data(session->talk);
    transaction->is_sent = true;
}

// RFC 5321 4.5.3.1.10: "too many recipients" is about their number, not about this one. Old servers
// say 552. Only what follows an accepted one is believed, so that the rest grows smaller.
static bool is_too_many(const struct transaction *transaction, const struct fact *fact) {
    bool has_code = fact->reply_code == 452 || fact->reply_code == 552;
    bool says_so = fact->enhanced[0] == 0 || (fact->enhanced[1] == 5 && fact->enhanced[2] == 3);
    return has_code && says_so && transaction->n_accepted > 0;
}

static void note_rcpt(struct session *session, struct transaction *transaction, size_t i,
                      const struct fact *fact) {
    if (fact_is_ok(fact)) {
        transaction->accepted[i] = true;
        transaction->n_accepted++;
    } else if (is_too_many(transaction, fact)) {
        session->rcpts_max = transaction->n_accepted; // the others go next, on this connection
    } else {
        set_result(session, transaction->item, transaction->positions[i], fact);
    }
}

// RFC 2920 3.1: one group, up to DATA; the replies come in order.
IO_WAITS static struct fact envelope_in_group(struct session *session,
                                              struct transaction *transaction) {
    struct talk *talk = session->talk;
    if (!transaction->is_sent)
        transaction_send_envelope(session, transaction);
    struct fact mail = talk_read_mail(talk);
    transaction->was_answered = talk_is_open(talk);
    if (!fact_is_ok(&mail) && transaction->was_answered)
        transaction_result(session, transaction, &mail, true);
    for (size_t i = 0; i < transaction->n_rcpts && talk_is_open(talk); i++) {
        struct fact rcpt = talk_read_rcpt(talk);
        if (fact_is_ok(&mail) && (talk_is_open(talk) || rcpt.kind == FACT_KIND_REPLY))
            note_rcpt(session, transaction, i, &rcpt);
        if (!talk_is_open(talk))
            return rcpt;
    }
    if (!talk_is_open(talk))
        return mail;
    struct fact data = talk_read_data(talk);
    session->needs_rset = !fact_is_ok(&data) && fact_is_ok(&mail);
    return data;
}

// One command, one reply.
IO_WAITS static struct fact envelope_in_lock_step(struct session *session,
                                                  struct transaction *transaction) {
    struct talk *talk = session->talk;
    send_mail(session, transaction);
    struct fact fact = talk_read_mail(talk);
    transaction->was_answered = talk_is_open(talk);
    if (!fact_is_ok(&fact) && transaction->was_answered)
        transaction_result(session, transaction, &fact, true);
    if (!fact_is_ok(&fact))
        return fact;
    session->needs_rset = true;
    for (size_t i = 0; i < transaction->n_rcpts; i++) {
        send_rcpt(session, transaction, i);
        fact = talk_read_rcpt(talk);
        if (talk_is_open(talk) || fact.kind == FACT_KIND_REPLY)
            note_rcpt(session, transaction, i, &fact);
        if (!talk_is_open(talk))
            return fact;
    }
    if (transaction->n_accepted == 0)
        return fact;
    talk_send_data(talk);
    fact = talk_read_data(talk);
    session->needs_rset = !fact_is_ok(&fact);
    return fact;
}

struct fact transaction_envelope(struct session *session, struct transaction *transaction) {
    bool is_grouped = transaction->is_sent || talk_extensions(session->talk)->pipelining;
    struct fact fact = is_grouped ? envelope_in_group(session, transaction)
                                  : envelope_in_lock_step(session, transaction);
    if (fact.kind == FACT_KIND_REPLY && fact.stage == FACT_STAGE_DATA &&
        talk_is_open(session->talk))
        transaction_result(session, transaction, &fact, false);
    return fact;
}

// --- The body ---------------------------------------------------------------------------------
// Resident bodies are written from where they lie; others come through the scratch, which is free
// again only when it is written.
struct fact transaction_body(struct session *session, struct transaction *transaction) {
    struct fact fact = fact_make(FACT_STAGE_BODY, FACT_KIND_OK);
    uint64_t offset = 0;
    if (!session->scratch)
        session->scratch = mem_alloc(DELIVER_PIECE_BYTES);
    for (;;) {
        struct view piece = VIEW_NONE;
        enum spool_status status = spool_body_read(transaction->body, offset, DELIVER_PIECE_BYTES,
                                                   session->scratch, &piece);
        if (status != SPOOL_OK)
            return local_fact(FACT_STAGE_BODY);
        if (piece.len == 0)
            return fact;
        offset += piece.len;
        fact = talk_send_body(session->talk, piece);
        if (fact_is_ok(&fact) && piece.ptr == session->scratch)
            fact = talk_flush(session->talk, FACT_STAGE_BODY);
        if (!fact_is_ok(&fact))
            return fact;
    }
}
