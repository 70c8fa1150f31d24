// SPDX-License-Identifier: Apache-2.0
#include "sim/client.h"

#include <stdlib.h>

enum { WAIT_MS = 5 * 60 * 1000 };

struct talk_out {
    struct io_stream *stream;
    struct buffer in, out;
};

// Sends what is gathered, reads one whole reply, and says whether it begins with `digit`.
IO_WAITS static bool expect(struct talk_out *talk, char digit) {
    if (talk->out.len > 0 &&
        !io_is_ok(io_write(talk->stream, talk->out.ptr, talk->out.len, io_after(WAIT_MS))))
        return false;
    buffer_clear(&talk->out);
    for (;;) {
        struct view rest = buffer_view(&talk->in);
        size_t end = view_find(rest, VIEW("\r\n"));
        if (end < rest.len) {
            char first = rest.ptr[0];
            bool is_last = end < 4 || rest.ptr[3] != '-';
            buffer_consume(&talk->in, end + 2);
            if (is_last)
                return first == digit;
            continue;
        }
        char *at = buffer_reserve(&talk->in, 2048);
        if (at == NULL)
            return false;
        struct io_result result = io_read(talk->stream, at, 2048, io_after(WAIT_MS));
        if (!io_is_ok(result))
            return false;
        buffer_advance(&talk->in, result.bytes);
    }
}

static void write_body(struct buffer *out, const struct client_mail *mail) {
    for (unsigned i = 0; i < mail->n_received; i++)
        buffer_printf(out, "Received: from there by here; Mon, 1 Jan 2024 00:00:00 +0000\r\n");
    buffer_printf(out,
                  "From: <%s>\r\nTo: somebody\r\nSubject: simulated\r\nX-Sim: %u\r\n"
                  "Message-ID: <%u@sim.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n",
                  mail->sender, mail->number, mail->number);
    for (size_t i = 0; i < mail->body_bytes; i += 64)
        buffer_printf(out, "%062zu\r\n", i);
    buffer_printf(out, ".\r\n");
}

IO_WAITS static bool hand_over(struct book *book, struct talk_out *talk,
                               const struct client_mail *mail) {
    const struct book_message *message = &book->messages[mail->number];
    if (!expect(talk, '2'))
        return false;
    buffer_printf(&talk->out, "EHLO client.sim.test\r\n");
    if (!expect(talk, '2'))
        return false;
    buffer_printf(&talk->out, "MAIL FROM:<%s>\r\n", mail->sender);
    if (!expect(talk, '2'))
        return false;
    for (size_t i = 0; i < message->n_rcpts; i++) {
        buffer_printf(&talk->out, "RCPT TO:<%s>\r\n", message->rcpts[i].address);
        if (!expect(talk, '2'))
            return false;
    }
    buffer_printf(&talk->out, "DATA\r\n");
    if (!expect(talk, '3'))
        return false;
    write_body(&talk->out, mail);
    if (!expect(talk, '2'))
        return false;
    book_acked(book, mail->number);
    buffer_printf(&talk->out, "QUIT\r\n");
    expect(talk, '2');
    return true;
}

bool client_send(struct book *book, const struct address *server, const struct client_mail *mail) {
    struct talk_out talk = {0};
    struct io_connect_options options = {0};
    if (!io_is_ok(io_connect(server, &options, io_after(WAIT_MS), &talk.stream)))
        return false;
    buffer_init(&talk.in, 64 << 10);
    buffer_init(&talk.out, 8 << 20);
    bool is_acked = hand_over(book, &talk, mail);
    io_close(talk.stream);
    buffer_finish(&talk.in);
    buffer_finish(&talk.out);
    return is_acked;
}
