// SPDX-License-Identifier: Apache-2.0
// The same session with one thing changed: what changes its end is the cause. And a few commands
// that mail never says.
#include "probe/probe_internal.h"

#include <stdio.h>

enum { ANSWER_MS = 10 * 1000 };

static enum fact_stage reached(const struct fact *fact) {
    return fact_is_lost_in_body(fact) ? FACT_STAGE_BODY : fact->stage;
}

static bool goes_further(const struct probe *probe, const struct fact *fact) {
    return fact_is_ok(fact) || reached(fact) > reached(&probe->result->attempt.fact);
}

bool probe_repeat(struct probe *probe, const char *name, struct probe_variant variant,
                  struct fact *fact) {
    struct probe_way way = {.host = probe->session->way->host,
                            .address = probe->session->way->address,
                            .source = probe->session->way->source};
    variant.is_quiet = true;
    variant.limit_ms = probe_limit_ms(probe, ANSWER_MS);
    struct probe_session session = {.variant = variant};
    io_time began = io_now();
    probe_session_run(probe, &way, &session);
    *fact = session.fact;
    bool is_further = goes_further(probe, fact);
    struct fact shown = *fact;
    shown.elapsed_ms = io_now() - began;
    if (is_further)
        shown.kind = FACT_KIND_OK;
    struct probe_step *step = probe_experiment_step(probe, name, &shown);
    struct view clause = fact_describe(fact, probe->arena);
    probe_step_words(probe, step, "%s: %.*s", is_further ? "goes further" : "the same",
                     VIEW_ARG(clause));
    return is_further;
}

void probe_try_again(struct probe *probe) {
    struct fact fact;
    bool is_further = probe_repeat(probe, "again", (struct probe_variant){.is_quiet = true}, &fact);
    probe_sign_set(probe, SIGN_AGAIN_WELL, is_further, "%s",
                   is_further ? "the same session a moment later went further: it comes and goes"
                              : "the same session a moment later ended in the same way");
}

// Full-size packets that vanish: with segments that fit any path it passes (RFC 4821 1).
void probe_try_small_segments(struct probe *probe) {
    enum { MSS_SMALL = 536 };
    struct fact fact;
    // A message that stalls on the way has not arrived as a whole: it may go out once more.
    bool sends_mail = probe->result->attempt.fact.stage >= FACT_STAGE_DATA;
    struct probe_variant variant = {.mss_clamp = MSS_SMALL, .sends_mail = sends_mail};
    bool is_further = probe_repeat(probe, "mss-536", variant, &fact);
    probe_sign_set(probe, SIGN_SMALL_SEGMENTS_WELL, is_further,
                   "with TCP segments of at most %d bytes the session goes further", MSS_SMALL);
    probe_sign_set(probe, SIGN_SMALL_SEGMENTS_FAIL, !is_further,
                   "with TCP segments of at most %d bytes it ends in the same way", MSS_SMALL);
}

void probe_try_lock_step(struct probe *probe) {
    struct fact fact;
    bool is_further =
        probe_repeat(probe, "lock-step", (struct probe_variant){.in_lock_step = true}, &fact);
    probe_sign_set(probe, SIGN_LOCK_STEP_WELL, is_further, "%s",
                   is_further ? "the same commands one after the other go further"
                              : "the same commands one after the other end in the same way");
}

// --- Names ------------------------------------------------------------------------------------
// A connection that was greeted; false: it ended, as `fact` says.
bool probe_open_greeted(struct probe *probe, struct talk **talk, struct fact *fact) {
    struct probe_variant variant = {.limit_ms = probe_limit_ms(probe, ANSWER_MS)};
    *talk = probe_talk_create(probe, probe->session->way, &variant);
    *fact = talk_connect(*talk, &probe->session->way->address);
    if (fact_is_ok(fact))
        *fact = talk_greeting(*talk);
    return fact_is_ok(fact);
}

void probe_close_talk(struct talk *talk) {
    if (talk_is_open(talk))
        talk_quit(talk);
    talk_destroy(talk);
}

IO_WAITS static bool say(struct probe *probe, const char *name, const char *line) {
    struct talk *talk;
    struct fact fact;
    if (probe_open_greeted(probe, &talk, &fact))
        fact = talk_command(talk, FACT_STAGE_EHLO, view_of(line), probe_limit_ms(probe, ANSWER_MS));
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    struct view clause = fact_describe(&step->fact, probe->arena);
    probe_step_words(probe, step, "%s: %.*s", line, VIEW_ARG(clause));
    probe_close_talk(talk);
    return fact_is_ok(&fact);
}

// HELO instead of EHLO, and EHLO with our address instead of our name (RFC 5321 4.1.1.1, 4.1.3).
void probe_try_helo(struct probe *probe) {
    char line[400], address[ADDRESS_TEXT_SIZE];
    const struct attempt *attempt = &probe->session->attempt;
    snprintf(line, sizeof(line), "HELO %.*s", VIEW_ARG(attempt->helo));
    probe_sign_set(probe, SIGN_HELO_WELL, say(probe, "helo", line),
                   "HELO instead of EHLO is accepted");
    address_format(&attempt->source, address, sizeof(address));
    snprintf(line, sizeof(line), "EHLO [%s%s]",
             attempt->source.family == ADDRESS_IPV6 ? "IPv6:" : "", address);
    bool is_accepted = say(probe, "ehlo-name", line);
    probe_sign_set(probe, SIGN_OTHER_HELO_WELL, is_accepted, "%s %s", line,
                   is_accepted ? "is accepted, EHLO with our name is not"
                               : "ends in the same way as EHLO with our name");
}

// --- Verbs that mail never says ---------------------------------------------------------------
#define STRANGE_VERB "XQZT"

static bool has_row_of_x(struct view text) {
    return view_find(text, VIEW("XXXX")) < text.len;
}

// A server's error often repeats what it did not know; a device that rewrites verbs has put X
// there.
static void read_strange_answer(struct probe *probe, const struct fact *fact) {
    if (fact->kind != FACT_KIND_REPLY)
        return;
    bool is_intact = view_find_nocase(fact->text, VIEW(STRANGE_VERB)) < fact->text.len;
    if (is_intact)
        probe_sign_set(probe, SIGN_VERB_INTACT, true,
                       "the server's error repeats our strange verb as we sent it");
    else if (has_row_of_x(fact->text))
        probe_sign_set(probe, SIGN_VERB_REWRITTEN, true,
                       "the strange verb " STRANGE_VERB " came back as a row of X: \"%d %.*s\"",
                       fact->reply_code, VIEW_ARG(fact->text));
}

// RFC 3207 4.1: a server that offers no TLS does not know the command, unless its offer was hidden.
static void read_starttls_answer(struct probe *probe, const struct fact *fact) {
    probe_sign_set(probe, SIGN_STARTTLS_HIDDEN, fact_is_ok(fact) && fact->reply_code == 220,
                   "STARTTLS is not offered, and yet answered with %d", fact->reply_code);
    if (fact->kind != FACT_KIND_REPLY)
        return;
    probe_sign_set(probe, SIGN_STARTTLS_UNKNOWN, fact->reply_code >= 500,
                   "STARTTLS sent without an offer is answered with %d", fact->reply_code);
    if (has_row_of_x(fact->text))
        probe_sign_set(probe, SIGN_STARTTLS_REWRITTEN, true,
                       "STARTTLS came back as a row of X: \"%d %.*s\"", fact->reply_code,
                       VIEW_ARG(fact->text));
}

IO_WAITS static bool say_and_record(struct probe *probe, struct talk *talk, const char *name,
                                    struct view line) {
    bool is_starttls = view_equals(line, VIEW("STARTTLS"));
    struct fact fact = talk_command(talk, is_starttls ? FACT_STAGE_STARTTLS : FACT_STAGE_EHLO, line,
                                    probe_limit_ms(probe, ANSWER_MS));
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    struct view clause = fact_describe(&step->fact, probe->arena);
    step->state = PROBE_WELL; // a refusal is what is expected here
    probe_step_words(probe, step, "%.*s: %.*s", VIEW_ARG(line), VIEW_ARG(clause));
    if (is_starttls)
        read_starttls_answer(probe, &fact);
    else
        read_strange_answer(probe, &fact);
    return fact_is_ok(&fact);
}

void probe_try_verbs(struct probe *probe) {
    struct talk *talk;
    struct fact fact;
    bool is_up = probe_open_greeted(probe, &talk, &fact);
    if (is_up)
        fact = talk_ehlo(talk);
    bool offers_tls = is_up && fact_is_ok(&fact) && talk_extensions(talk)->starttls;
    bool may_be_tls = false;
    if (is_up && fact_is_ok(&fact)) {
        say_and_record(probe, talk, "verb", VIEW(STRANGE_VERB));
        if (!offers_tls && talk_is_open(talk))
            may_be_tls = say_and_record(probe, talk, "starttls?", VIEW("STARTTLS"));
    }
    if (may_be_tls)
        talk_destroy(talk); // the server waits for a handshake: QUIT would be garbage to it
    else
        probe_close_talk(talk);
}

// One that reads packets in place of lines does not know a verb that comes in pieces.
void probe_try_split_verb(struct probe *probe) {
    char line[300];
    struct talk *talk;
    struct fact fact;
    snprintf(line, sizeof(line), "EHLO %.*s", VIEW_ARG(probe->session->attempt.helo));
    if (probe_open_greeted(probe, &talk, &fact)) {
        fact = talk_command_split(talk, FACT_STAGE_EHLO, view_of(line),
                                  probe_limit_ms(probe, ANSWER_MS));
        struct probe_step *step = probe_experiment_step(probe, "bytewise", &fact);
        struct view clause = fact_describe(&step->fact, probe->arena);
        bool is_known = fact_is_ok(&fact);
        probe_step_words(probe, step, "EHLO byte by byte: %.*s",
                         VIEW_ARG(is_known ? VIEW("understood") : clause));
        probe_sign_set(probe, SIGN_SPLIT_VERB_FAILS, !is_known,
                       "EHLO in one piece is understood, byte by byte it is not: %.*s",
                       VIEW_ARG(clause));
    }
    probe_close_talk(talk);
}

// A server that makes its callers wait on purpose looks for those who do not (as RFC 5321 3.1 wants
// it, a client waits for the greeting).
void probe_try_early_talk(struct probe *probe) {
    char line[300];
    struct probe_variant variant = {.limit_ms = probe_limit_ms(probe, ANSWER_MS)};
    struct talk *talk = probe_talk_create(probe, probe->session->way, &variant);
    struct fact fact = talk_connect(talk, &probe->session->way->address);
    snprintf(line, sizeof(line), "EHLO %.*s", VIEW_ARG(probe->session->attempt.helo));
    if (fact_is_ok(&fact)) {
        fact = talk_command(talk, FACT_STAGE_GREETING, view_of(line), variant.limit_ms);
        // An end without words may be a server that waits for another protocol.
        bool is_refused = fact.kind == FACT_KIND_REPLY && fact.reply_code >= 400;
        struct probe_step *step = probe_experiment_step(probe, "early", &fact);
        struct view clause = fact_describe(&step->fact, probe->arena);
        probe_step_words(probe, step, "EHLO before the greeting: %.*s", VIEW_ARG(clause));
        probe_sign_set(probe, SIGN_EARLY_TALK_REFUSED, is_refused,
                       "who waits is not greeted in %lld s, who speaks first is answered after "
                       "%lld ms: %.*s",
                       (long long)(probe->result->attempt.fact.elapsed_ms / 1000),
                       (long long)fact.elapsed_ms, VIEW_ARG(clause));
    }
    probe_close_talk(talk);
}
