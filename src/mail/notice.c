// SPDX-License-Identifier: Apache-2.0
// A notice as a whole message (RFC 3462/6522 multipart/report, RFC 3464, RFC 3834): a text for
// people, a report for programs, the header of the original. The parts are made first, so that the
// boundary can be one that none of them holds and their encoding is known.
#include "mail/notice.h"
#include "mail/field.h"
#include "mail/write.h"

enum {
    PART_BYTES_MAX = 64 << 20,
    HEADER_BYTES_MAX = 64 << 10, // of the original that goes back
    FOLD_BYTES_MAX = 990,
    BOUNDARY_BYTES_MAX = 70, // RFC 2046 5.1.1
    NAME_IN_SUBJECT_BYTES_MAX = 120
};

struct parts {
    struct buffer text, status, header;
    char boundary[BOUNDARY_BYTES_MAX + 1];
};

// --- The header of the original -----------------------------------------------------------------

// Where a long line is cut: before the last blank that fits, else between characters.
static size_t fold_len(struct view line) {
    if (line.len < MAIL_LINE_BYTES_MAX) // one byte for the blank of a continuation
        return line.len;
    for (size_t len = FOLD_BYTES_MAX; len > FOLD_BYTES_MAX / 2; len--)
        if (line.ptr[len] == ' ' || line.ptr[len] == '\t')
            return len;
    size_t len = 0;
    while (len + 4 <= FOLD_BYTES_MAX)
        len += size_max(view_utf8_len(view_skip(line, len)), 1);
    return len;
}

// Bytes as they came, less what breaks lines.
static void put_header_bytes(struct buffer *out, struct view bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        buffer_append_char(out, c == '\r' || c == '\0' ? '?' : c);
    }
}

static void put_header_line(struct buffer *out, struct view line) {
    while (line.len) {
        size_t len = fold_len(line);
        put_header_bytes(out, view_take(line, len));
        buffer_append_view(out, VIEW("\r\n"));
        line = view_skip(line, len);
        if (line.len && line.ptr[0] != ' ' && line.ptr[0] != '\t')
            buffer_append_char(out, ' ');
    }
}

static void put_original_header(const struct mail_notice *notice, struct buffer *out) {
    struct view rest = notice->original_header, line = VIEW_NONE;
    while (mail_line_take(&rest, &line) && line.len && out->len < HEADER_BYTES_MAX)
        put_header_line(out, view_take(line, HEADER_BYTES_MAX));
}

// --- The boundary -------------------------------------------------------------------------------

static bool is_word_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

// A word of ours; what could not stand in one is left out.
static void put_word(struct buffer *out, struct view text) {
    for (size_t i = 0; i < text.len && i < 255; i++)
        if (is_word_char(text.ptr[i]))
            buffer_append_char(out, text.ptr[i]);
}

static bool holds(const struct buffer *part, struct view wanted) {
    struct view view = buffer_view(part);
    return view_find(view, wanted) < view.len;
}

// RFC 2045 6.7 has "=_" as a beginning that no encoding makes; the rest is tried until none of the
// parts holds it.
static void choose_boundary(struct parts *parts, struct view notice_id) {
    for (unsigned n = 1;; n++) {
        struct buffer candidate;
        buffer_init(&candidate, BOUNDARY_BYTES_MAX);
        buffer_printf(&candidate, "=_postrider_%u_", n);
        put_word(&candidate, view_take(notice_id, 40));
        struct view boundary = buffer_view(&candidate);
        bool is_free = !holds(&parts->text, boundary) && !holds(&parts->status, boundary) &&
                       !holds(&parts->header, boundary);
        ASSERT(!candidate.overflow);
        view_copy_string(boundary, parts->boundary, sizeof(parts->boundary));
        buffer_finish(&candidate);
        if (is_free)
            return;
    }
}

// --- The message --------------------------------------------------------------------------------

static void put_message_id(const struct mail_notice *notice, struct buffer *out) {
    buffer_append_view(out, VIEW("Message-ID: <"));
    put_word(out, notice->notice_id);
    buffer_append_view(out, VIEW("@"));
    put_word(out, notice->reporting_name);
    buffer_append_view(out, VIEW(">\r\n"));
}

// RFC 5322 3.6.4: mail programs then show the notice beside the message.
static void put_references(const struct mail_notice *notice, struct buffer *out) {
    struct arena arena;
    struct view id = VIEW_NONE;
    arena_init(&arena, 1 << 20);
    bool is_usable =
        mail_header_find(notice->original_header, VIEW("Message-ID"), 0, &arena, &id) &&
        id.len > 2 && id.len < 250 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>' &&
        view_find_char(id, ' ') == id.len && mail_is_ascii(id) && mail_is_safe_address(id);
    if (is_usable) {
        buffer_printf(out, "In-Reply-To: %.*s\r\n", VIEW_ARG(id));
        buffer_printf(out, "References: %.*s\r\n", VIEW_ARG(id));
    }
    arena_finish(&arena);
}

static void put_subject(const struct mail_notice *notice, struct buffer *out) {
    static const char *const words[] = {[MAIL_NOTICE_FAILED] = "Not delivered",
                                        [MAIL_NOTICE_DELAYED] = "Delayed",
                                        [MAIL_NOTICE_HELD] = "On hold"};
    struct view name = notice->recipients[0].recipient;
    ASSERT((size_t)notice->kind < ARRAY_LEN(words));
    buffer_printf(out, "Subject: %s: your message to ", words[notice->kind]);
    if (!mail_is_ascii(name) || !mail_is_safe_address(name) || name.len > NAME_IN_SUBJECT_BYTES_MAX)
        buffer_printf(out, "%zu recipient%s", notice->n_recipients,
                      notice->n_recipients == 1 ? "" : "s");
    else if (notice->n_recipients == 1)
        buffer_append_view(out, name);
    else
        buffer_printf(out, "%.*s and %zu other%s", VIEW_ARG(name), notice->n_recipients - 1,
                      notice->n_recipients == 2 ? "" : "s");
    buffer_append_view(out, VIEW("\r\n"));
}

static void put_header(const struct mail_notice *notice, const struct parts *parts, bool is_8bit,
                       struct buffer *out) {
    // RFC 5322 3.6: a message always has a date.
    mail_put_date_field(out, VIEW("Date"), int64_max(notice->at_ms, 1));
    buffer_append_view(out, VIEW("From: Mail Delivery System <"));
    if (mail_is_safe_address(notice->from)) {
        buffer_append_view(out, notice->from);
    } else {
        buffer_append_view(out, VIEW("postmaster@"));
        put_word(out, notice->reporting_name);
    }
    buffer_append_view(out, VIEW(">\r\n"));
    if (mail_is_safe_address(notice->to))
        buffer_printf(out, "To: <%.*s>\r\n", VIEW_ARG(notice->to));
    else
        buffer_append_view(out, VIEW("To: undisclosed-recipients:;\r\n"));
    put_subject(notice, out);
    put_message_id(notice, out);
    put_references(notice, out);
    buffer_append_view(out, VIEW("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"));
    buffer_printf(out,
                  "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                  "\tboundary=\"%s\"\r\n",
                  parts->boundary);
    buffer_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", is_8bit ? "8bit" : "7bit");
    buffer_append_view(out, VIEW("This is a delivery status notification in MIME format.\r\n"));
}

static void put_part(const struct parts *parts, const char *type, const char *description,
                     const struct buffer *content, struct buffer *out) {
    bool is_ascii = mail_is_ascii(buffer_view(content));
    buffer_printf(out, "\r\n--%s\r\nContent-Type: %s\r\n", parts->boundary, type);
    buffer_printf(out, "Content-Transfer-Encoding: %s\r\n", is_ascii ? "7bit" : "8bit");
    buffer_printf(out, "Content-Description: %s\r\n\r\n", description);
    buffer_append_view(out, buffer_view(content));
}

static bool is_utf8(struct view text) {
    while (text.len) {
        size_t len = (unsigned char)text.ptr[0] < 0x80 ? 1 : view_utf8_len(text);
        if (len == 0)
            return false;
        text = view_skip(text, len);
    }
    return true;
}

static void put_parts(const struct parts *parts, struct buffer *out) {
    struct view header = buffer_view(&parts->header);
    bool is_text_ascii = mail_is_ascii(buffer_view(&parts->text));
    put_part(parts, is_text_ascii ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8",
             "Notification", &parts->text, out);
    put_part(parts, "message/delivery-status", "Delivery report", &parts->status, out);
    // RFC 6533 5: a header in UTF-8 has a type of its own.
    bool is_global = !mail_is_ascii(header) && is_utf8(header);
    if (header.len)
        put_part(parts, is_global ? "message/global-headers" : "text/rfc822-headers",
                 "Header of your message", &parts->header, out);
    buffer_printf(out, "\r\n--%s--\r\n", parts->boundary);
}

void mail_notice_write(const struct mail_notice *notice, struct buffer *out) {
    struct parts parts;
    ASSERT(notice->n_recipients > 0 && notice->recipients);
    ASSERT(notice->reporting_name.len > 0);
    buffer_init(&parts.text, PART_BYTES_MAX);
    buffer_init(&parts.status, PART_BYTES_MAX);
    buffer_init(&parts.header, PART_BYTES_MAX);
    mail_notice_text_write(notice, &parts.text);
    mail_notice_status_write(notice, &parts.status);
    put_original_header(notice, &parts.header);
    choose_boundary(&parts, notice->notice_id);
    bool is_8bit =
        !mail_is_ascii(buffer_view(&parts.text)) || !mail_is_ascii(buffer_view(&parts.header));
    put_header(notice, &parts, is_8bit, out);
    put_parts(&parts, out);
    out->overflow |= parts.text.overflow || parts.status.overflow || parts.header.overflow;
    buffer_finish(&parts.text);
    buffer_finish(&parts.status);
    buffer_finish(&parts.header);
}
