// SPDX-License-Identifier: Apache-2.0
// kill -9 on a real process with real files: a child works and says through a pipe what was
// acknowledged, is killed at a random moment, and the next child checks and goes on. The page cache
// survives; what a power cut takes is the simulator's affair (crash.c).
#include "unit/spool/spool_test.h"

#include "base/rng.h"

#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 12, LOST_MESSAGES_MAX = 20000, FIBERS = 12, SIZE_MAX_BYTES = 3000 };

enum word { ADDED, SETTLING, SETTLED };
struct telling {
    enum word word;
    struct spool_id id;
    uint32_t size;
};

struct known {
    struct spool_id id;
    uint32_t size;
    enum word state;
};
static struct known known[LOST_MESSAGES_MAX];
static size_t n_known;
static int pipe_end;
static struct spool *spool;
static struct seen *seen;

static void tell(enum word word, struct spool_id id, uint32_t size) {
    struct telling telling = {word, id, size};
    ssize_t written = write(pipe_end, &telling, sizeof(telling)); // atomic: less than PIPE_BUF
    if (written != (ssize_t)sizeof(telling))
        _exit(3);
}

static void work(void *arg) {
    uint64_t rank = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0;; i++) {
        struct spool_id id;
        uint32_t size = (uint32_t)((i * 977 + rank * 131) % SIZE_MAX_BYTES);
        if (i % 50 == 49)
            size = 300000;
        if (put_message(spool, 1, size, &id) != SPOOL_OK)
            _exit(4);
        tell(ADDED, id, size);
        if ((i + rank) % 6 == 0)
            continue; // it stays
        tell(SETTLING, id, size);
        if (settle_rcpt(spool, id, 0) != SPOOL_OK)
            _exit(5);
        tell(SETTLED, id, size);
    }
}

static void check(void) {
    for (size_t i = 0; i < n_known; i++) {
        bool is_there = has_seen(seen, known[i].id);
        if (known[i].state == SETTLED && is_there)
            _exit(6);
        if (known[i].state == ADDED && !is_there)
            _exit(7);
        if (is_there && (seen_of(seen, known[i].id)->body_bytes != known[i].size ||
                         !stored_body_matches(spool, known[i].id, known[i].size)))
            _exit(8);
    }
    if (seen->recovery.damaged_records || seen->recovery.lost_messages)
        _exit(9);
}

static void child_main(void *arg) {
    seen = make_seen();
    spool = open_spool(seen);
    check();
    // What the parent does not know, and what stayed long enough, goes; the log does not grow.
    for (size_t i = 0; i < seen->n; i++) {
        tell(SETTLING, seen->list[i].id, 0);
        if (i % 2 && settle_rcpt(spool, seen->list[i].id, 0) == SPOOL_OK)
            tell(SETTLED, seen->list[i].id, 0);
    }
    for (uintptr_t i = 0; i < FIBERS; i++)
        io_spawn("worker", work, (void *)i);
}

static void note(const struct telling *telling) {
    for (size_t i = n_known; i > 0; i--)
        if (spool_id_equals(known[i - 1].id, telling->id)) {
            known[i - 1].state = telling->word;
            return;
        }
    if (n_known == LOST_MESSAGES_MAX) { // the older half is known well enough
        n_known /= 2;
        memcpy(known, known + n_known, n_known * sizeof(known[0]));
    }
    if (telling->word == ADDED)
        known[n_known++] = (struct known){telling->id, telling->size, ADDED};
}

// Reads what the child says until `deadline_ms` have passed, kills it, and reads the rest.
static void listen_and_kill(int from, pid_t child, int64_t kill_after_us) {
    struct telling telling;
    ssize_t got;
    usleep((useconds_t)kill_after_us);
    kill(child, SIGKILL);
    while ((got = read(from, &telling, sizeof(telling))) > 0) {
        assert_int_equal(got, sizeof(telling));
        note(&telling);
    }
}

static void run_child(int to) {
    struct error error;
    struct io_loop_options options = {.name = "child"};
    pipe_end = to;
    log_set_level(LOG_LEVEL_ERROR);
    struct io_loop *loop = io_loop_create(&options, &error);
    io_spawn("child", child_main, NULL);
    io_loop_run(loop);
    _exit(10);
}

static void killed_process_loses_nothing(void **state) {
    struct rng rng;
    rng_init(&rng, (uint64_t)getpid());
    snprintf(test_directory, sizeof(test_directory), "/tmp/spool-test-XXXXXX");
    assert_non_null(mkdtemp(test_directory));
    const char *wanted = getenv("SPOOL_ROUNDS"); // for a long run
    long n_rounds = wanted ? strtol(wanted, NULL, 10) : ROUNDS;
    for (long round = 0; round < n_rounds; round++) {
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            run_child(ends[1]);
        close(ends[1]);
        // The pipe holds little: the child may wait for us, which is as good a moment to die.
        listen_and_kill(ends[0], child, (int64_t)(20000 + rng_below(&rng, 150000)));
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    assert_true(n_known > 100);
    remove_files(test_directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_process_loses_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
