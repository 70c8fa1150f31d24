// SPDX-License-Identifier: Apache-2.0
// The test message of --mail-to: it says what it is, and is long enough for several packets of full
// size, so that a path which loses those shows it.
#include "base/units.h"
#include "probe/probe_internal.h"

enum { MESSAGE_BYTES_MAX = 16 << 10, PADDING_LINES = 64 };

static void write_header(struct probe *probe, const char *subject, struct buffer *out) {
    const struct config_connector *connector = probe->connector;
    const char *helo = connector->helo ? connector->helo : probe->options->config->hostname;
    struct view sender = probe->options->sender;
    char date[UNITS_TIME_SIZE];
    units_format_mail_date(io_wall_ms(), date, sizeof(date));
    struct view id =
        arena_printf(probe->arena, "<probe.%016llx@%s>", (unsigned long long)io_random_u64(), helo);
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
                       "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
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

// Letters by chance, in short lines: nothing that a filter could know.
static void write_noise(struct buffer *out, size_t end) {
    enum { LINE_BYTES = 64 };
    while (out->len + 2 < end) {
        size_t n = size_min(LINE_BYTES, end - out->len - 2);
        unsigned char noise[LINE_BYTES];
        io_random_bytes(noise, sizeof(noise));
        for (size_t i = 0; i < n; i++)
            buffer_append_char(out, (char)('a' + noise[i] % 26));
        buffer_append_view(out, VIEW("\r\n"));
    }
}

void probe_write_message(struct probe *probe, const char *subject, size_t body_bytes,
                         struct buffer *out) {
    buffer_init(out, body_bytes + MESSAGE_BYTES_MAX);
    write_header(probe, subject, out);
    buffer_printf(out,
                  "Sent by \"postrider probe --mail-to\". Nothing needs to be done with it.\r\n");
    write_noise(out, body_bytes);
    ASSERT(!out->overflow);
}
