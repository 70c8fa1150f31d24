// SPDX-License-Identifier: Apache-2.0
// Private to spool. Turns the operations of a transaction into records, given what is so already:
// an operation that says nothing new leaves no record.
#ifndef SPOOL_ENCODE_H
#define SPOOL_ENCODE_H

#include "spool/draft.h"

struct spool_encoder {
    struct spool_draft *draft;
    struct spool_tx *tx;
    struct buffer *out;
    struct spool_place place; // of the frame
};
void spool_encode_tx(struct spool_encoder *encoder);

// The draft's side of it: bytes behind the records, and notes, which change once durable.
void spool_encode_data(struct spool_encoder *encoder, const char *memory, uint32_t len);
void spool_encode_note(struct spool_encoder *encoder, const struct spool_note *note);

#endif
