// SPDX-License-Identifier: Apache-2.0
// The life of messages through commits and restarts.
#include "unit/spool/spool_test.h"

static void empty_store_opens_and_closes(void *arg) {
    struct seen *seen = make_seen();
    for (int i = 0; i < 3; i++) {
        struct spool *spool = open_spool(seen);
        assert_int_equal(seen->n, 0);
        assert_int_equal(seen->recovery.torn_batches + seen->recovery.damaged_records, 0);
        struct spool_health health = spool_health(spool);
        assert_true(health.accepts && health.settles && !health.reason[0]);
        spool_close(spool);
    }
    free(seen);
}

static void message_survives_a_restart(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id, second;
    assert_int_equal(put_message(spool, 3, 4000, &id), SPOOL_OK);
    assert_int_equal(update_rcpt(spool, id, 1, "deferred"), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, id, 0), SPOOL_OK);
    assert_true(stored_body_matches(spool, id, 4000));
    assert_int_equal(spool_health(spool).messages, 1);
    spool_close(spool);

    spool = open_spool(seen);
    assert_int_equal(seen->n, 1);
    assert_int_equal(seen->recovery.messages, 1);
    assert_int_equal(seen->recovery.recipients, 2);
    const struct seen_message *message = seen_of(seen, id);
    assert_int_equal(message->n_rcpts, 3);
    assert_int_equal(message->settled, 1);
    assert_int_equal(message->body_bytes, 4000);
    assert_string_equal(message->states[1], "deferred");
    assert_string_equal(message->states[2], "");
    assert_string_equal(message->sender, "sender@example.com");
    assert_true(stored_body_matches(spool, id, 4000));
    assert_int_equal(put_message(spool, 1, 10, &second), SPOOL_OK);
    assert_true(second.hi != id.hi); // another boot epoch
    spool_close(spool);
    free(seen);
}

static void settled_message_is_gone(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id, other;
    struct spool_body *body;
    assert_int_equal(put_message(spool, 2, 100, &id), SPOOL_OK);
    assert_int_equal(put_message(spool, 1, 100, &other), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, id, 1), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, id, 1), SPOOL_OK); // again: nothing happens
    assert_int_equal(spool_health(spool).messages, 2);
    assert_int_equal(settle_rcpt(spool, id, 0), SPOOL_OK);
    assert_int_equal(spool_health(spool).messages, 1);
    assert_int_equal(update_rcpt(spool, id, 0, "too late"), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, id, 7), SPOOL_OK);
    assert_int_equal(spool_body_open(spool, id, &body), SPOOL_NOT_FOUND);
    assert_null(body);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 1);
    assert_true(has_seen(seen, other));
    spool_close(spool);
    free(seen);
}

static void bodies_of_all_sizes(void *arg) {
    static const uint64_t sizes[] = {0,      1,      4096,   65535,  65536,   65537,
                                     262143, 262144, 262145, 300000, 1000000, 3000001};
    struct spool_id ids[ARRAY_LEN(sizes)];
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(put_message(spool, 1, sizes[i], &ids[i]), SPOOL_OK);
        assert_true(stored_body_matches(spool, ids[i], sizes[i]));
    }
    assert_int_equal(spool_health(spool).memory_bytes, 0);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, ARRAY_LEN(sizes));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(seen_of(seen, ids[i])->body_bytes, sizes[i]);
        assert_true(stored_body_matches(spool, ids[i], sizes[i]));
        assert_int_equal(settle_rcpt(spool, ids[i], 0), SPOOL_OK);
    }
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 0);
    assert_true(seen->recovery.segments <= 2);
    spool_close(spool);
    free(seen);
}

static void small_body_stays_in_memory(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id = spool_id_next(spool);
    struct spool_body *body = make_body(spool, NULL, id.lo, 5000), *again, *large;
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, id, 1, body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    assert_true(spool_body_is_resident(body));
    assert_true(spool_health(spool).memory_bytes >= 5000);
    assert_int_equal(spool_body_open(spool, id, &again), SPOOL_OK);
    assert_ptr_equal(again, body);
    spool_body_unref(again);
    spool_body_unref(body);
    assert_int_equal(spool_health(spool).memory_bytes, 0);
    assert_int_equal(spool_body_open(spool, id, &again), SPOOL_OK);
    assert_false(spool_body_is_resident(again));
    assert_true(body_matches(again, id.lo, 5000));
    spool_body_unref(again);
    // A large one is on disk once it is committed, and reads the same through the first handle.
    id = spool_id_next(spool);
    large = make_body(spool, NULL, id.lo, 500000);
    tx = spool_tx_create(spool);
    add_message(tx, id, 1, large);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    assert_false(spool_body_is_resident(large));
    assert_true(body_matches(large, id.lo, 500000));
    spool_body_unref(large);
    spool_close(spool);
    free(seen);
}

static void lookup_tells_what_is_stored(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id;
    struct arena arena;
    struct spool_entry entry;
    assert_int_equal(put_message(spool, 3, 1234, &id), SPOOL_OK);
    assert_int_equal(update_rcpt(spool, id, 0, "first"), SPOOL_OK);
    assert_int_equal(update_rcpt(spool, id, 0, "second"), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, id, 2), SPOOL_OK);
    for (int round = 0; round < 2; round++) {
        arena_init(&arena, 1 << 20);
        assert_int_equal(spool_lookup(spool, id, &arena, &entry), SPOOL_OK);
        assert_int_equal(entry.body_bytes, 1234);
        assert_int_equal(entry.n_rcpts, 3);
        assert_true(view_equals(entry.states[0], VIEW("second")));
        assert_int_equal(entry.states[1].len, 0);
        assert_int_equal(entry.marks[2], SPOOL_RCPT_SETTLED);
        assert_int_equal(entry.marks[0], SPOOL_RCPT_OPEN);
        arena_finish(&arena);
        spool_close(spool);
        spool = open_spool(seen);
    }
    id.lo += 1000;
    arena_init(&arena, 1 << 20);
    assert_int_equal(spool_lookup(spool, id, &arena, &entry), SPOOL_NOT_FOUND);
    spool_close(spool);
    arena_finish(&arena);
    free(seen);
}

static void transaction_is_one(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id;
    uint32_t rcpt = 0;
    assert_int_equal(put_message(spool, 2, 500, &id), SPOOL_OK);
    struct spool_id notice = spool_id_derive(id, &rcpt, 1, 1);
    for (int round = 0; round < 2; round++) { // the repeat adds nothing
        struct spool_body *body = make_body(spool, NULL, notice.lo, 700);
        struct spool_tx *tx = spool_tx_create(spool);
        spool_tx_settle(tx, id, 0);
        add_message(tx, notice, 1, body);
        spool_tx_update(tx, notice, 0, round ? VIEW("repeated") : VIEW("fresh"));
        spool_tx_update(tx, id, 1, VIEW("deferred"));
        spool_tx_note(tx, VIEW("lane"), VIEW("refused"));
        spool_body_unref(body);
        assert_int_equal(spool_commit(tx), SPOOL_OK);
    }
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 2);
    assert_int_equal(seen_of(seen, id)->settled, 1);
    assert_string_equal(seen_of(seen, id)->states[1], "deferred");
    assert_string_equal(seen_of(seen, notice)->states[0], "fresh");
    assert_true(stored_body_matches(spool, notice, 700));
    spool_close(spool);
    free(seen);
}

struct noted {
    int n;
    char text[256];
};

static void see_note(struct view key, struct view value, void *arg) {
    struct noted *noted = arg;
    size_t len = strlen(noted->text);
    noted->n++;
    snprintf(noted->text + len, sizeof(noted->text) - len, "%.*s=%.*s;", VIEW_ARG(key),
             VIEW_ARG(value));
}

static void notes_live_until_replaced(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    assert_int_equal(put_note(spool, "one", "1"), SPOOL_OK);
    assert_int_equal(put_note(spool, "two", "2"), SPOOL_OK);
    assert_int_equal(put_note(spool, "one", "11"), SPOOL_OK);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(put_note(spool, "two", ""), SPOOL_OK);
    for (int i = 0; i < 4; i++) {
        struct noted noted = {0};
        spool_notes_each(spool, see_note, &noted);
        assert_int_equal(noted.n, 1);
        assert_string_equal(noted.text, "one=11;");
        spool_close(spool);
        spool = open_spool(seen);
    }
    spool_close(spool);
    free(seen);
}

static void submitted_work_is_answered(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct io_mailbox *mailbox = io_mailbox_create(io_loop_current());
    struct spool_done done[200];
    struct spool_id ids[ARRAY_LEN(done)];
    for (size_t i = 0; i < ARRAY_LEN(done); i++) {
        ids[i] = spool_id_next(spool);
        struct spool_body *body = make_body(spool, NULL, ids[i].lo, 3000);
        struct spool_tx *tx = spool_tx_create(spool);
        add_message(tx, ids[i], 1, body);
        spool_body_unref(body);
        done[i].arg = &ids[i];
        spool_submit(tx, mailbox, &done[i]);
    }
    for (size_t n = 0; n < ARRAY_LEN(done);)
        for (struct io_mail *mail = io_mailbox_take_all(mailbox, io_after(10000)); mail;
             mail = mail->next, n++) {
            struct spool_done *answer = CONTAINER_OF(mail, struct spool_done, mail);
            assert_int_equal(answer->status, SPOOL_OK);
            assert_ptr_equal(answer->arg, &ids[answer - done]);
        }
    assert_int_equal(spool_health(spool).messages, ARRAY_LEN(done));
    assert_true(spool_health(spool).segments > 5);
    io_mailbox_destroy(mailbox);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, ARRAY_LEN(done));
    for (size_t i = 0; i < ARRAY_LEN(done); i++)
        assert_true(stored_body_matches(spool, ids[i], 3000));
    spool_close(spool);
    free(seen);
}

static void abandoned_work_leaves_nothing(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct address address;
    assert_true(address_parse(VIEW("192.0.2.1"), &address));
    struct spool_client *client = spool_client_get(spool, &address);
    struct spool_body *body = make_body(spool, client, 1, 700000);
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, spool_id_next(spool), 1, body);
    spool_tx_destroy(tx);
    spool_tx_destroy(NULL);
    spool_body_unref(body);
    spool_body_unref(NULL);
    spool_client_put(client);
    assert_int_equal(spool_health(spool).memory_bytes, 0);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 0);
    spool_close(spool);
    free(seen);
}

static void second_instance_is_refused(void *arg) {
    struct seen *seen = make_seen(), *other = make_seen();
    struct spool_options options = small_options();
    struct spool *spool = open_spool(seen);
    assert_null(open_with(&options, other));
    assert_non_null(strstr(other->error.text, "in use"));
    spool_close(spool);
    spool = open_spool(other);
    spool_close(spool);
    free(seen);
    free(other);
}

static void ten_thousand_recipients(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id;
    assert_int_equal(put_message(spool, MAIL_RECIPIENTS_MAX, 100, &id), SPOOL_OK);
    struct spool_tx *tx = spool_tx_create(spool);
    for (uint32_t i = 0; i < MAIL_RECIPIENTS_MAX; i++)
        if (i % 3)
            spool_tx_settle(tx, id, i);
        else
            spool_tx_update(tx, id, i, VIEW("later"));
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    spool_close(spool);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 1);
    assert_int_equal(seen->recovery.recipients, (MAIL_RECIPIENTS_MAX + 2) / 3);
    tx = spool_tx_create(spool);
    for (uint32_t i = 0; i < MAIL_RECIPIENTS_MAX; i++)
        spool_tx_settle(tx, id, i);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    assert_int_equal(spool_health(spool).messages, 0);
    spool_close(spool);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(empty_store_opens_and_closes), ON_BOTH(message_survives_a_restart),
        ON_BOTH(settled_message_is_gone),      ON_BOTH(bodies_of_all_sizes),
        ON_BOTH(small_body_stays_in_memory),   ON_BOTH(lookup_tells_what_is_stored),
        ON_BOTH(transaction_is_one),           ON_BOTH(notes_live_until_replaced),
        ON_BOTH(submitted_work_is_answered),   ON_BOTH(abandoned_work_leaves_nothing),
        ON_BOTH(second_instance_is_refused),   ON_BOTH(ten_thousand_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
