// SPDX-License-Identifier: Apache-2.0
// The simulated disk: folders by path, names that are durable once the folder is synced, and the
// verbs with their faults. A sync covers what was done before it began.
#include "io/sim_inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { VERB_MS_MAX = 1 };
static const uint64_t unlimited_bytes = UINT64_C(1) << 40;

struct name {
    struct list node;
    struct sim_inode *inode;
    char text[];
};

// Something done to the names that a power cut may undo.
struct change {
    struct list node;
    uint64_t number;
    struct sim_inode *inode; // NULL: the name goes
    char *name;
    char *old_name; // of a rename
};

struct sim_folder {
    struct list node;
    char *path;
    struct list names, durable_names, changes;
    struct sim_dir *locked_by;
    struct sim_process **openers; // all there ever were: their power cut is this folder's
    size_t n_openers;
};

struct sim_dir {
    struct io_dir dir;
    struct list node;
    struct sim_folder *folder;
    struct io_loop *home;
};

struct sim_file {
    struct io_file file;
    struct list node;
    struct sim_inode *inode;
    unsigned flags;
    struct io_loop *home;
};

static struct sim_folder *folder_of(struct io_dir *dir) {
    ASSERT(dir && dir->backend == &io_backend_sim);
    return CONTAINER_OF(dir, struct sim_dir, dir)->folder;
}

static struct sim_file *file_of(struct io_file *file) {
    ASSERT(file && file->backend == &io_backend_sim);
    return CONTAINER_OF(file, struct sim_file, file);
}

// --- Names ------------------------------------------------------------------------------------

static struct name *find_name(const struct list *names, const char *text) {
    LIST_FOR_EACH (node, names) {
        struct name *name = CONTAINER_OF(node, struct name, node);
        if (strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

static void remove_name(struct name *name, bool is_live) {
    list_remove(&name->node);
    sim_inode_drop(name->inode, is_live);
    free(name);
}

static void set_name(struct list *names, const char *text, struct sim_inode *inode, bool is_live) {
    struct name *present = find_name(names, text);
    size_t size = strlen(text) + 1;
    sim_inode_hold(inode, is_live);
    if (present)
        remove_name(present, is_live);
    struct name *name = mem_alloc(sizeof(*name) + size);
    name->inode = inode;
    memcpy(name->text, text, size);
    list_init(&name->node);
    list_append(names, &name->node);
}

static void apply(const struct change *change, struct list *names, bool is_live) {
    struct name *old = find_name(names, change->old_name ? change->old_name : change->name);
    if (!change->inode) {
        if (old)
            remove_name(old, is_live);
        return;
    }
    set_name(names, change->name, change->inode, is_live);
    if (change->old_name && old && old->inode == change->inode)
        remove_name(old, is_live);
}

static void free_change(struct change *change) {
    list_remove(&change->node);
    if (change->inode)
        sim_inode_drop(change->inode, false);
    free(change->name);
    free(change->old_name);
    free(change);
}

static void change_names(struct sim *sim, struct sim_folder *folder, struct sim_inode *inode,
                         const char *name, const char *old_name) {
    struct change *change = mem_alloc_zero(sizeof(*change));
    change->number = ++sim->n_changes;
    change->inode = inode;
    change->name = mem_copy_string(name);
    change->old_name = old_name ? mem_copy_string(old_name) : NULL;
    if (inode)
        sim_inode_hold(inode, false);
    list_init(&change->node);
    list_append(&folder->changes, &change->node);
    apply(change, &folder->names, true);
}

// Each change up to `number` becomes durable with `parts` of 10,000; the others wait on.
static void sync_names(struct sim *sim, struct sim_folder *folder, uint64_t number,
                       unsigned parts) {
    LIST_FOR_EACH_SAFE (node, following, &folder->changes) {
        struct change *change = CONTAINER_OF(node, struct change, node);
        if (change->number > number || (parts < 10000 && !sim_chance(sim, parts)))
            continue;
        apply(change, &folder->durable_names, false);
        free_change(change);
    }
}

static void clear_names(struct list *names, bool is_live) {
    while (!list_is_empty(names))
        remove_name(CONTAINER_OF(names->next, struct name, node), is_live);
}

static void cut_names(struct sim *sim, struct sim_folder *folder) {
    static const unsigned chances[] = {0, 2000, 5000, 8000, 10000};
    sync_names(sim, folder, UINT64_MAX, chances[sim_random_below(sim, ARRAY_LEN(chances))]);
    while (!list_is_empty(&folder->changes))
        free_change(CONTAINER_OF(folder->changes.next, struct change, node));
    clear_names(&folder->names, true);
    LIST_FOR_EACH (node, &folder->durable_names) {
        struct name *name = CONTAINER_OF(node, struct name, node);
        set_name(&folder->names, name->text, name->inode, true);
    }
}

// --- Folders ----------------------------------------------------------------------------------

static struct sim_folder *find_folder(struct sim *sim, const char *path) {
    LIST_FOR_EACH (node, &sim->folders) {
        struct sim_folder *folder = CONTAINER_OF(node, struct sim_folder, node);
        if (strcmp(folder->path, path) == 0)
            return folder;
    }
    return NULL;
}

static struct sim_folder *create_folder(struct sim *sim, const char *path) {
    struct sim_folder *folder = mem_alloc_zero(sizeof(*folder));
    folder->path = mem_copy_string(path);
    list_init(&folder->names);
    list_init(&folder->durable_names);
    list_init(&folder->changes);
    list_init(&folder->node);
    list_append(&sim->folders, &folder->node);
    return folder;
}

static bool was_opened_by(const struct sim_folder *folder, const struct sim_process *process) {
    for (size_t i = 0; i < folder->n_openers; i++)
        if (folder->openers[i] == process)
            return true;
    return false;
}

static void note_opener(struct sim_folder *folder, struct sim_process *process) {
    if (!process || was_opened_by(folder, process))
        return;
    size_t size = (folder->n_openers + 1) * sizeof(*folder->openers);
    folder->openers = mem_realloc(folder->openers, size);
    folder->openers[folder->n_openers++] = process;
}

static struct io_result dir_open(struct sim *sim, struct disk_request *request) {
    struct sim_folder *folder = find_folder(sim, request->name);
    if (!folder && !request->flags)
        return result_errno(ENOENT);
    if (!folder)
        folder = create_folder(sim, request->name);
    note_opener(folder, sim_process_here());
    struct sim_dir *dir = mem_alloc_zero(sizeof(*dir));
    dir->dir.backend = &io_backend_sim;
    dir->folder = folder;
    dir->home = loop_home(sim->loop);
    list_init(&dir->node);
    list_append(&sim->open_dirs, &dir->node);
    request->dir = &dir->dir;
    return result_of(IO_OK);
}

void sim_close_dir(struct io_dir *base) {
    struct sim_dir *dir = CONTAINER_OF(base, struct sim_dir, dir);
    if (dir->folder->locked_by == dir)
        dir->folder->locked_by = NULL;
    list_remove(&dir->node);
    free(dir);
}

static struct io_result dir_lock(struct disk_request *request) {
    struct sim_folder *folder = folder_of(request->dir);
    struct sim_dir *dir = CONTAINER_OF(request->dir, struct sim_dir, dir);
    if (folder->locked_by && folder->locked_by != dir)
        return result_errno(EWOULDBLOCK);
    folder->locked_by = dir;
    return result_of(IO_OK);
}

// In an order that the seed chooses: each name goes to the front or to the back.
static struct io_result dir_list(struct sim *sim, struct disk_request *request) {
    struct sim_folder *folder = folder_of(request->dir);
    size_t total = 0;
    LIST_FOR_EACH (node, &folder->names)
        total += strlen(CONTAINER_OF(node, struct name, node)->text) + 1;
    request->names = mem_alloc(total);
    request->names_bytes = total;
    size_t front = 0, back = total;
    LIST_FOR_EACH (node, &folder->names) {
        const char *text = CONTAINER_OF(node, struct name, node)->text;
        size_t size = strlen(text) + 1;
        bool is_front = sim_random_below(sim, 2) == 0;
        back -= is_front ? 0 : size;
        memcpy(request->names + (is_front ? front : back), text, size);
        front += is_front ? size : 0;
    }
    return result_of(IO_OK);
}

static uint64_t bytes_free(const struct sim *sim) {
    uint64_t total = sim->disk_rule.bytes_total ? sim->disk_rule.bytes_total : unlimited_bytes;
    uint64_t used = 0;
    LIST_FOR_EACH (node, &sim->inodes)
        used += sim_inode_bytes_used(CONTAINER_OF(node, struct sim_inode, node));
    return used < total ? total - used : 0;
}

static struct io_result dir_space(struct sim *sim, struct disk_request *request) {
    struct io_space *space = request->out;
    uint64_t total = sim->disk_rule.bytes_total ? sim->disk_rule.bytes_total : unlimited_bytes;
    *space = (struct io_space){.bytes_total = total,
                               .bytes_free = bytes_free(sim),
                               .inodes_total = 1 << 20,
                               .inodes_free = 1 << 19};
    return result_of(IO_OK);
}

// --- Files ------------------------------------------------------------------------------------

static struct io_result file_open(struct sim *sim, struct disk_request *request) {
    struct sim_folder *folder = folder_of(request->dir);
    struct name *name = find_name(&folder->names, request->name);
    if (name && (request->flags & IO_OPEN_CREATE))
        return result_errno(EEXIST);
    if (!name && !(request->flags & (IO_OPEN_CREATE | IO_OPEN_OR_CREATE)))
        return result_errno(ENOENT);
    struct sim_inode *inode = name ? name->inode : sim_inode_create(sim, folder);
    if (!name)
        change_names(sim, folder, inode, request->name, NULL);
    struct sim_file *file = mem_alloc_zero(sizeof(*file));
    file->file.backend = &io_backend_sim;
    file->inode = inode;
    file->flags = request->flags;
    file->home = loop_home(sim->loop);
    sim_inode_hold(file->inode, true);
    list_init(&file->node);
    list_append(&sim->open_files, &file->node);
    request->file = &file->file;
    return result_of(IO_OK);
}

void sim_close_file(struct io_file *base) {
    struct sim_file *file = file_of(base);
    list_remove(&file->node);
    sim_inode_drop(file->inode, true);
    free(file);
}

static struct io_result file_read(struct disk_request *request) {
    struct sim_file *file = file_of(request->file);
    if (!(file->flags & IO_OPEN_READ))
        return result_errno(EBADF);
    size_t got = sim_inode_read(file->inode, request->out, request->len, request->offset);
    return result_moved(got < request->len ? IO_EOF : IO_OK, got);
}

static size_t len_of(const struct iovec *parts, int n_parts) {
    size_t len = 0;
    for (int i = 0; i < n_parts; i++)
        len += parts[i].iov_len;
    return len;
}

// The first `len` bytes of the parts.
static void write_some(struct sim_inode *inode, const struct disk_request *request, size_t len) {
    uint64_t offset = request->offset;
    for (int i = 0; i < request->n_parts && len > 0; i++) {
        size_t piece = size_min(len, request->parts[i].iov_len);
        if (piece > 0)
            sim_inode_write(inode, request->parts[i].iov_base, piece, offset);
        offset += piece;
        len -= piece;
    }
}

static size_t fitting(const struct sim *sim, const struct sim_inode *inode, uint64_t offset,
                      size_t len) {
    if (sim->disk_rule.bytes_total == 0)
        return len;
    uint64_t n_free = bytes_free(sim) / SIM_PAGE_BYTES;
    while (len > 0 && sim_inode_pages_missing(inode, offset, len) > n_free)
        len -= size_min(len, SIM_PAGE_BYTES);
    return len;
}

static struct io_result file_write(struct sim *sim, struct disk_request *request) {
    struct sim_file *file = file_of(request->file);
    size_t len = len_of(request->parts, request->n_parts);
    if (!(file->flags & IO_OPEN_WRITE))
        return result_errno(EBADF);
    struct io_result result = result_moved(IO_OK, fitting(sim, file->inode, request->offset, len));
    if (result.bytes < len) {
        result.status = IO_ERROR;
        result.sys_errno = ENOSPC;
    }
    if (sim_chance(sim, sim->disk_rule.write_error)) {
        result.status = IO_ERROR;
        result.sys_errno = EIO;
        result.bytes = (size_t)sim_random_below(sim, result.bytes + 1);
    }
    write_some(file->inode, request, result.bytes);
    return result;
}

static struct io_result file_allocate(struct sim *sim, struct disk_request *request) {
    struct sim_inode *inode = file_of(request->file)->inode;
    if (sim->disk_rule.bytes_total > 0 &&
        sim_inode_pages_missing(inode, request->offset, request->len) >
            bytes_free(sim) / SIM_PAGE_BYTES)
        return result_errno(ENOSPC);
    sim_inode_allocate(inode, request->offset, request->len);
    return result_of(IO_OK);
}

static struct io_result file_sync(struct sim *sim, struct disk_request *request, uint64_t number) {
    struct sim_inode *inode = file_of(request->file)->inode;
    if (sim_chance(sim, sim->disk_rule.sync_error)) {
        sim_inode_sync_failed(inode);
        return result_errno(EIO);
    }
    sim_inode_sync(inode, number, 10000);
    return result_of(IO_OK);
}

static struct io_result dir_sync(struct sim *sim, struct disk_request *request, uint64_t number) {
    if (sim_chance(sim, sim->disk_rule.sync_error))
        return result_errno(EIO);
    sync_names(sim, folder_of(request->dir), number, 10000);
    return result_of(IO_OK);
}

static struct io_result file_unlink(struct sim *sim, struct disk_request *request) {
    struct sim_folder *folder = folder_of(request->dir);
    if (!find_name(&folder->names, request->name))
        return result_errno(ENOENT);
    change_names(sim, folder, NULL, request->name, NULL);
    return result_of(IO_OK);
}

static struct io_result file_rename(struct sim *sim, struct disk_request *request) {
    struct sim_folder *folder = folder_of(request->dir);
    struct name *name = find_name(&folder->names, request->name);
    if (!name)
        return result_errno(ENOENT);
    if (strcmp(request->name, request->second_name) != 0)
        change_names(sim, folder, name->inode, request->second_name, request->name);
    return result_of(IO_OK);
}

// --- Verbs ------------------------------------------------------------------------------------

static struct io_result perform(struct sim *sim, struct disk_request *request, uint64_t number) {
    switch (request->verb) {
    case DISK_DIR_OPEN: return dir_open(sim, request);
    case DISK_DIR_SYNC: return dir_sync(sim, request, number);
    case DISK_DIR_LIST: return dir_list(sim, request);
    case DISK_DIR_SPACE: return dir_space(sim, request);
    case DISK_DIR_LOCK: return dir_lock(request);
    case DISK_UNLINK: return file_unlink(sim, request);
    case DISK_RENAME: return file_rename(sim, request);
    case DISK_OPEN: return file_open(sim, request);
    case DISK_SIZE: request->len = file_of(request->file)->inode->size; break;
    case DISK_READ: return file_read(request);
    case DISK_WRITE: return file_write(sim, request);
    case DISK_SYNC: return file_sync(sim, request, number);
    case DISK_TRUNCATE: sim_inode_truncate(file_of(request->file)->inode, request->len); break;
    case DISK_ALLOCATE: return file_allocate(sim, request);
    }
    return result_of(IO_OK);
}

// The process dies within the operation: nothing, all or a part of it was done.
static void perform_part(struct sim *sim, struct disk_request *request, uint64_t number) {
    unsigned parts = (unsigned)sim_random_below(sim, 3) * 5000;
    switch (request->verb) {
    case DISK_WRITE: {
        size_t len = len_of(request->parts, request->n_parts) * parts / 10000;
        if (parts == 5000)
            len = (size_t)sim_random_below(sim, 2 * len + 1);
        struct sim_inode *inode = file_of(request->file)->inode;
        write_some(inode, request, fitting(sim, inode, request->offset, len));
        break;
    }
    case DISK_SYNC: sim_inode_sync(file_of(request->file)->inode, number, parts); break;
    case DISK_DIR_SYNC: sync_names(sim, folder_of(request->dir), number, parts); break;
    default:
        if (parts > 0)
            perform(sim, request, number);
        break;
    }
}

static bool is_counted(enum disk_verb verb) {
    return verb == DISK_WRITE || verb == DISK_SYNC || verb == DISK_DIR_SYNC ||
           verb == DISK_UNLINK || verb == DISK_RENAME;
}

static void kill_if_due(struct sim *sim, struct disk_request *request, uint64_t number) {
    struct sim_process *process = sim_process_here();
    if (!process || !is_counted(request->verb) || process->n_disk_ops_left == 0)
        return;
    if (--process->n_disk_ops_left > 0)
        return;
    perform_part(sim, request, number);
    sim_process_kill(process, process->is_power_cut);
}

void sim_disk(struct disk_request *request) {
    struct sim *sim = sim_here();
    bool is_sync = request->verb == DISK_SYNC || request->verb == DISK_DIR_SYNC;
    int64_t delay_ms =
        sim_random_between(sim, 0, is_sync ? sim->disk_rule.sync_ms_max : VERB_MS_MAX);
    uint64_t number = sim->n_changes;
    sim_delay(sim->now + delay_ms, "disk");
    kill_if_due(sim, request, number);
    request->result = perform(sim, request, number);
    sim_trace(sim, 0x100U + request->verb, (uint64_t)request->result.sys_errno);
}

void sim_disk_rule(struct sim *sim, const struct sim_disk_rule *rule) {
    sim->disk_rule = *rule;
}

// --- The end of a process ---------------------------------------------------------------------

static void close_all(struct sim *sim, const struct sim_process *process) {
    LIST_FOR_EACH_SAFE (node, following, &sim->open_files) {
        struct sim_file *file = CONTAINER_OF(node, struct sim_file, node);
        if (!process || file->home->process == process)
            sim_close_file(&file->file);
    }
    LIST_FOR_EACH_SAFE (node, following, &sim->open_dirs) {
        struct sim_dir *dir = CONTAINER_OF(node, struct sim_dir, node);
        if (!process || dir->home->process == process)
            sim_close_dir(&dir->dir);
    }
}

void sim_disk_kill(struct sim *sim, struct sim_process *process, bool power_cut) {
    close_all(sim, process);
    if (!power_cut)
        return;
    LIST_FOR_EACH (node, &sim->inodes) {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (was_opened_by(inode->folder, process))
            sim_inode_power_cut(inode);
    }
    LIST_FOR_EACH (node, &sim->folders) {
        struct sim_folder *folder = CONTAINER_OF(node, struct sim_folder, node);
        if (was_opened_by(folder, process))
            cut_names(sim, folder);
    }
}

static void free_folder(struct sim_folder *folder) {
    clear_names(&folder->names, true);
    clear_names(&folder->durable_names, false);
    while (!list_is_empty(&folder->changes))
        free_change(CONTAINER_OF(folder->changes.next, struct change, node));
    list_remove(&folder->node);
    free(folder->path);
    free(folder->openers);
    free(folder);
}

void sim_disk_free(struct sim *sim) {
    close_all(sim, NULL);
    while (!list_is_empty(&sim->folders))
        free_folder(CONTAINER_OF(sim->folders.next, struct sim_folder, node));
    ASSERT(list_is_empty(&sim->inodes));
}
