// SPDX-License-Identifier: Apache-2.0
// Private to spool. Reads the data of one segment from its bytes, with no I/O: what is whole
// becomes an image (what an index would hold), what is not becomes a damage, and reading goes on
// behind it.
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H

#include "spool/format.h"

// --- Image: entries of (frame, records) ----------------------------------------------------------
void spool_image_append(struct buffer *image, uint32_t unit, struct view records);
// False at the end, and where the bytes are no entry: then `rest->len` is not zero.
bool spool_image_next(struct view *rest, uint32_t *unit, struct view *records);

// --- Scan ----------------------------------------------------------------------------------------
enum { SPOOL_DAMAGES_MAX = 4096 }; // in one segment; what comes after is left out of the list

struct spool_damage {
    uint64_t at, len;
    uint64_t sequence; // of the batch it belongs to, as far as known
    bool is_frame;     // its records are whole, some body that they name is not
};

struct spool_scan {
    struct spool_secret secret;
    uint64_t abandoned_from; // batches from this sequence on do not count; zero: all count
    struct buffer *image;    // appended to
    // What was found.
    uint64_t end; // behind the last whole frame
    uint64_t first_sequence, last_sequence;
    int64_t newest_ms;
    uint64_t n_batches, n_frames;
    struct spool_damage *damages;
    size_t n_damages, size_damages;
    bool has_index_mark; // data was followed by the begin of an index
    // The batch that is being read.
    uint64_t sequence;
    uint32_t frames_left;
};

// `file` is the whole file, or all of it up to the end of data. Free with spool_scan_finish.
void spool_scan_run(struct spool_scan *scan, struct view file);
void spool_scan_finish(struct spool_scan *scan);
// Every piece that the records name in this frame's data is there and passes its CRC.
bool spool_scan_data_is_whole(struct view meta, struct view data);

#endif
