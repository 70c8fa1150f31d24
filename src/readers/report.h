// SPDX-License-Identifier: Apache-2.0
// The steps of reading a report, and what they hand to one another. Private to this folder.
#ifndef READERS_REPORT_H
#define READERS_REPORT_H

#include "mail/mail.h"
#include "readers/readers.h"

// What the header of the report itself says.
struct reader_head {
    struct view from, to, subject, message_id, in_reply_to, return_path;
    struct view failed; // X-Failed-Recipients, unfolded
    struct view auto_submitted, precedence, feedback_loop;
    bool suppresses_replies; // X-Auto-Response-Suppress, X-Autoreply and their kin
    int64_t at_ms;
};

struct reader_report {
    struct arena *arena;
    struct reader_head head;
    struct mail_parts parts;
    struct view text;            // for people: what the reporting system wrote, UTF-8, LF
    struct view original;        // header, and perhaps body, of the mail that it is about
    struct view original_to;     // its To field
    struct view delivery_status; // decoded
    struct view feedback;        // decoded
    struct reader_reading *reading;
    size_t recipients_size; // of the array that grows in the arena
};

// A new entry, zeroed, or NULL when there are too many.
struct reader_recipient *reader_recipient_add(struct reader_report *report);
// The entry of that address, compared as mail addresses are; NULL when there is none.
struct reader_recipient *reader_recipient_find(const struct reader_report *report,
                                               struct view address);
// Without "rfc822;", brackets and quotes.
struct view reader_address_clean(struct view text);

void reader_head_read(struct view header, struct arena *arena, struct reader_head *head);
// RFC 3464 fields into recipients; per-message fields into the reading. True when it held any.
bool reader_status_read(struct reader_report *report, struct view text);
// The text for people: new recipients where there are none yet, else what it adds to them.
void reader_notice_read(struct reader_report *report);
// A JSON object of Amazon SES; false when the text is none.
bool reader_notification_read(struct reader_report *report, struct view text);
// A Message-ID without its brackets.
struct view reader_id_clean(struct view id);
void reader_original_read(struct reader_report *report);
// `is_notice`: its subject or text tells of a failed delivery.
bool reader_is_auto_reply(const struct reader_report *report, bool is_notice);
void reader_feedback_read(struct reader_report *report);
struct view reader_html_text(struct view html, struct arena *arena);

#endif
