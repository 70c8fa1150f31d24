// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <stdatomic.h>
#include <string.h>

enum { POLYNOMIAL_TABLES = 8 };

static uint32_t tables[POLYNOMIAL_TABLES][256];
static atomic_bool tables_ready;

// Building twice at once writes the same values, so the flag is all the order that is needed.
__attribute__((no_sanitize("thread"))) static void build_tables(void) {
    if (atomic_load(&tables_ready))
        return;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < POLYNOMIAL_TABLES; t++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    atomic_store(&tables_ready, true);
}

static uint32_t crc_by_table(uint32_t crc, const unsigned char *bytes, size_t len) {
    build_tables();
    for (; len >= 8; bytes += 8, len -= 8) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + 4, 4);
        low ^= crc;
        crc = tables[7][low & 0xff] ^ tables[6][(low >> 8) & 0xff] ^ tables[5][(low >> 16) & 0xff] ^
              tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][(high >> 8) & 0xff] ^
              tables[1][(high >> 16) & 0xff] ^ tables[0][high >> 24];
    }
    while (len--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *bytes++) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t crc, const unsigned char *bytes, size_t len) {
    uint64_t wide = crc;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len) {
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_by_instruction(crc, bytes, len);
#endif
    return ~crc_by_table(crc, bytes, len);
}
