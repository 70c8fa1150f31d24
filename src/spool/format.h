// SPDX-License-Identifier: Apache-2.0
// The format of the store on disk, version 1. This page is normative: a program that follows it can
// read a directory that this one wrote. Numbers are little-endian. Offsets count from the start of
// the file. A *unit* is eight bytes; batches and frames begin on whole units.
//
// Files of the directory
//   node             which node this is and its latest boot epoch; replaced by rename
//   NUMBER.segment   the log, in pieces; NUMBER is sixteen hexadecimal digits: boot epoch (upper
//                    half) and a counter (lower half), ascending in time, never used twice
//   reserve-0, -1    allocated blocks: renamed to a segment when the disk is full
//   quarantine-*     bytes that failed their checks, for a person to look at; never read again
//   *.new            unfinished; removed at the next start
//
// In the tables below: offset, bytes, meaning.
//
// Node file (32 bytes)
//    0  8  "PRNODE\r\n"        8  4  version               12  4  node
//   16  4  boot epoch         20  8  wall clock, ms        28  4  CRC32C of the above
//
// Segment
//      0  header (312 bytes), zeros
//   4096  the same header again, zeros
//   8192  batch, batch, ... and, once sealed, index and footer (the last 64 bytes of the file)
//
// Header of a segment (312 bytes)
//    0  8  "PRSPOOL\n"         8  4  version               12  4  node
//   16  8  number             24  8  wall clock, ms        32  8  mark
//   40  4  seed               44  4  number of failures
//   48 16  eight bytes number of a segment that failed, eight bytes batch sequence from which on
//          nothing in it counts; sixteen such pairs, unused ones zero
//  304  4  zero              308  4  CRC32C of the above
// `mark` and `seed` are random secrets of the segment. Every structure below begins with the mark,
// xored with a constant of its kind, and its CRC32C starts from the seed: no body can forge one,
// and after damage the next structure is found by looking for the marks. A structure also says at
// which unit it stands: one that was written to the wrong place does not count.
//
// Batch: what one sync made durable (40 bytes, then its frames)
//    0  8  mark                8  8  sequence: plus one with each batch, over all segments
//   16  8  wall clock, ms     24  4  length with header    28  4  number of frames
//   32  4  own unit           36  4  CRC32C of the above
//
// Frame: one transaction, or pieces of a body that is still arriving (32 bytes, meta, data)
//    0  8  mark                8  8  sequence of its batch 16  4  own unit
//   20  4  meta bytes         24  4  data bytes            28  4  CRC32C of header and meta
// Meta is records; data is the bodies that they name, covered by the CRCs of their pieces; zeros
// follow up to the next unit. A frame counts wholly or not at all.
//
// Record (24 bytes, then its payload). Unknown kinds are skipped.
//    0  4  kind                4  4  payload bytes          8 16  message id (hi, lo)
//   MESSAGE  fields (base/codec.h; enum spool_message_field). Everything is open and nothing is
//            stated: states and settlements follow. For an id that exists: its new home.
//   STATE    u32 recipient index, bytes: the state that its owner stored
//   SETTLED  u32 recipient index, any number of them
//   DEAD     u64 numbers of the segments that hold a copy of the message: these copies are void
//   NOTE     u64 number of the segment that was current when the note was set, u32 key length,
//            key, value; an empty value removes the note
//   CHUNK    pieces of a body whose message does not exist yet
// Pieces of a body, in order: u32 length, u32 CRC32C (from zero). They stand in the data of their
// frame one after the other; where the top bit of the length is set, u64 segment and u32 offset say
// where the piece is instead.
//
// Index of a sealed segment: what a restart needs of it, everything but bodies
//    0  8  mark, then entries: u32 unit of a frame, u32 bytes, those records of the frame that
//          were alive when the index was written
// Footer (64 bytes)
//    0  8  mark                8  8  index offset          16  8  index bytes
//   24  8  end of data        32  8  first batch sequence  40  8  last batch sequence
//   48  8  newest wall clock  56  4  CRC32C of the index   60  4  CRC32C of the above
//
// Reading: segments in order of number, frames in order of place. Order alone decides: a later
// record replaces what an earlier one said, a record about an unknown message says nothing, and
// DEAD voids only copies in the segments that it names.
//
// The life of a message
//   arriving --spool_body_append--> chunks on disk, garbage until a message names them
//   arriving --spool_commit--> alive (spool_index_add)
//   alive --cleaning--> alive at another home (spool_index_move); the old copy is still there
//   alive --last recipient settled--> dead (spool_index_kill); DEAD names all segments with copies
//   dead --those segments unlinked, directory synced--> forgotten (spool_segments_remove)
//
// The life of a segment (spool_segment_become; the events are in the functions named)
//   CURRENT --full, or the store closes--> CLOSED (spool_log_close_current)
//   CURRENT, CLOSED --write or sync failed--> FAILED: read, never written again (spool_log_fail)
//   CLOSED --index written and synced--> SEALED (keeper.c)
//   CLOSED, SEALED, FAILED --not needed any more--> DOOMED (spool_log_doom)
//   DOOMED --unlinked, directory synced--> gone (spool_segments_remove)
// Needed (spool_segment_is_needed) are: homes of live messages, pieces of their bodies and of
// bodies that arrive, latest states and settlements of live messages, notes, and DEAD records while
// a segment that they name exists. Cleaning moves all of that to the end of the log (of DEAD what
// is left of its segments), and so makes a segment needless.
#ifndef SPOOL_FORMAT_H
#define SPOOL_FORMAT_H

#include "base/buffer.h"
#include "spool/spool.h"

enum {
    SPOOL_FORMAT_VERSION = 1,
    SPOOL_UNIT_BYTES = 8,
    SPOOL_NODE_BYTES = 32,
    SPOOL_HEADER_BYTES = 312,
    SPOOL_HEADER_COPY_AT = 4096,
    SPOOL_DATA_AT = 8192,
    SPOOL_BATCH_BYTES = 40,
    SPOOL_FRAME_BYTES = 32,
    SPOOL_RECORD_BYTES = 24,
    SPOOL_FOOTER_BYTES = 64,
    SPOOL_ENTRY_BYTES = 8,
    SPOOL_FAILURES_MAX = 16,
    SPOOL_NAME_SIZE = 64
};
// Larger files are not ours, and no buffer is made for them.
#define SPOOL_FILE_BYTES_MAX ((uint64_t)INT32_MAX)

static inline uint64_t spool_round_unit(uint64_t bytes) {
    return (bytes + SPOOL_UNIT_BYTES - 1) / SPOOL_UNIT_BYTES * SPOOL_UNIT_BYTES;
}

// --- Identity of the node ------------------------------------------------------------------------
struct spool_node {
    uint32_t node, epoch;
    int64_t wall_ms;
};
void spool_node_write(const struct spool_node *node, unsigned char out[SPOOL_NODE_BYTES]);
bool spool_node_read(struct view bytes, struct spool_node *node);

// --- Segment -------------------------------------------------------------------------------------
struct spool_secret {
    uint64_t mark;
    uint32_t seed;
};
enum spool_mark { SPOOL_MARK_BATCH, SPOOL_MARK_FRAME, SPOOL_MARK_INDEX, SPOOL_MARK_FOOTER };
uint64_t spool_mark_of(struct spool_secret secret, enum spool_mark kind);

// Segments whose write or sync failed, and from which batch on nobody was told that it is there.
// Every new segment tells of all that still exist.
struct spool_failures {
    size_t n;
    struct spool_failure {
        uint64_t segment, sequence;
    } list[SPOOL_FAILURES_MAX];
};
// A segment that is listed already keeps the lower sequence; beyond the maximum the oldest goes.
void spool_failures_add(struct spool_failures *failures, uint64_t segment, uint64_t sequence);
// Zero: it did not fail.
uint64_t spool_failures_find(const struct spool_failures *failures, uint64_t segment);

struct spool_header {
    uint32_t version, node;
    uint64_t number;
    int64_t wall_ms;
    struct spool_secret secret;
    struct spool_failures failures;
};
// `out` becomes the first SPOOL_DATA_AT bytes of the file.
void spool_header_write(const struct spool_header *header, unsigned char *out);
// From the start of a file; the second copy where the first is damaged (`*used_copy`).
bool spool_header_read(struct view file, struct spool_header *header, bool *used_copy);
void spool_segment_name(uint64_t number, char out[SPOOL_NAME_SIZE]);
bool spool_segment_name_parse(struct view name, uint64_t *number);

struct spool_footer {
    uint64_t index_at, index_bytes, data_end, first_sequence, last_sequence;
    int64_t newest_ms;
    uint32_t index_crc;
};
void spool_footer_write(struct spool_secret secret, const struct spool_footer *footer,
                        unsigned char out[SPOOL_FOOTER_BYTES]);
// The numbers are checked against the size of the file.
bool spool_footer_read(struct spool_secret secret, struct view bytes, uint64_t file_bytes,
                       struct spool_footer *footer);

// --- Batch and frame -----------------------------------------------------------------------------
struct spool_batch {
    uint64_t sequence;
    int64_t wall_ms;
    uint32_t length, n_frames, unit;
};
void spool_batch_write(struct spool_secret secret, const struct spool_batch *batch,
                       unsigned char out[SPOOL_BATCH_BYTES]);
bool spool_batch_read(struct spool_secret secret, struct view bytes, struct spool_batch *batch);

struct spool_frame {
    uint64_t sequence;
    uint32_t unit, meta_bytes, data_bytes;
};
// `out` is followed by the meta bytes, which the CRC covers.
void spool_frame_write(struct spool_secret secret, const struct spool_frame *frame, char *out);
// Reads the header alone; the CRC is not looked at.
bool spool_frame_peek(struct spool_secret secret, struct view bytes, struct spool_frame *frame);
// Header and meta must be there and pass the CRC; data may be missing.
bool spool_frame_read(struct spool_secret secret, struct view bytes, struct spool_frame *frame,
                      struct view *meta);
static inline uint64_t spool_frame_data_at(const struct spool_frame *frame) {
    return (uint64_t)frame->unit * SPOOL_UNIT_BYTES + SPOOL_FRAME_BYTES + frame->meta_bytes;
}
static inline uint64_t spool_frame_total(const struct spool_frame *frame) {
    return spool_round_unit((uint64_t)SPOOL_FRAME_BYTES + frame->meta_bytes + frame->data_bytes);
}

// --- Records -------------------------------------------------------------------------------------
enum spool_record_kind {
    SPOOL_RECORD_MESSAGE = 1,
    SPOOL_RECORD_STATE = 2,
    SPOOL_RECORD_SETTLED = 3,
    SPOOL_RECORD_DEAD = 4,
    SPOOL_RECORD_NOTE = 5,
    SPOOL_RECORD_CHUNK = 6
};
struct spool_record {
    uint32_t kind;
    struct spool_id id;
    struct view payload;
};
// Returns where the record begins in `out`; spool_record_end fills in its length.
size_t spool_record_begin(struct buffer *out, enum spool_record_kind kind, struct spool_id id);
void spool_record_end(struct buffer *out, size_t begin);
// False at the end, and where the bytes are no record: then `rest->len` is not zero.
bool spool_record_next(struct view *rest, struct spool_record *record);

enum spool_message_field {
    SPOOL_FIELD_RCPTS = 1,    // number of recipients
    SPOOL_FIELD_OWNER = 2,    // node (upper 32 bits) and boot epoch of who owns the message
    SPOOL_FIELD_ENVELOPE = 3, // mail_envelope_encode
    SPOOL_FIELD_SIZE = 4,     // bytes of the body
    SPOOL_FIELD_PIECES = 5,
    SPOOL_FIELD_MOVED = 6 // present where this is not the first home
};
struct spool_message {
    uint32_t n_rcpts;
    uint64_t owner, body_bytes;
    struct view envelope, pieces;
    bool is_moved;
};
// False when it is damaged, or names more recipients than a message may have.
bool spool_message_read(struct view payload, struct spool_message *message);
void spool_message_write(const struct spool_message *message, struct buffer *out);
// Every field of `payload` but PIECES and MOVED, so that fields of later versions move too.
void spool_message_copy(struct view payload, struct buffer *out);

struct spool_piece {
    uint32_t len, crc;
    bool is_elsewhere;
    uint64_t segment; // of one that is elsewhere
    uint32_t offset;  // in that segment; else in the frame's data
};
void spool_piece_write(const struct spool_piece *piece, struct buffer *out);
// `*data_used` counts what the pieces in the frame's own data took so far.
bool spool_piece_next(struct view *rest, uint32_t *data_used, struct spool_piece *piece);

struct spool_note {
    uint64_t since; // the segment that was current when the note was set
    struct view key, value;
};
void spool_note_write(const struct spool_note *note, struct buffer *out);
bool spool_note_read(struct view payload, struct spool_note *note);

#endif
