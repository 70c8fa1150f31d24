// SPDX-License-Identifier: Apache-2.0
// Ids as text, derived ids, and the structures on disk, byte for byte where the format says so.
#include "unit/spool/spool_test.h"

#include "base/codec.h"
#include "spool/format.h"

static const struct {
    struct spool_id id;
    const char *text;
} ids[] = {
    {{(uint64_t)1 << 32 | 1, 1}, "0000001-1-1"},
    {{(uint64_t)0xffffffff << 32 | 31, 32}, "3ZZZZZZ-Z-10"},
    {{(uint64_t)0x12345678 << 32 | 0x7fffffff, UINT64_MAX}, "0938NKR-1ZZZZZZ-FZZZZZZZZZZZZ"},
    {{(uint64_t)5 << 32 | 0xffffffff, 0}, "0000005-3ZZZZZZ-0"},
};

static void ids_have_one_name(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char text[SPOOL_ID_TEXT_SIZE];
        struct spool_id parsed = {0};
        assert_int_equal(spool_id_format(ids[i].id, text), strlen(ids[i].text));
        assert_string_equal(text, ids[i].text);
        assert_true(spool_id_parse(view_of(text), &parsed));
        assert_true(spool_id_equals(parsed, ids[i].id));
    }
}

static void texts_that_are_no_ids(void **state) {
    static const char *const texts[] = {"",
                                        "-",
                                        "--",
                                        "1-1-1",
                                        "0000001-1",
                                        "0000001-1-",
                                        "0000001--1",
                                        "0000001-01-1",
                                        "0000001-1-01",
                                        "0000001-1-1-",
                                        "0000001-1-1-1",
                                        "0000001-1-I",
                                        "0000001-1-L",
                                        "0000001-1-O",
                                        "0000001-1-U",
                                        "000000a-1-1",
                                        "4000000-1-1",
                                        "0000001-4000000-1",
                                        "0000001-1-G000000000000",
                                        "0000001-1-10000000000000",
                                        "0000001 1 1",
                                        " 0000001-1-1"};
    struct spool_id id;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (spool_id_parse(view_of(texts[i]), &id))
            fail_msg("\"%s\" is taken for an id", texts[i]);
    assert_false(spool_id_parse(view_from("0000001-1-1\0", 12), &id));
}

static void derived_ids_name_what_they_come_from(void **state) {
    struct spool_id origin = {(uint64_t)9 << 32 | 3, 77}, other = {(uint64_t)9 << 32 | 3, 78};
    uint32_t two[] = {4, 1}, sorted[] = {1, 4}, three[] = {1, 4, 5};
    struct spool_id id = spool_id_derive(origin, two, 2, 1);
    assert_true(spool_id_equals(id, spool_id_derive(origin, sorted, 2, 1)));
    assert_false(spool_id_equals(id, spool_id_derive(origin, three, 3, 1)));
    assert_false(spool_id_equals(id, spool_id_derive(origin, two, 2, 2)));
    assert_false(spool_id_equals(id, spool_id_derive(other, two, 2, 1)));
    assert_false(spool_id_equals(id, spool_id_derive(origin, NULL, 0, 1)));
    assert_int_equal(id.hi >> 32, 9);
    assert_true(id.hi & (1U << 31)); // no boot epoch is so high
    // Part of the format: a notice that is made again after an update must have the same id.
    char text[SPOOL_ID_TEXT_SIZE];
    spool_id_format(id, text);
    assert_string_equal(text, "0000009-21ZJZ4R-FA8906KATZVEK");
}

static void names_of_segments(void **state) {
    char name[SPOOL_NAME_SIZE];
    uint64_t number = 0;
    spool_segment_name(0x00000007000000abU, name);
    assert_string_equal(name, "00000007000000ab.segment");
    assert_true(spool_segment_name_parse(view_of(name), &number));
    assert_int_equal(number, 0x00000007000000abU);
    static const char *const others[] = {"",
                                         "node",
                                         "00000007000000ab",
                                         "00000007000000AB.segment",
                                         "0000000000000000.segment",
                                         "00000007000000ab.segment.new",
                                         "quarantine-00000007000000ab.segment",
                                         "0000007000000ab.segment"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(spool_segment_name_parse(view_of(others[i]), &number));
}

// The bytes that format.h promises; a change here needs a new format version.
static void bytes_on_disk(void **state) {
    static const unsigned char node_bytes[SPOOL_NODE_BYTES] = {
        'P', 'R', 'N', 'O', 'D', 'E', '\r', '\n', 1, 0, 0, 0, 4, 3, 2, 1,
        5,   0,   0,   0,   0,   1,   0,    0,    0, 0, 0, 0, 0, 0, 0, 0};
    unsigned char bytes[SPOOL_NODE_BYTES];
    struct spool_node node = {.node = 0x01020304, .epoch = 5, .wall_ms = 256}, read;
    spool_node_write(&node, bytes);
    assert_memory_equal(bytes, node_bytes, 28);
    assert_true(spool_node_read(view_from(bytes, sizeof(bytes)), &read));
    assert_int_equal(read.node, node.node);
    assert_int_equal(read.epoch, 5);
    assert_int_equal(read.wall_ms, 256);
    bytes[16] ^= 1;
    assert_false(spool_node_read(view_from(bytes, sizeof(bytes)), &read));

    struct spool_secret secret = {0x1122334455667788, 0x99};
    struct spool_batch batch = {
        .sequence = 3, .wall_ms = 4, .length = 48, .n_frames = 5, .unit = 6};
    unsigned char batch_bytes[SPOOL_BATCH_BYTES];
    spool_batch_write(secret, &batch, batch_bytes);
    static const unsigned char promised[36] = {
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0,    0,    0,    0,    48,   0,    0, 0, 5, 0, 0, 0, 6, 0, 0, 0};
    assert_memory_equal(batch_bytes, promised, sizeof(promised));
    assert_true(spool_batch_read(secret, view_from(batch_bytes, sizeof(batch_bytes)), &batch));
    secret.seed ^= 1; // the checksum is the segment's own
    assert_false(spool_batch_read(secret, view_from(batch_bytes, sizeof(batch_bytes)), &batch));
}

static void failures_are_remembered(void **state) {
    struct spool_header header = {.version = SPOOL_FORMAT_VERSION, .number = 9, .node = 1}, read;
    bool used_copy;
    for (uint64_t i = 1; i <= SPOOL_FAILURES_MAX + 2; i++)
        spool_failures_add(&header.failures, i, 100 + i);
    spool_failures_add(&header.failures, 10, 50);
    spool_failures_add(&header.failures, 11, 500);
    unsigned char *block = mem_alloc(SPOOL_DATA_AT);
    spool_header_write(&header, block);
    memset(block, 0, 100); // the second copy tells the same
    assert_true(spool_header_read(view_from(block, SPOOL_DATA_AT), &read, &used_copy));
    assert_true(used_copy);
    assert_int_equal(read.failures.n, SPOOL_FAILURES_MAX);
    assert_int_equal(spool_failures_find(&read.failures, 2), 0); // the oldest went
    assert_int_equal(spool_failures_find(&read.failures, 3), 103);
    assert_int_equal(spool_failures_find(&read.failures, 10), 50);
    assert_int_equal(spool_failures_find(&read.failures, 11), 111);
    free(block);
}

// Fields of a later version stay with a message that is moved.
static void unknown_fields_are_kept(void **state) {
    struct buffer first, second;
    struct spool_message message = {.n_rcpts = 2, .owner = 7, .envelope = VIEW("e")}, read;
    buffer_init(&first, 1 << 16);
    buffer_init(&second, 1 << 16);
    spool_message_write(&message, &first);
    codec_put_bytes(&first, 99, VIEW("of later"));
    codec_put_bytes(&first, SPOOL_FIELD_PIECES, VIEW("12345678"));
    spool_message_copy(buffer_view(&first), &second);
    assert_true(spool_message_read(buffer_view(&second), &read));
    assert_int_equal(read.n_rcpts, 2);
    assert_int_equal(read.owner, 7);
    assert_int_equal(read.pieces.len, 0);
    assert_true(view_find(buffer_view(&second), VIEW("of later")) < second.len);
    buffer_finish(&first);
    buffer_finish(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_one_name),
        cmocka_unit_test(texts_that_are_no_ids),
        cmocka_unit_test(derived_ids_name_what_they_come_from),
        cmocka_unit_test(names_of_segments),
        cmocka_unit_test(bytes_on_disk),
        cmocka_unit_test(failures_are_remembered),
        cmocka_unit_test(unknown_fields_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
