// SPDX-License-Identifier: Apache-2.0
// The part of a notice for programs: message/delivery-status (RFC 3464 2). It is ASCII in any case,
// so that it may go to every server; addresses with other characters take the form of RFC 6533 3.
#include "mail/notice.h"
#include "mail/write.h"

enum { ADDRESS_FIELD_BYTES_MAX = 4096 };

static unsigned code_point(struct view sequence) {
    static const unsigned lead_masks[] = {0, 0, 0x1f, 0x0f, 0x07};
    ASSERT(sequence.len >= 2 && sequence.len <= 4);
    unsigned point = (unsigned char)sequence.ptr[0] & lead_masks[sequence.len];
    for (size_t i = 1; i < sequence.len; i++)
        point = point << 6 | ((unsigned char)sequence.ptr[i] & 0x3f);
    return point;
}

// utf-8-addr-xtext: what ASCII cannot say, or what would be read as an escape, as \x{HEX}.
static void put_utf8_xtext(struct buffer *out, struct view address) {
    while (address.len) {
        unsigned char c = (unsigned char)address.ptr[0];
        size_t len = view_utf8_len(address);
        if (len)
            buffer_printf(out, "\\x{%X}", code_point(view_take(address, len)));
        else if (c <= ' ' || c >= 0x7f || c == '\\' || c == '+' || c == '=')
            buffer_printf(out, "\\x{%X}", (unsigned)c);
        else
            buffer_append_char(out, (char)c);
        address = view_skip(address, size_max(len, 1));
    }
}

static int hex_value(char c) {
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// RFC 3461 4. False where the result could not be printed as it is.
static bool decode_xtext(struct view text, struct buffer *out) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c < ' ' || c >= 0x7f)
            return false;
        buffer_append_char(out, c);
    }
    return true;
}

static void put_xtext_field(struct buffer *out, struct view name, struct view prefix,
                            struct view xtext) {
    struct buffer value;
    buffer_init(&value, ADDRESS_FIELD_BYTES_MAX);
    buffer_append_view(&value, prefix);
    if (!decode_xtext(xtext, &value)) {
        buffer_clear(&value);
        buffer_append_view(&value, prefix);
        if (mail_is_ascii(xtext))
            buffer_append_view(&value, xtext);
        else
            put_utf8_xtext(&value, xtext);
    }
    mail_put_exact_field(out, name, buffer_view(&value));
    buffer_finish(&value);
}

static void put_original_recipient(struct buffer *out, struct view orcpt) {
    struct view rest = orcpt, type = VIEW_NONE;
    if (orcpt.len == 0 || !view_split(&rest, ';', &type) || !rest.ptr)
        return;
    struct buffer prefix;
    buffer_init(&prefix, ADDRESS_FIELD_BYTES_MAX);
    buffer_append_view(&prefix, type);
    buffer_append_view(&prefix, VIEW("; "));
    put_xtext_field(out, VIEW("Original-Recipient"), buffer_view(&prefix), rest);
    buffer_finish(&prefix);
}

static void put_final_recipient(struct buffer *out, struct view address) {
    struct buffer value;
    buffer_init(&value, ADDRESS_FIELD_BYTES_MAX);
    if (mail_is_ascii(address)) {
        buffer_append_view(&value, VIEW("rfc822; "));
        buffer_append_view(&value, address);
    } else {
        buffer_append_view(&value, VIEW("utf-8; "));
        put_utf8_xtext(&value, address);
    }
    mail_put_exact_field(out, VIEW("Final-Recipient"), buffer_view(&value));
    buffer_finish(&value);
}

// "type; value", where the value is there.
static void put_typed(struct buffer *out, struct view name, struct view type, struct view value) {
    struct buffer whole;
    if (value.len == 0)
        return;
    buffer_init(&whole, type.len + value.len + 2);
    buffer_append_view(&whole, type);
    buffer_append_view(&whole, VIEW("; "));
    buffer_append_view(&whole, value);
    mail_put_field(out, name, buffer_view(&whole));
    buffer_finish(&whole);
}

static bool is_status(struct view status) {
    unsigned n_dots = 0;
    for (size_t i = 0; i < status.len; i++) {
        n_dots += status.ptr[i] == '.';
        if (status.ptr[i] != '.' && !ascii_is_digit(status.ptr[i]))
            return false;
    }
    return status.len >= 5 && status.len <= 9 && n_dots == 2;
}

static void put_recipient(struct buffer *out, const struct mail_notice *notice,
                          const struct mail_notice_recipient *recipient) {
    bool is_failed = notice->kind == MAIL_NOTICE_FAILED;
    struct view unspecified = is_failed ? VIEW("5.0.0") : VIEW("4.0.0");
    buffer_append_view(out, VIEW("\r\n"));
    put_original_recipient(out, recipient->orcpt);
    put_final_recipient(out, recipient->recipient);
    mail_put_field(out, VIEW("Action"), is_failed ? VIEW("failed") : VIEW("delayed"));
    mail_put_field(out, VIEW("Status"),
                   is_status(recipient->status) ? recipient->status : unspecified);
    put_typed(out, VIEW("Remote-MTA"), VIEW("dns"), recipient->remote_name);
    put_typed(out, VIEW("Diagnostic-Code"), recipient->diagnostic_type, recipient->diagnostic);
    mail_put_date_field(out, VIEW("Last-Attempt-Date"), recipient->last_attempt_ms);
    if (!is_failed)
        mail_put_date_field(out, VIEW("Will-Retry-Until"), recipient->will_retry_until_ms);
    mail_put_field(out, VIEW("X-Postrider-Remote-Address"), recipient->remote_address);
    mail_put_field(out, VIEW("X-Postrider-Cause"), recipient->cause);
}

void mail_notice_status_write(const struct mail_notice *notice, struct buffer *out) {
    put_typed(out, VIEW("Reporting-MTA"), VIEW("dns"), notice->reporting_name);
    if (notice->envid.len)
        put_xtext_field(out, VIEW("Original-Envelope-Id"), VIEW_NONE, notice->envid);
    mail_put_date_field(out, VIEW("Arrival-Date"), notice->arrived_ms);
    mail_put_field(out, VIEW("X-Postrider-Queue-ID"), notice->original_id);
    for (size_t i = 0; i < notice->n_recipients; i++)
        put_recipient(out, notice, &notice->recipients[i]);
}
