// SPDX-License-Identifier: Apache-2.0
// Handshakes that succeed and every way in which they fail, over loopback and over the simulator.
#include "unit/tls/meeting.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static const struct view right_name[] = {VIEW_NONE, {"mx.example.org", 14}};

static void names_a_session(enum authority_key key) {
    const struct authority_order order = {
        .names = {"mx.example.org", "*.mail.example.org"}, .by_intermediate = true, .key = key};
    struct meeting meeting = meeting_with(&order);
    meeting.policy = (struct tls_policy){.check = TLS_CHECK_NAME,
                                         .names = right_name,
                                         .n_names = 2,
                                         .version_min = TLS1_2_VERSION,
                                         .server_name = VIEW("mx.example.org")};
    meet(&meeting);
    struct tls_session *session = &meeting.client_session;
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
    assert_int_equal(meeting.server_fact.kind, FACT_KIND_OK);
    assert_int_equal(session->version, TLS1_3_VERSION);
    assert_non_null(strstr(session->description, "TLSv1.3 TLS_"));
    assert_string_equal(session->subject, "CN=mx.example.org");
    assert_string_equal(session->issuer, "CN=Test Intermediate");
    assert_string_equal(session->names, "mx.example.org, *.mail.example.org");
    assert_int_equal(session->x509_verify, X509_V_OK);
    assert_int_equal(session->n_chain, 2);
    assert_true(session->name_matches);
    assert_true(session->not_before_ms < session->not_after_ms);
    assert_int_equal((session->not_after_ms - session->not_before_ms) / 86400000, 31);
    assert_int_equal(meeting.server_session.version, TLS1_3_VERSION);
    assert_true(meeting.client_fact.bytes_sent > 100 && meeting.client_fact.bytes_received > 100);
    struct view other = VIEW("a.mail.example.org"), wrong = VIEW("mx.example.net");
    assert_true(tls_stream_matches(meeting.ends.near, &other, 1));
    assert_false(tls_stream_matches(meeting.ends.near, &wrong, 1));
    part(&meeting);
}

static void a_session_is_described(void *arg) {
    names_a_session(AUTHORITY_KEY_EC);
}

// The pool runs the steps of the server.
static void an_rsa_key_is_lent(void *arg) {
    names_a_session(AUTHORITY_KEY_RSA);
}

// --- Certificates that are not trusted --------------------------------------------------------
struct distrust {
    const char *what;
    struct authority_order order;
    int verify;   // what checking finds
    bool by_name; // only a check of the name refuses it
};

static const struct distrust distrusts[] = {
    {"expired",
     {.names = {"mx.example.org"}, .days_from = -10, .days_to = -1},
     X509_V_ERR_CERT_HAS_EXPIRED,
     false},
    {"not valid yet",
     {.names = {"mx.example.org"}, .days_from = 1, .days_to = 10},
     X509_V_ERR_CERT_NOT_YET_VALID,
     false},
    {"self-signed",
     {.names = {"mx.example.org"}, .is_self_signed = true},
     X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
     false},
    {"without its intermediate",
     {.names = {"mx.example.org"}, .by_intermediate = true, .omit_intermediate = true},
     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     false},
    {"for another name", {.names = {"mx.example.net"}}, X509_V_ERR_HOSTNAME_MISMATCH, true},
    {"for a sibling", {.names = {"example.org"}}, X509_V_ERR_HOSTNAME_MISMATCH, true},
    {"for too wide a star", {.names = {"*.org"}}, X509_V_ERR_HOSTNAME_MISMATCH, true},
};

static void try_distrust(const struct distrust *row, enum tls_check check) {
    struct meeting meeting = meeting_with(&row->order);
    meeting.policy = (struct tls_policy){.check = check, .names = right_name, .n_names = 2};
    meet(&meeting);
    bool is_refused = check == TLS_CHECK_NAME || (check == TLS_CHECK_CHAIN && !row->by_name);
    struct fact *fact = &meeting.client_fact;
    assert_int_equal(fact->stage, FACT_STAGE_TLS);
    assert_int_equal(fact->kind, is_refused ? FACT_KIND_CERT : FACT_KIND_OK);
    if (is_refused) {
        assert_int_equal(fact->x509_verify, row->verify);
        assert_true(fact->text.len > 0);
        assert_null(meeting.ends.near);
    }
    // What was found is known, whether or not it was demanded.
    assert_int_equal(meeting.client_session.x509_verify, row->by_name ? X509_V_OK : row->verify);
    assert_int_equal(meeting.client_session.name_matches, !row->by_name);
    assert_int_equal(meeting.server_fact.kind, FACT_KIND_OK);
    part(&meeting);
}

static void distrust_is_judged(void *arg) {
    for (size_t i = 0; i < ARRAY_LEN(distrusts); i++)
        for (int check = TLS_CHECK_NONE; check <= TLS_CHECK_NAME; check++)
            try_distrust(&distrusts[i], (enum tls_check)check);
}

static void an_unknown_authority_is_distrusted(void *arg) {
    const struct authority_order order = {.names = {"mx.example.org"}};
    struct authority *other = authority_create();
    struct meeting meeting = {.server_context = authority_server(other, &order),
                              .client_context = authority_client(authority)};
    meeting.policy = (struct tls_policy){.check = TLS_CHECK_CHAIN};
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_CERT);
    assert_true(meeting.client_fact.x509_verify != X509_V_OK);
    part(&meeting);
    authority_destroy(other);
}

// --- Names ------------------------------------------------------------------------------------
static void names_match_as_documented(void *arg) {
    static const struct {
        struct authority_order order;
        struct view name;
        bool matches;
    } rows[] = {
        {{.names = {"mx.example.org"}}, {"MX.Example.ORG", 14}, true},
        {{.names = {"mx.example.org"}}, {".example.org", 12}, true},
        {{.names = {"example.org"}}, {".example.org", 12}, true},
        {{.names = {"a.b.example.org"}}, {".example.org", 12}, true},
        {{.names = {"*.example.org"}}, {".example.org", 12}, true},
        {{.names = {"notexample.org"}}, {".example.org", 12}, false},
        {{.names = {"example.org.evil.net"}}, {".example.org", 12}, false},
        {{.names = {"x"}, .ip = "192.0.2.7"}, {"192.0.2.7", 9}, true},
        {{.names = {"x"}, .ip = "192.0.2.7"}, {"192.0.2.8", 9}, false},
        {{.names = {"192.0.2.7"}}, {"192.0.2.7", 9}, false},
        {{.names = {"x"}, .ip = "2001:db8::7"}, {"2001:db8::7", 11}, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct meeting meeting = meeting_with(&rows[i].order);
        meeting.policy =
            (struct tls_policy){.check = TLS_CHECK_NAME, .names = &rows[i].name, .n_names = 1};
        meet(&meeting);
        assert_int_equal(meeting.client_fact.kind, rows[i].matches ? FACT_KIND_OK : FACT_KIND_CERT);
        part(&meeting);
    }
}

// --- Versions ---------------------------------------------------------------------------------
static const struct authority_order plain_order = {.names = {"mx.example.org"}};

static void an_old_server_says_so(void *arg) {
    struct meeting meeting = meeting_with(&plain_order);
    SSL_CTX_set_max_proto_version(meeting.server_context->ssl, TLS1_2_VERSION);
    meeting.policy = (struct tls_policy){.version_min = TLS1_3_VERSION};
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_TLS);
    assert_int_equal(meeting.client_fact.tls_alert, SSL_AD_PROTOCOL_VERSION);
    assert_true(meeting.client_fact.tls_alert_from_peer);
    assert_int_equal(meeting.server_fact.kind, FACT_KIND_TLS);
    assert_int_equal(meeting.server_fact.tls_alert, SSL_AD_PROTOCOL_VERSION);
    assert_false(meeting.server_fact.tls_alert_from_peer);
    part(&meeting);
}

// Where nothing is demanded, old encryption is better than none.
static void old_encryption_is_taken_without_a_demand(void *arg) {
    struct meeting meeting = meeting_with(&plain_order);
    SSL_CTX_set_security_level(meeting.server_context->ssl, 0);
    SSL_CTX_set_min_proto_version(meeting.server_context->ssl, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(meeting.server_context->ssl, TLS1_1_VERSION);
    meet(&meeting);
    assert_int_equal(meeting.client_fact.kind, FACT_KIND_OK);
    assert_int_equal(meeting.client_session.version, TLS1_1_VERSION);
    assert_int_equal(meeting.client_fact.tls_version, TLS1_1_VERSION);
    part(&meeting);
}

static void an_upper_bound_is_kept(void *arg) {
    struct meeting meeting = meeting_with(&plain_order);
    meeting.policy = (struct tls_policy){.version_max = TLS1_2_VERSION};
    meet(&meeting);
    assert_int_equal(meeting.client_session.version, TLS1_2_VERSION);
    part(&meeting);
}

// --- Peers that do something else -------------------------------------------------------------
enum ending { END_CLOSE, END_RESET, END_SILENCE };

struct stranger {
    const char *bytes;
    size_t len;
    enum ending ending;
    struct io_stream *stream;
};

static void be_strange(void *arg) {
    struct stranger *stranger = arg;
    char hello[2048];
    assert_ok(io_read(stranger->stream, hello, sizeof(hello), io_after(5000)));
    if (stranger->len)
        assert_ok(io_write(stranger->stream, stranger->bytes, stranger->len, io_after(5000)));
    if (stranger->ending == END_SILENCE)
        io_sleep(io_after(400));
    if (stranger->ending == END_RESET)
        stranger->stream->ops->set_abort(stranger->stream);
    io_close(stranger->stream);
}

// `text` of the fact lives in `session`.
static struct fact shake_with(struct stranger *stranger, const struct tls_policy *policy,
                              struct tls_session *session) {
    struct tls_context *context = authority_client(authority);
    struct ends ends = ends_open();
    struct io_group group;
    stranger->stream = ends.far;
    io_group_init(&group);
    io_group_spawn(&group, "stranger", be_strange, stranger);
    struct fact fact = tls_client_start(context, &ends.near, policy, io_after(200), session);
    assert_null(ends.near);
    assert_ok(io_group_wait(&group, io_after(5000)));
    tls_context_unref(context);
    return fact;
}

#define BYTES(literal) (literal), sizeof(literal) - 1
#define ALERT "\x15\x03\x03\x00\x02\x02"
#define RANDOM "0123456789abcdef0123456789abcdef"
#define OLD_HELLO "\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" RANDOM "\0\x00\x2f\0"

static void strangers_are_told_apart(void *arg) {
    static const struct {
        struct stranger stranger;
        enum fact_kind kind;
        int detail, sys_errno, alert;
    } rows[] = {
        {{BYTES("500 5.5.1 What?\r\n"), END_CLOSE}, FACT_KIND_TLS, FACT_TLS_CLEAR_TEXT, 0, -1},
        {{BYTES("4"), END_CLOSE}, FACT_KIND_TLS, FACT_TLS_CLEAR_TEXT, 0, -1},
        {{BYTES("220 ok\r\n"), END_SILENCE}, FACT_KIND_TLS, FACT_TLS_CLEAR_TEXT, 0, -1},
        {{"", 0, END_CLOSE}, FACT_KIND_CLOSED, 0, 0, -1},
        {{"", 0, END_RESET}, FACT_KIND_ERRNO, 0, ECONNRESET, -1},
        {{"", 0, END_SILENCE}, FACT_KIND_SILENT, 0, 0, -1},
        {{BYTES("\x16\x03\x03"), END_CLOSE}, FACT_KIND_CLOSED, 0, 0, -1},
        {{BYTES("\x16\x03\x03"), END_SILENCE}, FACT_KIND_SILENT, 0, 0, -1},
        {{BYTES(ALERT "\x28"), END_CLOSE}, FACT_KIND_TLS, FACT_TLS_HANDSHAKE, 0, 40},
        {{BYTES(ALERT "\x50"), END_RESET}, FACT_KIND_TLS, FACT_TLS_HANDSHAKE, 0, 80},
        {{BYTES(OLD_HELLO), END_SILENCE}, FACT_KIND_DEMAND, FACT_DEMAND_TLS_VERSION, 0, 70},
    };
    const struct tls_policy policy = {.version_min = TLS1_2_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stranger stranger = rows[i].stranger;
        struct tls_session session;
        struct fact fact = shake_with(&stranger, &policy, &session);
        assert_int_equal(fact.stage, FACT_STAGE_TLS);
        assert_int_equal(fact.kind, rows[i].kind);
        assert_int_equal(fact.detail, rows[i].detail);
        assert_int_equal(fact.sys_errno, rows[i].sys_errno);
        assert_int_equal(fact.tls_alert, rows[i].alert);
        if (rows[i].kind == FACT_KIND_TLS)
            assert_int_equal(fact.tls_alert_from_peer, rows[i].alert >= 0);
        if (rows[i].detail == FACT_TLS_CLEAR_TEXT && rows[i].kind == FACT_KIND_TLS)
            assert_true(view_equals(fact.text, view_from(stranger.bytes, stranger.len)));
        if (rows[i].kind == FACT_KIND_DEMAND)
            assert_int_equal(fact.tls_version, TLS1_VERSION);
        assert_int_equal(fact.bytes_received, stranger.len);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_client_in_clear_text_is_refused(void *arg) {
    struct tls_context *context = authority_server(authority, &plain_order);
    struct ends ends = ends_open();
    struct tls_session session;
    assert_ok(io_write(ends.near, "EHLO there\r\n", 12, io_after(5000)));
    struct fact fact = tls_server_start(context, &ends.far, io_after(200), &session);
    assert_int_equal(fact.kind, FACT_KIND_TLS);
    assert_int_equal(fact.detail, FACT_TLS_CLEAR_TEXT);
    assert_true(view_starts_with(fact.text, VIEW("EHLO there")));
    assert_null(ends.far);
    io_close(ends.near);
    tls_context_unref(context);
}

static void a_context_without_a_certificate_serves_nobody(void *arg) {
    struct tls_context *context = authority_client(authority);
    struct ends ends = ends_open();
    struct tls_session session;
    struct fact fact = tls_server_start(context, &ends.far, io_after(200), &session);
    assert_int_equal(fact.kind, FACT_KIND_LOCAL);
    assert_int_equal(fact.detail, FACT_LOCAL_TLS);
    assert_null(ends.far);
    io_close(ends.near);
    tls_context_unref(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_session_is_described),
        ON_BOTH(an_rsa_key_is_lent),
        ON_BOTH(distrust_is_judged),
        ON_BOTH(an_unknown_authority_is_distrusted),
        ON_BOTH(names_match_as_documented),
        ON_BOTH(an_old_server_says_so),
        ON_BOTH(old_encryption_is_taken_without_a_demand),
        ON_BOTH(an_upper_bound_is_kept),
        ON_BOTH(strangers_are_told_apart),
        ON_BOTH(a_client_in_clear_text_is_refused),
        ON_BOTH(a_context_without_a_certificate_serves_nobody),
    };
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}
