// SPDX-License-Identifier: Apache-2.0
// Tests that read every file of a folder and compare what was found with its file "expected". With
// --write behind the folder that file is written anew, to be read before it is kept.
#ifndef TESTS_READERS_FOLDER_H
#define TESTS_READERS_FOLDER_H

#include "base/buffer.h"
#include "base/view.h"

enum { FOLDER_FILE_BYTES_MAX = 1 << 20 };

struct folder {
    const char *path;
    bool is_written;
    struct dirent **entries;
    int n;
};

// The files of argv[1] whose names end with `suffix`, by name; there must be some.
void folder_open(struct folder *folder, char **argv, int argc, const char *suffix);
void folder_close(struct folder *folder);
const char *folder_name(const struct folder *folder, int index);
// Appends the file to `out`; one that cannot be read is empty.
void folder_read(const struct folder *folder, const char *name, struct buffer *out);
// Writes `found` as "expected" where that was asked for, and prints what differs from it. Returns
// how many lines do.
unsigned folder_compare(const struct folder *folder, struct view found);

#endif
