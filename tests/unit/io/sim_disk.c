// SPDX-License-Identifier: Apache-2.0
// What a simulated power cut leaves: never less than what was synced, and over many seeds all that
// a real disk may do with the rest.
#include "io_test.h"

enum { PAGE = 4096 };

static struct sim *sim;

static struct io_dir *open_spool(void) {
    struct io_dir *dir;
    assert_ok(io_dir_open("/spool", true, &dir));
    return dir;
}

static struct io_file *open_log(struct io_dir *dir, const char *name) {
    struct io_file *file;
    assert_ok(io_file_open(dir, name, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file));
    return file;
}

static struct io_result fill(struct io_file *file, char letter, size_t len, uint64_t offset) {
    char *bytes = malloc(len);
    memset(bytes, letter, len);
    struct iovec part = {bytes, len};
    struct io_result result = io_file_writev(file, &part, 1, offset);
    free(bytes);
    return result;
}

// The first letter of each page, "-" where a page is zero; "" when there is no such file. A page
// that is of two minds fails.
static void read_pages(struct io_dir *dir, const char *name, char *out) {
    struct io_file *file;
    char page[PAGE];
    *out = '\0';
    if (!io_is_ok(io_file_open(dir, name, IO_OPEN_READ, &file)))
        return;
    for (uint64_t at = 0;; at += PAGE) {
        struct io_result got = io_file_read(file, page, PAGE, at);
        if (got.bytes == 0)
            break;
        for (size_t i = 1; i < got.bytes; i++)
            assert_int_equal(page[i], page[0]);
        *out++ = page[0] ? page[0] : '-';
        if (got.status == IO_EOF)
            break;
    }
    *out = '\0';
    io_file_close(file);
}

// A process does `work` and stays until its power is cut; then `outcome` says what is left.
struct scene {
    void (*work)(struct io_dir *dir);
    void (*outcome)(struct io_dir *dir, char *out);
    struct sim_disk_rule rule;
    bool power_cut;
    char left[64];
};

static void work_and_wait(void *arg) {
    struct scene *scene = arg;
    scene->work(open_spool());
    io_sleep(IO_NEVER);
}

static void direct(void *arg) {
    struct scene *scene = arg;
    sim_disk_rule(sim, &scene->rule);
    struct sim_process *process = sim_process_start(sim, "writer", work_and_wait, scene);
    io_sleep(io_after(1000));
    sim_process_kill(process, scene->power_cut);
    sim_disk_rule(sim, &(struct sim_disk_rule){0});
    struct io_dir *dir = open_spool();
    scene->outcome(dir, scene->left);
    io_dir_close(dir);
}

static const char *play(struct scene *scene, uint64_t seed) {
    sim = sim_create(seed);
    io_spawn("director", direct, scene);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
    return scene->left;
}

enum { SEEDS = 400 };

// Every outcome is in the list, and each of the list happens.
static void check_outcomes(struct scene scene, const char *const *allowed, size_t n_allowed) {
    int n_seen[32] = {0};
    scene.power_cut = true;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const char *left = play(&scene, seed);
        size_t i = 0;
        while (i < n_allowed && strcmp(left, allowed[i]) != 0)
            i++;
        if (i == n_allowed)
            fail_msg("seed %d leaves \"%s\"", (int)seed, left);
        n_seen[i]++;
    }
    for (size_t i = 0; i < n_allowed; i++)
        if (n_seen[i] == 0)
            fail_msg("no seed leaves \"%s\"", allowed[i]);
}

#define CHECK_OUTCOMES(work, outcome, rule, ...)                                                   \
    check_outcomes((struct scene){(work), (outcome), rule, true, ""},                              \
                   (const char *const[]){__VA_ARGS__},                                             \
                   ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static const struct sim_disk_rule no_faults;

static void pages_of_log(struct io_dir *dir, char *out) {
    read_pages(dir, "log", out);
}

static void make_log(struct io_dir *dir, const char *pages) {
    struct io_file *file = open_log(dir, "log");
    for (size_t i = 0; pages[i]; i++)
        assert_ok(fill(file, pages[i], PAGE, i * PAGE));
    assert_ok(io_file_sync(file));
    assert_ok(io_dir_sync(dir));
    io_file_close(file);
}

// --- Contents ---------------------------------------------------------------------------------

static void overwrite(struct io_dir *dir) {
    make_log(dir, "aa");
    struct io_file *file = open_log(dir, "log");
    assert_ok(fill(file, 'b', 2 * PAGE, 0));
    assert_ok(fill(file, 'c', PAGE, 0));
}

static void unsynced_pages_survive_in_any_order(void **state) {
    CHECK_OUTCOMES(overwrite, pages_of_log, no_faults, "aa", "ba", "ca", "ab", "bb", "cb");
}

static void append(struct io_dir *dir) {
    make_log(dir, "a");
    struct io_file *file = open_log(dir, "log");
    assert_ok(fill(file, 'b', 2 * PAGE, PAGE));
}

static void unsynced_tails_may_be_short_or_zero(void **state) {
    CHECK_OUTCOMES(append, pages_of_log, no_faults, "a", "ab", "a-", "abb", "a-b", "ab-", "a--");
}

static void append_and_sync(struct io_dir *dir) {
    append(dir);
    struct io_file *file = open_log(dir, "log");
    assert_ok(io_file_sync(file));
}

static void synced_pages_stay(void **state) {
    CHECK_OUTCOMES(append_and_sync, pages_of_log, no_faults, "abb");
}

struct writer {
    struct io_file *file;
};

static void write_during_sync(void *arg) {
    io_sleep(io_after(3)); // the sync began
    assert_ok(fill(arg, 'z', PAGE, 0));
}

static void sync_beside_write(struct io_dir *dir) {
    make_log(dir, "a");
    struct io_file *file = open_log(dir, "log");
    assert_ok(fill(file, 'b', PAGE, 0));
    io_spawn("writer", write_during_sync, file);
    for (;;) { // until one takes its time
        io_time before = io_now();
        assert_ok(io_file_sync(file));
        if (io_now() - before > 10)
            break;
    }
}

// What is written after a sync began is not covered by it.
static void a_sync_covers_what_came_before_it(void **state) {
    struct sim_disk_rule slow = {.sync_ms_max = 20};
    CHECK_OUTCOMES(sync_beside_write, pages_of_log, slow, "b", "z");
}

static void truncate_log(struct io_dir *dir) {
    make_log(dir, "ab");
    struct io_file *file = open_log(dir, "log");
    assert_ok(io_file_truncate(file, PAGE));
}

static void unsynced_truncation_may_be_undone(void **state) {
    CHECK_OUTCOMES(truncate_log, pages_of_log, no_faults, "a", "ab", "a-");
}

static void allocate_ahead(struct io_dir *dir) {
    struct io_file *file = open_log(dir, "log");
    assert_ok(io_file_allocate(file, 0, 3 * PAGE));
    assert_ok(io_file_sync(file));
    assert_ok(io_dir_sync(dir));
    assert_ok(fill(file, 'a', 2 * PAGE, 0));
}

static void allocated_files_keep_their_size(void **state) {
    CHECK_OUTCOMES(allocate_ahead, pages_of_log, no_faults, "---", "a--", "-a-", "aa-");
}

// --- Failed syncs -----------------------------------------------------------------------------

static void sync_until_it_fails_then_again(struct io_dir *dir) {
    make_log(dir, "a");
    struct io_file *file = open_log(dir, "log");
    sim_disk_rule(sim, &(struct sim_disk_rule){.sync_error = 10000});
    assert_ok(fill(file, 'b', PAGE, 0));
    assert_int_equal(io_file_sync(file).sys_errno, EIO);
    sim_disk_rule(sim, &no_faults);
    assert_ok(io_file_sync(file)); // says well, and is not
}

static void a_sync_after_a_failed_one_proves_nothing(void **state) {
    CHECK_OUTCOMES(sync_until_it_fails_then_again, pages_of_log, no_faults, "a", "b");
}

static void sync_fails_then_rewrite(struct io_dir *dir) {
    sync_until_it_fails_then_again(dir);
    struct io_file *file = open_log(dir, "log");
    assert_ok(fill(file, 'c', PAGE, 0));
    assert_ok(io_file_sync(file));
}

static void a_rewritten_page_is_synced_again(void **state) {
    CHECK_OUTCOMES(sync_fails_then_rewrite, pages_of_log, no_faults, "c");
}

// --- Names ------------------------------------------------------------------------------------

static void note_name(const char *name, void *arg) {
    char *names = arg, *at = names;
    while (*at && *at < *name) // sorted: the order of a list is the seed's
        at++;
    memmove(at + 1, at, strlen(at) + 1);
    *at = *name;
}

static void names_left(struct io_dir *dir, char *out) {
    *out = '\0';
    assert_ok(io_dir_list(dir, note_name, out));
}

static void create_two(struct io_dir *dir) {
    io_file_close(open_log(dir, "a"));
    io_file_close(open_log(dir, "b"));
}

static void unsynced_names_may_be_lost(void **state) {
    CHECK_OUTCOMES(create_two, names_left, no_faults, "", "a", "b", "ab");
}

static void create_and_sync(struct io_dir *dir) {
    create_two(dir);
    assert_ok(io_dir_sync(dir));
}

static void synced_names_stay(void **state) {
    CHECK_OUTCOMES(create_and_sync, names_left, no_faults, "ab");
}

static void unlink_one(struct io_dir *dir) {
    create_and_sync(dir);
    assert_ok(io_dir_unlink(dir, "a"));
}

static void unlinked_names_may_come_back(void **state) {
    CHECK_OUTCOMES(unlink_one, names_left, no_faults, "ab", "b");
}

static void replace(struct io_dir *dir) {
    make_log(dir, "a");
    struct io_file *file = open_log(dir, "new");
    assert_ok(fill(file, 'b', PAGE, 0));
    assert_ok(io_file_sync(file));
    assert_ok(io_dir_rename(dir, "new", "log"));
}

static void a_rename_is_one_step(void **state) {
    CHECK_OUTCOMES(replace, pages_of_log, no_faults, "a", "b");
}

// --- Kills and full disks ---------------------------------------------------------------------

static void unsynced_work_outlives_a_kill(void **state) {
    struct scene scene = {overwrite, pages_of_log, no_faults, false, ""};
    for (uint64_t seed = 0; seed < 20; seed++)
        assert_string_equal(play(&scene, seed), "cb");
}

struct killed {
    uint64_t n;
    bool power_cut;
    char left[64];
    int n_done;
};

static void five_operations(void *arg) {
    struct killed *killed = arg;
    struct io_dir *dir = open_spool();
    struct io_file *file = open_log(dir, "log");
    assert_ok(fill(file, 'a', 4 * PAGE, 0)), killed->n_done++;
    assert_ok(io_file_sync(file)), killed->n_done++;
    assert_ok(io_dir_sync(dir)), killed->n_done++;
    assert_ok(io_dir_rename(dir, "log", "old")), killed->n_done++;
    assert_ok(io_dir_unlink(dir, "old")), killed->n_done++;
    io_sleep(IO_NEVER);
}

static void kill_within(void *arg) {
    struct killed *killed = arg;
    struct sim_process *process = sim_process_start(sim, "five", five_operations, killed);
    sim_process_kill_at_disk_op(process, killed->n, killed->power_cut);
    io_sleep(io_after(1000));
    assert_false(sim_process_is_running(process));
    assert_int_equal(killed->n_done, killed->n - 1);
    struct io_dir *dir = open_spool();
    char pages[32];
    read_pages(dir, "log", killed->left);
    read_pages(dir, "old", pages);
    size_t len = strlen(killed->left);
    snprintf(killed->left + len, sizeof(killed->left) - len, "/%s", pages);
    io_dir_close(dir);
}

// Killed within each operation, with the power staying on: nothing, a part or all of it is done.
static void kills_within_an_operation(void **state) {
    static const struct {
        uint64_t n;
        const char *before, *after;
    } rows[] = {{1, "/", "aaaa/"}, {4, "aaaa/", "/aaaa"}, {5, "/aaaa", "/"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int n_before = 0, n_after = 0, n_between = 0;
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct killed killed = {.n = rows[i].n};
            sim = sim_create(seed);
            io_spawn("director", kill_within, &killed);
            sim_run(sim, IO_NEVER);
            sim_destroy(sim);
            n_before += strcmp(killed.left, rows[i].before) == 0;
            n_after += strcmp(killed.left, rows[i].after) == 0;
            n_between += strlen(killed.left) < 5 && strlen(killed.left) > 1;
        }
        assert_true(n_before > 0 && n_after > 0);
        assert_true(rows[i].n == 1 ? n_between > 0 : n_before + n_after == 60);
    }
}

static void fill_the_disk(void *arg) {
    struct io_dir *dir = open_spool();
    struct io_file *file = open_log(dir, "log"), *reserve = open_log(dir, "reserve");
    struct io_space space;
    sim_disk_rule(sim, &(struct sim_disk_rule){.bytes_total = 10 * PAGE});
    assert_ok(io_file_allocate(reserve, 0, 4 * PAGE));
    assert_ok(io_dir_space(dir, &space));
    assert_int_equal(space.bytes_total, 10 * PAGE);
    assert_int_equal(space.bytes_free, 6 * PAGE);
    struct io_result result = fill(file, 'a', 8 * PAGE, 0);
    assert_int_equal(result.sys_errno, ENOSPC);
    assert_int_equal(result.bytes, 6 * PAGE);
    assert_int_equal(fill(file, 'b', 1, 6 * PAGE).sys_errno, ENOSPC);
    assert_ok(fill(file, 'b', PAGE, 0)); // within what it has
    assert_ok(fill(reserve, 'r', 4 * PAGE, 0));
    assert_int_equal(io_file_allocate(reserve, 0, 5 * PAGE).sys_errno, ENOSPC);
    assert_ok(io_file_truncate(file, PAGE));
    assert_ok(io_dir_space(dir, &space));
    assert_int_equal(space.bytes_free, 5 * PAGE);
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "log"));
    assert_ok(io_dir_space(dir, &space));
    assert_int_equal(space.bytes_free, 6 * PAGE);
    sim_disk_rule(sim, &(struct sim_disk_rule){.write_error = 10000});
    assert_int_equal(fill(reserve, 'r', PAGE, 0).sys_errno, EIO);
    io_file_close(reserve);
    io_dir_close(dir);
}

static void full_disks(void **state) {
    sim = sim_create(3);
    io_spawn("filler", fill_the_disk, NULL);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsynced_pages_survive_in_any_order),
        cmocka_unit_test(unsynced_tails_may_be_short_or_zero),
        cmocka_unit_test(synced_pages_stay),
        cmocka_unit_test(a_sync_covers_what_came_before_it),
        cmocka_unit_test(unsynced_truncation_may_be_undone),
        cmocka_unit_test(allocated_files_keep_their_size),
        cmocka_unit_test(a_sync_after_a_failed_one_proves_nothing),
        cmocka_unit_test(a_rewritten_page_is_synced_again),
        cmocka_unit_test(unsynced_names_may_be_lost),
        cmocka_unit_test(synced_names_stay),
        cmocka_unit_test(unlinked_names_may_come_back),
        cmocka_unit_test(a_rename_is_one_step),
        cmocka_unit_test(unsynced_work_outlives_a_kill),
        cmocka_unit_test(kills_within_an_operation),
        cmocka_unit_test(full_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
