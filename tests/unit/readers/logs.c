// SPDX-License-Identifier: Apache-2.0
// logs DIR [--write]: reads every log of the folder beside this file, whole and in small pieces,
// and compares what it tells with "expected", one block a log. A line that tells of an attempt must
// have the cause that `explain` finds for it. With --write the file is written anew, to be read
// before it is kept. The logs are our own.
#include "base/units.h"
#include "readers/readers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 1 << 20, MESSAGES_MAX = 256, SMALL_PIECE = 7 };

static const char *const kinds[READER_ENTRY_KIND_COUNT] = {"attempt", "suppressed", "expired"};

struct reading {
    struct buffer out;
    uint64_t messages[MESSAGES_MAX]; // in the order of their appearance
    size_t n_messages;
    unsigned n_different;
};

static void read_file(const char *dir, const char *name, struct buffer *out) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    size_t n = 0;
    while (file && (n = fread(buffer_reserve(out, 4096), 1, 4096, file)) > 0)
        buffer_advance(out, n);
    if (file)
        fclose(file);
}

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

// Postrider's own lines name a cause that was known when it happened; OpenSMTPD tells the cause of
// its network errors in other lines.
static void compare_with_explain(struct reading *reading, const struct reader_entry *entry) {
    static const bool is_compared[READER_LOG_SYSTEM_COUNT] = {[READER_LOG_POSTFIX] = true,
                                                              [READER_LOG_EXIM] = true,
                                                              [READER_LOG_SENDMAIL] = true,
                                                              [READER_LOG_OPENSMTPD] = true,
                                                              [READER_LOG_SYMANTEC] = true};
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

static unsigned put_log(struct buffer *out, const char *dir, const char *name, size_t piece) {
    struct reading reading = {0};
    struct buffer file;
    struct reader_log_options options = {.on_entry = on_entry, .arg = &reading};
    ASSERT(units_parse_time(VIEW("2026-05-20T00:00:00Z"), &options.now_ms));
    buffer_init(&file, FILE_BYTES_MAX);
    buffer_init(&reading.out, FILE_BYTES_MAX);
    read_file(dir, name, &file);
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

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_log(const struct dirent *entry) {
    return view_ends_with_nocase(view_of(entry->d_name), VIEW(".log"));
}

static unsigned compare(struct view found, struct view expected) {
    struct view a, b;
    unsigned line = 0, n_different = 0;
    while (found.ptr || expected.ptr) {
        a = b = VIEW_NONE;
        view_split(&found, '\n', &a);
        view_split(&expected, '\n', &b);
        line++;
        if (view_equals(a, b) || n_different++ > 10)
            continue;
        printf("line %u\n  expected: %.*s\n  found:    %.*s\n", line, VIEW_ARG(b), VIEW_ARG(a));
    }
    return n_different;
}

int main(int argc, char **argv) {
    struct dirent **entries = NULL;
    struct buffer out, pieces, expected;
    char path[4096];
    unsigned n_different = 0;
    const char *dir = argc > 1 ? argv[1] : ".";
    int n = scandir(dir, &entries, is_log, by_name);
    buffer_init(&out, FILE_BYTES_MAX);
    buffer_init(&pieces, FILE_BYTES_MAX);
    buffer_init(&expected, FILE_BYTES_MAX);
    ASSERT(n > 0);
    for (int i = 0; i < n; i++) {
        n_different += put_log(&out, dir, entries[i]->d_name, FILE_BYTES_MAX);
        (void)put_log(&pieces, dir, entries[i]->d_name, SMALL_PIECE);
        free(entries[i]);
    }
    free(entries);
    snprintf(path, sizeof(path), "%s/expected", dir);
    FILE *file = argc > 2 ? fopen(path, "wb") : NULL;
    if (file) {
        fwrite(out.ptr, 1, out.len, file);
        fclose(file);
    }
    read_file(dir, "expected", &expected);
    n_different += compare(buffer_view(&out), buffer_view(&expected));
    n_different += compare(buffer_view(&pieces), buffer_view(&expected));
    buffer_finish(&out);
    buffer_finish(&pieces);
    buffer_finish(&expected);
    return n_different > 0;
}
