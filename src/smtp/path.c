// SPDX-License-Identifier: Apache-2.0
// Paths, mailboxes and host names (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).
//
// One rule is wider than the RFC on purpose: dots may stand anywhere in an unquoted local part
// ("taro..yamada.@example.jp"), because such mailboxes exist and a relay only passes them on.
#include "smtp/grammar.h"

bool smtp_text_is_clean(struct view text) {
    while (text.len) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t len = c < 0x80 ? (size_t)(c >= 0x20 && c != 0x7f) : view_utf8_len(text);
        if (len == 0)
            return false;
        text = view_skip(text, len);
    }
    return true;
}

static bool has_high_byte(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return true;
    return false;
}

// --- Host names ---------------------------------------------------------------------------------

static bool label_is_valid(struct view label, bool utf8) {
    bool is_ascii = !has_high_byte(label);
    // RFC 1035 2.3.4 counts the encoded form; a U-label may be longer than its A-label.
    if (label.len == 0 || (is_ascii && label.len > 63) || (!is_ascii && !utf8))
        return false;
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && (signed char)c >= 0)
            return false;
    }
    return true;
}

static bool is_all_digits(struct view text) {
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_digit(text.ptr[i]))
            return false;
    return true;
}

bool smtp_domain_is_valid_in(struct view domain, bool utf8) {
    struct view label = VIEW_NONE;
    if (domain.len && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    if (domain.len == 0 || domain.len > SMTP_DOMAIN_BYTES_MAX)
        return false;
    if (utf8 && !smtp_text_is_clean(domain))
        return false;
    struct view rest = domain;
    while (view_split(&rest, '.', &label))
        if (!label_is_valid(label, utf8))
            return false;
    // RFC 1123 2.1: what could be an address is not a name.
    return !is_all_digits(label);
}

bool smtp_domain_is_valid(struct view domain) {
    return smtp_domain_is_valid_in(domain, false);
}

bool smtp_literal_parse(struct view text, struct view *inner) {
    struct address address;
    const struct view tag = VIEW("IPv6:");
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct view body = view_from(text.ptr + 1, text.len - 2);
    bool is_tagged = view_starts_with_nocase(body, tag);
    if (is_tagged)
        body = view_skip(body, tag.len);
    // The tag decides the family; a scope id means nothing to another machine.
    bool has_colon = view_find_char(body, ':') < body.len;
    if (has_colon != is_tagged || view_find_char(body, '%') < body.len ||
        !address_parse(body, &address))
        return false;
    *inner = body;
    return true;
}

// --- Mailboxes ----------------------------------------------------------------------------------

static bool is_atext(char c) {
    static const char others[] = "!#$%&'*+-/=?^_`{|}~";
    return ascii_is_alpha(c) || ascii_is_digit(c) || (signed char)c < 0 ||
           (c && memchr(others, c, sizeof(others) - 1));
}

// Length of a quoted string with its quotes; zero when it does not end.
static size_t quoted_len(struct view text) {
    ASSERT(text.len && text.ptr[0] == '"');
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '"')
            return i + 1;
        if (text.ptr[i] == '\\')
            i++;
    }
    return 0;
}

static size_t atoms_len(struct view text) {
    size_t len = 0;
    while (len < text.len && (is_atext(text.ptr[len]) || text.ptr[len] == '.'))
        len++;
    return len;
}

static size_t local_part_len(struct view text) {
    if (text.len == 0)
        return 0;
    return text.ptr[0] == '"' ? quoted_len(text) : atoms_len(text);
}

static bool domain_parse(struct view text, struct smtp_path *path) {
    path->domain = text;
    if (text.len && text.ptr[0] == '[') {
        path->is_literal = smtp_literal_parse(text, &path->domain);
        return path->is_literal;
    }
    if (!smtp_domain_is_valid_in(text, true))
        return false;
    if (text.ptr[text.len - 1] == '.')
        path->domain.len--;
    return true;
}

// "local@domain" as the whole of `text`; a trailing dot of the domain is dropped.
static enum smtp_syntax mailbox_parse(struct view text, struct smtp_path *path) {
    size_t local_len = local_part_len(text);
    *path = (struct smtp_path){.address = text, .local_part = view_take(text, local_len)};
    if (local_len == 0 || local_len >= text.len || text.ptr[local_len] != '@' ||
        !smtp_text_is_clean(text))
        return SMTP_SYNTAX_PATH;
    if (text.len - local_len - 1 > SMTP_DOMAIN_BYTES_MAX + 1 ||
        local_len > SMTP_LOCAL_PART_BYTES_MAX)
        return SMTP_SYNTAX_TOO_LONG;
    if (!domain_parse(view_skip(text, local_len + 1), path))
        return SMTP_SYNTAX_PATH;
    if (!path->is_literal)
        path->address.len = local_len + 1 + path->domain.len;
    path->has_utf8 = has_high_byte(path->address);
    return SMTP_SYNTAX_OK;
}

// RFC 5321 4.1.1.3, appendix C: a source route of domains is checked, and ignored.
static bool route_skip(struct view *text) {
    struct view hop = VIEW_NONE;
    if (text->len == 0 || text->ptr[0] != '@')
        return true;
    size_t colon = view_find_char(*text, ':');
    if (colon == text->len)
        return false;
    struct view route = view_take(*text, colon);
    *text = view_skip(*text, colon + 1);
    while (view_split(&route, ',', &hop))
        if (hop.len < 2 || hop.ptr[0] != '@' || !smtp_domain_is_valid_in(view_skip(hop, 1), true))
            return false;
    return true;
}

// Index of the ">" that ends a path which starts with "<"; `text.len` when there is none.
static size_t bracket_end(struct view text) {
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '>')
            return i;
        if (text.ptr[i] != '"')
            continue;
        size_t len = quoted_len(view_skip(text, i));
        if (len == 0)
            return text.len;
        i += len - 1;
    }
    return text.len;
}

enum smtp_syntax smtp_path_take(struct view *rest, bool allow_null, struct smtp_path *path) {
    *path = (struct smtp_path){0};
    if (rest->len == 0 || rest->ptr[0] != '<')
        return SMTP_SYNTAX_PATH;
    size_t end = bracket_end(*rest);
    if (end == rest->len)
        return SMTP_SYNTAX_PATH;
    struct view inner = view_from(rest->ptr + 1, end - 1);
    *rest = view_skip(*rest, end + 1);
    if (inner.len > SMTP_PATH_BYTES_MAX)
        return SMTP_SYNTAX_TOO_LONG;
    if (inner.len == 0)
        return allow_null ? SMTP_SYNTAX_OK : SMTP_SYNTAX_PATH;
    // RFC 5321 4.5.1: RCPT TO:<Postmaster> is served without a domain.
    if (!allow_null && view_equals_nocase(inner, VIEW("postmaster"))) {
        *path = (struct smtp_path){.address = inner, .local_part = inner};
        return SMTP_SYNTAX_OK;
    }
    return route_skip(&inner) ? mailbox_parse(inner, path) : SMTP_SYNTAX_PATH;
}

bool smtp_address_parse(struct view text, struct smtp_path *path) {
    text = view_trim(text);
    if (text.len == 0 || text.len > SMTP_PATH_BYTES_MAX)
        return false;
    if (text.ptr[0] != '<')
        return mailbox_parse(text, path) == SMTP_SYNTAX_OK;
    return smtp_path_take(&text, false, path) == SMTP_SYNTAX_OK && text.len == 0 &&
           path->domain.len > 0;
}
