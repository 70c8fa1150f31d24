// SPDX-License-Identifier: Apache-2.0
// Private to spool. The helper makes and unlinks files for the committer, one after the other, and
// answers with a call. It runs on a loop of its own, where waiting for the disk stops no commit.
#ifndef SPOOL_HELPER_H
#define SPOOL_HELPER_H

#include "spool/store.h"

struct spool_chore {
    struct io_mail mail;
    void (*run)(struct spool *spool, struct spool_chore *chore); // NULL: the helper ends
};
struct spool_helper *spool_helper_create(struct spool *spool);
void spool_helper_destroy(struct spool_helper *helper);
// From any thread.
void spool_helper_post(struct spool_helper *helper, struct spool_chore *chore);
IO_WAITS void spool_helper_stop(struct spool_helper *helper); // after the chores that wait

// A new segment.
struct spool_make {
    struct spool_chore chore;
    struct spool_call done;
    struct spool_new_segment new;
    char reserve[SPOOL_NAME_SIZE];
    enum { SPOOL_MAKE_IDLE, SPOOL_MAKE_ASKED, SPOOL_MAKE_DONE } state;
    struct io_result result;
    struct spool_file *file; // NULL unless the result is IO_OK
};
void spool_make_ask(struct spool *spool, struct spool_make *make);

// Unlinks the segment's file, syncs the directory, then removes the segment.
void spool_unlink_ask(struct spool *spool, struct spool_segment *segment);

#endif
