// SPDX-License-Identifier: Apache-2.0
// The disk verbs, on real files (through the pool and inline) and on the simulated disk.
#include "io_test.h"

static char folder[64];

static int make_folder(void **state) {
    snprintf(folder, sizeof(folder), "/tmp/io-disk-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

// As run_on_epoll, with the verbs on the loop's own thread.
static void run_inline(void **state) {
    struct error error;
    struct io_loop_options options = {.name = "test", .is_disk_inline = true};
    struct io_loop *loop = io_loop_create(&options, &error);
    assert_non_null(loop);
    io_spawn("body", (void (*)(void *)) * state, NULL);
    io_loop_run(loop);
    io_loop_destroy(loop);
}

static struct io_dir *open_folder(void) {
    struct io_dir *dir;
    assert_ok(io_dir_open(folder, true, &dir));
    return dir;
}

static struct io_file *open_file(struct io_dir *dir, const char *name, unsigned more) {
    struct io_file *file;
    assert_ok(io_file_open(dir, name, IO_OPEN_READ | IO_OPEN_WRITE | more, &file));
    return file;
}

static struct io_result write_text(struct io_file *file, const char *text, uint64_t offset) {
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return io_file_writev(file, &part, 1, offset);
}

static void bytes_are_kept(void *arg) {
    struct io_dir *dir = open_folder();
    struct io_file *file = open_file(dir, "a", IO_OPEN_CREATE);
    char bytes[32] = "";
    uint64_t size = 99;
    assert_ok(io_file_size(file, &size));
    assert_int_equal(size, 0);
    struct iovec parts[] = {
        {(void *)(uintptr_t) "hel", 3}, {NULL, 0}, {(void *)(uintptr_t) "lo", 2}};
    struct io_result written = io_file_writev(file, parts, 3, 2);
    assert_ok(written);
    assert_int_equal(written.bytes, 5);
    assert_ok(io_file_size(file, &size));
    assert_int_equal(size, 7);
    struct io_result got = io_file_read(file, bytes, 32, 0);
    assert_int_equal(got.status, IO_EOF);
    assert_int_equal(got.bytes, 7);
    assert_memory_equal(bytes, "\0\0hello", 7);
    assert_ok(io_file_read(file, bytes, 3, 4));
    assert_memory_equal(bytes, "llo", 3);
    got = io_file_read(file, bytes, 1, 7);
    assert_int_equal(got.status, IO_EOF);
    assert_int_equal(got.bytes, 0);
    assert_ok(io_file_sync(file));
    io_file_close(file);
    assert_ok(io_dir_sync(dir));
    file = open_file(dir, "a", 0);
    assert_ok(io_file_read(file, bytes, 7, 0));
    assert_memory_equal(bytes, "\0\0hello", 7);
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "a"));
    io_dir_close(dir);
}

static void large_writes(void *arg) {
    enum { N_PARTS = 2500, PART_BYTES = 1000 };
    struct io_dir *dir = open_folder();
    struct io_file *file = open_file(dir, "large", IO_OPEN_CREATE);
    char *bytes = malloc(N_PARTS * PART_BYTES), *back = malloc(N_PARTS * PART_BYTES);
    struct iovec *parts = calloc(N_PARTS, sizeof(*parts));
    for (size_t i = 0; i < N_PARTS * PART_BYTES; i++)
        bytes[i] = (char)(i * 31 + i / 999);
    for (size_t i = 0; i < N_PARTS; i++)
        parts[i] = (struct iovec){bytes + i * PART_BYTES, PART_BYTES};
    assert_ok(io_file_writev(file, parts, N_PARTS, 5));
    assert_ok(io_file_read(file, back, N_PARTS * PART_BYTES, 5));
    assert_memory_equal(bytes, back, N_PARTS * PART_BYTES);
    free(bytes);
    free(back);
    free(parts);
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "large"));
    io_dir_close(dir);
}

static void open_flags(void *arg) {
    struct io_dir *dir = open_folder();
    struct io_file *file, *other;
    char byte;
    static const unsigned write = IO_OPEN_WRITE;
    assert_int_equal(io_file_open(dir, "a", write, &file).sys_errno, ENOENT);
    assert_null(file);
    assert_ok(io_file_open(dir, "a", write | IO_OPEN_CREATE, &file));
    assert_int_equal(io_file_open(dir, "a", write | IO_OPEN_CREATE, &other).sys_errno, EEXIST);
    assert_ok(io_file_open(dir, "a", IO_OPEN_READ | IO_OPEN_OR_CREATE, &other));
    assert_int_equal(io_file_read(file, &byte, 1, 0).sys_errno, EBADF);
    assert_int_equal(write_text(other, "x", 0).sys_errno, EBADF);
    io_file_close(file);
    io_file_close(other);
    io_file_close(NULL);
    assert_ok(io_dir_unlink(dir, "a"));
    assert_int_equal(io_dir_unlink(dir, "a").sys_errno, ENOENT);
    io_dir_close(dir);
}

static void note_name(const char *name, void *arg) {
    char *names = arg;
    memcpy(names + strlen(names), name, strlen(name) + 1);
}

static void names_are_listed(void *arg) {
    struct io_dir *dir = open_folder();
    char names[64] = "";
    for (int i = 0; i < 3; i++)
        io_file_close(open_file(dir, (const char *[]){"a", "b", "c"}[i], IO_OPEN_CREATE));
    assert_ok(io_dir_rename(dir, "b", "d"));
    assert_ok(io_dir_list(dir, note_name, names));
    assert_int_equal(strlen(names), 3);
    assert_true(strchr(names, 'a') && strchr(names, 'c') && strchr(names, 'd'));
    assert_ok(io_dir_rename(dir, "a", "d")); // over another
    assert_int_equal(io_dir_rename(dir, "b", "x").sys_errno, ENOENT);
    names[0] = '\0';
    assert_ok(io_dir_list(dir, note_name, names));
    assert_int_equal(strlen(names), 2);
    assert_ok(io_dir_unlink(dir, "c"));
    assert_ok(io_dir_unlink(dir, "d"));
    names[0] = '\0';
    assert_ok(io_dir_list(dir, note_name, names));
    assert_string_equal(names, "");
    io_dir_close(dir);
}

static void unlinked_files_live_while_open(void *arg) {
    struct io_dir *dir = open_folder();
    struct io_file *file = open_file(dir, "a", IO_OPEN_CREATE);
    char bytes[4];
    assert_ok(io_dir_unlink(dir, "a"));
    assert_ok(write_text(file, "kept", 0));
    assert_ok(io_file_read(file, bytes, 4, 0));
    assert_memory_equal(bytes, "kept", 4);
    io_file_close(file);
    io_dir_close(dir);
}

static void sizes_change(void *arg) {
    struct io_dir *dir = open_folder();
    struct io_file *file = open_file(dir, "a", IO_OPEN_CREATE);
    char bytes[8] = "";
    uint64_t size;
    assert_ok(write_text(file, "abcdefgh", 0));
    assert_ok(io_file_truncate(file, 3));
    assert_ok(io_file_truncate(file, 6));
    assert_ok(io_file_read(file, bytes, 6, 0));
    assert_memory_equal(bytes, "abc\0\0\0", 6);
    assert_ok(io_file_allocate(file, 0, 10000));
    assert_ok(io_file_size(file, &size));
    assert_int_equal(size, 10000);
    assert_ok(io_file_read(file, bytes, 3, 0));
    assert_memory_equal(bytes, "abc", 3);
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "a"));
    io_dir_close(dir);
}

static void folders_are_locked(void *arg) {
    struct io_dir *first = open_folder(), *second = open_folder();
    assert_ok(io_dir_lock(first));
    assert_ok(io_dir_lock(first));
    struct io_result result = io_dir_lock(second);
    assert_int_equal(result.status, IO_ERROR);
    assert_int_equal(result.sys_errno, EWOULDBLOCK);
    io_dir_close(first);
    assert_ok(io_dir_lock(second));
    io_dir_close(second);
}

static void folders_are_made(void *arg) {
    struct io_dir *dir;
    char path[80];
    snprintf(path, sizeof(path), "%s/new", folder);
    assert_int_equal(io_dir_open(path, false, &dir).sys_errno, ENOENT);
    assert_null(dir);
    assert_ok(io_dir_open(path, true, &dir));
    struct io_space space;
    assert_ok(io_dir_space(dir, &space));
    assert_true(space.bytes_total >= space.bytes_free && space.bytes_free > 0);
    assert_true(space.inodes_total >= space.inodes_free);
    io_dir_close(dir);
    rmdir(path);
}

// A fiber that ends still brings its state to disk.
static void canceled_fibers_still_write(void *arg) {
    struct io_dir *dir = open_folder();
    io_cancel(io_fiber_current());
    struct io_file *file = open_file(dir, "a", IO_OPEN_CREATE);
    assert_ok(write_text(file, "settled", 0));
    assert_ok(io_file_sync(file));
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "a"));
    io_dir_close(dir);
}

struct writer {
    struct io_file *file;
    int number;
};

static void write_slice(void *arg) {
    struct writer *writer = arg;
    char byte = (char)('a' + writer->number);
    for (int i = 0; i < 20; i++) {
        struct iovec part = {&byte, 1};
        assert_ok(io_file_writev(writer->file, &part, 1, (uint64_t)(writer->number + i * 5)));
    }
}

static void fibers_write_side_by_side(void *arg) {
    struct io_dir *dir = open_folder();
    struct io_file *file = open_file(dir, "a", IO_OPEN_CREATE);
    struct writer writers[5];
    struct io_group group;
    char bytes[100];
    io_group_init(&group);
    for (int i = 0; i < 5; i++) {
        writers[i] = (struct writer){file, i};
        io_group_spawn(&group, "writer", write_slice, &writers[i]);
    }
    assert_ok(io_group_wait(&group, io_after(5000)));
    assert_ok(io_file_read(file, bytes, 100, 0));
    for (int i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 'a' + i % 5);
    io_file_close(file);
    assert_ok(io_dir_unlink(dir, "a"));
    io_dir_close(dir);
}

#define DISK_CASE(body, run, words)                                                                \
    { #body " (" words ")", run, make_folder, remove_folder, (void *)(body) }
#define ON_DISKS(body)                                                                             \
    DISK_CASE(body, run_on_epoll, "pool"), DISK_CASE(body, run_inline, "inline"),                  \
        DISK_CASE(body, run_on_sim, "sim")

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_DISKS(bytes_are_kept),
        ON_DISKS(large_writes),
        ON_DISKS(open_flags),
        ON_DISKS(names_are_listed),
        ON_DISKS(unlinked_files_live_while_open),
        ON_DISKS(sizes_change),
        ON_DISKS(folders_are_locked),
        ON_DISKS(folders_are_made),
        ON_DISKS(canceled_fibers_still_write),
        ON_DISKS(fibers_write_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
