// SPDX-License-Identifier: Apache-2.0
// The body between 354 and the final dot (RFC 5321 4.5.2), in both directions.
//
// Only CRLF ends a line. A bare CR or LF never does: not on the way in, where it marks the message
// for refusal and reading goes on to the true end, and not on the way out, where it becomes CRLF
// before any server could take it for one. So two servers never see two different ends of one
// message.
#include "smtp/scan.h"
#include "smtp/smtp.h"

// The reader's states: those of the scan, and the two in which a dot at the start of a line waits
// for what follows it.
enum { READER_DOT = SMTP_SCAN_AFTER_CR + 1, READER_DOT_CR };

struct sink {
    void (*emit)(struct view piece, void *arg);
    void *arg;
};

static void sink_put(const struct sink *sink, struct view piece) {
    if (piece.len)
        sink->emit(piece, sink->arg);
}

static void reader_put(struct smtp_data_reader *reader, const struct sink *sink,
                       struct view piece) {
    reader->n_bytes += piece.len;
    sink_put(sink, piece);
}

void smtp_data_reader_init(struct smtp_data_reader *reader) {
    *reader = (struct smtp_data_reader){.state = SMTP_SCAN_START};
}

// Plain bytes from the reader's place on: returns the index of the byte that needs a decision.
static size_t read_plain(struct smtp_data_reader *reader, struct view bytes) {
    struct smtp_scan scan = {.place = reader->state,
                             .line_len = reader->line_len,
                             .line_len_max = reader->line_len_max,
                             .has_8bit = reader->has_8bit,
                             .has_nul = reader->has_nul};
    size_t passed = smtp_scan_run(&scan, bytes);
    reader->state = scan.place;
    reader->line_len = scan.line_len;
    reader->line_len_max = scan.line_len_max;
    reader->has_8bit = scan.has_8bit;
    reader->has_nul = scan.has_nul;
    return passed;
}

// The scan stopped at `c`: tells whether it is emitted, and moves on.
static bool read_odd(struct smtp_data_reader *reader, char c) {
    if (reader->state == SMTP_SCAN_AFTER_CR) {
        ASSERT(c != '\n');
        reader->saw_bare_cr = true;
        reader->state = SMTP_SCAN_INSIDE;
        return true;
    }
    if (c == '\n') {
        reader->saw_bare_lf = true;
        reader->line_len++;
        reader->state = SMTP_SCAN_INSIDE;
        return true;
    }
    ASSERT(c == '.' && reader->state == SMTP_SCAN_START);
    reader->state = READER_DOT;
    return false;
}

// A line began with a dot: it is the end of the message, or it was doubled. Returns true at the
// end;
// `*at` then stands behind it.
static bool read_after_dot(struct smtp_data_reader *reader, struct view input, size_t *at,
                           const struct sink *sink) {
    char c = input.ptr[*at];
    if (reader->state == READER_DOT && c == '\r') {
        reader->state = READER_DOT_CR;
        ++*at;
        return false;
    }
    if (reader->state == READER_DOT_CR && c == '\n') {
        reader->state = SMTP_SCAN_START;
        ++*at;
        return true;
    }
    if (reader->state == READER_DOT_CR) {
        reader_put(reader, sink, VIEW("\r"));
        reader->line_len++;
        reader->saw_bare_cr = true;
    }
    reader->state = SMTP_SCAN_INSIDE;
    return false;
}

enum smtp_data_event smtp_data_read(struct smtp_data_reader *reader, struct view input,
                                    size_t *used, void (*emit)(struct view piece, void *arg),
                                    void *arg) {
    const struct sink sink = {emit, arg};
    size_t at = 0, begin = 0;
    while (at < input.len) {
        if (reader->state >= READER_DOT) {
            bool is_end = read_after_dot(reader, input, &at, &sink);
            begin = at;
            if (is_end) {
                *used = at;
                return SMTP_DATA_END;
            }
            continue;
        }
        at += read_plain(reader, view_skip(input, at));
        if (at == input.len)
            break;
        bool was_after_cr = reader->state == SMTP_SCAN_AFTER_CR;
        if (!read_odd(reader, input.ptr[at])) {
            reader_put(reader, &sink, view_from(input.ptr + begin, at - begin));
            begin = at + 1;
        }
        at += was_after_cr ? 0 : 1;
    }
    reader_put(reader, &sink, view_from(input.ptr + begin, at - begin));
    *used = at;
    return SMTP_DATA_MORE;
}

void smtp_data_writer_init(struct smtp_data_writer *writer) {
    *writer = (struct smtp_data_writer){.state = SMTP_SCAN_START};
}

void smtp_data_write(struct smtp_data_writer *writer, struct view body,
                     void (*emit)(struct view piece, void *arg), void *arg) {
    const struct sink sink = {emit, arg};
    size_t at = 0, begin = 0;
    struct smtp_scan scan = {.place = writer->state};
    while ((at += smtp_scan_run(&scan, view_skip(body, at))) < body.len) {
        sink_put(&sink, view_from(body.ptr + begin, at - begin));
        begin = at;
        if (scan.place == SMTP_SCAN_AFTER_CR) { // the CR went out; its LF is missing
            sink_put(&sink, VIEW("\n"));
            writer->n_fixed++;
            scan.place = SMTP_SCAN_START;
        } else if (body.ptr[at] == '\n') {
            sink_put(&sink, VIEW("\r\n"));
            writer->n_fixed++;
            scan.place = SMTP_SCAN_START;
            begin = ++at;
        } else {
            ASSERT(body.ptr[at] == '.' && scan.place == SMTP_SCAN_START);
            sink_put(&sink, VIEW("."));
            scan.place = SMTP_SCAN_INSIDE;
        }
    }
    sink_put(&sink, view_from(body.ptr + begin, body.len - begin));
    writer->state = scan.place;
}

struct view smtp_data_end(struct smtp_data_writer *writer) {
    unsigned place = writer->state;
    writer->state = SMTP_SCAN_START;
    if (place == SMTP_SCAN_START)
        return VIEW(".\r\n");
    if (place == SMTP_SCAN_INSIDE)
        return VIEW("\r\n.\r\n");
    writer->n_fixed++;
    return VIEW("\n.\r\n");
}
