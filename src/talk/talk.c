// SPDX-License-Identifier: Apache-2.0
// An SMTP client's dialogue, in the order in which RFC 5321 tells it. Each function is one step: it
// sends a command, awaits the reply, and returns what happened as a fact. What happens next is the
// caller's business (deliver/session.c, the probe).
//
//     talk_connect, or talk_adopt         a TCP connection stands
//     talk_greeting                       S: 220 mx.example.net ESMTP
//     talk_ehlo                           C: EHLO   S: 250-..., what it can do
//     talk_starttls, talk_ehlo            C: STARTTLS   S: 220   and EHLO again, encrypted
//     talk_auth                           C: AUTH PLAIN ...   S: 235
//     talk_send_mail  talk_read_mail      C: MAIL FROM:<>   S: 250
//     talk_send_rcpt  talk_read_rcpt      C: RCPT TO:<>   S: 250   for each recipient
//     talk_send_data  talk_read_data      C: DATA   S: 354
//     talk_send_body, talk_send_dot,      C: the message, and a dot alone on a line
//     talk_read_dot                       S: 250   and now the message is the peer's
//     talk_quit                           C: QUIT   S: 221
//
// Where PIPELINING is offered the caller may send several and read their replies later, in order.
// The wire below (wire.c) tells the ways in which a step can end apart.
#include "talk/talk_internal.h"

enum { ENVID_BYTES_MAX = 100, ORCPT_BYTES_MAX = 500 }; // RFC 3461 4.4, 4.2

// --- The connection ---------------------------------------------------------------------------
struct fact talk_connect(struct talk *talk, const struct address *peer) {
    struct talk_step step;
    struct io_stream *stream = NULL;
    struct io_connect_options options = {.source = talk->source, .mss_clamp = talk->mss_clamp};
    ASSERT(!talk->stream && !talk->is_over);
    talk->peer = *peer;
    talk_begin_step(talk, &step, FACT_STAGE_CONNECT, talk->timeouts.connect_ms);
    struct io_result result = io_connect(peer, &options, talk_step_deadline(talk, &step), &stream);
    struct fact fact = io_fact(FACT_STAGE_CONNECT, result);
    if (fact_is_ok(&fact))
        talk_adopt(talk, stream);
    talk_finish_fact(talk, &step, &fact);
    return fact_is_ok(&fact) ? fact : talk_end(talk, fact);
}

void talk_adopt(struct talk *talk, struct io_stream *stream) {
    ASSERT(!talk->stream && !talk->is_over);
    talk->stream = stream;
    talk->peer = stream->peer;
    talk->local = stream->local;
}

// RFC 5321 3.1: the server opens. A greeting of several lines is whole only with its last one, and
// who speaks before that is taken for a spammer.
struct fact talk_greeting(struct talk *talk) {
    struct fact fact =
        talk_await(talk, FACT_STAGE_GREETING, TALK_WANT_2XX, talk->timeouts.greeting_ms);
    struct view line = view_take(fact.text, view_find_char(fact.text, '\n'));
    talk->greeting_len = size_min(line.len, sizeof(talk->greeting));
    if (talk->greeting_len)
        memcpy(talk->greeting, line.ptr, talk->greeting_len);
    return fact;
}

// --- Who we are, what they can do -------------------------------------------------------------
static void keep_extensions(struct talk *talk) {
    buffer_clear(&talk->ehlo_text);
    buffer_append_view(&talk->ehlo_text, buffer_view(&talk->reply.text));
    smtp_extensions_parse(buffer_view(&talk->ehlo_text), &talk->extensions);
}

static void forget_extensions(struct talk *talk) {
    buffer_clear(&talk->ehlo_text);
    talk->extensions = (struct smtp_extensions){0};
}

// RFC 5321 3.2: a server that knows no EHLO is greeted with HELO, and then offers nothing. If it is
// gone by then, what it said to EHLO is the reason.
IO_WAITS static struct fact fall_back_to_helo(struct talk *talk, struct fact refused) {
    buffer_append_view(&talk->ehlo_text, refused.text);
    refused.text = buffer_view(&talk->ehlo_text);
    talk_queue_text(talk, "HELO %s", talk->helo);
    talk_queue_end_line(talk);
    struct fact fact = talk_await(talk, FACT_STAGE_EHLO, TALK_WANT_2XX, talk->timeouts.ehlo_ms);
    talk->used_helo = fact_is_ok(&fact);
    return fact_is_ok(&fact) || fact.kind == FACT_KIND_REPLY ? fact : refused;
}

// RFC 5321 4.1.1.1.
struct fact talk_ehlo(struct talk *talk) {
    forget_extensions(talk);
    talk->used_helo = false;
    talk_queue_text(talk, "EHLO %s", talk->helo);
    talk_queue_end_line(talk);
    struct fact fact = talk_await(talk, FACT_STAGE_EHLO, TALK_WANT_2XX, talk->timeouts.ehlo_ms);
    if (fact_is_ok(&fact))
        keep_extensions(talk);
    else if (fact.kind == FACT_KIND_REPLY && fact.reply_code >= 500)
        fact = fall_back_to_helo(talk, fact);
    return fact;
}

// --- Encryption -------------------------------------------------------------------------------
IO_WAITS static struct fact start_tls(struct talk *talk, struct tls_context *context,
                                      const struct tls_policy *policy) {
    struct talk_step step;
    ASSERT(talk->n_queued == 0 && talk->in_begin == talk->in_end);
    talk_begin_step(talk, &step, FACT_STAGE_TLS, talk->timeouts.tls_ms);
    struct fact fact = tls_client_start(context, &talk->stream, policy,
                                        talk_step_deadline(talk, &step), &talk->tls);
    talk->saw_tls = true;
    talk->has_tls = fact_is_ok(&fact);
    talk->is_verified = talk->has_tls && policy->check != TLS_CHECK_NONE;
    talk_finish_fact(talk, &step, &fact);
    return fact_is_ok(&fact) ? fact : talk_end(talk, fact);
}

// RFC 3207 4. What stands behind the 220 in clear text was put there by somebody who wanted it to
// be taken for the peer's words under encryption (4.2): it is dropped, and the facts say so.
struct fact talk_starttls(struct talk *talk, struct tls_context *context,
                          const struct tls_policy *policy) {
    talk_queue_text(talk, "STARTTLS");
    talk_queue_end_line(talk);
    struct fact fact =
        talk_await(talk, FACT_STAGE_STARTTLS, TALK_WANT_2XX, talk->timeouts.starttls_ms);
    if (!fact_is_ok(&fact))
        return fact;
    talk->dropped_clear |= talk->in_end > talk->in_begin;
    talk->in_begin = talk->in_end = 0;
    // RFC 3207 4.2: nothing that was learned before holds any more.
    forget_extensions(talk);
    return start_tls(talk, context, policy);
}

struct fact talk_implicit_tls(struct talk *talk, struct tls_context *context,
                              const struct tls_policy *policy) {
    ASSERT(talk->stream && !talk->has_tls && talk->greeting_len == 0);
    return start_tls(talk, context, policy);
}

struct fact talk_auth(struct talk *talk, struct view username, struct view password) {
    ASSERT(talk->is_over || (talk->has_tls && talk->is_verified));
    return talk_auth_exchange(talk, username, password);
}

// --- The envelope -----------------------------------------------------------------------------
static bool is_plain(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

// RFC 5321 4.1.1.2, with SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), REQUIRETLS (RFC
// 8689) and DSN (RFC 3461 4.3, 4.4). A body that holds 8-bit bytes goes to a server without
// 8BITMIME as it is: converting it would break signatures, and such servers take it.
void talk_send_mail(struct talk *talk, const struct talk_mail *mail) {
    const struct smtp_extensions *can = &talk->extensions;
    ASSERT(is_plain(mail->sender) && is_plain(mail->envid));
    ASSERT(mail->sender.len <= SMTP_PATH_BYTES_MAX);
    talk_queue_text(talk, "MAIL FROM:<%.*s>", VIEW_ARG(mail->sender));
    if (can->size && mail->size)
        talk_queue_text(talk, " SIZE=%llu", (unsigned long long)mail->size);
    if (can->eightbitmime && mail->has_8bit)
        talk_queue_text(talk, " BODY=8BITMIME");
    if (can->smtputf8 && mail->smtputf8)
        talk_queue_text(talk, " SMTPUTF8");
    if (can->requiretls && mail->requiretls)
        talk_queue_text(talk, " REQUIRETLS");
    if (can->dsn && mail->ret != MAIL_RET_UNSAID)
        talk_queue_text(talk, mail->ret == MAIL_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (can->dsn && mail->envid.len && mail->envid.len <= ENVID_BYTES_MAX)
        talk_queue_text(talk, " ENVID=%.*s", VIEW_ARG(mail->envid));
    talk_queue_end_line(talk);
    talk->mail_is_undeclared = mail->has_8bit && !can->eightbitmime;
}

struct fact talk_read_mail(struct talk *talk) {
    talk->n_mails_read++;
    return talk_await(talk, FACT_STAGE_MAIL, TALK_WANT_2XX, talk->timeouts.mail_ms);
}

// RFC 3461 4.1: NEVER stands alone.
static const char *notify_words(unsigned notify) {
    static const char *const words[] = {
        "SUCCESS",       "FAILURE",       "SUCCESS,FAILURE",      "DELAY",
        "SUCCESS,DELAY", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"};
    unsigned set = notify >> 1;
    ASSERT(notify > 0 && set <= ARRAY_LEN(words));
    return notify & MAIL_NOTIFY_NEVER ? "NEVER" : words[set - 1];
}

// RFC 5321 4.1.1.3, with DSN (RFC 3461 4.1, 4.2).
void talk_send_rcpt(struct talk *talk, const struct talk_rcpt *rcpt) {
    ASSERT(is_plain(rcpt->address) && is_plain(rcpt->orcpt));
    ASSERT(rcpt->address.len > 0 && rcpt->address.len <= SMTP_PATH_BYTES_MAX);
    talk_queue_text(talk, "RCPT TO:<%.*s>", VIEW_ARG(rcpt->address));
    if (talk->extensions.dsn && rcpt->notify)
        talk_queue_text(talk, " NOTIFY=%s", notify_words(rcpt->notify));
    if (talk->extensions.dsn && rcpt->orcpt.len && rcpt->orcpt.len <= ORCPT_BYTES_MAX)
        talk_queue_text(talk, " ORCPT=%.*s", VIEW_ARG(rcpt->orcpt));
    talk_queue_end_line(talk);
}

struct fact talk_read_rcpt(struct talk *talk) {
    return talk_await(talk, FACT_STAGE_RCPT, TALK_WANT_2XX, talk->timeouts.rcpt_ms);
}

// --- The message ------------------------------------------------------------------------------
// RFC 5321 4.1.1.4.
void talk_send_data(struct talk *talk) {
    talk_queue_text(talk, "DATA");
    talk_queue_end_line(talk);
}

struct fact talk_read_data(struct talk *talk) {
    struct fact fact = talk_await(talk, FACT_STAGE_DATA, TALK_WANT_3XX, talk->timeouts.data_ms);
    smtp_data_writer_init(&talk->writer);
    talk->body_begin = talk->queued_total;
    talk->body_bytes = 0;
    talk->dot_end = 0;
    talk->body_is_undeclared = talk->mail_is_undeclared;
    return fact;
}

static void queue_run(struct view run, void *arg) {
    talk_queue_run(arg, run);
}

// RFC 5321 4.5.2: a line that begins with a dot gets another one.
struct fact talk_send_body(struct talk *talk, struct view piece) {
    while (piece.len && !talk->is_over) {
        struct view block = view_take(piece, TALK_BLOCK_BYTES);
        smtp_data_write(&talk->writer, block, queue_run, talk);
        talk->body_bytes = talk->queued_total - talk->body_begin;
        piece = view_skip(piece, block.len);
        if (talk->n_queued >= TALK_BLOCK_BYTES)
            talk_write_queue(talk, FACT_STAGE_BODY, talk->timeouts.body_ms);
    }
    return talk->is_over ? talk_ended(talk, FACT_STAGE_BODY)
                         : fact_make(FACT_STAGE_BODY, FACT_KIND_OK);
}

void talk_send_dot(struct talk *talk) {
    if (talk->is_over)
        return;
    talk_queue_copy(talk, smtp_data_end(&talk->writer));
    talk->body_bytes = talk->queued_total - talk->body_begin;
    talk->dot_end = talk->queued_total;
}

// RFC 5321 4.2.5: with 250 the message is the peer's; with anything else it is still ours.
struct fact talk_read_dot(struct talk *talk) {
    return talk_await(talk, FACT_STAGE_DOT, TALK_WANT_2XX, talk->timeouts.dot_ms);
}

// RFC 3030 2. The size is that of the octets behind the line; nothing is stuffed.
void talk_send_bdat(struct talk *talk, struct view message) {
    ASSERT(message.len > 0);
    talk_queue_text(talk, "BDAT %zu LAST", message.len);
    talk_queue_end_line(talk);
    talk->body_begin = talk->queued_total;
    talk_queue_run(talk, message);
    talk->body_bytes = talk->queued_total - talk->body_begin;
    talk->dot_end = talk->queued_total;
    talk->body_is_undeclared = talk->mail_is_undeclared;
}

struct fact talk_overhear(struct talk *talk, enum fact_stage stage, int64_t limit_ms) {
    return talk_await(talk, stage, TALK_WANT_2XX, limit_ms);
}

struct fact talk_flush(struct talk *talk, enum fact_stage stage) {
    return talk_write_queue(talk, stage, talk->timeouts.body_ms);
}

// --- Other commands, and the end --------------------------------------------------------------
struct fact talk_command(struct talk *talk, enum fact_stage stage, struct view line,
                         int64_t limit_ms) {
    ASSERT(is_plain(line) && line.len > 0);
    talk_queue_text(talk, "%.*s", VIEW_ARG(line));
    talk_queue_end_line(talk);
    return talk_await(talk, stage, TALK_WANT_2XX_OR_3XX, limit_ms);
}

struct fact talk_command_split(struct talk *talk, enum fact_stage stage, struct view line,
                               int64_t limit_ms) {
    enum { SPLIT_BYTES = 6, PAUSE_MS = 5 };
    size_t n = 0;
    ASSERT(is_plain(line) && line.len > SPLIT_BYTES);
    for (; n < SPLIT_BYTES; n++) {
        talk_queue_text(talk, "%c", line.ptr[n]);
        struct fact fact = talk_flush(talk, stage);
        if (!fact_is_ok(&fact))
            return fact;
        io_sleep(io_after(PAUSE_MS));
    }
    return talk_command(talk, stage, view_skip(line, n), limit_ms);
}

// RFC 5321 4.1.1.10: the reply is waited for, but not for long: nothing hangs on it.
struct fact talk_quit(struct talk *talk) {
    struct fact fact = fact_make(FACT_STAGE_QUIT, FACT_KIND_OK);
    if (!talk->is_over) {
        talk_queue_text(talk, "QUIT");
        talk_queue_end_line(talk);
        fact = talk_await(talk, FACT_STAGE_QUIT, TALK_WANT_2XX, talk->timeouts.quit_ms);
    }
    if (!talk->is_over)
        talk_end(talk, fact_make(FACT_STAGE_QUIT, FACT_KIND_CLOSED));
    io_close(talk->stream);
    talk->stream = NULL;
    return fact;
}
