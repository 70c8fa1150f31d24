// SPDX-License-Identifier: Apache-2.0
// Exim's main log: "ID => r@d R=r T=t H=h [a]:25 ... C=\"250 ok\"", "ID == r@d R=r T=t defer (N):
// ...", "ID ** r@d ...: words", "ID <= sender ...", "ID Completed". The words decide, not the
// number in "defer (N)", which shifts between releases.
#include "mail/mail.h"
#include "readers/log.h"

enum { ID_LEN_OLD = 16, ID_LEN_NEW = 23 };

// "1tXyZ0-000000-1A" up to 4.96, "1tXyZ0-00000000abc-1A2B" since.
static struct view take_id(struct view *text) {
    static const struct { size_t len, second; } shapes[] = {{ID_LEN_OLD, 13}, {ID_LEN_NEW, 18}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        size_t len = shapes[i].len;
        if (text->len <= len || text->ptr[len] != ' ' || text->ptr[6] != '-' ||
            text->ptr[shapes[i].second] != '-')
            continue;
        struct view id = view_take(*text, len);
        *text = view_skip(*text, len + 1);
        return id;
    }
    return VIEW_NONE;
}

// The address, or the one that it came from where it is a pipe, a file or a local user.
static struct view take_recipient(struct view *rest) {
    size_t end = 0;
    bool is_quoted = rest->len && rest->ptr[0] == '"';
    if (is_quoted)
        end = 1 + view_find_char(view_skip(*rest, 1), '"');
    end += view_find_char(view_skip(*rest, end), ' ');
    struct view address = view_take(*rest, end), original = VIEW_NONE;
    *rest = view_skip(*rest, end + 1);
    if (rest->len && rest->ptr[0] == '<') {
        original = view_take(view_skip(*rest, 1), view_find_char(*rest, '>') - 1);
        *rest = view_skip(*rest, original.len + 3);
    }
    if (view_find_char(address, '@') == address.len && original.len)
        address = original;
    if (address.len && address.ptr[address.len - 1] == ':') // "** a@b: Unrouteable address"
        address.len--;
    return address;
}

// "H=mx1.example.org [192.0.2.1]:25" before the words of the server.
static void take_host(struct view rest, struct reader_entry *entry) {
    rest = view_take(rest, view_find(rest, VIEW(" C=\"")));
    size_t at = view_find(rest, VIEW("H="));
    struct view host = view_skip(rest, at + 2);
    if (at < rest.len && (at == 0 || rest.ptr[at - 1] == ' '))
        reader_log_entry_host(view_take(host, view_find_char(host, ']') + 1), entry);
}

// "QT=1h2m3s" where the log tells it (before 4.93 of a delivery alone), else out of the id.
static void take_age(struct view rest, struct reader_entry *entry) {
    entry->arrived_ms =
        reader_log_arrival_bound(reader_log_exim_id_ms(entry->queue_id), entry->at_ms);
    size_t said = view_find(rest, VIEW(" C=\"")); // the server's words, closed by the last quote
    if (said < rest.len)
        rest = view_skip(rest, view_find_last_char(rest, '"') + 1);
    else
        rest = view_take(rest, view_find(rest, VIEW(" defer (")));
    reader_log_entry_delay(reader_log_field(rest, VIEW(" QT="), ' '), entry);
}

static enum log_told tell(struct reader_log *log, const struct log_line *line,
                          struct reader_entry *entry) {
    uint64_t key = reader_log_key(log, line, entry->queue_id);
    reader_log_warning_use(log, key, key, entry);
    reader_log_entry_tell(log, reader_log_follow_get(&log->follow, key), entry);
    return LOG_TOLD_DELIVERY;
}

static enum log_told read_failed(struct reader_log *log, const struct log_line *line,
                                 struct view rest, struct reader_entry *entry) {
    size_t colon = view_find(rest, VIEW(": "));
    struct view words = view_skip(rest, colon + 2);
    if (colon == rest.len)
        return LOG_TOLD_UNREAD;
    take_host(view_take(rest, colon), entry);
    reader_log_entry_failed(log, words, OUTCOME_PERMANENT_FAILURE, entry);
    if (LOG_HAS(words, "retry timeout exceeded") ||
        LOG_HAS(words, "have been failing for a long time"))
        entry->kind = READER_ENTRY_EXPIRED;
    return tell(log, line, entry);
}

static enum log_told read_deferred(struct reader_log *log, const struct log_line *line,
                                   struct view rest, struct reader_entry *entry) {
    size_t at = view_find(rest, VIEW("defer ("));
    if (at == rest.len)
        return LOG_TOLD_UNREAD;
    take_host(view_take(rest, at), entry);
    reader_log_entry_failed(log, view_skip(rest, at), OUTCOME_TEMPORARY_FAILURE, entry);
    return tell(log, line, entry);
}

static enum log_told read_arrival(struct reader_log *log, const struct log_line *line,
                                  struct view id, struct view rest) {
    struct log_followed *message =
        reader_log_follow_start(&log->follow, reader_log_key(log, line, id), line->at_ms);
    struct view sender = view_take(rest, view_find_char(rest, ' '));
    if (!view_equals(sender, VIEW("<>")))
        reader_log_followed_set_sender(message, sender);
    reader_log_followed_set_id(message, reader_log_field(rest, VIEW(" id="), ' '));
    return LOG_TOLD_NOISE;
}

static enum log_told read_delivery(struct reader_log *log, const struct log_line *line,
                                   struct view id, struct view text) {
    struct reader_entry entry;
    struct view rest = view_skip(text, 3);
    struct view words = rest;
    reader_log_entry_begin(log, line, READER_LOG_EXIM, &entry);
    entry.queue_id = id;
    reader_log_entry_recipient(log, take_recipient(&rest), &entry);
    if (entry.recipient.len == 0)
        return LOG_TOLD_UNREAD;
    take_age(rest, &entry);
    if (LOG_STARTS(text, "**"))
        return read_failed(log, line, words, &entry);
    if (LOG_STARTS(text, "=="))
        return read_deferred(log, line, rest, &entry);
    take_host(rest, &entry);
    return tell(log, line, &entry);
}

static bool is_delivery(struct view text) {
    static const struct view flags[] = {{"=> ", 3}, {"-> ", 3}, {">> ", 3},
                                        {"*> ", 3}, {"** ", 3}, {"== ", 3}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (log_starts(text, flags[i]))
            return true;
    return false;
}

// "H=mx1.example.org [192.0.2.1] Connection refused", without "H=" before 4.88: each server that
// was tried, before the line of the recipient.
static void note_server(struct reader_log *log, const struct log_line *line, struct view id,
                        struct view text) {
    if (LOG_STARTS(text, "H="))
        text = view_skip(text, 2);
    size_t blank = view_find_char(text, ' ');
    if (LOG_STARTS(view_skip(text, blank), " ["))
        reader_log_warning_note(log, reader_log_key(log, line, id), line->at_ms,
                                view_take(text, view_find_char(text, ']') + 1));
}

static bool is_reject(struct view text) {
    return LOG_HAS(text, " rejected ") || LOG_HAS(text, " rejected: ");
}

enum log_told reader_log_exim_read(struct reader_log *log, const struct log_line *line) {
    struct view text = line->text;
    if (text.len && text.ptr[0] == '[') // the pid
        text = view_skip(text, view_find(text, VIEW("] ")) + 2);
    struct view id = take_id(&text);
    if (id.len == 0)
        return is_reject(text) ? LOG_TOLD_INBOUND : LOG_TOLD_NOISE;
    if (is_delivery(text))
        return read_delivery(log, line, id, text);
    if (LOG_STARTS(text, "<= "))
        return read_arrival(log, line, id, view_skip(text, 3));
    if (LOG_STARTS(text, "Completed"))
        reader_log_follow_end(&log->follow, reader_log_key(log, line, id));
    else
        note_server(log, line, id, text);
    return is_reject(text) ? LOG_TOLD_INBOUND : LOG_TOLD_NOISE;
}
