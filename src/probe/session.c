// SPDX-License-Identifier: Apache-2.0
// One conversation, as the relay would have it, up to the point where a message would follow:
// greeting, EHLO, STARTTLS, EHLO, AUTH as the connector demands; MAIL and RCPT for a recipient that
// the operator named; RSET and QUIT. Every step is recorded with what was seen.
#include "base/units.h"
#include "probe/identity_internal.h"
#include "probe/probe_internal.h"

#include <stdio.h>

// --- Recording --------------------------------------------------------------------------------
static struct probe_step *add(struct probe *probe, struct probe_session *session, const char *name,
                              const struct fact *fact) {
    struct probe_step *step = &session->scratch;
    if (session->variant.is_quiet) {
        *step = (struct probe_step){.name = name, .fact = *fact};
        step->fact.text = probe_keep(probe, fact->text);
    } else {
        step = probe_step_add(probe, name, fact);
    }
    session->last_step = step;
    struct view clause = fact_describe(&step->fact, probe->arena);
    step->host = session->way->host->name;
    step->peer = session->way->address;
    step->n_round_trips = 1;
    step->words = probe_keep(probe, clause);
    return step;
}

// RFC 5321 4.5.3.2: what a server may take. Zero: nothing is said of this step.
static int64_t allowed_ms(enum fact_stage stage) {
    struct talk_timeouts timeouts;
    talk_timeouts_default(&timeouts);
    switch (stage) {
    case FACT_STAGE_GREETING: return timeouts.greeting_ms;
    case FACT_STAGE_MAIL: return timeouts.mail_ms;
    case FACT_STAGE_RCPT: return timeouts.rcpt_ms;
    default: return 0;
    }
}

static void say_patience(struct probe *probe, const struct fact *fact, struct probe_step *step) {
    int64_t allowed = allowed_ms(fact->stage);
    if (fact->kind != FACT_KIND_SILENT || allowed <= fact->limit_ms || probe->is_deciding)
        return;
    probe_step_words(probe, step, "no reply in %lld s (RFC 5321 allows %lld)",
                     (long long)(fact->limit_ms / 1000), (long long)(allowed / 1000));
    probe_sign_set(probe, SIGN_WAITED_LESS_THAN_RFC, true,
                   "we waited %lld s for this step; RFC 5321 4.5.3.2 lets a server take %lld s",
                   (long long)(fact->limit_ms / 1000), (long long)(allowed / 1000));
}

// False: the conversation ends here, and why is kept.
static bool went_well(struct probe *probe, struct probe_session *session, const char *name,
                      const struct fact *fact) {
    struct probe_step *step = add(probe, session, name, fact);
    if (fact_is_ok(fact))
        return true;
    session->fact = step->fact;
    say_patience(probe, fact, step);
    return false;
}

// --- Steps ------------------------------------------------------------------------------------
IO_WAITS static bool greet(struct probe *probe, struct probe_session *session) {
    struct fact fact = talk_greeting(session->talk);
    return went_well(probe, session, "greeting", &fact);
}

static void keep_extensions(struct probe *probe, const struct probe_session *session,
                            struct smtp_extensions *kept) {
    *kept = *talk_extensions(session->talk);
    kept->name = probe_keep(probe, kept->name);
}

// The keywords on one line, without the greeting in front of them.
static struct view keywords_of(struct probe *probe, struct view text) {
    struct view rest = view_skip(text, view_find_char(text, '\n') + 1);
    char *line = arena_alloc(probe->arena, rest.len + 1);
    for (size_t i = 0; line && i < rest.len; i++)
        line[i] = rest.ptr[i] == '\n' ? ' ' : rest.ptr[i];
    return line ? view_from(line, rest.len) : VIEW_NONE;
}

IO_WAITS static bool introduce(struct probe *probe, struct probe_session *session, const char *name,
                               struct smtp_extensions *kept) {
    struct fact fact = talk_ehlo(session->talk);
    struct view keywords = keywords_of(probe, fact.text);
    keep_extensions(probe, session, kept);
    if (!went_well(probe, session, name, &fact))
        return false;
    session->used_helo = talk_used_helo(session->talk);
    struct probe_step *step = session->last_step;
    if (session->used_helo)
        probe_step_words(probe, step, "EHLO was refused, HELO accepted");
    else
        probe_step_words(probe, step, "%.*s",
                         VIEW_ARG(keywords.len ? keywords : VIEW("no keyword")));
    return true;
}

static void describe_tls(struct probe *probe, const struct probe_session *session,
                         struct probe_step *step) {
    char until[UNITS_TIME_SIZE] = "?";
    const struct tls_session *tls = &session->tls;
    if (tls->not_after_ms)
        units_format_time(tls->not_after_ms, until, sizeof(until));
    probe_step_words(probe, step, "%s, certificate for %s until %s%s", tls->description,
                     tls->names[0] ? tls->names : tls->subject, until,
                     tls->x509_verify ? ", which would not pass a check" : "");
}

// RFC 3207, as deliver/ does it: what is demanded and not offered ends the session.
IO_WAITS static bool encrypt(struct probe *probe, struct probe_session *session) {
    struct route_demand demand;
    enum config_tls wanted = probe->connector->tls;
    struct fact fact = fact_make(FACT_STAGE_STARTTLS, FACT_KIND_OK);
    if (wanted == CONFIG_TLS_NONE || session->variant.in_clear)
        return true;
    if (!talk_extensions(session->talk)->starttls) {
        if (wanted == CONFIG_TLS_OPPORTUNISTIC) {
            probe_check_dane(probe, session);
            return true;
        }
        fact = fact_make(FACT_STAGE_STARTTLS, FACT_KIND_DEMAND);
        fact.detail = FACT_DEMAND_STARTTLS;
        fact.at_ms = io_wall_ms();
        return went_well(probe, session, "starttls", &fact);
    }
    route_demand_init(&demand, probe->connector, session->way->host, probe->route->domain);
    if (session->variant.tls_version)
        demand.policy.version_min = demand.policy.version_max = session->variant.tls_version;
    fact = talk_starttls(session->talk, probe->options->tls, &demand.policy);
    const struct tls_session *seen = talk_tls_seen(session->talk);
    session->saw_tls = seen != NULL;
    if (seen)
        session->tls = *seen;
    if (!went_well(probe, session, fact.stage == FACT_STAGE_STARTTLS ? "starttls" : "tls", &fact))
        return false;
    struct probe_step *step = session->last_step;
    step->n_round_trips = session->tls.version >= 0x0304 ? 2 : 3;
    describe_tls(probe, session, step);
    fact = probe_check_dane(probe, session);
    if (!fact_is_ok(&fact))
        return went_well(probe, session, "dane", &fact);
    session->has_after = introduce(probe, session, "ehlo-tls", &session->after);
    return session->has_after;
}

IO_WAITS static bool log_in(struct probe *probe, struct probe_session *session) {
    const struct config_connector *connector = probe->connector;
    bool is_verified = connector->tls == CONFIG_TLS_CA || connector->tls == CONFIG_TLS_DOMAIN;
    if (!connector->username)
        return true;
    struct fact fact = fact_make(FACT_STAGE_AUTH, FACT_KIND_LOCAL);
    fact.detail = FACT_LOCAL_CREDENTIALS;
    if (is_verified && connector->password)
        fact = talk_auth(session->talk, view_of(connector->username), view_of(connector->password));
    return went_well(probe, session, "auth", &fact);
}

// What a repeated message is; the first one's, unless the variant has its own.
static struct view message_of(struct probe *probe, const struct probe_session *session) {
    const struct buffer *own = session->variant.message;
    return buffer_view(own ? own : probe_message(probe));
}

static bool is_sender_of_mail(const struct probe *probe, const struct probe_session *session) {
    return probe->options->sends_mail &&
           (!session->variant.is_quiet || session->variant.sends_mail);
}

IO_WAITS static void reset(struct probe *probe, struct probe_session *session) {
    struct fact fact = talk_command(session->talk, FACT_STAGE_MAIL, VIEW("RSET"),
                                    probe_limit_ms(probe, allowed_ms(FACT_STAGE_MAIL)));
    add(probe, session, "rset", &fact)->is_beside = true;
}

static bool has_8bit(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return true;
    return false;
}

// Parameters only where the message needs them; what it needs and the server lacks ends it before
// it begins, as in deliver/ (RFC 1870 6.1, RFC 6531 3.1).
static struct fact describe_mail(struct probe *probe, const struct probe_session *session,
                                 struct talk_mail *mail) {
    const struct smtp_extensions *can = talk_extensions(session->talk);
    struct fact fact = fact_make(FACT_STAGE_MAIL, FACT_KIND_OK);
    mail->smtputf8 = has_8bit(probe->options->sender) || has_8bit(probe->target->recipient);
    if (is_sender_of_mail(probe, session)) {
        mail->size = message_of(probe, session).len;
        mail->has_8bit = has_8bit(message_of(probe, session));
    }
    fact.at_ms = io_wall_ms();
    if (can->size_max && mail->size > can->size_max)
        fact.detail = FACT_DEMAND_SIZE;
    else if (mail->smtputf8 && !can->smtputf8)
        fact.detail = FACT_DEMAND_SMTPUTF8;
    if (fact.detail)
        fact.kind = FACT_KIND_DEMAND;
    return fact;
}

// In one group where PIPELINING is offered, as the relay does it (RFC 2920).
IO_WAITS static bool name_recipient(struct probe *probe, struct probe_session *session) {
    struct talk *talk = session->talk;
    struct talk_mail mail = {.sender = probe->options->sender};
    struct talk_rcpt rcpt = {.address = probe->target->recipient};
    bool in_group = talk_extensions(talk)->pipelining && !session->variant.in_lock_step;
    struct fact fact = describe_mail(probe, session, &mail);
    if (!fact_is_ok(&fact))
        return went_well(probe, session, "mail", &fact);
    talk_send_mail(talk, &mail);
    if (in_group)
        talk_send_rcpt(talk, &rcpt);
    fact = talk_read_mail(talk);
    bool is_accepted = went_well(probe, session, "mail", &fact);
    if (!is_accepted && (!in_group || !talk_is_open(talk)))
        return false;
    if (!in_group)
        talk_send_rcpt(talk, &rcpt);
    fact = talk_read_rcpt(talk);
    if (is_accepted)
        is_accepted = went_well(probe, session, "rcpt", &fact);
    session->last_step->n_round_trips = !in_group;
    return is_accepted;
}

IO_WAITS static struct fact send_dot(struct probe *probe, struct probe_session *session) {
    enum { PAUSE_MS = 1000 };
    struct talk *talk = session->talk;
    if (session->variant.has_dot_alone) {
        struct fact fact =
            talk_drain(talk, FACT_STAGE_BODY,
                       int64_min(probe_limit_ms(probe, INT64_MAX), session->variant.limit_ms));
        if (!fact_is_ok(&fact))
            return fact;
        io_sleep(io_after(PAUSE_MS));
    }
    talk_send_dot(talk);
    return talk_read_dot(talk);
}

IO_WAITS static struct fact send_chunk(struct probe *probe, struct probe_session *session) {
    talk_send_bdat(session->talk, message_of(probe, session));
    return talk_read_dot(session->talk);
}

// Of a message whose end was sent only a refusal says that it was not delivered.
static void count_message(struct probe *probe, const struct fact *fact) {
    bool is_sent = fact_is_ok(fact) || (fact->flags & FACT_FLAG_DOT_SENT);
    probe->result->n_messages += is_sent && fact->kind != FACT_KIND_REPLY;
}

// RFC 5321 4.1.1.4: from here on the message may be delivered, and RSET comes too late.
IO_WAITS static bool send_message(struct probe *probe, struct probe_session *session) {
    struct talk *talk = session->talk;
    struct fact fact;
    if (session->variant.by_bdat) {
        fact = send_chunk(probe, session);
    } else {
        talk_send_data(talk);
        fact = talk_read_data(talk);
        if (!went_well(probe, session, "data", &fact))
            return false;
        fact = talk_send_body(talk, message_of(probe, session));
        if (fact_is_ok(&fact))
            fact = send_dot(probe, session);
    }
    count_message(probe, &fact);
    return went_well(probe, session, fact.stage == FACT_STAGE_BODY ? "body" : "dot", &fact);
}

IO_WAITS static bool transact(struct probe *probe, struct probe_session *session) {
    if (probe->target->recipient.len == 0)
        return true;
    if (session->variant.transact) {
        struct fact fact = session->variant.transact(probe, session);
        return went_well(probe, session, "rung", &fact);
    }
    bool is_accepted = name_recipient(probe, session);
    if (is_accepted && is_sender_of_mail(probe, session))
        return send_message(probe, session);
    if (talk_is_open(session->talk))
        reset(probe, session);
    return is_accepted;
}

IO_WAITS static bool converse(struct probe *probe, struct probe_session *session) {
    if (!greet(probe, session))
        return false;
    session->has_before = introduce(probe, session, "ehlo", &session->before);
    return session->has_before && encrypt(probe, session) && log_in(probe, session) &&
           transact(probe, session);
}

// --- The attempt ------------------------------------------------------------------------------
static void make_attempt(struct probe *probe, struct probe_session *session, io_time began) {
    const struct talk *talk = session->talk;
    session->attempt = (struct attempt){.at_ms = io_wall_ms(),
                                        .elapsed_ms = io_now() - began,
                                        .connector = view_of(probe->connector->name),
                                        .domain = probe->route->domain,
                                        .site = probe->route->site,
                                        .host = session->way->host->name,
                                        .peer = session->way->address,
                                        .source = talk_source(talk),
                                        .greeting = probe_keep(probe, talk_greeting_line(talk)),
                                        .fact = session->fact};
    session->attempt.helo =
        view_of(probe->connector->helo ? probe->connector->helo : probe->options->config->hostname);
    if (session->saw_tls) {
        session->attempt.tls = probe_keep(probe, view_of(session->tls.description));
        // RFC 7672 3.1.1: what the domain's own records vouch for needs no authority.
        session->attempt.tls_verify = session->is_by_dane ? 0 : session->tls.x509_verify;
    }
}

struct talk *probe_talk_create(struct probe *probe, const struct probe_way *way,
                               const struct probe_variant *variant) {
    struct talk_options options = {
        .source = way->source, .deadline = probe->deadline, .mss_clamp = variant->mss_clamp};
    struct talk_timeouts *limits = &options.timeouts;
    const struct config_connector *connector = probe->connector;
    const char *helo = connector->helo ? connector->helo : probe->options->config->hostname;
    int64_t most_ms = variant->limit_ms ? variant->limit_ms : INT64_MAX;
    talk_timeouts_default(limits);
    if (connector->greeting_timeout_ms > 0)
        limits->greeting_ms = connector->greeting_timeout_ms;
    int64_t *each[] = {&limits->connect_ms,  &limits->greeting_ms, &limits->ehlo_ms,
                       &limits->starttls_ms, &limits->tls_ms,      &limits->auth_ms,
                       &limits->mail_ms,     &limits->rcpt_ms,     &limits->data_ms,
                       &limits->body_ms,     &limits->dot_ms,      &limits->quit_ms};
    for (size_t i = 0; i < ARRAY_LEN(each); i++)
        *each[i] = int64_min(probe_limit_ms(probe, *each[i]), most_ms);
    options.helo = view_of(variant->helo ? variant->helo : helo);
    return talk_create(&options);
}

// The call of before may be gone by now, or have been hung up.
IO_WAITS static bool connect_way(struct probe *probe, struct probe_session *session,
                                 struct probe_way *way) {
    if (way->stream) {
        talk_adopt(session->talk, way->stream);
        way->stream = NULL;
        return true;
    }
    struct fact fact = talk_connect(session->talk, &way->address);
    return went_well(probe, session, "connect", &fact);
}

static void note_certificate_name(struct probe *probe, const struct probe_session *session) {
    struct view name = session->way->host->name;
    if (!talk_tls(session->talk) || name.len == 0 || name.ptr[0] == '[')
        return;
    probe_sign_set(probe, SIGN_CERT_OF_HOST, talk_tls_matches(session->talk, &name, 1),
                   "the certificate is for %s",
                   session->tls.names[0] ? session->tls.names : session->tls.subject);
}

void probe_session_run(struct probe *probe, struct probe_way *way, struct probe_session *session) {
    io_time began = io_now();
    *session = (struct probe_session){.way = way, .variant = session->variant};
    session->talk = probe_talk_create(probe, way, &session->variant);
    session->fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    session->fact.at_ms = io_wall_ms();
    if (connect_way(probe, session, way) && converse(probe, session) && !probe->is_deciding)
        note_certificate_name(probe, session);
    if (!probe->is_deciding && (talk_flags(session->talk) & FACT_FLAG_CLEAR_DROPPED))
        probe_sign_set(
            probe, SIGN_CLEAR_WORDS_DROPPED, true,
            "words in clear text stood behind the answer to STARTTLS; they were dropped");
    way->had_session = true;
    way->session = session->fact;
    make_attempt(probe, session, began);
    if (talk_is_open(session->talk)) {
        struct fact fact = talk_quit(session->talk);
        struct probe_step *step = add(probe, session, "quit", &fact);
        step->is_beside = true;
        step->state = fact_is_ok(&fact) ? PROBE_WELL : PROBE_WARNING;
    }
    talk_destroy(session->talk);
    session->talk = NULL;
}
