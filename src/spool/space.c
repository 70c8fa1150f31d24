// SPDX-License-Identifier: Apache-2.0
// Room on the disk: how much is left, and the reserve that lets a full one still settle and clean.
#include "base/log.h"
#include "spool/keeper.h"

#include <stdio.h>

static void note_space(struct spool *spool, void *arg) {
    const struct io_space *space = arg;
    struct spool_log *log = spool->log;
    const struct spool_options *options = &spool->options;
    struct spool_health *health = &spool->health;
    uint64_t floor = options->floor_free_bytes;
    bool was_low = health->is_low, was_full = log->is_full;
    pthread_mutex_lock(&spool->health_lock);
    health->bytes_total = space->bytes_total;
    health->bytes_free = space->bytes_free;
    health->is_low = space->bytes_free < space->bytes_total / 100 * options->warn_free_percent;
    pthread_mutex_unlock(&spool->health_lock);
    if (space->bytes_free < floor)
        log->is_full = true;
    else if (space->bytes_free >= floor + floor / 4) // no flutter around the floor
        log->is_full = false;
    if (health->is_low && !was_low)
        log_warning("spool", "less than %u %% of the disk of %s is free",
                    options->warn_free_percent, spool->path);
    if (log->is_full && !was_full)
        log_error("spool", "the disk of %s is full: new mail gets 452", spool->path);
    log->is_due = !log->current;
    spool_log_publish(log);
}

void spool_space_measure(struct spool *spool) {
    struct io_space space;
    struct io_result result = io_dir_space(spool->dir, &space);
    if (io_is_ok(result))
        spool_ask(spool, note_space, &space);
}

bool spool_reserve_make(struct spool *spool, int which) {
    char name[SPOOL_NAME_SIZE];
    struct io_file *file;
    uint64_t size = 0, wanted = spool->options.segment_bytes;
    snprintf(name, sizeof(name), "reserve-%d", which);
    struct io_result result =
        io_file_open(spool->dir, name, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file);
    if (io_is_ok(result))
        result = io_file_size(file, &size);
    if (io_is_ok(result) && size < wanted) {
        result = io_file_allocate(file, 0, wanted);
        if (io_is_ok(result))
            result = io_file_sync(file);
        if (io_is_ok(result))
            result = io_dir_sync(spool->dir);
    }
    io_file_close(file);
    if (!io_is_ok(result))
        io_dir_unlink(spool->dir, name);
    return io_is_ok(result);
}
