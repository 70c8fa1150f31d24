// SPDX-License-Identifier: Apache-2.0
// What is stored of recipients, lanes and domains comes back as it was, and damage is seen.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "relay/record.h"
#include "base/codec.h"

#include <string.h>

static struct relay_record full_record(void) {
    struct relay_record record;
    relay_record_init(&record);
    record.fact = fact_make(FACT_STAGE_RCPT, FACT_KIND_REPLY);
    record.fact.reply_code = 450;
    record.fact.text = VIEW("4.2.0 Greylisted");
    record.host = VIEW("mx.one.test");
    record.greeting = VIEW("220 ***********");
    assert_true(address_parse_port(VIEW("192.0.2.9:4711"), &record.source));
    assert_true(address_parse_port(VIEW("[2001:db8::1]:25"), &record.peer));
    record.next_ms = 1700000000001;
    record.since_ms = 1690000000002;
    record.held_since_ms = 3;
    record.tried_ms = 4;
    record.rounds = 70000;
    record.dot_losses = 255;
    record.is_warned = true;
    record.is_hold_warned = true;
    return record;
}

static void records_come_back(void **state) {
    struct relay_record record = full_record(), read;
    struct buffer bytes;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    relay_record_encode(&record, &bytes);
    assert_true(relay_record_decode(buffer_view(&bytes), &read));
    assert_int_equal(read.fact.reply_code, 450);
    assert_true(view_equals(read.fact.text, record.fact.text));
    assert_true(view_equals(read.host, record.host));
    assert_true(view_equals(read.greeting, record.greeting));
    assert_true(address_equals_port(&read.source, &record.source));
    assert_true(address_equals_port(&read.peer, &record.peer));
    assert_int_equal(read.next_ms, record.next_ms);
    assert_int_equal(read.since_ms, record.since_ms);
    assert_int_equal(read.held_since_ms, 3);
    assert_int_equal(read.tried_ms, 4);
    assert_int_equal(read.rounds, 70000);
    assert_int_equal(read.dot_losses, 255);
    assert_true(read.is_warned && read.is_hold_warned);
    buffer_finish(&bytes);
}

static void an_empty_state_is_a_new_record(void **state) {
    struct relay_record record;
    assert_true(relay_record_decode(VIEW_NONE, &record));
    assert_int_equal(record.fact.kind, FACT_KIND_NONE);
    assert_int_equal(record.next_ms, 0);
}

static void fields_of_later_versions_are_skipped(void **state) {
    struct relay_record record = full_record(), read;
    struct buffer bytes;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    codec_put_bytes(&bytes, 4711, VIEW("from the future"));
    relay_record_encode(&record, &bytes);
    assert_true(relay_record_decode(buffer_view(&bytes), &read));
    assert_int_equal(read.rounds, 70000);
    buffer_finish(&bytes);
}

// Whatever is cut off, the record that comes out is whole or new, never half.
static void damage_is_seen(void **state) {
    struct relay_record record = full_record(), read;
    struct buffer bytes;
    unsigned n_damaged = 0;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    relay_record_encode(&record, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        bool is_good = relay_record_decode(view_from(bytes.ptr, len), &read);
        n_damaged += !is_good;
        if (!is_good) {
            assert_int_equal(read.fact.kind, FACT_KIND_NONE);
            assert_int_equal(read.next_ms, 0);
            assert_true(view_is_empty(read.host));
        }
    }
    assert_true(n_damaged > bytes.len / 2);
    buffer_clear(&bytes);
    codec_put_int(&bytes, 4, -1); // a time before time
    assert_false(relay_record_decode(buffer_view(&bytes), &read));
    buffer_finish(&bytes);
}

static void texts_are_cut(void **state) {
    static char text[2000];
    memset(text, 'x', sizeof text);
    struct relay_record record = full_record(), read;
    struct buffer bytes;
    buffer_init(&bytes, RELAY_RECORD_BYTES_MAX);
    record.fact.text = view_from(text, sizeof text);
    record.host = view_from(text, sizeof text);
    relay_record_encode(&record, &bytes);
    assert_false(bytes.overflow);
    assert_true(relay_record_decode(buffer_view(&bytes), &read));
    assert_int_equal(read.fact.text.len, RELAY_RECORD_TEXT_MAX);
    assert_int_equal(read.host.len, 255);
    struct relay_record *copy = relay_record_copy(&record);
    assert_int_equal(copy->fact.text.len, RELAY_RECORD_TEXT_MAX);
    relay_record_free(copy);
    relay_record_free(NULL);
    buffer_finish(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(an_empty_state_is_a_new_record),
        cmocka_unit_test(fields_of_later_versions_are_skipped),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
