// SPDX-License-Identifier: Apache-2.0
// The test message of --mail-to: it says what it is, and is long enough for several packets of full
// size, so that a path which loses those shows it.
#include "base/units.h"
#include "probe/probe_internal.h"

enum { MESSAGE_BYTES_MAX = 16 << 10, PADDING_LINES = 64 };

// RFC 5322 3.6.4: one mark for all messages of a run, so that they are found together.
static struct view make_message_id(struct probe *probe, const char *helo) {
    unsigned long long mark = probe->message_mark;
    if (mark == 0)
        mark = probe->message_mark = io_random_u64() | 1;
    if (probe->n_written++ == 0)
        return arena_printf(probe->arena, "<probe.%016llx@%s>", mark, helo);
    return arena_printf(probe->arena, "<probe.%016llx.%u@%s>", mark, probe->n_written, helo);
}

static void write_header(struct probe *probe, const char *subject, struct buffer *out) {
    const struct config_connector *connector = probe->connector;
    const char *helo = connector->helo ? connector->helo : probe->options->config->hostname;
    struct view sender = probe->options->sender;
    char date[UNITS_TIME_SIZE];
    units_format_mail_date(io_wall_ms(), date, sizeof(date));
    struct view id = make_message_id(probe, helo);
    if (probe->result->message_id.len == 0)
        probe->result->message_id = id;
    if (sender.len)
        buffer_printf(out, "From: <%.*s>\r\n", VIEW_ARG(sender));
    else
        buffer_printf(out, "From: <postmaster@%s>\r\n", helo);
    buffer_printf(out, "To: <%.*s>\r\n", VIEW_ARG(probe->target->recipient));
    buffer_printf(out, "Subject: Test message of postrider probe%s%s\r\nDate: %s\r\n",
                  subject[0] ? ": " : "", subject, date);
    buffer_printf(out, "Message-ID: %.*s\r\n", VIEW_ARG(id));
    // RFC 3834 5: nobody's program shall answer.
    buffer_printf(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=us-ascii\r\n");
}

const struct buffer *probe_message(struct probe *probe) {
    struct buffer *out = &probe->message;
    struct view own = probe->options->message;
    if (out->len)
        return out;
    buffer_init(out, own.len + MESSAGE_BYTES_MAX);
    if (own.len) {
        buffer_append_view(out, own);
        return out;
    }
    write_header(probe, "", out);
    buffer_append_view(out, VIEW("\r\n"));
    buffer_printf(out, "This message was sent by \"postrider probe --mail-to\" to see whether mail"
                       " arrives.\r\nNothing needs to be done with it.\r\n\r\n"
                       "The lines below only make it long enough to need several packets.\r\n\r\n");
    for (unsigned i = 0; i < PADDING_LINES; i++)
        buffer_printf(out,
                      "%02u The quick post rider jumps over the lazy queue and the broken"
                      " road.\r\n",
                      i);
    ASSERT(!out->overflow);
    return out;
}

// Letters by chance: nothing that a filter could know.
static void write_letters(struct buffer *out, size_t n) {
    unsigned char noise[64];
    for (size_t i = 0; i < n; i++) {
        if (i % sizeof(noise) == 0)
            io_random_bytes(noise, sizeof(noise));
        buffer_append_char(out, (char)('a' + noise[i % sizeof(noise)] % 26));
    }
}

// Lines that begin with `head`, until the text is `end` bytes long.
static void write_lines(struct buffer *out, struct view head, size_t end) {
    enum { LINE_BYTES = 64 };
    while (out->len + head.len + 3 <= end) {
        buffer_append_view(out, head);
        write_letters(out, size_min(LINE_BYTES, end - out->len - 2));
        buffer_append_view(out, VIEW("\r\n"));
    }
}

static void write_long_line(struct buffer *out, size_t line_bytes) {
    struct view head = VIEW("X-Postrider-Probe: ");
    if (line_bytes <= head.len)
        return;
    buffer_append_view(out, head);
    write_letters(out, line_bytes - head.len);
    buffer_append_view(out, VIEW("\r\n"));
}

void probe_write_message(struct probe *probe, const struct probe_letter *letter,
                         struct buffer *out) {
    buffer_init(out,
                letter->header_bytes + letter->line_bytes + letter->body_bytes + MESSAGE_BYTES_MAX);
    write_header(probe, letter->subject, out);
    write_long_line(out, letter->line_bytes);
    if (letter->header_bytes > 2)
        write_lines(out, VIEW("X-Postrider-Probe: "), letter->header_bytes - 2);
    buffer_printf(out, "\r\nSent by \"postrider probe --mail-to\". Nothing needs to be done with "
                       "it.\r\n");
    write_lines(out, VIEW_NONE, letter->body_bytes);
    ASSERT(!out->overflow);
}
