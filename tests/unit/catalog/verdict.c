// SPDX-License-Identifier: Apache-2.0
// Verdicts as people and programs meet them: codes, sentences, JSON, text, letter.
#include "catalog/catalog_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static struct attempt contoso(void) {
    struct attempt attempt = {.domain = VIEW("contoso.net"),
                              .host = VIEW("mx.contoso.net"),
                              .helo = VIEW("relay.example.com")};
    assert_true(address_parse_port(VIEW("192.0.2.7:25"), &attempt.peer));
    assert_true(address_parse(VIEW("198.51.100.9"), &attempt.source));
    return attempt;
}

static struct fact reply(enum fact_stage stage, int code, const char *text) {
    struct fact fact = fact_make(stage, FACT_KIND_REPLY);
    fact.reply_code = code;
    fact.text = view_of(text);
    return fact;
}

static struct fact refused(void) {
    struct fact fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_ERRNO);
    fact.sys_errno = ECONNREFUSED;
    fact.elapsed_ms = 31;
    fact.at_ms = 1778582520000;
    return fact;
}

static bool view_has(struct view text, const char *part) {
    return view_find(text, view_of(part)) < text.len;
}

static bool lines_have(const struct view *lines, size_t count, const char *part) {
    for (size_t i = 0; i < count; i++)
        if (view_has(lines[i], part))
            return true;
    return false;
}

// --- Codes -------------------------------------------------------------------------------------
static struct fact demand(enum fact_stage stage, enum fact_demand detail) {
    struct fact fact = fact_make(stage, FACT_KIND_DEMAND);
    fact.detail = (int)detail;
    return fact;
}

static struct fact dns(enum fact_dns detail, const char *name) {
    struct fact fact = fact_make(FACT_STAGE_DNS, FACT_KIND_DNS);
    fact.detail = (int)detail;
    fact.text = view_of(name);
    return fact;
}

static struct fact route(enum fact_route detail) {
    struct fact fact = fact_make(FACT_STAGE_ROUTE, FACT_KIND_ROUTE);
    fact.detail = (int)detail;
    return fact;
}

static struct fact cert(int error) {
    struct fact fact = fact_make(FACT_STAGE_TLS, FACT_KIND_CERT);
    fact.x509_verify = error;
    return fact;
}

static void check_code(struct fact fact, bool is_expired, const char *line) {
    struct attempt attempt = contoso();
    struct arena arena;
    struct verdict verdict;
    arena_init(&arena, 1 << 18);
    verdict_of_fact(&fact, &attempt, is_expired, &arena, &verdict);
    struct view got = verdict_code_line(&verdict, &arena);
    if (!view_equals(got, view_of(line)))
        fail_msg("wanted \"%s\", got \"%.*s\"", line, VIEW_ARG(got));
    arena_finish(&arena);
}

static void test_code_lines(void **state) {
    struct fact silent = fact_make(FACT_STAGE_MAIL, FACT_KIND_SILENT);
    struct fact ok = reply(FACT_STAGE_DOT, 250, "2.0.0 Ok");
    ok.kind = FACT_KIND_OK;
    check_code(refused(), false, "450 4.4.316 [postrider] Connection refused (RFC 3463: 4.4.1)");
    // The cause stays in the code, the registered one says that time was up.
    check_code(refused(), true, "550 5.4.316 [postrider] Connection refused (RFC 3463: 4.4.7)");
    check_code(silent, false,
               "450 4.4.318 [postrider] No answer after MAIL FROM (RFC 3463: 4.4.2)");
    check_code(reply(FACT_STAGE_GREETING, 554, "5.7.1 blocked using zen.spamhaus.org"), false,
               "450 4.4.317 [postrider] Our address is on a block list (RFC 3463: 4.7.1)");
    check_code(demand(FACT_STAGE_STARTTLS, FACT_DEMAND_STARTTLS), false,
               "450 4.4.317 [postrider] TLS is required, but the server does not offer it (RFC "
               "3463: 4.7.4)");
    check_code(cert(10), false,
               "450 4.7.320 [postrider] Server's certificate has expired (RFC 3463: 4.7.5)");
    check_code(cert(65), true,
               "550 5.7.323 [postrider] Certificate does not match the domain's TLSA records (RFC "
               "3463: 4.4.7)");
    check_code(dns(FACT_DNS_SERVFAIL, "contoso.net"), false,
               "450 4.4.312 [postrider] DNS query failed (RFC 3463: 4.4.3)");
    // Of the recipients' domain for good, of a host that its MX record names for a while.
    check_code(dns(FACT_DNS_NXDOMAIN, "contoso.net"), false,
               "550 5.4.312 [postrider] Domain does not exist (RFC 3463: 5.4.4)");
    check_code(dns(FACT_DNS_NXDOMAIN, "mx.contoso.net"), false,
               "450 4.4.312 [postrider] No mail host has an address (RFC 3463: 4.4.4)");
    check_code(route(FACT_ROUTE_NULL_MX), false,
               "550 5.1.10 [postrider] Domain does not accept mail (RFC 3463: 5.1.10)");
    // A refusal of message or recipient keeps the peer's code; ours stands beside it.
    check_code(reply(FACT_STAGE_RCPT, 550, "5.1.1 no"), false,
               "550 5.1.1 Recipient does not exist (RFC 3463: 5.1.1)");
    check_code(reply(FACT_STAGE_RCPT, 450, "4.7.1 <relay>: Helo command rejected"), false,
               "450 4.7.1 Our EHLO name is not accepted (RFC 3463: 4.7.1)");
    check_code(reply(FACT_STAGE_RCPT, 452, "4.1.1 user is over quota"), false,
               "452 4.1.1 Mailbox is full (RFC 3463: 4.2.2)");
    check_code(reply(FACT_STAGE_RCPT, 450, "4.2.0 hm"), false,
               "450 4.2.0 Recipient put off (RFC 3463: 4.2.0)");
    check_code(reply(FACT_STAGE_RCPT, 450, "4.7.999 hm"), false,
               "450 4.7.999 Recipient put off (RFC 3463: 4.0.0)");
    check_code(reply(FACT_STAGE_RCPT, 450, "hm"), true,
               "550 4.4.7 [postrider] Recipient put off (RFC 3463: 4.4.7)");
    // A code of the family that stands alone is that code.
    check_code(reply(FACT_STAGE_UNKNOWN, 0, "4.4.318"), false,
               "450 4.4.318 [postrider] Connection was closed abruptly (RFC 3463: 4.4.2)");
    check_code(ok, false, "250 2.0.0 Delivered (RFC 3463: 2.0.0)");
}

// --- Parts -------------------------------------------------------------------------------------
static void test_names_and_evidence(void **state) {
    struct attempt attempt = contoso();
    struct arena arena;
    struct verdict v;
    struct fact fact = refused();
    arena_init(&arena, 1 << 18);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.outcome, OUTCOME_TEMPORARY_FAILURE);
    assert_int_equal(v.blame, BLAME_DESTINATION);
    assert_true(view_equals(v.summary,
                            VIEW("mx.contoso.net [192.0.2.7]:25 refused the connection after 31 ms "
                                 "(2026-05-12T10:42:00Z); this is for the administrators of "
                                 "mx.contoso.net to look at.")));
    assert_true(lines_have(v.evidence, v.n_evidence, "ECONNREFUSED"));
    assert_true(lines_have(v.evidence, v.n_evidence, "31 ms"));
    assert_true(lines_have(v.ruled_out, v.n_ruled_out, "mx.contoso.net resolved to 192.0.2.7"));
    assert_true(view_has(v.remedies[0].what, "mx.contoso.net"));
    assert_true(view_has(v.remedies[0].what, "198.51.100.9"));
    for (size_t i = 0; i < v.n_remedies; i++)
        assert_false(view_has(v.remedies[i].what, "{"));
    arena_finish(&arena);
}

static void test_addresses_without_a_name(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = refused();
    struct arena arena;
    struct verdict v;
    attempt.host = VIEW("[192.0.2.7]");
    arena_init(&arena, 1 << 18);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_true(view_starts_with(v.summary, VIEW("[192.0.2.7]:25 refused the connection")));
    assert_false(lines_have(v.ruled_out, v.n_ruled_out, "resolved"));
    arena_finish(&arena);
}

// What a reader pastes: an address where one is known, and the recipients' domain, or words that
// stand for them.
static void test_command_lines_in_advice(void **state) {
    static const struct {
        const char *peer, *host, *domain, *call, *why;
    } rows[] = {
        {"192.0.2.7:25", "mx.contoso.net", "contoso.net", "probe 192.0.2.7:25", "contoso.net)"},
        {"[2001:db8::7]:587", "mx.contoso.net", "", "probe [2001:db8::7]:587", "DOMAIN)"},
        {NULL, "mx.contoso.net", "contoso.net", "probe mx.contoso.net:25", "contoso.net)"},
        {NULL, "", "", "probe HOST:25", "DOMAIN)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct attempt attempt = {.host = view_of(rows[i].host), .domain = view_of(rows[i].domain)};
        struct fact fact = refused();
        struct arena arena;
        struct verdict v;
        bool names_call = false, names_domain = false;
        assert_true(!rows[i].peer || address_parse_port(view_of(rows[i].peer), &attempt.peer));
        arena_init(&arena, 1 << 18);
        verdict_of_fact(&fact, &attempt, false, &arena, &v);
        for (size_t k = 0; k < v.n_remedies; k++) {
            names_call |= view_has(v.remedies[k].verify, rows[i].call);
            names_domain |= view_has(v.remedies[k].verify, "postrider why ") &&
                            view_has(v.remedies[k].verify, rows[i].why);
        }
        assert_true(names_call && names_domain);
        arena_finish(&arena);
    }
}

// Asterisks in the greeting explain why the offer is not seen.
static void test_masked_greeting_hides_starttls(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = demand(FACT_STAGE_STARTTLS, FACT_DEMAND_STARTTLS);
    struct arena arena;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    attempt.greeting = VIEW("mx.contoso.net ESMTP");
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.cause, CAUSE_STARTTLS_MISSING);
    assert_int_equal(v.blame, BLAME_POLICY);
    attempt.greeting = VIEW("220 *************************");
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.cause, CAUSE_STARTTLS_STRIPPED);
    assert_int_equal(v.blame, BLAME_PATH);
    arena_finish(&arena);
}

static void test_weak_evidence_says_so(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = fact_make(FACT_STAGE_EHLO, FACT_KIND_CLOSED);
    struct arena arena;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_true(v.confidence <= 0.3);
    assert_int_equal(v.blame, BLAME_UNKNOWN);
    assert_true(v.n_candidates >= 3);
    assert_false(view_has(v.summary, "administrators"));
    // A mark of the device is worth more than the list of what it might be.
    attempt.greeting = VIEW("220 *************************");
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.n_candidates, 1);
    assert_int_equal(v.candidates[0].cause, CAUSE_MASKED_BANNER);
    assert_int_equal(v.warnings[0].cause, CAUSE_MASKED_BANNER);
    arena_finish(&arena);
}

static void test_gateway_with_its_own_lookup(void **state) {
    struct arena arena;
    struct fact fact;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    assert_true(fact_of_words(VIEW("450 4.4.1 [internal] Connection timed out"), &fact));
    verdict_of_fact(&fact, NULL, false, &arena, &v);
    assert_int_equal(v.cause, CAUSE_CONN_TIMEOUT);
    assert_int_equal(v.candidates[0].cause, CAUSE_LOCAL_REVERSE);
    assert_true(v.n_candidates > 3);
    assert_true(lines_have(v.evidence, v.n_evidence, "[internal]"));
    assert_true(fact_of_words(VIEW("connect to h[192.0.2.1]:25: Connection timed out"), &fact));
    verdict_of_fact(&fact, NULL, false, &arena, &v);
    assert_int_not_equal(v.candidates[0].cause, CAUSE_LOCAL_REVERSE);
    arena_finish(&arena);
}

static void test_masked_greetings(void **state) {
    static const struct {
        const char *greeting;
        bool masked;
    } rows[] = {
        {"220 ***************************", true},
        {"***************************", true}, // as an attempt keeps it
        {"220****************************", true},
        {"220 *****2****0 ****", true},
        {"220 mx.example.net ESMTP *****", false},
        {"220 ***", false},
        {"554 **********************", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (greeting_is_masked(view_of(rows[i].greeting)) != rows[i].masked)
            fail_msg("%s", rows[i].greeting);
}

static void test_after_the_dot(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = fact_make(FACT_STAGE_DOT, FACT_KIND_SILENT);
    struct arena arena;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    fact.flags = FACT_FLAG_DOT_SENT;
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_true(v.may_be_delivered);
    assert_true(view_has(v.summary, "may have been delivered"));
    fact = reply(FACT_STAGE_DOT, 451, "4.3.0 no");
    fact.flags = FACT_FLAG_DOT_SENT;
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_false(v.may_be_delivered); // it was answered
    arena_finish(&arena);
}

static void test_warnings(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = reply(FACT_STAGE_DOT, 250, "2.0.0 Ok");
    struct arena arena;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    fact.kind = FACT_KIND_OK;
    fact.tls_version = 0x0301;
    fact.flags = FACT_FLAG_TLS_DOWNGRADED | FACT_FLAG_8BIT_UNDECLARED;
    attempt.tls = VIEW("TLSv1 AES128-SHA");
    attempt.tls_verify = 10;
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.outcome, OUTCOME_DELIVERED);
    assert_int_equal(v.n_warnings, 4);
    assert_int_equal(v.warnings[0].cause, CAUSE_TLS_DOWNGRADED);
    assert_int_equal(v.warnings[1].cause, CAUSE_EIGHT_BIT_UNDECLARED);
    assert_int_equal(v.warnings[2].cause, CAUSE_TLS_OUTDATED);
    assert_int_equal(v.warnings[3].cause, CAUSE_CERT_EXPIRED);
    assert_int_equal(v.n_remedies, 0);
    // An attempt knows the version by its name alone.
    fact.tls_version = 0;
    fact.flags = FACT_FLAG_CLEAR_DROPPED;
    attempt.tls_verify = 0;
    attempt.tls = VIEW("TLSv1.1 ECDHE-RSA-AES256-SHA");
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.n_warnings, 2);
    assert_int_equal(v.warnings[0].cause, CAUSE_TLS_INJECTION);
    assert_int_equal(v.warnings[1].cause, CAUSE_TLS_OUTDATED);
    attempt.tls = VIEW("TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384");
    fact.flags = 0;
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_int_equal(v.n_warnings, 0);
    arena_finish(&arena);
}

static void test_descriptions(void **state) {
    struct arena arena;
    struct fact fact = fact_make(FACT_STAGE_MAIL, FACT_KIND_SILENT);
    arena_init(&arena, 1 << 16);
    fact.limit_ms = 300000;
    assert_true(
        view_equals(fact_describe(&fact, &arena), VIEW("no reply to MAIL in 300 s; we closed")));
    // What nobody measured, as in another system's log, is not told as nothing.
    fact.limit_ms = 0;
    assert_true(view_equals(fact_describe(&fact, &arena),
                            VIEW("no reply to MAIL in the time allowed; we closed")));
    fact = fact_make(FACT_STAGE_BODY, FACT_KIND_SILENT);
    assert_true(view_equals(fact_describe(&fact, &arena), VIEW("message stalled; we closed")));
    fact.kind = FACT_KIND_CLOSED;
    assert_true(view_equals(fact_describe(&fact, &arena), VIEW("closed within the message")));
    fact.bytes_sent = 5120;
    assert_true(view_equals(fact_describe(&fact, &arena),
                            VIEW("closed within the message after 5120 bytes")));
    fact = reply(FACT_STAGE_RCPT, 450, "4.2.0 Greylisted");
    assert_true(view_equals(fact_describe(&fact, &arena), VIEW("450 4.2.0 Greylisted")));
    fact = reply(FACT_STAGE_RCPT, 450, "Greylisted");
    fact.enhanced[0] = 4;
    fact.enhanced[1] = 7;
    fact.enhanced[2] = 1;
    assert_true(view_equals(fact_describe(&fact, &arena), VIEW("450 4.7.1 Greylisted")));
    // A reply is quoted as it was said: what a report adds beside it is no part of it.
    fact.flags = FACT_FLAG_STATUS_APART;
    assert_true(view_equals(fact_describe(&fact, &arena), VIEW("450 Greylisted")));
    fact = refused();
    assert_true(
        view_equals(fact_describe(&fact, &arena), VIEW("Connection refused (ECONNREFUSED)")));
    fact = dns(FACT_DNS_NXDOMAIN, "contoso.net");
    assert_true(
        view_equals(fact_describe(&fact, &arena), VIEW("contoso.net does not exist (NXDOMAIN)")));
    arena_finish(&arena);
}

// --- Hostile text --------------------------------------------------------------------------------
static void test_printable(void **state) {
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"plain", "plain"},
        {"a\x1b[31mb", "a\\x1b[31mb"},
        {"a\r\nb\tc", "a  b c"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, // C1 control
        {"\xe2\x80\xae"
         "evil",
         "\\xe2\\x80\\xaeevil"},          // right-to-left override
        {"\xe2\x80\x93", "\xe2\x80\x93"}, // a dash
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view shown = printable(view_of(rows[i].text), &arena);
        if (!view_equals(shown, view_of(rows[i].shown)))
            fail_msg("row %zu: %.*s", i, VIEW_ARG(shown));
    }
    arena_finish(&arena);
}

static void test_terminal_is_safe(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = reply(FACT_STAGE_RCPT, 550,
                             "\x1b]0;owned\x07\n{host} %s %n \x9b"
                             "2J");
    struct arena arena;
    struct buffer out;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    buffer_init(&out, 1 << 16);
    attempt.host = VIEW("mx\x1b[2J.example");
    attempt.greeting = VIEW("220 \x1b[31m");
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    verdict_write_text(&v, &out);
    verdict_write_letter(&v, &out);
    assert_false(out.overflow);
    for (size_t i = 0; i < out.len; i++)
        assert_true((unsigned char)out.ptr[i] >= ' ' || out.ptr[i] == '\n');
    buffer_finish(&out);
    arena_finish(&arena);
}

// On a full arena texts are left empty; nothing else may suffer.
static void test_small_arenas(void **state) {
    struct attempt attempt = contoso();
    struct fact facts[] = {refused(), reply(FACT_STAGE_RCPT, 450, "4.2.0 Greylisted"), cert(10),
                           dns(FACT_DNS_BOGUS, "contoso.net")};
    for (size_t size = 1; size < 4096; size += 37)
        for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
            struct arena arena;
            struct buffer out;
            struct verdict v;
            arena_init(&arena, size);
            buffer_init(&out, 1 << 16);
            verdict_of_fact(&facts[i], &attempt, false, &arena, &v);
            verdict_write_text(&v, &out);
            assert_int_not_equal(v.cause, CAUSE_NONE);
            buffer_finish(&out);
            arena_finish(&arena);
        }
}

// --- JSON ----------------------------------------------------------------------------------------
static json_t *parse(const struct buffer *out) {
    json_error_t error;
    json_t *root = json_loadb(out->ptr, out->len, 0, &error);
    if (!root)
        fail_msg("%s in %.*s", error.text, (int)out->len, out->ptr);
    return root;
}

static void test_verdict_json(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = reply(FACT_STAGE_RCPT, 450, "4.2.0 Greylisted \xff\x1b");
    struct arena arena;
    struct buffer out;
    struct json_writer json;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    buffer_init(&out, 1 << 16);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    json_begin(&json, &out);
    verdict_write_json(&v, &json);
    json_t *root = parse(&out);
    static const char *const members[] = {
        "schema",           "outcome",  "stage",    "cause",      "code",
        "code_from",        "enhanced", "tlsrpt",   "blame",      "confidence",
        "server",           "source",   "at",       "elapsed_ms", "bytes_sent",
        "may_be_delivered", "summary",  "evidence", "ruled_out",  "candidates",
        "warnings",         "remedies", "reported"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (!json_object_get(root, members[i]))
            fail_msg("no member %s", members[i]);
    assert_int_equal(json_object_size(root), ARRAY_LEN(members));
    assert_string_equal(json_string_value(json_object_get(root, "cause")), "rcpt-greylist");
    assert_string_equal(json_string_value(json_object_get(root, "code_from")), "remote");
    json_t *reported = json_object_get(root, "reported");
    assert_string_equal(json_string_value(json_object_get(reported, "code")), "450");
    assert_string_equal(json_string_value(json_object_get(reported, "enhanced")), "4.2.0");
    json_t *first = json_array_get(json_object_get(root, "remedies"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "who")), "sending-side");
    assert_non_null(json_object_get(first, "do"));
    json_decref(root);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void test_attempt_json(void **state) {
    struct attempt attempt = contoso();
    struct attempt_result result = {.message_id = VIEW("a-1"),
                                    .recipient = VIEW("joe@contoso.net"),
                                    .fact = reply(FACT_STAGE_RCPT, 550, "5.1.1 no")};
    struct buffer out;
    struct json_writer json;
    attempt.fact = fact_make(FACT_STAGE_DONE, FACT_KIND_OK);
    attempt.results = &result;
    attempt.n_results = 1;
    buffer_init(&out, 1 << 16);
    json_begin(&json, &out);
    attempt_write_json(&attempt, &json);
    json_t *root = parse(&out);
    json_t *one = json_array_get(json_object_get(root, "results"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "cause")), "user-unknown");
    assert_null(json_object_get(one, "errno")); // not known: not written
    assert_string_equal(json_string_value(json_object_get(root, "cause")), "none");
    json_decref(root);
    buffer_finish(&out);
}

// --- Text and letter ---------------------------------------------------------------------------
static void test_text_fits_the_terminal(void **state) {
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        struct buffer out;
        struct view rest, line;
        buffer_init(&out, 1 << 16);
        cause_write_text((enum cause)i, &out);
        rest = buffer_view(&out);
        while (view_split(&rest, '\n', &line))
            if (line.len > 100)
                fail_msg("%.*s", VIEW_ARG(line));
        assert_true(view_has(buffer_view(&out), "What to do"));
        buffer_finish(&out);
    }
}

static void test_text(void **state) {
    static const char head[] =
        "450 4.4.316 [postrider] Connection refused (RFC 3463: 4.4.1)\n"
        "  mx.contoso.net [192.0.2.7]:25 refused the connection after 31 ms "
        "(2026-05-12T10:42:00Z); this is\n"
        "  for the administrators of mx.contoso.net to look at.\n"
        "\n"
        "  Meaning     The host, or a firewall in front of it, answered the call with a clear no: "
        "nothing\n"
        "              listens on that port for us.\n"
        "  Whose fault theirs: the receiving side's servers or DNS (sure, 95 %)\n"
        "  Evidence    system error 111 (ECONNREFUSED): Connection refused\n"
        "              after 31 ms at this step\n"
        "  Called from 198.51.100.9 as relay.example.com\n"
        "  Ruled out   DNS: mx.contoso.net resolved to 192.0.2.7\n";
    struct attempt attempt = contoso();
    struct fact fact = refused();
    struct arena arena;
    struct buffer out;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    buffer_init(&out, 1 << 16);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    verdict_write_text(&v, &out);
    if (!view_starts_with(buffer_view(&out), view_of(head)))
        fail_msg("%.*s", (int)out.len, out.ptr);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void test_letter(void **state) {
    struct attempt attempt = contoso();
    struct fact fact = refused();
    struct arena arena;
    struct buffer out;
    struct verdict v;
    arena_init(&arena, 1 << 18);
    buffer_init(&out, 1 << 16);
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    assert_true(verdict_write_letter(&v, &out));
    struct view letter = buffer_view(&out);
    assert_true(view_starts_with(letter, VIEW("Subject: Mail from us to mx.contoso.net fails: ")));
    assert_true(view_has(letter, "2026-05-12T10:42:00Z"));
    assert_true(view_has(letter, "198.51.100.9"));
    assert_true(view_has(letter, "ECONNREFUSED"));
    assert_false(view_has(letter, "reject what waits")); // that is ours to do
    // What only we can mend is no matter for a letter.
    fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_LOCAL);
    fact.detail = FACT_LOCAL_DESCRIPTORS;
    verdict_of_fact(&fact, &attempt, false, &arena, &v);
    buffer_clear(&out);
    assert_false(verdict_write_letter(&v, &out));
    assert_int_equal(out.len, 0);
    buffer_finish(&out);
    arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_lines),
        cmocka_unit_test(test_names_and_evidence),
        cmocka_unit_test(test_addresses_without_a_name),
        cmocka_unit_test(test_command_lines_in_advice),
        cmocka_unit_test(test_masked_greeting_hides_starttls),
        cmocka_unit_test(test_weak_evidence_says_so),
        cmocka_unit_test(test_gateway_with_its_own_lookup),
        cmocka_unit_test(test_masked_greetings),
        cmocka_unit_test(test_after_the_dot),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_terminal_is_safe),
        cmocka_unit_test(test_small_arenas),
        cmocka_unit_test(test_verdict_json),
        cmocka_unit_test(test_attempt_json),
        cmocka_unit_test(test_text_fits_the_terminal),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
