// SPDX-License-Identifier: Apache-2.0
// bounces DIR [--write]: reads every mail of the folder beside this file and compares what is found
// with "expected", one block a mail. The mails are our own, one for each way in which mail systems
// write.
#include "folder.h"
#include "readers/readers.h"

#include <stdio.h>

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

static void put_file(struct buffer *out, const struct folder *folder, const char *name) {
    struct buffer file;
    struct arena arena;
    buffer_init(&file, FOLDER_FILE_BYTES_MAX);
    arena_init(&arena, 16 << 20);
    folder_read(folder, name, &file);
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

int main(int argc, char **argv) {
    struct folder folder;
    struct buffer out;
    buffer_init(&out, FOLDER_FILE_BYTES_MAX);
    folder_open(&folder, argv, argc, ".eml");
    for (int i = 0; i < folder.n; i++)
        put_file(&out, &folder, folder_name(&folder, i));
    unsigned n_different = folder_compare(&folder, buffer_view(&out));
    printf("%d mails\n", folder.n);
    folder_close(&folder);
    buffer_finish(&out);
    return n_different > 0;
}
