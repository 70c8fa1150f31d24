// SPDX-License-Identifier: Apache-2.0
// What is stored about a recipient, a lane or a domain beside the message: how the last attempt
// failed and when the next one is. Tag-length-value; unknown tags are skipped. Private to relay/.
#ifndef RELAY_RECORD_H
#define RELAY_RECORD_H

#include "base/address.h"
#include "base/fact.h"

enum { RELAY_RECORD_BYTES_MAX = 4096, RELAY_RECORD_TEXT_MAX = 512 };

struct relay_record {
    struct fact fact;     // kind NONE: nothing failed yet
    struct view host;     // the server that it was seen at; empty: none
    struct view greeting; // its first line, cut; empty: not known
    struct address peer, source;
    int64_t next_ms;       // wall clock: next attempt, or the end of the back-off
    int64_t since_ms;      // first failure in a row
    int64_t held_since_ms; // not zero: on hold
    int64_t tried_ms;      // last attempt
    uint32_t rounds;
    uint8_t dot_losses;
    bool is_warned, is_hold_warned;
};

void relay_record_init(struct relay_record *record);
void relay_record_encode(const struct relay_record *record, struct buffer *out);
// Views point into `bytes`. False: damaged; the record is as new.
bool relay_record_decode(struct view bytes, struct relay_record *record);
// A copy that owns its texts, and its end.
struct relay_record *relay_record_copy(const struct relay_record *record);
void relay_record_copy_into(struct relay_record *to, const struct relay_record *from);
void relay_record_finish(struct relay_record *record);
void relay_record_free(struct relay_record *record);

#endif
