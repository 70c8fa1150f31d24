// SPDX-License-Identifier: Apache-2.0
// One conversation with one address, step by step: connect, greeting, EHLO, STARTTLS, AUTH, MAIL,
// RCPT, DATA, body, dot, QUIT (RFC 5321). Each step has a deadline and returns a fact; nothing is
// decided here. It is the program's only SMTP client: the relay and the probe both speak through
// it.
//
// Writing is buffered: what is sent goes out when a reply is awaited, so a group of commands (RFC
// 2920) is written by sending several and then reading their replies in order. The body of one
// message and the envelope of the next may share a group.
#ifndef TALK_TALK_H
#define TALK_TALK_H

#include "base/fact.h"
#include "io/io.h"
#include "mail/mail.h"
#include "smtp/smtp.h"
#include "tls/tls.h"

// RFC 5321 4.5.3.2; all in milliseconds.
struct talk_timeouts {
    int64_t connect_ms, greeting_ms, ehlo_ms, starttls_ms, tls_ms, auth_ms, mail_ms, rcpt_ms,
        data_ms, body_ms /* without progress */, dot_ms, quit_ms;
};
void talk_timeouts_default(struct talk_timeouts *timeouts);

struct talk_options {
    struct talk_timeouts timeouts;
    struct view helo; // copied
    struct address source;
    int mss_clamp;
    io_time deadline; // as talk_set_deadline
};

struct talk;
struct talk *talk_create(const struct talk_options *options);
void talk_destroy(struct talk *talk); // closes what is open, without QUIT; NULL is accepted
// No step waits beyond it, except for the reply to a sent final dot; IO_NEVER: none.
void talk_set_deadline(struct talk *talk, io_time deadline);

// Steps. A fact's text lives until the next step of this conversation; copy what you keep.
// After a fact of kind CLOSED, SILENT, ERRNO, GARBLED, TLS or CANCELED, and after a reply of 421
// (RFC 5321 3.8), the conversation is over: every later step returns that fact again, with its own
// stage.
IO_WAITS struct fact talk_connect(struct talk *talk, const struct address *peer);
// Takes over a stream that is connected already (the winner of a race).
void talk_adopt(struct talk *talk, struct io_stream *stream);
IO_WAITS struct fact talk_greeting(struct talk *talk);
IO_WAITS struct fact talk_ehlo(struct talk *talk); // falls back to HELO on 5xx (RFC 5321 3.2)
// Stage STARTTLS where the peer says no, else TLS. Both lists of extensions are forgotten with it.
IO_WAITS struct fact talk_starttls(struct talk *talk, struct tls_context *context,
                                   const struct tls_policy *policy);
// TLS from the first byte on (RFC 8314 3.3), right after the connection stands.
IO_WAITS struct fact talk_implicit_tls(struct talk *talk, struct tls_context *context,
                                       const struct tls_policy *policy);
// PLAIN or LOGIN (RFC 4954). Asserts that the session is encrypted and verified.
IO_WAITS struct fact talk_auth(struct talk *talk, struct view username, struct view password);
IO_WAITS struct fact talk_command(struct talk *talk, enum fact_stage stage, struct view line,
                                  int64_t limit_ms); // RSET, NOOP, and what a probe sends
// The same with the beginning of the line in segments of one byte each (RFC 793 2.8: a stream has
// no borders).
IO_WAITS struct fact talk_command_split(struct talk *talk, enum fact_stage stage, struct view line,
                                        int64_t limit_ms);
IO_WAITS struct fact talk_quit(struct talk *talk); // sends, waits shortly, closes

// A transaction. Parameters go out where the peer offers their extension. Addresses hold no control
// characters: the caller has made sure (asserted).
struct talk_mail {
    struct view sender;
    uint64_t size;
    bool has_8bit, smtputf8, requiretls;
    enum mail_ret ret; // RFC 3461
    struct view envid; // still in xtext
};
struct talk_rcpt {
    struct view address;
    unsigned notify;   // enum mail_notify
    struct view orcpt; // still encoded
};
void talk_send_mail(struct talk *talk, const struct talk_mail *mail);
void talk_send_rcpt(struct talk *talk, const struct talk_rcpt *rcpt);
void talk_send_data(struct talk *talk);
IO_WAITS struct fact talk_read_mail(struct talk *talk);
IO_WAITS struct fact talk_read_rcpt(struct talk *talk);
IO_WAITS struct fact talk_read_data(struct talk *talk); // OK: 354
// Pieces of the body in order; dot-stuffed on the way. A piece is not copied: it must stay as it is
// until talk_flush or a talk_read call. Large ones are written at once.
IO_WAITS struct fact talk_send_body(struct talk *talk, struct view piece);
void talk_send_dot(struct talk *talk);
// Once the dot is sent a cancel does not end this wait: the reply decides whether the message is
// delivered. The fiber is canceled again before it returns.
IO_WAITS struct fact talk_read_dot(struct talk *talk);
// Everything buffered goes out now.
IO_WAITS struct fact talk_flush(struct talk *talk, enum fact_stage stage);
// Instead of DATA, body and dot, where CHUNKING is offered (RFC 3030 2): the whole message as one
// chunk, as it is. Its reply is that of talk_read_dot.
void talk_send_bdat(struct talk *talk, struct view message);
// Writes what is buffered and waits until the peer's system has acknowledged all of it, each time
// at most `limit_ms` for a part of it. OK as well where the kernel does not tell (the simulator). A
// peer that ends meanwhile is heard first.
IO_WAITS struct fact talk_drain(struct talk *talk, enum fact_stage stage, int64_t limit_ms);
// What the peer says although nothing was asked: a reply, or how it ended. SILENT: it said nothing,
// which is as it should be; the conversation is over all the same.
IO_WAITS struct fact talk_overhear(struct talk *talk, enum fact_stage stage, int64_t limit_ms);

// What is known of the session.
const struct smtp_extensions *talk_extensions(const struct talk *talk);
const struct tls_session *talk_tls(const struct talk *talk); // NULL: clear text
// The last handshake's session, also where it failed; NULL: there was none.
const struct tls_session *talk_tls_seen(const struct talk *talk);
// Whether the peer's certificate is for one of `names`, as in tls_policy.
bool talk_tls_matches(const struct talk *talk, const struct view *names, size_t n_names);
// As tls_stream_verify_dane and tls_stream_verify_with, of a session with TLS.
int talk_tls_verify_dane(const struct talk *talk, struct tls_dane *dane);
int talk_tls_verify_with(const struct talk *talk, const struct view *certificates, size_t n,
                         char *next_url);
struct view talk_greeting_line(const struct talk *talk); // cut to 256 bytes
struct address talk_peer(const struct talk *talk);
struct address talk_source(const struct talk *talk);
bool talk_is_open(const struct talk *talk);
unsigned talk_flags(const struct talk *talk); // of enum fact_flag: TLS, CLEAR_DROPPED
bool talk_used_helo(const struct talk *talk);
uint64_t talk_body_bytes(const struct talk *talk); // of the present message, as sent
// The connection below any TLS, for what the kernel knows of it; NULL when it is closed.
struct io_stream *talk_stream(struct talk *talk);

#endif
