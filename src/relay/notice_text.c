// SPDX-License-Identifier: Apache-2.0
// What a notice says of each recipient: the catalogue's words for the fact that ended or delays it.
#include "relay/relay_internal.h"

#include <stdlib.h>

static void newest_failure(struct relay *relay, const struct relay_ended_rcpt *ended,
                           const struct spool_entry *entry, struct relay_record *record) {
    relay_record_init(record);
    if (ended->record != NULL)
        *record = *ended->record;
    else if (ended->index < entry->n_rcpts)
        relay_record_decode(entry->states[ended->index], record);
    if (ended->ending != RELAY_REFUSED)
        relay_newest_failure(relay, ended->rcpt, record);
}

static struct fact told_fact(const struct relay_ended_rcpt *ended,
                             const struct relay_record *record) {
    struct fact fact = record->fact;
    if (fact.kind == FACT_KIND_NONE) // nothing was tried: its time was up all the same
        fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_EXPIRED);
    if (ended->ending == RELAY_REJECTED)
        fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_CANCELED);
    return fact;
}

// RFC 3464 2.3.4: registered codes (RFC 3463, RFC 5248); an expiry is 4.4.7 whatever lies behind
// it.
static struct view status_of(const struct relay_ended_rcpt *ended, enum mail_notice_kind kind,
                             const struct verdict *verdict) {
    if (kind != MAIL_NOTICE_FAILED)
        return view_is_empty(verdict->enhanced) ? VIEW("4.0.0") : verdict->enhanced;
    switch (ended->ending) {
    case RELAY_EXPIRED:
    case RELAY_HOLD_EXPIRED: return VIEW("4.4.7");
    case RELAY_REJECTED: return VIEW("5.7.1");
    case RELAY_REFUSED: break;
    }
    return view_is_empty(verdict->enhanced) ? VIEW("5.0.0") : verdict->enhanced;
}

static struct view ending_words(const struct relay_ended_rcpt *ended, enum mail_notice_kind kind,
                                struct arena *arena) {
    if (kind == MAIL_NOTICE_HELD)
        return VIEW(
            "The message is on hold on this server. Unless the hold is lifted it ends in a day.\n");
    if (kind == MAIL_NOTICE_DELAYED)
        return VIEW(
            "The message is not delivered yet. It is tried again; nothing needs to be done.\n");
    switch (ended->ending) {
    case RELAY_EXPIRED: return VIEW("It was tried until its time was up, without success.\n");
    case RELAY_HOLD_EXPIRED: return VIEW("It was on hold for longer than this server allows.\n");
    case RELAY_REJECTED: return VIEW("An administrator of this server rejected it.\n");
    case RELAY_REFUSED: break;
    }
    return VIEW_NONE;
}

static struct view text_of(const struct relay_ended_rcpt *ended, enum mail_notice_kind kind,
                           const struct relay_record *record, const struct verdict *verdict,
                           struct arena *arena) {
    struct buffer text;
    buffer_init(&text, 16 << 10);
    buffer_append_view(&text, ending_words(ended, kind, arena));
    bool is_ours = ended->ending == RELAY_REJECTED || ended->ending == RELAY_HOLD_EXPIRED;
    if (record->dot_losses > 0)
        buffer_printf(
            &text, "It may have been delivered %u time%s: the server took it and said nothing.\n",
            record->dot_losses, record->dot_losses == 1 ? "" : "s");
    if (!is_ours && record->fact.kind != FACT_KIND_NONE)
        verdict_write_text(verdict, &text);
    struct view copy = arena_copy(arena, buffer_view(&text));
    buffer_finish(&text);
    return copy;
}

// Only a reply that was really received is quoted as one (RFC 3464 2.3.6).
static void fill_diagnostic(const struct fact *fact, struct arena *arena,
                            struct mail_notice_recipient *out) {
    bool is_reply = fact->kind == FACT_KIND_REPLY && fact->reply_code != 0;
    out->diagnostic_type = is_reply ? VIEW("smtp") : VIEW("x-postrider");
    out->diagnostic = fact_describe(fact, arena);
}

static void fill_recipient(struct relay *relay, const struct relay_notice_source *source, size_t i,
                           struct arena *arena, struct mail_notice_recipient *out) {
    const struct relay_ended_rcpt *ended = &source->notice->rcpts[i];
    enum mail_notice_kind kind = source->notice->kind;
    struct relay_record record;
    newest_failure(relay, ended, source->entry, &record);
    struct fact fact = told_fact(ended, &record);
    struct attempt attempt = {.host = record.host,
                              .peer = record.peer,
                              .source = record.source,
                              .greeting = record.greeting,
                              .at_ms = record.tried_ms,
                              .fact = fact};
    struct verdict verdict;
    verdict_of_fact(&fact, &attempt, ended->ending == RELAY_EXPIRED, arena, &verdict);
    const struct mail_recipient *recipient = &source->envelope->recipients[ended->index];
    *out = (struct mail_notice_recipient){.recipient = recipient->address,
                                          .orcpt = recipient->orcpt,
                                          .status = status_of(ended, kind, &verdict),
                                          .remote_name = record.host,
                                          .last_attempt_ms = record.tried_ms};
    fill_diagnostic(&fact, arena, out);
    if (record.peer.family != ADDRESS_NONE) {
        char text[ADDRESS_TEXT_SIZE];
        size_t len = address_format(&record.peer, text, sizeof text);
        out->remote_address = arena_copy(arena, view_from(text, len));
    }
    struct view cause_id = cause_info(verdict.cause)->id;
    out->cause = arena_printf(arena, "%.*s %.*s", VIEW_ARG(verdict.code), VIEW_ARG(cause_id));
    out->text = text_of(ended, kind, &record, &verdict, arena);
    if (kind == MAIL_NOTICE_FAILED)
        return;
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, ended->rcpt, &info);
    out->will_retry_until_ms = info.expires_ms;
}

static bool wants_notice(const struct mail_recipient *recipient, enum mail_notice_kind kind) {
    unsigned wanted = kind == MAIL_NOTICE_FAILED ? MAIL_NOTIFY_FAILURE : MAIL_NOTIFY_DELAY;
    return recipient->notify == 0 || (recipient->notify & wanted) != 0;
}

static struct view postmaster(const struct config *config, struct arena *arena) {
    if (config->postmaster != NULL && config->postmaster[0] != '\0')
        return view_of(config->postmaster);
    return arena_printf(arena, "postmaster@%s", config->hostname);
}

static void write(const struct relay_notice_source *source,
                  const struct mail_notice_recipient *recipients, size_t n, struct arena *arena,
                  struct buffer *out) {
    char original_id[SPOOL_ID_TEXT_SIZE], notice_id[SPOOL_ID_TEXT_SIZE];
    size_t original_len = spool_id_format(source->notice->id, original_id);
    size_t notice_len = spool_id_format(source->notice_id, notice_id);
    struct mail_notice notice = {.kind = source->notice->kind,
                                 .reporting_name = view_of(source->config->hostname),
                                 .from = postmaster(source->config, arena),
                                 .to = source->envelope->sender,
                                 .envid = source->envelope->envid,
                                 .original_id = view_from(original_id, original_len),
                                 .notice_id = view_from(notice_id, notice_len),
                                 .arrived_ms = source->envelope->arrived_ms,
                                 .at_ms = io_wall_ms(),
                                 .original_header = source->header,
                                 .recipients = recipients,
                                 .n_recipients = n};
    mail_notice_write(&notice, out);
}

bool relay_notice_write(struct relay *relay, const struct relay_notice_source *source,
                        struct arena *arena, struct buffer *out) {
    size_t n = 0, n_all = source->notice->n_rcpts;
    struct mail_notice_recipient *recipients = arena_alloc(arena, n_all * sizeof *recipients);
    if (recipients == NULL || view_is_empty(source->envelope->sender)) {
        // RFC 5321 4.5.5: mail from <> never causes mail. Its end is on record all the same.
        char id[SPOOL_ID_TEXT_SIZE];
        size_t len = spool_id_format(source->notice->id, id);
        if (source->notice->kind == MAIL_NOTICE_FAILED)
            relay_audit_system(relay, VIEW("drop"), view_from(id, len),
                               VIEW("{\"reason\":\"undeliverable, and from <>\"}"));
        return false;
    }
    for (size_t i = 0; i < n_all; i++) {
        uint32_t index = source->notice->rcpts[i].index;
        if (index < source->envelope->n_recipients &&
            wants_notice(&source->envelope->recipients[index], source->notice->kind))
            fill_recipient(relay, source, i, arena, &recipients[n++]);
    }
    if (n > 0)
        write(source, recipients, n, arena, out);
    return n > 0 && !out->overflow;
}
