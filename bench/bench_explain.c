// SPDX-License-Identifier: Apache-2.0
// bench_explain DIR [SECONDS]: how many mails of a folder are read in a second on one core: what
// they report with its causes, and the same with the whole answer as JSON. All mails are in memory.
#include "readers/readers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILES_MAX = 4096, FILE_BYTES_MAX = 16 << 20 };

struct files {
    struct buffer files[FILES_MAX];
    size_t n;
    uint64_t n_bytes;
};

// Of the processor: what others do on the machine does not count.
static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int is_mail(const struct dirent *entry) {
    return view_ends_with_nocase(view_of(entry->d_name), VIEW(".eml"));
}

static void load(const char *dir, struct files *files) {
    struct dirent **entries = NULL;
    char path[4096];
    int n = scandir(dir, &entries, is_mail, alphasort);
    for (int i = 0; i < n && files->n < FILES_MAX; i++) {
        struct buffer *bytes = &files->files[files->n];
        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        FILE *file = fopen(path, "rb");
        buffer_init(bytes, FILE_BYTES_MAX);
        size_t got = 0;
        while (file && (got = fread(buffer_reserve(bytes, 65536), 1, 65536, file)) > 0)
            buffer_advance(bytes, got);
        if (file)
            fclose(file);
        files->n_bytes += bytes->len;
        files->n += bytes->len > 0;
        free(entries[i]);
    }
    free(entries);
}

struct tally {
    uint64_t n_mails, n_recipients, n_causes, n_answer_bytes;
};

static void read_file(struct view bytes, bool with_answer, struct buffer *answer,
                      struct tally *tally) {
    struct view message;
    struct reader_show show = {.sisimai_names = true};
    while (reader_mailbox_take(&bytes, &message)) {
        struct reader_reading reading;
        struct arena arena;
        arena_init(&arena, 64 << 20);
        reader_mail_read(message, &arena, &reading);
        for (size_t i = 0; i < reading.n_recipients; i++)
            tally->n_causes += reader_words_cause(&reading.recipients[i].words) != CAUSE_UNKNOWN;
        if (with_answer)
            reader_write_json(&reading, &show, answer);
        tally->n_answer_bytes += answer->len;
        buffer_clear(answer);
        tally->n_mails++;
        tally->n_recipients += reading.n_recipients;
        arena_finish(&arena);
    }
}

static void measure(const struct files *files, const char *what, bool with_answer, double seconds) {
    struct tally tally = {0};
    struct buffer answer;
    buffer_init(&answer, 16 << 20);
    double begin = seconds_now(), end = begin + seconds, now = begin;
    while (now < end) {
        for (size_t i = 0; i < files->n; i++)
            read_file(buffer_view(&files->files[i]), with_answer, &answer, &tally);
        now = seconds_now();
    }
    double took = now - begin;
    printf("%-16s %9.0f mails/s  %8.1f us a mail  %7.1f MB/s\n", what, (double)tally.n_mails / took,
           took / (double)tally.n_mails * 1e6,
           (double)files->n_bytes * (double)tally.n_mails / (double)files->n / took / 1e6);
    buffer_finish(&answer);
}

int main(int argc, char **argv) {
    static struct files files;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    if (argc > 1)
        load(argv[1], &files);
    if (files.n == 0) {
        fputs("usage: bench_explain DIR [SECONDS], a folder with .eml files\n", stderr);
        return 2;
    }
    printf("%zu files, %.1f KB each\n", files.n, (double)files.n_bytes / (double)files.n / 1024);
    measure(&files, "read", false, seconds);
    measure(&files, "read and answer", true, seconds);
    for (size_t i = 0; i < files.n; i++)
        buffer_finish(&files.files[i]);
    return 0;
}
