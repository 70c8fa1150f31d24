// SPDX-License-Identifier: Apache-2.0
// Reading the part of a report that is written for people. Private to this folder.
#ifndef READERS_NOTICE_H
#define READERS_NOTICE_H

#include "readers/report.h"

// Where the returned mail begins in a text: the end of what the reporting system wrote.
// `original_at` is where the mail itself does, behind the line that announces it.
size_t reader_original_find(struct view text, size_t *original_at);

// How sure it is that a line names a recipient that the notice is about.
enum mention_shape {
    MENTION_NONE,
    MENTION_SENTENCE, // somewhere in prose
    MENTION_LINE,     // an address at the start of a line, with something behind it
    MENTION_ITEM,     // the only thing on its line, bracketed, or behind "Recipient:"
    MENTION_COMMAND   // "RCPT TO:<...>"
};

struct mention {
    struct view address;
    size_t line_at; // of the line in the text
    size_t end;     // behind the address
    enum mention_shape shape;
};

enum { MENTIONS_MAX = 2 * READER_RECIPIENTS_MAX };

// Every address that may be a failed recipient, in the order of the text. Returns how many.
size_t reader_mentions_find(struct view text, struct mention *mentions, size_t size);

// One command of a session that the notice quotes, and what was answered.
struct exchange {
    enum fact_stage stage;
    struct view address; // of RCPT TO; else empty
    struct view reply;   // without the signs before its lines
    struct view host;    // "while talking to mx.example.org"; may be empty
};
enum { EXCHANGES_MAX = 64 };
// The exchanges that ended with a refusal.
size_t reader_exchanges_find(struct view text, struct arena *arena, struct exchange *exchanges);

#endif
