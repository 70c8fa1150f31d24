// SPDX-License-Identifier: Apache-2.0
// How texts from outside get into a message of ours: nothing that they hold can begin a new field,
// end a part or make a line too long. Private to this folder.
#ifndef MAIL_WRITE_H
#define MAIL_WRITE_H

#include "base/buffer.h"

enum {
    MAIL_LINE_BYTES_MAX = 998, // RFC 5322 2.1.1, without CRLF
    MAIL_LINE_COLUMNS = 76
};

// Printable ASCII as it is, every other byte as "\xNN".
void mail_put_escaped(struct buffer *out, struct view text);
// Text for people: valid UTF-8 as it is, controls as "?", other bytes as U+FFFD.
void mail_put_clean(struct buffer *out, struct view text);
// "name: value" CRLF, escaped, folded between words (RFC 5322 2.2.3); runs of blanks and LF become
// one blank. An empty value writes nothing.
void mail_put_field(struct buffer *out, struct view name, struct view value);
// The same without touching blanks, for addresses; cut where the line would be too long.
void mail_put_exact_field(struct buffer *out, struct view name, struct view value);
// "name: date" CRLF; nothing for zero.
void mail_put_date_field(struct buffer *out, struct view name, int64_t wall_ms);
// Paragraphs for people: the lines of `text` behind `indent` blanks, wrapped between words; what is
// wrapped stands `hang` blanks further right, and an item that begins with "- " hangs by two more.
void mail_put_wrapped(struct buffer *out, size_t indent, size_t hang, struct view text);

// Decodes the encoded words of a field's value (RFC 2047) to UTF-8. False where a character set is
// not known; `out` then holds nothing useful.
bool mail_decode_words(struct view value, struct buffer *out);

bool mail_is_ascii(struct view text);
// An address that can stand between angle brackets in a field: no controls, valid UTF-8, not too
// long.
bool mail_is_safe_address(struct view address);

#endif
