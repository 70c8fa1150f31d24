// SPDX-License-Identifier: Apache-2.0
// Private to spool. The keeper: one fiber on the helper's loop that looks after closed segments. It
// writes the index of those that will stay, moves what is alive out of those that are mostly dead,
// and watches the space on the disk. What is alive only the committer knows, so it asks.
#ifndef SPOOL_KEEPER_H
#define SPOOL_KEEPER_H

#include "spool/commit.h"

struct spool_keeper *spool_keeper_create(struct spool *spool);
void spool_keeper_destroy(struct spool_keeper *keeper);
void spool_keeper_wake(struct spool_keeper *keeper); // from any thread; NULL: none yet
// Closes the current segment and seals everything that is needed.
IO_WAITS void spool_keeper_stop(struct spool_keeper *keeper);

// --- Its work ------------------------------------------------------------------------------------
// Writes index and footer. A full disk is no failure, nor is what cannot be read (IO_CANCELED): it
// is tried again later.
IO_WAITS struct io_result spool_seal(struct spool *spool, struct spool_segment *segment);
// Moves everything alive to the end of the log. False: not all of it could be moved.
IO_WAITS bool spool_clean(struct spool *spool, struct spool_segment *segment);
// The image of a segment in any state; `storage` holds it where it had to be read.
IO_WAITS bool spool_image_get(struct spool *spool, struct spool_segment *segment,
                              struct buffer *storage, struct view *image);
// Makes or completes the reserve; false while there is no room for it.
IO_WAITS bool spool_reserve_make(struct spool *spool, int which);
// A fresh look at the disk, told to the committer.
IO_WAITS void spool_space_measure(struct spool *spool);

#endif
