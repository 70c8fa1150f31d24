// SPDX-License-Identifier: Apache-2.0
// Queries: on a connection of their own, in the pool, newest first. Attempts that are not sealed
// yet are found in memory, the others partition by partition; each hit is checked against its row.
#include "ledger/ledger_internal.h"

#include "ledger/schema.inc"

#include "base/codec.h"

#include <stdlib.h>

enum {
    QUERY_LIMIT_DEFAULT = 100,
    QUERY_LIMIT_MAX = 10000,
    QUERY_ROWS_MAX = 50000, // looked at; beyond, the answer is incomplete
    QUERY_FLUSH_MS = 50,    // how long a query waits for what is not written yet
    QUERY_FLUSH_STEP_MS = 2
};

static const char sql_by_id[] = "SELECT " LEDGER_ATTEMPT_COLUMNS " FROM attempt WHERE id = ?1";
static const char sql_walk[] = "SELECT " LEDGER_ATTEMPT_COLUMNS " FROM attempt"
                               " WHERE id < ?1 AND at_ms BETWEEN ?2 AND ?3 ORDER BY id DESC";
static const char sql_parts[] = "SELECT number, first_id, directory FROM part"
                                " WHERE at_ms_max >= ?1 AND at_ms_min <= ?2 ORDER BY number DESC";
static const char sql_chunk[] = "SELECT entries FROM posting WHERE place = ?1";
static const char sql_folded[] = "SELECT 1 FROM folded WHERE minute_ms BETWEEN ?1 - 60000 AND ?2"
                                 " AND (?3 = '' OR connector = '' OR connector = ?3)"
                                 " AND (?4 = '' OR site = '' OR site = ?4) LIMIT 1";
static const char sql_hole[] = "SELECT value FROM meta WHERE name = 'incomplete_before_ms'";
static const char sql_audits[] =
    "SELECT key, kind, at_ms, who, action, target, detail, n_affected FROM audit"
    " WHERE at_ms BETWEEN ?1 AND ?2 AND (?4 = 0 OR target = ?5) ORDER BY id DESC LIMIT ?3";

// One query on its way through the pool.
struct job {
    struct ledger *ledger;
    struct ledger_query query; // with bounds filled in
    struct arena *arena;
    struct attempt *found; // room for query.limit
    struct ledger_audit *audits;
    size_t n_found;
    size_t n_rows;
    int64_t below_id; // the next hit must be older
    bool has_term;
    uint32_t hash;
    bool is_incomplete;
    bool is_over; // limit or bound reached, or the file is damaged
};

// --- Connection ----------------------------------------------------------------------------------

void ledger_reader_close(struct ledger_reader *reader) {
    sqlite3_finalize(reader->by_id);
    sqlite3_finalize(reader->walk);
    sqlite3_finalize(reader->parts);
    sqlite3_finalize(reader->chunk);
    sqlite3_finalize(reader->folded);
    sqlite3_finalize(reader->hole);
    sqlite3_finalize(reader->audits);
    sqlite3_close(reader->db);
    *reader = (struct ledger_reader){0};
}

static enum ledger_status prepare_reader(struct ledger_reader *reader) {
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {sql_by_id, &reader->by_id},   {sql_walk, &reader->walk},     {sql_parts, &reader->parts},
        {sql_chunk, &reader->chunk},   {sql_folded, &reader->folded}, {sql_hole, &reader->hole},
        {sql_audits, &reader->audits},
    };
    enum ledger_status status = LEDGER_STATUS_OK;
    for (size_t i = 0; i < ARRAY_LEN(all) && status == LEDGER_STATUS_OK; i++)
        status = ledger_prepare(reader->db, all[i].sql, all[i].statement);
    return status;
}

static bool open_reader(struct ledger *ledger) {
    struct ledger_reader *reader = &ledger->reader;
    if (reader->db)
        return true;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(ledger->path, &reader->db, flags, ledger_vfs());
    enum ledger_status status = ledger_status_of(code);
    if (status == LEDGER_STATUS_OK) {
        sqlite3_busy_timeout(reader->db, 1000);
        sqlite3_exec(reader->db, "PRAGMA query_only=1; PRAGMA cache_size=-16384", NULL, NULL, NULL);
        status = prepare_reader(reader);
    }
    if (status != LEDGER_STATUS_OK)
        ledger_reader_close(reader);
    return status == LEDGER_STATUS_OK;
}

// A read that ends otherwise than with a row or the end.
static bool is_row(struct job *job, int code) {
    if (code == SQLITE_ROW)
        return true;
    if (code == SQLITE_DONE)
        return false;
    if (ledger_status_of(code) == LEDGER_STATUS_DAMAGED)
        atomic_store(&job->ledger->is_damaged, true);
    job->is_incomplete = job->is_over = true;
    return false;
}

// --- Rows ----------------------------------------------------------------------------------------

// The array itself is taken from the arena at the end.
static bool has_room_for(const struct job *job, size_t item_size) {
    size_t need = (job->n_found + 2) * item_size;
    return job->arena->size_max - job->arena->used_total >= need;
}

static void consider(struct job *job, const struct ledger_record *record) {
    struct arena_mark mark = arena_mark(job->arena);
    job->below_id = record->id;
    enum ledger_match match =
        ledger_record_match(record, &job->query, job->arena, &job->found[job->n_found]);
    if (match == LEDGER_MATCH && !has_room_for(job, sizeof(struct attempt)))
        match = LEDGER_MATCH_NO_ROOM;
    if (match == LEDGER_MATCH) {
        job->n_found++;
        job->is_incomplete |= record->n_folded > 0 || record->n_dropped > 0;
        job->is_over |= job->n_found == job->query.limit;
    } else if (match != LEDGER_NO_MATCH) {
        arena_reset(job->arena, mark); // what did not fit leaves its room to the array
        job->is_incomplete = true;
        job->is_over |= match == LEDGER_MATCH_NO_ROOM;
    }
    if (++job->n_rows >= QUERY_ROWS_MAX && !job->is_over)
        job->is_over = job->is_incomplete = true;
}

static void look_up(struct job *job, int64_t id) {
    struct ledger_record record;
    sqlite3_stmt *statement = job->ledger->reader.by_id;
    if (job->is_over || id >= job->below_id)
        return;
    sqlite3_bind_int64(statement, 1, id);
    if (is_row(job, sqlite3_step(statement))) {
        ledger_row_record(statement, &record);
        consider(job, &record);
    }
    sqlite3_reset(statement);
}

static void walk(struct job *job) {
    struct ledger_record record;
    sqlite3_stmt *statement = job->ledger->reader.walk;
    sqlite3_bind_int64(statement, 1, job->below_id);
    sqlite3_bind_int64(statement, 2, job->query.since_ms);
    sqlite3_bind_int64(statement, 3, job->query.until_ms);
    while (!job->is_over && is_row(job, sqlite3_step(statement))) {
        ledger_row_record(statement, &record);
        consider(job, &record);
    }
    sqlite3_reset(statement);
}

// --- Index ---------------------------------------------------------------------------------------

// Hits among what is not sealed, newest first, at most as many as will be looked at.
static int64_t *open_hits(struct job *job, size_t *n_hits) {
    struct ledger_postings *postings = &job->ledger->postings;
    int64_t *hits = NULL;
    size_t size = 0;
    *n_hits = 0;
    pthread_mutex_lock(&job->ledger->index_lock);
    for (size_t i = postings->n_entries; i-- > 0 && *n_hits < QUERY_ROWS_MAX;) {
        if (ledger_entry_hash(postings->entries[i]) != job->hash)
            continue;
        if (*n_hits == size) {
            size = size ? size * 2 : 64;
            hits = mem_realloc(hits, size * sizeof(*hits));
        }
        hits[(*n_hits)++] = postings->first_id + ledger_entry_delta(postings->entries[i]);
    }
    pthread_mutex_unlock(&job->ledger->index_lock);
    return hits;
}

static void look_up_chunk(struct job *job, int64_t place, int64_t first_id) {
    char copy[LEDGER_CHUNK_BYTES]; // rows are read while the chunk is
    sqlite3_stmt *statement = job->ledger->reader.chunk;
    size_t len = 0;
    sqlite3_bind_int64(statement, 1, place);
    if (is_row(job, sqlite3_step(statement))) {
        struct view entries = view_take(ledger_column_view(statement, 0), sizeof(copy));
        len = entries.len - entries.len % 8;
        memcpy(copy, entries.ptr ? entries.ptr : "", len);
    }
    sqlite3_reset(statement);
    for (size_t at = len; at > 0 && !job->is_over; at -= 8) {
        uint64_t entry = codec_load_u64(copy + at - 8);
        if (ledger_entry_hash(entry) < job->hash)
            break;
        if (ledger_entry_hash(entry) == job->hash)
            look_up(job, first_id + ledger_entry_delta(entry));
    }
}

// The chunks that may hold the hash: from the last whose first hash is below it to the last whose
// first hash is not above it.
static void look_up_part(struct job *job, int64_t number, int64_t first_id, struct view directory) {
    size_t n_chunks = directory.len / 4, end = 0, low = 0, high = n_chunks;
    while (low < high) { // the number of chunks that begin at or below the hash
        size_t middle = low + (high - low) / 2;
        if (codec_load_u32(directory.ptr + middle * 4) <= job->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end > 0 && !job->is_over; end--) {
        look_up_chunk(job, number << 32 | (int64_t)(end - 1), first_id);
        if (codec_load_u32(directory.ptr + (end - 1) * 4) < job->hash)
            break;
    }
}

static void look_up_sealed(struct job *job) {
    sqlite3_stmt *statement = job->ledger->reader.parts;
    sqlite3_bind_int64(statement, 1, job->query.since_ms);
    sqlite3_bind_int64(statement, 2, job->query.until_ms);
    while (!job->is_over && is_row(job, sqlite3_step(statement)))
        look_up_part(job, sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                     ledger_column_view(statement, 2));
    sqlite3_reset(statement);
}

// Memory first: a partition that is sealed in between is then met twice, never missed; ids that do
// not go down are passed over.
static void look_up_term(struct job *job) {
    size_t n_hits = 0;
    int64_t *hits = open_hits(job, &n_hits);
    for (size_t i = 0; i < n_hits && !job->is_over; i++)
        look_up(job, hits[i]);
    free(hits);
    if (!job->is_over)
        look_up_sealed(job);
}

// --- Completeness --------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *statement, int at, struct view view) {
    sqlite3_bind_text64(statement, at, view.ptr ? view.ptr : "", view.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

static void check_complete(struct job *job) {
    struct ledger_reader *reader = &job->ledger->reader;
    int64_t from_ms = int64_max(job->query.since_ms, io_wall_ms() - job->ledger->retention_ms);
    if (is_row(job, sqlite3_step(reader->hole)))
        job->is_incomplete |= from_ms < sqlite3_column_int64(reader->hole, 0);
    sqlite3_reset(reader->hole);
    sqlite3_bind_int64(reader->folded, 1, from_ms);
    sqlite3_bind_int64(reader->folded, 2, job->query.until_ms);
    bind_text(reader->folded, 3, job->query.connector);
    bind_text(reader->folded, 4, job->query.site);
    job->is_incomplete |= is_row(job, sqlite3_step(reader->folded));
    sqlite3_reset(reader->folded);
}

// --- Attempts ------------------------------------------------------------------------------------

static void set_bounds(struct job *job, const struct ledger_query *query) {
    job->query = *query;
    job->below_id = INT64_MAX;
    if (job->query.limit == 0)
        job->query.limit = QUERY_LIMIT_DEFAULT;
    job->query.limit = size_min(job->query.limit, QUERY_LIMIT_MAX);
    if (job->query.until_ms == 0)
        job->query.until_ms = INT64_MAX;
}

// The memory ledger's records, newest first.
static void search_memory(struct job *job) {
    const struct ledger_record *record = job->ledger->kept.first;
    size_t n_kept = 0;
    for (; record; record = record->next)
        n_kept++;
    const struct ledger_record **all = mem_alloc((n_kept + 1) * sizeof(struct ledger_record *));
    for (record = job->ledger->kept.first, n_kept = 0; record; record = record->next)
        all[n_kept++] = record;
    while (n_kept > 0 && !job->is_over)
        consider(job, all[--n_kept]);
    free(all);
    job->is_incomplete |= job->ledger->counts.dropped > 0;
}

static void search(void *arg) {
    struct job *job = arg;
    struct ledger *ledger = job->ledger;
    pthread_mutex_lock(&ledger->read_lock);
    if (!open_reader(ledger)) {
        job->is_incomplete = true;
        pthread_mutex_unlock(&ledger->read_lock);
        return;
    }
    pthread_mutex_lock(&ledger->index_lock);
    job->has_term = ledger_query_term(&job->query, ledger->postings.key, &job->hash);
    pthread_mutex_unlock(&ledger->index_lock);
    sqlite3_exec(ledger->reader.db, "BEGIN", NULL, NULL, NULL);
    if (job->has_term)
        look_up_term(job);
    else
        walk(job);
    check_complete(job);
    sqlite3_exec(ledger->reader.db, "COMMIT", NULL, NULL, NULL);
    pthread_mutex_unlock(&ledger->read_lock);
}

// What was handed in before the query is in the answer, unless the writer lags.
static IO_WAITS bool await_writer(struct ledger *ledger) {
    uint64_t wanted = atomic_load(&ledger->n_taken_in);
    io_time deadline = io_after(QUERY_FLUSH_MS);
    if (atomic_load(&ledger->n_written) < wanted)
        io_loop_post(ledger->loop, ledger_writer_write, ledger);
    while (atomic_load(&ledger->n_written) < wanted) {
        struct io_result slept = io_sleep(io_after(QUERY_FLUSH_STEP_MS));
        if (slept.status == IO_CANCELED || io_now() >= deadline)
            return false;
    }
    return true;
}

enum ledger_history ledger_attempts(struct ledger *ledger, const struct ledger_query *query,
                                    struct arena *arena, struct attempt **attempts,
                                    size_t *n_attempts) {
    struct job job = {.ledger = ledger, .arena = arena};
    *attempts = NULL;
    *n_attempts = 0;
    set_bounds(&job, query);
    job.found = mem_alloc(job.query.limit * sizeof(struct attempt));
    if (ledger->is_memory) {
        search_memory(&job);
    } else {
        job.is_incomplete = !await_writer(ledger);
        io_offload(search, &job);
    }
    struct attempt *all = arena_alloc(arena, job.n_found * sizeof(struct attempt));
    for (size_t i = 0; all && i < job.n_found; i++)
        all[i] = job.found[i];
    *attempts = all;
    *n_attempts = all ? job.n_found : 0;
    free(job.found);
    return job.is_incomplete || !all ? LEDGER_INCOMPLETE : LEDGER_COMPLETE;
}

// --- Audit ---------------------------------------------------------------------------------------

// The one target that the query names, or none.
static struct view target_of(const struct ledger_query *query) {
    const struct view names[] = {query->message_id, query->recipient, query->domain,
                                 query->connector, query->site};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].len)
            return names[i];
    return VIEW_NONE;
}

static bool copy_view(struct arena *arena, struct view from, struct view *to) {
    *to = from.len ? arena_copy(arena, from) : VIEW_NONE;
    return from.len == 0 || to->ptr;
}

static void keep_audit(struct job *job, const struct ledger_audit *audit) {
    struct ledger_audit *out = &job->audits[job->n_found];
    *out = *audit;
    if (copy_view(job->arena, audit->key, &out->key) &&
        copy_view(job->arena, audit->who, &out->who) &&
        copy_view(job->arena, audit->action, &out->action) &&
        copy_view(job->arena, audit->target, &out->target) &&
        copy_view(job->arena, audit->detail, &out->detail) &&
        has_room_for(job, sizeof(struct ledger_audit)))
        job->n_found++;
    else
        job->is_over = job->is_incomplete = true;
    job->is_over |= job->n_found == job->query.limit;
}

static void read_audit_row(sqlite3_stmt *row, struct ledger_audit *audit) {
    bool by_operator = view_equals(ledger_column_view(row, 1), VIEW("operator"));
    *audit = (struct ledger_audit){
        .key = ledger_column_view(row, 0),
        .kind = by_operator ? LEDGER_AUDIT_OPERATOR : LEDGER_AUDIT_SYSTEM,
        .at_ms = sqlite3_column_int64(row, 2),
        .who = ledger_column_view(row, 3),
        .action = ledger_column_view(row, 4),
        .target = ledger_column_view(row, 5),
        .detail = ledger_column_view(row, 6),
        .n_affected = (uint64_t)sqlite3_column_int64(row, 7),
    };
}

static void search_audits(void *arg) {
    struct job *job = arg;
    struct ledger *ledger = job->ledger;
    struct view target = target_of(&job->query);
    pthread_mutex_lock(&ledger->read_lock);
    bool is_open = open_reader(ledger);
    job->is_incomplete |= !is_open;
    sqlite3_stmt *statement = ledger->reader.audits;
    sqlite3_bind_int64(statement, 1, job->query.since_ms);
    sqlite3_bind_int64(statement, 2, job->query.until_ms);
    sqlite3_bind_int64(statement, 3, (int64_t)job->query.limit);
    sqlite3_bind_int64(statement, 4, target.len > 0);
    bind_text(statement, 5, target);
    while (is_open && !job->is_over && is_row(job, sqlite3_step(statement))) {
        struct ledger_audit audit;
        read_audit_row(statement, &audit);
        keep_audit(job, &audit);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&ledger->read_lock);
}

bool ledger_audit_matches(const struct ledger_audit *audit, const struct ledger_query *query) {
    struct view target = target_of(query);
    return audit->at_ms >= query->since_ms &&
           (query->until_ms == 0 || audit->at_ms <= query->until_ms) &&
           (target.len == 0 || view_equals(audit->target, target));
}

static void search_memory_audits(struct job *job) {
    const struct ledger_audit_record *record = job->ledger->kept.first_audit;
    for (; record && !job->is_over; record = record->next)
        if (ledger_audit_matches(&record->audit, &job->query))
            keep_audit(job, &record->audit);
}

enum ledger_history ledger_audits(struct ledger *ledger, const struct ledger_query *query,
                                  struct arena *arena, struct ledger_audit **audits,
                                  size_t *n_audits) {
    struct job job = {.ledger = ledger, .arena = arena};
    *audits = NULL;
    *n_audits = 0;
    set_bounds(&job, query);
    job.audits = mem_alloc(job.query.limit * sizeof(struct ledger_audit));
    if (ledger->is_memory) {
        search_memory_audits(&job);
    } else {
        job.is_incomplete = !await_writer(ledger);
        io_offload(search_audits, &job);
    }
    struct ledger_audit *all = arena_alloc(arena, job.n_found * sizeof(struct ledger_audit));
    if (all && job.n_found)
        memcpy(all, job.audits, job.n_found * sizeof(*all));
    *audits = all;
    *n_audits = all ? job.n_found : 0;
    free(job.audits);
    return job.is_incomplete || !all ? LEDGER_INCOMPLETE : LEDGER_COMPLETE;
}
