// SPDX-License-Identifier: Apache-2.0
// The body's framing: what ends a message and what never does, for every way in which the bytes can
// be cut into pieces.
#include "base/buffer.h"
#include "base/rng.h"
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct result {
    struct buffer out;
    enum smtp_data_event event;
    size_t used;
    struct smtp_data_reader reader;
};

static void collect(struct view piece, void *arg) {
    assert_true(piece.len > 0);
    buffer_append_view(arg, piece);
}

static void result_init(struct result *result) {
    *result = (struct result){.event = SMTP_DATA_MORE};
    buffer_init(&result->out, 1 << 20);
    smtp_data_reader_init(&result->reader);
}

// Feeds one more piece, as a server does: what is behind the end is not given again.
static void feed(struct result *result, struct view piece) {
    size_t used = 0;
    if (result->event == SMTP_DATA_END)
        return;
    result->event = smtp_data_read(&result->reader, piece, &used, collect, &result->out);
    assert_true(used <= piece.len);
    assert_true(result->event == SMTP_DATA_END || used == piece.len);
    result->used += used;
}

// --- Reading ------------------------------------------------------------------------------------

static const struct {
    const char *name;
    struct view input, body;
    enum smtp_data_event event;
    size_t n_left; // bytes behind the end
    bool bare_cr, bare_lf, has_8bit, has_nul;
    size_t line_len_max;
} reads[] = {
    {"nothing", VIEW(""), VIEW(""), SMTP_DATA_MORE},
    {"an empty message", VIEW(".\r\n"), VIEW(""), SMTP_DATA_END},
    {"one line", VIEW("hello\r\n.\r\n"), VIEW("hello\r\n"), SMTP_DATA_END, .line_len_max = 5},
    {"the next command stays", VIEW("a\r\n.\r\nQUIT\r\n"), VIEW("a\r\n"), SMTP_DATA_END, 6,
     .line_len_max = 1},
    {"a doubled dot", VIEW("..a\r\n...\r\n.\r\n"), VIEW(".a\r\n..\r\n"), SMTP_DATA_END,
     .line_len_max = 2},
    {"a dot that was not doubled", VIEW(".a\r\n.\r\n"), VIEW("a\r\n"), SMTP_DATA_END,
     .line_len_max = 1},
    {"dots inside a line", VIEW("a.\r\nb.c\r\n.\r\n"), VIEW("a.\r\nb.c\r\n"), SMTP_DATA_END,
     .line_len_max = 3},
    {"empty lines", VIEW("\r\n\r\n.\r\n"), VIEW("\r\n\r\n"), SMTP_DATA_END},
    {"LF . LF", VIEW("a\n.\nb\r\n.\r\n"), VIEW("a\n.\nb\r\n"), SMTP_DATA_END, .bare_lf = true,
     .line_len_max = 5},
    {"LF . CRLF", VIEW("a\n.\r\nb\r\n.\r\n"), VIEW("a\n.\r\nb\r\n"), SMTP_DATA_END, .bare_lf = true,
     .line_len_max = 3},
    {"CRLF . LF", VIEW("a\r\n.\nb\r\n.\r\n"), VIEW("a\r\n\nb\r\n"), SMTP_DATA_END, .bare_lf = true,
     .line_len_max = 2},
    {"CR . CR", VIEW("a\r.\rb\r\n.\r\n"), VIEW("a\r.\rb\r\n"), SMTP_DATA_END, .bare_cr = true,
     .line_len_max = 5},
    {"CR . CRLF", VIEW("a\r.\r\nb\r\n.\r\n"), VIEW("a\r.\r\nb\r\n"), SMTP_DATA_END, .bare_cr = true,
     .line_len_max = 3},
    {"CRLF . CR", VIEW("a\r\n.\rb\r\n.\r\n"), VIEW("a\r\n\rb\r\n"), SMTP_DATA_END, .bare_cr = true,
     .line_len_max = 2},
    {"CRLF . CR CRLF", VIEW("a\r\n.\r\r\nb\r\n.\r\n"), VIEW("a\r\n\r\r\nb\r\n"), SMTP_DATA_END,
     .bare_cr = true, .line_len_max = 1},
    {"CR CRLF . CRLF", VIEW("a\r\r\n.\r\n"), VIEW("a\r\r\n"), SMTP_DATA_END, .bare_cr = true,
     .line_len_max = 2},
    {"LF CR . LF CR", VIEW("a\n\r.\n\rb\r\n.\r\n"), VIEW("a\n\r.\n\rb\r\n"), SMTP_DATA_END,
     .bare_cr = true, .bare_lf = true, .line_len_max = 7},
    {"CRLF . NUL CRLF", VIEW("\r\n.\0\r\n.\r\n"), VIEW("\r\n\0\r\n"), SMTP_DATA_END,
     .has_nul = true, .line_len_max = 1},
    {"8-bit", VIEW("\xc3\xa4\r\n.\r\n"), VIEW("\xc3\xa4\r\n"), SMTP_DATA_END, .has_8bit = true,
     .line_len_max = 2},
    {"8-bit and NUL behind the end are not the message's", VIEW("a\r\n.\r\n\xff\0"), VIEW("a\r\n"),
     SMTP_DATA_END, 2, .line_len_max = 1},
    {"cut before the end", VIEW("a\r\n."), VIEW("a\r\n"), SMTP_DATA_MORE, .line_len_max = 1},
    {"cut in the end", VIEW("a\r\n.\r"), VIEW("a\r\n"), SMTP_DATA_MORE, .line_len_max = 1},
};

static void check_read(size_t i, const struct result *result) {
    if (!view_equals(buffer_view(&result->out), reads[i].body))
        fail_msg("%s: wrong body", reads[i].name);
    if (result->event != reads[i].event || result->used != reads[i].input.len - reads[i].n_left)
        fail_msg("%s: event %d, used %zu", reads[i].name, result->event, result->used);
    if (result->reader.saw_bare_cr != reads[i].bare_cr ||
        result->reader.saw_bare_lf != reads[i].bare_lf)
        fail_msg("%s: bare CR %d, bare LF %d", reads[i].name, result->reader.saw_bare_cr,
                 result->reader.saw_bare_lf);
    if (result->reader.has_8bit != reads[i].has_8bit || result->reader.has_nul != reads[i].has_nul)
        fail_msg("%s: wrong kinds of bytes", reads[i].name);
    if (result->reader.line_len_max != reads[i].line_len_max)
        fail_msg("%s: longest line %zu", reads[i].name, result->reader.line_len_max);
    assert_int_equal(result->reader.n_bytes, result->out.len);
}

static void test_reads_at_every_split(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        struct view input = reads[i].input;
        for (size_t a = 0; a <= input.len; a++) {
            for (size_t b = a; b <= input.len; b++) {
                struct result result;
                result_init(&result);
                feed(&result, view_take(input, a));
                feed(&result, view_from(input.ptr + a, b - a));
                feed(&result, view_skip(input, b));
                check_read(i, &result);
                buffer_finish(&result.out);
            }
        }
    }
}

static void test_reads_with_ordinary_bytes_before(void **state) {
    char bytes[300];
    // The same sequences at every place of a block of 64.
    for (size_t i = 2; i < ARRAY_LEN(reads); i++) {
        for (size_t pad = 1; pad < 130; pad++) {
            memset(bytes, 'p', pad);
            memcpy(bytes + pad, "\r\n", 2);
            memcpy(bytes + pad + 2, reads[i].input.ptr, reads[i].input.len);
            struct result result;
            result_init(&result);
            feed(&result, view_from(bytes, pad + 2 + reads[i].input.len));
            assert_int_equal(result.event, reads[i].event);
            assert_true(view_equals(view_skip(buffer_view(&result.out), pad + 2), reads[i].body));
            assert_int_equal(result.reader.line_len_max, size_max(pad, reads[i].line_len_max));
            assert_int_equal(result.reader.has_8bit, reads[i].has_8bit);
            assert_int_equal(result.reader.has_nul, reads[i].has_nul);
            buffer_finish(&result.out);
        }
    }
}

// The rules again, a byte at a time.
struct slow_reader {
    bool at_start, after_dot, after_dot_cr, after_cr, bare_cr, bare_lf;
};

static void slow_plain(struct slow_reader *slow, char c, struct buffer *out) {
    if (slow->after_cr && c != '\n')
        slow->bare_cr = true;
    if (!slow->after_cr && c == '\n')
        slow->bare_lf = true;
    slow->at_start = slow->after_cr && c == '\n';
    slow->after_cr = c == '\r';
    buffer_append_char(out, c);
}

static bool slow_read(struct slow_reader *slow, char c, struct buffer *out) {
    if (slow->after_dot_cr && c == '\n')
        return true;
    if (slow->after_dot_cr) {
        slow->after_dot_cr = false;
        slow_plain(slow, '\r', out);
    } else if (slow->after_dot) {
        slow->after_dot = false;
        slow->after_dot_cr = c == '\r';
        if (c == '\r')
            return false;
    } else if (slow->at_start && c == '.') {
        slow->at_start = false;
        slow->after_dot = true;
        return false;
    }
    slow_plain(slow, c, out);
    return false;
}

static size_t random_bytes(struct rng *rng, char *out, size_t max) {
    static const char odd[] = "\r\n.\r\n.\r\n.\0\xff";
    size_t len = rng_below(rng, max);
    uint64_t oddness = 1 + rng_below(rng, 40);
    for (size_t i = 0; i < len; i++)
        out[i] = rng_chance(rng, 1, oddness) ? odd[rng_below(rng, sizeof(odd))] : 'x';
    for (size_t i = 0; i + 3 < len; i += 1 + rng_below(rng, 90))
        memcpy(out + i, rng_chance(rng, 1, 2) ? "\r\n." : "a\r\n", 3);
    return len;
}

static void test_reads_as_the_slow_reader_does(void **state) {
    char bytes[700];
    struct rng rng;
    rng_init(&rng, 5321);
    for (size_t round = 0; round < 20000; round++) {
        struct view input = view_from(bytes, random_bytes(&rng, bytes, sizeof(bytes)));
        struct slow_reader slow = {.at_start = true};
        struct buffer expected;
        buffer_init(&expected, 4096);
        size_t slow_used = 0;
        bool is_end = false;
        while (slow_used < input.len && !is_end)
            is_end = slow_read(&slow, input.ptr[slow_used++], &expected);
        struct result result;
        result_init(&result);
        for (size_t at = 0, len; at < input.len; at += len) {
            len = size_min(1 + rng_below(&rng, 200), input.len - at);
            feed(&result, view_from(input.ptr + at, len));
        }
        assert_true(view_equals(buffer_view(&result.out), buffer_view(&expected)));
        assert_int_equal(result.used, slow_used);
        assert_int_equal(result.event == SMTP_DATA_END, is_end);
        assert_int_equal(result.reader.saw_bare_cr, slow.bare_cr);
        assert_int_equal(result.reader.saw_bare_lf, slow.bare_lf);
        buffer_finish(&expected);
        buffer_finish(&result.out);
    }
}

// --- Writing ------------------------------------------------------------------------------------

static const struct {
    const char *name;
    struct view body, wire;
    unsigned n_fixed;
} writes[] = {
    {"an empty body", VIEW(""), VIEW(".\r\n")},
    {"a line", VIEW("a\r\n"), VIEW("a\r\n.\r\n")},
    {"a last line without its end", VIEW("a"), VIEW("a\r\n.\r\n")},
    {"dots at line starts", VIEW(".\r\n..a\r\n.b"), VIEW("..\r\n...a\r\n..b\r\n.\r\n")},
    {"dots inside lines", VIEW("a.\r\nb.c\r\n"), VIEW("a.\r\nb.c\r\n.\r\n")},
    {"a bare LF", VIEW("a\nb\r\n"), VIEW("a\r\nb\r\n.\r\n"), 1},
    {"a bare CR", VIEW("a\rb\r\n"), VIEW("a\r\nb\r\n.\r\n"), 1},
    {"LF . LF", VIEW("a\n.\nb\r\n"), VIEW("a\r\n..\r\nb\r\n.\r\n"), 2},
    {"LF . CRLF", VIEW("a\n.\r\nb\r\n"), VIEW("a\r\n..\r\nb\r\n.\r\n"), 1},
    {"CR . CR", VIEW("a\r.\rb\r\n"), VIEW("a\r\n..\r\nb\r\n.\r\n"), 2},
    {"CR CRLF . CRLF", VIEW("a\r\r\n.\r\n"), VIEW("a\r\n\r\n..\r\n.\r\n"), 1},
    {"CRLF . CRLF", VIEW("a\r\n.\r\nb\r\n"), VIEW("a\r\n..\r\nb\r\n.\r\n")},
    {"a CR at the end", VIEW("a\r"), VIEW("a\r\n.\r\n"), 1},
    {"an LF at the end", VIEW("a\n"), VIEW("a\r\n.\r\n"), 1},
    {"LF CR", VIEW("\n\r"), VIEW("\r\n\r\n.\r\n"), 2},
    {"a dot alone", VIEW("."), VIEW("..\r\n.\r\n")},
};

static void test_writes_at_every_split(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct view body = writes[i].body;
        for (size_t a = 0; a <= body.len; a++) {
            for (size_t b = a; b <= body.len; b++) {
                struct smtp_data_writer writer;
                struct buffer out;
                buffer_init(&out, 4096);
                smtp_data_writer_init(&writer);
                smtp_data_write(&writer, view_take(body, a), collect, &out);
                smtp_data_write(&writer, view_from(body.ptr + a, b - a), collect, &out);
                smtp_data_write(&writer, view_skip(body, b), collect, &out);
                buffer_append_view(&out, smtp_data_end(&writer));
                if (!view_equals(buffer_view(&out), writes[i].wire))
                    fail_msg("%s: \"%s\"", writes[i].name, buffer_string(&out));
                assert_int_equal(writer.n_fixed, writes[i].n_fixed);
                buffer_finish(&out);
            }
        }
    }
}

// Whatever the body was: the wire holds one end, at its end, and no stray CR or LF.
static void test_writes_what_a_strict_reader_takes(void **state) {
    char bytes[700];
    struct rng rng;
    rng_init(&rng, 51766);
    for (size_t round = 0; round < 20000; round++) {
        struct view body = view_from(bytes, random_bytes(&rng, bytes, sizeof(bytes)));
        struct smtp_data_writer writer;
        struct buffer wire;
        buffer_init(&wire, 8192);
        smtp_data_writer_init(&writer);
        for (size_t at = 0, len; at < body.len; at += len) {
            len = size_min(1 + rng_below(&rng, 200), body.len - at);
            smtp_data_write(&writer, view_from(body.ptr + at, len), collect, &wire);
        }
        buffer_append_view(&wire, smtp_data_end(&writer));
        struct result result;
        result_init(&result);
        feed(&result, buffer_view(&wire));
        assert_int_equal(result.event, SMTP_DATA_END);
        assert_int_equal(result.used, wire.len);
        assert_false(result.reader.saw_bare_cr || result.reader.saw_bare_lf);
        if (writer.n_fixed == 0)
            assert_true(view_starts_with(buffer_view(&result.out), body));
        buffer_finish(&wire);
        buffer_finish(&result.out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_at_every_split),
        cmocka_unit_test(test_reads_with_ordinary_bytes_before),
        cmocka_unit_test(test_reads_as_the_slow_reader_does),
        cmocka_unit_test(test_writes_at_every_split),
        cmocka_unit_test(test_writes_what_a_strict_reader_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
