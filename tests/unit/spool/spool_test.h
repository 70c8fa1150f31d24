// SPDX-License-Identifier: Apache-2.0
// What the tests of the spool share: a directory, a body that runs in a fiber on either back end,
// messages by number, and what a start visits.
#ifndef TESTS_SPOOL_TEST_H
#define TESTS_SPOOL_TEST_H

#include "spool/spool.h"

#include "base/log.h"
#include "io/sim.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char test_directory[64];

static inline void remove_files(const char *path) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

// Every test begins with an empty directory, on disk or in the simulator.
static inline void run_on_epoll(void **state) {
    struct error error;
    struct io_loop_options options = {.name = "test"};
    snprintf(test_directory, sizeof(test_directory), "/tmp/spool-test-XXXXXX");
    assert_non_null(mkdtemp(test_directory));
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", (void (*)(void *)) * state, NULL);
    io_loop_run(loop);
    io_loop_destroy(loop);
    remove_files(test_directory);
}

static inline void run_on_sim(void **state) {
    struct sim *sim = sim_create(1);
    snprintf(test_directory, sizeof(test_directory), "/spool");
    io_spawn("body", (void (*)(void *)) * state, NULL);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

#define ON_EPOLL(body)                                                                             \
    { #body " (epoll)", run_on_epoll, NULL, NULL, (void *)(body) }
#define ON_SIM(body)                                                                               \
    { #body " (sim)", run_on_sim, NULL, NULL, (void *)(body) }
#define ON_BOTH(body) ON_EPOLL(body), ON_SIM(body)

// --- Messages ------------------------------------------------------------------------------------
static inline void encode_envelope(uint32_t n_rcpts, uint64_t size, struct mail_envelope *envelope,
                                   struct mail_recipient *rcpts) {
    for (uint32_t i = 0; i < n_rcpts; i++)
        rcpts[i] = (struct mail_recipient){.address = VIEW("user@example.org")};
    *envelope = (struct mail_envelope){.sender = VIEW("sender@example.com"),
                                       .recipients = rcpts,
                                       .n_recipients = n_rcpts,
                                       .arrived_ms = 1700000000000,
                                       .size_bytes = size};
}

// Byte `at` of the body of message `seed`: no two messages and no two places are alike.
static inline char body_byte(uint64_t seed, uint64_t at) {
    return (char)(seed * 131 + at * 7 + at / 251);
}

static inline struct spool_body *make_body(struct spool *spool, struct spool_client *client,
                                           uint64_t seed, uint64_t size) {
    struct spool_body *body = spool_body_create(spool, client);
    char bytes[10000];
    for (uint64_t at = 0; at < size;) {
        size_t n = size_min(sizeof(bytes), size - at);
        for (size_t i = 0; i < n; i++)
            bytes[i] = body_byte(seed, at + i);
        enum spool_status status = spool_body_append(body, view_from(bytes, n), io_after(60000));
        if (status != SPOOL_OK) {
            spool_body_unref(body);
            return NULL;
        }
        at += n;
    }
    return body;
}

static inline void add_message(struct spool_tx *tx, struct spool_id id, uint32_t n_rcpts,
                               struct spool_body *body) {
    struct mail_envelope envelope;
    struct mail_recipient *rcpts = mem_alloc_zero(n_rcpts * sizeof(*rcpts));
    encode_envelope(n_rcpts, spool_body_size(body), &envelope, rcpts);
    spool_tx_add(tx, id, &envelope, body);
    free(rcpts);
}

// Commits one message; the seed of its body is its counter.
static inline enum spool_status put_message(struct spool *spool, uint32_t n_rcpts, uint64_t size,
                                            struct spool_id *id) {
    *id = spool_id_next(spool);
    struct spool_body *body = make_body(spool, NULL, id->lo, size);
    if (!body)
        return SPOOL_FAILED;
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, *id, n_rcpts, body);
    spool_body_unref(body);
    return spool_commit(tx);
}

static inline enum spool_status settle_rcpt(struct spool *spool, struct spool_id id,
                                            uint32_t rcpt) {
    struct spool_tx *tx = spool_tx_create(spool);
    spool_tx_settle(tx, id, rcpt);
    return spool_commit(tx);
}

static inline enum spool_status update_rcpt(struct spool *spool, struct spool_id id, uint32_t rcpt,
                                            const char *state) {
    struct spool_tx *tx = spool_tx_create(spool);
    spool_tx_update(tx, id, rcpt, view_of(state));
    return spool_commit(tx);
}

static inline enum spool_status put_note(struct spool *spool, const char *key, const char *value) {
    struct spool_tx *tx = spool_tx_create(spool);
    spool_tx_note(tx, view_of(key), view_of(value));
    return spool_commit(tx);
}

// True when the body reads back as it was made.
static inline bool body_matches(struct spool_body *body, uint64_t seed, uint64_t size) {
    char scratch[16000];
    struct view piece;
    uint64_t at = 0;
    if (spool_body_size(body) != size)
        return false;
    while (at < size) {
        if (spool_body_read(body, at, sizeof(scratch), scratch, &piece) != SPOOL_OK ||
            piece.len == 0)
            return false;
        for (size_t i = 0; i < piece.len; i++)
            if (piece.ptr[i] != body_byte(seed, at + i))
                return false;
        at += piece.len;
    }
    return spool_body_read(body, at, sizeof(scratch), scratch, &piece) == SPOOL_OK &&
           piece.len == 0;
}

static inline bool stored_body_matches(struct spool *spool, struct spool_id id, uint64_t size) {
    struct spool_body *body;
    if (spool_body_open(spool, id, &body) != SPOOL_OK)
        return false;
    bool is_same = body_matches(body, id.lo, size);
    spool_body_unref(body);
    return is_same;
}

// --- Starts --------------------------------------------------------------------------------------
enum { SEEN_MAX = 4096 };
struct seen_message {
    struct spool_id id;
    uint64_t body_bytes;
    uint32_t n_rcpts;
    unsigned settled; // a bit for each of the first 32 recipients
    char states[8][40];
    char sender[64];
};
struct seen {
    size_t n;
    struct seen_message list[SEEN_MAX];
    struct spool_recovery recovery;
    struct error error;
};

static inline void see(const struct spool_entry *entry, void *arg) {
    struct seen *seen = arg;
    struct arena arena;
    struct mail_envelope envelope;
    assert_true(seen->n < SEEN_MAX);
    struct seen_message *message = &seen->list[seen->n++];
    *message = (struct seen_message){entry->id, entry->body_bytes, entry->n_rcpts, 0, {{0}}, {0}};
    arena_init(&arena, 16 << 20);
    assert_true(mail_envelope_decode(entry->envelope, &arena, &envelope));
    assert_int_equal(envelope.n_recipients, entry->n_rcpts);
    view_copy_string(envelope.sender, message->sender, sizeof(message->sender));
    for (uint32_t i = 0; i < entry->n_rcpts && i < 32; i++) {
        message->settled |= (entry->marks[i] == SPOOL_RCPT_SETTLED ? 1U : 0) << i;
        if (i < 8)
            view_copy_string(entry->states[i], message->states[i], sizeof(message->states[i]));
    }
    arena_finish(&arena);
}

static inline struct spool_options small_options(void) {
    return (struct spool_options){
        .path = test_directory, .segment_bytes = 64 << 10, .floor_free_bytes = 1};
}

static inline struct spool *open_with(const struct spool_options *options, struct seen *seen) {
    seen->n = 0;
    seen->error.text[0] = '\0';
    return spool_open(options, see, seen, &seen->recovery, &seen->error);
}

static inline struct spool *open_spool(struct seen *seen) {
    struct spool_options options = small_options();
    struct spool *spool = open_with(&options, seen);
    if (!spool)
        fail_msg("%s", seen->error.text);
    return spool;
}

static inline bool has_seen(const struct seen *seen, struct spool_id id) {
    for (size_t i = 0; i < seen->n; i++)
        if (spool_id_equals(seen->list[i].id, id))
            return true;
    return false;
}

// It must be there.
static inline const struct seen_message *seen_of(const struct seen *seen, struct spool_id id) {
    size_t i = 0;
    while (i < seen->n && !spool_id_equals(seen->list[i].id, id))
        i++;
    assert_true(i < seen->n);
    return &seen->list[i];
}

static inline struct seen *make_seen(void) {
    return mem_alloc_zero(sizeof(struct seen));
}

#endif
