// SPDX-License-Identifier: Apache-2.0
// Which destinations are known to work: for whoever has to tell their fault from ours. Reads the
// file beside a running relay, in a connection of its own that can write nothing.
#include "ledger/store.h"

#include <stdio.h>

size_t ledger_known_good(const char *folder, struct address *out, size_t max) {
    enum { PATH_BYTES_MAX = 4096 };
    // SQLite takes `peer` from the row with the greatest id.
    static const char sql[] =
        "SELECT peer, max(id) FROM (SELECT id, site, peer, cause FROM attempt ORDER BY id DESC"
        " LIMIT 20000) WHERE cause IS NULL AND peer IS NOT NULL GROUP BY site"
        " ORDER BY max(id) DESC LIMIT ?1";
    char path[PATH_BYTES_MAX];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/ledger.sqlite", folder);
    bool is_open = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                                   ledger_vfs()) == SQLITE_OK &&
                   sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK;
    if (is_open)
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)max);
    while (is_open && n < max && sqlite3_step(statement) == SQLITE_ROW)
        n += address_parse_port(ledger_column_view(statement, 0), &out[n]);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return n;
}
