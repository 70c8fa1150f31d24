// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message: its parts stay inside it, their texts are valid and bounded.
#include "mail/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_inside(struct view part, struct view message) {
    ASSERT(part.len == 0 ||
           (part.ptr >= message.ptr && part.ptr + part.len <= message.ptr + message.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    enum { TEXT_MAX = 4096 };
    struct view message = view_from(bytes, len), rest = message;
    struct mail_parts parts;
    struct mail_field field;
    struct arena arena;
    int64_t at_ms;
    arena_init(&arena, 16 << 20);
    mail_parts_read(message, &arena, &parts);
    ASSERT(parts.n >= 1 && parts.n <= MAIL_PARTS_MAX);
    for (size_t i = 0; i < parts.n; i++) {
        const struct mail_part *part = &parts.parts[i];
        check_inside(part->header, message);
        check_inside(part->body, message);
        ASSERT(part->depth < MAIL_PART_DEPTH_MAX);
        struct view text = mail_part_text(part, TEXT_MAX, &arena);
        ASSERT(text.len <= 4 * TEXT_MAX && view_find_char(text, '\r') == text.len);
    }
    while (mail_field_take(&rest, &field)) {
        check_inside(field.value, message);
        ASSERT(view_find_char(mail_unfold(field.value, &arena), '\n') >= 1 || field.value.len == 0);
        (void)mail_field_text(field.value, &arena);
        check_inside(mail_address_find(field.value), message);
        (void)mail_date_parse(field.value, &at_ms);
    }
    arena_finish(&arena);
    return 0;
}
