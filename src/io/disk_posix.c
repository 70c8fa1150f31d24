// SPDX-License-Identifier: Apache-2.0
// The disk verbs on real files. Each runs whole on one thread: the pool's, or the loop's own where
// its options say so.
#include "io/parts_internal.h"
#include "io/socket_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct posix_dir {
    struct io_dir dir;
    int number;
};

struct posix_file {
    struct io_file file;
    int number;
};

static int number_of_dir(struct io_dir *dir) {
    ASSERT(dir && dir->backend == &io_backend_epoll);
    return CONTAINER_OF(dir, struct posix_dir, dir)->number;
}

static int number_of_file(struct io_file *file) {
    ASSERT(file && file->backend == &io_backend_epoll);
    return CONTAINER_OF(file, struct posix_file, file)->number;
}

static struct io_result result_of_call(int returned) {
    return returned == 0 ? result_of(IO_OK) : result_errno(errno);
}

// A new directory's name is in its parent, which is synced here because nobody else could.
static int make_dir(const char *path) {
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? 0 : -1;
    int self = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = self < 0 ? -1 : openat(self, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int synced = parent < 0 ? -1 : fsync(parent);
    int saved = errno;
    if (self >= 0)
        close(self);
    if (parent >= 0)
        close(parent);
    errno = saved;
    return synced;
}

static struct io_result dir_open(struct disk_request *request) {
    if (request->flags && make_dir(request->name) != 0)
        return result_errno(errno);
    int number = open(request->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (number < 0)
        return result_errno(errno);
    struct posix_dir *dir = mem_alloc_zero(sizeof(*dir));
    dir->dir.backend = &io_backend_epoll;
    dir->number = number;
    request->dir = &dir->dir;
    return result_of(IO_OK);
}

static void add_name(struct disk_request *request, const char *name, size_t *size) {
    size_t len = strlen(name) + 1;
    if (request->names_bytes + len > *size) {
        *size = size_max(2 * *size, request->names_bytes + len + 4096);
        request->names = mem_realloc(request->names, *size);
    }
    memcpy(request->names + request->names_bytes, name, len);
    request->names_bytes += len;
}

static struct io_result dir_list(struct disk_request *request) {
    // An own open file, so that lists made at the same time do not share an offset.
    int number = openat(number_of_dir(request->dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = number < 0 ? NULL : fdopendir(number);
    size_t size = 0;
    struct dirent *entry;
    if (!stream) {
        int saved = errno;
        if (number >= 0)
            close(number);
        return result_errno(saved);
    }
    errno = 0;
    while ((entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_name(request, entry->d_name, &size);
    struct io_result result = errno ? result_errno(errno) : result_of(IO_OK);
    closedir(stream);
    return result;
}

static struct io_result dir_space(struct disk_request *request) {
    struct statvfs stat;
    struct io_space *space = request->out;
    if (fstatvfs(number_of_dir(request->dir), &stat) != 0)
        return result_errno(errno);
    *space = (struct io_space){.bytes_total = stat.f_blocks * stat.f_frsize,
                               .bytes_free = stat.f_bavail * stat.f_frsize,
                               .inodes_total = stat.f_files,
                               .inodes_free = stat.f_favail};
    return result_of(IO_OK);
}

static struct io_result file_open(struct disk_request *request) {
    static const int access[] = {0, O_RDONLY, O_WRONLY, O_RDWR};
    int flags = access[request->flags & (IO_OPEN_READ | IO_OPEN_WRITE)] | O_CLOEXEC | O_NOFOLLOW;
    if (request->flags & IO_OPEN_CREATE)
        flags |= O_CREAT | O_EXCL;
    if (request->flags & IO_OPEN_OR_CREATE)
        flags |= O_CREAT;
    int number = openat(number_of_dir(request->dir), request->name, flags, 0600);
    if (number < 0)
        return result_errno(errno);
    struct posix_file *file = mem_alloc_zero(sizeof(*file));
    file->file.backend = &io_backend_epoll;
    file->number = number;
    request->file = &file->file;
    return result_of(IO_OK);
}

static struct io_result file_size(struct disk_request *request) {
    struct stat stat;
    if (fstat(number_of_file(request->file), &stat) != 0)
        return result_errno(errno);
    request->len = (uint64_t)stat.st_size;
    return result_of(IO_OK);
}

static struct io_result file_read(struct disk_request *request) {
    int number = number_of_file(request->file);
    char *out = request->out;
    size_t done = 0;
    while (done < request->len) {
        ssize_t got =
            pread(number, out + done, request->len - done, (off_t)(request->offset + done));
        if (got == 0)
            return result_moved(IO_EOF, done);
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return (struct io_result){IO_ERROR, errno, -1, -1, done};
    }
    return result_moved(IO_OK, done);
}

static struct io_result file_write(struct disk_request *request) {
    int number = number_of_file(request->file);
    struct parts parts;
    size_t done = 0;
    parts_init(&parts, request->parts, request->n_parts);
    while (parts.n_left > 0) {
        const struct iovec *next;
        int n_next = parts_next(&parts, &next);
        ssize_t written = pwritev(number, next, n_next, (off_t)(request->offset + done));
        if (written >= 0) {
            done += (size_t)written;
            parts_skip(&parts, (size_t)written);
        } else if (errno != EINTR) {
            return (struct io_result){IO_ERROR, errno, -1, -1, done};
        }
    }
    return result_moved(IO_OK, done);
}

static struct io_result file_allocate(struct disk_request *request) {
    int failed;
    do
        failed = posix_fallocate(number_of_file(request->file), (off_t)request->offset,
                                 (off_t)request->len);
    while (failed == EINTR);
    return failed ? result_errno(failed) : result_of(IO_OK);
}

static struct io_result dispatch(struct disk_request *r) {
    switch (r->verb) {
    case DISK_DIR_OPEN: return dir_open(r);
    case DISK_DIR_SYNC: return result_of_call(fsync(number_of_dir(r->dir)));
    case DISK_DIR_LIST: return dir_list(r);
    case DISK_DIR_SPACE: return dir_space(r);
    case DISK_DIR_LOCK: return result_of_call(flock(number_of_dir(r->dir), LOCK_EX | LOCK_NB));
    case DISK_UNLINK: return result_of_call(unlinkat(number_of_dir(r->dir), r->name, 0));
    case DISK_RENAME:
        return result_of_call(
            renameat(number_of_dir(r->dir), r->name, number_of_dir(r->dir), r->second_name));
    case DISK_OPEN: return file_open(r);
    case DISK_SIZE: return file_size(r);
    case DISK_READ: return file_read(r);
    case DISK_WRITE: return file_write(r);
    case DISK_SYNC: return result_of_call(fdatasync(number_of_file(r->file)));
    case DISK_TRUNCATE: return result_of_call(ftruncate(number_of_file(r->file), (off_t)r->len));
    case DISK_ALLOCATE: return file_allocate(r);
    }
    return result_errno(EINVAL);
}

static void run(void *arg) {
    struct disk_request *request = arg;
    request->result = dispatch(request);
}

void disk_posix(struct disk_request *request) {
    if (io_this_loop->options.is_disk_inline)
        run(request);
    else
        pool_offload(run, request);
}

void disk_posix_close_dir(struct io_dir *dir) {
    close(number_of_dir(dir));
    free(CONTAINER_OF(dir, struct posix_dir, dir));
}

void disk_posix_close_file(struct io_file *file) {
    close(number_of_file(file));
    free(CONTAINER_OF(file, struct posix_file, file));
}
