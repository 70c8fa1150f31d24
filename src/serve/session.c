// SPDX-License-Identifier: Apache-2.0
// The server's side of SMTP (RFC 5321), from the greeting to QUIT. A session is one fiber; this
// file reads in the order in which a client meets it: who may come in, the greeting, EHLO,
// STARTTLS, then MAIL, RCPT and DATA as often as the client has messages, and the commands that
// change nothing.
//
// What is offered is what is done: PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES and, where there
// is a certificate, STARTTLS. Whoever is not in accept_from may talk, and gets 550 5.7.1 for each
// recipient: an administrator who tests from the wrong address reads why.
#include "serve/session.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

// --- Coming in -----------------------------------------------------------------------------------

static const struct config_listener *listener_named(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(config->listeners[i].name, name) == 0)
            return &config->listeners[i];
    return NULL;
}

struct session *session_create(struct serve *serve, const char *name, struct io_stream *stream) {
    struct session *session = mem_alloc_zero(sizeof(*session));
    session->serve = serve;
    session->stream = stream;
    session->peer = stream->peer;
    session->config = serve->options.config(serve->options.config_arg);
    session->client = spool_client_get(serve->options.spool, &stream->peer);
    session->may_relay = config_accepts_client(session->config, &stream->peer);
    const struct config_listener *listener = listener_named(session->config, name);
    session->offers_tls = listener && listener->tls == CONFIG_LISTEN_TLS_STARTTLS;
    view_copy_string(view_of(name), session->listener_name, sizeof(session->listener_name));
    session->fruitless_since = io_now();
    buffer_init(&session->output, SESSION_OUTPUT_BYTES_MAX);
    buffer_init(&session->trace, SESSION_OUTPUT_BYTES_MAX);
    arena_init(&session->arena, SESSION_ENVELOPE_BYTES_MAX);
    list_init(&session->link);
    list_append(&serve->sessions, &session->link);
    atomic_fetch_add_explicit(&serve->counts.sessions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&serve->counts.sessions_now, 1, memory_order_relaxed);
    return session;
}

static void destroy(struct session *session) {
    session_reset_transaction(session);
    if (session->is_admitted)
        serve_limits_leave(session->serve->limits, &session->peer, !session->may_relay);
    atomic_fetch_sub_explicit(&session->serve->counts.sessions_now, 1, memory_order_relaxed);
    list_remove(&session->link);
    io_close(session->stream);
    spool_client_put(session->client);
    config_unref(session->config);
    arena_finish(&session->arena);
    buffer_finish(&session->trace);
    buffer_finish(&session->output);
    free(session->envelope.recipients);
    free(session->bytes);
    free(session);
}

static bool admit(struct session *session) {
    switch (serve_limits_enter(session->serve->limits, &session->peer, !session->may_relay,
                               session->config)) {
    case SERVE_FULL: session_dismiss(session, "4.3.2", "Too many sessions"); return false;
    case SERVE_FULL_FOR_CLIENT:
        session_dismiss(session, "4.7.0", "Too many sessions from your address");
        return false;
    default: session->is_admitted = true; return true;
    }
}

// --- The greeting (RFC 5321 3.1) -----------------------------------------------------------------

static void greet(struct session *session) {
    session_reply_printf(session, "220 %.255s ESMTP Postrider", session->config->hostname);
}

// --- HELO and EHLO (RFC 5321 4.1.1.1) ------------------------------------------------------------

// What the client calls itself is written down and never held against it: machines inside an
// organisation are called all kinds of things.
static bool remember_name(struct session *session, struct view rest) {
    struct smtp_helo helo = smtp_helo_parse(rest);
    if (view_is_empty(helo.name)) {
        session_fault(session, VIEW("501 5.5.4 Say who you are: EHLO host.example"));
        return false;
    }
    session_reset_transaction(session);
    // One word, so that what stands behind it cannot pass for another field of a log line.
    size_t word_len = size_min(view_find_char(helo.name, ' '), view_find_char(helo.name, '\t'));
    view_copy_string(view_take(helo.name, word_len), session->helo, sizeof(session->helo));
    session->has_helo = true;
    return true;
}

static void hear_helo(struct session *session, struct view rest) {
    if (!remember_name(session, rest))
        return;
    session->is_esmtp = false;
    session_reply_printf(session, "250 %.255s", session->config->hostname);
}

static bool may_start_tls(struct session *session) {
    return session->offers_tls && !session->is_tls;
}

static void hear_ehlo(struct session *session, struct view rest) {
    if (!remember_name(session, rest))
        return;
    session->is_esmtp = true;
    session_reply_printf(session, "250-%.255s", session->config->hostname);
    session_reply(session, VIEW("250-PIPELINING")); // RFC 2920
    session_reply_printf(session, "250-SIZE %llu",  // RFC 1870
                         (unsigned long long)session->config->max_message_size);
    if (may_start_tls(session))
        session_reply(session, VIEW("250-STARTTLS"));        // RFC 3207
    session_reply(session, VIEW("250-8BITMIME"));            // RFC 6152
    session_reply(session, VIEW("250 ENHANCEDSTATUSCODES")); // RFC 2034
}

// --- STARTTLS (RFC 3207) -------------------------------------------------------------------------

// RFC 3207 4.2: what was said before the handshake is forgotten.
static void begin_encrypted(struct session *session, const struct tls_session *tls) {
    session_reset_transaction(session);
    session->is_tls = true;
    session->has_helo = false;
    session->helo[0] = '\0';
    view_copy_string(view_of(tls->description), session->tls, sizeof(session->tls));
}

static IO_WAITS void shake_hands(struct session *session, struct tls_context *context) {
    struct tls_session tls = {0};
    struct fact fact = tls_server_start(context, &session->stream, io_after(SESSION_TLS_MS), &tls);
    if (fact_is_ok(&fact)) {
        begin_encrypted(session, &tls);
        return;
    }
    char client[ADDRESS_TEXT_SIZE];
    address_format(&session->peer, client, sizeof(client));
    log_info("serve", "lost: client=%s helo=%s listener=%s: the TLS handshake failed: %.*s", client,
             session->helo, session->listener_name, VIEW_ARG(fact.text));
    session->is_over = true; // and the stream is gone
}

static IO_WAITS void hear_starttls(struct session *session, struct view rest) {
    struct serve_options *options = &session->serve->options;
    if (rest.len) {
        session_fault(session, VIEW("501 5.5.4 STARTTLS stands alone"));
        return;
    }
    if (!may_start_tls(session)) {
        session_fault(session, session->is_tls ? VIEW("503 5.5.1 TLS is in use already")
                                               : VIEW("502 5.5.1 STARTTLS is not offered"));
        return;
    }
    // Whatever came behind the command came in clear text, perhaps from somebody else: it must
    // never be taken for part of the encrypted session.
    if (session_input(session).len) {
        session_dismiss(session, "4.7.0", "Bytes before the TLS handshake");
        return;
    }
    struct tls_context *context = options->tls(options->config_arg);
    if (!context) { // RFC 3207 4
        session_reply(session, VIEW("454 4.7.0 TLS is not available now"));
        return;
    }
    session_reply(session, VIEW("220 2.0.0 Ready to start TLS"));
    if (session_flush(session))
        shake_hands(session, context);
    tls_context_unref(context);
}

// --- MAIL (RFC 5321 4.1.1.2) ---------------------------------------------------------------------

static struct view explain_syntax(enum smtp_syntax syntax, struct view path_reply) {
    switch (syntax) {
    case SMTP_SYNTAX_PARAMETER: return VIEW("501 5.5.4 A parameter has a bad value");
    case SMTP_SYNTAX_UNKNOWN: return VIEW("555 5.5.4 A parameter is not recognised");
    case SMTP_SYNTAX_TOO_LONG: return VIEW("501 5.5.2 Address too long");
    default: return path_reply;
    }
}

// Parameters of extensions that EHLO does not offer: empty when there are none.
static struct view refuse_mail_params(const struct session *session,
                                      const struct smtp_mail_params *params) {
    if (params->body_binarymime)
        return VIEW("501 5.5.4 BINARYMIME is not offered");
    if (params->smtputf8)
        return VIEW("555 5.6.7 SMTPUTF8 is not offered");
    if (params->has_ret || params->envid.len)
        return VIEW("555 5.5.4 DSN is not offered");
    if (params->requiretls || params->auth.len)
        return VIEW("555 5.5.4 A parameter is not recognised");
    if (params->has_size && params->size > session->config->max_message_size) // RFC 1870 6.1
        return VIEW("552 5.3.4 Message too big for this server");
    return VIEW_NONE;
}

static struct view refuse_sender(const struct smtp_path *path) {
    if (path->has_utf8)
        return VIEW("553 5.6.7 The sender needs SMTPUTF8, which is not offered");
    return VIEW_NONE;
}

// A store that takes no new mail says so before the body is sent.
static bool has_room(struct session *session) {
    struct spool_health health = spool_health(session->serve->options.spool);
    if (health.accepts)
        return true;
    session_reply_printf(session, "%s New mail is refused for now: %s",
                         health.settles ? "452 4.3.1" : "451 4.3.0", health.reason);
    session_log_refused(session, health.reason);
    return false;
}

static void begin_transaction(struct session *session, const struct smtp_path *path,
                              const struct smtp_mail_params *params) {
    struct mail_recipient *recipients = session->envelope.recipients;
    session->envelope = (struct mail_envelope){
        .sender = arena_copy(&session->arena, path->address),
        .recipients = recipients,
        .body = params->body_8bitmime ? MAIL_BODY_8BITMIME : MAIL_BODY_7BIT,
        .client = session->peer,
    };
    ASSERT(session->envelope.sender.ptr != NULL);
    session->has_mail = true;
    session_reply(session, VIEW("250 2.1.0 Ok"));
}

static void hear_mail(struct session *session, struct view rest) {
    struct smtp_path path;
    struct smtp_mail_params params;
    if (!session->has_helo) {
        session_fault(session, VIEW("503 5.5.1 EHLO comes first"));
        return;
    }
    if (session->has_mail) {
        session_fault(session, VIEW("503 5.5.1 A transaction has begun already"));
        return;
    }
    enum smtp_syntax syntax = smtp_mail_parse(rest, &path, &params);
    if (syntax != SMTP_SYNTAX_OK) {
        session_fault(session, explain_syntax(syntax, VIEW("501 5.1.7 Bad sender address")));
        return;
    }
    struct view refusal = refuse_mail_params(session, &params);
    if (view_is_empty(refusal))
        refusal = refuse_sender(&path);
    if (refusal.len)
        session_reply(session, refusal);
    else if (has_room(session))
        begin_transaction(session, &path, &params);
}

// --- RCPT (RFC 5321 4.1.1.3) ---------------------------------------------------------------------

static void deny_relay(struct session *session) {
    char client[ADDRESS_TEXT_SIZE], reply[160];
    address_format(&session->peer, client, sizeof(client));
    snprintf(reply, sizeof(reply), "550 5.7.1 Relaying denied: %s is not in accept_from", client);
    if (!session->said_relay_denied)
        session_log_refused(session, reply);
    session->said_relay_denied = true;
    atomic_fetch_add_explicit(&session->serve->counts.refused, 1, memory_order_relaxed);
    session_fault(session, view_of(reply));
}

static bool refuse_recipient(struct session *session, const struct smtp_path *path) {
    const struct serve_hooks *hooks = &session->serve->options.hooks;
    struct view reason = VIEW_NONE, domain = mail_address_domain(path->address);
    if (path->has_utf8) {
        session_reply(session,
                      VIEW("553 5.6.7 The recipient needs SMTPUTF8, which is not offered"));
        return true;
    }
    if (view_is_empty(domain)) {
        session_reply(session, VIEW("550 5.1.3 The recipient needs a domain"));
        return true;
    }
    if (!hooks->refuses(hooks->arg, domain, &reason))
        return false;
    session_reply_printf(session, "550 5.4.4 %.*s", VIEW_ARG(view_take(reason, 400)));
    return true;
}

static bool add_recipient(struct session *session, struct view address) {
    struct mail_envelope *envelope = &session->envelope;
    if (envelope->n_recipients >= session->config->max_recipients)
        return false;
    struct view copy = arena_copy(&session->arena, address);
    if (!copy.ptr)
        return false;
    if (envelope->n_recipients == session->recipients_size) {
        session->recipients_size = size_max(4, session->recipients_size * 2);
        envelope->recipients = mem_realloc(envelope->recipients, session->recipients_size *
                                                                     sizeof(*envelope->recipients));
    }
    envelope->recipients[envelope->n_recipients++] = (struct mail_recipient){.address = copy};
    return true;
}

// RFC 5321 4.5.1: "postmaster" without a domain is always taken. Here that is the one who runs us.
static struct view full_address(const struct session *session, const struct smtp_path *path) {
    if (view_is_empty(path->domain) && view_equals_nocase(path->address, VIEW("postmaster")))
        return view_of(session->config->postmaster);
    return path->address;
}

static void hear_rcpt(struct session *session, struct view rest) {
    struct smtp_path path;
    struct smtp_rcpt_params params;
    if (!session->has_mail) {
        session_fault(session, VIEW("503 5.5.1 MAIL comes first"));
        return;
    }
    if (!session->may_relay) {
        deny_relay(session);
        return;
    }
    enum smtp_syntax syntax = smtp_rcpt_parse(rest, &path, &params);
    if (syntax != SMTP_SYNTAX_OK) {
        session_fault(session, explain_syntax(syntax, VIEW("501 5.1.3 Bad recipient address")));
        return;
    }
    if (params.has_notify || params.orcpt.len) {
        session_reply(session, VIEW("555 5.5.4 DSN is not offered"));
        return;
    }
    path.address = full_address(session, &path);
    if (refuse_recipient(session, &path))
        return;
    // RFC 5321 4.5.3.1.10: the client sends the others in a transaction of their own.
    if (!add_recipient(session, path.address))
        session_reply(session, VIEW("452 4.5.3 Too many recipients"));
    else
        session_reply(session, VIEW("250 2.1.5 Ok"));
}

// --- DATA (RFC 5321 4.1.1.4) ---------------------------------------------------------------------

static IO_WAITS void hear_data(struct session *session, struct view rest) {
    if (rest.len) {
        session_fault(session, VIEW("501 5.5.4 DATA stands alone"));
        return;
    }
    if (!session->has_mail) {
        session_fault(session, VIEW("503 5.5.1 MAIL comes first"));
        return;
    }
    if (session->envelope.n_recipients == 0) { // RFC 2920 3.1: the group was sent in any case
        session_reply(session, VIEW("554 5.5.1 No valid recipients"));
        return;
    }
    session_reply(session, VIEW("354 End with a dot on a line of its own"));
    session_receive_message(session);
    session_reset_transaction(session);
}

// --- The rest (RFC 5321 4.1.1.5 to 4.1.1.10) -----------------------------------------------------

void session_reset_transaction(struct session *session) {
    struct mail_recipient *recipients = session->envelope.recipients;
    session->has_mail = false;
    // One block of the arena stays for the next message; more are given back.
    if (session->arena.used_total > 2048)
        arena_finish(&session->arena);
    else
        arena_reset(&session->arena, (struct arena_mark){session->arena.blocks, 0, 0});
    if (session->recipients_size > 64) {
        free(recipients);
        recipients = NULL;
        session->recipients_size = 0;
    }
    session->envelope = (struct mail_envelope){.recipients = recipients};
}

static void hear_rset(struct session *session) {
    session_reset_transaction(session);
    session_reply(session, VIEW("250 2.0.0 Ok"));
}

static void hear_quit(struct session *session) {
    session_reply(session, VIEW("221 2.0.0 Bye"));
    session->is_over = true;
}

// A web page can make its reader's browser post to us, with commands in the body, and the browser
// may well be in accept_from. Whoever speaks HTTP has nothing more to say.
static void hear_unknown(struct session *session, struct view line) {
    if (view_find(line, VIEW(" HTTP/")) < line.len)
        session_dismiss(session, "4.7.0", "This is no web server");
    else
        session_fault(session, VIEW("500 5.5.2 Unknown command"));
}

static IO_WAITS void obey(struct session *session, struct view line) {
    struct smtp_command command = smtp_command_parse(line);
    switch (command.verb) {
    case SMTP_VERB_HELO: hear_helo(session, command.rest); break;
    case SMTP_VERB_EHLO: hear_ehlo(session, command.rest); break;
    case SMTP_VERB_STARTTLS: hear_starttls(session, command.rest); break;
    case SMTP_VERB_MAIL: hear_mail(session, command.rest); break;
    case SMTP_VERB_RCPT: hear_rcpt(session, command.rest); break;
    case SMTP_VERB_DATA: hear_data(session, command.rest); break;
    case SMTP_VERB_RSET: hear_rset(session); break;
    case SMTP_VERB_NOOP: session_reply(session, VIEW("250 2.0.0 Ok")); break;
    case SMTP_VERB_QUIT: hear_quit(session); break;
    case SMTP_VERB_VRFY: // RFC 5321 3.5.3
        session_reply(session, VIEW("252 2.0.0 Send it and see"));
        break;
    case SMTP_VERB_HELP:
        session_reply(session,
                      VIEW("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY STARTTLS"));
        break;
    case SMTP_VERB_UNKNOWN: hear_unknown(session, line); break;
    default: session_fault(session, VIEW("502 5.5.1 Not implemented")); break;
    }
}

// --- The dialogue --------------------------------------------------------------------------------

static IO_WAITS void converse(struct session *session) {
    while (!session->is_over) {
        struct view line;
        enum session_line kind = session_read_line(session, &line);
        if (kind == SESSION_LINE_READY && session->serve->is_stopping)
            session_dismiss(session, "4.3.2", "Shutting down");
        else if (kind == SESSION_LINE_READY)
            obey(session, line);
        // A client that sends thousands of commands in one group reads replies meanwhile.
        if (session->output.len > SESSION_OUTPUT_FLUSH_BYTES)
            session_flush(session);
    }
}

void session_run(void *arg) {
    struct session *session = arg;
    if (admit(session)) {
        greet(session);
        converse(session);
    }
    if (session->stream)
        session_flush(session);
    destroy(session);
}
