// SPDX-License-Identifier: Apache-2.0
// Causes that are met seldom: those that words tell, those that one fact tells, and those that only
// an experiment proves, which must have something to say all the same.
#include "readers/readers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *words, *cause;
} told[] = {
    {"host dest.mail.protection.outlook.com[192.0.2.25] said: 550 5.5.3 Recipients of several "
     "domains (ATTR38) (in reply to RCPT TO command)",
     "split-by-domain"},
    {"450 4.7.24 A record of yours could not be looked up", "receiver-dns"},
    {"554 5.5.1 Protocol error; you spoke too soon", "early-talker"},
    {"421 4.4.2 mx.dest.example Error: timeout exceeded", "server-timeout"},
    {"503 5.5.1 Bad sequence of commands", "protocol-error"},
    {"450 4.4.317 Cannot connect to remote server [Message=IllegalMessage]", "tls-stream-broken"},
    {"550 5.7.1 Our system has detected that this message does not meet IPv6 sending guidelines "
     "regarding PTR records. gsmtp",
     "ipv6-untrusted"},
    {"553 5.1.3 The recipient address is not valid", "address-invalid"},
    {"552 5.3.4 Header too large", "header-limit"},
    {"500 5.5.2 Line too long", "header-line-limit"},
    {"521 5.5.2 Bare LF refused", "line-ending"},
    {"550 5.7.1 Unable to encrypt the message", "content-encryption"},
    {"lost connection with mx.dest.example[192.0.2.25] while sending MAIL FROM", "closed-mail"},
    {"conversation with mx.dest.example[192.0.2.25] timed out while sending RCPT TO",
     "silent-rcpt"},
    {"conversation with mx.dest.example[192.0.2.25] timed out while sending DATA command",
     "silent-data"},
};

static void words_tell_them(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct reader_words words;
        reader_words_read(view_of(told[i].words), &words);
        struct view id = cause_info(reader_words_cause(&words))->id;
        if (!view_equals(id, view_of(told[i].cause)))
            fail_msg("\"%s\": wanted %s, found %.*s", told[i].words, told[i].cause, VIEW_ARG(id));
    }
}

static const struct {
    enum fact_stage stage;
    enum fact_kind kind;
    int number;
    const char *cause;
} seen[] = {
    {FACT_STAGE_STARTTLS, FACT_KIND_ERRNO, ECONNRESET, "reset-starttls"},
    {FACT_STAGE_STARTTLS, FACT_KIND_SILENT, 0, "silent-starttls"},
    {FACT_STAGE_AUTH, FACT_KIND_ERRNO, ECONNRESET, "reset-auth"},
    {FACT_STAGE_AUTH, FACT_KIND_SILENT, 0, "silent-auth"},
    {FACT_STAGE_MAIL, FACT_KIND_ERRNO, ECONNRESET, "reset-mail"},
    {FACT_STAGE_DATA, FACT_KIND_ERRNO, ECONNRESET, "reset-data"},
    {FACT_STAGE_MAIL, FACT_KIND_ERRNO, ECONNABORTED, "local-abort"},
    {FACT_STAGE_DOT, FACT_KIND_ERRNO, EIO, "local-disk"},
    {FACT_STAGE_TLS, FACT_KIND_TLS, 112, "tls-name-unknown"},
};

static void one_fact_tells_them(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        struct fact fact = fact_make(seen[i].stage, seen[i].kind);
        fact.sys_errno = seen[i].kind == FACT_KIND_ERRNO ? seen[i].number : 0;
        if (seen[i].kind == FACT_KIND_TLS) {
            fact.tls_alert = seen[i].number;
            fact.tls_alert_from_peer = true;
        }
        struct view id = cause_info(cause_of(&fact))->id;
        if (!view_equals(id, view_of(seen[i].cause)))
            fail_msg("row %zu: wanted %s, found %.*s", i, seen[i].cause, VIEW_ARG(id));
    }
}

static const char *const experiments[] = {
    "dns-truncated",   "dns-expired",       "transparent-redirect", "sts-fail",
    "sts-fetch",       "sts-invalid",       "header-total-limit",   "8bit-mismatch",
    "8bit-undeclared", "chunking-mismatch", "sender-quota",         "ehlo-diff",
    "window-firewall", "lossy-path",        "idle-state-timeout",   "data-reset-at-offset",
    "av-reset",        "dot-split",         "content-scan-slow",    "duplicate-risk",
    "bdat-break",      "local-clock",       "local-reverse-lookup", "suspended-sender-host",
};

static void the_others_can_be_looked_up(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(experiments); i++) {
        enum cause cause;
        struct buffer out;
        buffer_init(&out, 1 << 16);
        if (!cause_from_id(view_of(experiments[i]), &cause))
            fail_msg("%s is no cause", experiments[i]);
        cause_write_text(cause, &out);
        assert_true(cause_info(cause)->proved_by.len > 10);
        assert_non_null(strstr(buffer_string(&out), "What to do"));
        buffer_finish(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_tell_them),
        cmocka_unit_test(one_fact_tells_them),
        cmocka_unit_test(the_others_can_be_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
