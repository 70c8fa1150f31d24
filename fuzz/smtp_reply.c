// SPDX-License-Identifier: Apache-2.0
// A server's bytes: replies line by line, and each complete one read as an answer to EHLO.
#include "smtp/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_reply(const struct smtp_reply *reply, enum smtp_reply_state state) {
    ASSERT(!reply->text.overflow && reply->text.len <= SMTP_REPLY_TEXT_BYTES_MAX);
    ASSERT(reply->n_lines >= 1 && reply->n_lines <= SMTP_REPLY_LINES_MAX + 1);
    if (state == SMTP_REPLY_DONE)
        ASSERT(reply->code >= 200 && reply->code <= 599);
    if (reply->enhanced[0])
        ASSERT(reply->enhanced[0] == reply->code / 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view rest = view_from(bytes, len), line = VIEW_NONE;
    struct smtp_extensions extensions;
    struct smtp_reply reply;
    size_t used = 0;
    smtp_reply_init(&reply);
    while (smtp_line_take(rest, SMTP_REPLY_LINE_BYTES_MAX, &line, &used) != SMTP_LINE_MORE) {
        enum smtp_reply_state state = smtp_reply_feed(&reply, line);
        check_reply(&reply, state);
        rest = view_skip(rest, used);
        if (state == SMTP_REPLY_MORE)
            continue;
        struct view text = buffer_view(&reply.text);
        smtp_extensions_parse(text, &extensions);
        ASSERT(extensions.n_masked <= extensions.n_keywords);
        if (extensions.name.len)
            ASSERT(extensions.name.ptr >= text.ptr &&
                   extensions.name.ptr + extensions.name.len <= text.ptr + text.len);
        smtp_reply_clear(&reply);
    }
    smtp_reply_finish(&reply);
    smtp_extensions_parse(view_from(bytes, len), &extensions);
    return 0;
}
