// SPDX-License-Identifier: Apache-2.0
// Finds what matters in the bytes of a body, 64 at a time. Private to this folder and its tests.
//
// Nearly all bytes of mail are ordinary: neither CR nor LF, nor a dot at the start of a line. The
// scan passes whole lines with a few instructions a block and stops only at the odd byte, which the
// caller's state machine then handles alone. That keeps one set of rules for reader and writer.
#ifndef SMTP_SCAN_H
#define SMTP_SCAN_H

#include "base/view.h"

enum { SMTP_SCAN_BLOCK_BYTES = 64 };

// Where the next byte stands.
enum smtp_scan_place {
    SMTP_SCAN_START, // at the start of a line: first of all, or behind CRLF
    SMTP_SCAN_INSIDE,
    SMTP_SCAN_AFTER_CR
};

struct smtp_scan {
    unsigned place;                // enum smtp_scan_place
    size_t line_len, line_len_max; // see struct smtp_data_reader
    bool has_8bit, has_nul;
};

// One bit a byte, the lowest for the first.
struct smtp_scan_masks {
    uint64_t cr, lf, dot;
    bool any_8bit, any_nul;
};
struct smtp_scan_masks smtp_scan_block(const char *bytes);
// The same with nothing but 64-bit words, for processors without SSE2.
struct smtp_scan_masks smtp_scan_block_portable(const char *bytes);

// Index of the first odd byte, or `bytes.len`: a dot at the start of a line, an LF without a CR
// before it, or the byte behind a CR when it is no LF. `scan` describes the place before that byte.
size_t smtp_scan_run(struct smtp_scan *scan, struct view bytes);

#endif
