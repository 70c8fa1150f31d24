// SPDX-License-Identifier: Apache-2.0
// Sessions as RFC 5321 and its extensions tell them, line by line.
#include "dialogue/authority.h"
#include "unit/talk/talk_test.h"

static struct authority *authority;
static struct tls_context *server_context, *client_context;

static int prepare(void **state) {
    const struct authority_order order = {.names = {"mx.example.org"}};
    authority = authority_create();
    server_context = authority_server(authority, &order);
    client_context = authority_client(authority);
    return 0;
}

static int clean_up(void **state) {
    tls_context_unref(server_context);
    tls_context_unref(client_context);
    authority_destroy(authority);
    return 0;
}

// A conversation that has come to EHLO's reply.
struct scene {
    struct peer peer;
    struct talk *talk;
    struct fact fact; // of the last step
};

static void scene_connect(struct scene *scene, const char *script) {
    scene->talk = talk_for_test();
    struct address where = peer_start(&scene->peer, script);
    scene->peer.tls = server_context;
    scene->fact = talk_connect(scene->talk, &where);
    assert_kind(scene->fact, OK);
}

static void scene_open(struct scene *scene, const char *script) {
    scene_connect(scene, script);
    scene->fact = talk_greeting(scene->talk);
    assert_kind(scene->fact, OK);
    scene->fact = talk_ehlo(scene->talk);
    assert_kind(scene->fact, OK);
}

static void scene_close(struct scene *scene) {
    talk_destroy(scene->talk);
    peer_finish(&scene->peer);
}

#define GREETING "S: 220 mx.example.org ESMTP\nC: EHLO relay.example\n"

// --- Greeting and EHLO ------------------------------------------------------------------------
// RFC 5321 4.2: who talks into a greeting of several lines is taken for a spammer.
static void nothing_is_said_before_the_greeting_ends(void *arg) {
    struct scene scene;
    scene_open(&scene, "S: 220-mx.example.org ESMTP\n"
                       "C: (nothing 60)\n"
                       "S: 220-wait for it\n"
                       "C: (nothing 60)\n"
                       "S: 220 go\n"
                       "C: EHLO relay.example\n"
                       "S: 250 mx.example.org\n");
    assert_true(view_equals(talk_greeting_line(scene.talk), VIEW("mx.example.org ESMTP")));
    scene_close(&scene);
}

// RFC 5321 3.2.
static void an_old_server_is_greeted_with_helo(void *arg) {
    struct scene scene;
    scene_open(&scene, GREETING "S: 502 5.5.1 not implemented\n"
                                "C: HELO relay.example\n"
                                "S: 250 mx.example.org\n");
    assert_true(talk_used_helo(scene.talk));
    assert_false(talk_extensions(scene.talk)->pipelining);
    scene_close(&scene);
}

static void extensions_are_read(void *arg) {
    struct scene scene;
    scene_open(&scene, GREETING "S: 250-mx.example.org greets you\n"
                                "S: 250-PIPELINING\n"
                                "S: 250-SIZE 35882577\n"
                                "S: 250-AUTH PLAIN LOGIN\n"
                                "S: 250 STARTTLS\n");
    const struct smtp_extensions *can = talk_extensions(scene.talk);
    assert_true(can->pipelining && can->starttls && can->size);
    assert_int_equal(can->size_max, 35882577);
    assert_int_equal(can->auth, SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN);
    assert_true(view_equals(can->name, VIEW("mx.example.org")));
    scene_close(&scene);
}

// --- STARTTLS ---------------------------------------------------------------------------------
#define OFFER GREETING "S: 250-mx.example.org\nS: 250 STARTTLS\nC: STARTTLS\n"

static const struct view right_name = {"mx.example.org", 14};
static const struct view wrong_name = {"mx.example.net", 14};

static struct fact starttls(struct scene *scene, enum tls_check check, const struct view *name) {
    struct tls_policy policy = {.check = check, .names = name, .n_names = name ? 1 : 0};
    scene->fact = talk_starttls(scene->talk, client_context, &policy);
    return scene->fact;
}

static void a_session_goes_on_encrypted(void *arg) {
    struct scene scene;
    scene_open(&scene, OFFER "S: 220 2.0.0 Ready\n"
                             "S: (tls)\n"
                             "C: EHLO relay.example\n"
                             "S: 250-mx.example.org\n"
                             "S: 250 PIPELINING\n"
                             "C: QUIT\n"
                             "S: 221 Bye\n");
    assert_null(talk_tls(scene.talk));
    assert_kind(starttls(&scene, TLS_CHECK_NAME, &right_name), OK);
    assert_int_equal(scene.fact.stage, FACT_STAGE_TLS);
    // RFC 3207 4.2: what was known before is forgotten.
    assert_false(talk_extensions(scene.talk)->starttls);
    assert_non_null(talk_tls(scene.talk));
    assert_true(talk_tls_matches(scene.talk, &right_name, 1));
    assert_false(talk_tls_matches(scene.talk, &wrong_name, 1));
    assert_ptr_equal(talk_stream(scene.talk), tls_stream_below(talk_stream(scene.talk)));
    scene.fact = talk_ehlo(scene.talk);
    assert_kind(scene.fact, OK);
    assert_true(scene.fact.flags & FACT_FLAG_TLS);
    assert_true(talk_extensions(scene.talk)->pipelining);
    assert_kind(talk_quit(scene.talk), OK);
    scene_close(&scene);
}

// CVE-2011-0411: clear text behind the 220 must not be taken for encrypted words.
static void injected_clear_text_is_dropped_and_told(void *arg) {
    struct scene scene;
    scene_open(&scene, OFFER "S: 220 2.0.0 Ready\\r\\n250-evil\\r\\n250 AUTH PLAIN\n"
                             "S: (tls)\n"
                             "C: EHLO relay.example\n"
                             "S: 250 mx.example.org\n");
    assert_kind(starttls(&scene, TLS_CHECK_NONE, NULL), OK);
    assert_true(scene.fact.flags & FACT_FLAG_CLEAR_DROPPED);
    scene.fact = talk_ehlo(scene.talk);
    assert_kind(scene.fact, OK);
    assert_true(scene.fact.flags & FACT_FLAG_CLEAR_DROPPED);
    assert_int_equal(talk_extensions(scene.talk)->auth, 0);
    scene_close(&scene);
}

static void starttls_refused_leaves_the_session(void *arg) {
    struct scene scene;
    scene_open(&scene, OFFER "S: 454 4.7.0 TLS not available\nC: QUIT\nS: 221 Bye\n");
    assert_kind(starttls(&scene, TLS_CHECK_NONE, NULL), REPLY);
    assert_int_equal(scene.fact.stage, FACT_STAGE_STARTTLS);
    assert_int_equal(scene.fact.reply_code, 454);
    assert_kind(talk_quit(scene.talk), OK);
    scene_close(&scene);
}

static void a_wrong_certificate_ends_it(void *arg) {
    struct scene scene;
    scene_open(&scene, OFFER "S: 220 2.0.0 Ready\nS: (tls)\nC: (closed)\n");
    assert_kind(starttls(&scene, TLS_CHECK_NAME, &wrong_name), CERT);
    assert_int_equal(scene.fact.x509_verify, 62); // host name mismatch
    assert_text(scene.fact, "mx.example.org");
    assert_false(talk_is_open(scene.talk));
    assert_null(talk_tls(scene.talk));
    assert_string_equal(talk_tls_seen(scene.talk)->subject, "CN=mx.example.org");
    assert_kind(talk_ehlo(scene.talk), CERT);
    scene_close(&scene);
}

static void words_instead_of_a_handshake_are_kept(void *arg) {
    struct scene scene;
    scene_open(&scene,
               OFFER "S: 220 2.0.0 Ready\nS: (wait 40)\nS: 500 5.5.1 what?\nS: (wait 100)\n");
    assert_kind(starttls(&scene, TLS_CHECK_NONE, NULL), TLS);
    assert_int_equal(scene.fact.detail, FACT_TLS_CLEAR_TEXT);
    assert_text(scene.fact, "500 5.5.1 what?\r\n");
    scene_close(&scene);
}

static void tls_may_come_first(void *arg) {
    const struct tls_policy policy = {.check = TLS_CHECK_CHAIN};
    struct scene scene;
    scene_connect(&scene, "S: (tls)\nS: 220 mx.example.org\nC: EHLO relay.example\nS: 250 mx\n");
    assert_kind(talk_implicit_tls(scene.talk, client_context, &policy), OK);
    assert_kind(talk_greeting(scene.talk), OK);
    assert_kind(talk_ehlo(scene.talk), OK);
    scene_close(&scene);
}

// --- AUTH -------------------------------------------------------------------------------------
#define SECURE(offer) OFFER "S: 220 Ready\nS: (tls)\nC: EHLO relay.example\n" offer
#define PLAIN "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" // RFC 4616 4

static const struct {
    const char *script;
    enum fact_kind kind;
    int detail, code;
} auth_rows[] = {
    {SECURE("S: 250-mx\nS: 250 AUTH PLAIN LOGIN\n"
            "C: AUTH PLAIN " PLAIN "\nS: 235 2.7.0 Welcome\n"),
     FACT_KIND_OK, 0, 235},
    {SECURE("S: 250-mx\nS: 250 AUTH=PLAIN\n"
            "C: AUTH PLAIN " PLAIN "\nS: 334 \nC: " PLAIN "\nS: 235 2.7.0 Welcome\n"),
     FACT_KIND_OK, 0, 235},
    {SECURE("S: 250-mx\nS: 250 AUTH CRAM-MD5 LOGIN\n"
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\nS: 334 UGFzc3dvcmQ6\n"
            "C: dGFuc3RhYWZ0YW5zdGFhZg==\nS: 235 Welcome\n"),
     FACT_KIND_OK, 0, 235},
    {SECURE("S: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN " PLAIN "\nS: 535 5.7.8 wrong\n"),
     FACT_KIND_REPLY, 0, 535},
    {SECURE("S: 250-mx\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 504 5.5.4 no\n"), FACT_KIND_REPLY, 0,
     504},
    {SECURE("S: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN " PLAIN "\nS: 334 more\nC: " PLAIN
            "\nS: 334 still more\nC: \\*\nS: 501 5.0.0 as you wish\n"),
     FACT_KIND_REPLY, 0, 501},
    {SECURE("S: 250-mx\nS: 250 AUTH GSSAPI\n"), FACT_KIND_DEMAND, FACT_DEMAND_AUTH_MECHANISM, 0},
    {SECURE("S: 250 mx\n"), FACT_KIND_DEMAND, FACT_DEMAND_AUTH, 0},
    {SECURE("S: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN " PLAIN "\nS: (close)\n"),
     FACT_KIND_CLOSED, 0, 0},
};

static void credentials_are_shown_as_rfc_4954_says(void *arg) {
    for (size_t i = 0; i < ARRAY_LEN(auth_rows); i++) {
        struct scene scene;
        scene_open(&scene, auth_rows[i].script);
        assert_kind(starttls(&scene, TLS_CHECK_NAME, &right_name), OK);
        assert_kind(talk_ehlo(scene.talk), OK);
        struct fact fact = talk_auth(scene.talk, VIEW("tim"), VIEW("tanstaaftanstaaf"));
        assert_int_equal(fact.stage, FACT_STAGE_AUTH);
        assert_int_equal(fact.kind, auth_rows[i].kind);
        assert_int_equal(fact.detail, auth_rows[i].detail);
        assert_int_equal(fact.reply_code, auth_rows[i].code);
        scene_close(&scene);
    }
}

static void credentials_that_are_none_are_ours_to_mend(void *arg) {
    struct scene scene;
    scene_open(&scene, SECURE("S: 250-mx\nS: 250 AUTH PLAIN\nC: (closed)\n"));
    assert_kind(starttls(&scene, TLS_CHECK_NAME, &right_name), OK);
    assert_kind(talk_ehlo(scene.talk), OK);
    struct fact fact = talk_auth(scene.talk, VIEW("tim"), VIEW(""));
    assert_kind(fact, LOCAL);
    assert_int_equal(fact.detail, FACT_LOCAL_CREDENTIALS);
    scene_close(&scene);
}

// --- The envelope -----------------------------------------------------------------------------
static const struct {
    const char *offer;
    struct talk_mail mail;
    struct talk_rcpt rcpt;
    const char *said;
} envelopes[] = {
    {"S: 250 mx\n",
     {.sender = VIEW("a@b"), .size = 7, .has_8bit = true, .smtputf8 = true, .ret = MAIL_RET_FULL},
     {.address = VIEW("c@d"), .notify = MAIL_NOTIFY_FAILURE},
     "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\n"},
    {"S: 250-mx\nS: 250-SIZE\nS: 250 8BITMIME\n",
     {.size = 7, .has_8bit = true},
     {.address = VIEW("c@d")},
     "C: MAIL FROM:<> SIZE=7 BODY=8BITMIME\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\n"},
    {"S: 250-mx\nS: 250-8BITMIME\nS: 250 SMTPUTF8\n",
     {.sender = VIEW("\xc3\xa4@b"), .has_8bit = true, .smtputf8 = true},
     {.address = VIEW("c@d")},
     "C: MAIL FROM:<\xc3\xa4@b> BODY=8BITMIME SMTPUTF8\nS: 250 ok\n"
     "C: RCPT TO:<c@d>\nS: 250 ok\n"},
    {"S: 250-mx\nS: 250-REQUIRETLS\nS: 250 DSN\n",
     {.sender = VIEW("a@b"), .requiretls = true, .ret = MAIL_RET_HDRS, .envid = VIEW("QQ+2B1")},
     {.address = VIEW("c@d"),
      .notify = MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_DELAY,
      .orcpt = VIEW("rfc822;c@d")},
     "C: MAIL FROM:<a@b> REQUIRETLS RET=HDRS ENVID=QQ+2B1\nS: 250 ok\n"
     "C: RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d\nS: 250 ok\n"},
    {"S: 250-mx\nS: 250 DSN\n",
     {.sender = VIEW("a@b"), .ret = MAIL_RET_FULL},
     {.address = VIEW("c@d"), .notify = MAIL_NOTIFY_NEVER},
     "C: MAIL FROM:<a@b> RET=FULL\nS: 250 ok\nC: RCPT TO:<c@d> NOTIFY=NEVER\nS: 250 ok\n"},
};

static void parameters_go_where_they_are_understood(void *arg) {
    for (size_t i = 0; i < ARRAY_LEN(envelopes); i++) {
        char script[1024];
        struct scene scene;
        snprintf(script, sizeof(script), GREETING "%s%s", envelopes[i].offer, envelopes[i].said);
        scene_open(&scene, script);
        talk_send_mail(scene.talk, &envelopes[i].mail);
        assert_kind(talk_read_mail(scene.talk), OK);
        talk_send_rcpt(scene.talk, &envelopes[i].rcpt);
        assert_kind(talk_read_rcpt(scene.talk), OK);
        scene_close(&scene);
    }
}

// --- The body ---------------------------------------------------------------------------------
#define ENVELOPE                                                                                   \
    GREETING "S: 250 mx\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\n"    \
             "S: 354 go on\n"

static void open_body(struct scene *scene, const char *script, bool has_8bit) {
    const struct talk_mail mail = {.sender = VIEW("a@b"), .has_8bit = has_8bit};
    const struct talk_rcpt rcpt = {.address = VIEW("c@d")};
    scene_open(scene, script);
    talk_send_mail(scene->talk, &mail);
    assert_kind(talk_read_mail(scene->talk), OK);
    talk_send_rcpt(scene->talk, &rcpt);
    assert_kind(talk_read_rcpt(scene->talk), OK);
    talk_send_data(scene->talk);
    scene->fact = talk_read_data(scene->talk);
    assert_kind(scene->fact, OK);
    assert_int_equal(scene->fact.reply_code, 354);
}

// RFC 5321 4.5.2, and nothing that a lenient server could take for the end of the message.
static void bodies_are_stuffed_and_mended(void *arg) {
    static const struct {
        const char *pieces[4], *lines;
    } rows[] = {
        {{"a\r\n.b\r\n..\r\n"}, "C: a\nC: ..b\nC: ...\nC: .\n"},
        {{".\r\n", ".", "\r\n"}, "C: ..\nC: ..\nC: .\n"},
        {{"no end"}, "C: no end\nC: .\n"},
        {{"a\n.\nb\r", ".c\r\n"}, "C: a\nC: ..\nC: b\nC: ..c\nC: .\n"},
        {{NULL}, "C: .\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char script[1024];
        struct scene scene;
        snprintf(script, sizeof(script), ENVELOPE "%sS: 250 ok\n", rows[i].lines);
        open_body(&scene, script, false);
        for (size_t k = 0; k < ARRAY_LEN(rows[i].pieces) && rows[i].pieces[k]; k++)
            assert_kind(talk_send_body(scene.talk, view_of(rows[i].pieces[k])), OK);
        talk_send_dot(scene.talk);
        assert_kind(talk_read_dot(scene.talk), OK);
        scene_close(&scene);
    }
}

static void undeclared_8bit_is_told(void *arg) {
    struct scene scene;
    open_body(&scene, ENVELOPE "C: \xe4\nC: .\nS: 250 ok\n", true);
    assert_false(scene.fact.flags & FACT_FLAG_8BIT_UNDECLARED);
    assert_kind(talk_send_body(scene.talk, VIEW("\xe4\r\n")), OK);
    talk_send_dot(scene.talk);
    scene.fact = talk_read_dot(scene.talk);
    assert_true(scene.fact.flags & FACT_FLAG_8BIT_UNDECLARED);
    assert_true(scene.fact.flags & FACT_FLAG_DOT_SENT);
    scene_close(&scene);
}

enum { HUGE_BYTES = 24 << 20 };

// A body that is larger than what sockets hold, to a peer that does not read it.
static struct fact send_huge(struct scene *scene) {
    char *body = mem_alloc(HUGE_BYTES);
    memset(body, 'x', HUGE_BYTES);
    for (size_t i = 0; i + 80 <= HUGE_BYTES; i += 80)
        memcpy(body + i + 78, "\r\n", 2);
    struct fact fact = talk_send_body(scene->talk, view_from(body, HUGE_BYTES));
    if (fact_is_ok(&fact)) {
        talk_send_dot(scene->talk);
        fact = talk_read_dot(scene->talk);
    }
    free(body);
    return fact;
}

// What a peer said before it gave up is the reason, not the reset behind it.
static void an_early_reply_is_the_fact(void *arg) {
    static const struct {
        const char *lines;
        enum fact_kind kind;
        int code;
    } rows[] = {
        {"S: (wait 20)\nS: 552 5.3.4 too big\nS: (reset)\n", FACT_KIND_REPLY, 552},
        {"S: (wait 20)\nS: 421 4.3.2 going down\nS: (reset)\n", FACT_KIND_REPLY, 421},
        {"S: (wait 20)\nS: 554 5.7.1 content blocked\nS: (wait 400)\n", FACT_KIND_REPLY, 554},
        {"S: (wait 20)\nS: (reset)\n", FACT_KIND_ERRNO, 0},
        {"S: (wait 20)\nS: 250 too early\nS: (reset)\n", FACT_KIND_ERRNO, 0},
        {"S: (wait 500)\n", FACT_KIND_SILENT, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char script[1024];
        struct scene scene;
        snprintf(script, sizeof(script), ENVELOPE "%s", rows[i].lines);
        open_body(&scene, script, false);
        struct fact fact = send_huge(&scene);
        assert_int_equal(fact.stage, FACT_STAGE_BODY);
        assert_int_equal(fact.kind, rows[i].kind);
        assert_int_equal(fact.reply_code, rows[i].code);
        assert_false(fact.flags & FACT_FLAG_DOT_SENT);
        assert_in_range(fact.bytes_sent, 1, HUGE_BYTES - 1);
        assert_false(talk_is_open(scene.talk));
        scene_close(&scene);
    }
}

// A peer that closed in order is not one that reset, though we find out by writing.
static void a_close_in_the_body_is_a_close(void *arg) {
    struct scene scene;
    struct fact fact = {.kind = FACT_KIND_OK};
    open_body(&scene, ENVELOPE "S: (wait 20)\nS: (close)\n", false);
    for (int i = 0; i < 5 && fact.kind == FACT_KIND_OK; i++) {
        io_sleep(io_after(40));
        assert_kind(talk_send_body(scene.talk, VIEW("more\r\n")), OK);
        fact = talk_flush(scene.talk, FACT_STAGE_BODY);
    }
    assert_kind(fact, CLOSED);
    assert_int_equal(fact.stage, FACT_STAGE_BODY);
    assert_int_equal(fact.sys_errno, 0);
    scene_close(&scene);
}

// --- Groups -----------------------------------------------------------------------------------
// RFC 2920 3.1: the next envelope rides behind the dot.
static void an_envelope_rides_behind_the_dot(void *arg) {
    const struct talk_mail mail = {.sender = VIEW("e@f")};
    const struct talk_rcpt rcpt = {.address = VIEW("g@h")};
    struct scene scene;
    open_body(&scene,
              ENVELOPE "C: body\nC: .\nC: MAIL FROM:<e@f>\nC: RCPT TO:<g@h>\nC: DATA\n"
                       "S: 250 first\nS: 250 ok\nS: 550 5.1.1 nobody\nS: 503 5.5.1 none\n"
                       "C: RSET\nS: 250 ok\n",
              false);
    assert_kind(talk_send_body(scene.talk, VIEW("body\r\n")), OK);
    talk_send_dot(scene.talk);
    talk_send_mail(scene.talk, &mail);
    talk_send_rcpt(scene.talk, &rcpt);
    talk_send_data(scene.talk);
    scene.fact = talk_read_dot(scene.talk);
    assert_kind(scene.fact, OK);
    assert_text(scene.fact, "first");
    assert_int_equal(scene.fact.bytes_sent, 9);
    assert_false(scene.fact.flags & FACT_FLAG_REUSED);
    scene.fact = talk_read_mail(scene.talk);
    assert_kind(scene.fact, OK);
    assert_true(scene.fact.flags & FACT_FLAG_PIPELINED);
    assert_true(scene.fact.flags & FACT_FLAG_REUSED);
    assert_kind(talk_read_rcpt(scene.talk), REPLY);
    assert_kind(talk_read_data(scene.talk), REPLY);
    assert_kind(talk_command(scene.talk, FACT_STAGE_MAIL, VIEW("RSET"), 1000), OK);
    scene_close(&scene);
}

// --- Canceling --------------------------------------------------------------------------------
static void cancel_soon(void *arg) {
    io_sleep(io_after(40));
    io_cancel(arg);
}

// The reply to a dot that was sent decides what became of the message.
static void a_sent_dot_is_waited_for(void *arg) {
    struct scene scene;
    open_body(&scene, ENVELOPE "C: body\nC: .\nS: (wait 100)\nS: 250 taken\n", false);
    assert_kind(talk_send_body(scene.talk, VIEW("body\r\n")), OK);
    talk_send_dot(scene.talk);
    io_spawn("cancel", cancel_soon, io_fiber_current());
    scene.fact = talk_read_dot(scene.talk);
    assert_kind(scene.fact, OK);
    assert_text(scene.fact, "taken");
    assert_true(io_is_canceled());
    io_cancel_clear();
    scene_close(&scene);
}

static void a_sent_dot_outlasts_other_deadlines(void *arg) {
    struct scene scene;
    open_body(&scene, ENVELOPE "C: body\nC: .\nS: (wait 100)\nS: 250 taken\n", false);
    assert_kind(talk_send_body(scene.talk, VIEW("body\r\n")), OK);
    talk_send_dot(scene.talk);
    talk_set_deadline(scene.talk, io_after(40));
    assert_kind(talk_read_dot(scene.talk), OK);
    scene_close(&scene);
}

static void a_cancel_ends_every_other_wait(void *arg) {
    struct scene scene;
    scene_connect(&scene, "S: (wait 120)\n");
    io_spawn("cancel", cancel_soon, io_fiber_current());
    scene.fact = talk_greeting(scene.talk);
    assert_kind(scene.fact, CANCELED);
    assert_false(talk_is_open(scene.talk));
    io_cancel_clear();
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(nothing_is_said_before_the_greeting_ends),
        ON_BOTH(an_old_server_is_greeted_with_helo),
        ON_BOTH(extensions_are_read),
        ON_BOTH(a_session_goes_on_encrypted),
        ON_BOTH(injected_clear_text_is_dropped_and_told),
        ON_BOTH(starttls_refused_leaves_the_session),
        ON_BOTH(a_wrong_certificate_ends_it),
        ON_BOTH(words_instead_of_a_handshake_are_kept),
        ON_BOTH(tls_may_come_first),
        ON_BOTH(credentials_are_shown_as_rfc_4954_says),
        ON_BOTH(credentials_that_are_none_are_ours_to_mend),
        ON_BOTH(parameters_go_where_they_are_understood),
        ON_BOTH(bodies_are_stuffed_and_mended),
        ON_BOTH(undeclared_8bit_is_told),
        ON_BOTH(an_early_reply_is_the_fact),
        ON_BOTH(a_close_in_the_body_is_a_close),
        ON_BOTH(an_envelope_rides_behind_the_dot),
        ON_BOTH(a_sent_dot_is_waited_for),
        ON_BOTH(a_sent_dot_outlasts_other_deadlines),
        ON_BOTH(a_cancel_ends_every_other_wait),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
