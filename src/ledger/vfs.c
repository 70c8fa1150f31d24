// SPDX-License-Identifier: Apache-2.0
// SQLite takes a path apart from the root down before it opens it. The relay gives up root after it
// was started, and may then be unable to look into a folder above its own (/root, a home
// directory), though every name relative to the working directory is open to it. So paths are
// taken as given.
#include "ledger/store.h"

#include <pthread.h>

static sqlite3_vfs as_given;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static int path_as_given(sqlite3_vfs *vfs, const char *name, int size, char *out) {
    (void)vfs;
    sqlite3_snprintf(size, out, "%s", name);
    return strlen(name) < (size_t)size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static void make(void) {
    as_given = *sqlite3_vfs_find("unix");
    as_given.zName = "postrider";
    as_given.pNext = NULL;
    as_given.xFullPathname = path_as_given;
    sqlite3_vfs_register(&as_given, 0);
}

const char *ledger_vfs(void) {
    pthread_once(&made, make);
    return as_given.zName;
}
