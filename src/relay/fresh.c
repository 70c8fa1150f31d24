// SPDX-License-Identifier: Apache-2.0
// New mail. It comes from any session's loop with its envelope and body, and stays in memory until
// its first attempt ends, so that mail that flows is written once and never read. Memory has a
// bound: what has waited longest goes first, and is read from the spool when its turn comes.
#include "relay/relay_internal.h"

#include <stdlib.h>

// --- A copy of an envelope in one piece --------------------------------------------------

static size_t text_bytes(const struct mail_envelope *envelope) {
    size_t bytes = envelope->sender.len + envelope->envid.len + envelope->auth_identity.len +
                   envelope->client_name.len + envelope->listener.len + envelope->tls.len +
                   envelope->message_id.len + envelope->unknown.len;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct mail_recipient *recipient = &envelope->recipients[i];
        bytes += recipient->address.len + recipient->orcpt.len + recipient->unknown.len;
    }
    return bytes;
}

static void move_text(struct view *text, char **at) {
    if (text->len > 0)
        memcpy(*at, text->ptr, text->len);
    text->ptr = *at;
    *at += text->len;
}

static void copy_envelope(struct mail_envelope *to, const struct mail_envelope *from,
                          struct mail_recipient *recipients, char *text) {
    *to = *from;
    to->recipients = recipients;
    memcpy(recipients, from->recipients, from->n_recipients * sizeof *recipients);
    struct view *views[] = {&to->sender,   &to->envid, &to->auth_identity, &to->client_name,
                            &to->listener, &to->tls,   &to->message_id,    &to->unknown};
    for (size_t i = 0; i < ARRAY_LEN(views); i++)
        move_text(views[i], &text);
    for (size_t i = 0; i < to->n_recipients; i++) {
        move_text(&recipients[i].address, &text);
        move_text(&recipients[i].orcpt, &text);
        move_text(&recipients[i].unknown, &text);
    }
}

struct relay_fresh *relay_fresh_make(struct spool_id id, const struct mail_envelope *envelope,
                                     struct spool_body *body) {
    ASSERT(envelope->n_recipients > 0);
    size_t rcpt_bytes = envelope->n_recipients * sizeof(struct mail_recipient);
    size_t bytes = sizeof(struct relay_fresh) + rcpt_bytes + text_bytes(envelope);
    struct relay_fresh *fresh = mem_alloc(bytes);
    *fresh = (struct relay_fresh){.event.kind = RELAY_EVENT_ARRIVED, .id = id, .refs = 1};
    list_init(&fresh->link);
    struct mail_recipient *recipients = (struct mail_recipient *)(void *)(fresh + 1);
    copy_envelope(&fresh->envelope, envelope, recipients, (char *)recipients + rcpt_bytes);
    fresh->body = body ? spool_body_ref(body) : NULL;
    fresh->bytes = bytes + (body ? spool_body_size(body) : 0);
    return fresh;
}

void relay_fresh_unref(struct relay_fresh *fresh) {
    ASSERT(fresh->refs > 0);
    if (--fresh->refs > 0)
        return;
    spool_body_unref(fresh->body);
    free(fresh);
}

// --- Hook of serve/ ----------------------------------------------------------------------

void relay_accepted(void *arg, struct spool_id id, const struct mail_envelope *envelope,
                    struct spool_body *body) {
    struct relay *relay = arg;
    bool is_resident = body != NULL && spool_body_is_resident(body);
    struct relay_fresh *fresh = relay_fresh_make(id, envelope, is_resident ? body : NULL);
    io_mailbox_post(relay->inbox, &fresh->event.mail);
}

bool relay_refuses(void *arg, struct view domain, struct view *reason) {
    struct config *config = relay_config(arg);
    bool refuses = config_connector_for(config, domain) == NULL;
    config_unref(config);
    if (refuses)
        *reason = VIEW("no connector of this relay takes mail for that domain");
    return refuses;
}

// --- The table ---------------------------------------------------------------------------

struct relay_fresh *relay_fresh_find(struct relay *relay, uint32_t tag, struct spool_id id) {
    if (tag == 0 || tag >= relay->fresh_size)
        return NULL;
    struct relay_fresh *fresh = relay->fresh[tag];
    return fresh != NULL && spool_id_equals(fresh->id, id) ? fresh : NULL;
}

void relay_fresh_forget(struct relay *relay, uint32_t tag, struct spool_id id) {
    struct relay_fresh *fresh = relay_fresh_find(relay, tag, id);
    if (fresh == NULL)
        return;
    relay->fresh[tag] = NULL;
    relay->fresh_free[relay->n_fresh_free++] = tag;
    relay->fresh_bytes -= fresh->bytes;
    list_remove(&fresh->link);
    relay_fresh_unref(fresh);
}

static uint32_t free_tag(struct relay *relay) {
    if (relay->n_fresh_free == 0) {
        size_t size = relay->fresh_size ? relay->fresh_size * 2 : 1024;
        ASSERT(size <= UINT32_MAX);
        relay->fresh = mem_realloc(relay->fresh, size * sizeof(struct relay_fresh *));
        relay->fresh_free = mem_realloc(relay->fresh_free, size * sizeof(uint32_t));
        for (size_t tag = size; tag-- > relay->fresh_size;) {
            relay->fresh[tag] = NULL;
            if (tag != 0)
                relay->fresh_free[relay->n_fresh_free++] = (uint32_t)tag;
        }
        relay->fresh_size = size;
    }
    return relay->fresh_free[--relay->n_fresh_free];
}

static void make_room(struct relay *relay) {
    while (relay->fresh_bytes > relay->options.fresh_bytes &&
           !list_is_empty(&relay->fresh_oldest)) {
        struct relay_fresh *oldest =
            CONTAINER_OF(relay->fresh_oldest.next, struct relay_fresh, link);
        relay_fresh_forget(relay, oldest->tag, oldest->id);
    }
}

void relay_fresh_finish(struct relay *relay) {
    relay->options.fresh_bytes = 0;
    make_room(relay);
    free(relay->fresh);
    free(relay->fresh_free);
}

// --- Into the scheduler ------------------------------------------------------------------

// Keyed, since strangers choose addresses.
uint64_t relay_sender_hash(const struct relay *relay, struct view sender) {
    return hash_bytes_keyed(relay->hash_key, sender, true);
}

uint32_t relay_address_hash(const struct relay *relay, struct view address) {
    return (uint32_t)hash_bytes_keyed(relay->hash_key, address, true);
}

struct view relay_domain_of(struct view address, char *scratch, size_t size) {
    struct view domain = view_take(mail_address_domain(address), size);
    for (size_t i = 0; i < domain.len; i++)
        scratch[i] = ascii_lower(domain.ptr[i]);
    return view_from(scratch, domain.len);
}

static void read_state(struct relay *relay, struct view state, struct schedule_add *add,
                       struct schedule_add_rcpt *rcpt) {
    struct relay_record record;
    if (!relay_record_decode(state, &record))
        log_warning("relay", "the stored state of a recipient is damaged: it is tried at once");
    rcpt->next_ms = record.next_ms;
    rcpt->tried_ms = record.tried_ms;
    rcpt->held_since_ms = record.held_since_ms;
    rcpt->rounds = (uint16_t)(record.rounds < UINT16_MAX ? record.rounds : UINT16_MAX);
    rcpt->dot_losses = record.dot_losses;
    add->is_warned |= record.is_warned;
    add->is_hold_warned |= record.is_hold_warned;
    if (record.fact.kind == FACT_KIND_NONE)
        return;
    rcpt->cause = (uint16_t)cause_of(&record.fact);
    rcpt->is_local = relay_fact_is_local(&record.fact);
}

void relay_schedule_message(struct relay *relay, const struct relay_stored *stored) {
    const struct mail_envelope *envelope = stored->envelope;
    enum { DOMAIN_SIZE = 256 };
    size_t n = envelope->n_recipients;
    // Nearly all mail has one recipient: no memory is taken for it.
    struct schedule_add_rcpt one;
    char one_domain[DOMAIN_SIZE];
    struct schedule_add_rcpt *rcpts = n == 1 ? &one : mem_alloc(n * sizeof *rcpts);
    char *domains = n == 1 ? one_domain : mem_alloc(n * DOMAIN_SIZE);
    struct schedule_add add = {.id = stored->id,
                               .arrived_ms = envelope->arrived_ms,
                               .sender_hash = relay_sender_hash(relay, envelope->sender),
                               .tag = stored->tag,
                               .rcpts = rcpts};
    for (size_t i = 0; i < n; i++) {
        if (stored->marks != NULL && stored->marks[i] == SPOOL_RCPT_SETTLED)
            continue;
        struct schedule_add_rcpt *rcpt = &rcpts[add.n_rcpts++];
        struct view address = envelope->recipients[i].address;
        *rcpt = (struct schedule_add_rcpt){
            .domain = relay_domain_of(address, domains + i * DOMAIN_SIZE, DOMAIN_SIZE),
            .index = (uint32_t)i,
            .address_hash = relay_address_hash(relay, address)};
        if (stored->states != NULL && stored->states[i].len > 0)
            read_state(relay, stored->states[i], &add, rcpt);
    }
    if (add.n_rcpts > 0)
        schedule_add(relay->schedule, &add, io_now());
    if (n > 1) {
        free(rcpts);
        free(domains);
    }
}

void relay_fresh_add(struct relay *relay, struct relay_fresh *fresh) {
    if (schedule_find(relay->schedule, fresh->id) != 0) { // told twice: a notice that was repeated
        relay_fresh_unref(fresh);
        return;
    }
    fresh->tag = free_tag(relay);
    relay->fresh[fresh->tag] = fresh;
    relay->fresh_bytes += fresh->bytes;
    list_append(&relay->fresh_oldest, &fresh->link);
    struct relay_stored stored = {.id = fresh->id, .envelope = &fresh->envelope, .tag = fresh->tag};
    relay_schedule_message(relay, &stored);
    make_room(relay);
}
