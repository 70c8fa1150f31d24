// SPDX-License-Identifier: Apache-2.0
// What the ways of showing share. Private to this folder.
#ifndef READERS_SHOW_H
#define READERS_SHOW_H

#include "readers/readers.h"

// "  Label       text"; nothing where the text is empty, or the time zero.
void reader_put_labelled(struct buffer *out, const char *label, struct view text);
void reader_put_time(struct buffer *out, const char *label, int64_t at_ms);
// The verdict with the letter, in the order for that side.
void reader_put_verdict(const struct reader_recipient *recipient, const struct reader_show *show,
                        struct buffer *out);

#endif
