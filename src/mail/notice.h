// SPDX-License-Identifier: Apache-2.0
// The parts of a notice. Private to this folder.
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H

#include "mail/mail.h"

// For people, in UTF-8.
void mail_notice_text_write(const struct mail_notice *notice, struct buffer *out);
// message/delivery-status (RFC 3464 2), ASCII.
void mail_notice_status_write(const struct mail_notice *notice, struct buffer *out);

#endif
