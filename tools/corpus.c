// SPDX-License-Identifier: Apache-2.0
// corpus DIR [--verbose]: reads the bounces of a folder and compares what was found with its
// labels.json: {"file": [{"status", "reply", "reason"}, ...]}, one entry a recipient in the order
// of the mail. Prints a table, and with --verbose each difference and each recipient. A code that
// we report and that does not stand in the mail is counted as invented: there must be none.
#include "mail/mail.h"
#include "readers/readers.h"

#include <jansson.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAIL_BYTES_MAX = 32 << 20, ARENA_BYTES = 64 << 20 };

struct tally {
    unsigned n_mails, n_recipients, n_found, n_reasons, n_status, n_status_right, n_reply,
        n_reply_right, n_invented;
};

struct corpus {
    const char *dir;
    bool is_verbose;
    json_t *labels;
    struct tally tally;
};

static bool read_file(const char *dir, const char *name, struct buffer *out) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        char *room = buffer_reserve(out, 65536);
        ssize_t n = room ? read(fd, room, 65536) : 0;
        if (n <= 0)
            break;
        buffer_advance(out, (size_t)n);
    }
    close(fd);
    return true;
}

// --- Invented codes ------------------------------------------------------------------------------
static bool holds(struct view text, struct view code) {
    return view_find(text, code) < text.len;
}

static bool stands_in(struct view message, struct view code, struct arena *arena) {
    struct mail_parts parts;
    if (code.len == 0 || holds(message, code))
        return true;
    mail_parts_read(message, arena, &parts);
    for (size_t i = 0; i < parts.n; i++)
        if (holds(mail_part_text(&parts.parts[i], 1 << 20, arena), code))
            return true;
    return false;
}

// --- One recipient
// ---------------------------------------------------------------------------------
static bool was_reported(const char *status) {
    // Codes of the form X.0.9xx are made up by the tool that wrote the labels.
    return *status && strncmp(status + 1, ".0.9", 4) != 0;
}

static bool same(struct view found, const char *label) {
    return view_equals(found, view_of(label));
}

static void compare(struct corpus *corpus, const char *name, const json_t *label,
                    const struct reader_reading *reading,
                    const struct reader_recipient *recipient) {
    struct tally *tally = &corpus->tally;
    const char *status = json_string_value(json_object_get(label, "status"));
    const char *reply = json_string_value(json_object_get(label, "reply"));
    const char *reason = json_string_value(json_object_get(label, "reason"));
    struct view found = reader_sisimai_name(reading, recipient);
    struct view enhanced = reader_reported_enhanced(recipient);
    bool reason_right = same(found, reason);
    bool has_status = was_reported(status), status_right = same(enhanced, status);
    bool has_reply = *reply && *reason && strcmp(reason, "feedback") != 0;
    tally->n_reasons += reason_right;
    tally->n_status += has_status;
    tally->n_status_right += has_status && status_right;
    tally->n_reply += has_reply;
    tally->n_reply_right += has_reply && same(recipient->words.code, reply);
    if (!corpus->is_verbose)
        return;
    enum cause cause = reader_words_cause(&recipient->words);
    struct view id = cause == CAUSE_NONE ? VIEW("none") : cause_info(cause)->id;
    struct view text = view_take(recipient->words.text, 90);
    printf("%c%c%c %-28s %-34.*s %-8.*s %-4.*s %-15.*s", reason_right ? ' ' : 'R',
           has_status && !status_right ? 'S' : ' ',
           has_reply && !same(recipient->words.code, reply) ? 'C' : ' ', name,
           VIEW_ARG(recipient->address), VIEW_ARG(enhanced), VIEW_ARG(recipient->words.code),
           VIEW_ARG(found));
    printf(" (%s %s %s) %.*s %.*s | ", status, reply, reason, VIEW_ARG(id),
           VIEW_ARG(fact_stage_word(recipient->words.fact.stage)));
    for (size_t i = 0; i < text.len; i++)
        putchar((unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
    putchar('\n');
}

static bool names_recipient(const struct reader_recipient *recipient, struct view message,
                            struct arena *arena) {
    return recipient->address.len > 0 && stands_in(message, recipient->address, arena);
}

// --- One file
// --------------------------------------------------------------------------------------
enum { FOUND_MAX = 1000 };

struct found {
    struct reader_reading readings[64]; // a mailbox holds several mails
    size_t n_readings;
    struct {
        const struct reader_reading *reading;
        const struct reader_recipient *recipient;
    } recipients[FOUND_MAX];
    size_t n;
};

static void read_mails(struct view file, struct arena *arena, struct found *found) {
    struct view message;
    while (found->n_readings < ARRAY_LEN(found->readings) && reader_mailbox_take(&file, &message)) {
        struct reader_reading *reading = &found->readings[found->n_readings++];
        reader_mail_read(message, arena, reading);
        for (size_t i = 0; i < reading->n_recipients && found->n < FOUND_MAX; i++) {
            found->recipients[found->n].reading = reading;
            found->recipients[found->n++].recipient = &reading->recipients[i];
        }
    }
}

static void count_invented(struct corpus *corpus, const struct found *found, struct view file,
                           struct arena *arena) {
    for (size_t i = 0; i < found->n; i++) {
        const struct reader_recipient *recipient = found->recipients[i].recipient;
        bool is_told = stands_in(file, recipient->words.code, arena) &&
                       stands_in(file, reader_reported_enhanced(recipient), arena);
        corpus->tally.n_invented += !is_told;
    }
}

static void print_found(const char *name, const struct found *found, size_t n_labels) {
    printf("%s %s: %zu recipients, %zu labelled, kind %.*s\n", n_labels ? "N  " : "?  ", name,
           found->n, n_labels, VIEW_ARG(reader_kind_word(found->readings[0].kind)));
    for (size_t i = 0; i < found->n; i++) {
        const struct reader_recipient *recipient = found->recipients[i].recipient;
        printf("      %.*s %.*s %.*s %.*s\n", VIEW_ARG(recipient->address),
               VIEW_ARG(recipient->words.code), VIEW_ARG(reader_reported_enhanced(recipient)),
               VIEW_ARG(reader_sisimai_name(found->recipients[i].reading, recipient)));
    }
}

static void check_file(struct corpus *corpus, const char *name, struct view file,
                       struct arena *arena) {
    static const struct reader_recipient nobody;
    const json_t *labels = json_object_get(corpus->labels, name);
    size_t n_labels = json_array_size(labels);
    struct found *found = arena_alloc(arena, sizeof(*found));
    ASSERT(found != NULL);
    read_mails(file, arena, found);
    corpus->tally.n_mails += (unsigned)found->n_readings;
    corpus->tally.n_recipients += (unsigned)n_labels;
    count_invented(corpus, found, file, arena);
    if (corpus->is_verbose && (found->n != n_labels || n_labels == 0))
        print_found(name, found, n_labels);
    for (size_t i = 0; i < n_labels; i++) {
        bool is_there = i < found->n;
        const struct reader_recipient *recipient =
            is_there ? found->recipients[i].recipient : &nobody;
        const struct reader_reading *reading =
            is_there ? found->recipients[i].reading : &found->readings[0];
        corpus->tally.n_found += found->n == n_labels && names_recipient(recipient, file, arena);
        compare(corpus, name, json_array_get(labels, i), reading, recipient);
    }
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_mail(const struct dirent *entry) {
    return view_ends_with_nocase(view_of(entry->d_name), VIEW(".eml"));
}

static int keep_mail(const struct dirent *entry) {
    return is_mail(entry);
}

static void check_all(struct corpus *corpus) {
    struct dirent **entries = NULL;
    int n = scandir(corpus->dir, &entries, keep_mail, by_name);
    for (int i = 0; i < n; i++) {
        struct buffer file;
        struct arena arena;
        buffer_init(&file, MAIL_BYTES_MAX);
        arena_init(&arena, ARENA_BYTES);
        if (read_file(corpus->dir, entries[i]->d_name, &file))
            check_file(corpus, entries[i]->d_name, buffer_view(&file), &arena);
        arena_finish(&arena);
        buffer_finish(&file);
        free(entries[i]);
    }
    free(entries);
}

static void print_row(const char *what, unsigned right, unsigned all, const char *bar) {
    printf("%-28s %5u of %5u  %6.2f %%   %s\n", what, right, all, all ? 100.0 * right / all : 100.0,
           bar);
}

int main(int argc, char **argv) {
    struct corpus corpus = {.dir = argc > 1 ? argv[1] : ""};
    struct buffer labels;
    corpus.is_verbose = argc > 2 && strcmp(argv[2], "--verbose") == 0;
    buffer_init(&labels, MAIL_BYTES_MAX);
    if (!read_file(corpus.dir, "labels.json", &labels)) {
        fprintf(stderr, "corpus: no labels.json in \"%s\" (usage: corpus DIR [--verbose])\n",
                corpus.dir);
        return 2;
    }
    corpus.labels = json_loads(buffer_string(&labels), 0, NULL);
    buffer_finish(&labels);
    check_all(&corpus);
    json_decref(corpus.labels);
    const struct tally *tally = &corpus.tally;
    printf("%u mails, %u recipients labelled\n", tally->n_mails, tally->n_recipients);
    print_row("recipients", tally->n_found, tally->n_recipients, "bar 99 %");
    print_row("reason", tally->n_reasons, tally->n_recipients, "bar 97 %");
    print_row("status, where reported", tally->n_status_right, tally->n_status, "bar 98 %");
    print_row("reply code", tally->n_reply_right, tally->n_reply, "");
    printf("%-28s %5u\n", "invented codes", tally->n_invented);
    return tally->n_invented > 0;
}
