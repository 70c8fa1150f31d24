// SPDX-License-Identifier: Apache-2.0
// How the readers of queue listings hand over what they find. Private to this folder.
#ifndef READERS_QUEUE_H
#define READERS_QUEUE_H

#include "base/hash.h"
#include "readers/readers.h"

struct queue_entry {
    struct view reason;      // in the system's words; empty: none is given
    struct view recipient;   // or empty
    struct view destination; // where no recipient is named
    int64_t arrived_ms;      // zero: not said
    uint64_t n_messages;     // behind one line of Exchange's
};

// Reasons repeat by the thousand: what one of them means is kept.
enum { QUEUE_MEMORY_SLOTS = 1024 };

struct queue_builder {
    struct reader_queue *queue;
    struct arena *arena;
    int64_t now_ms;
    uint64_t message; // number of the one being read, from 1
    struct {
        uint64_t hash; // of the reason; zero: empty
        size_t cause;  // index into queue->causes
    } memory[QUEUE_MEMORY_SLOTS];
    struct {
        uint64_t counted;                                       // message that was counted last
        uint64_t at_destination[READER_QUEUE_DESTINATIONS_MAX]; // the same
    } marks[READER_QUEUE_CAUSES_MAX];
};

// A new message begins; recipients that follow belong to it.
void queue_message(struct queue_builder *builder, int64_t arrived_ms);
void queue_add(struct queue_builder *builder, const struct queue_entry *entry);

void queue_read_postfix_json(struct queue_builder *builder, struct view text);
void queue_read_mailq(struct queue_builder *builder, struct view text);
void queue_read_exim(struct queue_builder *builder, struct view text);
void queue_read_opensmtpd(struct queue_builder *builder, struct view text);
void queue_read_exchange_list(struct queue_builder *builder, struct view text);
void queue_read_exchange_table(struct queue_builder *builder, struct view text);
void queue_read_exchange_json(struct queue_builder *builder, struct view text);
void queue_read_exchange_csv(struct queue_builder *builder, struct view text);

// One queue of Exchange: where it leads, how many messages, the last error.
struct queue_exchange {
    struct view destination, count, error, status;
};
void queue_add_exchange(struct queue_builder *builder, const struct queue_exchange *found);

#endif
