// SPDX-License-Identifier: Apache-2.0
// Bytes that the disk gave back otherwise than it got them.
#include "unit/spool/spool_test.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "spool/format.h"
#include "spool/scan.h"

enum { LOG_MESSAGES = 8, FILES_MAX = 16 };

// --- Files in the simulator ----------------------------------------------------------------------
struct kept_file {
    char name[64];
    char *bytes;
    size_t len;
};
struct kept {
    struct kept_file files[FILES_MAX];
    size_t n;
};

static void keep_name(const char *name, void *arg) {
    struct kept *kept = arg;
    if (strncmp(name, "reserve", 7) == 0)
        return;
    assert_true(kept->n < FILES_MAX);
    view_copy_string(view_of(name), kept->files[kept->n++].name, 64);
}

static struct io_dir *open_directory(void) {
    struct io_dir *dir;
    assert_int_equal(io_dir_open(test_directory, true, &dir).status, IO_OK);
    return dir;
}

static struct kept *keep_files(void) {
    struct kept *kept = mem_alloc_zero(sizeof(*kept));
    struct io_dir *dir = open_directory();
    struct io_file *file;
    assert_int_equal(io_dir_list(dir, keep_name, kept).status, IO_OK);
    for (size_t i = 0; i < kept->n; i++) {
        uint64_t size;
        assert_int_equal(io_file_open(dir, kept->files[i].name, IO_OPEN_READ, &file).status, IO_OK);
        assert_int_equal(io_file_size(file, &size).status, IO_OK);
        kept->files[i].bytes = mem_alloc(size);
        kept->files[i].len = size;
        assert_int_equal(io_file_read(file, kept->files[i].bytes, size, 0).status, IO_OK);
        io_file_close(file);
    }
    io_dir_close(dir);
    return kept;
}

static void free_kept(struct kept *kept) {
    for (size_t i = 0; i < kept->n; i++)
        free(kept->files[i].bytes);
    free(kept);
}

static void unlink_name(const char *name, void *arg) {
    struct kept *names = arg;
    view_copy_string(view_of(name), names->files[names->n++ % FILES_MAX].name, 64);
}

// The directory becomes exactly what was kept.
static void restore_files(const struct kept *kept) {
    struct io_dir *dir = open_directory();
    struct kept names = {0};
    struct io_file *file;
    io_dir_list(dir, unlink_name, &names);
    for (size_t i = 0; i < names.n && i < FILES_MAX; i++)
        io_dir_unlink(dir, names.files[i].name);
    for (size_t i = 0; i < kept->n; i++) {
        struct iovec part = {kept->files[i].bytes, kept->files[i].len};
        assert_int_equal(
            io_file_open(dir, kept->files[i].name, IO_OPEN_WRITE | IO_OPEN_OR_CREATE, &file).status,
            IO_OK);
        if (part.iov_len)
            assert_int_equal(io_file_writev(file, &part, 1, 0).status, IO_OK);
        io_file_close(file);
    }
    io_dir_close(dir);
}

static struct kept_file *largest(struct kept *kept) {
    struct kept_file *found = &kept->files[0];
    for (size_t i = 0; i < kept->n; i++)
        if (kept->files[i].len > found->len && strstr(kept->files[i].name, ".segment"))
            found = &kept->files[i];
    return found;
}

static struct kept_file *named(struct kept *kept, const char *name) {
    size_t i = 0;
    while (i < kept->n && strcmp(kept->files[i].name, name) != 0)
        i++;
    assert_true(i < kept->n);
    return &kept->files[i];
}

// --- A small log ---------------------------------------------------------------------------------
struct small_log {
    struct spool_id ids[LOG_MESSAGES]; // all alive, bodies of 300 bytes and more
    struct kept *open, *closed;        // as a crash and as a close leave it
};

static uint64_t size_of_message(size_t i) {
    return 300 + 100 * i;
}

static struct small_log make_log(void) {
    struct small_log log;
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id gone;
    assert_int_equal(put_message(spool, 1, 50, &gone), SPOOL_OK);
    for (size_t i = 0; i < LOG_MESSAGES; i++) {
        assert_int_equal(put_message(spool, 2, size_of_message(i), &log.ids[i]), SPOOL_OK);
        if (i % 2)
            assert_int_equal(update_rcpt(spool, log.ids[i], 0, "stated"), SPOOL_OK);
    }
    assert_int_equal(put_note(spool, "note", "value"), SPOOL_OK);
    assert_int_equal(settle_rcpt(spool, gone, 0), SPOOL_OK);
    io_sleep(io_after(100));
    log.open = keep_files();
    spool_close(spool);
    log.closed = keep_files();
    free(seen);
    return log;
}

static void free_log(struct small_log *log) {
    free_kept(log->open);
    free_kept(log->closed);
}

static uint64_t n_reported(const struct seen *seen) {
    return seen->recovery.torn_batches + seen->recovery.damaged_records;
}

// --- The scan, at every byte ---------------------------------------------------------------------
struct frames {
    uint64_t at[64], end[64];
    size_t n;
};

static struct spool_secret secret_of(const struct kept_file *file) {
    struct spool_header header;
    bool used_copy;
    assert_true(spool_header_read(view_from(file->bytes, file->len), &header, &used_copy));
    return header.secret;
}

static struct frames frames_of(struct spool_secret secret, struct view file, size_t *n_damages) {
    struct buffer image;
    struct frames frames = {.n = 0};
    struct view records, rest, meta;
    struct spool_frame frame;
    uint32_t unit;
    buffer_init(&image, 1 << 20);
    struct spool_scan scan = {.secret = secret, .image = &image};
    spool_scan_run(&scan, file);
    *n_damages = scan.n_damages;
    rest = buffer_view(&image);
    while (spool_image_next(&rest, &unit, &records)) {
        uint64_t at = (uint64_t)unit * SPOOL_UNIT_BYTES;
        assert_true(frames.n < ARRAY_LEN(frames.at));
        assert_true(spool_frame_read(secret, view_skip(file, at), &frame, &meta));
        frames.at[frames.n] = at;
        frames.end[frames.n++] = at + spool_frame_total(&frame);
    }
    assert_int_equal(rest.len, 0);
    spool_scan_finish(&scan);
    buffer_finish(&image);
    return frames;
}

static bool has_frame(const struct frames *frames, uint64_t at) {
    for (size_t i = 0; i < frames->n; i++)
        if (frames->at[i] == at)
            return true;
    return false;
}

static void every_byte_damaged(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.open);
    struct spool_secret secret = secret_of(file);
    struct view bytes = view_from(file->bytes, file->len);
    size_t n_damages = 0, n_silent = 0;
    struct frames whole = frames_of(secret, bytes, &n_damages);
    assert_int_equal(n_damages, 0);
    assert_int_equal(whole.n, 2 + LOG_MESSAGES + LOG_MESSAGES / 2 + 1);
    for (size_t at = SPOOL_DATA_AT; at < file->len; at++) {
        file->bytes[at] ^= (char)(1 << at % 8);
        struct frames left = frames_of(secret, bytes, &n_damages);
        for (size_t i = 0; i < whole.n; i++)
            if (at < whole.at[i] || at >= whole.end[i])
                assert_true(has_frame(&left, whole.at[i]));
        n_silent += n_damages == 0;
        assert_true(n_damages > 0 || left.n == whole.n);
        file->bytes[at] ^= (char)(1 << at % 8);
    }
    assert_true(n_silent < whole.n * SPOOL_UNIT_BYTES); // only what pads a frame is not checked
    free_log(&log);
}

static void every_length_cut(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.open);
    struct spool_secret secret = secret_of(file);
    size_t n_damages = 0;
    struct frames whole = frames_of(secret, view_from(file->bytes, file->len), &n_damages);
    for (size_t len = SPOOL_DATA_AT; len <= file->len; len++) {
        struct frames left = frames_of(secret, view_from(file->bytes, len), &n_damages);
        for (size_t i = 0; i < whole.n; i++)
            if (whole.end[i] <= len)
                assert_true(has_frame(&left, whole.at[i]));
        assert_true(left.n <= whole.n);
    }
    free_log(&log);
}

// --- Starts on damaged files ---------------------------------------------------------------------
static size_t count_intact(struct spool *spool, const struct seen *seen,
                           const struct small_log *log) {
    size_t n = 0;
    for (size_t i = 0; i < LOG_MESSAGES; i++)
        n += has_seen(seen, log->ids[i]) &&
             stored_body_matches(spool, log->ids[i], size_of_message(i));
    return n;
}

// One byte costs at most one message, and then it is said.
static void start_with_byte(struct small_log *log, struct kept *kept, struct kept_file *file,
                            size_t at) {
    struct seen *seen = make_seen();
    file->bytes[at] ^= 0x55;
    restore_files(kept);
    file->bytes[at] ^= 0x55;
    struct spool *spool = open_spool(seen);
    size_t n_intact = count_intact(spool, seen, log);
    assert_true(n_intact >= LOG_MESSAGES - 1);
    assert_true(n_intact == LOG_MESSAGES || n_reported(seen) > 0 || kept == log->closed);
    assert_true(seen->n <= LOG_MESSAGES + 1);
    spool_close(spool);
    spool = open_spool(seen); // what was set aside is not met again
    assert_true(seen->recovery.damaged_records == 0 || at < SPOOL_DATA_AT);
    assert_true(count_intact(spool, seen, log) >= n_intact);
    spool_close(spool);
    free(seen);
}

static void starts_with_a_byte_damaged(void *arg) {
    struct small_log log = make_log();
    struct kept_file *open = largest(log.open), *closed = largest(log.closed);
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    for (size_t at = 0; at < open->len; at += at < SPOOL_DATA_AT ? 41 : 23)
        start_with_byte(&log, log.open, open, at);
    for (size_t at = 3; at < closed->len; at += at < SPOOL_DATA_AT ? 997 : 23)
        start_with_byte(&log, log.closed, closed, at);
    for (size_t at = closed->len - SPOOL_FOOTER_BYTES; at < closed->len; at++)
        start_with_byte(&log, log.closed, closed, at);
    log_set_level(LOG_LEVEL_INFO);
    free_log(&log);
}

static void starts_cut_at_a_length(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.closed);
    size_t len = file->len, most = 0;
    struct seen *seen = make_seen();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    for (size_t cut = 0; cut <= len; cut += cut < SPOOL_DATA_AT ? 511 : 31) {
        file->len = cut;
        restore_files(log.closed);
        struct spool *spool = open_spool(seen);
        size_t n = count_intact(spool, seen, &log);
        assert_true(n >= most); // more bytes, no fewer messages
        most = n;
        spool_close(spool);
    }
    assert_int_equal(most, LOG_MESSAGES);
    log_set_level(LOG_LEVEL_INFO);
    file->len = len;
    free(seen);
    free_log(&log);
}

static void damaged_index_costs_nothing(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.closed);
    struct seen *seen = make_seen();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    file->bytes[file->len - SPOOL_FOOTER_BYTES - 20] ^= 1;
    restore_files(log.closed);
    struct spool *spool = open_spool(seen);
    assert_int_equal(count_intact(spool, seen, &log), LOG_MESSAGES);
    assert_int_equal(seen->n, LOG_MESSAGES);
    assert_int_equal(seen->recovery.damaged_records, 1);
    assert_true(seen->recovery.bytes_scanned > 0);
    spool_close(spool);
    log_set_level(LOG_LEVEL_INFO);
    free(seen);
    free_log(&log);
}

static void damaged_body_is_told(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.closed);
    struct seen *seen = make_seen();
    struct spool_body *body;
    char scratch[4096];
    struct view piece;
    size_t n_damaged = 0;
    // The index is whole, so nobody looks at the bodies before they are read.
    struct spool_secret secret = secret_of(file);
    size_t n_damages;
    struct frames frames = frames_of(secret, view_from(file->bytes, file->len), &n_damages);
    for (size_t i = 0; i < frames.n; i++)
        file->bytes[frames.end[i] - SPOOL_UNIT_BYTES - 1] ^= 1; // the last bytes of the data
    restore_files(log.closed);
    struct spool *spool = open_spool(seen);
    assert_int_equal(seen->n, LOG_MESSAGES);
    for (size_t i = 0; i < LOG_MESSAGES; i++) {
        enum spool_status status = spool_body_open(spool, log.ids[i], &body);
        if (status == SPOOL_OK) {
            status = spool_body_read(body, 0, sizeof(scratch), scratch, &piece);
            assert_true(status == SPOOL_DAMAGED || piece.len == size_of_message(i));
            assert_true(status == SPOOL_OK || piece.len == 0);
            // In parts: the whole piece is checked first.
            assert_int_equal(spool_body_read(body, 10, 20, scratch, &piece), status);
        }
        n_damaged += status == SPOOL_DAMAGED;
        spool_body_unref(body);
    }
    assert_int_equal(n_damaged, LOG_MESSAGES);
    spool_close(spool);
    free(seen);
    free_log(&log);
}

static void damaged_headers_set_a_segment_aside(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.open);
    struct seen *seen = make_seen();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    file->bytes[9] ^= 1;
    file->bytes[SPOOL_HEADER_COPY_AT + 9] ^= 1;
    restore_files(log.open);
    struct spool *spool = open_spool(seen);
    struct spool_id id;
    assert_int_equal(seen->n, 0);
    assert_int_equal(seen->recovery.damaged_records, 1);
    assert_int_equal(put_message(spool, 1, 100, &id), SPOOL_OK);
    spool_close(spool);
    struct kept *kept = keep_files();
    char name[128];
    snprintf(name, sizeof(name), "quarantine-%s", file->name);
    assert_int_equal(named(kept, name)->len, file->len);
    free_kept(kept);
    log_set_level(LOG_LEVEL_INFO);
    free(seen);
    free_log(&log);
}

static void damaged_node_gets_a_new_number(void *arg) {
    struct small_log log = make_log();
    struct seen *seen = make_seen();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    named(log.closed, "node")->bytes[13] ^= 1;
    restore_files(log.closed);
    struct spool *spool = open_spool(seen);
    assert_int_equal(seen->n, LOG_MESSAGES);
    assert_int_equal(seen->recovery.damaged_records, 1);
    struct spool_id id = spool_id_next(spool);
    assert_true(id.hi >> 32 != log.ids[0].hi >> 32);
    assert_true((uint32_t)id.hi > (uint32_t)log.ids[0].hi); // segments are numbered upward still
    spool_close(spool);
    log_set_level(LOG_LEVEL_INFO);
    free(seen);
    free_log(&log);
}

static void later_version_is_left_alone(void *arg) {
    struct small_log log = make_log();
    struct kept_file *file = largest(log.closed);
    struct seen *seen = make_seen();
    struct spool_options options = small_options();
    struct spool_header header;
    bool used_copy;
    assert_true(spool_header_read(view_from(file->bytes, file->len), &header, &used_copy));
    unsigned char *block = mem_alloc(SPOOL_DATA_AT);
    spool_header_write(&header, block);
    // Version 2, with a checksum that fits: as a later program would write it.
    block[8] = 2;
    size_t crc_at = SPOOL_HEADER_BYTES - 4;
    codec_store_u32(block + crc_at, crc32c(0, block, crc_at));
    memcpy(file->bytes, block, SPOOL_HEADER_BYTES);
    restore_files(log.closed);
    assert_null(open_with(&options, seen));
    assert_non_null(strstr(seen->error.text, "later version"));
    free(block);
    free(seen);
    free_log(&log);
}

// --- Messages that cannot be saved ---------------------------------------------------------------
struct large_log {
    struct spool_id large, small;
    struct kept *kept;
};
static const uint64_t large_bytes = 400000;

// A large message in several segments, and a small one behind it; as a crash leaves them.
static struct large_log make_large_log(void) {
    struct large_log log;
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    assert_int_equal(put_message(spool, 1, large_bytes, &log.large), SPOOL_OK);
    assert_int_equal(put_message(spool, 1, 1000, &log.small), SPOOL_OK);
    io_sleep(io_after(10));
    log.kept = keep_files();
    spool_close(spool);
    free(seen);
    return log;
}

static void large_is_lost(const struct large_log *log) {
    struct seen *seen = make_seen();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    restore_files(log->kept);
    struct spool *spool = open_spool(seen);
    assert_int_equal(seen->recovery.lost_messages, 1);
    assert_int_equal(seen->n, 1);
    assert_true(stored_body_matches(spool, log->small, 1000));
    spool_close(spool);
    log_set_level(LOG_LEVEL_INFO);
    free(seen);
}

static void damaged_chunk_loses_its_message(void *arg) {
    struct large_log log = make_large_log();
    struct kept_file *file = largest(log.kept);
    assert_true(file->len > 256 << 10);
    file->bytes[SPOOL_DATA_AT + 5000] ^= 1;
    large_is_lost(&log);
    free_kept(log.kept);
}

static void missing_segment_loses_its_messages(void *arg) {
    struct large_log log = make_large_log();
    largest(log.kept)->len = 100;
    large_is_lost(&log);
    free_kept(log.kept);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct kept_file *)a)->name, ((const struct kept_file *)b)->name);
}

// Cut where a batch ends, in the middle of the log: only the sequence tells.
static void missing_batches_are_told(void *arg) {
    struct seen *seen = make_seen();
    struct spool *spool = open_spool(seen);
    struct spool_id id;
    for (int i = 0; i < 30; i++)
        assert_int_equal(put_message(spool, 1, 4000, &id), SPOOL_OK);
    io_sleep(io_after(10));
    struct kept *kept = keep_files();
    spool_close(spool);
    qsort(kept->files, kept->n, sizeof(kept->files[0]), compare_names);
    struct kept_file *first = &kept->files[0];
    struct spool_secret secret = secret_of(first);
    size_t n_damages;
    struct frames frames = frames_of(secret, view_from(first->bytes, first->len), &n_damages);
    assert_true(frames.n > 5);
    first->len = frames.end[frames.n - 2];
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    restore_files(kept);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 29);
    assert_int_equal(seen->recovery.damaged_records, 1);
    spool_close(spool);
    log_set_level(LOG_LEVEL_INFO);
    free_kept(kept);
    free(seen);
}

// --- Forgery -------------------------------------------------------------------------------------
// A body that holds whole batches: of another segment, and of its own, where it cannot stand. The
// frame in front of it is damaged, so that the search for the next one goes through it.
static void forged_record_in_a_body(void *arg) {
    struct small_log log = make_log();
    struct kept_file *victim = largest(log.open);
    struct seen *seen = make_seen();
    size_t stolen_len = victim->len - SPOOL_DATA_AT;
    restore_files(log.open);
    struct spool *spool = open_spool(seen);
    struct spool_id id = spool_id_next(spool), last;
    struct spool_body *body = spool_body_create(spool, NULL);
    assert_int_equal(spool_body_append(body, VIEW("Subject: x\r\n\r\n????"), IO_NEVER), SPOOL_OK);
    assert_int_equal(
        spool_body_append(body, view_from(victim->bytes + SPOOL_DATA_AT, stolen_len), IO_NEVER),
        SPOOL_OK);
    struct spool_tx *tx = spool_tx_create(spool);
    add_message(tx, id, 1, body);
    assert_int_equal(spool_commit(tx), SPOOL_OK);
    spool_body_unref(body);
    for (size_t i = 0; i < LOG_MESSAGES; i++)
        for (uint32_t rcpt = 0; rcpt < 2; rcpt++)
            assert_int_equal(settle_rcpt(spool, log.ids[i], rcpt), SPOOL_OK);
    assert_int_equal(put_message(spool, 1, 100, &last), SPOOL_OK);
    io_sleep(io_after(100));
    struct kept *kept = keep_files();
    spool_close(spool);
    // Damage the head of the frame with the forged body.
    struct kept_file *file = largest(kept);
    struct spool_secret secret = secret_of(file);
    size_t n_damages = 0, forged = 0;
    struct frames frames = frames_of(secret, view_from(file->bytes, file->len), &n_damages);
    while (frames.end[forged] - frames.at[forged] < stolen_len)
        forged++;
    file->bytes[frames.at[forged] + 9] ^= 1;
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    restore_files(kept);
    spool = open_spool(seen);
    assert_int_equal(seen->n, 1); // nothing of what the body says came true
    assert_true(has_seen(seen, last));
    assert_true(seen->recovery.damaged_records > 0);
    spool_close(spool);
    log_set_level(LOG_LEVEL_INFO);
    free_kept(kept);
    free(seen);
    free_log(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_SIM(every_byte_damaged),
        ON_SIM(every_length_cut),
        ON_SIM(starts_with_a_byte_damaged),
        ON_SIM(starts_cut_at_a_length),
        ON_SIM(damaged_index_costs_nothing),
        ON_SIM(damaged_body_is_told),
        ON_SIM(damaged_headers_set_a_segment_aside),
        ON_SIM(damaged_node_gets_a_new_number),
        ON_SIM(later_version_is_left_alone),
        ON_SIM(damaged_chunk_loses_its_message),
        ON_SIM(missing_segment_loses_its_messages),
        ON_SIM(missing_batches_are_told),
        ON_SIM(forged_record_in_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
