// SPDX-License-Identifier: Apache-2.0
// Any bytes as a log: what is told is whole, all lines are counted, and the size of the pieces in
// which they come changes nothing. The first byte chooses the pieces and how few messages are
// followed.
#include "readers/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct told {
    uint64_t n, hash;
};

static void add(struct told *told, struct view part) {
    told->hash = told->hash * 31 + view_hash(part);
}

static void on_entry(const struct reader_entry *entry, void *arg) {
    struct told *told = arg;
    ASSERT((unsigned)entry->cause < CAUSE_COUNT && (unsigned)entry->outcome < OUTCOME_COUNT);
    ASSERT((entry->cause == CAUSE_NONE) == (entry->words == NULL));
    ASSERT((entry->outcome == OUTCOME_DELIVERED) == (entry->cause == CAUSE_NONE));
    ASSERT(entry->system > READER_LOG_NONE && entry->system < READER_LOG_SYSTEM_COUNT);
    ASSERT(entry->line_number > 0);
    told->n++;
    const struct view parts[] = {entry->queue_id,  entry->message_id, entry->sender,
                                 entry->recipient, entry->domain,     entry->host,
                                 entry->line,      entry->file};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        add(told, parts[i]);
    if (entry->words) {
        add(told, entry->words->text);
        add(told, entry->words->fact.text);
    }
    told->hash = told->hash * 31 + (uint64_t)entry->cause + (uint64_t)entry->at_ms + entry->message;
}

static struct told read_log(struct view text, size_t piece, size_t followed_max) {
    struct told told = {0};
    struct reader_log_options options = {.now_ms = 1780000000000,
                                         .zone_minutes = 120,
                                         .followed_max = followed_max,
                                         .on_entry = on_entry,
                                         .arg = &told};
    struct reader_log *log = reader_log_create(&options);
    reader_log_file(log, VIEW("a.log"));
    for (struct view rest = text; rest.len; rest = view_skip(rest, piece))
        reader_log_feed(log, view_take(rest, piece));
    reader_log_end(log);
    const struct reader_log_totals *totals = reader_log_totals(log);
    uint64_t n_lines = 0;
    for (size_t i = 0; i < text.len; i++)
        n_lines += text.ptr[i] == '\n' || i + 1 == text.len;
    ASSERT(totals->n_lines == n_lines && totals->n_bytes == text.len);
    ASSERT(totals->n_other + totals->n_inbound + totals->n_unread + totals->n_long <= n_lines);
    reader_log_destroy(log);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0)
        return 0;
    struct view text = view_from(bytes + 1, len - 1);
    size_t followed_max = 1 + bytes[0] / 16;
    struct told whole = read_log(text, SIZE_MAX / 2, followed_max);
    struct told pieces = read_log(text, 1 + bytes[0] % 16, followed_max);
    ASSERT(whole.n == pieces.n && whole.hash == pieces.hash);
    return 0;
}
