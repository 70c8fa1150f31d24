// SPDX-License-Identifier: Apache-2.0
// Packed logs as a stream of bytes. The kind is told by the first bytes, memory has a maximum, and
// a file that ends early or is damaged gives what stands before that place.
#include "cmd/logs.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum packing {
    PACKING_UNKNOWN,
    PACKING_NONE,
    PACKING_UTF16_LITTLE, // as PowerShell writes files
    PACKING_UTF16_BIG,
    PACKING_GZIP,
    PACKING_XZ,
    PACKING_ZSTD
};
enum { MAGIC_BYTES = 6, WINDOW_LOG_MAX = 26 };

struct logs_source {
    const char *name;
    int fd;
    enum packing packing;
    char in[LOGS_BLOCK_BYTES], out[LOGS_BLOCK_BYTES];
    size_t in_at, in_len;
    bool is_at_end;    // of the file
    bool is_between;   // no member of the packed file is open
    bool has_unpacked; // at least one member was complete
    uint64_t taken_bytes;
    z_stream gzip;
    lzma_stream xz;
    ZSTD_DCtx *zstd;
};

struct logs_source *logs_source_create(int fd, const char *name) {
    struct logs_source *source = mem_alloc_zero(sizeof(*source));
    source->fd = fd;
    source->name = name;
    source->is_between = true;
    source->xz = (lzma_stream)LZMA_STREAM_INIT;
    return source;
}

void logs_source_destroy(struct logs_source *source) {
    if (!source)
        return;
    if (source->packing == PACKING_GZIP)
        inflateEnd(&source->gzip);
    lzma_end(&source->xz);
    ZSTD_freeDCtx(source->zstd);
    if (source->fd > STDIN_FILENO)
        close(source->fd);
    free(source);
}

bool logs_source_is_packed(const struct logs_source *source) {
    return source->packing >= PACKING_GZIP;
}

uint64_t logs_source_taken_bytes(const struct logs_source *source) {
    return source->taken_bytes;
}

// More of the file behind what is left.
static bool fill(struct logs_source *source, struct error *error) {
    memmove(source->in, source->in + source->in_at, source->in_len - source->in_at);
    source->in_len -= source->in_at;
    source->in_at = 0;
    for (;;) {
        ssize_t n =
            read(source->fd, source->in + source->in_len, sizeof(source->in) - source->in_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(error, errno, "cannot be read any further");
        source->is_at_end = n == 0;
        source->in_len += (size_t)n;
        source->taken_bytes += (uint64_t)n;
        return true;
    }
}

static bool begins_with(const struct logs_source *source, const char *magic, size_t len) {
    return source->in_len >= len && memcmp(source->in, magic, len) == 0;
}

// RFC 1952 2.3.1, the xz file format 2.1.1.1, RFC 8878 3.1.1.
static bool detect(struct logs_source *source, struct error *error) {
    while (source->in_len < MAGIC_BYTES && !source->is_at_end)
        if (!fill(source, error))
            return false;
    if (begins_with(source, "\xff\xfe", 2)) {
        source->packing = PACKING_UTF16_LITTLE;
    } else if (begins_with(source, "\xfe\xff", 2)) {
        source->packing = PACKING_UTF16_BIG;
    } else if (begins_with(source, "\x1f\x8b", 2)) {
        source->packing = PACKING_GZIP;
        if (inflateInit2(&source->gzip, 16 + MAX_WBITS) != Z_OK)
            return error_set(error, "cannot be unpacked: out of memory");
    } else if (begins_with(source,
                           "\xfd"
                           "7zXZ\0",
                           6)) {
        source->packing = PACKING_XZ;
        if (lzma_stream_decoder(&source->xz, LOGS_MEMORY_BYTES_MAX, LZMA_CONCATENATED) != LZMA_OK)
            return error_set(error, "cannot be unpacked: out of memory");
    } else if (begins_with(source, "\x28\xb5\x2f\xfd", 4)) {
        source->packing = PACKING_ZSTD;
        source->zstd = ZSTD_createDCtx();
        if (!source->zstd)
            return error_set(error, "cannot be unpacked: out of memory");
        ZSTD_DCtx_setParameter(source->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    } else {
        source->packing = PACKING_NONE;
    }
    return true;
}

// --- One step of each ----------------------------------------------------------------------------
// Each takes from `in`, gives to `out`, and returns false where the file is damaged.
static bool step_gzip(struct logs_source *source, size_t *out_len, struct error *error) {
    z_stream *gzip = &source->gzip;
    gzip->next_in = (unsigned char *)source->in + source->in_at;
    gzip->avail_in = (unsigned)(source->in_len - source->in_at);
    gzip->next_out = (unsigned char *)source->out;
    gzip->avail_out = sizeof(source->out);
    if (source->is_between && source->has_unpacked && gzip->next_in[0] != 0x1f) {
        source->in_at = source->in_len; // zeros or anything else behind the last member
        return true;
    }
    source->is_between = false;
    int result = inflate(gzip, Z_NO_FLUSH);
    source->in_at = source->in_len - gzip->avail_in;
    *out_len = sizeof(source->out) - gzip->avail_out;
    if (result == Z_STREAM_END) {
        source->is_between = source->has_unpacked = true;
        return inflateReset(gzip) == Z_OK;
    }
    if (result != Z_OK && result != Z_BUF_ERROR)
        return error_set(error, "its gzip data is damaged: %s", gzip->msg ? gzip->msg : "unknown");
    return true;
}

// UTF-8 (RFC 3629 3). Halves of pairs become "?": no log needs what lies beyond the basic plane.
static void step_utf16(struct logs_source *source, size_t *out_len) {
    enum { UTF8_BYTES_MAX = 3 };
    size_t low = source->packing == PACKING_UTF16_BIG, n = 0;
    source->is_between = true;
    for (; source->in_at + 1 < source->in_len && n + UTF8_BYTES_MAX <= sizeof(source->out);
         source->in_at += 2) {
        unsigned char bytes[2];
        memcpy(bytes, source->in + source->in_at, sizeof(bytes));
        unsigned code = bytes[low] | (unsigned)bytes[1 - low] << 8;
        if (code == 0xfeff || (code & 0xf800) == 0xd800)
            code = code == 0xfeff ? 0 : '?';
        if (code >= 0x800) {
            source->out[n++] = (char)(0xe0 | code >> 12);
            source->out[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        } else if (code >= 0x80) {
            source->out[n++] = (char)(0xc0 | code >> 6);
        }
        if (code)
            source->out[n++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    }
    if (source->is_at_end && source->in_at + 1 == source->in_len)
        source->in_at++; // half a character
    *out_len = n;
}

static bool step_xz(struct logs_source *source, size_t *out_len, struct error *error) {
    lzma_stream *xz = &source->xz;
    xz->next_in = (uint8_t *)source->in + source->in_at;
    xz->avail_in = source->in_len - source->in_at;
    xz->next_out = (uint8_t *)source->out;
    xz->avail_out = sizeof(source->out);
    source->is_between = false;
    lzma_ret result = lzma_code(xz, source->is_at_end ? LZMA_FINISH : LZMA_RUN);
    source->in_at = source->in_len - xz->avail_in;
    *out_len = sizeof(source->out) - xz->avail_out;
    if (result == LZMA_STREAM_END) {
        source->is_between = true;
        source->in_at = source->in_len;
        return true;
    }
    if (result == LZMA_MEMLIMIT_ERROR)
        return error_set(error, "unpacking its xz data takes more than %d MB of memory",
                         LOGS_MEMORY_BYTES_MAX >> 20);
    if (result != LZMA_OK && result != LZMA_BUF_ERROR)
        return error_set(error, "its xz data is damaged");
    return true;
}

static bool step_zstd(struct logs_source *source, size_t *out_len, struct error *error) {
    ZSTD_inBuffer in = {source->in, source->in_len, source->in_at};
    ZSTD_outBuffer out = {source->out, sizeof(source->out), 0};
    size_t result = ZSTD_decompressStream(source->zstd, &out, &in);
    source->in_at = in.pos;
    *out_len = out.pos;
    if (ZSTD_isError(result))
        return error_set(error, "its zstd data cannot be unpacked: %s", ZSTD_getErrorName(result));
    source->is_between = result == 0;
    return true;
}

static bool step(struct logs_source *source, size_t *out_len, struct error *error) {
    switch (source->packing) {
    case PACKING_GZIP: return step_gzip(source, out_len, error);
    case PACKING_XZ: return step_xz(source, out_len, error);
    case PACKING_ZSTD: return step_zstd(source, out_len, error);
    case PACKING_UTF16_LITTLE:
    case PACKING_UTF16_BIG: step_utf16(source, out_len); return true;
    case PACKING_UNKNOWN:
    case PACKING_NONE: break;
    }
    return error_set(error, "cannot be unpacked");
}

static bool read_plain(struct logs_source *source, struct view *bytes, struct error *error) {
    if (source->in_at == source->in_len && !source->is_at_end && !fill(source, error))
        return false;
    *bytes = view_from(source->in + source->in_at, source->in_len - source->in_at);
    source->in_at = source->in_len;
    return true;
}

bool logs_source_read(struct logs_source *source, struct view *bytes, struct error *error) {
    size_t out_len = 0;
    *bytes = VIEW_NONE;
    if (source->packing == PACKING_UNKNOWN && !detect(source, error))
        return false;
    if (source->packing == PACKING_NONE)
        return read_plain(source, bytes, error);
    bool is_packed = logs_source_is_packed(source);
    for (;;) {
        size_t n_left = source->in_len - source->in_at, n_least = is_packed ? 1 : 2;
        if (n_left < n_least && !source->is_at_end && !fill(source, error))
            return false;
        bool is_dry = source->in_at == source->in_len && source->is_at_end;
        if (is_dry && source->is_between)
            return true;
        size_t before = source->in_at;
        if (!step(source, &out_len, error)) {
            *bytes = view_from(source->out, out_len);
            return false;
        }
        if (out_len > 0) {
            *bytes = view_from(source->out, out_len);
            return true;
        }
        if (is_dry && source->in_at == before && !source->is_between)
            return error_set(error, "ends in the middle of its packed data");
    }
}
