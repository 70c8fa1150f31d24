// SPDX-License-Identifier: Apache-2.0
// The parts of reading words. Private to this folder.
#ifndef READERS_WORDS_H
#define READERS_WORDS_H

#include "readers/readers.h"

enum { READER_WORDS_BYTES_MAX = 8192 };

// One reply inside words: views into them.
struct reader_reply {
    struct view code;     // "550"
    struct view enhanced; // "5.1.1", or empty
    struct view text;     // behind the code and enhanced code, up to where the quotation ends
    struct view around;   // the words that it stands in
};
// The first reply, and the one that it quotes in turn; the same where it quotes none.
struct reader_replies {
    struct reader_reply outer, inner;
    bool is_field; // the inner one stands in a field of the outer one, which is what was reported
};
bool reader_replies_find(struct view words, struct reader_replies *replies);

// An enhanced code that stands alone: at the start, or as "#5.1.1"; empty when there is none.
struct view reader_enhanced_find(struct view words);

// Answers that say no more than that there was one.
bool reader_cause_is_general(enum cause cause);

// Takes off what logs, queues and reports put around the words, and what Exchange keeps beside them
// (server, address, time), which goes into `words`.
struct view reader_words_unwrap(struct view text, struct reader_words *words);

// A failure that is told as a number or by the name of one.
bool reader_number_read(struct view words, struct fact *fact);

// The server that the words name before `reply` (NULL: anywhere).
void reader_host_find(struct view text, const char *reply, struct reader_words *words);

#endif
