// SPDX-License-Identifier: Apache-2.0
// One entry, put together from its line, from what is known of its message, and from the meaning of
// its words.
#include "readers/log.h"

enum { QUEUE_ID_MAX = 32 };

// Postfix's short ids are hexadecimal, its long ones of base 52, Sendmail's of base 60.
bool reader_log_id_take(struct view *text, struct view *id) {
    size_t len = 0, max = size_min(text->len, QUEUE_ID_MAX);
    while (len < max && (ascii_is_digit(text->ptr[len]) || ascii_is_alpha(text->ptr[len])))
        len++;
    if (len < 5 || len + 1 >= text->len || text->ptr[len] != ':' || text->ptr[len + 1] != ' ')
        return false;
    *id = view_from(text->ptr, len);
    *text = view_from(text->ptr + len + 2, text->len - len - 2);
    return true;
}

struct view reader_log_field(struct view text, struct view key, char end) {
    const char *at = memmem(text.ptr ? text.ptr : "", text.len, key.ptr, key.len);
    if (!at)
        return VIEW_NONE;
    struct view rest = view_skip(text, (size_t)(at - text.ptr) + key.len);
    return view_take(rest, view_find_char(rest, end));
}

struct view reader_log_bare(struct view path) {
    bool is_path = path.len > 1 && path.ptr[0] == '<' && path.ptr[path.len - 1] == '>';
    return is_path ? view_from(path.ptr + 1, path.len - 2) : path;
}

uint64_t reader_log_key(struct reader_log *log, const struct log_line *line, struct view id) {
    return reader_log_hash(id, reader_log_hash(line->host, 0));
}

void reader_log_entry_begin(struct reader_log *log, const struct log_line *line,
                            enum reader_log_system system, struct reader_entry *entry) {
    *entry = (struct reader_entry){.kind = READER_ENTRY_ATTEMPT,
                                   .system = system,
                                   .outcome = OUTCOME_DELIVERED,
                                   .at_ms = line->at_ms,
                                   .line = line->whole,
                                   .file = log->file,
                                   .line_number = log->totals.n_lines - log->file_lines};
}

void reader_log_entry_recipient(struct reader_log *log, struct view address,
                                struct reader_entry *entry) {
    size_t at = view_find_last_char(address, '@');
    struct view domain = view_skip(address, at + 1);
    entry->recipient = address;
    if (domain.len && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    if (domain.len > sizeof(log->domain))
        domain = VIEW_NONE;
    for (size_t i = 0; i < domain.len; i++)
        log->domain[i] = ascii_lower(domain.ptr[i]);
    entry->domain = view_from(log->domain, domain.len);
}

void reader_log_entry_host(struct view relay, struct reader_entry *entry) {
    size_t open = view_find_char(relay, '[');
    struct view inside = view_skip(relay, open + 1);
    struct view name = view_trim(view_take(relay, open));
    inside = view_take(inside, view_find_char(inside, ']'));
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (open == relay.len ? address_parse(name, &entry->peer) : address_parse(inside, &entry->peer))
        entry->host = open == relay.len ? VIEW_NONE : name;
    else
        entry->host = name;
}

// The same words may mean something else at one server, so a reply whose words name none has the
// one of its line.
static enum cause cause_at_host(struct reader_log *log, const struct log_words *row,
                                struct reader_entry *entry) {
    entry->words = &row->words;
    if (row->words.host.len || entry->host.len == 0 || row->words.fact.kind != FACT_KIND_REPLY)
        return row->cause;
    log->said = row->words;
    log->said.host = entry->host;
    entry->words = &log->said;
    return reader_words_cause(&log->said);
}

void reader_log_entry_failed(struct reader_log *log, struct view words, enum outcome outcome,
                             struct reader_entry *entry) {
    const struct log_words *row = reader_log_words(log->words, words);
    ASSERT(outcome != OUTCOME_DELIVERED);
    entry->outcome = outcome;
    entry->cause = cause_at_host(log, row, entry);
    if (entry->cause == CAUSE_NONE) // "deferred (250 ok)"
        entry->cause = CAUSE_UNKNOWN;
    if (row->words.is_suppression)
        entry->kind = READER_ENTRY_SUPPRESSED;
    if (row->words.fact.kind == FACT_KIND_EXPIRED && outcome == OUTCOME_PERMANENT_FAILURE)
        entry->kind = READER_ENTRY_EXPIRED;
    if (entry->host.len == 0 && entry->peer.family == ADDRESS_NONE) {
        entry->host = row->words.host;
        entry->peer = row->words.peer;
    }
}

// Words that only say that there was a failure before.
static bool is_repetition(const struct reader_entry *entry) {
    return entry->kind != READER_ENTRY_ATTEMPT &&
           (entry->cause == CAUSE_UNKNOWN || entry->cause == CAUSE_HOSTS_DEAD ||
            entry->cause == CAUSE_REPLY_DEFERRED || entry->words->fact.kind == FACT_KIND_EXPIRED);
}

// What the next line of this message may ask for.
static void remember(struct log_followed *message, const struct reader_entry *entry) {
    if (entry->cause == CAUSE_NONE || entry->kind == READER_ENTRY_EXPIRED)
        return;
    message->cause = (uint32_t)entry->cause;
    message->domain_len = 0;
    if (entry->domain.len == 0 || entry->domain.len > sizeof(message->domain))
        return;
    memcpy(message->domain, entry->domain.ptr, entry->domain.len);
    message->domain_len = (uint8_t)entry->domain.len;
}

void reader_log_entry_tell(struct reader_log *log, struct log_followed *message,
                           struct reader_entry *entry) {
    if (message) {
        entry->message = message->message;
        message->arrived_ms = reader_log_arrival_bound(message->arrived_ms, entry->at_ms);
        if (message->arrived_ms == 0)
            message->arrived_ms = entry->arrived_ms;
        entry->arrived_ms = message->arrived_ms;
        if (entry->sender.len == 0)
            entry->sender = reader_log_followed_sender(message);
        if (entry->message_id.len == 0)
            entry->message_id = reader_log_followed_id(message);
        if (message->cause && is_repetition(entry))
            entry->cause = (enum cause)message->cause;
        if (entry->kind == READER_ENTRY_EXPIRED && entry->domain.len == 0)
            entry->domain = view_from(message->domain, message->domain_len);
        remember(message, entry);
    }
    ASSERT((entry->cause == CAUSE_NONE) == (entry->words == NULL));
    log->totals.n_deliveries[entry->system]++;
    log->options.on_entry(entry, log->options.arg);
}

void reader_log_entry_expired(struct reader_log *log, const struct log_line *line,
                              enum reader_log_system system, struct view id) {
    struct reader_entry entry;
    uint64_t key = reader_log_key(log, line, id);
    reader_log_entry_begin(log, line, system, &entry);
    entry.queue_id = id;
    reader_log_entry_failed(log, VIEW("message expired"), OUTCOME_PERMANENT_FAILURE, &entry);
    entry.kind = READER_ENTRY_EXPIRED;
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), &entry);
}
