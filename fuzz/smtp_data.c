// SPDX-License-Identifier: Apache-2.0
// The body's framing against a reader and a writer that go byte by byte, in chunks that the first
// bytes of the input choose.
#include "base/rng.h"
#include "smtp/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void collect(struct view piece, void *arg) {
    ASSERT(piece.len > 0);
    buffer_append_view(arg, piece);
}

struct slow {
    bool is_end, bare_cr, bare_lf, has_8bit, has_nul;
    size_t used, line_len_max;
};

// Searches CRLF . CRLF first and takes the dots out then: another way to the same answer.
static void slow_read(struct view input, struct slow *slow, struct buffer *out) {
    size_t end = input.len;
    if (view_starts_with(input, VIEW(".\r\n"))) {
        slow->is_end = true;
        slow->used = 3;
        return;
    }
    size_t at = view_find(input, VIEW("\r\n.\r\n"));
    slow->is_end = at < input.len;
    slow->used = slow->is_end ? at + 5 : input.len;
    end = slow->is_end ? at + 2 : input.len;
    size_t line_len = 0;
    for (size_t i = 0; i < end; i++) {
        char c = input.ptr[i];
        bool at_start = i == 0 || (i >= 2 && input.ptr[i - 2] == '\r' && input.ptr[i - 1] == '\n');
        if (at_start && c == '.') {
            // At the end of a stream that goes on, ".", and ".\r" may still become the final dot.
            if (!slow->is_end && i + 2 == end && input.ptr[i + 1] == '\r')
                break;
            continue;
        }
        buffer_append_char(out, c);
        bool after_cr = i > 0 && input.ptr[i - 1] == '\r';
        slow->bare_lf |= c == '\n' && !after_cr;
        slow->bare_cr |= c != '\n' && after_cr;
        slow->has_8bit |= (unsigned char)c >= 0x80;
        slow->has_nul |= c == '\0';
        line_len++;
        if (c == '\n' && after_cr) {
            slow->line_len_max = size_max(slow->line_len_max, line_len - 2);
            line_len = 0;
        }
    }
}

static void check_reader(struct view input, struct rng *rng) {
    struct slow slow = {0};
    struct smtp_data_reader reader;
    struct buffer expected, out;
    enum smtp_data_event event = SMTP_DATA_MORE;
    buffer_init(&expected, input.len + 16);
    buffer_init(&out, input.len + 16);
    slow_read(input, &slow, &expected);
    smtp_data_reader_init(&reader);
    size_t at = 0;
    uint64_t chunk_max = 1 + rng_below(rng, 300);
    while (at < input.len && event == SMTP_DATA_MORE) {
        size_t used = 0, chunk = size_min(1 + rng_below(rng, chunk_max), input.len - at);
        event = smtp_data_read(&reader, view_from(input.ptr + at, chunk), &used, collect, &out);
        ASSERT(event == SMTP_DATA_END || used == chunk);
        at += used;
    }
    ASSERT((event == SMTP_DATA_END) == slow.is_end && at == slow.used);
    ASSERT(view_equals(buffer_view(&out), buffer_view(&expected)));
    ASSERT(reader.n_bytes == out.len && reader.line_len_max == slow.line_len_max);
    ASSERT(reader.saw_bare_cr == slow.bare_cr && reader.saw_bare_lf == slow.bare_lf);
    ASSERT(reader.has_8bit == slow.has_8bit && reader.has_nul == slow.has_nul);
    buffer_finish(&expected);
    buffer_finish(&out);
}

// Makes lines of the body first, whatever ends them, and then writes each.
static void slow_write(struct view body, struct buffer *out) {
    bool at_start = true;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        if (at_start && c == '.')
            buffer_append_char(out, '.');
        at_start = c == '\r' || c == '\n';
        if (!at_start) {
            buffer_append_char(out, c);
            continue;
        }
        buffer_append_view(out, VIEW("\r\n"));
        if (c == '\r' && i + 1 < body.len && body.ptr[i + 1] == '\n')
            i++;
    }
    buffer_append_view(out, at_start ? VIEW(".\r\n") : VIEW("\r\n.\r\n"));
}

static void check_writer(struct view body, struct rng *rng) {
    struct smtp_data_writer writer;
    struct buffer expected, out;
    buffer_init(&expected, 2 * body.len + 16);
    buffer_init(&out, 2 * body.len + 16);
    slow_write(body, &expected);
    smtp_data_writer_init(&writer);
    uint64_t chunk_max = 1 + rng_below(rng, 300);
    for (size_t at = 0, chunk; at < body.len; at += chunk) {
        chunk = size_min(1 + rng_below(rng, chunk_max), body.len - at);
        smtp_data_write(&writer, view_from(body.ptr + at, chunk), collect, &out);
    }
    buffer_append_view(&out, smtp_data_end(&writer));
    ASSERT(view_equals(buffer_view(&out), buffer_view(&expected)));
    buffer_finish(&expected);
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct rng rng;
    struct view input = view_skip(view_from(bytes, len), 1);
    rng_init(&rng, len ? bytes[0] : 0);
    check_reader(input, &rng);
    check_writer(input, &rng);
    return 0;
}
