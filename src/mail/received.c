// SPDX-License-Identifier: Apache-2.0
// The trace field (RFC 5321 4.4): from whom, by whom, how, as what, for whom, when. A clause a
// line, each bounded, so that no name that a peer chose makes a line long or begins a new field.
#include "mail/mail.h"

#include "base/units.h"

enum {
    NAME_BYTES_MAX = 255,
    COMMENT_BYTES_MAX = 200,
    FOR_BYTES_MAX = 600 // more than the longest mailbox
};

static bool is_word_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool is_word(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if (!is_word_char(text.ptr[i]))
            return false;
    return text.len > 0 && text.len <= NAME_BYTES_MAX;
}

// "[192.0.2.1]", "[IPv6:...]": the shape is enough here, the grammar was checked at EHLO.
static bool is_literal(struct view text) {
    if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']' ||
        text.len > NAME_BYTES_MAX)
        return false;
    for (size_t i = 1; i + 1 < text.len; i++)
        if (!is_word_char(text.ptr[i]) && text.ptr[i] != ':')
            return false;
    return true;
}

static bool is_print(char c) {
    return c >= ' ' && c < 0x7f;
}

// The inside of a comment (RFC 5322 3.2.2): quotes what would end it, and shows the rest as "?".
static void put_comment(struct buffer *out, struct view text) {
    text = view_take(text, COMMENT_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '(' || c == ')' || c == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, is_print(c) ? c : '?');
    }
}

// A word of ours that is written as it is, less what could not be one.
static void put_word(struct buffer *out, struct view text) {
    text = view_take(text, NAME_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++)
        buffer_append_char(out, is_word_char(text.ptr[i]) ? text.ptr[i] : '?');
    if (text.len == 0)
        buffer_append_view(out, VIEW("unknown"));
}

static void put_literal(struct buffer *out, const struct address *address) {
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text, sizeof(text));
    // RFC 5321 4.1.3.
    buffer_printf(out, address->family == ADDRESS_IPV6 ? "[IPv6:%s]" : "[%s]", text);
}

static void put_from(struct buffer *out, const struct mail_received *received) {
    struct view name = received->client_name;
    bool is_remote =
        received->client.family == ADDRESS_IPV4 || received->client.family == ADDRESS_IPV6;
    bool is_well = is_word(name) || is_literal(name);
    if (!is_remote && name.len == 0)
        return; // handed in on this machine: there is no client to name
    buffer_append_view(out, VIEW("from "));
    if (is_well)
        buffer_append_view(out, name);
    else if (is_remote)
        put_literal(out, &received->client);
    else
        buffer_append_view(out, VIEW("unknown"));
    if (is_well && is_remote) {
        buffer_append_view(out, VIEW(" ("));
        put_literal(out, &received->client);
        buffer_append_view(out, VIEW(")"));
    } else if (!is_well && name.len) {
        buffer_append_view(out, VIEW(" (said "));
        put_comment(out, name);
        buffer_append_view(out, VIEW(")"));
    }
    buffer_append_view(out, VIEW("\r\n\t"));
}

// "for" needs a path that is safe to print; RFC 5321 7.2 lets it be left out.
static bool is_printable(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if (!is_print(text.ptr[i]))
            return false;
    return text.len > 0 && text.len <= FOR_BYTES_MAX;
}

void mail_received_write(const struct mail_received *received, struct buffer *out) {
    char date[UNITS_TIME_SIZE];
    size_t date_len = units_format_mail_date(received->at_ms, date, sizeof(date));
    ASSERT(received->hostname.len > 0 && received->protocol.len > 0);
    buffer_append_view(out, VIEW("Received: "));
    put_from(out, received);
    buffer_append_view(out, VIEW("by "));
    put_word(out, received->hostname);
    buffer_append_view(out, VIEW(" (Postrider) with "));
    put_word(out, received->protocol);
    if (received->tls.len) {
        buffer_append_view(out, VIEW(" ("));
        put_comment(out, received->tls);
        buffer_append_view(out, VIEW(")"));
    }
    buffer_append_view(out, VIEW("\r\n\tid "));
    put_word(out, received->id);
    if (is_printable(received->recipient)) {
        buffer_append_view(out, VIEW("\r\n\tfor <"));
        buffer_append_view(out, received->recipient);
        buffer_append_view(out, VIEW(">"));
    }
    buffer_append_view(out, VIEW(";\r\n\t"));
    buffer_append(out, date, date_len);
    buffer_append_view(out, VIEW("\r\n"));
}
