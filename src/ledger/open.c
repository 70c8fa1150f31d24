// SPDX-License-Identifier: Apache-2.0
// Opening the file: whose it is, making it, reading back what was not sealed; and setting it aside.
#include "ledger/store.h"

#include "ledger/schema.inc"

#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const statement_texts[LEDGER_STATEMENT_COUNT] = {
#define X(name, sql) [LEDGER_STATEMENT_##name] = sql,
    LEDGER_STATEMENTS(X)
#undef X
};

enum { BUSY_MS = 500, PATH_BYTES_MAX = 4096 };

static enum ledger_status failed(struct ledger_store *store, int code) {
    enum ledger_status status = ledger_status_of(code);
    if (status != LEDGER_STATUS_OK)
        snprintf(store->reason, sizeof(store->reason), "%s",
                 store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    return status;
}

// Recipients' addresses are nobody's business: only we may read the file. SQLite gives the files
// beside it the same mode.
static enum ledger_status make_file(struct ledger_store *store, const char *path) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        snprintf(store->reason, sizeof(store->reason), "%s: %s", path, strerror(errno));
        return errno == ENOSPC ? LEDGER_STATUS_FULL : LEDGER_STATUS_FAILED;
    }
    close(descriptor);
    return LEDGER_STATUS_OK;
}

static enum ledger_status one_number(struct ledger_store *store, const char *sql, int64_t *value) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    enum ledger_status status = failed(store, code);
    sqlite3_finalize(statement);
    return status;
}

static enum ledger_status execute(struct ledger_store *store, const char *sql) {
    return failed(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

// The secret of the hashes, drawn once for the life of the file.
static enum ledger_status make_schema(struct ledger_store *store) {
    char sql[256];
    int64_t key[2];
    io_random_bytes(key, sizeof(key));
    enum ledger_status status = execute(store, "BEGIN IMMEDIATE;" LEDGER_SCHEMA);
    if (status != LEDGER_STATUS_OK)
        return status;
    snprintf(sql, sizeof(sql),
             "INSERT INTO meta VALUES('key0', %lld), ('key1', %lld);"
             "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             (long long)key[0], (long long)key[1], LEDGER_APPLICATION_ID, LEDGER_USER_VERSION);
    return execute(store, sql);
}

static enum ledger_status check_owner(struct ledger_store *store) {
    int64_t owner = 0, version = 0, n_tables = 0;
    enum ledger_status status = one_number(store, "PRAGMA application_id", &owner);
    if (status == LEDGER_STATUS_OK)
        status = one_number(store, "PRAGMA user_version", &version);
    if (status == LEDGER_STATUS_OK)
        status = one_number(store, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (status != LEDGER_STATUS_OK)
        return status;
    if (n_tables == 0 && owner == 0 && version == 0)
        return make_schema(store);
    if (owner == LEDGER_APPLICATION_ID && version == LEDGER_USER_VERSION)
        return LEDGER_STATUS_OK;
    if (owner == LEDGER_APPLICATION_ID)
        snprintf(store->reason, sizeof(store->reason), "it was written by a later version (%lld)",
                 (long long)version);
    else
        snprintf(store->reason, sizeof(store->reason), "it is another program's database");
    return LEDGER_STATUS_FOREIGN;
}

static enum ledger_status prepare_all(struct ledger_store *store) {
    for (int i = 0; i < LEDGER_STATEMENT_COUNT; i++)
        if (ledger_prepare(store->db, statement_texts[i], &store->statements[i]) !=
            LEDGER_STATUS_OK) {
            // Our mark and version, yet not our tables: whatever happened to it, it is of no use.
            failed(store, sqlite3_errcode(store->db));
            return LEDGER_STATUS_DAMAGED;
        }
    return LEDGER_STATUS_OK;
}

static enum ledger_status load_ids(struct ledger_store *store, int64_t *last_sealed_id) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_LAST_IDS];
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        store->last_id = sqlite3_column_int64(statement, 0);
        *last_sealed_id = sqlite3_column_int64(statement, 1);
        store->last_part = sqlite3_column_int64(statement, 2);
    }
    enum ledger_status status = failed(store, code);
    sqlite3_reset(statement);
    if (status == LEDGER_STATUS_OK)
        status = one_number(store, "SELECT value FROM meta WHERE name = 'key0'",
                            (int64_t *)&store->key[0]);
    if (status == LEDGER_STATUS_OK)
        status = one_number(store, "SELECT value FROM meta WHERE name = 'key1'",
                            (int64_t *)&store->key[1]);
    return status;
}

static enum ledger_status load_unsealed(struct ledger_store *store, int64_t last_sealed_id,
                                        struct ledger_postings *postings) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_UNSEALED];
    sqlite3_bind_int64(statement, 1, last_sealed_id);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct ledger_record record;
        ledger_row_record(statement, &record);
        ledger_postings_add(postings, &record);
    }
    enum ledger_status status = failed(store, code);
    sqlite3_reset(statement);
    return status;
}

static enum ledger_status open_database(struct ledger_store *store, const char *path) {
    enum ledger_status status = make_file(store, path);
    if (status != LEDGER_STATUS_OK)
        return status;
    int code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                               ledger_vfs());
    if (code != SQLITE_OK)
        return failed(store, code);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    // These two only work on a file that is still empty.
    return execute(store, "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL");
}

static enum ledger_status set_up(struct ledger_store *store) {
    return execute(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                          "PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=67108864;"
                          "PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY");
}

enum ledger_status ledger_store_open(struct ledger_store *store, const char *path,
                                     size_t n_entries_full, struct ledger_postings *postings) {
    int64_t last_sealed_id = 0;
    *store = (struct ledger_store){0};
    enum ledger_status status = open_database(store, path);
    if (status == LEDGER_STATUS_OK)
        status = check_owner(store);
    if (status == LEDGER_STATUS_OK)
        status = set_up(store);
    if (status == LEDGER_STATUS_OK)
        status = prepare_all(store);
    if (status == LEDGER_STATUS_OK)
        status = load_ids(store, &last_sealed_id);
    ledger_postings_init(postings, store->key, n_entries_full);
    if (status == LEDGER_STATUS_OK)
        status = load_unsealed(store, last_sealed_id, postings);
    if (status != LEDGER_STATUS_OK) {
        ledger_postings_finish(postings);
        ledger_store_close(store);
    }
    return status;
}

void ledger_store_close(struct ledger_store *store) {
    for (int i = 0; i < LEDGER_STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    sqlite3_close(store->db);
    store->db = NULL;
}

bool ledger_store_set_aside(const char *path, int64_t wall_ms, char *name) {
    static const char *const parts[] = {"-wal", "-shm", ""};
    char time[UNITS_TIME_SIZE], from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    units_format_time(wall_ms, time, sizeof(time));
    snprintf(name, 64, "ledger.sqlite.damaged-%s", time);
    const char *slash = strrchr(path, '/');
    int directory_len = slash ? (int)(slash - path) + 1 : 0;
    bool moved = false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(from, sizeof(from), "%s%s", path, parts[i]);
        snprintf(to, sizeof(to), "%.*s%s%s", directory_len, path, name, parts[i]);
        moved = rename(from, to) == 0;
    }
    return moved; // of the database itself, which comes last
}
