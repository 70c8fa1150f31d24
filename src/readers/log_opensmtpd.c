// SPDX-License-Identifier: Apache-2.0
// OpenSMTPD: "SESSION mta delivery evpid=ID from=<s> to=<r> rcpt=<o> source=\"a\" relay=\"a (h)\"
// delay=0s result=\"TempFail\" stat=\"words\"", before 6.4 with "event=delivery". The first eight
// digits of an envelope's id are those of its message.
#include "readers/log.h"

enum { MESSAGE_ID_LEN = 8, ROUTE_AGE_MS = 15 * 60 * 1000 };

// "192.0.2.1 (mx1.example.org)"; the domain alone where no server was tried.
static void take_relay(struct view relay, struct reader_entry *entry) {
    size_t open = view_find(relay, VIEW(" ("));
    struct view name = view_skip(relay, open + 2);
    (void)address_parse(view_take(relay, open), &entry->peer);
    if (open < relay.len)
        entry->host = view_take(name, view_find_char(name, ')'));
}

// --- Sessions -----------------------------------------------------------------------------------
// A session that ends before any mail says why ("mta error reason=..."); its recipients are told
// later, all of them with "Network error on destination MXs".
static struct log_route *route_at(struct reader_log *log, struct view session) {
    uint64_t hash = reader_log_hash(session, 5) | 1;
    for (size_t i = 0; i < LOG_ROUTES; i++)
        if (log->routes[i].session == hash)
            return &log->routes[i];
    struct log_route *route = &log->routes[log->n_routes++ % LOG_ROUTES];
    *route = (struct log_route){.session = hash};
    return route;
}

static bool keep(struct view text, char *copy, size_t size, size_t *len) {
    *len = text.len <= size ? text.len : 0;
    if (*len)
        memcpy(copy, text.ptr, *len);
    return *len > 0;
}

// "SESSION mta connecting address=smtp://192.0.2.1:25 host=mx1.example.org"
static void note_connecting(struct reader_log *log, const struct log_line *line,
                            struct view session) {
    struct log_route *route = route_at(log, session);
    struct view address = reader_log_field(line->text, VIEW("://"), ' ');
    route->is_calling = true;
    if (!address_parse_port(address, &route->peer))
        (void)address_parse(address, &route->peer);
    (void)keep(reader_log_field(line->text, VIEW(" host="), ' '), route->host, sizeof(route->host),
               &route->host_len);
}

static void note_error(struct reader_log *log, const struct log_line *line, struct view session) {
    struct log_route *route = route_at(log, session);
    struct view reason = view_skip(line->text, view_find(line->text, VIEW(" reason=")) + 8);
    // It says the same of a call that nobody answers and of a session that falls silent.
    if (route->is_calling && view_equals(reason, VIEW("Connection timeout")))
        reason = VIEW("Connection timed out");
    if (keep(reason, route->reason, sizeof(route->reason), &route->reason_len))
        route->at_ms = line->at_ms;
}

// The relay of such a recipient is the domain, or the smart host.
static bool is_route(const struct log_route *route, struct view relay) {
    struct view host = view_from(route->host, route->host_len);
    struct address address;
    if (address_parse(relay, &address) && address_equals(&address, &route->peer))
        return true;
    size_t dot = host.len > relay.len ? host.len - relay.len - 1 : 0;
    return relay.len && view_ends_with_nocase(host, relay) &&
           (host.len == relay.len || host.ptr[dot] == '.');
}

static const struct log_route *route_of(const struct reader_log *log, const struct log_line *line,
                                        struct view relay, struct view stat) {
    const struct log_route *latest = NULL;
    if (!view_equals(stat, VIEW("Network error on destination MXs")))
        return NULL;
    for (size_t i = 0; i < LOG_ROUTES; i++) {
        const struct log_route *route = &log->routes[i];
        if (route->reason_len && line->at_ms - route->at_ms < ROUTE_AGE_MS &&
            is_route(route, relay) && (!latest || route->at_ms >= latest->at_ms))
            latest = route;
    }
    return latest;
}

// --- Deliveries ---------------------------------------------------------------------------------
static bool outcome_of(struct view result, enum outcome *outcome) {
    *outcome = OUTCOME_PERMANENT_FAILURE;
    if (view_equals(result, VIEW("Ok")))
        *outcome = OUTCOME_DELIVERED;
    else if (view_equals(result, VIEW("TempFail")))
        *outcome = OUTCOME_TEMPORARY_FAILURE;
    else
        return view_equals(result, VIEW("PermFail")) || view_equals(result, VIEW("Loop")) ||
               view_equals(result, VIEW("Expire"));
    return true;
}

struct delivery {
    struct view id, result, stat, sender, recipient, relay, delay;
};

static enum log_told tell(struct reader_log *log, const struct log_line *line,
                          const struct delivery *delivery) {
    struct reader_entry entry;
    reader_log_entry_begin(log, line, READER_LOG_OPENSMTPD, &entry);
    if (delivery->id.len < MESSAGE_ID_LEN || !outcome_of(delivery->result, &entry.outcome))
        return LOG_TOLD_UNREAD;
    entry.queue_id = delivery->id;
    entry.sender = view_equals(delivery->sender, VIEW("@")) ? VIEW_NONE : delivery->sender;
    reader_log_entry_recipient(log, delivery->recipient, &entry);
    take_relay(delivery->relay, &entry);
    reader_log_entry_delay(delivery->delay, &entry);
    const struct log_route *route = route_of(log, line, delivery->relay, delivery->stat);
    if (route) {
        entry.host = view_from(route->host, route->host_len);
        entry.peer = route->peer;
    }
    if (entry.outcome != OUTCOME_DELIVERED)
        reader_log_entry_failed(
            log, route ? view_from(route->reason, route->reason_len) : delivery->stat,
            entry.outcome, &entry);
    if (view_equals(delivery->result, VIEW("Expire")))
        entry.kind = READER_ENTRY_EXPIRED;
    uint64_t key = reader_log_key(log, line, view_take(delivery->id, MESSAGE_ID_LEN));
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_delivery(struct reader_log *log, const struct log_line *line) {
    struct view text = line->text;
    size_t at = view_find(text, VIEW(" stat=\""));
    struct view stat = view_skip(text, at + 7);
    struct delivery delivery = {.id = reader_log_field(text, VIEW(" evpid="), ' '),
                                .result = reader_log_field(text, VIEW(" result=\""), '"'),
                                .stat = view_take(stat, view_find_last_char(stat, '"')),
                                .sender = reader_log_field(text, VIEW(" from=<"), '>'),
                                .recipient = reader_log_field(text, VIEW(" to=<"), '>'),
                                .relay = reader_log_field(text, VIEW(" relay=\""), '"'),
                                .delay = reader_log_field(text, VIEW(" delay="), ' ')};
    return at < text.len ? tell(log, line, &delivery) : LOG_TOLD_UNREAD;
}

// "relay: Expire for ID: from=<s>, to=<r>, rcpt=<->, delay=4d, stat=Envelope expired": what
// expires, and every delivery before 5.8.
static enum log_told read_old_delivery(struct reader_log *log, const struct log_line *line) {
    struct view text = line->text, result = view_skip(text, view_find_char(text, ' ') + 1);
    struct view rest = view_skip(result, view_find(result, VIEW(" for ")) + 5);
    size_t at = view_find(rest, VIEW(", stat="));
    struct delivery delivery = {.id = view_take(rest, view_find_char(rest, ':')),
                                .result = view_take(result, view_find_char(result, ' ')),
                                .stat = view_skip(rest, at + 7),
                                .sender = reader_log_field(rest, VIEW(" from=<"), '>'),
                                .recipient = reader_log_field(rest, VIEW(" to=<"), '>'),
                                .relay = reader_log_field(rest, VIEW(" relay="), ','),
                                .delay = reader_log_field(rest, VIEW(" delay="), ',')};
    return at < rest.len ? tell(log, line, &delivery) : LOG_TOLD_UNREAD;
}

static enum log_told read_arrival(struct reader_log *log, const struct log_line *line) {
    struct view id = reader_log_field(line->text, VIEW(" msgid="), ' ');
    if (id.len != MESSAGE_ID_LEN)
        return LOG_TOLD_NOISE;
    (void)reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    return LOG_TOLD_NOISE;
}

static enum log_told read_mta(struct reader_log *log, const struct log_line *line,
                              struct view session, struct view event) {
    if (LOG_STARTS(event, "event="))
        event = view_skip(event, 6);
    if (LOG_STARTS(event, "delivery "))
        return read_delivery(log, line);
    if (LOG_STARTS(event, "connecting "))
        note_connecting(log, line, session);
    else if (LOG_STARTS(event, "connected"))
        route_at(log, session)->is_calling = false;
    else if (LOG_STARTS(event, "error "))
        note_error(log, line, session);
    return LOG_TOLD_NOISE;
}

enum log_told reader_log_opensmtpd_read(struct reader_log *log, const struct log_line *line) {
    struct view session = view_take(line->text, view_find_char(line->text, ' '));
    struct view text = view_skip(line->text, session.len + 1);
    if (LOG_STARTS(text, "mta "))
        return read_mta(log, line, session, view_skip(text, 4));
    if (LOG_STARTS(text, "mda ") || LOG_STARTS(text, "bounce "))
        return LOG_HAS(text, "delivery evpid=") ? read_delivery(log, line) : LOG_TOLD_NOISE;
    if (view_equals(session, VIEW("relay:")) || view_equals(session, VIEW("delivery:")))
        return LOG_HAS(text, " for ") ? read_old_delivery(log, line) : LOG_TOLD_NOISE;
    if (LOG_STARTS(text, "smtp message ") || LOG_STARTS(text, "smtp event=message "))
        return read_arrival(log, line);
    if (LOG_STARTS(text, "smtp failed-command ") || LOG_STARTS(text, "smtp event=failed-command "))
        return LOG_TOLD_INBOUND;
    return LOG_TOLD_NOISE;
}
