// SPDX-License-Identifier: Apache-2.0
// The conversation's state, and the wire below the steps: what is queued, what was written, and how
// a reply is awaited.
#ifndef TALK_TALK_INTERNAL_H
#define TALK_TALK_INTERNAL_H

#include "talk/talk.h"

enum {
    TALK_IN_BYTES = 4096,          // at least one reply line of SMTP_REPLY_LINE_BYTES_MAX
    TALK_OUT_BYTES_MAX = 1 << 20,  // commands and short runs of a body that wait
    TALK_PARTS_MAX = 48,           // runs of queued bytes, written together
    TALK_COPY_BYTES_MAX = 512,     // shorter runs of a body are copied
    TALK_BLOCK_BYTES = 128 * 1024, // of a body, before it is written
    TALK_GREETING_BYTES_MAX = 256,
    TALK_HELO_BYTES_MAX = 255
};

// A run of queued bytes: in `out` from `offset` on, or the caller's.
struct talk_part {
    const char *ptr; // NULL: in `out`
    size_t offset, len;
};

struct talk {
    struct talk_timeouts timeouts;
    char helo[TALK_HELO_BYTES_MAX + 1];
    struct address source;
    int mss_clamp;
    io_time deadline;

    struct io_stream *stream; // NULL: closed
    struct address peer, local;
    bool is_over;
    struct fact end; // how it ended; its text stays where the last step left it

    // Outgoing.
    struct buffer out;
    struct talk_part parts[TALK_PARTS_MAX];
    size_t n_parts;
    size_t n_queued;     // bytes in the parts
    unsigned n_commands; // among them
    bool in_group;       // the last write held several commands
    uint64_t queued_total, written_total;
    uint64_t dot_end; // value of queued_total behind the last final dot

    // Incoming.
    char in[TALK_IN_BYTES];
    size_t in_begin, in_end;
    struct smtp_reply reply;
    struct view garbage; // in `in`: the line that was no reply

    // What the peer said of itself.
    char greeting[TALK_GREETING_BYTES_MAX];
    size_t greeting_len;
    struct buffer ehlo_text;
    struct smtp_extensions extensions; // its name points into ehlo_text
    bool used_helo;
    struct tls_session tls;
    bool saw_tls, has_tls, is_verified, dropped_clear;

    // The present message.
    struct smtp_data_writer writer;
    uint64_t body_begin; // queued_total before its body
    uint64_t body_bytes;
    unsigned n_mails_read;
    bool mail_is_undeclared, body_is_undeclared; // 8-bit, without 8BITMIME
};

// --- wire.c -----------------------------------------------------------------------------------
// Part of a command line, and its end.
void talk_queue_text(struct talk *talk, const char *format, ...) PRINTF_LIKE(2, 3);
void talk_queue_end_line(struct talk *talk);
// Bytes of a body: short runs are copied, long ones stay where they are.
void talk_queue_run(struct talk *talk, struct view run);
void talk_queue_copy(struct talk *talk, struct view bytes);

// What a reply must be for the step to have done what it should.
enum talk_want { TALK_WANT_2XX, TALK_WANT_3XX, TALK_WANT_2XX_OR_3XX };

struct talk_step {
    enum fact_stage stage;
    enum talk_want want;
    int64_t limit_ms;
    // Filled by the wire.
    io_time began;
    int64_t limit_used_ms;
    uint64_t written_before;
    size_t bytes_received; // of the awaited reply
};
// Writes what is queued, reads one whole reply, and says how that went.
IO_WAITS struct fact talk_await(struct talk *talk, enum fact_stage stage, enum talk_want want,
                                int64_t limit_ms);
// Writes what is queued. A reply that came too early is kept as the fact of a failed write.
IO_WAITS struct fact talk_write_queue(struct talk *talk, enum fact_stage stage, int64_t limit_ms);
// Fills in what every fact of a step has: bytes, times, flags.
void talk_finish_fact(struct talk *talk, const struct talk_step *step, struct fact *fact);
void talk_begin_step(struct talk *talk, struct talk_step *step, enum fact_stage stage,
                     int64_t limit_ms);
io_time talk_step_deadline(const struct talk *talk, struct talk_step *step);
// The conversation is over; returns `fact`.
struct fact talk_end(struct talk *talk, struct fact fact);
// The fact that ended it, for a later step.
struct fact talk_ended(const struct talk *talk, enum fact_stage stage);

// --- auth.c -----------------------------------------------------------------------------------
IO_WAITS struct fact talk_auth_exchange(struct talk *talk, struct view username,
                                        struct view password);

#endif
