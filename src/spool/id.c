// SPDX-License-Identifier: Apache-2.0
// Message ids as people see them: NODE-EPOCH-COUNTER in base 32 without I, L, O and U (which are
// taken for 1, 0 and V on paper), as in "3K9QWXA-5-1F2". The node has always seven digits, the
// other two as many as they need. Parsing is strict, so that a message has one name only.
#include "base/codec.h"
#include "base/hash.h"
#include "spool/spool.h"

#include <stdlib.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
enum { NODE_DIGITS = 7, DIGIT_BITS = 5, NUMBER_DIGITS_MAX = 13 };
static const uint64_t derived_mark = 1U << 31;

static size_t write_number(uint64_t value, size_t digits_min, char *out) {
    size_t n = digits_min;
    while (n < NUMBER_DIGITS_MAX && value >> (DIGIT_BITS * n))
        n++;
    for (size_t i = 0; i < n; i++)
        out[i] = digits[(value >> (DIGIT_BITS * (n - 1 - i))) & 31];
    return n;
}

size_t spool_id_format(struct spool_id id, char out[SPOOL_ID_TEXT_SIZE]) {
    size_t len = write_number(id.hi >> 32, NODE_DIGITS, out);
    out[len++] = '-';
    len += write_number((uint32_t)id.hi, 1, out + len);
    out[len++] = '-';
    len += write_number(id.lo, 1, out + len);
    ASSERT(len < SPOOL_ID_TEXT_SIZE);
    out[len] = '\0';
    return len;
}

static bool read_number(struct view text, uint64_t limit, uint64_t *value) {
    *value = 0;
    if (text.len == 0 || text.len > NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
        if (!digit || *value > UINT64_MAX >> DIGIT_BITS)
            return false;
        *value = *value << DIGIT_BITS | (uint64_t)(digit - digits);
    }
    return *value <= limit;
}

bool spool_id_parse(struct view text, struct spool_id *id) {
    struct view node = VIEW_NONE, epoch = VIEW_NONE, counter = VIEW_NONE, rest = text;
    uint64_t parts[3];
    if (!view_split(&rest, '-', &node) || !view_split(&rest, '-', &epoch) ||
        !view_split(&rest, '-', &counter) || rest.ptr ||
        !read_number(node, UINT32_MAX, &parts[0]) || !read_number(epoch, UINT32_MAX, &parts[1]) ||
        !read_number(counter, UINT64_MAX, &parts[2]))
        return false;
    struct spool_id parsed = {parts[0] << 32 | parts[1], parts[2]};
    char again[SPOOL_ID_TEXT_SIZE];
    if (!view_equals(view_from(again, spool_id_format(parsed, again)), text))
        return false; // leading zeros: the same message under another name
    *id = parsed;
    return true;
}

uint64_t spool_id_hash(struct spool_id id) {
    return hash_u64(id.hi * 0x9e3779b97f4a7c15U ^ hash_u64(id.lo));
}

static int compare_index(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

// The keys are part of the format: a notice must get the same id after every restart and update.
struct spool_id spool_id_derive(struct spool_id origin, const uint32_t *indices, size_t n_indices,
                                unsigned kind) {
    static const uint64_t keys[2][2] = {{0x706f737472696465U, 0x6e6f746963652d31U},
                                        {0x6e6f746963652d32U, 0x706f737472696465U}};
    uint32_t *sorted = mem_alloc(sizeof(*sorted) * (n_indices + 1));
    if (n_indices)
        memcpy(sorted, indices, sizeof(*sorted) * n_indices);
    qsort(sorted, n_indices, sizeof(*sorted), compare_index);
    size_t len = 20 + 4 * n_indices;
    char *bytes = mem_alloc(len);
    codec_store_u64(bytes, origin.hi);
    codec_store_u64(bytes + 8, origin.lo);
    codec_store_u32(bytes + 16, kind);
    for (size_t i = 0; i < n_indices; i++)
        codec_store_u32(bytes + 20 + 4 * i, sorted[i]);
    uint64_t first = hash_bytes_keyed(keys[0], view_from(bytes, len), false);
    uint64_t second = hash_bytes_keyed(keys[1], view_from(bytes, len), false);
    free(sorted);
    free(bytes);
    uint64_t low = derived_mark | (first & (derived_mark - 1));
    return (struct spool_id){(origin.hi >> 32) << 32 | low, second};
}
