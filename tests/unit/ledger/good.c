// SPDX-License-Identifier: Apache-2.0
// Destinations that are known to work: the newest success of each site, read beside the writer.
#include "ledger_test.h"

static void store_at(struct ledger *ledger, const char *site, const char *peer, bool is_well) {
    struct attempt attempt = an_attempt();
    attempt.site = view_of(site);
    assert_true(address_parse_port(view_of(peer), &attempt.peer));
    if (!is_well)
        attempt.fact = no_connection(111);
    ledger_attempt(ledger, &attempt);
}

static void body(void *arg) {
    struct address found[3];
    assert_int_equal(ledger_known_good(test_directory, found, 3), 0);
    struct ledger *ledger = open_ledger(NULL);
    store_at(ledger, "mx.one.example", "192.0.2.1:25", true);
    store_at(ledger, "mx.one.example", "192.0.2.11:25", true);
    store_at(ledger, "mx.two.example", "192.0.2.2:25", false);
    store_at(ledger, "mx.three.example", "[2001:db8::3]:26", true);
    await_written(ledger);
    assert_int_equal(ledger_known_good(test_directory, found, 3), 2);
    struct address wanted;
    assert_true(address_parse_port(VIEW("[2001:db8::3]:26"), &wanted));
    assert_true(address_equals_port(&found[0], &wanted));
    assert_true(address_parse_port(VIEW("192.0.2.11:25"), &wanted));
    assert_true(address_equals_port(&found[1], &wanted));
    assert_int_equal(ledger_known_good(test_directory, found, 1), 1);
    ledger_close(ledger);
}

static void known_good(void **state) {
    run_fiber(body, NULL);
}

int main(void) {
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_good, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
