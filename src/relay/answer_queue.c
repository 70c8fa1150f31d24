// SPDX-License-Identifier: Apache-2.0
// `queue`, `queue list` and `queue show`.
#include "relay/answer.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOKS_A_TURN = 2000, LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, AGES = 10 };

static size_t limit_of(const struct relay_ask *ask) {
    return ask->limit == 0 ? LIMIT_DEFAULT : size_min(ask->limit, LIMIT_MAX);
}

// --- Ages, the columns of qshape ---------------------------------------------------------

static const int64_t age_minutes[AGES - 1] = {5, 10, 20, 40, 80, 160, 320, 640, 1280};

static void put_ages(const uint32_t counts[AGES], struct json_writer *json) {
    json_key(json, "ages");
    json_array_begin(json);
    for (size_t i = 0; i < AGES; i++) {
        json_object_begin(json);
        if (i < AGES - 1)
            json_put_int(json, "up_to_minutes", age_minutes[i]);
        else
            json_put_null(json, "up_to_minutes");
        json_put_int(json, "waiting", counts[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void count_age(struct relay *relay, uint32_t rcpt, uint32_t counts[AGES]) {
    struct schedule_rcpt_info info;
    schedule_rcpt(relay->schedule, rcpt, &info);
    int64_t minutes = (io_wall_ms() - info.arrived_ms) / 60000;
    size_t column = 0;
    while (column < AGES - 1 && minutes >= age_minutes[column])
        column++;
    counts[column]++;
}

// By cursor over a domain; the lane may lose domains meanwhile, so that their handles are asked
// again.
IO_WAITS static void count_domain(struct relay *relay, uint32_t domain, uint32_t counts[AGES]) {
    struct schedule_cursor cursor;
    uint32_t rcpt;
    unsigned n = 0;
    schedule_cursor_open(relay->schedule, &cursor, SCHEDULE_SELECT_DOMAIN, domain);
    while ((rcpt = schedule_cursor_next(relay->schedule, &cursor)) != 0) {
        count_age(relay, rcpt, counts);
        if (++n % LOOKS_A_TURN == 0)
            io_yield();
    }
    schedule_cursor_close(&cursor);
}

struct handles {
    uint32_t *at;
    size_t n, size;
};

static void add_handle(struct handles *handles, uint32_t handle) {
    if (handles->n == handles->size) {
        handles->size = handles->size ? handles->size * 2 : 64;
        handles->at = mem_realloc(handles->at, handles->size * sizeof(uint32_t));
    }
    handles->at[handles->n++] = handle;
}

static void gather_lane(struct relay *relay, uint32_t lane, struct handles *domains) {
    domains->n = 0;
    for (uint32_t domain = schedule_lane_domain(relay->schedule, lane, 0); domain != 0;
         domain = schedule_lane_domain(relay->schedule, lane, domain))
        add_handle(domains, domain);
}

IO_WAITS static void put_ages_of(struct relay *relay, const struct handles *domains,
                                 struct json_writer *json) {
    uint32_t counts[AGES] = {0};
    for (size_t i = 0; i < domains->n; i++)
        if (schedule_domain_is_known(relay->schedule, domains->at[i]))
            count_domain(relay, domains->at[i], counts);
    put_ages(counts, json);
}

// --- `queue` -----------------------------------------------------------------------------

static void put_totals(struct relay *relay, struct json_writer *json) {
    struct schedule_counts counts = schedule_counts(relay->schedule);
    json_key(json, "totals");
    json_object_begin(json);
    json_put_int(json, "messages", (int64_t)counts.messages);
    json_put_int(json, "recipients", (int64_t)counts.rcpts);
    json_put_int(json, "ready", (int64_t)counts.ready);
    json_put_int(json, "deferred", (int64_t)counts.waiting);
    json_put_int(json, "held", (int64_t)counts.held);
    json_put_int(json, "in_flight", (int64_t)counts.out);
    json_put_int(json, "lanes", counts.lanes);
    json_object_end(json);
}

bool relay_answer_lanes(struct relay *relay, const struct relay_ask *ask, struct json_writer *json,
                        struct error *error) {
    size_t n = 0, limit = limit_of(ask);
    struct arena arena;
    struct handles handles = {0};
    arena_init(&arena, RELAY_ANSWER_ARENA);
    json_put_int(json, "schema", 1);
    json_key(json, "lanes");
    json_array_begin(json);
    for (uint32_t lane = schedule_next_lane(relay->schedule, 0); lane != 0;
         lane = schedule_next_lane(relay->schedule, lane)) {
        struct schedule_lane_info info;
        schedule_lane(relay->schedule, lane, io_now(), &info);
        bool is_empty = info.n_rcpts == 0 && (info.backoff.rounds == 0 || info.n_domains == 0);
        if (is_empty || n++ >= limit)
            continue;
        struct arena_mark mark = arena_mark(&arena);
        json_object_begin(json);
        relay_put_lane(relay, lane, &arena, json);
        gather_lane(relay, lane, &handles);
        if (ask->with_ages)
            put_ages_of(relay, &handles, json);
        json_object_end(json);
        arena_reset(&arena, mark);
    }
    for (uint32_t domain = schedule_next_domain(relay->schedule, 0); domain != 0;
         domain = schedule_next_domain(relay->schedule, domain)) {
        struct schedule_domain_info info;
        schedule_domain(relay->schedule, domain, &info);
        if (info.lane != 0 || n++ >= limit)
            continue;
        struct arena_mark mark = arena_mark(&arena);
        json_object_begin(json);
        relay_put_domain(relay, domain, &arena, json);
        handles.n = 0;
        add_handle(&handles, domain);
        if (ask->with_ages)
            put_ages_of(relay, &handles, json);
        json_object_end(json);
        arena_reset(&arena, mark);
    }
    json_array_end(json);
    json_put_int(json, "left_out", n > limit ? (int64_t)(n - limit) : 0);
    put_totals(relay, json);
    free(handles.at);
    arena_finish(&arena);
    return true;
}

// --- `queue list` ------------------------------------------------------------------------

// The cursor is how many were shown before: it is good as long as the queue stands still, and never
// repeats much when it does not.
IO_WAITS static uint64_t skip(struct relay_choice *choice, uint64_t n) {
    uint64_t skipped = 0;
    while (skipped < n) {
        unsigned budget = LOOKS_A_TURN;
        while (skipped < n && relay_choice_next(choice, &budget) != 0)
            skipped++;
        if (skipped < n && budget > 0)
            break;
        io_yield();
    }
    return skipped;
}

IO_WAITS static uint32_t next_chosen(struct relay_choice *choice) {
    for (;;) {
        unsigned budget = LOOKS_A_TURN;
        uint32_t rcpt = relay_choice_next(choice, &budget);
        if (rcpt != 0 || budget > 0)
            return rcpt;
        io_yield();
    }
}

bool relay_answer_list(struct relay *relay, const struct relay_ask *ask, struct json_writer *json,
                       struct error *error) {
    uint64_t before = 0;
    if (ask->cursor.len > 0 && !view_to_u64(ask->cursor, &before))
        return error_set(error, "the cursor is none that an answer gave");
    struct relay_choice *choice = relay_choice_open(relay, &ask->selector, error);
    if (choice == NULL)
        return false;
    size_t n = 0, limit = limit_of(ask);
    uint32_t rcpt = 0;
    before = skip(choice, before);
    json_put_int(json, "schema", 1);
    json_key(json, "recipients");
    json_array_begin(json);
    while ((rcpt = next_chosen(choice)) != 0 && n < limit) {
        struct arena arena;
        struct relay_shown shown;
        arena_init(&arena, RELAY_ANSWER_ARENA);
        relay_show(relay, rcpt, &arena, &shown);
        json_object_begin(json);
        relay_put_recipient(relay, &shown, &arena, json);
        json_object_end(json);
        arena_finish(&arena);
        n++;
    }
    json_array_end(json);
    char next[24];
    snprintf(next, sizeof next, "%llu", (unsigned long long)(before + n));
    json_put_string(json, "next", rcpt != 0 ? view_of(next) : VIEW_NONE);
    relay_choice_close(choice);
    return true;
}

// --- `queue show` ------------------------------------------------------------------------

static void put_address(struct json_writer *json, const char *key, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    size_t len = address->family == ADDRESS_NONE ? 0 : address_format(address, text, sizeof text);
    json_put_string(json, key, view_from(text, len));
}

static void put_envelope(const struct mail_envelope *envelope, struct json_writer *json) {
    json_key(json, "sender");
    json_add_string(json, envelope->sender);
    json_put_time(json, "queued_at", envelope->arrived_ms);
    json_put_int(json, "size", (int64_t)envelope->size_bytes);
    json_put_string(json, "message_id", envelope->message_id);
    json_put_bool(json, "is_notice", envelope->is_notice);
    json_put_bool(json, "smtputf8", envelope->smtputf8);
    json_put_bool(json, "requiretls", envelope->requiretls);
    put_address(json, "client", &envelope->client);
    put_address(json, "client_proxied", &envelope->client_proxied);
    json_put_string(json, "client_name", envelope->client_name);
    json_put_string(json, "auth_identity", envelope->auth_identity);
    json_put_string(json, "listener", envelope->listener);
    json_put_string(json, "tls", envelope->tls);
    json_put_string(json, "envid", envelope->envid);
}

IO_WAITS static void put_recipients(struct relay *relay, struct spool_id id,
                                    const struct mail_envelope *envelope, struct arena *arena,
                                    struct json_writer *json) {
    json_key(json, "recipients");
    json_array_begin(json);
    for (uint32_t i = 0; i < envelope->n_recipients; i++) {
        struct relay_shown shown;
        uint32_t rcpt = relay_rcpt_find(relay, id, i);
        json_object_begin(json);
        if (rcpt != 0) {
            relay_show(relay, rcpt, arena, &shown);
            relay_put_recipient(relay, &shown, arena, json);
        } else {
            json_put_string(json, "recipient", envelope->recipients[i].address);
            json_put_string(json, "state", VIEW("settled"));
        }
        json_object_end(json);
    }
    json_array_end(json);
}

bool relay_answer_show(struct relay *relay, const struct relay_ask *ask, struct json_writer *json,
                       struct error *error) {
    struct spool_id id;
    struct arena arena;
    struct spool_entry entry;
    struct mail_envelope envelope;
    if (!spool_id_parse(view_trim(ask->text), &id))
        return error_set(error, "\"%.*s\" is no message id", VIEW_ARG(view_take(ask->text, 100)));
    arena_init(&arena, 4 * (size_t)RELAY_ANSWER_ARENA);
    bool is_known = spool_lookup(relay->spool, id, &arena, &entry) == SPOOL_OK &&
                    mail_envelope_decode(entry.envelope, &arena, &envelope);
    char text[SPOOL_ID_TEXT_SIZE];
    json_put_int(json, "schema", 1);
    json_put_string(json, "id", view_from(text, spool_id_format(id, text)));
    json_put_bool(json, "is_known", is_known);
    if (is_known) {
        put_envelope(&envelope, json);
        put_recipients(relay, id, &envelope, &arena, json);
    } else {
        error_set(error, "no message %s is queued", text);
    }
    arena_finish(&arena);
    return is_known;
}
