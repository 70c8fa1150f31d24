// SPDX-License-Identifier: Apache-2.0
// What operators do to mail: count first, then act by cursor, a bounded part in each transaction,
// with the audit line in it.
#include "relay/relay_internal.h"

#include <stdlib.h>

enum { LOOKS_A_TURN = 2000, BATCH_MAX = 200, NOTICES_AT_ONCE = 16 };

struct performing {
    struct relay *relay;
    const struct relay_act *act;
    struct relay_outcome *outcome;
    struct error *error;
    bool is_good;
};

struct chosen {
    uint32_t rcpt, index;
    struct spool_id id;
};

// --- Words for the audit -----------------------------------------------------------------

static struct view action_word(enum relay_action action) {
    switch (action) {
    case RELAY_ACTION_HOLD: return VIEW("hold");
    case RELAY_ACTION_RELEASE: return VIEW("release");
    case RELAY_ACTION_RETRY: return VIEW("retry");
    case RELAY_ACTION_REMOVE: return VIEW("remove");
    case RELAY_ACTION_REJECT: break;
    }
    return VIEW("reject");
}

static void put_part(struct buffer *out, const char *name, struct view value) {
    if (value.len > 0)
        buffer_printf(out, "%s%s %.*s", out->len > 0 ? ", " : "", name, VIEW_ARG(value));
}

static void describe(const struct relay_selector *selector, struct buffer *out) {
    for (size_t i = 0; i < selector->n_ids && i < 100; i++) {
        char id[SPOOL_ID_TEXT_SIZE];
        put_part(out, "id", view_from(id, spool_id_format(selector->ids[i], id)));
    }
    put_part(out, "domain", selector->domain);
    put_part(out, "connector", selector->connector);
    put_part(out, "sender", selector->sender);
    put_part(out, "cause", selector->cause);
    if (selector->held_only)
        put_part(out, "all", VIEW("on hold"));
    else if (selector->all)
        put_part(out, "all", VIEW("mail"));
}

static struct relay_audit *make_audit(const struct performing *doing, size_t n_affected) {
    struct buffer target, detail;
    struct json_writer json;
    buffer_init(&target, 4096);
    buffer_init(&detail, 8192);
    describe(&doing->act->selector, &target);
    json_begin(&json, &detail);
    json_object_begin(&json);
    json_put_string(&json, "reason", view_take(doing->act->reason, 1000));
    json_put_int(&json, "matched", (int64_t)doing->outcome->n_matched);
    json_object_end(&json);
    struct ledger_audit audit = {.kind = LEDGER_AUDIT_OPERATOR,
                                 .at_ms = io_wall_ms(),
                                 .who = doing->act->who,
                                 .action = action_word(doing->act->action),
                                 .target = buffer_view(&target),
                                 .detail = buffer_view(&detail),
                                 .n_affected = n_affected};
    struct relay_audit *line = relay_audit_make(doing->relay, &audit);
    buffer_finish(&target);
    buffer_finish(&detail);
    return line;
}

// --- Counting ----------------------------------------------------------------------------

IO_WAITS static bool count(struct performing *doing) {
    struct relay_choice *choice =
        relay_choice_open(doing->relay, &doing->act->selector, doing->error);
    if (choice == NULL)
        return false;
    uint32_t last_message = 0;
    for (bool is_more = true; is_more; io_yield()) {
        unsigned budget = LOOKS_A_TURN;
        uint32_t rcpt;
        while ((rcpt = relay_choice_next(choice, &budget)) != 0) {
            struct schedule_rcpt_info info;
            schedule_rcpt(doing->relay->schedule, rcpt, &info);
            doing->outcome->n_matched++;
            doing->outcome->n_messages += info.message != last_message;
            last_message = info.message;
        }
        is_more = budget == 0;
    }
    relay_choice_close(choice);
    return true;
}

// --- One batch ---------------------------------------------------------------------------

IO_WAITS static enum spool_status commit(struct performing *doing, struct spool_tx *tx, size_t n) {
    struct relay_audit *audit = make_audit(doing, n);
    relay_audit_note(doing->relay, audit, tx);
    enum spool_status status = spool_commit(tx);
    if (status == SPOOL_OK)
        relay_audit_tell(doing->relay, audit);
    else
        relay_audit_free(audit);
    return status;
}

// The handle may name somebody else after a wait.
static bool is_still(struct relay *relay, const struct chosen *chosen, enum schedule_state state) {
    uint32_t message = schedule_find(relay->schedule, chosen->id);
    uint32_t rcpt = message == 0 ? 0 : schedule_message_rcpt(relay->schedule, message);
    for (; rcpt != 0; rcpt = schedule_next_rcpt(relay->schedule, rcpt)) {
        if (rcpt != chosen->rcpt)
            continue;
        struct schedule_rcpt_info info;
        schedule_rcpt(relay->schedule, rcpt, &info);
        return info.index == chosen->index && info.state == state;
    }
    return false;
}

// Writes the recipients' states anew with or without a hold; the rest of each state stays as it
// was.
IO_WAITS static struct spool_tx *write_holds(struct relay *relay, struct chosen *chosen, size_t n,
                                             int64_t held_since_ms) {
    struct spool_tx *tx = spool_tx_create(relay->spool);
    for (size_t i = 0; i < n; i++) {
        struct arena arena;
        struct spool_entry entry;
        struct relay_record record;
        arena_init(&arena, RELAY_ANSWER_ARENA);
        relay_record_init(&record);
        if (spool_lookup(relay->spool, chosen[i].id, &arena, &entry) == SPOOL_OK &&
            chosen[i].index < entry.n_rcpts)
            relay_record_decode(entry.states[chosen[i].index], &record);
        record.held_since_ms = held_since_ms;
        struct buffer state;
        buffer_init(&state, RELAY_RECORD_BYTES_MAX);
        relay_record_encode(&record, &state);
        if (is_still(relay, &chosen[i], SCHEDULE_HELD))
            spool_tx_update(tx, chosen[i].id, chosen[i].index, buffer_view(&state));
        buffer_finish(&state);
        arena_finish(&arena);
    }
    return tx;
}

IO_WAITS static enum spool_status hold_batch(struct performing *doing, struct chosen *chosen,
                                             size_t n) {
    struct relay *relay = doing->relay;
    int64_t now_ms = io_wall_ms();
    for (size_t i = 0; i < n; i++)
        schedule_hold(relay->schedule, chosen[i].rcpt, now_ms);
    return commit(doing, write_holds(relay, chosen, n, now_ms), n);
}

// Durable first: what is released may be gone a moment later.
IO_WAITS static enum spool_status release_batch(struct performing *doing, struct chosen *chosen,
                                                size_t n) {
    struct relay *relay = doing->relay;
    enum spool_status status = commit(doing, write_holds(relay, chosen, n, 0), n);
    for (size_t i = 0; i < n && status == SPOOL_OK; i++)
        if (is_still(relay, &chosen[i], SCHEDULE_HELD))
            schedule_release(relay->schedule, chosen[i].rcpt, io_now());
    return status;
}

IO_WAITS static enum spool_status remove_batch(struct performing *doing, struct chosen *chosen,
                                               size_t n) {
    struct relay *relay = doing->relay;
    struct spool_tx *tx = spool_tx_create(relay->spool);
    for (size_t i = 0; i < n; i++)
        spool_tx_settle(tx, chosen[i].id, chosen[i].index);
    enum spool_status status = commit(doing, tx, n);
    for (size_t i = 0; i < n; i++) {
        if (status == SPOOL_OK)
            relay_dropped(relay, chosen[i].rcpt);
        else
            schedule_put_back(relay->schedule, chosen[i].rcpt);
    }
    relay->counts.removed += status == SPOOL_OK ? n : 0;
    return status;
}

// Each message's notice settles its recipients; the first one's transaction holds the audit line.
IO_WAITS static enum spool_status reject_batch(struct performing *doing, struct chosen *chosen,
                                               size_t n) {
    struct relay *relay = doing->relay;
    struct io_event done[NOTICES_AT_ONCE];
    for (size_t i = 0; i < n;) {
        size_t n_notices = 0;
        for (; i < n && n_notices < NOTICES_AT_ONCE; n_notices++) {
            struct relay_notice *notice =
                relay_notice_make(relay, chosen[i].id, MAIL_NOTICE_FAILED);
            if (n_notices == 0)
                notice->audit = make_audit(doing, n);
            for (; i < n && spool_id_equals(chosen[i].id, notice->id); i++)
                relay_notice_add(notice, chosen[i].rcpt, chosen[i].index, RELAY_REJECTED);
            io_event_init(&done[n_notices]);
            notice->done = &done[n_notices];
            list_append(&relay->notices, &notice->link);
        }
        relay_step(relay);
        for (size_t j = 0; j < n_notices; j++)
            io_event_wait(&done[j], IO_NEVER);
    }
    return SPOOL_OK;
}

// --- The whole ---------------------------------------------------------------------------

// Whether the action has anything to do for it; those that a session has are marked for later.
static bool choose(struct performing *doing, uint32_t rcpt, struct chosen *chosen) {
    struct schedule *schedule = doing->relay->schedule;
    struct schedule_rcpt_info info;
    schedule_rcpt(schedule, rcpt, &info);
    *chosen = (struct chosen){.rcpt = rcpt, .index = info.index, .id = info.id};
    if (info.state == SCHEDULE_OUT) {
        doing->outcome->n_in_flight++;
        if (doing->act->action == RELAY_ACTION_HOLD)
            schedule_hold(schedule, rcpt, io_wall_ms());
        if (doing->act->action == RELAY_ACTION_RELEASE)
            schedule_release(schedule, rcpt, io_now());
        if (doing->act->action == RELAY_ACTION_REMOVE)
            schedule_take_out(schedule, rcpt);
        return false;
    }
    switch (doing->act->action) {
    case RELAY_ACTION_HOLD: return info.state != SCHEDULE_HELD;
    case RELAY_ACTION_RELEASE: return info.state == SCHEDULE_HELD;
    case RELAY_ACTION_REMOVE:
    case RELAY_ACTION_REJECT: return schedule_take_out(schedule, rcpt);
    case RELAY_ACTION_RETRY: break;
    }
    return false;
}

IO_WAITS static enum spool_status act_batch(struct performing *doing, struct chosen *chosen,
                                            size_t n) {
    switch (doing->act->action) {
    case RELAY_ACTION_HOLD: return hold_batch(doing, chosen, n);
    case RELAY_ACTION_RELEASE: return release_batch(doing, chosen, n);
    case RELAY_ACTION_REMOVE: return remove_batch(doing, chosen, n);
    case RELAY_ACTION_REJECT: return reject_batch(doing, chosen, n);
    case RELAY_ACTION_RETRY: break;
    }
    return SPOOL_OK;
}

IO_WAITS static bool act_by_cursor(struct performing *doing) {
    struct chosen *chosen = mem_alloc(BATCH_MAX * sizeof *chosen);
    struct relay_choice *choice =
        relay_choice_open(doing->relay, &doing->act->selector, doing->error);
    bool is_more = choice != NULL;
    bool is_good = choice != NULL;
    while (is_more && is_good) {
        unsigned budget = LOOKS_A_TURN;
        size_t n = 0;
        uint32_t rcpt = 0;
        while (n < BATCH_MAX && (rcpt = relay_choice_next(choice, &budget)) != 0)
            n += choose(doing, rcpt, &chosen[n]);
        is_more = rcpt != 0 || budget == 0;
        if (n > 0 && act_batch(doing, chosen, n) != SPOOL_OK)
            is_good = error_set(doing->error, "the spool could not store it: see `status`");
        else
            doing->outcome->n_done += n;
        relay_step(doing->relay);
        io_yield();
    }
    relay_choice_close(choice);
    free(chosen);
    return is_good;
}

// A retry also lifts what holds the lanes and domains of the chosen.
static void retry_one(struct performing *doing, uint32_t rcpt, uint32_t *last_domain) {
    struct relay *relay = doing->relay;
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    schedule_retry(relay->schedule, rcpt, io_now());
    doing->outcome->n_done += info.state == SCHEDULE_READY || info.state == SCHEDULE_WAITING;
    doing->outcome->n_in_flight += info.state == SCHEDULE_OUT;
    if (info.domain == *last_domain)
        return;
    *last_domain = info.domain;
    struct schedule_domain_info domain;
    schedule_domain(relay->schedule, info.domain, &domain);
    if (domain.lane != 0)
        schedule_retry_lane(relay->schedule, domain.lane, io_now());
    else
        schedule_retry_domain(relay->schedule, info.domain, io_now());
}

IO_WAITS static bool retry(struct performing *doing) {
    struct relay_choice *choice =
        relay_choice_open(doing->relay, &doing->act->selector, doing->error);
    if (choice == NULL)
        return false;
    deliver_memory_clear(doing->relay->memory);
    uint32_t last_domain = 0;
    for (bool is_more = true; is_more; io_yield()) {
        unsigned budget = LOOKS_A_TURN;
        uint32_t rcpt;
        while ((rcpt = relay_choice_next(choice, &budget)) != 0)
            retry_one(doing, rcpt, &last_domain);
        is_more = budget == 0;
        relay_step(doing->relay);
    }
    relay_choice_close(choice);
    struct spool_tx *tx = spool_tx_create(doing->relay->spool);
    if (commit(doing, tx, doing->outcome->n_done) != SPOOL_OK)
        log_warning("relay", "a retry went ahead, but its audit line could not be stored");
    return true;
}

static void perform(struct relay *relay, void *arg) {
    struct performing *doing = arg;
    const struct relay_act *act = doing->act;
    if (relay->is_stopping) {
        doing->is_good = error_set(doing->error, "the relay is ending");
        return;
    }
    doing->is_good = count(doing);
    if (!doing->is_good)
        return;
    doing->outcome->is_refused = act->expect_max > 0 && doing->outcome->n_matched > act->expect_max;
    if (doing->outcome->is_refused || act->dry_run)
        return;
    doing->is_good = act->action == RELAY_ACTION_RETRY ? retry(doing) : act_by_cursor(doing);
}

bool relay_perform(struct relay *relay, const struct relay_act *act, struct relay_outcome *outcome,
                   struct error *error) {
    *outcome = (struct relay_outcome){0};
    struct performing doing = {.relay = relay, .act = act, .outcome = outcome, .error = error};
    relay_call_home(relay, perform, &doing);
    return doing.is_good;
}

static void trust(struct relay *relay, void *arg) {
    struct performing *doing = arg;
    schedule_trust_clock(relay->schedule, io_now(), io_wall_ms());
    struct ledger_audit audit = {.kind = LEDGER_AUDIT_OPERATOR,
                                 .at_ms = io_wall_ms(),
                                 .who = doing->act->who,
                                 .action = VIEW("trust-clock"),
                                 .target = VIEW("clock")};
    struct relay_audit *line = relay_audit_make(relay, &audit);
    struct spool_tx *tx = spool_tx_create(relay->spool);
    relay_audit_note(relay, line, tx);
    if (spool_commit(tx) == SPOOL_OK)
        relay_audit_tell(relay, line);
    else
        relay_audit_free(line);
    doing->is_good = true;
    relay_step(relay);
}

bool relay_trust_clock(struct relay *relay, struct view who, struct error *error) {
    struct relay_act act = {.who = who};
    struct performing doing = {.relay = relay, .act = &act, .error = error};
    relay_call_home(relay, trust, &doing);
    return doing.is_good;
}
