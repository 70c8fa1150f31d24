// SPDX-License-Identifier: Apache-2.0
// Below the steps: the queue of what is to be sent, and the reply that is awaited. Here every
// ending is told apart (refused, closed, reset, silent, garbled), because here it happens.
#include "talk/talk_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// --- The queue --------------------------------------------------------------------------------
// Counts `len` bytes as queued, in `out` where `ptr` is NULL (they are its last ones).
static void note_queued(struct talk *talk, const char *ptr, size_t len) {
    struct talk_part *last = talk->n_parts ? &talk->parts[talk->n_parts - 1] : NULL;
    talk->queued_total += len;
    talk->n_queued += len;
    if (!ptr && last && !last->ptr) {
        last->len += len;
        return;
    }
    ASSERT(talk->n_parts < TALK_PARTS_MAX);
    talk->parts[talk->n_parts++] = (struct talk_part){ptr, ptr ? 0 : talk->out.len - len, len};
}

void talk_queue_copy(struct talk *talk, struct view bytes) {
    if (bytes.len == 0 || talk->is_over)
        return;
    buffer_append_view(&talk->out, bytes);
    ASSERT(!talk->out.overflow);
    note_queued(talk, NULL, bytes.len);
}

void talk_queue_run(struct talk *talk, struct view run) {
    // One part stays free for what is copied behind the last run.
    if (run.len <= TALK_COPY_BYTES_MAX || talk->n_parts + 1 >= TALK_PARTS_MAX)
        talk_queue_copy(talk, run);
    else
        note_queued(talk, run.ptr, run.len);
}

void talk_queue_text(struct talk *talk, const char *format, ...) {
    char text[SMTP_COMMAND_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len > 0 && (size_t)len < sizeof(text));
    ASSERT(!memchr(text, '\r', (size_t)len) && !memchr(text, '\n', (size_t)len));
    talk_queue_copy(talk, view_from(text, (size_t)len));
}

void talk_queue_end_line(struct talk *talk) {
    talk_queue_copy(talk, VIEW("\r\n"));
    talk->n_commands++;
}

static int queue_vector(const struct talk *talk, struct iovec vector[TALK_PARTS_MAX]) {
    for (size_t i = 0; i < talk->n_parts; i++) {
        const struct talk_part *part = &talk->parts[i];
        const char *ptr = part->ptr ? part->ptr : talk->out.ptr + part->offset;
        vector[i] = (struct iovec){(void *)(uintptr_t)ptr, part->len};
    }
    return (int)talk->n_parts;
}

static void queue_clear(struct talk *talk) {
    // What is dropped unwritten was never sent.
    talk->queued_total = talk->written_total;
    buffer_clear(&talk->out);
    talk->n_parts = 0;
    talk->n_queued = 0;
    talk->n_commands = 0;
}

// --- Steps and their facts --------------------------------------------------------------------
void talk_begin_step(struct talk *talk, struct talk_step *step, enum fact_stage stage,
                     int64_t limit_ms) {
    ASSERT(limit_ms > 0);
    *step = (struct talk_step){.stage = stage,
                               .limit_ms = limit_ms,
                               .began = io_now(),
                               .written_before = talk->written_total};
}

static bool is_dot_sent(const struct talk *talk) {
    return talk->dot_end && talk->written_total >= talk->dot_end;
}

// RFC 5321 4.5.3.2.6: a dot that is sent has its full time, whatever else is due.
io_time talk_step_deadline(const struct talk *talk, struct talk_step *step) {
    io_time deadline = io_after(step->limit_ms);
    if (step->stage != FACT_STAGE_DOT || !is_dot_sent(talk))
        deadline = int64_min(deadline, talk->deadline);
    step->limit_used_ms = int64_max(deadline - io_now(), 1);
    return deadline;
}

static unsigned flags_at(const struct talk *talk, enum fact_stage stage) {
    bool in_envelope = stage >= FACT_STAGE_MAIL && stage <= FACT_STAGE_DATA;
    bool in_body = stage == FACT_STAGE_BODY || stage == FACT_STAGE_DOT;
    unsigned flags = talk_flags(talk);
    // With TLS 1.3 its refusal is read after the handshake, in the place of the next reply.
    bool may_be_refused = stage == FACT_STAGE_TLS || stage == FACT_STAGE_EHLO;
    flags |=
        may_be_refused && talk->saw_tls && talk->tls.wants_certificate ? FACT_FLAG_CERT_WANTED : 0;
    flags |= talk->n_mails_read > 1 ? FACT_FLAG_REUSED : 0;
    flags |= talk->in_group && in_envelope ? FACT_FLAG_PIPELINED : 0;
    flags |= talk->body_is_undeclared && in_body ? FACT_FLAG_8BIT_UNDECLARED : 0;
    flags |= stage == FACT_STAGE_DOT && is_dot_sent(talk) ? FACT_FLAG_DOT_SENT : 0;
    return flags;
}

static uint64_t body_written(const struct talk *talk) {
    if (talk->written_total < talk->body_begin)
        return 0;
    uint64_t past = talk->written_total - talk->body_begin;
    return past < talk->body_bytes ? past : talk->body_bytes;
}

void talk_finish_fact(struct talk *talk, const struct talk_step *step, struct fact *fact) {
    bool in_body = fact->stage == FACT_STAGE_BODY || fact->stage == FACT_STAGE_DOT;
    fact->flags |= flags_at(talk, fact->stage);
    if (step->bytes_received && !fact_is_ok(fact) && fact->kind != FACT_KIND_REPLY)
        fact->flags |= FACT_FLAG_FIRST_BYTE;
    if (!fact->bytes_sent)
        fact->bytes_sent =
            (int64_t)(in_body ? body_written(talk) : talk->written_total - step->written_before);
    if (!fact->bytes_received)
        fact->bytes_received = (int64_t)step->bytes_received;
    fact->elapsed_ms = io_now() - step->began;
    fact->limit_ms = fact->kind == FACT_KIND_SILENT ? step->limit_used_ms : 0;
    fact->at_ms = io_wall_ms();
}

struct fact talk_end(struct talk *talk, struct fact fact) {
    ASSERT(!talk->is_over);
    talk->is_over = true;
    talk->end = fact;
    return fact;
}

struct fact talk_ended(const struct talk *talk, enum fact_stage stage) {
    ASSERT(talk->is_over);
    struct fact fact = talk->end;
    fact.stage = stage;
    fact.flags = (fact.flags & ~(unsigned)FACT_FLAG_DOT_SENT) | flags_at(talk, stage);
    return fact;
}

// What io and TLS say of a read or write that failed.
static struct fact fact_of_failure(struct talk *talk, const struct talk_step *step,
                                   struct io_result result) {
    struct fact fact = io_fact(step->stage, result);
    if (result.status == IO_ERROR && result.sys_errno == EPROTO && talk->has_tls) {
        struct fact failure = tls_stream_failure(talk->stream, step->stage);
        fact = failure.kind != FACT_KIND_NONE ? failure : fact;
    }
    // EPIPE is a write behind the peer's FIN: it closed in order.
    if (result.status == IO_ERROR && result.sys_errno == EPIPE) {
        fact.kind = FACT_KIND_CLOSED;
        fact.sys_errno = 0;
    }
    io_fact_add_tcp(&fact, tls_stream_below(talk->stream));
    return fact;
}

// --- Reading a reply --------------------------------------------------------------------------
static struct view unread(const struct talk *talk) {
    return view_from(talk->in + talk->in_begin, talk->in_end - talk->in_begin);
}

IO_WAITS static struct io_result fill(struct talk *talk, io_time deadline) {
    struct view kept = unread(talk);
    memmove(talk->in, kept.ptr, kept.len);
    talk->in_begin = 0;
    talk->in_end = kept.len;
    ASSERT(talk->in_end < sizeof(talk->in));
    struct io_result result =
        io_read(talk->stream, talk->in + talk->in_end, sizeof(talk->in) - talk->in_end, deadline);
    talk->in_end += result.bytes;
    return result;
}

// RFC 5321 4.2.1: a reply ends with the line that has a space behind its code; nothing is sent
// before. Lines that end with a bare LF are taken: nothing of ours hangs on them.
static enum smtp_reply_state take_line(struct talk *talk, struct talk_step *step) {
    struct view line = VIEW_NONE;
    size_t used = 0;
    enum smtp_line kind = smtp_line_take(unread(talk), SMTP_REPLY_LINE_BYTES_MAX, &line, &used);
    if (kind == SMTP_LINE_MORE)
        return SMTP_REPLY_MORE;
    ASSERT(used > 0);
    talk->in_begin += used;
    step->bytes_received += used;
    while (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    talk->garbage = line;
    if (kind == SMTP_LINE_NUL || kind == SMTP_LINE_TOO_LONG)
        return SMTP_REPLY_GARBLED;
    return smtp_reply_feed(&talk->reply, line);
}

// The last words of a peer that closed without ending its line: a reply nevertheless, or garbage. A
// list of extensions is not believed: "SIZE 1000" may be all that came of "SIZE 10000000".
static enum smtp_reply_state take_leftover(struct talk *talk, const struct talk_step *step) {
    struct view line = unread(talk);
    bool is_list = step->stage == FACT_STAGE_EHLO && line.len > 0 && line.ptr[0] == '2';
    if (line.len < 4 || is_list)
        return SMTP_REPLY_MORE;
    talk->in_begin = talk->in_end;
    talk->garbage = line;
    return view_find_char(line, '\0') < line.len ? SMTP_REPLY_GARBLED
                                                 : smtp_reply_feed(&talk->reply, line);
}

// MORE: the wire failed first, as `*broke` says.
IO_WAITS static enum smtp_reply_state read_lines(struct talk *talk, struct talk_step *step,
                                                 io_time deadline, struct io_result *broke) {
    for (;;) {
        size_t begin = talk->in_begin;
        enum smtp_reply_state state = take_line(talk, step);
        if (state != SMTP_REPLY_MORE)
            return state;
        if (talk->in_begin != begin)
            continue; // a line of several
        *broke = fill(talk, deadline);
        if (io_is_ok(*broke))
            continue;
        step->bytes_received += unread(talk).len;
        bool has_ended = broke->status == IO_EOF || broke->status == IO_ERROR;
        return has_ended ? take_leftover(talk, step) : SMTP_REPLY_MORE;
    }
}

static bool is_wanted(enum talk_want want, int code) {
    int class = code / 100;
    return (class == 2 && want != TALK_WANT_3XX) || (class == 3 && want != TALK_WANT_2XX);
}

static struct fact fact_of_garbage(struct talk *talk, const struct talk_step *step) {
    struct fact fact = fact_make(step->stage, FACT_KIND_GARBLED);
    fact.text = view_take(talk->garbage, FACT_TEXT_BYTES_MAX);
    talk_finish_fact(talk, step, &fact);
    return talk_end(talk, fact);
}

static struct fact fact_of_reply(struct talk *talk, const struct talk_step *step) {
    int code = talk->reply.code;
    if (code < 400 && !is_wanted(step->want, code))
        return fact_of_garbage(talk, step); // a yes to another question: out of step
    struct fact fact = fact_make(step->stage, code < 400 ? FACT_KIND_OK : FACT_KIND_REPLY);
    fact.reply_code = code;
    memcpy(fact.enhanced, talk->reply.enhanced, sizeof(fact.enhanced));
    fact.text = view_take(buffer_view(&talk->reply.text), FACT_TEXT_BYTES_MAX);
    talk_finish_fact(talk, step, &fact);
    // RFC 5321 3.8, 4.2.1: 421 may answer any command, and the channel closes.
    return code == 421 ? talk_end(talk, fact) : fact;
}

// Once the dot is sent only its reply says whether the message is delivered.
IO_WAITS static struct fact read_fact(struct talk *talk, struct talk_step *step) {
    bool is_shielded = step->stage == FACT_STAGE_DOT && is_dot_sent(talk);
    bool was_canceled = false;
    io_time deadline = talk_step_deadline(talk, step);
    struct io_result broke = {IO_OK, 0, -1, -1, 0};
    enum smtp_reply_state state;
    do {
        if (is_shielded && io_is_canceled()) {
            was_canceled = true;
            io_cancel_clear();
        }
        state = read_lines(talk, step, deadline, &broke);
    } while (is_shielded && state == SMTP_REPLY_MORE && broke.status == IO_CANCELED);
    if (was_canceled)
        io_cancel(io_fiber_current());
    if (state == SMTP_REPLY_DONE)
        return fact_of_reply(talk, step);
    if (state == SMTP_REPLY_GARBLED)
        return fact_of_garbage(talk, step);
    struct fact fact = fact_of_failure(talk, step, broke);
    talk_finish_fact(talk, step, &fact);
    return talk_end(talk, fact);
}

// --- Writing ----------------------------------------------------------------------------------
static void skip_written(struct iovec **at, int *n, size_t bytes) {
    while (*n > 0 && bytes >= (*at)->iov_len) {
        bytes -= (*at)->iov_len;
        ++*at;
        --*n;
    }
    if (bytes) {
        (*at)->iov_base = (char *)(*at)->iov_base + bytes;
        (*at)->iov_len -= bytes;
    }
}

// RFC 5321 4.5.3.2.5: the limit is for each chunk that a slow peer takes, not for all of them.
IO_WAITS static struct io_result write_parts(struct talk *talk, struct talk_step *step) {
    struct iovec vector[TALK_PARTS_MAX], *at = vector;
    int n = queue_vector(talk, vector);
    struct io_result result = {IO_OK, 0, -1, -1, 0};
    while (n > 0) {
        result = io_writev(talk->stream, at, n, talk_step_deadline(talk, step));
        talk->written_total += result.bytes;
        skip_written(&at, &n, result.bytes);
        bool is_slow = result.status == IO_TIMEOUT && result.bytes > 0 && io_now() < talk->deadline;
        if (!io_is_ok(result) && !is_slow)
            break;
    }
    return result;
}

// A peer that gave up on us may have said why before it closed or stopped reading. That is the
// fact, not the reset that followed.
IO_WAITS static struct fact write_failure(struct talk *talk, struct talk_step *step,
                                          struct io_result result) {
    struct fact fact = fact_of_failure(talk, step, result);
    struct io_result broke = {IO_OK, 0, -1, -1, 0};
    smtp_reply_clear(&talk->reply);
    if (result.status != IO_CANCELED &&
        read_lines(talk, step, io_now(), &broke) == SMTP_REPLY_DONE && talk->reply.code >= 400)
        fact = fact_of_reply(talk, step);
    else
        talk_finish_fact(talk, step, &fact);
    return talk->is_over ? fact : talk_end(talk, fact);
}

struct fact talk_write_queue(struct talk *talk, enum fact_stage stage, int64_t limit_ms) {
    struct talk_step step;
    if (talk->is_over)
        return talk_ended(talk, stage);
    if (talk->n_queued == 0)
        return fact_make(stage, FACT_KIND_OK);
    talk_begin_step(talk, &step, stage, limit_ms);
    talk->in_group = talk->n_commands > 1;
    struct io_result result = write_parts(talk, &step);
    queue_clear(talk);
    if (io_is_ok(result))
        return fact_make(stage, FACT_KIND_OK);
    if (stage != FACT_STAGE_DOT)
        return write_failure(talk, &step, result);
    // The dot may be on its way though what stood behind it is not: then its reply still counts.
    if (is_dot_sent(talk)) {
        talk->end = fact_of_failure(talk, &step, result);
        return fact_make(stage, FACT_KIND_NONE);
    }
    step.stage = FACT_STAGE_BODY;
    return write_failure(talk, &step, result);
}

struct fact talk_await(struct talk *talk, enum fact_stage stage, enum talk_want want,
                       int64_t limit_ms) {
    struct talk_step step;
    int64_t write_limit_ms = stage == FACT_STAGE_DOT ? talk->timeouts.body_ms : limit_ms;
    if (talk->is_over)
        return talk_ended(talk, stage);
    talk_begin_step(talk, &step, stage, limit_ms);
    step.want = want;
    struct fact written = talk_write_queue(talk, stage, write_limit_ms);
    if (!fact_is_ok(&written) && written.kind != FACT_KIND_NONE)
        return written;
    smtp_reply_clear(&talk->reply);
    struct fact fact = read_fact(talk, &step);
    if (written.kind == FACT_KIND_NONE && !talk->is_over)
        talk_end(talk, talk->end);
    return fact;
}

// --- What has arrived -------------------------------------------------------------------------
// A peer that has ended the connection may have said why.
IO_WAITS static struct fact hear_end(struct talk *talk, struct talk_step *step) {
    struct io_result broke = {IO_OK, 0, -1, -1, 0};
    smtp_reply_clear(&talk->reply);
    enum smtp_reply_state state = read_lines(talk, step, io_now(), &broke);
    if (state == SMTP_REPLY_DONE)
        return fact_of_reply(talk, step);
    if (state == SMTP_REPLY_GARBLED)
        return fact_of_garbage(talk, step);
    if (broke.status == IO_TIMEOUT) // it timed out or was reset, and the call does not say so
        broke.status = IO_EOF;
    struct fact fact = fact_of_failure(talk, step, broke);
    talk_finish_fact(talk, step, &fact);
    return talk_end(talk, fact);
}

struct fact talk_drain(struct talk *talk, enum fact_stage stage, int64_t limit_ms) {
    enum { LOOK_MS = 5 };
    struct talk_step step;
    struct io_tcp_info info;
    struct fact fact = talk_write_queue(talk, stage, limit_ms);
    if (!fact_is_ok(&fact))
        return fact;
    talk_begin_step(talk, &step, stage, limit_ms);
    io_time deadline = talk_step_deadline(talk, &step);
    uint64_t waiting = UINT64_MAX;
    while (io_stream_tcp_info(tls_stream_below(talk->stream), &info) &&
           (info.bytes_unacked > 0 || info.is_ended)) {
        if (info.is_ended)
            return hear_end(talk, &step);
        // As for writing: a slow peer that goes on taking is not silent.
        if (info.bytes_unacked < waiting)
            deadline = talk_step_deadline(talk, &step);
        waiting = info.bytes_unacked;
        struct io_result wait = io_sleep(int64_min(io_after(LOOK_MS), deadline));
        if (wait.status != IO_CANCELED && io_now() < deadline)
            continue;
        fact = fact_of_failure(talk, &step, wait);
        talk_finish_fact(talk, &step, &fact);
        return talk_end(talk, fact);
    }
    return fact_make(stage, FACT_KIND_OK);
}
