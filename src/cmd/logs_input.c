// SPDX-License-Identifier: Apache-2.0
// The files of postrider logs: looked at first, to find out when each begins, then read in that
// order. What cannot be read is said with its name and never stops the rest.
#include "cmd/logs.h"

#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// --- Problems ------------------------------------------------------------------------------------
static void clear_progress(struct logs *logs) {
    if (logs->progress.shown_ms)
        fputs("\r\x1b[K", stderr);
    logs->progress.shown_ms = 0;
}

void logs_remark(struct logs *logs, const char *file, const char *what) {
    clear_progress(logs);
    fprintf(stderr, "postrider logs: ");
    for (const char *at = file; *at; at++)
        fprintf(stderr, (unsigned char)*at < ' ' || *at == 0x7f ? "\\x%02x" : "%c",
                (unsigned char)*at);
    fprintf(stderr, ": %s\n", what);
    if (logs->n_problems == LOGS_PROBLEMS_MAX)
        return;
    // The answer is shown to others, standard error is not.
    logs->problems[logs->n_problems].file = mem_copy_string(logs->redaction ? "[file]" : file);
    logs->problems[logs->n_problems++].what = mem_copy_string(what);
}

void logs_problem(struct logs *logs, const char *file, const char *what) {
    logs_remark(logs, file, what);
    logs->is_incomplete = true;
}

// --- Progress ------------------------------------------------------------------------------------
enum { PROGRESS_EVERY_MS = 200 };

static void show_progress(struct logs *logs, const char *path, uint64_t taken_bytes) {
    int64_t now_ms = io_wall_ms();
    uint64_t done = logs->progress.done_bytes + taken_bytes, all = logs->progress.all_bytes;
    if (!logs->progress.is_shown || now_ms - logs->progress.shown_ms < PROGRESS_EVERY_MS)
        return;
    uint64_t n_lines = reader_log_totals(logs->reader)->n_lines;
    double seconds = (double)(now_ms - logs->progress.begun_ms) / 1000;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    enum { BAR_COLUMNS = 30 };
    int filled = all ? (int)(BAR_COLUMNS * size_min(done, all) / all) : 0;
    fprintf(stderr, "\r\x1b[K[%.*s%*s] %3d %%  %" PRIu64 " lines, %.1f million a second  %.24s",
            filled, "##############################", BAR_COLUMNS - filled, "",
            all ? (int)(100 * size_min(done, all) / all) : 0, n_lines,
            seconds > 0 ? (double)n_lines / seconds / 1e6 : 0, name);
    logs->progress.shown_ms = now_ms;
}

// --- Opening -------------------------------------------------------------------------------------
static bool is_stdin(const char *path) {
    return strcmp(path, "-") == 0;
}

// Says what is wrong and returns -1.
static int open_file(struct logs *logs, const char *path, uint64_t *size_bytes) {
    struct stat status;
    const char *wrong = NULL;
    if (is_stdin(path))
        return STDIN_FILENO;
    // A pipe that nobody writes to yet would be at its end at once; it is waited for.
    bool is_pipe = stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
    int fd = open(path, O_RDONLY | O_CLOEXEC | (is_pipe ? 0 : O_NONBLOCK));
    if (fd < 0 || fstat(fd, &status) != 0)
        wrong = strerror(errno);
    else if (S_ISDIR(status.st_mode))
        wrong = "is a folder; name the files in it";
    else if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        wrong = "is no file that can be read";
    if (wrong) {
        logs_problem(logs, path, wrong);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, 0);
    *size_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return fd;
}

// --- A first look --------------------------------------------------------------------------------
static void note_first(const struct reader_entry *entry, void *arg) {
    int64_t *first_ms = arg;
    if (*first_ms == INT64_MAX)
        *first_ms = entry->at_ms;
}

// What no log is, by its first bytes; NULL: it may be one.
static const char *wrong_kind(struct view bytes) {
    size_t n_nul = 0, n = size_min(bytes.len, 4096);
    if (view_starts_with(bytes, VIEW("LPKSHHRH")))
        return "is a journal of systemd; use: journalctl -o json | postrider logs -";
    for (size_t i = 0; i < n; i++)
        n_nul += bytes.ptr[i] == '\0';
    return n >= 64 && n_nul > n / 10 ? "is no text" : NULL;
}

static bool look_into(struct logs *logs, struct logs_file *file, struct logs_source *source) {
    struct reader_log_options options = {.now_ms = logs->now_ms,
                                         .zone_minutes = logs->zone_minutes,
                                         .followed_max = 64,
                                         .on_entry = note_first,
                                         .arg = &file->first_ms};
    struct reader_log *reader = reader_log_create(&options);
    struct view bytes;
    struct error error;
    size_t n_read = 0;
    bool is_log = true;
    reader_log_file(reader, view_of(file->path));
    while (is_log && file->first_ms == INT64_MAX && n_read < LOGS_PEEK_BYTES_MAX &&
           logs_source_read(source, &bytes, &error) && bytes.len > 0) {
        const char *wrong = n_read == 0 ? wrong_kind(bytes) : NULL;
        if (wrong)
            logs_problem(logs, file->path, wrong);
        is_log = wrong == NULL;
        n_read += bytes.len;
        reader_log_feed(reader, bytes);
    }
    reader_log_end(reader);
    reader_log_destroy(reader);
    return is_log;
}

// False: it will not be read, and that was said.
static bool look_at(struct logs *logs, struct logs_file *file) {
    struct stat status;
    file->first_ms = INT64_MAX;
    // What can be read once (a pipe, standard input) is not looked at.
    if (is_stdin(file->path) || (stat(file->path, &status) == 0 && S_ISFIFO(status.st_mode)))
        return true;
    int fd = open_file(logs, file->path, &file->size_bytes);
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && file->size_bytes == 0) {
        logs_remark(logs, file->path, "is empty");
        close(fd);
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return true;
    }
    struct logs_source *source = logs_source_create(fd, file->path);
    bool is_log = look_into(logs, file, source);
    logs_source_destroy(source);
    return is_log;
}

static int compare_files(const void *left, const void *right) {
    const struct logs_file *a = left, *b = right;
    if (a->first_ms != b->first_ms)
        return a->first_ms < b->first_ms ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

// --- Reading -------------------------------------------------------------------------------------
static uint64_t n_deliveries(const struct logs *logs) {
    const struct reader_log_totals *totals = reader_log_totals(logs->reader);
    uint64_t n = 0;
    for (size_t i = 0; i < READER_LOG_SYSTEM_COUNT; i++)
        n += totals->n_deliveries[i];
    return n;
}

static void feed(struct logs *logs, struct logs_file *file, struct logs_source *source) {
    struct view bytes;
    struct error error;
    for (;;) {
        bool is_good = logs_source_read(source, &bytes, &error);
        if (bytes.len)
            reader_log_feed(logs->reader, bytes);
        if (!is_good)
            logs_problem(logs, file->path, error.text);
        if (!is_good || bytes.len == 0)
            return;
        show_progress(logs, file->path, logs_source_taken_bytes(source));
    }
}

// What the answer calls it: a path tells of people and machines.
static struct view shown_name(const struct logs *logs, struct logs_file *file) {
    if (is_stdin(file->path))
        return VIEW("(standard input)");
    if (!logs->redaction)
        return view_of(file->path);
    snprintf(file->mask, sizeof(file->mask), "log%zu", (size_t)(file - logs->files) + 1);
    return view_of(file->mask);
}

static void read_file(struct logs *logs, struct logs_file *file) {
    uint64_t size_bytes = 0, n_before = n_deliveries(logs);
    int fd = open_file(logs, file->path, &size_bytes);
    if (fd < 0)
        return;
    struct logs_source *source = logs_source_create(fd, file->path);
    reader_log_file(logs->reader, shown_name(logs, file));
    feed(logs, file, source);
    reader_log_end(logs->reader); // its last line may have no end
    if (logs_source_taken_bytes(source) < file->size_bytes)
        logs_problem(logs, file->path, "became shorter while it was read");
    else if (logs_source_taken_bytes(source) == 0)
        logs_remark(logs, is_stdin(file->path) ? "(standard input)" : file->path, "is empty");
    logs->progress.done_bytes += file->size_bytes;
    logs->n_files_read++;
    logs_source_destroy(source);
    if (n_deliveries(logs) == n_before && file->size_bytes > 0 && !logs->is_incomplete)
        logs_remark(logs, file->path, "tells of no deliveries");
}

void logs_read_all(struct logs *logs, int n, char **paths) {
    logs->files = mem_alloc_zero((size_t)n * sizeof(*logs->files) + 1);
    for (int i = 0; i < n; i++) {
        struct logs_file *file = &logs->files[logs->n_files];
        *file = (struct logs_file){.path = paths[i], .order = (size_t)i};
        if (logs->n_files == LOGS_FILES_MAX)
            logs_problem(logs, paths[i], "is one file too many");
        else if (look_at(logs, file))
            logs->n_files++;
    }
    qsort(logs->files, logs->n_files, sizeof(*logs->files), compare_files);
    for (size_t i = 0; i < logs->n_files; i++)
        logs->progress.all_bytes += logs->files[i].size_bytes;
    logs->progress.begun_ms = io_wall_ms();
    for (size_t i = 0; i < logs->n_files; i++)
        read_file(logs, &logs->files[i]);
    reader_log_end(logs->reader);
    clear_progress(logs);
}
