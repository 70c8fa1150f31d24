// SPDX-License-Identifier: Apache-2.0
// `why`: what keeps a message, the mail of an address or the mail of a domain from being delivered;
// or, for what is gone, how it ended. The queue answers what is now, the ledger what was.
#include "relay/answer.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 100, ATTEMPTS_MAX = 20, SCAN_A_TURN = 4096, LANES_MAX = 20 };

struct name {
    struct spool_id id;
    uint32_t index;
};

struct why {
    struct relay *relay;
    const struct relay_ask *ask;
    struct view text;
    struct arena arena;
    struct ledger_query history;
    struct attempt **attempts; // newest first
    size_t n_attempts;
    bool is_complete;
    struct name *found; // recipients by name: handles do not outlive a wait
    size_t n_found;
    uint64_t n_matches;
    uint32_t domain;                               // of the question, or zero
    uint32_t lanes[LANES_MAX], domains[LANES_MAX]; // that the found wait for
    size_t n_lanes, n_domains;
};

// --- Finding -----------------------------------------------------------------------------

static void see(uint32_t *handles, size_t *n, uint32_t handle) {
    for (size_t i = 0; i < *n; i++)
        if (handles[i] == handle)
            return;
    if (*n < LANES_MAX)
        handles[(*n)++] = handle;
}

static void see_domain(struct why *why, uint32_t number) {
    struct schedule_domain_info domain;
    schedule_domain(why->relay->schedule, number, &domain);
    if (domain.lane != 0)
        see(why->lanes, &why->n_lanes, domain.lane);
    else
        see(why->domains, &why->n_domains, number);
}

static void found(struct why *why, uint32_t rcpt, uint64_t first) {
    uint64_t place = why->n_matches++;
    if (place < first || why->n_found == MESSAGES_MAX)
        return;
    struct schedule_rcpt_info info;
    schedule_rcpt(why->relay->schedule, rcpt, &info);
    why->found[why->n_found++] = (struct name){info.id, info.index};
    see_domain(why, info.domain);
}

static void find_id(struct why *why, struct spool_id id, uint64_t first) {
    struct schedule *schedule = why->relay->schedule;
    uint32_t message = schedule_find(schedule, id);
    uint32_t rcpt = message == 0 ? 0 : schedule_message_rcpt(schedule, message);
    for (; rcpt != 0; rcpt = schedule_next_rcpt(schedule, rcpt))
        found(why, rcpt, first);
}

// To it, in memory order; and from it.
IO_WAITS static void find_address(struct why *why, uint64_t first) {
    struct relay *relay = why->relay;
    uint32_t hash = relay_address_hash(relay, why->text), at = 0, rcpt;
    do {
        while ((rcpt = schedule_scan(relay->schedule, hash, SCAN_A_TURN, &at)) != 0)
            found(why, rcpt, first);
        io_yield();
    } while (at != 0);
    struct schedule_cursor cursor;
    schedule_cursor_open(relay->schedule, &cursor, SCHEDULE_SELECT_SENDER,
                         relay_sender_hash(relay, why->text));
    while (why->n_found < MESSAGES_MAX &&
           (rcpt = schedule_cursor_next(relay->schedule, &cursor)) != 0)
        found(why, rcpt, first);
    schedule_cursor_close(&cursor);
}

static void find_domain(struct why *why, uint64_t first) {
    struct relay *relay = why->relay;
    struct schedule_domain_info info;
    char name[256];
    struct view domain = view_take(why->text, sizeof name);
    for (size_t i = 0; i < domain.len; i++)
        name[i] = ascii_lower(domain.ptr[i]);
    why->domain = schedule_domain_find(relay->schedule, view_from(name, domain.len));
    if (why->domain == 0)
        return;
    see_domain(why, why->domain);
    schedule_domain(relay->schedule, why->domain, &info);
    struct schedule_cursor cursor;
    uint32_t rcpt;
    schedule_cursor_open(relay->schedule, &cursor, SCHEDULE_SELECT_DOMAIN, why->domain);
    while (why->n_found < MESSAGES_MAX &&
           (rcpt = schedule_cursor_next(relay->schedule, &cursor)) != 0)
        found(why, rcpt, first);
    schedule_cursor_close(&cursor);
    why->n_matches = info.n_rcpts;
}

IO_WAITS static void find(struct why *why, uint64_t first) {
    struct spool_id id;
    why->found = arena_alloc(&why->arena, MESSAGES_MAX * sizeof *why->found);
    if (why->found == NULL)
        return;
    if (spool_id_parse(why->text, &id)) {
        why->history.message_id = why->text;
        find_id(why, id, first);
    } else if (view_find_char(why->text, '@') < why->text.len) {
        why->history.recipient = why->text;
        find_address(why, first);
    } else {
        why->history.domain = why->text;
        find_domain(why, first);
    }
}

// --- Showing -----------------------------------------------------------------------------

// An attempt is a message's when it names it; one that failed before MAIL names nobody, and is that
// of all who waited on its lane at the time.
static bool speaks_of(const struct attempt *attempt, const struct relay_shown *shown,
                      struct view site) {
    char id[SPOOL_ID_TEXT_SIZE];
    struct view text = view_from(id, spool_id_format(shown->info.id, id));
    for (size_t i = 0; i < attempt->n_results; i++)
        if (view_equals(attempt->results[i].message_id, text))
            return true;
    return attempt->n_results == 0 && !fact_is_ok(&attempt->fact) &&
           attempt->at_ms + attempt->elapsed_ms >= shown->info.arrived_ms &&
           view_equals(attempt->site, site);
}

static void put_attempts(const struct why *why, const struct relay_shown *shown,
                         struct json_writer *json) {
    struct schedule_lane_info lane = {0};
    if (shown != NULL && shown->domain.lane != 0)
        schedule_lane(why->relay->schedule, shown->domain.lane, io_now(), &lane);
    json_key(json, "attempts");
    json_array_begin(json);
    for (size_t i = 0; i < why->n_attempts; i++)
        if (shown == NULL || speaks_of(why->attempts[i], shown, relay_lane_site(lane.key)))
            attempt_write_json(why->attempts[i], json);
    json_array_end(json);
}

static void put_lanes(struct why *why, struct json_writer *json) {
    struct relay *relay = why->relay;
    json_key(json, "lanes");
    json_array_begin(json);
    for (size_t i = 0; i < why->n_lanes; i++) {
        if (!schedule_lane_is_known(relay->schedule, why->lanes[i]))
            continue;
        json_object_begin(json);
        relay_put_lane(relay, why->lanes[i], &why->arena, json);
        json_object_end(json);
    }
    for (size_t i = 0; i < why->n_domains; i++) {
        if (!schedule_domain_is_known(relay->schedule, why->domains[i]))
            continue;
        json_object_begin(json);
        relay_put_domain(relay, why->domains[i], &why->arena, json);
        json_object_end(json);
    }
    json_array_end(json);
}

IO_WAITS static void put_messages(struct why *why, struct json_writer *json) {
    struct relay *relay = why->relay;
    json_key(json, "messages");
    json_array_begin(json);
    for (size_t i = 0; i < why->n_found; i++) {
        struct arena arena;
        struct relay_shown shown;
        uint32_t rcpt = relay_rcpt_find(relay, why->found[i].id, why->found[i].index);
        if (rcpt == 0)
            continue; // it was delivered a moment ago
        arena_init(&arena, 4 * (size_t)RELAY_ANSWER_ARENA);
        relay_show(relay, rcpt, &arena, &shown);
        json_object_begin(json);
        relay_put_recipient(relay, &shown, &arena, json);
        put_attempts(why, &shown, json);
        json_object_end(json);
        arena_finish(&arena);
    }
    json_array_end(json);
}

IO_WAITS static bool ask_ledger(struct why *why, const struct ledger_query *query,
                                struct attempt **attempts, size_t *n) {
    *n = 0;
    return ledger_attempts(why->relay->ledger, query, &why->arena, attempts, n) == LEDGER_COMPLETE;
}

static bool is_listed(const struct why *why, int64_t id) {
    for (size_t i = 0; i < why->n_attempts; i++)
        if (why->attempts[i]->id == id)
            return true;
    return false;
}

// Newest first, each once.
static void merge(struct why *why, struct attempt *attempts, size_t n) {
    for (size_t i = 0; i < n && why->n_attempts < 2 * ATTEMPTS_MAX; i++) {
        if (is_listed(why, attempts[i].id))
            continue;
        size_t at = why->n_attempts++;
        for (; at > 0 && why->attempts[at - 1]->at_ms < attempts[i].at_ms; at--)
            why->attempts[at] = why->attempts[at - 1];
        why->attempts[at] = &attempts[i];
    }
}

// Failures before MAIL are the lane's: they are found by its name; those of a domain to which no
// way is known, by the domain's.
static bool lane_query(struct why *why, struct ledger_query *query) {
    struct schedule_rcpt_info info = {.domain = why->domain};
    struct schedule_domain_info domain;
    struct schedule_lane_info lane;
    uint32_t rcpt =
        why->n_found > 0 ? relay_rcpt_find(why->relay, why->found[0].id, why->found[0].index) : 0;
    if (rcpt != 0)
        schedule_rcpt(why->relay->schedule, rcpt, &info);
    if (info.domain == 0)
        return false;
    schedule_domain(why->relay->schedule, info.domain, &domain);
    if (domain.lane == 0) {
        *query = (struct ledger_query){.domain = arena_copy(&why->arena, domain.name),
                                       .failures_only = true,
                                       .limit = ATTEMPTS_MAX};
        return query->domain.len > 0;
    }
    schedule_lane(why->relay->schedule, domain.lane, io_now(), &lane);
    *query = (struct ledger_query){.connector = arena_copy(&why->arena, lane.connector),
                                   .site = arena_copy(&why->arena, relay_lane_site(lane.key)),
                                   .failures_only = true,
                                   .limit = ATTEMPTS_MAX};
    return query->site.len > 0;
}

IO_WAITS static void read_history(struct why *why) {
    struct ledger_query of_lane;
    struct attempt *attempts = NULL;
    size_t n;
    bool has_lane = lane_query(why, &of_lane);
    why->history.limit = ATTEMPTS_MAX;
    why->attempts = arena_alloc(&why->arena, 2 * ATTEMPTS_MAX * sizeof(struct attempt *));
    if (why->attempts == NULL)
        return;
    why->is_complete = ask_ledger(why, &why->history, &attempts, &n);
    merge(why, attempts, n);
    if (has_lane) {
        why->is_complete &= ask_ledger(why, &of_lane, &attempts, &n);
        merge(why, attempts, n);
    }
}

static const struct fact *failure_of(const struct attempt *attempt) {
    if (attempt->n_results == 0)
        return fact_is_ok(&attempt->fact) ? NULL : &attempt->fact;
    for (size_t i = 0; i < attempt->n_results; i++)
        if (!fact_is_ok(&attempt->results[i].fact))
            return &attempt->results[i].fact;
    return NULL;
}

// Of what is gone: how the newest attempt failed. What waits has its own.
static void put_last_verdict(struct why *why, struct json_writer *json) {
    const struct attempt *newest = why->n_attempts > 0 ? why->attempts[0] : NULL;
    const struct fact *fact = newest && why->n_found == 0 ? failure_of(newest) : NULL;
    struct verdict verdict;
    if (fact != NULL) {
        json_key(json, "verdict");
        verdict_of_fact(fact, newest, false, &why->arena, &verdict);
        verdict_write_json(&verdict, json);
    } else {
        json_put_null(json, "verdict");
    }
}

bool relay_answer_why(struct relay *relay, const struct relay_ask *ask, struct json_writer *json,
                      struct error *error) {
    uint64_t first = 0;
    if (ask->cursor.len > 0 && !view_to_u64(ask->cursor, &first))
        return error_set(error, "the cursor is none that an answer gave");
    struct why *why = mem_alloc_zero(sizeof *why);
    *why = (struct why){.relay = relay, .ask = ask, .text = view_trim(ask->text)};
    arena_init(&why->arena, 4 * (size_t)RELAY_ANSWER_ARENA);
    find(why, first);
    json_put_int(json, "schema", 1);
    json_put_string(json, "query", why->text);
    json_put_int(json, "matches", (int64_t)why->n_matches);
    put_lanes(why, json);
    uint64_t shown = first + why->n_found;
    bool is_more = why->n_matches > shown && why->n_found > 0;
    read_history(why);
    put_messages(why, json);
    put_attempts(why, NULL, json);
    put_last_verdict(why, json);
    json_put_string(json, "history", why->is_complete ? VIEW("complete") : VIEW("incomplete"));
    char next[24];
    snprintf(next, sizeof next, "%llu", (unsigned long long)shown);
    json_put_string(json, "next", is_more ? view_of(next) : VIEW_NONE);
    bool is_known = why->n_matches > 0 || why->n_attempts > 0 || why->domain != 0;
    if (!is_known)
        error_set(error, "nothing is known of \"%.*s\"", VIEW_ARG(view_take(why->text, 200)));
    arena_finish(&why->arena);
    free(why);
    return is_known;
}
