// SPDX-License-Identifier: Apache-2.0
// Transfer encodings and character sets, for bodies and for encoded words. Private to this folder.
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buffer.h"

// Whatever is no base64 is passed over, as RFC 2045 6.8 asks.
void mail_decode_base64(struct view text, struct buffer *out);
// RFC 2045 6.7; with `is_word` the Q encoding of RFC 2047 4.2. What is no escape stays as it is.
void mail_decode_quoted(struct view text, bool is_word, struct buffer *out);
// The traditional uuencode, from "begin" to "end".
void mail_decode_uu(struct view text, struct buffer *out);

// Appends `bytes` of that character set as UTF-8, bytes that do not belong to it as U+FFFD. An
// empty charset is taken for UTF-8. False, and nothing is written, where it is not known.
bool mail_charset_append(struct view charset, struct view bytes, struct buffer *out);
// True for text that means the same in ASCII, whatever its charset is called: no bytes above 127
// and nothing of the encodings that use ASCII's bytes for something else.
bool mail_charset_is_plain(struct view charset, struct view bytes);

#endif
