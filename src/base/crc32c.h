// SPDX-License-Identifier: Apache-2.0
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/base.h"

// CRC-32C (Castagnoli, RFC 3720 B.4) of `len` bytes, going on from `crc` (zero, or a secret seed).
// Uses the processor's instruction where there is one.
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
