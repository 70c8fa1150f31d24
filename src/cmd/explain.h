// SPDX-License-Identifier: Apache-2.0
// The parts of postrider explain.
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include "cmd/cmd.h"
#include "readers/readers.h"

enum {
    EXPLAIN_TEXT_BYTES_MAX = 64 << 10,   // of an argument
    EXPLAIN_MAIL_BYTES_MAX = 64 << 20,   // of one mail in a mailbox; the rest of it is passed over
    EXPLAIN_FILE_BYTES_MAX = 512 << 20,  // of a queue or of error lines
    EXPLAIN_ARENA_BYTES_MAX = 256 << 20, // for reading one of them
    EXPLAIN_ANSWER_BYTES_MAX = 16 << 20,
    EXPLAIN_LINES_MAX = 500 // different failures that are told of one file of lines
};

struct explain {
    struct reader_show show;
    struct reader_redaction *redaction; // NULL: nothing is masked
    struct buffer out;
    bool is_json, has_failed;
    size_t n_answers;
};

void explain_flush(struct explain *explain);
void explain_answer(struct explain *explain, const struct reader_reading *reading);
void explain_queue(struct explain *explain, struct view text);
void explain_fail(struct explain *explain, const char *what, const char *why);

// A file, a folder, or "-" for standard input.
void explain_path(struct explain *explain, const char *path);
// Bytes that are complete: a mail, a mailbox, a queue or lines.
void explain_bytes(struct explain *explain, struct view bytes);

#endif
