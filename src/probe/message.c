// SPDX-License-Identifier: Apache-2.0
// Experiments about a message that did not pass: the same once more, a short one, one of the same
// size with other words, by BDAT, with its final dot alone. What passes and what does not tells a
// device that counts from one that reads, and both from a slow receiver. Each may be delivered:
// they are numbered in their subjects and counted.
#include "probe/probe_internal.h"

#include <stdio.h>

enum { MESSAGE_SHORT_BYTES = 1500 };

static const struct fact *fault(const struct probe *probe) {
    return &probe->result->attempt.fact;
}

static bool is_reset_or_closed(const struct fact *fact) {
    return fact->kind == FACT_KIND_CLOSED || fact->kind == FACT_KIND_ERRNO;
}

IO_WAITS static bool send_again(struct probe *probe) {
    struct fact fact;
    bool is_well = probe_repeat(probe, "again", (struct probe_variant){.sends_mail = true}, &fact);
    probe_sign_set(probe, SIGN_AGAIN_WELL, is_well, "%s",
                   is_well ? "the same message a moment later went further: it comes and goes"
                           : "the same message a moment later ended in the same way");
    return is_well;
}

// Nearly nothing but a header: what stops this one is not within the message.
IO_WAITS static bool send_short(struct probe *probe) {
    struct fact fact;
    struct buffer message;
    probe_write_message(probe, &(struct probe_letter){.subject = "a short one"}, &message);
    struct probe_variant variant = {.sends_mail = true, .message = &message};
    bool is_well = probe_repeat(probe, "short", variant, &fact);
    probe_sign_set(probe, SIGN_SHORT_WELL, is_well,
                   "a message of %zu bytes passes, that of %zu bytes does not", message.len,
                   probe_message(probe)->len);
    buffer_finish(&message);
    return is_well;
}

IO_WAITS static void send_other_words(struct probe *probe) {
    struct fact fact;
    struct buffer message;
    const struct probe_letter letter = {.subject = "other words of the same length",
                                        .body_bytes = probe_message(probe)->len};
    probe_write_message(probe, &letter, &message);
    struct probe_variant variant = {.sends_mail = true, .message = &message};
    bool is_well = probe_repeat(probe, "same-size", variant, &fact);
    probe_sign_set(probe, SIGN_OTHER_WORDS_WELL, is_well,
                   "other words of the same %zu bytes pass: it is not the size", message.len);
    probe_sign_set(probe, SIGN_OTHER_WORDS_FAIL, !is_well,
                   "letters by chance of the same %zu bytes end in the same way: it is not the "
                   "content; --limits finds the size that passes",
                   message.len);
    buffer_finish(&message);
}

static bool offers_chunks(const struct probe_session *session) {
    const struct smtp_extensions *can = session->has_after ? &session->after : &session->before;
    return can->chunking;
}

// RFC 3030: the same message by the other verb.
IO_WAITS static void send_by_bdat(struct probe *probe, bool is_fault) {
    struct fact fact;
    struct probe_variant variant = {.sends_mail = true, .by_bdat = true};
    bool is_further = probe_repeat(probe, "bdat", variant, &fact);
    bool is_well = fact_is_ok(&fact);
    if (is_fault) {
        probe_sign_set(probe, SIGN_BDAT_WELL, is_well,
                       "the same message passes by BDAT: a device looks into DATA");
        probe_sign_set(probe, SIGN_BDAT_FAILS_TOO, !is_further, "by BDAT it ends in the same way");
        return;
    }
    struct view clause = fact_describe(&fact, probe->arena);
    probe_sign_set(probe, SIGN_BDAT_REFUSED, !is_well && fact.kind == FACT_KIND_REPLY,
                   "BDAT is offered and refused, DATA works: %.*s", VIEW_ARG(clause));
    probe_sign_set(probe, SIGN_BDAT_BREAKS, !is_well && fact.kind != FACT_KIND_REPLY,
                   "the same message passes by DATA and not by BDAT: %.*s", VIEW_ARG(clause));
}

// A device that looks for the final dot within one packet (Postfix's smtp_pix_workarounds).
IO_WAITS static void send_dot_alone(struct probe *probe) {
    struct fact fact;
    struct probe_variant variant = {.sends_mail = true, .has_dot_alone = true};
    bool is_well = probe_repeat(probe, "dot-alone", variant, &fact);
    probe_sign_set(probe, SIGN_DOT_ALONE_WELL, is_well,
                   "with the final dot in a packet of its own the message is answered");
    probe_sign_set(probe, SIGN_DOT_ALONE_FAILS, !is_well,
                   "with the final dot in a packet of its own it is the same");
}

static bool is_worth_going_on(const struct probe *probe) {
    return !io_is_canceled() && io_now() < probe->deadline &&
           probe->signs.is[SIGN_SMALL_SEGMENTS_WELL] != ANSWER_YES;
}

IO_WAITS static void examine_loss(struct probe *probe) {
    bool is_long = probe_message(probe)->len > MESSAGE_SHORT_BYTES;
    bool is_at_dot = fault(probe)->stage == FACT_STAGE_DOT && !fact_is_lost_in_body(fault(probe));
    bool is_stuck = is_at_dot && fault(probe)->kind == FACT_KIND_SILENT;
    bool comes_and_goes = is_reset_or_closed(fault(probe)) && send_again(probe);
    if (comes_and_goes || !is_worth_going_on(probe))
        return;
    if (is_stuck && is_worth_going_on(probe))
        send_dot_alone(probe);
    bool is_short_well = is_long && is_worth_going_on(probe) && send_short(probe);
    if (is_short_well && !is_stuck && is_worth_going_on(probe))
        send_other_words(probe);
    if (offers_chunks(probe->session) && is_worth_going_on(probe))
        send_by_bdat(probe, true);
}

void probe_try_messages(struct probe *probe) {
    if (fact_is_ok(fault(probe)))
        send_by_bdat(probe, false);
    else
        examine_loss(probe);
}

bool probe_messages_decide(const struct probe *probe) {
    const struct fact *fact = fault(probe);
    bool sends = probe->options->sends_mail && probe->session && probe->target->recipient.len > 0;
    bool is_lost = fact->stage >= FACT_STAGE_DATA && fact->stage <= FACT_STAGE_DOT &&
                   (is_reset_or_closed(fact) || fact->kind == FACT_KIND_SILENT);
    bool is_well = fact_is_ok(fact) && probe->options->is_deep && offers_chunks(probe->session);
    return sends && (is_lost || is_well);
}
