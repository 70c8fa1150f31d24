// SPDX-License-Identifier: Apache-2.0
// Descriptors in a loop's epoll set. Each is registered once, edge-triggered, for its life; what
// the edges said is kept in flags, so that a verb tries the call only when it can succeed.
#ifndef IO_SOCKET_INTERNAL_H
#define IO_SOCKET_INTERNAL_H

#include "io/backend_internal.h"

#include <sys/epoll.h>

struct descriptor {
    int number;
    uint32_t events; // registered with epoll; zero: not yet
    bool is_readable;
    bool is_writable;
    bool is_hung_up;     // FIN, reset or error came: a short read is no proof that nothing is left
    struct list readers; // at most one fiber each
    struct list writers;
    struct io_loop *loop;
    // For descriptors that are no streams; runs outside fibers.
    void (*on_events)(struct descriptor *descriptor, uint32_t events);
};

void descriptor_init(struct descriptor *descriptor, int number);
// Adds to the calling loop's set. False with errno.
bool descriptor_register(struct descriptor *descriptor, uint32_t events);
bool descriptor_change(struct descriptor *descriptor, uint32_t events);
// Closes the number. No fiber may be waiting.
void descriptor_close(struct descriptor *descriptor);
// Before a verb: the descriptor is of this loop, and nobody else waits in the same way.
void descriptor_check(const struct descriptor *descriptor, const struct list *waiters);
// Waits for an edge. At the deadline the flag is set once more (IO_OK and *is_last), so that what
// came in the same moment is still seen.
enum io_status descriptor_await_read(struct descriptor *descriptor, io_time deadline, bool *is_last,
                                     const char *what);
enum io_status descriptor_await_write(struct descriptor *descriptor, io_time deadline,
                                      const char *what);

struct socket_stream {
    struct io_stream stream;
    struct descriptor descriptor;
};
// A stream over the socket `number`, which is not yet registered; io_close frees it.
struct socket_stream *socket_stream_create(int number, const struct address *peer);
extern const struct io_stream_ops socket_stream_ops;
bool socket_tcp_info(struct io_stream *stream, struct io_tcp_info *info);
bool socket_peer_ids(struct io_stream *stream, uid_t *uid, gid_t *gid);
int socket_descriptor(struct io_stream *stream);

struct io_result socket_connect(const struct address *peer,
                                const struct io_connect_options *options, io_time deadline,
                                struct io_stream **stream);
struct io_result socket_connect_unix(const char *path, io_time deadline, struct io_stream **stream);
struct io_listener *socket_listen(const struct address *address, bool is_shared,
                                  struct error *error);
struct io_listener *socket_listen_unix(const char *path, mode_t mode, struct error *error);

// --- pool.c
void pool_hold(unsigned n_threads); // one a loop
void pool_release(void);
void pool_offload(void (*work)(void *arg), void *arg);

// --- disk_posix.c
void disk_posix(struct disk_request *request);
void disk_posix_close_dir(struct io_dir *dir);
void disk_posix_close_file(struct io_file *file);

// --- thread.c
struct io_loop *thread_start(const struct io_loop_options *options, struct error *error);
void thread_join(struct io_loop *loop);

// --- signals.c
void signals_watch(struct io_loop *loop, void (*handler)(int signal, void *arg), void *arg);
void signals_close(struct epoll_set *set);
// For threads that are made here: those signals are for the loop that watches them.
void signals_block(void);

// --- watch.c
void watch_free(struct list *removed);

#endif
