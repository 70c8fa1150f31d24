// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "spool/keeper.h"
#include "spool/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SEGMENT_BYTES_MIN = 64 << 10,
    SEGMENT_BYTES_MAX = 1 << 30,
    CLIENTS_SHARE = 4 // of the memory for bodies
};

static struct spool_options with_defaults(const struct spool_options *given) {
    struct spool_options options = *given;
    const uint64_t mb = 1 << 20;
    if (options.segment_bytes == 0)
        options.segment_bytes = 64 * mb;
    if (options.segment_bytes < SEGMENT_BYTES_MIN)
        options.segment_bytes = SEGMENT_BYTES_MIN;
    if (options.segment_bytes > SEGMENT_BYTES_MAX)
        options.segment_bytes = SEGMENT_BYTES_MAX;
    if (options.memory_bytes == 0)
        options.memory_bytes = 256 * mb;
    if (options.client_memory_bytes == 0)
        options.client_memory_bytes = options.memory_bytes / CLIENTS_SHARE;
    if (options.warn_free_percent == 0)
        options.warn_free_percent = 15;
    if (options.message_bytes_max == 0)
        options.message_bytes_max = 64 * mb;
    return options;
}

static struct spool *create(const struct spool_options *options) {
    struct spool *spool = mem_alloc_zero(sizeof(*spool));
    spool->options = with_defaults(options);
    spool->path = mem_copy_string(options->path);
    atomic_init(&spool->next_id, 1);
    atomic_init(&spool->refusal, SPOOL_OK);
    spool_bodies_init(&spool->bodies, &spool->options);
    spool_segments_init(&spool->segments);
    spool_index_init(&spool->index, &spool->segments);
    spool_notes_init(&spool->notes, &spool->segments);
    pthread_mutex_init(&spool->health_lock, NULL);
    return spool;
}

// Of one that was opened halfway, too.
static void destroy(struct spool *spool) {
    spool_keeper_destroy(spool->keeper);
    spool_helper_destroy(spool->helper);
    spool_log_destroy(spool->log);
    if (spool->inbox)
        io_mailbox_destroy(spool->inbox);
    if (spool->helper_loop)
        io_loop_join_thread(spool->helper_loop);
    if (spool->log_loop)
        io_loop_join_thread(spool->log_loop);
    spool_notes_finish(&spool->notes);
    spool_index_finish(&spool->index);
    spool_segments_finish(&spool->segments);
    spool_bodies_finish(&spool->bodies);
    pthread_mutex_destroy(&spool->health_lock);
    if (spool->dir)
        io_dir_close(spool->dir);
    free(spool->path);
    free(spool);
}

// --- Opening -------------------------------------------------------------------------------------
static bool open_dir(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct io_result result = io_dir_open(spool->path, true, &spool->dir);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot open the spool %s",
                               spool->path);
    result = io_dir_lock(spool->dir);
    if (result.sys_errno == EWOULDBLOCK && !io_is_ok(result))
        return error_set(start->error,
                         "the spool %s is in use: another postrider runs with the same data",
                         spool->path);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot lock the spool %s",
                               spool->path);
    return true;
}

static bool measure(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct io_space space;
    struct io_result result = io_dir_space(spool->dir, &space);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot measure the disk of %s",
                               spool->path);
    spool->health.bytes_total = space.bytes_total;
    spool->health.bytes_free = space.bytes_free;
    if (spool->options.floor_free_bytes == 0)
        spool->options.floor_free_bytes =
            2 * spool->options.segment_bytes + space.bytes_total / 100;
    return true;
}

// The segment of this start: of the reserve where the disk has no room for another.
static bool make_first_segment(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct spool_log *log = spool->log;
    struct spool_file *file = NULL;
    char reserve[SPOOL_NAME_SIZE];
    struct spool_new_segment new = {
        .dir = spool->dir,
        .header = {.node = spool->node.node,
                   .number = (uint64_t)spool->node.epoch << 32 | ++log->counter,
                   .failures = log->failures}};
    struct io_result result = spool_file_make(&new, &file);
    for (int i = 0; i < SPOOL_RESERVES && !file && spool_is_out_of_space(result); i++) {
        if (!log->has_reserve[i])
            continue;
        snprintf(reserve, sizeof(reserve), "reserve-%d", i);
        new.reserve = reserve;
        log->has_reserve[i] = false;
        log->is_full = true;
        result = spool_file_make(&new, &file);
    }
    if (!file)
        return error_set_errno(start->error, result.sys_errno, "cannot write to the spool %s",
                               spool->path);
    log->current = spool_segments_add(&spool->segments, file, SPOOL_SEGMENT_CURRENT);
    return true;
}

static bool begin_log(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct spool_log *log = spool->log = spool_log_create(spool);
    log->sequence = start->last_sequence;
    for (size_t i = 0; i < start->failures.n; i++) {
        const struct spool_failure *failure = &start->failures.list[i];
        if (spool_segments_find(&spool->segments, failure->segment))
            spool_failures_add(&log->failures, failure->segment, failure->sequence);
    }
    for (int i = 0; i < SPOOL_RESERVES; i++)
        log->has_reserve[i] = start->has_reserve[i];
    if (!make_first_segment(start))
        return false;
    for (int i = 0; i < SPOOL_RESERVES; i++) {
        log->has_reserve[i] = spool_reserve_make(spool, i);
        if (!log->has_reserve[i])
            log_warning("spool", "no room for the reserve of %s", spool->path);
    }
    return true;
}

static bool start_loops(struct spool_start *start) {
    static const struct io_loop_options log_loop = {.name = "spool-log", .is_disk_inline = true};
    static const struct io_loop_options helper_loop = {.name = "spool-help",
                                                       .is_disk_inline = true};
    struct spool *spool = start->spool;
    spool->log_loop = io_loop_start_thread(&log_loop, start->error);
    spool->helper_loop = spool->log_loop ? io_loop_start_thread(&helper_loop, start->error) : NULL;
    if (!spool->helper_loop)
        return false;
    spool->inbox = io_mailbox_create(spool->log_loop);
    spool->helper = spool_helper_create(spool);
    spool->segments.has_unpinned = true; // what recovery found needless
    spool_log_doom(spool->log);
    spool_log_publish(spool->log);
    spool->keeper = spool_keeper_create(spool); // it waits for the committer
    io_spawn_on(spool->log_loop, "spool-committer", spool_log_main, spool->log);
    return true;
}

static bool start_all(struct spool_start *start) {
    return open_dir(start) && measure(start) && spool_start_list(start) &&
           spool_start_node(start) && spool_start_recover(start) && begin_log(start) &&
           start_loops(start);
}

struct spool *spool_open(const struct spool_options *options,
                         void (*visit)(const struct spool_entry *entry, void *arg), void *arg,
                         struct spool_recovery *recovery, struct error *error) {
    struct spool_recovery report = {0};
    io_time began = io_now();
    struct spool_start start = {
        .spool = create(options), .report = &report, .error = error, .visit = visit, .arg = arg};
    bool is_open = start_all(&start);
    report.elapsed_ms = io_now() - began;
    if (recovery)
        *recovery = report;
    free(start.numbers);
    if (is_open)
        return start.spool;
    destroy(start.spool);
    return NULL;
}

// --- Closing -------------------------------------------------------------------------------------
static void stop(struct spool *spool, void *arg) {
    spool->log->is_stopping = true;
    spool->log->stopped = arg;
}

void spool_close(struct spool *spool) {
    struct spool_waiter waiter;
    if (!spool)
        return;
    spool_keeper_stop(spool->keeper);
    spool_helper_stop(spool->helper);
    spool_waiter_init(&waiter);
    spool_ask(spool, stop, &waiter);
    spool_waiter_wait(&waiter);
    destroy(spool);
}

struct spool_health spool_health(struct spool *spool) {
    pthread_mutex_lock(&spool->health_lock);
    struct spool_health health = spool->health;
    pthread_mutex_unlock(&spool->health_lock);
    health.memory_bytes = atomic_load_explicit(&spool->bodies.memory_bytes, memory_order_relaxed);
    return health;
}
