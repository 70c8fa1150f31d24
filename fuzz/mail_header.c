// SPDX-License-Identifier: Apache-2.0
// Headers of strangers: the scan sees the same in any pieces, agrees with the length, and fields
// are found where it counted them.
#include "mail/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_equal(const struct mail_header_scan *a, const struct mail_header_scan *b) {
    ASSERT(a->n_received == b->n_received && a->n_fields == b->n_fields);
    ASSERT(a->is_done == b->is_done && a->header_bytes == b->header_bytes);
    ASSERT(a->has_message_id == b->has_message_id && a->has_date == b->has_date);
    ASSERT(a->has_from == b->has_from && a->is_auto_submitted == b->is_auto_submitted);
    ASSERT(view_equals(view_of(a->message_id), view_of(b->message_id)));
}

static void check_find(struct view header, const struct mail_header_scan *scan) {
    struct arena arena;
    struct view value = VIEW_NONE;
    arena_init(&arena, 4 << 20);
    if (scan->n_received && scan->n_received < 100)
        ASSERT(mail_header_find(header, VIEW("Received"), scan->n_received - 1, &arena, &value));
    ASSERT(!mail_header_find(header, VIEW("Received"), scan->n_received, &arena, &value));
    bool has_id = mail_header_find(header, VIEW("Message-ID"), 0, &arena, &value);
    ASSERT(has_id == scan->has_message_id);
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct mail_header_scan whole, pieces;
    size_t step = len ? 1 + bytes[0] % 16 : 1;
    struct view message = view_skip(view_from(bytes, len), 1);
    mail_header_scan_init(&whole);
    mail_header_scan_feed(&whole, message);
    mail_header_scan_init(&pieces);
    for (size_t at = 0; at < message.len; at += step)
        mail_header_scan_feed(&pieces, view_take(view_skip(message, at), step));
    check_equal(&whole, &pieces);
    ASSERT(whole.header_bytes == mail_header_len(message));
    if (len < 4096)
        check_find(view_take(message, whole.header_bytes), &whole);
    return 0;
}
