// SPDX-License-Identifier: Apache-2.0
// A mail server of the simulated world: takes mail into the book, in the mood that the weather
// gives it.
#ifndef TEST_SIM_RECEIVER_H
#define TEST_SIM_RECEIVER_H

#include "io/sim.h"
#include "sim/book.h"

enum receiver_mood {
    RECEIVER_WELL,
    RECEIVER_SILENT,      // accepts the connection and says nothing
    RECEIVER_BUSY,        // 421 at the greeting
    RECEIVER_UNWILLING,   // 554 at the greeting
    RECEIVER_DEFERS,      // 451 to every recipient
    RECEIVER_THROTTLES,   // 421 to MAIL
    RECEIVER_DROPS_DATA,  // closes in the middle of the body
    RECEIVER_LOSES_REPLY, // takes the mail and closes without a word
    RECEIVER_FORGETS,     // takes the mail and never answers
    RECEIVER_FULL,        // 452 to the body
    RECEIVER_REJECTS,     // 554 to the body
    RECEIVER_SLOW,        // takes seconds for each reply
    RECEIVER_GARBLES,     // says something that is no reply
    RECEIVER_MOODS
};

struct receiver {
    struct sim *sim;
    struct book *book;
    struct address address;
    const char *name;
    enum receiver_mood mood;
    bool pipelines;
    uint64_t n_connections, n_messages;
    // For tests that look closer; NULL: not wanted. `to` is the first recipient.
    void (*on_mail)(void *arg, struct view from, struct view to, struct view message);
    void *arg;
};

// Recipients beginning with "gone" are unknown (550), with "grey" deferred at first (451), with
// "full" over quota (452); what comes for "sender" is read as notices.
void receiver_start(struct receiver *receiver);

#endif
