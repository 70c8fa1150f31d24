// SPDX-License-Identifier: Apache-2.0
// The operator's own message for `postrider probe --mail-to --message`.
#include "cmd/probe.h"

#include <errno.h>
#include <stdlib.h>

enum { MESSAGE_BYTES_MAX = 64 << 20, MESSAGE_PIECE_BYTES = 64 << 10 };

// RFC 5321 2.3.8: lines end with CRLF, and neither stands alone.
static void add_piece(struct buffer *out, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        bool has_cr = out->len > 0 && out->ptr[out->len - 1] == '\r';
        if (bytes[i] == '\n' && !has_cr)
            buffer_append_char(out, '\r');
        else if (bytes[i] != '\n' && has_cr)
            buffer_append_char(out, '\n');
        buffer_append_char(out, bytes[i]);
    }
}

bool probe_message_read(const char *path, struct buffer *out, struct error *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set_errno(error, errno, "%s cannot be read", path);
    char *piece = mem_alloc(MESSAGE_PIECE_BYTES);
    size_t got;
    buffer_init(out, MESSAGE_BYTES_MAX);
    while ((got = fread(piece, 1, MESSAGE_PIECE_BYTES, file)) > 0 && !out->overflow)
        add_piece(out, piece, got);
    bool is_broken = ferror(file) != 0;
    fclose(file);
    free(piece);
    if (out->len && !view_ends_with_nocase(buffer_view(out), VIEW("\r\n")))
        add_piece(out, "\n", 1);
    if (is_broken)
        return error_set_errno(error, errno, "%s cannot be read", path);
    if (out->overflow)
        return error_set(error, "%s is larger than %d MB", path, MESSAGE_BYTES_MAX >> 20);
    return out->len > 0 || error_set(error, "%s is empty", path);
}
