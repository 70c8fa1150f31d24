// SPDX-License-Identifier: Apache-2.0
// What readers of header fields share. Private to this folder.
#ifndef MAIL_FIELD_H
#define MAIL_FIELD_H

#include "base/view.h"

// The name of the field that `line` begins (RFC 5322 2.2; space before the colon as in 4.5.3), or
// an empty view when it begins none.
struct view mail_field_name(struct view line);
// Takes the next line off `rest`, without its LF or CRLF; false at the end.
bool mail_line_take(struct view *rest, struct view *line);

#endif
