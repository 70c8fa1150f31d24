// SPDX-License-Identifier: Apache-2.0
// Notices to senders, and the recipients that end with one. Private to relay/.
#ifndef RELAY_NOTICE_H
#define RELAY_NOTICE_H

#include "config/config.h"
#include "io/io.h"
#include "mail/mail.h"
#include "relay/record.h"
#include "spool/spool.h"

struct relay;

enum relay_ending { RELAY_REFUSED, RELAY_EXPIRED, RELAY_HOLD_EXPIRED, RELAY_REJECTED };
struct relay_ended_rcpt {
    uint32_t rcpt, index;
    enum relay_ending ending;
    struct relay_record *record; // owned; NULL: look it up
};
// A notice to be written for recipients of one message, which end with it or are warned about.
struct relay_notice {
    struct list link;
    struct relay *relay;
    struct spool_id id;
    enum mail_notice_kind kind;
    struct relay_ended_rcpt *rcpts;
    size_t n_rcpts, size;
    struct relay_audit *audit; // written in the same transaction; owned
    struct io_event *done;     // set when it is durable; may be NULL
};

// notice.c
void relay_end_rcpt(struct relay *relay, uint32_t rcpt, enum relay_ending ending,
                    const struct relay_record *record);
void relay_warn_message(struct relay *relay, uint32_t message, enum mail_notice_kind kind);
void relay_notices_start(struct relay *relay); // what was gathered, and what waits for a place
struct relay_notice *relay_notice_make(struct relay *relay, struct spool_id id,
                                       enum mail_notice_kind kind);
void relay_notice_add(struct relay_notice *notice, uint32_t rcpt, uint32_t index,
                      enum relay_ending ending);
void relay_notice_free(struct relay_notice *notice);

// notice_text.c
struct relay_notice_source { // what a notice is made of
    const struct relay_notice *notice;
    const struct mail_envelope *envelope;
    const struct spool_entry *entry;
    const struct config *config;
    struct spool_id notice_id;
    struct view header;
};
// False: nobody is to be told (RFC 3461 4.1, RFC 5321 4.5.5).
bool relay_notice_write(struct relay *relay, const struct relay_notice_source *source,
                        struct arena *arena, struct buffer *out);

#endif
