// SPDX-License-Identifier: Apache-2.0
// bounces DIR [--write]: reads every mail of the folder beside this file and compares what is found
// with "expected", one block a mail. With --write the file is written anew, to be read before it is
// kept. The mails are our own, one for each way in which mail systems write.
#include "readers/readers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 1 << 20 };

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

static void put_line(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len; i++)
        buffer_append_char(out, (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
}

static void put_word(struct buffer *out, const char *label, struct view word) {
    if (word.len == 0)
        return;
    buffer_printf(out, "%s", label);
    put_line(out, word);
}

static void put_recipient(struct buffer *out, const struct reader_reading *reading,
                          const struct reader_recipient *recipient) {
    char address[ADDRESS_TEXT_SIZE] = "";
    const struct reader_words *words = &recipient->words;
    enum cause cause = reader_words_cause(words);
    address_format(&words->peer, address, sizeof(address));
    put_word(out, "  ", recipient->address);
    put_word(out, " for ", recipient->original);
    put_word(out, ": ", reader_action_word(recipient->action));
    put_word(out, " ", words->code);
    put_word(out, " ", words->enhanced);
    put_word(out, " status ", recipient->status);
    buffer_printf(out, "\n    ");
    put_word(out, "", cause == CAUSE_NONE ? VIEW("none") : cause_info(cause)->id);
    put_word(out, " at ", fact_stage_word(words->fact.stage));
    put_word(out, " (", reader_sisimai_name(reading, recipient));
    put_word(out, ") by ", words->host);
    put_word(out, " [", view_of(address));
    put_word(out, "\n    ", recipient->evidence);
    put_word(out, ": ", words->text);
    buffer_printf(out, "\n");
}

static void put_reading(struct buffer *out, const struct reader_reading *reading) {
    put_word(out, "", reader_kind_word(reading->kind));
    put_word(out, " from ", reading->reporting_server);
    put_word(out, " about ", reading->message_id);
    put_word(out, ", ", reading->subject);
    put_word(out, ", by ", reading->sender);
    buffer_printf(out, "\n");
    for (size_t i = 0; i < reading->n_recipients; i++)
        put_recipient(out, reading, &reading->recipients[i]);
}

static void put_file(struct buffer *out, const char *dir, const char *name) {
    struct buffer file;
    struct arena arena;
    buffer_init(&file, FILE_BYTES_MAX);
    arena_init(&arena, 16 << 20);
    read_file(dir, name, &file);
    buffer_printf(out, "== %s\n", name);
    struct view rest = buffer_view(&file), message;
    while (reader_mailbox_take(&rest, &message)) {
        struct reader_reading reading;
        reader_mail_read(message, &arena, &reading);
        put_reading(out, &reading);
    }
    arena_finish(&arena);
    buffer_finish(&file);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_mail(const struct dirent *entry) {
    return view_ends_with_nocase(view_of(entry->d_name), VIEW(".eml"));
}

static int compare(struct view found, struct view expected) {
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
    return n_different > 0;
}

int main(int argc, char **argv) {
    struct dirent **entries = NULL;
    struct buffer out, expected;
    char path[4096];
    const char *dir = argc > 1 ? argv[1] : ".";
    int n = scandir(dir, &entries, is_mail, by_name);
    buffer_init(&out, FILE_BYTES_MAX);
    buffer_init(&expected, FILE_BYTES_MAX);
    ASSERT(n > 0);
    for (int i = 0; i < n; i++) {
        put_file(&out, dir, entries[i]->d_name);
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
    int status = compare(buffer_view(&out), buffer_view(&expected));
    printf("%d mails\n", n);
    buffer_finish(&expected);
    buffer_finish(&out);
    return status;
}
