// SPDX-License-Identifier: Apache-2.0
// Waiting on fibers. A dialogue is straight code: it reads, writes, sleeps, and each of these verbs
// parks the fiber and lets others run. One loop thread a core; a fiber never changes its thread, so
// state that belongs to one loop needs no lock. After a wait, read shared state again.
//
// Everything that is not deterministic stands behind this header: network, disk, clocks,
// randomness. Two back ends implement it: `epoll` (production) and `sim` (io/sim.h: virtual clock,
// network and disk from one seed). In the simulator every loop is the same thread and each call
// that waits may fail as the real one can.
//
// Rules
//  1. A function that may wait is declared with IO_WAITS. Calling one outside a fiber is asserted.
//  2. Every wait has a deadline; IO_NEVER is for owners that serve for ever and must be cancelable.
//  3. No fiber switch inside a library call or a callback: wrap those with io_no_switch_begin/end;
//     callbacks only wake (io_event_set, io_mailbox_post).
//  4. What fails is returned as io_result, which fact_of (below) turns into the fact's numbers.
#ifndef IO_IO_H
#define IO_IO_H

#include "base/address.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/heap.h"
#include "base/list.h"

#include <sys/types.h>
#include <sys/uio.h>

#define IO_WAITS // marks prototypes of functions that may park the calling fiber

// --- Time -------------------------------------------------------------------------------------
// Waits count on CLOCK_BOOTTIME in milliseconds (io_now); stored times are wall clock.
typedef int64_t io_time;
#define IO_NEVER INT64_MAX

io_time io_now(void);
int64_t io_wall_ms(void);
// Finer, for latency figures only.
int64_t io_now_us(void);
static inline io_time io_after(int64_t ms) {
    io_time now = io_now();
    return ms >= IO_NEVER - now ? IO_NEVER : now + ms;
}

// From the kernel (or from the simulator's seed).
void io_random_bytes(void *out, size_t len);
uint64_t io_random_u64(void);

// --- Results ----------------------------------------------------------------------------------
enum io_status { IO_OK, IO_EOF, IO_TIMEOUT, IO_CANCELED, IO_ERROR };

struct io_result {
    enum io_status status;
    int sys_errno;            // for IO_ERROR
    int icmp_type, icmp_code; // -1 unless the kernel told which ICMP message ended it
    size_t bytes;             // moved, also when the status is not IO_OK
    struct address icmp_from; // who sent that message; NONE: not known
};

static inline bool io_is_ok(struct io_result result) {
    return result.status == IO_OK;
}
// A fact of kind OK, CLOSED, SILENT, CANCELED, ERRNO or LOCAL (EMFILE, ENFILE, ENOMEM, ENOBUFS,
// EADDRNOTAVAIL) with the numbers of `result`; at_ms is set.
struct fact io_fact(enum fact_stage stage, struct io_result result);

// --- Loops ------------------------------------------------------------------------------------
struct io_loop;
struct io_fiber;

struct io_loop_options {
    const char *name;      // shown in logs and by gdb; static
    bool is_disk_inline;   // disk verbs block this loop's thread: for owners such as the committer
    unsigned pool_threads; // for io_offload and disk verbs; zero: two. One pool a process
};

// The loop of the calling thread is made by io_loop_create and ends with io_loop_destroy. Fibers
// that are still parked then are canceled and, if they do not return in time, reported and freed.
struct io_loop *io_loop_create(const struct io_loop_options *options, struct error *error);
void io_loop_destroy(struct io_loop *loop);
// Runs until io_loop_stop, or until no fiber is left.
void io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop); // from any thread
struct io_loop *io_loop_current(void);   // NULL outside
// A thread with a loop of its own that runs until stopped. In the simulator: a handle of the one
// loop.
struct io_loop *io_loop_start_thread(const struct io_loop_options *options, struct error *error);
// Stops, waits, destroys. Callable from anywhere, also from a fiber: production blocks the thread,
// the simulator parks the fiber until those of the handle have ended.
void io_loop_join_thread(struct io_loop *loop);
// Runs `call(arg)` on `loop` soon, outside any fiber: it must not wait. From any thread.
void io_loop_post(struct io_loop *loop, void (*call)(void *arg), void *arg);
// Watches SIGTERM, SIGINT, SIGHUP on this loop: `handler(signal, arg)` runs outside fibers.
void io_loop_watch_signals(struct io_loop *loop, void (*handler)(int signal, void *arg), void *arg);

struct io_loop_counts {
    uint64_t fibers_now, fibers_peak, switches, wakeups;
};
struct io_loop_counts io_loop_counts(const struct io_loop *loop);

// --- Fibers -----------------------------------------------------------------------------------
// Starts `run(arg)` on the calling thread's loop; `name` is static. The pointer stays valid until
// `run` returns; hold it only if you are told when that is (io_fiber_join_group below).
struct io_fiber *io_spawn(const char *name, void (*run)(void *arg), void *arg);
// The same on another loop, from any thread.
void io_spawn_on(struct io_loop *loop, const char *name, void (*run)(void *arg), void *arg);
struct io_fiber *io_fiber_current(void);
// The present wait, or the next, ends with IO_CANCELED, and so does each until io_cancel_clear;
// only io_yield, io_offload and the disk verbs go on. Same loop only.
void io_cancel(struct io_fiber *fiber);
bool io_is_canceled(void);
void io_cancel_clear(void);
IO_WAITS void io_yield(void);
// IO_TIMEOUT is what `until` brings; IO_CANCELED when canceled.
IO_WAITS struct io_result io_sleep(io_time until);

void io_no_switch_begin(void);
void io_no_switch_end(void);

// A group of fibers on one loop that is waited for or canceled together.
struct io_group {
    struct list members;
    struct list waiters;
    size_t n_members;
};
void io_group_init(struct io_group *group);
struct io_fiber *io_group_spawn(struct io_group *group, const char *name, void (*run)(void *arg),
                                void *arg);
void io_group_cancel(struct io_group *group);
IO_WAITS struct io_result io_group_wait(struct io_group *group, io_time deadline);

// --- Waking -----------------------------------------------------------------------------------
// An event belongs to one loop: set wakes all that wait, and stays set until cleared.
struct io_event {
    bool is_set;
    struct list waiters;
};
void io_event_init(struct io_event *event);
void io_event_set(struct io_event *event);
void io_event_clear(struct io_event *event);
IO_WAITS struct io_result io_event_wait(struct io_event *event, io_time deadline);

// A mailbox carries items between loops in order: any thread posts, its owner takes them. Posting
// never waits or fails: who posts owns the item's memory, which is there before the work starts.
struct io_mail {
    struct io_mail *next;
};
struct io_mailbox;
struct io_mailbox *io_mailbox_create(struct io_loop *owner);
void io_mailbox_destroy(struct io_mailbox *mailbox); // must be empty
void io_mailbox_post(struct io_mailbox *mailbox, struct io_mail *mail);
// Everything that waits, as a chain in order, in one step; NULL at the deadline, when canceled, or
// when io_mailbox_wake was called. Owner's fiber only.
IO_WAITS struct io_mail *io_mailbox_take_all(struct io_mailbox *mailbox, io_time deadline);
void io_mailbox_wake(struct io_mailbox *mailbox); // from any thread

// --- Streams ----------------------------------------------------------------------------------
// A stream is bytes both ways. TCP, unix sockets and the simulator are made here; tls/ puts another
// on top. One fiber reads and one may write at the same time; whoever closes it has seen to it that
// nobody waits on it any more (asserted).
struct io_stream;
struct io_stream_ops {
    // At least one byte, or a status. IO_EOF once the peer has closed in order. What is there is
    // given even past the deadline: a limit on bytes, not on time, ends a flood.
    struct io_result (*read)(struct io_stream *stream, void *out, size_t size, io_time deadline);
    // All of it, or a status; `bytes` says how far it came.
    struct io_result (*write)(struct io_stream *stream, const struct iovec *parts, int n_parts,
                              io_time deadline);
    void (*close)(struct io_stream *stream); // ends both ways at once and frees it; never waits
    // The next close sends RST instead of FIN (for peers that we want gone). May be NULL.
    void (*set_abort)(struct io_stream *stream);
};
struct io_stream {
    const struct io_stream_ops *ops;
    struct address local;
    struct address peer;
};

IO_WAITS struct io_result io_read(struct io_stream *stream, void *out, size_t size,
                                  io_time deadline);
IO_WAITS struct io_result io_write(struct io_stream *stream, const void *bytes, size_t len,
                                   io_time deadline);
IO_WAITS struct io_result io_writev(struct io_stream *stream, const struct iovec *parts,
                                    int n_parts, io_time deadline);
void io_close(struct io_stream *stream); // NULL is accepted

struct io_connect_options {
    struct address source; // ADDRESS_NONE: the kernel chooses
    int mss_clamp;         // TCP_MAXSEG; zero: none
    int hop_limit;         // TTL; zero: the system's. The result tells which router ended it
};
// `*stream` is NULL unless the result is IO_OK.
IO_WAITS struct io_result io_connect(const struct address *peer,
                                     const struct io_connect_options *options, io_time deadline,
                                     struct io_stream **stream);
IO_WAITS struct io_result io_connect_unix(const char *path, io_time deadline,
                                          struct io_stream **stream);
// What the kernel knows of a TCP connection; false where the stream is none (or simulated).
struct io_tcp_info {
    uint32_t rtt_us, rto_us, retransmits /* of all its life */, unacked /* segments */, snd_mss,
        pmtu, snd_cwnd;
    uint64_t bytes_acked;   // of what we sent
    uint64_t bytes_unacked; // written and not acknowledged: on the way, or waiting to go
    bool is_ended;          // the peer has closed or reset it, or it timed out
};
bool io_stream_tcp_info(struct io_stream *stream, struct io_tcp_info *info);
// Adds the numbers of `stream` to the fact of a wait or a call on it that failed, where the kernel
// has them.
void io_fact_add_tcp(struct fact *fact, struct io_stream *stream);
// User and group of the process at the other end of a unix socket.
bool io_stream_peer_ids(struct io_stream *stream, uid_t *uid, gid_t *gid);
// Raw descriptor for tests and libraries; -1 in the simulator.
int io_stream_descriptor(struct io_stream *stream);
// Where calls to `peer` come from by the kernel's routes; nothing is sent. False: there is none.
bool io_source_for(const struct address *peer, struct address *source);

struct io_listener;
// `is_shared` allows one listener a loop on the same address (SO_REUSEPORT). Port zero: any;
// io_listener_address tells which.
struct io_listener *io_listen(const struct address *address, bool is_shared, struct error *error);
// Replaces a stale socket of that name; `mode` as for chmod.
struct io_listener *io_listen_unix(const char *path, mode_t mode, struct error *error);
struct address io_listener_address(const struct io_listener *listener);
// Takes the descriptor to the calling loop (bound as root before, or by another thread).
void io_listener_adopt(struct io_listener *listener);
IO_WAITS struct io_result io_accept(struct io_listener *listener, io_time deadline,
                                    struct io_stream **stream);
void io_listener_close(struct io_listener *listener);

// --- Timers and descriptors for libraries with an event loop of their own -----------------------
// Callbacks run outside fibers and only wake. Production back end only, for libraries behind seams.
struct io_watch;
struct io_watch *io_watch_add(int descriptor, uint32_t epoll_events,
                              void (*ready)(uint32_t epoll_events, void *arg), void *arg);
void io_watch_change(struct io_watch *watch, uint32_t epoll_events);
void io_watch_remove(struct io_watch *watch);

struct io_timer {
    struct heap_node node;
    void (*fire)(void *arg);
    void *arg;
    struct io_loop *home; // where it was set; for io alone
};
void io_timer_init(struct io_timer *timer, void (*fire)(void *arg), void *arg);
void io_timer_set(struct io_timer *timer, io_time at); // again: moves it
void io_timer_stop(struct io_timer *timer);

// --- Pool -------------------------------------------------------------------------------------
// Runs `work(arg)` on a pool thread while the fiber is parked. Not cancelable: `arg` may live on
// the fiber's stack. In the simulator it runs at once after a virtual delay.
IO_WAITS void io_offload(void (*work)(void *arg), void *arg);

// --- Disk -------------------------------------------------------------------------------------
// Names are relative to a directory. What is not synced may be lost, in any order of pages; a name
// is durable after io_dir_sync. Verbs run in the pool, or inline where the loop says so.
struct io_dir;
struct io_file;

enum io_open_flag {
    IO_OPEN_READ = 1 << 0,
    IO_OPEN_WRITE = 1 << 1,
    IO_OPEN_CREATE = 1 << 2,    // must not exist
    IO_OPEN_DIRECTORY = 1 << 3, // reserved for io_dir_open
    IO_OPEN_OR_CREATE = 1 << 4
};

struct io_space {
    uint64_t bytes_total, bytes_free, inodes_total, inodes_free; // free: for us, not for root
};

// Makes the directory (mode 0700) where it is missing and `create` is set.
IO_WAITS struct io_result io_dir_open(const char *path, bool create, struct io_dir **dir);
void io_dir_close(struct io_dir *dir);
IO_WAITS struct io_result io_dir_sync(struct io_dir *dir);
// Calls `visit` for each name, in no order; "." and ".." are left out.
IO_WAITS struct io_result io_dir_list(struct io_dir *dir,
                                      void (*visit)(const char *name, void *arg), void *arg);
IO_WAITS struct io_result io_dir_space(struct io_dir *dir, struct io_space *space);
IO_WAITS struct io_result io_dir_unlink(struct io_dir *dir, const char *name);
IO_WAITS struct io_result io_dir_rename(struct io_dir *dir, const char *from, const char *to);
// Exclusive advisory lock on the directory until it is closed or the process ends; IO_ERROR with
// EWOULDBLOCK when somebody else has it.
IO_WAITS struct io_result io_dir_lock(struct io_dir *dir);

IO_WAITS struct io_result io_file_open(struct io_dir *dir, const char *name, unsigned flags,
                                       struct io_file **file);
void io_file_close(struct io_file *file); // NULL is accepted
IO_WAITS struct io_result io_file_size(struct io_file *file, uint64_t *size);
// All of it, or a status; a read that reaches the end gives IO_EOF with the bytes before it.
IO_WAITS struct io_result io_file_read(struct io_file *file, void *out, size_t len,
                                       uint64_t offset);
IO_WAITS struct io_result io_file_writev(struct io_file *file, const struct iovec *parts,
                                         int n_parts, uint64_t offset);
IO_WAITS struct io_result io_file_sync(struct io_file *file); // fdatasync
IO_WAITS struct io_result io_file_truncate(struct io_file *file, uint64_t size);
// Reserves blocks (posix_fallocate): a later write within them does not run out of space.
IO_WAITS struct io_result io_file_allocate(struct io_file *file, uint64_t offset, uint64_t len);

#endif
