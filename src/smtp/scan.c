// SPDX-License-Identifier: Apache-2.0
#include "smtp/scan.h"

#include "base/codec.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const uint64_t every_low = 0x0101010101010101U;
static const uint64_t every_high = 0x8080808080808080U;

// The high bit of each byte of `word` that is zero; exact, unlike the usual subtraction.
static uint64_t zero_bytes(uint64_t word) {
    uint64_t low = word & ~every_high;
    return ~((low + ~every_high) | word | ~every_high);
}

static uint64_t equal_bits(uint64_t word, char wanted) {
    uint64_t found = zero_bytes(word ^ (every_low * (unsigned char)wanted)) >> 7;
    return (found * 0x0102040810204080U) >> 56; // gathers bit 8i into bit i
}

struct smtp_scan_masks smtp_scan_block_portable(const char *bytes) {
    struct smtp_scan_masks masks = {0};
    uint64_t all = 0, zeros = 0;
    for (unsigned i = 0; i < SMTP_SCAN_BLOCK_BYTES / 8; i++) {
        uint64_t word = codec_load_u64(bytes + (size_t)8 * i);
        masks.cr |= equal_bits(word, '\r') << (8 * i);
        masks.lf |= equal_bits(word, '\n') << (8 * i);
        masks.dot |= equal_bits(word, '.') << (8 * i);
        all |= word;
        zeros |= zero_bytes(word);
    }
    masks.any_8bit = (all & every_high) != 0;
    masks.any_nul = zeros != 0;
    return masks;
}

#ifdef __SSE2__
static uint64_t sse_equal(const __m128i part[4], char wanted) {
    const __m128i pattern = _mm_set1_epi8(wanted);
    uint64_t bits = 0;
    for (unsigned i = 0; i < 4; i++)
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(part[i], pattern)) << (16 * i);
    return bits;
}

static inline struct smtp_scan_masks block_masks(const char *bytes) {
    __m128i part[4];
    for (unsigned i = 0; i < 4; i++)
        part[i] = _mm_loadu_si128((const __m128i *)(const void *)(bytes + (size_t)16 * i));
    __m128i all = _mm_or_si128(_mm_or_si128(part[0], part[1]), _mm_or_si128(part[2], part[3]));
    __m128i least = _mm_min_epu8(_mm_min_epu8(part[0], part[1]), _mm_min_epu8(part[2], part[3]));
    __m128i zeros = _mm_cmpeq_epi8(least, _mm_setzero_si128());
    return (struct smtp_scan_masks){.cr = sse_equal(part, '\r'),
                                    .lf = sse_equal(part, '\n'),
                                    .dot = sse_equal(part, '.'),
                                    .any_8bit = _mm_movemask_epi8(all) != 0,
                                    .any_nul = _mm_movemask_epi8(zeros) != 0};
}
#else
static inline struct smtp_scan_masks block_masks(const char *bytes) {
    return smtp_scan_block_portable(bytes);
}
#endif

struct smtp_scan_masks smtp_scan_block(const char *bytes) {
    return block_masks(bytes);
}

static uint64_t bits_below(size_t n) {
    return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

static void note_kinds(struct smtp_scan *scan, const struct smtp_scan_masks *masks,
                       const char *bytes, size_t len) {
    bool is_new = (masks->any_8bit && !scan->has_8bit) || (masks->any_nul && !scan->has_nul);
    if (!is_new)
        return;
    // Only what stands before the odd byte counts: behind a final dot the next command begins.
    for (size_t i = 0; i < len; i++) {
        scan->has_8bit |= (unsigned char)bytes[i] >= 0x80;
        scan->has_nul |= bytes[i] == '\0';
    }
}

// Lines inside one block are shorter than it, so once a longer one was seen only the line that
// began before the block can be a new longest.
static void note_lines(struct smtp_scan *scan, uint64_t ends, size_t len) {
    size_t begin = 0;
    ASSERT(ends != 0);
    size_t last = 63 - (size_t)__builtin_clzll(ends);
    while (ends) {
        size_t at = (size_t)__builtin_ctzll(ends);
        // From the line's first byte to the LF, less the CR; line_len counts what came before.
        scan->line_len_max = size_max(scan->line_len_max, scan->line_len + at - begin - 1);
        scan->line_len = 0;
        begin = at + 1;
        ends = scan->line_len_max >= SMTP_SCAN_BLOCK_BYTES ? 0 : ends & (ends - 1);
    }
    scan->line_len = len - last - 1;
}

// One block of up to 64 bytes. Returns how many it passed.
static inline size_t run_block(struct smtp_scan *scan, const char *bytes, size_t len) {
    struct smtp_scan_masks masks = block_masks(bytes);
    uint64_t valid = bits_below(len);
    uint64_t cr = masks.cr & valid, lf = masks.lf & valid;
    uint64_t after_cr = cr << 1 | (scan->place == SMTP_SCAN_AFTER_CR);
    uint64_t ends = lf & after_cr;
    uint64_t starts = ends << 1 | (scan->place == SMTP_SCAN_START);
    uint64_t odd = ((lf ^ after_cr) | (starts & masks.dot)) & valid;
    size_t passed = odd ? (size_t)__builtin_ctzll(odd) : len;
    note_kinds(scan, &masks, bytes, passed);
    if (passed == 0)
        return 0;
    ends &= bits_below(passed);
    if (ends)
        note_lines(scan, ends, passed);
    else
        scan->line_len += passed;
    size_t last = passed - 1;
    scan->place = ends >> last & 1 ? SMTP_SCAN_START
                  : cr >> last & 1 ? SMTP_SCAN_AFTER_CR
                                   : SMTP_SCAN_INSIDE;
    return passed;
}

size_t smtp_scan_run(struct smtp_scan *scan, struct view bytes) {
    struct smtp_scan now = *scan; // a copy that the compiler can keep in registers
    char tail[SMTP_SCAN_BLOCK_BYTES];
    size_t at = 0;
    while (at < bytes.len) {
        const char *block = bytes.ptr + at;
        size_t len = bytes.len - at;
        if (len < SMTP_SCAN_BLOCK_BYTES) {
            memset(tail, 'x', sizeof(tail));
            block = memcpy(tail, block, len);
        }
        len = size_min(len, SMTP_SCAN_BLOCK_BYTES);
        size_t passed = run_block(&now, block, len);
        at += passed;
        if (passed < len)
            break;
    }
    ASSERT(at <= bytes.len);
    *scan = now;
    return at;
}
