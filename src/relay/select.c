// SPDX-License-Identifier: Apache-2.0
// The recipients that a selector names. The narrowest part of it leads the way, the rest filters.
#include "relay/relay_internal.h"

#include <stdlib.h>

struct relay_choice {
    struct relay *relay;
    const struct relay_selector *selector;
    struct schedule_cursor cursor;
    bool is_by_id;
    size_t id_at;
    int64_t index_at; // last recipient of that id
    uint32_t domain;
    uint64_t sender_hash;
    enum cause cause;
};

static struct view bare_sender(struct view sender) {
    if (sender.len >= 2 && sender.ptr[0] == '<' && sender.ptr[sender.len - 1] == '>')
        return view_from(sender.ptr + 1, sender.len - 2);
    return sender;
}

static bool check(const struct relay_selector *selector, struct error *error, enum cause *cause) {
    bool says_something = selector->n_ids > 0 || selector->domain.len > 0 ||
                          selector->connector.len > 0 || selector->sender.len > 0 ||
                          selector->cause.len > 0 || selector->all || selector->held_only;
    if (!says_something)
        return error_set(error, "say which mail is meant: ids, a domain, a connector, a sender, a "
                                "cause, or all of it");
    if (selector->cause.len > 0 && !cause_from_id(selector->cause, cause))
        return error_set(error, "\"%.*s\" is no cause that the catalogue knows",
                         VIEW_ARG(view_take(selector->cause, 100)));
    return true;
}

static void open_cursor(struct relay_choice *choice) {
    struct schedule *schedule = choice->relay->schedule;
    const struct relay_selector *selector = choice->selector;
    if (selector->domain.len > 0)
        schedule_cursor_open(schedule, &choice->cursor, SCHEDULE_SELECT_DOMAIN, choice->domain);
    else if (selector->sender.len > 0)
        schedule_cursor_open(schedule, &choice->cursor, SCHEDULE_SELECT_SENDER,
                             choice->sender_hash);
    else
        schedule_cursor_open(schedule, &choice->cursor, SCHEDULE_SELECT_ALL, 0);
}

struct relay_choice *relay_choice_open(struct relay *relay, const struct relay_selector *selector,
                                       struct error *error) {
    enum cause cause = CAUSE_NONE;
    if (!check(selector, error, &cause))
        return NULL;
    struct relay_choice *choice = mem_alloc_zero(sizeof *choice);
    choice->relay = relay;
    choice->selector = selector;
    choice->cause = cause;
    choice->index_at = -1;
    choice->is_by_id = selector->n_ids > 0;
    list_init(&choice->cursor.link);
    if (selector->domain.len > 0) {
        char name[256];
        struct view domain = view_take(selector->domain, sizeof name);
        for (size_t i = 0; i < domain.len; i++)
            name[i] = ascii_lower(domain.ptr[i]);
        choice->domain = schedule_domain_find(relay->schedule, view_from(name, domain.len));
    }
    choice->sender_hash = relay_sender_hash(relay, bare_sender(selector->sender));
    if (!choice->is_by_id)
        open_cursor(choice);
    return choice;
}

void relay_choice_close(struct relay_choice *choice) {
    if (choice == NULL)
        return;
    schedule_cursor_close(&choice->cursor);
    free(choice);
}

// --- Filters -----------------------------------------------------------------------------

static bool cause_matches(const struct relay_choice *choice, const struct schedule_rcpt_info *info,
                          const struct schedule_domain_info *domain) {
    if (info->cause == choice->cause)
        return true;
    const struct relay_place *place = domain->lane != 0
                                          ? relay_place_find(&choice->relay->lanes, domain->lane)
                                          : relay_place_find(&choice->relay->domains, info->domain);
    return place != NULL && place->cause == choice->cause;
}

static bool matches(const struct relay_choice *choice, uint32_t rcpt) {
    struct schedule *schedule = choice->relay->schedule;
    const struct relay_selector *selector = choice->selector;
    struct schedule_rcpt_info info;
    schedule_rcpt(schedule, rcpt, &info);
    if (selector->held_only && info.state != SCHEDULE_HELD)
        return false;
    if (selector->domain.len > 0 && info.domain != choice->domain)
        return false;
    if (selector->sender.len > 0 && info.sender_hash != choice->sender_hash)
        return false;
    if (selector->connector.len == 0 && choice->cause == CAUSE_NONE)
        return true;
    struct schedule_domain_info domain;
    schedule_domain(schedule, info.domain, &domain);
    if (choice->cause != CAUSE_NONE && !cause_matches(choice, &info, &domain))
        return false;
    if (selector->connector.len == 0)
        return true;
    if (domain.lane == 0) { // in routing: the way that it would take
        const struct config_connector *connector =
            config_connector_for(choice->relay->config, domain.name);
        return connector != NULL && view_equals(view_of(connector->name), selector->connector);
    }
    return view_equals(schedule_lane_connector(schedule, domain.lane), selector->connector);
}

// --- One after the other -----------------------------------------------------------------

// By index, since a message's recipients may go between two calls.
static uint32_t next_of_ids(struct relay_choice *choice) {
    struct schedule *schedule = choice->relay->schedule;
    for (; choice->id_at < choice->selector->n_ids; choice->id_at++, choice->index_at = -1) {
        uint32_t message = schedule_find(schedule, choice->selector->ids[choice->id_at]);
        uint32_t rcpt = message == 0 ? 0 : schedule_message_rcpt(schedule, message);
        for (; rcpt != 0; rcpt = schedule_next_rcpt(schedule, rcpt)) {
            struct schedule_rcpt_info info;
            schedule_rcpt(schedule, rcpt, &info);
            if ((int64_t)info.index <= choice->index_at)
                continue;
            choice->index_at = info.index;
            return rcpt;
        }
    }
    return 0;
}

uint32_t relay_choice_next(struct relay_choice *choice, unsigned *budget) {
    for (; *budget > 0; --*budget) {
        uint32_t rcpt = choice->is_by_id
                            ? next_of_ids(choice)
                            : schedule_cursor_next(choice->relay->schedule, &choice->cursor);
        if (rcpt == 0 || matches(choice, rcpt))
            return rcpt;
    }
    return 0;
}
