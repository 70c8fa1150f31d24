// SPDX-License-Identifier: Apache-2.0
// The stored envelope: what is written is read, what is unknown survives, what is damaged is
// refused.
#include "base/codec.h"
#include "base/rng.h"
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct buffer bytes, again;
};

static int setup(void **state) {
    struct fixture *f = mem_alloc_zero(sizeof(*f));
    arena_init(&f->arena, 4 << 20);
    buffer_init(&f->bytes, MAIL_ENVELOPE_BYTES_MAX);
    buffer_init(&f->again, MAIL_ENVELOPE_BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_finish(&f->arena);
    buffer_finish(&f->bytes);
    buffer_finish(&f->again);
    free(f);
    return 0;
}

static struct mail_recipient full_recipients[] = {
    {.address = VIEW("a@b.example"), .orcpt = VIEW("rfc822;a+2B@b"), .notify = MAIL_NOTIFY_NEVER},
    {.address = VIEW("postmaster")},
    {.address = VIEW("c@d"),
     .notify = MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY},
};

static struct mail_envelope full_envelope(void) {
    struct mail_envelope envelope = {
        .sender = VIEW("me@here.example"),
        .recipients = full_recipients,
        .n_recipients = ARRAY_LEN(full_recipients),
        .arrived_ms = 1778582520123,
        .size_bytes = 1ULL << 40,
        .body = MAIL_BODY_BINARYMIME,
        .has_8bit = true,
        .smtputf8 = true,
        .requiretls = true,
        .ret = MAIL_RET_HDRS,
        .envid = VIEW("QQ314"),
        .auth_identity = VIEW("user"),
        .client_name = VIEW("client.example"),
        .listener = VIEW("inside"),
        .tls = VIEW("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .n_received = 7,
        .message_id = VIEW("<1@x>"),
        .is_notice = true,
    };
    assert_true(address_parse(VIEW("fe80::1%7"), &envelope.client));
    envelope.client.port = 54321;
    assert_true(address_parse(VIEW("192.0.2.7"), &envelope.client_proxied));
    return envelope;
}

static void check_equal(const struct mail_envelope *a, const struct mail_envelope *b) {
    assert_true(view_equals(a->sender, b->sender));
    assert_int_equal(a->n_recipients, b->n_recipients);
    assert_int_equal(a->arrived_ms, b->arrived_ms);
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_int_equal(a->body, b->body);
    assert_int_equal(a->ret, b->ret);
    assert_true(a->has_8bit == b->has_8bit && a->smtputf8 == b->smtputf8 &&
                a->requiretls == b->requiretls && a->is_notice == b->is_notice);
    assert_true(view_equals(a->envid, b->envid));
    assert_true(view_equals(a->auth_identity, b->auth_identity));
    assert_true(view_equals(a->client_name, b->client_name));
    assert_true(address_equals_port(&a->client, &b->client));
    assert_true(address_equals_port(&a->client_proxied, &b->client_proxied));
    assert_true(view_equals(a->listener, b->listener));
    assert_true(view_equals(a->tls, b->tls));
    assert_int_equal(a->n_received, b->n_received);
    assert_true(view_equals(a->message_id, b->message_id));
    assert_true(view_equals(a->unknown, b->unknown));
    for (size_t i = 0; i < a->n_recipients; i++) {
        assert_true(view_equals(a->recipients[i].address, b->recipients[i].address));
        assert_true(view_equals(a->recipients[i].orcpt, b->recipients[i].orcpt));
        assert_int_equal(a->recipients[i].notify, b->recipients[i].notify);
        assert_true(view_equals(a->recipients[i].unknown, b->recipients[i].unknown));
    }
}

static void test_round_trip(void **state) {
    struct fixture *f = *state;
    struct mail_envelope full = full_envelope(), minimal = {0}, out;
    mail_envelope_encode(&full, &f->bytes);
    assert_true(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &out));
    check_equal(&full, &out);

    buffer_clear(&f->bytes);
    mail_envelope_encode(&minimal, &f->bytes);
    assert_int_equal(f->bytes.len, 0);
    assert_true(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &out));
    check_equal(&minimal, &out);
}

static void test_every_address_family(void **state) {
    struct fixture *f = *state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "fe80::1%4294967295"};
    struct mail_envelope in = {.client = {.family = ADDRESS_UNIX}}, out;
    for (size_t i = 0; i <= ARRAY_LEN(texts); i++) {
        buffer_clear(&f->bytes);
        mail_envelope_encode(&in, &f->bytes);
        assert_true(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &out));
        assert_int_equal(in.client.family, out.client.family);
        assert_true(address_equals_port(&in.client, &out.client));
        if (i < ARRAY_LEN(texts))
            assert_true(address_parse(view_of(texts[i]), &in.client));
    }
}

// What a later version may write: new fields between the old ones, in the envelope and in a
// recipient. All of them come out again.
static void test_unknown_fields_survive(void **state) {
    struct fixture *f = *state;
    struct mail_envelope first, second;
    struct buffer rcpt;
    buffer_init(&rcpt, 1024);
    codec_put_bytes(&rcpt, 100, VIEW("x"));
    codec_put_bytes(&rcpt, 1, VIEW("a@b"));
    codec_put_int(&rcpt, 101, 5);
    codec_put_bytes(&f->bytes, 77, VIEW("one"));
    codec_put_bytes(&f->bytes, 1, VIEW("sender@x"));
    codec_put_bytes(&f->bytes, 78, VIEW(""));
    codec_put_bytes(&f->bytes, 2, buffer_view(&rcpt));
    codec_put_bytes(&f->bytes, 0, VIEW("zero"));
    assert_true(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &first));
    assert_true(view_equals(first.sender, VIEW("sender@x")));
    assert_true(view_equals(first.recipients[0].address, VIEW("a@b")));
    assert_int_equal(first.unknown.len, (2 + 3) + 2 + (2 + 4));
    assert_int_equal(first.recipients[0].unknown.len, (2 + 1) + (2 + 1));
    mail_envelope_encode(&first, &f->again);
    assert_int_equal(f->again.len, f->bytes.len);
    assert_true(mail_envelope_decode(buffer_view(&f->again), &f->arena, &second));
    check_equal(&first, &second);
    buffer_finish(&rcpt);
}

static void test_damage_is_refused(void **state) {
    struct fixture *f = *state;
    struct mail_envelope full = full_envelope(), out;
    mail_envelope_encode(&full, &f->bytes);
    struct view whole = buffer_view(&f->bytes);
    // A cut inside a field is always seen; between two fields it is a shorter envelope.
    size_t n_refused = 0;
    for (size_t len = 1; len < whole.len; len++) {
        struct arena_mark mark = arena_mark(&f->arena);
        n_refused += !mail_envelope_decode(view_take(whole, len), &f->arena, &out);
        arena_reset(&f->arena, mark);
    }
    assert_true(n_refused > whole.len * 3 / 4);

    static const struct view bad[] = {
        VIEW("\x05\x01\x08"),             // body type 4
        VIEW("\x07\x01\x06"),             // RET 3
        VIEW("\x06\x01\x04"),             // flag 2
        VIEW("\x04\x01\x01"),             // size -1
        VIEW("\x04\x00"),                 // a number without digits
        VIEW("\x0b\x02\x01\x00"),         // an address of two bytes
        VIEW("\x0b\x04\x01\x00\x00\x7f"), // a quarter of an IPv4 address
        VIEW("\x0b\x03\x09\x00\x00"),     // an unknown family
        VIEW("\x02\x03\x03\x01\x20"),     // NOTIFY 16
        VIEW("\x02\x02\x01\x05"),         // a recipient that is cut
        VIEW("\x01"),
        VIEW("\xff"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mail_envelope_decode(bad[i], &f->arena, &out))
            fail_msg("row %zu was taken", i);
}

static void test_limits(void **state) {
    struct fixture *f = *state;
    struct mail_envelope out;
    for (size_t i = 0; i < MAIL_RECIPIENTS_MAX; i++)
        codec_put_bytes(&f->bytes, 2,
                        VIEW("\x01\x03"
                             "a@b"));
    assert_true(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &out));
    assert_int_equal(out.n_recipients, MAIL_RECIPIENTS_MAX);
    codec_put_bytes(&f->bytes, 2,
                    VIEW("\x01\x03"
                         "a@b"));
    assert_false(mail_envelope_decode(buffer_view(&f->bytes), &f->arena, &out));

    struct arena small;
    arena_init(&small, 64);
    assert_false(mail_envelope_decode(view_take(buffer_view(&f->bytes), 700), &small, &out));
    arena_finish(&small);

    buffer_clear(&f->bytes);
    char *big = mem_alloc_zero(MAIL_ENVELOPE_BYTES_MAX + 1);
    assert_false(
        mail_envelope_decode(view_from(big, MAIL_ENVELOPE_BYTES_MAX + 1), &f->arena, &out));
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_address_family, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_fields_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
