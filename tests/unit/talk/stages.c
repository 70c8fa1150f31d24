// SPDX-License-Identifier: Apache-2.0
// Every stage of a session against every way in which it can go wrong there.
#include "unit/talk/talk_test.h"

#include <stdio.h>

// --- The session that goes well ---------------------------------------------------------------
static const struct {
    enum fact_stage stage;
    const char *said, *answered;
} good[] = {
    {FACT_STAGE_GREETING, "", "S: 220 mx.example ESMTP\n"},
    {FACT_STAGE_EHLO, "C: EHLO relay.example\n", "S: 250-mx.example\nS: 250 SIZE 100000\n"},
    {FACT_STAGE_MAIL, "C: MAIL FROM:<ann@a.example> SIZE=12\n", "S: 250 2.1.0 Ok\n"},
    {FACT_STAGE_RCPT, "C: RCPT TO:<bob@b.example>\n", "S: 250 2.1.5 Ok\n"},
    {FACT_STAGE_DATA, "C: DATA\n", "S: 354 Go on\n"},
    {FACT_STAGE_DOT, "C: Subject: hi\nC: .\n", "S: 250 2.0.0 Queued as 7F\n"},
    {FACT_STAGE_QUIT, "C: QUIT\n", "S: 221 Bye\n"},
};

struct seen {
    struct fact fact; // of the first step that failed, or of QUIT
    char text[FACT_TEXT_BYTES_MAX];
};

static struct fact send_envelope(struct talk *talk) {
    const struct talk_mail mail = {.sender = VIEW("ann@a.example"), .size = 12};
    const struct talk_rcpt rcpt = {.address = VIEW("bob@b.example")};
    bool is_grouped = talk_extensions(talk)->pipelining;
    talk_send_mail(talk, &mail);
    struct fact fact = is_grouped ? fact_make(FACT_STAGE_MAIL, FACT_KIND_OK) : talk_read_mail(talk);
    if (!fact_is_ok(&fact))
        return fact;
    talk_send_rcpt(talk, &rcpt);
    fact = is_grouped ? fact : talk_read_rcpt(talk);
    if (!fact_is_ok(&fact))
        return fact;
    talk_send_data(talk);
    fact = is_grouped ? talk_read_mail(talk) : fact;
    if (fact_is_ok(&fact) && is_grouped)
        fact = talk_read_rcpt(talk);
    return fact_is_ok(&fact) ? talk_read_data(talk) : fact;
}

static struct fact converse(struct talk *talk, const struct address *where) {
    struct fact fact = talk_connect(talk, where);
    if (fact_is_ok(&fact))
        fact = talk_greeting(talk);
    if (fact_is_ok(&fact))
        fact = talk_ehlo(talk);
    if (fact_is_ok(&fact))
        fact = send_envelope(talk);
    if (fact_is_ok(&fact))
        fact = talk_send_body(talk, VIEW("Subject: hi\r\n"));
    if (fact_is_ok(&fact)) {
        talk_send_dot(talk);
        fact = talk_read_dot(talk);
    }
    return fact_is_ok(&fact) ? talk_quit(talk) : fact;
}

static void run_script(const char *script, struct seen *seen) {
    struct peer peer;
    struct talk *talk = talk_for_test();
    struct address where = peer_start(&peer, script);
    struct fact fact = converse(talk, &where);
    view_copy_string(fact.text, seen->text, sizeof(seen->text));
    seen->fact = fact;
    seen->fact.text = view_from(seen->text, size_min(fact.text.len, sizeof(seen->text) - 1));
    bool is_end = fact.kind != FACT_KIND_OK && fact.kind != FACT_KIND_REPLY;
    if (is_end) {
        // Over is over: later steps say the same.
        struct fact again = talk_read_mail(talk);
        assert_false(talk_is_open(talk));
        assert_int_equal(again.kind, fact.kind);
        assert_int_equal(again.stage, FACT_STAGE_MAIL);
        assert_false(again.flags & FACT_FLAG_DOT_SENT);
    }
    talk_destroy(talk);
    peer_finish(&peer);
}

// --- Ways to fail -----------------------------------------------------------------------------
static const struct failure {
    const char *name, *lines;
    enum fact_kind kind;
    int code, sys_errno;
    const char *text; // NULL: not looked at
    bool has_first_byte;
} failures[] = {
    {"4xx", "S: 450 4.2.0 later\n", FACT_KIND_REPLY, 450, 0, "later", false},
    {"5xx", "S: 550-5.7.1 no\nS: 550 5.7.1 never\n", FACT_KIND_REPLY, 550, 0, "no\nnever", false},
    {"421", "S: 421 4.3.2 bye\nS: (close)\n", FACT_KIND_REPLY, 421, 0, "bye", false},
    {"last words", "S: 554 go away\\\nS: (close)\n", FACT_KIND_REPLY, 554, 0, "go away", false},
    {"close", "S: (close)\n", FACT_KIND_CLOSED, 0, 0, "", false},
    {"reset", "S: (reset)\n", FACT_KIND_ERRNO, 0, ECONNRESET, "", false},
    {"half a reply", "S: 250-a\nS: (close)\n", FACT_KIND_CLOSED, 0, 0, "", true},
    {"silence", "S: (wait 300)\n", FACT_KIND_SILENT, 0, 0, "", false},
    {"drip", "S: (drip 60 250-abcdef)\n", FACT_KIND_SILENT, 0, 0, "", true},
    {"garbage", "S: HTTP/1.1 400 Bad Request\n", FACT_KIND_GARBLED, 0, 0,
     "HTTP/1.1 400 Bad Request", true},
    {"a code that changes", "S: 250-a\nS: 550 b\n", FACT_KIND_GARBLED, 0, 0, "550 b", true},
    {"a NUL", "S: 250 a\\0b\n", FACT_KIND_GARBLED, 0, 0, NULL, true},
    {"endless line", "S: (flood 100000 x)\n", FACT_KIND_GARBLED, 0, 0, NULL, true},
    {"endless reply", "S: (send 1000 250-x)\n", FACT_KIND_GARBLED, 0, 0, "250-x", true},
};

static const char *fail_at(size_t stage, const struct failure *failure, bool is_grouped) {
    static char script[4096];
    size_t len = 0;
    script[0] = '\0';
#define ADD(text) len += (size_t)snprintf(script + len, sizeof(script) - len, "%s", text)
    for (size_t i = 0; i <= stage; i++) {
        bool is_head = is_grouped && good[i].stage == FACT_STAGE_MAIL;
        bool is_tail =
            is_grouped && (good[i].stage == FACT_STAGE_RCPT || good[i].stage == FACT_STAGE_DATA);
        if (is_head) { // the whole group comes before its first reply
            ADD(good[i].said);
            ADD(good[i + 1].said);
            ADD(good[i + 2].said);
        } else if (!is_tail) {
            ADD(good[i].said);
        }
        if (is_grouped && good[i].stage == FACT_STAGE_EHLO && i < stage)
            ADD("S: 250-mx.example\nS: 250-PIPELINING\nS: 250 SIZE 100000\n");
        else
            ADD(i < stage ? good[i].answered : failure->lines);
    }
    // RFC 5321 3.2: EHLO that is refused is followed by HELO.
    if (good[stage].stage == FACT_STAGE_EHLO && failure->code >= 500 && failure->lines[6] == '-') {
        ADD("C: HELO relay.example\n");
        ADD(failure->lines);
    }
#undef ADD
    return script;
}

static void check(const struct failure *failure, enum fact_stage stage, const struct seen *seen,
                  bool is_grouped) {
    const struct fact *fact = &seen->fact;
    bool in_envelope = stage >= FACT_STAGE_MAIL && stage <= FACT_STAGE_DATA;
    assert_int_equal(fact->stage, stage);
    assert_int_equal(fact->kind, failure->kind);
    assert_int_equal(fact->reply_code, failure->code);
    assert_int_equal(fact->sys_errno, failure->sys_errno);
    if (failure->text)
        assert_string_equal(seen->text, failure->text);
    assert_int_equal(!!(fact->flags & FACT_FLAG_FIRST_BYTE), failure->has_first_byte);
    assert_int_equal(!!(fact->flags & FACT_FLAG_DOT_SENT), stage == FACT_STAGE_DOT);
    assert_int_equal(!!(fact->flags & FACT_FLAG_PIPELINED), is_grouped && in_envelope);
    assert_int_equal(fact->limit_ms > 0, fact->kind == FACT_KIND_SILENT);
    assert_true(fact->at_ms > 0);
    assert_true(fact->bytes_received > 0 || !failure->has_first_byte);
    if (fact->kind == FACT_KIND_SILENT) {
        assert_in_range(fact->limit_ms, 1, TEST_LIMIT_MS);
        assert_in_range(fact->elapsed_ms, TEST_LIMIT_MS - 20, TEST_LIMIT_MS * 10);
    }
    if (stage == FACT_STAGE_DOT)
        assert_int_equal(fact->bytes_sent, 16); // "Subject: hi" and the dot, with their CRLF
}

static void run_matrix(bool is_grouped) {
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        for (size_t k = 0; k < ARRAY_LEN(failures); k++) {
            struct seen seen;
            if (is_grouped && good[i].stage < FACT_STAGE_MAIL)
                continue;
            run_script(fail_at(i, &failures[k], is_grouped), &seen);
            if (seen.fact.kind != failures[k].kind)
                print_error("%s at %.*s\n", failures[k].name,
                            VIEW_ARG(fact_stage_word(good[i].stage)));
            check(&failures[k], good[i].stage, &seen, is_grouped);
        }
}

static void each_stage_fails_in_lock_step(void *arg) {
    run_matrix(false);
}

static void each_stage_fails_in_a_group(void *arg) {
    run_matrix(true);
}

// --- What is no failure -----------------------------------------------------------------------
static const char *whole_session(void) {
    static const struct failure none = {.lines = "S: 221 Bye\n"};
    return fail_at(ARRAY_LEN(good) - 1, &none, false);
}

static void a_session_goes_well(void *arg) {
    struct seen seen;
    run_script(whole_session(), &seen);
    assert_kind(seen.fact, OK);
    assert_int_equal(seen.fact.reply_code, 221);
    assert_text(seen.fact, "Bye");
}

// A yes where another answer was due: out of step.
static void a_yes_to_another_question_is_garbage(void *arg) {
    static const struct failure rows[] = {{.lines = "S: 354 Go on\n"}, {.lines = "S: 250 Ok\n"}};
    static const size_t stages[] = {2, 4}; // MAIL, DATA
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct seen seen;
        run_script(fail_at(stages[i], &rows[i], false), &seen);
        assert_kind(seen.fact, GARBLED);
        assert_int_equal(seen.fact.stage, good[stages[i]].stage);
    }
}

static void a_bare_lf_ends_a_reply_line_too(void *arg) {
    static const struct failure row = {.lines = "S: 450 4.2.1 slow down\\n\\\n"};
    struct seen seen;
    run_script(fail_at(3, &row, false), &seen);
    assert_kind(seen.fact, REPLY);
    assert_text(seen.fact, "slow down");
    assert_int_equal(seen.fact.enhanced[2], 1);
}

static void who_is_not_there_is_told(void *arg) {
    struct io_listener *listener = listen_anywhere();
    struct address where = io_listener_address(listener);
    struct talk *talk = talk_for_test();
    io_listener_close(listener);
    struct fact fact = talk_connect(talk, &where);
    assert_kind(fact, ERRNO);
    assert_int_equal(fact.stage, FACT_STAGE_CONNECT);
    assert_int_equal(fact.sys_errno, ECONNREFUSED);
    struct address peer = talk_peer(talk);
    assert_true(address_equals_port(&peer, &where));
    talk_destroy(talk);
    talk_destroy(NULL);
}

static void a_deadline_bounds_every_step(void *arg) {
    struct peer peer;
    struct talk *talk = talk_for_test();
    struct address where = peer_start(&peer, "S: (wait 300)\n");
    talk_set_deadline(talk, io_after(50));
    assert_kind(talk_connect(talk, &where), OK);
    struct fact fact = talk_greeting(talk);
    assert_kind(fact, SILENT);
    assert_in_range(fact.limit_ms, 1, 50);
    talk_destroy(talk);
    peer_finish(&peer);
}

// RFC 3030 2: one chunk, not stuffed, whose reply is the message's.
static void a_chunk_has_one_reply(void *arg) {
    struct peer peer;
    struct address where = peer_start(&peer, "S: 220 mx ESMTP\n"
                                             "C: EHLO relay.example\n"
                                             "S: 250-mx\nS: 250 CHUNKING\n"
                                             "C: BDAT 15 LAST\n"
                                             "C: .dotted\nC: line\n"
                                             "S: 250 taken\n"
                                             "C: QUIT\nS: 221 bye\n");
    struct talk *talk = talk_for_test();
    assert_kind(talk_connect(talk, &where), OK);
    assert_kind(talk_greeting(talk), OK);
    assert_kind(talk_ehlo(talk), OK);
    assert_true(talk_extensions(talk)->chunking);
    talk_send_bdat(talk, VIEW(".dotted\r\nline\r\n"));
    struct fact fact = talk_read_dot(talk);
    assert_kind(fact, OK);
    assert_int_equal(fact.reply_code, 250);
    assert_kind(talk_quit(talk), OK);
    talk_destroy(talk);
    peer_finish(&peer);
}

static struct talk *talk_at_body(const struct address *where) {
    struct talk *talk = talk_for_test();
    assert_kind(talk_connect(talk, where), OK);
    assert_kind(talk_greeting(talk), OK);
    talk_send_data(talk);
    assert_kind(talk_read_data(talk), OK);
    return talk;
}

// All has arrived at the peer's system; what it says unasked is overheard.
static void what_is_said_unasked_is_overheard(void *arg) {
    struct peer peer;
    struct address where = peer_start(&peer, "S: 220 mx ESMTP\n"
                                             "C: DATA\nS: 354 go on\n"
                                             "C: half a message\n"
                                             "S: 552 5.3.4 enough\n"
                                             "C: (closed)\n");
    struct talk *talk = talk_at_body(&where);
    assert_kind(talk_send_body(talk, VIEW("half a message\r\n")), OK);
    assert_kind(talk_drain(talk, FACT_STAGE_BODY, 1000), OK);
    struct fact fact = talk_overhear(talk, FACT_STAGE_BODY, 1000);
    assert_kind(fact, REPLY);
    assert_int_equal(fact.reply_code, 552);
    talk_destroy(talk);
    peer_finish(&peer);
}

// A peer that ends while it should read has lost the body, however much is on its way.
static void an_end_is_seen_while_it_drains(void *arg) {
    static char much[4 << 20];
    struct peer peer;
    struct address where = peer_start(&peer, "S: 220 mx ESMTP\n"
                                             "C: DATA\nS: 354 go on\n"
                                             "C: a line\n"
                                             "S: (reset)\n");
    struct talk *talk = talk_at_body(&where);
    memset(much, 'x', sizeof(much));
    assert_kind(talk_send_body(talk, VIEW("a line\r\n")), OK);
    assert_kind(talk_flush(talk, FACT_STAGE_BODY), OK);
    talk_send_body(talk, view_from(much, sizeof(much)));
    struct fact fact = talk_drain(talk, FACT_STAGE_BODY, 1000);
    assert_kind(fact, ERRNO);
    assert_int_equal(fact.stage, FACT_STAGE_BODY);
    talk_destroy(talk);
    peer_finish(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_session_goes_well),
        ON_BOTH(each_stage_fails_in_lock_step),
        ON_BOTH(each_stage_fails_in_a_group),
        ON_BOTH(a_yes_to_another_question_is_garbage),
        ON_BOTH(a_bare_lf_ends_a_reply_line_too),
        ON_BOTH(who_is_not_there_is_told),
        ON_BOTH(a_deadline_bounds_every_step),
        ON_BOTH(a_chunk_has_one_reply),
        ON_BOTH(what_is_said_unasked_is_overheard),
        ON_BOTH(an_end_is_seen_while_it_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
