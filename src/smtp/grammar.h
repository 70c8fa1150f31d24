// SPDX-License-Identifier: Apache-2.0
// Rules of the grammar that several files of smtp/ share. Private to this folder.
#ifndef SMTP_GRAMMAR_H
#define SMTP_GRAMMAR_H

#include "smtp/smtp.h"

// "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3); `inner`: the address alone.
bool smtp_literal_parse(struct view text, struct view *inner);
// Labels of letters, digits, hyphens and underscores, also U-labels (RFC 6531 3.3) when `utf8`.
bool smtp_domain_is_valid_in(struct view domain, bool utf8);
// Takes "<...>" off `rest`, which then starts behind ">". `allow_null`: "<>" is an answer.
enum smtp_syntax smtp_path_take(struct view *rest, bool allow_null, struct smtp_path *path);
// Valid UTF-8 without control characters (RFC 5234 CTL).
bool smtp_text_is_clean(struct view text);

#endif
