// SPDX-License-Identifier: Apache-2.0
// One SQLite file in WAL mode. Commits are not synced (losing the last of them to a power cut loses
// no mail), except those with audit lines that somebody waits for.
#include "ledger/store.h"

#include "base/codec.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SHRINK_PAGES = 1024, // free pages that are worth giving back
    AUDITS_MAX = 100000
};

enum ledger_status ledger_status_of(int code) {
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return LEDGER_STATUS_OK;
    case SQLITE_FULL: return LEDGER_STATUS_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return LEDGER_STATUS_DAMAGED;
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: return LEDGER_STATUS_REFUSED;
    default: return LEDGER_STATUS_FAILED;
    }
}

enum ledger_status ledger_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement) {
    return ledger_status_of(
        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

void ledger_bind_view(sqlite3_stmt *statement, int at, struct view view) {
    if (view.len)
        sqlite3_bind_text64(statement, at, view.ptr, view.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(statement, at);
}

static void bind_blob(sqlite3_stmt *statement, int at, struct view view) {
    sqlite3_bind_blob64(statement, at, view.ptr ? view.ptr : "", view.len, SQLITE_STATIC);
}

struct view ledger_column_view(sqlite3_stmt *statement, int at) {
    const void *bytes = sqlite3_column_blob(statement, at);
    return view_from(bytes, (size_t)sqlite3_column_bytes(statement, at));
}

// --- Statements ----------------------------------------------------------------------------------

static enum ledger_status explain(struct ledger_store *store, int code) {
    enum ledger_status status = ledger_status_of(code);
    if (status != LEDGER_STATUS_OK)
        snprintf(store->reason, sizeof(store->reason), "%s",
                 store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    return status;
}

// Steps to the end and resets.
static enum ledger_status run(struct ledger_store *store, enum ledger_statement which) {
    sqlite3_stmt *statement = store->statements[which];
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW)
        code = sqlite3_step(statement);
    enum ledger_status status = explain(store, code);
    sqlite3_reset(statement);
    return status;
}

// The first row's integers into `values`, which stay as they are where there is no row.
static enum ledger_status ask(struct ledger_store *store, enum ledger_statement which,
                              int64_t *values, int n_values) {
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    for (int i = 0; code == SQLITE_ROW && i < n_values; i++)
        values[i] = sqlite3_column_int64(statement, i);
    enum ledger_status status = explain(store, code);
    sqlite3_reset(statement);
    return status;
}

static void bind_int(struct ledger_store *store, enum ledger_statement which, int at,
                     int64_t value) {
    sqlite3_bind_int64(store->statements[which], at, value);
}

enum ledger_status ledger_store_begin(struct ledger_store *store, bool is_durable) {
    run(store, is_durable ? LEDGER_STATEMENT_SYNC_FULL : LEDGER_STATEMENT_SYNC_NORMAL);
    return run(store, LEDGER_STATEMENT_BEGIN);
}

enum ledger_status ledger_store_commit(struct ledger_store *store) {
    return run(store, LEDGER_STATEMENT_COMMIT);
}

void ledger_store_rollback(struct ledger_store *store) {
    char reason[sizeof(store->reason)];
    memcpy(reason, store->reason, sizeof(reason));
    if (!sqlite3_get_autocommit(store->db)) // some failures have rolled back already
        run(store, LEDGER_STATEMENT_ROLLBACK);
    memcpy(store->reason, reason, sizeof(reason));
}

// --- Rows ----------------------------------------------------------------------------------------

static void bind_address(sqlite3_stmt *statement, int at, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    if (address->family == ADDRESS_NONE) {
        sqlite3_bind_null(statement, at);
        return;
    }
    if (address->port)
        address_format_port(address, text, sizeof(text));
    else
        address_format(address, text, sizeof(text));
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static struct address column_address(sqlite3_stmt *statement, int at) {
    struct address address = {.family = ADDRESS_NONE};
    struct view text = ledger_column_view(statement, at);
    if (text.len && !address_parse_port(text, &address) && !address_parse(text, &address))
        address = (struct address){.family = ADDRESS_NONE};
    return address;
}

// SQLite takes text for what it is told; bytes of a peer that are no UTF-8 are stored as they came.
enum ledger_status ledger_store_attempt(struct ledger_store *store, struct ledger_record *record) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_ATTEMPT];
    int at = 1;
    record->id = 0;
    sqlite3_bind_int64(statement, at++, store->last_id + 1);
    sqlite3_bind_int64(statement, at++, record->at_ms);
    sqlite3_bind_int64(statement, at++, record->elapsed_ms);
    ledger_bind_view(statement, at++, record->connector);
    ledger_bind_view(statement, at++, record->domain);
    ledger_bind_view(statement, at++, record->site);
    ledger_bind_view(statement, at++, record->host);
    bind_address(statement, at++, &record->peer);
    bind_address(statement, at++, &record->source);
    ledger_bind_view(statement, at++, record->helo);
    ledger_bind_view(statement, at++, record->greeting);
    ledger_bind_view(statement, at++, record->tls);
    sqlite3_bind_int(statement, at++, record->tls_verify);
    ledger_bind_view(statement, at++,
                     record->cause == CAUSE_NONE ? VIEW_NONE : cause_info(record->cause)->id);
    sqlite3_bind_int64(statement, at++, record->n_results);
    sqlite3_bind_int64(statement, at++, record->n_folded);
    sqlite3_bind_int64(statement, at++, record->n_dropped);
    bind_blob(statement, at++, record->fact);
    bind_blob(statement, at++, record->results);
    enum ledger_status status = run(store, LEDGER_STATEMENT_ATTEMPT);
    if (status == LEDGER_STATUS_OK)
        record->id = ++store->last_id;
    return status;
}

void ledger_row_record(sqlite3_stmt *statement, struct ledger_record *record) {
    int at = 0;
    *record = (struct ledger_record){.cause = CAUSE_NONE};
    record->id = sqlite3_column_int64(statement, at++);
    record->at_ms = sqlite3_column_int64(statement, at++);
    record->elapsed_ms = sqlite3_column_int64(statement, at++);
    record->connector = ledger_column_view(statement, at++);
    record->domain = ledger_column_view(statement, at++);
    record->site = ledger_column_view(statement, at++);
    record->host = ledger_column_view(statement, at++);
    record->peer = column_address(statement, at++);
    record->source = column_address(statement, at++);
    record->helo = ledger_column_view(statement, at++);
    record->greeting = ledger_column_view(statement, at++);
    record->tls = ledger_column_view(statement, at++);
    record->tls_verify = sqlite3_column_int(statement, at++);
    struct view cause = ledger_column_view(statement, at++);
    if (cause.len && !cause_from_id(cause, &record->cause))
        record->cause = CAUSE_UNKNOWN; // of a later version of the catalogue
    record->n_results = (uint32_t)sqlite3_column_int64(statement, at++);
    record->n_folded = (uint32_t)sqlite3_column_int64(statement, at++);
    record->n_dropped = (uint32_t)sqlite3_column_int64(statement, at++);
    record->fact = ledger_column_view(statement, at++);
    record->results = ledger_column_view(statement, at++);
}

enum ledger_status ledger_store_audit(struct ledger_store *store,
                                      const struct ledger_audit *audit) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_AUDIT];
    bool by_operator = audit->kind == LEDGER_AUDIT_OPERATOR;
    int at = 1;
    ledger_bind_view(statement, at++, audit->key);
    ledger_bind_view(statement, at++, by_operator ? VIEW("operator") : VIEW("system"));
    sqlite3_bind_int64(statement, at++, audit->at_ms);
    ledger_bind_view(statement, at++, audit->who);
    ledger_bind_view(statement, at++, audit->action);
    ledger_bind_view(statement, at++, audit->target);
    ledger_bind_view(statement, at++, audit->detail);
    sqlite3_bind_int64(statement, at++, (int64_t)audit->n_affected);
    return run(store, LEDGER_STATEMENT_AUDIT);
}

enum ledger_status ledger_store_fold(struct ledger_store *store, const struct ledger_fold *fold) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_FOLD];
    sqlite3_bind_int64(statement, 1, fold->minute_ms);
    // The primary key allows no NULL: without a name the text is empty.
    sqlite3_bind_text64(statement, 2, fold->connector.ptr, fold->connector.len, SQLITE_STATIC,
                        SQLITE_UTF8);
    sqlite3_bind_text64(statement, 3, fold->site.ptr, fold->site.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int64(statement, 4, (int64_t)fold->successes);
    sqlite3_bind_int64(statement, 5, (int64_t)fold->failures);
    sqlite3_bind_int64(statement, 6, (int64_t)fold->dropped);
    return run(store, LEDGER_STATEMENT_FOLD);
}

// --- Sealing -------------------------------------------------------------------------------------

static enum ledger_status put_chunk(struct ledger_store *store, int64_t place,
                                    const uint64_t *entries, size_t n_entries) {
    char bytes[LEDGER_CHUNK_BYTES];
    for (size_t i = 0; i < n_entries; i++)
        codec_store_u64(bytes + i * 8, entries[i]);
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_POSTING];
    sqlite3_bind_int64(statement, 1, place);
    bind_blob(statement, 2, view_from(bytes, n_entries * 8));
    enum ledger_status status = run(store, LEDGER_STATEMENT_POSTING);
    sqlite3_clear_bindings(statement);
    return status;
}

static enum ledger_status put_part(struct ledger_store *store, const struct ledger_postings *sorted,
                                   struct view directory) {
    sqlite3_stmt *statement = store->statements[LEDGER_STATEMENT_PART];
    sqlite3_bind_int64(statement, 1, store->last_part + 1);
    sqlite3_bind_int64(statement, 2, sorted->first_id);
    sqlite3_bind_int64(statement, 3, sorted->last_id);
    sqlite3_bind_int64(statement, 4, sorted->at_ms_min);
    sqlite3_bind_int64(statement, 5, sorted->at_ms_max);
    bind_blob(statement, 6, directory);
    enum ledger_status status = run(store, LEDGER_STATEMENT_PART);
    sqlite3_clear_bindings(statement);
    return status;
}

enum ledger_status ledger_store_part(struct ledger_store *store,
                                     const struct ledger_postings *sorted) {
    ASSERT(sorted->n_entries > 0 && sorted->first_id > 0);
    size_t n_chunks = (sorted->n_entries + LEDGER_CHUNK_ENTRIES - 1) / LEDGER_CHUNK_ENTRIES;
    ASSERT(n_chunks <= UINT32_MAX);
    char *directory = mem_alloc(n_chunks * 4);
    enum ledger_status status = LEDGER_STATUS_OK;
    for (size_t i = 0; i < n_chunks && status == LEDGER_STATUS_OK; i++) {
        const uint64_t *entries = sorted->entries + i * LEDGER_CHUNK_ENTRIES;
        size_t n = size_min(LEDGER_CHUNK_ENTRIES, sorted->n_entries - i * LEDGER_CHUNK_ENTRIES);
        codec_store_u32(directory + i * 4, ledger_entry_hash(entries[0]));
        status = put_chunk(store, (store->last_part + 1) << 32 | (int64_t)i, entries, n);
    }
    if (status == LEDGER_STATUS_OK)
        status = put_part(store, sorted, view_from(directory, n_chunks * 4));
    free(directory);
    return status;
}

// --- Forgetting ----------------------------------------------------------------------------------

static void bind_name(struct ledger_store *store, enum ledger_statement which, struct view name) {
    ledger_bind_view(store->statements[which], 1, name);
}

enum ledger_status ledger_store_hole(struct ledger_store *store, int64_t before_ms) {
    bind_name(store, LEDGER_STATEMENT_META_PUT, VIEW("incomplete_before_ms"));
    bind_int(store, LEDGER_STATEMENT_META_PUT, 2, before_ms);
    return run(store, LEDGER_STATEMENT_META_PUT);
}

// Rows that age alone would have kept leave a hole.
static enum ledger_status forget_for_room(struct ledger_store *store, int64_t oldest_id,
                                          int64_t n_rows) {
    int64_t newest_ms = 0;
    bind_int(store, LEDGER_STATEMENT_OLD_NEWEST, 1, n_rows);
    enum ledger_status status = ask(store, LEDGER_STATEMENT_OLD_NEWEST, &newest_ms, 1);
    if (status == LEDGER_STATUS_OK)
        status = ledger_store_hole(store, newest_ms + 1);
    if (status != LEDGER_STATUS_OK)
        return status;
    bind_int(store, LEDGER_STATEMENT_FORGET, 1, oldest_id + n_rows);
    bind_int(store, LEDGER_STATEMENT_FORGET, 2, INT64_MAX);
    return run(store, LEDGER_STATEMENT_FORGET);
}

// A partition whose attempts are all gone.
static enum ledger_status forget_part(struct ledger_store *store, int64_t oldest_id) {
    int64_t part = 0;
    bind_int(store, LEDGER_STATEMENT_OLD_PART, 1, oldest_id);
    enum ledger_status status = ask(store, LEDGER_STATEMENT_OLD_PART, &part, 1);
    if (status != LEDGER_STATUS_OK || part == 0 || part == store->last_part)
        return status; // the last one keeps the ids that were given out
    bind_int(store, LEDGER_STATEMENT_FORGET_POSTINGS, 1, part << 32);
    bind_int(store, LEDGER_STATEMENT_FORGET_POSTINGS, 2, (part + 1) << 32);
    status = run(store, LEDGER_STATEMENT_FORGET_POSTINGS);
    bind_int(store, LEDGER_STATEMENT_FORGET_PART, 1, part);
    return status == LEDGER_STATUS_OK ? run(store, LEDGER_STATEMENT_FORGET_PART) : status;
}

static enum ledger_status bytes_used(struct ledger_store *store, uint64_t *bytes) {
    int64_t pages[3] = {0};
    enum ledger_status status = ask(store, LEDGER_STATEMENT_PAGES, pages, 3);
    *bytes = (uint64_t)(pages[0] - pages[1]) * (uint64_t)pages[2];
    return status;
}

enum ledger_status ledger_store_forget(struct ledger_store *store,
                                       const struct ledger_limits *limits) {
    int64_t oldest[2] = {store->last_id + 1, INT64_MAX};
    uint64_t used = 0;
    enum ledger_status status = bytes_used(store, &used);
    if (status == LEDGER_STATUS_OK)
        status = ask(store, LEDGER_STATEMENT_OLDEST, oldest, 2);
    if (status == LEDGER_STATUS_OK && oldest[1] < limits->keep_from_ms) {
        bind_int(store, LEDGER_STATEMENT_FORGET, 1, oldest[0] + limits->n_rows_max);
        bind_int(store, LEDGER_STATEMENT_FORGET, 2, limits->keep_from_ms);
        status = run(store, LEDGER_STATEMENT_FORGET);
    } else if (status == LEDGER_STATUS_OK && used > limits->size_bytes_max) {
        status = forget_for_room(store, oldest[0], limits->n_rows_max);
    }
    store->has_more_to_forget = sqlite3_changes(store->db) > 0 && status == LEDGER_STATUS_OK &&
                                (oldest[1] < limits->keep_from_ms || used > limits->size_bytes_max);
    return status == LEDGER_STATUS_OK ? forget_part(store, oldest[0]) : status;
}

enum ledger_status ledger_store_forget_small(struct ledger_store *store, int64_t keep_from_ms,
                                             int64_t keep_audits_from_ms) {
    bind_int(store, LEDGER_STATEMENT_FORGET_FOLDED, 1, keep_from_ms);
    enum ledger_status status = run(store, LEDGER_STATEMENT_FORGET_FOLDED);
    bind_int(store, LEDGER_STATEMENT_FORGET_AUDITS, 1, keep_audits_from_ms);
    bind_int(store, LEDGER_STATEMENT_FORGET_AUDITS, 2, AUDITS_MAX);
    return status == LEDGER_STATUS_OK ? run(store, LEDGER_STATEMENT_FORGET_AUDITS) : status;
}

bool ledger_store_shrink(struct ledger_store *store) {
    int64_t pages[3] = {0};
    if (ask(store, LEDGER_STATEMENT_PAGES, pages, 3) != LEDGER_STATUS_OK)
        return false;
    if (pages[1] <= SHRINK_PAGES || pages[1] <= pages[0] / 4)
        return false;
    // The file itself is cut when the log is written back.
    return run(store, LEDGER_STATEMENT_SHRINK) == LEDGER_STATUS_OK &&
           run(store, LEDGER_STATEMENT_CHECKPOINT) == LEDGER_STATUS_OK;
}

void ledger_store_checkpoint(struct ledger_store *store) {
    run(store, LEDGER_STATEMENT_CHECKPOINT);
}
