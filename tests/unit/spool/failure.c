// SPDX-License-Identifier: Apache-2.0
// Disks that fill up or break, and budgets that are used up.
#include "unit/spool/spool_test.h"

static struct sim *failing_sim;

static void run_failing(void **state) {
    failing_sim = sim_create(7);
    snprintf(test_directory, sizeof(test_directory), "/spool");
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    io_spawn("body", (void (*)(void *)) * state, NULL);
    sim_run(failing_sim, IO_NEVER);
    sim_destroy(failing_sim);
    log_set_level(LOG_LEVEL_INFO);
}
#define FAILING(body)                                                                              \
    { #body, run_failing, NULL, NULL, (void *)(body) }

static void set_rule(struct sim_disk_rule rule) {
    sim_disk_rule(failing_sim, &rule);
}

// --- Full ----------------------------------------------------------------------------------------
enum { DISK_BYTES = 2 << 20, FILL_MAX = 2000 };

struct filled {
    struct spool_id ids[FILL_MAX];
    size_t n;
};

static void fill_up(struct spool *spool, struct filled *filled) {
    enum spool_status status = SPOOL_OK;
    while (status == SPOOL_OK) {
        assert_true(filled->n < FILL_MAX);
        status = put_message(spool, 1, 5000, &filled->ids[filled->n]);
        filled->n += status == SPOOL_OK;
    }
    assert_true(filled->n > 100);
}

static void full_disk_still_settles(void *arg) {
    struct seen *seen = make_seen();
    struct filled *filled = mem_alloc_zero(sizeof(*filled));
    struct spool_options options = small_options();
    struct spool_id id;
    set_rule((struct sim_disk_rule){.bytes_total = DISK_BYTES});
    struct spool *spool = open_with(&options, seen);
    fill_up(spool, filled);
    struct spool_health health = spool_health(spool);
    assert_false(health.accepts);
    assert_true(health.settles);
    assert_non_null(strstr(health.reason, "full"));
    assert_int_equal(put_message(spool, 1, 10, &id), SPOOL_FULL);
    // Notices go with the settlements that they tell of.
    uint32_t rcpt = 0;
    struct spool_id notice = spool_id_derive(filled->ids[0], &rcpt, 1, 1);
    struct spool_body *body = make_body(spool, NULL, notice.lo, 300);
    struct spool_tx *tx = spool_tx_create(spool);
    spool_tx_settle(tx, filled->ids[0], 0);
    add_message(tx, notice, 1, body);
    spool_body_unref(body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    for (size_t i = 0; i < filled->n; i++)
        assert_int_equal(settle_rcpt(spool, filled->ids[i], 0), SPOOL_OK);
    io_sleep(io_after(5000)); // the keeper finds room
    assert_true(spool_health(spool).accepts);
    assert_int_equal(put_message(spool, 1, 10, &id), SPOOL_OK);
    spool_close(spool);
    spool = open_with(&options, seen);
    assert_int_equal(seen->n, 2);
    assert_true(has_seen(seen, id) && has_seen(seen, notice));
    assert_true(stored_body_matches(spool, notice, 300));
    spool_close(spool);
    free(filled);
    free(seen);
}

// Every second message goes, so that no segment dies by itself.
static void full_disk_is_cleaned(void *arg) {
    struct seen *seen = make_seen();
    struct filled *filled = mem_alloc_zero(sizeof(*filled));
    struct spool_options options = small_options();
    struct spool_id id;
    options.floor_free_bytes = 300 << 10; // cleaning goes on until so much is free
    set_rule((struct sim_disk_rule){.bytes_total = DISK_BYTES});
    struct spool *spool = open_with(&options, seen);
    fill_up(spool, filled);
    for (size_t i = 0; i < filled->n; i += 2)
        assert_int_equal(settle_rcpt(spool, filled->ids[i], 0), SPOOL_OK);
    io_sleep(io_after(30000));
    assert_true(spool_health(spool).accepts);
    for (int i = 0; i < 40; i++)
        assert_int_equal(put_message(spool, 1, 5000, &id), SPOOL_OK);
    for (size_t i = 1; i < filled->n; i += 2)
        assert_true(stored_body_matches(spool, filled->ids[i], 5000));
    spool_close(spool);
    spool = open_with(&options, seen);
    assert_int_equal(seen->n, filled->n / 2 + 40);
    spool_close(spool);
    free(filled);
    free(seen);
}

static void full_disk_at_the_start(void *arg) {
    struct seen *seen = make_seen();
    struct filled *filled = mem_alloc_zero(sizeof(*filled));
    struct spool_options options = small_options();
    set_rule((struct sim_disk_rule){.bytes_total = DISK_BYTES});
    struct spool *spool = open_with(&options, seen);
    fill_up(spool, filled);
    spool_close(spool);
    spool = open_with(&options, seen); // of the reserve
    assert_non_null(spool);
    assert_int_equal(seen->n, filled->n);
    assert_true(spool_health(spool).settles);
    for (size_t i = 0; i < filled->n; i++)
        assert_int_equal(settle_rcpt(spool, filled->ids[i], 0), SPOOL_OK);
    spool_close(spool);
    free(filled);
    free(seen);
}

static void floor_refuses_before_the_disk_does(void *arg) {
    struct seen *seen = make_seen();
    struct spool_options options = small_options();
    struct spool_id id;
    options.floor_free_bytes = 1 << 20;
    options.warn_free_percent = 30;
    set_rule((struct sim_disk_rule){.bytes_total = 4 << 20});
    struct spool *spool = open_with(&options, seen);
    while (spool_health(spool).accepts) {
        put_message(spool, 1, 20000, &id);
        io_sleep(io_after(20));
    }
    struct spool_health health = spool_health(spool);
    assert_true(health.is_low);
    assert_in_range(health.bytes_free, 500 << 10, 1 << 20);
    struct address address;
    assert_true(address_parse(VIEW("192.0.2.1"), &address));
    struct spool_client *client = spool_client_get(spool, &address);
    struct spool_body *body = spool_body_create(spool, client);
    assert_int_equal(spool_body_append(body, VIEW("x"), IO_NEVER), SPOOL_FULL);
    spool_body_unref(body);
    spool_client_put(client);
    set_rule((struct sim_disk_rule){.bytes_total = 8 << 20});
    io_sleep(io_after(2000));
    assert_true(spool_health(spool).accepts);
    assert_int_equal(put_message(spool, 1, 20000, &id), SPOOL_OK);
    spool_close(spool);
    free(seen);
}

// --- Broken --------------------------------------------------------------------------------------
// Submits a message whose sync fails; the disk works again as soon as that was told.
static void break_once(struct spool *spool, struct spool_id *id) {
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct spool_done done;
    *id = spool_id_next(spool);
    struct spool_body *body = make_body(spool, NULL, id->lo, 1000);
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, *id, 1, body);
    spool_body_unref(body);
    set_rule((struct sim_disk_rule){.sync_error = 10000, .sync_ms_max = 5});
    spool_submit(tx, mailbox, &done);
    assert_non_null(io_mailbox_take_all(mailbox, io_after(10000)));
    set_rule((struct sim_disk_rule){.sync_ms_max = 5});
    assert_int_equal(done.status, SPOOL_FAILED);
    io_mailbox_destroy(mailbox);
}

static void failed_sync_refuses_mail_and_settles(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id kept, gone, failed, refused;
    assert_int_equal(put_message(spool, 1, 1000, &kept), SPOOL_OK);
    assert_int_equal(put_message(spool, 1, 1000, &gone), SPOOL_OK);
    break_once(spool, &failed);
    io_sleep(io_after(100));
    struct spool_health health = spool_health(spool);
    assert_false(health.accepts);
    assert_true(health.settles);
    assert_non_null(strstr(health.reason, "failed"));
    assert_int_equal(put_message(spool, 1, 10, &refused), SPOOL_FAILED);
    assert_int_equal(settle_rcpt(spool, gone, 0), SPOOL_OK);
    assert_int_equal(update_rcpt(spool, kept, 0, "later"), SPOOL_OK);
    io_sleep(io_after(60000));
    assert_false(spool_health(spool).accepts); // until restart
    spool_close(spool);
    for (int i = 0; i < 3; i++) {
        spool = open_spool(seen);
        assert_int_equal(seen->n, 1); // the failed one was never there
        assert_string_equal(seen_of(seen, kept)->states[0], "later");
        assert_int_equal(seen->recovery.damaged_records, 0);
        assert_true(spool_health(spool).accepts);
        assert_true(stored_body_matches(spool, kept, 1000));
        io_sleep(io_after(5000));
        spool_close(spool);
    }
    free(seen);
}

static void second_failure_ends_all_writing(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id kept, failed;
    assert_int_equal(put_message(spool, 1, 1000, &kept), SPOOL_OK);
    set_rule((struct sim_disk_rule){.sync_error = 10000});
    assert_int_equal(put_message(spool, 1, 1000, &failed), SPOOL_FAILED);
    struct spool_health health = spool_health(spool);
    assert_false(health.accepts);
    assert_false(health.settles);
    assert_int_equal(settle_rcpt(spool, kept, 0), SPOOL_FAILED);
    set_rule((struct sim_disk_rule){0});
    assert_int_equal(settle_rcpt(spool, kept, 0), SPOOL_FAILED); // never tried again
    assert_true(stored_body_matches(spool, kept, 1000));
    spool_close(spool);
    spool = open_spool(seen);
    assert_true(has_seen(seen, kept));
    assert_int_equal(settle_rcpt(spool, kept, 0), SPOOL_OK);
    spool_close(spool);
    free(seen);
}

// --- Slow ----------------------------------------------------------------------------------------
struct slow_disk {
    struct spool *spool;
    unsigned n_putting;
};

static void put_many(void *arg) {
    struct slow_disk *slow = arg;
    struct spool_id id;
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(put_message(slow->spool, 1, 9000, &id), SPOOL_OK);
    slow->n_putting--;
}

// The next segment takes its time: who comes meanwhile waits, and is not told of a full disk.
static void slow_segments_refuse_nothing(void *arg) {
    struct seen *seen = make_seen();
    set_rule((struct sim_disk_rule){.sync_ms_max = 500});
    struct slow_disk slow = {open_spool(seen), 6};
    for (unsigned i = 0; i < 6; i++)
        io_spawn("putting", put_many, &slow);
    while (slow.n_putting > 0) {
        struct spool_health health = spool_health(slow.spool);
        assert_string_equal(health.reason, "");
        assert_true(health.accepts && health.settles);
        io_sleep(io_after(7));
    }
    assert_true(spool_health(slow.spool).segments > 10);
    spool_close(slow.spool);
    free(seen);
}

// --- Budgets -------------------------------------------------------------------------------------
enum { BUDGET = 300 << 10 };

static struct spool *open_with_budget(struct seen *seen) {
    struct spool_options options = small_options();
    options.memory_bytes = BUDGET;
    options.client_memory_bytes = BUDGET / 3;
    options.segment_bytes = 1 << 20;
    struct spool *spool = open_with(&options, seen);
    assert_non_null(spool);
    return spool;
}

static struct spool_client *client_number(struct spool *spool, unsigned n) {
    struct address address;
    char text[32];
    snprintf(text, sizeof(text), "192.0.2.%u", n);
    assert_true(address_parse(view_of(text), &address));
    return spool_client_get(spool, &address);
}

// Messages that stay in memory use a budget up; the next ones go to disk as they come, and every
// one is whole.
static void bodies_beyond_the_budget_go_to_disk(void *arg) {
    enum { BODIES = 40 };
    struct seen *seen = make_seen();
    struct spool *spool = open_with_budget(seen);
    struct spool_body *held[BODIES];
    struct spool_id ids[BODIES];
    size_t n_resident = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        struct spool_client *client = client_number(spool, i % 5);
        ids[i] = spool_id_next(spool);
        held[i] = make_body(spool, client, ids[i].lo, 20000 + i);
        spool_client_put(client);
        assert_non_null(held[i]);
        assert_true(spool_health(spool).memory_bytes <= BUDGET);
        struct spool_tx *tx = spool_tx_create(spool);
        add_message(tx, ids[i], 1, held[i]);
        assert_int_equal(spool_commit(tx), SPOOL_OK);
        n_resident += spool_body_is_resident(held[i]);
    }
    assert_in_range(n_resident, 8, 15);
    for (unsigned i = 0; i < BODIES; i++) {
        assert_true(body_matches(held[i], ids[i].lo, 20000 + i));
        spool_body_unref(held[i]);
    }
    assert_int_equal(spool_health(spool).memory_bytes, 0);
    spool_close(spool);
    spool = open_with_budget(seen);
    assert_int_equal(seen->n, BODIES);
    for (unsigned i = 0; i < BODIES; i++)
        assert_true(stored_body_matches(spool, ids[i], 20000 + i));
    spool_close(spool);
    free(seen);
}

static void one_client_leaves_room_for_others(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_with_budget(seen);
    struct spool_client *greedy = client_number(spool, 1), *other = client_number(spool, 2);
    struct spool_body *held[20];
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        held[i] = make_body(spool, greedy, i, 30000);
    assert_in_range(spool_health(spool).memory_bytes, BUDGET / 4, BUDGET / 3);
    struct spool_body *body = make_body(spool, other, 1, 30000);
    assert_true(spool_body_is_resident(body));
    spool_body_unref(body);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        spool_body_unref(held[i]);
    spool_client_put(greedy);
    spool_client_put(other);
    spool_close(spool);
    free(seen);
}

static void body_larger_than_all_memory(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_with_budget(seen);
    struct spool_id id = spool_id_next(spool);
    struct spool_client *client = client_number(spool, 1);
    struct spool_body *body = spool_body_create(spool, client);
    char bytes[9000];
    uint64_t at = 0;
    for (; at < 3 << 20; at += sizeof(bytes)) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = body_byte(id.lo, at + i);
        assert_int_equal(spool_body_append(body, view_from(bytes, sizeof(bytes)), IO_NEVER),
                         SPOOL_OK);
        assert_true(spool_health(spool).memory_bytes <= BUDGET);
    }
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, id, 1, body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    spool_body_unref(body);
    spool_client_put(client);
    assert_true(stored_body_matches(spool, id, at));
    spool_close(spool);
    spool = open_with_budget(seen);
    assert_true(stored_body_matches(spool, id, at));
    spool_close(spool);
    free(seen);
}

static void limits_of_an_append(void *arg) {
    struct seen *seen = make_seen();
    struct spool_options options = small_options();
    options.memory_bytes = 1; // every piece has to wait for the disk
    options.message_bytes_max = 100000;
    struct spool *spool = open_with(&options, seen);
    struct spool_body *body = spool_body_create(spool, NULL);
    assert_int_equal(spool_body_append(body, VIEW("late"), io_now() - 1), SPOOL_TIMED_OUT);
    assert_int_equal(spool_body_append(body, VIEW("in time"), io_after(1000)), SPOOL_OK);
    io_cancel(io_fiber_current());
    assert_int_equal(spool_body_append(body, VIEW("canceled"), io_after(1000)), SPOOL_CANCELED);
    // A commit tells the truth also to a fiber that is canceled, which stays so.
    struct spool_tx *tx = spool_tx_create(spool);
    struct spool_id id = spool_id_next(spool);
    add_message(tx, id, 1, body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    assert_true(io_is_canceled());
    io_cancel_clear();
    spool_body_unref(body);
    char *large = mem_alloc_zero(100001);
    body = spool_body_create(spool, NULL);
    assert_int_equal(spool_body_append(body, view_from(large, 100001), IO_NEVER), SPOOL_TOO_BIG);
    assert_int_equal(spool_body_append(body, view_from(large, 100000), IO_NEVER), SPOOL_OK);
    assert_int_equal(spool_body_append(body, VIEW("x"), IO_NEVER), SPOOL_TOO_BIG);
    spool_body_unref(body);
    free(large);
    spool_close(spool);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAILING(full_disk_still_settles),
        FAILING(full_disk_is_cleaned),
        FAILING(full_disk_at_the_start),
        FAILING(floor_refuses_before_the_disk_does),
        FAILING(failed_sync_refuses_mail_and_settles),
        FAILING(second_failure_ends_all_writing),
        FAILING(slow_segments_refuse_nothing),
        ON_BOTH(bodies_beyond_the_budget_go_to_disk),
        ON_BOTH(one_client_leaves_room_for_others),
        ON_BOTH(body_larger_than_all_memory),
        ON_BOTH(limits_of_an_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
