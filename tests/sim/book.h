// SPDX-License-Identifier: Apache-2.0
// The book of a simulated day: what was handed to the relay and acknowledged, what arrived where,
// what was sent back; and at its end the promise, message by message.
#ifndef TEST_SIM_BOOK_H
#define TEST_SIM_BOOK_H

#include "io/io.h"

enum { BOOK_MESSAGES_MAX = 4000, BOOK_RCPTS_MAX = 8, BOOK_KILLS_MAX = 256, BOOK_ADDRESS_SIZE = 64 };

struct book_rcpt {
    char address[BOOK_ADDRESS_SIZE];
    unsigned n_delivered, n_notices, n_warnings;
    io_time delivered_at; // the last time
    bool is_certain;      // the relay has seen the reply to it
};

struct book_message {
    bool is_acked;
    bool has_sender; // else <>
    size_t n_rcpts;
    struct book_rcpt rcpts[BOOK_RCPTS_MAX];
};

struct book {
    struct book_message messages[BOOK_MESSAGES_MAX];
    unsigned n_messages;
    io_time kills[BOOK_KILLS_MAX];
    unsigned n_kills;
    bool is_loud;
    bool disk_fails; // settlements may become durable much later
    unsigned n_faults;
    char first_fault[256];
    unsigned n_acked, n_delivered, n_notices, n_twice;
};

// The number of a new message; it stands in its header as "X-Sim: NUMBER".
unsigned book_open(struct book *book, bool has_sender);
void book_add_rcpt(struct book *book, unsigned number, const char *address);
void book_acked(struct book *book, unsigned number);
void book_killed(struct book *book);
// Returns the recipient, for book_certain once the relay must have seen our reply.
struct book_rcpt *book_delivered(struct book *book, unsigned number, struct view address);
void book_certain(struct book_rcpt *rcpt);
void book_noticed(struct book *book, unsigned number, struct view address, bool is_final);
// Every acknowledged message is delivered or bounced; the queue is empty.
bool book_is_settled(const struct book *book);
void book_close(struct book *book, bool is_queue_empty);

#endif
