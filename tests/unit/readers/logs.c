// SPDX-License-Identifier: Apache-2.0
// logs DIR [--write]: reads every log of the folder beside this file, whole and in small pieces,
// and compares what it tells with "expected", one block a log. A line that tells of an attempt must
// have the cause that `explain` finds for it. The logs are our own.
#include "base/units.h"
#include "folder.h"
#include "readers/readers.h"

#include <stdio.h>

enum { MESSAGES_MAX = 256, SMALL_PIECE = 7 };

static const char *const kinds[READER_ENTRY_KIND_COUNT] = {"attempt", "suppressed", "expired"};

struct reading {
    struct buffer out;
    uint64_t messages[MESSAGES_MAX]; // in the order of their appearance
    size_t n_messages;
    unsigned n_different;
};

static size_t number_of(struct reading *reading, uint64_t message) {
    size_t i = 0;
    while (i < reading->n_messages && reading->messages[i] != message)
        i++;
    ASSERT(i < MESSAGES_MAX);
    if (i == reading->n_messages)
        reading->messages[reading->n_messages++] = message;
    return i + 1;
}

static struct view cause_word(enum cause cause) {
    return cause == CAUSE_NONE ? VIEW("-") : cause_info(cause)->id;
}

// Exchange's CSV is no line that anybody pastes; OpenSMTPD tells the cause of its network errors in
// other lines.
static void compare_with_explain(struct reading *reading, const struct reader_entry *entry) {
    static const bool is_compared[READER_LOG_SYSTEM_COUNT] = {
        [READER_LOG_POSTFIX] = true,   [READER_LOG_EXIM] = true,     [READER_LOG_SENDMAIL] = true,
        [READER_LOG_OPENSMTPD] = true, [READER_LOG_SYMANTEC] = true, [READER_LOG_POSTRIDER] = true};
    struct arena arena;
    struct reader_reading line;
    if (entry->kind != READER_ENTRY_ATTEMPT || !is_compared[entry->system] ||
        view_find(entry->line, VIEW("Network error on destination MXs")) < entry->line.len)
        return;
    arena_init(&arena, 1 << 20);
    reader_line_read(entry->line, &arena, &line);
    ASSERT(line.n_recipients == 1);
    enum cause cause = entry->outcome == OUTCOME_DELIVERED
                           ? CAUSE_NONE
                           : reader_words_cause(&line.recipients[0].words);
    if (cause != entry->cause) {
        printf("explain says %.*s, not %.*s: %.*s\n", VIEW_ARG(cause_word(cause)),
               VIEW_ARG(cause_word(entry->cause)), VIEW_ARG(entry->line));
        reading->n_different++;
    }
    arena_finish(&arena);
}

static void on_entry(const struct reader_entry *entry, void *arg) {
    struct reading *reading = arg;
    char at[UNITS_TIME_SIZE], peer[ADDRESS_TEXT_SIZE] = "";
    units_format_time(entry->at_ms, at, sizeof(at));
    if (entry->peer.family != ADDRESS_NONE)
        address_format(&entry->peer, peer, sizeof(peer));
    ASSERT((entry->cause == CAUSE_NONE) == (entry->words == NULL));
    ASSERT((entry->outcome == OUTCOME_DELIVERED) == (entry->cause == CAUSE_NONE));
    struct view outcome = outcome_word(entry->outcome), cause = cause_word(entry->cause);
    buffer_printf(&reading->out, "%3llu %s %s %s %.*s %.*s\n",
                  (unsigned long long)entry->line_number, reader_log_word(entry->system).ptr, at,
                  kinds[entry->kind], VIEW_ARG(outcome), VIEW_ARG(cause));
    buffer_printf(&reading->out,
                  "    #%zu %.*s <%.*s> from <%.*s> to <%.*s> at \"%.*s\" via %.*s [%s]",
                  entry->message ? number_of(reading, entry->message) : 0,
                  VIEW_ARG(entry->queue_id), VIEW_ARG(entry->message_id), VIEW_ARG(entry->sender),
                  VIEW_ARG(entry->recipient), VIEW_ARG(entry->domain), VIEW_ARG(entry->host), peer);
    if (entry->arrived_ms)
        buffer_printf(&reading->out, " after %lld s",
                      (long long)(entry->at_ms - entry->arrived_ms) / 1000);
    buffer_append_char(&reading->out, '\n');
    compare_with_explain(reading, entry);
}

static void put_totals(const struct reader_log *log, struct buffer *out) {
    const struct reader_log_totals *totals = reader_log_totals(log);
    buffer_printf(out,
                  "    %llu lines, %llu inbound, %llu unread, %llu long, %llu nul, %llu jumps, "
                  "%llu other\n",
                  (unsigned long long)totals->n_lines, (unsigned long long)totals->n_inbound,
                  (unsigned long long)totals->n_unread, (unsigned long long)totals->n_long,
                  (unsigned long long)totals->n_nul, (unsigned long long)totals->n_clock_jumps,
                  (unsigned long long)totals->n_other);
}

static unsigned put_log(struct buffer *out, const struct folder *folder, const char *name,
                        size_t piece) {
    struct reading reading = {0};
    struct buffer file;
    struct reader_log_options options = {.on_entry = on_entry, .arg = &reading};
    ASSERT(units_parse_time(VIEW("2026-05-20T00:00:00Z"), &options.now_ms));
    buffer_init(&file, FOLDER_FILE_BYTES_MAX);
    buffer_init(&reading.out, FOLDER_FILE_BYTES_MAX);
    folder_read(folder, name, &file);
    struct reader_log *log = reader_log_create(&options);
    reader_log_file(log, view_of(name));
    for (struct view rest = buffer_view(&file); rest.len; rest = view_skip(rest, piece))
        reader_log_feed(log, view_take(rest, piece));
    reader_log_end(log);
    buffer_printf(out, "== %s\n", name);
    buffer_append_view(out, buffer_view(&reading.out));
    put_totals(log, out);
    reader_log_destroy(log);
    buffer_finish(&reading.out);
    buffer_finish(&file);
    return reading.n_different;
}

int main(int argc, char **argv) {
    struct folder folder;
    struct buffer out, pieces;
    unsigned n_different = 0;
    buffer_init(&out, FOLDER_FILE_BYTES_MAX);
    buffer_init(&pieces, FOLDER_FILE_BYTES_MAX);
    folder_open(&folder, argv, argc, ".log");
    for (int i = 0; i < folder.n; i++) {
        n_different += put_log(&out, &folder, folder_name(&folder, i), FOLDER_FILE_BYTES_MAX);
        (void)put_log(&pieces, &folder, folder_name(&folder, i), SMALL_PIECE);
    }
    n_different += folder_compare(&folder, buffer_view(&out));
    folder.is_written = false;
    n_different += folder_compare(&folder, buffer_view(&pieces));
    folder_close(&folder);
    buffer_finish(&out);
    buffer_finish(&pieces);
    return n_different > 0;
}
