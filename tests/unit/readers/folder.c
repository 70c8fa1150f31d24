// SPDX-License-Identifier: Apache-2.0
#include "folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 10 };

static const char *wanted; // scandir passes nothing on

static int is_wanted(const struct dirent *entry) {
    return view_ends_with_nocase(view_of(entry->d_name), view_of(wanted));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

void folder_open(struct folder *folder, char **argv, int argc, const char *suffix) {
    *folder = (struct folder){.path = argc > 1 ? argv[1] : ".", .is_written = argc > 2};
    wanted = suffix;
    folder->n = scandir(folder->path, &folder->entries, is_wanted, by_name);
    ASSERT(folder->n > 0);
}

void folder_close(struct folder *folder) {
    for (int i = 0; i < folder->n; i++)
        free(folder->entries[i]);
    free(folder->entries);
}

const char *folder_name(const struct folder *folder, int index) {
    ASSERT(index >= 0 && index < folder->n);
    return folder->entries[index]->d_name;
}

void folder_read(const struct folder *folder, const char *name, struct buffer *out) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    FILE *file = fopen(path, "rb");
    size_t n = 0;
    while (file && (n = fread(buffer_reserve(out, 4096), 1, 4096, file)) > 0)
        buffer_advance(out, n);
    if (file)
        fclose(file);
}

static void write_expected(const struct folder *folder, struct view found) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/expected", folder->path);
    FILE *file = fopen(path, "wb");
    if (!file)
        return;
    fwrite(found.ptr, 1, found.len, file);
    fclose(file);
}

static unsigned compare(struct view found, struct view expected) {
    struct view a, b;
    unsigned line = 0, n_different = 0;
    while (found.ptr || expected.ptr) {
        a = b = VIEW_NONE;
        view_split(&found, '\n', &a);
        view_split(&expected, '\n', &b);
        line++;
        if (view_equals(a, b) || n_different++ > SHOWN_MAX)
            continue;
        printf("line %u\n  expected: %.*s\n  found:    %.*s\n", line, VIEW_ARG(b), VIEW_ARG(a));
    }
    return n_different;
}

unsigned folder_compare(const struct folder *folder, struct view found) {
    struct buffer expected;
    if (folder->is_written)
        write_expected(folder, found);
    buffer_init(&expected, FOLDER_FILE_BYTES_MAX);
    folder_read(folder, "expected", &expected);
    unsigned n_different = compare(found, buffer_view(&expected));
    buffer_finish(&expected);
    return n_different;
}
