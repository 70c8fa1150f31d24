// SPDX-License-Identifier: Apache-2.0
// A start of the store on hostile files, in the simulator: raw bytes behind a valid header, records
// of any content in frames whose checksums fit, an index whose checksum fits. Then what is there is
// looked up, read, settled and cleaned, and the store is closed and started again.
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "io/sim.h"
#include "spool/format.h"
#include "spool/scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES_MAX = 1 << 20, IDS = 4, STARTS = 2 };
static const struct spool_secret secret = {0x0123456789abcdef, 0x2468ace0};
static const uint64_t number = (uint64_t)1 << 32 | 1, owner = (uint64_t)7 << 32 | 1;

static struct buffer file;

// --- The file ------------------------------------------------------------------------------------
static void pad(void) {
    while (file.len % SPOOL_UNIT_BYTES)
        buffer_append_char(&file, '\0');
}

static void add_batch(uint64_t sequence, uint32_t length) {
    unsigned char bytes[SPOOL_BATCH_BYTES];
    struct spool_batch batch = {.sequence = sequence,
                                .wall_ms = 1700000000000,
                                .length = SPOOL_BATCH_BYTES + length,
                                .n_frames = 1,
                                .unit = (uint32_t)(file.len / SPOOL_UNIT_BYTES)};
    spool_batch_write(secret, &batch, bytes);
    buffer_append(&file, bytes, sizeof(bytes));
}

static void add_frame(uint64_t sequence, struct view meta, struct view body) {
    struct spool_frame frame = {
        .sequence = sequence, .meta_bytes = (uint32_t)meta.len, .data_bytes = (uint32_t)body.len};
    add_batch(sequence, (uint32_t)spool_frame_total(&frame));
    frame.unit = (uint32_t)(file.len / SPOOL_UNIT_BYTES);
    char *room = buffer_reserve(&file, SPOOL_FRAME_BYTES + meta.len);
    if (!room)
        return;
    if (meta.len)
        memcpy(room + SPOOL_FRAME_BYTES, meta.ptr, meta.len);
    spool_frame_write(secret, &frame, room);
    buffer_advance(&file, SPOOL_FRAME_BYTES + meta.len);
    buffer_append_view(&file, body);
    pad();
}

// One record with a small id, so that records are about each other; a message has its fields right,
// with pieces of the input's own making.
static void add_record(uint64_t sequence, struct view bytes) {
    struct buffer meta;
    buffer_init(&meta, FILE_BYTES_MAX);
    unsigned kind = bytes.len > 0 ? (unsigned char)bytes.ptr[0] % 8 : 0;
    struct spool_id id = {owner, bytes.len > 1 ? (unsigned char)bytes.ptr[1] % IDS : 0};
    struct view rest = view_skip(bytes, 2);
    size_t begin = spool_record_begin(&meta, kind, id);
    if (kind == SPOOL_RECORD_MESSAGE && rest.len > 0) {
        struct spool_message message = {
            .n_rcpts = 1 + (unsigned char)rest.ptr[0] % 5, .owner = owner, .body_bytes = rest.len};
        spool_message_write(&message, &meta);
        codec_put_bytes(&meta, SPOOL_FIELD_PIECES, view_skip(rest, 1));
    } else {
        buffer_append_view(&meta, rest);
    }
    spool_record_end(&meta, begin);
    add_frame(sequence, buffer_view(&meta), rest);
    buffer_finish(&meta);
}

static void add_index(struct view entries) {
    unsigned char bytes[SPOOL_FOOTER_BYTES];
    struct spool_footer footer = {.data_end = file.len, .index_at = file.len};
    char mark[8];
    codec_store_u64(mark, spool_mark_of(secret, SPOOL_MARK_INDEX));
    buffer_append(&file, mark, sizeof(mark));
    buffer_append_view(&file, entries);
    footer.index_bytes = file.len - footer.index_at;
    footer.index_crc = crc32c(secret.seed, file.ptr + footer.index_at, footer.index_bytes);
    spool_footer_write(secret, &footer, bytes);
    buffer_append(&file, bytes, sizeof(bytes));
}

static void build(struct view input) {
    struct spool_header header = {
        .version = SPOOL_FORMAT_VERSION, .node = 7, .number = number, .secret = secret};
    unsigned char *block = mem_alloc(SPOOL_DATA_AT);
    spool_header_write(&header, block);
    buffer_append(&file, block, SPOOL_DATA_AT);
    free(block);
    uint64_t sequence = 0;
    while (input.len >= 2) {
        unsigned what = (unsigned char)input.ptr[0];
        struct view part = view_take(view_skip(input, 2), (unsigned char)input.ptr[1]);
        input = view_skip(input, 2 + part.len);
        switch (what % 4) {
        case 0:
            buffer_append_view(&file, part);
            pad();
            break;
        case 1: add_frame(++sequence, part, VIEW("data")); break;
        case 2: add_record(++sequence, part); break;
        default:
            if (input.len == 0)
                add_index(part);
            break;
        }
    }
}

// --- The store -----------------------------------------------------------------------------------
static void put_file(void) {
    char name[SPOOL_NAME_SIZE];
    struct io_dir *dir;
    struct io_file *out;
    struct iovec part = {file.ptr, file.len};
    spool_segment_name(number, name);
    ASSERT(io_is_ok(io_dir_open("/spool", true, &dir)));
    ASSERT(io_is_ok(io_file_open(dir, name, IO_OPEN_WRITE | IO_OPEN_CREATE, &out)));
    ASSERT(io_is_ok(io_file_writev(out, &part, 1, 0)));
    io_file_close(out);
    io_dir_close(dir);
}

static void use_message(struct spool *spool, struct spool_id id) {
    struct arena arena;
    struct spool_entry entry;
    struct spool_body *body;
    struct view piece;
    char scratch[512];
    arena_init(&arena, 1 << 20);
    spool_lookup(spool, id, &arena, &entry);
    if (spool_body_open(spool, id, &body) == SPOOL_OK)
        for (uint64_t at = 0; at < spool_body_size(body); at += sizeof(scratch))
            if (spool_body_read(body, at, sizeof(scratch), scratch, &piece) != SPOOL_OK)
                break;
    spool_body_unref(body);
    arena_finish(&arena);
}

static void use_store(struct spool *spool) {
    for (uint64_t i = 0; i < IDS; i++)
        use_message(spool, (struct spool_id){owner, i});
    struct spool_tx *tx = spool_tx_create(spool);
    spool_tx_settle(tx, (struct spool_id){owner, 1}, 0);
    spool_tx_update(tx, (struct spool_id){owner, 2}, 0, VIEW("later"));
    spool_tx_note(tx, VIEW("key"), VIEW("value"));
    ASSERT(spool_commit(tx) == SPOOL_OK);
    io_sleep(io_after(5000)); // for sealing and cleaning
}

static void fuzz_main(void *arg) {
    struct spool_options options = {
        .path = "/spool", .segment_bytes = 64 << 10, .floor_free_bytes = 1};
    struct error error;
    put_file();
    for (int i = 0; i < STARTS; i++) {
        struct spool *spool = spool_open(&options, NULL, NULL, NULL, &error);
        if (!spool)
            return;
        use_store(spool);
        spool_close(spool);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    buffer_init(&file, FILE_BYTES_MAX);
    build(view_from(data, size));
    struct sim *sim = sim_create(1);
    io_spawn("fuzz", fuzz_main, NULL);
    sim_run(sim, IO_NEVER);
    sim_destroy(sim);
    buffer_finish(&file);
    return 0;
}
