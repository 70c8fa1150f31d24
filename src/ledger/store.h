// SPDX-License-Identifier: Apache-2.0
// The file: opening, the writer's statements, forgetting. One thread uses a store at a time.
// Private to the folder; the layout stands in schema.inc.
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include "ledger/folds.h"
#include "ledger/postings.h"

#include <sqlite3.h>

enum { LEDGER_APPLICATION_ID = 0x50524c44 /* "PRLD" */, LEDGER_USER_VERSION = 1 };

enum ledger_status {
    LEDGER_STATUS_OK,
    LEDGER_STATUS_FULL,    // no room on the disk
    LEDGER_STATUS_DAMAGED, // no SQLite file, or one whose pages are broken
    LEDGER_STATUS_FOREIGN, // somebody else's, or of a later version
    LEDGER_STATUS_REFUSED, // this row cannot be stored, others can
    LEDGER_STATUS_FAILED   // anything else: permissions, input/output errors, locks
};

enum ledger_statement {
#define X(name, sql) LEDGER_STATEMENT_##name,
#include "ledger/schema.inc"
    LEDGER_STATEMENTS(X)
#undef X
        LEDGER_STATEMENT_COUNT
};

struct ledger_store {
    sqlite3 *db; // NULL: closed
    sqlite3_stmt *statements[LEDGER_STATEMENT_COUNT];
    int64_t last_id, last_part;
    uint64_t key[2];
    bool has_more_to_forget; // the last step took all the rows that it may
    char reason[160];        // of the last status that was not OK
};

struct ledger_audit_record {
    struct ledger_audit_record *next;
    struct ledger_audit audit;
    struct io_mailbox *mailbox;
    struct io_mail *stored;
    size_t size;
};

// "DIRECTORY/ledger.sqlite", made where it is missing. What was stored and not sealed yet is added
// to `postings`, which is initialised here.
enum ledger_status ledger_store_open(struct ledger_store *store, const char *path,
                                     size_t n_entries_full, struct ledger_postings *postings);
void ledger_store_close(struct ledger_store *store); // harmless on a closed one
// Moves a file that cannot be used out of the way; `name` (of 64 bytes) says how it is called now.
bool ledger_store_set_aside(const char *path, int64_t wall_ms, char *name);

// A transaction; `is_durable` makes its commit wait for the disk.
enum ledger_status ledger_store_begin(struct ledger_store *store, bool is_durable);
enum ledger_status ledger_store_commit(struct ledger_store *store);
void ledger_store_rollback(struct ledger_store *store);
// Gives the record its id.
enum ledger_status ledger_store_attempt(struct ledger_store *store, struct ledger_record *record);
enum ledger_status ledger_store_audit(struct ledger_store *store, const struct ledger_audit *audit);
enum ledger_status ledger_store_fold(struct ledger_store *store, const struct ledger_fold *fold);
// `sorted` as ledger_postings_sort leaves it.
enum ledger_status ledger_store_part(struct ledger_store *store,
                                     const struct ledger_postings *sorted);
// History before `before_ms` has holes from now on.
enum ledger_status ledger_store_hole(struct ledger_store *store, int64_t before_ms);

struct ledger_limits {
    int64_t keep_from_ms;    // older attempts go
    uint64_t size_bytes_max; // beyond, the oldest go
    int64_t n_rows_max;      // in one step
};
// One step of forgetting, within a transaction.
enum ledger_status ledger_store_forget(struct ledger_store *store,
                                       const struct ledger_limits *limits);
// Folded minutes and audit lines, within a transaction.
enum ledger_status ledger_store_forget_small(struct ledger_store *store, int64_t keep_from_ms,
                                             int64_t keep_audits_from_ms);
// Outside a transaction: gives some free pages back when they are many; false: there is no more to
// do.
bool ledger_store_shrink(struct ledger_store *store);
// Outside a transaction: gives back what the write-ahead log takes on a full disk.
void ledger_store_checkpoint(struct ledger_store *store);

// Name of the SQLite file layer that takes paths as given (vfs.c).
const char *ledger_vfs(void);

// --- For the reader's connection too -------------------------------------------------------------
enum ledger_status ledger_status_of(int sqlite_code);
enum ledger_status ledger_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement);
void ledger_bind_view(sqlite3_stmt *statement, int at, struct view view); // empty: NULL
struct view ledger_column_view(sqlite3_stmt *statement, int at);
// A row of LEDGER_ATTEMPT_COLUMNS; views hold until the statement is stepped or reset.
void ledger_row_record(sqlite3_stmt *statement, struct ledger_record *record);

#endif
