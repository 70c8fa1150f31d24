// SPDX-License-Identifier: Apache-2.0
// Private to spool. Reading what the index points to: the committer says where things are, with the
// files held, and whoever asked reads them on its own loop.
#ifndef SPOOL_READ_H
#define SPOOL_READ_H

#include "spool/index.h"
#include "spool/store.h"

struct spool_held { // a file that is needed, by slot
    uint32_t slot;
    struct spool_file *file;
};

// A message as the index had it at one moment.
struct spool_found {
    struct spool_id id;
    uint32_t n_rcpts; // zero: not found
    uint64_t stored_bytes;
    struct spool_place home;
    struct spool_place *places; // of the recipients
    bool *is_settled;
    struct spool_held *held;
    size_t n_held;
};
IO_WAITS void spool_found_ask(struct spool *spool, struct spool_id id, struct spool_found *found);
// On the committer.
void spool_found_fill(const struct spool *spool, const struct spool_item *item,
                      struct spool_found *found);
void spool_found_finish(struct spool_found *found);
struct spool_file *spool_found_file(const struct spool_found *found, uint32_t slot);
struct spool_file *spool_found_number(const struct spool_found *found, uint64_t number);

// A frame read and checked: header and meta.
struct spool_loaded {
    struct buffer bytes;
    struct spool_frame frame;
    struct view meta;
};
IO_WAITS enum spool_status spool_frame_load(struct spool_file *file, uint32_t unit,
                                            struct spool_loaded *loaded);
// The latest record in a frame about a message: MESSAGE, or STATE of a recipient. False: none.
bool spool_find_message(struct view meta, struct spool_id id, struct view *payload);
bool spool_find_state(struct view meta, struct spool_id id, uint32_t rcpt, struct view *state);
// A view for each recipient into `storage`: its latest state, empty where it has none or is
// settled.
IO_WAITS enum spool_status spool_states_load(const struct spool_found *found, struct arena *storage,
                                             struct view *states);

#endif
