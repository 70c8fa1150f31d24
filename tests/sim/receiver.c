// SPDX-License-Identifier: Apache-2.0
#include "sim/receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 2048, RCPTS_MAX = 128, BODY_MAX = 256 << 10, WAIT_MS = 30 * 60 * 1000 };
enum { GREY_MS = 20 * 60 * 1000 };

struct visit {
    struct receiver *receiver;
    struct io_stream *stream;
    struct buffer in, out;
    char line[LINE_SIZE];
    char sender[LINE_SIZE];
    char rcpts[RCPTS_MAX][BOOK_ADDRESS_SIZE];
    size_t n_rcpts;
    bool has_mail, is_over;
    struct book_rcpt *unsure[RCPTS_MAX]; // delivered, and our reply may not have arrived
    size_t n_unsure;
    io_time replied_at;
};

static bool mood_is(const struct visit *visit, enum receiver_mood mood) {
    return visit->receiver->mood == mood;
}

// --- Lines -------------------------------------------------------------------------------

IO_WAITS static bool flush(struct visit *visit) {
    if (visit->out.len == 0)
        return true;
    struct io_result result =
        io_write(visit->stream, visit->out.ptr, visit->out.len, io_after(WAIT_MS));
    buffer_clear(&visit->out);
    return io_is_ok(result);
}

IO_WAITS static bool fill(struct visit *visit) {
    if (!flush(visit))
        return false;
    char *at = buffer_reserve(&visit->in, 4096);
    if (at == NULL)
        return false;
    struct io_result result = io_read(visit->stream, at, 4096, io_after(WAIT_MS));
    if (!io_is_ok(result))
        return false;
    buffer_advance(&visit->in, result.bytes);
    return true;
}

IO_WAITS static bool read_line(struct visit *visit) {
    for (;;) {
        size_t end = view_find(buffer_view(&visit->in), VIEW("\r\n"));
        if (end < visit->in.len) {
            view_copy_string(view_from(visit->in.ptr, end), visit->line, sizeof visit->line);
            buffer_consume(&visit->in, end + 2);
            return true;
        }
        if (!fill(visit))
            return false;
    }
}

IO_WAITS static bool reply(struct visit *visit, const char *text) {
    if (mood_is(visit, RECEIVER_SLOW))
        io_sleep(io_after(1 + (int64_t)sim_random_below(visit->receiver->sim, 4000)));
    buffer_printf(&visit->out, "%s\r\n", text);
    visit->replied_at = io_now();
    // A group is answered in a group (RFC 2920 3.2).
    return visit->in.len > 0 || flush(visit);
}

// --- Mail --------------------------------------------------------------------------------

static struct view header_value(struct view text, const char *name) {
    size_t at = view_find_nocase(text, view_of(name));
    if (at == text.len)
        return VIEW_NONE;
    struct view rest = view_skip(text, at + strlen(name));
    return view_trim(view_take(rest, view_find(rest, VIEW("\r\n"))));
}

static bool sim_number(struct view body, unsigned *number) {
    uint64_t value = 0;
    struct view text = header_value(body, "\r\nX-Sim:");
    if (!view_to_u64(text, &value))
        return false;
    *number = (unsigned)value;
    return true;
}

static void read_notice(struct visit *visit, struct view body) {
    unsigned number;
    if (!sim_number(body, &number))
        return;
    static const char field[] = "\r\nFinal-Recipient:";
    for (;;) {
        size_t at = view_find_nocase(body, view_of(field));
        if (at == body.len)
            return;
        body = view_skip(body, at + 1);
        struct view value = header_value(body, field + 2);
        struct view address = view_trim(view_skip(value, view_find_char(value, ';') + 1));
        struct view action = header_value(body, "\r\nAction:");
        book_noticed(visit->receiver->book, number, address,
                     view_equals_nocase(action, VIEW("failed")));
    }
}

static void take_mail(struct visit *visit, struct view body) {
    unsigned number;
    struct receiver *receiver = visit->receiver;
    receiver->n_messages++;
    if (receiver->on_mail != NULL)
        receiver->on_mail(receiver->arg, view_of(visit->sender), view_of(visit->rcpts[0]), body);
    for (size_t i = 0; i < visit->n_rcpts; i++) {
        struct view address = view_of(visit->rcpts[i]);
        if (view_starts_with(address, VIEW("sender"))) {
            read_notice(visit, body);
        } else if (sim_number(body, &number)) {
            struct book_rcpt *rcpt = book_delivered(receiver->book, number, address);
            if (rcpt != NULL && visit->n_unsure < RCPTS_MAX)
                visit->unsure[visit->n_unsure++] = rcpt;
        }
    }
}

// A command that the relay sends after our reply can have come shows that it has seen it.
static void make_sure(struct visit *visit, bool is_quit) {
    bool must_have_seen = is_quit || (!visit->receiver->pipelines && io_now() > visit->replied_at);
    for (size_t i = 0; i < visit->n_unsure && must_have_seen; i++)
        book_certain(visit->unsure[i]);
    if (must_have_seen)
        visit->n_unsure = 0;
}

IO_WAITS static bool read_body(struct visit *visit, struct view *body) {
    size_t seen = 0;
    for (;;) {
        struct view all = buffer_view(&visit->in);
        size_t end = seen + view_find(view_skip(all, seen), VIEW("\r\n.\r\n"));
        if (end < all.len) {
            *body = view_take(all, end + 2);
            return true;
        }
        seen = all.len > 4 ? all.len - 4 : 0;
        if (mood_is(visit, RECEIVER_DROPS_DATA) && all.len > 200)
            return false;
        if (!fill(visit))
            return false;
    }
}

IO_WAITS static bool end_body(struct visit *visit, struct view body) {
    size_t len = body.len + 3;
    if (mood_is(visit, RECEIVER_FULL) || mood_is(visit, RECEIVER_REJECTS)) {
        buffer_consume(&visit->in, len);
        return reply(visit, mood_is(visit, RECEIVER_FULL) ? "452 4.3.1 Insufficient storage"
                                                          : "554 5.7.1 Not wanted");
    }
    take_mail(visit, body);
    buffer_consume(&visit->in, len);
    if (mood_is(visit, RECEIVER_LOSES_REPLY))
        return false;
    if (mood_is(visit, RECEIVER_FORGETS)) {
        io_sleep(io_after(WAIT_MS));
        return false;
    }
    return reply(visit, "250 2.0.0 Taken");
}

// --- Commands ----------------------------------------------------------------------------

static void path_of(const char *line, char *out, size_t size) {
    struct view text = view_of(line);
    struct view rest = view_skip(text, view_find_char(text, '<') + 1);
    view_copy_string(view_take(rest, view_find_char(rest, '>')), out, size);
}

static void reset(struct visit *visit) {
    visit->has_mail = false;
    visit->n_rcpts = 0;
}

IO_WAITS static bool on_mail(struct visit *visit) {
    if (mood_is(visit, RECEIVER_THROTTLES)) {
        reply(visit, "421 4.7.0 Too much mail, closing");
        flush(visit);
        return false;
    }
    path_of(visit->line, visit->sender, sizeof visit->sender);
    reset(visit);
    visit->has_mail = true;
    return reply(visit, "250 2.1.0 Ok");
}

IO_WAITS static bool on_rcpt(struct visit *visit) {
    char address[BOOK_ADDRESS_SIZE];
    path_of(visit->line, address, sizeof address);
    struct view to = view_of(address);
    if (mood_is(visit, RECEIVER_DEFERS))
        return reply(visit, "451 4.7.1 Try again later");
    if (view_starts_with(to, VIEW("gone")))
        return reply(visit, "550 5.1.1 No such mailbox");
    if (view_starts_with(to, VIEW("full")))
        return reply(visit, "452 4.2.2 Mailbox full");
    if (view_starts_with(to, VIEW("grey")) && io_now() % (2 * GREY_MS) < GREY_MS)
        return reply(visit, "450 4.7.1 Greylisted");
    if (!visit->has_mail || visit->n_rcpts == RCPTS_MAX)
        return reply(visit, "503 5.5.1 No");
    view_copy_string(to, visit->rcpts[visit->n_rcpts++], BOOK_ADDRESS_SIZE);
    return reply(visit, "250 2.1.5 Ok");
}

IO_WAITS static bool on_data(struct visit *visit) {
    struct view body;
    if (visit->n_rcpts == 0)
        return reply(visit, "554 5.5.1 No valid recipients");
    if (!reply(visit, "354 Go ahead") || !flush(visit) || !read_body(visit, &body))
        return false;
    bool goes_on = end_body(visit, body);
    reset(visit);
    return goes_on;
}

IO_WAITS static bool on_ehlo(struct visit *visit) {
    reset(visit);
    if (visit->receiver->pipelines)
        return reply(visit, "250-there\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10000000");
    return reply(visit, "250-there\r\n250 8BITMIME");
}

IO_WAITS static bool obey(struct visit *visit) {
    struct view line = view_of(visit->line);
    make_sure(visit, view_equals_nocase(line, VIEW("QUIT")));
    if (view_starts_with_nocase(line, VIEW("EHLO")) || view_starts_with_nocase(line, VIEW("HELO")))
        return on_ehlo(visit);
    if (view_starts_with_nocase(line, VIEW("MAIL")))
        return on_mail(visit);
    if (view_starts_with_nocase(line, VIEW("RCPT")))
        return on_rcpt(visit);
    if (view_starts_with_nocase(line, VIEW("DATA")))
        return on_data(visit);
    if (view_starts_with_nocase(line, VIEW("RSET")))
        reset(visit);
    if (!view_equals_nocase(line, VIEW("QUIT")))
        return reply(visit, "250 2.0.0 Ok");
    reply(visit, "221 2.0.0 Bye");
    flush(visit);
    return false;
}

// --- Visits ------------------------------------------------------------------------------

IO_WAITS static bool greet(struct visit *visit) {
    switch (visit->receiver->mood) {
    case RECEIVER_SILENT: io_sleep(io_after(WAIT_MS)); return false;
    case RECEIVER_BUSY: reply(visit, "421 4.3.2 Too many connections"); return false;
    case RECEIVER_UNWILLING: reply(visit, "554 5.7.1 Go away"); return false;
    case RECEIVER_GARBLES: reply(visit, "SSH-2.0-OpenSSH_9.2"); return false;
    default: return reply(visit, "220 there ESMTP");
    }
}

static void visit_run(void *arg) {
    struct visit *visit = arg;
    visit->receiver->n_connections++;
    bool goes_on = greet(visit);
    flush(visit);
    while (goes_on && read_line(visit))
        goes_on = obey(visit);
    io_close(visit->stream);
    buffer_finish(&visit->in);
    buffer_finish(&visit->out);
    free(visit);
}

static void receiver_run(void *arg) {
    struct receiver *receiver = arg;
    struct error error;
    struct io_listener *listener = io_listen(&receiver->address, false, &error);
    ASSERT(listener != NULL);
    for (;;) {
        struct io_stream *stream;
        struct io_result result = io_accept(listener, IO_NEVER, &stream);
        if (result.status == IO_CANCELED)
            break;
        if (!io_is_ok(result))
            continue;
        struct visit *visit = mem_alloc_zero(sizeof *visit);
        visit->receiver = receiver;
        visit->stream = stream;
        buffer_init(&visit->in, BODY_MAX);
        buffer_init(&visit->out, BODY_MAX);
        io_spawn("visit", visit_run, visit);
    }
    io_listener_close(listener);
}

void receiver_start(struct receiver *receiver) {
    io_spawn("receiver", receiver_run, receiver);
}
