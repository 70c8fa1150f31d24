// SPDX-License-Identifier: Apache-2.0
// A client of the simulated world: hands mail to the relay and notes in the book what was
// acknowledged.
#ifndef TEST_SIM_CLIENT_H
#define TEST_SIM_CLIENT_H

#include "io/sim.h"
#include "sim/book.h"

struct client_mail {
    unsigned number;    // in the book, with its recipients
    const char *sender; // "": <>
    size_t body_bytes;
    unsigned n_received; // Received fields that it has already
};
// Sends one message over a connection of its own. True: it was acknowledged.
IO_WAITS bool client_send(struct book *book, const struct address *server,
                          const struct client_mail *mail);

#endif
