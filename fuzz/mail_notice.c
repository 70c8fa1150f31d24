// SPDX-License-Identifier: Apache-2.0
// Notices and Received fields made of anything: CRLF alone ends their lines, none is too long, and
// the boundary stands where it belongs and nowhere else.
#include "mail/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_lines(struct view message) {
    size_t line_len = 0;
    for (size_t i = 0; i < message.len; i++) {
        char c = message.ptr[i];
        ASSERT(c != '\0');
        ASSERT((c == '\r') == (i + 1 < message.len && message.ptr[i + 1] == '\n'));
        line_len = c == '\n' ? 0 : line_len + 1;
        ASSERT(line_len <= 999); // with the CR
    }
    ASSERT(message.len == 0 || line_len == 0);
}

static size_t count(struct view text, struct view wanted) {
    size_t n = 0;
    for (size_t at; (at = view_find(text, wanted)) < text.len; n++)
        text = view_skip(text, at + wanted.len);
    return n;
}

static void check_notice(const struct mail_notice *notice) {
    struct buffer out;
    buffer_init(&out, 64 << 20);
    mail_notice_write(notice, &out);
    struct view message = buffer_view(&out);
    ASSERT(!out.overflow);
    check_lines(message);
    size_t at = view_find(message, VIEW("\r\n\tboundary=\"")) + 13;
    struct view boundary = view_skip(message, at);
    boundary = view_take(boundary, view_find_char(boundary, '"'));
    // An address in the header may hold it; below the header it begins the parts, and nothing else.
    size_t n = count(view_skip(message, mail_header_len(message)), boundary);
    ASSERT(n == 3 || n == 4);
    buffer_finish(&out);
}

static struct view next(struct view *rest) {
    struct view part = VIEW_NONE;
    return view_split(rest, '\xfe', &part) ? part : VIEW_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct view rest = view_from(bytes, len);
    struct mail_notice_recipient recipient = {
        .recipient = next(&rest), .orcpt = next(&rest), .status = next(&rest)};
    recipient.diagnostic = next(&rest);
    recipient.diagnostic_type = len % 2 ? VIEW("smtp") : next(&rest);
    recipient.remote_name = next(&rest);
    recipient.remote_address = next(&rest);
    recipient.cause = next(&rest);
    recipient.text = next(&rest);
    struct mail_notice notice = {.kind = (enum mail_notice_kind)(len % 3),
                                 .reporting_name = VIEW("relay.example.com"),
                                 .recipients = &recipient,
                                 .n_recipients = 1};
    notice.from = next(&rest);
    notice.to = next(&rest);
    notice.envid = next(&rest);
    notice.original_id = next(&rest);
    notice.notice_id = next(&rest);
    notice.original_header = next(&rest);
    check_notice(&notice);
    struct mail_received received = {.client_name = recipient.recipient,
                                     .hostname = VIEW("relay.example.com"),
                                     .protocol = VIEW("ESMTP"),
                                     .tls = recipient.text,
                                     .id = notice.notice_id,
                                     .recipient = notice.to};
    struct buffer out;
    buffer_init(&out, 1 << 16);
    mail_received_write(&received, &out);
    check_lines(buffer_view(&out));
    buffer_finish(&out);
    return 0;
}
