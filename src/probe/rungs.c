// SPDX-License-Identifier: Apache-2.0
// One step of a ladder: a session that tries a certain amount. What can be found without a message
// that arrives is found so: SIZE in MAIL and then RSET, the same recipient again and again and then
// RSET, a message whose end is never sent. A header is judged by servers only behind the final dot;
// there a message is delivered, and numbered in its subject.
#include "probe/limits_internal.h"

enum { ANSWER_MS = 10 * 1000, LISTEN_MS = 400, PIECE_BYTES = 32 << 10, RCPTS_AT_ONCE = 10 };

IO_WAITS static struct fact forget(struct probe *probe, struct probe_session *session) {
    return talk_command(session->talk, FACT_STAGE_MAIL, VIEW("RSET"),
                        probe_limit_ms(probe, ANSWER_MS));
}

// RFC 1870 4: the server says at MAIL whether it would take so much.
IO_WAITS static struct fact try_size(struct probe *probe, struct probe_session *session) {
    struct talk_mail mail = {.sender = probe->options->sender, .size = session->variant.rung->n};
    talk_send_mail(session->talk, &mail);
    struct fact fact = talk_read_mail(session->talk);
    fact.text = probe_keep(probe, fact.text);
    if (talk_is_open(session->talk))
        forget(probe, session);
    return fact;
}

IO_WAITS static struct fact begin_mail(struct probe *probe, struct probe_session *session,
                                       uint64_t size) {
    struct talk_mail mail = {.sender = probe->options->sender, .size = size};
    talk_send_mail(session->talk, &mail);
    return talk_read_mail(session->talk);
}

// Some in one group where PIPELINING is offered (RFC 2920); the first refusal ends it.
IO_WAITS static struct fact name_some(struct probe *probe, struct probe_session *session,
                                      size_t n) {
    struct talk_rcpt rcpt = {.address = probe->target->recipient};
    struct probe_rung *rung = session->variant.rung;
    struct fact first = fact_make(FACT_STAGE_RCPT, FACT_KIND_OK);
    for (size_t i = 0; i < n; i++)
        talk_send_rcpt(session->talk, &rcpt);
    rung->n_sent += n;
    for (size_t i = 0; i < n; i++) {
        struct fact fact = talk_read_rcpt(session->talk);
        if (fact_is_ok(&fact) && fact_is_ok(&first)) {
            rung->n_ok++;
        } else if (fact_is_ok(&first)) {
            first = fact;
            first.text = probe_keep(probe, fact.text);
        }
    }
    return first;
}

IO_WAITS static struct fact try_recipients(struct probe *probe, struct probe_session *session) {
    struct probe_rung *rung = session->variant.rung;
    bool in_group = talk_extensions(session->talk)->pipelining && !rung->is_in_lock_step;
    struct fact fact = begin_mail(probe, session, 0);
    while (fact_is_ok(&fact) && rung->n_sent < rung->n) {
        size_t n = in_group ? size_min(RCPTS_AT_ONCE, rung->n - rung->n_sent) : 1;
        fact = name_some(probe, session, n);
    }
    if (talk_is_open(session->talk))
        forget(probe, session);
    return fact;
}

// RFC 5321 3.3, 4.1.1.4: without its final dot a message is none, and who hangs up within it leaves
// nothing behind.
IO_WAITS static struct fact send_part(struct probe *probe, struct probe_session *session) {
    struct probe_rung *rung = session->variant.rung;
    struct talk *talk = session->talk;
    struct view text = buffer_view(session->variant.message);
    struct fact fact = fact_make(FACT_STAGE_BODY, FACT_KIND_OK);
    for (uint64_t left = rung->n; left && fact_is_ok(&fact);) {
        struct view piece = view_take(text, left);
        fact = talk_send_body(talk, piece);
        if (fact_is_ok(&fact))
            fact = talk_flush(talk, FACT_STAGE_BODY);
        left -= piece.len;
    }
    if (fact_is_ok(&fact))
        fact = talk_drain(talk, FACT_STAGE_BODY, probe_limit_ms(probe, ANSWER_MS));
    if (!fact_is_ok(&fact))
        return fact;
    // A device may need a moment to cut what it does not like.
    fact = talk_overhear(talk, FACT_STAGE_BODY, LISTEN_MS);
    return fact.kind == FACT_KIND_SILENT ? fact_make(FACT_STAGE_BODY, FACT_KIND_OK) : fact;
}

IO_WAITS static struct fact try_part(struct probe *probe, struct probe_session *session) {
    struct talk_rcpt rcpt = {.address = probe->target->recipient};
    struct fact fact = begin_mail(probe, session, session->variant.rung->n);
    if (!fact_is_ok(&fact))
        return fact;
    talk_send_rcpt(session->talk, &rcpt);
    fact = talk_read_rcpt(session->talk);
    if (!fact_is_ok(&fact))
        return fact;
    talk_send_data(session->talk);
    fact = talk_read_data(session->talk);
    return fact_is_ok(&fact) ? send_part(probe, session) : fact;
}

static void prepare(struct probe *probe, enum probe_ladder ladder, const struct probe_rung *rung,
                    struct probe_letter letter, struct buffer *out) {
    if (ladder == PROBE_LADDER_HEADER)
        letter.header_bytes = rung->n;
    else if (ladder == PROBE_LADDER_HEADER_LINE)
        letter.line_bytes = rung->n;
    else if (ladder == PROBE_LADDER_BODY)
        letter.body_bytes = PIECE_BYTES;
    probe_write_message(probe, &letter, out);
}

struct fact probe_climb(struct probe *probe, enum probe_ladder ladder, struct probe_rung *rung,
                        const char *label) {
    static IO_WAITS struct fact (*const ways[PROBE_LADDER_COUNT])(
        struct probe *, struct probe_session *) = {[PROBE_LADDER_SIZE] = try_size,
                                                   [PROBE_LADDER_RECIPIENTS] = try_recipients,
                                                   [PROBE_LADDER_BODY] = try_part};
    const struct probe_way *first = probe->session->way;
    struct probe_way way = {
        .host = first->host, .address = first->address, .source = first->source};
    struct buffer message;
    prepare(probe, ladder, rung, (struct probe_letter){.subject = label}, &message);
    struct probe_session session = {.variant = {.is_quiet = true,
                                                .sends_mail = true,
                                                .message = &message,
                                                .transact = ways[ladder],
                                                .rung = rung,
                                                .limit_ms = probe_limit_ms(probe, ANSWER_MS)}};
    probe_session_run(probe, &way, &session);
    buffer_finish(&message);
    return session.fact;
}
