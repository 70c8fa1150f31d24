// SPDX-License-Identifier: Apache-2.0
// The names in the directory, and who we are.
#include "base/log.h"
#include "spool/commit.h"
#include "spool/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// --- Names ---------------------------------------------------------------------------------------
struct name_list {
    struct spool_start *start;
    char (*stale)[SPOOL_NAME_SIZE];
    size_t n_stale;
    bool is_foreign; // a segment name that could not be kept
};

static void add_number(struct spool_start *start, uint64_t number) {
    if (start->n_numbers == start->size_numbers) {
        start->size_numbers = size_max(start->size_numbers * 2, 64);
        start->numbers = mem_realloc(start->numbers, start->size_numbers * sizeof(*start->numbers));
    }
    start->numbers[start->n_numbers++] = number;
    if (number >> 32 > start->epoch_max)
        start->epoch_max = (uint32_t)(number >> 32);
}

static void take_name(const char *text, void *arg) {
    struct name_list *list = arg;
    struct view name = view_of(text);
    uint64_t number = 0;
    if (spool_segment_name_parse(name, &number)) {
        add_number(list->start, number);
    } else if (view_equals(name, VIEW("reserve-0")) || view_equals(name, VIEW("reserve-1"))) {
        list->start->has_reserve[text[8] - '0'] = true;
    } else if (name.len < SPOOL_NAME_SIZE && name.len > 4 &&
               view_equals(view_skip(name, name.len - 4), VIEW(".new"))) {
        list->stale = mem_realloc(list->stale, (list->n_stale + 1) * sizeof(*list->stale));
        view_copy_string(name, list->stale[list->n_stale++], SPOOL_NAME_SIZE);
    }
}

static int compare_number(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

bool spool_start_list(struct spool_start *start) {
    struct spool *spool = start->spool;
    struct name_list list = {.start = start};
    struct io_result result = io_dir_list(spool->dir, take_name, &list);
    for (size_t i = 0; i < list.n_stale; i++)
        io_dir_unlink(spool->dir, list.stale[i]);
    free(list.stale);
    if (start->n_numbers)
        qsort(start->numbers, start->n_numbers, sizeof(*start->numbers), compare_number);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot list the spool %s",
                               spool->path);
    return true;
}

// --- Node ----------------------------------------------------------------------------------------
static const char node_name[] = "node", node_new_name[] = "node.new";

static struct io_result write_node(struct spool *spool) {
    unsigned char bytes[SPOOL_NODE_BYTES];
    struct iovec part = {bytes, sizeof(bytes)};
    struct io_file *file;
    spool_node_write(&spool->node, bytes);
    struct io_result result =
        io_file_open(spool->dir, node_new_name, IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file);
    if (io_is_ok(result))
        result = io_file_writev(file, &part, 1, 0);
    if (io_is_ok(result))
        result = io_file_sync(file);
    io_file_close(file);
    if (io_is_ok(result))
        result = io_dir_rename(spool->dir, node_new_name, node_name);
    return io_is_ok(result) ? io_dir_sync(spool->dir) : result;
}

// A node file that cannot be read is kept aside, and the node gets a new number: ids stay unique.
static struct io_result read_node(struct spool_start *start) {
    struct spool *spool = start->spool;
    char bytes[SPOOL_NODE_BYTES + 1];
    struct io_file *file;
    struct io_result result = io_file_open(spool->dir, node_name, IO_OPEN_READ, &file);
    if (!io_is_ok(result))
        return result.sys_errno == ENOENT ? (struct io_result){.status = IO_OK} : result;
    result = io_file_read(file, bytes, sizeof(bytes), 0);
    io_file_close(file);
    if (result.status == IO_ERROR)
        return result;
    if (!spool_node_read(view_from(bytes, result.bytes), &spool->node)) {
        start->report->damaged_records++;
        log_error("spool", "the node file is damaged: this node gets a new number");
        return io_dir_rename(spool->dir, node_name, "quarantine-node");
    }
    return (struct io_result){.status = IO_OK};
}

// On a full disk a part of the reserve makes room; it is made again when there is some.
static struct io_result write_node_anyway(struct spool_start *start) {
    char name[SPOOL_NAME_SIZE];
    struct io_result result = write_node(start->spool);
    for (int i = SPOOL_RESERVES - 1; i >= 0 && spool_is_out_of_space(result); i--) {
        if (!start->has_reserve[i])
            continue;
        snprintf(name, sizeof(name), "reserve-%d", i);
        start->has_reserve[i] = false;
        result = io_dir_unlink(start->spool->dir, name);
        if (io_is_ok(result))
            result = write_node(start->spool);
    }
    return result;
}

// I4: the epoch is durable before the first id of this start is given out.
bool spool_start_node(struct spool_start *start) {
    struct spool_node *node = &start->spool->node;
    struct io_result result = read_node(start);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot read %s/node",
                               start->spool->path);
    while (node->node == 0)
        io_random_bytes(&node->node, sizeof(node->node));
    if (start->epoch_max > node->epoch)
        node->epoch = start->epoch_max;
    if (node->epoch >= INT32_MAX)
        return error_set(start->error, "the spool %s has no boot epoch left", start->spool->path);
    node->epoch++;
    node->wall_ms = io_wall_ms();
    result = write_node_anyway(start);
    if (!io_is_ok(result))
        return error_set_errno(start->error, result.sys_errno, "cannot write %s/node",
                               start->spool->path);
    return true;
}
