// SPDX-License-Identifier: Apache-2.0
#include "sim/book.h"

#include "base/units.h"

#include <stdio.h>

enum { SETTLE_GRACE_MS = 10 * 1000 };

static void fault(struct book *book, const char *what, unsigned number, const char *address) {
    if (book->n_faults++ == 0)
        snprintf(book->first_fault, sizeof book->first_fault, "message %u to %s: %s", number,
                 address, what);
}

// One seed alone is told in full.
static void tell(const struct book *book, unsigned number, const char *what, const char *address) {
    char time[UNITS_TIME_SIZE];
    if (!book->is_loud)
        return;
    units_format_time(io_wall_ms(), time, sizeof time);
    printf("%s message %u %s %s\n", time, number, what, address);
}

unsigned book_open(struct book *book, bool has_sender) {
    ASSERT(book->n_messages < BOOK_MESSAGES_MAX);
    unsigned number = book->n_messages++;
    book->messages[number] = (struct book_message){.has_sender = has_sender};
    return number;
}

void book_add_rcpt(struct book *book, unsigned number, const char *address) {
    struct book_message *message = &book->messages[number];
    ASSERT(message->n_rcpts < BOOK_RCPTS_MAX);
    snprintf(message->rcpts[message->n_rcpts++].address, BOOK_ADDRESS_SIZE, "%s", address);
}

void book_acked(struct book *book, unsigned number) {
    book->messages[number].is_acked = true;
    for (size_t i = 0; i < book->messages[number].n_rcpts; i++)
        tell(book, number, "acknowledged for", book->messages[number].rcpts[i].address);
    book->n_acked++;
}

void book_killed(struct book *book) {
    tell(book, 0, "and all others:", "the relay was killed");
    if (book->n_kills < BOOK_KILLS_MAX)
        book->kills[book->n_kills++] = io_now();
}

// The relay was killed before what it had learned of that delivery can be taken to be durable.
static bool was_killed_after(const struct book *book, io_time at) {
    for (unsigned i = 0; i < book->n_kills; i++)
        if (book->kills[i] >= at && (book->disk_fails || book->kills[i] <= at + SETTLE_GRACE_MS))
            return true;
    return book->n_kills == BOOK_KILLS_MAX;
}

static bool may_come_again(const struct book *book, const struct book_rcpt *rcpt) {
    return !rcpt->is_certain || was_killed_after(book, rcpt->delivered_at);
}

static struct book_rcpt *find(struct book *book, unsigned number, struct view address) {
    if (number >= book->n_messages)
        return NULL;
    struct book_message *message = &book->messages[number];
    for (size_t i = 0; i < message->n_rcpts; i++)
        if (view_equals_nocase(view_of(message->rcpts[i].address), address))
            return &message->rcpts[i];
    return NULL;
}

struct book_rcpt *book_delivered(struct book *book, unsigned number, struct view address) {
    struct book_rcpt *rcpt = find(book, number, address);
    if (rcpt == NULL) {
        fault(book, "delivered, though nobody sent it", number, "?");
        return NULL;
    }
    tell(book, number, "delivered to", rcpt->address);
    if (rcpt->n_delivered > 0) {
        book->n_twice++;
        if (!may_come_again(book, rcpt))
            fault(book, "delivered twice without an excuse", number, rcpt->address);
    }
    rcpt->n_delivered++;
    rcpt->delivered_at = io_now();
    rcpt->is_certain = false;
    book->n_delivered++;
    return rcpt;
}

void book_certain(struct book_rcpt *rcpt) {
    if (rcpt != NULL)
        rcpt->is_certain = true;
}

void book_noticed(struct book *book, unsigned number, struct view address, bool is_final) {
    struct book_rcpt *rcpt = find(book, number, address);
    if (rcpt == NULL) {
        fault(book, "a notice about mail that nobody sent", number, "?");
        return;
    }
    tell(book, number, is_final ? "bounced for" : "delayed for", rcpt->address);
    if (!is_final) {
        rcpt->n_warnings++;
        return;
    }
    if (rcpt->n_delivered > 0 && !may_come_again(book, rcpt))
        fault(book, "delivered, and bounced all the same", number, rcpt->address);
    rcpt->n_notices++;
    book->n_notices++;
}

bool book_is_settled(const struct book *book) {
    for (unsigned i = 0; i < book->n_messages; i++) {
        const struct book_message *message = &book->messages[i];
        for (size_t j = 0; j < message->n_rcpts && message->is_acked; j++)
            if (message->rcpts[j].n_delivered == 0 && message->rcpts[j].n_notices == 0 &&
                message->has_sender)
                return false;
    }
    return true;
}

void book_close(struct book *book, bool is_queue_empty) {
    for (unsigned i = 0; i < book->n_messages; i++) {
        const struct book_message *message = &book->messages[i];
        for (size_t j = 0; j < message->n_rcpts && message->is_acked; j++) {
            const struct book_rcpt *rcpt = &message->rcpts[j];
            if (rcpt->n_delivered == 0 && rcpt->n_notices == 0 && message->has_sender)
                fault(book, is_queue_empty ? "LOST" : "still queued after everything was healthy",
                      i, rcpt->address);
        }
    }
    if (!is_queue_empty)
        fault(book, "the queue does not empty", 0, "-");
}
