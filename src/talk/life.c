// SPDX-License-Identifier: Apache-2.0
// How a conversation is made and unmade, and what can be asked about it.
#include "talk/talk_internal.h"

#include <stdlib.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS };

// RFC 5321 4.5.3.2, where it says something. A connection stands within 30 seconds or not at all;
// QUIT is a courtesy.
void talk_timeouts_default(struct talk_timeouts *timeouts) {
    *timeouts = (struct talk_timeouts){.connect_ms = 30 * SECOND_MS,
                                       .greeting_ms = 5 * MINUTE_MS,
                                       .ehlo_ms = 5 * MINUTE_MS,
                                       .starttls_ms = 2 * MINUTE_MS,
                                       .tls_ms = 2 * MINUTE_MS,
                                       .auth_ms = 2 * MINUTE_MS,
                                       .mail_ms = 5 * MINUTE_MS,
                                       .rcpt_ms = 5 * MINUTE_MS,
                                       .data_ms = 2 * MINUTE_MS,
                                       .body_ms = 3 * MINUTE_MS,
                                       .dot_ms = 10 * MINUTE_MS,
                                       .quit_ms = 5 * SECOND_MS};
}

struct talk *talk_create(const struct talk_options *options) {
    struct talk *talk = mem_alloc_zero(sizeof(*talk));
    bool fits = view_copy_string(options->helo, talk->helo, sizeof(talk->helo));
    ASSERT(fits && talk->helo[0]);
    talk->timeouts = options->timeouts;
    talk->source = options->source;
    talk->mss_clamp = options->mss_clamp;
    talk->deadline = options->deadline;
    buffer_init(&talk->out, TALK_OUT_BYTES_MAX);
    buffer_init(&talk->ehlo_text, SMTP_REPLY_TEXT_BYTES_MAX);
    smtp_reply_init(&talk->reply);
    smtp_data_writer_init(&talk->writer);
    return talk;
}

void talk_destroy(struct talk *talk) {
    if (!talk)
        return;
    io_close(talk->stream);
    smtp_reply_finish(&talk->reply);
    buffer_finish(&talk->ehlo_text);
    buffer_finish(&talk->out);
    free(talk);
}

void talk_set_deadline(struct talk *talk, io_time deadline) {
    talk->deadline = deadline;
}

const struct smtp_extensions *talk_extensions(const struct talk *talk) {
    return &talk->extensions;
}

const struct tls_session *talk_tls(const struct talk *talk) {
    return talk->has_tls ? &talk->tls : NULL;
}

const struct tls_session *talk_tls_seen(const struct talk *talk) {
    return talk->saw_tls ? &talk->tls : NULL;
}

bool talk_tls_matches(const struct talk *talk, const struct view *names, size_t n_names) {
    return talk->has_tls && talk->stream && tls_stream_matches(talk->stream, names, n_names);
}

int talk_tls_verify_with(const struct talk *talk, const struct view *certificates, size_t n,
                         char *next_url) {
    ASSERT(talk->has_tls && talk->stream);
    return tls_stream_verify_with(talk->stream, certificates, n, next_url);
}

int talk_tls_verify_dane(const struct talk *talk, struct tls_dane *dane) {
    ASSERT(talk->has_tls && talk->stream);
    return tls_stream_verify_dane(talk->stream, dane);
}

struct view talk_greeting_line(const struct talk *talk) {
    return view_from(talk->greeting, talk->greeting_len);
}

struct address talk_peer(const struct talk *talk) {
    return talk->peer;
}

struct address talk_source(const struct talk *talk) {
    return talk->local;
}

bool talk_is_open(const struct talk *talk) {
    return talk->stream && !talk->is_over;
}

unsigned talk_flags(const struct talk *talk) {
    return (talk->has_tls ? (unsigned)FACT_FLAG_TLS : 0) |
           (talk->dropped_clear ? (unsigned)FACT_FLAG_CLEAR_DROPPED : 0);
}

bool talk_used_helo(const struct talk *talk) {
    return talk->used_helo;
}

uint64_t talk_body_bytes(const struct talk *talk) {
    return talk->body_bytes;
}

struct io_stream *talk_stream(struct talk *talk) {
    return talk->stream ? tls_stream_below(talk->stream) : NULL;
}
