// SPDX-License-Identifier: Apache-2.0
// The seam below io.h: what the production back end (epoll) and the simulator do each in their own
// way. Fibers, events, groups, timers and mailboxes are shared above it.
#ifndef IO_BACKEND_INTERNAL_H
#define IO_BACKEND_INTERNAL_H

#include "io/fiber_internal.h"

enum disk_verb {
    DISK_DIR_OPEN,
    DISK_DIR_SYNC,
    DISK_DIR_LIST,
    DISK_DIR_SPACE,
    DISK_DIR_LOCK,
    DISK_UNLINK,
    DISK_RENAME,
    DISK_OPEN,
    DISK_SIZE,
    DISK_READ,
    DISK_WRITE,
    DISK_SYNC,
    DISK_TRUNCATE,
    DISK_ALLOCATE
};

// One verb with what it needs; unused fields are zero.
struct disk_request {
    enum disk_verb verb;
    struct io_dir *dir;
    struct io_file *file;
    const char *name;
    const char *second_name;
    unsigned flags; // io_open_flag; for DISK_DIR_OPEN nonzero: create
    void *out;      // bytes read, or a struct io_space
    const struct iovec *parts;
    int n_parts;
    uint64_t offset, len;
    char *names; // of DISK_DIR_LIST: NUL-terminated one after another; freed by the caller
    size_t names_bytes;
    struct io_result result;
};

struct io_dir {
    const struct io_backend *backend;
};
struct io_file {
    const struct io_backend *backend;
};

struct io_listener {
    const struct listener_ops *ops;
    struct address address;
};
struct listener_ops {
    void (*adopt)(struct io_listener *listener);
    struct io_result (*accept)(struct io_listener *listener, io_time deadline,
                               struct io_stream **stream);
    void (*close)(struct io_listener *listener);
};

struct io_backend {
    const char *name;
    int64_t (*now_us)(void);
    int64_t (*wall_ms)(void);
    void (*random)(void *out, size_t len);

    // Waits for what happens outside the loop, at most until `until`; refreshes loop->now.
    void (*poll)(struct io_loop *loop, io_time until);
    void (*wake)(struct io_loop *loop); // from any thread
    void (*finish)(struct io_loop *loop);
    struct io_loop *(*create)(const struct io_loop_options *options, struct error *error);
    // A loop that is made, run and joined where the thread has one: the simulator only.
    struct io_loop *(*create_inside)(const struct io_loop_options *options);
    void (*run_inside)(struct io_loop *loop);
    void (*destroy_inside)(struct io_loop *loop);
    struct io_loop *(*start_thread)(const struct io_loop_options *options, struct error *error);
    void (*join_thread)(struct io_loop *loop);
    void (*watch_signals)(struct io_loop *loop, void (*handler)(int signal, void *arg), void *arg);

    struct io_result (*connect)(const struct address *peer,
                                const struct io_connect_options *options, io_time deadline,
                                struct io_stream **stream);
    struct io_result (*connect_unix)(const char *path, io_time deadline, struct io_stream **stream);
    struct io_listener *(*listen)(const struct address *address, bool is_shared,
                                  struct error *error);
    struct io_listener *(*listen_unix)(const char *path, mode_t mode, struct error *error);
    bool (*tcp_info)(struct io_stream *stream, struct io_tcp_info *info);
    bool (*peer_ids)(struct io_stream *stream, uid_t *uid, gid_t *gid);
    int (*descriptor)(struct io_stream *stream);

    void (*offload)(void (*work)(void *arg), void *arg);
    void (*disk)(struct disk_request *request); // fills in request->result
    void (*close_dir)(struct io_dir *dir);
    void (*close_file)(struct io_file *file);
};

extern const struct io_backend io_backend_epoll;

// The back end of the calling thread; outside loops the production one.
static inline const struct io_backend *backend_here(void) {
    return io_this_loop ? io_this_loop->backend : &io_backend_epoll;
}

#endif
