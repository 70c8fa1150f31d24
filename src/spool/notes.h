// SPDX-License-Identifier: Apache-2.0
// Private to spool. Notes: small keyed values. They stay in memory; the log holds their latest
// values. The committer changes them once durable, anybody reads them, so there is a lock.
#ifndef SPOOL_NOTES_H
#define SPOOL_NOTES_H

#include "base/hash.h"
#include "spool/index.h"

#include <pthread.h>

struct spool_notes {
    pthread_mutex_t lock;
    struct spool_segments *segments;
    struct hash_table table;
    struct list removed; // what an old segment still holds a value of
};

void spool_notes_init(struct spool_notes *notes, struct spool_segments *segments);
void spool_notes_finish(struct spool_notes *notes);
void spool_notes_set(struct spool_notes *notes, const struct spool_note *note,
                     struct spool_place place);
// Where the latest value of `key` stands; nowhere: there is none.
struct spool_place spool_notes_place(const struct spool_notes *notes, struct view key);
// Lets go of removed notes whose older values are in no segment any more.
void spool_notes_forget(struct spool_notes *notes);
void spool_notes_visit(struct spool_notes *notes,
                       void (*visit)(struct view key, struct view value, void *arg), void *arg);

#endif
