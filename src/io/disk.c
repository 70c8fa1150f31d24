// SPDX-License-Identifier: Apache-2.0
// The disk verbs as requests to the back end. They are not canceled: a fiber that ends still has to
// bring its state to disk.
#include "io/backend_internal.h"

#include <stdlib.h>
#include <string.h>

static struct io_result run(struct disk_request *request) {
    ASSERT(io_fiber_current());
    request->result = result_of(IO_OK);
    backend_here()->disk(request);
    return request->result;
}

static bool is_plain_name(const char *name) {
    return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

struct io_result io_dir_open(const char *path, bool create, struct io_dir **dir) {
    ASSERT(path);
    struct disk_request request = {.verb = DISK_DIR_OPEN, .name = path, .flags = create};
    *dir = NULL;
    struct io_result result = run(&request);
    *dir = request.dir;
    return result;
}

void io_dir_close(struct io_dir *dir) {
    if (dir)
        dir->backend->close_dir(dir);
}

struct io_result io_dir_sync(struct io_dir *dir) {
    struct disk_request request = {.verb = DISK_DIR_SYNC, .dir = dir};
    return run(&request);
}

struct io_result io_dir_list(struct io_dir *dir, void (*visit)(const char *name, void *arg),
                             void *arg) {
    struct disk_request request = {.verb = DISK_DIR_LIST, .dir = dir};
    ASSERT(visit);
    struct io_result result = run(&request);
    io_no_switch_begin();
    for (size_t at = 0; io_is_ok(result) && at < request.names_bytes;) {
        const char *name = request.names + at;
        visit(name, arg);
        at += strlen(name) + 1;
    }
    io_no_switch_end();
    free(request.names);
    return result;
}

struct io_result io_dir_space(struct io_dir *dir, struct io_space *space) {
    struct disk_request request = {.verb = DISK_DIR_SPACE, .dir = dir, .out = space};
    return run(&request);
}

struct io_result io_dir_unlink(struct io_dir *dir, const char *name) {
    struct disk_request request = {.verb = DISK_UNLINK, .dir = dir, .name = name};
    ASSERT(is_plain_name(name));
    return run(&request);
}

struct io_result io_dir_rename(struct io_dir *dir, const char *from, const char *to) {
    struct disk_request request = {
        .verb = DISK_RENAME, .dir = dir, .name = from, .second_name = to};
    ASSERT(is_plain_name(from) && is_plain_name(to));
    return run(&request);
}

struct io_result io_dir_lock(struct io_dir *dir) {
    struct disk_request request = {.verb = DISK_DIR_LOCK, .dir = dir};
    return run(&request);
}

struct io_result io_file_open(struct io_dir *dir, const char *name, unsigned flags,
                              struct io_file **file) {
    struct disk_request request = {.verb = DISK_OPEN, .dir = dir, .name = name, .flags = flags};
    ASSERT(is_plain_name(name) && !(flags & IO_OPEN_DIRECTORY));
    ASSERT(flags & (IO_OPEN_READ | IO_OPEN_WRITE));
    *file = NULL;
    struct io_result result = run(&request);
    *file = request.file;
    return result;
}

void io_file_close(struct io_file *file) {
    if (file)
        file->backend->close_file(file);
}

struct io_result io_file_size(struct io_file *file, uint64_t *size) {
    struct disk_request request = {.verb = DISK_SIZE, .file = file};
    struct io_result result = run(&request);
    *size = request.len;
    return result;
}

struct io_result io_file_read(struct io_file *file, void *out, size_t len, uint64_t offset) {
    struct disk_request request = {
        .verb = DISK_READ, .file = file, .out = out, .len = len, .offset = offset};
    return run(&request);
}

struct io_result io_file_writev(struct io_file *file, const struct iovec *parts, int n_parts,
                                uint64_t offset) {
    struct disk_request request = {
        .verb = DISK_WRITE, .file = file, .parts = parts, .n_parts = n_parts, .offset = offset};
    ASSERT(n_parts >= 0);
    return run(&request);
}

struct io_result io_file_sync(struct io_file *file) {
    struct disk_request request = {.verb = DISK_SYNC, .file = file};
    return run(&request);
}

struct io_result io_file_truncate(struct io_file *file, uint64_t size) {
    struct disk_request request = {.verb = DISK_TRUNCATE, .file = file, .len = size};
    return run(&request);
}

struct io_result io_file_allocate(struct io_file *file, uint64_t offset, uint64_t len) {
    struct disk_request request = {
        .verb = DISK_ALLOCATE, .file = file, .offset = offset, .len = len};
    return run(&request);
}
