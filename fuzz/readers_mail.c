// SPDX-License-Identifier: Apache-2.0
// Any bytes as a mailbox of bounces: what is reported stands in the text, and it has a meaning.
#include "readers/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_recipient(const struct reader_reading *reading,
                            const struct reader_recipient *recipient, struct arena *arena) {
    struct verdict verdict;
    const struct reader_words *words = &recipient->words;
    ASSERT(words->code.len == 0 || words->code.len == 3);
    ASSERT(words->code.len == 0 || view_find(words->text, words->code) < words->text.len);
    ASSERT(reader_sisimai_name(reading, recipient).len > 0);
    reader_verdict(recipient, arena, &verdict);
    ASSERT((unsigned)verdict.cause < CAUSE_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view rest = view_from(bytes, len), message;
    for (int i = 0; i < 8 && reader_mailbox_take(&rest, &message); i++) {
        struct arena arena;
        struct reader_reading reading;
        arena_init(&arena, 32 << 20);
        reader_mail_read(message, &arena, &reading);
        ASSERT(reading.n_recipients <= READER_RECIPIENTS_MAX);
        for (size_t k = 0; k < reading.n_recipients; k++)
            check_recipient(&reading, &reading.recipients[k], &arena);
        arena_finish(&arena);
    }
    return 0;
}
